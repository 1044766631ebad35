//! What a run tells machines: JSON logs, and the file for Prometheus.

#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers, and these are whole or the same"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect};
use teamsheet::tables::RunRow;

use crate::support::{Stand, binary, outcome, utc_date};

fn section(path: &Path) -> String {
    format!("[metrics]\nfile = \"{}\"\n", path.display())
}

/// Every series with its value; fails where a line is none, a name has no HELP and TYPE, or a series is there twice.
fn series(path: &Path) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut known = (String::new(), String::new());
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split(' ').next().unwrap().clone_into(&mut known.0);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            rest.strip_suffix(" gauge")
                .unwrap()
                .clone_into(&mut known.1);
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let metric = name.split('{').next().unwrap();
            assert!(metric == known.0 && metric == known.1, "{line}");
            let before = series.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "{line}");
        }
    }
    series
}

#[test]
fn the_metrics_file_says_what_the_last_line_says_and_remembers_a_success() {
    let stand = Stand::lifelike(25, 3);
    let file = stand.folder.path().join("teamsheet.prom");
    let outcome = stand.backfill(0, 3, &section(&file), &[]).expect_code(3);
    let line = outcome.final_line();
    let found = series(&file);
    let value = |name: &str, label: &str| {
        let name = format!("teamsheet_run_{name}{{job_name=\"test\",verb=\"backfill\"{label}}}");
        found
            .get(&name)
            .copied()
            .unwrap_or_else(|| panic!("{name} is not in {found:#?}"))
    };
    assert_eq!(value("exit_code", ""), 3.0);
    for (name, key) in [
        ("reports", "reports"),
        ("records", "records"),
        ("intervals", "intervals"),
        ("partitions_published", "partitions_published"),
    ] {
        assert_eq!(Some(value(name, "")), line[key].as_f64(), "{key}");
    }
    for (name, label, key) in [
        ("sessions", "state", "sessions_by_state"),
        ("open_gaps", "reason", "gaps_by_reason"),
    ] {
        let counts = line[key].as_object().unwrap();
        assert!(!counts.is_empty());
        for (of, count) in counts {
            let label = format!(",{label}=\"{of}\"");
            assert_eq!(Some(value(name, &label)), count.as_f64(), "{of}");
        }
    }
    let requests: f64 = found
        .iter()
        .filter(|(name, _)| name.starts_with("teamsheet_run_requests{"))
        .map(|(_, count)| count)
        .sum();
    // the one for a token is a request too
    assert_eq!(requests, stand.tenant.requests().len() as f64);
    assert!(value("received_bytes", "") > 10_000.0 && value("duration_seconds", "") > 0.0);
    let success = value("success_timestamp_seconds", "");
    assert_eq!(success, value("end_timestamp_seconds", ""));

    // a run that is not allowed to sign in: its own numbers, and when the last good one was
    let job = stand.job(&stand.warehouse(), &section(&file));
    let (from, to) = ("2026-01-01", "2026-01-02");
    let arguments = [
        "backfill",
        "--job",
        job.to_str().unwrap(),
        "--from",
        from,
        "--to",
        to,
    ];
    let refused = binary()
        .env("SECRET", "wrong")
        .args(arguments)
        .output()
        .unwrap();
    crate::support::outcome(refused).expect_code(4);
    let after = series(&file);
    let name = |name: &str| format!("teamsheet_run_{name}{{job_name=\"test\",verb=\"backfill\"}}");
    assert_eq!(after[&name("exit_code")], 4.0);
    assert_eq!(after[&name("success_timestamp_seconds")], success);
    assert!(after[&name("end_timestamp_seconds")] > success);
    // and what is published, as the last run that published left it: a gap is as open as it was
    assert_eq!(after[&name("chunks_finished")], 0.0);
    let of_runs = [
        "start",
        "end",
        "exit_code",
        "duration",
        "requests",
        "received",
        "peak",
    ];
    let of_runs = [&of_runs[..], &["throttled", "chunks", "success"]].concat();
    for (name, value) in &found {
        let metric = name.strip_prefix("teamsheet_run_").unwrap();
        if !of_runs.iter().any(|start| metric.starts_with(start)) {
            assert_eq!(after.get(name), Some(value), "{name}");
        }
    }
    let gap = "teamsheet_run_open_gaps{job_name=\"test\",verb=\"backfill\",reason=\"forbidden\"}";
    assert!(after[gap] > 0.0);
}

#[test]
fn the_metrics_of_a_run_that_failed_half_way_count_what_it_published() {
    let stand = Stand::lifelike(25, 3);
    let file = stand.folder.path().join("teamsheet.prom");
    let more = format!("[run]\nchunk_days = 1\n{}", section(&file));
    // the calendars of the third day's chunk, which reads from the day before
    let third = utc_date(stand.tenant.world().settings.midnight(1));
    let refused = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "no");
    for matching in [
        format!("startDateTime={third}"),
        "/users?$select=id&$top=1".to_owned(),
    ] {
        let effect = FaultEffect::Answer(refused.clone());
        stand.tenant.script(Fault::always(matching, effect));
    }
    let outcome = stand.backfill(0, 3, &more, &[]).expect_code(4);
    // the third in part: what is whole is published before the run ends
    assert_eq!(outcome.final_line()["chunks_finished"], 3);
    let found = series(&file);
    let value =
        |name: &str| found[&format!("teamsheet_run_{name}{{job_name=\"test\",verb=\"backfill\"}}")];
    let runs = stand.published().runs;
    let sum = |count: fn(&RunRow<'_>) -> i64| runs.iter().map(|(_, run)| count(run)).sum::<i64>();
    assert_eq!((value("exit_code"), value("chunks_finished")), (4.0, 3.0));
    let covered = stand.tenant.world().settings.midnight(2);
    let covered = teamsheet::time::UtcMicros(0).seconds_until(covered);
    assert_eq!(value("interval_end_timestamp_seconds"), covered);
    assert!(sum(|run| run.reports) > 0);
    for (name, wanted) in [
        ("reports", sum(|run| run.reports)),
        ("records", sum(|run| run.records)),
        ("gaps_opened", sum(|run| run.gaps_opened)),
        ("partitions_published", sum(|run| run.partitions_published)),
    ] {
        assert_eq!(value(name), wanted as f64, "{name}");
    }
    assert!(!found.keys().any(|name| name.contains("success_timestamp")));
}

#[test]
fn fault_95_a_metrics_file_that_cannot_be_written_is_one_warning() {
    let stand = Stand::lifelike(12, 2);
    fs::write(stand.folder.path().join("file"), "").unwrap();
    let file = stand.folder.path().join("file/teamsheet.prom");
    let tolerant = format!(
        "[run]\ntolerate = [\"forbidden\", \"gone\"]\n{}",
        section(&file)
    );
    let outcome = stand.backfill(0, 2, &tolerant, &[]).expect_code(0);
    assert_eq!(outcome.final_line()["exit_code"], 0);
    assert!(!stand.published().reports.is_empty());
    let warnings: Vec<_> = outcome
        .stderr
        .lines()
        .filter(|line| line.contains(" WARN "))
        .collect();
    let [warning] = warnings.as_slice() else {
        panic!("{}", outcome.stderr)
    };
    assert!(
        warning.contains("teamsheet.prom` cannot be written"),
        "{warning}"
    );
    assert!(warning.contains("Not a directory"), "{warning}");
}

/// Every line of standard error, parsed.
fn log(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn json_logs_name_the_run_hash_people_and_count_the_same_as_the_last_line() {
    let stand = Stand::lifelike(25, 3);
    let refused = FaultAnswer::graph_error(403, "ErrorAccessDenied", "Access is denied.");
    stand.tenant.script(Fault::first(
        1,
        "calendarView",
        FaultEffect::Answer(refused),
    ));
    let flags = ["--log-format", "json", "-vv"];
    let outcome = stand
        .backfill(0, 3, "[run]\nchunk_days = 2\n", &flags)
        .expect_code(3);
    let (line, log) = (outcome.final_line(), log(&outcome.stderr));
    let invocation = &line["invocation_id"];
    let run_ids = line["run_ids"].as_array().unwrap();
    assert_eq!(run_ids.len(), 2);
    let named = |message: &str| {
        let found = |entry: &&Value| {
            entry["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(message))
        };
        log.iter().filter(found).collect::<Vec<_>>()
    };
    for entry in &log {
        assert!(
            entry["timestamp"].is_string() && entry["level"].is_string(),
            "{entry}"
        );
        assert!(
            entry["target"].as_str().unwrap().starts_with("teamsheet") || entry["level"] != "DEBUG",
            "{entry}"
        );
    }
    let published = named("published ");
    let of_chunks: Vec<_> = published.iter().map(|entry| &entry["run_id"]).collect();
    assert_eq!(of_chunks, run_ids.iter().collect::<Vec<_>>());
    for key in ["sessions", "reports", "records", "intervals"] {
        let sum: u64 = published
            .iter()
            .map(|entry| entry[key].as_u64().unwrap())
            .sum();
        assert_eq!(Some(sum), line[key].as_u64(), "{key}");
        assert_eq!(named("ends with 3")[0][key], line[key], "{key}");
    }
    let known = named("a session's attendance is known");
    assert!(known.len() as u64 >= line["sessions"].as_u64().unwrap());
    let gap = named("a gap is open")
        .into_iter()
        .find(|gap| gap["stage"] == "discover")
        .unwrap();
    assert_eq!(gap["graph_code"], "ErrorAccessDenied");
    assert_eq!(gap["organizer"].as_str().unwrap().len(), 16);
    for entry in published.iter().chain(&known).chain([&gap]) {
        assert_eq!(&entry["invocation_id"], invocation, "{entry}");
        assert!(run_ids.contains(&entry["run_id"]), "{entry}");
        assert_eq!(entry["job_name"], "test");
    }
    for person in &stand.tenant.world().people {
        let is_named =
            outcome.stderr.contains(&person.id) || outcome.stderr.contains(&person.display_name);
        assert!(!is_named, "{}", outcome.stderr);
    }
}

#[test]
fn an_error_in_json_logs_is_a_line_with_its_causes_and_its_exit_code() {
    let stand = Stand::lifelike(12, 2);
    let job = stand.job(&stand.warehouse(), "");
    let arguments = [
        "run",
        "--log-format",
        "json",
        "--job",
        job.to_str().unwrap(),
    ];
    let refused = binary()
        .env("SECRET", "wrong")
        .args(arguments)
        .output()
        .unwrap();
    let ended = outcome(refused).expect_code(4);
    let log = log(&ended.stderr);
    let error = log.iter().find(|entry| entry["level"] == "ERROR").unwrap();
    assert_eq!(error["exit_code"], 4);
    assert_eq!(error["message"], "cannot sign in");
    assert!(
        error["causes"].as_str().unwrap().contains("AADSTS7000215"),
        "{error}"
    );
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("Make a new client secret"), "{error}");
}
