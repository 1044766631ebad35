//! Staged rows into new generations of their partitions, each visible in one step.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::WarehouseError;
use super::layout::{
    Layout, create_private, create_shared, partition_name, refuse_symlink, sync_folder,
};
use super::merge::{Batches, Merge};
use super::partition_file::{PartitionReader, PartitionWriter};
use super::staging::{StagedPartition, Staging};
use super::verified_rows::VerifiedRows;
use crate::tables::{DAILY_TABLES, TableSpec};
use crate::time::EventDate;

/// What publishing came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PublishOutcome {
    /// Partitions that got a new generation.
    pub published: u64,
    /// Partitions whose content was the same already.
    pub unchanged: u64,
}

/// Publishes everything that is staged, children before parents, and an empty file for each day and table without rows.
pub(super) fn publish(
    layout: &Layout,
    mut staging: Staging,
    days: &[EventDate],
) -> Result<PublishOutcome, WarehouseError> {
    for table in DAILY_TABLES {
        for day in days {
            staging.partition(table, *day);
        }
    }
    staging.sort_collected()?;
    let mut outcome = PublishOutcome::default();
    for ((_, date), partition) in std::mem::take(&mut staging.partitions) {
        if publish_partition(layout, &staging, date, partition)? {
            outcome.published += 1;
        } else {
            outcome.unchanged += 1;
        }
    }
    Ok(outcome)
}

/// Whether the partition changed.
fn publish_partition(
    layout: &Layout,
    staging: &Staging,
    date: EventDate,
    staged: StagedPartition,
) -> Result<bool, WarehouseError> {
    let table = staged.table;
    let published_folder = layout.partition(table, date);
    refuse_symlink(&layout.table(table))?;
    let published = PartitionReader::open(table, &published_folder)?;
    if published.is_some() && staged.runs.is_empty() && staged.replaced.is_empty() {
        return Ok(false);
    }
    let published_hash = published
        .as_ref()
        .and_then(|reader| reader.content_hash.clone());
    let exists = published.is_some();

    let folder = staging
        .folder
        .join(table.name)
        .join(partition_name(table, date));
    create_private(&staging.folder.join(table.name))?;
    create_shared(&folder)?;
    let path = folder.join(format!("{}.parquet", staging.run_id));
    let mut writer = PartitionWriter::create(table, &path)?;
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
    let hash = writer.finish()?;
    if published_hash.as_ref() == Some(&hash) {
        fs::remove_dir_all(&folder).map_err(WarehouseError::io("remove", &folder))?;
        return Ok(false);
    }
    sync_folder(&folder)?;
    make_visible(layout, table, &folder, &published_folder, exists)?;
    if exists {
        // what lies in staging now is the old generation
        fs::remove_dir_all(&folder).map_err(WarehouseError::io("remove", &folder))?;
    }
    Ok(true)
}

/// The one step that readers see.
fn make_visible(
    layout: &Layout,
    table: &TableSpec,
    from: &Path,
    to: &Path,
    exists: bool,
) -> Result<(), WarehouseError> {
    let root = layout.table(table);
    if !refuse_symlink(&root)? {
        create_shared(&root)?;
        sync_folder(&layout.root)?;
    }
    let flags = if exists {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    renameat_with(CWD, from, CWD, to, flags)
        .map_err(|errno| unexchangeable(errno, to, "publish"))?;
    sync_folder(&root)
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
        create_private(side)?;
    }
    let exchanged = renameat_with(CWD, &left, CWD, &right, RenameFlags::EXCHANGE);
    for side in [&left, &right] {
        fs::remove_dir(side).map_err(WarehouseError::io("remove", side))?;
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
