//! The simulated tenant shows what was seen of real tenants, beside what is documented.

use serde_json::Value;
use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, IdCase, Meeting, NoMailbox, PeopleShown, Person, ServerClock, Short, UserType,
    VirtualEvent, VirtualEventKind, WrongOrganizer,
};
use teamsheet::simulated_tenant::{Trouble, Weather};
use teamsheet::time::{DAY, HOUR, UtcMicros};

use crate::tenant_client::{Client, NOW, by_join_url};

const WINDOW: &str = "startDateTime=2026-02-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z&$top=50";

fn day(hours: i64) -> UtcMicros {
    UtcMicros(NOW.0.div_euclid(DAY) * DAY).plus(hours * HOUR)
}

/// Ada and Bob; Ada's meeting of yesterday at 10:00, in which both were.
fn world() -> (World, Person, Person) {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let mut world = World::empty(NOW);
    let mut meeting = Meeting::teams(&ada, "Planning", &[day(-14)], 60);
    meeting.hold(0, &[&ada, &bob]).unwrap();
    world.people = vec![ada.clone(), bob.clone()];
    world.meetings.push(meeting);
    (world, ada, bob)
}

fn calendar(person: &Person) -> String {
    format!("v1.0/users/{}/calendarView?{WINDOW}", person.id)
}

fn reports(person: &Person, meeting: &Meeting) -> String {
    let (user, id) = (&person.id, &meeting.online_meeting_id);
    format!("v1.0/users/{user}/onlineMeetings/{id}/attendanceReports")
}

fn texts(items: &[Value], name: &str) -> Vec<String> {
    let text = |item: &Value| item[name].as_str().unwrap_or_default().to_owned();
    items.iter().map(text).collect()
}

#[tokio::test]
async fn copies_of_an_entry_share_a_link_and_their_reports_are_listed_together() {
    let (mut world, ada, _) = world();
    let mut copy = world.meetings[0].copied("Copy", &[day(-2)], 30);
    copy.hold(0, &[&ada]).unwrap();
    world.meetings.push(copy.clone());
    let truth = world.truth();
    assert_eq!((truth.sessions.len(), truth.reports.len()), (2, 2));
    let client = Client::of(world).await;
    let entries = client.all(&calendar(&ada)).await;
    assert_eq!(texts(&entries, "subject"), ["Planning", "Copy"]);
    assert_eq!(
        entries[0]["onlineMeeting"]["joinUrl"],
        entries[1]["onlineMeeting"]["joinUrl"]
    );
    assert_eq!(client.all(&reports(&ada, &copy)).await.len(), 2);
}

#[tokio::test]
async fn entries_are_moved_deleted_changed_and_of_whole_days() {
    let (mut world, ada, _) = world();
    let mut series = Meeting::teams(&ada, "Weekly", &[day(24), day(48), day(72)], 30);
    let moved = &mut series.occurrences[1];
    (moved.original_start, moved.start, moved.end) = (Some(moved.start), day(50), day(51));
    series.occurrences[2].subject = Some("Weekly, the last".to_owned());
    let mut whole_day = Meeting::teams(&ada, "Fair", &[day(96)], 24 * 60);
    whole_day.occurrences[0].is_all_day = true;
    world.meetings[0].occurrences[0].shown.until = Some(NOW.plus(HOUR));
    world.meetings.extend([series, whole_day]);
    let client = Client::of(world).await;
    let entries = client.all(&calendar(&ada)).await;
    assert_eq!(
        texts(&entries, "type"),
        [
            "singleInstance",
            "occurrence",
            "exception",
            "exception",
            "singleInstance"
        ]
    );
    assert_eq!(texts(&entries, "subject")[3], "Weekly, the last");
    assert_eq!(entries[2]["originalStart"], day(48).to_string());
    assert_eq!(entries[4]["isAllDay"], true);
    assert_eq!(entries[4]["start"]["timeZone"], "UTC");
    client
        .tenant
        .edit(|world| world.settings.now = NOW.plus(2 * HOUR));
    let later = client.all(&calendar(&ada)).await;
    assert_eq!(later.len(), 4, "the first was deleted");
}

#[tokio::test]
async fn who_does_not_own_the_meeting_of_an_entry_is_refused_in_two_ways() {
    let (mut world, ada, bob) = world();
    world.meetings[0].calendar_owner = Some(bob.id.clone());
    let link = by_join_url(world.meetings[0].join_web_url.as_ref().unwrap());
    let client = Client::of(world).await;
    assert!(client.all(&calendar(&ada)).await.is_empty());
    let entries = client.all(&calendar(&bob)).await;
    assert_eq!(entries[0]["isOrganizer"], true);
    let of = |person: &Person| format!("v1.0/users/{}/onlineMeetings?{link}", person.id);
    assert_eq!(client.refusal(&of(&bob)).await.0, 403);
    client
        .tenant
        .edit(|world| world.answers.wrong_organizer = WrongOrganizer::NotFound);
    let (status, _, message) = client.refusal(&of(&bob)).await;
    assert_eq!((status, message.starts_with("3004")), (404, true));
    assert_eq!(client.all(&of(&ada)).await.len(), 1);
}

#[tokio::test]
async fn a_webinar_is_an_entry_too_and_its_online_meeting_has_the_same_reports() {
    let (mut world, ada, _) = world();
    let kind = VirtualEventKind::Webinar;
    let mut event = VirtualEvent::published(kind, &ada, "Launch", &[day(-20)], 60);
    event.sessions[0].show_in_calendar(&ada);
    let report = event.sessions[0].hold(&[&ada]).unwrap().id.clone();
    let link = by_join_url(&event.sessions[0].join_web_url);
    world.virtual_events.push(event);
    let client = Client::of(world).await;
    assert_eq!(
        texts(&client.all(&calendar(&ada)).await, "subject"),
        ["Launch", "Planning"]
    );
    let found = client
        .all(&format!("v1.0/users/{}/onlineMeetings?{link}", ada.id))
        .await;
    let id = found[0]["id"].as_str().unwrap();
    let path = format!(
        "v1.0/users/{}/onlineMeetings/{id}/attendanceReports",
        ada.id
    );
    assert_eq!(texts(&client.all(&path).await, "id"), [report]);
}

#[tokio::test]
async fn reports_come_late_are_short_at_first_and_are_no_more_than_a_list_holds() {
    let (mut world, ada, bob) = world();
    let meeting = &mut world.meetings[0];
    let first = &mut meeting.reports[0];
    first.listed_from = Some(NOW.plus(HOUR));
    first.recorded_from = Some(NOW.plus(2 * HOUR));
    let (until, records) = (NOW.plus(5 * HOUR), 1);
    first.short = Some(Short { until, records });
    let id = first.id.clone();
    let meeting = meeting.clone();
    let client = Client::of(world).await;
    let at = |hours: i64| {
        client
            .tenant
            .edit(|world| world.settings.now = NOW.plus(hours * HOUR));
    };
    let (list, calls) = (reports(&ada, &meeting), "v1.0/communications/callRecords");
    assert!(client.all(&list).await.is_empty());
    at(1);
    assert_eq!(client.all(&list).await.len(), 1);
    assert!(client.all(calls).await.is_empty());
    let records = format!("{list}/{id}/attendanceRecords");
    assert_eq!(client.all(&records).await.len(), 1);
    at(5);
    assert_eq!(
        (
            client.all(calls).await.len(),
            client.all(&records).await.len()
        ),
        (1, 2)
    );
    client.tenant.edit(|world| {
        world.answers.listed_reports = 1;
        world.answers.report_ids = IdCase::Capital;
        world.answers.people = PeopleShown::Masked;
        let newer = world.meetings[0].hold(0, &[&bob]).unwrap();
        newer.start.at = newer.start.at.plus(HOUR);
    });
    assert_eq!(client.all(&list).await.len(), 1);
    let report = client.ok(&format!("{list}/{id}")).await;
    assert_eq!(report["id"], id.to_ascii_uppercase());
    let masked = client.all(&records).await;
    assert!(
        masked
            .iter()
            .all(|record| record["identity"].is_null() && record["id"].is_null())
    );
}

#[tokio::test]
async fn accounts_are_of_no_type_or_without_a_mailbox_in_exchanges_words() {
    let (mut world, ada, bob) = world();
    world.people[0].user_type = UserType::Unsaid;
    world.people[1].has_mailbox = false;
    assert_eq!(world.truth().sessions.len(), 1);
    let client = Client::of(world).await;
    let select = "v1.0/users?$select=id,userType&$filter=accountEnabled eq true";
    let users = client.all(select).await;
    assert_eq!((users.len(), users[0]["userType"].is_null()), (2, true));
    let members = client
        .all(&format!("{select} and userType eq 'Member'"))
        .await;
    assert_eq!(texts(&members, "id"), [bob.id.as_str()]);
    assert_eq!(client.all(&calendar(&ada)).await.len(), 1);
    for (words, code) in [
        (NoMailbox::NotEnabledForRest, "MailboxNotEnabledForRESTAPI"),
        (
            NoMailbox::NotSupportedForRest,
            "MailboxNotSupportedForRESTAPI",
        ),
        (NoMailbox::InvalidUser, "ErrorInvalidUser"),
        (NoMailbox::NonExistent, "ErrorNonExistentMailbox"),
        (NoMailbox::ResourceNotFound, "ResourceNotFound"),
    ] {
        client
            .tenant
            .edit(|world| world.people[1].no_mailbox = words);
        let (status, got, _) = client.refusal(&calendar(&bob)).await;
        assert_eq!((status, got.as_str()), (404, code));
    }
}

#[tokio::test]
async fn a_challenge_lasts_until_somebody_signs_in_with_its_claims() {
    let (world, ada, _) = world();
    let client = Client::of(world).await;
    client.tenant.challenge_tokens();
    let url = format!("{}{}", client.tenant.endpoint(), calendar(&ada));
    let ask = |token: String| client.http.get(&url).bearer_auth(token).send();
    let refused = ask(client.token().to_owned()).await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        challenge.contains("error=\"insufficient_claims\", claims=\"ey"),
        "{challenge}"
    );
    let (_, encoded) = challenge.split_once("claims=\"").unwrap();
    let encoded = encoded.trim_end_matches('"');
    let claims = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
    let claims = String::from_utf8(claims.unwrap()).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", teamsheet::simulated_tenant::CLIENT_ID),
        ("client_secret", teamsheet::simulated_tenant::CLIENT_SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
        ("claims", claims.as_str()),
    ];
    let tenant = teamsheet::simulated_tenant::TENANT_ID;
    let sign_in = format!("{}{tenant}/oauth2/v2.0/token", client.tenant.authority());
    let answer = client.http.post(sign_in).form(&form).send().await.unwrap();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(token).await.unwrap().status(), 200);
}

#[tokio::test]
async fn weather_comes_and_goes_and_the_clock_is_the_worlds() {
    let (mut world, ada, _) = world();
    world.answers.clock = ServerClock::World;
    world.answers.largest_calendar_page = 25;
    world.people[0].access_policy = AccessPolicy::Granted;
    let client = Client::of(world).await;
    let url = format!("{}{}", client.tenant.endpoint(), "v1.0/users");
    let answer = client
        .http
        .get(url)
        .bearer_auth(client.token())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["date"], "Mon, 02 Mar 2026 08:00:00 GMT");
    assert_eq!(client.refusal(&calendar(&ada)).await.0, 504);
    let smaller = calendar(&ada).replace("top=50", "top=25");
    assert_eq!(client.all(&smaller).await.len(), 1);
    client.tenant.set_weather(Some(Weather {
        seed: 1,
        percent: 100,
        at_most: 1,
        troubles: vec![Trouble::MailboxMove],
    }));
    let (status, code, _) = client.refusal(&smaller).await;
    assert_eq!((status, code.as_str()), (503, "ErrorMailboxMoveInProgress"));
    assert_eq!(client.all(&smaller).await.len(), 1, "it passes");
}
