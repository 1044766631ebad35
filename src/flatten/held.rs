//! Online meetings that no calendar shows: one that the job names, and a call that was held.

use std::borrow::Cow;

use super::join_link::{is_channel_meeting_id, is_of_channel};
use super::occurrence::{NotPlaceable, Occurrence, Organizer, Way, of_channel, owned};
use crate::ids::EventId;
use crate::job::Source;
use crate::model::{CallRecord, Identity, IdentitySet, OnlineMeeting, Text};
use crate::time::{GraphTime, UtcMicros, parse_graph_time};

/// Reads an online meeting that the job names, under its organizer; its schedule is that of the whole meeting, not of one occurrence.
///
/// Settings of the meeting are not kept: they are not the session's, and one of them is a passcode.
/// Source: <https://learn.microsoft.com/graph/api/resources/onlinemeeting>.
///
/// # Errors
/// [`NotPlaceable`] where it has no readable start or no id; terminal, it becomes a gap.
pub fn occurrence_of_meeting(
    meeting: &OnlineMeeting<'_>,
    organizer: &Organizer,
) -> Result<Occurrence, NotPlaceable> {
    let id = meeting.id.as_ref().ok_or(NotPlaceable)?;
    let scheduled_start = timestamp(meeting.start_date_time.as_ref()).ok_or(NotPlaceable)?;
    let join_web_url = owned(meeting.join_web_url.as_ref()).filter(|url| !url.is_empty());
    Ok(Occurrence {
        source: Source::OnlineMeeting,
        organizer: Some(organizer.clone()),
        event_id: Some(EventId::new(id.as_ref())),
        published_as: None,
        occurrence_id: None,
        series_id: None,
        subject: owned(meeting.subject.as_ref()),
        scheduled_start,
        scheduled_end: timestamp(meeting.end_date_time.as_ref()),
        unsupported: is_channel_meeting(meeting).then_some("channel_meeting"),
        join_web_url,
        is_cancelled: None,
        status: None,
        discovered_by: vec![Cow::Borrowed(Way::Listed.as_str())],
        extra: None,
        unknown_properties: 0,
        removed_at: None,
    })
}

/// Whether an online meeting was posted to a channel, by whatever of it tells.
pub(crate) fn is_channel_meeting(meeting: &OnlineMeeting<'_>) -> bool {
    let thread = meeting
        .chat_info
        .as_ref()
        .and_then(|chat| chat.thread_id.as_ref());
    let texts = [thread, meeting.join_web_url.as_ref()];
    texts
        .into_iter()
        .flatten()
        .any(|text| is_of_channel(text.as_ref()))
        || meeting
            .id
            .as_ref()
            .is_some_and(|id| is_channel_meeting_id(id.as_ref()))
}

/// Reads a call as a session of its own: it was held from its start to its end, under a join link, whatever calendars show.
///
/// Source: <https://learn.microsoft.com/graph/api/resources/callrecords-callrecord>.
///
/// # Errors
/// [`NotPlaceable`] where it has no id or no readable start; terminal, it becomes a gap.
pub fn occurrence_of_call(
    call: &CallRecord<'_>,
    organizer: Organizer,
    join_web_url: String,
) -> Result<Occurrence, NotPlaceable> {
    let id = call.id.as_ref().ok_or(NotPlaceable)?;
    Ok(Occurrence {
        source: Source::OnlineMeeting,
        organizer: Some(organizer),
        event_id: None,
        published_as: None,
        occurrence_id: Some(id.as_ref().to_owned()),
        series_id: None,
        subject: None,
        scheduled_start: timestamp(call.start_date_time.as_ref()).ok_or(NotPlaceable)?,
        scheduled_end: timestamp(call.end_date_time.as_ref()),
        unsupported: of_channel(&join_web_url),
        join_web_url: Some(join_web_url),
        is_cancelled: None,
        status: None,
        discovered_by: vec![Cow::Borrowed(Way::CallRecords.as_str())],
        extra: None,
        unknown_properties: 0,
        removed_at: None,
    })
}

/// The organizer of a call record: a user with an id.
pub(crate) fn user_of_call<'a>(call: &'a CallRecord<'_>) -> Option<&'a Identity<'a>> {
    let new = call
        .organizer_v2
        .as_ref()
        .and_then(|organizer| organizer.identity.as_ref());
    let user = |set: Option<&'a IdentitySet<'a>>| {
        set.and_then(|set| set.user.as_ref())
            .filter(|user| user.id.as_ref().is_some_and(|id| !id.as_ref().is_empty()))
    };
    // the deprecated member last: it is past its announced removal
    user(new).or_else(|| user(call.organizer.as_ref()))
}

fn timestamp(text: Option<&Text<'_>>) -> Option<UtcMicros> {
    match parse_graph_time(text?.as_ref()) {
        Ok(GraphTime::At(at)) => Some(at),
        Ok(GraphTime::Sentinel) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(json: &str) -> CallRecord<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_new_organizer_counts_and_the_old_one_where_it_is_missing() {
        let user = |id: &str| format!(r#"{{"user":{{"id":"{id}","tenantId":"t"}}}}"#);
        let id = |json: &str| {
            let record = call(json);
            user_of_call(&record).map(|user| user.id.clone().unwrap().into_string())
        };
        let (new, old) = (user("new"), user("old"));
        let both =
            format!(r#"{{"organizer_v2":{{"id":"new","identity":{new}}},"organizer":{old}}}"#);
        assert_eq!(id(&both).as_deref(), Some("new"));
        let only_old = format!(r#"{{"organizer_v2":null,"organizer":{old}}}"#);
        assert_eq!(id(&only_old).as_deref(), Some("old"));
        // as the documentation prints a call that came in by telephone
        let by_phone = r#"{"organizer_v2":{"id":"+5564981205182","identity":{"user":null,"acsUser":null,"spoolUser":null,
            "phone":{"id":"+5564981205182","displayName":null,"tenantId":null}}}}"#;
        assert_eq!(id(by_phone), None);
        assert_eq!(id("{}"), None);
    }

    #[test]
    fn a_call_is_a_session_from_its_start_to_its_end() {
        let record = call(
            r#"{"id":"call","version":2,"startDateTime":"2020-02-25T18:52:21.2169889Z","endDateTime":"2020-02-25T18:52:46.7640013Z"}"#,
        );
        let organizer = Organizer {
            id: crate::ids::OrganizerId::new("oid"),
            email: None,
            display_name: None,
        };
        let link = "https://teams.microsoft.com/meet/2345678901234".to_owned();
        let found = occurrence_of_call(&record, organizer.clone(), link.clone()).unwrap();
        assert_eq!(
            found.scheduled_start.to_string(),
            "2020-02-25T18:52:21.216988Z"
        );
        assert_eq!(
            found.scheduled_end.unwrap().to_string(),
            "2020-02-25T18:52:46.764001Z"
        );
        // a later version may know another start: the session stays the same one
        let tenant = crate::ids::TenantId::new("t");
        let mut later = found.clone();
        later.scheduled_start = later.scheduled_start.plus(1);
        assert_eq!(found.session_id(&tenant), later.session_id(&tenant));
        later.occurrence_id = Some("another call".to_owned());
        assert_ne!(found.session_id(&tenant), later.session_id(&tenant));
        let no_start = call(r#"{"id":"call","startDateTime":"0001-01-01T00:00:00Z"}"#);
        assert_eq!(
            occurrence_of_call(&no_start, organizer, link),
            Err(NotPlaceable)
        );
    }

    #[test]
    fn a_listed_meeting_needs_an_id_and_a_start_and_tells_its_channel() {
        let organizer = Organizer {
            id: crate::ids::OrganizerId::new("oid"),
            email: None,
            display_name: None,
        };
        let read = |json: &str| {
            let meeting: OnlineMeeting<'_> = serde_json::from_str(json).unwrap();
            occurrence_of_meeting(&meeting, &organizer)
        };
        let meeting = read(
            r#"{"id":"MSox","startDateTime":"2020-09-29T22:35:31.389759Z","endDateTime":"2020-09-29T23:35:31.389759Z",
                "subject":null,"joinWebUrl":"","joinMeetingIdSettings":{"joinMeetingId":"1234567890","passcode":"secret"}}"#,
        )
        .unwrap();
        assert_eq!((meeting.join_web_url, meeting.extra), (None, None));
        assert_eq!(meeting.unsupported, None);
        let channel = read(
            r#"{"id":"MSox","startDateTime":"2020-09-29T22:35:31Z","chatInfo":{"threadId":"19:abc@thread.tacv2"}}"#,
        );
        assert_eq!(channel.unwrap().unsupported, Some("channel_meeting"));
        for json in [
            r#"{"id":"MSox"}"#,
            r#"{"startDateTime":"2020-09-29T22:35:31Z"}"#,
        ] {
            assert_eq!(read(json), Err(NotPlaceable), "{json}");
        }
    }
}
