//! One online meeting, asked under its organizer: by its id, or by what its join link says.
//!
//! Source: <https://learn.microsoft.com/graph/api/onlinemeeting-get>. A join link goes into the filter as Graph stored it, encoded once;
//! a short link, which names neither thread nor organizer, is looked up by its meeting number first.

use bytes::Bytes;
use serde::Deserialize;

use crate::flatten::{JoinLink, is_channel_meeting, is_meeting_number, is_same_meeting_id};
use crate::graph::{GraphClient, GraphError, RequestKind};
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
    /// [`GraphError`] of the request, or with the reason `IdMismatch` where the answer is about another meeting.
    pub async fn by_id(&self, id: &str) -> Result<FoundMeeting, GraphError> {
        let url = self.graph.url(&self.path(&[id]));
        let request = self.graph.request(RequestKind::GetMeeting, url);
        let read = |body: &Bytes| {
            let meeting: OnlineMeeting<'_> = model::parse_entity(body)?;
            Ok(found(body, meeting))
        };
        let found = self.graph.get_with(&request, read).await?;
        let asked_for = found.filter(|found| is_same_meeting_id(id, found.id.as_str()));
        asked_for.ok_or_else(|| GraphError::id_mismatch(&request))
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
        let read = |body: &Bytes| first_of_page(body, value);
        let found = self.graph.get_with(&request, read).await?;
        found.ok_or_else(|| GraphError::meeting_not_found(&request))
    }
}

/// Whether Graph says that there is no such meeting, or that what was asked is no meeting's id: another way may still find it.
pub fn is_not_there(error: &GraphError) -> bool {
    error.is_not_there()
}

/// A page of at most one meeting; the documentation also prints the meeting by itself. `asked` is the link or number that was asked for.
fn first_of_page(body: &Bytes, asked: &str) -> Result<Option<FoundMeeting>, ParseError> {
    match model::parse_page::<OnlineMeeting<'_>>(body) {
        Ok(page) => Ok(page
            .items
            .into_iter()
            .filter(|meeting| !is_another(meeting, asked))
            .find_map(|meeting| found(body, meeting))),
        Err(error) => match model::parse_entity::<OnlineMeeting<'_>>(body) {
            Ok(meeting) if meeting.id.is_some() => {
                let asked_for = Some(meeting).filter(|meeting| !is_another(meeting, asked));
                Ok(asked_for.and_then(|meeting| found(body, meeting)))
            }
            Ok(_) | Err(_) => Err(error),
        },
    }
}

/// Whether a meeting's own link names another thread than the link that was asked for, or its own number is another one, such as where
/// the filter was not looked at.
fn is_another(meeting: &OnlineMeeting<'_>, asked: &str) -> bool {
    if is_meeting_number(asked) {
        return own_number(meeting).is_some_and(|own| own != asked);
    }
    let own = meeting.join_web_url.as_ref().map(Text::as_ref);
    let has_thread = |link: &str| matches!(JoinLink::read(link), JoinLink::Long { .. });
    own.is_some_and(|own| {
        has_thread(own) && has_thread(asked) && JoinLink::key(own) != JoinLink::key(asked)
    })
}

/// The number that invitations print; old meetings have none. It is kept nowhere, so the model does not name it.
fn own_number(meeting: &OnlineMeeting<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Settings {
        #[serde(rename = "joinMeetingId")]
        number: Option<String>,
    }
    let mut settings = meeting.extra.iter();
    let (_, settings) = settings.find(|(name, _)| name.as_ref() == "joinMeetingIdSettings")?;
    let number = serde_json::from_str::<Settings>(settings.get())
        .ok()?
        .number?;
    Some(number.replace(' ', ""))
}

fn found(body: &Bytes, meeting: OnlineMeeting<'_>) -> Option<FoundMeeting> {
    let is_of_channel = is_channel_meeting(&meeting);
    Some(FoundMeeting {
        body: body.clone(),
        id: EventId::new(Text::into_string(meeting.id?)),
        is_of_channel,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_64_a_meeting_with_another_thread_is_not_the_one_asked_for() {
        let link = |thread: &str| {
            format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{thread}%40thread.v2/0")
        };
        let (a, b) = (link("a"), link("b"));
        let meeting = |id: &str, link: &str| format!(r#"{{"id":"{id}","joinWebUrl":"{link}"}}"#);
        let numbered = |id: &str, number: &str| {
            format!(r#"{{"id":"{id}","joinMeetingIdSettings":{{"joinMeetingId":"{number}"}}}}"#)
        };
        let page = |meetings: &[String]| format!(r#"{{"value":[{}]}}"#, meetings.join(","));
        let short = "https://teams.microsoft.com/meet/1234567890123?p=x";
        for (body, asked, expected) in [
            (
                page(&[meeting("1", &a), meeting("2", &b)]),
                b.as_str(),
                Some("2"),
            ),
            (page(&[meeting("1", &a)]), &b, None),
            (meeting("1", &a), &b, None),
            (meeting("1", &a), &a, Some("1")),
            // how a link is escaped does not matter, and a short one names no thread
            (page(&[meeting("1", &a.replace("%3a", ":"))]), &a, Some("1")),
            (page(&[meeting("1", &a)]), short, Some("1")),
            // the number is the meeting's own, where it tells
            (
                page(&[numbered("1", "123456"), numbered("2", "765 432")]),
                "765432",
                Some("2"),
            ),
            (page(&[numbered("1", "123456")]), "765432", None),
            (page(&[meeting("1", &a)]), "765432", Some("1")),
            (page(&[r#"{"id":"1"}"#.to_owned()]), &a, Some("1")),
        ] {
            let found = first_of_page(&Bytes::from(body.clone()), asked).unwrap();
            let id = found.as_ref().map(|found| found.id.as_str());
            assert_eq!(id, expected, "{body} {asked}");
        }
    }
}
