//! Sessions and reports of a publish that could not be completed: whatever is published of them may be half old and half new.
//!
//! The file outlives runs: a report leaves it only with the publish that brings it anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::WarehouseError;
use super::layout::{Layout, read_private_json, remove_file_if_there, write_private_json};
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

    /// Notes more.
    pub(super) fn add(layout: &Layout, more: &Self) -> Result<(), WarehouseError> {
        let mut units = Self::read(layout)?;
        units.sessions.extend(more.sessions.iter().cloned());
        for (report, days) in &more.reports {
            units
                .reports
                .entry(report.clone())
                .or_default()
                .extend(days);
        }
        units.write(layout)
    }

    /// Forgets what was published anew.
    pub(super) fn settle(layout: &Layout, published: &Self) -> Result<(), WarehouseError> {
        let before = Self::read(layout)?;
        let mut units = before.clone();
        units
            .sessions
            .retain(|session| !published.sessions.contains(session));
        units
            .reports
            .retain(|report, _| !published.reports.contains_key(report));
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
