//! The rows of `runs`: one a chunk, and together what the whole run asked and received.

use crate::support::Stand;

#[test]
fn the_rows_of_a_run_add_up_to_every_request_it_made() {
    let stand = Stand::lifelike(12, 3);
    let outcome = stand.backfill(
        0,
        3,
        "[run]\nchunk_days = 1\ntolerate = [\"forbidden\", \"gone\"]\n",
        &["--format", "json"],
    );
    let summary: serde_json::Value =
        serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap();
    let runs = stand.published().runs;
    assert_eq!(runs.len(), 3);
    let sum = |number: fn(&teamsheet::tables::RunRow<'static>) -> i64| -> i64 {
        runs.iter().map(|(_, row)| number(row)).sum()
    };
    let asked = i64::try_from(stand.tenant.requests().len()).unwrap();
    assert_eq!(sum(|row| row.requests), asked);
    assert_eq!(summary["requests"], asked);
    assert_eq!(summary["bytes_received"], sum(|row| row.bytes_received));
    let tokens = |row: &teamsheet::tables::RunRow<'static>| -> i64 {
        let kinds = row.requests_by_kind.iter();
        kinds
            .filter(|kind| kind.name == "token")
            .map(|kind| kind.count)
            .sum()
    };
    let tokens: Vec<i64> = runs.iter().map(|(_, row)| tokens(row)).collect();
    assert_eq!(tokens, [1, 0, 0], "the first chunk's row has the sign-in");
}
