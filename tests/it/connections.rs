//! Connections that break, servers that nobody trusts, and proxies: over TLS and HTTP/2, as Graph speaks them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use h2::Reason;
use serde_json::Value;
use teamsheet::simulated_tenant::CLIENT_SECRET;

use crate::support::front::{Authority, Break, Certificate, Front};
use crate::support::{Outcome, Stand, assert_same_rows, binary, outcome};

const DAYS: u32 = 2;
const YEARS: [i32; 2] = [2020, 2100];
const ALL: &str = "[sources.online_meetings]\n[sources.webinars]\n[sources.town_halls]\n";
/// One list and nothing else, so that there is one request to begin with.
const ONE_LIST: &str = "[sources.webinars]\n";

fn stand() -> Stand {
    Stand::lifelike(12, DAYS)
}

/// A job of these sources that asks another Graph than the tenant's own address.
fn job(stand: &Stand, sources: &str, key: &str, url: &str) -> PathBuf {
    let path = stand.job_of(&stand.warehouse(), sources, "");
    let text = fs::read_to_string(&path).unwrap();
    let own = format!("{key} = \"{}\"", stand.tenant.endpoint());
    assert!(text.contains(&own));
    fs::write(&path, text.replace(&own, &format!("{key} = \"{url}\""))).unwrap();
    path
}

/// Runs with the authorities that a machine trusts.
fn run(stand: &Stand, arguments: &[&str], trusted: &str, environment: &[(&str, &str)]) -> Outcome {
    let file = stand.folder.path().join("trusted.pem");
    fs::write(&file, trusted).unwrap();
    let mut command = binary();
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .envs(environment.iter().copied())
        .current_dir(stand.folder.path());
    outcome(command.output().unwrap())
}

fn backfill(stand: &Stand, job: &Path, trusted: &str, environment: &[(&str, &str)]) -> Outcome {
    let settings = stand.tenant.world().settings;
    let [from, to] = [0, DAYS].map(|day| settings.midnight(day).to_string());
    let job = job.to_str().unwrap();
    let arguments = [
        "backfill", "--format", "json", "--job", job, "--from", &from, "--to", &to,
    ];
    run(stand, &arguments, trusted, environment)
}

fn summary(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

/// Each of three kinds of request breaks once; all is as if nothing had been.
#[track_caller]
fn is_survived(broken: Break) {
    let stand = stand();
    let authority = Authority::new();
    let certificate = authority.certify("localhost", YEARS);
    let whole = Front::start(&stand, &certificate, None, |_, _| None);
    let path = job(&stand, ALL, "endpoint", &whole.url);
    let unbroken = backfill(&stand, &path, &authority.pem(), &[]);
    let wanted = stand.published().content();
    assert!(wanted.reports.len() > 2, "{}", unbroken.stderr);
    fs::remove_dir_all(stand.warehouse()).unwrap();

    let kinds = ["/v1.0/users?", "calendarView", "expand=attendanceRecords"];
    let has_met = kinds.map(|_| AtomicBool::new(false));
    let front = Front::start(&stand, &certificate, None, move |_, path| {
        let kind = kinds.iter().position(|kind| path.contains(kind))?;
        (!has_met[kind].swap(true, Ordering::SeqCst)).then_some(broken)
    });
    let path = job(&stand, ALL, "endpoint", &front.url);
    let ended = backfill(&stand, &path, &authority.pem(), &[]).expect_code(unbroken.code);
    assert_same_rows(&stand.published().content(), &wanted);

    let (asked, before) = (front.requests(), whole.requests());
    let distinct = |requests: &[String]| requests.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(distinct(&asked), distinct(&before));
    let (line, wanted) = (summary(&ended), summary(&unbroken));
    for what in ["reports", "records", "intervals", "sessions_by_state"] {
        assert_eq!(line[what], wanted[what], "{what}");
    }
    let counted = usize::try_from(line["requests"].as_u64().unwrap()).unwrap();
    match broken {
        // one request more for each that broke, and the one for the token
        Break::Reset(_) | Break::ResetInBody => {
            assert_eq!(asked.len(), before.len() + kinds.len());
            assert_eq!(counted, asked.len() + 1);
        }
        // what was begun is answered, and no request is lost or repeated
        Break::GoAway => {
            assert_eq!(asked.len(), before.len());
            assert_eq!(counted, asked.len() + 1);
            assert!(front.connections() >= kinds.len());
        }
        // a request that was under way went with the connection, whether it had come or not
        Break::GoAwayAtOnce | Break::HangUp => {
            assert!(asked.len() >= before.len() + kinds.len());
            assert!(counted > asked.len());
            assert!(front.connections() >= kinds.len());
        }
    }
}

#[test]
fn fault_62_a_stream_that_the_server_resets_is_asked_again() {
    is_survived(Break::Reset(Reason::INTERNAL_ERROR));
}

#[test]
fn fault_62_a_stream_that_the_server_refuses_is_asked_again() {
    is_survived(Break::Reset(Reason::REFUSED_STREAM));
}

#[test]
fn fault_62_a_body_that_is_reset_is_not_taken_as_whole() {
    is_survived(Break::ResetInBody);
}

#[test]
fn fault_62_a_connection_that_is_going_away_is_replaced() {
    is_survived(Break::GoAway);
}

#[test]
fn fault_62_a_connection_that_goes_away_at_once_takes_no_answer_with_it() {
    is_survived(Break::GoAwayAtOnce);
}

#[test]
fn fault_62_a_connection_that_ends_without_a_word_takes_no_answer_with_it() {
    is_survived(Break::HangUp);
}

/// What to do about a certificate whose authority this machine does not know, that is out of its time, or of another host.
const AUTHORITY: &str = "hint: Let this machine trust whoever signed it";
const CLOCK: &str = "hint: Check the clock of this machine";
const HOST: &str = "hint: Check `[graph] endpoint` and `authority`";

/// Servers whose certificates nobody may trust, each with an authority that the machine trusts and the remedy.
fn untrusted() -> Vec<(&'static str, Certificate, String, &'static str)> {
    let authority = Authority::new();
    let certify = |name, years| (authority.certify(name, years), authority.pem());
    let (expired, trusted) = certify("localhost", [2020, 2021]);
    let (early, _) = certify("localhost", [2090, 2100]);
    let (elsewhere, _) = certify("elsewhere.example", YEARS);
    vec![
        (
            "self-signed",
            Certificate::self_signed("localhost"),
            trusted.clone(),
            AUTHORITY,
        ),
        (
            "of an unknown authority",
            Authority::new().certify("localhost", YEARS),
            trusted.clone(),
            AUTHORITY,
        ),
        ("expired", expired, trusted.clone(), CLOCK),
        ("not valid yet", early, trusted.clone(), CLOCK),
        ("of another host", elsewhere, trusted, HOST),
    ]
}

/// One connection, no request, and a message that says why and what to do.
fn assert_asked_once(front: &Front, ended: &Outcome, (what, hint): (&str, &str)) {
    assert_eq!(front.connections(), 1, "{what}: {}", ended.stderr);
    assert_eq!(front.requests(), Vec::<String>::new(), "{what}");
    let said = "the server's certificate is not trusted";
    assert!(ended.stderr.contains(said), "{what}: {}", ended.stderr);
    assert!(ended.stderr.contains(hint), "{what}: {}", ended.stderr);
}

#[test]
fn fault_44_a_graph_that_is_not_trusted_is_asked_once_and_never_told_the_token() {
    for (what, certificate, trusted, hint) in untrusted() {
        let stand = stand();
        let front = Front::start(&stand, &certificate, None, |_, _| None);
        let path = job(&stand, ONE_LIST, "endpoint", &front.url);
        // no time makes it pass, so it does not end with 75
        let ended = backfill(&stand, &path, &trusted, &[]).expect_code(1);
        assert_asked_once(&front, &ended, (what, hint));
        assert!(ended.stderr.contains("it is never bypassed"), "{what}");
        assert!(!stand.warehouse().join("runs").exists());
    }
}

#[test]
fn fault_44_a_sign_in_host_that_is_not_trusted_is_asked_once_and_never_told_the_secret() {
    for (what, certificate, trusted, hint) in untrusted() {
        let stand = stand();
        let front = Front::start(&stand, &certificate, None, |_, _| None);
        let path = job(&stand, ONE_LIST, "authority", &front.url);
        // no credential mends it either, so it does not end with 4
        let ended = backfill(&stand, &path, &trusted, &[]).expect_code(1);
        assert_asked_once(&front, &ended, (what, hint));
        assert!(!ended.stderr.contains(CLIENT_SECRET));
        let job = path.to_str().unwrap();
        let checked = run(&stand, &["check", "--job", job], &trusted, &[]).expect_code(1);
        assert!(
            checked
                .stdout
                .contains("fail  sign-in      no matter of permissions: "),
            "{}",
            checked.stdout
        );
        assert!(
            checked.stdout.contains("never bypassed"),
            "{}",
            checked.stdout
        );
    }
}

#[test]
fn fault_44_a_host_that_is_down_or_has_no_name_ends_with_75_at_the_deadline() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for url in [nobody.as_str(), "https://graph.contoso.invalid"] {
        for key in ["endpoint", "authority"] {
            let stand = stand();
            let path = job(&stand, ONE_LIST, key, url);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text + "[run]\ndeadline = \"1s\"\n").unwrap();
            let ended = backfill(&stand, &path, &Authority::new().pem(), &[]).expect_code(75);
            assert!(
                ended.stderr.contains("hint: "),
                "{url} {key}: {}",
                ended.stderr
            );
            assert!(!stand.warehouse().join("runs").exists());
        }
    }
}

#[test]
fn fault_44_a_machine_that_trusts_nobody_is_told_so_and_does_not_end_with_75() {
    let stand = stand();
    let front = Front::start(
        &stand,
        &Certificate::self_signed("localhost"),
        None,
        |_, _| None,
    );
    let path = job(&stand, ONE_LIST, "endpoint", &front.url);
    let ended = backfill(&stand, &path, "", &[]).expect_code(1);
    for text in [
        "this machine has no CA certificates",
        "hint: Install the CA bundle",
        "`ca-certificates`",
        "`SSL_CERT_FILE`",
    ] {
        assert!(ended.stderr.contains(text), "{}", ended.stderr);
    }
    assert_eq!(front.connections(), 0);
}

#[cfg(feature = "object-store")]
#[test]
fn fault_44_a_store_that_is_not_trusted_is_asked_once_and_the_remedy_is_the_authority() {
    let stand = stand();
    let front = Front::start(
        &stand,
        &Certificate::self_signed("localhost"),
        None,
        |_, _| None,
    );
    let path = job(
        &stand,
        ONE_LIST,
        "endpoint",
        stand.tenant.endpoint().as_str(),
    );
    let folder = stand.warehouse().display().to_string();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&folder, "s3://bucket/teams")).unwrap();
    let state = stand.folder.path().display().to_string();
    let environment = [
        ("AWS_ENDPOINT_URL", front.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
        ("XDG_STATE_HOME", &state),
    ];
    // an authority of somebody else's, and none at all
    for trusted in [Authority::new().pem(), String::new()] {
        let before = front.connections();
        let ended = backfill(&stand, &path, &trusted, &environment).expect_code(5);
        let hint = "hint: Let this machine trust the store: install the package `ca-certificates`";
        assert!(ended.stderr.contains(hint), "{}", ended.stderr);
        assert_eq!(front.connections() - before, 1, "{}", ended.stderr);
        assert!(!ended.stderr.contains("canary"));
    }
}

/// Beyond this machine, requests go through the proxy of the environment: it is told the host and nothing else.
#[test]
fn fault_63_a_proxy_is_asked_for_hosts_elsewhere_and_sees_neither_token_nor_path() {
    let stand = stand();
    let authority = Authority::new();
    let host = "graph.contoso.invalid";
    let certificate = authority.certify(host, YEARS);
    let origin = format!("https://{host}");
    let front = Front::start(&stand, &certificate, Some(&origin), |_, _| None);
    let path = job(&stand, ALL, "endpoint", &origin);
    let proxy = format!("http://user:canary@{}", front.address);
    let ended = backfill(&stand, &path, &authority.pem(), &[("HTTPS_PROXY", &proxy)]);
    assert!([0, 3].contains(&ended.code), "{}", ended.stderr);
    assert!(!stand.published().reports.is_empty());
    assert!(!front.requests().is_empty());
    let connects = front.connects();
    assert_eq!(connects.len(), front.connections(), "nothing goes past it");
    for head in connects {
        assert!(head.starts_with(&format!("CONNECT {host}:443 ")), "{head}");
        for hidden in ["Bearer", "eyJ", "v1.0", CLIENT_SECRET] {
            assert!(!head.contains(hidden), "{head}");
        }
    }
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
}

#[test]
fn fault_63_a_host_of_no_proxy_is_asked_without_one() {
    let stand = stand();
    let authority = Authority::new();
    let certificate = authority.certify("graph.contoso.invalid", YEARS);
    let origin = "https://graph.contoso.invalid";
    let front = Front::start(&stand, &certificate, Some(origin), |_, _| None);
    let path = job(&stand, ONE_LIST, "endpoint", origin);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "[run]\ndeadline = \"2s\"\n").unwrap();
    let proxy = format!("http://{}", front.address);
    let environment = [
        ("HTTPS_PROXY", proxy.as_str()),
        ("NO_PROXY", "contoso.invalid"),
    ];
    // nobody has that name, so there is nobody to ask
    backfill(&stand, &path, &authority.pem(), &environment).expect_code(75);
    assert_eq!(front.connections(), 0);
}

#[test]
fn fault_63_a_proxy_that_asks_for_a_password_is_told_and_asked_once() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
        }
    });
    let stand = stand();
    let path = job(
        &stand,
        ONE_LIST,
        "endpoint",
        "https://graph.contoso.invalid",
    );
    let environment = [("HTTPS_PROXY", address.as_str())];
    let trusted = Authority::new().pem();
    let ended = backfill(&stand, &path, &trusted, &environment).expect_code(4);
    let said = "the proxy asks for a user name and password";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("hint: Write them into `HTTPS_PROXY`"),
        "{}",
        ended.stderr
    );
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
