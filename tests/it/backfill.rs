//! Ranges in chunks: where they go on, what they ask again, and what they equal.

use std::collections::BTreeSet;

use teamsheet::job::plan::Reprocess;
use teamsheet::ledger::RunSummary;
use teamsheet::simulated_tenant::world::{Meeting, Person};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, World, WorldSettings};
use teamsheet::time::{DAY, HOUR, UtcMicros};

use crate::support::nights::{Nights, asked, at};
use crate::support::{Published, Stand, assert_same_rows, utc_date};

const RANGE: (&str, &str) = ("2026-03-02", "2026-03-08");
const LATER: &str = "2026-03-20T09:00:00Z";

/// Ada holds a meeting on each of six days; they are fetched in three chunks.
fn six_days() -> Nights {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let mut world = World::empty(at("2026-04-01"));
    for day in 2..8 {
        let start = at(&format!("2026-03-0{day}T10:00:00Z"));
        let mut meeting = Meeting::teams(&ada, &format!("Day {day}"), &[start], 30);
        meeting.hold(0, &[&ada, &bob]).unwrap();
        world.meetings.push(meeting);
    }
    world.people = vec![ada, bob];
    let mut nights = Nights::new(world);
    nights.job = String::from("[run]\nchunk_days = 2\nconcurrency = 1\n");
    nights
}

/// The token is refused to the first calendar of the third chunk, also once it is new, and where it is tried then, which ends the run.
fn interrupt(nights: &Nights) {
    let refusal = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "no");
    for (times, matching) in [
        (2, "startDateTime=2026-03-05"),
        (1, "/users?$select=id&$top=1"),
    ] {
        let effect = FaultEffect::Answer(refusal.clone());
        let fault = Fault::first(times, matching, effect);
        nights.stand.tenant.script(fault);
    }
}

fn calendars(summary: &RunSummary) -> u64 {
    summary.requests_by_kind["calendar_view"]
}

#[test]
fn an_interrupted_backfill_goes_on_behind_its_last_chunk_and_begins_anew_once_it_is_done() {
    let nights = six_days();
    interrupt(&nights);
    nights.try_backfill(at(LATER), RANGE, None).unwrap_err();
    let done = nights.stand.published().runs;
    assert_eq!(done.len(), 2);
    let rest = nights.backfill(at(LATER), RANGE, None);
    assert_eq!(
        (calendars(&rest), rest.run_ids.len()),
        (2, 1),
        "two people, one chunk"
    );
    assert_eq!(
        (rest.interval_start, rest.counted_from, rest.interval_end),
        (at(RANGE.0), at("2026-03-06"), at(RANGE.1))
    );
    assert_eq!((rest.chunks_done_before, rest.sessions()), (2, 2));
    let published = nights.stand.published();
    assert_eq!((published.runs.len(), published.reports.len()), (3, 6));
    let mut chunks: Vec<_> = published
        .runs
        .iter()
        .map(|(_, run)| (run.interval_start, run.interval_end))
        .collect();
    chunks.sort_unstable();
    let wanted = ["2026-03-02", "2026-03-04", "2026-03-06", "2026-03-08"].map(at);
    assert_eq!(
        chunks,
        [
            (wanted[0], wanted[1]),
            (wanted[1], wanted[2]),
            (wanted[2], wanted[3])
        ]
    );
    let mut invocations: Vec<_> = published
        .runs
        .iter()
        .map(|(_, run)| &run.invocation_id)
        .collect();
    invocations.sort();
    invocations.dedup();
    assert_eq!(invocations.len(), 2);
    let again = nights.backfill(at(LATER), RANGE, None);
    assert_eq!(
        (calendars(&again), again.run_ids.len()),
        (6, 3),
        "all of it"
    );
    assert_eq!(
        (
            again.counted_from,
            again.chunks_done_before,
            again.sessions()
        ),
        (at(RANGE.0), 0, 6)
    );
    assert_eq!((asked(&again), again.partitions_published), ([0, 0, 0], 0));
}

#[test]
fn another_range_or_another_choice_of_what_to_fetch_does_not_go_on() {
    let nights = six_days();
    interrupt(&nights);
    nights.try_backfill(at(LATER), RANGE, None).unwrap_err();
    let all = nights.backfill(at(LATER), RANGE, Some(Reprocess::All));
    assert_eq!((calendars(&all), all.reports), (6, 6));
    let longer = nights.backfill(at(LATER), ("2026-03-02", "2026-03-09"), None);
    assert_eq!(longer.run_ids.len(), 4);
    // the first command's own state is untouched by the others
    let rest = nights.backfill(at(LATER), RANGE, None);
    assert_eq!(rest.run_ids.len(), 1);
}

#[test]
fn each_choice_asks_for_its_own() {
    let nights = six_days();
    let refusal = FaultAnswer::graph_error(400, "BadRequest", "no");
    let fault = Fault::first(1, "expand=attendanceRecords", FaultEffect::Answer(refusal));
    nights.stand.tenant.script(fault);
    let first = nights.backfill(at(LATER), RANGE, None);
    assert_eq!((asked(&first)[2], first.gaps_opened), (6, 1));
    let failed = nights.backfill(at(LATER), RANGE, Some(Reprocess::Failed));
    assert_eq!((asked(&failed), failed.gaps_closed), ([0, 1, 1], 1));
    let missing = nights.backfill(at(LATER), RANGE, Some(Reprocess::Missing));
    assert_eq!(asked(&missing), [0, 0, 0], "all are final now");
    let failed = nights.backfill(at(LATER), RANGE, Some(Reprocess::Failed));
    assert_eq!(asked(&failed), [0, 0, 0]);
    let all = nights.backfill(at(LATER), RANGE, Some(Reprocess::All));
    assert_eq!((asked(&all)[2], all.partitions_published), (6, 0));
}

#[test]
fn a_backfill_moves_no_watermark_and_has_no_lookback() {
    let nights = six_days();
    nights.backfill(at(LATER), ("2026-03-04", "2026-03-06"), None);
    let days: Vec<_> = nights
        .stand
        .published()
        .reports
        .into_iter()
        .map(|(day, _)| day)
        .collect();
    assert_eq!(days, ["2026-03-04", "2026-03-05"]);
    let run = nights.run(at(LATER));
    assert_eq!(
        (run.interval_start, run.interval_end),
        (at("2026-03-19"), at("2026-03-20"))
    );
}

#[test]
fn what_graph_has_deleted_is_announced_before_anything_is_asked() {
    let stand = Stand::lifelike(5, 1);
    let first = stand.tenant.world().settings.midnight(0).plus(-400 * DAY);
    let job = stand.job(&stand.warehouse(), "");
    let (from, to) = (utc_date(first), utc_date(first.plus(DAY)));
    let range = ["--from", &from, "--to", &to];
    let arguments = [&["backfill", "--job", job.to_str().unwrap()], &range[..]].concat();
    let outcome = stand.run(&arguments).expect_code(0);
    let warning = outcome
        .stderr
        .lines()
        .find(|line| line.contains("Graph keeps attendance for one year"))
        .unwrap_or_else(|| panic!("{}", outcome.stderr));
    assert!(
        warning.contains(&format!("from {from} to {to}")),
        "{warning}"
    );
    assert!(warning.contains("WARN"), "{warning}");
    // where nobody gets in, nothing was asked but that
    let mut refused = crate::support::binary();
    refused.env("SECRET", "wrong").args(&arguments);
    let outcome = crate::support::outcome(refused.output().unwrap()).expect_code(4);
    let told = ["covers", "Graph keeps attendance for one year"];
    let told = told.map(|text| outcome.stderr.find(text).unwrap_or(usize::MAX));
    assert!(told[0] < told[1] && told[1] < outcome.stderr.find("error:").unwrap());
}

/// A life-like world of that many days that end on 31 March 2026, in whole, in chunks, and night by night.
fn whole_chunks_and_nights(users: u32, days: u32, chunk_days: u32) {
    let settings = WorldSettings {
        seed: 5,
        users,
        days,
        now: at("2026-04-01"),
    };
    let world = World::generate(&settings);
    let morning = |day: u32| settings.midnight(day).plus(3 * HOUR);
    // everything has settled; what is forbidden may still be asked
    let end = morning(days + 2);
    let range = [settings.midnight(0), settings.midnight(days)].map(|at| at.to_string());
    let backfill = |chunk_days: u32| {
        let mut nights = Nights::new(world.clone());
        nights.job = format!("[run]\nchunk_days = {chunk_days}\n");
        nights.backfill(end, (&range[0], &range[1]), None);
        nights.stand.published().content()
    };
    let mut whole = backfill(days.max(1));
    assert!(whole.records.len() > whole.sessions.len());
    assert_same_rows(&backfill(chunk_days), &whole);

    let nights = Nights::new(world.clone());
    for day in 1..=days + 2 {
        nights.run(morning(day));
    }
    let mut by_night: Published = nights.stand.published().content();
    assert_eq!(last_days(&mut by_night, settings.midnight(days)), 0);
    // of a daily meeting Graph still lists the 50 newest reports; the nights have seen them all
    let beyond_list = sessions_in(&whole, "over_cap");
    assert_eq!(leave_out(&mut whole, &beyond_list), 0);
    let seen = leave_out(&mut by_night, &beyond_list);
    assert_eq!(seen == 0, beyond_list.is_empty());
    assert!(sessions_in(&by_night, "over_cap").is_empty());
    // what was refused for a month the nights have given up, and what was not found for days they believe; a backfill has asked once
    for (_, session) in &mut by_night.sessions {
        session.is_final &= !matches!(session.attendance_state.as_ref(), "forbidden" | "gone");
    }
    for (_, gap) in &mut by_night.gaps {
        if gap.reason == "gone" {
            (gap.is_final, gap.same_answer_days) = (Some(false), Some(1));
        }
    }
    assert_same_rows(&by_night, &whole);
}

fn sessions_in(published: &Published, state: &str) -> BTreeSet<String> {
    let sessions = published.sessions.iter();
    sessions
        .filter(|(_, row)| row.attendance_state == state)
        .map(|(_, row)| row.session_id.to_string())
        .collect()
}

/// Drops sessions with all that hangs on them; the number of their reports.
fn leave_out(published: &mut Published, sessions: &BTreeSet<String>) -> usize {
    let is_out = |id: Option<&str>| id.is_some_and(|id| sessions.contains(id));
    published
        .sessions
        .retain(|(_, row)| !is_out(Some(&row.session_id)));
    published
        .gaps
        .retain(|(_, row)| !is_out(row.session_id.as_deref()));
    let mut reports = BTreeSet::new();
    published.reports.retain(|(_, row)| {
        let is_out = is_out(row.session_id.as_deref());
        if is_out {
            reports.insert(row.report_id.to_string());
        }
        !is_out
    });
    published
        .records
        .retain(|(_, row)| !reports.contains(row.report_id.as_ref()));
    published
        .intervals
        .retain(|(_, row)| !reports.contains(row.report_id.as_ref()));
    reports.len()
}

/// Days behind the world's last one hold nothing: the number of their sessions.
fn last_days(published: &mut Published, end: UtcMicros) -> usize {
    let end = utc_date(end);
    published
        .sessions
        .iter()
        .filter(|(day, _)| *day >= end)
        .count()
}

#[test]
fn fault_80_days_in_whole_in_chunks_and_night_by_night_are_the_same_rows() {
    whole_chunks_and_nights(25, 8, 3);
}

/// As many days as Graph still answers for when the last of them has settled, two days later.
///
/// Takes about ten minutes: `cargo test --release --locked --test it a_year -- --ignored`.
#[test]
#[ignore = "a whole year; the command is in README"]
fn fault_80_a_year_in_whole_in_chunks_and_night_by_night_is_the_same_rows() {
    whole_chunks_and_nights(25, 363, 7);
}
