//! A webinar is an entry of its organizer's calendar too, with its session's join link, and Graph lists its report under both.

use teamsheet::simulated_tenant::world::{Meeting, Person, VirtualEvent, VirtualEventKind};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};

use super::{night, reports, sessions};
use crate::support::nights::{Nights, at};

const BOTH: (&str, &str) = ("[sources.town_halls]", "");
const ONLY_MEETINGS: (&str, &str) = ("[sources.webinars]\n[sources.town_halls]", "");
const ONLY_WEBINARS: (&str, &str) = ("[sources.online_meetings]\n", "");

/// A webinar of 2 March that was held, in its organizer's calendar too, and an ordinary meeting of that day.
fn world() -> World {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let start = at("2026-03-02T16:00:00Z");
    let mut webinar =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada, "launch", &[start], 60);
    let session = &mut webinar.sessions[0];
    let report = session.hold(&[&ada, &bob]).unwrap().clone();
    let mut entry = Meeting::teams(&ada, "launch", &[start], 60);
    entry.join_web_url = Some(session.join_web_url.clone());
    entry.reports.push(report);
    let mut other = Meeting::teams(&ada, "planning", &[at("2026-03-02T10:00:00Z")], 30);
    other.hold(0, &[&ada, &bob]).unwrap();
    let mut world = World::empty(at("2026-06-01"));
    world.people = vec![ada, bob];
    world.meetings = vec![entry, other];
    world.virtual_events.push(webinar);
    world
}

fn nights(replace: (&'static str, &'static str)) -> Nights {
    let mut nights = Nights::new(world());
    nights.replace = replace;
    nights
}

const SESSIONS: [&str; 2] = [
    "online_meeting planning 2026-03-02 reported 1",
    "webinar launch 2026-03-02 reported 1",
];
const REPORTS: [&str; 2] = [
    "2026-03-02: online_meeting 2026-03-02 planning",
    "2026-03-02: webinar 2026-03-02 launch",
];

#[test]
fn a_webinar_that_is_in_a_calendar_is_one_session_and_its_report_is_the_webinars() {
    let nights = nights(BOTH);
    let first = nights.run(night("2026-03-03"));
    assert_eq!(first.skipped.get("entries_of_virtual_events"), Some(&1));
    nights.run(night("2026-03-04"));
    assert_eq!(sessions(&nights), SESSIONS);
    assert_eq!(reports(&nights), REPORTS);
    let days = ("2026-03-02", "2026-03-03");
    let all = Some(teamsheet::job::plan::Reprocess::All);
    nights.backfill(night("2026-03-05"), days, all);
    assert_eq!(
        (sessions(&nights), reports(&nights)),
        (
            SESSIONS.map(String::from).to_vec(),
            REPORTS.map(String::from).to_vec()
        )
    );
}

#[test]
fn where_another_job_reads_webinars_the_warehouse_tells_which_entries_are_theirs() {
    let mut nights = nights(ONLY_WEBINARS);
    nights.backfill(night("2026-03-05"), ("2026-03-02", "2026-03-03"), None);
    nights.replace = ONLY_MEETINGS;
    nights.backfill(night("2026-03-05"), ("2026-03-02", "2026-03-03"), None);
    assert_eq!(sessions(&nights), SESSIONS);
    assert_eq!(reports(&nights), REPORTS);
}

#[test]
fn a_single_entry_waits_while_webinars_cannot_be_read() {
    let nights = nights(BOTH);
    let down = FaultAnswer::graph_error(500, "InternalServerError", "An error has occurred.");
    let lists = Fault::first(4, "/virtualEvents/webinars", FaultEffect::Answer(down));
    nights.stand.tenant.script(lists);
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [""; 0]);
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 0);
    nights.run(night("2026-03-05"));
    assert_eq!(sessions(&nights), SESSIONS);
    assert_eq!(reports(&nights), REPORTS);
    let gaps = nights.stand.published().gaps;
    assert!(
        gaps.iter().all(|(_, gap)| gap.closed_at.is_some()),
        "{gaps:?}"
    );
}

#[test]
fn an_entry_that_was_read_before_its_webinar_says_no_longer_that_nobody_came() {
    let mut nights = nights(ONLY_MEETINGS);
    let report = std::mem::take(&mut nights.world.meetings[0].reports);
    nights.run(night("2026-03-03"));
    nights.world.meetings[0].reports = report;
    nights.replace = ONLY_WEBINARS;
    nights.backfill(night("2026-03-03"), ("2026-03-02", "2026-03-03"), None);
    nights.replace = ONLY_MEETINGS;
    nights.run(night("2026-03-04"));
    assert_eq!(
        sessions(&nights)[1..],
        [
            "online_meeting launch 2026-03-02 unsupported 0",
            "webinar launch 2026-03-02 reported, open 1"
        ]
    );
    assert_eq!(reports(&nights), REPORTS);
}

const AFTER: [&str; 3] = [
    "online_meeting launch 2026-03-02 unsupported 0",
    "online_meeting planning 2026-03-02 reported 1",
    "webinar launch 2026-03-02 reported 1",
];

/// Sorted sessions and reports, whatever `verify` finds, and the sessions that are no longer shown.
fn held(nights: &Nights) -> (Vec<String>, Vec<String>, usize) {
    let mut rows = sessions(nights);
    rows.sort();
    let published = nights.stand.published();
    let removed = published.sessions.iter();
    let removed = removed.filter(|(_, row)| row.removed_at.is_some()).count();
    let of_entry = published.sessions.iter().find(|(_, row)| {
        row.source == "online_meeting" && row.subject.as_deref() == Some("launch")
    });
    let (_, entry) = of_entry.unwrap();
    assert_eq!(
        (entry.attendance_state_reason.as_deref(), entry.is_final),
        (Some("virtual_event"), true)
    );
    (rows, reports(nights), removed)
}

#[test]
fn the_report_of_an_entry_that_was_published_first_goes_over_to_its_webinar() {
    let all = Some(teamsheet::job::plan::Reprocess::All);
    let days = ("2026-03-02", "2026-03-03");
    let expected = (
        AFTER.map(String::from).to_vec(),
        REPORTS.map(String::from).to_vec(),
        0,
    );
    // a job of webinars alone, and one that reads calendars as well
    for by in [ONLY_WEBINARS, BOTH] {
        let mut nights = nights(ONLY_MEETINGS);
        nights.backfill(night("2026-03-05"), days, None);
        let of_entry = "2026-03-02: online_meeting 2026-03-02 launch".to_owned();
        assert!(reports(&nights).contains(&of_entry));
        // Graph need not write the letters of an id alike
        let report = &mut nights.world.virtual_events[0].sessions[0].reports[0];
        report.id = report.id.to_ascii_uppercase();
        nights.replace = by;
        nights.backfill(night("2026-03-05"), days, None);
        assert_eq!(held(&nights), expected, "{by:?}");
        nights.replace = ONLY_MEETINGS;
        nights.run(night("2026-03-06"));
        nights.backfill(night("2026-03-06"), days, all);
        assert_eq!(held(&nights), expected, "{by:?}, the calendars again");
        nights.replace = by;
        nights.run(night("2026-03-07"));
        nights.backfill(night("2026-03-07"), days, all);
        assert_eq!(held(&nights), expected, "{by:?}, all of it again");
    }
}
