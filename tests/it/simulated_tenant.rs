//! The simulated tenant answers as Graph does: every object held against the metadata, and the traps in their places.

use std::time::Instant;

use reqwest::StatusCode;
use serde_json::Value;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, ExpandAnswer, MeetingKind, Person, VirtualEventKind,
};
use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, Fault, FaultAnswer, FaultEffect, SimulatedTenant, TENANT_ID,
    TrueAttendance, Truth, World, WorldSettings,
};
use teamsheet::time::{DAY, UtcMicros};

use crate::graph_types::GraphTypes;

/// 2026-03-02T08:00:00Z, a Monday.
const NOW: UtcMicros = UtcMicros(1_772_438_400_000_000);

fn settings(users: u32, days: u32) -> WorldSettings {
    WorldSettings {
        seed: 7,
        users,
        days,
        now: NOW,
    }
}

/// A client that is signed in.
struct Client {
    tenant: SimulatedTenant,
    http: reqwest::Client,
    token: String,
}

impl Client {
    async fn of(world: World) -> Self {
        let tenant = SimulatedTenant::start(world).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (status, body) = sign_in(&tenant, &http, TENANT_ID, CLIENT_ID, CLIENT_SECRET).await;
        assert_eq!(status, StatusCode::OK);
        Self {
            token: body["access_token"].as_str().unwrap().to_owned(),
            tenant,
            http,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.tenant.endpoint())
        };
        let request = self.http.get(url).bearer_auth(&self.token);
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&text).unwrap())
    }

    async fn ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Status, code and message of a refusal.
    async fn refusal(&self, path: &str) -> (u16, String, String) {
        let (status, body) = self.get(path).await;
        let error = &body["error"];
        assert!(error["innerError"]["request-id"].is_string(), "{body}");
        let text = |name: &str| error[name].as_str().unwrap().to_owned();
        (status.as_u16(), text("code"), text("message"))
    }

    /// The items of all pages.
    async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.ok(&path).await;
            items.extend(page["value"].as_array().unwrap().iter().cloned());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        items
    }
}

async fn sign_in(
    tenant: &SimulatedTenant,
    http: &reqwest::Client,
    directory: &str,
    client_id: &str,
    secret: &str,
) -> (StatusCode, Value) {
    let url = format!("{}{directory}/oauth2/v2.0/token", tenant.authority());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let response = http.post(url).form(&form).send().await.unwrap();
    let status = response.status();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A join link in a filter, encoded once.
fn by_join_url(url: &str) -> String {
    let filter = format!("JoinWebUrl eq '{url}'");
    let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("$filter={encoded}")
}

fn whole_window(settings: &WorldSettings) -> String {
    let (from, until) = (settings.midnight(0), NOW.plus(DAY));
    format!("startDateTime={from}&endDateTime={until}")
}

#[test]
fn a_world_has_the_promised_size_and_is_quickly_made() {
    let began = Instant::now();
    let truth = World::generate(&settings(40, 14)).truth();
    assert!(began.elapsed().as_millis() < 1000);
    let records: usize = truth
        .reports
        .iter()
        .map(|report| report.records.len())
        .sum();
    assert!(
        (400..=800).contains(&truth.sessions.len()),
        "{}",
        truth.sessions.len()
    );
    assert!((3_000..=9_000).contains(&records), "{records}");
}

/// Walks every endpoint and holds every object against the metadata.
#[tokio::test]
async fn every_answer_has_names_types_and_nulls_of_the_metadata() {
    let settings = settings(40, 14);
    let client = Client::of(World::generate(&settings)).await;
    let world = client.tenant.world();
    let types = GraphTypes::load();
    let mut complaints = Vec::new();
    let mut check = |type_name: &str, objects: &[Value]| {
        for object in objects {
            complaints.extend(types.complaints(type_name, object));
        }
    };
    check("user", &client.all("v1.0/users").await);
    let selected = "$select=id,mail,accountEnabled,userType,userPrincipalName";
    check("user", &client.all(&format!("v1.0/users?{selected}")).await);
    for person in &world.people {
        let user = format!("beta/users/{}", person.id);
        check("user", &[client.ok(&user).await]);
        if person.has_mailbox {
            let window = whole_window(&settings);
            let view = format!("v1.0/users/{}/calendarView?{window}&$top=500", person.id);
            check("event", &client.all(&view).await);
        }
    }
    let is_found = |truth: &Truth, id: &str| {
        truth.sessions.iter().any(|session| {
            session.event_id.as_deref() == Some(id)
                && session.attendance == TrueAttendance::Reported
        })
    };
    let truth = world.truth();
    for meeting in &world.meetings {
        if !is_found(&truth, &meeting.online_meeting_id) {
            continue;
        }
        let meetings = format!("v1.0/users/{}/onlineMeetings", meeting.organizer);
        let filter = by_join_url(meeting.join_web_url.as_deref().unwrap());
        check(
            "onlineMeeting",
            &client.all(&format!("{meetings}?{filter}")).await,
        );
        let meeting = format!("{meetings}/{}", meeting.online_meeting_id);
        check("onlineMeeting", &[client.ok(&meeting).await]);
        check_reports(&client, &meeting, &mut check).await;
    }
    for (kind, type_name) in [
        ("webinars", "virtualEventWebinar"),
        ("townhalls", "virtualEventTownhall"),
    ] {
        let events = client
            .all(&format!("v1.0/solutions/virtualEvents/{kind}"))
            .await;
        assert!(!events.is_empty());
        check(type_name, &events);
        for event in &events {
            let event = format!(
                "v1.0/solutions/virtualEvents/{kind}/{}",
                event["id"].as_str().unwrap()
            );
            check(type_name, &[client.ok(&event).await]);
            let sessions = client.all(&format!("{event}/sessions")).await;
            check("virtualEventSession", &sessions);
            for session in &sessions {
                let session = format!("{event}/sessions/{}", session["id"].as_str().unwrap());
                check("virtualEventSession", &[client.ok(&session).await]);
                check_reports(&client, &session, &mut check).await;
            }
        }
    }
    assert_eq!(complaints, Vec::<String>::new());
}

async fn check_reports(client: &Client, owner: &str, check: &mut impl FnMut(&str, &[Value])) {
    let reports = client.all(&format!("{owner}/attendanceReports")).await;
    assert!(
        reports
            .iter()
            .all(|report| report.get("attendanceRecords").is_none())
    );
    check("meetingAttendanceReport", &reports);
    for report in &reports {
        let path = format!(
            "{owner}/attendanceReports/{}",
            report["id"].as_str().unwrap()
        );
        let expanded = client
            .ok(&format!("{path}?$expand=attendanceRecords"))
            .await;
        let records = client.all(&format!("{path}/attendanceRecords")).await;
        assert_eq!(expanded["attendanceRecords"].as_array().unwrap(), &records);
        check("meetingAttendanceReport", &[expanded]);
        check("attendanceRecord", &records);
    }
}
