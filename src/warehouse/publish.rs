//! New generations on local disk become visible, each in one step.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat, renameat_with};

use super::error::WarehouseError;
use super::file_system::unmovable;
use super::generation::{Generations, NEW};
use super::hidden::{is_hidden, name_once};
use super::intent::Intent;
use super::layout::{
    Layout, PRIVATE, SHARED, create_inside, partition_name, refuse_symlink, sync_folder,
};
use crate::job::plan::PublishBy;
use crate::tables::TableSpec;
use crate::time::EventDate;

/// The folder of a run's staging that two renames move old generations to.
pub(super) const OLD: &str = "old";

/// How a generation takes its partition's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visibility(pub(super) PublishBy);

/// Makes every generation visible, one partition after the other: children before parents, the run ledger last.
pub(super) fn make_visible(
    layout: &Layout,
    visibility: Visibility,
    generations: &mut Generations,
) -> Result<(), WarehouseError> {
    if generations.partitions.is_empty() {
        return Ok(());
    }
    let intent = Intent::of(&layout.root, generations);
    let written = intent.write(layout);
    if written.is_ok() || layout.intent().exists() {
        // from here on the staged files are the next publisher's, should this one not come to its end
        generations.staging.keep();
    }
    written?;
    intent.carry_out(layout, visibility)?;
    generations.staging.release();
    Ok(())
}

impl Visibility {
    /// The one step that readers see; with two renames, two.
    pub(super) fn show(
        self,
        layout: &Layout,
        staging: &Path,
        table: &TableSpec,
        date: EventDate,
    ) -> Result<(), WarehouseError> {
        let root = layout.table(table);
        let (from, to) = (
            staging_partition(staging, NEW, table, date),
            layout.partition(table, date),
        );
        if !refuse_symlink(&root)? {
            create_inside(&root, SHARED)?;
            sync_folder(&layout.root)?;
        }
        let exists = refuse_symlink(&to)?;
        let failed = |errno| unmovable(errno, &to, "publish");
        match self.0 {
            PublishBy::Exchange => {
                let flags = if exists {
                    RenameFlags::EXCHANGE
                } else {
                    RenameFlags::NOREPLACE
                };
                renameat_with(CWD, &from, CWD, &to, flags).map_err(failed)?;
            }
            PublishBy::TwoRenames => {
                if exists {
                    let old = staging_partition(staging, OLD, table, date);
                    for folder in [staging.join(OLD), staging.join(OLD).join(table.name)] {
                        create_inside(&folder, PRIVATE)?;
                    }
                    renameat(CWD, &to, CWD, &old).map_err(failed)?;
                }
                renameat(CWD, &from, CWD, &to).map_err(failed)?;
            }
        }
        tracing::debug!(table = table.name, %date, "a new generation is visible");
        Ok(())
    }

    /// Moves what is hidden beside the old generation's file to the new one; once that is visible.
    pub(super) fn keep_hidden(
        layout: &Layout,
        staging: &Path,
        table: &TableSpec,
        date: EventDate,
    ) -> Result<(), WarehouseError> {
        let to = layout.partition(table, date);
        let mut has_moved = false;
        // an exchange leaves the old generation in the new one's place
        for generations in [NEW, OLD] {
            let from = staging_partition(staging, generations, table, date);
            let entries = match fs::read_dir(&from) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(WarehouseError::io("list", &from))?,
            };
            for entry in entries {
                let name = entry
                    .map_err(WarehouseError::io("list", &from))?
                    .file_name();
                if !is_hidden(&name) {
                    continue;
                }
                let (left, kept) = (from.join(&name), to.join(&name));
                match renameat(CWD, &left, CWD, &kept) {
                    Ok(()) => {
                        has_moved = true;
                        name_once(&kept);
                    }
                    // NFS's own name of what somebody still reads
                    Err(error) => tracing::debug!(
                        path = %left.display(),
                        "it could not be moved along with its partition: {error}"
                    ),
                }
            }
        }
        if has_moved {
            sync_folder(&to)?;
        }
        Ok(())
    }

    /// Puts an old generation back that the first of two renames took away.
    pub(super) fn restore(
        layout: &Layout,
        staging: &Path,
        table: &TableSpec,
        date: EventDate,
    ) -> Result<(), WarehouseError> {
        let (old, to) = (
            staging_partition(staging, OLD, table, date),
            layout.partition(table, date),
        );
        if refuse_symlink(&to)? || !refuse_symlink(&old)? {
            return Ok(());
        }
        fs::rename(&old, &to).map_err(WarehouseError::io("restore", &to))?;
        sync_folder(&layout.table(table))
    }
}

fn staging_partition(
    staging: &Path,
    generations: &str,
    table: &TableSpec,
    date: EventDate,
) -> std::path::PathBuf {
    staging
        .join(generations)
        .join(table.name)
        .join(partition_name(table, date))
}
