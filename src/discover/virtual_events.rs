//! Webinars and town halls by the tenant's list, and their sessions.
//!
//! Sees every event whose organizer is covered by an application access policy; Graph leaves the others out without a word.
//! Source: <https://learn.microsoft.com/graph/api/virtualeventsroot-list-webinars>,
//! <https://learn.microsoft.com/graph/api/virtualeventsroot-list-townhalls>,
//! <https://learn.microsoft.com/graph/api/virtualevent-list-sessions>.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use super::{DiscoverContext, Door, Found, Meeting};
use crate::flatten::occurrence_of_session;
use crate::graph::{GraphError, RequestKind};
use crate::ids::{EventId, OrganizerId};
use crate::job::Source;
use crate::model::{self, VirtualEvent, VirtualEventSession, ZonedTime};
use crate::time::{UtcMicros, zoned_to_utc};

/// The last path segment of a source's list.
pub(crate) fn collection(source: Source) -> &'static str {
    match source {
        Source::TownHall => "townhalls",
        Source::Webinar | Source::OnlineMeeting => "webinars",
    }
}

/// Reads the tenant's list of one source, and the sessions of each event that may touch the window.
pub(super) async fn discover(context: &DiscoverContext, source: Source) {
    match read_list(context, source).await {
        Ok(true) => {
            context
                .tell(Found::ReadToTheEnd {
                    source,
                    organizer_id: None,
                })
                .await;
        }
        Ok(false) => {}
        Err(error) => context.tell_failed(source, None, error).await,
    }
}

/// Whether every event's sessions could be read too.
async fn read_list(context: &DiscoverContext, source: Source) -> Result<bool, GraphError> {
    let kind = match source {
        Source::TownHall => RequestKind::ListTownHalls,
        Source::Webinar | Source::OnlineMeeting => RequestKind::ListWebinars,
    };
    let url = context
        .graph
        .url(&["solutions", "virtualEvents", collection(source)]);
    let mut pager = context.graph.pager(context.graph.request(kind, url));
    let mut seen = BTreeSet::new();
    let mut is_complete = true;
    while let Some(body) = pager.next_page().await? {
        let page = model::parse_page::<VirtualEvent<'_>>(&body)
            .map_err(|source| pager.bad_response(source))?;
        pager.follow(page.next_link.as_ref().map(AsRef::as_ref), page.is_empty())?;
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
        .map(|(id, event)| read_sessions(context, source, id, event))
        .buffer_unordered(context.concurrency.max(1))
        .collect()
        .await;
        is_complete &= page.unreadable.is_empty() && read.into_iter().all(|read| read);
    }
    Ok(is_complete)
}

/// Tells every session of the event that lies in the window; whether all of them could be read.
async fn read_sessions(
    context: &DiscoverContext,
    source: Source,
    event_id: &str,
    event: &VirtualEvent<'_>,
) -> bool {
    context.tally.organizers_found.add(1);
    let read = sessions(context, source, event_id, event).await;
    context.tally.organizers_done.add(1);
    match read {
        Ok((meetings, unreadable)) => {
            for _ in 0..unreadable {
                context
                    .tell(Found::Unreadable {
                        source,
                        organizer_id: organizer_of(event),
                    })
                    .await;
            }
            for meeting in meetings {
                context.tell(Found::Meeting(meeting)).await;
            }
            unreadable == 0
        }
        Err(error) => {
            let organizer_id = organizer_of(event);
            context
                .tell(Found::Failed {
                    source,
                    organizer_id,
                    error: Arc::new(error),
                })
                .await;
            false
        }
    }
}

async fn sessions(
    context: &DiscoverContext,
    source: Source,
    event_id: &str,
    event: &VirtualEvent<'_>,
) -> Result<(Vec<Meeting>, usize), GraphError> {
    let url = context.graph.url(&[
        "solutions",
        "virtualEvents",
        collection(source),
        event_id,
        "sessions",
    ]);
    let mut pager = context
        .graph
        .pager(context.graph.request(RequestKind::ListSessions, url));
    let window = context.window();
    let mut seen = BTreeSet::new();
    let mut meetings = Vec::new();
    let mut unreadable = 0;
    while let Some(body) = pager.next_page().await? {
        let page = model::parse_page::<VirtualEventSession<'_>>(&body)
            .map_err(|source| pager.bad_response(source))?;
        pager.follow(page.next_link.as_ref().map(AsRef::as_ref), page.is_empty())?;
        unreadable += page.unreadable.len();
        for session in &page.items {
            let Ok(occurrence) = occurrence_of_session(source, event, session) else {
                unreadable += 1;
                continue;
            };
            let session_id = occurrence.occurrence_id.clone().unwrap_or_default();
            let is_near =
                occurrence.scheduled_start < window.end() && occurrence.ends_at() >= window.start();
            if is_near && seen.insert(session_id.clone()) {
                meetings.push(Meeting {
                    source,
                    organizer: occurrence.organizer.clone(),
                    door: Door::VirtualSession(source, EventId::new(event_id), session_id),
                    occurrences: vec![occurrence],
                });
            }
        }
    }
    Ok((meetings, unreadable))
}

/// Whether a session of the event may lie in the window; an event whose times cannot be read may.
fn may_touch_window(context: &DiscoverContext, event: &VirtualEvent<'_>) -> bool {
    let window = context.window();
    let starts = event.start_date_time.as_ref().and_then(instant);
    let ends = event.end_date_time.as_ref().and_then(instant);
    starts.is_none_or(|starts| starts < window.end())
        && ends.is_none_or(|ends| ends >= window.start())
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
