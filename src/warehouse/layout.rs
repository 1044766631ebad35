//! Where everything lies below the warehouse root.
//!
//! ```text
//! <root>/<table>/event_date=2026-01-05/<run id>.parquet     published, and nothing else
//! <root>/_teamsheet/warehouse.json                          what the warehouse was made with
//!                   lock                                    one publisher at a time
//!                   staging/<run id>/                       private files of a run
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::WarehouseError;
use crate::tables::TableSpec;
use crate::time::EventDate;

/// Paths of one warehouse.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    /// Where staging folders are made.
    pub(super) staging: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path, staging: Option<&Path>) -> Self {
        let staging = staging.map_or_else(|| root.join("_teamsheet/staging"), Path::to_owned);
        Self {
            root: root.to_owned(),
            staging,
        }
    }

    pub(super) fn private(&self) -> PathBuf {
        self.root.join("_teamsheet")
    }

    pub(super) fn description(&self) -> PathBuf {
        self.private().join("warehouse.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.private().join("lock")
    }

    pub(super) fn table(&self, table: &TableSpec) -> PathBuf {
        self.root.join(table.name)
    }

    pub(super) fn partition(&self, table: &TableSpec, date: EventDate) -> PathBuf {
        self.table(table).join(partition_name(table, date))
    }
}

/// `event_date=2026-01-05`.
pub(super) fn partition_name(table: &TableSpec, date: EventDate) -> String {
    format!("{}={date}", table.partition_column)
}

/// The date of a partition folder; `None` for any other name.
pub(super) fn partition_date(table: &TableSpec, name: &str) -> Option<EventDate> {
    name.strip_prefix(table.partition_column)?
        .strip_prefix('=')?
        .parse()
        .ok()
}

/// Makes a folder that only its owner may enter, with its parents; one that is there already is kept.
pub(super) fn create_private(path: &Path) -> Result<(), WarehouseError> {
    refuse_symlink(path)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(WarehouseError::io("create", path))
}

/// Makes a folder for everybody whom the umask lets in.
pub(super) fn create_shared(path: &Path) -> Result<(), WarehouseError> {
    fs::create_dir_all(path).map_err(WarehouseError::io("create", path))
}

/// Whether something is there; a symbolic link is refused, so nothing is ever written through one.
pub(super) fn refuse_symlink(path: &Path) -> Result<bool, WarehouseError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(WarehouseError::Symlink {
            path: path.to_owned(),
        }),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(WarehouseError::io("read", path)(error)),
    }
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), WarehouseError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(WarehouseError::io("sync", path))
}
