//! Where everything lies below the warehouse root.
//!
//! ```text
//! <root>/<table>/event_date=2026-01-05/<run id>.parquet     published, and nothing else
//! <root>/_teamsheet/warehouse.json                          what the warehouse was made with
//!                   lock                                    one publisher at a time
//!                   intent.json                             what is about to become visible, while it becomes so
//!                   fetch-again.json                        what a publish that was cut short may have left half new
//!                   staging/<run id>/                       private files of a run
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::WarehouseError;
use super::hidden::is_hidden;
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

    /// Whether nobody has put anything there but, at most, a run that ended before its first publish.
    pub(super) fn is_empty(&self) -> Result<bool, WarehouseError> {
        let entries = fs::read_dir(&self.root).map_err(WarehouseError::io("list", &self.root))?;
        for entry in entries {
            let entry = entry.map_err(WarehouseError::io("list", &self.root))?;
            let name = entry.file_name();
            // a new disk has its own folder
            if !is_hidden(&name) && name != "lost+found" {
                return Ok(false);
            }
        }
        Ok(true)
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

    pub(super) fn intent(&self) -> PathBuf {
        self.private().join("intent.json")
    }

    pub(super) fn fetch_again(&self) -> PathBuf {
        self.private().join("fetch-again.json")
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

/// Makes a folder inside one that must be there: a warehouse that vanishes during a run is never made anew by it.
pub(super) fn create_inside(path: &Path, mode: u32) -> Result<(), WarehouseError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            refuse_symlink(path).map(drop)
        }
        created => created.map_err(WarehouseError::io("create", path)),
    }
}

/// Only its owner may enter such a folder.
pub(super) const PRIVATE: u32 = 0o700;
/// Everybody may whom the umask lets in.
pub(super) const SHARED: u32 = 0o777;

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

/// Makes a folder's entries durable, where the file system knows how to: some take no such call for a folder (SMB, many of FUSE), and
/// have then promised nothing about it. What is in a file is another matter: that it cannot be made durable is always an error.
pub(super) fn sync_folder(path: &Path) -> Result<(), WarehouseError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    match synced {
        Err(error) if takes_no_folder(&error) => {
            tracing::debug!(path = %path.display(), "the file system does not sync folders: {error}");
            Ok(())
        }
        synced => synced.map_err(WarehouseError::io("sync", path)),
    }
}

/// Whether an error says that this cannot be asked of a folder at all, rather than that it failed.
pub(super) fn takes_no_folder(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let never = [
        Errno::INVAL,
        Errno::BADF,
        Errno::NOTSUP,
        Errno::NOSYS,
        Errno::ISDIR,
    ];
    errno.is_some_and(|errno| never.contains(&errno))
}

/// Removes a folder with everything in it; one that is not there is fine. What readers still have open on NFS stays until they are done.
pub(super) fn remove_if_there(path: &Path) -> Result<(), WarehouseError> {
    match fs::remove_dir_all(path) {
        Err(error) if is_in_use(&error) => {
            tracing::debug!(path = %path.display(), "it is still in use and stays for now: {error}");
            Ok(())
        }
        removed => done_or_not_there(removed, path),
    }
}

/// NFS keeps an open file that is removed as `.nfs…` in its folder.
fn is_in_use(error: &io::Error) -> bool {
    use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
    matches!(error.kind(), DirectoryNotEmpty | ResourceBusy)
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_file_if_there(path: &Path) -> Result<(), WarehouseError> {
    done_or_not_there(fs::remove_file(path), path)
}

fn done_or_not_there(done: io::Result<()>, path: &Path) -> Result<(), WarehouseError> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WarehouseError::io("remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reads one of our own files; `None` where it is not there.
///
/// The version alone is read first: a newer file may hold anything else.
pub(super) fn read_private_json<T: DeserializeOwned>(
    path: &Path,
    version: u32,
) -> Result<Option<T>, WarehouseError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(WarehouseError::io("read", path)(error)),
    };
    parse_private_json(&text, path, version).map(Some)
}

/// Reads the text of one of our own files; `path` is where errors say it lies.
pub(super) fn parse_private_json<T: DeserializeOwned>(
    text: &[u8],
    path: &Path,
    version: u32,
) -> Result<T, WarehouseError> {
    let bad = |source| WarehouseError::BadPrivateFile {
        path: path.to_owned(),
        source,
    };
    let found: FormatVersion = serde_json::from_slice(text).map_err(bad)?;
    if found.format_version != version {
        return Err(WarehouseError::OtherWarehouse {
            what: "format version",
            found: found.format_version.to_string(),
            asked: version.to_string(),
        });
    }
    serde_json::from_slice(text).map_err(bad)
}

#[derive(serde::Deserialize)]
struct FormatVersion {
    format_version: u32,
}

/// The text of one of our own files; `path` is where errors say it lies.
pub(super) fn private_json(
    path: &Path,
    content: &impl Serialize,
) -> Result<Vec<u8>, WarehouseError> {
    let bad = |source| WarehouseError::BadPrivateFile {
        path: path.to_owned(),
        source,
    };
    let mut text = serde_json::to_vec_pretty(content).map_err(bad)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes one of our own files, durable and whole or not at all.
pub(super) fn write_private_json(
    path: &Path,
    content: &impl Serialize,
) -> Result<(), WarehouseError> {
    let text = private_json(path, content)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // a leftover, or somebody's link: replaced, never written through
    remove_file_if_there(&temporary)?;
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
    written.map_err(WarehouseError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(WarehouseError::io("rename", &temporary))?;
    sync_folder(path.parent().unwrap_or(path))
}
