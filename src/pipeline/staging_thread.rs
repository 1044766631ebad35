//! The one thread that turns what was fetched into rows and stages them.
//!
//! It owns every builder and the staging folder, so nothing here is locked. It sees results in any order; what depends on all of
//! them (gaps that are closed, sessions that are no longer shown) is decided in [`StagingThread::finish`].

mod finds;
mod imported;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::gap_book::{Filled, GapBook, gap_on_report, gap_on_session, judged};
use super::moved::Moved;
use super::read_through::ReadThrough;
use crate::attendance::finality::{Answer, Patience};
use crate::attendance::{MissingHours, ReadingScope};
use crate::discover::VIRTUAL_EVENT;
use crate::fetch::{Fetched, FetchedReport, LostReport, MeetingOutcome, SessionVerdict};
use crate::flatten::{
    AttendanceState, Occurrence, ReportContext, ReportDocuments, RowsByDay, SessionFacts, Way,
    flatten_report, session_row,
};
use crate::graph::GraphError;
use crate::ids::{ReportId, RunId, SessionId, TenantId};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::ledger::{
    BeforeMoved, Gap, GapReason, GapStage, Known, KnownSession, OpenGap, Tally, VirtualSessionDays,
};
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReports, GAPS, GapRow,
    SESSIONS, Sessions,
};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};
use crate::warehouse::{KeptFor, Staging, Warehouse};

/// Rows that are collected before they go to staging.
const ROWS_IN_MEMORY: usize = 16_384;

/// What the thread needs to know.
#[derive(Debug)]
pub(super) struct StagingContext {
    pub(super) tenant: TenantId,
    pub(super) run_id: RunId,
    pub(super) interval: DataInterval,
    pub(super) timezone: WarehouseTimezone,
    pub(super) now: UtcMicros,
    pub(super) known: Arc<Known>,
    pub(super) warehouse: Arc<Warehouse>,
    pub(super) virtual_days: Arc<VirtualSessionDays>,
    pub(super) tally: Arc<Tally>,
    /// Which successor may use the reports of this run, should it end early.
    pub(super) kept_for: KeptFor,
    pub(super) stop: CancellationToken,
    /// What the job reads of each source.
    pub(super) scopes: BTreeMap<Source, ReadingScope>,
}

/// What a chunk's staging came to.
#[derive(Debug, Default)]
pub(super) struct StagedChunk {
    pub(super) sessions_by_state: BTreeMap<&'static str, u64>,
    pub(super) reports: u64,
    pub(super) records: u64,
    pub(super) intervals: u64,
    pub(super) unknown_properties: u64,
    pub(super) gaps: GapBook,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    pub(super) moved: Vec<Moved>,
    /// Reports that were not fetched, because a run that ended early had them.
    pub(super) adopted_reports: u64,
    sources_read: u64,
    discover_failures: Vec<Arc<GraphError>>,
}

impl StagedChunk {
    /// Whether an answer was not waited for because the run's time was over.
    pub(super) fn is_past_deadline(&self) -> bool {
        self.gaps.is_past_deadline
    }

    /// Whether not everything was asked: the run's time was over, or the token good for nothing any more.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_past_deadline() || self.gaps.unauthorized.is_some()
    }

    /// Whether anything is known that was not before, and not only what failed.
    pub(super) fn knows_something(&self) -> bool {
        let failed = AttendanceState::Failed.as_str();
        self.reports > 0 || self.sessions_by_state.keys().any(|state| *state != failed)
    }

    /// The first failure, where every calendar and list failed.
    pub(super) fn nothing_discovered(&self) -> Option<Arc<GraphError>> {
        let nothing = self.sources_read == 0 && self.sessions_by_state.is_empty();
        self.discover_failures.first().filter(|_| nothing).cloned()
    }
}

/// Collects, stages and counts.
pub(super) struct StagingThread {
    context: StagingContext,
    staging: Staging,
    rows: RowsByDay,
    reports: BTreeMap<EventDate, AttendanceReports<'static>>,
    sessions: BTreeMap<EventDate, Sessions<'static>>,
    staged_reports: HashSet<ReportId>,
    staged_sessions: HashSet<SessionId>,
    listed_sessions: HashSet<SessionId>,
    /// Those whose list reached back to their start.
    reached_sessions: HashSet<SessionId>,
    /// Sessions of virtual events that are no longer there.
    removed: HashSet<SessionId>,
    /// Organizers of published sessions, once somebody asks.
    organizers: Option<HashSet<String>>,
    read_through: ReadThrough,
    /// Of sessions that come from days which are not known otherwise.
    gaps_elsewhere: Vec<OpenGap>,
    /// Imported reports in whose place Graph's own are.
    replaced_imports: HashSet<ReportId>,
    outcome: StagedChunk,
}

impl StagingThread {
    pub(super) fn new(context: StagingContext, staging: Staging) -> Self {
        Self {
            read_through: ReadThrough::of(context.scopes.clone()),
            context,
            staging,
            rows: RowsByDay::default(),
            reports: BTreeMap::new(),
            sessions: BTreeMap::new(),
            staged_reports: HashSet::new(),
            staged_sessions: HashSet::new(),
            listed_sessions: HashSet::new(),
            reached_sessions: HashSet::new(),
            removed: HashSet::new(),
            organizers: None,
            gaps_elsewhere: Vec::new(),
            replaced_imports: HashSet::new(),
            outcome: StagedChunk::default(),
        }
    }

    /// Stages everything that arrives until the channel closes.
    pub(super) fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Fetched>,
    ) -> Result<(Staging, StagedChunk), RunError> {
        while let Some(arrival) = arrivals.blocking_recv() {
            match arrival {
                Fetched::Report(report) => self.stage_report(&report)?,
                Fetched::Meeting(outcome) => self.stage_meeting(&outcome)?,
                Fetched::NotAMeeting(found) => self.note_find(found),
                Fetched::Broken(error) => return Err(RunError::ledger(error)),
            }
        }
        if self.context.stop.is_cancelled() {
            self.staging.sync_kept().map_err(RunError::warehouse)?;
            return Err(RunError::Interrupted);
        }
        self.finish()
    }

    fn stage_report(&mut self, fetched: &FetchedReport) -> Result<(), RunError> {
        if !self.staged_reports.insert(fetched.entry.report_id.clone()) {
            return Ok(());
        }
        if fetched.is_new {
            let known = &self.context.known;
            let key = known.key_of_kept(&fetched.event_id, &fetched.entry);
            self.staging
                .keep_report(&self.context.kept_for, &key, &fetched.bodies)
                .map_err(RunError::warehouse)?;
        } else {
            self.outcome.adopted_reports += 1;
        }
        let context = ReportContext {
            tenant_id: &self.context.tenant,
            source: fetched.meeting.source,
            event_id: Some(&fetched.event_id),
            organizer_id: fetched
                .meeting
                .organizer
                .as_ref()
                .map(|organizer| &organizer.id),
            entry: &fetched.entry,
            session: Some((
                fetched.session.session_id.clone(),
                fetched.session.event_date,
            )),
            subject: fetched.session.subject.as_deref(),
            scheduled_start: Some(fetched.session.scheduled_start),
            published_event_date: fetched.published_event_date,
            published_records: { self.context.known.report(&fetched.entry.report_id) }
                .map(|known| known.records),
            timezone: &self.context.timezone,
            run_id: &self.context.run_id,
            fetched_at: self.context.now,
        };
        let bodies = &fetched.bodies;
        let pages: Vec<&[u8]> = bodies.record_pages.iter().map(AsRef::as_ref).collect();
        let documents = ReportDocuments {
            report: &bodies.report,
            inline_records: bodies.inline_records,
            record_pages: &pages,
        };
        let Ok(flat) = flatten_report(&documents, &context, &mut self.rows) else {
            self.staged_reports.remove(&fetched.entry.report_id);
            let reason = GapReason::Unreadable;
            self.outcome.gaps.open(
                &self.context,
                gap_on_report(
                    &fetched.meeting,
                    &fetched.session,
                    &fetched.entry,
                    fetched.session.event_date,
                    GapStage::FetchRecords,
                    reason,
                    None,
                ),
                None,
            );
            return Ok(());
        };
        // a publish that was cut short may have left rows of it under another day
        let report_id = &fetched.entry.report_id;
        let days = self.context.known.torn_days(report_id);
        for day in days.chain([flat.event_date]) {
            for table in [
                &ATTENDANCE_INTERVALS,
                &ATTENDANCE_RECORDS,
                &ATTENDANCE_REPORTS,
            ] {
                self.staging.replace(table, day, report_id.as_str());
            }
        }
        self.replace_imported(fetched, &flat.row);
        let records = u64::try_from(flat.row.record_count).unwrap_or_default();
        self.outcome.reports += 1;
        self.outcome.records += records;
        self.outcome.intervals += flat.interval_count as u64;
        self.outcome.unknown_properties += flat.unknown_properties as u64;
        self.context.tally.reports_fetched.add(1);
        self.context.tally.records.add(records);
        self.context.tally.intervals.add(flat.interval_count as u64);
        self.reports
            .entry(flat.event_date)
            .or_default()
            .append(&flat.row);
        for problem in &flat.problems {
            let position = i32::try_from(problem.position).unwrap_or(i32::MAX);
            let gap = gap_on_report(
                &fetched.meeting,
                &fetched.session,
                &fetched.entry,
                flat.event_date,
                GapStage::ReadRecord,
                GapReason::Unreadable,
                Some(position),
            );
            self.outcome.gaps.open(&self.context, gap, None);
        }
        self.flush(ROWS_IN_MEMORY)
    }

    fn stage_meeting(&mut self, outcome: &MeetingOutcome) -> Result<(), RunError> {
        self.gaps_elsewhere
            .extend_from_slice(&outcome.gaps_elsewhere);
        self.outcome.gaps.note_elsewhere(&outcome.gaps_elsewhere);
        if let Some(error) = &outcome.refused {
            self.outcome.gaps.note_end(error);
        }
        for verdict in &outcome.sessions {
            if let Some(occurrence) = outcome.occurrences.get(verdict.occurrence) {
                self.stage_session(outcome, occurrence, verdict)?;
            }
        }
        for lost in &outcome.lost_reports {
            self.note_lost_report(outcome, lost);
        }
        for vanished in &outcome.vanished_reports {
            let gaps = &mut self.outcome.gaps;
            gaps.give_up(&self.context, &vanished.gap_id, vanished.reason);
        }
        if outcome.unusable_reports > 0
            && let Some(verdict) = outcome.sessions.first()
            && let Some(occurrence) = outcome.occurrences.get(verdict.occurrence)
        {
            let gap = gap_on_session(
                &self.context,
                &outcome.meeting,
                occurrence,
                outcome.unusable_as,
            );
            self.outcome.gaps.open(&self.context, gap, None);
        }
        self.context
            .tally
            .sessions_done
            .add(outcome.meeting.occurrences.len() as u64);
        self.flush(ROWS_IN_MEMORY)
    }

    fn stage_session(
        &mut self,
        outcome: &MeetingOutcome,
        occurrence: &Occurrence,
        verdict: &SessionVerdict,
    ) -> Result<(), RunError> {
        let session_id = occurrence.session_id(&self.context.tenant);
        if !self.staged_sessions.insert(session_id.clone()) {
            return Ok(());
        }
        let event_date = self.context.timezone.event_date(occurrence.scheduled_start);
        let mut verdict = verdict.clone();
        for before in self.elsewhere(occurrence, &session_id, event_date)? {
            // rescheduled: its row moves with it
            self.staging
                .replace(&SESSIONS, before.event_date, session_id.as_str());
            self.outcome.moved.push(Moved {
                session_id: session_id.clone(),
                from: before.event_date,
                to: event_date,
            });
            verdict = verdict.not_behind(before.published());
        }
        if outcome.is_listed {
            self.listed_sessions.insert(session_id.clone());
            if verdict.reaches_start {
                self.reached_sessions.insert(session_id.clone());
            }
        }
        let facts = SessionFacts {
            event_id: outcome.event_id.as_ref(),
            state: verdict.state,
            reason: verdict.reason,
            is_final: verdict.is_final,
            report_count: verdict.report_count,
            checked_at: self.context.now,
            run_id: &self.context.run_id,
        };
        tracing::debug!(
            session_id = session_id.as_str(),
            source = occurrence.source.as_str(),
            %event_date,
            attendance_state = verdict.state.as_str(),
            is_final = verdict.is_final,
            report_count = verdict.report_count,
            "a session's attendance is known"
        );
        let row = session_row(&self.context.tenant, occurrence, facts);
        self.sessions.entry(event_date).or_default().append(&row);
        if self.context.interval.contains(occurrence.scheduled_start) {
            *self
                .outcome
                .sessions_by_state
                .entry(verdict.state.as_str())
                .or_default() += 1;
            self.outcome.unknown_properties += occurrence.unknown_properties;
        }
        if let Some(finding) = verdict.gap {
            let is_of_request = matches!(finding.reason, GapReason::Request(_));
            let is_of_calendar = finding.reason == GapReason::NoJoinUrl;
            let gap = gap_on_session(&self.context, &outcome.meeting, occurrence, finding.reason);
            let gap = Gap {
                is_final: finding.is_final,
                evidence: finding.evidence,
                scope: is_of_calendar
                    .then(|| self.read_through.scope(occurrence.source))
                    .flatten(),
                ..gap
            };
            let refused = outcome.refused.as_ref().filter(|_| is_of_request);
            self.outcome.gaps.open(&self.context, gap, refused);
        }
        Ok(())
    }

    /// What is published of a session on other days; what is missing of it there is noted.
    fn elsewhere(
        &mut self,
        occurrence: &Occurrence,
        session_id: &SessionId,
        event_date: EventDate,
    ) -> Result<Vec<KnownSession>, RunError> {
        match self.context.known.session(session_id) {
            Some(known) if known.event_date == event_date => Ok(Vec::new()),
            Some(known) => Ok(vec![known.clone()]),
            // its id names its time
            None if occurrence.source == Source::OnlineMeeting => Ok(Vec::new()),
            None => {
                let StagingContext {
                    warehouse,
                    virtual_days,
                    stop,
                    ..
                } = &self.context;
                let session = (session_id, event_date);
                // what is stopped publishes nothing, so it need not know
                let found = virtual_days.elsewhere(warehouse, session, || stop.is_cancelled());
                let note = |BeforeMoved { session, open_gaps }| {
                    self.gaps_elsewhere.extend(open_gaps);
                    session
                };
                let found = found.map_err(RunError::ledger)?;
                Ok(found.into_iter().map(note).collect())
            }
        }
    }

    fn note_lost_report(&mut self, outcome: &MeetingOutcome, lost: &LostReport) {
        let gap = gap_on_report(
            &outcome.meeting,
            &lost.session,
            &lost.entry,
            lost.event_date,
            GapStage::FetchRecords,
            GapReason::Request(lost.error.reason()),
            None,
        );
        let answer = Answer::of(&lost.error);
        let gap = judged(&self.context, gap, answer, Patience::of(&lost.error));
        self.outcome
            .gaps
            .open(&self.context, gap, Some(&lost.error));
    }

    /// Moves collected rows to staging once there are enough of them.
    fn flush(&mut self, at_least: usize) -> Result<(), RunError> {
        let collected: usize = self
            .rows
            .days
            .values()
            .map(|(records, intervals)| records.len() + intervals.len())
            .sum();
        let parents: usize = self.reports.values().map(AttendanceReports::len).sum();
        let sessions: usize = self.sessions.values().map(Sessions::len).sum();
        if collected + parents + sessions < at_least {
            return Ok(());
        }
        for (day, (mut records, mut intervals)) in std::mem::take(&mut self.rows.days) {
            let (records, intervals) = (
                records.finish().map_err(RunError::rows)?,
                intervals.finish().map_err(RunError::rows)?,
            );
            self.staging
                .append(&ATTENDANCE_RECORDS, day, &records)
                .map_err(RunError::warehouse)?;
            self.staging
                .append(&ATTENDANCE_INTERVALS, day, &intervals)
                .map_err(RunError::warehouse)?;
        }
        for (day, mut reports) in std::mem::take(&mut self.reports) {
            let reports = reports.finish().map_err(RunError::rows)?;
            self.staging
                .append(&ATTENDANCE_REPORTS, day, &reports)
                .map_err(RunError::warehouse)?;
        }
        for (day, mut sessions) in std::mem::take(&mut self.sessions) {
            let sessions = sessions.finish().map_err(RunError::rows)?;
            self.staging
                .append(&SESSIONS, day, &sessions)
                .map_err(RunError::warehouse)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Staging, StagedChunk), RunError> {
        self.mark_removed();
        self.remove_imported_sessions();
        self.flush(0)?;
        let mut gaps = std::mem::take(&mut self.outcome.gaps);
        gaps.close_filled(&self.context, &self.gaps_elsewhere, |day, gap| {
            self.filled(day, gap)
        });
        gaps.count_untouched(&self.context);
        let by_day = gaps.by_day();
        self.outcome.gaps = gaps;
        for (day, mut gaps) in by_day {
            let gaps = gaps.finish().map_err(RunError::rows)?;
            self.staging
                .append(&GAPS, day, &gaps)
                .map_err(RunError::warehouse)?;
        }
        Ok((self.staging, self.outcome))
    }

    /// Published sessions of the chunk that a complete reading of the same route no longer showed.
    fn mark_removed(&mut self) {
        let known = Arc::clone(&self.context.known);
        for (id, session) in known.sessions() {
            let occurrence = &session.occurrence;
            let organizer = occurrence
                .organizer
                .as_ref()
                .map(|organizer| organizer.id.clone());
            let is_ours = self.context.interval.contains(occurrence.scheduled_start);
            let is_read = |organizer| self.read_through.has(occurrence.source, organizer);
            // a call that was held cannot vanish, and a list that changes removes nothing: what other ways found stays
            let was_read = match occurrence.source {
                Source::OnlineMeeting => {
                    let calendar = Way::Calendar.as_str();
                    organizer.is_some()
                        && occurrence.discovered_by.iter().all(|way| way == calendar)
                        && is_read(organizer)
                }
                // what a list leaves out may be what this app is not to see: it was asked for by its id
                Source::Webinar | Source::TownHall => self.removed.contains(id),
            };
            // it is shown, and is no meeting of its own
            let is_of_event = session.attendance_state_reason.as_deref() == Some(VIRTUAL_EVENT);
            if !is_ours
                || !was_read
                || is_of_event
                || session.removed_at.is_some()
                || self.staged_sessions.contains(id)
            {
                continue;
            }
            let removed = Occurrence {
                removed_at: Some(self.context.now),
                ..occurrence.clone()
            };
            let facts = SessionFacts {
                event_id: session.event_id.as_ref(),
                state: session.attendance_state,
                reason: session.attendance_state_reason.as_deref().map(Cow::from),
                is_final: session.is_final,
                report_count: session.report_count,
                checked_at: self.context.now,
                run_id: &self.context.run_id,
            };
            let row = session_row(&self.context.tenant, &removed, facts);
            self.sessions
                .entry(session.event_date)
                .or_default()
                .append(&row);
            self.removed.insert(id.clone());
        }
    }

    /// How much of what a published gap says is missing was read.
    fn filled(&self, event_date: EventDate, gap: &GapRow<'_>) -> Filled {
        let session = gap.session_id.as_deref().map(SessionId::new);
        let is_listed = |session: &SessionId| {
            let lists = match GapReason::named(&gap.reason) {
                // what newer reports hide is there again only where the list reaches so far back
                Some(GapReason::OverCap) => &self.reached_sessions,
                // an entry that is no longer there lacks no link
                Some(GapReason::NoJoinUrl) if self.removed.contains(session) => &self.removed,
                _ => &self.listed_sessions,
            };
            lists.contains(session)
        };
        let is_filled = match (GapStage::named(&gap.stage), session) {
            (Some(GapStage::FetchRecords | GapStage::ReadRecord), _) => {
                let report = gap.report_id.as_deref().map(ReportId::new);
                report.is_some_and(|report| self.staged_reports.contains(&report))
            }
            (Some(GapStage::ListReports), Some(session)) => is_listed(&session),
            (Some(GapStage::Discover), Some(_)) => self.read_through.has_filled(gap),
            (Some(GapStage::Discover), None) if self.read_through.has_filled(gap) => {
                let (interval, timezone) = (&self.context.interval, &self.context.timezone);
                let missing = MissingHours::published(gap);
                return match missing.without(interval, event_date, timezone) {
                    None => Filled::Whole,
                    Some(left) if left == missing => Filled::Not,
                    Some(left) => Filled::But(left),
                };
            }
            _ => false,
        };
        if is_filled {
            Filled::Whole
        } else {
            Filled::Not
        }
    }
}
