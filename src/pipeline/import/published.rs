//! What is published of the days around a file, and which of it is of the same meeting.

use std::collections::BTreeMap;

use super::RunError;
use super::saved_file::SavedFile;
use crate::ids::ReportId;
use crate::ledger::{
    HeldMeeting, PublishedDay, is_imported_only, read_addresses, read_published_day,
};
use crate::tables::{AttendanceReportRow, SessionRow};
use crate::time::{EventDate, HOUR};
use crate::warehouse::Warehouse;

/// People join so long before a meeting is scheduled.
const EARLY: i64 = HOUR;

/// Three days at a time: files come by the day on which they were held.
pub(super) struct Published<'a> {
    warehouse: &'a Warehouse,
    days: BTreeMap<EventDate, PublishedDay>,
}

impl<'a> Published<'a> {
    pub(super) fn new(warehouse: &'a Warehouse) -> Self {
        Self {
            warehouse,
            days: BTreeMap::new(),
        }
    }

    pub(super) fn days(&self) -> &BTreeMap<EventDate, PublishedDay> {
        &self.days
    }

    /// Reads the day and its neighbours, and forgets those that no later file can touch.
    pub(super) fn look_at(&mut self, day: EventDate) -> Result<(), RunError> {
        self.days = self.days.split_off(&day.plus_days(-1));
        for near in [day.plus_days(-1), day, day.plus_days(1)] {
            if !self.days.contains_key(&near) {
                let published =
                    read_published_day(self.warehouse, near).map_err(RunError::ledger)?;
                self.days.insert(near, published);
            }
        }
        Ok(())
    }

    pub(super) fn reports(
        &self,
    ) -> impl Iterator<Item = (EventDate, &AttendanceReportRow<'static>)> {
        let days = self.days.iter();
        days.flat_map(|(day, published)| published.reports.iter().map(|row| (*day, row)))
    }

    pub(super) fn report(
        &self,
        id: &ReportId,
    ) -> Option<(EventDate, AttendanceReportRow<'static>)> {
        let mut reports = self.reports();
        let found = reports.find(|(_, row)| row.report_id == id.as_str());
        found.map(|(day, row)| (day, row.clone()))
    }

    /// Whether a report of Graph's is of the same time the meeting was held.
    pub(super) fn is_from_graph(&self, file: &SavedFile) -> Result<bool, RunError> {
        let ours = file.held();
        for (day, row) in self.reports() {
            if ReportId::new(row.report_id.as_ref()).is_imported() {
                continue;
            }
            let session = self.session(row.session_id.as_deref());
            let theirs = HeldMeeting {
                subject: row.subject.as_deref(),
                organizers: session
                    .and_then(|(_, session)| session.organizer_email.as_deref())
                    .into_iter()
                    .collect(),
                start: row.meeting_start_date_time,
                end: row.meeting_end_date_time,
            };
            if !ours.may_be_same(&theirs) {
                continue;
            }
            let addresses =
                read_addresses(self.warehouse, day, &row.report_id).map_err(RunError::ledger)?;
            if ours.is_same_by(&file.addresses, &theirs, &addresses) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn session(&self, id: Option<&str>) -> Option<(EventDate, &SessionRow<'static>)> {
        let id = id?;
        self.days.iter().find_map(|(day, published)| {
            let row = published.sessions.iter().find(|row| row.session_id == id);
            Some((*day, row?))
        })
    }

    /// The session that the warehouse knows, of the same title and organizer, and scheduled when the report was held; `None` where there
    /// is none, or two that look alike.
    pub(super) fn session_of(&self, file: &SavedFile) -> Option<(EventDate, &SessionRow<'static>)> {
        let ours = file.held();
        ours.subject?;
        let mut fitting: Vec<_> = self
            .days
            .iter()
            .flat_map(|(day, published)| published.sessions.iter().map(|row| (*day, row)))
            .filter(|(_, row)| {
                let theirs = HeldMeeting {
                    subject: row.subject.as_deref(),
                    organizers: row.organizer_email.as_deref().into_iter().collect(),
                    ..HeldMeeting::default()
                };
                let end = row
                    .scheduled_end
                    .unwrap_or(row.scheduled_start)
                    .max(row.scheduled_start);
                let is_then = (row.scheduled_start.plus(-EARLY)..=end).contains(&file.start());
                !is_imported_only(&row.discovered_by)
                    && row.subject.is_some()
                    && is_then
                    && ours.is_called_like(&theirs)
            })
            .collect();
        let distance = |row: &SessionRow<'_>| (row.scheduled_start.0 - file.start().0).abs();
        fitting.sort_by_key(|(_, row)| distance(row));
        match fitting.as_slice() {
            [first] => Some(*first),
            [first, second, ..] if distance(first.1) < distance(second.1) => Some(*first),
            _ => None,
        }
    }
}
