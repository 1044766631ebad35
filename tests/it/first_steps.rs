//! `demo`, `init`, completions and man pages: what somebody runs before there is a job.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{binary, outcome};

#[test]
fn the_demo_prints_three_queries_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = outcome(
        binary()
            .args(["demo", "--days", "2"])
            .current_dir(folder.path())
            .output()
            .unwrap(),
    )
    .expect_code(0);
    assert_eq!(
        outcome.stdout.matches("SELECT").count(),
        3,
        "{}",
        outcome.stdout
    );
    assert!(folder.path().join("demo-warehouse/sessions").is_dir());
    // all is well only because it says so
    let told = outcome.stdout.replace('\n', " ");
    for text in [
        "1 organizer is refused on purpose",
        "2 gaps are open as `forbidden`",
        "(`[run] tolerate = [\"forbidden\", \"gone\"]`); without it this run would have ended with 3.",
    ] {
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn the_demo_speaks_json_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary();
    let demo = ["demo", "--days", "2", "--users", "5", "--format", "json"];
    let demo = command.args(demo).current_dir(folder.path());
    let outcome = outcome(demo.output().unwrap()).expect_code(0);
    let last = outcome.final_line();
    assert_eq!(
        (&last["verb"], &last["exit_code"]),
        (&"backfill".into(), &0.into())
    );
    assert!(!outcome.stdout.contains("SELECT"), "{}", outcome.stdout);
}

#[test]
fn init_writes_a_job_file_once_and_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let init = |flags: &[&str]| {
        let mut command = binary();
        command
            .arg("init")
            .args(flags)
            .current_dir(folder.path())
            .stdin(Stdio::null());
        outcome(command.output().unwrap())
    };
    let nobody_to_ask = init(&[]).expect_code(2);
    assert!(
        nobody_to_ask.stderr.contains("`--tenant` is missing"),
        "{}",
        nobody_to_ask.stderr
    );
    let flags = ["--tenant", "contoso.com", "--client-id", "app"];
    let written = init(&flags).expect_code(0);
    assert!(
        written.stdout.contains("Grant-CsApplicationAccessPolicy"),
        "{}",
        written.stdout
    );
    let first = fs::read_to_string(folder.path().join("nightly.toml")).unwrap();
    let again = init(&["--tenant", "fabrikam.com"]).expect_code(2);
    assert!(
        again
            .stderr
            .contains("`nightly.toml` exists already and is left as it is"),
        "{}",
        again.stderr
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("nightly.toml")).unwrap(),
        first
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // what it wrote is a job: only the secret is missing
    let mut run = binary();
    run.args(["run", "--job", "nightly.toml"])
        .current_dir(folder.path())
        .env_remove("TEAMSHEET_CLIENT_SECRET");
    let unset = outcome(run.output().unwrap()).expect_code(2);
    assert!(
        unset.stderr.contains("TEAMSHEET_CLIENT_SECRET"),
        "{}",
        unset.stderr
    );
}

#[test]
fn init_tells_programs_what_to_grant_and_what_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut init = binary();
    init.args(["init", "--tenant", "contoso.com", "--format", "json"])
        .args(["--auth", "certificate", "--source", "town-halls"])
        .current_dir(folder.path());
    let written = outcome(init.output().unwrap()).expect_code(0);
    assert_eq!(written.stdout.lines().count(), 1, "{}", written.stdout);
    let told = written.final_line();
    assert_eq!(told["job_file"], "nightly.toml");
    let permissions = ["OnlineMeetingArtifact.Read.All", "VirtualEvent.Read.All"];
    assert_eq!(told["permissions"], serde_json::json!(permissions));
    assert_eq!(told["next"][0], "teamsheet check --job nightly.toml");
    assert!(folder.path().join("nightly.toml").is_file());
    let mut init = binary();
    init.args(["init", "--tenant", "contoso.com", "--format", "json"])
        .args(["--auth", "device-code", "--out", "mine.toml"])
        .current_dir(folder.path());
    let told = outcome(init.output().unwrap()).expect_code(0).final_line();
    assert_eq!(told["next"][0], "teamsheet login --job mine.toml");
}

#[test]
fn the_placeholder_that_init_writes_is_named_by_every_verb_that_would_use_it() {
    let folder = tempfile::tempdir().unwrap();
    for auth in [
        "client-secret",
        "certificate",
        "workload-identity",
        "device-code",
    ] {
        let job = format!("{auth}.toml");
        let run = |arguments: &[&str]| {
            let mut command = binary();
            command.args(arguments).current_dir(folder.path());
            command
                .env("TEAMSHEET_CLIENT_SECRET", "x")
                .env("HOME", "/tmp");
            outcome(command.stdin(Stdio::null()).output().unwrap())
        };
        let tenant = "contoso.onmicrosoft.com";
        run(&["init", "--tenant", tenant, "--auth", auth, "--out", &job]).expect_code(0);
        for verb in ["check", "plan", "run"] {
            let refused = run(&[verb, "--job", &job]).expect_code(2);
            for text in [
                "`auth.client_id` still holds the placeholder `00000000-0000-0000-0000-000000000000`",
                "hint: Put the Application (client) ID of your app registration there",
            ] {
                assert!(refused.stderr.contains(text), "{}", refused.stderr);
            }
        }
    }
    assert!(!folder.path().join("warehouse").exists());
}

#[test]
fn completions_and_man_pages_name_every_verb_and_flag() {
    let printed = |arguments: &[&str]| {
        let output = binary().args(arguments).output().unwrap();
        outcome(output).expect_code(0).stdout
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        assert!(
            script.contains("backfill") && script.contains("interval-start"),
            "{shell}"
        );
    }
    let bash = printed(&["completions", "bash"]);
    // a real shell reads the script, and completes a verb's flag from it
    let asked = format!(
        "{bash}\nCOMP_WORDS=(teamsheet backfill --rep); COMP_CWORD=2; _teamsheet teamsheet --rep backfill; echo \"${{COMPREPLY[@]}}\""
    );
    let completed = Command::new("bash").args(["-c", &asked]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&completed.stdout).trim(),
        "--reprocess",
        "{}",
        String::from_utf8_lossy(&completed.stderr)
    );
    let program = printed(&["man"]);
    for part in [".TH teamsheet 1", "teamsheet\\-run(1)", ".SH EXIT STATUS"] {
        assert!(program.contains(part), "{part} is not in\n{program}");
    }
    let run = printed(&["man", "run"]);
    assert!(
        run.contains(".TH teamsheet-run 1") && run.contains("\\-\\-interval\\-start"),
        "{run}"
    );
    outcome(binary().args(["man", "sync"]).output().unwrap()).expect_code(2);
}
