//! One chunk: a few days, discovered, fetched, staged and published, with its row in `runs` last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::sync::{Semaphore, mpsc};

use super::staging_thread::{StagedChunk, StagingContext, StagingThread};
use super::totals::run_row;
use super::{RunControl, RunError, blocking, stoppable, stoppable_file_work};
use crate::discover::{
    Asking, CALL_RECORDS_KEPT, DiscoverContext, Door, Found, ListedFind, MARGIN, Meeting, discover,
};
use crate::fetch::{FetchContext, Fetched, SettleRules, fetch_meeting};
use crate::graph::{GraphClient, MeterSnapshot};
use crate::ids::{RunId, TenantId};
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, RunPlan, UserPath, Verb};
use crate::ledger::{Known, MeetingKey, read_in_time};
use crate::tables::{RUNS, Runs};
use crate::time::{DAY, EventDate, UtcMicros};
use crate::warehouse::{Adopted, KeptFor, Warehouse, WarehouseLock};

/// Meetings asked at once, for each request in flight: while one waits for a slot or a budget another can go on.
const MEETINGS_PER_REQUEST: usize = 2;
/// How often a lock that another run holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// What a chunk needs.
#[derive(Debug)]
pub(super) struct ChunkContext<'a> {
    pub(super) plan: &'a RunPlan,
    pub(super) control: &'a RunControl,
    pub(super) warehouse: Arc<Warehouse>,
    pub(super) graph: GraphClient,
    pub(super) tenant: TenantId,
    pub(super) listed: Arc<[ListedFind]>,
    pub(super) interval: DataInterval,
    pub(super) number: u64,
    /// Which runs share reports that one of them fetched and did not publish.
    pub(super) kept_for: KeptFor,
    /// What such runs left.
    pub(super) adopted: Arc<Adopted>,
}

/// What a chunk came to.
#[derive(Debug)]
pub(super) struct ChunkOutcome {
    pub(super) run_id: RunId,
    pub(super) staged: StagedChunk,
    pub(super) partitions_published: u64,
    pub(super) partitions_unchanged: u64,
    pub(super) is_past_deadline: bool,
}

/// Runs a chunk from what is known to its row in `runs`.
pub(super) async fn run(context: &ChunkContext<'_>) -> Result<ChunkOutcome, RunError> {
    let started_at = (context.control.clock)();
    let before = context.graph.meter();
    let run_id = RunId::new(format!(
        "{}-{:04}",
        context.plan.invocation_id, context.number
    ));
    let known = load_known(context).await?;
    let calls_expired = calls_expired(context).await?;
    let warehouse = Arc::clone(&context.warehouse);
    let staging_id = run_id.clone();
    let staging = stoppable_file_work(context.control, move || warehouse.staging(&staging_id))
        .await?
        .map_err(RunError::warehouse)?;

    let (fetched, arrivals) = mpsc::channel(context.plan.graph.concurrency.max(1));
    let thread = StagingThread::new(staging_context(context, &run_id, &known), staging);
    let mut staging = tokio::task::spawn_blocking(move || thread.run(arrivals));
    let extracting = extract(context, Arc::clone(&known), calls_expired, fetched);
    let (staging, staged) = tokio::select! {
        biased;
        // before the extraction is done it ends only where it fails: nothing more is asked then
        staged = &mut staging => staged,
        extracted = stoppable(context.control, extracting) => {
            // the extraction is dropped, which closes the channel, so the staging thread ends too
            let staged = staging.await;
            extracted?;
            staged
        }
    }
    .map_err(RunError::panicked)??;
    if staged.adopted_reports > 0 {
        tracing::info!(
            "{} reports were not fetched again: a run that ended early had them",
            staged.adopted_reports
        );
    }
    if let Some(source) = staged.gaps.unauthorized.clone() {
        return Err(RunError::SignIn { source });
    }
    if let Some(source) = staged.nothing_discovered() {
        return Err(RunError::Discover { source });
    }

    let meter = context.graph.meter();
    let days = context.interval.days(&context.plan.warehouse.timezone);
    let published = publish(
        context,
        &run_id,
        staging,
        days,
        &staged,
        started_at,
        meter.since(&before),
    )
    .await?;
    Ok(ChunkOutcome {
        run_id,
        is_past_deadline: staged.is_past_deadline(),
        staged,
        partitions_published: published.0,
        partitions_unchanged: published.1,
    })
}

/// What the warehouse holds of the days that this chunk may touch.
async fn load_known(context: &ChunkContext<'_>) -> Result<Arc<Known>, RunError> {
    let mut days = days_to_know(context.plan, &context.interval);
    // a listed meeting may be scheduled anywhere
    let timezone = &context.plan.warehouse.timezone;
    let listed = context
        .listed
        .iter()
        .filter_map(|find| find.found.as_ref().ok());
    let scheduled = listed.map(|found| timezone.event_date(found.occurrence.scheduled_start));
    days.extend(scheduled);
    days.sort_unstable();
    days.dedup();
    let warehouse = Arc::clone(&context.warehouse);
    let known = stoppable_file_work(context.control, move || Known::load(&warehouse, days)).await?;
    known.map(Arc::new).map_err(RunError::ledger)
}

/// Days of the chunk for which Graph keeps no call records any more, unless a run of this scope read them in time.
async fn calls_expired(context: &ChunkContext<'_>) -> Result<Vec<DataInterval>, RunError> {
    let oldest = context.plan.started_at.plus(-CALL_RECORDS_KEPT);
    let interval = &context.interval;
    let reads_calls = context
        .plan
        .sources
        .online_meetings
        .as_ref()
        .is_some_and(|plan| plan.discover.contains(&DiscoverBy::CallRecords));
    let expired = DataInterval::new(interval.start(), interval.end().min(oldest));
    let Some(expired) = expired.filter(|_| reads_calls) else {
        return Ok(Vec::new());
    };
    let (warehouse, scope) = (
        Arc::clone(&context.warehouse),
        context.plan.rules.scope_hash.clone(),
    );
    let read = blocking(move || read_in_time(&warehouse, &scope, CALL_RECORDS_KEPT))
        .await?
        .map_err(RunError::ledger)?;
    let days = expired.chunks(1, &context.plan.warehouse.timezone);
    let was_read = |day: &DataInterval| {
        let mut read = read.iter();
        read.any(|read| read.start() <= day.start() && day.end() <= read.end())
    };
    Ok(days.into_iter().filter(|day| !was_read(day)).collect())
}

/// The chunk with its margins; for a scheduled run also its lookback and everything that is not given up yet.
fn days_to_know(plan: &RunPlan, interval: &DataInterval) -> Vec<EventDate> {
    let back = match plan.verb {
        Verb::Run => i64::from(plan.rules.lookback_days.max(plan.rules.give_up_days)) * DAY,
        Verb::Backfill => 0,
    };
    // a day more than is discovered, so that a neighbour's reports are not taken for those of a session in the margin
    let known = interval.widened(MARGIN + DAY);
    DataInterval::new(known.start().plus(-back), known.end())
        .map(|interval| interval.days(&plan.warehouse.timezone))
        .unwrap_or_default()
}

fn staging_context(
    context: &ChunkContext<'_>,
    run_id: &RunId,
    known: &Arc<Known>,
) -> StagingContext {
    StagingContext {
        tenant: context.tenant.clone(),
        run_id: run_id.clone(),
        interval: context.interval,
        timezone: context.plan.warehouse.timezone.clone(),
        now: context.plan.started_at,
        known: Arc::clone(known),
        tally: Arc::clone(&context.control.tally),
        kept_for: context.kept_for.clone(),
        stop: context.control.stop.clone(),
    }
}

/// Discovers and fetches side by side; returns when everything was handed to the staging thread.
async fn extract(
    context: &ChunkContext<'_>,
    known: Arc<Known>,
    calls_expired: Vec<DataInterval>,
    fetched: mpsc::Sender<Fetched>,
) {
    let concurrency = context.plan.graph.concurrency.max(1);
    let (sender, receiver) = mpsc::channel(concurrency);
    let discovery = DiscoverContext {
        graph: context.graph.clone(),
        interval: context.interval,
        tenant: context.tenant.clone(),
        known: Arc::clone(&known),
        listed: Arc::clone(&context.listed),
        takes_late_calls: context.plan.verb == Verb::Run,
        calls_expired,
        now: context.plan.started_at,
        concurrency,
        found: sender,
        tally: Arc::clone(&context.control.tally),
    };
    let fetch = fetch_context(context, known, fetched);
    let unsettled = Mutex::new(unsettled_meetings(context, &fetch.known));
    let discovering = async move {
        // it holds the state of every way side by side
        Box::pin(discover(&discovery, &context.plan.sources)).await;
        drop(discovery);
    };
    let found = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|found| (found, receiver))
    });
    let fetching = async {
        let limit = concurrency * MEETINGS_PER_REQUEST;
        found
            .for_each_concurrent(limit, |found| {
                fetch_found(context, &fetch, found, &unsettled)
            })
            .await;
        let rest = unsettled
            .lock()
            .map(|mut rest| std::mem::take(&mut *rest))
            .unwrap_or_default();
        stream::iter(rest.into_values())
            .for_each_concurrent(limit, |meeting| fetch_meeting(&fetch, meeting))
            .await;
    };
    tokio::join!(discovering, fetching);
}

async fn fetch_found(
    context: &ChunkContext<'_>,
    fetch: &FetchContext,
    found: Found,
    unsettled: &Mutex<HashMap<MeetingKey, Meeting>>,
) {
    match found {
        Found::Meeting(mut meeting) => {
            context
                .control
                .tally
                .sessions_found
                .add(meeting.occurrences.len() as u64);
            join_unsettled(&mut meeting, fetch, unsettled);
            if is_worth_asking(context, &meeting) {
                fetch_meeting(fetch, meeting).await;
            }
        }
        other @ (Found::Failed { .. }
        | Found::Unreadable { .. }
        | Found::NoMailbox
        | Found::ListedFailed { .. }
        | Found::ListedRead(_)
        | Found::Skipped { .. }
        | Found::Expired { .. }
        | Found::ReadToTheEnd { .. }) => {
            // a closed channel means that the run has stopped
            fetch.fetched.send(Fetched::NotAMeeting(other)).await.ok();
        }
    }
}

/// Sessions of earlier days that are not final are asked again with the meeting they belong to, in one request.
fn join_unsettled(
    meeting: &mut Meeting,
    fetch: &FetchContext,
    unsettled: &Mutex<HashMap<MeetingKey, Meeting>>,
) {
    let Some(key) = meeting.door.key() else {
        return;
    };
    let earlier = unsettled
        .lock()
        .ok()
        .and_then(|mut unsettled| unsettled.remove(&key));
    let found: Vec<_> = meeting
        .occurrences
        .iter()
        .map(|occurrence| occurrence.session_id(&fetch.tenant))
        .collect();
    let missing = earlier.into_iter().flat_map(|earlier| earlier.occurrences);
    meeting.occurrences.extend(
        missing.filter(|occurrence| !found.contains(&occurrence.session_id(&fetch.tenant))),
    );
}

/// A scheduled run leaves meetings that have not begun yet to the next one, whose lookback finds what people who were early left.
fn is_worth_asking(context: &ChunkContext<'_>, meeting: &Meeting) -> bool {
    context.plan.verb == Verb::Backfill
        || context.plan.rules.lookback_days == 0
        || meeting.occurrences.iter().any(|occurrence| {
            let is_to_come = occurrence.scheduled_start > context.plan.started_at;
            !is_to_come || occurrence.scheduled_start < context.interval.end()
        })
}

/// The meetings of published sessions before the chunk that are not final; a scheduled run asks them again.
fn unsettled_meetings(context: &ChunkContext<'_>, known: &Known) -> HashMap<MeetingKey, Meeting> {
    let mut meetings: HashMap<MeetingKey, Meeting> = HashMap::new();
    if context.plan.verb == Verb::Backfill {
        return meetings;
    }
    let earliest = context
        .plan
        .started_at
        .plus(-i64::from(context.plan.rules.give_up_days) * DAY);
    for (_, session) in known.sessions() {
        let occurrence = &session.occurrence;
        let is_open = !session.is_final && occurrence.scheduled_start < context.interval.start();
        let Some(key) =
            MeetingKey::of(occurrence).filter(|_| is_open && occurrence.ends_at() >= earliest)
        else {
            continue;
        };
        let meeting = meetings.entry(key.clone()).or_insert_with(|| Meeting {
            source: occurrence.source,
            organizer: occurrence.organizer.clone(),
            door: Door::from(key),
            event_id: None,
            asking: Asking::WhereMissing,
            occurrences: Vec::new(),
        });
        meeting.occurrences.push(occurrence.clone());
    }
    meetings
}

fn fetch_context(
    context: &ChunkContext<'_>,
    known: Arc<Known>,
    fetched: mpsc::Sender<Fetched>,
) -> FetchContext {
    let plan = context.plan;
    let online_meetings = plan.sources.online_meetings.as_ref();
    let lookback = match plan.verb {
        Verb::Run => i64::from(plan.rules.lookback_days) * DAY,
        Verb::Backfill => 0,
    };
    let start: UtcMicros = context.interval.start().plus(-lookback);
    FetchContext {
        graph: context.graph.clone(),
        tenant: context.tenant.clone(),
        interval: context.interval,
        accepts: DataInterval::new(start, context.interval.end()).unwrap_or(context.interval),
        asks_again: plan.verb == Verb::Run,
        reprocess: plan.reprocess,
        user_path: online_meetings.map_or(UserPath::ById, |plan| plan.users.path()),
        derive_ids: online_meetings.is_some_and(|plan| plan.derive_ids),
        known,
        adopted: Arc::clone(&context.adopted),
        settle: SettleRules {
            settle_hours: plan.rules.settle_hours,
            give_up_days: plan.rules.give_up_days,
        },
        timezone: plan.warehouse.timezone.clone(),
        now: plan.started_at,
        slots: Arc::new(Semaphore::new(plan.graph.concurrency.max(1))),
        fetched,
        tally: Arc::clone(&context.control.tally),
    }
}

/// Publishes under the warehouse's lock, the run row last; how many partitions were published, and how many were unchanged.
async fn publish(
    context: &ChunkContext<'_>,
    run_id: &RunId,
    staging: crate::warehouse::Staging,
    days: Vec<EventDate>,
    staged: &StagedChunk,
    started_at: UtcMicros,
    meter: MeterSnapshot,
) -> Result<(u64, u64), RunError> {
    let lock = lock(context).await?;
    let warehouse = Arc::clone(&context.warehouse);
    let (lock, mut built) = stoppable_file_work(context.control, move || {
        warehouse
            .build(&lock, staging, &days)
            .map(|built| (lock, built))
    })
    .await?
    .map_err(RunError::warehouse)?;
    let outcome = built.outcome();
    let counts = (outcome.published, outcome.unchanged);
    let mut runs = Runs::default();
    runs.append(&run_row(
        context,
        run_id,
        staged,
        (started_at, (context.control.clock)()),
        &meter,
        counts,
    ));
    let batch = runs.finish().map_err(RunError::rows)?;
    let warehouse = Arc::clone(&context.warehouse);
    // runs are filed by the UTC day on which they started
    let run_date = crate::time::WarehouseTimezone::utc().event_date(started_at);
    blocking(move || {
        warehouse.add(&lock, &mut built, &RUNS, run_date, &batch)?;
        warehouse.publish(&lock, built)?;
        drop(lock);
        Ok(())
    })
    .await?
    .map_err(RunError::warehouse)?;
    Ok(counts)
}

/// Waits for the right to publish as long as the plan allows, or until the run is stopped.
async fn lock(context: &ChunkContext<'_>) -> Result<WarehouseLock, RunError> {
    let wait = context.plan.warehouse.wait_lock;
    let began = tokio::time::Instant::now();
    loop {
        if let Some(lock) = context.warehouse.try_lock().map_err(RunError::warehouse)? {
            return Ok(lock);
        }
        if began.elapsed() >= wait {
            return Err(RunError::warehouse(context.warehouse.locked(wait)));
        }
        stoppable(context.control, tokio::time::sleep(LOCK_POLL)).await?;
    }
}
