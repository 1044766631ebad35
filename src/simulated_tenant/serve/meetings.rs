//! `/users/{object id}/onlineMeetings`: found by join link, by meeting id digits or by id; never listed.

use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::simulated_tenant::world::{
    AccessPolicy, CLIENT_ID, Meeting, MeetingKind, Person, Report, World,
};

/// `GET /users/{object id}/onlineMeetings?$filter=…`.
pub(super) fn find(world: &World, ask: &Ask<'_>, user: &str) -> Result<Value, Refusal> {
    let meeting = match lookup(ask.option("$filter"))? {
        Lookup::JoinUrl(url) => find_where(world, user, |meeting| {
            meeting.join_web_url.as_deref() == Some(url)
        }),
        Lookup::Digits(digits) => find_where(world, user, |meeting| {
            meeting.join_meeting_id.as_deref() == Some(digits)
        }),
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

/// The reports that are listed for a meeting; for a channel's, those of every meeting in the channel.
pub(super) fn reports<'a>(
    world: &'a World,
    user: &str,
    id: &str,
) -> Result<Vec<&'a Report>, Refusal> {
    let meeting = by_id(world, user, id)?;
    if meeting.kind != MeetingKind::Channel {
        return Ok(meeting.reports.iter().collect());
    }
    let of_channel = world
        .meetings
        .iter()
        .filter(|other| other.thread_id == meeting.thread_id);
    Ok(of_channel.flat_map(|other| &other.reports).collect())
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

fn by_id<'a>(world: &'a World, user: &str, id: &str) -> Result<&'a Meeting, Refusal> {
    find_where(world, user, |meeting| {
        !id.is_empty() && meeting.online_meeting_id == id
    })
}

/// The meeting, if the person in the path organizes it, is covered by a policy, and it did not expire.
fn find_where<'a>(
    world: &'a World,
    user: &str,
    is_it: impl Fn(&Meeting) -> bool,
) -> Result<&'a Meeting, Refusal> {
    // the object id only: a user principal name finds nobody here
    let person = world
        .people
        .iter()
        .find(|person| person.id == user)
        .ok_or_else(Refusal::no_such_meeting)?;
    check_policy(person)?;
    let meeting = world
        .meetings
        .iter()
        .find(|meeting| {
            matches!(meeting.kind, MeetingKind::Teams | MeetingKind::Channel) && is_it(meeting)
        })
        .filter(|meeting| !meeting.is_expired)
        .ok_or_else(Refusal::no_such_meeting)?;
    if meeting.organizer == user {
        Ok(meeting)
    } else {
        Err(Refusal::new(
            403,
            "Forbidden",
            "3003: User does not have access to lookup meeting",
        ))
    }
}

fn meeting_json(world: &World, meeting: &Meeting) -> Value {
    let first = meeting.occurrences.first();
    let last = meeting.occurrences.last();
    let organizer = world.person(&meeting.organizer);
    let meeting_type = if meeting.series_master_id.is_some() {
        "recurring"
    } else {
        "scheduled"
    };
    json!({
        "id": meeting.online_meeting_id,
        "creationDateTime": first.map(|one| one.start.plus(-crate::time::DAY).to_string()),
        "startDateTime": first.map(|one| one.start.to_string()),
        "endDateTime": last.map(|one| one.end.to_string()),
        "joinWebUrl": meeting.join_web_url,
        "subject": meeting.subject,
        "isBroadcast": false,
        "meetingType": meeting_type,
        "expiryDateTime": last.map(|one| one.end.plus(60 * crate::time::DAY).to_string()),
        "externalId": null,
        "videoTeleconferenceId": null,
        "allowAttendeeToEnableMic": true,
        "allowTeamworkReactions": true,
        "isEntryExitAnnounced": false,
        "chatInfo": {
            "threadId": meeting.thread_id,
            "messageId": "0",
            "replyChainMessageId": null,
        },
        "joinMeetingIdSettings": meeting.join_meeting_id.as_ref().map(|digits| json!({
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
