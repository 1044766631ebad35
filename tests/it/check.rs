//! `teamsheet check`: each thing that a run needs is one line, with its remedy, and nothing is left behind.

use std::fs;

use serde_json::Value;
use teamsheet::simulated_tenant::world::AccessPolicy;
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, TENANT_ID};

use crate::support::{Outcome, Stand, binary, outcome};

fn stand() -> Stand {
    Stand::lifelike(12, 3)
}

fn check(stand: &Stand, more: &str) -> Outcome {
    let job = stand.job(&stand.warehouse(), more);
    stand.run(&["check", "--job", job.to_str().unwrap()])
}

/// Each line's first two parts: state and what.
fn states(outcome: &Outcome) -> Vec<(String, String)> {
    let lines = outcome.stdout.lines().filter(|line| !line.starts_with(' '));
    lines
        .map(|line| {
            let (state, rest) = line.split_once("  ").unwrap();
            let what = rest.split("  ").next().unwrap();
            (state.to_owned(), what.to_owned())
        })
        .collect()
}

fn state_of(outcome: &Outcome, what: &str) -> String {
    let found = states(outcome).into_iter().find(|(_, known)| known == what);
    found.unwrap_or_else(|| panic!("{}", outcome.stdout)).0
}

#[test]
fn a_job_that_can_run_passes_line_by_line_and_nothing_is_left() {
    let stand = stand();
    let outcome = check(&stand, "").expect_code(0);
    let names: Vec<_> = states(&outcome).into_iter().map(|(_, what)| what).collect();
    let expected = [
        "sign-in",
        "permissions",
        "online meetings, calendar",
        "access policy",
        "webinars",
        "town halls",
        "warehouse",
    ];
    assert_eq!(names, expected, "{}", outcome.stdout);
    assert!(
        states(&outcome).iter().all(|(state, _)| state == "pass"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains(TENANT_ID));
    assert!(!stand.warehouse().exists());
    // a real request each, and no more organizers than say enough
    let requests = stand.tenant.requests();
    let count = |part: &str| {
        let asked = requests
            .iter()
            .filter(|request| request.path_and_query.contains(part));
        asked.count()
    };
    assert_eq!((count("/oauth2/"), count("/users?")), (1, 1));
    assert!((1..=5).contains(&count("calendarView")), "{requests:?}");
    assert!((1..=5).contains(&count("onlineMeetings?")), "{requests:?}");
    assert!(
        (1..=5).contains(&count("attendanceReports")),
        "{requests:?}"
    );
    assert_eq!(
        (
            count("attendanceRecords"),
            count("webinars"),
            count("townhalls")
        ),
        (0, 1, 1)
    );
}

#[test]
fn a_warehouse_that_is_there_is_left_as_it_is() {
    let stand = stand();
    stand.backfill(0, 1, "", &[]);
    let before = stand.published();
    check(&stand, "").expect_code(0);
    assert_eq!(stand.published(), before);
}

#[test]
fn a_missing_permission_is_named() {
    let stand = stand();
    stand.tenant.edit(|world| {
        let roles = &mut world.answers.token_roles;
        roles.retain(|role| role != "OnlineMeetingArtifact.Read.All" && role != "User.Read.All");
        roles.push("Directory.Read.All".to_owned());
    });
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "permissions"), "fail");
    assert!(
        outcome
            .stdout
            .contains("missing: OnlineMeetingArtifact.Read.All\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .contains("hint: grant the app registration OnlineMeetingArtifact.Read.All")
    );
    assert_eq!(state_of(&outcome, "webinars"), "pass");
    assert_eq!(state_of(&outcome, "warehouse"), "pass");
}

#[test]
fn without_an_access_policy_the_remedy_is_the_powershell() {
    let stand = stand();
    stand.tenant.edit(|world| {
        for person in &mut world.people {
            person.access_policy = AccessPolicy::Missing;
        }
    });
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "online meetings, calendar"), "pass");
    assert_eq!(state_of(&outcome, "access policy"), "fail");
    assert!(
        outcome.stdout.contains("New-CsApplicationAccessPolicy"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .contains("Graph leaves those out whose organizer has no access policy"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn credentials_that_are_refused_leave_the_rest_of_graph_unasked() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let arguments = ["check", "--format", "json", "--job", job.to_str().unwrap()];
    let wrong = binary()
        .env("SECRET", "canary-of-a-secret")
        .args(arguments)
        .output()
        .unwrap();
    let outcome = outcome(wrong).expect_code(4);
    assert_eq!(outcome.stdout.lines().count(), 1);
    let line: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&line["exit_code"], &line["job"]),
        (&4.into(), &"test".into())
    );
    let of = |what: &str| {
        let checks = line["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["check"] == what);
        found.unwrap_or_else(|| panic!("{line}")).clone()
    };
    assert_eq!(of("sign-in")["state"], "fail");
    assert!(
        of("sign-in")["remedy"]
            .as_str()
            .unwrap()
            .contains("client secret")
    );
    for what in [
        "permissions",
        "online meetings, calendar",
        "access policy",
        "webinars",
    ] {
        assert_eq!(of(what)["state"], "skip", "{what}");
    }
    assert_eq!(of("warehouse")["state"], "pass");
    assert!(!outcome.stdout.contains("canary"));
    assert_eq!(stand.tenant.requests().len(), 1);
}

#[test]
fn a_warehouse_that_cannot_be_written_ends_with_5() {
    let stand = stand();
    fs::write(stand.folder.path().join("file"), "").unwrap();
    let job = stand.job(&stand.folder.path().join("file/warehouse"), "");
    let outcome = stand
        .run(&["check", "--job", job.to_str().unwrap()])
        .expect_code(5);
    assert_eq!(state_of(&outcome, "warehouse"), "fail");
    assert!(
        outcome.stdout.contains("hint: check `[warehouse] uri`"),
        "{}",
        outcome.stdout
    );
    assert_eq!(state_of(&outcome, "access policy"), "pass");
}

#[test]
fn a_source_that_refuses_is_one_line_and_the_others_are_asked() {
    let stand = stand();
    let refused = FaultAnswer::graph_error(403, "Forbidden", "Not for ada@contoso.example.");
    stand.tenant.script(Fault::always(
        "virtualEvents/webinars",
        FaultEffect::Answer(refused),
    ));
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "webinars"), "fail");
    assert_eq!(state_of(&outcome, "town halls"), "pass");
    assert!(!outcome.stdout.contains("ada@contoso.example"));
}

#[test]
fn a_bad_job_file_ends_with_2_and_prints_no_line() {
    let stand = stand();
    let outcome = check(&stand, "[run]\nchunk_day = 3\n").expect_code(2);
    assert_eq!(outcome.stdout, "");
    assert!(stand.tenant.requests().is_empty());
}
