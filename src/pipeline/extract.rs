//! Discovery and fetching side by side, for the days of one chunk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::stream;
use tokio::sync::{Semaphore, mpsc};

use super::{RunControl, RunError};
use crate::attendance::{Coverage, Readable, ReadingScope};
use crate::discover::{
    AskedOnce, Asking, CALL_RECORDS_KEPT, DiscoverContext, Door, Found, ListedFind, MARGIN,
    Meeting, VIRTUAL_EVENT, discover, resolve_organizers,
};
use crate::fetch::{
    AccessWatch, Beyond, FetchContext, Fetched, SettleRules, fetch_meeting, fetch_resolved,
    join_by_id,
};
use crate::flatten::JoinLink;
use crate::graph::GraphClient;
use crate::ids::{OrganizerId, TenantId};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, ReportsChoice, RunPlan, SourcesPlan, UserPath, Verb};
use crate::ledger::{Known, MeetingKey, read_in_time};
use crate::time::{DAY, EventDate, UtcMicros};
use crate::warehouse::{Adopted, Warehouse};

/// Meetings asked at once, for each request in flight: while one waits for a slot or a budget another can go on.
const MEETINGS_PER_REQUEST: usize = 2;

/// What is asked for one chunk, and of whom.
#[derive(Debug)]
pub(super) struct ExtractContext<'a> {
    pub(super) plan: &'a RunPlan,
    pub(super) control: &'a RunControl,
    pub(super) graph: GraphClient,
    pub(super) tenant: TenantId,
    pub(super) listed: Arc<[ListedFind]>,
    pub(super) asked_once: Arc<AskedOnce>,
    pub(super) access: Arc<AccessWatch>,
    pub(super) interval: DataInterval,
    /// What is discovered: the job's sources, or what is left of them to be read again.
    pub(super) sources: SourcesPlan,
    /// Whether that is all of the job's sources.
    pub(super) is_whole: bool,
    /// Sessions that are not final and begin before this are asked again.
    pub(super) unsettled_before: Option<UtcMicros>,
    /// Whether the run has no later chunk.
    pub(super) is_last: bool,
    /// What runs that ended early left.
    pub(super) adopted: Arc<Adopted>,
    /// How far the clock of this machine is ahead of Graph's.
    pub(super) clock_ahead: i64,
    /// Whose sessions are the job's.
    pub(super) readable: Arc<Readable>,
    /// What the job reads of each source.
    pub(super) scopes: BTreeMap<Source, ReadingScope>,
    /// What earlier chunks and runs have read.
    pub(super) coverage: Arc<Coverage>,
    /// What is known of other days.
    pub(super) beyond: Option<Beyond>,
}

impl ExtractContext<'_> {
    /// What time it is; where this machine is ahead of Graph, as Graph has it.
    pub(super) fn time(&self) -> UtcMicros {
        (self.control.clock)().plus(-self.clock_ahead)
    }
}

/// Discovers and fetches side by side; returns when everything was handed to the staging thread.
pub(super) async fn extract(
    context: &ExtractContext<'_>,
    known: Arc<Known>,
    calls_expired: Vec<DataInterval>,
    fetched: mpsc::Sender<Fetched>,
) {
    let concurrency = context.plan.graph.concurrency.max(1);
    let (sender, receiver) = mpsc::channel(concurrency);
    let discovery = discover_context(context, &known, calls_expired, sender);
    let fetch = fetch_context(context, known, fetched);
    let unsettled = Mutex::new(unsettled_meetings(context, &fetch));
    let discovering = async move {
        // it holds the state of every way side by side
        Box::pin(discover(&discovery, &context.sources)).await;
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
        resolve_owners(context, &fetch.known, &rest).await;
        let own = rest
            .into_values()
            .filter(|meeting| is_own(context, meeting));
        stream::iter(own)
            .for_each_concurrent(limit, |meeting| fetch_meeting(&fetch, meeting))
            .await;
    };
    tokio::join!(discovering, fetching);
}

/// Whether an unsettled meeting is of an organizer whom the job reads: what others left is for their own job, and its rights.
pub(super) fn is_own(context: &ExtractContext<'_>, meeting: &Meeting) -> bool {
    let organizer: Option<&OrganizerId> = meeting.organizer.as_ref().map(|owner| &owner.id);
    context.readable.has(meeting.source, organizer)
}

/// Finds out who is of the job, where meetings depend on it and nothing was discovered.
async fn resolve_owners(
    context: &ExtractContext<'_>,
    known: &Arc<Known>,
    unsettled: &HashMap<MeetingKey, Meeting>,
) {
    let is_open = |meeting: &Meeting| context.readable.is_unresolved(meeting.source);
    if unsettled.values().any(is_open) {
        // nobody listens: what cannot be resolved is left to a later run
        let (found, _) = mpsc::channel(1);
        let discovery = discover_context(context, known, Vec::new(), found);
        Box::pin(resolve_organizers(&discovery, &context.plan.sources)).await;
    }
}

async fn fetch_found(
    context: &ExtractContext<'_>,
    fetch: &FetchContext,
    found: Found,
    unsettled: &Mutex<HashMap<MeetingKey, Meeting>>,
) {
    match found {
        Found::Meeting(meeting) => {
            if let Some(meeting) = to_be_asked(context, fetch, meeting, unsettled) {
                fetch_meeting(fetch, meeting).await;
            }
        }
        Found::MayBeOne(meetings) => {
            let meetings = meetings
                .into_iter()
                .filter_map(|meeting| to_be_asked(context, fetch, meeting, unsettled));
            let meetings = join_by_id(fetch, meetings.collect()).await;
            stream::iter(meetings)
                .for_each_concurrent(context.plan.graph.concurrency.max(1), |meeting| {
                    fetch_resolved(fetch, meeting)
                })
                .await;
        }
        other @ (Found::Failed { .. }
        | Found::Unreadable { .. }
        | Found::NoMailbox(_)
        | Found::Removed(_)
        | Found::ListedFailed { .. }
        | Found::ListedRead(_)
        | Found::LookedUp { .. }
        | Found::Skipped { .. }
        | Found::Expired { .. }
        | Found::ReadToTheEnd { .. }) => {
            // a closed channel means that the run has stopped
            fetch.fetched.send(Fetched::NotAMeeting(other)).await.ok();
        }
    }
}

/// The meeting with its earlier sessions that are not final, where it is worth asking.
fn to_be_asked(
    context: &ExtractContext<'_>,
    fetch: &FetchContext,
    mut meeting: Meeting,
    unsettled: &Mutex<HashMap<MeetingKey, Meeting>>,
) -> Option<Meeting> {
    let tally = &context.control.tally;
    tally.sessions_found.add(meeting.occurrences.len() as u64);
    join_unsettled(&mut meeting, fetch, unsettled);
    is_worth_asking(context, &meeting).then_some(meeting)
}

/// Sessions of earlier days that are not final are asked again with the meeting they belong to, in one request.
pub(super) fn join_unsettled(
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
        .and_then(|mut unsettled| unsettled.remove(&key.folded()));
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

/// A scheduled run leaves meetings that have not begun yet, or belong to its next chunk, to the next one, whose lookback finds what
/// people who were early left.
pub(super) fn is_worth_asking(context: &ExtractContext<'_>, meeting: &Meeting) -> bool {
    context.plan.verb == Verb::Backfill
        || context.plan.rules.lookback_days == 0
        || meeting.occurrences.iter().any(|occurrence| {
            let is_to_come =
                !context.is_last || occurrence.scheduled_start > context.plan.started_at;
            !is_to_come || occurrence.scheduled_start < context.interval.end()
        })
}

/// The meetings of published sessions before the chunk that are not final; a scheduled run asks them again.
///
/// What is to be given up is among them once more, and becomes final by that. A run of several chunks asks with the first one: what
/// the later ones would find was asked a moment before.
pub(super) fn unsettled_meetings(
    context: &ExtractContext<'_>,
    fetch: &FetchContext,
) -> HashMap<MeetingKey, Meeting> {
    let mut meetings: HashMap<MeetingKey, Meeting> = HashMap::new();
    let Some(before) = context
        .unsettled_before
        .filter(|_| context.plan.verb == Verb::Run)
    else {
        return meetings;
    };
    let known = &fetch.known;
    let virtual_links: HashSet<String> = known.virtual_links().collect();
    for (id, session) in known.sessions() {
        let occurrence = &session.occurrence;
        let is_open = (!session.is_final || fetch.is_looked_at_again(session))
            && occurrence.scheduled_start < before;
        let Some(key) = MeetingKey::of(occurrence).filter(|_| is_open) else {
            continue;
        };
        // it was taken for an online meeting before its virtual event was read, which has its reports
        let link = occurrence.join_web_url.as_deref().map(JoinLink::key);
        let is_of_event = occurrence.source == Source::OnlineMeeting
            && fetch.known.reports_of(id).is_empty()
            && link.is_some_and(|link| virtual_links.contains(&link));
        let meeting = meetings.entry(key.folded()).or_insert_with(|| Meeting {
            source: occurrence.source,
            organizer: occurrence.organizer.clone(),
            door: if is_of_event {
                Door::Closed(VIRTUAL_EVENT)
            } else {
                Door::from(key)
            },
            event_id: None,
            asking: Asking::CarriedOver,
            occurrences: Vec::new(),
        });
        meeting.occurrences.push(occurrence.clone());
    }
    meetings
}

pub(super) fn fetch_context(
    context: &ExtractContext<'_>,
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
        discovers: context.sources.online_meetings.is_some(),
        asks_again: plan.verb == Verb::Run,
        reprocess: plan.reprocess,
        user_path: online_meetings.map_or(UserPath::ById, |plan| plan.users.path()),
        derive_ids: online_meetings.is_some_and(|plan| plan.derive_ids),
        reports: online_meetings.map_or(ReportsChoice::All, |plan| plan.reports),
        access: Arc::clone(&context.access),
        owners: Arc::default(),
        known,
        beyond: context.beyond.clone(),
        adopted: Arc::clone(&context.adopted),
        settle: SettleRules {
            settle_hours: plan.rules.settle_hours,
            give_up_days: plan.rules.give_up_days,
            gives_up: plan.verb == Verb::Run,
        },
        timezone: plan.warehouse.timezone.clone(),
        now: plan.started_at,
        slots: Arc::new(Semaphore::new(plan.graph.concurrency.max(1))),
        fetched,
        tally: Arc::clone(&context.control.tally),
    }
}

/// What discovery needs; its finds go to `found`.
pub(super) fn discover_context(
    context: &ExtractContext<'_>,
    known: &Arc<Known>,
    calls_expired: Vec<DataInterval>,
    found: mpsc::Sender<Found>,
) -> DiscoverContext {
    let users = |sources: &SourcesPlan| {
        let online_meetings = sources.online_meetings.as_ref();
        online_meetings.map(|plan| plan.users.clone())
    };
    DiscoverContext {
        graph: context.graph.clone(),
        interval: context.interval,
        tenant: context.tenant.clone(),
        timezone: context.plan.warehouse.timezone.clone(),
        known: Arc::clone(known),
        listed: Arc::clone(&context.listed),
        asked_once: Arc::clone(&context.asked_once),
        readable: Arc::clone(&context.readable),
        is_narrowed: users(&context.sources) != users(&context.plan.sources),
        takes_late_calls: context.plan.verb == Verb::Run,
        calls_expired,
        now: context.plan.started_at,
        concurrency: context.plan.graph.concurrency.max(1),
        found,
        tally: Arc::clone(&context.control.tally),
    }
}

/// The chunk with its margins, the days of listed meetings, and for a scheduled run its lookback and what was not given
/// up when it last ran.
pub(super) fn days_to_know(context: &ExtractContext<'_>) -> Vec<EventDate> {
    let plan = context.plan;
    let timezone = &plan.warehouse.timezone;
    let rules = &plan.rules;
    let unsettled = rules.give_up_days.saturating_add(rules.max_catch_up_days);
    let back = match plan.verb {
        Verb::Run => i64::from(rules.lookback_days.max(unsettled)) * DAY,
        Verb::Backfill => 0,
    };
    // a day more than is discovered, so that a neighbour's reports are not taken for those of a session in the margin
    let known = context.interval.widened(MARGIN + DAY);
    let mut days = DataInterval::new(known.start().plus(-back), known.end())
        .map(|interval| interval.days(timezone))
        .unwrap_or_default();
    // a listed meeting may be scheduled anywhere
    let listed = context
        .listed
        .iter()
        .filter_map(|find| find.found.as_ref().ok());
    let scheduled = listed.map(|found| timezone.event_date(found.occurrence.scheduled_start));
    days.extend(scheduled);
    days.sort_unstable();
    days.dedup();
    days
}

/// Days of the chunk for which Graph keeps no call records any more, unless a run of this scope read them in time.
pub(super) async fn calls_expired(
    context: &ExtractContext<'_>,
    warehouse: Option<&Arc<Warehouse>>,
) -> Result<Vec<DataInterval>, RunError> {
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
    let read = match warehouse.map(Arc::clone) {
        Some(warehouse) => {
            let scope = context.plan.rules.scope_hash.clone();
            let files = &context.control.files;
            files
                .run(move || read_in_time(&warehouse, &scope, CALL_RECORDS_KEPT))
                .await?
                .map_err(RunError::ledger)?
        }
        None => Vec::new(),
    };
    let days = expired.chunks(1, &context.plan.warehouse.timezone);
    let was_read = |day: &DataInterval| {
        let mut read = read.iter();
        read.any(|read| read.start() <= day.start() && day.end() <= read.end())
    };
    Ok(days.into_iter().filter(|day| !was_read(day)).collect())
}
