//! Each way to sign in: what is asked, word for word, and what happens where it fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use secrecy::SecretString;
use serde_json::Value;

use super::super::error::FailureReason;
use super::super::scripted_server::{
    Asked, Reply, ScriptedServer, Setup, TENANT, chain, in_turn, token,
};
use super::*;
use crate::job::auth::{Credentials, IdentityService};
use crate::job::certificate::Certificate;
use crate::time::SECOND;

/// Made once: an RSA key takes a while.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());

fn page() -> Reply {
    Reply::ok(r#"{"value":[]}"#)
}

async fn get(client: &GraphClient) -> Result<Bytes, GraphError> {
    let url = client.url(&["users"]);
    client.get(&client.request(RequestKind::Users, url)).await
}

/// Answers sign-ins with these in turn, everything else with an empty page.
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

fn client(server: &ScriptedServer, credentials: Credentials) -> GraphClient {
    setup(server, credentials).client()
}

fn setup(server: &ScriptedServer, credentials: Credentials) -> Setup {
    let mut setup = Setup::of(server);
    setup.auth.credentials = credentials;
    setup
}

/// One field of the form that a request carried.
fn field(asked: &Asked, name: &str) -> String {
    let fields = url::form_urlencoded::parse(asked.body.as_bytes());
    let mut found = fields.filter(|(known, _)| known == name);
    found
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn certificate() -> Credentials {
    let params = CertificateParams::new(vec!["teamsheet".to_owned()]).unwrap();
    let pem = params.self_signed(&*KEY).unwrap().pem() + &KEY.serialize_pem();
    Credentials::Certificate {
        client_id: "client".to_owned(),
        certificate: Certificate::read(&SecretString::from(pem)).unwrap(),
    }
}

/// The claims of an assertion, once its signature has been checked.
fn claims(assertion: &str) -> Value {
    let mut validation = Validation::new(Algorithm::PS256);
    validation.validate_aud = false;
    validation.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(KEY.public_key_pem().as_bytes()).unwrap();
    decode::<Value>(assertion, &key, &validation)
        .unwrap()
        .claims
}

#[tokio::test]
async fn a_certificate_signs_what_the_documentation_asks_for() {
    let server = sign_in_host(vec![token("a", 1), token("b", 3599)]).await;
    let credentials = certificate();
    let Credentials::Certificate { certificate, .. } = &credentials else {
        unreachable!()
    };
    let thumbprint = certificate.thumbprint().to_owned();
    let client = client(&server, credentials);
    get(&client).await.unwrap();
    tokio::time::sleep(Duration::from_millis(510)).await;
    get(&client).await.unwrap();
    let asked = server.every_request();
    let (first, second) = (&asked[0], &asked[2]);
    assert_eq!(first.target, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(field(first, "grant_type"), "client_credentials");
    assert_eq!(field(first, "client_id"), "client");
    assert_eq!(field(first, "client_secret"), "");
    assert_eq!(
        field(first, "scope"),
        "https://graph.microsoft.com/.default"
    );
    assert_eq!(
        field(first, "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let assertion = field(first, "client_assertion");
    let header = decode_header(&assertion).unwrap();
    assert_eq!(header.alg, Algorithm::PS256);
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    assert_eq!(header.x5t_s256, Some(thumbprint));
    let one = claims(&assertion);
    assert_eq!(
        one["aud"],
        format!("{}/{TENANT}/oauth2/v2.0/token", server.url)
    );
    assert_eq!(
        (&one["iss"], &one["sub"]),
        (&"client".into(), &"client".into())
    );
    let seconds = |name: &str| one[name].as_i64().unwrap();
    assert_eq!(seconds("exp") - seconds("nbf"), 600);
    assert_eq!(seconds("iat"), seconds("nbf"));
    assert!((seconds("nbf") - jiff::Timestamp::now().as_second()).abs() < 60);
    let jti = one["jti"].as_str().unwrap();
    assert!(jti.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{jti}");
    assert_ne!(
        claims(&field(second, "client_assertion"))["jti"],
        one["jti"]
    );
}

#[tokio::test]
async fn fault_88_a_certificate_signs_for_the_servers_time_where_this_machine_is_wrong() {
    fn yesterday() -> UtcMicros {
        UtcMicros::from(jiff::Timestamp::now()).plus(-86_400 * SECOND)
    }
    let now = jiff::Timestamp::now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let outside = Reply::status(401)
        .header("date", date.clone())
        .body(r#"{"error":"invalid_client","error_codes":[700024]}"#);
    let server = sign_in_host(vec![outside.clone(), token("good", 3599)]).await;
    let mut setup = setup(&server, certificate());
    setup.clock = yesterday;
    get(&setup.client()).await.unwrap();
    let asked = server.every_request();
    assert_eq!(server.token_requests(), 2);
    let nbf = |asked: &Asked| {
        claims(&field(asked, "client_assertion"))["nbf"]
            .as_i64()
            .unwrap()
    };
    assert!(nbf(&asked[0]) < now.as_second() - 86_000);
    assert!((nbf(&asked[1]) - now.as_second()).abs() < 60);

    // refused again, with the right time: another try would change nothing
    let server = sign_in_host(vec![outside]).await;
    setup.auth.authority = server.url.parse().unwrap();
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(
        (error.reason(), server.token_requests()),
        (FailureReason::Unauthorized, 2)
    );
    assert!(error.hint().unwrap().contains("set the clock"));
}

#[tokio::test]
async fn fault_88_a_token_lives_by_the_monotonic_clock() {
    for off in [
        || UtcMicros::from(jiff::Timestamp::now()).plus(600 * SECOND),
        || UtcMicros::from(jiff::Timestamp::now()).plus(-86_400 * SECOND),
        || UtcMicros::from(jiff::Timestamp::now()).plus(86_400 * SECOND),
    ] as [fn() -> UtcMicros; 3]
    {
        let server = sign_in_host(vec![token("a", 3599)]).await;
        let mut setup = Setup::of(&server);
        setup.clock = off;
        let client = setup.client();
        for _ in 0..3 {
            get(&client).await.unwrap();
        }
        assert_eq!(server.token_requests(), 1);
    }
}

#[tokio::test]
async fn the_token_of_a_workload_is_read_again_at_every_renewal() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let server = sign_in_host(vec![token("a", 1), token("b", 3599)]).await;
    let client = client(
        &server,
        Credentials::WorkloadIdentity {
            client_id: "client".to_owned(),
            token_file: token_file.clone(),
        },
    );
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(
        chain(&error).contains("the token file `"),
        "{}",
        chain(&error)
    );
    assert_eq!(server.connections(), 0);

    std::fs::write(&token_file, "first.canary.jwt\n").unwrap();
    get(&client).await.unwrap();
    std::fs::write(&token_file, "second.canary.jwt").unwrap();
    tokio::time::sleep(Duration::from_millis(510)).await;
    get(&client).await.unwrap();
    let asked = server.every_request();
    assert_eq!(field(&asked[0], "client_assertion"), "first.canary.jwt");
    assert_eq!(field(&asked[2], "client_assertion"), "second.canary.jwt");
    assert_eq!(
        field(&asked[0], "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(field(&asked[0], "client_id"), "client");
}

fn machine(service: IdentityService, client_id: Option<&str>) -> Credentials {
    Credentials::ManagedIdentity {
        client_id: client_id.map(str::to_owned),
        service,
        resource: "https://graph.microsoft.com/".to_owned(),
    }
}

#[tokio::test]
async fn a_machine_asks_its_identity_service_as_documented() {
    let text = r#"{"access_token":"machine","refresh_token":"","expires_in":"3599","expires_on":"1506484173","not_before":"1506480273","resource":"https://graph.microsoft.com/","token_type":"Bearer"}"#;
    for (id, query) in [(None, ""), (Some("own id"), "&client_id=own+id")] {
        let server = sign_in_host(vec![Reply::ok(text)]).await;
        let imds = IdentityService::Imds(server.url.parse().unwrap());
        get(&client(&server, machine(imds, id))).await.unwrap();
        let asked = server.every_request();
        assert_eq!(
            asked[0].target,
            format!(
                "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com%2F{query}"
            )
        );
        assert!(asked[0].head.starts_with("GET "));
        assert_eq!(asked[0].header("metadata"), Some("true"));
        assert_eq!(asked[1].token(), Some("machine"));
    }
}

#[tokio::test]
async fn app_service_is_asked_with_its_header_and_gives_only_the_end() {
    let end = jiff::Timestamp::now().as_second() + 3600;
    let answer = Reply::ok(format!(r#"{{"access_token":"site","expires_on":"{end}"}}"#));
    let server = sign_in_host(vec![answer]).await;
    let service = IdentityService::AppService {
        endpoint: format!("{}/msi/token", server.url).parse().unwrap(),
        header: SecretString::from("canary-header"),
    };
    let client = client(&server, machine(service, Some("own")));
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(server.token_requests(), 1);
    let asked = &server.every_request()[0];
    assert_eq!(
        asked.target,
        "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fgraph.microsoft.com%2F&client_id=own"
    );
    assert_eq!(asked.header("x-identity-header"), Some("canary-header"));
    assert_eq!(asked.header("metadata"), None);
    assert!(!format!("{client:?}").contains("canary"));
}

#[tokio::test]
async fn fault_43_an_identity_service_that_is_being_updated_is_asked_again() {
    let replies = [404, 410, 429, 500].map(Reply::status);
    let replies = replies.into_iter().take(3).chain([token("machine", 3599)]);
    let server = sign_in_host(replies.collect()).await;
    let imds = IdentityService::Imds(server.url.parse().unwrap());
    get(&client(&server, machine(imds, None))).await.unwrap();
    assert_eq!(server.token_requests(), 4);

    let server =
        sign_in_host(vec![Reply::status(400).body(
            r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
        )])
        .await;
    let imds = IdentityService::Imds(server.url.parse().unwrap());
    let error = get(&client(&server, machine(imds, None)))
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason(), server.token_requests()),
        (FailureReason::Unauthorized, 1)
    );
    assert!(error.hint().unwrap().contains("assign a managed identity"));
}

/// A ready token that ends so many seconds from now.
fn ready(seconds: i64) -> (String, Credentials) {
    use base64::Engine as _;
    let end = jiff::Timestamp::now().as_second() + seconds;
    let claims = format!(r#"{{"tid":"0A","exp":{end},"roles":["User.Read.All"]}}"#);
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    let token = format!("canary.{claims}.signature");
    let credentials = Credentials::AccessToken {
        access_token: SecretString::from(token.clone()),
    };
    (token, credentials)
}

#[tokio::test]
async fn a_ready_token_is_sent_as_it_is_and_names_its_tenant() {
    let server = sign_in_host(vec![Reply::status(500)]).await;
    let (token, credentials) = ready(3600);
    let client = client(&server, credentials);
    assert_eq!(client.sign_in().await.unwrap().as_str(), "0a");
    get(&client).await.unwrap();
    assert_eq!(server.token_requests(), 0);
    assert_eq!(server.asked()[0].token(), Some(token.as_str()));
}

#[tokio::test]
async fn fault_37_a_ready_token_that_is_refused_cannot_be_renewed() {
    let server = ScriptedServer::start(|_: &Asked| Reply::status(401)).await;
    let error = get(&client(&server, ready(3600).1)).await.unwrap_err();
    assert_eq!(
        (error.reason(), server.asked().len()),
        (FailureReason::Unauthorized, 1)
    );
    assert!(error.hint().unwrap().contains("put a new access token"));
}

#[tokio::test]
async fn fault_88_a_ready_token_ends_by_the_servers_clock() {
    // this machine believes that the token has long ended; the server does not
    let server = ScriptedServer::start(|_: &Asked| {
        let now = jiff::Timestamp::now();
        page().header(
            "date",
            now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        )
    })
    .await;
    let mut setup = setup(&server, ready(3600).1);
    setup.clock = || UtcMicros::from(jiff::Timestamp::now()).plus(86_400 * SECOND);
    let client = setup.client();
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(server.asked().len(), 2);

    // and now the other way round: after the first answer it is known that it has
    setup.auth.credentials = ready(-3600).1;
    setup.clock = || UtcMicros::from(jiff::Timestamp::now()).plus(-86_400 * SECOND);
    let client = setup.client();
    get(&client).await.unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(chain(&error).contains("the access token ended at"));
    assert_eq!(server.asked().len(), 3);
}

fn user(folder: &Path) -> Credentials {
    Credentials::DeviceCode {
        client_id: "client".to_owned(),
        state_folder: folder.join("state/teamsheet"),
    }
}

fn user_token(name: &str, lives: u32) -> Reply {
    Reply::ok(format!(
        r#"{{"token_type":"Bearer","expires_in":{lives},"access_token":"{name}","refresh_token":"canary-{name}"}}"#
    ))
}

#[tokio::test]
async fn without_a_sign_in_a_user_is_told_to_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = sign_in_host(vec![user_token("a", 3599)]).await;
    let error = get(&client(&server, user(folder.path())))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(
        error
            .hint()
            .unwrap()
            .contains("`teamsheet login --job FILE`")
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_users_sign_in_is_renewed_and_what_renews_it_next_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = sign_in_host(vec![user_token("second", 1), user_token("third", 3599)]).await;
    let setup = setup(&server, user(folder.path()));
    let client = setup.client();
    let kept = client.0.sign_in.kept().unwrap();
    kept.write(&SecretString::from("canary-first")).unwrap();
    get(&client).await.unwrap();
    tokio::time::sleep(Duration::from_millis(510)).await;
    get(&client).await.unwrap();
    let asked = server.every_request();
    assert_eq!(field(&asked[0], "grant_type"), "refresh_token");
    assert_eq!(field(&asked[0], "refresh_token"), "canary-first");
    assert_eq!(field(&asked[0], "client_id"), "client");
    assert_eq!(field(&asked[2], "refresh_token"), "canary-second");
    let text = std::fs::read_to_string(kept.path()).unwrap();
    assert!(text.contains("canary-third"), "{text}");
    let mode = std::fs::metadata(kept.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // another host never gets it
    let elsewhere = sign_in_host(vec![user_token("a", 3599)]).await;
    let other = self::setup(&elsewhere, user(folder.path())).client();
    get(&other).await.unwrap_err();
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_sign_in_that_no_longer_counts_is_told_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Reply::status(400).body(r#"{"error":"invalid_grant","error_codes":[700082]}"#);
    let server = sign_in_host(vec![ended]).await;
    let client = client(&server, user(folder.path()));
    let kept = client.0.sign_in.kept().unwrap();
    kept.write(&SecretString::from("canary-old")).unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!(
        (error.reason(), server.token_requests()),
        (FailureReason::Unauthorized, 1)
    );
    assert!(error.hint().unwrap().contains("teamsheet login"));
    assert!(kept.read().unwrap().is_some());
    // one that others may read is none
    std::fs::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = get(&client).await.unwrap_err();
    assert!(
        chain(&error).contains("other users may read it"),
        "{}",
        chain(&error)
    );
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn fault_91_a_panic_with_tokens_in_scope_shows_none() {
    let folder = tempfile::tempdir().unwrap();
    for credentials in [
        Credentials::ClientSecret {
            client_id: "client".to_owned(),
            client_secret: SecretString::from("canary-secret"),
        },
        certificate(),
        ready(3600).1,
        user(folder.path()),
    ] {
        let server = sign_in_host(vec![user_token("canary-token", 3599)]).await;
        let setup = setup(&server, credentials);
        let client = setup.client();
        if let Some(kept) = client.0.sign_in.kept() {
            kept.write(&SecretString::from("canary-first")).unwrap();
        }
        get(&client).await.unwrap();
        let token = client.0.token.lock().await.clone().unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let backtrace = std::backtrace::Backtrace::force_capture();
            panic!("{client:?} {:?} {token:?} {backtrace}", setup.auth);
        }));
        let message = caught.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("fault_91"), "no backtrace: {message}");
        let key = KEY.serialize_pem();
        let key = key.lines().nth(1).unwrap();
        assert!(
            !message.contains("canary") && !message.contains(key),
            "{message}"
        );
    }
}
