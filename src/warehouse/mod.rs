//! Stages 4 and 5: private files of a run, and the step that makes them visible.
//!
//! ```text
//! rows ─► Staging (sorted runs) ─► merge with the published file ─► new generation ─► exchange ─► old generation removed
//! ```
//!
//! Everything here is synchronous and works on local disk. A reader sees each partition whole-old or whole-new: a generation has a
//! folder and a file name of its own, and the partition folder is exchanged in one step (`renameat2`, `RENAME_EXCHANGE`).

mod content_hash;
mod error;
mod fetch_again;
mod generation;
mod identity;
mod intent;
mod journal;
mod layout;
mod lock;
mod merge;
mod order;
mod partition_file;
mod probe;
mod publish;
mod sorted_run;
mod staging;
mod verified_rows;
mod verify;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use arrow::record_batch::RecordBatch;

pub use error::WarehouseError;
pub use fetch_again::FetchAgain;
pub use generation::{Generations, PublishOutcome};
pub use intent::Recovery;
pub use journal::{Adopted, KeptFor, KeptReport};
pub use lock::WarehouseLock;
pub use staging::Staging;
pub use verify::{Finding, FindingKind, TableTotals, Verification};

use crate::ids::{RunId, TenantId};
use crate::job::plan::{PublishBy, WarehousePlan};
use crate::tables::TableSpec;
use crate::time::EventDate;
use identity::Description;
use intent::Intent;
use layout::{
    Layout, create_private, create_shared, partition_date, refuse_symlink, remove_file_if_there,
};
use partition_file::PartitionReader;
use publish::Visibility;

/// A warehouse on local disk.
#[derive(Debug)]
pub struct Warehouse {
    layout: Layout,
    timezone: String,
    publish: PublishBy,
    memory_budget: usize,
}

impl Warehouse {
    /// Opens the warehouse, makes it where it is missing, and proves that it can be written and published to.
    ///
    /// # Errors
    /// [`WarehouseError`]: not writable, no atomic exchange, another time zone, a newer format, a symbolic link in the way.
    pub fn open(plan: &WarehousePlan) -> Result<Self, WarehouseError> {
        let layout = Layout::new(&plan.root, plan.staging.as_deref());
        create_shared(&layout.root)?;
        create_private(&layout.private())?;
        create_private(&layout.staging)?;
        // other runs may open the warehouse or clear away what dead runs left
        let _gate = staging::gate(&layout.staging)?;
        // first of all, since on a full disk it makes the room that the rest needs
        staging::remove_dead(&layout.staging, spared(&layout)?.as_deref())?;
        probe_writable(&layout.private())?;
        probe_writable(&layout.staging)?;
        let device = |path: &Path| {
            fs::metadata(path)
                .map(|found| found.dev())
                .map_err(WarehouseError::io("read", path))
        };
        if device(&layout.root)? != device(&layout.staging)? {
            return Err(WarehouseError::OtherFileSystem {
                path: layout.staging,
            });
        }
        if plan.publish == PublishBy::Exchange {
            publish::probe_exchange(&layout.staging, &layout.root)?;
        }
        if let Some(description) = Description::read(&layout.description())? {
            description.agree_on_timezone(plan.timezone.name())?;
        }
        Ok(Self {
            layout,
            timezone: plan.timezone.name().to_owned(),
            publish: plan.publish,
            memory_budget: staging::MEMORY_BUDGET,
        })
    }

    /// Opens a warehouse to read it; writes nothing.
    ///
    /// # Errors
    /// [`WarehouseError`]: there is none, or it is of a newer format.
    pub fn open_existing(root: &Path) -> Result<Self, WarehouseError> {
        let layout = Layout::new(root, None);
        fs::read_dir(root).map_err(WarehouseError::io("list", root))?;
        let description = described(&layout)?;
        Ok(Self {
            layout,
            timezone: description.timezone,
            // it is not published into
            publish: PublishBy::Exchange,
            memory_budget: staging::MEMORY_BUDGET,
        })
    }

    /// Reads everything and holds it against the contract; nobody publishes meanwhile.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be read, where a run did not finish publishing within `wait`, or where a file is of a newer
    /// version of the contract. What is wrong with the data is no error but a [`Finding`].
    pub fn verify(&self, wait: Duration) -> Result<Verification, WarehouseError> {
        let _still = WarehouseLock::shared(&self.layout.lock(), &self.layout.root, wait)?;
        verify::verify(&self.layout, &described(&self.layout)?)
    }

    /// Proves that the warehouse is the tenant's; writes nothing.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it is another's.
    pub fn agree_on_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        match Description::read(&self.layout.description())? {
            Some(description) => description.agree_on_tenant(tenant),
            None => Ok(()),
        }
    }

    /// Ties a new warehouse to its tenant, or proves that an old one is the same tenant's.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it is another's.
    pub fn bind_tenant(&self, tenant: &TenantId) -> Result<(), WarehouseError> {
        // two runs may make the warehouse at once
        let _gate = staging::gate(&self.layout.staging)?;
        match Description::read(&self.layout.description())? {
            Some(description) => {
                description.agree_on_timezone(&self.timezone)?;
                description.agree_on_tenant(tenant)
            }
            None => Description::create(&self.layout, tenant, &self.timezone),
        }
    }

    /// Ties the warehouse to one choice of online meetings' reports, `all` or `latest`, or proves that it is the same.
    ///
    /// # Errors
    /// [`WarehouseError::OtherWarehouse`] where it holds those of the other.
    pub fn bind_reports(&self, reports: &str) -> Result<(), WarehouseError> {
        let _gate = staging::gate(&self.layout.staging)?;
        match Description::read(&self.layout.description())? {
            Some(description) => description.bind_reports(&self.layout, reports),
            None => Ok(()),
        }
    }

    /// The right to publish, where no other run holds it now.
    ///
    /// # Errors
    /// [`WarehouseError`] where the lock file cannot be opened.
    pub fn try_lock(&self) -> Result<Option<WarehouseLock>, WarehouseError> {
        WarehouseLock::try_acquire(&self.layout.lock())
    }

    /// What to say when the right to publish was not to be had.
    pub fn locked(&self, waited: Duration) -> WarehouseError {
        WarehouseError::Locked {
            path: self.layout.root.clone(),
            waited_seconds: waited.as_secs(),
        }
    }

    /// Completes what a publisher that died had begun, or notes what must be fetched again because of it.
    ///
    /// # Errors
    /// [`WarehouseError`]; what it had begun stays for the next one.
    pub fn recover(&self, _: &WarehouseLock) -> Result<Recovery, WarehouseError> {
        Intent::recover(&self.layout, Visibility(self.publish))
    }

    /// What is asked and fetched again because a publish could not be completed.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be read.
    pub fn fetch_again(&self) -> Result<FetchAgain, WarehouseError> {
        FetchAgain::read(&self.layout)
    }

    /// Takes over the reports that runs fetched for the same and did not publish before they ended.
    ///
    /// # Errors
    /// [`WarehouseError`] where the staging folder cannot be read.
    pub fn adopt(&self, kept_for: &KeptFor) -> Result<Adopted, WarehouseError> {
        let _gate = staging::gate(&self.layout.staging)?;
        let spared = spared(&self.layout)?;
        Adopted::take_over(&self.layout.staging, kept_for, spared.as_deref())
    }

    /// A staging folder for one chunk; leftovers of dead runs are removed first.
    ///
    /// # Errors
    /// [`WarehouseError`] where it cannot be made.
    pub fn staging(&self, run_id: &RunId) -> Result<Staging, WarehouseError> {
        Staging::create(
            &self.layout.staging,
            run_id,
            self.memory_budget,
            spared(&self.layout)?.as_deref(),
        )
    }

    /// The days a table has partitions for, oldest first.
    ///
    /// # Errors
    /// [`WarehouseError`] where the table's folder cannot be listed.
    pub fn partitions(&self, table: &TableSpec) -> Result<Vec<EventDate>, WarehouseError> {
        let root = self.layout.table(table);
        if !refuse_symlink(&root)? {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&root).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.map_err(WarehouseError::io("list", &root))?;
        let mut dates: Vec<_> = entries
            .iter()
            .filter_map(|entry| partition_date(table, entry.file_name().to_str()?))
            .collect();
        dates.sort_unstable();
        Ok(dates)
    }

    /// The rows of a partition in the contract's order; none where there is no such partition.
    ///
    /// # Errors
    /// [`WarehouseError`] where the file is damaged or not the contract's; here or with a batch.
    pub fn read(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, WarehouseError>> + use<>, WarehouseError>
    {
        let reader = self.open_partition(table, date)?;
        Ok(reader
            .map(PartitionReader::rows)
            .transpose()?
            .into_iter()
            .flatten())
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
        let reader = self.open_partition(table, date)?;
        Ok(reader
            .map(|reader| reader.rows_of(columns))
            .transpose()?
            .into_iter()
            .flatten())
    }

    /// The time zone whose days its partitions are.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Builds the new generations of what is staged, and an empty one for each day and table without rows; nothing is visible yet.
    ///
    /// A partition whose content stays the same is left alone.
    ///
    /// # Errors
    /// [`WarehouseError`]; what is published is untouched.
    pub fn build(
        &self,
        lock: &WarehouseLock,
        staging: Staging,
        days: &[EventDate],
    ) -> Result<Generations, WarehouseError> {
        // a run that died while this one was fetching
        self.recover(lock)?;
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
        _: &WarehouseLock,
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
        _: &WarehouseLock,
        mut generations: Generations,
    ) -> Result<PublishOutcome, WarehouseError> {
        publish::make_visible(&self.layout, Visibility(self.publish), &mut generations)?;
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
        refuse_symlink(&self.layout.table(table))?;
        PartitionReader::open(table, &self.layout.partition(table, date))
    }
}

/// The run whose staged files an intent still needs.
fn spared(layout: &Layout) -> Result<Option<String>, WarehouseError> {
    Ok(Intent::read(layout)?.map(|intent| intent.run_id))
}

/// The description of a warehouse that is there.
fn described(layout: &Layout) -> Result<Description, WarehouseError> {
    Description::read(&layout.description())?.ok_or_else(|| WarehouseError::NotAWarehouse {
        path: layout.root.clone(),
    })
}

/// Writes and removes a file.
fn probe_writable(folder: &Path) -> Result<(), WarehouseError> {
    // named after the process, since other runs may probe at the same time
    let path = folder.join(format!("probe-{}", std::process::id()));
    File::create(&path)
        .and_then(|file| file.sync_all())
        .map_err(WarehouseError::io("write", &path))?;
    remove_file_if_there(&path)
}

#[cfg(test)]
#[path = "warehouse_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod refusal_tests;

#[cfg(test)]
#[path = "verify_tests.rs"]
mod verify_tests;

#[cfg(test)]
#[path = "generations_tests.rs"]
mod generations_tests;

#[cfg(test)]
#[path = "intent_tests.rs"]
mod intent_tests;
