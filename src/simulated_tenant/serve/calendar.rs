//! `/users/{id}/calendarView`: the entries of one mailbox within a window, series taken apart.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::ids::stable_hash;
use crate::simulated_tenant::world::{MeetingKind, NoMailbox, Occurrence, Person, World, links};
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
        return Err(no_mailbox(person));
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
    if size > world.answers.largest_calendar_page {
        return Err(Refusal::new(
            504,
            "GatewayTimeout",
            "The server, while acting as a proxy, did not receive a timely response from the upstream server.",
        ));
    }
    let mut entries: Vec<Entry<'_>> = entries_of(world, person)
        .filter(|entry| entry.one.start < until && entry.one.end > from)
        .filter(|entry| entry.one.shown.at(world.settings.now))
        .collect();
    entries.sort_by(|a, b| (a.one.start, &a.one.i_cal_uid).cmp(&(b.one.start, &b.one.i_cal_uid)));
    let print = |entry| {
        let mut event = event_json(world, person, &entry);
        ask.select(&mut event);
        event
    };
    ask.page(entries, print, size, "$skip")
}

/// One entry of a calendar.
struct Entry<'a> {
    one: Cow<'a, Occurrence>,
    subject: &'a str,
    /// Whose entry it is.
    owner: &'a str,
    series: Option<&'a str>,
    kind: MeetingKind,
    join_web_url: Option<&'a str>,
    invited: &'a [String],
}

/// What lies in a mailbox: entries of its own, those it was invited to, and those that Teams made for its virtual events.
fn entries_of<'a>(world: &'a World, person: &'a Person) -> impl Iterator<Item = Entry<'a>> {
    let meetings = world
        .meetings
        .iter()
        .filter(|meeting| meeting.owner() == person.id || meeting.invited.contains(&person.id));
    let of_meetings = meetings.flat_map(|meeting| {
        meeting.occurrences.iter().map(|one| Entry {
            one: Cow::Borrowed(one),
            subject: one.subject.as_deref().unwrap_or(&meeting.subject),
            owner: meeting.owner(),
            series: meeting.series_master_id.as_deref(),
            kind: meeting.kind,
            join_web_url: meeting.join_web_url.as_deref(),
            invited: &meeting.invited,
        })
    });
    let events = world.virtual_events.iter();
    let sessions = events
        .filter(|event| event.organizer == person.id)
        .flat_map(|event| event.sessions.iter());
    let of_sessions = sessions.filter_map(|session| {
        let entry = session.calendar_entry.as_ref()?;
        let one = Occurrence::new(entry.i_cal_uid.clone(), session.start, session.end);
        Some(Entry {
            one: Cow::Owned(one),
            subject: &session.subject,
            owner: &person.id,
            series: None,
            kind: MeetingKind::Teams,
            join_web_url: Some(&session.join_web_url),
            invited: &[],
        })
    });
    of_meetings.chain(of_sessions)
}

/// Exchange has several words for it.
fn no_mailbox(person: &Person) -> Refusal {
    let (code, message) = match person.no_mailbox {
        NoMailbox::NotEnabledForRest => (
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ),
        NoMailbox::NotSupportedForRest => (
            "MailboxNotSupportedForRESTAPI",
            "REST API is not yet supported for this mailbox.",
        ),
        NoMailbox::InvalidUser => ("ErrorInvalidUser", "The requested user is invalid."),
        NoMailbox::NonExistent => (
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        ),
        NoMailbox::ResourceNotFound => ("ResourceNotFound", "Resource could not be discovered."),
    };
    Refusal::new(404, code, message)
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

fn event_json(world: &World, person: &Person, entry: &Entry<'_>) -> Value {
    let one = &entry.one;
    let is_organizer = entry.owner == person.id;
    let series = entry.series.map(|series| {
        if is_organizer {
            series.to_owned()
        } else {
            mailbox_id([&person.id, series])
        }
    });
    let is_changed = one.subject.is_some() || one.original_start.is_some();
    let kind = match (entry.series, is_changed) {
        (None, _) => "singleInstance",
        (Some(_), false) => "occurrence",
        (Some(_), true) => "exception",
    };
    let planned = one.original_start.unwrap_or(one.start);
    json!({
        "@odata.etag": format!("W/\"{}\"", stable_hash([one.i_cal_uid.as_str()])),
        "id": mailbox_id([&person.id, &one.i_cal_uid]),
        "iCalUId": one.i_cal_uid,
        "seriesMasterId": series,
        "type": kind,
        "subject": entry.subject,
        "start": utc_zoned(one.start),
        "end": utc_zoned(one.end),
        "originalStart": entry.series.map(|_| planned.to_string()),
        "originalStartTimeZone": "Pacific Standard Time",
        "originalEndTimeZone": "Pacific Standard Time",
        "isAllDay": one.is_all_day,
        "isCancelled": one.is_cancelled,
        "isOrganizer": is_organizer,
        "isDraft": false,
        "showAs": "busy",
        "sensitivity": "normal",
        "importance": "normal",
        "isOnlineMeeting": entry.join_web_url.is_some(),
        "onlineMeetingProvider": provider(entry.kind),
        "onlineMeetingUrl": null,
        "onlineMeeting": entry.join_web_url.map(|url| json!({"joinUrl": url})),
        "organizer": mailbox(world.person(entry.owner)),
        "attendees": entry.invited.iter().map(|id| {
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
