//! What the warehouse already holds of some days: the memory of a run.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::LedgerError;
use super::imported::{ImportedReport, ImportedSession, is_imported_only};
use super::meeting_key::MeetingKey;
use super::rows::{Everything, Partitions, Wanted, read};
use crate::flatten::{
    AttendanceState, JoinLink, Occurrence, Organizer, PublishedRecords, ReportEntry,
};
use crate::ids::{EventId, GapId, OrganizerId, ReportId, SessionId, stable_hash};
use crate::job::Source;
use crate::tables::{
    ATTENDANCE_REPORTS, AttendanceReportRow, GAPS, GapRow, SESSIONS, SessionRow, TableSpec,
};
use crate::time::{EventDate, UtcMicros};
use crate::warehouse::{FetchAgain, GenerationId, Warehouse};

/// Sessions, reports and open gaps of a range of days.
#[derive(Debug, Default)]
pub struct Known {
    sessions: HashMap<SessionId, KnownSession>,
    by_meeting: HashMap<MeetingKey, Vec<SessionId>>,
    by_online_meeting: HashMap<EventId, Vec<SessionId>>,
    /// By the spelling that ids are compared in.
    reports: HashMap<ReportId, KnownReport>,
    reports_of_session: HashMap<SessionId, Vec<ReportId>>,
    open_gaps: HashMap<GapId, (EventDate, GapRow<'static>)>,
    gaps_of_session: HashMap<SessionId, BTreeSet<GapId>>,
    reports_with_gaps: HashSet<ReportId>,
    /// What files brought: Graph is not asked about it, and it decides nothing about what Graph is asked.
    imported: Vec<ImportedReport>,
    imported_sessions: HashMap<SessionId, ImportedSession>,
    fetch_again: FetchAgain,
    covered: BTreeSet<EventDate>,
    /// Which generations were read.
    generations: HashMap<(&'static str, EventDate), Option<GenerationId>>,
    /// What is known of other days.
    beneath: Option<Arc<Self>>,
}

/// A published session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// Its partition.
    pub event_date: EventDate,
    /// What was found.
    pub occurrence: Occurrence,
    /// Id of the online meeting, once resolved.
    pub event_id: Option<EventId>,
    /// Published state.
    pub attendance_state: AttendanceState,
    /// Published reason.
    pub attendance_state_reason: Option<String>,
    /// Whether no later answer is expected.
    pub is_final: bool,
    /// Reports that were listed for it.
    pub report_count: i32,
    /// When it was no longer shown.
    pub removed_at: Option<UtcMicros>,
}

/// A published report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReport {
    /// Its partition.
    pub event_date: EventDate,
    /// The session it was given to.
    pub session: Option<(SessionId, EventDate)>,
    /// Online meeting, webinar or town hall.
    pub event_id: Option<EventId>,
    /// What the list showed when it was fetched.
    pub entry: ReportEntry,
    /// How many records it has.
    pub records: PublishedRecords,
    /// Whether its rows may be half old and half new, so that it does not count as published.
    pub is_torn: bool,
    /// Since when they are what is published.
    pub fetched_at: UtcMicros,
    /// Its `_content_hash`.
    content: u128,
}

impl Known {
    /// Reads the days from the warehouse; days without partitions hold nothing.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn load(
        warehouse: &Warehouse,
        days: impl IntoIterator<Item = EventDate>,
    ) -> Result<Self, LedgerError> {
        let mut known = Self {
            fetch_again: warehouse.fetch_again().map_err(LedgerError::warehouse)?,
            ..Self::default()
        };
        let partitions = Partitions::of(warehouse)?;
        for day in days {
            known.read_day(warehouse, &partitions, day, &Everything)?;
        }
        known.ask_torn_again();
        Ok(known)
    }

    /// Reads of one day what is wanted.
    pub(super) fn read_day(
        &mut self,
        warehouse: &Warehouse,
        partitions: &Partitions,
        day: EventDate,
        wanted: &impl Wanted,
    ) -> Result<(), LedgerError> {
        let (generation, sessions) = read(warehouse, &SESSIONS, day, SessionRow::read_all)?;
        // every day that a run covers has a file in each table; an import files only the sessions that it brings
        let is_of_files = !sessions.is_empty() && { sessions.iter() }
            .all(|row| is_imported_only(&row.discovered_by));
        if partitions.has_sessions(day) && !is_of_files {
            self.covered.insert(day);
        }
        self.generations.insert((SESSIONS.name, day), generation);
        for row in sessions.into_iter().filter(|row| wanted.session(row)) {
            self.add_session(day, row);
        }
        let table = &ATTENDANCE_REPORTS;
        let (generation, reports) = read(warehouse, table, day, AttendanceReportRow::read_all)?;
        self.generations.insert((table.name, day), generation);
        let is_torn = !partitions.has_children(day);
        for row in reports {
            if wanted.report(&row) {
                self.add_report(day, row, is_torn);
            }
        }
        let (generation, gaps) = read(warehouse, &GAPS, day, GapRow::read_all)?;
        self.generations.insert((GAPS.name, day), generation);
        for row in gaps {
            if row.closed_at.is_none() && wanted.gap(&row) {
                self.add_open_gap(day, row);
            }
        }
        Ok(())
    }

    /// Nothing yet, beside what a publish left half done.
    pub(super) fn nothing_but(fetch_again: FetchAgain) -> Self {
        Self {
            fetch_again,
            ..Self::default()
        }
    }

    /// The same with what was read of other days.
    #[must_use]
    pub fn over(mut self, beneath: &Arc<Self>) -> Self {
        for (session, reports) in &mut self.reports_of_session {
            reports.extend_from_slice(beneath.reports_of(session));
        }
        self.beneath = Some(Arc::clone(beneath));
        self
    }

    /// What is known, and what beneath it.
    fn layers(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |known| known.beneath.as_deref())
    }

    /// The open gaps that it has beside those of what lies beneath it.
    pub fn open_gaps_above<'a>(
        &'a self,
        beneath: &Self,
    ) -> impl Iterator<Item = (&'a GapId, &'a (EventDate, GapRow<'static>))> {
        { self.layers() }
            .take_while(|known| !std::ptr::eq(*known, beneath))
            .flat_map(|known| &known.open_gaps)
    }

    /// Whether it holds no row.
    pub fn is_nothing(&self) -> bool {
        self.sessions.is_empty() && self.reports.is_empty() && self.open_gaps.is_empty()
    }

    /// Whether the day was read, were it nothing.
    pub fn has_read(&self, day: EventDate) -> bool {
        self.generation(&SESSIONS, day).is_some()
    }

    /// Whether the day was read and some run covered it: then the occurrences of that day are known.
    pub fn covers(&self, day: EventDate) -> bool {
        self.layers().any(|known| known.covered.contains(&day))
    }

    /// Keeps as covered only the days that runs have read whole: a partition exists also where some hours of its day were.
    pub fn keep_covered(&mut self, is_covered: impl Fn(EventDate) -> bool) {
        self.covered.retain(|day| is_covered(*day));
    }

    /// Which generation was read of a partition, were it none; `None` where it was not read.
    pub(super) fn generation(
        &self,
        table: &TableSpec,
        day: EventDate,
    ) -> Option<&Option<GenerationId>> {
        self.layers()
            .find_map(|known| known.generations.get(&(table.name, day)))
    }

    /// A published session.
    pub fn session(&self, id: &SessionId) -> Option<&KnownSession> {
        self.layers().find_map(|known| known.sessions.get(id))
    }

    /// A published report.
    pub fn report(&self, id: &ReportId) -> Option<&KnownReport> {
        let id = id.folded();
        self.layers()
            .find_map(|known| known.reports.get(id.as_ref()))
    }

    /// Under which key a report is kept as it was fetched, for a run that goes on where this one ends early.
    ///
    /// It is another one once somebody has published other rows of the report: what was kept before may be older than these.
    pub fn key_of_kept(&self, event_id: &EventId, entry: &ReportEntry) -> String {
        let fingerprint = entry.fingerprint(event_id);
        match self.report(&entry.report_id) {
            Some(published) => stable_hash([fingerprint.as_str(), &published.content.to_string()]),
            None => fingerprint,
        }
    }

    /// The days that may hold rows of a report whose publish was cut short.
    pub fn torn_days(&self, id: &ReportId) -> impl Iterator<Item = EventDate> + '_ {
        self.fetch_again
            .reports
            .get(id)
            .into_iter()
            .flatten()
            .copied()
    }

    /// The reports that files brought.
    pub fn imported(&self) -> &[ImportedReport] {
        &self.imported
    }

    /// The sessions that only files brought.
    pub fn imported_sessions(&self) -> &HashMap<SessionId, ImportedSession> {
        &self.imported_sessions
    }

    /// Which generations were read of which partitions.
    pub(super) fn generations(
        &self,
    ) -> impl Iterator<Item = (&(&'static str, EventDate), &Option<GenerationId>)> {
        self.generations.iter()
    }

    /// All published reports of its own days.
    pub(super) fn reports(&self) -> impl Iterator<Item = &KnownReport> {
        self.reports.values()
    }

    /// All published sessions.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionId, &KnownSession)> {
        self.sessions.iter()
    }

    /// The published sessions of one meeting.
    pub fn sessions_of(
        &self,
        meeting: &MeetingKey,
    ) -> impl Iterator<Item = (&SessionId, &KnownSession)> {
        let meeting = meeting.folded();
        self.layers().flat_map(move |known| {
            let ids = known.by_meeting.get(&meeting).into_iter().flatten();
            ids.filter_map(|id| known.sessions.get_key_value(id))
        })
    }

    /// What the join links of published sessions of virtual events share with other spellings of them.
    pub fn virtual_links(&self) -> impl Iterator<Item = String> {
        let sessions = self.sessions.values().filter(|session| {
            session.occurrence.source != Source::OnlineMeeting && session.removed_at.is_none()
        });
        sessions.filter_map(|session| {
            session
                .occurrence
                .join_web_url
                .as_deref()
                .map(JoinLink::key)
        })
    }

    /// The published sessions of an online meeting that was resolved, whatever link they came by.
    pub fn sessions_of_online_meeting(
        &self,
        event_id: &EventId,
    ) -> impl Iterator<Item = (&SessionId, &KnownSession)> {
        self.layers().flat_map(move |known| {
            let ids = known.by_online_meeting.get(event_id).into_iter().flatten();
            ids.filter_map(|id| known.sessions.get_key_value(id))
        })
    }

    /// The reports published for a session, in the spelling that ids are compared in.
    pub fn reports_of(&self, session: &SessionId) -> &[ReportId] {
        self.layers()
            .find_map(|known| known.reports_of_session.get(session))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The open gaps with their days.
    pub fn open_gaps(&self) -> &HashMap<GapId, (EventDate, GapRow<'static>)> {
        &self.open_gaps
    }

    /// The open gaps on the session and its reports.
    pub fn open_gaps_of(
        &self,
        session: &SessionId,
    ) -> impl Iterator<Item = (&GapId, &GapRow<'static>)> {
        self.layers().flat_map(move |known| {
            let gaps = known.gaps_of_session.get(session).into_iter().flatten();
            gaps.filter_map(|id| Some((id, &known.open_gaps.get(id)?.1)))
        })
    }

    /// The days from which something of the session or its reports is missing.
    pub fn days_with_open_gap(&self, session: &SessionId) -> impl Iterator<Item = EventDate> {
        self.layers().flat_map(move |known| {
            let gaps = known.gaps_of_session.get(session).into_iter().flatten();
            gaps.filter_map(|id| Some(known.open_gaps.get(id)?.0))
        })
    }

    /// Whether a gap is open on the report.
    pub fn has_open_gap_on_report(&self, report: &ReportId) -> bool {
        let report = report.folded();
        self.layers()
            .any(|known| known.reports_with_gaps.contains(report.as_ref()))
    }

    fn add_open_gap(&mut self, day: EventDate, row: GapRow<'static>) {
        let id = GapId::new(row.gap_id.as_ref());
        if let Some(session) = row.session_id.as_deref() {
            let gaps = self.gaps_of_session.entry(SessionId::new(session));
            gaps.or_default().insert(id.clone());
        }
        if let Some(report) = row.report_id.as_deref() {
            let report = ReportId::new(report).folded().into_owned();
            self.reports_with_gaps.insert(report);
        }
        self.open_gaps.insert(id, (day, row));
    }

    fn add_session(&mut self, event_date: EventDate, row: SessionRow<'static>) {
        let id = SessionId::new(row.session_id.as_ref());
        if is_imported_only(&row.discovered_by) {
            let session = ImportedSession {
                event_date,
                organizer_email: row.organizer_email.map(Cow::into_owned),
            };
            self.imported_sessions.insert(id, session);
            return;
        }
        let event_id = row.event_id.as_deref().map(EventId::new);
        let Some(occurrence) = occurrence(&row) else {
            return;
        };
        if let Some(meeting) = MeetingKey::of(&occurrence) {
            let sessions = self.by_meeting.entry(meeting.folded()).or_default();
            sessions.push(id.clone());
        }
        if let (Source::OnlineMeeting, Some(event_id)) = (occurrence.source, &event_id) {
            let sessions = self.by_online_meeting.entry(event_id.clone()).or_default();
            sessions.push(id.clone());
        }
        let session = KnownSession {
            event_date,
            occurrence,
            event_id,
            // a state that is not known here is of a newer version, whose warehouse is refused
            attendance_state: AttendanceState::named(&row.attendance_state)
                .unwrap_or(AttendanceState::NotReady),
            attendance_state_reason: row.attendance_state_reason.map(Cow::into_owned),
            is_final: row.is_final && !self.fetch_again.sessions.contains(&id),
            report_count: row.report_count,
            removed_at: row.removed_at,
        };
        self.sessions.insert(id, session);
    }

    /// A report whose rows are not all there is listed again with its session.
    pub(super) fn ask_torn_again(&mut self) {
        let torn = self.reports.values().filter(|report| report.is_torn);
        for (session, _) in torn.filter_map(|report| report.session.as_ref()) {
            if let Some(session) = self.sessions.get_mut(session) {
                session.is_final = false;
            }
        }
    }

    /// `is_torn` where a table of its day lacks, whoever took it away.
    fn add_report(
        &mut self,
        event_date: EventDate,
        row: AttendanceReportRow<'static>,
        is_torn: bool,
    ) {
        let report_id = ReportId::new(row.report_id.as_ref());
        let session = row
            .session_id
            .as_deref()
            .map(SessionId::new)
            .zip(row.session_event_date);
        if report_id.is_imported() {
            self.imported.push(ImportedReport {
                event_date,
                report_id,
                session: session.map(|(session, _)| session),
                subject: row.subject.map(Cow::into_owned),
                start: row.meeting_start_date_time,
                end: row.meeting_end_date_time,
            });
            return;
        }
        let key = report_id.folded().into_owned();
        if let Some((session, _)) = &session {
            self.reports_of_session
                .entry(session.clone())
                .or_default()
                .push(key.clone());
        }
        let event_id = row.event_id.as_deref().map(EventId::new);
        let records = PublishedRecords::of(&row);
        let entry = ReportEntry {
            report_id: report_id.clone(),
            start: row.meeting_start_date_time,
            end: row.meeting_end_date_time,
            total_participant_count: row.total_participant_count,
            external_events: row.external_event_information,
        };
        let is_torn = is_torn || self.fetch_again.reports.contains_key(&report_id);
        let content = u128::from_str_radix(&row._content_hash, 16).unwrap_or_default();
        self.reports.insert(
            key,
            KnownReport {
                event_date,
                session,
                event_id,
                entry,
                records,
                is_torn,
                fetched_at: row._fetched_at,
                content,
            },
        );
    }
}

impl KnownReport {
    /// Whether it has fewer records than it counts itself: a later answer may have more.
    pub fn is_short(&self) -> bool {
        let counted = self.entry.total_participant_count;
        counted.is_some_and(|counted| counted > self.records.count)
    }
}

fn occurrence(row: &SessionRow<'static>) -> Option<Occurrence> {
    let text = |value: &Option<Cow<'static, str>>| value.as_deref().map(str::to_owned);
    let source = Source::named(&row.source)?;
    Some(Occurrence {
        source,
        organizer: row.organizer_id.as_deref().map(|id| Organizer {
            id: OrganizerId::new(id),
            email: text(&row.organizer_email),
            display_name: text(&row.organizer_display_name),
        }),
        event_id: row.event_id.as_deref().map(EventId::new),
        published_as: Some(SessionId::new(row.session_id.as_ref())),
        occurrence_id: text(&row.occurrence_id),
        series_id: text(&row.series_id),
        subject: text(&row.subject),
        scheduled_start: row.scheduled_start,
        scheduled_end: row.scheduled_end,
        join_web_url: text(&row.join_web_url),
        is_cancelled: row.is_cancelled,
        status: text(&row.status),
        discovered_by: row.discovered_by.clone(),
        unsupported: None,
        extra: text(&row._extra),
        unknown_properties: 0,
        removed_at: row.removed_at,
    })
}
