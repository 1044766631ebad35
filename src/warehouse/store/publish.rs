//! Generations become visible in a store, and what a publisher that died left there is completed or fetched again.
//!
//! The same intent as on disk, as an object: written before the first upload, emptied after the last. Where the files that it names are
//! still staged on this machine, every upload is done again, which changes nothing where it was done; where they are not, an object
//! that holds what was intended counts, and anything else means that its reports are fetched again.

use std::path::PathBuf;

use bytes::Bytes;

use super::super::error::WarehouseError;
use super::super::fetch_again::FetchAgain;
use super::super::generation::{Generations, NEW};
use super::super::intent::{FORMAT_VERSION, IntendedPartition, Intent, Recovery};
use super::super::journal::JOURNAL;
use super::super::layout::{
    parse_private_json, partition_name, private_json, remove_file_if_there, remove_if_there,
};
use super::super::partition_file::PartitionReader;
use super::super::store_error::StoreError;
use super::lease::Lease;
use super::objects::Written;
use super::{Store, key, upload};
use crate::tables::TableSpec;

const INTENT: &str = "_teamsheet/intent.json";
const FETCH_AGAIN: &str = "_teamsheet/fetch-again.json";
/// How often an object may change between being read and being written, or a store may refuse a condition that holds.
const REFUSALS: u32 = 5;

impl Store {
    /// Makes generations visible, one partition after the other: children before parents, the run ledger last.
    pub(in super::super) fn make_visible(
        &self,
        lease: &Lease,
        generations: &mut Generations,
    ) -> Result<(), WarehouseError> {
        if generations.partitions.is_empty() {
            return Ok(());
        }
        let intent = Intent::of(&self.scratch, generations);
        // from here on the staged files are the next publisher's, should this one not come to its end
        generations.staging.keep();
        let text = self.text(INTENT, &intent)?;
        // what is there is of somebody who lost the lease before the first upload: what was left before was recovered
        self.amend(lease, INTENT, |_| Ok(Some(text.clone())))?;
        self.carry_out(lease, &intent)?;
        generations.staging.release();
        Ok(())
    }

    /// The intent that a publisher left; `None` where all came to their end.
    pub(in super::super) fn intent(&self) -> Result<Option<Intent>, WarehouseError> {
        let text = self.private(INTENT)?;
        let shown = PathBuf::from(self.objects.url(INTENT));
        text.map(|text| parse_private_json(&text, &shown, FORMAT_VERSION))
            .transpose()
    }

    /// What is asked and fetched again because a publish could not be completed.
    pub(in super::super) fn fetch_again(&self) -> Result<FetchAgain, WarehouseError> {
        let text = self.private(FETCH_AGAIN)?;
        let shown = PathBuf::from(self.objects.url(FETCH_AGAIN));
        text.map_or_else(
            || Ok(FetchAgain::default()),
            |text| FetchAgain::parse(&text, &shown),
        )
    }

    /// Finishes or drops what a dead publisher began.
    pub(in super::super) fn recover(&self, lease: &Lease) -> Result<Recovery, WarehouseError> {
        let Some(intent) = self.intent()? else {
            return Ok(Recovery::NothingToDo);
        };
        let partitions = intent.partitions.len();
        if self.is_whole(&intent)? {
            match self.carry_out(lease, &intent) {
                Ok(()) => {
                    tracing::warn!(
                        run_id = intent.run_id,
                        "a publish that was cut short is completed: {partitions} partitions"
                    );
                    return Ok(Recovery::RolledForward { partitions });
                }
                Err(error) if !is_replaced(&error) => return Err(error),
                // another run has published since: what was staged is out of date
                Err(_) => {}
            }
        }
        self.amend_fetch_again(lease, |units| units.with(&intent.units))?;
        self.forget(lease, &intent)?;
        remove_if_there(&self.staging_of(&intent).join(NEW))?;
        let (sessions, reports) = intent.units.counts();
        tracing::warn!(
            run_id = intent.run_id,
            "a publish that was cut short cannot be completed, since what it had staged is not here or is out of date: \
             {reports} reports of {sessions} sessions are fetched again"
        );
        Ok(Recovery::Dropped { sessions, reports })
    }

    /// Uploads what is staged, and then empties the intent.
    fn carry_out(&self, lease: &Lease, intent: &Intent) -> Result<(), WarehouseError> {
        let mut published = Vec::new();
        for (table, partitions) in intent.by_table() {
            for partition in partitions {
                let key = key(table, partition.date);
                let folder = self.staged(intent, table, partition);
                let file = folder.join(format!("{}.parquet", intent.run_id));
                // not there any longer: recovery has seen the object that was intended
                if !file.exists() {
                    continue;
                }
                let base = partition.base.as_ref();
                let uploaded = upload::upload(&self.objects, lease, &key, &file, base);
                if let Err(source) = self.bridge.wait(uploaded) {
                    return Err(if published.is_empty() {
                        source
                    } else {
                        WarehouseError::PublishedPartly {
                            published,
                            partitions: intent.partitions.len(),
                            source: Box::new(source),
                        }
                    });
                }
                tracing::debug!(
                    table = table.name, date = %partition.date, content_hash = partition.content_hash,
                    "a new generation is visible"
                );
                published.push(key);
            }
        }
        self.amend_fetch_again(lease, |units| units.without(&intent.units))?;
        // its reports are published
        let staging = self.staging_of(intent);
        remove_if_there(&staging.join(NEW))?;
        remove_file_if_there(&staging.join(JOURNAL))?;
        self.forget(lease, intent)
    }

    /// Empties the intent, where it still is this one. No permission to delete is needed.
    fn forget(&self, lease: &Lease, intent: &Intent) -> Result<(), WarehouseError> {
        let shown = PathBuf::from(self.objects.url(INTENT));
        self.amend(lease, INTENT, |found| {
            let found: Option<Intent> = match found {
                [] => None,
                found => Some(parse_private_json(found, &shown, FORMAT_VERSION)?),
            };
            let is_this = found.is_some_and(|found| found.run_id == intent.run_id);
            Ok(is_this.then(Vec::new))
        })
    }

    /// Whether every generation is staged here as it was written, or is what its object holds.
    fn is_whole(&self, intent: &Intent) -> Result<bool, WarehouseError> {
        let tables = intent.by_table();
        let known: usize = tables.iter().map(|(_, partitions)| partitions.len()).sum();
        if known != intent.partitions.len() {
            return Ok(false);
        }
        for (table, partitions) in tables {
            for partition in partitions {
                let folder = self.staged(intent, table, partition);
                let is_staged = folder.exists()
                    && match partition.verify(table, &folder) {
                        Ok(is_staged) => is_staged,
                        // the disk fails: nothing is known, so nothing is given up
                        Err(error @ WarehouseError::Io { .. }) => return Err(error),
                        Err(_) => false,
                    };
                if !is_staged && !self.holds(table, partition)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn holds(
        &self,
        table: &'static TableSpec,
        partition: &IntendedPartition,
    ) -> Result<bool, WarehouseError> {
        let published = self.open_partition(table, partition.date)?;
        let hash = published.and_then(|reader: PartitionReader| reader.content_hash);
        Ok(hash.as_ref() == Some(&partition.content_hash))
    }

    /// The staging folder of the intent's run, on this machine. A name that is none of ours leads nowhere.
    fn staging_of(&self, intent: &Intent) -> PathBuf {
        let is_ours = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let name = Some(intent.run_id.as_str()).filter(|name| name.chars().all(is_ours));
        self.scratch.join(name.unwrap_or("no-such-run"))
    }

    /// The folder of a generation in its run's staging.
    fn staged(&self, intent: &Intent, table: &TableSpec, partition: &IntendedPartition) -> PathBuf {
        let tables = self.staging_of(intent).join(NEW).join(table.name);
        tables.join(partition_name(table, partition.date))
    }

    fn amend_fetch_again(
        &self,
        lease: &Lease,
        change: impl Fn(FetchAgain) -> FetchAgain,
    ) -> Result<(), WarehouseError> {
        let shown = PathBuf::from(self.objects.url(FETCH_AGAIN));
        self.amend(lease, FETCH_AGAIN, |found| {
            let before = match found {
                [] => FetchAgain::default(),
                found => FetchAgain::parse(found, &shown)?,
            };
            let units = change(before.clone());
            if units == before {
                return Ok(None);
            }
            if units == FetchAgain::default() {
                return Ok(Some(Vec::new()));
            }
            units.to_text(&shown).map(Some)
        })
    }

    /// One of our own objects; `None` where there is none, and where it was emptied.
    fn private(&self, key: &str) -> Result<Option<Bytes>, WarehouseError> {
        let found = self.bridge.wait(self.objects.read(key))?;
        Ok(found.map(|(text, _)| text).filter(|text| !text.is_empty()))
    }

    fn text(&self, key: &str, content: &Intent) -> Result<Vec<u8>, WarehouseError> {
        private_json(&PathBuf::from(self.objects.url(key)), content)
    }

    /// Changes one of our own objects: `change` makes the new text of the old one, empty where there is none, or leaves it.
    ///
    /// The lease is confirmed between reading and writing, and the write is made on the condition that the object still is the one that
    /// was read. So whoever is suspended in between, and loses the lease meanwhile, never overwrites what the next holder has written.
    fn amend(
        &self,
        lease: &Lease,
        key: &str,
        change: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, WarehouseError>,
    ) -> Result<(), WarehouseError> {
        self.bridge.wait(async {
            for refusals in 1..=REFUSALS {
                let found = self.objects.read(key).await?;
                let (before, version) = match &found {
                    Some((text, version)) => (text.as_ref(), Some(version)),
                    None => (&[][..], None),
                };
                // an earlier try may have been stored although it was refused
                let Some(text) = change(before)?.filter(|text| text != before) else {
                    return Ok(());
                };
                lease.confirm().await?;
                let written = self.objects.write(key, text.into(), version).await?;
                if let Written::Stored(_) = written {
                    return Ok(());
                }
                tokio::time::sleep(self.objects.patience.wait(refusals)).await;
            }
            Err(self.objects.failed("write", key)(StoreError::Replaced))
        })
    }
}

fn is_replaced(error: &WarehouseError) -> bool {
    if let WarehouseError::PublishedPartly { source, .. } = error {
        return is_replaced(source);
    }
    matches!(error, WarehouseError::Store { source, .. } if matches!(**source, StoreError::Replaced))
}
