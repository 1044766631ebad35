//! What we publish: the specs of the six tables, and rows into Arrow batches.
//!
//! Each table is declared once with `table!`; schema, row type and builder come from that list, and `schemas/` is generated from
//! it. A column that comes from Graph has Graph's property name in `snake_case`. The partition column is in the folder name only.

pub mod cell;
pub mod contract;
pub mod spec;
mod views;

mod attendance_intervals;
mod attendance_records;
mod attendance_reports;
mod gaps;
mod runs;
mod sessions;

pub use attendance_intervals::{ATTENDANCE_INTERVALS, AttendanceIntervalRow, AttendanceIntervals};
pub use attendance_records::{ATTENDANCE_RECORDS, AttendanceRecordRow, AttendanceRecords};
pub use attendance_reports::{ATTENDANCE_REPORTS, AttendanceReportRow, AttendanceReports};
pub use cell::{ExternalEvent, NameCount};
pub use gaps::{GAPS, GapRow, Gaps};
pub use runs::{RUNS, RunRow, Runs};
pub use sessions::{SESSIONS, SessionRow, Sessions};
pub use spec::{ColumnSpec, TableError, TableSpec};

/// The tables in publishing order: children before parents, the run ledger last.
pub static TABLES: [&TableSpec; 6] = [
    &ATTENDANCE_INTERVALS,
    &ATTENDANCE_RECORDS,
    &ATTENDANCE_REPORTS,
    &SESSIONS,
    &GAPS,
    &RUNS,
];

/// The tables that hold a file for every day a run covers: all but `runs`.
pub static DAILY_TABLES: [&TableSpec; 5] = [
    &ATTENDANCE_INTERVALS,
    &ATTENDANCE_RECORDS,
    &ATTENDANCE_REPORTS,
    &SESSIONS,
    &GAPS,
];
