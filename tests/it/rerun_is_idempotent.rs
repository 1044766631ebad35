//! The same interval again, in pieces, in another order, with another concurrency: the same rows.

use crate::support::{Stand, assert_same_rows, partitions};

const DAYS: u32 = 9;

fn files(stand: &Stand) -> Vec<std::path::PathBuf> {
    let tables = [
        "sessions",
        "attendance_reports",
        "attendance_records",
        "attendance_intervals",
        "gaps",
    ];
    tables
        .iter()
        .flat_map(|table| partitions(&stand.warehouse(), table).into_values())
        .collect()
}

#[test]
fn a_second_run_publishes_nothing_and_says_so() {
    let stand = Stand::lifelike(30, DAYS);
    let outcome = stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let says = |stderr: &str, text: &str| stderr.lines().any(|line| line.contains(text));
    assert!(
        says(&outcome.stderr, ": published 20"),
        "{}",
        outcome.stderr
    );
    let (first, before) = (stand.published(), files(&stand));
    let reports_fetched = stand
        .tenant
        .requests()
        .iter()
        .filter(|request| request.path_and_query.contains("$expand"))
        .count();
    let again = stand.backfill(0, DAYS, "", &[]).expect_code(3);
    assert_eq!(again.final_line()["partitions_published"], 0);
    assert!(says(&again.stderr, ": nothing new: 20"), "{}", again.stderr);
    assert!(!says(&again.stderr, "published 20"), "{}", again.stderr);
    assert_eq!(files(&stand), before, "no file was replaced");
    let second = stand.published();
    assert_eq!(
        second.runs.len(),
        first.runs.len() * 2,
        "the run ledger grows"
    );
    assert_eq!(
        second.sessions, first.sessions,
        "bookkeeping of equal rows stays too"
    );
    let fetched_again = stand
        .tenant
        .requests()
        .iter()
        .filter(|request| request.path_and_query.contains("$expand"))
        .count();
    assert_eq!(
        fetched_again, reports_fetched,
        "published reports are not fetched again"
    );
}

#[test]
fn fetching_everything_again_gives_the_same_rows() {
    let stand = Stand::lifelike(30, DAYS);
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let (first, before) = (stand.published().content(), files(&stand));
    let again = stand
        .backfill(0, DAYS, "", &["--reprocess", "all"])
        .expect_code(3);
    assert_eq!(again.final_line()["reports"], first.reports.len());
    assert_same_rows(&stand.published().content(), &first);
    assert_eq!(files(&stand), before, "no file was replaced");
}

#[test]
fn pieces_in_any_order_with_any_concurrency_equal_the_whole() {
    let whole = Stand::lifelike(30, DAYS);
    whole
        .backfill(0, DAYS, "[run]\nchunk_days = 31\nconcurrency = 1\n", &[])
        .expect_code(3);
    let wanted = whole.published().content();
    let orders: [Vec<u32>; 3] = [
        (0..DAYS).collect(),
        (0..DAYS).rev().collect(),
        vec![4, 0, 8, 2, 6, 1, 3, 5, 7],
    ];
    for order in orders {
        let pieces = Stand::new(whole.tenant.world());
        for day in &order {
            pieces.backfill(*day, day + 1, "[run]\nconcurrency = 32\n", &[]);
        }
        assert_same_rows(&pieces.published().content(), &wanted);
    }
    let chunks = Stand::new(whole.tenant.world());
    chunks
        .backfill(0, DAYS, "[run]\nchunk_days = 2\n", &[])
        .expect_code(3);
    assert_eq!(chunks.published().runs.len(), 5);
    assert_same_rows(&chunks.published().content(), &wanted);
}

#[test]
fn fault_25_a_partition_that_was_moved_away_is_fetched_again_and_not_taken_for_empty() {
    let stand = Stand::lifelike(10, DAYS);
    stand.backfill(0, DAYS, "", &[]);
    let before = stand.published().content();
    for table in ["attendance_records", "attendance_intervals"] {
        let folders = partitions(&stand.warehouse(), table);
        let rows_of_day = |day: &str| before.records.iter().filter(|(on, _)| on == day).count();
        let (day, file) = folders
            .iter()
            .max_by_key(|(day, _)| rows_of_day(day))
            .unwrap();
        assert!(rows_of_day(day) > 0);
        // as the remedy for a damaged file says
        std::fs::rename(file.parent().unwrap(), stand.folder.path().join(table)).unwrap();
        stand.backfill(0, DAYS, "", &[]);
        assert_same_rows(&stand.published().content(), &before);
    }
}
