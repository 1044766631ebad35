//! What tests turn on the simulated tenant: scripted faults, late data, and its end.

use std::time::Duration;

use reqwest::StatusCode;
use teamsheet::simulated_tenant::world::MeetingKind;
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect};

use crate::tenant_client::{Client, meeting, world};

#[tokio::test]
async fn late_data_appears_after_an_edit() {
    let client = Client::of(world()).await;
    let late = meeting(&client.tenant.world(), |meeting| {
        meeting.kind == MeetingKind::Teams && !meeting.is_expired && meeting.reports.len() == 1
    });
    let path = format!(
        "v1.0/users/{}/onlineMeetings/{}/attendanceReports",
        late.organizer, late.online_meeting_id
    );
    client.tenant.edit(|world| {
        let meetings = world.meetings.iter_mut();
        for meeting in meetings.filter(|one| one.online_meeting_id == late.online_meeting_id) {
            meeting.reports.clear();
        }
    });
    assert_eq!(client.all(&path).await.len(), 0);
}

#[tokio::test]
async fn scripted_faults_override_delay_rewrite_and_cut() {
    let client = Client::of(world()).await;
    let throttled = FaultAnswer::graph_error(429, "TooManyRequests", "Slow down.")
        .with_header("Retry-After", "7");
    client
        .tenant
        .script(Fault::first(1, "/users", FaultEffect::Answer(throttled)));
    let url = format!("{}v1.0/users", client.tenant.endpoint());
    let response = client.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(client.get("v1.0/users").await.0, StatusCode::OK);

    client
        .tenant
        .script(Fault::always("$top=1", FaultEffect::CutAfter(0)));
    client
        .tenant
        .script(Fault::always("$top=2", FaultEffect::CutAfter(400)));
    client
        .tenant
        .script(Fault::always("$top=3", FaultEffect::Silence));
    client.tenant.script(Fault::always(
        "$top=4",
        FaultEffect::Rewrite(|mut body| {
            body.truncate(body.len() / 2);
            body
        }),
    ));
    let get = |query: &str| {
        client
            .http
            .get(format!("{url}?{query}"))
            .bearer_auth(client.token())
    };
    assert!(get("$top=1").send().await.is_err());
    let cut = get("$top=2").send().await.unwrap();
    assert_eq!(cut.status(), StatusCode::OK);
    assert!(cut.bytes().await.is_err());
    let silent = get("$top=3")
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(silent.unwrap_err().is_timeout());
    let half = get("$top=4").send().await.unwrap().bytes().await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&half).is_err());
    let statuses: Vec<Option<u16>> = client
        .tenant
        .requests()
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(
        statuses,
        [Some(200), Some(429), Some(200), None, None, None, Some(200)]
    );
}

#[tokio::test]
async fn a_dropped_tenant_answers_no_more() {
    let client = Client::of(world()).await;
    let Client { tenant, http, .. } = client;
    let url = format!("{}v1.0/users", tenant.endpoint());
    drop(tenant);
    let request = http.get(&url).timeout(Duration::from_secs(5)).send().await;
    assert!(request.is_err());
}
