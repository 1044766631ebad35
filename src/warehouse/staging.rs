//! Private files of one chunk, outside every table root.
//!
//! Rows are collected up to a budget of bytes; then each partition's are sorted and go to disk as one run. So memory depends on the
//! budget, not on the chunk.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::record_batch::RecordBatch;

use super::error::WarehouseError;
use super::journal::{JOURNAL, Journal, KeptFor, KeptReport, is_wanted};
use super::layout::{PRIVATE, create_inside, remove_file_if_there, remove_if_there, sync_folder};
use super::lock::WarehouseLock;
use super::sorted_run::{SortedRun, SpillFile};
use crate::ids::RunId;
use crate::tables::TableSpec;
use crate::time::EventDate;

/// Bytes of rows that are held in memory.
pub(super) const MEMORY_BUDGET: usize = 8 * 1024 * 1024;
/// Marks a staging folder as that of a living run.
pub(super) const ALIVE: &str = "alive";
/// Longer than anybody is between the gates.
const GATE_WAIT: Duration = Duration::from_secs(60);

/// What one chunk has staged; of its folder only the journal of reports outlives this, and not even that once they are published.
#[derive(Debug)]
pub struct Staging {
    pub(super) folder: PathBuf,
    pub(super) run_id: RunId,
    pub(super) partitions: BTreeMap<PartitionKey, StagedPartition>,
    budget: usize,
    collected_bytes: usize,
    spills: usize,
    journal: Option<Journal>,
    leaves: Leaves,
    _alive: WarehouseLock,
}

/// A table and a day, in publishing order of the tables.
pub(super) type PartitionKey = (usize, EventDate);

/// What is staged for one partition.
#[derive(Debug)]
pub(super) struct StagedPartition {
    pub(super) table: &'static TableSpec,
    pub(super) replaced: BTreeSet<String>,
    pub(super) runs: Vec<SortedRun>,
    collected: Vec<RecordBatch>,
}

impl Staging {
    /// Makes the folder of a run, after those of dead runs are removed; `spared` is the run of an intent.
    pub(super) fn create(
        parent: &Path,
        run_id: &RunId,
        budget: usize,
        spared: Option<&str>,
    ) -> Result<Self, WarehouseError> {
        // between making a folder and locking it, it must not be taken for a dead run's
        let gate = gate(parent)?;
        remove_dead(parent, spared)?;
        let folder = parent.join(run_id.as_str());
        create_inside(&folder, PRIVATE)?;
        let alive_path = folder.join(ALIVE);
        let alive = WarehouseLock::acquire(&alive_path, parent, GATE_WAIT)?;
        drop(gate);
        Ok(Self {
            folder,
            run_id: run_id.clone(),
            partitions: BTreeMap::new(),
            budget,
            collected_bytes: 0,
            spills: 0,
            journal: None,
            leaves: Leaves::Journal,
            _alive: alive,
        })
    }

    /// Leaves the folder to the next publisher, however this one ends.
    pub(super) fn keep(&mut self) {
        self.leaves = Leaves::Everything;
    }

    /// Everything is published: the folder goes with this.
    pub(super) fn release(&mut self) {
        self.leaves = Leaves::Nothing;
    }

    /// Keeps a report as it was fetched, for a successor should this run end early.
    ///
    /// # Errors
    /// [`WarehouseError`] where the disk fails.
    pub fn keep_report(
        &mut self,
        kept_for: &KeptFor,
        key: &str,
        report: &KeptReport,
    ) -> Result<(), WarehouseError> {
        let journal = match &mut self.journal {
            Some(journal) => journal,
            none => none.insert(Journal::create(&self.folder, kept_for)?),
        };
        journal.append(key, report)
    }

    /// Makes durable what is kept for a successor.
    ///
    /// # Errors
    /// [`WarehouseError`] where the disk fails.
    pub fn sync_kept(&mut self) -> Result<(), WarehouseError> {
        self.journal.as_mut().map_or(Ok(()), Journal::sync)
    }

    /// Drops the published rows of a unit, such as a report, whether or not new ones are staged.
    pub fn replace(&mut self, table: &'static TableSpec, date: EventDate, unit: &str) {
        self.partition(table, date).replaced.insert(unit.to_owned());
    }

    /// The days that something of the table is staged for, each with the units that are replaced.
    pub fn replaced(
        &self,
        table: &'static TableSpec,
    ) -> impl Iterator<Item = (EventDate, &BTreeSet<String>)> {
        self.partitions
            .iter()
            .filter(|(_, partition)| partition.table.name == table.name)
            .map(|((_, date), partition)| (*date, &partition.replaced))
    }

    /// Stages rows in any order; their units are replaced.
    ///
    /// # Errors
    /// [`WarehouseError`] where the disk fails.
    pub fn append(
        &mut self,
        table: &'static TableSpec,
        date: EventDate,
        batch: &RecordBatch,
    ) -> Result<(), WarehouseError> {
        let partition = self.partition(table, date);
        if let Some(units) = batch
            .column_by_name(table.replaced_by)
            .and_then(|units| units.as_string_opt::<i32>())
        {
            let mut last = None;
            for unit in units
                .iter()
                .flatten()
                .filter(|unit| last.replace(*unit) != Some(*unit))
            {
                partition.replaced.insert(unit.to_owned());
            }
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        partition.collected.push(batch.clone());
        self.collected_bytes += batch
            .columns()
            .iter()
            .map(arrow::array::Array::get_buffer_memory_size)
            .sum::<usize>();
        if self.collected_bytes > self.budget {
            self.spill()
        } else {
            Ok(())
        }
    }

    /// Brings what is still in memory into order, so that it can be merged.
    ///
    /// Where most of the chunk is on disk the rest goes there too: merging needs the room.
    pub(super) fn complete(&mut self) -> Result<(), WarehouseError> {
        if self.spills > 0 && self.collected_bytes > 0 {
            self.spill()
        } else {
            self.sort_collected()
        }
    }

    fn sort_collected(&mut self) -> Result<(), WarehouseError> {
        self.collected_bytes = 0;
        for partition in self.partitions.values_mut() {
            partition.sort_collected()?;
        }
        Ok(())
    }

    /// Moves what is in memory to disk, into one file a table.
    fn spill(&mut self) -> Result<(), WarehouseError> {
        self.sort_collected()?;
        self.spills += 1;
        let mut files: BTreeMap<&'static str, SpillFile> = BTreeMap::new();
        for partition in self.partitions.values_mut() {
            let name = partition.table.name;
            for run in &mut partition.runs {
                let SortedRun::InMemory(batches) = run else {
                    continue;
                };
                let file = match files.entry(name) {
                    Entry::Occupied(file) => file.into_mut(),
                    Entry::Vacant(none) => {
                        let path = self.folder.join(format!("{name}-{}.arrow", self.spills));
                        none.insert(SpillFile::create(partition.table, &path)?)
                    }
                };
                *run = file.append(batches)?;
            }
        }
        files.into_values().try_for_each(SpillFile::finish)
    }

    /// The staged partition, empty where nothing was staged for it.
    pub(super) fn partition(
        &mut self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> &mut StagedPartition {
        let place = crate::tables::TABLES
            .iter()
            .position(|known| known.name == table.name)
            .unwrap_or(usize::MAX);
        self.partitions
            .entry((place, date))
            .or_insert_with(|| StagedPartition {
                table,
                replaced: BTreeSet::new(),
                runs: Vec::new(),
                collected: Vec::new(),
            })
    }
}

impl StagedPartition {
    fn sort_collected(&mut self) -> Result<(), WarehouseError> {
        if !self.collected.is_empty() {
            let run = SortedRun::sort(self.table, &self.collected)?;
            self.collected.clear();
            self.runs.push(run);
        }
        Ok(())
    }
}

/// What a staging folder keeps when its run is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nothing,
    Journal,
    Everything,
}

impl Drop for Staging {
    fn drop(&mut self) {
        let removed = match (self.leaves, &self.journal) {
            (Leaves::Everything, _) => return,
            (Leaves::Journal, Some(_)) => strip(&self.folder),
            (Leaves::Journal, None) | (Leaves::Nothing, _) => remove_if_there(&self.folder),
        };
        if let Err(error) = removed {
            tracing::warn!("a staging folder stays until the next run removes it: {error}");
        }
    }
}

/// Removes everything but what a successor may take over.
fn strip(folder: &Path) -> Result<(), WarehouseError> {
    let entries = fs::read_dir(folder).map_err(WarehouseError::io("list", folder))?;
    for entry in entries {
        let entry = entry.map_err(WarehouseError::io("list", folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == JOURNAL || name == ALIVE {
            continue;
        }
        let kind = entry
            .file_type()
            .map_err(WarehouseError::io("read", &path))?;
        if kind.is_dir() {
            remove_if_there(&path)?;
        } else {
            remove_file_if_there(&path)?;
        }
    }
    Ok(())
}

/// One run at a time: what is neither staged nor locked yet could be taken for a dead run's.
pub(super) fn gate(parent: &Path) -> Result<WarehouseLock, WarehouseError> {
    WarehouseLock::acquire(&parent.join("gate"), parent, GATE_WAIT)
}

/// Whether a folder is a run's: `[run] staging` may name one where other things lie, such as a disk's `lost+found`.
fn is_a_runs(folder: &Path) -> bool {
    // `20260102T030405Z-…`; a run that died early has made nothing in it
    let is_instant = |text: &str| {
        let mut letters = text.bytes();
        text.len() == 15 && letters.all(|byte| byte.is_ascii_digit() || byte == b'T')
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let begins_with_an_instant = name
        .split_once("Z-")
        .is_some_and(|(instant, _)| is_instant(instant));
    begins_with_an_instant || folder.join(ALIVE).exists()
}

/// Removes the folders of runs that no longer live: their lock is free. What they kept for a successor stays a while. The caller holds the gate.
pub(super) fn remove_dead(parent: &Path, spared: Option<&str>) -> Result<(), WarehouseError> {
    let entries = fs::read_dir(parent).map_err(WarehouseError::io("list", parent))?;
    for entry in entries {
        let path = entry.map_err(WarehouseError::io("list", parent))?.path();
        let is_spared = spared.is_some_and(|spared| path.file_name() == Some(spared.as_ref()));
        if is_spared || path.is_symlink() || !path.is_dir() || !is_a_runs(&path) {
            continue;
        }
        if let Some(_dead) = WarehouseLock::try_acquire_of_another(&path.join(ALIVE))? {
            if is_wanted(&path) {
                strip(&path)?;
            } else {
                remove_if_there(&path)?;
            }
        }
    }
    sync_folder(parent)
}
