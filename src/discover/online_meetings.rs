//! Online meetings by all the ways of a job: what they found of an organizer goes on together, once.
//!
//! Calls and listed meetings are there before the calendars are read, so that each organizer's calendar meets what is already known of
//! it; what no calendar took goes on by itself at the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::StreamExt as _;
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::calendar::{self, CalendarRead};
use super::call_records::Calls;
use super::fold::{CallsAlone, Finds, fold, has_own, is_of_one};
use super::listed::{ListedFailure, ListedOccurrence};
use super::users::{self, FoundUser};
use super::{DiscoverContext, Door, Found, FoundLinks, Meeting};
use crate::flatten::{AttendanceState, JoinLink, Occurrence, Organizer};
use crate::graph::GraphError;
use crate::ids::OrganizerId;
use crate::job::Source;
use crate::job::plan::{DiscoverBy, OnlineMeetingsPlan, UsersPlan};

const SOURCE: Source = Source::OnlineMeeting;

/// So many calendars refused, and none read: it is no matter of single mailboxes, and the others are not asked.
const REFUSED_CALENDARS: usize = 50;

/// The state of a session that has a report.
const REPORTED: &str = AttendanceState::Reported.as_str();

/// The entries of any calendar under the links of calls, by the key of the link.
type EntriesOfCalls = HashMap<String, Vec<Occurrence>>;

/// What was found before any calendar was read, by organizer in small letters.
type Rest = HashMap<String, (Option<Organizer>, Finds)>;

/// Finds the meetings of a window by every way of the plan; those under the links of virtual events are not among them.
pub(super) async fn discover(
    context: &DiscoverContext,
    plan: &OnlineMeetingsPlan,
    calls: Option<Calls>,
    virtual_links: &FoundLinks,
) {
    let mut rest = Rest::new();
    tell_listed(context, &mut rest).await;
    let mut is_complete = true;
    if let Some(mut calls) = calls {
        for error in calls.failed.drain(..) {
            is_complete = false;
            tell_calls_missing(context, plan, &Arc::new(error)).await;
        }
        take_calls(context, calls, virtual_links, &mut rest).await;
    }
    let calls_missing = CallsMissing::default();
    let of_calls = rest.values().flat_map(|(_, finds)| &finds.calls);
    let links = of_calls.filter_map(|call| Some(JoinLink::key(call.join_web_url.as_deref()?)));
    let entries: Mutex<EntriesOfCalls> = Mutex::new(links.map(|link| (link, Vec::new())).collect());
    let rest = Mutex::new(rest);
    let access = CalendarAccess::default();
    let mut allowed = None;
    let needs_users = plan.discover.contains(&DiscoverBy::Calendar)
        || (plan.discover.contains(&DiscoverBy::CallRecords) && plan.users != UsersPlan::All);
    if needs_users {
        let seen = Mutex::new(HashSet::new());
        let finding = Finding {
            rest: &rest,
            entries: &entries,
            access: &access,
            virtual_links,
            calls_missing: &calls_missing,
        };
        let (seen_users, finding) = (&seen, &finding);
        let listed = for_each_user(context, &plan.users, |user| async move {
            let key = match &user {
                Ok(organizer) => organizer.id.as_str().to_ascii_lowercase(),
                Err((id, _)) => id.as_str().to_ascii_lowercase(),
            };
            seen_users.lock().await.insert(key);
            if let Ok(organizer) = &user {
                context.readable.add(SOURCE, &organizer.id);
            }
            match user {
                Ok(organizer) => of_organizer(context, plan, organizer, finding).await,
                Err((id, error)) => context.tell_failed(SOURCE, Some(id), error).await,
            }
        })
        .await;
        match listed {
            Ok(all) => is_complete &= all,
            Err(error) => {
                is_complete = false;
                context.tell_failed(SOURCE, None, error).await;
            }
        }
        allowed = (plan.users != UsersPlan::All).then(|| seen.into_inner());
    }
    let entries = entries.into_inner();
    let mut rest: Vec<_> = rest.into_inner().into_iter().collect();
    rest.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, (organizer, mut finds)) in rest {
        let Some(organizer) = organizer else { continue };
        // a list names its own organizers, calls are of whoever the job is about
        if allowed
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&key))
        {
            finds.calls.clear();
        }
        // a delegate's entry, say: the call is of whom its link names
        let is_of_entry = |call: &Occurrence| {
            let link = call.join_web_url.as_deref().map(JoinLink::key);
            let entries = link.and_then(|link| entries.get(&link));
            entries.is_some_and(|entries| is_of_one(call, entries))
        };
        let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut finds.calls)
            .into_iter()
            .partition(|call| has_own(context, &organizer, &finds, call));
        finds.calls = own;
        let of_nobody = others.into_iter().filter(|call| !is_of_entry(call));
        finds.calls.extend(of_nobody);
        tell_meetings(context, &organizer, finds, (virtual_links, &calls_missing)).await;
    }
    if let Some(error) = calls_missing.into_inner() {
        is_complete = false;
        tell_calls_missing(context, plan, &error).await;
    }
    is_complete &= !access.is_of_none();
    let reads_tenant = plan.discover.contains(&DiscoverBy::Calendar)
        || plan.discover.contains(&DiscoverBy::CallRecords);
    if is_complete && reads_tenant && !context.is_narrowed {
        context
            .tell(Found::ReadToTheEnd {
                source: SOURCE,
                organizer_id: None,
            })
            .await;
    }
}

/// It is not known which calls are missing: of everybody, or of those who are read again.
async fn tell_calls_missing(
    context: &DiscoverContext,
    plan: &OnlineMeetingsPlan,
    error: &Arc<GraphError>,
) {
    let whose = match &plan.users {
        UsersPlan::Listed(names) if context.is_narrowed => {
            let ids = names.iter().map(|name| Some(OrganizerId::new(name)));
            ids.collect()
        }
        UsersPlan::All | UsersPlan::Me | UsersPlan::Listed(_) | UsersPlan::Group(_) => vec![None],
    };
    for organizer_id in whose {
        context
            .tell(Found::Failed {
                source: SOURCE,
                organizer_id,
                error: Arc::clone(error),
            })
            .await;
    }
}

/// Listed meetings that were found join their organizer's finds; the others are told at once.
async fn tell_listed(context: &DiscoverContext, rest: &mut Rest) {
    for listed in context.listed.iter() {
        let key = listed.organizer_id.as_str().to_ascii_lowercase();
        let missing = listed.key.clone();
        context.readable.add(SOURCE, &listed.organizer_id);
        match &listed.found {
            Ok(found) => {
                context.tell(Found::ListedRead(missing)).await;
                let entry = rest.entry(key).or_default();
                entry.0 = entry
                    .0
                    .take()
                    .or_else(|| found.occurrence.organizer.clone());
                entry.1.listed.push(ListedOccurrence::clone(found));
            }
            Err(ListedFailure::Request(error)) => {
                context
                    .tell(Found::ListedFailed {
                        organizer_id: listed.organizer_id.clone(),
                        missing,
                        error: Some(Arc::clone(error)),
                    })
                    .await;
            }
            Err(ListedFailure::Unreadable) => {
                context
                    .tell(Found::ListedFailed {
                        organizer_id: listed.organizer_id.clone(),
                        missing,
                        error: None,
                    })
                    .await;
            }
        }
    }
}

async fn take_calls(
    context: &DiscoverContext,
    calls: Calls,
    virtual_links: &FoundLinks,
    rest: &mut Rest,
) {
    let mut skipped = calls.skipped;
    for (key, calls) in calls.by_organizer {
        for call in calls {
            if virtual_links.has(call.join_web_url.as_deref()) {
                *skipped.entry("calls_of_virtual_events").or_default() += 1;
                continue;
            }
            let entry = rest.entry(key.clone()).or_default();
            entry.0 = entry.0.take().or_else(|| call.organizer.clone());
            entry.1.calls.push(call);
        }
    }
    // whose they are is not known, so reading a few organizers again has no gap to open for them
    let unreadable = if context.is_narrowed {
        0
    } else {
        calls.unreadable
    };
    for _ in 0..unreadable {
        context
            .tell(Found::Unreadable {
                source: SOURCE,
                organizer_id: None,
            })
            .await;
    }
    for (reason, count) in skipped {
        context.tell(Found::Skipped { reason, count }).await;
    }
    for interval in context.calls_expired.iter().copied() {
        context.tell(Found::Expired { interval }).await;
    }
}

/// Users that are listed before their meetings are looked for, so that it is known early how many there are; a few MB.
const USERS_AHEAD: usize = 10_000;

/// Hands every user of the plan to `each`, as many at once as requests may be in flight; whether all could be read.
async fn for_each_user<F: Future<Output = ()> + Send>(
    context: &DiscoverContext,
    plan: &UsersPlan,
    each: impl Fn(FoundUser) -> F + Send + Sync,
) -> Result<bool, GraphError> {
    let concurrency = context.concurrency.max(1);
    let (sender, receiver) = mpsc::channel(USERS_AHEAD.max(concurrency));
    let listing = users::list(context, plan, sender);
    let users = futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|user| (user, receiver))
    });
    let reading = users.for_each_concurrent(concurrency, |user| async {
        each(user).await;
        context.tally.organizers_done.add(1);
    });
    let (listed, ()) = tokio::join!(listing, reading);
    listed
}

/// Why calls are held back that may be of a virtual event which could not be read.
type CallsMissing = OnceCell<Arc<GraphError>>;

/// What is known beside the calendars, while they are read.
struct Finding<'a> {
    rest: &'a Mutex<Rest>,
    entries: &'a Mutex<EntriesOfCalls>,
    access: &'a CalendarAccess,
    virtual_links: &'a FoundLinks,
    calls_missing: &'a CallsMissing,
}

/// One organizer: the calendar where the job reads it, with what else was found.
async fn of_organizer(
    context: &DiscoverContext,
    plan: &OnlineMeetingsPlan,
    organizer: Organizer,
    finding: &Finding<'_>,
) {
    let Finding {
        rest,
        entries,
        access,
        virtual_links,
        calls_missing,
    } = finding;
    if !plan.discover.contains(&DiscoverBy::Calendar) || access.is_hopeless() {
        return;
    }
    let read = calendar::read(context, plan.users.path(), &organizer).await;
    let key = organizer.id.as_str().to_ascii_lowercase();
    let found = rest.lock().await.remove(&key);
    let mut finds = found.map(|(_, finds)| finds).unwrap_or_default();
    let of_meetings = |entries| of_online_meetings(context, virtual_links, &organizer, entries);
    match read {
        CalendarRead::Whole(entries, is_whole) => {
            access.read.store(true, Ordering::Relaxed);
            let (occurrences, is_waiting) = of_meetings(entries).await;
            if is_whole && !is_waiting {
                context
                    .tell(Found::ReadToTheEnd {
                        source: SOURCE,
                        organizer_id: Some(organizer.id.clone()),
                    })
                    .await;
            }
            finds.calendar = occurrences;
        }
        CalendarRead::Cut(entries) => {
            access.read.store(true, Ordering::Relaxed);
            finds.calendar = of_meetings(entries).await.0;
        }
        CalendarRead::Refused(error) => {
            let refused = access.refused.fetch_add(1, Ordering::Relaxed) + 1;
            if refused == REFUSED_CALENDARS && access.is_hopeless() && !context.is_narrowed {
                context
                    .tell(Found::Failed {
                        source: SOURCE,
                        organizer_id: None,
                        error,
                    })
                    .await;
            }
        }
        // what was held is known all the same
        CalendarRead::None => {}
        // its calls would be taken for sessions of their own: they come with the calendar, when that can be read
        CalendarRead::TryAgain(entries) => {
            access.failed.store(true, Ordering::Relaxed);
            finds.calendar = of_meetings(entries).await.0;
            finds.calls.clear();
        }
    }
    let mut entries = entries.lock().await;
    for entry in finds.calendar.iter().filter(|of| of.unsupported.is_none()) {
        let link = entry.join_web_url.as_deref().map(JoinLink::key);
        if let Some(under_link) = link.and_then(|link| entries.get_mut(&link)) {
            under_link.push(entry.clone());
        }
    }
    drop(entries);
    // what this calendar does not show another one may, which is read later
    let (own, others): (Vec<_>, Vec<_>) = std::mem::take(&mut finds.calls)
        .into_iter()
        .partition(|call| has_own(context, &organizer, &finds, call));
    finds.calls = own;
    if !others.is_empty() {
        let mut rest = rest.lock().await;
        let waiting = rest.entry(key).or_default();
        waiting.0 = Some(organizer.clone());
        waiting.1.calls.extend(others);
    }
    tell_meetings(context, &organizer, finds, (virtual_links, calls_missing)).await;
}

/// The entries that are online meetings and no sessions of virtual events, and whether some wait for those to be read.
///
/// Teams puts a webinar into its organizer's calendar, with the join link of its session. What is published as an online meeting's
/// session, with a report, stays one until the event's own list shows the report. An entry of a series is of no virtual event.
async fn of_online_meetings(
    context: &DiscoverContext,
    virtual_links: &FoundLinks,
    organizer: &Organizer,
    mut entries: Vec<Occurrence>,
) -> (Vec<Occurrence>, bool) {
    let mut of_events = 0;
    entries.retain(|entry| {
        let is_of_event = virtual_links.has(entry.join_web_url.as_deref())
            && (virtual_links.found_now(entry.join_web_url.as_deref())
                || published_state(context, entry).is_none_or(|state| state != REPORTED));
        of_events += u64::from(is_of_event);
        !is_of_event
    });
    if of_events > 0 {
        context
            .tell(Found::Skipped {
                reason: "entries_of_virtual_events",
                count: of_events,
            })
            .await;
    }
    let Some(error) = virtual_links.missing(&organizer.id) else {
        return (entries, false);
    };
    let count = entries.len();
    entries.retain(|entry| {
        let is_of_no_event = entry.series_id.is_some() || entry.unsupported.is_some();
        is_of_no_event || published_state(context, entry).is_some()
    });
    let is_waiting = entries.len() < count;
    if is_waiting {
        context
            .tell(Found::Failed {
                source: SOURCE,
                organizer_id: Some(organizer.id.clone()),
                error: Arc::clone(error),
            })
            .await;
    }
    (entries, is_waiting)
}

/// The published state of an entry's session.
fn published_state<'a>(context: &'a DiscoverContext, entry: &Occurrence) -> Option<&'a str> {
    let session = context.known.session(&entry.session_id(&context.tenant))?;
    Some(session.attendance_state.as_str())
}

/// Whether calendars can be read at all.
#[derive(Debug, Default)]
struct CalendarAccess {
    read: AtomicBool,
    refused: AtomicUsize,
    failed: AtomicBool,
}

impl CalendarAccess {
    /// Whether there were calendars, and none of them could be read.
    fn is_of_none(&self) -> bool {
        let is_missing =
            self.failed.load(Ordering::Relaxed) || self.refused.load(Ordering::Relaxed) > 0;
        is_missing && !self.read.load(Ordering::Relaxed)
    }

    fn is_hopeless(&self) -> bool {
        self.refused.load(Ordering::Relaxed) >= REFUSED_CALENDARS
            && !self.read.load(Ordering::Relaxed)
    }
}

async fn tell_meetings(
    context: &DiscoverContext,
    organizer: &Organizer,
    finds: Finds,
    (virtual_links, calls_missing): (&FoundLinks, &CallsMissing),
) {
    let missing = virtual_links.missing(&organizer.id);
    let calls_alone = CallsAlone {
        are_held_back: missing.is_some(),
        ..CallsAlone::default()
    };
    let meetings = fold(context, organizer, finds, &calls_alone);
    if calls_alone.is_missing.load(Ordering::Relaxed)
        && let Some(error) = missing
    {
        // one that was noted before says the same
        calls_missing.set(Arc::clone(error)).ok();
    }
    let is_short = |meeting: &Meeting| match &meeting.door {
        Door::JoinUrl(_, link) => Some(matches!(JoinLink::read(link), JoinLink::Short(_))),
        Door::OnlineMeeting(..) | Door::VirtualSession(..) | Door::Closed(_) => None,
    };
    let forms: HashSet<bool> = meetings.iter().filter_map(is_short).collect();
    let (linked, others): (Vec<_>, Vec<_>) = meetings
        .into_iter()
        .partition(|meeting| forms.len() > 1 && is_short(meeting).is_some());
    if !linked.is_empty() {
        context.tell(Found::MayBeOne(linked)).await;
    }
    for meeting in others {
        context.tell(Found::Meeting(meeting)).await;
    }
}
