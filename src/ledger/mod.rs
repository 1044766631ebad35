//! What the warehouse already knows, and how a run adds to it: run rows, gaps, watermark, what to try again.

mod elsewhere;
mod evidence;
mod imported;
mod known;
mod meeting_key;
mod notices;
mod open_gaps;
mod outdated;
mod remedy;
mod rows;
pub mod status;
pub mod summary;
pub mod tally;
mod virtual_sessions;
mod watermark;
mod wholeness;

pub use crate::attendance::{Gap, GapReason, GapStage};
pub use elsewhere::{Elsewhere, Sought};
pub use imported::{
    HeldMeeting, IMPORT_VERB, IMPORTED, ImportedReport, ImportedSession, PublishedDay,
    is_imported_only, read_addresses, read_published_day,
};
pub use known::{Known, KnownReport, KnownSession};
pub use meeting_key::MeetingKey;
pub use notices::Notices;
pub use open_gaps::OpenGaps;
pub use remedy::remedy;
pub use rows::read_open_gaps;
pub use summary::{Notice, RunSummary};
pub use tally::{Stage, Tally};
pub use virtual_sessions::{BeforeMoved, OpenGap, VirtualSessionDays};
pub use watermark::{
    OUT_OF_TIME, Progress, SHUT_OUT, has_ever_reported, read_finished_chunks, read_in_time,
    read_progress, watermark,
};

use crate::tables::TableError;
use crate::time::EventDate;
use crate::warehouse::WarehouseError;

/// What is published could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A partition could not be read.
    #[error("cannot read what the warehouse holds")]
    Warehouse {
        /// Which, and why.
        #[source]
        source: WarehouseError,
    },
    /// A partition's rows are not as the contract has them.
    #[error("the rows of `{day}` are not as the contract has them")]
    Rows {
        /// The day.
        day: EventDate,
        /// Which column.
        #[source]
        source: TableError,
    },
}

impl LedgerError {
    /// A warehouse error, met while reading back.
    pub(crate) fn warehouse(source: WarehouseError) -> Self {
        Self::Warehouse { source }
    }

    /// Whether the same may pass later; it does not by itself.
    pub fn is_transient(&self) -> bool {
        false
    }
}
