//! `/solutions/virtualEvents/webinars` and `/townhalls`, their sessions and reports.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use super::token::Bearer;
use super::{meetings, reports};
use crate::simulated_tenant::world::{
    AccessPolicy, VirtualEvent, VirtualEventKind, VirtualSession, World,
};
use crate::time::UtcMicros;

/// What of a session is filled in a list of sessions; all else is null there.
const SUMMARY: [&str; 5] = [
    "id",
    "subject",
    "startDateTime",
    "endDateTime",
    "joinWebUrl",
];

/// `GET /solutions/virtualEvents/{webinars or townhalls}` and what lies below it: `rest` is the path after that.
pub(super) fn serve(
    world: &World,
    bearer: &Bearer,
    ask: &Ask<'_>,
    kind: VirtualEventKind,
    rest: &[&str],
) -> Result<Value, Refusal> {
    match rest {
        [] => list(world, ask, kind, |_| true),
        [function] if function.starts_with("getByUserIdAndRole(") => {
            let id = parameter(function, "userId").ok_or_else(parameters_missing)?;
            let role = role_of(function)?;
            list(world, ask, kind, |event| role.holds(event, id))
        }
        [function] if function.starts_with("getByUserRole(") => {
            let Bearer::User(id) = bearer else {
                return Err(Refusal::me_without_user());
            };
            let role = role_of(function)?;
            list(world, ask, kind, |event| role.holds(event, id))
        }
        [id, rest @ ..] => {
            let event = find(world, kind, id)?;
            match rest {
                [] => Ok(ask.one(event_json(world, event))),
                ["sessions"] => {
                    let print = |one| summary(session_json(event, one));
                    ask.page(&event.sessions, print, usize::MAX, "$skiptoken")
                }
                ["sessions", id] => Ok(ask.one(session_json(event, session(event, id)?))),
                ["sessions", id, "attendanceReports", rest @ ..] => {
                    reports::serve(world, ask, &session(event, id)?.reports, rest)
                }
                [.., last] => Err(Refusal::no_such_path(last)),
            }
        }
    }
}

/// Events whose organizer has no access policy are left out without a word.
fn list(
    world: &World,
    ask: &Ask<'_>,
    kind: VirtualEventKind,
    is_wanted: impl Fn(&VirtualEvent) -> bool,
) -> Result<Value, Refusal> {
    let events = world
        .virtual_events
        .iter()
        .filter(|event| event.kind == kind && is_wanted(event))
        .filter(|event| {
            world
                .person(&event.organizer)
                .is_some_and(|person| person.access_policy == AccessPolicy::Granted)
        });
    let size = world.answers.virtual_events_page_size;
    ask.page(events, |event| event_json(world, event), size, "$skiptoken")
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Organizer,
    CoOrganizer,
}

impl Role {
    fn holds(self, event: &VirtualEvent, id: &str) -> bool {
        match self {
            Self::Organizer => event.organizer == id,
            Self::CoOrganizer => event.co_organizers.iter().any(|one| one == id),
        }
    }
}

fn role_of(function: &str) -> Result<Role, Refusal> {
    match parameter(function, "role") {
        Some("organizer") => Ok(Role::Organizer),
        Some("coOrganizer") => Ok(Role::CoOrganizer),
        _ => Err(parameters_missing()),
    }
}

/// A parameter of `getByUserIdAndRole(userId='…',role='…')`.
fn parameter<'a>(function: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = function.split_once(&format!("{name}='"))?;
    rest.split_once('\'').map(|(value, _)| value)
}

fn parameters_missing() -> Refusal {
    let message = "The parameters of the function are missing or not valid.";
    Refusal::new(400, "BadRequest", message)
}

fn find<'a>(
    world: &'a World,
    kind: VirtualEventKind,
    id: &str,
) -> Result<&'a VirtualEvent, Refusal> {
    let event = world
        .virtual_events
        .iter()
        .find(|event| event.kind == kind && event.id == id)
        .ok_or_else(|| Refusal::no_such_item("Virtual event"))?;
    let organizer = world
        .person(&event.organizer)
        .ok_or_else(|| Refusal::no_such_object(&event.organizer))?;
    meetings::check_policy(organizer)?;
    Ok(event)
}

fn session<'a>(event: &'a VirtualEvent, id: &str) -> Result<&'a VirtualSession, Refusal> {
    event
        .sessions
        .iter()
        .find(|session| session.id == id)
        .ok_or_else(|| Refusal::no_such_item("Session"))
}

fn event_json(world: &World, event: &VirtualEvent) -> Value {
    let start = event.sessions.iter().map(|session| session.start).min();
    let end = event.sessions.iter().map(|session| session.end).max();
    let mut object = json!({
        "@odata.type": match event.kind {
            VirtualEventKind::Webinar => "#microsoft.graph.virtualEventWebinar",
            VirtualEventKind::TownHall => "#microsoft.graph.virtualEventTownhall",
        },
        "id": event.id,
        "status": event.status,
        "displayName": event.display_name,
        "description": {"contentType": "html", "content": "<p>A simulated event.</p>"},
        "startDateTime": start.map(|at| zoned(event.kind, at)),
        "endDateTime": end.map(|at| zoned(event.kind, at)),
        "isRegistrationRequired": event.kind == VirtualEventKind::Webinar,
        "createdBy": {"application": null, "device": null, "user": user_identity(world, &event.organizer)},
        "audience": "everyone",
        "coOrganizers": event.co_organizers.iter().map(|id| user_identity(world, id)).collect::<Vec<_>>(),
        "externalEventInformation": reports::external_events(&event.external_event_information),
        "settings": {"isAttendeeEmailNotificationEnabled": true},
    });
    if let (VirtualEventKind::TownHall, Value::Object(properties)) = (event.kind, &mut object) {
        properties.insert("isInviteOnly".to_owned(), json!(false));
        properties.insert("invitedAttendees".to_owned(), json!([]));
        properties.insert("capacity".to_owned(), json!(10_000));
    }
    object
}

fn user_identity(world: &World, id: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.communicationsUserIdentity",
        "id": id,
        "displayName": world.person(id).map(|person| &person.display_name),
        "tenantId": world.tenant_id,
    })
}

fn session_json(event: &VirtualEvent, session: &VirtualSession) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.virtualEventSession",
        "id": session.id,
        "subject": session.subject,
        "startDateTime": zoned(event.kind, session.start),
        "endDateTime": zoned(event.kind, session.end),
        "joinWebUrl": session.join_web_url,
        "capacity": 1000,
        "videoOnDemandWebUrl": null,
        "videoTeleconferenceId": null,
        "audioConferencing": null,
        "chatInfo": null,
        "joinMeetingIdSettings": null,
        "lobbyBypassSettings": null,
        "isEntryExitAnnounced": false,
        "allowedPresenters": "roleIsPresenter",
        "allowAttendeeToEnableMic": false,
        "allowAttendeeToEnableCamera": false,
        "allowMeetingChat": "enabled",
        "allowTeamworkReactions": true,
        "recordAutomatically": false,
        "watermarkProtection": null,
    })
}

fn summary(mut session: Value) -> Value {
    if let Value::Object(properties) = &mut session {
        for (name, value) in properties.iter_mut() {
            if !SUMMARY.contains(&name.as_str()) && !name.starts_with('@') {
                *value = Value::Null;
            }
        }
    }
    session
}

/// A `dateTimeTimeZone`: webinars in UTC, town halls as a wall clock beside a Windows time zone name.
fn zoned(kind: VirtualEventKind, at: UtcMicros) -> Value {
    let zone = TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC);
    match (kind, at.to_timestamp()) {
        (VirtualEventKind::TownHall, Some(timestamp)) if zone != TimeZone::UTC => json!({
            "dateTime": zone.to_datetime(timestamp).to_string(),
            "timeZone": "Eastern Standard Time",
        }),
        _ => json!({
            "dateTime": at.to_string().trim_end_matches('Z'),
            "timeZone": "UTC",
        }),
    }
}
