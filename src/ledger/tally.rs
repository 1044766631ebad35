//! How far a run is: counters that the stages bump and the progress display reads.
//!
//! It is for people who wait, not for the record: what a run did is in [`RunSummary`]. Counts of
//! different counters may be a moment apart.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::summary::RunSummary;
use crate::graph::{GraphClient, MeterSnapshot};

/// A number that only grows; safe to bump from any task.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How far a run is. Shared by reference; one for an execution of the program.
#[derive(Debug, Default)]
pub struct Tally {
    /// Organizers and virtual events that discovery knows of.
    pub organizers_found: Count,
    /// Those that are discovered to the end.
    pub organizers_done: Count,
    /// Sessions discovered.
    pub sessions_found: Count,
    /// Sessions whose attendance state is known.
    pub sessions_done: Count,
    /// Reports that Graph listed.
    pub reports_found: Count,
    /// Reports fetched whole.
    pub reports_fetched: Count,
    /// Records fetched.
    pub records: Count,
    /// Attendance intervals fetched.
    pub intervals: Count,
    /// Meeting ids taken from join links.
    pub ids_derived: Count,
    /// Meeting ids taken from join links that Graph does not know.
    pub ids_refused: Count,
    /// Meeting ids looked up by join links.
    pub ids_looked_up: Count,
    /// Chunks published.
    pub chunks_done: Count,
    chunk: AtomicU64,
    chunks: AtomicU64,
    before_chunk: [AtomicU64; 4],
    stage: AtomicU8,
    listings: AtomicU64,
    client: OnceLock<GraphClient>,
    before_failure: OnceLock<RunSummary>,
}

/// Organizers are being listed.
#[derive(Debug)]
#[must_use = "the list is complete when this is dropped"]
pub struct Listing<'a>(&'a Tally);

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        self.0.listings.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Opening the warehouse, signing in, reading what is known.
    Starting,
    /// Discovering, fetching and staging, side by side.
    Extracting,
    /// Waiting for another run to finish its publish.
    WaitingForLock,
    /// Building new generations and making them visible.
    Publishing,
}

impl Tally {
    /// A new chunk begins: the `number`th, from 1, `of` so many.
    pub fn start_chunk(&self, number: u64, of: u64) {
        for (before, now) in self.before_chunk.iter().zip(self.way()) {
            before.store(now, Ordering::Relaxed);
        }
        self.chunks.store(of, Ordering::Relaxed);
        self.chunk.store(number, Ordering::Relaxed);
    }

    /// Organizers are being listed until this is dropped: there may be more of them than were found.
    pub fn list_organizers(&self) -> Listing<'_> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        Listing(self)
    }

    /// Whether all organizers of the chunk are known.
    pub fn is_listed(&self) -> bool {
        self.listings.load(Ordering::Relaxed) == 0
    }

    /// The run goes on to another stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        let number = self.stage.load(Ordering::Relaxed);
        [Stage::Extracting, Stage::WaitingForLock, Stage::Publishing]
            .into_iter()
            .find(|stage| *stage as u8 == number)
            .unwrap_or(Stage::Starting)
    }

    /// Whose requests are to be counted; the first client stays.
    pub fn watch(&self, client: &GraphClient) {
        self.client.get_or_init(|| client.clone());
    }

    /// What was asked and received so far; nothing before a client is watched.
    pub fn requests(&self) -> MeterSnapshot {
        self.client
            .get()
            .map(GraphClient::meter)
            .unwrap_or_default()
    }

    /// The run failed, and this is what it had published by then.
    pub fn failed_after(&self, published: RunSummary) {
        self.before_failure.get_or_init(|| published);
    }

    /// What a run that failed had published before; `None` where it was no chunk.
    pub fn before_failure(&self) -> Option<&RunSummary> {
        self.before_failure.get()
    }

    /// How much longer a throttled budget is held; the longest of all.
    pub fn held_for(&self) -> Option<Duration> {
        self.client.get().and_then(GraphClient::held_for)
    }

    /// Organizers done and found, sessions done and found, of the chunk alone.
    pub fn of_chunk(&self) -> [u64; 4] {
        let mut counts = self.way();
        for (count, before) in counts.iter_mut().zip(&self.before_chunk) {
            *count = count.saturating_sub(before.load(Ordering::Relaxed));
        }
        counts
    }

    fn way(&self) -> [u64; 4] {
        [
            self.organizers_done.get(),
            self.organizers_found.get(),
            self.sessions_done.get(),
            self.sessions_found.get(),
        ]
    }

    /// Which chunk of how many; zeros before the first.
    pub fn chunk(&self) -> (u64, u64) {
        (
            self.chunk.load(Ordering::Relaxed),
            self.chunks.load(Ordering::Relaxed),
        )
    }
}
