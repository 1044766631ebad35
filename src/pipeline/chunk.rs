//! One chunk: a few days, discovered, fetched, staged and published, with its row in `runs` last.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::access::{everything_refused, unless_hopeless};
use super::extract::{ExtractContext, calls_expired, days_to_know, extract};
use super::staging_thread::{StagedChunk, StagingContext, StagingThread};
use super::totals::run_row;
use super::{RunError, moved, stoppable, stoppable_file_work};
use crate::graph::MeterSnapshot;
use crate::ids::RunId;
use crate::ledger::{Known, Stage, VirtualSessionDays};
use crate::tables::{RUNS, Runs};
use crate::time::{EventDate, UtcMicros};
use crate::warehouse::{KeptFor, PublishLock, Staging, Warehouse};

/// How long a run that is stopped waits for what it is just making visible.
const PUBLISH_GRACE: Duration = Duration::from_secs(3);
/// So many attempts at a chunk leave everybody else to publish; whoever was overtaken each time goes first.
const PATIENT: u32 = 2;

/// What a chunk needs.
#[derive(Debug)]
pub(super) struct ChunkContext<'a> {
    /// What is asked.
    pub(super) extract: ExtractContext<'a>,
    pub(super) warehouse: Arc<Warehouse>,
    pub(super) number: u64,
    /// Which runs share reports that one of them fetched and did not publish.
    pub(super) kept_for: KeptFor,
    pub(super) virtual_days: Arc<VirtualSessionDays>,
}

/// What a chunk came to.
#[derive(Debug)]
pub(super) struct ChunkOutcome {
    pub(super) run_id: RunId,
    pub(super) staged: StagedChunk,
    pub(super) partitions_published: u64,
    pub(super) partitions_unchanged: u64,
    pub(super) is_past_deadline: bool,
    /// Its end, where it read all of its days.
    pub(super) covered_until: Option<UtcMicros>,
}

impl ChunkContext<'_> {
    /// The key of the chunk's row in `runs`.
    pub(super) fn run_id(&self) -> RunId {
        RunId::new(format!(
            "{}-{:04}",
            self.extract.plan.invocation_id, self.number
        ))
    }
}

/// Runs a chunk from what is known to its row in `runs`.
///
/// Where another run publishes meanwhile what this one should have known, it begins anew with what it has fetched; the right to publish
/// is taken first where that happens again and again.
pub(super) async fn run(mut context: ChunkContext<'_>) -> Result<ChunkOutcome, RunError> {
    let started_at = context.extract.time();
    // what was asked before the first chunk, a token above all, is in that chunk's row
    let before = match context.number {
        1 => MeterSnapshot::default(),
        _ => context.extract.graph.meter(),
    };
    let mut overtaken = 0;
    let outcome = loop {
        let held = match overtaken {
            0..PATIENT => None,
            _ => Some(lock(&context).await?),
        };
        let attempt = (overtaken, held, started_at, &before);
        if let Some(outcome) = try_once(&context, attempt).await? {
            break outcome;
        }
        overtaken += 1;
        tracing::info!(
            "another run has published sessions of these days meanwhile; the chunk is decided again with what it has fetched"
        );
        let (warehouse, kept_for) = (Arc::clone(&context.warehouse), context.kept_for.clone());
        let kept = stoppable_file_work(context.extract.control, move || warehouse.adopt(&kept_for));
        let kept = kept.await?.map_err(RunError::warehouse)?;
        context.extract.adopted = Arc::new(kept.after(context.extract.adopted));
        // it has noted where sessions were to lie, and the other run may have moved some
        context.virtual_days = Arc::default();
        if let Some(beyond) = &mut context.extract.beyond {
            beyond.elsewhere = Arc::default();
        }
    };
    if !outcome.staged.is_cut_short() {
        let (adopted, end) = (context.extract.adopted, context.extract.interval.end());
        let files = &context.extract.control.files;
        files.run(move || adopted.remove_up_to(end)).await?;
    }
    Ok(outcome)
}

/// One attempt at a chunk; `None` where another run was there first.
async fn try_once(
    context: &ChunkContext<'_>,
    (overtaken, held, started_at, before): (u32, Option<PublishLock>, UtcMicros, &MeterSnapshot),
) -> Result<Option<ChunkOutcome>, RunError> {
    let run_id = context.run_id();
    context.extract.control.tally.enter(Stage::Extracting);
    let known = load_known(context).await?;
    let calls_expired = calls_expired(&context.extract, Some(&context.warehouse)).await?;
    let warehouse = Arc::clone(&context.warehouse);
    // the folder of an earlier attempt holds its reports
    let staging_id = match overtaken {
        0 => run_id.clone(),
        _ => RunId::new(format!("{run_id}-{overtaken}")),
    };
    let staging = stoppable_file_work(context.extract.control, move || {
        warehouse.staging(&staging_id)
    })
    .await?
    .map_err(RunError::warehouse)?;

    let (fetched, arrivals) = mpsc::channel(context.extract.plan.graph.concurrency.max(1));
    let thread = StagingThread::new(staging_context(context, &run_id, &known), staging);
    let span = tracing::Span::current();
    let files = &context.extract.control.files;
    let mut staging = pin!(files.run(move || span.in_scope(|| thread.run(arrivals))));
    let extracting = unless_hopeless(
        context,
        extract(&context.extract, Arc::clone(&known), calls_expired, fetched),
    );
    let (staging, staged) = tokio::select! {
        biased;
        // before the extraction is done it ends only where it fails: nothing more is asked then
        staged = &mut staging => staged,
        extracted = stoppable(context.extract.control, extracting) => {
            // the extraction is dropped, which closes the channel, so the staging thread ends too
            let staged = staging.await;
            extracted?;
            staged
        }
    }??;
    if staged.adopted_reports > 0 {
        tracing::info!(
            "{} reports were not fetched again: they were fetched before, and not published",
            staged.adopted_reports
        );
    }
    match staged.gaps.unauthorized.clone() {
        // what is whole is published before the run ends by it
        Some(_) if staged.knows_something() => {}
        Some(source) => return Err(RunError::SignIn { source }),
        None => {
            everything_refused(context).await?;
            // what is read again for earlier days may fail again without ending the run
            if let Some(source) = staged
                .nothing_discovered()
                .filter(|_| context.extract.is_whole)
            {
                return Err(RunError::Discover { source });
            }
        }
    }

    let lock = match held {
        Some(lock) => lock,
        None => lock(context).await?,
    };
    let Some((lock, staging)) = unless_outdated(context, lock, staging, known).await? else {
        return Ok(None);
    };
    let meter = context.extract.graph.meter().since(before);
    let interval = context.extract.interval;
    let days = interval.days(&context.extract.plan.warehouse.timezone);
    let published = publish(
        context,
        (lock, &run_id),
        staging,
        days,
        &staged,
        started_at,
        meter.clone(),
    )
    .await?;
    let finished_at = context.extract.time();
    tracing::info!(
        interval_start = %interval.start(),
        interval_end = %interval.end(),
        sessions = staged.sessions_by_state.values().sum::<u64>(),
        reports = staged.reports,
        records = staged.records,
        intervals = staged.intervals,
        gaps_opened = staged.gaps.opened,
        gaps_closed = staged.gaps.closed,
        requests = meter.requests,
        throttled_responses = meter.throttled_responses,
        throttled_seconds = meter.throttled.as_secs_f64(),
        bytes_received = meter.bytes_received,
        partitions_published = published.0,
        partitions_unchanged = published.1,
        seconds = started_at.seconds_until(finished_at),
        "{} {} to {}", came_to(published), interval.start(), interval.end()
    );
    Ok(Some(ChunkOutcome {
        run_id,
        is_past_deadline: staged.is_past_deadline(),
        covered_until: (context.extract.is_whole && !staged.is_cut_short()).then(|| interval.end()),
        staged,
        partitions_published: published.0,
        partitions_unchanged: published.1,
    }))
}

/// What is to be published, unless another run has published since what it should have been decided by.
async fn unless_outdated(
    context: &ChunkContext<'_>,
    lock: PublishLock,
    staging: Staging,
    known: Arc<Known>,
) -> Result<Option<(PublishLock, Staging)>, RunError> {
    context.extract.control.tally.enter(Stage::Publishing);
    let warehouse = Arc::clone(&context.warehouse);
    let elsewhere = context
        .extract
        .beyond
        .as_ref()
        .map(|beyond| Arc::clone(&beyond.elsewhere));
    stoppable_file_work(context.extract.control, move || {
        // of a run that died while this one was fetching
        warehouse.recover(&lock).map_err(RunError::warehouse)?;
        let mut is_outdated = known.is_outdated(&warehouse, &staging);
        if let (Ok(false), Some(elsewhere)) = (&is_outdated, elsewhere) {
            is_outdated = elsewhere.is_outdated(&warehouse, &known, &staging);
            elsewhere.forget(&staging);
        }
        let is_outdated = is_outdated.map_err(RunError::ledger)?;
        Ok((!is_outdated).then_some((lock, staging)))
    })
    .await?
}

/// What a chunk came to, as its line in the log begins.
fn came_to((published, _): (u64, u64)) -> &'static str {
    if published == 0 {
        "nothing new:"
    } else {
        "published"
    }
}

/// What the warehouse holds of the days that this chunk may touch.
async fn load_known(context: &ChunkContext<'_>) -> Result<Arc<Known>, RunError> {
    let days = days_to_know(&context.extract);
    let warehouse = Arc::clone(&context.warehouse);
    let coverage = Arc::clone(&context.extract.coverage);
    let plan = context.extract.plan;
    let (scope, timezone) = (
        plan.rules.scope_hash.clone(),
        plan.warehouse.timezone.clone(),
    );
    let known = stoppable_file_work(context.extract.control, move || {
        let mut known = Known::load(&warehouse, days)?;
        known.keep_covered(|day| coverage.covers_day(&scope, day, &timezone));
        Ok(known)
    })
    .await?;
    known.map(Arc::new).map_err(RunError::ledger)
}

fn staging_context(
    context: &ChunkContext<'_>,
    run_id: &RunId,
    known: &Arc<Known>,
) -> StagingContext {
    StagingContext {
        tenant: context.extract.tenant.clone(),
        run_id: run_id.clone(),
        interval: context.extract.interval,
        timezone: context.extract.plan.warehouse.timezone.clone(),
        now: context.extract.plan.started_at,
        known: Arc::clone(known),
        warehouse: Arc::clone(&context.warehouse),
        virtual_days: Arc::clone(&context.virtual_days),
        tally: Arc::clone(&context.extract.control.tally),
        kept_for: context.kept_for.clone(),
        stop: context.extract.control.stop.clone(),
        scopes: context.extract.scopes.clone(),
    }
}

/// Publishes under the warehouse's lock, the run row last; how many partitions were published, and how many were unchanged.
async fn publish(
    context: &ChunkContext<'_>,
    (lock, run_id): (PublishLock, &RunId),
    staging: Staging,
    days: Vec<EventDate>,
    staged: &StagedChunk,
    started_at: UtcMicros,
    meter: MeterSnapshot,
) -> Result<(u64, u64), RunError> {
    let warehouse = Arc::clone(&context.warehouse);
    let moved = staged.moved.clone();
    let (lock, mut built) = stoppable_file_work(context.extract.control, move || {
        let mut staging = staging;
        moved::stage_reports(&warehouse, &mut staging, &moved)?;
        let built = warehouse.build(&lock, staging, &days);
        Ok::<_, RunError>((lock, built.map_err(RunError::warehouse)?))
    })
    .await??;
    let outcome = built.outcome();
    let counts = (outcome.published, outcome.unchanged);
    let mut runs = Runs::default();
    runs.append(&run_row(
        context,
        run_id,
        staged,
        (started_at, context.extract.time()),
        &meter,
        counts,
    ));
    let batch = runs.finish().map_err(RunError::rows)?;
    let warehouse = Arc::clone(&context.warehouse);
    // runs are filed by the UTC day on which they started
    let run_date = crate::time::WarehouseTimezone::utc().event_date(started_at);
    let publishing = context.extract.control.files.run(move || {
        warehouse.add(&lock, &mut built, &RUNS, run_date, &batch)?;
        warehouse.publish(&lock, built)?;
        drop(lock);
        Ok(())
    });
    // it takes a moment, so a run that is stopped sees it through, unless the disk stalls: then the next start does
    let too_long = async {
        context.extract.control.stop.cancelled().await;
        tokio::time::sleep(PUBLISH_GRACE).await;
    };
    tokio::select! {
        biased;
        published = publishing => published?.map_err(RunError::warehouse)?,
        () = too_long => return Err(RunError::Interrupted),
    }
    Ok(counts)
}

/// Waits for the right to publish as long as the plan allows, or until the run is stopped.
async fn lock(context: &ChunkContext<'_>) -> Result<PublishLock, RunError> {
    let wait = context.extract.plan.warehouse.wait_lock;
    let began = tokio::time::Instant::now();
    let mut is_told = false;
    loop {
        let warehouse = Arc::clone(&context.warehouse);
        let tried =
            stoppable_file_work(context.extract.control, move || warehouse.try_lock()).await?;
        if let Some(lock) = tried.map_err(RunError::warehouse)? {
            return Ok(lock);
        }
        context.extract.control.tally.enter(Stage::WaitingForLock);
        if began.elapsed() >= wait {
            return Err(RunError::warehouse(context.warehouse.locked(wait)));
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::info!(
                "waiting for another run that is publishing, {} s at most",
                wait.as_secs()
            );
        }
        let wait = tokio::time::sleep(context.warehouse.lock_poll());
        stoppable(context.extract.control, wait).await?;
    }
}
