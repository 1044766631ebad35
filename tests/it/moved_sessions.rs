//! Sessions of virtual events that are moved to another day keep one row and their reports, whatever days a run covers.

use teamsheet::simulated_tenant::world::{Person, VirtualEvent, VirtualEventKind};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::time::UtcMicros;

use crate::support::nights::{Nights, at};

fn night(day: &str) -> UtcMicros {
    at(&format!("{day}T03:30:00Z"))
}

/// A webinar of January that was held, and is published.
fn published() -> Nights {
    let nights = unpublished();
    nights.run(night("2026-01-06"));
    nights
}

/// The same, of which no run knows yet.
fn unpublished() -> Nights {
    let ada = Person::member("Ada");
    let start = at("2026-01-05T10:00:00Z");
    let mut webinar =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada, "course", &[start], 60);
    webinar.sessions[0].hold(&[&ada]).unwrap();
    let mut world = World::empty(at("2026-06-01"));
    world.people = vec![ada];
    world.virtual_events.push(webinar);
    Nights::new(world)
}

fn move_to(nights: &mut Nights, start: &str) {
    let session = &mut nights.world.virtual_events[0].sessions[0];
    let later = at(start).0 - session.start.0;
    for time in [&mut session.start, &mut session.end] {
        *time = time.plus(later);
    }
}

/// Day, state and count of reports.
type Session = (String, String, i32);
/// Day, and day of its session.
type Report = (String, String);

fn rows(nights: &Nights) -> (Vec<Session>, Vec<Report>) {
    let published = nights.stand.published();
    let sessions = published.sessions.into_iter();
    let reports = published.reports.into_iter();
    (
        sessions
            .map(|(day, row)| (day, row.attendance_state.into_owned(), row.report_count))
            .collect(),
        reports
            .map(|(day, row)| (day, row.session_event_date.unwrap().to_string()))
            .collect(),
    )
}

fn reported_on(day: &str) -> (Vec<Session>, Vec<Report>) {
    (
        vec![(day.to_owned(), "reported".to_owned(), 1)],
        vec![("2026-01-05".to_owned(), day.to_owned())],
    )
}

#[test]
fn a_backfill_of_the_new_day_alone_takes_the_old_row_with_it() {
    let mut nights = published();
    assert_eq!(rows(&nights), reported_on("2026-01-05"));
    move_to(&mut nights, "2026-04-06T10:00:00Z");
    let days = ("2026-04-06", "2026-04-07");
    assert_eq!(
        nights.backfill(night("2026-04-08"), days, None).exit_code,
        0
    );
    assert_eq!(rows(&nights), reported_on("2026-04-06"));
}

#[test]
fn the_old_day_is_remembered_where_graph_forgot_its_reports() {
    let mut nights = published();
    move_to(&mut nights, "2026-04-06T10:00:00Z");
    nights.world.virtual_events[0].sessions[0].reports.clear();
    let days = ("2026-04-06", "2026-04-07");
    nights.backfill(night("2026-04-08"), days, None);
    let (sessions, reports) = rows(&nights);
    assert_eq!((sessions, reports), reported_on("2026-04-06"));
}

#[test]
fn a_backfill_of_the_new_day_takes_along_what_was_moved_over_midnight() {
    for is_forgotten in [false, true] {
        let mut nights = published();
        move_to(&mut nights, "2026-01-06T08:00:00Z");
        if is_forgotten {
            nights.world.virtual_events[0].sessions[0].reports.clear();
        }
        let days = ("2026-01-06", "2026-01-07");
        nights.backfill(night("2026-01-08"), days, None);
        assert_eq!(rows(&nights), reported_on("2026-01-06"), "{is_forgotten}");
    }
}

#[test]
fn a_night_that_knows_the_old_day_moves_the_row_and_what_names_its_day() {
    let mut nights = published();
    move_to(&mut nights, "2026-01-19T10:00:00Z");
    nights.run(night("2026-01-20"));
    assert_eq!(rows(&nights), reported_on("2026-01-19"));
    let again = nights.run(night("2026-01-21"));
    assert_eq!(rows(&nights), reported_on("2026-01-19"));
    assert_eq!(again.requests_by_kind.get("get_report"), None);
}

#[test]
fn a_night_that_knows_a_day_of_weeks_ago_moves_what_names_it_too() {
    let mut nights = published();
    for day in 7..=31 {
        nights.run(night(&format!("2026-01-{day:02}")));
    }
    move_to(&mut nights, "2026-02-10T10:00:00Z");
    for day in 1..=11 {
        nights.run(night(&format!("2026-02-{day:02}")));
    }
    assert_eq!(rows(&nights), reported_on("2026-02-10"));
}

#[test]
fn what_was_missing_on_the_old_day_is_closed_where_the_session_is_read() {
    let mut nights = unpublished();
    let down = FaultAnswer::graph_error(500, "InternalServerError", "An error has occurred.");
    let lists = Fault::first(4, "/attendanceReports", FaultEffect::Answer(down));
    nights.stand.tenant.script(lists);
    assert_eq!(nights.run(night("2026-01-06")).exit_code, 3);
    move_to(&mut nights, "2026-04-06T10:00:00Z");
    let days = ("2026-04-06", "2026-04-07");
    let moved = nights.backfill(night("2026-04-08"), days, None);
    assert_eq!((moved.exit_code, moved.gaps_closed), (0, 1));
    assert_eq!(rows(&nights), reported_on("2026-04-06"));
    let gaps = nights.stand.published().gaps;
    let open: Vec<_> = { gaps.iter() }
        .map(|(day, gap)| (day.as_str(), gap.closed_at))
        .collect();
    assert!(matches!(open[..], [("2026-01-05", Some(_))]), "{open:?}");
}
