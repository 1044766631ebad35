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
        self.bridge.wait(lease.confirm())?;
        self.overwrite(INTENT, self.text(INTENT, &intent)?)?;
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
        let units = self.fetch_again()?.with(&intent.units);
        self.set_fetch_again(&units)?;
        self.bridge.wait(lease.confirm())?;
        self.clear(INTENT)?;
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
        let before = self.fetch_again()?;
        let units = before.clone().without(&intent.units);
        if units != before {
            self.set_fetch_again(&units)?;
        }
        // its reports are published
        let staging = self.staging_of(intent);
        remove_if_there(&staging.join(NEW))?;
        remove_file_if_there(&staging.join(JOURNAL))?;
        self.bridge.wait(lease.confirm())?;
        self.clear(INTENT)
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

    fn set_fetch_again(&self, units: &FetchAgain) -> Result<(), WarehouseError> {
        let shown = PathBuf::from(self.objects.url(FETCH_AGAIN));
        if *units == FetchAgain::default() {
            return self.clear(FETCH_AGAIN);
        }
        self.overwrite(FETCH_AGAIN, units.to_text(&shown)?)
    }

    /// One of our own objects; `None` where there is none, and where it was emptied.
    fn private(&self, key: &str) -> Result<Option<Bytes>, WarehouseError> {
        let found = self.bridge.wait(self.objects.read(key))?;
        Ok(found.map(|(text, _)| text).filter(|text| !text.is_empty()))
    }

    fn text(&self, key: &str, content: &Intent) -> Result<Vec<u8>, WarehouseError> {
        private_json(&PathBuf::from(self.objects.url(key)), content)
    }

    /// No permission to delete is needed.
    fn clear(&self, key: &str) -> Result<(), WarehouseError> {
        self.overwrite(key, Vec::new())
    }

    /// Writes one of our own objects; for whoever holds the lease.
    fn overwrite(&self, key: &str, text: Vec<u8>) -> Result<(), WarehouseError> {
        let text = Bytes::from(text);
        self.bridge.wait(async {
            let found = self.objects.read(key).await?;
            if found.as_ref().is_some_and(|(found, _)| *found == text) {
                return Ok(());
            }
            let expected = found.map(|(_, version)| version);
            match self
                .objects
                .write(key, text.clone(), expected.as_ref())
                .await?
            {
                Written::Stored(_) => Ok(()),
                // an earlier try may have been stored
                Written::Refused => match self.objects.read(key).await? {
                    Some((found, _)) if found == text => Ok(()),
                    Some(_) | None => Err(self.objects.failed("write", key)(StoreError::Replaced)),
                },
            }
        })
    }
}

fn is_replaced(error: &WarehouseError) -> bool {
    if let WarehouseError::PublishedPartly { source, .. } = error {
        return is_replaced(source);
    }
    matches!(error, WarehouseError::Store { source, .. } if matches!(**source, StoreError::Replaced))
}
