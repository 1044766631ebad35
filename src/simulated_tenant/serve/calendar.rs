//! `/users/{id}/calendarView`: the entries of one mailbox within a window, series taken apart.

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::ids::stable_hash;
use crate::simulated_tenant::world::{Meeting, MeetingKind, Occurrence, Person, World, links};
use crate::time::{GraphTime, UtcMicros, parse_graph_time};

/// `GET /users/{id or user principal name}/calendarView`.
pub(super) fn calendar_view(world: &World, ask: &Ask<'_>, id: &str) -> Result<Value, Refusal> {
    let person = world.person(id).ok_or_else(|| {
        Refusal::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{id}' is invalid."),
        )
    })?;
    if !person.has_mailbox {
        return Err(Refusal::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    let from = bound(ask, "startDateTime")?;
    let until = bound(ask, "endDateTime")?;
    if until < from {
        return Err(Refusal::new(
            400,
            "ErrorInvalidRequest",
            "The start of the window is after its end.",
        ));
    }
    let size = ask.top(10, 1000)?;
    let mut entries: Vec<(&Meeting, &Occurrence)> = world
        .meetings
        .iter()
        .filter(|meeting| meeting.organizer == person.id || meeting.invited.contains(&person.id))
        .flat_map(|meeting| meeting.occurrences.iter().map(move |one| (meeting, one)))
        .filter(|(_, one)| one.start < until && one.end > from)
        .collect();
    entries.sort_by(|(_, a), (_, b)| (a.start, &a.i_cal_uid).cmp(&(b.start, &b.i_cal_uid)));
    let print = |(meeting, occurrence)| {
        let mut event = event_json(world, person, meeting, occurrence);
        ask.select(&mut event);
        event
    };
    ask.page(entries, print, size, "$skip")
}

fn bound(ask: &Ask<'_>, name: &str) -> Result<UtcMicros, Refusal> {
    let text = ask.option(name).ok_or_else(|| {
        Refusal::new(
            400,
            "ErrorInvalidParameter",
            "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.",
        )
    })?;
    match parse_graph_time(text) {
        Ok(GraphTime::At(at)) => Ok(at),
        Ok(GraphTime::Sentinel) | Err(_) => Err(Refusal::new(
            400,
            "ErrorInvalidParameter",
            format!("The value '{text}' of parameter '{name}' is invalid."),
        )),
    }
}

fn event_json(world: &World, person: &Person, meeting: &Meeting, one: &Occurrence) -> Value {
    let is_organizer = meeting.organizer == person.id;
    let series = meeting.series_master_id.as_deref().map(|series| {
        if is_organizer {
            series.to_owned()
        } else {
            mailbox_id([&person.id, series])
        }
    });
    let kind = if meeting.series_master_id.is_some() {
        "occurrence"
    } else {
        "singleInstance"
    };
    json!({
        "@odata.etag": format!("W/\"{}\"", stable_hash([one.i_cal_uid.as_str()])),
        "id": mailbox_id([&person.id, &one.i_cal_uid]),
        "iCalUId": one.i_cal_uid,
        "seriesMasterId": series,
        "type": kind,
        "subject": meeting.subject,
        "start": utc_zoned(one.start),
        "end": utc_zoned(one.end),
        "originalStart": meeting.series_master_id.as_ref().map(|_| one.start.to_string()),
        "originalStartTimeZone": "Pacific Standard Time",
        "originalEndTimeZone": "Pacific Standard Time",
        "isAllDay": false,
        "isCancelled": one.is_cancelled,
        "isOrganizer": is_organizer,
        "isDraft": false,
        "showAs": "busy",
        "sensitivity": "normal",
        "importance": "normal",
        "isOnlineMeeting": meeting.join_web_url.is_some(),
        "onlineMeetingProvider": provider(meeting.kind),
        "onlineMeetingUrl": null,
        "onlineMeeting": meeting.join_web_url.as_ref().map(|url| json!({"joinUrl": url})),
        "organizer": mailbox(world.person(&meeting.organizer)),
        "attendees": meeting.invited.iter().map(|id| {
            let mut attendee = mailbox(world.person(id));
            if let Value::Object(attendee) = &mut attendee {
                attendee.insert("type".to_owned(), json!("required"));
                attendee.insert(
                    "status".to_owned(),
                    json!({"response": "none", "time": "0001-01-01T00:00:00Z"}),
                );
            }
            attendee
        }).collect::<Vec<_>>(),
        "recurrence": null,
        "responseStatus": {
            "response": if is_organizer { "organizer" } else { "accepted" },
            "time": "0001-01-01T00:00:00Z",
        },
    })
}

fn provider(kind: MeetingKind) -> &'static str {
    match kind {
        MeetingKind::Teams | MeetingKind::Channel => "teamsForBusiness",
        MeetingKind::Skype => "skypeForBusiness",
        MeetingKind::InPerson => "unknown",
    }
}

/// A `dateTimeTimeZone` in UTC, as Exchange prints it: seven digits, no `Z`.
fn utc_zoned(at: UtcMicros) -> Value {
    let text = at.to_string();
    let text = text.trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    json!({"dateTime": format!("{seconds}.{fraction:0<7}"), "timeZone": "UTC"})
}

fn mailbox(person: Option<&Person>) -> Value {
    json!({"emailAddress": {
        "name": person.map(|person| &person.display_name),
        "address": person.map(|person| person.mail.as_ref().unwrap_or(&person.user_principal_name)),
    }})
}

/// An id that is good only within one mailbox.
fn mailbox_id<const N: usize>(parts: [&str; N]) -> String {
    let hash = stable_hash(parts);
    format!("AAMkAG{}=", links::base64_url(hash.as_bytes()))
}
