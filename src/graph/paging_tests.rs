//! Links to the next page: followed as they came, to the configured origin only, and never round in a circle.

use super::super::error::FailureReason;
use super::super::request::RequestKind;
use super::super::scripted_server::{Reply, ScriptedServer, Setup, in_turn, with_tokens};
use super::*;

fn page() -> Reply {
    Reply::ok(r#"{"value":[]}"#)
}

async fn server() -> ScriptedServer {
    ScriptedServer::start(with_tokens(in_turn(vec![page()]))).await
}

fn pager(server: &ScriptedServer) -> Pager {
    let client = Setup::of(server).client();
    let url = client.url(&["users"]);
    client.pager(client.request(RequestKind::Users, url))
}

/// Reads the first page and follows `link`, then the page behind it.
async fn follow(pager: &mut Pager, link: &str) -> Result<(), GraphError> {
    pager.next_page().await?;
    pager.follow(Some(link), false)?;
    pager.next_page().await.map(|_| ())
}

#[tokio::test]
async fn fault_55_a_link_that_leads_away_is_not_followed() {
    let canary = server().await;
    let server = server().await;
    let canary_port = canary.url.rsplit(':').next().unwrap();
    let host = server.url.strip_prefix("http://").unwrap();
    let links = [
        format!("{}/v1.0/users?$skiptoken=x", canary.url),
        canary.url.replace("http:", "https:"),
        server.url.replace("http:", "https:"),
        format!("http://user@{host}/v1.0/users"),
        format!("http://:password@{host}/v1.0/users"),
        format!("http://{host}@127.0.0.1:{canary_port}/v1.0/users"),
        format!("//127.0.0.1:{canary_port}/v1.0/users"),
        format!("/\\127.0.0.1:{canary_port}/v1.0/users"),
        format!("http://localhost:{canary_port}/v1.0/users"),
        format!("http://[::ffff:127.0.0.1]:{canary_port}/v1.0/users"),
        format!("http://2130706433:{canary_port}/v1.0/users"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://gr\u{430}ph.microsoft.com/v1.0/users".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:application/json,{}".to_owned(),
        "/v1.0/users".to_owned(),
        String::new(),
    ];
    for link in &links {
        let error = follow(&mut pager(&server), link).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::RefusedLink, "{link}");
        assert!(!error.is_transient());
        let client = Setup::of(&server).client();
        let request = client.request(RequestKind::ListRecords, client.url(&["users"]));
        assert!(client.pager_from_link(&request, link).is_err(), "{link}");
    }
    assert_eq!(canary.connections(), 0);
    assert_eq!(server.asked().len(), links.len());
}

#[tokio::test]
async fn fault_57_a_link_that_was_followed_before_ends_it() {
    let server = server().await;
    let (a, b) = (
        format!("{}/v1.0/users?$skiptoken=a", server.url),
        format!("{}/v1.0/users?$skiptoken=b", server.url),
    );
    let mut pager = pager(&server);
    follow(&mut pager, &a).await.unwrap();
    follow_on(&mut pager, &b).await.unwrap();
    let error = follow_on(&mut pager, &a).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::PagingLoop);
    assert_eq!(server.asked().len(), 3);
}

async fn follow_on(pager: &mut Pager, link: &str) -> Result<(), GraphError> {
    pager.follow(Some(link), false)?;
    pager.next_page().await.map(|_| ())
}

#[tokio::test]
async fn fault_57_a_link_back_to_the_first_page_ends_it() {
    let server = server().await;
    let link = format!("{}/v1.0/users", server.url);
    let error = follow(&mut pager(&server), &link).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::PagingLoop);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn fault_57_empty_pages_without_an_end_are_left() {
    let server = server().await;
    let mut pager = pager(&server);
    let mut read = 0;
    let error = loop {
        pager.next_page().await.unwrap().unwrap();
        read += 1;
        let link = format!("{}/v1.0/users?$skiptoken={read}", server.url);
        if let Err(error) = pager.follow(Some(&link), true) {
            break error;
        }
    };
    assert_eq!(error.reason(), FailureReason::PagingLoop);
    assert_eq!(read, MAX_EMPTY_PAGES + 1);
}

#[tokio::test]
async fn fault_58_a_link_goes_out_byte_for_byte() {
    for query in [
        "$skiptoken=a%2Bb%2f%2F%20c+d",
        "$skiptoken=%C3%A9%E4%BC%9A",
        "$filter=x%20eq%20%27y%27&$skip=1&$skip=1&&=",
        "$skiptoken=a;b,c:d/e?f@g!h*(i)",
        &format!("$skiptoken={}", "aZ0-_.~%2B".repeat(800)),
    ] {
        let server = server().await;
        let link = format!("{}/v1.0/users?{query}", server.url);
        follow(&mut pager(&server), &link).await.unwrap();
        assert_eq!(server.asked()[1].target, format!("/v1.0/users?{query}"));
    }
}

#[tokio::test]
async fn fault_58_characters_that_no_request_line_may_hold_are_encoded_once() {
    let server = server().await;
    let link = format!("{}/v1.0/users?$skiptoken=\u{e9} %2B", server.url);
    follow(&mut pager(&server), &link).await.unwrap();
    assert_eq!(
        server.asked()[1].target,
        "/v1.0/users?$skiptoken=%C3%A9%20%2B"
    );
}

#[tokio::test]
async fn fault_59_an_empty_page_with_a_link_goes_on() {
    let server = server().await;
    let mut pager = pager(&server);
    for number in 0..MAX_EMPTY_PAGES * 2 {
        pager.next_page().await.unwrap().unwrap();
        let link = format!("{}/v1.0/users?$skip={number}", server.url);
        // a page with items starts the count of empty ones anew
        pager.follow(Some(&link), number % 2 == 0).unwrap();
    }
    assert!(pager.next_page().await.unwrap().is_some());
    pager.follow(None, true).unwrap();
    assert!(pager.next_page().await.unwrap().is_none());
}

#[tokio::test]
async fn a_pager_without_a_link_ends_after_one_page() {
    let server = server().await;
    let mut pager = pager(&server);
    assert!(pager.next_page().await.unwrap().is_some());
    assert!(pager.next_page().await.unwrap().is_none());
    assert_eq!(server.asked().len(), 1);
}
