//! New generations on local disk become visible, each in one step.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::WarehouseError;
use super::generation::{Generation, Generations};
use super::layout::{Layout, create_private, create_shared, refuse_symlink, sync_folder};

/// Makes every generation visible, one partition after the other: children before parents.
pub(super) fn make_visible(
    layout: &Layout,
    generations: &Generations,
) -> Result<(), WarehouseError> {
    for generation in generations.partitions.values() {
        exchange(layout, generation)?;
        tracing::debug!(
            table = generation.table.name, date = %generation.date, file = generation.file,
            content_hash = generation.content_hash, "a new generation is visible"
        );
        if generation.replaces {
            // what lies in staging now is the old generation
            let folder = &generation.folder;
            fs::remove_dir_all(folder).map_err(WarehouseError::io("remove", folder))?;
        }
    }
    Ok(())
}

/// The one step that readers see.
fn exchange(layout: &Layout, generation: &Generation) -> Result<(), WarehouseError> {
    let root = layout.table(generation.table);
    let to = layout.partition(generation.table, generation.date);
    if !refuse_symlink(&root)? {
        create_shared(&root)?;
        sync_folder(&layout.root)?;
    }
    let flags = if generation.replaces {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    renameat_with(CWD, &generation.folder, CWD, &to, flags)
        .map_err(|errno| unexchangeable(errno, &to, "publish"))?;
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
