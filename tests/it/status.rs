//! `teamsheet status`: what it says is what the rows say.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use teamsheet::time::EventDate;

use crate::support::{Outcome, Stand, utc_date};

fn status(stand: &Stand, more: &[&str]) -> Outcome {
    let warehouse = stand.warehouse();
    let mut arguments = vec!["status", "--warehouse", warehouse.to_str().unwrap()];
    arguments.extend(more);
    stand.run(&arguments)
}

fn json(stand: &Stand) -> Value {
    status(stand, &["--format", "json"])
        .expect_code(0)
        .final_line()
}

#[test]
fn coverage_gaps_and_runs_are_those_of_the_rows() {
    let stand = Stand::lifelike(30, 6);
    stand.backfill(0, 4, "[run]\nchunk_days = 2\n", &[]);
    let settings = stand.tenant.world().settings;
    let (start, end) = (
        settings.midnight(4).to_string(),
        settings.midnight(5).plus(-1_000_000).to_string(),
    );
    let job = stand.job(&stand.warehouse(), "[run]\n");
    let flags = ["--interval-start", &start, "--interval-end", &end];
    stand.run(&[&["run", "--job", job.to_str().unwrap()], &flags[..]].concat());
    let published = stand.published();
    let found = json(&stand);

    let mut wanted: BTreeMap<String, (BTreeMap<String, u64>, u64, u64)> = BTreeMap::new();
    for (day, row) in &published.sessions {
        let (states, not_final, _) = wanted.entry(day.clone()).or_default();
        *states.entry(row.attendance_state.to_string()).or_default() += 1;
        *not_final += u64::from(!row.is_final);
    }
    for (day, row) in &published.gaps {
        wanted.entry(day.clone()).or_default().2 += u64::from(row.closed_at.is_none());
    }
    let mut lost: BTreeMap<&str, u64> = BTreeMap::new();
    for (day, row) in &published.gaps {
        let is_lost = row.closed_at.is_none() && row.is_final == Some(true);
        *lost.entry(day).or_default() += u64::from(is_lost);
    }
    let days = found["days"].as_array().unwrap();
    assert_eq!(days.len(), wanted.len());
    for day in days {
        let (states, not_final, gaps) = &wanted[day["day"].as_str().unwrap()];
        assert_eq!(day["sessions_by_state"], json!(states));
        assert_eq!(
            (&day["not_final"], &day["open_gaps"]),
            (&json!(not_final), &json!(gaps))
        );
        // the last day ends a second early, and a report that began in it may be of a session of the day after
        let is_covered = day["day"].as_str().unwrap() < utc_date(settings.midnight(4)).as_str();
        assert_eq!(day["is_covered"], is_covered, "{day}");
        let is_complete = is_covered && *not_final == 0 && *gaps == 0;
        assert_eq!(day["is_complete"], is_complete, "{day}");
        let lost = lost.get(day["day"].as_str().unwrap()).copied();
        let lost = lost.unwrap_or_default();
        assert_eq!(day["final_gaps"], lost, "{day}");
        let whole = match (is_complete, is_covered && *not_final == 0 && *gaps == lost) {
            (true, _) => "complete",
            (false, true) => "complete_except_expired",
            (false, false) => "incomplete",
        };
        assert_eq!(day["whole"], whole, "{day}");
        let jobs: &[&str] = if is_covered { &["test"] } else { &[] };
        assert_eq!(day["covered_by"], json!(jobs), "{day}");
    }
    let open: u64 = wanted.values().map(|(_, _, gaps)| gaps).sum();
    let counted = found["open_gaps"].as_array().unwrap().iter();
    assert_eq!(
        counted
            .map(|gap| gap["count"].as_u64().unwrap())
            .sum::<u64>(),
        open
    );
    assert!(open > 0, "the world has organizers without a policy");

    let runs: Vec<_> = found["runs"].as_array().unwrap().iter().collect();
    assert_eq!(runs.len(), 3);
    assert_eq!(
        (&runs[0]["verb"], &runs[0]["interval_end"], &runs[2]["verb"]),
        (&json!("run"), &json!(end), &json!("backfill"))
    );
    let jobs = found["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["watermark"], end, "a backfill moves no watermark");
    for source in found["sources"].as_array().unwrap() {
        assert_eq!(source["covered_until"], end, "{source}");
        let newest = published.sessions.iter().map(|(_, row)| row);
        let newest = newest
            .filter(|row| row.source == source["source"].as_str().unwrap())
            .map(|row| row.scheduled_start)
            .max();
        assert_eq!(
            source["newest_session"],
            json!(newest.map(|at| at.to_string()))
        );
    }
}

#[test]
fn the_text_fits_80_columns_and_names_the_command_that_fills_a_gap() {
    let stand = Stand::lifelike(20, 20);
    stand.backfill(0, 20, "[run]\nchunk_days = 20\nconcurrency = 1\n", &[]);
    let outcome = status(&stand, &[]).expect_code(0);
    for line in outcome.stdout.lines().skip(1) {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    assert!(
        outcome.stdout.contains("and 6 earlier days"),
        "{}",
        outcome.stdout
    );
    let unwrapped = outcome.stdout.replace("\n    ", " ");
    let published = stand.published();
    let forbidden = published
        .gaps
        .iter()
        .filter(|(_, row)| row.reason == "forbidden");
    let days: Vec<&String> = forbidden.map(|(day, _)| day).collect();
    let the_day_after = days
        .last()
        .unwrap()
        .parse::<EventDate>()
        .unwrap()
        .plus_days(1);
    let command = format!(
        "{} forbidden at list_reports of online_meeting, {} to {}, since ",
        days.len(),
        days[0],
        days.last().unwrap(),
    );
    assert!(
        outcome.stdout.replace("\n  ", " ").contains(&command),
        "{}",
        outcome.stdout
    );
    let command = format!(
        "then run `teamsheet backfill --job <job file> --from {} --to {the_day_after} --reprocess failed`",
        days[0],
    );
    assert!(unwrapped.contains(&command), "{}", outcome.stdout);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn before_the_first_run_status_and_verify_say_so() {
    let stand = Stand::lifelike(5, 1);
    let warehouse = stand.warehouse();
    let says = |code: i32| {
        for verb in ["status", "verify"] {
            let flags = [verb, "--warehouse", warehouse.to_str().unwrap()];
            let text = stand.run(&flags).expect_code(code);
            let printed = format!("{}{}", text.stdout, text.stderr);
            assert!(printed.contains("no run has published"), "{printed}");
            assert!(!printed.contains("intact"), "{printed}");
            let flags = [&flags[..], &["--format", "json"]].concat();
            let line = stand.run(&flags).expect_code(code).final_line();
            assert_eq!(line["has_published"], false, "{line}");
        }
    };
    says(5);
    let backfill = stand.backfill(0, 1, "[sources.online_meetings]\n", &[]);
    // the job is not usable, so nothing was made
    backfill.expect_code(2);
    assert!(!warehouse.exists());
    // a run that was not let in made its private folder, and nothing in it
    let job = stand.job(&warehouse, "");
    let mut refused = crate::support::binary();
    refused
        .env("SECRET", "wrong")
        .args(["run", "--job", job.to_str().unwrap()]);
    assert_eq!(refused.output().unwrap().status.code(), Some(4));
    assert!(warehouse.join("_teamsheet").is_dir());
    says(5);
    // one that got in, and ended before its first publish
    let refused = teamsheet::simulated_tenant::FaultAnswer::graph_error(403, "Forbidden", "No.");
    stand
        .tenant
        .script(teamsheet::simulated_tenant::Fault::always(
            "/v1.0/",
            teamsheet::simulated_tenant::FaultEffect::Answer(refused),
        ));
    stand
        .run(&["run", "--job", job.to_str().unwrap()])
        .expect_code(4);
    says(5);
}
