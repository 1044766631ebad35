//! Who reaches what in the simulated tenant: the app, a signed-in user, roles, and the routes of discovery.

use std::collections::BTreeSet;

use serde_json::Value;
use teamsheet::simulated_tenant::world::{AccessPolicy, MeetingKind, UserType};
use teamsheet::simulated_tenant::{CLIENT_ID, TENANT_ID, TrueSession};
use teamsheet::time::{DAY, UtcMicros, zoned_to_utc};

use crate::graph_types::GraphTypes;
use crate::tenant_client::{Client, NOW, meeting, settings, whole_window, world};

const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn instant(zoned: &Value) -> UtcMicros {
    zoned_to_utc(&text(&zoned["dateTime"]), zoned["timeZone"].as_str()).unwrap()
}

/// Organizer, occurrence, start and end: what identifies a session whatever it was found by.
type Found = BTreeSet<(String, String, UtcMicros, UtcMicros)>;

fn in_truth<'a>(sessions: impl IntoIterator<Item = &'a TrueSession>) -> Found {
    let found = sessions.into_iter().map(|one| {
        (
            one.organizer_id.clone(),
            one.occurrence_id.clone(),
            one.scheduled_start,
            one.scheduled_end,
        )
    });
    found.collect()
}

#[tokio::test]
async fn calendars_of_enabled_members_hold_the_true_meetings_and_no_others() {
    let client = Client::of(world()).await;
    let world = client.tenant.world();
    let mut found = Found::new();
    for person in &world.people {
        if !person.has_mailbox || !person.account_enabled || person.user_type == UserType::Guest {
            continue;
        }
        let window = whole_window(&settings(40, 60));
        let view = format!("v1.0/users/{}/calendarView?{window}&$top=1000", person.id);
        for event in client.all(&view).await {
            if event["isOrganizer"] == true && event["isOnlineMeeting"] == true {
                found.insert((
                    person.id.clone(),
                    text(&event["iCalUId"]),
                    instant(&event["start"]),
                    instant(&event["end"]),
                ));
            }
        }
    }
    let truth = world.truth().sessions;
    let meetings = truth.iter().filter(|one| one.source == "online_meeting");
    assert_eq!(found, in_truth(meetings));
}

#[tokio::test]
async fn virtual_events_without_a_policy_are_left_out_and_the_others_hold_the_true_sessions() {
    let client = Client::of(world()).await;
    let world = client.tenant.world();
    let mut found = Found::new();
    let mut listed = 0;
    for kind in ["webinars", "townhalls"] {
        for event in client
            .all(&format!("beta/solutions/virtualEvents/{kind}"))
            .await
        {
            listed += 1;
            let path = format!("v1.0/solutions/virtualEvents/{kind}/{}", text(&event["id"]));
            for session in client.all(&format!("{path}/sessions")).await {
                assert_eq!(session["capacity"], Value::Null);
                found.insert((
                    text(&event["createdBy"]["user"]["id"]),
                    text(&session["id"]),
                    instant(&session["startDateTime"]),
                    instant(&session["endDateTime"]),
                ));
            }
        }
    }
    assert!(listed < world.virtual_events.len());
    let truth = world.truth().sessions;
    let sessions = truth.iter().filter(|one| one.source != "online_meeting");
    assert_eq!(found, in_truth(sessions));

    let organizer = &world.virtual_events[0].organizer;
    let by_organizer = format!(
        "v1.0/solutions/virtualEvents/webinars/getByUserIdAndRole(userId='{organizer}',role='organizer')"
    );
    let own = client.all(&by_organizer).await;
    assert!(!own.is_empty());
    assert!(
        own.iter()
            .all(|event| event["createdBy"]["user"]["id"] == organizer.as_str())
    );
}

#[tokio::test]
async fn call_records_of_thirty_days_name_organizer_and_join_link() {
    let client = Client::of(world()).await;
    let world = client.tenant.world();
    let types = GraphTypes::load();
    let records = client.all("v1.0/communications/callRecords").await;
    assert!(records.len() > 60);
    let oldest = NOW.plus(-30 * DAY).to_string();
    for record in &records {
        assert_eq!(
            types.complaints("callRecords.callRecord", record),
            Vec::<String>::new()
        );
        assert!(text(&record["startDateTime"]) >= oldest);
        let user = &record["organizer_v2"]["identity"]["user"];
        assert!(world.person(&text(&user["id"])).is_some());
        assert!(record["joinWebUrl"].is_string());
    }
    let (from, until) = (NOW.plus(-2 * DAY), NOW.plus(-DAY));
    let filter =
        format!("$filter=startDateTime%20ge%20{from}%20and%20startDateTime%20lt%20{until}");
    let some = client
        .all(&format!("v1.0/communications/callRecords?{filter}"))
        .await;
    let (from, until) = (from.to_string(), until.to_string());
    let within =
        |record: &&Value| (from.clone()..until.clone()).contains(&text(&record["startDateTime"]));
    assert_eq!(
        some,
        records.iter().filter(within).cloned().collect::<Vec<_>>()
    );
    let one = client
        .ok(&format!(
            "v1.0/communications/callRecords/{}",
            text(&records[0]["id"])
        ))
        .await;
    assert_eq!(one["joinWebUrl"], records[0]["joinWebUrl"]);
}

#[tokio::test]
async fn a_missing_role_refuses_its_paths_and_only_those() {
    let client = Client::of(world()).await;
    let person = client.tenant.world().people[0].id.clone();
    for (role, path, code) in [
        (
            "User.Read.All",
            "users".to_owned(),
            "Authorization_RequestDenied",
        ),
        (
            "CallRecords.Read.All",
            "communications/callRecords".to_owned(),
            "Authorization_RequestDenied",
        ),
        (
            "VirtualEvent.Read.All",
            "solutions/virtualEvents/townhalls".to_owned(),
            "Authorization_RequestDenied",
        ),
        (
            "Calendars.ReadBasic.All",
            format!(
                "users/{person}/calendarView?{}",
                whole_window(&settings(40, 60))
            ),
            "ErrorAccessDenied",
        ),
    ] {
        let path = format!("v1.0/{path}");
        client.ok(&path).await;
        client
            .tenant
            .edit(|world| world.answers.token_roles.retain(|one| one != role));
        let refusal = client.refusal(&path).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (403, code));
        client
            .tenant
            .edit(|world| world.answers.token_roles.push(role.to_owned()));
    }
}

#[tokio::test]
async fn a_user_signs_in_with_a_device_code_and_reaches_only_what_is_theirs() {
    let mut client = Client::of(world()).await;
    let post = async |operation: &str, form: &[(&str, &str)]| {
        let url = format!(
            "{}{TENANT_ID}/oauth2/v2.0/{operation}",
            client.tenant.authority()
        );
        let response = client.http.post(url).form(form).send().await.unwrap();
        let body = response.bytes().await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let asked = post(
        "devicecode",
        &[("client_id", CLIENT_ID), ("scope", "offline_access")],
    )
    .await;
    let code = text(&asked["device_code"]);
    let poll = [
        ("client_id", CLIENT_ID),
        ("grant_type", DEVICE_CODE_GRANT),
        ("device_code", code.as_str()),
    ];
    assert_eq!(post("token", &poll).await["error"], "authorization_pending");
    let first = post("token", &poll).await;
    assert_eq!(post("token", &poll).await["error"], "bad_verification_code");
    let refresh = text(&first["refresh_token"]);
    let again = [
        ("client_id", CLIENT_ID),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    let token = text(&post("token", &again).await["access_token"]);
    assert_ne!(token, text(&first["access_token"]));
    assert_eq!(client.refusal("v1.0/me").await.0, 400);

    client.sign_in_with(token);
    let own = text(&client.ok("v1.0/me").await["id"]);
    let view = format!("v1.0/me/calendarView?{}", whole_window(&settings(40, 60)));
    assert!(!client.all(&view).await.is_empty());
    let other = meeting(&client.tenant.world(), |one| one.organizer != own);
    let path = format!(
        "v1.0/users/{}/onlineMeetings/{}",
        other.organizer, other.online_meeting_id
    );
    let refusal = client.refusal(&path).await;
    assert_eq!((refusal.0, refusal.1.as_str()), (403, "General"));
    let events = "v1.0/solutions/virtualEvents/webinars";
    assert_eq!(client.refusal(events).await.0, 403);
    for event in client
        .all(&format!("{events}/getByUserRole(role='organizer')"))
        .await
    {
        assert_eq!(event["createdBy"]["user"]["id"], own.as_str());
    }
}

#[tokio::test]
async fn the_latest_report_is_beta_only_and_has_no_id() {
    let client = Client::of(world()).await;
    let world = client.tenant.world();
    let held = meeting(&world, |one| {
        one.kind == MeetingKind::Teams && !one.is_expired && !one.reports.is_empty()
    });
    assert_eq!(
        world.person(&held.organizer).unwrap().access_policy,
        AccessPolicy::Granted
    );
    let path = format!(
        "users/{}/onlineMeetings/{}/meetingAttendanceReport?$expand=attendanceRecords",
        held.organizer, held.online_meeting_id
    );
    let latest = client.ok(&format!("beta/{path}")).await;
    assert!(latest.get("id").is_none());
    let newest = held
        .reports
        .iter()
        .max_by_key(|report| report.start.at)
        .unwrap();
    let records = latest["attendanceRecords"].as_array().unwrap();
    assert_eq!(records.len(), newest.records.len());
    assert_eq!(client.refusal(&format!("v1.0/{path}")).await.0, 404);
}
