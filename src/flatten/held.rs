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
