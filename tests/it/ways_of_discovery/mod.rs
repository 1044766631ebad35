//! Calendars, call records, lists and organizers: what each way finds, that what several find is one session, and what was asked.

mod call_records;
mod listed;
mod mismatch;
mod organizers;
mod own;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use teamsheet::simulated_tenant::world::{Meeting, Person, VirtualEvent, VirtualEventKind, links};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World};
use teamsheet::tables::{GapRow, SessionRow};
use teamsheet::time::{DAY, HOUR, UtcMicros};

use crate::support::{Outcome, Published, Stand, assert_same_rows, binary, now, outcome, utc_date};

const DAYS: u32 = 5;
const CALENDAR: &str = "[sources.online_meetings]\n";
const CALLS: &str = "[sources.online_meetings]\ndiscover = [\"call-records\"]\n";
const BOTH: &str = "[sources.online_meetings]\ndiscover = [\"calendar\", \"call-records\"]\n";

fn ada() -> Person {
    Person::member("Ada")
}

fn grace() -> Person {
    Person::member("Grace")
}

/// An empty world of some days that end yesterday, with two people.
fn world() -> World {
    let mut world = World::empty(now());
    world.settings.days = DAYS;
    world.people = vec![ada(), grace()];
    world
}

/// An hour of a day of the world.
fn at(world: &World, day: u32, hour: i64) -> UtcMicros {
    world.settings.midnight(day).plus(hour * HOUR)
}

/// A scheduled meeting of Ada's that was held.
fn held(world: &World, subject: &str, day: u32, hour: i64) -> Meeting {
    let mut meeting = Meeting::teams(&ada(), subject, &[at(world, day, hour)], 60);
    meeting.hold(0, &[&ada(), &grace()]);
    meeting
}

/// The same, on no calendar.
fn ad_hoc(world: &World, subject: &str, day: u32, hour: i64) -> Meeting {
    let mut meeting = held(world, subject, day, hour);
    meeting.occurrences.clear();
    meeting
}

fn backfill(stand: &Stand, sources: &str, from: u32, to: u32) -> Outcome {
    let job = stand.job_of(&stand.warehouse(), sources, "");
    stand.backfill_job(&job, from, to, &["--format", "json"])
}

fn summary(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

fn sessions(stand: &Stand) -> Vec<SessionRow<'static>> {
    let rows = stand.published().sessions.into_iter();
    rows.map(|(_, row)| row).collect()
}

/// What of each session this test file is about: organizer, title, ways, state, reports.
fn seen(stand: &Stand) -> Vec<(Option<String>, String, String, i32)> {
    let rows = sessions(stand).into_iter().map(|row| {
        (
            row.subject.map(std::borrow::Cow::into_owned),
            row.discovered_by.join(" "),
            row.attendance_state.into_owned(),
            row.report_count,
        )
    });
    rows.collect()
}

/// Path and query of every request to Graph, decoded.
fn asked(stand: &Stand, what: &str) -> Vec<String> {
    let requests = stand.tenant.requests().into_iter();
    let decoded = requests.map(|request| {
        url::form_urlencoded::parse(
            format!(
                "x={}",
                request
                    .path_and_query
                    .replace('&', "%26")
                    .replace('+', "%2B")
            )
            .as_bytes(),
        )
        .next()
        .unwrap()
        .1
        .into_owned()
    });
    decoded.filter(|request| request.contains(what)).collect()
}

fn write_list(stand: &Stand, text: &str) -> String {
    let path = stand.folder.path().join("meetings.csv");
    fs::write(&path, text).unwrap();
    format!(
        "[sources.online_meetings]\ndiscover = [\"listed\"]\nmeetings = {{ file = \"{}\" }}\n",
        path.display()
    )
}

fn open_gaps(published: &Published) -> Vec<&GapRow<'static>> {
    let gaps = published.gaps.iter().map(|(_, gap)| gap);
    gaps.filter(|gap| gap.closed_at.is_none()).collect()
}

/// Every report is of a session that has a row.
#[track_caller]
fn assert_reports_have_sessions(published: &Published) {
    let sessions: BTreeSet<_> = published
        .sessions
        .iter()
        .map(|(_, row)| row.session_id.as_ref())
        .collect();
    for (_, report) in &published.reports {
        assert!(sessions.contains(report.session_id.as_deref().unwrap()));
    }
}
