//! `attendanceReports` and `attendanceRecords`, the same below an online meeting and below a virtual event's session.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::errors::Refusal;
use crate::simulated_tenant::truth;
use crate::simulated_tenant::world::{
    ExpandAnswer, ExternalEvent, IdCase, Identity, IdentityKind, Interval, PeopleShown, Record,
    Report, World,
};

/// `GET …/attendanceReports` and what lies below it: `rest` is the path after `attendanceReports`.
pub(super) fn serve<'a>(
    world: &World,
    ask: &Ask<'_>,
    all: impl IntoIterator<Item = &'a Report>,
    rest: &[&str],
) -> Result<Value, Refusal> {
    let now = world.settings.now;
    let all: Vec<&Report> = { all.into_iter() }
        .filter(|report| report.is_listed(now))
        .collect();
    let find = |id: &str| {
        let mut reports = all.iter();
        reports
            .find(|report| report.id.eq_ignore_ascii_case(id))
            .copied()
            .ok_or_else(|| Refusal::no_such_item("Attendance report"))
    };
    match rest {
        // only the newest are listed, without their records whatever is expanded; there are no further pages
        [] => {
            let listed = truth::newest(all, world.answers.listed_reports);
            ask.page(listed, report_json, usize::MAX, "$skiptoken")
        }
        [id] => get(world, ask, find(id)?),
        [id, "attendanceRecords"] => {
            let records = find(id)?.records_at(now);
            let size = world.answers.records_page_size;
            let print = |record| record_json(world, record);
            ask.page(records, print, size, "$skiptoken")
        }
        [.., last] => Err(Refusal::no_such_path(last)),
    }
}

/// `GET …/meetingAttendanceReport`, deprecated and beta only: the newest report, without its id and its times.
pub(super) fn latest<'a>(
    world: &World,
    ask: &Ask<'_>,
    all: impl IntoIterator<Item = &'a Report>,
) -> Result<Value, Refusal> {
    let is_listed = |report: &&Report| report.is_listed(world.settings.now);
    let report = truth::newest(all.into_iter().filter(is_listed), 1)
        .first()
        .copied()
        .filter(|_| ask.is_beta())
        .ok_or_else(|| Refusal::no_such_path("meetingAttendanceReport"))?;
    let mut object = get(world, ask, report)?;
    if let Value::Object(properties) = &mut object {
        properties.retain(|name, _| {
            name.contains("@odata.")
                || name == "totalParticipantCount"
                || name == "attendanceRecords"
        });
    }
    Ok(object)
}

fn get(world: &World, ask: &Ask<'_>, report: &Report) -> Result<Value, Refusal> {
    let mut object = report_json(report);
    if let (IdCase::Capital, Value::Object(properties)) = (world.answers.report_ids, &mut object) {
        properties.insert("id".to_owned(), json!(report.id.to_ascii_uppercase()));
    }
    let is_expanded = ask.option("$expand").is_some_and(|names| {
        let mut names = names.split(',');
        names.any(|name| name.trim().eq_ignore_ascii_case("attendanceRecords"))
    });
    if let (true, Value::Object(properties)) = (is_expanded, &mut object) {
        expand(world, ask, report, properties)?;
    }
    Ok(ask.one(object))
}

fn expand(
    world: &World,
    ask: &Ask<'_>,
    report: &Report,
    properties: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    let size = world.answers.records_page_size;
    let shown = report.records_at(world.settings.now);
    let print = |record| record_json(world, record);
    let inline = match world.answers.expand {
        ExpandAnswer::Full => json!(shown.iter().map(print).collect::<Vec<_>>()),
        ExpandAnswer::Ignored => return Ok(()),
        ExpandAnswer::Null => Value::Null,
        ExpandAnswer::Empty => json!([]),
        ExpandAnswer::Partial => {
            if shown.len() > size {
                let owner = ask.path.rsplit_once("/attendanceReports/");
                let owner = owner.or_else(|| ask.path.rsplit_once("/meetingAttendanceReport"));
                let owner = owner.map_or(ask.path, |(owner, _)| owner);
                let path = format!("{owner}/attendanceReports/{}/attendanceRecords", report.id);
                let records = Ask::read(ask.origin, &path, "")
                    .ok_or_else(|| Refusal::no_such_path("attendanceRecords"))?;
                properties.insert(
                    "attendanceRecords@odata.nextLink".to_owned(),
                    Value::String(records.link_with("$skiptoken", &format!("page-{size}"))),
                );
            }
            let first_page = shown.iter().take(size).map(print);
            json!(first_page.collect::<Vec<_>>())
        }
    };
    properties.insert("attendanceRecords".to_owned(), inline);
    Ok(())
}

fn report_json(report: &Report) -> Value {
    json!({
        "id": report.id,
        "totalParticipantCount": report.total_participant_count,
        "meetingStartDateTime": report.start.to_string(),
        "meetingEndDateTime": report.end.to_string(),
        "externalEventInformation": external_events(&report.external_event_information),
    })
}

/// What partner software keeps with an event.
pub(super) fn external_events(events: &[ExternalEvent]) -> Value {
    let events = events.iter().map(|event| {
        json!({
            "applicationId": event.application_id,
            "externalEventId": event.external_event_id,
        })
    });
    json!(events.collect::<Vec<_>>())
}

fn record_json(world: &World, record: &Record) -> Value {
    if world.answers.people == PeopleShown::Masked {
        return json!({
            "emailAddress": null,
            "totalAttendanceInSeconds": 0,
            "role": record.role,
            "registrationId": null,
            "identity": null,
            "attendanceIntervals": [],
            "externalRegistrationInformation": null,
        });
    }
    let mut object = json!({
        "emailAddress": record.email_address,
        "totalAttendanceInSeconds": record.total_attendance_in_seconds,
        "role": record.role,
        "registrationId": record.registration_id,
        "identity": record.identity.as_ref().map(identity_json),
        "attendanceIntervals": record.intervals.iter().map(interval_json).collect::<Vec<_>>(),
        "externalRegistrationInformation": record.external_registration.as_ref().map(|external| json!({
            "referrer": external.referrer,
            "registrationId": external.registration_id,
        })),
    });
    if let (Some(id), Value::Object(properties)) = (&record.id, &mut object) {
        properties.insert("id".to_owned(), json!(id));
    }
    object
}

fn identity_json(identity: &Identity) -> Value {
    let (odata_type, detail) = match identity.kind {
        IdentityKind::Untyped => (None, Some("tenantId")),
        IdentityKind::User => (Some("communicationsUserIdentity"), Some("tenantId")),
        IdentityKind::Guest => (Some("communicationsGuestIdentity"), Some("email")),
        IdentityKind::Phone => (Some("communicationsPhoneIdentity"), None),
        IdentityKind::AzureCommunicationServices => (
            Some("azureCommunicationServicesUserIdentity"),
            Some("azureCommunicationServicesResourceId"),
        ),
    };
    let mut properties = Map::new();
    if let Some(name) = odata_type {
        properties.insert(
            "@odata.type".to_owned(),
            json!(format!("#microsoft.graph.{name}")),
        );
    }
    properties.insert("id".to_owned(), json!(identity.id));
    properties.insert("displayName".to_owned(), json!(identity.display_name));
    if let Some(name) = detail {
        properties.insert(name.to_owned(), json!(identity.detail));
    }
    Value::Object(properties)
}

fn interval_json(interval: &Interval) -> Value {
    json!({
        "joinDateTime": interval.join.map(|join| join.to_string()),
        "leaveDateTime": interval.leave.map(|leave| leave.to_string()),
        "durationInSeconds": interval.duration_in_seconds,
    })
}
