//! A file, read and checked, in the form in which it waits until all are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::ids::{ReportId, SessionId, TenantId};
use crate::import::{ReadSettings, Refusal, SavedReport, read_saved_report};
use crate::ledger::HeldMeeting;
use crate::time::UtcMicros;

/// Packs a list of names to a fifth in no time.
const PACKING: i32 = 1;

/// A file that is no attendance report.
#[derive(Debug)]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub refusal: Refusal,
}

/// What an import needs of a file; its people are packed.
#[derive(Debug)]
pub struct SavedFile {
    report: SavedReport,
    /// The attendees, as JSON.
    packed: Vec<u8>,
    /// How many of them.
    pub(super) records: usize,
    pub(super) stays: usize,
    /// Addresses of those who came.
    pub(super) addresses: BTreeSet<String>,
    organizers: Vec<String>,
    organizer_name: Option<String>,
    held_by: (ReportId, SessionId),
}

/// Reads every file; where one is bad, all that are.
///
/// # Errors
/// The bad files, in the order in which they were given.
pub fn read_saved_files(
    paths: &[PathBuf],
    settings: &ReadSettings,
    tenant: &TenantId,
) -> Result<Vec<SavedFile>, Vec<BadFile>> {
    let (mut saved, mut bad) = (Vec::new(), Vec::new());
    for path in paths {
        match read(path, settings) {
            Ok(report) => saved.push(SavedFile::pack(report, tenant)),
            Err(refusal) => bad.push(BadFile {
                path: path.clone(),
                refusal,
            }),
        }
    }
    if bad.is_empty() { Ok(saved) } else { Err(bad) }
}

fn read(path: &Path, settings: &ReadSettings) -> Result<SavedReport, Refusal> {
    let unreadable = |source| Refusal::Unreadable { source };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    read_saved_report(BufReader::with_capacity(64 * 1024, file), settings)
}

impl SavedFile {
    fn pack(mut report: SavedReport, tenant: &TenantId) -> Self {
        let held_by = (report.report_id(tenant), report.session_id(tenant));
        let document = report.document(&held_by.0);
        let organizer = report.organizer();
        let organizers = organizer
            .into_iter()
            .flat_map(|organizer| [&organizer.email, &organizer.participant_id]);
        let organizers = organizers
            .filter(|address| address.contains('@'))
            .cloned()
            .collect();
        let organizer_name = organizer.map(|organizer| organizer.name.clone());
        let (addresses, records) = (report.addresses(), report.attendees.len());
        let stays = report
            .attendees
            .iter()
            .map(|attendee| attendee.stays.len())
            .sum();
        report.attendees = Vec::new();
        Self {
            // what cannot be packed stays as it is: the unpacking tells it by its first bytes
            packed: zstd::bulk::compress(&document, PACKING).unwrap_or(document),
            report,
            records,
            stays,
            addresses,
            organizers,
            organizer_name,
            held_by,
        }
    }

    /// The report as Graph would send it.
    pub(super) fn document(&self) -> io::Result<Vec<u8>> {
        if self.packed.first() == Some(&b'{') {
            return Ok(self.packed.clone());
        }
        zstd::stream::decode_all(self.packed.as_slice())
    }

    pub(super) fn report_id(&self) -> &ReportId {
        &self.held_by.0
    }

    /// The id of a session for it alone.
    pub(super) fn own_session_id(&self) -> &SessionId {
        &self.held_by.1
    }

    pub(super) fn title(&self) -> Option<&str> {
        self.report.title.as_deref()
    }

    pub(super) fn start(&self) -> UtcMicros {
        self.report.start
    }

    pub(super) fn end(&self) -> Option<UtcMicros> {
        self.report.end
    }

    pub(super) fn participants(&self) -> Option<i32> {
        self.report.participants
    }

    pub(super) fn absent(&self) -> usize {
        self.report.absent
    }

    pub(super) fn is_webinar(&self) -> bool {
        self.report.has_registration
    }

    /// Address and name of the organizer.
    pub(super) fn organizer(&self) -> (Option<&str>, Option<&str>) {
        let address = self.organizers.first().map(String::as_str);
        let name = self
            .organizer_name
            .as_deref()
            .filter(|name| !name.is_empty());
        (address, name)
    }

    pub(super) fn held(&self) -> HeldMeeting<'_> {
        HeldMeeting {
            subject: self.title(),
            organizers: self.organizers.iter().map(String::as_str).collect(),
            start: Some(self.start()),
            end: self.end(),
        }
    }

    /// How whole it is: one that was saved later has more of the same.
    pub(super) fn wholeness(&self) -> (usize, Option<UtcMicros>, usize) {
        (self.records, self.end(), self.stays)
    }
}
