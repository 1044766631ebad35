//! Connections that fail and bodies that do not arrive whole.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::super::answer::FailedTry;
use super::super::client::GraphClient;
use super::super::error::{FailureReason, GraphError};
use super::super::request::RequestKind;
use super::super::retry::FailureClass;
use super::super::scripted_server::{Reply, ScriptedServer, Setup, in_turn, with_tokens};
use super::*;
use crate::model::check_json;

const PAGE: &str = r#"{"value":[{"id":"a"}]}"#;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn get(client: &GraphClient) -> Result<Bytes, GraphError> {
    let url = client.url(&["users"]);
    let request = client.request(RequestKind::Users, url);
    let read = |body: &Bytes| check_json(body).map(|()| body.clone());
    client.get_with(&request, read).await
}

/// Runs into the fault once and gets the page after it, or runs into it until the tries are spent.
async fn is_retried(fault: Reply, reason: FailureReason, change: impl Fn(&mut Setup)) {
    let page = Reply::ok(PAGE);
    let server = ScriptedServer::start(with_tokens(in_turn(vec![fault.clone(), page]))).await;
    let mut setup = Setup::of(&server);
    change(&mut setup);
    assert_eq!(get(&setup.client()).await.unwrap(), PAGE);
    assert_eq!(server.asked().len(), 2);

    let server = ScriptedServer::start(with_tokens(in_turn(vec![fault]))).await;
    let mut setup = Setup::of(&server);
    change(&mut setup);
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), reason, "{error:?}");
    assert!(error.is_transient());
    assert!(error.tries() > 1);
    assert_eq!(server.asked().len(), error.tries() as usize);
}

fn unchanged(_: &mut Setup) {}

#[tokio::test]
async fn fault_44_a_refused_connection_is_tried_again() {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![Reply::ok(PAGE)]))).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let setup = Setup::at(&nobody, &server.url);
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Transport);
    assert_eq!(error.tries(), setup.policy.retry.transient_tries);
}

#[tokio::test]
async fn fault_44_a_connection_that_is_reset_is_tried_again() {
    is_retried(
        Reply::ok(PAGE).then_reset(),
        FailureReason::Transport,
        unchanged,
    )
    .await;
}

#[tokio::test]
async fn fault_44_a_name_that_does_not_resolve_is_tried_again_a_few_times() {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![Reply::ok(PAGE)]))).await;
    let setup = Setup::at("https://graph.contoso.invalid", &server.url);
    let error = get(&setup.client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Transport, "{error:?}");
    assert_eq!(error.tries(), setup.policy.retry.doubtful_tries);
    assert!(error.is_transient());
}

/// A server that answers whatever begins a connection with these bytes, and hangs up; how many connections it had.
async fn says(bytes: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            stream.read_buf(&mut Vec::with_capacity(4_096)).await.ok();
            stream.write_all(bytes).await.ok();
        }
    });
    (port, connections)
}

#[tokio::test]
async fn fault_44_a_handshake_that_fails_is_tried_again() {
    let server = ScriptedServer::start(with_tokens(in_turn(vec![Reply::ok(PAGE)]))).await;
    let alert = b"\x15\x03\x03\x00\x02\x02\x28";
    for bytes in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", alert] {
        let (port, connections) = says(bytes).await;
        let setup = Setup::at(&format!("https://localhost:{port}"), &server.url);
        let error = get(&setup.client()).await.unwrap_err();
        assert_eq!(error.reason(), FailureReason::Transport, "{error:?}");
        assert_eq!(error.tries(), setup.policy.retry.transient_tries);
        assert_eq!(connections.load(Ordering::SeqCst), error.tries() as usize);
    }
}

/// When a server ends a connection that it kept open after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Never,
    WhileIdle,
    WithTheNextRequest,
}

/// A server that keeps connections open after an answer, as Graph does: its address, its connections, and the requests that reached it.
async fn keeps_open(ends: Ends) -> (String, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted[0].fetch_add(1, Ordering::SeqCst);
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut answered = 0;
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    if std::mem::take(&mut line) != "\r\n" {
                        continue;
                    }
                    counted[1].fetch_add(1, Ordering::SeqCst);
                    if ends == Ends::WithTheNextRequest && answered == 1 {
                        return;
                    }
                    let length = PAGE.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{PAGE}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    answered += 1;
                    if ends == Ends::WhileIdle {
                        return;
                    }
                }
            });
        }
    });
    (url, counts)
}

#[tokio::test]
async fn fault_62_a_kept_connection_that_has_ended_costs_no_answer() {
    let tokens = ScriptedServer::start(with_tokens(in_turn(vec![Reply::ok(PAGE)]))).await;
    for (ends, connections, requests) in [
        (Ends::Never, 1, 4),
        (Ends::WhileIdle, 4, 4),
        // each of the last three is asked again, by us, on a new connection
        (Ends::WithTheNextRequest, 4, 7),
    ] {
        let (url, counts) = keeps_open(ends).await;
        let client = Setup::at(&url, &tokens.url).client();
        for _ in 0..4 {
            assert_eq!(get(&client).await.unwrap(), PAGE, "{ends:?}");
        }
        let counts = [&counts[0], &counts[1]].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(counts, [connections, requests], "{ends:?}");
        // and the one for the token; who ended while idle may have been noticed before sending
        let counted = usize::try_from(client.meter().requests).unwrap() - 1;
        assert!((requests..=7).contains(&counted), "{ends:?} {counted}");
    }
}

/// HTTP/2 in the clear: the first connection falls silent with its second request, to pings too; the others answer.
#[expect(
    clippy::default_trait_access,
    reason = "the type is one of `http`, which only h2 brings"
)]
async fn falls_silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut answered = 0;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    if is_first && answered == 1 {
                        // a connection that nobody polls answers nothing, and stays open
                        std::future::pending::<()>().await;
                    }
                    let mut body = respond.send_response(Default::default(), false).unwrap();
                    body.send_data(Bytes::from_static(PAGE.as_bytes()), true)
                        .unwrap();
                    answered += 1;
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn fault_62_a_shared_connection_that_falls_silent_is_replaced() {
    let (url, connections) = falls_silent().await;
    let policy = TransportPolicy {
        read: Duration::from_secs(4),
        ..TransportPolicy::default()
    };
    let client = builder(&policy, 4, Proxies::Never).http2_prior_knowledge();
    let client = client.build().unwrap();
    let ask = async || client.get(&url).send().await.map_err(problem);
    ask().await.unwrap();
    let silent = FailedTry::from(ask().await.unwrap_err());
    assert_eq!(silent.class, FailureClass::Transient, "{silent:?}");
    // all that follow would go the same way
    for _ in 0..3 {
        ask().await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn fault_45_silence_ends_with_the_read_timeout() {
    let quick = |setup: &mut Setup| setup.policy.transport.read = Duration::from_millis(40);
    let after_the_head = Reply::ok("{").length(100).then_stall();
    is_retried(after_the_head, FailureReason::Timeout, quick).await;
    let before_the_head = Reply::ok(PAGE).after(Duration::from_secs(5));
    is_retried(before_the_head, FailureReason::Timeout, quick).await;
}

#[tokio::test]
async fn fault_46_a_slow_drip_ends_with_the_total_timeout() {
    let drip = Reply::ok(vec![b' '; 10_000]).drip();
    is_retried(drip, FailureReason::Timeout, |setup| {
        setup.policy.transport.total = Duration::from_millis(60);
    })
    .await;
}

#[tokio::test]
async fn fault_47_a_body_of_another_length_is_never_taken_as_whole() {
    let longer = Reply::ok(PAGE).length(PAGE.len() + 1);
    is_retried(longer, FailureReason::Transport, unchanged).await;
    let shorter = Reply::ok(PAGE).length(PAGE.len() - 1);
    is_retried(shorter, FailureReason::BadResponse, unchanged).await;
    let chunked = Reply::ok(format!("{:x}\r\n{PAGE}\r\n", PAGE.len())).chunked();
    is_retried(chunked, FailureReason::Transport, unchanged).await;
}

#[tokio::test]
async fn fault_48_json_that_ends_early_is_not_fewer_rows() {
    let cut = Reply::ok(r#"{"value":[{"id":"a"}"#);
    is_retried(cut, FailureReason::BadResponse, unchanged).await;
}

#[tokio::test]
async fn fault_49_a_gzip_bomb_stops_at_the_cap() {
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 60_000);
    let reply = Reply::ok(bomb).header("content-encoding", "gzip");
    let server = ScriptedServer::start(with_tokens(in_turn(vec![reply]))).await;
    let client = Setup::of(&server).client();
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::TooLarge);
    assert!(!error.is_transient());
    assert_eq!(server.asked().len(), 1);
    assert!(client.meter().bytes_received < 1_000_000);
}

#[tokio::test]
async fn fault_49_64_mib_after_decompression_are_read_and_not_a_byte_more() {
    let cap = TransportPolicy::default().max_body_bytes;
    assert_eq!(cap, 64 << 20);
    let page = |length| {
        let mut page = vec![b' '; length];
        page[..PAGE.len()].copy_from_slice(PAGE.as_bytes());
        Reply::ok(gzip(&page)).header("content-encoding", "gzip")
    };
    let replies = vec![page(cap), page(cap + 1)];
    let server = ScriptedServer::start(with_tokens(in_turn(replies))).await;
    let mut setup = Setup::of(&server);
    setup.policy.transport = TransportPolicy::default();
    let client = setup.client();
    assert_eq!(get(&client).await.unwrap().len(), cap);
    let error = get(&client).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::TooLarge);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn gzip_is_asked_for_and_read() {
    let reply = Reply::ok(gzip(PAGE.as_bytes())).header("content-encoding", "gzip");
    let server = ScriptedServer::start(with_tokens(in_turn(vec![reply]))).await;
    assert_eq!(get(&Setup::of(&server).client()).await.unwrap(), PAGE);
    assert_eq!(server.asked()[0].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn fault_50_gzip_that_is_none_or_is_damaged_is_tried_again() {
    let whole = gzip(PAGE.as_bytes());
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    let cut = whole[..whole.len() - 9].to_vec();
    for (body, reason) in [
        (PAGE.as_bytes().to_vec(), FailureReason::BadResponse),
        (damaged, FailureReason::BadResponse),
        (cut, FailureReason::Transport),
    ] {
        let reply = Reply::ok(body).header("content-encoding", "gzip");
        is_retried(reply, reason, unchanged).await;
    }
    // compressed, but nobody says so
    is_retried(Reply::ok(whole), FailureReason::BadResponse, unchanged).await;
}

#[tokio::test]
async fn a_refusal_whose_body_breaks_off_is_still_that_refusal() {
    let reply = Reply::status(403).body("{").length(100);
    let server = ScriptedServer::start(with_tokens(in_turn(vec![reply]))).await;
    let error = get(&Setup::of(&server).client()).await.unwrap_err();
    assert_eq!(error.reason(), FailureReason::Forbidden);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn only_this_machine_is_loopback() {
    for (url, expected) in [
        ("http://127.0.0.1:80", true),
        ("http://[::1]", true),
        ("http://localhost", true),
        ("https://graph.microsoft.com", false),
        ("http://localhost.example", false),
        ("http://10.0.0.1", false),
    ] {
        assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
    }
}

#[test]
fn fault_63_no_proxy_is_asked_for_what_is_on_this_machine() {
    for (url, proxies) in [
        ("http://127.0.0.1:1", Proxies::Never),
        ("http://localhost", Proxies::Never),
        ("http://[::1]:1", Proxies::Never),
        ("http://169.254.169.254", Proxies::Never),
        ("http://[fe80::1]", Proxies::Never),
        ("https://graph.microsoft.com", Proxies::Asked),
        ("https://10.0.0.1", Proxies::Asked),
        ("https://localhost.example.org", Proxies::Asked),
    ] {
        assert_eq!(Proxies::towards(&url.parse().unwrap()), proxies, "{url}");
    }
}
