//! Which state of a partition was read: what a conditional write names, and what tells whether another run was there since.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One state of an object in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectVersion {
    /// What S3 and Azure compare.
    pub(super) e_tag: Option<String>,
    /// What Google compares; S3's version where the bucket keeps versions.
    pub(super) version: Option<String>,
}

/// Which generation of a partition was read; no two have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    /// Each generation on local disk has a file name of its own.
    File(PathBuf),
    #[cfg(feature = "object-store")]
    Object(ObjectVersion),
}

impl GenerationId {
    pub(super) fn of_file(path: PathBuf) -> Self {
        Self(Id::File(path))
    }

    #[cfg(feature = "object-store")]
    pub(super) fn of_object(version: ObjectVersion) -> Self {
        Self(Id::Object(version))
    }
}
