//! Links to the next page: followed as they came, to the configured origin only, and never round in a circle.

use super::super::error::FailureReason;
use super::super::request::PAGE_SIZE;
use super::super::request::RequestKind;
use super::super::scripted_server::{Asked, Reply, ScriptedServer, Setup, in_turn, with_tokens};
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
    pager.follow(Some(link))?;
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
    pager.follow(Some(link))?;
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

/// Reads a collection of `kind` whose links never end, until it is left: how many pages were read, and why no more.
async fn read_on(
    kind: RequestKind,
    page: impl Fn(usize) -> String + Send + Sync + 'static,
) -> (usize, GraphError) {
    let script = with_tokens(move |asked| Reply::ok(page(asked.number)));
    let server = ScriptedServer::start(script).await;
    let client = Setup::of(&server).client();
    let mut pager = client.pager(client.request(kind, client.url(&["users"])));
    loop {
        pager.next_page().await.unwrap().unwrap();
        let read = server.asked().len();
        let link = format!("{}/v1.0/users?$skiptoken={read}", server.url);
        if let Err(error) = pager.follow(Some(&link)) {
            return (read, error);
        }
    }
}

#[tokio::test]
async fn fault_57_pages_without_anything_new_under_links_without_an_end_are_left() {
    let rows = |_| r#"{"value":[{"id":"a"},{"id":"b"}]}"#.to_owned();
    let two_in_turn = |number: usize| format!(r#"{{"value":[{{"id":"{}"}}]}}"#, number % 2);
    let renamed = |number: usize| format!(r#"{{"value":[{{"id":"a","name":"{number}"}}]}}"#);
    let nameless = |_| r#"{"value":[{"name":"a"}]}"#.to_owned();
    let users = RequestKind::Users;
    for (what, kind, read, left_after) in [
        (
            "empty",
            users,
            read_on(users, |_| r#"{"value":[]}"#.to_owned()).await,
            21,
        ),
        ("the same rows", users, read_on(users, rows).await, 22),
        (
            "two pages in turn",
            users,
            read_on(users, two_in_turn).await,
            23,
        ),
        ("the same ids", users, read_on(users, renamed).await, 22),
        ("no ids", users, read_on(users, nameless).await, 22),
        (
            "records",
            RequestKind::ListRecords,
            read_on(RequestKind::ListRecords, rows).await,
            22,
        ),
    ] {
        let (pages, error) = read;
        assert_eq!(error.reason(), FailureReason::PagingLoop, "{what} {kind:?}");
        assert_eq!(pages, left_after, "{what}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn fault_57_records_that_share_an_id_are_not_the_same() {
    let server = ScriptedServer::start(with_tokens(|asked| {
        Reply::ok(format!(
            r#"{{"value":[{{"id":"0","emailAddress":"{}"}}]}}"#,
            asked.number
        ))
    }))
    .await;
    let client = Setup::of(&server).client();
    let mut pager = client.pager(client.request(RequestKind::ListRecords, client.url(&["users"])));
    for read in 0..MAX_IDLE_PAGES * 2 {
        pager.next_page().await.unwrap().unwrap();
        let link = format!("{}/v1.0/users?$skip={read}", server.url);
        pager.follow(Some(&link)).unwrap();
    }
}

#[tokio::test]
async fn fault_57_no_collection_has_pages_without_an_end() {
    let server = server().await;
    let client = Setup::of(&server).client();
    let mut pager = client.pager(client.request(RequestKind::ListReports, client.url(&["users"])));
    let mut follow = |number: usize| {
        // each page is new; none is sent, as it is the links that count
        pager.page = Some(format!(r#"{{"value":[{{"id":{number}}}]}}"#).into());
        pager.follow(Some(&format!("{}/v1.0/users?$skip={number}", server.url)))
    };
    let left_after = (1..=2 * MAX_PAGES_OF_ONE).find(|number| follow(*number).is_err());
    assert_eq!(left_after, Some(MAX_PAGES_OF_ONE));
}

#[tokio::test]
async fn fault_58_a_link_goes_out_byte_for_byte() {
    let paths = [
        "/v1.0/us'er's",
        "/v1.0/solutions/virtualEvents/webinars/getByUserIdAndRole(userId='x',role='organizer')",
    ];
    for path in paths {
        let server = server().await;
        let link = format!("{}{path}", server.url);
        follow(&mut pager(&server), &link).await.unwrap();
        assert_eq!(server.asked()[1].target, path);
    }
    for query in [
        "$skiptoken=a%2Bb%2f%2F%20c+d",
        "$skiptoken=%C3%A9%E4%BC%9A",
        "$filter=x%20eq%20%27y%27&$skip=1&$skip=1&&=",
        "$skiptoken=a;b,c:d/e?f@g!h*(i)",
        "$filter=a%20eq%20'b'%20or%20c%20eq%20%27d%27&$skiptoken=%2b|^`{}[]~\\",
        "'",
        &format!("$skiptoken='{}'", "aZ0-_.~%2B|^%C3%A9'".repeat(500)),
        &format!("$skiptoken={}", "aZ0-_.~%2B".repeat(800)),
    ] {
        let server = server().await;
        let link = format!("{}/v1.0/users?{query}", server.url);
        follow(&mut pager(&server), &link).await.unwrap();
        assert_eq!(server.asked()[1].target, format!("/v1.0/users?{query}"));
    }
}

#[tokio::test]
async fn fault_58_characters_that_no_url_holds_in_its_query_are_encoded_once() {
    let server = server().await;
    let link = format!("{}/v1.0/users?$skiptoken=\u{e9} %2B%27'\r\n", server.url);
    follow(&mut pager(&server), &link).await.unwrap();
    assert_eq!(
        server.asked()[1].target,
        "/v1.0/users?$skiptoken=%C3%A9%20%2B%27%27"
    );
}

#[tokio::test]
async fn fault_59_an_empty_page_with_a_link_goes_on() {
    let server = ScriptedServer::start(with_tokens(|asked| {
        // a page with a new item starts the count anew
        let is_empty = asked.number % (MAX_IDLE_PAGES + 1) != 0;
        Reply::ok(if is_empty {
            r#"{"value":[]}"#.to_owned()
        } else {
            format!(r#"{{"value":[{{"id":"{}"}}]}}"#, asked.number)
        })
    }))
    .await;
    let mut pager = pager(&server);
    for number in 0..MAX_IDLE_PAGES * 2 {
        pager.next_page().await.unwrap().unwrap();
        let link = format!("{}/v1.0/users?$skip={number}", server.url);
        pager.follow(Some(&link)).unwrap();
    }
    assert!(pager.next_page().await.unwrap().is_some());
    pager.follow(None).unwrap();
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

/// A list of three pages, whose second page is refused as the test says.
async fn refusing_the_second_page(
    times: usize,
    refusal: Reply,
) -> (ScriptedServer, Vec<(bool, String)>, Option<GraphError>) {
    let refused = std::sync::atomic::AtomicUsize::new(0);
    let server = ScriptedServer::start(with_tokens(move |asked| {
        let page = asked
            .target
            .rsplit_once("page=")
            .map_or("1", |(_, page)| page);
        let counted = || refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if page == "2" && counted() < times {
            return refusal.clone();
        }
        Reply::ok(format!(r#"{{"value":[{{"id":"{page}"}}]}}"#))
    }))
    .await;
    let client = Setup::of(&server).client();
    let mut pager = client.pager(client.request(RequestKind::Users, client.url(&["users"])));
    let mut read = Vec::new();
    loop {
        let page = match pager.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => return (server, read, None),
            Err(error) => return (server, read, Some(error)),
        };
        if pager.begins_anew() {
            read.clear();
        }
        read.push((
            pager.begins_anew(),
            String::from_utf8(page.to_vec()).unwrap(),
        ));
        let link = format!("{}/v1.0/users?page={}", server.url, read.len() + 1);
        pager.follow((read.len() < 3).then_some(&link)).unwrap();
    }
}

#[tokio::test]
async fn a_list_whose_link_to_a_page_is_too_old_is_read_again_from_its_start() {
    let coded = |status, code: &str| {
        Reply::status(status).body(format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#))
    };
    for refusal in [
        coded(400, "Directory_ExpiredPageToken"),
        coded(410, "SyncStateNotFound"),
        coded(410, "resyncRequired"),
        coded(404, "ExpiredPageToken"),
        Reply::status(410),
    ] {
        let (_, read, error) = refusing_the_second_page(1, refusal.clone()).await;
        assert!(error.is_none(), "{refusal:?}");
        let is_first: Vec<bool> = read.iter().map(|(anew, _)| *anew).collect();
        assert_eq!(is_first, [true, false, false]);
        assert!(read[2].1.contains("\"3\""));
        // not for ever
        let (server, _, error) = refusing_the_second_page(1_000, refusal.clone()).await;
        assert!(error.unwrap().is_of_expired_page(), "{refusal:?}");
        assert_eq!(server.asked().len(), 2 * (1 + MAX_RESTARTS));
    }
    // another refusal of a page is no reason to begin anew
    let (server, _, error) = refusing_the_second_page(1_000, coded(403, "Forbidden")).await;
    assert_eq!(error.unwrap().reason(), FailureReason::Forbidden);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_first_page_is_not_too_old() {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![Reply::status(410)]))).await;
    let error = pager(&server).next_page().await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Gone);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn pages_that_do_not_come_in_time_are_asked_smaller() {
    // only pages of so many come
    let script = |largest: u32| {
        with_tokens(move |asked: &Asked| {
            let top = asked.target.split_once("$top=").map(|(_, top)| top);
            let said = asked
                .header("prefer")
                .and_then(|said| said.strip_prefix(PAGE_SIZE));
            let size = top.or(said).and_then(|size| size.parse().ok());
            if size.is_none_or(|size: u32| size > largest) {
                Reply::status(504)
            } else {
                Reply::ok(r#"{"value":[]}"#)
            }
        })
    };
    for (kind, path, largest, asked, comes) in [
        (RequestKind::CalendarView, "users?$top=1000", 200, 3, true),
        (RequestKind::CalendarView, "users?$top=1000", 40, 5, true),
        (RequestKind::ListRecords, "users", 40, 5, true),
        // patiently at the end
        (RequestKind::CalendarView, "users?$top=1000", 1, 8, false),
        // it is not known how large they are
        (RequestKind::ListReports, "users", 40, 4, false),
    ] {
        let server = ScriptedServer::start(script(largest)).await;
        let client = Setup::of(&server).client();
        let url = format!("{}/v1.0/{path}", server.url);
        let mut pager = client.pager(client.request(kind, url));
        let page = pager.next_page().await;
        assert_eq!(page.is_ok(), comes, "{kind:?} {largest}");
        assert!(!pager.begins_anew(), "nothing was read before");
        assert_eq!(server.asked().len(), asked, "{kind:?} {largest}");
    }
}
