//! Stages 4 and 5: private files of a run, and the step that makes them visible.
//!
//! ```text
//! rows ─► Staging (sorted runs) ─► merge with the published file ─► new generation ─► exchange ─► old generation removed
//! ```
//!
//! Everything here is synchronous. Building generations is the same wherever the warehouse lies; there are two ways to make one visible,
//! and a reader sees each partition whole-old or whole-new by both. On local disk a generation has a folder and a file name of its
//! own, and the partition folder is exchanged in one step (`renameat2`, `RENAME_EXCHANGE`). In an object store a partition is one object,
//! written by one completed upload on the condition that it still is what was read.

mod content_hash;
mod error;
mod fetch_again;
mod file_system;
mod generation;
mod hidden;
mod identity;
mod intent;
mod journal;
mod layout;
mod lock;
mod merge;
mod object_version;
mod opening;
mod order;
mod partition_file;
mod probe;
mod publish;
mod sorted_run;
mod staging;
#[cfg(feature = "object-store")]
mod store;
mod store_error;
mod verified_rows;
mod verify;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use arrow::record_batch::RecordBatch;

pub use error::WarehouseError;
pub use fetch_again::FetchAgain;
pub use generation::{Generations, PublishOutcome};
pub use intent::Recovery;
pub use journal::{Adopted, KeptFor, KeptReport};
pub use object_version::GenerationId;
pub use staging::Staging;
pub use store_error::{RequestFailure, StoreError};
pub use verify::{Finding, FindingKind, TableTotals, Verification};

use crate::ids::{RunId, TenantId};
use crate::job::plan::WarehousePlan;
use crate::tables::TableSpec;
use crate::time::EventDate;
use identity::Description;
use intent::Intent;
use layout::{Layout, partition_date, refuse_symlink};
use lock::WarehouseLock;
use partition_file::PartitionReader;
use publish::Visibility;
#[cfg(feature = "object-store")]
use store::{Lease, Store};

/// How often a lock that another run holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// The same for the lease of an object store, where each try is a request.
#[cfg(feature = "object-store")]
const LEASE_POLL: Duration = Duration::from_secs(1);

/// A warehouse on local disk or in an object store.
#[derive(Debug)]
pub struct Warehouse {
    place: Place,
    /// As messages name it.
    shown: String,
    /// Where staging folders are made.
    staging: PathBuf,
    timezone: String,
    memory_budget: usize,
}

/// Where it lies.
#[derive(Debug)]
enum Place {
    Disk(Layout, Visibility),
    #[cfg(feature = "object-store")]
    Store(Box<Store>),
}

/// The right to publish into a warehouse; given back when dropped.
#[derive(Debug)]
pub struct PublishLock(Held);

#[derive(Debug)]
enum Held {
    Lock {
        _lock: WarehouseLock,
    },
    #[cfg(feature = "object-store")]
    Lease(Lease),
}

impl Warehouse {
    /// Reads everything and holds it against the contract; nobody publishes meanwhile.
    ///
    /// An object store's warehouse is copied to local disk first.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be read, where a run did not finish publishing within `wait`, or where a file is of a newer
    /// version of the contract. What is wrong with the data is no error but a [`Finding`].
    pub fn verify(&self, wait: Duration) -> Result<Verification, WarehouseError> {
        match &self.place {
            Place::Disk(layout, _) => {
                let _still = WarehouseLock::shared(&layout.lock(), &layout.root, wait)?;
                verify::verify(layout, &self.described()?)
            }
            #[cfg(feature = "object-store")]
            Place::Store(store) => {
                let copy = store.copy_all(wait)?.ok_or_else(|| self.locked(wait))?;
                verify::verify(&Layout::new(copy.path(), None), &self.described()?)
            }
        }
    }

    /// Proves that the warehouse is the tenant's; writes nothing.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it is another's.
    pub fn agree_on_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        match self.description()? {
            Some(description) => description.agree_on_tenant(tenant),
            None => Ok(()),
        }
    }

    /// Whose it is; `None` where it is new.
    ///
    /// # Errors
    /// [`WarehouseError`] where its description cannot be read.
    pub fn tenant(&self) -> Result<Option<TenantId>, WarehouseError> {
        let description = self.description()?;
        Ok(description.map(|description| TenantId::new(description.tenant_id)))
    }

    /// Ties a new warehouse to its tenant, or proves that an old one is the same tenant's.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it is another's.
    pub fn bind_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        let layout = match &self.place {
            Place::Disk(layout, _) => layout,
            #[cfg(feature = "object-store")]
            Place::Store(store) => return store.bind_tenant(tenant, &self.timezone),
        };
        // two runs may make the warehouse at once
        let _gate = staging::gate(&layout.staging)?;
        match Description::read(&layout.description())? {
            Some(description) => {
                description.agree_on_timezone(&self.timezone)?;
                description.agree_on_tenant(tenant)
            }
            None => Description::create(layout, tenant, &self.timezone),
        }
    }

    /// Ties the warehouse to one choice of online meetings' reports, `all` or `latest`, or proves that it is the same.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it holds those of the other.
    pub fn bind_reports(&self, reports: &str) -> Result<(), WarehouseError> {
        let layout = match &self.place {
            Place::Disk(layout, _) => layout,
            #[cfg(feature = "object-store")]
            Place::Store(store) => return store.bind_reports(reports),
        };
        let _gate = staging::gate(&layout.staging)?;
        match Description::read(&layout.description())? {
            Some(description) => description.bind_reports(layout, reports),
            None => Ok(()),
        }
    }

    /// The right to publish, where no other run holds it now.
    ///
    /// # Errors
    /// [`WarehouseError`] where the lock file or the lease cannot be read or written.
    pub fn try_lock(&self) -> Result<Option<PublishLock>, WarehouseError> {
        let held = match &self.place {
            Place::Disk(layout, _) => {
                let lock = WarehouseLock::try_acquire(&layout.lock())?;
                lock.map(|lock| Held::Lock { _lock: lock })
            }
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.try_lock()?.map(Held::Lease),
        };
        Ok(held.map(PublishLock))
    }

    /// How long to wait before a lock that another run holds is tried again.
    pub fn lock_poll(&self) -> Duration {
        match self.place {
            Place::Disk(..) => LOCK_POLL,
            #[cfg(feature = "object-store")]
            Place::Store(_) => LEASE_POLL,
        }
    }

    /// What to say when the right to publish was not to be had.
    pub fn locked(&self, waited: Duration) -> WarehouseError {
        WarehouseError::Locked {
            path: PathBuf::from(&self.shown),
            waited_seconds: waited.as_secs(),
        }
    }

    /// Completes what a publisher that died had begun, or notes what must be fetched again because of it.
    ///
    /// # Errors
    /// [`WarehouseError`]; what it had begun stays for the next one.
    pub fn recover(&self, lock: &PublishLock) -> Result<Recovery, WarehouseError> {
        match (&self.place, &lock.0) {
            (Place::Disk(layout, visibility), _) => Intent::recover(layout, *visibility),
            #[cfg(feature = "object-store")]
            (Place::Store(store), Held::Lease(lease)) => store.recover(lease),
            #[cfg(feature = "object-store")]
            (Place::Store(_), Held::Lock { .. }) => Err(self.locked(Duration::ZERO)),
        }
    }

    /// What is asked and fetched again because a publish could not be completed.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be read.
    pub fn fetch_again(&self) -> Result<FetchAgain, WarehouseError> {
        match &self.place {
            Place::Disk(layout, _) => FetchAgain::read(layout),
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.fetch_again(),
        }
    }

    /// Takes over the reports that runs fetched for the same and did not publish before they ended.
    ///
    /// # Errors
    /// [`WarehouseError`] where the staging folder cannot be read.
    pub fn adopt(&self, kept_for: &KeptFor) -> Result<Adopted, WarehouseError> {
        let _gate = staging::gate(&self.staging)?;
        let spared = self.spared()?;
        Adopted::take_over(&self.staging, kept_for, spared.as_deref())
    }

    /// A staging folder for one chunk; leftovers of dead runs are removed first.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be made.
    pub fn staging(&self, run_id: &RunId) -> Result<Staging, WarehouseError> {
        Staging::create(
            &self.staging,
            run_id,
            self.memory_budget,
            self.spared()?.as_deref(),
        )
    }

    /// The days a table has partitions for, oldest first.
    ///
    /// # Errors
    /// [`WarehouseError`] where the table cannot be listed.
    pub fn partitions(&self, table: &TableSpec) -> Result<Vec<EventDate>, WarehouseError> {
        let mut dates = match &self.place {
            Place::Disk(layout, _) => partitions_on_disk(layout, table)?,
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.partitions(table)?,
        };
        dates.sort_unstable();
        Ok(dates)
    }

    /// The rows of a partition in the contract's order, and which generation they are of; none where there is no such partition.
    ///
    /// # Errors
    /// [`WarehouseError`] where the file is damaged or not the contract's; here or with a batch.
    pub fn read(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<
        (
            Option<GenerationId>,
            impl Iterator<Item = Result<RecordBatch, WarehouseError>> + use<>,
        ),
        WarehouseError,
    > {
        let reader = self.open_partition(table, date)?;
        let generation = reader.as_ref().map(PartitionReader::generation);
        let rows = reader.map(PartitionReader::rows).transpose()?;
        Ok((generation, rows.into_iter().flatten()))
    }

    /// Which generation of a partition is published now; `None` where there is no such partition.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be looked at.
    pub fn generation(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<Option<GenerationId>, WarehouseError> {
        match &self.place {
            Place::Disk(..) => {
                let reader = self.open_partition(table, date)?;
                Ok(reader.as_ref().map(PartitionReader::generation))
            }
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.generation(table, date),
        }
    }

    /// The same with these columns only, those of them that the table has, in the contract's order.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_columns(
        &self,
        table: &'static TableSpec,
        date: EventDate,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<RecordBatch, WarehouseError>> + use<>, WarehouseError>
    {
        Ok(self.read_projected(table, date, columns)?.1)
    }

    /// The same, and which generation they are of.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_projected(
        &self,
        table: &'static TableSpec,
        date: EventDate,
        columns: &[&str],
    ) -> Result<
        (
            Option<GenerationId>,
            impl Iterator<Item = Result<RecordBatch, WarehouseError>> + use<>,
        ),
        WarehouseError,
    > {
        let reader = self.open_partition(table, date)?;
        let generation = reader.as_ref().map(PartitionReader::generation);
        let rows = reader.map(|reader| reader.rows_of(columns)).transpose()?;
        Ok((generation, rows.into_iter().flatten()))
    }

    /// The time zone whose days its partitions are.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Builds the new generations of what is staged, and an empty one for each day and table without rows; nothing is visible yet.
    ///
    /// A partition whose content stays the same is left alone. What a publisher that died left must be [recovered](Self::recover) before.
    ///
    /// # Errors
    /// [`WarehouseError`]; what is published is untouched.
    pub fn build(
        &self,
        _: &PublishLock,
        staging: Staging,
        days: &[EventDate],
    ) -> Result<Generations, WarehouseError> {
        Generations::build(staging, days, |table, date| {
            self.open_partition(table, date)
        })
    }

    /// Builds one more generation, of rows that are known only when the others are built.
    ///
    /// # Errors
    /// [`WarehouseError`]; what is published is untouched.
    pub fn add(
        &self,
        _: &PublishLock,
        generations: &mut Generations,
        table: &'static TableSpec,
        date: EventDate,
        batch: &RecordBatch,
    ) -> Result<(), WarehouseError> {
        generations.add(table, date, batch, |table, date| {
            self.open_partition(table, date)
        })
    }

    /// Makes generations visible: children before parents, the run ledger last.
    ///
    /// # Errors
    /// [`WarehouseError`]; partitions that were published stay, each of them whole, and the next start completes the others.
    pub fn publish(
        &self,
        lock: &PublishLock,
        mut generations: Generations,
    ) -> Result<PublishOutcome, WarehouseError> {
        match (&self.place, &lock.0) {
            (Place::Disk(layout, visibility), _) => {
                publish::make_visible(layout, *visibility, &mut generations)?;
            }
            #[cfg(feature = "object-store")]
            (Place::Store(store), Held::Lease(lease)) => {
                store.make_visible(lease, &mut generations)?;
            }
            #[cfg(feature = "object-store")]
            (Place::Store(_), Held::Lock { .. }) => return Err(self.locked(Duration::ZERO)),
        }
        let outcome = generations.outcome();
        drop(generations);
        Ok(outcome)
    }

    /// What is published of a partition; `None` where it was never published.
    fn open_partition(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<Option<PartitionReader>, WarehouseError> {
        match &self.place {
            Place::Disk(layout, _) => {
                refuse_symlink(&layout.table(table))?;
                PartitionReader::open(table, &layout.partition(table, date))
            }
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.open_partition(table, date),
        }
    }

    /// What it was made with; `None` where it is new.
    fn description(&self) -> Result<Option<Description>, WarehouseError> {
        match &self.place {
            Place::Disk(layout, _) => Description::read(&layout.description()),
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.description(),
        }
    }

    /// The description of a warehouse that is there.
    fn described(&self) -> Result<Description, WarehouseError> {
        if let Some(description) = self.description()? {
            return Ok(description);
        }
        let shown = self.shown.clone();
        let is_empty = match &self.place {
            Place::Disk(layout, _) => layout.is_empty()?,
            #[cfg(feature = "object-store")]
            Place::Store(_) => true,
        };
        Err(if is_empty {
            WarehouseError::NothingThere { shown }
        } else {
            WarehouseError::NotAWarehouse {
                path: PathBuf::from(shown),
            }
        })
    }

    /// The run whose staged files an intent still needs.
    fn spared(&self) -> Result<Option<String>, WarehouseError> {
        let intent = match &self.place {
            Place::Disk(layout, _) => Intent::read(layout)?,
            #[cfg(feature = "object-store")]
            Place::Store(store) => store.intent()?,
        };
        Ok(intent.map(|intent| intent.run_id))
    }
}

fn partitions_on_disk(
    layout: &Layout,
    table: &TableSpec,
) -> Result<Vec<EventDate>, WarehouseError> {
    let root = layout.table(table);
    if !refuse_symlink(&root)? {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&root).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(WarehouseError::io("list", &root))?;
    let names = entries.iter().map(fs::DirEntry::file_name);
    let dates = names.filter_map(|name| partition_date(table, name.to_str()?));
    Ok(dates.collect())
}

#[cfg(test)]
#[path = "warehouse_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod refusal_tests;

#[cfg(test)]
#[path = "disk_tests.rs"]
mod disk_tests;

#[cfg(test)]
#[path = "verify_tests.rs"]
mod verify_tests;

#[cfg(test)]
mod gap_row_tests;

#[cfg(test)]
#[path = "generations_tests.rs"]
mod generations_tests;

#[cfg(test)]
#[path = "intent_tests.rs"]
mod intent_tests;
