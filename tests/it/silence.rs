//! Nothing that is printed, logged or kept beside the tables names a person or holds a secret, whatever fails.

use std::fs;
use std::path::Path;

use teamsheet::simulated_tenant::{CLIENT_SECRET, Fault, FaultAnswer, FaultEffect, Occurrences};

use crate::support::{Stand, binary, outcome};

const DAYS: u32 = 3;
const PERSON: &str = "mallory@contoso.example";
/// Of people, of tokens and of secrets.
const CANARIES: [&str; 8] = [
    CLIENT_SECRET,
    "eyJ",
    "Bearer",
    "contoso.example",
    "fabrikam.example",
    "meetup-join",
    "mallory",
    "canary",
];

#[track_caller]
fn assert_silent(stand: &Stand, what: &str, text: &str) {
    for canary in CANARIES {
        let line = text.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary} in {what}");
    }
    for person in &stand.tenant.world().people {
        for name in [&person.id, &person.display_name] {
            assert!(!text.contains(name), "{name} in {what}");
        }
    }
}

fn with_a_link_elsewhere(body: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(body).unwrap();
    let link = format!("https://evil.example/{PERSON}?$skiptoken=canary");
    let linked = text.replacen('{', &format!("{{\"@odata.nextLink\":\"{link}\","), 1);
    linked.into_bytes()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn cut_short(body: Vec<u8>) -> Vec<u8> {
    let mut cut = body[..body.len() / 2].to_vec();
    cut.extend_from_slice(PERSON.as_bytes());
    cut
}

/// Each thing that Graph may do wrong, with a person in it, where a run goes on after it.
fn everything_wrong(stand: &Stand) {
    let error = |status| {
        FaultAnswer::graph_error(status, "Forbidden", &format!("Not for {PERSON}, canary"))
    };
    let page = format!("<html>{PERSON} canary</html>");
    let moved = FaultAnswer::raw(302, page.clone())
        .with_header("location", format!("https://evil.example/{PERSON}?canary"));
    let busy = error(429).with_header("retry-after", "1");
    for (number, matching, effect) in [
        (1, "calendarView", FaultEffect::Answer(error(403))),
        (
            2,
            "calendarView",
            FaultEffect::Rewrite(with_a_link_elsewhere),
        ),
        (1, "onlineMeetings?", FaultEffect::Answer(error(404))),
        (2, "onlineMeetings?", FaultEffect::Answer(moved)),
        (
            3,
            "onlineMeetings?",
            FaultEffect::Answer(FaultAnswer::raw(503, page)),
        ),
        (1, "attendanceReports", FaultEffect::Answer(busy)),
        (2, "attendanceReports", FaultEffect::CutAfter(100)),
        (3, "attendanceReports", FaultEffect::Rewrite(cut_short)),
        (4, "attendanceReports", FaultEffect::Answer(error(400))),
        (1, "/sessions", FaultEffect::Answer(error(403))),
    ] {
        stand.tenant.script(Fault {
            matching: matching.to_owned(),
            occurrences: Occurrences::Only(number),
            effect,
        });
    }
}

/// The text of every file below a folder, and their names.
fn kept(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text.push_str(path.to_str().unwrap());
        text.push('\n');
        if path.is_dir() {
            kept(&path, text);
        } else if path
            .extension()
            .is_none_or(|extension| extension != "parquet")
        {
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn fault_90_whatever_fails_no_verb_names_a_person_or_shows_a_secret() {
    let stand = Stand::lifelike(25, DAYS);
    everything_wrong(&stand);
    let metrics = stand.folder.path().join("teamsheet.prom");
    let more = format!("[metrics]\nfile = \"{}\"\n", metrics.display());
    let job = stand.job(&stand.warehouse(), &more);
    let job = job.to_str().unwrap();
    let settings = stand.tenant.world().settings;
    let [from, to] = [0, DAYS].map(|day| settings.midnight(day).to_string());
    let warehouse = stand.warehouse();
    let warehouse = warehouse.to_str().unwrap();
    let days = ["--from", &from, "--to", &to];
    let again = ["--reprocess", "all", "--log-format", "json"];
    let mut said = String::new();
    for (arguments, codes) in [
        (
            [&["backfill", "-vv", "--job", job][..], &days].concat(),
            [3, 3],
        ),
        (
            [&["backfill", "-vv", "--job", job][..], &days, &again].concat(),
            [0, 3],
        ),
        (vec!["check", "-vv", "--job", job], [0, 4]),
        ([&["plan", "-vv", "--job", job][..], &days].concat(), [0, 0]),
        (vec!["status", "-vv", "--warehouse", warehouse], [0, 0]),
        (
            vec!["status", "--format", "json", "--warehouse", warehouse],
            [0, 0],
        ),
        (vec!["verify", "-vv", "--warehouse", warehouse], [0, 0]),
    ] {
        let mut command = binary();
        command
            .args(&arguments)
            .current_dir(stand.folder.path())
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        let ended = outcome(command.output().unwrap());
        assert!(
            codes.contains(&ended.code),
            "{arguments:?} {}: {}",
            ended.code,
            ended.stderr
        );
        assert_silent(
            &stand,
            arguments[0],
            &format!("{}{}", ended.stdout, ended.stderr),
        );
        said += &ended.stderr;
    }
    // what was to fail did, and was told
    let told = [
        "forbidden",
        "gone",
        "refused_link",
        "503",
        "429",
        "bad_request",
    ];
    let missing: Vec<_> = told.iter().filter(|told| !said.contains(**told)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let mut state = String::new();
    kept(stand.folder.path(), &mut state);
    // the job file names the sign-in host and the variable of the secret, and the tables hold people
    let state = state.replace(&fs::read_to_string(job).unwrap(), "");
    assert!(state.contains("teamsheet_run_exit_code") && state.contains("_teamsheet"));
    assert_silent(&stand, "what is kept", &state);
}

#[cfg(feature = "object-store")]
mod object_stores {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A store that refuses everything and repeats what it was told, as S3 does; and the heads of all requests.
    fn refusing_store() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let body = format!(
                    "<Error><Code>AccessDenied</Code><StringToSign>{head}</StringToSign></Error>"
                );
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 403 Forbidden\r\nconnection: close\r\nx-ms-error-code: AuthenticationFailed\r\n\
                     x-canary: canary\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).ok();
                seen.lock().unwrap().push(head);
            }
        });
        (url, heads)
    }

    #[test]
    fn fault_90_a_store_that_refuses_is_told_without_signature_key_or_token() {
        let stand = Stand::lifelike(12, 1);
        let (url, heads) = refusing_store();
        let account_key = "Y2FuYXJ5LW9mLWEta2V5LWNhbmFyeS1vZi1hLWtleQ==";
        let sas = "sv=2024-11-04&sp=racwdl&sig=canary%2Bof%2Fa%2Fsignature%3D";
        let azure = [
            ("AZURE_STORAGE_ACCOUNT_NAME", "teamsheet"),
            ("AZURE_STORAGE_ENDPOINT", &url),
            ("AZURE_ALLOW_HTTP", "true"),
        ];
        let [name, endpoint, http] = azure;
        for (uri, secret, environment) in [
            (
                "az://attendance/teams",
                "sig=canary",
                vec![name, endpoint, http, ("AZURE_STORAGE_SAS_KEY", sas)],
            ),
            (
                "az://attendance/teams",
                "SharedKey",
                vec![
                    name,
                    endpoint,
                    http,
                    ("AZURE_STORAGE_ACCOUNT_KEY", account_key),
                ],
            ),
            (
                "s3://attendance/teams",
                "Credential=canary-key-id",
                vec![
                    ("AWS_ENDPOINT_URL", &url),
                    ("AWS_REGION", "us-east-1"),
                    ("AWS_ACCESS_KEY_ID", "canary-key-id"),
                    ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
                    ("AWS_SESSION_TOKEN", "canary-session"),
                ],
            ),
        ] {
            let staging = stand.folder.path().join("staging");
            let job = stand.job(
                Path::new(uri),
                &format!("[run]\nstaging = \"{}\"\n", staging.display()),
            );
            let job = job.to_str().unwrap();
            for arguments in [
                vec!["check", "-vv", "--job", job],
                vec!["run", "-vv", "--job", job],
                vec!["run", "--log-format", "json", "--job", job],
                vec!["status", "-vv", "--warehouse", uri],
                vec!["verify", "-vv", "--warehouse", uri],
            ] {
                heads.lock().unwrap().clear();
                let mut command = binary();
                command
                    .args(&arguments)
                    .current_dir(stand.folder.path())
                    .env(
                        "RUST_LOG",
                        "trace,object_store=trace,reqwest=trace,hyper=trace",
                    )
                    .env("RUST_BACKTRACE", "full")
                    .envs(environment.iter().copied());
                let ended = outcome(command.output().unwrap());
                let said = format!("{}{}", ended.stdout, ended.stderr);
                assert_eq!(ended.code, 5, "{arguments:?}: {said}");
                assert!(said.contains("403"), "{arguments:?}: {said}");
                // it was sent, or there would be nothing to hide
                let heads = heads.lock().unwrap().join("\n").replace("%3D", "=");
                assert!(heads.contains(secret), "{secret}: {heads}");
                assert_silent(&stand, arguments[0], &said);
                for hidden in ["Y2FuYXJ5", "sig=", "Signature", "StringToSign", "AWS4-HMAC"] {
                    assert!(!said.contains(hidden), "{hidden}: {said}");
                }
            }
        }
    }
}
