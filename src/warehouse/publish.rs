//! New generations on local disk become visible, each in one step.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::WarehouseError;
use super::generation::{Generations, NEW};
use super::intent::Intent;
use super::layout::{
    Layout, PRIVATE, SHARED, create_inside, partition_name, refuse_symlink, remove_if_there,
    sync_folder,
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
        let failed = |errno| unexchangeable(errno, &to, "publish");
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
                    fs::rename(&to, &old).map_err(WarehouseError::io("publish", &to))?;
                }
                fs::rename(&from, &to).map_err(WarehouseError::io("publish", &to))?;
            }
        }
        tracing::debug!(table = table.name, %date, "a new generation is visible");
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

/// Tries the exchange on two folders of its own, so that a file system without it is found before anything is fetched.
pub(super) fn probe_exchange(folder: &Path, warehouse: &Path) -> Result<(), WarehouseError> {
    // named after the process, since other runs may probe at the same time
    let process = std::process::id();
    let (left, right) = (
        folder.join(format!("probe-{process}-a")),
        folder.join(format!("probe-{process}-b")),
    );
    for side in [&left, &right] {
        create_inside(side, PRIVATE)?;
    }
    let exchanged = renameat_with(CWD, &left, CWD, &right, RenameFlags::EXCHANGE);
    for side in [&left, &right] {
        remove_if_there(side)?;
    }
    exchanged.map_err(|errno| unexchangeable(errno, warehouse, "exchange folders in"))
}

fn unexchangeable(errno: Errno, path: &Path, action: &'static str) -> WarehouseError {
    let source = io::Error::from(errno);
    match errno {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => WarehouseError::NoExchange {
            path: path.to_owned(),
            source,
        },
        _ => WarehouseError::Io {
            action,
            path: path.to_owned(),
            source,
        },
    }
}
