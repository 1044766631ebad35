//! Reports that somebody imported from files give way to Graph's own.

use super::StagingThread;
use crate::fetch::FetchedReport;
use crate::ledger::HeldMeeting;
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReportRow, SESSIONS,
};

impl StagingThread {
    /// Takes away the imported reports that are of the same time the meeting was held as a report of Graph's.
    pub(super) fn replace_imported(
        &mut self,
        fetched: &FetchedReport,
        row: &AttendanceReportRow<'_>,
    ) {
        let known = std::sync::Arc::clone(&self.context.known);
        let organizer = fetched.meeting.organizer.as_ref();
        let ours = HeldMeeting {
            subject: row.subject.as_deref(),
            organizers: organizer
                .and_then(|organizer| organizer.email.as_deref())
                .into_iter()
                .collect(),
            start: row.meeting_start_date_time,
            end: row.meeting_end_date_time,
        };
        for imported in known.imported() {
            let session = imported.session.as_ref();
            let is_of_session =
                session.map(crate::ids::SessionId::as_str) == row.session_id.as_deref();
            let held = imported.held(known.imported_sessions());
            let is_same = if is_of_session {
                held.begins_with(&ours)
            } else {
                held.is_same(&ours)
            };
            if !is_same || !self.replaced_imports.insert(imported.report_id.clone()) {
                continue;
            }
            for table in [
                &ATTENDANCE_INTERVALS,
                &ATTENDANCE_RECORDS,
                &ATTENDANCE_REPORTS,
            ] {
                let id = imported.report_id.as_str();
                self.staging.replace(table, imported.event_date, id);
            }
            tracing::info!(
                report_id = row.report_id.as_ref(),
                event_date = %imported.event_date,
                "Graph's report takes the place of one that was imported from a file"
            );
        }
    }

    /// Takes away the sessions that only imported reports had, where all of those are gone.
    pub(super) fn remove_imported_sessions(&mut self) {
        if self.replaced_imports.is_empty() {
            return;
        }
        for (id, session) in self.context.known.imported_sessions() {
            let mut reports = self
                .context
                .known
                .imported()
                .iter()
                .filter(|report| report.session.as_ref() == Some(id))
                .peekable();
            let had_any = reports.peek().is_some();
            if had_any && reports.all(|report| self.replaced_imports.contains(&report.report_id)) {
                self.staging
                    .replace(&SESSIONS, session.event_date, id.as_str());
            }
        }
    }
}
