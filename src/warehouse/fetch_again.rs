//! Sessions and reports of a publish that could not be completed: whatever is published of them may be half old and half new.
//!
//! The file outlives runs: a report leaves it only with the publish that brings it anew.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "object-store")]
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::layout::{Layout, read_private_json, remove_file_if_there, write_private_json};
#[cfg(feature = "object-store")]
use super::layout::{parse_private_json, private_json};
use crate::ids::{ReportId, SessionId};
use crate::time::EventDate;

/// Version of the file.
const FORMAT_VERSION: u32 = 1;

/// What is asked and fetched again, whatever the tables say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchAgain {
    /// Sessions that do not count as final.
    pub sessions: BTreeSet<SessionId>,
    /// Reports that do not count as published, with the days that may hold rows of them.
    pub reports: BTreeMap<ReportId, BTreeSet<EventDate>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FetchAgainFile {
    format_version: u32,
    #[serde(flatten)]
    units: FetchAgain,
}

impl FetchAgain {
    pub(super) fn read(layout: &Layout) -> Result<Self, WarehouseError> {
        let file = read_private_json::<FetchAgainFile>(&layout.fetch_again(), FORMAT_VERSION)?;
        Ok(file.map(|file| file.units).unwrap_or_default())
    }

    /// Reads the text of the file; `path` is where errors say it lies.
    #[cfg(feature = "object-store")]
    pub(super) fn parse(text: &[u8], path: &Path) -> Result<Self, WarehouseError> {
        parse_private_json::<FetchAgainFile>(text, path, FORMAT_VERSION).map(|file| file.units)
    }

    /// The text of the file; `path` is where errors say it lies.
    #[cfg(feature = "object-store")]
    pub(super) fn to_text(&self, path: &Path) -> Result<Vec<u8>, WarehouseError> {
        let file = FetchAgainFile {
            format_version: FORMAT_VERSION,
            units: self.clone(),
        };
        private_json(path, &file)
    }

    /// Notes more.
    pub(super) fn add(layout: &Layout, more: &Self) -> Result<(), WarehouseError> {
        Self::read(layout)?.with(more).write(layout)
    }

    pub(super) fn with(mut self, more: &Self) -> Self {
        self.sessions.extend(more.sessions.iter().cloned());
        for (report, days) in &more.reports {
            self.reports.entry(report.clone()).or_default().extend(days);
        }
        self
    }

    pub(super) fn without(mut self, published: &Self) -> Self {
        self.sessions
            .retain(|session| !published.sessions.contains(session));
        self.reports
            .retain(|report, _| !published.reports.contains_key(report));
        self
    }

    /// Forgets what was published anew.
    pub(super) fn settle(layout: &Layout, published: &Self) -> Result<(), WarehouseError> {
        let before = Self::read(layout)?;
        let units = before.clone().without(published);
        if units == before {
            return Ok(());
        }
        units.write(layout)
    }

    /// How many sessions and reports there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.sessions.len(), self.reports.len())
    }

    fn write(self, layout: &Layout) -> Result<(), WarehouseError> {
        let path = layout.fetch_again();
        if self == Self::default() {
            return remove_file_if_there(&path);
        }
        let file = FetchAgainFile {
            format_version: FORMAT_VERSION,
            units: self,
        };
        write_private_json(&path, &file)
    }
}
