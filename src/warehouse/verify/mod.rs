//! Whether a warehouse is what the contract says: reads everything, changes nothing.
//!
//! ```text
//! survey   table roots    ─► stray entries, one file a partition, of this day, its schema
//! rows     each file      ─► content hash, order, tenant, the right day
//! family   each day       ─► every record has its report, every interval its record, counts are right
//! keys     whole tables   ─► keys are unique, `sessions.report_count` is right, every report has its session on the day that it names
//! runs     the run ledger ─► covered days have partitions, totals are not too small
//! ledger   the run ledger ─► what runs counted is there
//! ```
//!
//! Memory is one batch of a few files at a time, and the keys in passes of a bounded number. A file that is damaged or out of order
//! is one finding and is left out of what depends on it.
//!
//! Files that readers skip, such as `.DS_Store`, are named in the log and are no finding. A report's session may have no row where no run
//! of its scope had covered that session's day.

mod family;
mod finding;
mod keys;
mod ledger;
mod rows;
mod runs;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use super::error::{WarehouseError, named};
use super::identity::Description;
use super::layout::Layout;
use super::partition_file::PartitionReader;
use crate::tables::{TABLES, TableSpec};
use crate::time::{EventDate, WarehouseTimezone};
use finding::FindingBook;
use ledger::{Ledger, Movable};

pub use finding::{Finding, FindingKind};

/// What verifying a warehouse came to.
#[derive(Debug)]
pub struct Verification {
    /// The tenant whose attendance it holds.
    pub tenant_id: String,
    /// The time zone whose days its partitions are.
    pub timezone: String,
    /// What each table holds, in publishing order.
    pub tables: Vec<TableTotals>,
    /// What is not as the contract says; by table and day.
    pub findings: Vec<Finding>,
}

/// What a table holds.
#[derive(Debug, Clone, Copy)]
pub struct TableTotals {
    /// The table.
    pub table: &'static TableSpec,
    /// Partitions with a data file that can be read.
    pub partitions: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of their data files.
    pub bytes: u64,
    /// Data files of an older version of the contract: they lack columns, and are upgraded when they are next published.
    pub older_files: u64,
}

/// Verifies a warehouse that nobody publishes into meanwhile.
pub(super) fn verify(
    layout: &Layout,
    description: &Description,
) -> Result<Verification, WarehouseError> {
    let timezone = WarehouseTimezone::named(&description.timezone).ok_or_else(|| {
        WarehouseError::UnknownTimezone {
            name: description.timezone.clone(),
        }
    })?;
    let mut check = Check {
        layout,
        tenant: &description.tenant_id,
        timezone,
        findings: FindingBook::default(),
        files: BTreeMap::new(),
        run_rows: BTreeMap::new(),
        movable: Movable::default(),
    };
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(survey::survey(&mut check, table)?);
    }
    for table in TABLES {
        for date in check.dates(table) {
            rows::check(&mut check, table, date)?;
        }
    }
    family::check(&mut check)?;
    let ledger = Ledger::read(&check)?;
    keys::check(&mut check, &ledger)?;
    runs::check(&mut check)?;
    ledger::check_counts(&mut check)?;
    survey::open_intents(&mut check)?;
    Ok(Verification {
        tenant_id: description.tenant_id.clone(),
        timezone: description.timezone.clone(),
        tables,
        findings: check.findings.into_findings(),
    })
}

/// A verification under way.
struct Check<'a> {
    layout: &'a Layout,
    tenant: &'a str,
    timezone: WarehouseTimezone,
    findings: FindingBook,
    /// The partitions that can be read; a file leaves this map once it is found damaged.
    files: BTreeMap<(&'static str, EventDate), SoundFile>,
    /// Rows that carry a run's id, by run.
    run_rows: BTreeMap<String, RunRows>,
    movable: Movable,
}

/// A data file whose footer can be read.
#[derive(Debug, Clone, Copy)]
struct SoundFile {
    rows: u64,
}

/// Rows of reports that a run wrote last.
#[derive(Debug, Clone, Copy, Default)]
struct RunRows {
    reports: i64,
    records: i64,
    intervals: i64,
}

impl Check<'_> {
    /// The days of a table's sound files, oldest first.
    fn dates(&self, table: &TableSpec) -> Vec<EventDate> {
        let names = self.files.keys();
        names
            .filter(|(name, _)| *name == table.name)
            .map(|(_, date)| *date)
            .collect()
    }

    fn days_of(&self, tables: &[&TableSpec]) -> BTreeSet<EventDate> {
        tables.iter().flat_map(|table| self.dates(table)).collect()
    }

    fn rows_of(&self, table: &TableSpec) -> u64 {
        let files = self.files.iter();
        files
            .filter(|((name, _), _)| *name == table.name)
            .map(|(_, file)| file.rows)
            .sum()
    }

    fn rows_by_day(&self, table: &TableSpec) -> BTreeMap<EventDate, u64> {
        let files = self.files.iter();
        files
            .filter(|((name, _), _)| *name == table.name)
            .map(|((_, date), file)| (*date, file.rows))
            .collect()
    }

    /// Opens a sound file; `None` where there is none.
    fn open(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<Option<PartitionReader>, WarehouseError> {
        if !self.files.contains_key(&(table.name, date)) {
            return Ok(None);
        }
        PartitionReader::open(table, &self.layout.partition(table, date))
    }

    /// Turns an error that is about one data file into a finding, and leaves the file out from now on.
    ///
    /// # Errors
    /// Those that are about more than this file, or about this program.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a few of many errors are about one data file"
    )]
    fn set_aside(
        &mut self,
        table: &'static TableSpec,
        date: EventDate,
        error: WarehouseError,
    ) -> Result<(), WarehouseError> {
        let (kind, example) = match error {
            WarehouseError::Damaged { source, .. } => (FindingKind::Damaged, source.to_string()),
            WarehouseError::NotOneFile { found, .. } => (FindingKind::NotOneFile, named(&found)),
            WarehouseError::Symlink { path } => (FindingKind::SymbolicLink, survey::name_of(&path)),
            WarehouseError::OtherSchema { column, .. } => (FindingKind::OtherSchema, column),
            other => return Err(other),
        };
        // what its rows seemed to say is not worth telling
        self.findings.forget(table, date);
        self.findings.add(kind, Some(table), Some(date), &example);
        self.files.remove(&(table.name, date));
        Ok(())
    }
}
