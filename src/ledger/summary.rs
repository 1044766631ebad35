//! What a finished run or backfill did, all its chunks together; the command line renders it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::time::UtcMicros;

/// What one execution of `run` or `backfill` did.
///
/// Counts are sums over its chunks; a gap that several chunks met counts once. Field names and meanings are those of the table `runs`, where it has them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// `run` or `backfill`.
    pub verb: String,
    /// The job's name.
    pub job_name: String,
    /// This execution of the program.
    pub invocation_id: String,
    /// The finished chunks, oldest first.
    pub run_ids: Vec<String>,
    /// The folder that holds the tables.
    pub warehouse: String,
    /// How partitions become visible: `exchange` or `two-renames`.
    pub publish: String,
    /// Start of the data interval; RFC 3339 in JSON.
    #[serde(serialize_with = "as_rfc3339")]
    pub interval_start: UtcMicros,
    /// End of the data interval, not part of it; equal to the start where there was nothing to do. RFC 3339 in JSON.
    #[serde(serialize_with = "as_rfc3339")]
    pub interval_end: UtcMicros,
    /// Start of what the counts are about: later than `interval_start` where a backfill goes on after chunks that an interrupted one
    /// published. RFC 3339 in JSON.
    #[serde(serialize_with = "as_rfc3339")]
    pub counted_from: UtcMicros,
    /// Chunks of the data interval before that, published by the backfill that was interrupted and not counted here.
    pub chunks_done_before: u64,
    /// End of the last chunk that read all of its days and is published: the data is this fresh; `None` where there was none.
    #[serde(skip)]
    pub covered_until: Option<UtcMicros>,
    /// Chunks that published and have their row in `runs`.
    pub chunks_finished: u64,
    /// Sessions by attendance state.
    pub sessions_by_state: BTreeMap<String, u64>,
    /// Reports fetched.
    pub reports: u64,
    /// Records fetched.
    pub records: u64,
    /// Attendance intervals fetched.
    pub intervals: u64,
    /// Gaps of the data interval that are open at the end, by reason.
    pub gaps_by_reason: BTreeMap<String, u64>,
    /// Gaps that this run found first.
    pub gaps_opened: u64,
    /// Gaps that this run filled.
    pub gaps_closed: u64,
    /// What was left out on purpose, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// How the ids of online meetings were had: `derived` from a join link, `looked_up`, `refused` (derived and not known to Graph).
    pub meeting_ids: BTreeMap<String, u64>,
    /// Requests sent, every try counted.
    pub requests: u64,
    /// Requests by kind.
    pub requests_by_kind: BTreeMap<String, u64>,
    /// Answers with status 429, and 503 with Retry-After.
    pub throttled_responses: u64,
    /// Time that requests were held because of them, in seconds.
    pub throttled_seconds: f64,
    /// Bytes of answers, after decompression.
    pub bytes_received: u64,
    /// Properties of Graph's that the contract does not know, kept in `_extra`.
    pub unknown_properties: u64,
    /// Partitions with a new generation.
    pub partitions_published: u64,
    /// Partitions whose content was already there.
    pub partitions_unchanged: u64,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// The most memory that the process held, in bytes.
    pub peak_memory_bytes: u64,
    /// What somebody should know although the run went on.
    pub notices: Vec<Notice>,
    /// The exit status that this summary stands for.
    pub exit_code: u8,
}

/// Something that somebody should know although the run went on; one sentence, nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl RunSummary {
    /// Sessions of every state.
    pub fn sessions(&self) -> u64 {
        self.sessions_by_state.values().sum()
    }

    /// Open gaps of every reason.
    pub fn open_gaps(&self) -> u64 {
        self.gaps_by_reason.values().sum()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn as_rfc3339<S: Serializer>(at: &UtcMicros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
