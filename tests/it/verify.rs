//! `teamsheet verify` on what the real binary published: what it prints, and what the process ends with.

use std::fs;

use crate::support::{Outcome, Stand, partitions};

fn verify(stand: &Stand, more: &[&str]) -> Outcome {
    let warehouse = stand.warehouse();
    let mut arguments = vec!["verify", "--warehouse", warehouse.to_str().unwrap()];
    arguments.extend(more);
    stand.run(&arguments)
}

fn stand() -> Stand {
    let stand = Stand::lifelike(12, 3);
    stand.backfill(0, 3, "", &[]);
    stand
}

#[test]
fn what_was_published_is_sound_and_verifying_changes_nothing() {
    let stand = stand();
    let rows = stand.published();
    let listing = || {
        let mut paths = Vec::new();
        let mut folders = vec![stand.warehouse()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                paths.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        paths.sort();
        paths
    };
    let before = listing();
    let outcome = verify(&stand, &[]).expect_code(0);
    assert!(
        outcome
            .stdout
            .ends_with("no finding: everything is as the contract says\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 80 || line.contains("tenant"))
    );
    assert_eq!(outcome.stderr, "");
    let json = verify(&stand, &["--format", "json"])
        .expect_code(0)
        .final_line();
    let totals = json["tables"].as_array().unwrap();
    let reports = totals
        .iter()
        .find(|table| table["table"] == "attendance_reports");
    assert_eq!(reports.unwrap()["rows"], rows.reports.len());
    assert_eq!(json["findings"], serde_json::json!([]));
    assert_eq!(listing(), before);
}

#[test]
fn a_partition_that_is_taken_away_is_one_line_with_what_to_do_and_ends_with_1() {
    let stand = stand();
    let records = partitions(&stand.warehouse(), "attendance_records");
    let (date, file) = records
        .iter()
        .find(|(_, file)| fs::metadata(file).unwrap().len() > 12_000)
        .unwrap();
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    let outcome = verify(&stand, &[]).expect_code(1);
    let found: Vec<&str> = outcome
        .stdout
        .lines()
        .filter(|line| line.contains("; "))
        .collect();
    let remedy = format!("run `teamsheet backfill --job <job file> --from {date} --to ");
    assert!(found.iter().any(|line| line.contains(&remedy)), "{found:?}");
    assert!(found[0].starts_with(&format!("attendance_intervals/event_date={date}: ")));
    let json = verify(&stand, &["--format", "json"])
        .expect_code(1)
        .final_line();
    assert_eq!(json["exit_code"], 1);
    let kinds: Vec<_> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "interval_without_record",
            "missing_partition",
            "record_count"
        ],
        "{}",
        outcome.stdout
    );
}

#[test]
fn what_verify_advises_mends_the_warehouse() {
    let stand = stand();
    let before = stand.published().content();
    for file in partitions(&stand.warehouse(), "attendance_intervals").values() {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x55;
        fs::write(file, bytes).unwrap();
    }
    let outcome = verify(&stand, &[]).expect_code(1);
    assert!(
        outcome.stdout.contains("damaged data file"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .contains("move it away and run `teamsheet backfill")
    );
    for file in partitions(&stand.warehouse(), "attendance_intervals").values() {
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
    stand.backfill(0, 3, "", &["--reprocess", "all"]);
    crate::support::assert_same_rows(&stand.published().content(), &before);
}

#[test]
fn a_folder_that_is_not_there_is_5_and_one_that_is_no_warehouse_2() {
    let stand = Stand::lifelike(5, 1);
    let outcome = verify(&stand, &[]).expect_code(5);
    assert!(outcome.stderr.contains("hint:"), "{}", outcome.stderr);
    fs::create_dir(stand.warehouse()).unwrap();
    fs::write(stand.warehouse().join("of somebody else"), "").unwrap();
    let outcome = verify(&stand, &[]).expect_code(2);
    assert!(
        outcome.stderr.contains("is not a warehouse"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_dir(stand.warehouse()).unwrap().count(), 1);
}

#[test]
fn the_job_file_names_the_warehouse_and_needs_no_secret_for_it() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let text = fs::read_to_string(&job).unwrap();
    fs::write(&job, text.replace("SECRET", "NOT_SET")).unwrap();
    let outcome = stand.run(&["verify", "--job", job.to_str().unwrap()]);
    outcome.expect_code(0);
    stand
        .run(&["verify", "--job", job.to_str().unwrap(), "--warehouse", "."])
        .expect_code(2);
}
