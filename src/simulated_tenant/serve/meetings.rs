//! `/users/{object id}/onlineMeetings`: found by join link, by meeting id digits or by id; never listed.

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::simulated_tenant::world::{
    AccessPolicy, CLIENT_ID, Meeting, MeetingKind, Person, Report, VirtualEvent, VirtualSession,
    World, WrongOrganizer,
};

/// An online meeting, and what Graph shows of it.
#[derive(Clone, Copy)]
struct Online<'a> {
    id: &'a str,
    organizer: &'a str,
    join_web_url: Option<&'a str>,
    digits: Option<&'a str>,
    of: Behind<'a>,
}

/// What an online meeting was made for.
#[derive(Clone, Copy)]
enum Behind<'a> {
    Entry(&'a Meeting),
    Session(&'a VirtualEvent, &'a VirtualSession),
}

/// `GET /users/{object id}/onlineMeetings?$filter=…`.
pub(super) fn find(world: &World, ask: &Ask<'_>, user: &str) -> Result<Value, Refusal> {
    let meeting = match lookup(ask.option("$filter"))? {
        Lookup::JoinUrl(url) => {
            find_where(world, user, |meeting| meeting.join_web_url == Some(url))
        }
        Lookup::Digits(digits) => find_where(world, user, |meeting| meeting.digits == Some(digits)),
    }?;
    let mut object = meeting_json(world, meeting);
    ask.select(&mut object);
    ask.page([object], std::convert::identity, 1, "$skiptoken")
}

/// `GET /users/{object id}/onlineMeetings/{id}`.
pub(super) fn get(world: &World, ask: &Ask<'_>, user: &str, id: &str) -> Result<Value, Refusal> {
    let meeting = by_id(world, user, id)?;
    let mut object = meeting_json(world, meeting);
    ask.select(&mut object);
    Ok(ask.one(object))
}

/// The reports of a meeting, and of the copies of its entry; for a channel's, those of every meeting in the channel.
pub(super) fn reports<'a>(
    world: &'a World,
    user: &str,
    id: &str,
) -> Result<Vec<&'a Report>, Refusal> {
    let meeting = match by_id(world, user, id)?.of {
        Behind::Entry(meeting) => meeting,
        Behind::Session(_, session) => return Ok(session.reports.iter().collect()),
    };
    let is_its_own = |other: &&Meeting| match meeting.kind {
        MeetingKind::Channel => other.thread_id == meeting.thread_id,
        MeetingKind::Teams | MeetingKind::Skype | MeetingKind::InPerson => {
            other.online_meeting_id == meeting.online_meeting_id
        }
    };
    let all = world.meetings.iter().filter(is_its_own);
    Ok(all.flat_map(|other| &other.reports).collect())
}

/// 403 where no access policy lets the app read what this person organizes.
pub(super) fn check_policy(person: &Person) -> Result<(), Refusal> {
    let (code, message) = match person.access_policy {
        AccessPolicy::Granted => return Ok(()),
        AccessPolicy::Missing => (
            "Forbidden",
            "No application access policy found for this app".to_owned(),
        ),
        AccessPolicy::MissingGeneral => (
            "General",
            format!(
                "No Application Access Policy found for this app: {CLIENT_ID} on the user: {}.",
                person.id
            ),
        ),
        AccessPolicy::OtherUsers => (
            "Forbidden",
            "3003: User does not have access to lookup meeting".to_owned(),
        ),
    };
    Err(Refusal::new(403, code, message))
}

enum Lookup<'a> {
    JoinUrl(&'a str),
    Digits(&'a str),
}

/// Reads one of the two filters that Graph understands.
fn lookup(filter: Option<&str>) -> Result<Lookup<'_>, Refusal> {
    let filter = filter.ok_or_else(|| {
        Refusal::new(
            400,
            "InvalidArgument",
            "One of the required parameters to lookup meeting by QueryOptions is null or empty",
        )
    })?;
    let unknown = || {
        Refusal::new(
            400,
            "InvalidArgument",
            "Filter expression expected - /onlineMeetings?$filter={ParameterName} eq '{id}'.",
        )
    };
    let (name, value) = filter.trim().split_once(" eq ").ok_or_else(unknown)?;
    let value = value
        .trim()
        .strip_prefix('\'')
        .and_then(|value| value.strip_suffix('\''))
        .ok_or_else(unknown)?;
    match name.trim().to_ascii_lowercase().as_str() {
        "joinweburl" => Ok(Lookup::JoinUrl(value)),
        "joinmeetingidsettings/joinmeetingid" => Ok(Lookup::Digits(value)),
        _ => Err(unknown()),
    }
}

fn by_id<'a>(world: &'a World, user: &str, id: &str) -> Result<Online<'a>, Refusal> {
    find_where(world, user, |meeting| !id.is_empty() && meeting.id == id)
}

/// Every online meeting: of calendar entries, and of sessions that Teams shows in a calendar.
fn online_meetings(world: &World) -> impl Iterator<Item = Online<'_>> {
    let of_entries = world
        .meetings
        .iter()
        .filter(|meeting| matches!(meeting.kind, MeetingKind::Teams | MeetingKind::Channel));
    let of_entries = of_entries.map(|meeting| Online {
        id: &meeting.online_meeting_id,
        organizer: &meeting.organizer,
        join_web_url: meeting.join_web_url.as_deref(),
        digits: meeting.join_meeting_id.as_deref(),
        of: Behind::Entry(meeting),
    });
    let of_sessions = world.virtual_events.iter().flat_map(|event| {
        event.sessions.iter().filter_map(move |session| {
            let entry = session.calendar_entry.as_ref()?;
            Some(Online {
                id: &entry.online_meeting_id,
                organizer: &event.organizer,
                join_web_url: Some(&session.join_web_url),
                digits: None,
                of: Behind::Session(event, session),
            })
        })
    });
    of_entries.chain(of_sessions)
}

/// The meeting, if the person in the path organizes it, is covered by a policy, and it did not expire.
fn find_where<'a>(
    world: &'a World,
    user: &str,
    is_it: impl Fn(&Online<'a>) -> bool,
) -> Result<Online<'a>, Refusal> {
    // the object id only: a user principal name finds nobody here
    let person = world
        .people
        .iter()
        .find(|person| person.id == user)
        .ok_or_else(Refusal::no_such_meeting)?;
    check_policy(person)?;
    let is_there = |meeting: &Online<'_>| match meeting.of {
        Behind::Entry(meeting) => !meeting.is_expired,
        Behind::Session(..) => true,
    };
    let meeting = online_meetings(world)
        .find(|meeting| is_it(meeting))
        .filter(is_there)
        .ok_or_else(Refusal::no_such_meeting)?;
    match (meeting.organizer == user, world.answers.wrong_organizer) {
        (true, _) => Ok(meeting),
        (false, WrongOrganizer::NotFound) => Err(Refusal::no_such_meeting()),
        (false, WrongOrganizer::NoAccess) => Err(Refusal::new(
            403,
            "Forbidden",
            "3003: User does not have access to lookup meeting",
        )),
    }
}

fn meeting_json(world: &World, meeting: Online<'_>) -> Value {
    let (first, last, subject, thread, is_series) = match meeting.of {
        Behind::Entry(meeting) => (
            meeting.occurrences.first().map(|one| one.start),
            meeting.occurrences.last().map(|one| one.end),
            meeting.subject.as_str(),
            meeting.thread_id.as_str(),
            meeting.series_master_id.is_some(),
        ),
        Behind::Session(event, session) => (
            Some(session.start),
            Some(session.end),
            event.display_name.as_str(),
            "",
            false,
        ),
    };
    let organizer = world.person(meeting.organizer);
    json!({
        "id": meeting.id,
        "creationDateTime": first.map(|start| start.plus(-crate::time::DAY).to_string()),
        "startDateTime": first.map(|start| start.to_string()),
        "endDateTime": last.map(|end| end.to_string()),
        "joinWebUrl": meeting.join_web_url,
        "subject": subject,
        "isBroadcast": false,
        "meetingType": if is_series { "recurring" } else { "scheduled" },
        "expiryDateTime": last.map(|end| end.plus(60 * crate::time::DAY).to_string()),
        "externalId": null,
        "videoTeleconferenceId": null,
        "allowAttendeeToEnableMic": true,
        "allowTeamworkReactions": true,
        "isEntryExitAnnounced": false,
        "chatInfo": {
            "threadId": thread,
            "messageId": "0",
            "replyChainMessageId": null,
        },
        "joinMeetingIdSettings": meeting.digits.map(|digits| json!({
            "joinMeetingId": digits,
            "isPasscodeRequired": false,
            "passcode": null,
        })),
        "participants": {
            "organizer": {
                "upn": organizer.map(|person| &person.user_principal_name),
                "role": "presenter",
                "identity": {"application": null, "device": null, "user": {
                    "@odata.type": "#microsoft.graph.communicationsUserIdentity",
                    "id": meeting.organizer,
                    "displayName": null,
                    "tenantId": world.tenant_id,
                }},
            },
            "attendees": [],
        },
    })
}
