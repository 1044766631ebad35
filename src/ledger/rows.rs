//! Rows of single days, as they are read back.

use arrow::record_batch::RecordBatch;

use super::LedgerError;
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, AttendanceReportRow, GAPS, GapRow, SESSIONS,
    SessionRow, TableError, TableSpec,
};
use crate::time::EventDate;
use crate::warehouse::{GenerationId, Warehouse};

/// Which rows of a day are kept in memory.
pub(super) trait Wanted {
    /// Whether the session is.
    fn session(&self, row: &SessionRow<'_>) -> bool;
    /// Whether the report is.
    fn report(&self, row: &AttendanceReportRow<'_>) -> bool;
    /// Whether the open gap is.
    fn gap(&self, row: &GapRow<'_>) -> bool;
}

/// All of them.
pub(super) struct Everything;

impl Wanted for Everything {
    fn session(&self, _: &SessionRow<'_>) -> bool {
        true
    }

    fn report(&self, _: &AttendanceReportRow<'_>) -> bool {
        true
    }

    fn gap(&self, _: &GapRow<'_>) -> bool {
        true
    }
}

/// Which days have a file in which table.
#[derive(Debug)]
pub(super) struct Partitions {
    sessions: Vec<EventDate>,
    children: [Vec<EventDate>; 2],
}

impl Partitions {
    pub(super) fn of(warehouse: &Warehouse) -> Result<Self, LedgerError> {
        let of = |table| warehouse.partitions(table).map_err(LedgerError::warehouse);
        Ok(Self {
            sessions: of(&SESSIONS)?,
            children: [of(&ATTENDANCE_RECORDS)?, of(&ATTENDANCE_INTERVALS)?],
        })
    }

    pub(super) fn has_sessions(&self, day: EventDate) -> bool {
        self.sessions.binary_search(&day).is_ok()
    }

    /// Whether the day has the tables that a report's rows are in beside its own.
    pub(super) fn has_children(&self, day: EventDate) -> bool {
        let mut tables = self.children.iter();
        tables.all(|days| days.binary_search(&day).is_ok())
    }
}

/// The gaps that are open on some days.
///
/// # Errors
/// [`LedgerError`] where a partition cannot be read; terminal.
pub fn read_open_gaps(
    warehouse: &Warehouse,
    days: &[EventDate],
) -> Result<Vec<(EventDate, GapRow<'static>)>, LedgerError> {
    let mut open = Vec::new();
    for day in days {
        let gaps = rows(warehouse, &GAPS, *day, GapRow::read_all)?;
        open.extend(
            gaps.into_iter()
                .filter(|gap| gap.closed_at.is_none())
                .map(|gap| (*day, gap)),
        );
    }
    Ok(open)
}

/// The rows of one partition.
pub(super) fn rows<T>(
    warehouse: &Warehouse,
    table: &'static TableSpec,
    day: EventDate,
    read_all: impl Fn(&RecordBatch) -> Result<Vec<T>, TableError>,
) -> Result<Vec<T>, LedgerError> {
    Ok(read(warehouse, table, day, read_all)?.1)
}

/// The same, with the generation that they are of.
pub(super) fn read<T>(
    warehouse: &Warehouse,
    table: &'static TableSpec,
    day: EventDate,
    read_all: impl Fn(&RecordBatch) -> Result<Vec<T>, TableError>,
) -> Result<(Option<GenerationId>, Vec<T>), LedgerError> {
    let (generation, batches) = warehouse.read(table, day).map_err(LedgerError::warehouse)?;
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(
            read_all(&batch.map_err(LedgerError::warehouse)?)
                .map_err(|source| LedgerError::Rows { day, source })?,
        );
    }
    Ok((generation, rows))
}
