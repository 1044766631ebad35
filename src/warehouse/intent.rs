//! What is about to become visible, written down before the first partition changes.
//!
//! ```text
//! generations built ─► intent written ─► partitions exchanged: intervals, records, reports, sessions, gaps, run row
//!                                          └─► old generations removed ─► intent removed
//! ```
//!
//! A publisher that dies in between leaves the intent. The next one, under the lock, rolls forward where every generation that is
//! still staged is as it was written; else it drops the intent and notes what must be fetched again ([`FetchAgain`]), because some
//! tables may hold the new rows and some the old ones.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::fetch_again::FetchAgain;
use super::generation::{Generations, NEW};
use super::journal::JOURNAL;
use super::layout::{
    Layout, partition_name, read_private_json, refuse_symlink, remove_file_if_there,
    remove_if_there, sync_folder, write_private_json,
};
use super::object_version::ObjectVersion;
use super::partition_file::PartitionReader;
use super::publish::{OLD, Visibility};
use super::verified_rows::VerifiedRows;
use crate::tables::{TABLES, TableSpec};
use crate::time::EventDate;

/// Version of the file; grows when older programs could no longer carry an intent out.
pub(super) const FORMAT_VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    format_version: u32,
    pub(super) run_id: String,
    /// The run's staging folder; below the warehouse's root it is relative to that.
    staging: PathBuf,
    /// In publishing order.
    pub(super) partitions: Vec<IntendedPartition>,
    /// Sessions and reports whose rows come with it.
    pub(super) units: FetchAgain,
}

/// A partition and the generation it is to have.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IntendedPartition {
    table: String,
    pub(super) date: EventDate,
    file: String,
    pub(super) content_hash: String,
    /// In an object store: what it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<ObjectVersion>,
}

/// What was found of an earlier publish that did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    NothingToDo,
    /// All of its partitions are visible now.
    RolledForward {
        /// How many it had.
        partitions: usize,
    },
    /// What it had staged is not whole; its reports are fetched again.
    Dropped {
        /// Sessions that are asked again.
        sessions: usize,
        /// Reports that are fetched again.
        reports: usize,
    },
}

/// Where one of its partitions stands.
enum Standing {
    Visible,
    Staged,
    Lost,
}

impl Intent {
    /// What these generations are to become in the warehouse with this root.
    pub(super) fn of(root: &Path, generations: &Generations) -> Self {
        let folder = &generations.staging.folder;
        let partitions = generations.partitions.values();
        Self {
            format_version: FORMAT_VERSION,
            run_id: generations.staging.run_id.as_str().to_owned(),
            staging: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
            partitions: partitions
                .map(|generation| IntendedPartition {
                    table: generation.table.name.to_owned(),
                    date: generation.date,
                    file: generation.file.clone(),
                    content_hash: generation.content_hash.clone(),
                    base: generation.base.clone(),
                })
                .collect(),
            units: generations.units.clone(),
        }
    }

    /// The intent that a publisher left; `None` where all came to their end.
    pub(super) fn read(layout: &Layout) -> Result<Option<Self>, WarehouseError> {
        read_private_json(&layout.intent(), FORMAT_VERSION)
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), WarehouseError> {
        write_private_json(&layout.intent(), self)
    }

    /// Makes visible what is not visible yet, removes what it replaced, and then the intent.
    pub(super) fn carry_out(
        &self,
        layout: &Layout,
        visibility: Visibility,
    ) -> Result<(), WarehouseError> {
        let staging = self.staging(layout);
        for (table, partitions) in self.by_table() {
            for partition in partitions {
                if !partition.is_visible(layout, table)? {
                    visibility.show(layout, &staging, table, partition.date)?;
                }
                Visibility::keep_hidden(layout, &staging, table, partition.date)?;
            }
            // children are durable before their parents change
            sync_folder(&layout.table(table))?;
        }
        FetchAgain::settle(layout, &self.units)?;
        for generations in [NEW, OLD] {
            remove_if_there(&staging.join(generations))?;
        }
        // its reports are published
        remove_file_if_there(&staging.join(JOURNAL))?;
        Self::forget(layout)
    }

    /// Finishes or drops what a dead publisher began; the caller holds the lock.
    pub(super) fn recover(
        layout: &Layout,
        visibility: Visibility,
    ) -> Result<Recovery, WarehouseError> {
        let Some(intent) = Self::read(layout)? else {
            return Ok(Recovery::NothingToDo);
        };
        let staging = intent.staging(layout);
        let recovery = if intent.is_whole(layout)? {
            intent.carry_out(layout, visibility)?;
            let partitions = intent.partitions.len();
            tracing::warn!(
                run_id = intent.run_id,
                "a publish that was cut short is completed: {partitions} partitions"
            );
            Recovery::RolledForward { partitions }
        } else {
            for (table, partitions) in intent.by_table() {
                for partition in partitions {
                    Visibility::restore(layout, &staging, table, partition.date)?;
                    if partition.is_visible(layout, table)? {
                        Visibility::keep_hidden(layout, &staging, table, partition.date)?;
                    }
                }
            }
            FetchAgain::add(layout, &intent.units)?;
            Self::forget(layout)?;
            let (sessions, reports) = intent.units.counts();
            tracing::warn!(
                run_id = intent.run_id,
                "a publish that was cut short cannot be completed, since what it had staged is not whole: \
                 {reports} reports of {sessions} sessions are fetched again"
            );
            Recovery::Dropped { sessions, reports }
        };
        for generations in [NEW, OLD] {
            remove_if_there(&staging.join(generations))?;
        }
        Ok(recovery)
    }

    fn staging(&self, layout: &Layout) -> PathBuf {
        layout.root.join(&self.staging)
    }

    fn forget(layout: &Layout) -> Result<(), WarehouseError> {
        let path = layout.intent();
        fs::remove_file(&path).map_err(WarehouseError::io("remove", &path))?;
        sync_folder(&layout.private())
    }

    /// Whether every generation is visible, or staged as it was written.
    fn is_whole(&self, layout: &Layout) -> Result<bool, WarehouseError> {
        let staging = self.staging(layout);
        let tables = self.by_table();
        let known: usize = tables.iter().map(|(_, partitions)| partitions.len()).sum();
        if known != self.partitions.len() {
            return Ok(false);
        }
        for (table, partitions) in tables {
            for partition in partitions {
                match partition.standing(layout, &staging, table)? {
                    Standing::Visible | Standing::Staged => {}
                    Standing::Lost => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Its partitions by table, in publishing order.
    pub(super) fn by_table(&self) -> Vec<(&'static TableSpec, Vec<&IntendedPartition>)> {
        let of = |table: &'static TableSpec| {
            let partitions = self.partitions.iter();
            let partitions: Vec<_> = partitions
                .filter(|partition| partition.table == table.name)
                .collect();
            (!partitions.is_empty()).then_some((table, partitions))
        };
        TABLES.into_iter().filter_map(of).collect()
    }
}

impl IntendedPartition {
    fn is_visible(
        &self,
        layout: &Layout,
        table: &'static TableSpec,
    ) -> Result<bool, WarehouseError> {
        let folder = layout.partition(table, self.date);
        refuse_symlink(&layout.table(table))?;
        Ok(refuse_symlink(&folder)? && refuse_symlink(&folder.join(&self.file))?)
    }

    fn standing(
        &self,
        layout: &Layout,
        staging: &Path,
        table: &'static TableSpec,
    ) -> Result<Standing, WarehouseError> {
        if self.is_visible(layout, table)? {
            return Ok(Standing::Visible);
        }
        let folder = staging
            .join(NEW)
            .join(table.name)
            .join(partition_name(table, self.date));
        if !refuse_symlink(&folder)? || !refuse_symlink(&folder.join(&self.file))? {
            return Ok(Standing::Lost);
        }
        match self.verify(table, &folder) {
            Ok(true) => Ok(Standing::Staged),
            // the disk fails: nothing is known, so nothing is given up
            Err(error @ WarehouseError::Io { .. }) => Err(error),
            Ok(false) | Err(_) => Ok(Standing::Lost),
        }
    }

    /// Whether the staged file holds, row by row, what was written.
    pub(super) fn verify(
        &self,
        table: &'static TableSpec,
        folder: &Path,
    ) -> Result<bool, WarehouseError> {
        let Some(reader) = PartitionReader::open(table, folder)? else {
            return Ok(false);
        };
        if reader.content_hash.as_ref() != Some(&self.content_hash) {
            return Ok(false);
        }
        for batch in VerifiedRows::new(reader)? {
            batch?;
        }
        Ok(true)
    }
}
