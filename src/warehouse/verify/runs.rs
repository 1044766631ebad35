//! The run ledger against the tables.

use std::collections::BTreeSet;

use super::{Check, FindingKind};
use crate::job::interval::DataInterval;
use crate::tables::{DAILY_TABLES, RUNS, RunRow};
use crate::time::EventDate;
use crate::warehouse::error::WarehouseError;

/// Looks for covered days without partitions, and for runs that fetched less than what carries their id.
pub(super) fn check(check: &mut Check<'_>) -> Result<(), WarehouseError> {
    let mut covered: BTreeSet<EventDate> = BTreeSet::new();
    for date in check.dates(&RUNS) {
        let Some(reader) = check.open(&RUNS, date)? else {
            continue;
        };
        for batch in reader.rows()? {
            let Ok(rows) = RunRow::read_all(&batch?) else {
                continue;
            };
            for run in rows {
                if let Some(interval) = DataInterval::new(run.interval_start, run.interval_end) {
                    covered.extend(interval.days(&check.timezone));
                }
                let carried = check.run_rows.get(run.run_id.as_ref()).copied();
                let carried = carried.unwrap_or_default();
                if carried.reports > run.reports
                    || carried.records > run.records
                    || carried.intervals > run.intervals
                {
                    check.findings.add(
                        FindingKind::RunTotals,
                        Some(&RUNS),
                        Some(date),
                        &run.run_id,
                    );
                }
            }
        }
    }
    for table in DAILY_TABLES {
        for date in &covered {
            if !check.layout.partition(table, *date).exists() {
                let example = date.to_string();
                check
                    .findings
                    .add(FindingKind::MissingPartition, Some(table), None, &example);
            }
        }
    }
    Ok(())
}
