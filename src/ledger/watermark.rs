//! How far a job has got: folded from the rows of `runs`.

use super::LedgerError;
use crate::job::interval::DataInterval;
use crate::job::plan::Verb;
use crate::tables::{RUNS, RunRow};
use crate::time::UtcMicros;
use crate::warehouse::Warehouse;

/// The watermark of a job's scheduled runs in its present scope; `None` before the first of them.
///
/// # Errors
/// [`LedgerError`] where the run ledger cannot be read; terminal.
pub fn read_watermark(
    warehouse: &Warehouse,
    job_name: &str,
    scope_hash: &str,
) -> Result<Option<UtcMicros>, LedgerError> {
    let mut chunks = Vec::new();
    for day in warehouse
        .partitions(&RUNS)
        .map_err(LedgerError::warehouse)?
    {
        for run in super::known::rows(warehouse, &RUNS, day, RunRow::read_all)? {
            let is_ours = run.verb == Verb::Run.as_str()
                && run.job_name == job_name
                && run.scope_hash == scope_hash;
            if is_ours {
                chunks.push((run.interval_start, run.interval_end));
            }
        }
    }
    Ok(watermark(chunks))
}

/// What finished chunks of a scope covered that were begun within `kept` microseconds of the start of their interval.
///
/// # Errors
/// [`LedgerError`] where the run ledger cannot be read; terminal.
pub fn read_in_time(
    warehouse: &Warehouse,
    scope_hash: &str,
    kept: i64,
) -> Result<Vec<DataInterval>, LedgerError> {
    let mut covered = Vec::new();
    for day in warehouse
        .partitions(&RUNS)
        .map_err(LedgerError::warehouse)?
    {
        for run in super::known::rows(warehouse, &RUNS, day, RunRow::read_all)? {
            let was_kept = run.started_at.plus(-kept) <= run.interval_start;
            if run.scope_hash == scope_hash && was_kept {
                covered.extend(DataInterval::new(run.interval_start, run.interval_end));
            }
        }
    }
    Ok(covered)
}

/// Whether any run ever fetched a report: then the app may read at least some meetings.
///
/// # Errors
/// [`LedgerError`] where the run ledger cannot be read; terminal.
pub fn has_ever_reported(warehouse: &Warehouse) -> Result<bool, LedgerError> {
    for day in warehouse
        .partitions(&RUNS)
        .map_err(LedgerError::warehouse)?
    {
        let runs = super::known::rows(warehouse, &RUNS, day, RunRow::read_all)?;
        if runs.iter().any(|run| run.reports > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The end of what finished chunks cover without a hole, counted from the earliest of them; `None` where there are none.
///
/// A chunk is `(start, end)`. They come in any order and may overlap or repeat. What lies behind a hole does not count: the range in
/// the hole was never discovered, so the next run must begin there.
pub fn watermark(chunks: impl IntoIterator<Item = (UtcMicros, UtcMicros)>) -> Option<UtcMicros> {
    let mut chunks: Vec<_> = chunks.into_iter().collect();
    chunks.sort_unstable();
    let mut chunks = chunks.into_iter();
    let (_, mut end) = chunks.next()?;
    for (next_start, next_end) in chunks {
        if next_start > end {
            break;
        }
        end = end.max(next_end);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(chunks: &[(i64, i64)]) -> Option<i64> {
        watermark(
            chunks
                .iter()
                .map(|(start, end)| (UtcMicros(*start), UtcMicros(*end))),
        )
        .map(|at| at.0)
    }

    #[test]
    fn it_stops_before_a_hole_whatever_the_order() {
        for (what, chunks, end) in [
            ("nothing", &[][..], None),
            ("one", &[(0, 10)], Some(10)),
            ("a row", &[(10, 20), (0, 10)], Some(20)),
            (
                "overlapping and repeated",
                &[(5, 12), (0, 10), (5, 12), (0, 10)],
                Some(12),
            ),
            ("a hole", &[(20, 30), (0, 10)], Some(10)),
            (
                "a hole that was filled",
                &[(20, 30), (0, 10), (10, 20)],
                Some(30),
            ),
        ] {
            assert_eq!(fold(chunks), end, "{what}");
        }
    }
}
