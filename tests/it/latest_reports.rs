//! `reports = "latest"`: the deprecated path, which gives the newest report without id and times.

use serde_json::{Value, json};
use teamsheet::simulated_tenant::world::{Meeting, Person};
use teamsheet::simulated_tenant::{Fault, FaultEffect, World};
use teamsheet::time::HOUR;

use crate::support::{Outcome, Stand, now};

const DAYS: u32 = 4;
const LATEST: &str = "[sources.online_meetings]\nreports = \"latest\"\n";
const ALL: &str = "[sources.online_meetings]\n";

/// A world in which a series was held twice, another meeting once, and a third not.
fn stand() -> Stand {
    let mut world = World::empty(now());
    world.settings.days = DAYS;
    let (ada, grace) = (Person::member("Ada"), Person::member("Grace"));
    let at = |day: u32| world.settings.midnight(day).plus(9 * HOUR);
    let mut series = Meeting::teams(&ada, "series", &[at(1), at(2)], 30);
    series.hold(0, &[&ada]);
    series.hold(1, &[&ada, &grace]);
    let mut single = Meeting::teams(&grace, "single", &[at(2)], 60);
    single.hold(0, &[&grace]);
    let quiet = Meeting::teams(&grace, "quiet", &[at(1)], 60);
    world.meetings = vec![series, single, quiet];
    world.people = vec![ada, grace];
    Stand::new(world)
}

fn backfill(stand: &Stand, sources: &str, version: &str) -> Outcome {
    let job = stand.job_of(&stand.warehouse(), sources, "");
    let text = std::fs::read_to_string(&job).unwrap();
    let text = text.replace("[graph]\n", &format!("[graph]\nversion = \"{version}\"\n"));
    std::fs::write(&job, text).unwrap();
    stand.backfill_job(&job, 0, DAYS, &["--format", "json"])
}

fn summary(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn the_newest_report_has_an_id_of_ours_and_the_times_of_its_intervals() {
    let stand = stand();
    let outcome = backfill(&stand, LATEST, "beta").expect_code(0);
    let published = stand.published();
    let newest = &stand.tenant.world().meetings[0].reports[1];
    let first = newest.records[0].intervals[0];
    let reports: Vec<_> = published.reports.iter().map(|(_, row)| row).collect();
    let [report, _] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    let report = if report.subject.as_deref() == Some("series") {
        report
    } else {
        reports[1]
    };
    assert!(
        report.report_id.starts_with("latest:"),
        "{}",
        report.report_id
    );
    assert_eq!(
        report.meeting_start_date_time,
        first.join.map(|join| join.at)
    );
    assert_eq!(
        report.meeting_end_date_time,
        first.leave.map(|leave| leave.at)
    );
    assert_eq!(report.quality_flags, ["derived_times"]);
    assert_eq!(
        (report.record_count, report.total_participant_count),
        (2, Some(2))
    );
    assert_eq!(published.records.len(), 3);
    let states: Vec<_> = published
        .sessions
        .iter()
        .map(|(_, row)| {
            (
                row.subject.as_deref().unwrap(),
                row.attendance_state.as_ref(),
            )
        })
        .collect();
    // only the newest is shown: what was held before it is hidden, not empty
    let mut wanted = vec![
        ("series", "over_cap"),
        ("quiet", "empty"),
        ("series", "reported"),
        ("single", "reported"),
    ];
    let mut got = states.clone();
    wanted.sort_unstable();
    got.sort_unstable();
    assert_eq!(got, wanted);
    // one request finds, one has report and records
    let kinds = &summary(&outcome)["requests_by_kind"];
    assert_eq!(
        (&kinds["find_meeting"], &kinds["get_report"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(kinds["list_reports"], Value::Null);
    let again = backfill(&stand, LATEST, "beta").expect_code(0);
    assert_eq!(summary(&again)["partitions_published"], 0);
    assert_eq!(stand.published().content(), published.content());
}

#[test]
fn it_needs_beta_and_a_warehouse_of_its_own() {
    let stand = stand();
    let refused = backfill(&stand, LATEST, "v1.0").expect_code(2);
    assert!(
        refused.stderr.contains("version = \"beta\""),
        "{}",
        refused.stderr
    );
    backfill(&stand, LATEST, "beta").expect_code(0);
    let before = stand.tenant.requests().len();
    let mixed = backfill(&stand, ALL, "v1.0").expect_code(2);
    assert!(mixed.stderr.contains("latest"), "{}", mixed.stderr);
    assert!(
        stand.tenant.requests().len() <= before + 1,
        "nothing but a token was asked"
    );
    // a job without online meetings does not care
    backfill(&stand, "[sources.webinars]\n", "v1.0").expect_code(0);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_times(body: Vec<u8>) -> Vec<u8> {
    let mut report: Value = serde_json::from_slice(&body).unwrap();
    for record in report["attendanceRecords"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        record["attendanceIntervals"] = json!([]);
    }
    serde_json::to_vec(&report).unwrap()
}

#[test]
fn a_newest_report_without_any_time_is_a_gap_and_its_session_is_not_empty() {
    let stand = stand();
    stand.tenant.script(Fault::always(
        "/meetingAttendanceReport",
        FaultEffect::Rewrite(without_times),
    ));
    let outcome = backfill(&stand, LATEST, "beta").expect_code(3);
    let published = stand.published();
    assert_eq!(published.reports.len(), 0);
    let reasons: Vec<_> = published
        .gaps
        .iter()
        .map(|(_, gap)| gap.reason.as_ref())
        .collect();
    assert_eq!(reasons, ["no_usable_time"; 2]);
    let states = &summary(&outcome)["sessions_by_state"];
    assert_eq!(states, &json!({"empty": 1, "not_ready": 3}));
}
