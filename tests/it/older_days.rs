//! Weeks of nights: what was settled long ago is left alone, and what is still missing of then is found.

use teamsheet::simulated_tenant::world::{Meeting, Person};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::time::{DAY, UtcMicros};

use crate::support::nights::{Nights, asked, at};

fn night(day: &str) -> UtcMicros {
    at(&format!("{day}T03:30:00Z"))
}

/// Ada's meeting with Bob, held at each of these starts.
fn held(starts: &[&str]) -> Nights {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let times: Vec<_> = starts.iter().map(|start| at(start)).collect();
    let mut meeting = Meeting::teams(&ada, "Review", &times, 30);
    for occurrence in 0..times.len() {
        meeting.hold(occurrence, &[&ada, &bob]).unwrap();
    }
    let mut world = World::empty(at("2026-06-01"));
    world.people = vec![ada, bob];
    world.meetings.push(meeting);
    Nights::new(world)
}

/// Runs every night from one to another, both included; what they asked together.
fn run_nights(nights: &Nights, from: &str, to: &str) -> [u64; 3] {
    let mut total = [0; 3];
    let (mut at, to) = (night(from), night(to));
    while at <= to {
        for (sum, count) in total.iter_mut().zip(asked(&nights.run(at))) {
            *sum += count;
        }
        at = at.plus(DAY);
    }
    total
}

/// Day and count of reports of each session; each report is of the day of its session.
fn sessions(nights: &Nights) -> Vec<(String, i32)> {
    let published = nights.stand.published();
    for (day, report) in &published.reports {
        let session = report.session_event_date.map(|day| day.to_string());
        assert_eq!(session.as_ref(), Some(day));
    }
    let sessions = published.sessions.into_iter();
    sessions.map(|(day, row)| (day, row.report_count)).collect()
}

fn one_each(days: &[&str]) -> Vec<(String, i32)> {
    days.iter().map(|day| ((*day).to_owned(), 1)).collect()
}

#[test]
fn a_monthly_meeting_is_looked_up_once_and_its_old_reports_are_left_alone() {
    let starts = ["2026-01-05", "2026-02-04", "2026-03-06"];
    let nights = held(
        &starts
            .map(|day| format!("{day}T10:00:00Z"))
            .each_ref()
            .map(String::as_str),
    );
    // each session is listed on two nights
    assert_eq!(run_nights(&nights, "2026-01-06", "2026-03-08"), [1, 6, 3]);
    assert_eq!(sessions(&nights), one_each(&starts));
}

#[test]
fn a_report_that_fails_for_weeks_goes_to_its_own_session_of_a_series_and_no_other_does() {
    let days = [
        "2026-03-02",
        "2026-03-09",
        "2026-03-16",
        "2026-03-23",
        "2026-03-30",
    ];
    let mut nights = held(
        &days
            .map(|day| format!("{day}T10:00:00Z"))
            .each_ref()
            .map(String::as_str),
    );
    let late = nights.world.meetings[0].reports[1].id.clone();
    let refusal = FaultAnswer::graph_error(400, "BadRequest", "no");
    let of_late = format!("{late}?");
    nights
        .stand
        .tenant
        .script(Fault::first(25, &of_late, FaultEffect::Answer(refusal)));
    run_nights(&nights, "2026-03-03", "2026-04-03");
    let mut missing = one_each(&days);
    missing[1].1 = 0;
    let open = |nights: &Nights| {
        let gaps = nights.stand.published().gaps;
        gaps.iter()
            .filter(|(_, gap)| gap.closed_at.is_none())
            .count()
    };
    assert_eq!((sessions(&nights).len(), open(&nights)), (5, 1));
    // somebody opens the first meeting once more, which is settled: that is not the second one's report
    let people = nights.world.people.clone();
    let first = &mut nights.world.meetings[0];
    first.hold(0, &[&people[0], &people[1]]).unwrap();
    assert_eq!(run_nights(&nights, "2026-04-04", "2026-04-04"), [0, 1, 1]);
    assert_eq!((sessions(&nights), open(&nights)), (one_each(&days), 0));
    assert_eq!(run_nights(&nights, "2026-04-05", "2026-04-05"), [0, 0, 0]);
}

#[test]
fn a_meeting_that_is_put_off_for_weeks_leaves_its_old_report_where_it_was() {
    let mut nights = held(&["2026-03-02T10:00:00Z"]);
    run_nights(&nights, "2026-03-03", "2026-03-05");
    nights.world.meetings[0].occurrences[0].start = at("2026-04-20T10:00:00Z");
    nights.world.meetings[0].occurrences[0].end = at("2026-04-20T10:30:00Z");
    let [_, _, reports] = run_nights(&nights, "2026-03-06", "2026-04-24");
    assert_eq!(reports, 0);
    let expected = [("2026-03-02".to_owned(), 1), ("2026-04-20".to_owned(), 0)];
    assert_eq!(sessions(&nights), expected);
}

#[test]
fn a_report_that_was_given_up_with_its_session_is_no_later_sessions_report() {
    let days = ["2026-03-02", "2026-03-30", "2026-04-27"];
    let nights = held(
        &days
            .map(|day| format!("{day}T10:00:00Z"))
            .each_ref()
            .map(String::as_str),
    );
    let lost = nights.world.meetings[0].reports[0].id.clone();
    let refusal = FaultAnswer::graph_error(400, "BadRequest", "no");
    // as long as the first session is asked for, and then no more
    let fault = Fault::first(31, format!("{lost}?"), FaultEffect::Answer(refusal));
    nights.stand.tenant.script(fault);
    run_nights(&nights, "2026-03-03", "2026-04-30");
    // it is still missing from where it belongs, and lies nowhere else
    let published = nights.stand.published();
    let reports: Vec<_> = { published.reports.iter() }
        .map(|(day, row)| (day.as_str(), row.session_id.as_deref()))
        .collect();
    let [(_, first), others @ ..] = published.sessions.as_slice() else {
        panic!("{:?}", published.sessions)
    };
    let own: Vec<_> = { others.iter() }
        .map(|(day, row)| (day.as_str(), Some(row.session_id.as_ref())))
        .collect();
    assert_eq!(reports, own);
    assert_eq!((others.len(), first.is_final), (2, true));
    let [(day, gap)] = published.gaps.as_slice() else {
        panic!("{:?}", published.gaps)
    };
    assert_eq!((day.as_str(), gap.closed_at), (days[0], None));
    assert_eq!(gap.session_id.as_deref(), Some(first.session_id.as_ref()));
}
