//! Reports, records and intervals of a day, side by side in their common order.

use std::collections::BTreeMap;
use std::iter::Peekable;

use arrow::array::{AsArray as _, Int32Array, StringArray};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;

use super::{Check, FindingKind, RunRows};
use crate::tables::{ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, TableSpec};
use crate::time::EventDate;
use crate::warehouse::error::WarehouseError;

/// Report, and record where it is a record's.
type Key = (String, i32);

/// Someone with children.
struct Parent {
    key: Key,
    says: i32,
}

/// Someone with a parent.
struct Child {
    parent: Key,
    index: i32,
    /// How many children it says to have itself.
    says: i32,
}

/// What a pairing finds.
struct Kinds {
    parents: &'static TableSpec,
    children: &'static TableSpec,
    orphan: FindingKind,
    count: FindingKind,
}

const RECORDS: Kinds = Kinds {
    parents: &ATTENDANCE_REPORTS,
    children: &ATTENDANCE_RECORDS,
    orphan: FindingKind::RecordWithoutReport,
    count: FindingKind::RecordCount,
};

const INTERVALS: Kinds = Kinds {
    parents: &ATTENDANCE_RECORDS,
    children: &ATTENDANCE_INTERVALS,
    orphan: FindingKind::IntervalWithoutRecord,
    count: FindingKind::IntervalCount,
};

/// Pairs each day's reports with their records, and those with their intervals.
pub(super) fn check(check: &mut Check<'_>) -> Result<(), WarehouseError> {
    let tables = [
        &ATTENDANCE_REPORTS,
        &ATTENDANCE_RECORDS,
        &ATTENDANCE_INTERVALS,
    ];
    for date in check.days_of(&tables) {
        // one that was set aside has its finding already
        let is_sound = |table: &TableSpec| {
            !check.layout.partition(table, date).exists()
                || check.files.contains_key(&(table.name, date))
        };
        let [reports, records, intervals] = tables.map(is_sound);
        if reports && records {
            pair_reports(check, date)?;
        }
        if records && intervals {
            pair_records(check, date)?;
        }
    }
    Ok(())
}

fn pair_reports(check: &mut Check<'_>, date: EventDate) -> Result<(), WarehouseError> {
    let mut runs = Vec::new();
    let reports = items(
        check,
        &ATTENDANCE_REPORTS,
        date,
        &["report_id", "record_count", "_run_id"],
        |batch, row| {
            let key = (text(batch, "report_id")?.value(row).to_owned(), 0);
            let says = numbers(batch, "record_count")?.value(row);
            let run = text(batch, "_run_id")?.value(row).to_owned();
            Some((Parent { key, says }, run))
        },
    )?;
    let reports = reports.map(|item| {
        item.map(|(parent, run)| {
            runs.push((parent.key.0.clone(), run, i64::from(parent.says)));
            parent
        })
    });
    let records = items(
        check,
        &ATTENDANCE_RECORDS,
        date,
        &["report_id", "record_index", "interval_count"],
        |batch, row| {
            Some(Child {
                parent: (text(batch, "report_id")?.value(row).to_owned(), 0),
                index: numbers(batch, "record_index")?.value(row),
                says: numbers(batch, "interval_count")?.value(row),
            })
        },
    )?;
    let mut intervals_by_report: BTreeMap<String, i64> = BTreeMap::new();
    pair(check, date, &RECORDS, reports, records, |child| {
        *intervals_by_report
            .entry(child.parent.0.clone())
            .or_default() += i64::from(child.says);
    })?;
    for (report, run, records) in runs {
        let totals: &mut RunRows = check.run_rows.entry(run).or_default();
        totals.reports += 1;
        totals.records += records;
        totals.intervals += intervals_by_report
            .get(&report)
            .copied()
            .unwrap_or_default();
    }
    Ok(())
}

fn pair_records(check: &mut Check<'_>, date: EventDate) -> Result<(), WarehouseError> {
    let records = items(
        check,
        &ATTENDANCE_RECORDS,
        date,
        &["report_id", "record_index", "interval_count"],
        |batch, row| {
            let report = text(batch, "report_id")?.value(row).to_owned();
            Some(Parent {
                key: (report, numbers(batch, "record_index")?.value(row)),
                says: numbers(batch, "interval_count")?.value(row),
            })
        },
    )?;
    let intervals = items(
        check,
        &ATTENDANCE_INTERVALS,
        date,
        &["report_id", "record_index", "interval_index"],
        |batch, row| {
            let report = text(batch, "report_id")?.value(row).to_owned();
            Some(Child {
                parent: (report, numbers(batch, "record_index")?.value(row)),
                index: numbers(batch, "interval_index")?.value(row),
                says: 0,
            })
        },
    )?;
    pair(check, date, &INTERVALS, records, intervals, |_| {})
}

/// Walks two sorted streams; both come in the order of the parents' keys.
fn pair(
    check: &mut Check<'_>,
    date: EventDate,
    kinds: &Kinds,
    parents: impl Iterator<Item = Result<Parent, WarehouseError>>,
    children: impl Iterator<Item = Result<Child, WarehouseError>>,
    mut at_child: impl FnMut(&Child),
) -> Result<(), WarehouseError> {
    let mut children = children.peekable();
    let orphan = |check: &mut Check<'_>, child: &Child| {
        let example = name(&child.parent);
        check
            .findings
            .add(kinds.orphan, Some(kinds.children), Some(date), &example);
    };
    for parent in parents {
        let parent = parent?;
        while let Some(child) = next_if(&mut children, |child| child.parent < parent.key)? {
            orphan(check, &child);
        }
        let mut count = 0;
        while let Some(child) = next_if(&mut children, |child| child.parent == parent.key)? {
            if child.index != count {
                let example = format!("{} of {}", child.index, name(&parent.key));
                check.findings.add(
                    FindingKind::BrokenIndex,
                    Some(kinds.children),
                    Some(date),
                    &example,
                );
            }
            at_child(&child);
            count += 1;
        }
        if count != parent.says {
            let example = format!("{} says {} and has {count}", name(&parent.key), parent.says);
            check
                .findings
                .add(kinds.count, Some(kinds.parents), Some(date), &example);
        }
    }
    while let Some(child) = children.next().transpose()? {
        orphan(check, &child);
    }
    Ok(())
}

fn next_if(
    children: &mut Peekable<impl Iterator<Item = Result<Child, WarehouseError>>>,
    is_wanted: impl Fn(&Child) -> bool,
) -> Result<Option<Child>, WarehouseError> {
    children
        .next_if(|child| child.as_ref().map_or(true, &is_wanted))
        .transpose()
}

/// The rows of a file one by one, with a few of its columns.
fn items<T, F: Fn(&RecordBatch, usize) -> Option<T>>(
    check: &Check<'_>,
    table: &'static TableSpec,
    date: EventDate,
    columns: &[&str],
    read: F,
) -> Result<impl Iterator<Item = Result<T, WarehouseError>> + use<T, F>, WarehouseError> {
    let rows = check
        .open(table, date)?
        .map(|reader| reader.rows_of(columns))
        .transpose()?;
    let rows = rows.into_iter().flatten();
    Ok(rows.flat_map(move |batch| {
        let items: Vec<_> = match batch {
            Ok(batch) => (0..batch.num_rows())
                .filter_map(|row| read(&batch, row).map(Ok))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        items
    }))
}

fn text<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_string_opt::<i32>()
}

fn numbers<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a Int32Array> {
    batch
        .column_by_name(column)?
        .as_primitive_opt::<Int32Type>()
}

fn name((report, record): &Key) -> String {
    if *record == 0 {
        format!("report {report}")
    } else {
        format!("report {report}, record {record}")
    }
}
