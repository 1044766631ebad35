//! What is staged, merged with what is published, into new generations that nobody sees yet.
//!
//! ```text
//! staging/<run id>/new/<table>/event_date=2026-01-05/<run id>.parquet
//! ```
//!
//! Everything here is private to the run. Making it visible is another step, and another for each kind of warehouse.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use arrow::record_batch::RecordBatch;

use super::error::WarehouseError;
use super::fetch_again::FetchAgain;
use super::layout::{PRIVATE, SHARED, create_inside, partition_name, sync_folder};
use super::merge::{Batches, Merge};
use super::object_version::ObjectVersion;
use super::partition_file::{PartitionReader, PartitionWriter};
use super::staging::{PartitionKey, StagedPartition, Staging};
use super::verified_rows::VerifiedRows;
use crate::ids::{ReportId, SessionId};
use crate::tables::{ATTENDANCE_REPORTS, DAILY_TABLES, SESSIONS, TableSpec};
use crate::time::EventDate;

/// The folder of a run's staging that holds new generations.
pub(super) const NEW: &str = "new";

/// How many partitions publishing changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishOutcome {
    /// Partitions that get a new generation.
    pub published: u64,
    /// Partitions whose content is the same already.
    pub unchanged: u64,
}

/// The new generations of a chunk, built and durable, visible to nobody yet; dropped unpublished, they are gone.
#[derive(Debug)]
pub struct Generations {
    pub(super) staging: Staging,
    /// In publishing order: children before parents, the run ledger last.
    pub(super) partitions: BTreeMap<PartitionKey, Generation>,
    /// Sessions and reports whose rows are staged.
    pub(super) units: FetchAgain,
    unchanged: u64,
}

/// The next generation of one partition.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) table: &'static TableSpec,
    pub(super) date: EventDate,
    /// Name of the data file, which no other generation has.
    pub(super) file: String,
    /// Its logical hash.
    pub(super) content_hash: String,
    /// The object that it replaces; `None` on local disk, and where there is none.
    pub(super) base: Option<ObjectVersion>,
}

impl Generations {
    /// How many partitions will change and how many will not.
    pub fn outcome(&self) -> PublishOutcome {
        PublishOutcome {
            published: self.partitions.len() as u64,
            unchanged: self.unchanged,
        }
    }

    /// Builds a generation of everything that is staged, and an empty one for each day and table without rows.
    ///
    /// `open` opens what is published of a partition.
    pub(super) fn build(
        mut staging: Staging,
        days: &[EventDate],
        open: impl Fn(&'static TableSpec, EventDate) -> Result<Option<PartitionReader>, WarehouseError>,
    ) -> Result<Self, WarehouseError> {
        for table in DAILY_TABLES {
            for day in days {
                staging.partition(table, *day);
            }
        }
        let mut generations = Self {
            staging,
            partitions: BTreeMap::new(),
            units: FetchAgain::default(),
            unchanged: 0,
        };
        generations.build_staged(open)?;
        Ok(generations)
    }

    /// Builds one more generation, of rows that are known only now.
    pub(super) fn add(
        &mut self,
        table: &'static TableSpec,
        date: EventDate,
        batch: &RecordBatch,
        open: impl Fn(&'static TableSpec, EventDate) -> Result<Option<PartitionReader>, WarehouseError>,
    ) -> Result<(), WarehouseError> {
        self.staging.append(table, date, batch)?;
        self.build_staged(open)
    }

    fn build_staged(
        &mut self,
        open: impl Fn(&'static TableSpec, EventDate) -> Result<Option<PartitionReader>, WarehouseError>,
    ) -> Result<(), WarehouseError> {
        self.staging.complete()?;
        for (key, staged) in std::mem::take(&mut self.staging.partitions) {
            self.note_units(&staged, key.1);
            let published = open(staged.table, key.1)?;
            match build_one(&self.staging, key.1, staged, published)? {
                Some(generation) => {
                    self.partitions.insert(key, generation);
                }
                None => self.unchanged += 1,
            }
        }
        self.sync_folders()
    }

    fn note_units(&mut self, staged: &StagedPartition, date: EventDate) {
        let ids = staged.replaced.iter().map(String::as_str);
        if staged.table.name == SESSIONS.name {
            self.units.sessions.extend(ids.map(SessionId::new));
        } else if staged.table.name == ATTENDANCE_REPORTS.name {
            for id in ids {
                let days = self.units.reports.entry(ReportId::new(id)).or_default();
                days.insert(date);
            }
        }
    }

    /// Makes the folders durable in which the new generations lie.
    fn sync_folders(&self) -> Result<(), WarehouseError> {
        let new = self.staging.folder.join(NEW);
        let tables: BTreeSet<&str> = self
            .partitions
            .values()
            .map(|generation| generation.table.name)
            .collect();
        for table in &tables {
            sync_folder(&new.join(table))?;
        }
        if !tables.is_empty() {
            sync_folder(&new)?;
            sync_folder(&self.staging.folder)?;
        }
        Ok(())
    }
}

/// The partition's next generation; `None` where its content would be the same.
fn build_one(
    staging: &Staging,
    date: EventDate,
    staged: StagedPartition,
    published: Option<PartitionReader>,
) -> Result<Option<Generation>, WarehouseError> {
    let table = staged.table;
    if published.is_some() && staged.runs.is_empty() && staged.replaced.is_empty() {
        return Ok(None);
    }
    let published_hash = published
        .as_ref()
        .and_then(|reader| reader.content_hash.clone());
    let base = published.as_ref().and_then(|reader| reader.version.clone());

    let new = staging.folder.join(NEW);
    create_inside(&new, PRIVATE)?;
    let tables = new.join(table.name);
    create_inside(&tables, PRIVATE)?;
    let folder = tables.join(partition_name(table, date));
    create_inside(&folder, SHARED)?;
    let file = format!("{}.parquet", staging.run_id);
    let mut writer = PartitionWriter::create(table, date, &folder.join(&file))?;
    let published_rows = published
        .map(VerifiedRows::new)
        .transpose()?
        .map(|rows| Box::new(rows) as Batches);
    let runs = staged
        .runs
        .into_iter()
        .map(|run| run.batches().map(|batches| Box::new(batches) as Batches));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    Merge::new(table, published_rows, runs, &staged.replaced)?.run(|batch| writer.write(batch))?;
    let content_hash = writer.finish()?;
    if published_hash.as_ref() == Some(&content_hash) {
        fs::remove_dir_all(&folder).map_err(WarehouseError::io("remove", &folder))?;
        return Ok(None);
    }
    sync_folder(&folder)?;
    Ok(Some(Generation {
        table,
        date,
        file,
        content_hash,
        base,
    }))
}
