//! Nights in a row: each thing ends up right, with the fewest requests.
//!
//! Every case counts three kinds of requests a night: look-ups of meetings, lists of reports, reports.

use teamsheet::simulated_tenant::world::{AccessPolicy, Meeting, Person, Record};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::tables::{AttendanceReportRow, SessionRow};

use teamsheet::time::SECOND;

use crate::support::nights::{Nights, asked, at, states};

/// Ada holds one meeting on Monday, 2 March, in which Bob is too; the reports are added by each test.
pub(crate) fn world(start: &str, minutes: i64) -> (World, Person, Person) {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let mut world = World::empty(at("2026-04-01"));
    let meeting = Meeting::teams(&ada, "Planning", &[at(start)], minutes);
    world.people = vec![ada.clone(), bob.clone()];
    world.meetings.push(meeting);
    (world, ada, bob)
}

pub(crate) fn night(day: &str) -> teamsheet::time::UtcMicros {
    at(&format!("{day}T03:30:00Z"))
}

pub(crate) fn the_session(nights: &Nights) -> (String, SessionRow<'static>) {
    let sessions = nights.stand.published().sessions;
    let [session] = sessions.as_slice() else {
        panic!("{sessions:?}")
    };
    session.clone()
}

/// Day, session and number of records of each report.
pub(crate) fn reports(nights: &Nights) -> Vec<(String, Option<String>, i32)> {
    let rows = nights.stand.published().reports;
    let row = |(day, row): (String, AttendanceReportRow<'static>)| {
        (
            day,
            row.session_id.map(std::borrow::Cow::into_owned),
            row.record_count,
        )
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn a_session_is_listed_until_it_is_final_and_its_report_is_fetched_once() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let nights = Nights::new(world);
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 1]);
    assert!(!the_session(&nights).1.is_final, "it ended 16 hours ago");
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 0]);
    let (day, session) = the_session(&nights);
    assert_eq!((day.as_str(), session.is_final), ("2026-03-02", true));
    assert_eq!(
        (session.attendance_state.as_ref(), session.report_count),
        ("reported", 1)
    );
    assert_eq!(asked(&nights.run(night("2026-03-05"))), [0, 0, 0]);
    assert_eq!(
        reports(&nights),
        [(
            "2026-03-02".to_owned(),
            Some(session.session_id.into_owned()),
            2
        )]
    );
}

#[test]
fn nobody_came_is_said_once_it_settled() {
    let (world, ..) = world("2026-03-02T10:00:00Z", 60);
    let nights = Nights::new(world);
    let first = nights.run(night("2026-03-03"));
    assert_eq!(
        (asked(&first), states(&first)),
        ([1, 1, 0], vec![("not_ready", 1)])
    );
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 0]);
    let (_, session) = the_session(&nights);
    assert_eq!(
        (session.attendance_state.as_ref(), session.is_final),
        ("empty", true)
    );
    // reports come days late, and of a single meeting no other occurrence would find them
    for day in ["05", "06", "07", "08", "09", "10"] {
        let run = nights.run(night(&format!("2026-03-{day}")));
        assert_eq!((asked(&run), run.exit_code), ([0, 1, 0], 0), "{day}");
    }
    assert_eq!(asked(&nights.run(night("2026-03-11"))), [0, 0, 0]);
}

#[test]
fn a_report_that_comes_late_is_taken_by_the_next_night() {
    let (world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    let mut nights = Nights::new(world);
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 0]);
    nights.world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 1]);
    let (_, session) = the_session(&nights);
    assert_eq!(
        (session.attendance_state.as_ref(), session.is_final),
        ("reported", true)
    );
    assert_eq!(reports(&nights).len(), 1);
    assert_eq!(asked(&nights.run(night("2026-03-05"))), [0, 0, 0]);
}

#[test]
fn fault_71_a_report_that_grows_is_fetched_again_and_replaces_its_rows() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada]).unwrap();
    let mut nights = Nights::new(world);
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 1]);
    let report = &mut nights.world.meetings[0].reports[0];
    let (start, end) = (report.start.at, report.end.at);
    report
        .records
        .push(Record::of(&bob, "Attendee", start, end));
    report.total_participant_count = 2;
    let second = nights.run(night("2026-03-04"));
    assert_eq!(asked(&second), [0, 1, 1]);
    let published = nights.stand.published();
    assert_eq!(published.reports[0].1.record_count, 2);
    assert_eq!(published.records.len(), 2);
    assert_eq!(published.intervals.len(), 2);
    assert_eq!(published.reports[0].1._run_id.as_ref(), second.run_ids[0]);
}

#[test]
fn fault_72_a_meeting_that_is_restarted_the_next_morning_has_two_reports_of_one_session() {
    let (mut world, ada, bob) = world("2026-03-02T16:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let again = world.meetings[0].hold(0, &[&bob]).unwrap();
    again.start.at = at("2026-03-03T08:00:00Z");
    again.end.at = at("2026-03-03T08:30:00Z");
    let nights = Nights::new(world);
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 1]);
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 1]);
    assert!(
        !the_session(&nights).1.is_final,
        "its newest report ended 19 hours ago"
    );
    assert_eq!(asked(&nights.run(night("2026-03-05"))), [0, 1, 0]);
    let (_, session) = the_session(&nights);
    assert_eq!((session.report_count, session.is_final), (2, true));
    let id = Some(session.session_id.into_owned());
    assert_eq!(
        reports(&nights),
        [
            ("2026-03-02".to_owned(), id.clone(), 2),
            ("2026-03-03".to_owned(), id, 1)
        ]
    );
    assert_eq!(asked(&nights.run(night("2026-03-06"))), [0, 0, 0]);
}

#[test]
fn fault_79_who_joins_before_midnight_is_on_the_day_before_with_the_session_of_the_next() {
    let (mut world, ada, bob) = world("2026-03-03T00:00:00Z", 60);
    let report = world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    report.start.at = at("2026-03-02T23:50:00Z");
    let nights = Nights::new(world);
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 1]);
    let (day, session) = the_session(&nights);
    assert_eq!(
        (day.as_str(), session.report_count, session.is_final),
        ("2026-03-03", 1, false),
        "its day is not over, but its report has a session to belong to"
    );
    assert_eq!(nights.stand.published().reports[0].0, "2026-03-02");
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 0]);
    let (day, session) = the_session(&nights);
    assert_eq!(
        (day.as_str(), session.report_count, session.is_final),
        ("2026-03-03", 1, true)
    );
    let id = Some(session.session_id.into_owned());
    assert_eq!(reports(&nights), [("2026-03-02".to_owned(), id, 2)]);
    assert_eq!(asked(&nights.run(night("2026-03-05"))), [0, 0, 0]);
}

#[test]
fn what_never_settles_is_asked_until_it_is_given_up_and_then_no_more() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    world.people[0].access_policy = AccessPolicy::Missing;
    // where nobody at all may be read, a run would end by that
    let mut other = Meeting::teams(&bob, "Review", &[at("2026-03-02T12:00:00Z")], 30);
    other.hold(0, &[&bob]).unwrap();
    world.meetings.push(other);
    let mut nights = Nights::new(world);
    nights.job = String::from("[run]\ngive_up_days = 3\n");
    for (day, is_final, requests) in [
        ("03", false, [2, 1, 1]),
        ("04", false, [1, 1, 0]),
        ("05", false, [1, 0, 0]),
        ("06", true, [1, 0, 0]),
    ] {
        let run = nights.run(night(&format!("2026-03-{day}")));
        assert_eq!((asked(&run), run.exit_code), (requests, 3), "{day}");
        let sessions = nights.stand.published().sessions;
        let (_, session) = &sessions[0];
        assert_eq!(
            (session.attendance_state.as_ref(), session.is_final),
            ("forbidden", is_final),
            "{day}"
        );
    }
    let quiet = nights.run(night("2026-03-07"));
    assert_eq!((asked(&quiet), quiet.exit_code), ([0, 0, 0], 0));
    let gaps = nights.stand.published().gaps;
    assert_eq!(
        (gaps.len(), gaps[0].1.first_seen_at),
        (1, night("2026-03-03"))
    );

    // somebody grants the policy: the backfill that `status` prints fills the gap and says so
    nights.world.people[0].access_policy = AccessPolicy::Granted;
    let failed = Some(teamsheet::job::plan::Reprocess::Failed);
    let filled = nights.backfill(night("2026-03-07"), ("2026-03-02", "2026-03-03"), failed);
    assert_eq!((asked(&filled), filled.gaps_closed), ([1, 1, 1], 1));
    let published = nights.stand.published();
    let (_, gap) = &published.gaps[0];
    assert_eq!(
        gap.closed_by_run_id.as_deref(),
        Some(filled.run_ids[0].as_str())
    );
    assert_eq!(gap.closed_at, Some(night("2026-03-07")));
    assert!(
        published
            .sessions
            .iter()
            .all(|(_, row)| row.attendance_state == "reported")
    );
    let (_, run) = published
        .runs
        .iter()
        .find(|(_, run)| run.verb == "backfill")
        .unwrap();
    assert_eq!(run.gaps_closed, 1);
}

#[test]
fn a_gap_is_closed_by_the_night_that_fills_it() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let nights = Nights::new(world);
    let refusal = FaultAnswer::graph_error(400, "BadRequest", "no");
    nights.stand.tenant.script(Fault::first(
        1,
        "expand=attendanceRecords",
        FaultEffect::Answer(refusal),
    ));
    let first = nights.run(night("2026-03-03"));
    assert_eq!((first.exit_code, first.gaps_opened), (3, 1));
    let second = nights.run(night("2026-03-04"));
    assert_eq!((asked(&second), second.exit_code), ([0, 1, 1], 0));
    assert_eq!((second.gaps_opened, second.gaps_closed), (0, 1));
    let published = nights.stand.published();
    let (day, gap) = &published.gaps[0];
    assert_eq!(
        (day.as_str(), gap.stage.as_ref()),
        ("2026-03-02", "fetch_records")
    );
    assert_eq!(
        gap.closed_by_run_id.as_deref(),
        Some(second.run_ids[0].as_str())
    );
    let closed: i64 = published.runs.iter().map(|(_, run)| run.gaps_closed).sum();
    assert_eq!(closed, 1);
}

#[test]
fn fault_27_reports_that_graph_no_longer_lists_stay() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let mut nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    let before = nights.stand.published().content();
    nights.world.meetings[0].reports.clear();
    nights.run(night("2026-03-04"));
    let all = Some(teamsheet::job::plan::Reprocess::All);
    nights.backfill(night("2026-03-05"), ("2026-03-01", "2026-03-04"), all);
    let after = nights.stand.published().content();
    assert_eq!(after.reports, before.reports);
    assert_eq!(after.records, before.records);
    assert_eq!(after.intervals, before.intervals);
    let (_, session) = the_session(&nights);
    assert_eq!(
        (session.attendance_state.as_ref(), session.report_count),
        ("reported", 1)
    );
}

#[test]
fn fault_40_a_meeting_that_expires_keeps_what_was_published() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let mut nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    nights.world.meetings[0].is_expired = true;
    // that it is not found is believed by the fourth night
    for (day, is_final, code) in [
        ("04", false, 3),
        ("05", false, 3),
        ("06", false, 3),
        ("07", true, 0),
    ] {
        let run = nights.run(night(&format!("2026-03-{day}")));
        assert_eq!((asked(&run), run.exit_code), ([0, 1, 0], code), "{day}");
        let (_, session) = the_session(&nights);
        assert_eq!(
            (session.attendance_state.as_ref(), session.is_final),
            ("reported", is_final),
            "{day}"
        );
    }
    assert_eq!(reports(&nights).len(), 1);
    assert_eq!(asked(&nights.run(night("2026-03-08"))), [0, 0, 0]);
}

#[test]
fn fault_83_nights_without_meetings_are_covered_and_empty() {
    let (mut world, ..) = world("2026-03-02T10:00:00Z", 60);
    world.meetings.clear();
    let nights = Nights::new(world);
    let run = nights.run(night("2026-03-03"));
    assert_eq!((run.exit_code, run.sessions(), run.reports), (0, 0, 0));
    let published = nights.stand.published();
    assert_eq!((published.sessions.len(), published.runs.len()), (0, 1));
    let tables = [
        "sessions",
        "attendance_reports",
        "attendance_records",
        "attendance_intervals",
        "gaps",
    ];
    for table in tables {
        let days = crate::support::partitions(&nights.stand.warehouse(), table);
        assert_eq!(
            days.into_keys().collect::<Vec<_>>(),
            ["2026-03-02"],
            "{table}"
        );
    }
}

#[test]
fn old_reports_of_a_series_go_to_their_own_sessions_whatever_ran_first() {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let starts: Vec<_> = (2..=9)
        .map(|day| at(&format!("2026-03-{day:02}T10:00:00Z")))
        .collect();
    let mut daily = Meeting::teams(&ada, "Daily", &starts, 15);
    for occurrence in 0..starts.len() {
        daily.hold(occurrence, &[&ada, &bob]).unwrap();
    }
    let mut world = World::empty(at("2026-04-01"));
    world.people = vec![ada, bob];
    world.meetings.push(daily);
    let nights = Nights::new(world);
    nights.run(night("2026-03-10"));
    nights.backfill(night("2026-03-10"), ("2026-03-02", "2026-03-10"), None);
    let published = nights.stand.published();
    let sessions = published.sessions.iter();
    let sessions: Vec<_> = sessions
        .map(|(day, row)| (day.as_str(), row.report_count, row.session_id.as_ref()))
        .collect();
    assert_eq!(sessions.len(), 8);
    for ((day, report_count, session), (report_day, row)) in sessions.iter().zip(&published.reports)
    {
        assert_eq!((*day, *report_count), (report_day.as_str(), 1));
        assert_eq!(row.session_id.as_deref(), Some(*session), "{day}");
    }
}

#[test]
fn an_early_join_outlives_a_night_that_failed() {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let starts: Vec<_> = (2..=5)
        .map(|day| at(&format!("2026-03-{day:02}T00:10:00Z")))
        .collect();
    let mut daily = Meeting::teams(&ada, "Early", &starts, 30);
    for (occurrence, start) in starts.iter().enumerate() {
        let report = daily.hold(occurrence, &[&ada, &bob]).unwrap();
        report.start.at = start.plus(-20 * 60 * SECOND);
    }
    let mut world = World::empty(at("2026-04-01"));
    world.people = vec![ada, bob];
    world.meetings.push(daily);
    let nights = Nights::new(world);
    nights.run(night("2026-03-03"));
    let refusal = FaultAnswer::graph_error(501, "NotImplemented", "no");
    nights.stand.tenant.script(Fault::first(
        1,
        "/attendanceReports",
        FaultEffect::Answer(refusal),
    ));
    nights.run(night("2026-03-04"));
    nights.run(night("2026-03-05"));
    nights.run(night("2026-03-06"));
    let published = nights.stand.published();
    let sessions = published.sessions.iter();
    let found: Vec<_> = sessions
        .map(|(day, row)| {
            (
                day.as_str(),
                row.attendance_state.as_ref(),
                row.report_count,
            )
        })
        .collect();
    let reported = |day| (day, "reported", 1);
    assert_eq!(
        found,
        ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"].map(reported)
    );
}
