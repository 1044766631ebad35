//! A token that Graph wants renewed, by each way to sign in; and the identity service of Azure Arc, which asks back itself.

use secrecy::SecretString;

use super::super::error::FailureReason;
use super::super::scripted_server::{
    Asked, Reply, ScriptedServer, Setup, TOKEN, chain, in_turn, token, with_tokens,
};
use super::*;
use crate::job::auth::{Credentials, IdentityService};

fn page() -> Reply {
    Reply::ok(r#"{"value":[]}"#)
}

async fn get(client: &GraphClient) -> Result<Bytes, GraphError> {
    let url = client.url(&["users"]);
    client.get(&client.request(RequestKind::Users, url)).await
}

fn machine(service: IdentityService) -> Credentials {
    Credentials::ManagedIdentity {
        client_id: None,
        service,
        resource: "https://graph.microsoft.com/".to_owned(),
    }
}

/// Graph asks for claims once, and then lets everybody in.
async fn challenging() -> ScriptedServer {
    let challenge = Reply::status(401).header(
        "www-authenticate",
        "Bearer error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ\"",
    );
    ScriptedServer::start(with_tokens(in_turn(vec![challenge, page()]))).await
}

/// What asked for the token after the challenge.
async fn second_sign_in(server: &ScriptedServer, credentials: Credentials) -> Asked {
    let mut setup = Setup::of(server);
    setup.auth.credentials = credentials;
    get(&setup.client()).await.unwrap();
    let mut tokens = server.every_request();
    tokens.retain(Asked::is_for_a_token);
    assert_eq!(tokens.len(), 2);
    tokens.remove(1)
}

#[tokio::test]
async fn fault_38_each_way_to_sign_in_meets_a_challenge_as_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "a.b.c").unwrap();
    let workload = Credentials::WorkloadIdentity {
        client_id: "client".to_owned(),
        token_file,
    };
    let asked = second_sign_in(&challenging().await, workload).await;
    assert!(
        asked
            .body
            .ends_with("&claims=%7B%22access_token%22%3A%7B%7D%7D")
    );

    // identity services take no claims, and keep tokens: they are told that this one is worth nothing
    let server = challenging().await;
    let imds = IdentityService::Imds(server.url.parse().unwrap());
    let asked = second_sign_in(&server, machine(imds)).await;
    assert!(
        asked.target.ends_with("&bypass_cache=true"),
        "{}",
        asked.target
    );
    let server = challenging().await;
    let service = IdentityService::AppService {
        endpoint: format!("{}/msi/token", server.url).parse().unwrap(),
        header: SecretString::from("x"),
    };
    let asked = second_sign_in(&server, machine(service)).await;
    let (_, hash) = asked
        .target
        .split_once("&token_sha256_to_refresh=")
        .unwrap();
    // of the first token
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{TOKEN}-0").as_bytes());
    let expected = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    assert_eq!(hash, expected.collect::<String>());
}

#[tokio::test]
async fn fault_38_a_ready_token_cannot_meet_a_challenge() {
    let server = challenging().await;
    let mut setup = Setup::of(&server);
    setup.auth.credentials = Credentials::AccessToken {
        access_token: SecretString::from("opaque"),
    };
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Unauthorized);
    assert!(error.hint().unwrap().contains("put a new access token"));
    assert_eq!((server.token_requests(), server.asked().len()), (0, 1));
}

/// An agent that names a key file, and hands out a token to whoever shows what is in it.
async fn agent(named: String) -> ScriptedServer {
    ScriptedServer::start(move |asked: &Asked| {
        if !asked.is_for_a_token() {
            page()
        } else if asked.header("authorization") == Some("Basic canary-key") {
            token("of-arc", 3599)
        } else {
            Reply::status(401).header("www-authenticate", format!("Basic realm={named}"))
        }
    })
    .await
}

fn arc_client(server: &ScriptedServer, key_folder: &std::path::Path) -> GraphClient {
    let mut setup = Setup::of(server);
    let endpoint = format!("{}/metadata/identity/oauth2/token", server.url);
    setup.auth.credentials = machine(IdentityService::Arc {
        endpoint: endpoint.parse().unwrap(),
        key_folder: key_folder.to_owned(),
    });
    setup.client()
}

#[tokio::test]
async fn the_agent_of_azure_arc_is_shown_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("1.key");
    std::fs::write(&key, "canary-key").unwrap();
    let server = agent(key.display().to_string()).await;
    let client = arc_client(&server, folder.path());
    get(&client).await.unwrap();
    let asked = server.every_request();
    for asked in &asked[..2] {
        assert_eq!(
            asked.target,
            "/metadata/identity/oauth2/token?api-version=2019-11-01&resource=https%3A%2F%2Fgraph.microsoft.com%2F"
        );
        assert_eq!(asked.header("metadata"), Some("true"));
    }
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[2].token(), Some("of-arc"));
    assert!(!format!("{client:?}").contains("canary"));
}

#[tokio::test]
async fn an_agent_that_names_another_file_is_shown_nothing_and_the_cause_is_named() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let foreign = elsewhere.path().join("1.key");
    std::fs::write(&foreign, "canary-key").unwrap();
    for named in [foreign, folder.path().join("missing.key")] {
        let server = agent(named.display().to_string()).await;
        let error = get(&arc_client(&server, folder.path())).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::Unauthorized);
        assert!(chain(&error).contains("Azure Arc"), "{}", chain(&error));
        assert!(error.hint().unwrap().contains("himds"));
        assert_eq!(server.token_requests(), 1);
    }
}
