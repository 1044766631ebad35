//! Nothing personal and nothing secret in any error, however it is printed.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::super::client::GraphClient;
use super::super::request::{GraphRequest, RequestKind};
use super::super::scripted_server::{
    Reply, SECRET, ScriptedServer, Setup, TOKEN, chain, in_turn, with_tokens,
};
use super::*;
use crate::model::parse_entity;

const EMAIL: &str = "ann@contoso.example";
const USER: &str = "8b081ef6-4792-4def-b2c9-c363a1bf41d5";
const JOIN_LINK: &str = "19%3ameeting_canary";

#[derive(Debug, Deserialize)]
struct Entity {
    #[expect(dead_code, reason = "its type is what a body fails at")]
    id: u32,
}

fn request(client: &GraphClient) -> GraphRequest {
    let url = client.url_with_query(
        &["users", USER, "onlineMeetings", EMAIL],
        &[("$filter", JOIN_LINK)],
    );
    client.request(RequestKind::FindMeeting, url)
}

async fn failure(reply: Reply) -> GraphError {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![reply]))).await;
    let mut setup = Setup::of(&server);
    setup.policy.transport.read = Duration::from_millis(30);
    let client = setup.client();
    let read = |body: &Bytes| parse_entity::<Entity>(body);
    client
        .get_with(&request(&client), read)
        .await
        .map(|_| ())
        .unwrap_err()
}

/// Error objects as Graph writes them, with everything that must not be shown.
fn personal(status: u16) -> Reply {
    Reply::status(status).body(format!(
        r#"{{"error":{{"code":"User {EMAIL} \u001b[31m","message":"{USER} {EMAIL} Bearer {TOKEN}","innerError":{{"request-id":"{EMAIL}","date":"{USER}"}}}}}}"#
    ))
}

#[tokio::test]
async fn fault_90_no_error_shows_who_or_what_was_asked_for() {
    let elsewhere = format!("https://evil.example/{EMAIL}?{TOKEN}");
    let faults = [
        personal(400),
        personal(401),
        personal(401).header("www-authenticate", format!("Bearer claims=\"{TOKEN}\"")),
        personal(403),
        personal(404),
        personal(429),
        personal(429).header("retry-after", "1000000"),
        personal(503),
        personal(200),
        Reply::status(302).header("location", elsewhere),
        Reply::status(204),
        Reply::ok(format!(r#"{{"id":"{EMAIL}"}}"#)),
        Reply::ok(format!(r#""{EMAIL}""#)),
        Reply::ok(EMAIL),
        Reply::ok(EMAIL).header("content-encoding", "gzip"),
        Reply::ok(EMAIL).length(1000),
        Reply::ok(EMAIL).length(1000).then_stall(),
        Reply::ok(EMAIL.repeat(10_000)),
    ];
    let mut reasons = std::collections::BTreeSet::new();
    for fault in faults {
        let error = failure(fault.clone()).await;
        reasons.insert(error.reason());
        let shown = format!("{}\n{error:?}\n{:?}", chain(&error), error.hint());
        for canary in [EMAIL, USER, SECRET, TOKEN, "canary", "contoso", "\u{1b}"] {
            assert!(!shown.contains(canary), "{canary} of {fault:?} in {shown}");
        }
    }
    assert_eq!(reasons.len(), 12, "{reasons:?}");
}

#[tokio::test]
async fn messages_say_where_how_often_and_why() {
    let forbidden = Reply::status(403).body(
        r#"{"error":{"code":"Forbidden","message":"No application access policy found for this app","innerError":{"request-id":"7f0c"}}}"#,
    );
    let mut text = String::new();
    for reply in [
        forbidden,
        Reply::ok(r#"{"id":"x"}"#),
        Reply::ok(r#"{"id":"#),
        Reply::status(302),
        Reply::status(206).body("{}"),
        Reply::ok("x").header("content-encoding", "gzip"),
        Reply::ok(" ".repeat(70_000)),
    ] {
        text.push_str(&chain(&failure(reply).await));
        text.push('\n');
    }
    insta::with_settings!({filters => [(r"\d+\.\ds", "[time]")]}, {
        insta::assert_snapshot!(text, @r#"
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 1 try in [time]
          Graph answered 403 Forbidden (code `Forbidden`, request-id 7f0c)
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 3 tries in [time]
          the answer is not what was asked for
          another shape at line 1 column 9
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 3 tries in [time]
          the answer is not what was asked for
          cut short at line 1 column 6
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 1 try in [time]
          the server redirects elsewhere (status 302); redirects are not followed
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 3 tries in [time]
          the answer (status 206) has no whole body
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 3 tries in [time]
          the answer is not what was asked for
          error decoding response body
          request or response body error
          request or response body error
          Invalid gzip header
        GET /v1.0/users/<redacted>/onlineMeetings/<redacted> failed after 1 try in [time]
          the answer is larger than 65536 bytes
        "#);
    });
}
