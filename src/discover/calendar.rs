//! Online meetings by the calendars of their organizers.
//!
//! Sees every meeting on the calendar of a user that is read, held or not. Cannot see Meet-now calls, ad-hoc calls, and meetings made
//! through `POST /onlineMeetings`, which are on no calendar.
//! Source: <https://learn.microsoft.com/graph/api/user-list-calendarview>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::users;
use super::{DiscoverContext, Door, Found, Meeting};
use crate::flatten::{Occurrence, Organizer, occurrence_of_event};
use crate::graph::{Cause, GraphError, RequestKind};
use crate::ids::OrganizerId;
use crate::job::Source;
use crate::job::plan::UsersPlan;
use crate::model::{self, Event};

const SOURCE: Source = Source::OnlineMeeting;
/// What a session row needs; filtering on `isOnlineMeeting` is not supported, so that is done here.
const SELECT: &str = "iCalUId,seriesMasterId,type,subject,start,end,isCancelled,isOrganizer,isOnlineMeeting,onlineMeetingProvider,onlineMeeting,onlineMeetingUrl,organizer";
/// The largest page of a calendar view; by default Graph sends 10.
const TOP: &str = "1000";

/// Reads the calendars of the plan's users.
pub(super) async fn discover(context: &DiscoverContext, plan: &UsersPlan) {
    let (sender, receiver) = mpsc::channel(context.concurrency.max(1));
    let listing = users::list(&context.graph, plan, sender);
    let users = futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|user| (user, receiver))
    });
    let reading = users.for_each_concurrent(context.concurrency.max(1), |user| async {
        context.tally.organizers_found.add(1);
        match user {
            Ok(organizer) => read_calendar(context, &organizer).await,
            Err((id, error)) => context.tell_failed(SOURCE, Some(id), error).await,
        }
        context.tally.organizers_done.add(1);
    });
    let (listed, ()) = tokio::join!(listing, reading);
    if let Err(error) = listed {
        context.tell_failed(SOURCE, None, error).await;
    }
}

async fn read_calendar(context: &DiscoverContext, organizer: &Organizer) {
    let id = Some(organizer.id.clone());
    match occurrences(context, organizer).await {
        Ok((occurrences, unreadable)) => {
            for _ in 0..unreadable {
                context
                    .tell(Found::Unreadable {
                        source: SOURCE,
                        organizer_id: id.clone(),
                    })
                    .await;
            }
            for meeting in group(organizer, occurrences) {
                context.tell(Found::Meeting(meeting)).await;
            }
            context
                .tell(Found::ReadToTheEnd {
                    source: SOURCE,
                    organizer_id: id,
                })
                .await;
        }
        Err(error) if error.cause() == Cause::MailboxNotEnabled => {
            context.tell(Found::NoMailbox).await;
        }
        Err(error) => {
            context
                .tell(Found::Failed {
                    source: SOURCE,
                    organizer_id: id,
                    error: Arc::new(error),
                })
                .await;
        }
    }
}

/// The organizer's own online meetings in the window, and how many entries could not be read.
async fn occurrences(
    context: &DiscoverContext,
    organizer: &Organizer,
) -> Result<(Vec<Occurrence>, usize), GraphError> {
    let window = context.window();
    let (start, end) = (window.start().to_string(), window.end().to_string());
    let query = [
        ("startDateTime", start.as_str()),
        ("endDateTime", end.as_str()),
        ("$select", SELECT),
        ("$top", TOP),
    ];
    let url = context
        .graph
        .url_with_query(&["users", organizer.id.as_str(), "calendarView"], &query);
    let request = context
        .graph
        .request(RequestKind::CalendarView, url)
        .mailbox(organizer.id.as_str());
    let mut pager = context.graph.pager(request);
    let mut occurrences = Vec::new();
    let mut unreadable = 0;
    while let Some(body) = pager.next_page().await? {
        let page =
            model::parse_page::<Event<'_>>(&body).map_err(|source| pager.bad_response(source))?;
        pager.follow(page.next_link.as_ref().map(AsRef::as_ref), page.is_empty())?;
        unreadable += page.unreadable.len();
        for event in &page.items {
            match occurrence_of_event(event, organizer) {
                Ok(occurrence) => occurrences.extend(occurrence),
                Err(_) => unreadable += 1,
            }
        }
    }
    Ok((occurrences, unreadable))
}

/// One meeting a join link; an entry that came on two pages counts once.
fn group(organizer: &Organizer, occurrences: Vec<Occurrence>) -> Vec<Meeting> {
    let mut seen = BTreeSet::new();
    let mut by_url: BTreeMap<String, Vec<Occurrence>> = BTreeMap::new();
    let mut meetings = Vec::new();
    let meeting = |door, occurrences| Meeting {
        source: SOURCE,
        organizer: Some(organizer.clone()),
        door,
        occurrences,
    };
    for occurrence in occurrences {
        if !seen.insert((
            occurrence.occurrence_id.clone(),
            occurrence.scheduled_start,
            occurrence.join_web_url.clone(),
        )) {
            continue;
        }
        match (occurrence.unsupported, &occurrence.join_web_url) {
            (Some(reason), _) => meetings.push(meeting(Door::Closed(reason), vec![occurrence])),
            (None, Some(url)) => by_url.entry(url.clone()).or_default().push(occurrence),
            (None, None) => meetings.push(meeting(Door::Closed("no_join_url"), vec![occurrence])),
        }
    }
    let owner: OrganizerId = organizer.id.clone();
    meetings.extend(
        by_url
            .into_iter()
            .map(|(url, occurrences)| meeting(Door::JoinUrl(owner.clone(), url), occurrences)),
    );
    meetings
}
