//! The simulated tenant refuses and pages as Graph does.

use reqwest::StatusCode;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, ExpandAnswer, Meeting, MeetingKind, Person,
};
use teamsheet::simulated_tenant::{CLIENT_ID, CLIENT_SECRET, TENANT_ID, World};

use crate::tenant_client::{Client, by_join_url, meeting, settings, sign_in, whole_window, world};

fn person(world: &World, is_it: impl Fn(&Person) -> bool) -> Person {
    world.people.iter().find(|one| is_it(one)).unwrap().clone()
}

#[tokio::test]
async fn sign_in_refuses_what_is_wrong_as_entra_does() {
    let client = Client::of(world()).await;
    for (tenant, app, secret, status, error, code) in [
        (
            TENANT_ID,
            CLIENT_ID,
            "wrong",
            401,
            "invalid_client",
            "AADSTS7000215:",
        ),
        (
            TENANT_ID,
            "nobody",
            CLIENT_SECRET,
            400,
            "unauthorized_client",
            "AADSTS700016:",
        ),
        (
            "elsewhere",
            CLIENT_ID,
            CLIENT_SECRET,
            400,
            "invalid_request",
            "AADSTS90002:",
        ),
    ] {
        let (got, body) = sign_in(&client.tenant, &client.http, tenant, app, secret).await;
        assert_eq!(
            (got.as_u16(), body["error"].as_str()),
            (status, Some(error))
        );
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(code)
        );
    }
    let (_, body) = sign_in(
        &client.tenant,
        &client.http,
        TENANT_ID,
        CLIENT_ID,
        CLIENT_SECRET,
    )
    .await;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
}

#[tokio::test]
async fn no_token_a_revoked_one_and_an_expired_one_are_refused() {
    let mut world = world();
    let client = Client::of(world.clone()).await;
    let url = format!("{}v1.0/users", client.tenant.endpoint());
    let without = client.http.get(url).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    assert!(without.headers().contains_key("www-authenticate"));
    client.tenant.revoke_tokens();
    let (status, code, _) = client.refusal("v1.0/users").await;
    assert_eq!((status, code.as_str()), (401, "InvalidAuthenticationToken"));
    let bearers: Vec<bool> = client
        .tenant
        .requests()
        .iter()
        .map(|seen| seen.had_bearer)
        .collect();
    assert_eq!(bearers, [false, false, true]);

    world.answers.token_lifetime_seconds = 0;
    let client = Client::of(world).await;
    assert_eq!(client.refusal("v1.0/users").await.0, 401);
}

#[tokio::test]
async fn a_meeting_is_found_only_under_its_organizer_with_a_policy_and_a_link_encoded_once() {
    let world = world();
    let client = Client::of(world.clone()).await;
    let teams = |meeting: &Meeting| meeting.kind == MeetingKind::Teams && !meeting.is_expired;
    let found = meeting(&world, teams);
    let url = found.join_web_url.clone().unwrap();
    let under = |id: &str, filter: &str| format!("v1.0/users/{id}/onlineMeetings?{filter}");

    let one = client
        .all(&under(&found.organizer, &by_join_url(&url)))
        .await;
    assert_eq!(one.len(), 1);
    assert_eq!(
        one[0]["id"].as_str(),
        Some(found.online_meeting_id.as_str())
    );
    let digits = format!(
        "$filter=joinMeetingIdSettings/joinMeetingId%20eq%20'{}'",
        found.join_meeting_id.clone().unwrap()
    );
    assert_eq!(client.all(&under(&found.organizer, &digits)).await, one);

    let twice = by_join_url(&url.replace('%', "%25"));
    let other = person(&world, |one| {
        one.access_policy == AccessPolicy::Granted && one.id != found.organizer
    });
    let upn = world
        .person(&found.organizer)
        .unwrap()
        .user_principal_name
        .clone();
    let expired = meeting(&world, |meeting| {
        meeting.is_expired && meeting.kind == MeetingKind::Teams
    });
    let policy = |wanted| person(&world, |one| one.access_policy == wanted).id;
    let url = by_join_url(&url);
    for (path, status, code, message) in [
        (under(&found.organizer, &twice), 404, "NotFound", "3004:"),
        (under(&upn, &url), 404, "NotFound", "3004:"),
        (under(&other.id, &url), 403, "Forbidden", "3003:"),
        (
            under(
                &expired.organizer,
                &by_join_url(expired.join_web_url.as_deref().unwrap()),
            ),
            404,
            "NotFound",
            "3004:",
        ),
        (
            under(&policy(AccessPolicy::Missing), &url),
            403,
            "Forbidden",
            "No application access policy",
        ),
        (
            under(&policy(AccessPolicy::MissingGeneral), &url),
            403,
            "General",
            "No Application Access Policy",
        ),
        (
            under(&policy(AccessPolicy::OtherUsers), &url),
            403,
            "Forbidden",
            "3003:",
        ),
        (
            under(&found.organizer, ""),
            400,
            "InvalidArgument",
            "One of the required",
        ),
        (
            under(&found.organizer, "$filter=subject%20eq%20'a'"),
            400,
            "InvalidArgument",
            "Filter expression",
        ),
    ] {
        let refusal = client.refusal(&path).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code), "{path}");
        assert!(refusal.2.starts_with(message), "{}", refusal.2);
    }
}

#[tokio::test]
async fn mailboxes_windows_and_paths_that_are_not_there_are_refused() {
    let settings = settings(40, 60);
    let world = world();
    let client = Client::of(world.clone()).await;
    let window = whole_window(&settings);
    let without = person(&world, |one| !one.has_mailbox).id;
    let with = person(&world, |one| one.has_mailbox).id;
    for (path, status, code) in [
        (
            format!("users/{without}/calendarView?{window}"),
            404,
            "MailboxNotEnabledForRESTAPI",
        ),
        (
            format!("users/{with}/calendarView"),
            400,
            "ErrorInvalidParameter",
        ),
        (
            format!("users/{with}/calendarView?{window}&$top=1001"),
            400,
            "BadRequest",
        ),
        (
            "users/nobody@contoso.example".to_owned(),
            404,
            "Request_ResourceNotFound",
        ),
        (
            "users?$filter=city%20eq%20'a'".to_owned(),
            400,
            "Request_UnsupportedQuery",
        ),
        (
            "groups/none/members".to_owned(),
            404,
            "Request_ResourceNotFound",
        ),
        (
            "solutions/virtualEvents/webinars/none".to_owned(),
            404,
            "NotFound",
        ),
        ("no/such/path".to_owned(), 404, "BadRequest"),
    ] {
        let refusal = client.refusal(&format!("v1.0/{path}")).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code), "{path}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_keep_the_options() {
    let settings = settings(40, 60);
    let world = world();
    let client = Client::of(world.clone()).await;
    let filter = "$filter=accountEnabled%20eq%20true%20and%20userType%20eq%20'Member'";
    let users = client
        .all(&format!("v1.0/users?{filter}&$select=id,mail&$top=7"))
        .await;
    assert_eq!(users.len(), 36);
    assert_eq!(users[0].as_object().unwrap().len(), 2);
    assert_eq!(client.tenant.requests().len(), 1 + 6);

    let organizer = person(&world, |one| one.has_mailbox).id;
    let view = format!(
        "v1.0/users/{organizer}/calendarView?{}",
        whole_window(&settings)
    );
    assert_eq!(
        client.ok(&view).await["value"].as_array().unwrap().len(),
        10
    );
    let all = client.all(&view).await;
    assert_eq!(all, client.all(&format!("{view}&$top=1000")).await);
    assert!(all.iter().any(|event| event["isOrganizer"] == false));
    assert!(all.iter().any(|event| event["isOnlineMeeting"] == false));
    assert!(all.iter().any(|event| event["type"] == "occurrence"));
}

#[tokio::test]
async fn groups_hold_people_and_groups_and_transitively_the_people_of_those() {
    let world = world();
    let client = Client::of(world.clone()).await;
    let group = &world.groups[0].id;
    let ids = |members: &[serde_json::Value], name: &str| {
        members
            .iter()
            .filter(|one| one["@odata.type"] == name)
            .count()
    };
    let direct = client
        .all(&format!("v1.0/groups/{group}/members?$top=3"))
        .await;
    let nested = client
        .all(&format!("v1.0/groups/{group}/transitiveMembers"))
        .await;
    assert_eq!(ids(&direct, "#microsoft.graph.group"), 1);
    assert!(ids(&nested, "#microsoft.graph.user") > ids(&direct, "#microsoft.graph.user"));
}

#[tokio::test]
async fn only_the_newest_fifty_reports_are_listed() {
    let world = world();
    let long = meeting(&world, |meeting| meeting.reports.len() > 50);
    let client = Client::of(world).await;
    let path = format!(
        "v1.0/users/{}/onlineMeetings/{}/attendanceReports",
        long.organizer, long.online_meeting_id
    );
    let listed = client.ok(&path).await;
    assert!(listed.get("@odata.nextLink").is_none());
    let listed = listed["value"].as_array().unwrap();
    assert_eq!(listed.len(), 50);
    let newest = long
        .reports
        .iter()
        .max_by_key(|report| report.start.at)
        .unwrap();
    let oldest = long
        .reports
        .iter()
        .min_by_key(|report| report.start.at)
        .unwrap();
    assert_eq!(listed[0]["id"].as_str(), Some(newest.id.as_str()));
    assert!(
        listed
            .iter()
            .all(|report| report["id"] != oldest.id.as_str())
    );
}

#[tokio::test]
async fn expand_answers_as_the_settings_say() {
    let mut world = world();
    world.answers.records_page_size = 3;
    let large = meeting(&world, |meeting| {
        let is_teams = meeting.kind == MeetingKind::Teams && !meeting.is_expired;
        is_teams
            && meeting
                .reports
                .iter()
                .any(|report| report.records.len() > 3)
    });
    let report = large
        .reports
        .iter()
        .find(|report| report.records.len() > 3)
        .unwrap();
    let path = format!(
        "v1.0/users/{}/onlineMeetings/{}/attendanceReports/{}",
        large.organizer, large.online_meeting_id, report.id
    );
    let client = Client::of(world).await;
    let all = client.all(&format!("{path}/attendanceRecords")).await;
    assert_eq!(all.len(), report.records.len());
    let expanded = format!("{path}?$expand=attendanceRecords");
    for (answer, inline) in [
        (ExpandAnswer::Full, Some(serde_json::json!(all))),
        (ExpandAnswer::Ignored, None),
        (ExpandAnswer::Null, Some(serde_json::Value::Null)),
        (ExpandAnswer::Empty, Some(serde_json::json!([]))),
        (ExpandAnswer::Partial, Some(serde_json::json!(all[..3]))),
    ] {
        client.tenant.edit(|world| world.answers.expand = answer);
        let body = client.ok(&expanded).await;
        assert_eq!(body.get("attendanceRecords"), inline.as_ref(), "{answer:?}");
        let next = body["attendanceRecords@odata.nextLink"].as_str();
        assert_eq!(next.is_some(), answer == ExpandAnswer::Partial);
        if let Some(next) = next {
            assert_eq!(client.all(next).await, all[3..]);
        }
    }
}
