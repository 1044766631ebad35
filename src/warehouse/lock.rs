//! One publisher at a time: a lock of the operating system, which dies with its holder.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::error::WarehouseError;

/// How often a held lock is tried again.
const POLL: Duration = Duration::from_millis(10);

/// The right to publish into a warehouse; gone when dropped.
#[derive(Debug)]
pub(super) struct WarehouseLock {
    _file: File,
}

impl WarehouseLock {
    /// Waits until the lock is free.
    pub(super) fn acquire(
        path: &Path,
        warehouse: &Path,
        wait: Duration,
    ) -> Result<Self, WarehouseError> {
        let file = open(path)?;
        let began = Instant::now();
        while !try_lock(&file, path)? {
            if began.elapsed() >= wait {
                return Err(WarehouseError::Locked {
                    path: warehouse.to_owned(),
                    waited_seconds: wait.as_secs(),
                });
            }
            thread::sleep(POLL.min(wait));
        }
        Ok(Self { _file: file })
    }

    /// Waits until no publisher holds the lock, and keeps publishers out; readers do not keep each other out.
    ///
    /// `None` where the lock was never taken, so there is no file that could be held without writing one.
    pub(super) fn shared(
        path: &Path,
        warehouse: &Path,
        wait: Duration,
    ) -> Result<Option<Self>, WarehouseError> {
        let options = File::options()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path);
        let file = match options {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(WarehouseError::io("open", path)(error)),
        };
        let began = Instant::now();
        loop {
            match lock(&file, path, FlockOperation::NonBlockingLockShared) {
                Ok(false) => {}
                // nothing is written, so only what is told may be of a publish that is under way
                Err(error @ WarehouseError::NoLocks { .. }) => {
                    tracing::warn!("{error}: what is read may change meanwhile");
                    return Ok(None);
                }
                locked => return locked.map(|_| Some(Self { _file: file })),
            }
            if began.elapsed() >= wait {
                return Err(WarehouseError::Locked {
                    path: warehouse.to_owned(),
                    waited_seconds: wait.as_secs(),
                });
            }
            thread::sleep(POLL.min(wait));
        }
    }

    /// The lock if it is free right now.
    pub(super) fn try_acquire(path: &Path) -> Result<Option<Self>, WarehouseError> {
        let file = open(path)?;
        Ok(try_lock(&file, path)?.then_some(Self { _file: file }))
    }

    /// The same; `None` also where its folder is gone by now, since whoever held it has just ended.
    pub(super) fn try_acquire_of_another(path: &Path) -> Result<Option<Self>, WarehouseError> {
        match Self::try_acquire(path) {
            Err(WarehouseError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(None)
            }
            acquired => acquired,
        }
    }
}

fn open(path: &Path) -> Result<File, WarehouseError> {
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    options.map_err(WarehouseError::io("open", path))
}

fn try_lock(file: &File, path: &Path) -> Result<bool, WarehouseError> {
    lock(file, path, FlockOperation::NonBlockingLockExclusive)
}

fn lock(file: &File, path: &Path, how: FlockOperation) -> Result<bool, WarehouseError> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        // of NFS without its lock service, and of some file systems in user space
        Err(errno @ (Errno::NOLCK | Errno::NOSYS | Errno::NOTSUP | Errno::INVAL)) => {
            Err(WarehouseError::NoLocks {
                path: path.to_owned(),
                source: errno.into(),
            })
        }
        Err(errno) => Err(WarehouseError::system("lock", path)(errno)),
    }
}
