//! One data file by itself: are its rows those that were written, in order, of this tenant, and in the right place?

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;
use arrow::row::OwnedRow;

use super::{Check, FindingKind};
use crate::tables::{ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, RUNS, TableSpec};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};
use crate::warehouse::error::WarehouseError;
use crate::warehouse::order::RowOrder;
use crate::warehouse::verified_rows::VerifiedRows;

/// Says of a report that its start has moved to another day since it was first published.
const KEPT_EVENT_DATE: &str = "kept_event_date";

/// Reads a file once, whole.
pub(super) fn check(
    check: &mut Check<'_>,
    table: &'static TableSpec,
    date: EventDate,
) -> Result<(), WarehouseError> {
    match read(check, table, date) {
        Ok(true) => Ok(()),
        // its rows cannot be held against those of other files
        Ok(false) => {
            check.files.remove(&(table.name, date));
            Ok(())
        }
        Err(error) => check.set_aside(table, date, error),
    }
}

/// Whether the rows are in order.
fn read(
    check: &mut Check<'_>,
    table: &'static TableSpec,
    date: EventDate,
) -> Result<bool, WarehouseError> {
    let Some(reader) = check.open(table, date)? else {
        return Ok(true);
    };
    let merge = || WarehouseError::merge(table.name);
    let order = RowOrder::new(table).map_err(merge())?;
    // where the order is the key, equal neighbours are one key; elsewhere keys are looked for in the whole table
    let is_ordered_by_key =
        [ATTENDANCE_RECORDS.name, ATTENDANCE_INTERVALS.name].contains(&table.name);
    let mut last: Option<OwnedRow> = None;
    let mut place = 0_u64;
    let mut is_in_order = true;
    for batch in VerifiedRows::new(reader)? {
        let batch = batch?;
        let rows = order.rows(&batch).map_err(merge())?;
        for (index, row) in rows.iter().enumerate() {
            let before = match index.checked_sub(1) {
                Some(before) => Some(rows.row(before)),
                None => last.as_ref().map(OwnedRow::row),
            };
            let mut note = |kind| {
                let example = format!("row {}", place + index as u64);
                check.findings.add(kind, Some(table), Some(date), &example);
            };
            if before.is_some_and(|before| before > row) {
                is_in_order = false;
                note(FindingKind::OutOfOrder);
            }
            if is_ordered_by_key && before.is_some_and(|before| before == row) {
                note(FindingKind::DuplicateKey);
            }
        }
        if let Some(row) = rows.num_rows().checked_sub(1) {
            last = Some(rows.row(row).owned());
        }
        place_of_rows(check, table, date, &batch);
        place += batch.num_rows() as u64;
    }
    Ok(is_in_order)
}

/// Holds the rows' tenant and day against the warehouse's and the partition's.
fn place_of_rows(
    check: &mut Check<'_>,
    table: &'static TableSpec,
    date: EventDate,
    batch: &RecordBatch,
) {
    let tenants = batch
        .column_by_name("tenant_id")
        .and_then(|column| column.as_string_opt::<i32>());
    let others = tenants.into_iter().flatten().flatten();
    for _ in others.filter(|tenant| !tenant.eq_ignore_ascii_case(check.tenant)) {
        let example = "a tenant_id that is not the warehouse's";
        check
            .findings
            .add(FindingKind::OtherTenant, Some(table), Some(date), example);
    }
    check
        .movable
        .note(table, date, batch, |row| is_kept(batch, row));
    let utc = WarehouseTimezone::utc();
    let (column, timezone) = match table.name {
        "sessions" => ("scheduled_start", &check.timezone),
        "attendance_reports" => ("meeting_start_date_time", &check.timezone),
        _ if table.name == RUNS.name => ("started_at", &utc),
        _ => return,
    };
    let times = batch
        .column_by_name(column)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    for (row, at) in times.into_iter().flatten().enumerate() {
        let Some(at) = at.map(UtcMicros) else {
            continue;
        };
        if timezone.event_date(at) != date && !is_kept(batch, row) {
            let example = format!("{column} {at}");
            check.findings.add(
                FindingKind::WrongPartition,
                Some(table),
                Some(date),
                &example,
            );
        }
    }
}

/// Whether the row stays where it was first published, and says so.
fn is_kept(batch: &RecordBatch, row: usize) -> bool {
    let flags = batch
        .column_by_name("quality_flags")
        .and_then(|column| column.as_list_opt::<i32>());
    flags.is_some_and(|flags| {
        flags.is_valid(row)
            && flags
                .value(row)
                .as_string_opt::<i32>()
                .is_some_and(|names| names.iter().flatten().any(|name| name == KEPT_EVENT_DATE))
    })
}
