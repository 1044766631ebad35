//! Which state of an object was read: what a conditional write names.

use serde::{Deserialize, Serialize};

/// One state of an object in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectVersion {
    /// What S3 and Azure compare.
    pub(super) e_tag: Option<String>,
    /// What Google compares; S3's version where the bucket keeps versions.
    pub(super) version: Option<String>,
}
