//! A whole warehouse on local disk, as it was between two publishes: for verifying it, strays included.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::error::WarehouseError;
use super::super::layout::{create_private, remove_if_there};
use super::Store;
use super::lease::{LEASE, is_free};
use crate::tables::TABLES;

/// How often a lease is looked at that a publisher holds.
const POLL: Duration = Duration::from_secs(1);
/// Our own objects that say whether a publish is under way.
const PRIVATE: [&str; 3] = ["warehouse.json", "intent.json", "fetch-again.json"];

/// A copy; gone when dropped.
#[derive(Debug)]
pub(in super::super) struct Copied(PathBuf);

impl Copied {
    pub(in super::super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = remove_if_there(&self.0) {
            tracing::warn!("a copy of the warehouse stays on disk: {error}");
        }
    }
}

impl Store {
    /// Copies everything below the table roots; `None` where publishers did not leave it alone within `wait`.
    ///
    /// It takes no lease, which would need leave to write: a copy counts where nobody held the lease, and it did not change.
    pub(in super::super) fn copy_all(
        &self,
        wait: Duration,
    ) -> Result<Option<Copied>, WarehouseError> {
        let began = Instant::now();
        loop {
            let before = self.bridge.wait(self.objects.read(LEASE))?;
            if before.as_ref().is_none_or(|(text, _)| is_free(text)) {
                let copied = self.copy_once()?;
                let after = self.bridge.wait(self.objects.read(LEASE))?;
                if before == after {
                    return Ok(Some(copied));
                }
            }
            if began.elapsed() >= wait {
                return Ok(None);
            }
            std::thread::sleep(POLL.min(wait));
        }
    }

    fn copy_once(&self) -> Result<Copied, WarehouseError> {
        let folder = self.scratch.join(format!("verify-{}", std::process::id()));
        remove_if_there(&folder)?;
        create_private(&folder)?;
        let copied = Copied(folder);
        let mut keys = Vec::new();
        for table in TABLES {
            keys.extend(self.bridge.wait(self.objects.keys_below(table.name))?);
        }
        keys.extend(PRIVATE.map(|name| format!("_teamsheet/{name}")));
        for key in keys {
            let path = copied.path().join(&key);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(WarehouseError::io("create", parent))?;
            }
            let mut file = File::create_new(&path).map_err(WarehouseError::io("create", &path))?;
            let found = self
                .bridge
                .wait(self.objects.download(&key, &mut file, &path))?;
            let length = file
                .metadata()
                .map_err(WarehouseError::io("read", &path))?
                .len();
            // what was emptied is not there, as what was never written
            if found.is_none() || (key.starts_with('_') && length == 0) {
                fs::remove_file(&path).map_err(WarehouseError::io("remove", &path))?;
            }
        }
        Ok(copied)
    }
}
