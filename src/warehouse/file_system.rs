//! What publishing asks of a file system, tried with the real operations before anything is fetched.
//!
//! ```text
//! a file can be written and made durable                    full, over quota, read-only, somebody else's
//! two folders can be exchanged in one step                  NFS, SMB, many of FUSE
//! a folder can be moved from staging to the warehouse       two mounts of one disk
//! a published partition can be moved out of its table       lower layers of an overlay, mounts below a table
//! ```
//!
//! Nothing that readers see changes: a folder that is moved onto one with something in it is refused by every file system, but only after
//! all that could forbid the move.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat, renameat_with, statfs};
use rustix::io::Errno;

use super::error::WarehouseError;
use super::layout::{
    Layout, PRIVATE, create_inside, partition_date, remove_file_if_there, remove_if_there,
};
use crate::job::plan::PublishBy;
use crate::tables::{TABLES, TableSpec};

/// `OVERLAYFS_SUPER_MAGIC` of `linux/magic.h`.
const OVERLAY: i128 = 0x794c_7630;
/// A block, since an empty file needs no room.
const BLOCK: [u8; 4_096] = [0; 4_096];

/// Tries all of it. The caller holds the gate.
pub(super) fn probe(layout: &Layout, publish: PublishBy) -> Result<(), WarehouseError> {
    probe_writable(&layout.private())?;
    probe_writable(&layout.staging)?;
    let device = |path: &Path| {
        fs::metadata(path)
            .map(|found| found.dev())
            .map_err(WarehouseError::io("read", path))
    };
    if device(&layout.root)? != device(&layout.staging)? {
        return Err(WarehouseError::OtherFileSystem {
            path: layout.staging.clone(),
        });
    }
    let here = Obstacle::make(&layout.staging.join(name("a")))?;
    if publish == PublishBy::Exchange {
        probe_exchange(layout, &here)?;
    }
    let there = Obstacle::make(&layout.root.join(format!(".teamsheet-{}", name("b"))))?;
    is_movable(&here.0, &there.0).map_err(|errno| match errno {
        Errno::XDEV => WarehouseError::OtherFileSystem {
            path: layout.staging.clone(),
        },
        errno => unmovable(errno, &layout.root, "move folders into"),
    })?;
    for table in TABLES {
        for partition in suspects(layout, table)? {
            is_movable(&partition, &here.0)
                .map_err(|errno| unmovable(errno, &partition, "replace"))?;
        }
    }
    Ok(())
}

/// Writes and removes a file.
pub(super) fn probe_writable(folder: &Path) -> Result<(), WarehouseError> {
    let path = folder.join(name("file"));
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&BLOCK)?;
        file.sync_all()
    });
    let removed = remove_file_if_there(&path);
    written.map_err(WarehouseError::io("write", &path))?;
    removed
}

/// Named after the process, since other runs may probe at the same time.
fn name(what: &str) -> String {
    format!("probe-{}-{what}", std::process::id())
}

/// A folder with something in it, onto which none can be moved; gone when dropped.
struct Obstacle(PathBuf);

impl Obstacle {
    fn make(path: &Path) -> Result<Self, WarehouseError> {
        create_inside(path, PRIVATE)?;
        let obstacle = Self(path.to_owned());
        create_inside(&path.join("full"), PRIVATE)?;
        Ok(obstacle)
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        if let Err(error) = remove_if_there(&self.0) {
            tracing::debug!("the folder of a probe stays: {error}");
        }
    }
}

fn probe_exchange(layout: &Layout, left: &Obstacle) -> Result<(), WarehouseError> {
    let right = Obstacle::make(&layout.staging.join(name("c")))?;
    renameat_with(CWD, &left.0, CWD, &right.0, RenameFlags::EXCHANGE)
        .map_err(|errno| unmovable(errno, &layout.root, "exchange folders in"))
}

/// Whether a folder could be moved to the parent of another; it stays where it is.
fn is_movable(folder: &Path, obstacle: &Path) -> Result<(), Errno> {
    match renameat(CWD, folder, CWD, obstacle) {
        // another program may have removed what was listed; others find words of their own for what is in the way
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The published partitions that are tried: all on an overlay, where each may lie in another layer, else the first and the last.
fn suspects(layout: &Layout, table: &TableSpec) -> Result<Vec<PathBuf>, WarehouseError> {
    let root = layout.table(table);
    let entries = match fs::read_dir(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(WarehouseError::io("list", &root))?,
    };
    let mut partitions = Vec::new();
    for entry in entries {
        let entry = entry.map_err(WarehouseError::io("list", &root))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let date = partition_date(table, &entry.file_name().to_string_lossy());
        partitions.extend(date.filter(|_| is_folder).map(|date| (date, entry.path())));
    }
    partitions.sort_unstable();
    let is_overlay = statfs(&root).is_ok_and(|found| i128::from(found.f_type) == OVERLAY);
    if !is_overlay && partitions.len() > 2 {
        partitions.drain(1..partitions.len() - 1);
    }
    Ok(partitions.into_iter().map(|(_, path)| path).collect())
}

/// What a refused move or exchange means.
pub(super) fn unmovable(errno: Errno, path: &Path, action: &'static str) -> WarehouseError {
    let (path, source) = (path.to_owned(), io::Error::from(errno));
    match errno {
        Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => WarehouseError::NoExchange { path, source },
        Errno::XDEV | Errno::BUSY => WarehouseError::Unmovable { path, source },
        _ => WarehouseError::Io {
            action,
            path,
            source,
        },
    }
}
