//! What the run ledger promises of the tables: which days somebody covered, and how much was published.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Date32Type;
use arrow::record_batch::RecordBatch;

use super::{Check, FindingKind};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::tables::{ATTENDANCE_REPORTS, RUNS, RunRow, SESSIONS, TableSpec};
use crate::time::{EventDate, UtcMicros};
use crate::warehouse::error::WarehouseError;

/// What of the ledger is held: as much as there are runs and days.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Of each run its scope, by number, and when it started.
    runs: HashMap<String, (usize, UtcMicros)>,
    /// When a run of a scope first covered a day.
    covered: HashMap<(usize, EventDate), UtcMicros>,
}

impl Ledger {
    pub(super) fn read(check: &Check<'_>) -> Result<Self, WarehouseError> {
        let mut ledger = Self::default();
        let mut scopes: HashMap<String, usize> = HashMap::new();
        each_run(check, |_, run| {
            let known = scopes.len();
            let scope = *scopes
                .entry(run.scope_hash.clone().into_owned())
                .or_insert(known);
            let started = run.started_at;
            ledger
                .runs
                .insert(run.run_id.clone().into_owned(), (scope, started));
            // as the contract says of these two: such an interval does not count as covered
            let covers = !run.sources.is_empty() && run.exit_code != PAST_DEADLINE;
            let interval = DataInterval::new(run.interval_start, run.interval_end);
            for day in interval
                .filter(|_| covers)
                .iter()
                .flat_map(|interval| interval.days(&check.timezone))
            {
                let first = ledger.covered.entry((scope, day)).or_insert(started);
                *first = started.min(*first);
            }
        })?;
        Ok(ledger)
    }

    /// Whether the session of a report has a row, when the run that published the report is right: one of the same scope had covered
    /// the session's day by then.
    ///
    /// A report of a meeting that is held the evening before its day comes first, and its entry may be gone when that day's night comes.
    pub(super) fn promises_session(
        &self,
        run_id: &str,
        held: EventDate,
        scheduled: EventDate,
    ) -> bool {
        let Some((scope, started)) = self.runs.get(run_id) else {
            return false;
        };
        let covered = self.covered.get(&(*scope, scheduled));
        scheduled <= held && covered.is_some_and(|first| first <= started)
    }
}

/// Exit code of a chunk whose time was over.
const PAST_DEADLINE: i32 = 75;

/// Every row of the ledger that can be read, with its partition.
fn each_run(
    check: &Check<'_>,
    mut see: impl FnMut(EventDate, &RunRow<'_>),
) -> Result<(), WarehouseError> {
    for date in check.dates(&RUNS) {
        let Some(reader) = check.open(&RUNS, date)? else {
            continue;
        };
        for batch in reader.rows()? {
            for run in RunRow::read_all(&batch?).into_iter().flatten() {
                see(date, &run);
            }
        }
    }
    Ok(())
}

/// Rows that may lie on another day than the one they were counted for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Movable {
    /// Reports that stay where they were first published, or that were held far from the day of their session.
    reports: u64,
    /// Sessions of virtual events, which move when they are put off.
    sessions: u64,
}

impl Movable {
    /// Counts those of a batch.
    pub(super) fn note(
        &mut self,
        table: &TableSpec,
        date: EventDate,
        batch: &RecordBatch,
        is_kept: impl Fn(usize) -> bool,
    ) {
        if table.name == ATTENDANCE_REPORTS.name {
            let named = batch
                .column_by_name("session_event_date")
                .and_then(|column| column.as_primitive_opt::<Date32Type>());
            let is_far = |row| {
                named.is_some_and(|named| {
                    named.is_valid(row) && named.value(row).abs_diff(date.0) > 1
                })
            };
            let rows = (0..batch.num_rows()).filter(|row| is_kept(*row) || is_far(*row));
            self.reports += rows.count() as u64;
        } else if table.name == SESSIONS.name {
            let sources = batch
                .column_by_name("source")
                .and_then(|column| column.as_string_opt::<i32>());
            let events = sources.into_iter().flatten().flatten();
            let events = events.filter(|source| *source != Source::OnlineMeeting.as_str());
            self.sessions += events.count() as u64;
        }
    }
}

/// What a run counted.
struct Counted {
    run_id: String,
    days: Vec<EventDate>,
    is_backfill: bool,
    reports: u64,
    sessions: u64,
}

/// Looks for runs that published more than there is: a partition was replaced by an older one, or by that of another day.
///
/// A backfill counts rows of its own days and, at the time zone's edges, of those beside them; a scheduled run also older ones.
pub(super) fn check_counts(check: &mut Check<'_>) -> Result<(), WarehouseError> {
    let mut runs = Vec::new();
    each_run(check, |_, run| {
        let Some(interval) = DataInterval::new(run.interval_start, run.interval_end) else {
            return;
        };
        let is_backfill = run.verb == "backfill";
        if !is_backfill && run.verb != "run" {
            return;
        }
        let sessions = run
            .sessions_by_state
            .iter()
            .map(|state| state.count)
            .sum::<i64>();
        runs.push(Counted {
            run_id: run.run_id.clone().into_owned(),
            days: interval.days(&check.timezone),
            is_backfill,
            reports: u64::try_from(run.reports).unwrap_or_default(),
            sessions: u64::try_from(sessions).unwrap_or_default(),
        });
    })?;
    for (table, movable) in [
        (&ATTENDANCE_REPORTS, check.movable.reports),
        (&SESSIONS, check.movable.sessions),
    ] {
        // what cannot be read is not missing
        if check.findings.has_set_aside(&[table]) {
            continue;
        }
        let rows: BTreeMap<EventDate, u64> = check.rows_by_day(table);
        let days: BTreeSet<EventDate> = rows.keys().copied().collect();
        for run in &runs {
            let (Some(first), Some(last)) = (run.days.first(), run.days.last()) else {
                continue;
            };
            // such a day has its finding already
            if run.days.iter().any(|day| !days.contains(day)) {
                continue;
            }
            let until = last.plus_days(1);
            let found: u64 = if run.is_backfill {
                rows.range(first.plus_days(-1)..=until)
                    .map(|(_, rows)| rows)
                    .sum()
            } else {
                rows.range(..=until).map(|(_, rows)| rows).sum()
            };
            let is_lost = if table.name == SESSIONS.name {
                // sessions of another tenant's clock or another route may have become one: only all of them are missed
                found == 0 && run.sessions > movable
            } else {
                run.reports > found + movable
            };
            if is_lost {
                let counted = if table.name == SESSIONS.name {
                    run.sessions
                } else {
                    run.reports
                };
                let example = format!(
                    "{} of {first} to {last} counted {counted}, there are {found}",
                    run.run_id
                );
                let day = Some(*first).filter(|first| first == last);
                check
                    .findings
                    .add(FindingKind::FewerThanCounted, Some(table), day, &example);
            }
        }
    }
    Ok(())
}
