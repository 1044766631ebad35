//! What one answer proves, and what only several nights do.

use serde_json::Value;
use teamsheet::simulated_tenant::world::{Meeting, Person, ServerClock};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::time::HOUR;

use crate::nights::{night, the_session, world};
use crate::support::nights::{Nights, asked, at};

fn answer(status: u16, code: &str, message: &str) -> FaultEffect {
    FaultEffect::Answer(FaultAnswer::graph_error(status, code, message))
}

/// Stage, reason and whether it is final, of each open gap.
fn open_gaps(nights: &Nights) -> Vec<(String, String, Option<bool>)> {
    let gaps = nights.stand.published().gaps.into_iter();
    gaps.filter(|(_, gap)| gap.closed_at.is_none())
        .map(|(_, gap)| {
            (
                gap.stage.into_owned(),
                gap.reason.into_owned(),
                gap.is_final,
            )
        })
        .collect()
}

fn gap(stage: &str, reason: &str, is_final: bool) -> (String, String, Option<bool>) {
    (stage.to_owned(), reason.to_owned(), Some(is_final))
}

/// State, and whether it is final.
fn state(nights: &Nights) -> (String, bool) {
    let (_, session) = the_session(nights);
    (session.attendance_state.into_owned(), session.is_final)
}

#[test]
fn one_odd_answer_about_a_meeting_of_yesterday_is_asked_again() {
    for (what, of, status, code, message) in [
        (
            "the look-up",
            "onlineMeetings?",
            404,
            "NotFound",
            "3004: Specified meeting is not found",
        ),
        (
            "the link",
            "onlineMeetings?",
            400,
            "BadRequest",
            "1026: An error has occurred.",
        ),
        (
            "the list",
            "/attendanceReports",
            404,
            "NotFound",
            "3004: Specified meeting is not found",
        ),
        (
            "the user",
            "/onlineMeetings",
            404,
            "Request_ResourceNotFound",
            "Resource 'x' does not exist",
        ),
    ] {
        let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
        world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
        let nights = Nights::new(world);
        let odd = Fault::first(1, of, answer(status, code, message));
        nights.stand.tenant.script(odd);
        let first = nights.run(night("2026-03-03"));
        assert_eq!(first.exit_code, 3, "{what}: somebody may mend it");
        assert_eq!(state(&nights), ("gone".to_owned(), false), "{what}");
        let second = nights.run(night("2026-03-04"));
        assert_eq!((second.exit_code, second.gaps_closed), (0, 1), "{what}");
        assert_eq!(state(&nights), ("reported".to_owned(), true), "{what}");
    }
}

#[test]
fn what_is_not_found_for_days_is_gone_and_asked_no_more() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let nights = Nights::new(world);
    let gone = answer(404, "NotFound", "3004: Specified meeting is not found");
    nights
        .stand
        .tenant
        .script(Fault::always("onlineMeetings?", gone));
    for (day, is_final, code) in [
        ("03", false, 3),
        ("04", false, 3),
        ("05", false, 3),
        ("06", true, 0),
    ] {
        let run = nights.run(night(&format!("2026-03-{day}")));
        assert_eq!((asked(&run), run.exit_code), ([1, 0, 0], code), "{day}");
        assert_eq!(state(&nights), ("gone".to_owned(), is_final), "{day}");
        assert_eq!(
            open_gaps(&nights),
            [gap("list_reports", "gone", is_final)],
            "{day}"
        );
        // the same day again is no other evidence
        let again = nights.run(night(&format!("2026-03-{day}")).plus(HOUR));
        assert_eq!(again.partitions_published, 0, "{day}");
    }
    let quiet = nights.run(night("2026-03-07"));
    assert_eq!((asked(&quiet), quiet.exit_code), ([0, 0, 0], 0));
}

#[test]
fn days_that_are_not_over_by_the_servers_clock_are_not_read() {
    let (mut world, ada, bob) = world("2026-03-03T10:00:00Z", 60);
    world.answers.clock = ServerClock::World;
    world.settings.now = night("2026-03-03");
    let mut nights = Nights::new(world);
    // the machine is three days ahead
    let run = nights.run(night("2026-03-06"));
    assert_eq!(run.interval_end, at("2026-03-03"));
    nights.world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    for day in ["2026-03-04", "2026-03-05"] {
        nights.world.settings.now = night(day);
        nights.run(night(day));
    }
    assert_eq!(state(&nights), ("reported".to_owned(), true));
    // what is asked for by name ends there too, and what is wholly to come is nothing
    let asked_for = nights.run_over(night("2026-03-09"), ("2026-03-04", "2026-03-08"));
    assert_eq!(asked_for.interval_end, night("2026-03-05"));
    let to_come = nights.run_over(night("2026-03-09"), ("2026-03-06", "2026-03-08"));
    assert_eq!(to_come.chunks_finished, 0);
}

#[test]
fn a_list_of_ten_says_nothing_of_older_sessions_that_no_night_has_seen() {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let starts: Vec<_> = (1..=12)
        .map(|day| at(&format!("2026-03-{day:02}T10:00:00Z")))
        .collect();
    let mut daily = Meeting::teams(&ada, "Daily", &starts, 15);
    for occurrence in 0..starts.len() {
        daily.hold(occurrence, &[&ada, &bob]).unwrap();
    }
    let mut world = World::empty(at("2026-04-01"));
    world.answers.listed_reports = 10;
    world.people = vec![ada, bob];
    world.meetings.push(daily);
    let nights = Nights::new(world);
    let range = ("2026-03-01", "2026-03-13");
    let run = nights.backfill(night("2026-03-14"), range, None);
    assert_eq!(run.exit_code, 0, "nobody can mend it");
    let of_day = |nights: &Nights, number: usize| {
        let sessions = nights.stand.published().sessions;
        let (_, row) = &sessions[number];
        (row.attendance_state.clone().into_owned(), row.is_final)
    };
    let over_cap = |is_final| ("over_cap".to_owned(), is_final);
    for number in 0..2 {
        assert_eq!(of_day(&nights, number), over_cap(false));
    }
    for number in 2..12 {
        assert_eq!(of_day(&nights, number).0, "reported");
    }
    for day in ["15", "16", "17"] {
        nights.backfill(night(&format!("2026-03-{day}")), range, None);
    }
    assert_eq!(of_day(&nights, 0), over_cap(true));
    let last = nights.backfill(night("2026-03-18"), range, None);
    assert_eq!((asked(&last), last.exit_code), ([0, 0, 0], 0));
}

#[test]
fn reports_that_a_full_list_hides_within_a_session_are_a_gap() {
    let (mut world, ada, _) = world("2026-03-02T08:00:00Z", 600);
    for number in 0..60 {
        let report = world.meetings[0].hold(0, &[&ada]).unwrap();
        report.start.at = at("2026-03-02T08:00:00Z").plus(number * HOUR / 6);
        report.end.at = report.start.at.plus(HOUR / 10);
    }
    // Graph lists the newest first
    world.meetings[0].reports.reverse();
    let nights = Nights::new(world);
    for day in ["2026-03-03", "2026-03-04", "2026-03-05"] {
        let run = nights.run(night(day));
        assert_eq!(run.exit_code, 0, "{day}: nobody can mend it");
        assert_eq!(
            open_gaps(&nights),
            [gap("list_reports", "over_cap", true)],
            "{day}"
        );
    }
    let (_, session) = the_session(&nights);
    assert_eq!((session.report_count, session.is_final), (50, true));
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_a_record(body: Vec<u8>) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    for name in ["attendanceRecords", "value"] {
        if let Some(records) = body[name].as_array_mut() {
            records.pop();
        }
    }
    serde_json::to_vec(&body).unwrap()
}

#[test]
fn a_report_with_fewer_records_than_it_counts_is_asked_again() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let held = world.meetings[0].reports[0].id.clone();
    let of_report = format!("attendanceReports/{held}");
    for (what, nights_short, last_day, records, is_final_on) in [
        ("it grows", 2, "05", 2, "04"),
        ("it stays", 99, "07", 1, "06"),
    ] {
        let nights = Nights::new(world.clone());
        let short = FaultEffect::Rewrite(without_a_record);
        nights
            .stand
            .tenant
            .script(Fault::first(nights_short, &of_report, short));
        let mut first_final = None;
        for day in 3..=7 {
            let day = format!("{day:02}");
            let run = nights.run(night(&format!("2026-03-{day}")));
            assert_eq!(run.exit_code, 0, "{what} {day}: nobody can mend it");
            let (_, session) = the_session(&nights);
            assert_eq!(session.attendance_state, "reported");
            if session.is_final {
                first_final.get_or_insert(day.clone());
            }
            if day == last_day {
                break;
            }
        }
        assert_eq!(first_final.as_deref(), Some(is_final_on), "{what}");
        let published = nights.stand.published();
        assert_eq!(published.reports[0].1.record_count, records, "{what}");
    }
}

#[test]
fn a_smaller_short_answer_replaces_nothing() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let held = world.meetings[0].reports[0].id.clone();
    let mut nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    let of_report = format!("attendanceReports/{held}");
    let short = FaultEffect::Rewrite(without_a_record);
    nights.stand.tenant.script(Fault::always(of_report, short));
    // the list says something new of it, so it is fetched again
    let end = &mut nights.world.meetings[0].reports[0].end;
    end.at = end.at.plus(HOUR / 60);
    nights.run(night("2026-03-04"));
    let published = nights.stand.published();
    assert_eq!(published.reports[0].1.record_count, 2);
    assert!(!published.sessions[0].1.is_final, "it may have more by now");
}

#[test]
fn a_cancelled_meeting_without_a_report_is_cancelled_once_it_settled() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].occurrences[0].is_cancelled = true;
    let mut nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    assert_eq!(state(&nights), ("not_ready".to_owned(), false));
    let run = nights.run(night("2026-03-04"));
    assert_eq!((run.exit_code, state(&nights).0.as_str()), (0, "cancelled"));
    assert!(state(&nights).1);
    assert_eq!(asked(&nights.run(night("2026-03-05"))), [0, 0, 0]);
    // held all the same, which somebody who looks again finds
    nights.world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let all = Some(teamsheet::job::plan::Reprocess::All);
    nights.backfill(night("2026-03-06"), ("2026-03-02", "2026-03-03"), all);
    assert_eq!(state(&nights).0, "reported");
}

#[test]
fn a_mailbox_that_goes_missing_may_come_back() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let mut later = Meeting::teams(&ada, "Later", &[at("2026-03-04T10:00:00Z")], 60);
    later.hold(0, &[&ada, &bob]).unwrap();
    world.meetings.push(later);
    let mut nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    nights.world.people[0].has_mailbox = false;
    for day in ["2026-03-04", "2026-03-05"] {
        assert_eq!(nights.run(night(day)).exit_code, 3, "{day}");
    }
    let gaps = open_gaps(&nights);
    assert_eq!(gaps, vec![gap("discover", "gone", false); 2]);
    nights.world.people[0].has_mailbox = true;
    let found = nights.run(night("2026-03-06"));
    assert_eq!((found.exit_code, found.gaps_closed), (0, 2));
    assert_eq!(nights.stand.published().sessions.len(), 2);
}
