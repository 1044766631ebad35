//! What ends a run.

use std::sync::Arc;

use crate::graph::{FailureReason, GraphError};
use crate::ledger::LedgerError;
use crate::warehouse::WarehouseError;

/// What ended a run, and at which step.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No token, or one that Graph refuses.
    #[error("cannot sign in")]
    SignIn {
        /// What the sign-in host or Graph said.
        #[source]
        source: Arc<GraphError>,
    },
    /// No source could be read at all.
    #[error("no session could be discovered in any source")]
    Discover {
        /// The first failure.
        #[source]
        source: Arc<GraphError>,
    },
    /// Graph refuses every meeting that was asked about; the rest was not asked.
    #[error("Graph lets the app read none of the meetings that were asked about")]
    Forbidden {
        /// The first refusal.
        #[source]
        source: Arc<GraphError>,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The warehouse cannot be opened, read or published to.
    #[error("the warehouse cannot be used")]
    Warehouse {
        /// Which path, and why.
        #[source]
        source: WarehouseError,
    },
    /// What is published could not be read back.
    #[error("what is published cannot be read")]
    Ledger {
        /// Which partition, and why.
        #[source]
        source: LedgerError,
    },
    /// Rows could not be made into a batch.
    #[error("rows could not be staged")]
    Rows {
        /// Which table.
        #[source]
        source: crate::tables::TableError,
    },
    /// The run was told to stop.
    #[error("interrupted; nothing is half-published")]
    Interrupted,
    /// A worker thread panicked: a bug.
    #[error("an internal error ended the run")]
    Panicked,
}

impl RunError {
    pub(super) fn sign_in(source: GraphError) -> Self {
        Self::SignIn {
            source: Arc::new(source),
        }
    }

    pub(super) fn warehouse(source: WarehouseError) -> Self {
        Self::Warehouse { source }
    }

    pub(super) fn ledger(source: LedgerError) -> Self {
        Self::Ledger { source }
    }

    pub(super) fn rows(source: crate::tables::TableError) -> Self {
        Self::Rows { source }
    }

    /// Whether the same may pass later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::SignIn { source } | Self::Discover { source } => source.is_transient(),
            Self::Interrupted => true,
            Self::Forbidden { .. }
            | Self::Warehouse { .. }
            | Self::Ledger { .. }
            | Self::Rows { .. }
            | Self::Panicked => false,
        }
    }

    /// Whether the job must be changed: the warehouse is another one than it says.
    pub fn is_incompatible(&self) -> bool {
        match self {
            Self::Warehouse { source }
            | Self::Ledger {
                source: LedgerError::Warehouse { source },
            } => source.is_incompatible(),
            Self::Ledger {
                source: LedgerError::Rows { .. },
            } => true,
            Self::SignIn { .. }
            | Self::Discover { .. }
            | Self::Forbidden { .. }
            | Self::Rows { .. }
            | Self::Interrupted
            | Self::Panicked => false,
        }
    }

    /// Whether credentials, roles or policy forbid the whole run.
    pub fn is_forbidden(&self) -> bool {
        match self {
            // whom this machine trusts is no matter of credentials
            Self::SignIn { source } => {
                !source.is_transient() && source.reason() != FailureReason::Tls
            }
            Self::Forbidden { .. } => true,
            Self::Discover { source } => matches!(
                source.reason(),
                FailureReason::Forbidden | FailureReason::Unauthorized
            ),
            Self::Warehouse { .. }
            | Self::Ledger { .. }
            | Self::Rows { .. }
            | Self::Interrupted
            | Self::Panicked => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SignIn { source } | Self::Discover { source } => source.hint(),
            Self::Forbidden { remedy, .. } => remedy.clone(),
            Self::Warehouse { source }
            | Self::Ledger {
                source: LedgerError::Warehouse { source },
            } => source.hint(),
            Self::Interrupted => Some(
                "run the same command again; chunks that were published are not fetched again"
                    .to_owned(),
            ),
            Self::Ledger { .. } | Self::Rows { .. } | Self::Panicked => None,
        }
    }
}
