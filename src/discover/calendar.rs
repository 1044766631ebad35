//! Online meetings by the calendar of their organizer.
//!
//! Sees every meeting on the calendar of a user that is read, held or not. Cannot see Meet-now calls, ad-hoc calls, and meetings made
//! through `POST /onlineMeetings`, which are on no calendar.
//! Source: <https://learn.microsoft.com/graph/api/user-list-calendarview>.

use std::sync::Arc;

use super::{DiscoverContext, Found};
use crate::flatten::{Occurrence, Organizer, occurrence_of_event};
use crate::graph::{Cause, GraphClient, GraphError, RequestKind};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::UserPath;
use crate::model::{self, Event};
use crate::time::WarehouseTimezone;

const SOURCE: Source = Source::OnlineMeeting;
/// What a session row needs; filtering on `isOnlineMeeting` is not supported, so that is done here.
const SELECT: &str = "iCalUId,seriesMasterId,type,subject,start,end,isAllDay,isCancelled,isOrganizer,isOnlineMeeting,onlineMeetingProvider,onlineMeeting,onlineMeetingUrl,organizer";
/// The largest page of a calendar view; by default Graph sends 10.
const TOP: &str = "1000";

/// What reading a calendar came to.
#[derive(Debug)]
pub(super) enum CalendarRead {
    /// The organizer's own online meetings in the window, and whether every entry could be read; those that could not were told.
    Whole(Vec<Occurrence>, bool),
    /// Those of its first pages, and the others will not be had; that was told.
    Cut(Vec<Occurrence>),
    /// There is no calendar; that was told.
    None,
    /// It may not be read; that was told.
    Refused(Arc<GraphError>),
    /// It could not be read this time, or only these meetings of it; that was told.
    TryAgain(Vec<Occurrence>),
}

/// What the pages so far hold.
#[derive(Debug, Default)]
struct Entries {
    occurrences: Vec<Occurrence>,
    /// Entries that could not be read.
    unreadable: usize,
    has_begun: bool,
}

/// Reads the calendar of one user, and tells what is missing of it.
pub(super) async fn read(
    context: &DiscoverContext,
    user_path: UserPath,
    organizer: &Organizer,
) -> CalendarRead {
    let organizer_id = Some(organizer.id.clone());
    let mut entries = Entries::default();
    let asked = Asked {
        graph: &context.graph,
        timezone: &context.timezone,
        user_path,
        window: context.window(),
    };
    let read = read_pages(asked, organizer, &mut entries).await;
    let Entries {
        mut occurrences,
        unreadable,
        has_begun,
    } = entries;
    for _ in 0..unreadable {
        context
            .tell(Found::Unreadable {
                source: SOURCE,
                organizer_id: organizer_id.clone(),
            })
            .await;
    }
    let error = match read {
        // what could not be read may be what is no longer seen
        Ok(()) => return CalendarRead::Whole(occurrences, unreadable == 0),
        Err(error) if has_no_mailbox(&error, organizer) => {
            let id = organizer.id.clone();
            context.tell(Found::NoMailbox(id)).await;
            return CalendarRead::None;
        }
        Err(error) => Arc::new(error),
    };
    context
        .tell(Found::Failed {
            source: SOURCE,
            organizer_id,
            error: Arc::clone(&error),
        })
        .await;
    if error.is_transient() {
        // a series' reports would be given to those of its occurrences that were read
        occurrences.retain(|occurrence| occurrence.series_id.is_none());
        CalendarRead::TryAgain(occurrences)
    } else if has_begun {
        CalendarRead::Cut(occurrences)
    } else {
        CalendarRead::Refused(error)
    }
}

/// Whether there is nothing to read: an account of the directory without a cloud mailbox. Of a user whom only the job names, by an id,
/// Exchange says the same where there is no such user, which somebody has to know.
fn has_no_mailbox(error: &GraphError, organizer: &Organizer) -> bool {
    let is_of_directory = organizer.display_name.is_some() || organizer.email.is_some();
    let cause = error.cause();
    cause == Cause::MailboxNotEnabled || (cause == Cause::NoUserOrMailbox && is_of_directory)
}

/// What is asked of a calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) graph: &'a GraphClient,
    /// Whose midnights entries of whole days begin and end at.
    pub(super) timezone: &'a WarehouseTimezone,
    pub(super) user_path: UserPath,
    pub(super) window: DataInterval,
}

/// Reads the organizer's own online meetings between two times; those entries that could not be read are left out.
pub(super) async fn read_between(
    asked: Asked<'_>,
    organizer: &Organizer,
) -> Result<Vec<Occurrence>, GraphError> {
    let mut entries = Entries::default();
    read_pages(asked, organizer, &mut entries).await?;
    Ok(entries.occurrences)
}

/// Reads the organizer's own online meetings in the window.
async fn read_pages(
    asked: Asked<'_>,
    organizer: &Organizer,
    entries: &mut Entries,
) -> Result<(), GraphError> {
    let Asked {
        graph,
        timezone,
        user_path,
        window,
    } = asked;
    let (start, end) = (window.start().to_string(), window.end().to_string());
    let query = [
        ("startDateTime", start.as_str()),
        ("endDateTime", end.as_str()),
        ("$select", SELECT),
        ("$top", TOP),
    ];
    let mut path = user_path.segments(organizer.id.as_str());
    path.push("calendarView");
    let url = graph.url_with_query(&path, &query);
    let request = graph
        .request(RequestKind::CalendarView, url)
        .mailbox(organizer.id.as_str());
    let mut pager = graph.pager(request);
    while let Some(body) = pager.next_page().await? {
        if pager.begins_anew() {
            *entries = Entries::default();
        }
        let page =
            model::parse_page::<Event<'_>>(&body).map_err(|source| pager.bad_response(source))?;
        entries.has_begun = true;
        entries.unreadable += page.unreadable.len();
        for event in &page.items {
            match occurrence_of_event(event, organizer, timezone) {
                Ok(occurrence) => entries.occurrences.extend(occurrence),
                Err(_) => entries.unreadable += 1,
            }
        }
        pager.follow(page.next_link.as_ref().map(AsRef::as_ref))?;
    }
    Ok(())
}
