//! What becomes of each file, by what is published of its days.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use super::published::Published;
use super::saved_file::SavedFile;
use super::{ImportSummary, RunError};
use crate::flatten::{
    AttendanceState, Occurrence, ReportContext, ReportDocuments, ReportEntry, RowsByDay,
    SessionFacts, flatten_report, session_row,
};
use crate::ids::{EventId, OrganizerId, ReportId, RunId, SessionId, TenantId};
use crate::job::Source;
use crate::job::resolve::ImportPlan;
use crate::ledger::{GapStage, IMPORTED};
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReportRow,
    AttendanceReports, GAPS, GapRow, Gaps, SESSIONS, SessionRow, Sessions,
};
use crate::time::{EventDate, UtcMicros, WarehouseTimezone};
use crate::warehouse::{FetchAgain, Staging, Warehouse, WarehouseError};

/// What is to be published.
pub(super) struct Decided {
    pub(super) staging: Staging,
    pub(super) summary: ImportSummary,
    /// The earliest start of what is new.
    pub(super) first: Option<UtcMicros>,
    /// Whether anything is staged.
    pub(super) is_anything: bool,
    /// Days that may be new: they get a file in every table.
    pub(super) days: Vec<EventDate>,
}

struct Deciding<'a> {
    plan: &'a ImportPlan,
    tenant: &'a TenantId,
    run_id: &'a RunId,
    timezone: &'a WarehouseTimezone,
    published: Published<'a>,
    torn: FetchAgain,
    sessions: HashMap<SessionId, (EventDate, SessionRow<'static>)>,
    own_sessions: BTreeMap<EventDate, Sessions<'static>>,
    /// The imported reports of each session.
    reports_of: HashMap<SessionId, BTreeSet<ReportId>>,
    gaps: BTreeMap<EventDate, Vec<GapRow<'static>>>,
    decided: Decided,
}

/// The session that a report is given to.
struct Target {
    source: Source,
    event_id: Option<EventId>,
    organizer_id: Option<OrganizerId>,
    session: (SessionId, EventDate),
    scheduled_start: UtcMicros,
}

/// Decides file by file, oldest meeting first.
pub(super) fn decide(
    plan: &ImportPlan,
    warehouse: &Warehouse,
    tenant: &TenantId,
    run_id: &RunId,
    files: Vec<SavedFile>,
) -> Result<Decided, RunError> {
    let mut deciding = Deciding {
        plan,
        tenant,
        run_id,
        timezone: &plan.warehouse.timezone,
        published: Published::new(warehouse),
        torn: warehouse.fetch_again().map_err(RunError::warehouse)?,
        sessions: HashMap::new(),
        own_sessions: BTreeMap::new(),
        reports_of: HashMap::new(),
        gaps: BTreeMap::new(),
        decided: Decided {
            staging: warehouse.staging(run_id).map_err(RunError::warehouse)?,
            summary: ImportSummary::default(),
            first: None,
            is_anything: false,
            days: Vec::new(),
        },
    };
    for file in one_a_report(files, &mut deciding.decided.summary) {
        deciding.take(&file)?;
    }
    deciding.finish()
}

/// Of several copies of one report the most whole, by start.
fn one_a_report(files: Vec<SavedFile>, summary: &mut ImportSummary) -> Vec<SavedFile> {
    let count = files.len();
    let mut best: HashMap<ReportId, SavedFile> = HashMap::new();
    for file in files {
        summary.absent += file.absent() as u64;
        let id = file.report_id().clone();
        match best.get(&id) {
            Some(other) if other.wholeness() >= file.wholeness() => {}
            _ => drop(best.insert(id, file)),
        }
    }
    summary.same_report = (count - best.len()) as u64;
    let mut files: Vec<_> = best.into_values().collect();
    files.sort_by_key(|file| (file.start(), file.report_id().clone()));
    files
}

impl Deciding<'_> {
    fn take(&mut self, file: &SavedFile) -> Result<(), RunError> {
        let day = self.timezone.event_date(file.start());
        self.published.look_at(day)?;
        let before = self.published.report(file.report_id());
        if self.published.is_from_graph(file)? {
            self.decided.summary.from_graph += 1;
            if let Some((day, row)) = before {
                self.retract(day, &row);
                self.drop_own_session(file);
                self.decided.summary.retracted += 1;
            }
            return Ok(());
        }
        let target = self
            .published
            .session_of(file)
            .map(|(day, row)| (day, row.clone()));
        let is_torn = self.torn.reports.contains_key(file.report_id());
        let whole = before
            .as_ref()
            .filter(|(_, row)| !is_torn && is_as_whole(row, file));
        if let Some((_, row)) = whole {
            // the session that it belongs to may have come since
            let is_settled = target
                .as_ref()
                .is_none_or(|(_, session)| row.session_id.as_ref() == Some(&session.session_id));
            if is_settled {
                self.decided.summary.imported_before += 1;
                return Ok(());
            }
        }
        let published = before.map(|(day, _)| day);
        match target {
            Some((day, session)) => self.stage_with(file, published, day, session),
            None => self.stage_alone(file, published),
        }
    }

    fn retract(&mut self, day: EventDate, row: &AttendanceReportRow<'_>) {
        for table in [
            &ATTENDANCE_INTERVALS,
            &ATTENDANCE_RECORDS,
            &ATTENDANCE_REPORTS,
        ] {
            self.decided.staging.replace(table, day, &row.report_id);
        }
        self.decided.is_anything = true;
    }

    /// Takes the session away that a report had alone.
    fn drop_own_session(&mut self, file: &SavedFile) {
        let id = file.own_session_id().as_str();
        let published = self.published.session(Some(id)).map(|(day, _)| day);
        if let Some(day) = published {
            self.decided.staging.replace(&SESSIONS, day, id);
            self.decided.is_anything = true;
        }
    }

    /// The report belongs to a session that is published: that is `reported` now, and stays as final as it was, so that where Graph is
    /// still asked, its own report takes the place of this one.
    fn stage_with(
        &mut self,
        file: &SavedFile,
        before: Option<EventDate>,
        day: EventDate,
        session: SessionRow<'static>,
    ) -> Result<(), RunError> {
        let id = SessionId::new(session.session_id.as_ref());
        let target = Target {
            source: Source::named(&session.source).unwrap_or(Source::OnlineMeeting),
            event_id: session.event_id.as_deref().map(EventId::new),
            organizer_id: session.organizer_id.as_deref().map(OrganizerId::new),
            session: (id.clone(), day),
            scheduled_start: session.scheduled_start,
        };
        self.stage_report(file, before, &target)?;
        self.drop_own_session(file);
        self.close_gaps(&session);
        self.decided.summary.matched_sessions += 1;
        let published = self
            .published
            .reports()
            .filter(|(_, row)| row.session_id.as_deref() == Some(id.as_str()));
        let published = published.map(|(_, row)| ReportId::new(row.report_id.as_ref()));
        let imported: Vec<_> = published.filter(ReportId::is_imported).collect();
        let of_session = self.reports_of.entry(id.clone()).or_default();
        of_session.extend(imported);
        of_session.insert(file.report_id().clone());
        let count = i32::try_from(of_session.len()).unwrap_or(i32::MAX);
        let row = SessionRow {
            attendance_state: AttendanceState::Reported.as_str().into(),
            attendance_state_reason: None,
            report_count: session.report_count.max(count),
            checked_at: self.plan.started_at,
            _run_id: self.run_id.as_str().to_owned().into(),
            ..session
        };
        self.sessions.insert(id, (day, row));
        Ok(())
    }

    /// A session for a report that belongs to none that is known. It is final: nobody else can tell more of it.
    fn stage_alone(&mut self, file: &SavedFile, before: Option<EventDate>) -> Result<(), RunError> {
        let occurrence = Occurrence {
            source: if file.is_webinar() {
                Source::Webinar
            } else {
                Source::OnlineMeeting
            },
            organizer: None,
            event_id: None,
            published_as: Some(file.own_session_id().clone()),
            occurrence_id: None,
            series_id: None,
            subject: file.title().map(str::to_owned),
            scheduled_start: file.start(),
            scheduled_end: file.end(),
            join_web_url: None,
            is_cancelled: None,
            status: None,
            discovered_by: vec![Cow::Borrowed(IMPORTED)],
            unsupported: None,
            extra: None,
            unknown_properties: 0,
            removed_at: None,
        };
        let facts = SessionFacts {
            event_id: None,
            state: AttendanceState::Reported,
            reason: None,
            is_final: true,
            report_count: 1,
            checked_at: self.plan.started_at,
            run_id: self.run_id,
        };
        // the file has no object id, and so an organizer without one
        let (email, name) = file.organizer();
        let row = SessionRow {
            organizer_email: email.map(Cow::from),
            organizer_display_name: name.map(Cow::from),
            ..session_row(self.tenant, &occurrence, facts)
        };
        let day = self.timezone.event_date(file.start());
        self.own_sessions.entry(day).or_default().append(&row);
        self.decided.summary.own_sessions += 1;
        let target = Target {
            source: occurrence.source,
            event_id: None,
            organizer_id: None,
            session: (file.own_session_id().clone(), day),
            scheduled_start: file.start(),
        };
        self.stage_report(file, before, &target)
    }

    fn stage_report(
        &mut self,
        file: &SavedFile,
        before: Option<EventDate>,
        target: &Target,
    ) -> Result<(), RunError> {
        let entry = ReportEntry {
            report_id: file.report_id().clone(),
            start: Some(file.start()),
            end: file.end(),
            total_participant_count: file.participants(),
            external_events: Vec::new(),
        };
        let context = ReportContext {
            tenant_id: self.tenant,
            source: target.source,
            event_id: target.event_id.as_ref(),
            organizer_id: target.organizer_id.as_ref(),
            entry: &entry,
            session: Some(target.session.clone()),
            subject: file.title(),
            scheduled_start: Some(target.scheduled_start),
            published_event_date: before,
            published_records: None,
            timezone: self.timezone,
            run_id: self.run_id,
            fetched_at: self.plan.started_at,
        };
        let internal = |source: io::Error| {
            let path = PathBuf::from(file.report_id().as_str());
            RunError::warehouse(WarehouseError::Io {
                action: "unpack",
                path,
                source,
            })
        };
        let document = file.document().map_err(internal)?;
        let documents = ReportDocuments {
            report: &document,
            inline_records: true,
            record_pages: &[],
        };
        let mut rows = RowsByDay::default();
        let flat = flatten_report(&documents, &context, &mut rows)
            .map_err(|error| internal(io::Error::other(error)))?;
        let torn = self
            .torn
            .reports
            .get(file.report_id())
            .into_iter()
            .flatten()
            .copied();
        let staging = &mut self.decided.staging;
        for date in torn.chain([flat.event_date]) {
            for table in [
                &ATTENDANCE_INTERVALS,
                &ATTENDANCE_RECORDS,
                &ATTENDANCE_REPORTS,
            ] {
                staging.replace(table, date, file.report_id().as_str());
            }
        }
        for (date, (mut records, mut intervals)) in rows.days {
            let records = records.finish().map_err(RunError::rows)?;
            let intervals = intervals.finish().map_err(RunError::rows)?;
            staging
                .append(&ATTENDANCE_RECORDS, date, &records)
                .and_then(|()| staging.append(&ATTENDANCE_INTERVALS, date, &intervals))
                .map_err(RunError::warehouse)?;
        }
        let mut reports = AttendanceReports::default();
        reports.append(&flat.row);
        let reports = reports.finish().map_err(RunError::rows)?;
        staging
            .append(&ATTENDANCE_REPORTS, flat.event_date, &reports)
            .map_err(RunError::warehouse)?;
        self.decided.is_anything = true;
        self.decided.first = self.decided.first.or(Some(file.start()));
        let summary = &mut self.decided.summary;
        summary.reports += 1;
        summary.records += u64::try_from(flat.row.record_count).unwrap_or_default();
        summary.intervals += flat.interval_count as u64;
        Ok(())
    }

    /// The file fills what no run asks for again. Where Graph is still asked, its own report may come, and the gap says so until then.
    fn close_gaps(&mut self, session: &SessionRow<'static>) {
        if !session.is_final {
            return;
        }
        for (day, published) in self.published.days() {
            let open = published.gaps.iter().filter(|gap| {
                gap.closed_at.is_none()
                    && gap.stage == GapStage::ListReports.as_str()
                    && gap.session_id == Some(session.session_id.clone())
            });
            let staged = self.gaps.entry(*day).or_default();
            for gap in open {
                if staged.iter().any(|other| other.gap_id == gap.gap_id) {
                    continue;
                }
                staged.push(GapRow {
                    closed_at: Some(self.plan.started_at),
                    closed_by_run_id: Some(self.run_id.as_str().to_owned().into()),
                    _run_id: self.run_id.as_str().to_owned().into(),
                    ..gap.clone()
                });
                self.decided.summary.gaps_closed += 1;
            }
        }
    }

    fn finish(mut self) -> Result<Decided, RunError> {
        self.decided.days = self.own_sessions.keys().copied().collect();
        let mut by_day = self.own_sessions;
        for (day, row) in self.sessions.values() {
            by_day.entry(*day).or_default().append(row);
        }
        let staging = &mut self.decided.staging;
        for (day, mut sessions) in by_day {
            let batch = sessions.finish().map_err(RunError::rows)?;
            staging
                .append(&SESSIONS, day, &batch)
                .map_err(RunError::warehouse)?;
        }
        for (day, rows) in self.gaps {
            let mut gaps = Gaps::default();
            for row in &rows {
                gaps.append(row);
            }
            if !gaps.is_empty() {
                let batch = gaps.finish().map_err(RunError::rows)?;
                staging
                    .append(&GAPS, day, &batch)
                    .map_err(RunError::warehouse)?;
            }
        }
        Ok(self.decided)
    }
}

/// Whether what was imported before has as much as the file.
fn is_as_whole(row: &AttendanceReportRow<'_>, file: &SavedFile) -> bool {
    let records = usize::try_from(row.record_count).unwrap_or_default();
    (records, row.meeting_end_date_time) >= (file.records, file.end())
}
