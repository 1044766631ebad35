//! Bad input ends with the documented exit code and one message that says what to do, before anything is fetched.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use teamsheet::simulated_tenant::{Fault, FaultEffect};

use crate::support::{Outcome, Stand, assert_same_rows, binary, outcome};

fn stand() -> Stand {
    Stand::lifelike(12, 2)
}

/// The message as it is shown, with what changes from run to run taken out.
fn message(stand: &Stand, outcome: &Outcome) -> String {
    let folder = stand.folder.path().display().to_string();
    let endpoint = stand.tenant.endpoint().to_string();
    let text = outcome
        .stderr
        .replace(&folder, "<folder>")
        .replace(endpoint.trim_end_matches('/'), "<endpoint>");
    let kept = text
        .lines()
        .filter(|line| !line.contains(" INFO ") && !line.contains(" WARN "));
    format!(
        "exit {}\n{}",
        outcome.code,
        kept.collect::<Vec<_>>().join("\n")
    )
}

fn nothing_was_asked(stand: &Stand) {
    assert!(
        stand.tenant.requests().is_empty(),
        "{:?}",
        stand.tenant.requests()
    );
}

#[test]
fn an_unknown_key_is_named() {
    let stand = stand();
    let outcome = stand
        .backfill(0, 1, "[run]\nchunk_day = 3\n", &[])
        .expect_code(2);
    assert!(
        outcome.stderr.contains("`chunk_day`") || outcome.stderr.contains("chunk_day"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stderr.matches("error:").count(), 1);
    assert!(outcome.stderr.contains("hint:"), "{}", outcome.stderr);
    nothing_was_asked(&stand);
}

#[test]
fn a_missing_secret_is_named() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let arguments = ["run", "--job", job.to_str().unwrap()];
    let outcome = outcome(
        binary()
            .env_remove("SECRET")
            .args(arguments)
            .output()
            .unwrap(),
    )
    .expect_code(2);
    assert!(
        outcome.stderr.contains("SECRET") && outcome.stderr.contains("hint:"),
        "{}",
        outcome.stderr
    );
    nothing_was_asked(&stand);
}

#[test]
fn a_bad_range_is_refused() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    for (from, to) in [
        ("2026-01-02", "2026-01-01"),
        ("2026-01-01", "2026-01-01"),
        ("2026-02-30", "2026-03-01"),
        ("soon", "later"),
    ] {
        let outcome = stand
            .run(&[
                "backfill",
                "--job",
                job.to_str().unwrap(),
                "--from",
                from,
                "--to",
                to,
            ])
            .expect_code(2);
        assert!(outcome.stderr.contains("error:"), "{}", outcome.stderr);
    }
    nothing_was_asked(&stand);
    assert!(!stand.warehouse().exists());
}

#[test]
fn a_host_that_is_not_reachable_says_which_and_is_worth_another_try() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = fs::read_to_string(&job).unwrap().replace(
        stand.tenant.endpoint().as_str(),
        &format!("http://127.0.0.1:{port}/"),
    );
    fs::write(&job, text).unwrap();
    let outcome = stand
        .run(&["run", "--job", job.to_str().unwrap()])
        .expect_code(75);
    assert!(
        outcome.stderr.contains(&format!("127.0.0.1:{port}")),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("hint:"), "{}", outcome.stderr);
    assert_eq!(outcome.final_line()["exit_code"], 75);
}

#[test]
fn a_deadline_names_what_the_last_try_met() {
    let stand = stand();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let job = stand.job(&stand.warehouse(), "[run]\ndeadline = \"1s\"\n");
    let good = fs::read_to_string(&job).unwrap();
    for host in [stand.tenant.endpoint(), stand.tenant.authority()] {
        fs::write(&job, good.replace(host.as_str(), &dead)).unwrap();
        let outcome = stand.run(&["run", "--job", job.to_str().unwrap()]);
        let outcome = outcome.expect_code(75);
        let [deadline, cause, hint] = [
            "Caused by: the run's deadline has passed\n  Caused by: the connection failed\n",
            "Connection refused",
            "hint: Check the network, the proxy, and `[graph] endpoint`",
        ]
        .map(|text| outcome.stderr.find(text));
        assert!(deadline.is_some(), "{}", outcome.stderr);
        assert!(deadline < cause && cause < hint, "{}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("error:").count(), 1);
    }
}

#[test]
fn a_machine_without_authorities_is_told_which_package_it_lacks_and_not_to_try_again() {
    let stand = stand();
    let nobody = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nowhere"));
    let job = stand.job(&stand.warehouse(), "");
    let good = fs::read_to_string(&job).unwrap();
    fs::write(&job, good.replace("http://", "https://")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = binary();
        command.args(arguments).current_dir(stand.folder.path());
        outcome(command.envs(nobody).output().unwrap())
    };
    let ended = run(&["run", "--job", job.to_str().unwrap()]).expect_code(1);
    for text in [
        "this machine has no CA certificates",
        "hint: Install the CA bundle",
        "`ca-certificates`",
        "`SSL_CERT_FILE`",
    ] {
        assert!(ended.stderr.contains(text), "{}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("\nerror:").count(), 1);
    let checked = run(&["check", "--job", job.to_str().unwrap()]).expect_code(1);
    assert!(
        checked.stdout.contains("no matter of permissions: "),
        "{}",
        checked.stdout
    );
    nothing_was_asked(&stand);
    // what does not leave the machine needs none
    run(&["demo", "--days", "1"]).expect_code(0);
}

#[test]
fn an_interval_is_shown_as_it_was_typed_with_the_zone_of_its_dates() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let text = fs::read_to_string(&job).unwrap();
    let berlin = text.replace(
        "[warehouse]\n",
        "[warehouse]\ntimezone = \"Europe/Berlin\"\n",
    );
    fs::write(&job, berlin).unwrap();
    let job = job.to_str().unwrap();
    for (from, to, expected) in [
        (
            "2026-01-02",
            "2026-01-01",
            "the data interval from `2026-01-02` to `2026-01-01` is empty (a date is a midnight of Europe/Berlin)",
        ),
        (
            "2026-01-01",
            "2025-12-31T23:00:00Z",
            "the data interval from `2026-01-01` to `2025-12-31T23:00:00Z` is empty (a date is a midnight of Europe/Berlin)",
        ),
        (
            "2099-01-01",
            "2099-01-02",
            "the data interval starts at `2099-01-01`, which is in the future (a date is a midnight of Europe/Berlin)",
        ),
    ] {
        let flags = ["backfill", "--job", job, "--from", from, "--to", to];
        let outcome = stand.run(&flags).expect_code(2);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
}

#[test]
fn a_run_that_failed_says_so_in_the_last_line_of_standard_output_too() {
    let stand = stand();
    fs::write(stand.folder.path().join("file"), "").unwrap();
    let good = fs::read_to_string(stand.job(&stand.warehouse(), "")).unwrap();
    let file = stand.folder.path().join("file/warehouse");
    let cases = [
        (
            good.replace(stand.warehouse().to_str().unwrap(), file.to_str().unwrap()),
            5,
            "the warehouse cannot be used",
            0,
        ),
        (
            good.replace("{ env = \"SECRET\" }", "{ env = \"WRONG\" }"),
            4,
            "cannot sign in",
            1,
        ),
    ];
    let job = stand.folder.path().join("failing.toml");
    for (text, code, error, requests) in cases {
        fs::write(&job, text).unwrap();
        for verb in [
            &["run"][..],
            &["backfill", "--from", "2026-01-01", "--to", "2026-01-02"],
        ] {
            let mut command = binary();
            command.env("WRONG", "not-the-secret").args(verb);
            let ended = command.args(["--job", job.to_str().unwrap()]).output();
            let ended = outcome(ended.unwrap()).expect_code(code);
            assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
            let mut line = ended.final_line();
            let invocation_id = line["invocation_id"].take();
            assert!(!invocation_id.as_str().unwrap().is_empty());
            assert_eq!(
                line,
                serde_json::json!({
                    "verb": verb[0], "job": "failing", "invocation_id": null, "chunks_finished": 0,
                    "requests": requests, "error": error, "exit_code": code,
                })
            );
            assert!(ended.stderr.contains(&format!("error: {error}")));
        }
    }
}

#[test]
fn an_unwritable_warehouse_ends_the_run_before_anything_is_fetched() {
    let stand = stand();
    fs::write(stand.folder.path().join("file"), "").unwrap();
    let job = stand.job(&stand.folder.path().join("file/warehouse"), "");
    let outcome = stand
        .run(&["run", "--job", job.to_str().unwrap()])
        .expect_code(5);
    insta::assert_snapshot!(message(&stand, &outcome), @r"
    exit 5
    error: the warehouse cannot be used
      Caused by: cannot create `<folder>/file/warehouse`
      Caused by: Not a directory (os error 20)

    hint: Name a folder as `[warehouse] uri`: a file lies where one is to be
    ");
    nothing_was_asked(&stand);
}

#[test]
fn fault_11_a_folder_of_somebody_else_is_refused() {
    // only root can become somebody else; elsewhere the folder's mode does the same
    let stand = stand();
    let warehouse = stand.folder.path().join("foreign");
    fs::create_dir(&warehouse).unwrap();
    let job = stand.job(&warehouse, "");
    fs::set_permissions(
        stand.folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    fs::set_permissions(&job, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let arguments = ["run", "--job", job.to_str().unwrap()];
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--clear-groups",
                env!("CARGO_BIN_EXE_teamsheet"),
            ])
            .env("SECRET", "x");
        command
    } else {
        fs::set_permissions(
            &warehouse,
            std::os::unix::fs::PermissionsExt::from_mode(0o555),
        )
        .unwrap();
        binary()
    };
    let outcome = outcome(command.args(arguments).output().unwrap()).expect_code(5);
    assert!(
        outcome
            .stderr
            .contains("Let the user that runs teamsheet write there"),
        "{}",
        outcome.stderr
    );
    nothing_was_asked(&stand);
}

#[test]
fn a_wrong_secret_is_not_shown_and_ends_with_4() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let arguments = ["run", "--job", job.to_str().unwrap()];
    let wrong = binary()
        .env("SECRET", "canary-of-a-secret")
        .env("RUST_LOG", "trace")
        .args(arguments)
        .output()
        .unwrap();
    let outcome = outcome(wrong).expect_code(4);
    assert!(
        outcome.stderr.contains("AADSTS7000215") && outcome.stderr.contains("new client secret"),
        "{}",
        outcome.stderr
    );
    assert!(!format!("{}{}", outcome.stderr, outcome.stdout).contains("canary-of-a-secret"));
}

#[test]
fn another_tenants_warehouse_and_another_time_zone_are_refused() {
    let stand = stand();
    stand.backfill(0, 1, "", &[]);
    let before = stand.published();
    let description = stand.warehouse().join("_teamsheet/warehouse.json");
    let original = fs::read_to_string(&description).unwrap();
    fs::write(
        &description,
        original.replace(
            teamsheet::simulated_tenant::TENANT_ID,
            "00000000-0000-4000-8000-000000000000",
        ),
    )
    .unwrap();
    let outcome = stand.backfill(0, 1, "", &[]).expect_code(2);
    assert!(outcome.stderr.contains("tenant"), "{}", outcome.stderr);
    fs::write(&description, original.replace("UTC", "Europe/Berlin")).unwrap();
    let asked = stand.tenant.requests().len();
    stand.backfill(0, 1, "", &[]).expect_code(2);
    assert_eq!(
        stand.tenant.requests().len(),
        asked,
        "refused before anything is asked"
    );
    fs::write(&description, original).unwrap();
    assert_same_rows(&stand.published(), &before);
}

#[test]
fn fault_90_logs_hold_no_token_secret_name_or_address() {
    let stand = Stand::lifelike(25, 3);
    let job = stand.job(&stand.warehouse(), "");
    let settings = stand.tenant.world().settings;
    let (from, to) = (
        settings.midnight(0).to_string(),
        settings.midnight(3).to_string(),
    );
    let arguments = [
        "backfill",
        "-vv",
        "--job",
        job.to_str().unwrap(),
        "--from",
        &from,
        "--to",
        &to,
    ];
    let outcome = outcome(
        binary()
            .env("RUST_LOG", "trace")
            .args(arguments)
            .output()
            .unwrap(),
    );
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    for canary in [
        "demo-secret",
        "eyJ",
        "Bearer",
        "contoso.example",
        "fabrikam.example",
        "meetup-join",
    ] {
        assert!(!printed.contains(canary), "{canary} in {printed}");
    }
    for person in &stand.tenant.world().people {
        assert!(
            !printed.contains(&person.id) && !printed.contains(&person.display_name),
            "{printed}"
        );
    }
}

#[test]
fn fault_05_a_signal_stops_the_run_in_time_and_publishes_nothing_half() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let stand = stand();
        stand
            .tenant
            .script(Fault::always("calendarView", FaultEffect::Silence));
        let job = stand.job(&stand.warehouse(), "");
        let child = binary()
            .args(["run", "--job", job.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let waited = Instant::now();
        while !stand
            .tenant
            .requests()
            .iter()
            .any(|request| request.path_and_query.contains("calendarView"))
        {
            assert!(
                waited.elapsed() < Duration::from_secs(20),
                "it never got that far"
            );
            std::thread::yield_now();
        }
        let sent = Instant::now();
        let killed = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let outcome = outcome(child.wait_with_output().unwrap()).expect_code(code);
        assert!(
            sent.elapsed() < Duration::from_secs(5),
            "{:?}",
            sent.elapsed()
        );
        assert!(
            outcome.stderr.contains("Run the same command again"),
            "{}",
            outcome.stderr
        );
        assert!(stand.published().runs.is_empty() && stand.published().sessions.is_empty());
    }
}
