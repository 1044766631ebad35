//! Tokens: when one is asked for, and what happens where there is none.

use std::time::Duration;

use super::super::error::{Cause, FailureReason};
use super::super::scripted_server::{
    Reply, SECRET, ScriptedServer, Setup, TENANT, TOKEN, chain, in_turn, token, with_tokens,
};
use super::*;

fn page() -> Reply {
    Reply::ok(r#"{"value":[]}"#)
}

async fn get(client: &GraphClient) -> Result<Bytes, GraphError> {
    let url = client.url(&["users"]);
    client.get(&client.request(RequestKind::Users, url)).await
}

/// Answers token requests with these in turn, everything else with an empty page.
async fn sign_in_host(replies: Vec<Reply>) -> ScriptedServer {
    let tokens = in_turn(replies);
    ScriptedServer::start(move |asked| {
        if asked.is_for_a_token() {
            tokens(asked)
        } else {
            page()
        }
    })
    .await
}

/// Refuses the first so many requests.
async fn refusing(times: usize) -> ScriptedServer {
    let replies = std::iter::repeat_n(Reply::status(401), times).chain([page()]);
    ScriptedServer::start(with_tokens(in_turn(replies.collect()))).await
}

#[tokio::test]
async fn one_token_serves_all_requests() {
    let server = refusing(0).await;
    let client = Setup::of(&server).client();
    let answers = futures::future::join_all((0..8).map(|_| get(&client))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.token_requests(), 1);
    assert_eq!(client.meter().by_kind["token"], 1);
    assert!(server.asked()[0].token().unwrap().starts_with(TOKEN));
}

#[tokio::test]
async fn fault_37_a_refused_token_is_renewed_once_and_the_request_repeated() {
    let server = refusing(1).await;
    get(&Setup::of(&server).client()).await.unwrap();
    let asked = server.asked();
    assert_eq!(server.token_requests(), 2);
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].token(), asked[1].token());
}

#[tokio::test]
async fn fault_37_one_renewal_serves_all_that_were_refused_the_old_token() {
    let server = ScriptedServer::start(with_tokens(|asked| {
        if asked.token() == Some("canary-token-0") {
            Reply::status(401).after(Duration::from_millis(30))
        } else {
            page()
        }
    }))
    .await;
    let client = Setup::of(&server).client();
    let answers = futures::future::join_all((0..4).map(|_| get(&client))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn fault_37_a_token_that_is_always_refused_is_no_loop() {
    let server = refusing(1000).await;
    let error = get(&Setup::of(&server).client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(!error.is_transient());
    assert_eq!(server.token_requests(), 2);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn fault_37_however_many_requests_are_refused_two_tokens_tell_enough() {
    let server = refusing(1000).await;
    let client = Setup::of(&server).client();
    for _ in 0..3 {
        let answers = futures::future::join_all((0..4).map(|_| get(&client))).await;
        for answer in answers {
            assert_eq!(answer.unwrap_err().reason(), FailureReason::Unauthorized);
        }
    }
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn fault_37_tokens_that_are_revoked_again_and_again_are_renewed_again_and_again() {
    let replies = (0..4).flat_map(|_| [page(), Reply::status(401)]);
    let server = ScriptedServer::start(with_tokens(in_turn(replies.collect()))).await;
    let client = Setup::of(&server).client();
    for _ in 0..4 {
        get(&client).await.unwrap();
    }
    assert_eq!(server.token_requests(), 4);
}

fn challenge() -> Reply {
    Reply::status(401)
        .header("www-authenticate", "Basic realm=\"x\"")
        .header(
            "www-authenticate",
            "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"",
        )
        .body(r#"{"error":{"code":"InvalidAuthenticationToken","message":"for ann@contoso.example"}}"#)
}

#[tokio::test]
async fn fault_38_a_claims_challenge_is_met_by_a_sign_in_with_those_claims() {
    // at once, and after the token was let in for a while
    for before in [0, 2] {
        let replies = std::iter::repeat_n(page(), before).chain([challenge(), page()]);
        let server = ScriptedServer::start(with_tokens(in_turn(replies.collect()))).await;
        let client = Setup::of(&server).client();
        for _ in 0..=before {
            get(&client).await.unwrap();
        }
        let tokens = server.every_request();
        let tokens: Vec<_> = tokens
            .iter()
            .filter(|asked| asked.is_for_a_token())
            .collect();
        assert_eq!(tokens.len(), 2);
        assert!(!tokens[0].body.contains("claims="));
        assert!(
            tokens[1]
                .body
                .ends_with("&claims=%7B%22access_token%22%3A%7B%7D%7D")
        );
    }
}

#[tokio::test]
async fn fault_38_a_token_that_was_revoked_and_then_wants_claims_is_renewed_for_both() {
    let replies = vec![Reply::status(401), challenge(), page()];
    let server = ScriptedServer::start(with_tokens(in_turn(replies))).await;
    let client = Setup::of(&server).client();
    // one token in a row that nobody has let in is enough
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    let replies = vec![page(), Reply::status(401), challenge(), page()];
    let server = ScriptedServer::start(with_tokens(in_turn(replies))).await;
    let client = Setup::of(&server).client();
    for _ in 0..2 {
        get(&client).await.unwrap();
    }
    assert_eq!(server.token_requests(), 3);
}

#[tokio::test]
async fn fault_38_claims_that_are_asked_for_again_are_told_and_are_no_loop() {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![challenge()]))).await;
    let error = get(&Setup::of(&server).client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert_eq!(server.asked().len(), 2);
    assert_eq!(server.token_requests(), 2);
    assert_eq!(error.graph_code(), Some("InvalidAuthenticationToken"));
    insta::with_settings!({filters => [(r"\d+\.\ds", "[time]")]}, {
        insta::assert_snapshot!(chain(&error), @r#"
        GET /v1.0/users failed after 2 tries in [time]
          Graph refuses the token and asks to sign in anew (claims challenge)
        "#);
    });
}

/// Refuses one mailbox, and lets the token in elsewhere as long as `is_good` says so of the number of a request.
async fn refusing_a_mailbox(is_good: fn(usize) -> bool) -> ScriptedServer {
    ScriptedServer::start(with_tokens(move |asked| {
        if asked.target.contains("calendarView") || !is_good(asked.number) {
            Reply::status(401)
        } else {
            page()
        }
    }))
    .await
}

async fn calendar(client: &GraphClient) -> Result<Bytes, GraphError> {
    let url = client.url(&["users", "a", "calendarView"]);
    let request = client.request(RequestKind::CalendarView, url);
    client.get(&request).await
}

#[tokio::test]
async fn a_token_that_one_mailbox_refuses_and_others_let_in_is_missing_there_only() {
    let server = refusing_a_mailbox(|_| true).await;
    let client = Setup::of(&server).client();
    get(&client).await.unwrap();
    let error = calendar(&client).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.cause(), error.status()),
        (
            FailureReason::BadResponse,
            Cause::TokenRefusedHere,
            Some(401)
        )
    );
    assert!(!error.ends_the_run() && error.is_transient());
    assert!(
        error
            .hint()
            .unwrap()
            .contains("lets the token in elsewhere")
    );
    get(&client).await.unwrap();
}

#[tokio::test]
async fn a_token_that_nothing_lets_in_any_more_ends_the_run() {
    // token, users, mailbox, token, mailbox, and then the users that it is tried on
    let server = refusing_a_mailbox(|number| number < 2).await;
    let client = Setup::of(&server).client();
    get(&client).await.unwrap();
    let error = calendar(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(error.ends_the_run());
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn fault_42_a_token_is_renewed_before_it_ends() {
    let server = sign_in_host(vec![token("short", 1), token("long", 3599)]).await;
    let client = Setup::of(&server).client();
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(server.token_requests(), 1);
    // a token of one second is renewed at half of its life
    tokio::time::sleep(Duration::from_millis(510)).await;
    get(&client).await.unwrap();
    assert_eq!(server.token_requests(), 2);
    let tokens: Vec<_> = server
        .asked()
        .iter()
        .filter_map(|asked| asked.token().map(str::to_owned))
        .collect();
    assert_eq!(tokens, ["short", "short", "long"]);
}

#[tokio::test]
async fn fault_42_a_token_that_ends_during_a_wait_is_not_sent() {
    let asked = in_turn(vec![Reply::status(429).header("retry-after", "1"), page()]);
    let tokens = in_turn(vec![token("short", 1), token("long", 3599)]);
    let server = ScriptedServer::start(move |request| {
        if request.is_for_a_token() {
            tokens(request)
        } else {
            asked(request)
        }
    })
    .await;
    let client = Setup::of(&server).client();
    let (first, second) = tokio::join!(get(&client), async {
        super::super::scripted_server::until(|| client.meter().throttled_responses == 1).await;
        get(&client).await
    });
    first.unwrap();
    second.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].token(), Some("short"));
    for later in &asked[1..] {
        assert_eq!(later.token(), Some("long"));
    }
}

#[tokio::test]
async fn fault_43_a_sign_in_host_that_is_busy_or_broken_is_asked_again() {
    let html = || Reply::status(500).body("<html>");
    let cut = token("cut", 3599).length(500);
    let replies = vec![Reply::status(429), html(), cut, token("good", 3599)];
    let server = sign_in_host(replies).await;
    get(&Setup::of(&server).client()).await.unwrap();
    assert_eq!(server.token_requests(), 4);
    assert_eq!(server.asked()[0].token(), Some("good"));
}

#[tokio::test]
async fn fault_43_a_sign_in_host_that_stays_broken_is_told_with_its_reason() {
    for (status, reason) in [
        (429, FailureReason::Throttled),
        (500, FailureReason::ServerError),
        (503, FailureReason::ServerError),
    ] {
        let server = sign_in_host(vec![Reply::status(status)]).await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert!(error.is_transient());
        assert_eq!(server.token_requests(), error.tries() as usize);
        assert!(server.asked().is_empty());
    }
}

#[tokio::test]
async fn fault_43_credentials_that_are_refused_are_not_tried_again() {
    let refusal = Reply::status(401).body(format!(
        r#"{{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: {SECRET} of ann@contoso.example","trace_id":"t-1"}}"#
    ));
    let server = sign_in_host(vec![refusal]).await;
    let setup = Setup::of(&server);
    let error = setup.client().sign_in().await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert_eq!(server.token_requests(), 1);
    assert!(error.hint().unwrap().contains("make a new client secret"));
    assert!(!format!("{error:?}").contains("canary"));
    assert!(!format!("{setup:?} {:?}", setup.client()).contains("canary"));
    let filters = [(r"\d+\.\ds", "[time]"), (r":\d+ failed", ":[port] failed")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(chain(&error), @r#"
        signing in at http://127.0.0.1:[port] failed after 1 try in [time]
          the sign-in host answered 401 (code `invalid_client, AADSTS7000215`)
        "#);
    });
}

#[tokio::test]
async fn fault_43_an_answer_without_a_usable_token_ends_it() {
    for body in [
        "<html>",
        "{}",
        r#"{"access_token":"","expires_in":3599}"#,
        r#"{"access_token":"canary-token"}"#,
        r#"{"access_token":"canary-token","expires_in":0}"#,
        r#"{"access_token":"canary\ntoken","expires_in":3599}"#,
    ] {
        let server = sign_in_host(vec![Reply::ok(body)]).await;
        let error = get(&Setup::of(&server).client()).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::Unauthorized, "{body}");
        assert_eq!(server.token_requests(), 1, "{body}");
        let shown = format!("{error:?} {}", chain(&error));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn what_is_asked_for_a_token_is_the_documented_form() {
    let server = refusing(0).await;
    let mut setup = Setup::of(&server);
    setup.auth.tenant = "contoso.example".to_owned();
    get(&setup.client()).await.unwrap();
    let asked = server.every_request();
    assert_eq!(asked[0].target, "/contoso.example/oauth2/v2.0/token");
    assert_eq!(
        asked[0].body,
        "grant_type=client_credentials&client_id=client&client_secret=canary-secret&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    );
}

#[tokio::test]
async fn fault_56_a_sign_in_host_that_redirects_gets_no_secret_elsewhere() {
    let canary = refusing(0).await;
    let away = Reply::status(307).header("location", canary.url.clone());
    let server = sign_in_host(vec![away]).await;
    let error = get(&Setup::of(&server).client()).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn the_tenant_comes_from_the_token_else_from_the_job() {
    // {"tid":"0000000A-0000-0000-0000-000000000000"}
    let readable = "h.eyJ0aWQiOiIwMDAwMDAwQS0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ.s";
    for (given, configured, expected) in [
        (
            readable,
            "contoso.example",
            "0000000a-0000-0000-0000-000000000000",
        ),
        ("opaque", &TENANT.to_ascii_uppercase(), TENANT),
    ] {
        let server = sign_in_host(vec![token(given, 3599)]).await;
        let mut setup = Setup::of(&server);
        configured.clone_into(&mut setup.auth.tenant);
        let tenant = setup.client().sign_in().await.unwrap();
        assert_eq!(tenant.as_str(), expected);
    }
}

#[tokio::test]
async fn an_opaque_token_for_a_domain_names_no_tenant() {
    let server = sign_in_host(vec![token("opaque", 3599)]).await;
    let mut setup = Setup::of(&server);
    "contoso.example".clone_into(&mut setup.auth.tenant);
    let error = setup.client().sign_in().await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    let filters = [(r"\d+\.\ds", "[time]"), (r":\d+ failed", ":[port] failed")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(chain(&error), @r#"
        signing in at http://127.0.0.1:[port] failed after 1 try in [time]
          the sign-in host's answer holds no token that can be used: it names no tenant; write the tenant's GUID into `[tenant] id`
        "#);
    });
}
