//! Limiter, token, transport and retry together, against a server that answers as each test says.

use std::time::Duration;

use super::super::error::FailureReason;
use super::super::scripted_server::{
    Asked, Reply, ScriptedServer, Setup, chain, in_turn, until, with_tokens,
};
use super::*;

fn page() -> Reply {
    Reply::ok(r#"{"value":[]}"#)
}

async fn server(replies: Vec<Reply>) -> ScriptedServer {
    ScriptedServer::start(with_tokens(in_turn(replies))).await
}

fn reports(client: &GraphClient) -> GraphRequest {
    let url = client.url(&["users", "ann@contoso.example", "onlineMeetings"]);
    client.request(RequestKind::ListReports, url)
}

fn webinars(client: &GraphClient) -> GraphRequest {
    let url = client.url(&["solutions", "virtualEvents", "webinars"]);
    client.request(RequestKind::ListWebinars, url)
}

async fn get(client: &GraphClient) -> Result<Bytes, GraphError> {
    client.get(&reports(client)).await
}

/// Sends once for each of `replies`, and expects the last of them to be the answer.
async fn gets_through(replies: Vec<Reply>) {
    let expected = replies.len();
    let server = server(replies).await;
    let body = get(&Setup::of(&server).client()).await.unwrap();
    assert_eq!(body, r#"{"value":[]}"#);
    assert_eq!(server.asked().len(), expected);
}

#[tokio::test]
async fn every_try_has_a_request_id_of_its_own_and_asks_for_unknown_members() {
    let server = server(vec![Reply::status(503), page()]).await;
    get(&Setup::of(&server).client()).await.unwrap();
    let asked = server.asked();
    let ids: Vec<_> = asked
        .iter()
        .map(|asked| asked.header("client-request-id").unwrap())
        .collect();
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        assert!(
            id.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
            "no GUID: {id}"
        );
    }
    assert_eq!(
        asked[0].header("prefer"),
        Some("include-unknown-enum-members")
    );
    assert_eq!(asked[0].header("accept"), Some("application/json"));
}

/// Two requests of one budget, the first of them told to wait a second, and one of another budget.
#[tokio::test]
async fn fault_29_retry_after_holds_its_whole_budget_and_no_other() {
    let server = server(vec![Reply::status(429).header("retry-after", "1"), page()]).await;
    let mut setup = Setup::of(&server);
    // one request in flight: a permit that is held while waiting would keep the others back
    setup.graph.concurrency = 1;
    let client = setup.client();
    let throttled = tokio::spawn({
        let client = client.clone();
        async move { get(&client).await }
    });
    until(|| client.meter().throttled_responses == 1).await;
    let (same, other) = (reports(&client), webinars(&client));
    let (same, other) = tokio::join!(client.get(&same), client.get(&other));
    same.unwrap();
    other.unwrap();
    throttled.await.unwrap().unwrap();

    let asked = server.asked();
    let since_first = |asked: &Asked| asked.at - server.asked()[0].at;
    assert_eq!(asked.len(), 4);
    let (held, free): (Vec<_>, Vec<_>) = asked[1..]
        .iter()
        .partition(|asked| asked.target.contains("onlineMeetings"));
    assert_eq!((held.len(), free.len()), (2, 1));
    for asked in held {
        assert!(since_first(asked) >= Duration::from_secs(1));
    }
    assert!(since_first(free[0]) < Duration::from_secs(1));
    assert!(client.meter().throttled >= Duration::from_secs(1));
}

#[tokio::test]
async fn fault_30_a_date_is_held_against_the_servers_clock() {
    let now = "Wed, 21 Oct 2015 07:28:00 GMT";
    let throttled = |until| {
        let reply = Reply::status(429).header("date", now);
        reply.header("retry-after", until)
    };
    let server = server(vec![
        throttled("Wed, 21 Oct 2015 07:28:01 GMT"),
        // past: the client's own short wait counts
        throttled("Wed, 21 Oct 2015 07:27:00 GMT"),
        page(),
    ])
    .await;
    get(&Setup::of(&server).client()).await.unwrap();
    let asked = server.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
    assert!(asked[2].at - asked[1].at < Duration::from_secs(1));
}

#[tokio::test]
async fn fault_30_a_date_without_the_servers_date_is_held_against_the_known_time() {
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let soon = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&soon)
        .unwrap();
    let server = server(vec![Reply::status(429).header("retry-after", soon), page()]).await;
    get(&Setup::of(&server).client()).await.unwrap();
    let asked = server.asked();
    // the date has no fractions of a second
    assert!(asked[1].at - asked[0].at >= Duration::from_millis(900));
}

#[tokio::test]
async fn fault_31_a_wait_past_the_deadline_stops_the_whole_budget_at_once() {
    let server = server(vec![
        Reply::status(429).header("retry-after", "1000000000"),
        page(),
    ])
    .await;
    let client = Setup::of(&server).client();
    for _ in 0..2 {
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::Deadline);
        assert!(error.is_transient());
    }
    assert_eq!(server.asked().len(), 1);
    client.get(&webinars(&client)).await.unwrap();
}

#[tokio::test]
async fn fault_31_a_wait_that_makes_no_sense_is_the_clients_own() {
    let throttled = |after| Reply::status(429).header("retry-after", after);
    gets_through(vec![
        throttled("-5"),
        throttled("abc"),
        throttled("0"),
        page(),
    ])
    .await;
}

#[tokio::test]
async fn fault_32_throttling_without_retry_after_is_waited_out() {
    gets_through(vec![Reply::status(429), Reply::status(429), page()]).await;
}

#[tokio::test]
async fn fault_33_a_storm_ends_with_the_tries() {
    let server = server(vec![Reply::status(429)]).await;
    let setup = Setup::of(&server);
    let client = setup.client();
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Throttled);
    let tries = setup.policy.retry.throttled_tries as usize;
    assert_eq!(server.asked().len(), tries);
    assert_eq!(client.meter().throttled_responses, tries as u64);
}

#[tokio::test]
async fn fault_33_a_storm_ends_with_the_deadline() {
    let server = server(vec![Reply::status(429)]).await;
    let mut setup = Setup::of(&server);
    setup.graph.deadline = Duration::from_millis(100);
    setup.policy.retry.throttled_tries = 10_000;
    setup.policy.retry.base = Duration::from_millis(20);
    setup.policy.retry.cap = Duration::from_millis(20);
    let client = setup.client();
    let (one, two) = tokio::join!(get(&client), get(&client));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(error.reason(), FailureReason::Deadline);
    }
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let server = server(vec![page()]).await;
    let mut setup = Setup::of(&server);
    setup.graph.deadline = Duration::ZERO;
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Deadline);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn fault_34_html_in_place_of_an_error_is_retried_and_not_shown() {
    let html = || Reply::status(503).body("<html>Service Unavailable</html>");
    gets_through(vec![html(), Reply::status(504).body("<p>"), page()]).await;
    let server = server(vec![html()]).await;
    let error = get(&Setup::of(&server).client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::ServerError);
    insta::with_settings!({filters => [(r"\d+\.\ds", "[time]")]}, {
        insta::assert_snapshot!(chain(&error), @r"
        GET /v1.0/users/<redacted>/onlineMeetings failed after 4 tries in [time]
          Graph answered 503 Service Unavailable
        ");
    });
}

#[tokio::test]
async fn fault_35_a_server_error_is_retried_some_times() {
    gets_through(vec![Reply::status(500), page()]).await;
    let server = server(vec![Reply::status(500)]).await;
    let setup = Setup::of(&server);
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::ServerError);
    assert!(error.is_transient());
    assert_eq!(error.tries(), setup.policy.retry.doubtful_tries);
    assert_eq!(server.asked().len(), error.tries() as usize);
}

#[tokio::test]
async fn fault_36_and_41_what_fails_again_is_asked_once() {
    for (status, reason) in [
        (400, FailureReason::BadRequest),
        (403, FailureReason::Forbidden),
        (404, FailureReason::Gone),
        (405, FailureReason::BadRequest),
        (410, FailureReason::Gone),
        (451, FailureReason::BadRequest),
    ] {
        let refusal = Reply::status(status).body(r#"{"error":{"code":"Odd"}}"#);
        let server = server(vec![refusal, page()]).await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{status}");
        assert_eq!(error.status(), Some(status));
        assert!(!error.is_transient(), "{status}");
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_4xx_that_says_nothing_of_what_was_asked_is_tried_again() {
    let coded = |status, code: &str| {
        Reply::status(status).body(format!(r#"{{"error":{{"code":"{code}"}}}}"#))
    };
    for reply in [
        Reply::status(400),
        Reply::status(404),
        Reply::status(404).body("<html>"),
        Reply::status(409),
        Reply::status(412),
        Reply::status(423),
        Reply::status(425),
        coded(400, ""),
        coded(400, "UnknownError"),
        coded(404, "UnknownError"),
        coded(400, "ErrorMailboxMoveInProgress"),
        coded(403, "TooManyRequests"),
    ] {
        gets_through(vec![reply.clone(), page()]).await;
        let server = server(vec![reply.clone()]).await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert!(error.is_transient(), "{reply:?}");
    }
}

#[tokio::test]
async fn fault_54_an_answer_without_what_was_asked_for_is_a_failed_try() {
    for reply in [
        Reply::ok(r#"{"error":{"code":"Odd"}}"#),
        Reply::ok("\u{feff} { \"error\" : {}}"),
        Reply::ok(r#"{"value":[],"error":{"code":"Odd"}}"#),
        Reply::ok(r#"{"value":[{"id":"a"}],"@odata.nextLink":null,"error":{}}"#),
        Reply::ok(""),
        Reply::ok(" \r\n"),
        Reply::status(204),
        Reply::status(206).body(r#"{"value":[]}"#),
    ] {
        gets_through(vec![reply.clone(), page()]).await;
        let server = server(vec![reply.clone()]).await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::BadResponse, "{reply:?}");
        assert!(error.is_transient(), "{reply:?}");
    }
}

#[tokio::test]
async fn fault_56_a_redirect_is_not_followed() {
    let canary = server(vec![page()]).await;
    for status in [301, 302, 303, 307, 308] {
        let server = server(vec![
            Reply::status(status).header("location", canary.url.clone()),
        ])
        .await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::RefusedLink, "{status}");
        assert_eq!(server.asked().len(), 1, "{status}");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let slow = page().after(Duration::from_millis(20));
    let server = server(vec![slow]).await;
    let mut setup = Setup::of(&server);
    setup.graph.concurrency = 3;
    let client = setup.client();
    let requests: Vec<_> = (0..12).map(|_| get(&client)).collect();
    for answer in futures::future::join_all(requests).await {
        answer.unwrap();
    }
    assert_eq!(server.most_at_once(), 3);
}

#[tokio::test]
async fn fault_94_plain_http_is_for_loopback_only() {
    let server = server(vec![page()]).await;
    for url in [
        "http://graph.example",
        "http://127.0.0.1.nip.example",
        "ftp://localhost",
    ] {
        for setup in [Setup::at(url, &server.url), Setup::at(&server.url, url)] {
            let made =
                GraphClient::with_policy(&setup.auth, &setup.graph, setup.clock, setup.policy);
            assert_eq!(
                made.unwrap_err().reason(),
                FailureReason::RefusedLink,
                "{url}"
            );
        }
    }
    for url in [
        "http://localhost:1",
        "http://127.0.0.9",
        "http://[::1]:1",
        "https://graph.example",
    ] {
        Setup::at(url, url).client();
    }
}

#[tokio::test]
async fn a_request_that_leads_away_from_the_endpoint_is_not_sent() {
    let canary = server(vec![page()]).await;
    let server = server(vec![page()]).await;
    let client = Setup::of(&server).client();
    let request = client.request(RequestKind::Users, format!("{}/v1.0/users", canary.url));
    let error = client.get(&request).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::RefusedLink);
    assert_eq!(canary.connections(), 0);
}
