//! Webinars and town halls by the tenant's list or by their organizers, and their sessions.
//!
//! Sees every event whose organizer is covered by an application access policy; Graph leaves the others out without a word.
//! Source: <https://learn.microsoft.com/graph/api/virtualeventsroot-list-webinars>,
//! <https://learn.microsoft.com/graph/api/virtualeventsroot-list-townhalls>,
//! <https://learn.microsoft.com/graph/api/virtualevent-list-sessions>.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use super::{Asking, DiscoverContext, Door, Found, MARGIN, Meeting, VirtualLinks, left_out, users};
use crate::flatten::{Occurrence, occurrence_of_session};
use crate::graph::{GraphError, RequestKind};
use crate::ids::{EventId, OrganizerId};
use crate::job::Source;
use crate::job::plan::{OrganizersPlan, VirtualEventsPlan};
use crate::model::{self, VirtualEvent, VirtualEventSession, ZonedTime};
use crate::time::{DAY, UtcMicros, zoned_to_utc};

/// How long before its event's own start a session may lie, such as a rehearsal, and how long after its end: the times of an event may be
/// those of its first session, or of what was planned before the session was moved. Each event is one request a chunk that long.
const SESSIONS_BEFORE: i64 = 7 * DAY;
const SESSIONS_AFTER: i64 = 30 * DAY;

/// The last path segment of a source's list.
pub(crate) fn collection(source: Source) -> &'static str {
    match source {
        Source::TownHall => "townhalls",
        Source::Webinar | Source::OnlineMeeting => "webinars",
    }
}

/// Why a session is left out that has no time to be found by; counted in the summary's `skipped`.
const WITHOUT_TIMES: &str = "sessions_without_times";

/// Reads the lists of one source, and the sessions of each event that may touch the window.
pub(super) async fn discover(
    context: &DiscoverContext,
    source: Source,
    plan: Option<&VirtualEventsPlan>,
    links: &VirtualLinks,
) {
    let Some(plan) = plan else { return };
    match &plan.organizers {
        OrganizersPlan::All => discover_list(context, source, None, None, links).await,
        OrganizersPlan::Me => {
            let own = "getByUserRole(role='organizer')";
            match users::me(&context.graph, &context.asked_once).await {
                Ok(me) => {
                    context.readable.add(source, &me.id);
                    discover_list(context, source, Some(own), Some(me.id), links).await;
                }
                Err(error) => tell_failed(context, source, None, error, links).await,
            }
        }
        OrganizersPlan::Listed(names) => {
            stream::iter(names)
                .for_each_concurrent(context.concurrency.max(1), |name| async move {
                    let id = match users::find(context, source, name).await {
                        Ok(organizer) => organizer.id,
                        Err((id, error)) => {
                            let known = users::known_by_name(context, name, &error);
                            tell_failed(context, source, Some(id), error, links).await;
                            let Some(known) = known else { return };
                            known.id
                        }
                    };
                    context.readable.add(source, &id);
                    let function = format!("getByUserIdAndRole(userId='{id}',role='organizer')");
                    discover_list(context, source, Some(&function), Some(id), links).await;
                })
                .await;
        }
    }
}

/// Finds out whose events are the job's.
pub(super) async fn resolve_organizers(
    context: &DiscoverContext,
    source: Source,
    plan: &VirtualEventsPlan,
) {
    let names: &[String] = match &plan.organizers {
        OrganizersPlan::All => return,
        OrganizersPlan::Me => {
            if let Ok(me) = users::me(&context.graph, &context.asked_once).await {
                context.readable.add(source, &me.id);
            }
            return;
        }
        OrganizersPlan::Listed(names) => names,
    };
    for name in names {
        let organizer = match users::find(context, source, name).await {
            Ok(organizer) => Some(organizer),
            Err((_, error)) => users::known_by_name(context, name, &error),
        };
        if let Some(organizer) = organizer {
            context.readable.add(source, &organizer.id);
        }
    }
}

async fn tell_failed(
    context: &DiscoverContext,
    source: Source,
    organizer_id: Option<OrganizerId>,
    error: GraphError,
    links: &VirtualLinks,
) {
    let error = Arc::new(error);
    links.are_missing(organizer_id.as_ref(), &error);
    context
        .tell(Found::Failed {
            source,
            organizer_id,
            error,
        })
        .await;
}

/// One list: the tenant's, or what a function of it shows of one organizer.
async fn discover_list(
    context: &DiscoverContext,
    source: Source,
    function: Option<&str>,
    organizer_id: Option<OrganizerId>,
    links: &VirtualLinks,
) {
    match read_list(context, source, function, links).await {
        Ok(true) => {
            left_out::tell_removed(context, source, organizer_id.as_ref(), links).await;
            context
                .tell(Found::ReadToTheEnd {
                    source,
                    organizer_id,
                })
                .await;
        }
        Ok(false) => {}
        Err(error) => tell_failed(context, source, organizer_id, error, links).await,
    }
}

/// Whether every event's sessions could be read too; where the list fails, those of the events before that were.
async fn read_list(
    context: &DiscoverContext,
    source: Source,
    function: Option<&str>,
    links: &VirtualLinks,
) -> Result<bool, GraphError> {
    let kind = match source {
        Source::TownHall => RequestKind::ListTownHalls,
        Source::Webinar | Source::OnlineMeeting => RequestKind::ListWebinars,
    };
    let mut path = vec!["solutions", "virtualEvents", collection(source)];
    path.extend(function);
    let url = context.graph.url(&path);
    let mut pages = context.asked_once.pages(&context.graph, kind, url);
    let mut seen = BTreeSet::new();
    let mut is_complete = true;
    while let Some(body) = pages.next_page().await? {
        let page = model::parse_page::<VirtualEvent<'_>>(&body)
            .map_err(|source| pages.bad_response(source))?;
        for _ in &page.unreadable {
            context
                .tell(Found::Unreadable {
                    source,
                    organizer_id: None,
                })
                .await;
        }
        let mut events = Vec::new();
        for event in &page.items {
            match event.id.as_ref() {
                Some(id) if seen.insert(id.as_ref().to_owned()) => {
                    events.push((id.as_ref(), event));
                }
                Some(_) => {}
                None => {
                    is_complete = false;
                    context
                        .tell(Found::Unreadable {
                            source,
                            organizer_id: organizer_of(event),
                        })
                        .await;
                }
            }
        }
        let read: Vec<bool> = stream::iter(
            events
                .into_iter()
                .filter(|(_, event)| may_touch_window(context, event)),
        )
        .map(|(id, event)| read_sessions(context, source, id, event, links))
        .buffer_unordered(context.concurrency.max(1))
        .collect()
        .await;
        is_complete &= page.unreadable.is_empty() && read.into_iter().all(|read| read);
        pages.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
    }
    Ok(is_complete)
}

/// Tells every session of the event that lies in the window; whether all of them could be read.
async fn read_sessions(
    context: &DiscoverContext,
    source: Source,
    event_id: &str,
    event: &VirtualEvent<'_>,
    links: &VirtualLinks,
) -> bool {
    context.tally.organizers_found.add(1);
    let mut read = ReadSessions::default();
    if let Err(error) = list_sessions(context, source, event_id, event, &mut read).await {
        read.failed.push(error);
    }
    context.tally.organizers_done.add(1);
    let is_complete = read.unreadable == 0 && read.failed.is_empty();
    for _ in 0..read.unreadable {
        context
            .tell(Found::Unreadable {
                source,
                organizer_id: organizer_of(event),
            })
            .await;
    }
    for error in read.failed {
        tell_failed(context, source, organizer_of(event), error, links).await;
    }
    if read.without_times > 0 {
        context
            .tell(Found::Skipped {
                reason: WITHOUT_TIMES,
                count: read.without_times,
            })
            .await;
    }
    for meeting in read.meetings {
        let urls = meeting.occurrences.iter();
        urls.filter_map(|occurrence| occurrence.join_web_url.as_deref())
            .for_each(|url| links.add(url));
        let sessions = meeting.occurrences.iter();
        sessions.for_each(|occurrence| links.saw(occurrence.session_id(&context.tenant)));
        context.tell(Found::Meeting(meeting)).await;
    }
    is_complete
}

/// What was read of an event's sessions.
#[derive(Debug, Default)]
struct ReadSessions {
    meetings: Vec<Meeting>,
    /// Sessions that could not be read.
    unreadable: usize,
    /// Sessions that neither they nor their event say a time of.
    without_times: u64,
    /// Sessions, or pages of them, that could not be had.
    failed: Vec<GraphError>,
}

/// Reads the event's sessions; those of the pages before one that fails are read all the same.
async fn list_sessions(
    context: &DiscoverContext,
    source: Source,
    event_id: &str,
    event: &VirtualEvent<'_>,
    read: &mut ReadSessions,
) -> Result<(), GraphError> {
    let url = context.graph.url(&[
        "solutions",
        "virtualEvents",
        collection(source),
        event_id,
        "sessions",
    ]);
    let kind = RequestKind::ListSessions;
    let mut pages = if may_touch_next_window(context, event) {
        context.asked_once.pages(&context.graph, kind, url)
    } else {
        context.asked_once.pages_for_now(&context.graph, kind, url)
    };
    let window = context.window();
    let mut seen = BTreeSet::new();
    while let Some(body) = pages.next_page().await? {
        if pages.begins_anew() {
            *read = ReadSessions::default();
            seen.clear();
        }
        let page = model::parse_page::<VirtualEventSession<'_>>(&body)
            .map_err(|source| pages.bad_response(source))?;
        read.unreadable += page.unreadable.len();
        for session in &page.items {
            let occurrence = match read_session(context, source, event_id, event, session).await {
                Ok(Some(occurrence)) => occurrence,
                // a draft, or planned for no time: it lies on no day, so it is missing from none
                Ok(None) if session.id.is_some() => {
                    read.without_times += 1;
                    continue;
                }
                Ok(None) => {
                    read.unreadable += 1;
                    continue;
                }
                Err(error) => {
                    read.failed.push(error);
                    continue;
                }
            };
            let session_id = occurrence.occurrence_id.clone().unwrap_or_default();
            let is_near =
                occurrence.scheduled_start < window.end() && occurrence.ends_at() >= window.start();
            if is_near && seen.insert(session_id.clone()) {
                read.meetings.push(Meeting {
                    source,
                    organizer: occurrence.organizer.clone(),
                    door: Door::VirtualSession(source, EventId::new(event_id), session_id),
                    event_id: None,
                    asking: Asking::WhereMissing,
                    occurrences: vec![occurrence],
                });
            }
        }
        pages.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
    }
    Ok(())
}

/// A session of a list; lists hold summaries, so one whose start is not in it is asked by itself before its event's start stands for it.
async fn read_session(
    context: &DiscoverContext,
    source: Source,
    event_id: &str,
    event: &VirtualEvent<'_>,
    session: &VirtualEventSession<'_>,
) -> Result<Option<Occurrence>, GraphError> {
    let Some(id) = session.id.as_ref() else {
        return Ok(None);
    };
    if session.start_date_time.as_ref().and_then(instant).is_some() {
        return Ok(occurrence_of_session(source, event, session).ok());
    }
    let path = [
        "solutions",
        "virtualEvents",
        collection(source),
        event_id,
        "sessions",
        id.as_ref(),
    ];
    let url = context.graph.url(&path);
    let request = context.graph.request(RequestKind::GetSession, url);
    let read = context
        .graph
        .get_with(&request, |body| {
            let whole: VirtualEventSession<'_> = model::parse_entity(body)?;
            let answered = whole.id.as_ref().map(AsRef::as_ref);
            let is_another = answered.is_some_and(|own| !id.as_ref().eq_ignore_ascii_case(own));
            if is_another {
                return Ok(None);
            }
            let whole = if answered.is_some() { &whole } else { session };
            Ok(Some(occurrence_of_session(source, event, whole).ok()))
        })
        .await?;
    read.ok_or_else(|| GraphError::id_mismatch(&request))
}

/// Whether a session of the event may lie in the window; an event whose times cannot be read may.
fn may_touch_window(context: &DiscoverContext, event: &VirtualEvent<'_>) -> bool {
    let window = context.window();
    let starts = event.start_date_time.as_ref().and_then(instant);
    let ends = event.end_date_time.as_ref().and_then(instant);
    starts.is_none_or(|starts| starts.plus(-SESSIONS_BEFORE) < window.end())
        && ends.is_none_or(|ends| ends.plus(SESSIONS_AFTER) >= window.start())
}

/// Whether the run's next chunk may read the event too.
fn may_touch_next_window(context: &DiscoverContext, event: &VirtualEvent<'_>) -> bool {
    let ends = event.end_date_time.as_ref().and_then(instant);
    ends.is_none_or(|ends| ends.plus(SESSIONS_AFTER) >= context.interval.end().plus(-MARGIN))
}

fn instant(time: &ZonedTime<'_>) -> Option<UtcMicros> {
    zoned_to_utc(
        time.date_time.as_ref()?.as_ref(),
        time.time_zone.as_ref().map(AsRef::as_ref),
    )
}

fn organizer_of(event: &VirtualEvent<'_>) -> Option<OrganizerId> {
    let user = event.created_by.as_ref()?.user.as_ref()?;
    user.id.as_ref().map(|id| OrganizerId::new(id.as_ref()))
}
