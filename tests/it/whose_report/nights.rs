//! Night after night: what is held far from its session is found, with no more requests than that takes.

use serde_json::Value;
use teamsheet::ledger::RunSummary;
use teamsheet::simulated_tenant::world::{Meeting, Person};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::time::{DAY, HOUR};

use super::{night, reports, sessions};
use crate::support::nights::{Nights, asked, at};

/// Ada's series of these starts, held at these times for an hour each.
fn series(starts: &[&str], held: &[&str]) -> Nights {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let starts: Vec<_> = starts.iter().map(|start| at(start)).collect();
    let mut meeting = Meeting::teams(&ada, "review", &starts, 60);
    for start in held {
        let report = meeting.hold(0, &[&ada, &bob]).unwrap();
        (report.start.at, report.end.at) = (at(start), at(start).plus(HOUR));
    }
    let mut world = World::empty(at("2026-06-01"));
    world.people = vec![ada, bob];
    world.meetings.push(meeting);
    Nights::new(world)
}

/// Runs every night from one to another, both included; how often calendars were read together.
fn run_nights(nights: &Nights, from: &str, to: &str) -> u64 {
    let (mut time, to) = (night(from), night(to));
    let mut calendars = 0;
    while time <= to {
        calendars += calendars_read(&nights.run(time));
        time = time.plus(DAY);
    }
    calendars
}

fn calendars_read(summary: &RunSummary) -> u64 {
    summary.requests_by_kind["calendar_view"]
}

#[test]
fn what_was_held_between_two_months_is_found_when_the_meeting_is_listed_again() {
    let nights = series(
        &["2026-03-02T10:00:00Z", "2026-04-01T10:00:00Z"],
        &[
            "2026-03-02T10:00:00Z",
            "2026-03-12T10:00:00Z",
            "2026-04-01T10:00:00Z",
        ],
    );
    // two people, 33 nights, and hers once more around the report
    assert_eq!(run_nights(&nights, "2026-03-03", "2026-04-04"), 2 * 33 + 1);
    assert_eq!(
        reports(&nights),
        [
            "2026-03-02: online_meeting 2026-03-02 review",
            "2026-03-12: online_meeting 2026-03-02 review",
            "2026-04-01: online_meeting 2026-04-01 review",
        ]
    );
    assert_eq!(
        sessions(&nights),
        [
            "online_meeting review 2026-03-02 reported 2",
            "online_meeting review 2026-04-01 reported 1",
        ]
    );
}

#[test]
fn a_far_report_waits_while_the_calendar_around_it_cannot_be_read() {
    let nights = series(&["2026-03-10T10:00:00Z"], &["2026-03-07T10:00:00Z"]);
    let down = FaultAnswer::graph_error(500, "InternalServerError", "An error has occurred.");
    let around = Fault::first(4, "startDateTime=2026-03-04", FaultEffect::Answer(down));
    nights.stand.tenant.script(around);
    let days = ("2026-03-10", "2026-03-11");
    assert_eq!(
        nights.backfill(night("2026-03-20"), days, None).exit_code,
        3
    );
    assert_eq!(reports(&nights), [""; 0]);
    assert_eq!(
        sessions(&nights),
        ["online_meeting review 2026-03-10 not_ready, open 0"]
    );
    let again = nights.backfill(night("2026-03-20"), days, None);
    assert_eq!((again.exit_code, again.gaps_closed), (0, 1));
    assert_eq!(
        reports(&nights),
        ["2026-03-07: online_meeting 2026-03-10 review"]
    );
    assert_eq!(
        sessions(&nights),
        ["online_meeting review 2026-03-10 reported 1"]
    );
}

#[test]
fn older_reports_of_a_series_that_a_backfill_has_published_cost_a_night_nothing() {
    let starts: Vec<_> = (0..12)
        .map(|week| at("2026-01-05T10:00:00Z").plus(week * 7 * DAY).to_string())
        .collect();
    let starts: Vec<_> = starts.iter().map(String::as_str).collect();
    let nights = series(&starts, &starts);
    nights.backfill(night("2026-03-20"), ("2026-01-01", "2026-03-20"), None);
    let quiet = nights.run_over(night("2026-03-24"), ("2026-03-23", "2026-03-24"));
    assert_eq!((asked(&quiet), calendars_read(&quiet)), ([0, 1, 1], 2));
    assert_eq!(reports(&nights).len(), 12);
}

/// The answer with ids of reports in capitals.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn in_capitals(body: Vec<u8>) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    let raise = |report: &mut Value| {
        let id = report["id"].as_str().unwrap().to_uppercase();
        report["id"] = Value::from(id);
    };
    match body["value"].as_array_mut() {
        Some(reports) => reports.iter_mut().for_each(raise),
        None => raise(&mut body),
    }
    serde_json::to_vec(&body).unwrap()
}

#[test]
fn a_report_whose_id_comes_in_capitals_is_the_same_report() {
    let nights = series(&["2026-03-02T10:00:00Z"], &["2026-03-02T10:00:00Z"]);
    let tenant = &nights.stand.tenant;
    tenant.script(Fault::always(
        "expand=attendanceRecords",
        FaultEffect::Rewrite(in_capitals),
    ));
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 1]);
    tenant.script(Fault::always(
        "/attendanceReports HTTP",
        FaultEffect::Rewrite(in_capitals),
    ));
    tenant.script(Fault::first(
        9,
        "/attendanceReports",
        FaultEffect::Rewrite(in_capitals),
    ));
    let second = nights.run(night("2026-03-04"));
    assert_eq!((asked(&second), second.exit_code), ([0, 1, 0], 0));
    assert_eq!(
        reports(&nights),
        ["2026-03-02: online_meeting 2026-03-02 review"]
    );
    assert_eq!(
        sessions(&nights),
        ["online_meeting review 2026-03-02 reported 1"]
    );
}

/// The calendar with all its entries of whole days.
fn of_whole_days(body: Vec<u8>) -> Vec<u8> {
    let body = String::from_utf8(body).unwrap();
    body.replace(r#""isAllDay":false"#, r#""isAllDay":true"#)
        .into_bytes()
}

#[test]
fn an_entry_of_a_whole_day_is_of_that_day_in_any_zone_and_keeps_its_row() {
    let mut nights = series(&["2026-03-02T00:00:00Z"], &["2026-03-02T14:00:00Z"]);
    let entry = &mut nights.world.meetings[0].occurrences[0];
    entry.end = entry.start.plus(DAY);
    nights.replace = (
        "[warehouse]\n",
        "[warehouse]\ntimezone = \"America/New_York\"\n",
    );
    let days = ("2026-03-01", "2026-03-04");
    // as an earlier version took it: from midnight of UTC
    nights.backfill(night("2026-03-20"), days, None);
    assert_eq!(
        sessions(&nights),
        ["online_meeting review 2026-03-01 reported 1"]
    );
    let whole = FaultEffect::Rewrite(of_whole_days);
    nights
        .stand
        .tenant
        .script(Fault::always("/calendarView", whole));
    nights.backfill(night("2026-03-20"), days, None);
    assert_eq!(
        sessions(&nights),
        ["online_meeting review 2026-03-02 reported 1"]
    );
    assert_eq!(
        reports(&nights),
        ["2026-03-02: online_meeting 2026-03-02 review"]
    );
}
