//! Whole reports of a run as they were fetched, so that a run that ends early need not be followed by one that fetches them again.
//!
//! ```text
//! staging/<run id>/reports.journal    frame frame frame …
//! frame                               length (8 bytes, little-endian), BLAKE3 of the payload (32 bytes), payload
//! first payload                       JSON: format version, scope, data interval
//! other payloads                      one line of JSON: key, lengths; then the bodies, one after the other, compressed
//! ```
//!
//! Each report goes to the system in one write, so it outlives the process; it is made durable with the batch it belongs to, so what
//! a machine that dies had not made durable is fetched again, and that is all. Reading stops at the first frame that is not whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::layout::{remove_if_there, sync_folder};
use super::lock::WarehouseLock;
use super::staging::ALIVE;
use crate::job::interval::DataInterval;
use crate::time::UtcMicros;

/// The file's name in a run's staging folder.
pub(super) const JOURNAL: &str = "reports.journal";
/// Version of the file; another one is not read.
const FORMAT_VERSION: u32 = 1;
/// A journal that nobody took over for this long is removed: by then the reports have long been fetched by others.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Bytes written before they are made durable.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// Bodies are text that repeats itself; the quickest level makes them a tenth.
const LEVEL: i32 = 1;
const LENGTH_BYTES: usize = 8;
const HASH_BYTES: usize = blake3::OUT_LEN;
/// Longer than any frame: a report with 50,000 records is a few MiB.
const LONGEST_FRAME: u64 = 1 << 32;

/// Which successor a report is kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFor {
    /// What is asked, and how: only the same is taken over.
    pub scope: String,
    /// Which days: who has published them needs no report of them any longer.
    pub interval: DataInterval,
}

/// A report as it was fetched: its bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReport {
    /// The report by itself.
    pub report: Bytes,
    /// Whether the records inside it are taken.
    pub inline_records: bool,
    /// Further pages of records.
    pub record_pages: Vec<Bytes>,
}

/// Writes the reports of a living run.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    unsynced: u64,
}

/// The reports of runs that ended early; a living run holds their folders until it is done with them.
#[derive(Debug, Default)]
pub struct Adopted {
    journals: Vec<AdoptedJournal>,
    /// Which journal, and where in it.
    reports: HashMap<String, (usize, u64)>,
    /// Of the run that took them over.
    start: i64,
    /// What it had taken over before.
    earlier: Option<Arc<Self>>,
}

#[derive(Debug)]
struct AdoptedJournal {
    folder: PathBuf,
    /// The days that its run was about.
    days: (i64, i64),
    file: File,
    _alive: WarehouseLock,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format_version: u32,
    scope: String,
    /// Microseconds.
    interval: (i64, i64),
}

#[derive(Serialize, Deserialize)]
struct ReportHead {
    key: String,
    inline_records: bool,
    /// Of the report and then of each page, uncompressed.
    lengths: Vec<usize>,
}

impl Journal {
    pub(super) fn create(folder: &Path, kept_for: &KeptFor) -> Result<Self, WarehouseError> {
        let path = folder.join(JOURNAL);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(WarehouseError::io("create", &path))?;
        let head = Head {
            format_version: FORMAT_VERSION,
            scope: kept_for.scope.clone(),
            interval: (kept_for.interval.start().0, kept_for.interval.end().0),
        };
        let mut journal = Self {
            path,
            file,
            unsynced: 0,
        };
        let head = serde_json::to_vec(&head).map_err(|error| journal.failed(error.into()))?;
        journal.write(&head)?;
        journal.sync()?;
        sync_folder(folder)?;
        Ok(journal)
    }

    /// Adds a report under a key that is the same only for the same report as the list showed it.
    pub(super) fn append(&mut self, key: &str, report: &KeptReport) -> Result<(), WarehouseError> {
        let bodies = || [&report.report].into_iter().chain(&report.record_pages);
        let head = ReportHead {
            key: key.to_owned(),
            inline_records: report.inline_records,
            lengths: bodies().map(Bytes::len).collect(),
        };
        let length = bodies().map(|body| body.len() as u64).sum();
        let payload = || -> io::Result<Vec<u8>> {
            let mut payload = serde_json::to_vec(&head)?;
            payload.push(b'\n');
            let mut compressing = zstd::Encoder::new(payload, LEVEL)?;
            // what is known to be small takes less memory
            compressing.set_pledged_src_size(Some(length))?;
            for body in bodies() {
                compressing.write_all(body)?;
            }
            compressing.finish()
        };
        let payload = payload().map_err(|error| self.failed(error))?;
        self.write(&payload)?;
        if self.unsynced >= BATCH_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes durable what is not.
    pub(super) fn sync(&mut self) -> Result<(), WarehouseError> {
        self.unsynced = 0;
        let synced = self.file.sync_data();
        synced.map_err(WarehouseError::io("sync", &self.path))
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), WarehouseError> {
        let mut frame = Vec::with_capacity(LENGTH_BYTES + HASH_BYTES + payload.len());
        frame.extend((payload.len() as u64).to_le_bytes());
        frame.extend(blake3::hash(payload).as_bytes());
        frame.extend(payload);
        self.unsynced += frame.len() as u64;
        let written = self.file.write_all(&frame);
        written.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> WarehouseError {
        WarehouseError::io("write", &self.path)(error)
    }
}

impl Adopted {
    /// Takes over what dead runs left below `parent` for this one; `spared` is the run of an intent. The caller holds the gate.
    pub(super) fn take_over(
        parent: &Path,
        kept_for: &KeptFor,
        spared: Option<&str>,
    ) -> Result<Self, WarehouseError> {
        let mut adopted = Self {
            start: kept_for.interval.start().0,
            ..Self::default()
        };
        let entries = fs::read_dir(parent).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut folders: Vec<_> = entries
            .map_err(WarehouseError::io("list", parent))?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        // run ids sort by time: of two journals with one key the younger wins
        folders.sort();
        for folder in folders {
            let is_spared =
                spared.is_some_and(|spared| folder.file_name() == Some(spared.as_ref()));
            if is_spared || folder.is_symlink() || !folder.join(JOURNAL).exists() {
                continue;
            }
            if let Some(alive) = WarehouseLock::try_acquire_of_another(&folder.join(ALIVE))? {
                adopted.read(folder, kept_for, alive)?;
            }
        }
        Ok(adopted)
    }

    fn read(
        &mut self,
        folder: PathBuf,
        kept_for: &KeptFor,
        alive: WarehouseLock,
    ) -> Result<(), WarehouseError> {
        let path = folder.join(JOURNAL);
        let file = open(&path)?;
        let length = file
            .metadata()
            .map_err(WarehouseError::io("read", &path))?
            .len();
        let mut reading = BufReader::new(&file);
        let mut at = 0;
        let mut found = HashMap::new();
        let mut days = None;
        while let Some(payload) = next_frame(&mut reading, length.saturating_sub(at))
            .map_err(WarehouseError::io("read", &path))?
        {
            if days.is_none() {
                days = serde_json::from_slice::<Head>(&payload)
                    .ok()
                    .filter(|head| head.is_for(kept_for))
                    .map(|head| head.interval);
                if days.is_none() {
                    return Ok(());
                }
            } else if let Some((head, _)) = split(&payload) {
                found.insert(head.key, (self.journals.len(), at));
            }
            at += (LENGTH_BYTES + HASH_BYTES + payload.len()) as u64;
        }
        if let Some(days) = days {
            self.reports.extend(found);
            self.journals.push(AdoptedJournal {
                folder,
                days,
                file,
                _alive: alive,
            });
        }
        Ok(())
    }

    /// These and what was taken over earlier.
    #[must_use]
    pub fn after(self, earlier: Arc<Self>) -> Self {
        Self {
            earlier: Some(earlier),
            ..self
        }
    }

    /// How many reports there are.
    pub fn len(&self) -> usize {
        self.reports.len() + self.earlier.as_ref().map_or(0, |earlier| earlier.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a report; `None` where there is none under the key, or none that is whole.
    pub fn report(&self, key: &str) -> Option<KeptReport> {
        let Some((journal, at)) = self.reports.get(key) else {
            return self.earlier.as_ref()?.report(key);
        };
        let file = &self.journals.get(*journal)?.file;
        let length = file.metadata().ok()?.len();
        let mut reading = At(file, *at);
        let payload = next_frame(&mut reading, length.saturating_sub(*at)).ok()??;
        let (head, compressed) = split(&payload)?;
        let mut bodies = Vec::with_capacity(head.lengths.iter().sum());
        let mut reading = zstd::Decoder::new(compressed).ok()?;
        reading.read_to_end(&mut bodies).ok()?;
        let mut bodies = Bytes::from(bodies);
        let mut each = head
            .lengths
            .into_iter()
            .map(|length| (length <= bodies.len()).then(|| bodies.split_to(length)));
        Some(KeptReport {
            report: each.next()??,
            inline_records: head.inline_records,
            record_pages: each.collect::<Option<_>>()?,
        })
    }

    /// Removes the journals of days that this run has published by now: up to `end`.
    pub fn remove_up_to(&self, end: UtcMicros) {
        let published = |journal: &&AdoptedJournal| {
            let (start, until) = journal.days;
            self.start <= start && until <= end.0
        };
        for journal in self.journals.iter().filter(published) {
            if let Err(error) = remove_if_there(&journal.folder) {
                tracing::warn!("what a run that ended early left stays for now: {error}");
            }
        }
        if let Some(earlier) = &self.earlier {
            earlier.remove_up_to(end);
        }
    }
}

impl Head {
    fn is_for(&self, kept_for: &KeptFor) -> bool {
        let (start, end) = self.interval;
        let asked = (kept_for.interval.start().0, kept_for.interval.end().0);
        let meet = start < asked.1 && asked.0 < end;
        self.format_version == FORMAT_VERSION && self.scope == kept_for.scope && meet
    }
}

/// Whether a dead run's folder holds reports that its successor may still want.
pub(super) fn is_wanted(folder: &Path) -> bool {
    let age = fs::metadata(folder.join(JOURNAL)).and_then(|file| file.modified());
    // a clock that was set back makes it young
    age.is_ok_and(|modified| modified.elapsed().unwrap_or_default() < KEPT_FOR)
}

fn open(path: &Path) -> Result<File, WarehouseError> {
    let options = File::options()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path);
    options.map_err(WarehouseError::io("open", path))
}

/// The next payload; `None` at the end, and where it is not whole.
fn next_frame(reading: &mut impl Read, left: u64) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; LENGTH_BYTES + HASH_BYTES];
    if left < head.len() as u64 {
        return Ok(None);
    }
    reading.read_exact(&mut head)?;
    let (length, hash) = head.split_at(LENGTH_BYTES);
    let length = length.try_into().map_or(u64::MAX, u64::from_le_bytes);
    if length > (left - head.len() as u64).min(LONGEST_FRAME) {
        return Ok(None);
    }
    let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
    reading.read_exact(&mut payload)?;
    Ok((blake3::hash(&payload).as_bytes() == hash).then_some(payload))
}

/// A report's head, and its bodies as they are compressed.
fn split(payload: &[u8]) -> Option<(ReportHead, &[u8])> {
    let end = payload.iter().position(|byte| *byte == b'\n')?;
    let (head, bodies) = payload.split_at_checked(end)?;
    Some((serde_json::from_slice(head).ok()?, bodies.get(1..)?))
}

/// Reads from a place on, without moving anybody else's.
struct At<'a>(&'a File, u64);

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
