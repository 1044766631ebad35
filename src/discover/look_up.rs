//! One online meeting, asked under its organizer: by its id, or by what its join link says.
//!
//! Source: <https://learn.microsoft.com/graph/api/onlinemeeting-get>. A join link goes into the filter as Graph stored it, encoded once;
//! a short link, which names neither thread nor organizer, is looked up by its meeting number first.

use bytes::Bytes;

use crate::flatten::{JoinLink, is_channel_meeting};
use crate::graph::{FailureReason, GraphClient, GraphError, RequestKind};
use crate::ids::{EventId, OrganizerId};
use crate::job::plan::UserPath;
use crate::model::{self, OnlineMeeting, ParseError, Text};

/// Under whom meetings are asked.
#[derive(Debug, Clone, Copy)]
pub struct LookUp<'a> {
    /// The client.
    pub graph: &'a GraphClient,
    /// How the organizer is named in paths.
    pub user_path: UserPath,
    /// Who organizes the meeting.
    pub organizer: &'a OrganizerId,
}

/// What a look-up found: the body that holds the meeting, and its id.
#[derive(Debug, Clone)]
pub struct FoundMeeting {
    /// A single meeting, or a page that holds it.
    pub body: Bytes,
    /// Its id.
    pub id: EventId,
    /// Whether it was posted to a channel.
    pub is_of_channel: bool,
}

impl LookUp<'_> {
    /// The path of the organizer's meetings, and what comes after it.
    fn path<'s>(&'s self, more: &[&'s str]) -> Vec<&'s str> {
        let mut path = self.user_path.segments(self.organizer.as_str());
        path.push("onlineMeetings");
        path.extend(more);
        path
    }

    /// The meeting with this id.
    ///
    /// # Errors
    /// [`GraphError`] of the request.
    pub async fn by_id(&self, id: &str) -> Result<FoundMeeting, GraphError> {
        let url = self.graph.url(&self.path(&[id]));
        let request = self.graph.request(RequestKind::GetMeeting, url);
        let read = |body: &Bytes| {
            let meeting: OnlineMeeting<'_> = model::parse_entity(body)?;
            Ok(found(body, meeting))
        };
        let found = self.graph.get_with(&request, read).await?;
        found.ok_or_else(|| GraphError::meeting_not_found(&request))
    }

    /// The meeting with this join link.
    ///
    /// # Errors
    /// [`GraphError`]; with the cause `MeetingNotFound` where no meeting has the link.
    pub async fn by_link(&self, link: &str) -> Result<FoundMeeting, GraphError> {
        if let JoinLink::Short(digits) = JoinLink::read(link) {
            match self.by_number(&digits).await {
                // its number may not be kept, while Graph stores the link itself
                Err(error) if is_not_there(&error) => {}
                answered => return answered,
            }
        }
        self.by_filter("JoinWebUrl", link).await
    }

    /// The meeting with this number, as invitations print it, without spaces.
    ///
    /// # Errors
    /// [`GraphError`]; with the cause `MeetingNotFound` where no meeting has the number.
    pub async fn by_number(&self, digits: &str) -> Result<FoundMeeting, GraphError> {
        self.by_filter("joinMeetingIdSettings/joinMeetingId", digits)
            .await
    }

    async fn by_filter(&self, property: &str, value: &str) -> Result<FoundMeeting, GraphError> {
        let filter = format!("{property} eq '{}'", value.replace('\'', "''"));
        let url = self
            .graph
            .url_with_query(&self.path(&[]), &[("$filter", &filter)]);
        let request = self.graph.request(RequestKind::FindMeeting, url);
        let found = self.graph.get_with(&request, first_of_page).await?;
        found.ok_or_else(|| GraphError::meeting_not_found(&request))
    }
}

/// Whether Graph says that there is no such meeting, or that what was asked is no meeting's id: another way may still find it.
pub fn is_not_there(error: &GraphError) -> bool {
    matches!(
        error.reason(),
        FailureReason::Gone | FailureReason::BadRequest
    )
}

/// A page of at most one meeting; the documentation also prints the meeting by itself.
fn first_of_page(body: &Bytes) -> Result<Option<FoundMeeting>, ParseError> {
    match model::parse_page::<OnlineMeeting<'_>>(body) {
        Ok(page) => Ok(page
            .items
            .into_iter()
            .find_map(|meeting| found(body, meeting))),
        Err(error) => match model::parse_entity::<OnlineMeeting<'_>>(body) {
            Ok(meeting) if meeting.id.is_some() => Ok(found(body, meeting)),
            Ok(_) | Err(_) => Err(error),
        },
    }
}

fn found(body: &Bytes, meeting: OnlineMeeting<'_>) -> Option<FoundMeeting> {
    let is_of_channel = is_channel_meeting(&meeting);
    Some(FoundMeeting {
        body: body.clone(),
        id: EventId::new(Text::into_string(meeting.id?)),
        is_of_channel,
    })
}
