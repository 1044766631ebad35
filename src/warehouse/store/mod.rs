//! A warehouse in an object store: the same layout as on disk, one object a partition.
//!
//! ```text
//! <prefix>/<table>/event_date=2026-01-05/data.parquet   published, and nothing else
//! <prefix>/_teamsheet/warehouse.json                    what the warehouse was made with
//!                     lease                             one publisher at a time
//!                     intent.json                       what is about to become visible, while it becomes so
//!                     fetch-again.json                  what a publish that was cut short may have left half new
//!                     upload                            the upload in parts that is under way
//!                     probe                             proves at each start that conditions are kept
//! ```
//!
//! New generations are built on local disk and become visible by one completed upload each. Reading takes an object by its key into
//! a local file; a listing only ever says which days there are. No permission to delete is needed: what is done with is overwritten.
//!
//! The client is asynchronous, the warehouse is not: [`Bridge`] is the one place where they meet.

mod connect;
mod copy;
mod environment;
mod http;
mod lease;
mod objects;
mod publish;
mod upload;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::runtime::{Builder, Handle, Runtime};

pub(super) use lease::Lease;

use super::error::WarehouseError;
use super::identity::{Description, FORMAT_VERSION};
use super::layout::{parse_private_json, partition_date, partition_name, private_json};
use super::object_version::GenerationId;
use super::partition_file::PartitionReader;
use super::store_error::StoreError;
use crate::ids::TenantId;
use crate::job::place::{StoreAddress, StoreKind};
use crate::tables::TableSpec;
use crate::time::EventDate;
use connect::Checksums::{self, Always, FromEnvironment};
use lease::{LeaseTerm, Observed};
use objects::{Objects, Written};

/// The one object of a partition.
const DATA: &str = "data.parquet";
const DESCRIPTION: &str = "_teamsheet/warehouse.json";
const PROBE: &str = "_teamsheet/probe";

/// A warehouse's objects.
#[derive(Debug)]
pub(super) struct Store {
    objects: Objects,
    bridge: Bridge,
    /// Whom a lease names.
    holder: String,
    term: LeaseTerm,
    observed: Observed,
    /// Where objects are copied to for reading; private, on local disk.
    scratch: PathBuf,
}

impl Store {
    /// Connects, and proves that the store can be written and keeps its conditions.
    pub(super) fn open(
        address: &StoreAddress,
        holder: &str,
        scratch: PathBuf,
    ) -> Result<Self, WarehouseError> {
        let store = Self::connect_with(address, holder, scratch.clone(), FromEnvironment)?;
        let Err(refusal) = store.bridge.wait(probe(&store.objects, holder)) else {
            return Ok(store);
        };
        if address.kind != StoreKind::S3 || !may_want_checksums(&refusal) {
            return Err(refusal);
        }
        let store = Self::connect_with(address, holder, scratch, Always)?;
        match store.bridge.wait(probe(&store.objects, holder)) {
            Ok(()) => {
                tracing::debug!("the bucket takes writes with a checksum only, so each has one");
                Ok(store)
            }
            Err(_) => Err(refusal),
        }
    }

    /// Connects; nothing is asked of the store yet.
    pub(super) fn connect(
        address: &StoreAddress,
        holder: &str,
        scratch: PathBuf,
    ) -> Result<Self, WarehouseError> {
        Self::connect_with(address, holder, scratch, FromEnvironment)
    }

    fn connect_with(
        address: &StoreAddress,
        holder: &str,
        scratch: PathBuf,
        checksums: Checksums,
    ) -> Result<Self, WarehouseError> {
        let failed = |source| WarehouseError::Store {
            action: "use",
            url: address.to_string(),
            source: Box::new(source),
        };
        let objects = connect::connect(address, checksums).map_err(failed)?;
        Self::over(objects, holder, scratch)
    }

    fn over(objects: Objects, holder: &str, scratch: PathBuf) -> Result<Self, WarehouseError> {
        Ok(Self {
            bridge: Bridge::new().map_err(WarehouseError::io("start threads for", &scratch))?,
            objects,
            holder: holder.to_owned(),
            term: LeaseTerm::default(),
            observed: Observed::default(),
            scratch,
        })
    }

    /// What the warehouse was made with; `None` where it is new.
    pub(super) fn description(&self) -> Result<Option<Description>, WarehouseError> {
        let found = self.bridge.wait(self.objects.read(DESCRIPTION))?;
        let shown = PathBuf::from(self.objects.url(DESCRIPTION));
        let text = found.map(|(text, _)| text);
        text.map(|text| parse_private_json(&text, &shown, FORMAT_VERSION))
            .transpose()
    }

    /// Ties a new warehouse to its tenant; of two runs that do so at once one is first, and the other agrees with it or is refused.
    pub(super) fn bind_tenant(
        &self,
        tenant: &TenantId,
        timezone: &str,
    ) -> Result<(), WarehouseError> {
        let shown = PathBuf::from(self.objects.url(DESCRIPTION));
        loop {
            if let Some(description) = self.description()? {
                description.agree_on_timezone(timezone)?;
                return description.agree_on_tenant(tenant);
            }
            let text = private_json(&shown, &Description::new(tenant, timezone))?;
            let written = self.objects.write(DESCRIPTION, text.into(), None);
            if let Written::Stored(_) = self.bridge.wait(written)? {
                return Ok(());
            }
        }
    }

    /// Ties the warehouse to one choice of reports, or proves that it is the same; one that is new says nothing yet.
    pub(super) fn bind_reports(&self, reports: &str) -> Result<(), WarehouseError> {
        let shown = PathBuf::from(self.objects.url(DESCRIPTION));
        loop {
            let Some((text, version)) = self.bridge.wait(self.objects.read(DESCRIPTION))? else {
                return Ok(());
            };
            let found: Description = parse_private_json(&text, &shown, FORMAT_VERSION)?;
            let Some(description) = found.with_reports(reports)? else {
                return Ok(());
            };
            let text = private_json(&shown, &description)?;
            let written = self.objects.write(DESCRIPTION, text.into(), Some(&version));
            if let Written::Stored(_) = self.bridge.wait(written)? {
                return Ok(());
            }
        }
    }

    /// The lease, where no other run holds it now.
    pub(super) fn try_lock(&self) -> Result<Option<Lease>, WarehouseError> {
        self.bridge.wait(async {
            let runtime = &self.bridge.handle;
            let taken = Lease::try_acquire(
                &self.objects,
                &self.holder,
                self.term,
                &self.observed,
                runtime,
            );
            let lease = taken.await?;
            if lease.is_some() {
                upload::remove_orphans(&self.objects).await?;
            }
            Ok(lease)
        })
    }

    /// The days a table has partitions for, in no order.
    pub(super) fn partitions(&self, table: &TableSpec) -> Result<Vec<EventDate>, WarehouseError> {
        let names = self.bridge.wait(self.objects.folders(table.name))?;
        // other spellings of a date are no key of ours
        let is_ours = |name: &str, date| partition_name(table, date) == name;
        let dates = names
            .iter()
            .filter_map(|name| partition_date(table, name).filter(|date| is_ours(name, *date)));
        Ok(dates.collect())
    }

    /// Which generation of a partition is published now; `None` where there is no such object.
    pub(super) fn generation(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<Option<GenerationId>, WarehouseError> {
        let found = self.bridge.wait(self.objects.head(&key(table, date)))?;
        Ok(found.map(|(_, version)| GenerationId::of_object(version)))
    }

    /// What is published of a partition, by its key; `None` where there is no such object.
    pub(super) fn open_partition(
        &self,
        table: &'static TableSpec,
        date: EventDate,
    ) -> Result<Option<PartitionReader>, WarehouseError> {
        static COPIES: AtomicU64 = AtomicU64::new(0);
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let local = self
            .scratch
            .join(format!("copy-{}-{number}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(&local);
        let mut file = file.map_err(WarehouseError::io("create", &local))?;
        // what has no name is gone with the process, however that ends
        fs::remove_file(&local).map_err(WarehouseError::io("remove", &local))?;
        let key = key(table, date);
        let version = self
            .bridge
            .wait(self.objects.download(&key, &mut file, &local))?;
        let shown = PathBuf::from(self.objects.url(&key));
        let Some(version) = version else {
            return Ok(None);
        };
        PartitionReader::of_object(table, file, shown, version).map(Some)
    }
}

fn key(table: &TableSpec, date: EventDate) -> String {
    format!("{}/{}/{DATA}", table.name, partition_name(table, date))
}

/// Whether a write was refused as S3 refuses one without a checksum, in a bucket that locks its objects: by a 400 with a code that says little.
fn may_want_checksums(error: &WarehouseError) -> bool {
    let WarehouseError::Store { source, .. } = error else {
        return false;
    };
    let StoreError::Request {
        method, failure, ..
    } = &**source
    else {
        return false;
    };
    method == "PUT" && failure.wants_checksum()
}

/// Writes on conditions that hold and on some that do not, so that a store without them is found before anything is fetched.
async fn probe(objects: &Objects, holder: &str) -> Result<(), WarehouseError> {
    let text = |step: &str| Bytes::from(format!("{holder} {step}\n"));
    let found = objects.read(PROBE).await?.map(|(_, version)| version);
    // whoever is refused here meets another run's probe, so conditions are kept
    let Written::Stored(first) = objects.write(PROBE, text("1"), found.as_ref()).await? else {
        return Ok(());
    };
    let Written::Stored(_) = objects.write(PROBE, text("2"), Some(&first)).await? else {
        return Ok(());
    };
    for stale in [Some(&first), None] {
        if let Written::Stored(_) = objects.write(PROBE, text("3"), stale).await? {
            return Err(objects.failed("rely on", PROBE)(StoreError::Unconditional));
        }
    }
    Ok(())
}

/// The runtime of the client. Of its own, so that a lease is renewed while this thread merges, and given back wherever it is dropped.
#[derive(Debug)]
struct Bridge {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Bridge {
    fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("object-store");
        let runtime = builder.enable_all().build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Waits for the store; for threads that may block.
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.handle.block_on(work)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // dropping it otherwise would wait, which asynchronous code must not
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod tests;
