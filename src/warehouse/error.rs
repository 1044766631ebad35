//! What goes wrong with the warehouse, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use super::store_error::StoreError;

/// The warehouse cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// A file operation failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried: `create`, `write`, `rename`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A partition file is not as it was written.
    #[error("the data file `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: ParquetError,
    },
    /// A partition folder does not hold exactly one data file.
    #[error("the partition `{}` holds {} in place of one data file", path.display(), named(found))]
    NotOneFile {
        /// The folder.
        path: PathBuf,
        /// The names of what it holds.
        found: Vec<String>,
    },
    /// A data file was written by a newer version.
    #[error("the data file `{}` has the column `{column}`, which this version does not know", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The unknown column.
        column: String,
    },
    /// A data file lacks a column that no row can do without, or has it with another type.
    #[error("the column `{column}` of the data file `{}` is missing or of another type", path.display())]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// One of the warehouse's own files, such as `warehouse.json`, is not as it was written.
    #[error("`{}` is not as teamsheet wrote it", path.display())]
    BadPrivateFile {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: serde_json::Error,
    },
    /// There is nothing at all where the tables would be.
    #[error("no run has published into `{shown}` yet")]
    NothingThere {
        /// The warehouse.
        shown: String,
    },
    /// There is a folder, but no warehouse in it.
    #[error("`{}` is not a warehouse", path.display())]
    NotAWarehouse {
        /// The folder.
        path: PathBuf,
    },
    /// The warehouse's time zone is not in this program's list.
    #[error("the warehouse has the time zone `{name}`, which this version does not know")]
    UnknownTimezone {
        /// Its name.
        name: String,
    },
    /// The warehouse was made for something else.
    #[error("the warehouse has the {what} `{found}`, the job `{asked}`")]
    OtherWarehouse {
        /// `tenant`, `time zone` or `format version`.
        what: &'static str,
        /// What the warehouse says.
        found: String,
        /// What the job says.
        asked: String,
    },
    /// A symbolic link lies where a folder of the warehouse belongs.
    #[error("`{}` is a symbolic link, which is not followed", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The local folder for staging of an object store's warehouse cannot be made.
    #[error("the local folder for staging, `{}`, cannot be made", path.display())]
    NoStaging {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<Self>,
    },
    /// The staging folder is on another file system.
    #[error("the staging folder `{}` is on another file system than the warehouse", path.display())]
    OtherFileSystem {
        /// The staging folder.
        path: PathBuf,
    },
    /// The file system cannot exchange two folders in one step.
    #[error("the file system of `{}` cannot exchange two folders in one step", path.display())]
    NoExchange {
        /// The warehouse.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system has no locks.
    #[error("the file system of `{}` keeps no locks", path.display())]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder cannot be moved to another parent, although both are on one disk.
    #[error("`{}` cannot be moved, so no partition can take its place in one step", path.display())]
    Unmovable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("another run is publishing into `{}` and did not finish within {waited_seconds} s", path.display())]
    Locked {
        /// The warehouse.
        path: PathBuf,
        /// How long it was waited for.
        waited_seconds: u64,
    },
    /// A request to an object store failed, or what it was for cannot be done there.
    #[error("cannot {action} `{url}`")]
    Store {
        /// What was tried: `read`, `write`, `list`.
        action: &'static str,
        /// The object, or the whole warehouse.
        url: String,
        /// What the store said.
        #[source]
        source: Box<StoreError>,
    },
    /// Publishing stopped halfway; each partition is whole.
    #[error("publishing stopped after {} of {partitions} partitions: {}", published.len(), listed(published))]
    PublishedPartly {
        /// The partitions with their new generation.
        published: Vec<String>,
        /// How many were to be published.
        partitions: usize,
        /// What stopped it.
        #[source]
        source: Box<Self>,
    },
    /// This program was built without object stores.
    #[error("this teamsheet was built without object stores, so `{url}` cannot be used")]
    NoObjectStores {
        /// The warehouse.
        url: String,
    },
    /// Rows could not be brought into order.
    #[error("the rows for `{table}` cannot be merged")]
    Merge {
        /// The table.
        table: &'static str,
        /// What Arrow said.
        #[source]
        source: arrow::error::ArrowError,
    },
}

impl WarehouseError {
    /// For `map_err`: a failed file operation.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// The same for the system calls that report an `Errno`.
    pub(super) fn system(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.to_owned();
        move |errno| Self::Io {
            action,
            path,
            source: errno.into(),
        }
    }

    /// For `map_err`: rows of a table that Arrow refuses.
    pub(super) fn merge(table: &'static str) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        move |source| Self::Merge { table, source }
    }

    /// Whether job and warehouse do not belong together, so that one of them must be changed.
    pub fn is_incompatible(&self) -> bool {
        matches!(
            self,
            Self::OtherWarehouse { .. }
                | Self::BadPrivateFile { .. }
                | Self::NotAWarehouse { .. }
                | Self::UnknownTimezone { .. }
                | Self::NewerSchema { .. }
                | Self::OtherSchema { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { action, source, .. } => io_hint(action, source.kind()).to_owned(),
            Self::Damaged { path, .. } => format!(
                "restore the file from a backup, or move `{}` away and backfill its day with `--reprocess all`",
                path.parent().unwrap_or(path).display()
            ),
            Self::NotOneFile { path, found } if found.is_empty() => {
                format!("restore the file from a backup, or remove `{}` and backfill its day with `--reprocess all`", path.display())
            }
            Self::NotOneFile { .. } => ONE_FILE.to_owned(),
            Self::NewerSchema { .. } => "run a teamsheet at least as new as the one that wrote the file".to_owned(),
            Self::OtherSchema { .. } => "move the partition away and backfill its day with `--reprocess all`; teamsheet did not write it".to_owned(),
            Self::BadPrivateFile { path, .. } if path.ends_with("warehouse.json") => {
                "restore `_teamsheet/warehouse.json`, or choose another `[warehouse] uri`".to_owned()
            }
            Self::BadPrivateFile { path, .. } => format!(
                "restore `{}`, or remove it and run `teamsheet backfill --reprocess all` over the days of the last run",
                path.display()
            ),
            Self::NothingThere { .. } => {
                "run `teamsheet run` first; where it has run, name its warehouse with `--warehouse`, or its job file with `--job`".to_owned()
            }
            Self::NotAWarehouse { .. } => "name the folder that holds the tables and `_teamsheet`; without a flag it is `./warehouse`".to_owned(),
            Self::UnknownTimezone { .. } => "run a teamsheet at least as new as the one that made the warehouse".to_owned(),
            Self::OtherWarehouse { what: "format version", .. } => "run a teamsheet at least as new as the warehouse".to_owned(),
            Self::OtherWarehouse { .. } => "choose another folder as `[warehouse] uri`: a warehouse keeps what it was made with".to_owned(),
            Self::Symlink { .. } => "put a real folder in its place".to_owned(),
            Self::NoStaging { .. } => {
                "name a folder that this user may write as `[run] staging`, or in the environment variable `XDG_STATE_HOME`: without them it \
                 lies below the user's home, which some have not"
                    .to_owned()
            }
            Self::OtherFileSystem { .. } => {
                "leave `[run] staging` out, or name a folder on the file system of the warehouse".to_owned()
            }
            Self::NoExchange { .. } => {
                "put the warehouse on ext4, XFS, Btrfs or tmpfs of Linux 3.15 or newer, where readers never see half a partition, \
                 or set `publish = \"two-renames\"`, where a partition is away for a moment while it is replaced"
                    .to_owned()
            }
            Self::NoLocks { .. } => {
                "without locks two runs could publish at once: mount it so that it keeps them (NFS: `vers=4`; `local_lock=flock` only where \
                 this machine alone publishes), put the warehouse on a local disk and copy it, or use an object store"
                    .to_owned()
            }
            Self::Unmovable { .. } => UNMOVABLE.to_owned(),
            Self::Locked { .. } => "wait for the other run, or give `--wait-lock` more time".to_owned(),
            Self::Store { source, .. } => source.hint().to_owned(),
            Self::PublishedPartly { source, .. } => return source.hint(),
            Self::NoObjectStores { .. } => "build it with the cargo feature `object-store`, which is on by default".to_owned(),
            Self::Merge { .. } => return None,
        })
    }
}

/// What to do where folders cannot be moved.
const UNMOVABLE: &str = "it lies in a read-only layer of an overlay, such as a container's image, or on a mount of its own: mount one volume \
     as `[warehouse] uri` with all of the warehouse in it, leave `[run] staging` out, or bring it into the upper layer once, while nobody \
     reads it: `cp -a W W.new && rm -r W && mv W.new W`";

/// What to do about a partition with more than its file.
pub(super) const ONE_FILE: &str = "keep the newest file that teamsheet wrote and move what else lies there away; nothing else may write into the tables";

/// What lies in a folder, in words.
pub(super) fn named(found: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<_> = { found.iter().take(SHOWN) }
        .map(|name| format!("`{name}`"))
        .collect();
    match found.len() {
        0 => "nothing".to_owned(),
        count if count > SHOWN => format!("{} and {} more", names.join(", "), count - SHOWN),
        _ => names.join(" and "),
    }
}

fn io_hint(action: &str, kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, NotADirectory, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    if matches!(kind, PermissionDenied) && matches!(action, "open" | "read" | "list") {
        "use the account that the job runs as: the warehouse and its `_teamsheet` belong to it"
    } else if matches!(kind, PermissionDenied | ReadOnlyFilesystem) {
        "let the user that runs teamsheet write there, or choose another `[warehouse] uri`"
    } else if matches!(kind, NotADirectory | AlreadyExists) {
        "name a folder as `[warehouse] uri`: a file lies where one is to be"
    } else if matches!(kind, InvalidFilename) {
        "name a folder with a shorter path as `[warehouse] uri`"
    } else if matches!(kind, StorageFull | QuotaExceeded) {
        "make room and run the same command again; what was published is intact"
    } else {
        "check `[warehouse] uri` and the disk behind it; what was published is intact"
    }
}

/// The first few of a list; the log has all of them at its level `debug`.
fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 50;
    let shown = keys.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    match keys.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
