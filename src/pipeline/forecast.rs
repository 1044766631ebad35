//! What a run would do: discovered as a run does it, held against what is published, and nothing written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::effective::effective;
use super::extract::{
    ExtractContext, calls_expired, days_to_know, discover_context, fetch_context, is_own,
    is_worth_asking, join_unsettled, unsettled_meetings,
};
use super::{
    RunControl, RunError, due_interval, find_listed_meetings, stoppable, stoppable_file_work,
};
use crate::attendance::Readable;
use crate::discover::{Door, Found, Meeting, discover};
use crate::fetch::{FetchContext, MeetingForecast, forecast_meeting};
use crate::graph::{Budget, GraphClient, GraphError, RequestKind};
use crate::ids::{OrganizerId, TenantId};
use crate::job::interval::DataInterval;
use crate::job::plan::{LimitsPlan, RateLimit, RunPlan, Verb};
use crate::ledger::{Known, Progress, read_progress};
use crate::tables::DAILY_TABLES;
use crate::time::EventDate;
use crate::warehouse::Warehouse;

/// Meeting look-ups that one organizer may cost in a month, and from how many on it is worth a warning.
///
/// Source: <https://learn.microsoft.com/graph/throttling-limits>, "Meeting information".
pub const LOOK_UPS_A_MONTH: u64 = 2_000;
const MANY_LOOK_UPS: u64 = 1_600;

/// What a run would do.
#[derive(Debug, Default)]
pub struct Forecast {
    /// The data interval; `None` where there would be nothing to do.
    pub interval: Option<DataInterval>,
    /// Chunks that would publish one by one.
    pub chunks: u64,
    /// Sessions that would be published, by source, unchanged ones included.
    pub sessions: BTreeMap<&'static str, u64>,
    /// Requests by kind. Those of discovery were made and counted; look-ups and lists follow from what was found; reports are one a
    /// session that has ended and has none yet.
    pub requests: BTreeMap<&'static str, u64>,
    /// How long the slowest budget takes for its requests, in seconds; 0 where none is limited.
    pub seconds_under_limits: f64,
    /// Days with something to fetch, or without partitions.
    pub days_to_publish: BTreeSet<EventDate>,
    /// Partitions of those days.
    pub partitions: u64,
    /// Reports to be expected that Graph deletes within 30 days.
    pub reports_near_expiry: u64,
    /// Sessions without a report that are older than Graph keeps reports.
    pub sessions_past_retention: u64,
    /// The most look-ups for one organizer; they count against the month in which they are made.
    pub most_look_ups: u64,
    /// Organizers with more than 1,600 look-ups, of the 2,000 that Microsoft allows in a month.
    pub organizers_with_many_look_ups: u64,
    /// Calendars, lists and entries that could not be read, by reason.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub first_failure: Option<Arc<GraphError>>,
    /// Calendars and lists that were read to their end.
    pub sources_read: u64,
}

/// Finds out what a run of the plan would do.
///
/// Reads the warehouse where there is one and discovers as a run does, so it makes a run's requests up to that point.
///
/// # Errors
/// [`RunError`] as a run.
pub async fn forecast(plan: &RunPlan, control: &RunControl) -> Result<Forecast, RunError> {
    let (place, staging) = (plan.warehouse.place.clone(), plan.warehouse.staging.clone());
    let warehouse = stoppable_file_work(control, move || {
        Warehouse::open_if_there(&place, staging.as_deref())
    });
    let warehouse = warehouse.await?.map_err(RunError::warehouse)?.map(Arc::new);
    let graph =
        GraphClient::new(&plan.auth, &plan.graph, control.clock).map_err(RunError::sign_in)?;
    let tenant = stoppable(control, graph.sign_in())
        .await?
        .map_err(RunError::sign_in)?;
    let effective = effective(plan, control, &graph).await?;
    let plan = &effective.plan;
    let interval = interval(plan, control, warehouse.clone(), &tenant).await?;
    let mut forecast = Forecast {
        interval,
        ..Forecast::default()
    };
    let mut look_ups = BTreeMap::new();
    let asked_once = Arc::default();
    let listed = Box::pin(find_listed_meetings(
        plan,
        (&graph, &asked_once),
        &tenant,
        control,
    ));
    let listed = stoppable(control, listed).await?;
    let chunks: Vec<_> = interval
        .iter()
        .flat_map(|interval| interval.chunks(plan.rules.chunk_days, &plan.warehouse.timezone))
        .collect();
    let count = chunks.len() as u64;
    let readable = Arc::new(Readable::of(&plan.sources));
    for interval in chunks {
        forecast.chunks += 1;
        let context = ExtractContext {
            plan,
            control,
            graph: graph.clone(),
            tenant: tenant.clone(),
            listed: Arc::clone(&listed),
            asked_once: Arc::clone(&asked_once),
            interval,
            sources: plan.sources.clone(),
            is_whole: true,
            unsettled_before: (forecast.chunks == 1).then(|| interval.start()),
            is_last: forecast.chunks == count,
            access: Arc::default(),
            adopted: Arc::default(),
            clock_ahead: effective.clock_ahead,
            readable: Arc::clone(&readable),
            scopes: effective.scopes.clone(),
            coverage: Arc::default(),
            beyond: None,
        };
        let known = known(&context, warehouse.clone()).await?;
        let (days, there) = (
            context.interval.days(&plan.warehouse.timezone),
            warehouse.clone(),
        );
        let missing = stoppable_file_work(control, move || {
            days_without_partitions(days, there.as_deref())
        });
        forecast.days_to_publish.extend(missing.await??);
        let expired = calls_expired(&context, warehouse.as_ref()).await?;
        let discovering = chunk(&context, &known, expired, &mut forecast, &mut look_ups);
        stoppable(control, discovering).await?;
    }
    if let Some(source) = forecast
        .first_failure
        .take_if(|_| forecast.sources_read == 0)
    {
        return Err(RunError::Discover { source });
    }
    forecast.most_look_ups = look_ups.values().copied().max().unwrap_or_default();
    forecast.organizers_with_many_look_ups = look_ups
        .values()
        .filter(|count| **count > MANY_LOOK_UPS)
        .count() as u64;
    forecast.partitions = (forecast.days_to_publish.len() * DAILY_TABLES.len()) as u64;
    for (kind, count) in graph.meter().by_kind {
        *forecast.requests.entry(kind).or_default() += count;
    }
    forecast.seconds_under_limits = seconds_under(&plan.graph.limits, &forecast.requests);
    Ok(forecast)
}

async fn interval(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: Option<Arc<Warehouse>>,
    tenant: &TenantId,
) -> Result<Option<DataInterval>, RunError> {
    let is_open = plan.interval.is_none() && plan.verb == Verb::Run;
    let (job_name, scope_hash) = (plan.job_name.clone(), plan.rules.scope_hash.clone());
    let tenant = tenant.clone();
    let progress = stoppable_file_work(control, move || {
        let Some(warehouse) = warehouse else {
            return Ok(Progress::default());
        };
        warehouse
            .agree_on_tenant(&tenant)
            .map_err(RunError::warehouse)?;
        if is_open {
            read_progress(&warehouse, &job_name, &scope_hash).map_err(RunError::ledger)
        } else {
            Ok(Progress::default())
        }
    });
    let progress = progress.await??;
    Ok(due_interval(plan, &progress))
}

async fn known(
    context: &ExtractContext<'_>,
    warehouse: Option<Arc<Warehouse>>,
) -> Result<Arc<Known>, RunError> {
    let Some(warehouse) = warehouse else {
        return Ok(Arc::default());
    };
    let days = days_to_know(context);
    let known = stoppable_file_work(context.control, move || Known::load(&warehouse, days));
    known.await?.map(Arc::new).map_err(RunError::ledger)
}

fn days_without_partitions(
    mut days: Vec<EventDate>,
    warehouse: Option<&Warehouse>,
) -> Result<Vec<EventDate>, RunError> {
    if let Some(warehouse) = warehouse {
        let mut published = BTreeMap::new();
        for table in DAILY_TABLES {
            let partitions = warehouse.partitions(table).map_err(RunError::warehouse)?;
            for day in partitions {
                *published.entry(day).or_insert(0) += 1;
            }
        }
        days.retain(|day| published.get(day).copied().unwrap_or(0) < DAILY_TABLES.len());
    }
    Ok(days)
}

/// Discovers a chunk and adds up what fetching it would be.
async fn chunk(
    context: &ExtractContext<'_>,
    known: &Arc<Known>,
    calls_expired: Vec<DataInterval>,
    forecast: &mut Forecast,
    look_ups: &mut BTreeMap<OrganizerId, u64>,
) {
    let (found, arrivals) = mpsc::channel(context.plan.graph.concurrency.max(1));
    // nothing is fetched, so nobody listens
    let (fetched, _) = mpsc::channel(1);
    let fetch = fetch_context(context, Arc::clone(known), fetched);
    let unsettled = Mutex::new(unsettled_meetings(context, &fetch));
    let discovery = discover_context(context, known, calls_expired, found);
    let discovering = async move {
        // it holds the state of every way side by side
        Box::pin(discover(&discovery, &context.sources)).await;
        drop(discovery);
    };
    let ask = |mut meeting: Meeting,
               forecast: &mut Forecast,
               look_ups: &mut BTreeMap<OrganizerId, u64>| {
        join_unsettled(&mut meeting, &fetch, &unsettled);
        if is_worth_asking(context, &meeting) {
            add(&fetch, &meeting, forecast, look_ups);
        }
    };
    let adding = async {
        let mut arrivals = arrivals;
        while let Some(found) = arrivals.recv().await {
            match found {
                Found::Meeting(meeting) => ask(meeting, forecast, look_ups),
                // which of them are one is not asked here
                Found::MayBeOne(meetings) => {
                    for meeting in meetings {
                        ask(meeting, forecast, look_ups);
                    }
                }
                Found::Failed { error, .. } => {
                    let reason = error.reason().as_str();
                    *forecast.unreadable.entry(reason).or_default() += 1;
                    forecast.first_failure.get_or_insert(error);
                }
                Found::Unreadable { .. } => {
                    *forecast.unreadable.entry("unreadable").or_default() += 1;
                }
                Found::ReadToTheEnd { .. } => forecast.sources_read += 1,
                Found::ListedFailed { error, .. } => {
                    let reason = error.as_ref().map(|error| error.reason().as_str());
                    let reason = reason.unwrap_or("unreadable");
                    *forecast.unreadable.entry(reason).or_default() += 1;
                }
                Found::Expired { .. } => {
                    *forecast.unreadable.entry("expired").or_default() += 1;
                }
                Found::NoMailbox(_)
                | Found::Removed(_)
                | Found::ListedRead(_)
                | Found::LookedUp { .. }
                | Found::Skipped { .. } => {}
            }
        }
        let rest = unsettled.lock().map(|mut rest| std::mem::take(&mut *rest));
        let rest = rest.unwrap_or_default().into_values();
        for meeting in rest.filter(|meeting| is_own(context, meeting)) {
            add(&fetch, &meeting, forecast, look_ups);
        }
    };
    tokio::join!(discovering, adding);
}

fn add(
    fetch: &FetchContext,
    meeting: &Meeting,
    forecast: &mut Forecast,
    look_ups: &mut BTreeMap<OrganizerId, u64>,
) {
    let MeetingForecast {
        sessions,
        is_listed,
        is_looked_up,
        reports,
        reports_near_expiry,
        sessions_past_retention,
        days,
    } = forecast_meeting(fetch, meeting);
    *forecast
        .sessions
        .entry(meeting.source.as_str())
        .or_default() += sessions;
    let mut count = |kind: RequestKind, number: u64| {
        if number > 0 {
            *forecast.requests.entry(kind.as_str()).or_default() += number;
        }
    };
    count(RequestKind::FindMeeting, u64::from(is_looked_up));
    count(RequestKind::ListReports, u64::from(is_listed));
    count(RequestKind::GetReport, reports);
    forecast.reports_near_expiry += reports_near_expiry;
    forecast.sessions_past_retention += sessions_past_retention;
    forecast.days_to_publish.extend(days);
    if is_looked_up && let Door::JoinUrl(organizer, _) = &meeting.door {
        *look_ups.entry(organizer.clone()).or_default() += 1;
    }
}

/// Each budget by itself, since they are spent side by side; reports of virtual events count with the online meetings'.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn seconds_under(limits: &LimitsPlan, requests: &BTreeMap<&'static str, u64>) -> f64 {
    let mut by_budget: BTreeMap<Budget, u64> = BTreeMap::new();
    for kind in RequestKind::all() {
        let count = requests.get(kind.as_str()).copied().unwrap_or_default();
        *by_budget.entry(kind.default_budget()).or_default() += count;
    }
    let seconds = |(budget, count): (Budget, u64)| {
        let limit = limit_of(limits, budget)?;
        let a_second = f64::from(limit.requests) / limit.per.as_secs_f64();
        Some(count as f64 / a_second)
    };
    by_budget
        .into_iter()
        .filter_map(seconds)
        .fold(0.0, f64::max)
}

/// A mailbox has a budget of its own, which a calendar view never fills.
fn limit_of(limits: &LimitsPlan, budget: Budget) -> Option<RateLimit> {
    match budget {
        Budget::Attendance => limits.attendance,
        Budget::Calendar => None,
        Budget::CallRecords => limits.call_records,
        Budget::CallRecordsList => limits.call_records_list,
        Budget::VirtualEvents => limits.virtual_events,
        Budget::Directory => limits.directory,
    }
}
