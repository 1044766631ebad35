//! A user signs in: what is asked, what is shown, and how it ends.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::super::error::FailureReason;
use super::super::scripted_server::{Asked, Reply, ScriptedServer, Setup, TENANT, chain, in_turn};
use super::*;
use crate::job::auth::Credentials;

const SCOPE: &str = "https://graph.microsoft.com/User.Read offline_access";

/// What `/devicecode` answers; an interval of 0 makes a test quick.
fn code(interval: u32, expires_in: u32) -> Reply {
    Reply::ok(format!(
        r#"{{"user_code":"ABCD1234","device_code":"canary-code","verification_uri":"https://microsoft.com/devicelogin","expires_in":{expires_in},"interval":{interval},"message":"Open it and enter ABCD1234."}}"#
    ))
}

fn refusal(error: &str) -> Reply {
    Reply::status(400).body(format!(r#"{{"error":"{error}","error_codes":[70016]}}"#))
}

fn token() -> Reply {
    Reply::ok(
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"canary-access","refresh_token":"canary-refresh"}"#,
    )
}

/// Answers `/devicecode` with `code`, and polls with these in turn.
async fn host(code: Reply, polls: Vec<Reply>) -> ScriptedServer {
    let polls = in_turn(polls);
    ScriptedServer::start(move |asked: &Asked| {
        if asked.target.ends_with("/devicecode") {
            code.clone()
        } else {
            polls(asked)
        }
    })
    .await
}

struct LoggedIn {
    outcome: Result<SignedIn, GraphError>,
    shown: Vec<DeviceCodePrompt>,
}

async fn log_in(server: &ScriptedServer, folder: &Path) -> LoggedIn {
    let mut setup = Setup::of(server);
    setup.auth.scope = SCOPE.to_owned();
    setup.auth.credentials = Credentials::DeviceCode {
        client_id: "client".to_owned(),
        state_folder: folder.join("teamsheet"),
    };
    let mut shown = Vec::new();
    let client = setup.client();
    let outcome = client.log_in(|prompt| shown.push(prompt.clone())).await;
    let printed = format!("{outcome:?} {client:?}");
    assert!(!printed.contains("canary"), "{printed}");
    LoggedIn { outcome, shown }
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("teamsheet")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_code_is_shown_polled_for_and_its_sign_in_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let pending = || refusal("authorization_pending");
    let server = host(code(0, 900), vec![pending(), pending(), token()]).await;
    let LoggedIn { outcome, shown } = log_in(&server, folder.path()).await;
    let signed_in = outcome.unwrap();
    assert_eq!(signed_in.tenant.as_str(), TENANT);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].message, "Open it and enter ABCD1234.");
    assert_eq!(shown[0].user_code, "ABCD1234");
    assert_eq!(
        shown[0].verification_uri,
        "https://microsoft.com/devicelogin"
    );

    let asked = server.every_request();
    assert_eq!(asked[0].target, format!("/{TENANT}/oauth2/v2.0/devicecode"));
    assert_eq!(
        asked[0].body,
        "client_id=client&scope=https%3A%2F%2Fgraph.microsoft.com%2FUser.Read+offline_access"
    );
    assert_eq!(asked.len(), 4);
    for poll in &asked[1..] {
        assert_eq!(poll.target, format!("/{TENANT}/oauth2/v2.0/token"));
        assert_eq!(
            poll.body,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&client_id=client&device_code=canary-code"
        );
    }
    assert_eq!(
        kept(folder.path()),
        std::slice::from_ref(&signed_in.kept_in)
    );
    let text = std::fs::read_to_string(&signed_in.kept_in).unwrap();
    assert!(text.contains("canary-refresh") && !text.contains("canary-access"));
}

#[tokio::test]
async fn a_host_that_is_busy_or_broken_is_polled_on() {
    let folder = tempfile::tempdir().unwrap();
    let polls = vec![
        Reply::status(503).body("<html>"),
        token().length(500),
        refusal("authorization_pending"),
        token(),
    ];
    let server = host(code(0, 900), polls).await;
    log_in(&server, folder.path()).await.outcome.unwrap();
    assert_eq!(server.every_request().len(), 5);
}

#[tokio::test]
async fn what_ends_a_sign_in_is_told_and_nothing_is_kept() {
    for (poll, expected) in [
        (
            refusal("authorization_declined"),
            "the sign-in was declined",
        ),
        (refusal("access_denied"), "the sign-in was declined"),
        (
            refusal("expired_token"),
            "nobody entered the code while it was good",
        ),
        (
            refusal("bad_verification_code"),
            "code `bad_verification_code",
        ),
        (Reply::ok("{}"), "`access_token` is missing"),
        (
            Reply::ok(r#"{"expires_in":3599,"access_token":"canary-access"}"#),
            "`refresh_token` is missing",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = host(code(0, 900), vec![poll]).await;
        let error = log_in(&server, folder.path()).await.outcome.unwrap_err();
        assert_eq!(error.reason(), FailureReason::Unauthorized, "{expected}");
        assert!(!error.is_transient());
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(error.hint().unwrap().contains("teamsheet login --job FILE"));
        assert_eq!(server.every_request().len(), 2, "{expected}");
        assert!(kept(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn a_host_that_wants_it_slower_is_polled_slower_and_never_past_the_end_of_the_code() {
    let folder = tempfile::tempdir().unwrap();
    // five seconds more than the interval would be past the end
    let server = host(code(0, 1), vec![refusal("slow_down"), token()]).await;
    let began = Instant::now();
    let error = log_in(&server, folder.path()).await.outcome.unwrap_err();
    assert!(
        chain(&error).contains("nobody entered the code"),
        "{}",
        chain(&error)
    );
    assert_eq!(server.every_request().len(), 2);
    assert!(began.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_refused_or_unreadable_code_is_told() {
    for (answer, expected) in [
        (
            Reply::status(400).body(r#"{"error":"unauthorized_client","error_codes":[700016]}"#),
            "AADSTS700016",
        ),
        (Reply::ok("<html>"), "it is no JSON"),
        (
            Reply::ok(r#"{"device_code":"canary-code"}"#),
            "`user_code` is missing",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = host(answer, vec![token()]).await;
        let LoggedIn { outcome, shown } = log_in(&server, folder.path()).await;
        let error = outcome.unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert_eq!((server.every_request().len(), shown.len()), (1, 0));
    }
}

#[tokio::test]
async fn without_a_message_the_address_and_the_code_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Reply::ok(
        r#"{"user_code":"AB","device_code":"canary-code","verification_url":"https://example.org/go","interval":"0","expires_in":"900"}"#,
    );
    let server = host(bare, vec![token()]).await;
    let shown = log_in(&server, folder.path()).await.shown;
    assert_eq!(
        shown[0].message,
        "To sign in, open https://example.org/go in a browser and enter the code AB"
    );
}

#[tokio::test]
async fn a_sign_in_that_cannot_be_kept_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("teamsheet"), "").unwrap();
    let server = host(code(0, 900), vec![token()]).await;
    let error = log_in(&server, folder.path()).await.outcome.unwrap_err();
    assert!(
        chain(&error).contains("cannot be written"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_kept_sign_in_is_read_back_and_is_of_one_host_tenant_and_app() {
    use super::super::kept_sign_in::KeptSignIn;
    let folder = tempfile::tempdir().unwrap();
    let auth = |authority: &str| Setup::at("http://localhost:1", authority).auth;
    let (one, other) = (auth("http://localhost:1"), auth("http://localhost:2"));
    let kept = KeptSignIn::new(folder.path(), &one, "client");
    assert!(kept.read().unwrap().is_none());
    kept.write(&"first".into()).unwrap();
    kept.write(&"second".into()).unwrap();
    assert_eq!(kept.read().unwrap().unwrap().expose_secret(), "second");
    for stranger in [
        KeptSignIn::new(folder.path(), &other, "client"),
        KeptSignIn::new(folder.path(), &one, "another"),
    ] {
        assert!(stranger.read().unwrap().is_none());
    }
    std::fs::write(kept.path(), "{}").unwrap();
    assert_eq!(
        kept.read().unwrap_err().kind(),
        std::io::ErrorKind::InvalidData
    );
}
