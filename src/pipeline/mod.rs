//! The run: the only module that knows all stages.
//!
//! ```text
//! open warehouse ─► sign in ─► interval ─► for each chunk, oldest first:
//!     what is known ─► discover ─► fetch ─► flatten and stage ─► publish ─► run row
//! ```
//!
//! Discovery and fetching run side by side on the async runtime; flattening and staging run on one thread of their own, which is
//! what bounds memory: a report keeps its slot until it is staged. Publishing takes the warehouse's lock, fetching does not.

mod access;
mod chunk;
mod effective;
mod error;
mod extract;
mod file_thread;
mod forecast;
mod gap_book;
mod import;
mod moved;
mod overdue;
mod read_through;
mod staging_thread;
mod totals;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use error::RunError;
pub use file_thread::FileThread;
pub use forecast::{Forecast, LOOK_UPS_A_MONTH, forecast};
pub use import::{
    BadFile, ImportSummary, SavedFile, TenantError, import, import_tenant, read_saved_files,
};

use crate::attendance::Readable;
use crate::discover::{AskedOnce, Calendars, ListedFind, find_listed};
use crate::fetch::{AccessWatch, Beyond, RETENTION};
use crate::graph::GraphClient;
use crate::ids::{TenantId, stable_hash};
use crate::job::command::with_job;
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, OnlineMeetingsPlan, Reprocess, RunPlan, Verb};
use crate::ledger::{
    Notice, Progress, RunSummary, Tally, VirtualSessionDays, read_finished_chunks, read_progress,
};
use crate::time::{UtcMicros, WarehouseTimezone};
use crate::warehouse::{Adopted, KeptFor, Warehouse};
use chunk::ChunkContext;
use effective::effective;
use extract::ExtractContext;
use overdue::{ChunkPlan, Owed};
use totals::Totals;

/// What a run is given beside its plan: how it is stopped, whom it tells how far it is, and what it must not read by itself.
#[derive(Debug, Clone)]
pub struct RunControl {
    /// Cancelled when the run is to stop.
    pub stop: CancellationToken,
    /// How far the run is.
    pub tally: Arc<Tally>,
    /// The time.
    pub clock: fn() -> UtcMicros,
    /// Largest resident set of the process so far, in bytes.
    pub peak_memory: fn() -> u64,
    /// Where files are worked with.
    pub files: FileThread,
}

/// Runs a plan from end to end.
///
/// Chunks that were published stay, whatever comes after them; where that is a failure, the tally holds what they came to.
///
/// # Errors
/// [`RunError`] says which step failed and how the program ends; nothing is half-published.
pub async fn run(plan: &RunPlan, control: &RunControl) -> Result<RunSummary, RunError> {
    let began = (control.clock)();
    let mut totals = Totals::new(plan, began);
    let ran = Box::pin(run_chunks(plan, control, &mut totals)).await;
    let tally = &control.tally;
    let now = (control.clock)();
    let summary = totals.into_summary(tally, &tally.requests(), now, (control.peak_memory)());
    match ran {
        Ok(()) => Ok(summary),
        Err(error) => {
            if summary.chunks_finished > 0 {
                tally.failed_after(summary);
            }
            Err(error)
        }
    }
}

/// Everything of a run but its summary.
#[expect(clippy::too_many_lines, reason = "a run, step by step")]
async fn run_chunks(
    plan: &RunPlan,
    control: &RunControl,
    totals: &mut Totals,
) -> Result<(), RunError> {
    // what was asked for is known before anything is asked
    if let Some(interval) = &plan.interval {
        announce(plan, interval);
    }
    let warehouse = open_warehouse(plan, control).await?;
    let graph =
        GraphClient::new(&plan.auth, &plan.graph, control.clock).map_err(RunError::sign_in)?;
    control.tally.watch(&graph);
    let tenant = stoppable(control, graph.sign_in())
        .await?
        .map_err(RunError::sign_in)?;
    let effective = effective(plan, control, &graph).await?;
    let plan = &effective.plan;
    if effective.is_to_come {
        tracing::warn!(
            "nothing to do: by Graph's clock the data interval of `{}` is still to come; set the clock of this machine (NTP)",
            plan.job_name
        );
        return Ok(());
    }
    let (progress, interval) = resolve_interval(plan, control, &warehouse, &tenant).await?;
    let scope_changed = interval.and_then(|interval| not_covered(plan, &progress, &interval));
    recover(&warehouse, control).await?;
    let scope = adoption_scope(plan, &tenant);
    let adopted = adopt(&warehouse, control, &scope, interval).await?;
    if let Some(interval) = &interval {
        totals.cover(interval);
    }
    if let Some(notice) = scope_changed {
        totals.notice(notice);
    }
    let readable = Arc::new(Readable::of(&plan.sources));
    let owed = Owed {
        scopes: &effective.scopes,
        readable: &readable,
    };
    let chunks = chunks(plan, control, &warehouse, interval, &owed).await?;
    if let Some(interval) = interval.filter(|_| plan.interval.is_none()) {
        announce(plan, &interval);
    } else if interval.is_none() && chunks.is_empty() {
        tracing::info!(
            "nothing to do: the watermark of `{}` is at the end of yesterday already, and every session is final",
            plan.job_name
        );
    }
    if !chunks.is_empty() {
        let count = chunks.len() as u64;
        let access = Arc::new(AccessWatch::default());
        let asked_once = Arc::new(AskedOnce::default());
        let virtual_days = Arc::new(VirtualSessionDays::default());
        let beyond = beyond(plan, &graph, &warehouse);
        let listed = stoppable(
            control,
            Box::pin(find_listed_meetings(
                plan,
                (&graph, &asked_once),
                &tenant,
                control,
            )),
        )
        .await?;
        let finished = finished_chunks(plan, control, &warehouse, &chunks).await?;
        let mut coverage = progress.coverage;
        if finished > 0
            && let Some(next) = chunks.get(finished)
        {
            totals.resume(finished, next.interval.start());
        }
        for (number, chunk) in (1..).zip(chunks).skip(finished) {
            control.tally.start_chunk(number, count);
            let interval = chunk.interval;
            let context = ChunkContext {
                extract: ExtractContext {
                    plan,
                    control,
                    graph: graph.clone(),
                    tenant: tenant.clone(),
                    // a listed meeting is asked once a run
                    listed: if chunk.is_whole {
                        Arc::clone(&listed)
                    } else {
                        Arc::default()
                    },
                    asked_once: Arc::clone(&asked_once),
                    access: Arc::clone(&access),
                    interval,
                    sources: chunk.sources,
                    is_whole: chunk.is_whole,
                    unsettled_before: chunk.unsettled_before,
                    is_last: number == count,
                    adopted: Arc::clone(&adopted),
                    clock_ahead: effective.clock_ahead,
                    readable: Arc::clone(&readable),
                    scopes: effective.scopes.clone(),
                    coverage: Arc::new(coverage.clone()),
                    beyond: Some(beyond.clone()),
                },
                warehouse: Arc::clone(&warehouse),
                number,
                kept_for: KeptFor {
                    scope: scope.clone(),
                    interval,
                },
                virtual_days: Arc::clone(&virtual_days),
            };
            let span = tracing::info_span!("chunk", run_id = %context.run_id());
            let outcome = chunk::run(context).instrument(span).await?;
            control.tally.chunks_done.add(1);
            let is_past_deadline = outcome.is_past_deadline;
            if outcome.covered_until.is_some() {
                coverage.add(&plan.rules.scope_hash, interval);
            }
            let unauthorized = outcome.staged.gaps.unauthorized.clone();
            totals.add(outcome);
            if let Some(source) = unauthorized {
                return Err(RunError::SignIn { source });
            }
            if is_past_deadline {
                break;
            }
        }
    }
    Ok(())
}

/// Where a chunk finds what it has not read of its days.
fn beyond(plan: &RunPlan, graph: &GraphClient, warehouse: &Arc<Warehouse>) -> Beyond {
    let reads_calendars =
        |plan: &&OnlineMeetingsPlan| plan.discover.contains(&DiscoverBy::Calendar);
    let online_meetings = plan.sources.online_meetings.as_ref();
    let calendars = online_meetings.filter(reads_calendars).map(|of| {
        let timezone = plan.warehouse.timezone.clone();
        Arc::new(Calendars::new(graph.clone(), of.users.path(), timezone))
    });
    Beyond {
        warehouse: Arc::clone(warehouse),
        elsewhere: Arc::default(),
        calendars,
    }
}

/// What the run does, oldest first: what it owes to earlier days, then its data interval in pieces.
async fn chunks(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
    interval: Option<DataInterval>,
    owed: &Owed<'_>,
) -> Result<Vec<ChunkPlan>, RunError> {
    let timezone = &plan.warehouse.timezone;
    let today = timezone.midnight(timezone.event_date(plan.started_at));
    let until = interval.map_or(today, |interval| interval.start());
    let mut chunks = overdue::failed_discoveries(plan, control, warehouse, until, owed).await?;
    let Some(interval) = interval else {
        chunks.extend(overdue::unsettled_only(plan, control, warehouse, today, owed).await?);
        return Ok(chunks);
    };
    let pieces = interval.chunks(plan.rules.chunk_days, timezone);
    // a run of several chunks asks earlier sessions with the first one: what the later ones would find was asked a moment before
    chunks.extend(pieces.into_iter().map(|piece| ChunkPlan {
        interval: piece,
        sources: plan.sources.clone(),
        is_whole: true,
        unsettled_before: (piece.start() == interval.start()).then(|| piece.start()),
    }));
    Ok(chunks)
}

/// The meetings that the job lists, asked once for all chunks.
async fn find_listed_meetings(
    plan: &RunPlan,
    (graph, asked_once): (&GraphClient, &AskedOnce),
    tenant: &TenantId,
    control: &RunControl,
) -> Arc<[ListedFind]> {
    match &plan.sources.online_meetings {
        Some(online_meetings) => {
            let concurrency = plan.graph.concurrency;
            let tally = &control.tally;
            find_listed(
                graph,
                asked_once,
                online_meetings,
                tenant,
                concurrency,
                tally,
            )
            .await
            .into()
        }
        None => Arc::new([]),
    }
}

async fn open_warehouse(plan: &RunPlan, control: &RunControl) -> Result<Arc<Warehouse>, RunError> {
    let warehouse = plan.warehouse.clone();
    stoppable_file_work(control, move || Warehouse::open(&warehouse))
        .await?
        .map(Arc::new)
        .map_err(RunError::warehouse)
}

/// Says which interval was understood, and what of it Graph has deleted by now.
///
/// Source: <https://learn.microsoft.com/graph/api/resources/meetingattendancereport>.
fn announce(plan: &RunPlan, interval: &DataInterval) {
    let timezone = &plan.warehouse.timezone;
    tracing::info!(
        interval_start = %interval.start(), interval_end = %interval.end(), timezone = timezone.name(),
        "{} of `{}` covers {} to {}", plan.verb.as_str(), plan.job_name, interval.start(), interval.end()
    );
    let kept_from = plan.started_at.plus(-RETENTION);
    if interval.start() < kept_from {
        let first = timezone.event_date(interval.start());
        let until = timezone.event_date(kept_from.min(interval.end()));
        tracing::warn!(
            %first, %until,
            "Graph keeps attendance for one year: of the days from {first} to {until} it has deleted the reports, so their sessions \
             become `gone` or have none; what is published of them already stays"
        );
    }
}

/// How many chunks a backfill leaves out, because the same command finished them before it was interrupted.
async fn finished_chunks(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
    chunks: &[ChunkPlan],
) -> Result<usize, RunError> {
    if plan.verb == Verb::Run {
        return Ok(0);
    }
    let warehouse = Arc::clone(warehouse);
    let (job_name, scope_hash) = (plan.job_name.clone(), plan.rules.scope_hash.clone());
    let invocation = plan.invocation_id.clone();
    let of: Vec<_> = chunks.iter().map(|chunk| chunk.interval).collect();
    let reading = stoppable_file_work(control, move || {
        read_finished_chunks(&warehouse, (&job_name, &scope_hash), &invocation, &of)
    });
    let finished = reading.await?.map_err(RunError::ledger)?;
    if let Some(last) = finished.checked_sub(1).and_then(|last| chunks.get(last)) {
        tracing::info!(
            "this backfill was interrupted after {finished} of {} chunks; it goes on at {}",
            chunks.len(),
            last.interval.end()
        );
    }
    Ok(finished)
}

/// Completes what a publisher that died had begun, unless somebody publishes right now and sees to it.
async fn recover(warehouse: &Arc<Warehouse>, control: &RunControl) -> Result<(), RunError> {
    let warehouse = Arc::clone(warehouse);
    let recovered = stoppable_file_work(control, move || {
        warehouse
            .try_lock()?
            .map(|lock| warehouse.recover(&lock))
            .transpose()
    });
    recovered.await?.map(drop).map_err(RunError::warehouse)
}

/// Whose reports may be taken for one's own: asked of the same host, in the same way, for the same scope.
///
/// A backfill that fetches everything again takes over only from one that did.
fn adoption_scope(plan: &RunPlan, tenant: &TenantId) -> String {
    stable_hash([
        tenant.as_str(),
        &plan.rules.scope_hash,
        plan.graph.endpoint.as_str(),
        plan.graph.version.as_str(),
        match plan.reprocess {
            Reprocess::All => "all",
            Reprocess::Missing | Reprocess::Failed => "missing",
        },
    ])
}

/// What runs of the same scope fetched of these days and did not publish before they ended.
async fn adopt(
    warehouse: &Arc<Warehouse>,
    control: &RunControl,
    scope: &str,
    interval: Option<DataInterval>,
) -> Result<Arc<Adopted>, RunError> {
    let Some(interval) = interval else {
        return Ok(Arc::default());
    };
    let warehouse = Arc::clone(warehouse);
    let kept_for = KeptFor {
        scope: scope.to_owned(),
        interval,
    };
    let adopted = stoppable_file_work(control, move || warehouse.adopt(&kept_for)).await?;
    adopted.map(Arc::new).map_err(RunError::warehouse)
}

/// How far the job has got; and the interval that was asked for, or the one from the watermark to the end of yesterday, `None` where
/// that is empty.
async fn resolve_interval(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
    tenant: &TenantId,
) -> Result<(Progress, Option<DataInterval>), RunError> {
    let bound = Arc::clone(warehouse);
    let (job_name, scope_hash, tenant) = (
        plan.job_name.clone(),
        plan.rules.scope_hash.clone(),
        tenant.clone(),
    );
    let online_meetings = plan.sources.online_meetings.as_ref();
    let reports = online_meetings.map(|plan| plan.reports);
    let progress = stoppable_file_work(control, move || {
        bound.bind_tenant(&tenant).map_err(RunError::warehouse)?;
        if let Some(reports) = reports {
            bound
                .bind_reports(reports.as_str())
                .map_err(RunError::warehouse)?;
        }
        read_progress(&bound, &job_name, &scope_hash).map_err(RunError::ledger)
    })
    .await??;
    let interval = due_interval(plan, &progress);
    Ok((progress, interval))
}

/// The interval that was asked for, or the one from the watermark, where there is one, to the end of yesterday; `None` where that is empty.
///
/// In a new scope a job begins where it was complete in the one before, so that no day falls between the two.
fn due_interval(plan: &RunPlan, progress: &Progress) -> Option<DataInterval> {
    if plan.interval.is_some() || plan.verb == Verb::Backfill {
        return plan.interval;
    }
    let timezone = &plan.warehouse.timezone;
    let today = timezone.event_date(plan.started_at);
    let end = timezone.midnight(today);
    let yesterday = timezone.midnight(today.plus_days(-1));
    let before = progress.other_scope.map_or(yesterday, |(_, end)| end);
    let start = progress.watermark.unwrap_or_else(|| yesterday.min(before));
    let days_back = i32::try_from(plan.rules.max_catch_up_days).unwrap_or(i32::MAX);
    let earliest = timezone.midnight(today.plus_days(days_back.saturating_neg()));
    if start < earliest {
        tracing::warn!(
            from = %start, to = %earliest,
            "`{}` was last complete up to {start}; a run catches up {days_back} days, so what lies before {earliest} stays missing \
             until `{}` has filled it in; each night reads {days_back} days until then",
            plan.job_name,
            with_job(&command_for(Verb::Run, timezone, start, earliest), plan.job_file.as_deref())
        );
    }
    DataInterval::new(start.max(earliest), end)
}

/// What to say of days that no run of a scheduled job's scope has covered, when it runs for the first time.
fn not_covered(plan: &RunPlan, progress: &Progress, interval: &DataInterval) -> Option<Notice> {
    if plan.verb == Verb::Backfill {
        return None;
    }
    if let Some((first, _)) = progress.other_scope {
        return scope_changed(plan, first, interval);
    }
    if progress.has_run {
        return None;
    }
    renamed(plan, progress, interval)
}

/// What to say when a name runs for the first time in a warehouse that other runs have written: a job whose file was renamed has lost
/// its watermark by that.
fn renamed(plan: &RunPlan, progress: &Progress, interval: &DataInterval) -> Option<Notice> {
    // Graph has nothing of earlier days
    let first = progress.first?.max(interval.start().plus(-RETENTION));
    let before = DataInterval::new(first, interval.start())?;
    let holes = progress.coverage.holes(&plan.rules.scope_hash, &before);
    let (hole, last) = (holes.first()?, holes.last()?);
    let timezone = &plan.warehouse.timezone;
    Some(Notice {
        message: format!(
            "job `{}` runs for the first time in this warehouse: no run of what it covers has read the days from {} to {}{}",
            plan.job_name,
            timezone.event_date(hole.start()),
            timezone.event_date(UtcMicros(last.end().0 - 1)),
            if holes.len() > 1 {
                " (not all of them)"
            } else {
                ""
            },
        ),
        hint: Some(format!(
            "fill them in with `{}`, or leave them out; this is said once",
            command_for(Verb::Backfill, timezone, hole.start(), last.end())
        )),
    })
}

/// What to say when a job runs in a scope for the first time, and has run in another one before.
fn scope_changed(plan: &RunPlan, first: UtcMicros, interval: &DataInterval) -> Option<Notice> {
    (first < interval.start()).then(|| Notice {
        message: format!(
            "the scope of job `{}` changed: before {}, the warehouse holds what the old one covered",
            plan.job_name,
            interval.start()
        ),
        hint: Some(format!(
            "fill it in with `{}`",
            command_for(
                Verb::Backfill,
                &plan.warehouse.timezone,
                first,
                interval.start()
            )
        )),
    })
}

/// The command that covers a range by whole days. Only `run` moves a watermark.
fn command_for(verb: Verb, timezone: &WarehouseTimezone, from: UtcMicros, to: UtcMicros) -> String {
    let first = timezone.event_date(from);
    // the day of an end within a day is missing in part
    let behind = timezone.event_date(UtcMicros(to.0 - 1)).plus_days(1);
    match verb {
        Verb::Run => format!(
            "teamsheet run --job <job file> --interval-start {first} --interval-end {behind}"
        ),
        Verb::Backfill => {
            format!("teamsheet backfill --job <job file> --from {first} --to {behind}")
        }
    }
}

/// Runs file work until it is done or the run is stopped.
///
/// Work that is left behind ends with the process, as if that had been killed: nothing that readers see may depend on it.
async fn stoppable_file_work<T: Send + 'static>(
    control: &RunControl,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    stoppable(control, control.files.run(work)).await?
}

/// Runs a future until it is done or the run is stopped.
async fn stoppable<T>(control: &RunControl, work: impl Future<Output = T>) -> Result<T, RunError> {
    tokio::select! {
        biased;
        () = control.stop.cancelled() => Err(RunError::Interrupted),
        done = work => Ok(done),
    }
}
