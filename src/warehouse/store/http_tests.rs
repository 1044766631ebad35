//! Faults of HTTP, against a small S3 that keeps conditions and answers as scripted.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;
use object_store::aws::AmazonS3Builder;

use super::super::generation::Generations;
use super::super::object_version::ObjectVersion;
use super::super::staging::{MEMORY_BUDGET, Staging};
use super::super::store_error::RequestFailure;
use super::super::tests::{DAY, stage_report};
use super::http::{Patience, PatientConnector};
use super::*;
use crate::ids::RunId;
use crate::job::place::WarehousePlace;

/// What becomes of the next request with a method.
#[derive(Clone, Copy)]
enum Fault {
    /// Nothing is done; this is answered, with these headers.
    Answer(u16, &'static str, &'static str),
    /// It is done, and this is answered.
    DoneButAnswer(u16),
    /// It is done, and the connection is cut without an answer.
    DoneButReset,
    /// It is done, and only this many bytes of the body are sent.
    CutAfter(usize),
    /// It is done, and nothing is ever answered.
    DoneButSilent,
}

#[derive(Default)]
struct Shared {
    objects: HashMap<String, (Vec<u8>, u64)>,
    versions: u64,
    faults: Vec<(&'static str, Fault)>,
    requests: Vec<(String, Instant)>,
    /// How many requests are still answered before another publisher is there.
    until_overtaken: Option<usize>,
}

struct SmallS3 {
    shared: Arc<Mutex<Shared>>,
    objects: Objects,
    bridge: Bridge,
}

const PATIENCE: Patience = Patience {
    tries: 4,
    total: Duration::from_secs(20),
    base: Duration::from_millis(5),
    cap: Duration::from_millis(20),
    answer: Duration::from_secs(1),
};

/// What another publisher writes once the lease has expired.
const THEIRS: [(&str, &str); 3] = [
    (
        "lease",
        r#"{"holder":"them","nonce":"them-1-0","sequence":0,"expires_at":"2126-01-01T00:00:00Z"}"#,
    ),
    (
        "intent.json",
        r#"{"format_version":1,"run_id":"theirs","staging":"theirs","partitions":[],"units":{"sessions":["t"],"reports":{}}}"#,
    ),
    (
        "fetch-again.json",
        r#"{"format_version":1,"sessions":["t"],"reports":{}}"#,
    ),
];

fn private_path(name: &str) -> String {
    format!("/bucket/teams/_teamsheet/{name}")
}

impl Shared {
    fn overtake(&mut self) {
        for (name, text) in THEIRS {
            self.put(name, text.as_bytes());
        }
    }

    fn put(&mut self, name: &str, text: &[u8]) {
        self.versions += 1;
        let object = (text.to_vec(), self.versions);
        self.objects.insert(private_path(name), object);
    }
}

impl SmallS3 {
    fn start() -> Self {
        let shared = Arc::<Mutex<Shared>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        let store = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_bucket_name("bucket")
            .with_access_key_id("canary-key-id")
            .with_secret_access_key("canary-secret")
            .with_retry(connect::no_retries())
            .with_http_connector(PatientConnector(PATIENCE))
            .build();
        let store = Arc::new(store.unwrap());
        let Ok(WarehousePlace::Store(address)) = WarehousePlace::parse("s3://bucket/teams") else {
            panic!("an address")
        };
        let mut objects = Objects::new(Arc::clone(&store) as _, store, &address);
        objects.patience = PATIENCE;
        Self {
            shared,
            objects,
            bridge: Bridge::new().unwrap(),
        }
    }

    fn next(&self, method: &'static str, fault: Fault) {
        self.shared.lock().unwrap().faults.push((method, fault));
    }

    fn put(
        &self,
        text: &'static str,
        expected: Option<&ObjectVersion>,
    ) -> Result<Written, WarehouseError> {
        let bytes = Bytes::from_static(text.as_bytes());
        self.bridge.wait(self.objects.write("key", bytes, expected))
    }

    fn content(&self) -> String {
        let shared = self.shared.lock().unwrap();
        String::from_utf8(shared.objects["/bucket/teams/key"].0.clone()).unwrap()
    }

    /// Method and path of what was asked, but for the lease.
    fn requests(&self) -> Vec<String> {
        let shared = self.shared.lock().unwrap();
        let requests = shared.requests.iter().map(|(request, _)| request.clone());
        requests
            .filter(|request| !request.contains("lease"))
            .collect()
    }

    fn lease(&self) -> Lease {
        let observed = Observed::default();
        let taken = Lease::try_acquire(
            &self.objects,
            "us",
            LeaseTerm::default(),
            &observed,
            &self.bridge.handle,
        );
        self.bridge.wait(taken).unwrap().unwrap()
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<Shared>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let mut words = first.split(' ');
    let (method, target) = (
        words.next().unwrap().to_owned(),
        words.next().unwrap().to_owned(),
    );
    let path = target.split('?').next().unwrap().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut shared = shared.lock().unwrap();
    shared
        .requests
        .push((format!("{method} {path}"), Instant::now()));
    shared.until_overtaken = match shared.until_overtaken {
        Some(0) => {
            shared.overtake();
            None
        }
        left => left.map(|left| left - 1),
    };
    let place = shared
        .faults
        .iter()
        .position(|(of, _)| *of == method && !path.ends_with("lease"));
    let fault = place.map(|place| shared.faults.remove(place).1);
    if let Some(Fault::Answer(status, more, text)) = fault {
        drop(shared);
        answer(&mut stream, status, more, text.as_bytes(), text.len());
        return;
    }
    let (status, e_tag, content) = handle(&mut shared, &method, &path, &headers, body);
    drop(shared);
    let e_tag = format!("ETag: {e_tag}\r\nLast-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\n");
    match fault {
        Some(Fault::DoneButAnswer(status)) => answer(
            &mut stream,
            status,
            "",
            b"<Error><Code>InternalError</Code></Error>",
            41,
        ),
        Some(Fault::DoneButReset) => {}
        Some(Fault::DoneButSilent) => thread::sleep(Duration::from_secs(5)),
        Some(Fault::CutAfter(bytes)) => answer(
            &mut stream,
            status,
            &e_tag,
            &content[..bytes],
            content.len(),
        ),
        Some(Fault::Answer(..)) | None if method == "HEAD" => {
            answer(&mut stream, status, &e_tag, b"", content.len());
        }
        Some(Fault::Answer(..)) | None => {
            answer(&mut stream, status, &e_tag, &content, content.len());
        }
    }
}

fn handle(
    shared: &mut Shared,
    method: &str,
    path: &str,
    headers: &HashMap<String, String>,
    body: Vec<u8>,
) -> (u16, String, Vec<u8>) {
    let found = shared.objects.get(path).cloned();
    let e_tag = |version: u64| format!("\"{version}\"");
    let current = found.as_ref().map(|(_, version)| e_tag(*version));
    match (method, found) {
        ("PUT", found) => {
            let is_refused = headers
                .get("if-match")
                .is_some_and(|wanted| current.as_ref() != Some(wanted))
                || (headers.contains_key("if-none-match") && found.is_some());
            if is_refused {
                return (
                    412,
                    String::new(),
                    b"<Error><Code>PreconditionFailed</Code></Error>".to_vec(),
                );
            }
            shared.versions += 1;
            shared
                .objects
                .insert(path.to_owned(), (body, shared.versions));
            (200, e_tag(shared.versions), Vec::new())
        }
        (_, Some((content, version))) => {
            if headers
                .get("if-match")
                .is_some_and(|wanted| current.as_ref() != Some(wanted))
            {
                return (412, String::new(), Vec::new());
            }
            let from = headers.get("range").map(|range| {
                let from = range.trim_start_matches("bytes=").trim_end_matches('-');
                from.parse::<usize>().unwrap()
            });
            match from {
                // the range goes where the ETag goes
                Some(from) => {
                    let (last, size) = (content.len() - 1, content.len());
                    let ranged = format!(
                        "{}\r\nContent-Range: bytes {from}-{last}/{size}",
                        e_tag(version)
                    );
                    (206, ranged, content[from..].to_vec())
                }
                None => (200, e_tag(version), content),
            }
        }
        (_, None) => (
            404,
            String::new(),
            b"<Error><Code>NoSuchKey</Code></Error>".to_vec(),
        ),
    }
}

fn answer(stream: &mut TcpStream, status: u16, more: &str, body: &[u8], length: usize) {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).ok();
    stream.write_all(body).ok();
}

fn stored(written: Result<Written, WarehouseError>) -> ObjectVersion {
    match written.unwrap() {
        Written::Stored(version) => version,
        Written::Refused => panic!("refused"),
    }
}

#[test]
fn fault_21_what_may_pass_is_tried_again_and_only_that() {
    for fault in [
        Fault::Answer(500, "", "<Error><Code>InternalError</Code></Error>"),
        Fault::Answer(503, "", "<html>busy</html>"),
        Fault::Answer(429, "", ""),
        Fault::Answer(408, "", ""),
    ] {
        let s3 = SmallS3::start();
        s3.next("PUT", fault);
        stored(s3.put("content", None));
        assert_eq!(s3.content(), "content");
        assert_eq!(s3.requests().len(), 2);
    }
    for (status, code) in [(400, "InvalidRequest"), (403, "AccessDenied"), (401, "")] {
        let s3 = SmallS3::start();
        let body: &'static str =
            format!("<Error><Code>{code}</Code><Message>canary</Message></Error>").leak();
        s3.next("PUT", Fault::Answer(status, "", body));
        let error = s3.put("content", None).unwrap_err();
        assert_eq!(s3.requests().len(), 1);
        let WarehouseError::Store { source, .. } = &error else {
            panic!("{error:?}")
        };
        let StoreError::Request {
            failure, tries: 1, ..
        } = &**source
        else {
            panic!("{error:?}")
        };
        let code = (!code.is_empty()).then(|| code.to_owned());
        assert_eq!(*failure, RequestFailure::Status { status, code });
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn fault_23_credentials_that_expire_while_a_run_publishes_end_it_with_what_to_do() {
    for (status, code) in [(400, "ExpiredToken"), (403, "RequestTimeTooSkewed")] {
        let s3 = SmallS3::start();
        let first = stored(s3.put("first", None));
        let body: &'static str = format!("<Error><Code>{code}</Code></Error>").leak();
        s3.next("PUT", Fault::Answer(status, "", body));
        let error = s3.put("second", Some(&first)).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("have not expired"), "{code}: {hint}");
        assert_eq!(s3.requests().len(), 2, "it is not tried again");
        assert_eq!(s3.content(), "first");
        // renewed, the next run goes on from there
        stored(s3.put("second", Some(&first)));
    }
}

#[test]
fn fault_21_a_write_that_was_stored_although_its_answer_was_lost_counts() {
    for fault in [
        Fault::DoneButAnswer(500),
        Fault::DoneButAnswer(503),
        Fault::DoneButReset,
        Fault::DoneButSilent,
    ] {
        let s3 = SmallS3::start();
        let lease = s3.lease();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("staged");
        let mut expected = None;
        for content in ["first", "second"] {
            fs::write(&file, content).unwrap();
            s3.next("PUT", fault);
            let uploaded = upload::upload(&s3.objects, &lease, "key", &file, expected.as_ref());
            expected = Some(s3.bridge.wait(uploaded).unwrap());
            assert_eq!(s3.content(), content);
        }
        let (_, now) = s3.bridge.wait(s3.objects.head("key")).unwrap().unwrap();
        assert_eq!(expected, Some(now));
    }
}

#[test]
fn tries_are_bounded_and_the_error_says_what_where_and_how_often() {
    let s3 = SmallS3::start();
    for _ in 0..PATIENCE.tries {
        s3.next(
            "GET",
            Fault::Answer(503, "", "<Error><Code>SlowDown</Code></Error>"),
        );
    }
    let error = s3.bridge.wait(s3.objects.read("key")).unwrap_err();
    assert_eq!(s3.requests().len(), 4);
    assert_eq!(error.to_string(), "cannot read `s3://bucket/teams/key`");
    let WarehouseError::Store { source, .. } = &error else {
        panic!("{error:?}")
    };
    let text = source.to_string();
    assert!(text.starts_with("GET http://127.0.0.1:"), "{text}");
    assert!(
        text.contains("/bucket/teams/key failed after 4 tries in "),
        "{text}"
    );
    let cause = std::error::Error::source(source).unwrap().to_string();
    assert_eq!(cause, "the store answered 503 (code `SlowDown`)");
}

#[test]
fn no_request_is_made_while_a_retry_after_runs() {
    let s3 = SmallS3::start();
    s3.next("GET", Fault::Answer(503, "Retry-After: 1\r\n", ""));
    assert!(s3.bridge.wait(s3.objects.read("key")).unwrap().is_none());
    let requests = &s3.shared.lock().unwrap().requests;
    assert_eq!(requests.len(), 2);
    assert!(requests[1].1 - requests[0].1 >= Duration::from_secs(1));
}

#[test]
fn a_download_that_breaks_off_goes_on_or_starts_anew_where_the_object_changed() {
    let s3 = SmallS3::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    let content: &'static str = "0123456789".repeat(200_000).leak();
    let version = stored(s3.put(content, None));
    s3.next("GET", Fault::CutAfter(1_500_000));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let found = s3
        .bridge
        .wait(s3.objects.download("key", &mut file, &path))
        .unwrap();
    assert_eq!(found, Some(version));
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
    assert_eq!(s3.requests().len(), 3, "the write, and two halves");
}

#[test]
fn nothing_that_is_said_holds_a_secret() {
    let s3 = SmallS3::start();
    s3.next(
        "GET",
        Fault::Answer(
            403,
            "",
            "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>canary</StringToSign></Error>",
        ),
    );
    let error = s3.bridge.wait(s3.objects.read("key")).unwrap_err();
    assert!(!format!("{error:?} {error} {:?}", s3.objects).contains("canary"));
}

#[test]
fn small_s3_keeps_its_conditions() {
    let s3 = SmallS3::start();
    let version = stored(s3.put("first", None));
    assert!(matches!(s3.put("second", None).unwrap(), Written::Refused));
    stored(s3.put("second", Some(&version)));
    assert!(matches!(
        s3.put("third", Some(&version)).unwrap(),
        Written::Refused
    ));
    let path = s3.objects.path("key").unwrap();
    let head = s3.bridge.wait(s3.objects.store.head(&path)).unwrap();
    assert_eq!(head.size, 6);
    let ranged = s3
        .objects
        .store
        .get_opts(&path, object_store::GetOptions::default());
    assert_eq!(s3.bridge.wait(ranged).unwrap().meta.size, 6);
}

/// Suspends a publisher before each of its requests in turn, until another one has the lease and has written its own.
fn suspended_everywhere(prepare: impl Fn(&mut Shared), publish: impl Fn(&Store, &Lease, &Path)) {
    for requests in 0.. {
        let s3 = SmallS3::start();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::over(s3.objects.clone(), "us", folder.path().to_owned()).unwrap();
        let lease = store.try_lock().unwrap().unwrap();
        {
            let mut shared = s3.shared.lock().unwrap();
            prepare(&mut shared);
            shared.until_overtaken = Some(requests);
        }
        publish(&store, &lease, folder.path());
        let shared = s3.shared.lock().unwrap();
        if shared.until_overtaken.is_some() {
            assert!(requests > 3, "only {requests} requests");
            return;
        }
        for (name, text) in THEIRS {
            let (found, _) = &shared.objects[&private_path(name)];
            let found = String::from_utf8_lossy(found);
            assert_eq!(found, text, "{name}, overtaken before request {requests}");
        }
    }
}

#[test]
fn a_publisher_that_was_suspended_leaves_alone_what_the_next_one_has_written() {
    suspended_everywhere(
        |_| {},
        |store, lease, folder| {
            let run_id = RunId::new("ours");
            let mut staging = Staging::create(folder, &run_id, MEMORY_BUDGET, None).unwrap();
            stage_report(&mut staging, "a", 7, "ours");
            let mut built = Generations::build(staging, &[DAY], |_, _| Ok(None)).unwrap();
            // whether it ends well depends on where it was suspended
            store.make_visible(lease, &mut built).ok();
        },
    );
}

#[test]
fn a_run_that_was_suspended_while_it_recovers_leaves_alone_what_the_next_one_has_written() {
    let lost = r#"{"format_version":1,"run_id":"dead","staging":"dead","partitions":[{"table":"sessions","date":"2026-01-05","file":"dead.parquet","content_hash":"x"}],"units":{"sessions":["s"],"reports":{}}}"#;
    suspended_everywhere(
        |shared| {
            shared.put("intent.json", lost.as_bytes());
            shared.put("fetch-again.json", b"");
        },
        |store, lease, _| {
            store.recover(lease).ok();
        },
    );
}
