//! How far a run is: counters that the stages bump and the progress display reads.
//!
//! It is for people who wait, not for the record: what a run did is in [`RunSummary`](super::summary::RunSummary). Counts of
//! different counters may be a moment apart.

use std::sync::atomic::{AtomicU64, Ordering};

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
    chunk: AtomicU64,
    chunks: AtomicU64,
}

impl Tally {
    /// A new chunk begins: the `number`th, from 1, `of` so many.
    pub fn start_chunk(&self, number: u64, of: u64) {
        self.chunks.store(of, Ordering::Relaxed);
        self.chunk.store(number, Ordering::Relaxed);
    }

    /// Which chunk of how many; zeros before the first.
    pub fn chunk(&self) -> (u64, u64) {
        (
            self.chunk.load(Ordering::Relaxed),
            self.chunks.load(Ordering::Relaxed),
        )
    }
}
