//! How far a job has got: folded from the rows of `runs`.

use super::LedgerError;
use crate::attendance::Coverage;
use crate::ids::InvocationId;
use crate::job::interval::DataInterval;
use crate::job::plan::Verb;
use crate::tables::{RUNS, RunRow};
use crate::time::UtcMicros;
use crate::warehouse::Warehouse;

/// `runs.exit_code` of a chunk whose time was over before everything was asked: it is published, and does not count as done.
pub const OUT_OF_TIME: i32 = 75;

/// The same of one whose token was refused before everything was asked.
pub const SHUT_OUT: i32 = 4;

/// How far a job's scheduled runs have got.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// End of what its present scope covers without a hole; `None` before the first run.
    pub watermark: Option<UtcMicros>,
    /// What the job covered in other scopes, where it has not run in the present one yet: its first start and how far it was
    /// complete.
    pub other_scope: Option<(UtcMicros, UtcMicros)>,
    /// Whether a run of the job, of any scope, has covered anything.
    pub has_run: bool,
    /// The first instant that any run covered.
    pub first: Option<UtcMicros>,
    /// What runs and backfills of each scope covered.
    pub coverage: Coverage,
}

/// How far a job's scheduled runs have got in its present scope.
///
/// # Errors
/// [`LedgerError`] where the run ledger cannot be read; terminal.
pub fn read_progress(
    warehouse: &Warehouse,
    job_name: &str,
    scope_hash: &str,
) -> Result<Progress, LedgerError> {
    let mut ours = Vec::new();
    let mut others = Vec::new();
    let mut progress = Progress::default();
    each_covered(warehouse, |run| {
        let interval = DataInterval::new(run.interval_start, run.interval_end);
        if let Some(interval) = interval {
            progress.coverage.add(&run.scope_hash, interval);
        }
        progress.has_run |= run.job_name == job_name;
        let start = Some(run.interval_start);
        progress.first = progress.first.map_or(start, |first| start.min(Some(first)));
        if run.verb == Verb::Run.as_str() && run.job_name == job_name {
            let chunks = if run.scope_hash == scope_hash {
                &mut ours
            } else {
                &mut others
            };
            chunks.push((run.interval_start, run.interval_end));
        }
    })?;
    let first = others.iter().map(|(start, _)| *start).min();
    let other_scope = first.zip(watermark(others)).filter(|_| ours.is_empty());
    Ok(Progress {
        watermark: watermark(ours),
        other_scope,
        ..progress
    })
}

/// How many of a backfill's chunks, from the oldest, the same command finished before it was interrupted.
///
/// The same command is one of the same job, scope, range, `--reprocess` and chunk size ([`InvocationId::request`]). It goes on behind
/// its last finished chunk until all are done; the time after that, it begins anew.
///
/// # Errors
/// [`LedgerError`] where the run ledger cannot be read; terminal.
pub fn read_finished_chunks(
    warehouse: &Warehouse,
    (job_name, scope_hash): (&str, &str),
    invocation: &InvocationId,
    chunks: &[DataInterval],
) -> Result<usize, LedgerError> {
    let mut done = Vec::new();
    each_covered(warehouse, |run| {
        let is_same = run.verb == Verb::Backfill.as_str()
            && run.job_name == job_name
            && run.scope_hash == scope_hash
            && InvocationId::new(run.invocation_id.as_ref()).request() == invocation.request();
        if is_same {
            done.push((run.started_at, run.interval_start));
        }
    })?;
    done.sort_unstable();
    let starts: Vec<_> = chunks.iter().map(DataInterval::start).collect();
    Ok(finished(&starts, done.into_iter().map(|(_, start)| start)))
}

/// Walks the chunks that were done, in the order in which they were, by their starts: the end of the last one may move with the
/// present.
fn finished(chunks: &[UtcMicros], done: impl Iterator<Item = UtcMicros>) -> usize {
    let mut finished = 0;
    for start in done {
        if finished == chunks.len() {
            finished = 0;
        }
        if chunks.get(finished) == Some(&start) {
            finished += 1;
        } else if chunks.first() == Some(&start) {
            finished = 1;
        }
    }
    if finished == chunks.len() {
        0
    } else {
        finished
    }
}

/// Whether a chunk read all of its days that its scope covers: not one whose time was over or whose token was refused before, nor one
/// that only read again what had failed on them.
pub(super) fn covers(run: &RunRow<'_>) -> bool {
    ![OUT_OF_TIME, SHUT_OUT].contains(&run.exit_code) && !run.sources.is_empty()
}

/// Every chunk that covers its interval.
fn each_covered(
    warehouse: &Warehouse,
    mut see: impl FnMut(&RunRow<'static>),
) -> Result<(), LedgerError> {
    for day in warehouse
        .partitions(&RUNS)
        .map_err(LedgerError::warehouse)?
    {
        for run in super::rows::rows(warehouse, &RUNS, day, RunRow::read_all)? {
            if covers(&run) {
                see(&run);
            }
        }
    }
    Ok(())
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
    each_covered(warehouse, |run| {
        let was_kept = run.started_at.plus(-kept) <= run.interval_start;
        if run.scope_hash == scope_hash && was_kept {
            covered.extend(DataInterval::new(run.interval_start, run.interval_end));
        }
    })?;
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
        let runs = super::rows::rows(warehouse, &RUNS, day, RunRow::read_all)?;
        if runs
            .iter()
            .any(|run| run.reports > 0 && run.verb != super::IMPORT_VERB)
        {
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

    #[test]
    fn a_backfill_goes_on_where_the_same_command_stopped_and_begins_anew_once_all_is_done() {
        let chunks = [0, 7, 14].map(UtcMicros);
        for (what, done, wanted) in [
            ("never run", &[][..], 0),
            ("stopped after the second", &[0, 7], 2),
            ("gone on and stopped again", &[0, 7], 2),
            ("done", &[0, 7, 14], 0),
            ("done in two goes", &[0, 7, 14], 0),
            ("done and stopped the time after", &[0, 7, 14, 0], 1),
            ("done twice", &[0, 7, 14, 0, 7, 14], 0),
            ("another process began it anew meanwhile", &[0, 7, 0], 1),
        ] {
            let done = done.iter().map(|start| UtcMicros(*start));
            assert_eq!(finished(&chunks, done), wanted, "{what}");
        }
        assert_eq!(finished(&[], [UtcMicros(0)].into_iter()), 0);
    }
}
