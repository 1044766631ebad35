//! `teamsheet plan`: what it tells is what a run then does, and it writes nothing.

use serde_json::Value;

use crate::support::{Outcome, Stand};

fn forecast(stand: &Stand, from: u32, to: u32) -> (Outcome, Value) {
    let job = stand.job(&stand.warehouse(), "");
    let settings = stand.tenant.world().settings;
    let outcome = stand
        .run(&[
            "plan",
            "--job",
            job.to_str().unwrap(),
            "--from",
            &settings.midnight(from).to_string(),
            "--to",
            &settings.midnight(to).to_string(),
            "--format",
            "json",
        ])
        .expect_code(0);
    let told = outcome.final_line();
    (outcome, told)
}

#[test]
fn a_plan_tells_what_the_backfill_then_does() {
    let stand = Stand::lifelike(25, 6);
    let (_, told) = forecast(&stand, 0, 6);
    assert!(!stand.warehouse().exists(), "nothing is written");

    let did = stand
        .backfill(0, 6, "", &["--format", "json"])
        .expect_code(3);
    let did: Value = serde_json::from_str(did.stdout.lines().next().unwrap()).unwrap();
    let sessions = |counts: &Value| {
        let counts = counts.as_object().unwrap().values();
        counts.map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(
        sessions(&told["sessions"]),
        sessions(&did["sessions_by_state"])
    );
    let (told_requests, did_requests) = (&told["requests_by_kind"], &did["requests_by_kind"]);
    // each of these is known before anything is fetched
    for kind in [
        "token",
        "users",
        "calendar_view",
        "list_webinars",
        "list_town_halls",
        "list_sessions",
    ] {
        assert_eq!(told_requests[kind], did_requests[kind], "{kind}");
        assert!(told_requests[kind].as_u64() > Some(0), "{kind}");
    }
    // of an organizer who is refused not every meeting is looked up, and a plan asks nobody
    let look_ups = |requests: &Value| requests["find_meeting"].as_u64().unwrap();
    let forbidden = did["sessions_by_state"]["forbidden"].as_u64().unwrap();
    let saved = look_ups(told_requests).checked_sub(look_ups(did_requests));
    assert!(saved.is_some_and(|saved| saved < forbidden), "{saved:?}");
    // a meeting whose look-up is refused is not listed
    assert!(told_requests["list_reports"].as_u64() >= did_requests["list_reports"].as_u64());
    let per_organizer = told["most_look_ups_of_one_organizer"].as_u64().unwrap();
    assert!((1..=told_requests["find_meeting"].as_u64().unwrap()).contains(&per_organizer));
    assert_eq!(told["partitions"], 6 * 5);
    assert_eq!(told["days_to_publish"].as_array().unwrap().len(), 6);
}

#[test]
fn a_plan_of_what_is_done_asks_for_what_is_not_final_only() {
    let stand = Stand::lifelike(25, 6);
    stand.backfill(0, 6, "", &[]).expect_code(3);
    let files = |stand: &Stand| format!("{:?}", stand.published().runs);
    let before = files(&stand);
    let (_, told) = forecast(&stand, 0, 4);
    let lists = told["requests_by_kind"]["list_reports"]
        .as_u64()
        .unwrap_or(0);
    let unsettled = stand
        .published()
        .sessions
        .iter()
        .filter(|(_, session)| !session.is_final)
        .count() as u64;
    assert!(
        lists <= unsettled,
        "{lists} lists, {unsettled} sessions are not final"
    );
    let reports = told["requests_by_kind"]["get_report"].as_u64();
    assert!(
        reports.unwrap_or(0) <= unsettled,
        "what is published is not expected again"
    );
    assert_eq!(files(&stand), before);
}

#[test]
fn a_plan_without_an_interval_is_that_of_the_scheduled_run() {
    let stand = Stand::lifelike(25, 3);
    let job = stand.job(&stand.warehouse(), "");
    let arguments = ["plan", "--job", job.to_str().unwrap()];
    let text = stand.run(&arguments).expect_code(0).stdout;
    assert!(text.starts_with("run of job `test`, "), "{text}");
    assert!(text.ends_with("\nNothing was written\n"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let night = stand.run(&["run", "--job", job.to_str().unwrap()]);
    assert!(matches!(night.code, 0 | 3), "{}", night.stderr);
    let text = stand.run(&arguments).expect_code(0).stdout;
    assert!(text.contains("has nothing to do"), "{text}");
}
