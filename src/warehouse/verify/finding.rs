//! What is not as the contract says, counted by table, day and kind, so that memory does not grow with the damage.

use std::collections::BTreeMap;
use std::fmt;

use crate::tables::{TABLES, TableSpec};
use crate::time::EventDate;
use crate::warehouse::error::ONE_FILE;

/// Something that is not as the contract says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// In which table; `None` where it is about the whole warehouse.
    pub table: Option<&'static str>,
    /// In which partition; `None` where it is about the whole table.
    pub partition: Option<EventDate>,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub example: String,
}

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// Something below a table root that is not a partition.
    StrayEntry,
    /// A symbolic link where a folder or data file belongs.
    SymbolicLink,
    /// A partition folder without exactly one data file.
    NotOneFile,
    /// A data file that is not as it was written.
    Damaged,
    /// A data file without the hash that teamsheet writes.
    Foreign,
    /// A data file that was written for another day.
    OtherPlace,
    /// A column is missing or of another type.
    OtherSchema,
    /// Rows are not in the contract's order.
    OutOfOrder,
    /// A key is there more than once.
    DuplicateKey,
    /// A row of another tenant.
    OtherTenant,
    /// A row that belongs to another day.
    WrongPartition,
    /// A record whose report is not in its partition.
    RecordWithoutReport,
    /// An interval whose record is not in its partition.
    IntervalWithoutRecord,
    /// A report with more or fewer records than it says.
    RecordCount,
    /// A record with more or fewer intervals than it says.
    IntervalCount,
    /// Records or intervals that are not counted from 0 without a hole.
    BrokenIndex,
    /// A session with more reports than it says, or with fewer although it is final and nothing is known to be missing.
    ReportCount,
    /// A report whose session is on another day than the one that it names.
    SessionDay,
    /// A report whose session has no row, although its day was covered.
    ReportWithoutSession,
    /// A run that says it fetched less than what carries its id.
    RunTotals,
    /// A run that counted more than there is on its days.
    FewerThanCounted,
    /// A day that a run covered, without a partition.
    MissingPartition,
    /// A publish that did not finish.
    OpenIntent,
}

impl FindingKind {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StrayEntry => "stray_entry",
            Self::SymbolicLink => "symbolic_link",
            Self::NotOneFile => "not_one_file",
            Self::Damaged => "damaged",
            Self::Foreign => "foreign",
            Self::OtherPlace => "other_place",
            Self::OtherSchema => "other_schema",
            Self::OutOfOrder => "out_of_order",
            Self::DuplicateKey => "duplicate_key",
            Self::OtherTenant => "other_tenant",
            Self::WrongPartition => "wrong_partition",
            Self::RecordWithoutReport => "record_without_report",
            Self::IntervalWithoutRecord => "interval_without_record",
            Self::RecordCount => "record_count",
            Self::IntervalCount => "interval_count",
            Self::BrokenIndex => "broken_index",
            Self::ReportCount => "report_count",
            Self::SessionDay => "session_day",
            Self::ReportWithoutSession => "report_without_session",
            Self::RunTotals => "run_totals",
            Self::FewerThanCounted => "fewer_than_counted",
            Self::MissingPartition => "missing_partition",
            Self::OpenIntent => "open_intent",
        }
    }

    /// What one of it is, and what several are.
    fn nouns(self) -> [&'static str; 2] {
        match self {
            Self::StrayEntry => [
                "entry that is no partition",
                "entries that are no partition",
            ],
            Self::SymbolicLink => ["symbolic link", "symbolic links"],
            Self::NotOneFile => [
                "folder without exactly one data file",
                "folders without exactly one data file",
            ],
            Self::Damaged => ["damaged data file", "damaged data files"],
            Self::Foreign => [
                "data file without a content hash",
                "data files without a content hash",
            ],
            Self::OtherPlace => ["data file of another day", "data files of another day"],
            Self::OtherSchema => [
                "column that is missing or of another type",
                "columns that are missing or of another type",
            ],
            Self::OutOfOrder => ["row out of order", "rows out of order"],
            Self::DuplicateKey => [
                "key that is there more than once",
                "keys that are there more than once",
            ],
            Self::OtherTenant => ["row of another tenant", "rows of another tenant"],
            Self::WrongPartition => [
                "row that belongs to another day",
                "rows that belong to another day",
            ],
            Self::RecordWithoutReport => {
                ["record without its report", "records without their report"]
            }
            Self::IntervalWithoutRecord => [
                "interval without its record",
                "intervals without their record",
            ],
            Self::RecordCount => [
                "report with another number of records than it says",
                "reports with another number of records than they say",
            ],
            Self::IntervalCount => [
                "record with another number of intervals than it says",
                "records with another number of intervals than they say",
            ],
            Self::BrokenIndex => [
                "index that does not follow the one before",
                "indexes that do not follow the one before",
            ],
            Self::ReportCount => [
                "session with another number of reports than it says",
                "sessions with another number of reports than they say",
            ],
            Self::SessionDay => [
                "report that names another day than its session's",
                "reports that name another day than their session's",
            ],
            Self::ReportWithoutSession => [
                "report without its session",
                "reports without their session",
            ],
            Self::FewerThanCounted => [
                "run that counted more rows than there are",
                "runs that counted more rows than there are",
            ],
            Self::RunTotals => [
                "run that fetched fewer rows than carry its id",
                "runs that fetched fewer rows than carry their id",
            ],
            Self::MissingPartition => [
                "covered day without a partition",
                "covered days without a partition",
            ],
            Self::OpenIntent => [
                "publish that did not finish",
                "publishes that did not finish",
            ],
        }
    }
}

impl Finding {
    /// Where it is: `sessions/event_date=2026-01-05`, `sessions`, or the warehouse.
    pub fn place(&self) -> String {
        let Some(table) = self.table else {
            return "warehouse".to_owned();
        };
        let column = TABLES
            .iter()
            .find(|spec| spec.name == table)
            .map_or("event_date", |spec| spec.partition_column);
        self.partition.map_or_else(
            || table.to_owned(),
            |date| format!("{table}/{column}={date}"),
        )
    }

    /// What to do about it, as one sentence without a capital.
    pub fn remedy(&self) -> String {
        let day = self.partition.map_or_else(
            || "--from <day> --to <the day after>".to_owned(),
            |date| format!("--from {date} --to {}", date.plus_days(1)),
        );
        let backfill = format!("`teamsheet backfill --job <job file> {day} --reprocess all`");
        match self.kind {
            FindingKind::StrayEntry => {
                "move it away: nothing but partitions may lie below a table".to_owned()
            }
            FindingKind::SymbolicLink => "put the real folder or file in its place".to_owned(),
            FindingKind::OpenIntent => {
                "run the job again: a run begins by finishing it".to_owned()
            }
            FindingKind::OtherTenant => {
                "restore the partition from a backup: a warehouse holds one tenant".to_owned()
            }
            FindingKind::RunTotals => {
                "nothing but teamsheet may write into the tables; backfill the days of that run with `--reprocess all`".to_owned()
            }
            _ if self.table == Some("runs") => "restore the partition from a backup".to_owned(),
            FindingKind::NotOneFile => {
                format!("{ONE_FILE}; where it wrote none, move the folder away and run {backfill}")
            }
            FindingKind::Damaged
            | FindingKind::Foreign
            | FindingKind::OtherPlace
            | FindingKind::FewerThanCounted
            | FindingKind::OtherSchema
            | FindingKind::OutOfOrder => {
                format!("restore the partition from a backup, or move it away and run {backfill}")
            }
            FindingKind::DuplicateKey
            | FindingKind::WrongPartition
            | FindingKind::RecordWithoutReport
            | FindingKind::IntervalWithoutRecord
            | FindingKind::RecordCount
            | FindingKind::IntervalCount
            | FindingKind::BrokenIndex
            | FindingKind::ReportCount
            | FindingKind::SessionDay
            | FindingKind::ReportWithoutSession
            | FindingKind::MissingPartition => format!("run {backfill}"),
        }
    }
}

/// `sessions/event_date=2026-01-05: 3 rows out of order, such as row 17`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, several] = self.kind.nouns();
        let (place, count) = (self.place(), self.count);
        match self.count {
            1 => write!(f, "{place}: 1 {one}: {}", self.example),
            _ => write!(f, "{place}: {count} {several}, the first: {}", self.example),
        }
    }
}

/// Findings in the making.
#[derive(Debug, Default)]
pub(super) struct FindingBook(BTreeMap<Place, (u64, String)>);

/// Rank and name of the table, partition, kind.
type Place = (usize, Option<&'static str>, Option<EventDate>, FindingKind);

impl FindingBook {
    /// Counts one; the first of its kind, table and day is shown.
    pub(super) fn add(
        &mut self,
        kind: FindingKind,
        table: Option<&'static TableSpec>,
        partition: Option<EventDate>,
        example: &str,
    ) {
        self.add_many(kind, table, partition, (1, example));
    }

    /// Counts several, of which the first is given.
    pub(super) fn add_many(
        &mut self,
        kind: FindingKind,
        table: Option<&'static TableSpec>,
        partition: Option<EventDate>,
        (several, example): (u64, &str),
    ) {
        let name = table.map(|table| table.name);
        let rank = TABLES
            .iter()
            .position(|spec| Some(spec.name) == name)
            .map_or(0, |rank| rank + 1);
        let (count, _) = self
            .0
            .entry((rank, name, partition, kind))
            .or_insert_with(|| (0, example.to_owned()));
        *count += several;
    }

    /// Drops what was found in one partition.
    pub(super) fn forget(&mut self, table: &TableSpec, date: EventDate) {
        self.0.retain(|(_, name, partition, _), _| {
            *name != Some(table.name) || *partition != Some(date)
        });
    }

    /// Whether a data file of one of the tables was left out because it cannot be read or is out of order.
    pub(super) fn has_set_aside(&self, tables: &[&TableSpec]) -> bool {
        let kinds = [
            FindingKind::SymbolicLink,
            FindingKind::NotOneFile,
            FindingKind::Damaged,
            FindingKind::OtherPlace,
            FindingKind::OtherSchema,
            FindingKind::OutOfOrder,
        ];
        self.0.keys().any(|(_, name, _, kind)| {
            kinds.contains(kind) && tables.iter().any(|table| Some(table.name) == *name)
        })
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        let finding = |((_, table, partition, kind), (count, example))| Finding {
            kind,
            table,
            partition,
            count,
            example,
        };
        self.0.into_iter().map(finding).collect()
    }
}
