//! The simulated tenant answers as Graph does: every object held against the metadata, and the traps in their places.

use std::time::Instant;

use serde_json::Value;
use teamsheet::simulated_tenant::{TrueAttendance, Truth, World};

use crate::graph_types::GraphTypes;
use crate::tenant_client::{Client, by_join_url, settings, whole_window};

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
