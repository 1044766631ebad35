//! What is published of a meeting on days that a chunk does not know otherwise: its sessions, reports and open gaps there.
//!
//! A day's rows are read only where something of the meeting is among them, which a digest of the day tells: a hash of 8 bytes for each
//! meeting, report and gap. Digests are kept for the run, up to a bound; of rows that were read, the chunk keeps a hash each, to see
//! before it publishes whether another run has changed them meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array as _, AsArray as _, StringArray};
use arrow::record_batch::RecordBatch;

use super::LedgerError;
use super::known::Known;
use super::meeting_key::MeetingKey;
use super::rows::{Partitions, Wanted};
use crate::ids::{EventId, OrganizerId, ReportId, SessionId};
use crate::job::Source;
use crate::tables::{
    ATTENDANCE_REPORTS, AttendanceReportRow, GAPS, GapRow, SESSIONS, SessionRow, TableSpec,
};
use crate::time::EventDate;
use crate::warehouse::{GenerationId, Staging, Warehouse};

/// Hashes that are kept of all days together: 16 MiB.
const KEPT_HASHES: usize = 2 << 20;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// Sessions of this meeting.
    pub meeting: Option<MeetingKey>,
    /// Sessions of this online meeting, whatever link they came by.
    pub online_meeting: Option<EventId>,
    /// These sessions.
    pub sessions: HashSet<SessionId>,
    /// These reports.
    pub reports: HashSet<ReportId>,
}

/// Looks for what is published of a meeting on other days.
#[derive(Debug, Default)]
pub struct Elsewhere(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    digests: HashMap<EventDate, Digest>,
    hashes: usize,
    /// Which generations the chunk's answers are of.
    generations: HashMap<(&'static str, EventDate), Option<GenerationId>>,
    /// A hash of each row that it was given.
    rows: HashMap<(&'static str, EventDate, u64), u64>,
}

/// What a day holds, and of which generations that is.
#[derive(Debug)]
struct Digest {
    sorted: Vec<u64>,
    generations: [(&'static str, Option<GenerationId>); 3],
}

impl Elsewhere {
    /// A chunk is to be published: what the next one is given of its days is read anew.
    pub fn forget(&self, staged: &Staging) {
        let mut seen = self.lock();
        seen.generations.clear();
        seen.rows.clear();
        for table in [&SESSIONS, &ATTENDANCE_REPORTS, &GAPS] {
            for (day, _) in staged.replaced(table) {
                if let Some(digest) = seen.digests.remove(&day) {
                    seen.hashes -= digest.sorted.len();
                }
            }
        }
    }

    /// What is published of the meeting on these days, and what is missing there.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn look(
        &self,
        warehouse: &Warehouse,
        days: &BTreeSet<EventDate>,
        sought: &Sought,
    ) -> Result<Known, LedgerError> {
        let mut seen = self.lock();
        let sought = Looking::of(sought);
        let mut hits = Vec::new();
        for day in days {
            if seen
                .digest(warehouse, *day)?
                .iter()
                .any(|hash| sought.hashes.contains(hash))
            {
                hits.push(*day);
            }
        }
        if hits.is_empty() {
            return Ok(Known::default());
        }
        let fetch_again = warehouse.fetch_again().map_err(LedgerError::warehouse)?;
        let mut known = Known::nothing_but(fetch_again);
        let partitions = Partitions::of(warehouse)?;
        for day in hits {
            known.read_day(warehouse, &partitions, day, &sought)?;
        }
        known.ask_torn_again();
        seen.note(&known);
        Ok(known)
    }

    /// Whether what is published of a staged session, report or gap is no longer what the chunk was given of it; as
    /// [`Known::is_outdated`].
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn is_outdated(
        &self,
        warehouse: &Warehouse,
        known: &Known,
        staged: &Staging,
    ) -> Result<bool, LedgerError> {
        let seen = self.lock();
        for table in [&SESSIONS, &ATTENDANCE_REPORTS, &GAPS] {
            for (day, ids) in staged.replaced(table) {
                let Some(read) = seen.generations.get(&(table.name, day)) else {
                    continue;
                };
                let is_known = known.generation(table, day).is_some();
                let generation = warehouse.generation(table, day);
                if is_known || *read == generation.map_err(LedgerError::warehouse)? {
                    continue;
                }
                let now = Known::load(warehouse, [day])?;
                let mut rows = HashMap::new();
                note_rows(&now, &mut rows);
                let is_other = |id: &String| {
                    let key = (table.name, day, hash(id));
                    seen.rows.get(&key) != rows.get(&key)
                };
                if ids.iter().any(is_other) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn digest(&mut self, warehouse: &Warehouse, day: EventDate) -> Result<&[u64], LedgerError> {
        if !self.digests.contains_key(&day) {
            if self.hashes > KEPT_HASHES {
                self.digests.clear();
                self.hashes = 0;
            }
            let digest = Digest::of(warehouse, day)?;
            self.hashes += digest.sorted.len();
            self.digests.insert(day, digest);
        }
        let Some(digest) = self.digests.get(&day) else {
            return Ok(&[]);
        };
        for (table, generation) in &digest.generations {
            let noted = self.generations.entry((*table, day));
            // of two that the chunk met, the first one
            noted.or_insert_with(|| generation.clone());
        }
        Ok(&digest.sorted)
    }

    fn note(&mut self, known: &Known) {
        for (key, generation) in known.generations() {
            self.generations
                .entry(*key)
                .or_insert_with(|| generation.clone());
        }
        note_rows(known, &mut self.rows);
    }
}

impl Digest {
    fn of(warehouse: &Warehouse, day: EventDate) -> Result<Self, LedgerError> {
        let mut sorted = Vec::new();
        let mut generations = DIGESTED.map(|(table, _, _)| (table.name, None));
        for ((table, columns, add), noted) in DIGESTED.into_iter().zip(&mut generations) {
            let read = warehouse.read_projected(table, day, columns);
            let (generation, batches) = read.map_err(LedgerError::warehouse)?;
            noted.1 = generation;
            for batch in batches {
                add(&batch.map_err(LedgerError::warehouse)?, &mut sorted);
            }
        }
        sorted.sort_unstable();
        sorted.dedup();
        sorted.shrink_to_fit();
        Ok(Self {
            sorted,
            generations,
        })
    }
}

/// A hash of each row, by table, day and hash of its id.
fn note_rows(known: &Known, rows: &mut HashMap<(&'static str, EventDate, u64), u64>) {
    for (id, session) in known.sessions() {
        let key = (SESSIONS.name, session.event_date, hash(id.as_str()));
        rows.insert(key, hash_of(session));
    }
    for report in known.reports() {
        let id = hash(report.entry.report_id.as_str());
        rows.insert(
            (ATTENDANCE_REPORTS.name, report.event_date, id),
            hash_of(report),
        );
    }
    for (id, (day, row)) in known.open_gaps() {
        rows.insert((GAPS.name, *day, hash(id.as_str())), hash_of(row));
    }
}

/// What is looked for, and how a digest shows it.
struct Looking<'a> {
    sought: &'a Sought,
    meeting: Option<MeetingKey>,
    /// In the spelling that ids are compared in.
    reports: HashSet<ReportId>,
    hashes: HashSet<u64>,
}

impl<'a> Looking<'a> {
    fn of(sought: &'a Sought) -> Self {
        let meeting = sought.meeting.as_ref().map(MeetingKey::folded);
        let mut hashes: HashSet<u64> = meeting.iter().map(hash_of_meeting).collect();
        hashes.extend(sought.online_meeting.iter().map(hash_of_online_meeting));
        hashes.extend(sought.sessions.iter().map(|id| hash(id.as_str())));
        let reports = sought.reports.iter().map(|id| id.folded().into_owned());
        let reports: HashSet<ReportId> = reports.collect();
        hashes.extend(reports.iter().map(|id| hash(id.as_str())));
        Self {
            sought,
            meeting,
            reports,
            hashes,
        }
    }

    fn has_session(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.sought.sessions.contains(&SessionId::new(id)))
    }

    fn has_report(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| {
            let id = ReportId::new(id);
            self.reports.contains(id.folded().as_ref())
        })
    }
}

impl Wanted for Looking<'_> {
    fn session(&self, row: &SessionRow<'_>) -> bool {
        let key = key_of_session(
            &row.source,
            row.organizer_id.as_deref(),
            row.join_web_url.as_deref(),
            row.event_id.as_deref(),
            row.occurrence_id.as_deref(),
        );
        let event = row.event_id.as_deref().filter(|_| is_online(&row.source));
        self.has_session(Some(&row.session_id))
            || (key.is_some() && key == self.meeting)
            || event.is_some_and(|event| {
                let sought = self.sought.online_meeting.as_ref();
                sought.is_some_and(|id| id.as_str() == event)
            })
    }

    fn report(&self, row: &AttendanceReportRow<'_>) -> bool {
        self.has_report(Some(&row.report_id)) || self.has_session(row.session_id.as_deref())
    }

    fn gap(&self, row: &GapRow<'_>) -> bool {
        self.has_report(row.report_id.as_deref()) || self.has_session(row.session_id.as_deref())
    }
}

type AddHashes = fn(&RecordBatch, &mut Vec<u64>);

/// What of which table is in a digest.
const DIGESTED: [(&TableSpec, &[&str], AddHashes); 3] = [
    (
        &SESSIONS,
        &[
            "session_id",
            "source",
            "event_id",
            "occurrence_id",
            "organizer_id",
            "join_web_url",
        ],
        add_sessions,
    ),
    (
        &ATTENDANCE_REPORTS,
        &["report_id", "session_id"],
        add_reports,
    ),
    (&GAPS, &["session_id", "report_id", "closed_at"], add_gaps),
];

fn add_sessions(batch: &RecordBatch, digest: &mut Vec<u64>) {
    let column = |name| texts(batch, name);
    let (ids, sources, events) = (column("session_id"), column("source"), column("event_id"));
    let (occurrences, organizers) = (column("occurrence_id"), column("organizer_id"));
    let links = column("join_web_url");
    for row in 0..batch.num_rows() {
        let (source, event) = (text(sources, row).unwrap_or_default(), text(events, row));
        let (organizer, link) = (text(organizers, row), text(links, row));
        let key = key_of_session(source, organizer, link, event, text(occurrences, row));
        digest.extend(key.as_ref().map(hash_of_meeting));
        let online = event.filter(|_| is_online(source)).map(EventId::new);
        digest.extend(online.as_ref().map(hash_of_online_meeting));
        digest.extend(text(ids, row).map(hash));
    }
}

fn add_reports(batch: &RecordBatch, digest: &mut Vec<u64>) {
    let (ids, sessions) = (texts(batch, "report_id"), texts(batch, "session_id"));
    for row in 0..batch.num_rows() {
        let id = text(ids, row).map(ReportId::new);
        digest.extend(id.map(|id| hash(id.folded().as_str())));
        digest.extend(text(sessions, row).map(hash));
    }
}

fn add_gaps(batch: &RecordBatch, digest: &mut Vec<u64>) {
    let closed = batch.column_by_name("closed_at");
    let is_open = |row| closed.is_none_or(|closed| closed.is_null(row));
    let (sessions, reports) = (texts(batch, "session_id"), texts(batch, "report_id"));
    for row in (0..batch.num_rows()).filter(|row| is_open(*row)) {
        digest.extend(text(sessions, row).map(hash));
        let report = text(reports, row).map(ReportId::new);
        digest.extend(report.map(|id| hash(id.folded().as_str())));
    }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn text(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column?;
    (!column.is_null(row)).then(|| column.value(row))
}

fn is_online(source: &str) -> bool {
    source == Source::OnlineMeeting.as_str()
}

/// The meeting of a session's row, as [`MeetingKey::of`] has it of an occurrence, folded.
fn key_of_session(
    source: &str,
    organizer: Option<&str>,
    link: Option<&str>,
    event: Option<&str>,
    occurrence: Option<&str>,
) -> Option<MeetingKey> {
    let key = match Source::named(source)? {
        Source::OnlineMeeting => {
            let organizer = OrganizerId::new(organizer?);
            match (link, event) {
                (Some(link), _) => MeetingKey::JoinUrl(organizer, link.to_owned()),
                (None, event) => MeetingKey::OnlineMeeting(organizer, EventId::new(event?)),
            }
        }
        source @ (Source::Webinar | Source::TownHall) => {
            MeetingKey::VirtualSession(source, EventId::new(event?), occurrence?.to_owned())
        }
    };
    Some(key.folded())
}

fn hash_of_meeting(key: &MeetingKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn hash_of_online_meeting(id: &EventId) -> u64 {
    hash(id.as_str())
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn hash_of(row: &impl Debug) -> u64 {
    hash(&format!("{row:?}"))
}
