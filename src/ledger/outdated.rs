//! Whether another run has published meanwhile what a chunk should have known.

use std::collections::BTreeSet;

use super::LedgerError;
use super::known::{Known, KnownReport, KnownSession};
use crate::ids::{GapId, ReportId, SessionId};
use crate::tables::{ATTENDANCE_REPORTS, GAPS, SESSIONS};
use crate::time::EventDate;
use crate::warehouse::{Staging, Warehouse};

impl Known {
    /// Whether what is published of a staged session, report or gap is no longer what was read of it. The caller may publish, so nobody
    /// else does meanwhile.
    ///
    /// Every run that publishes a report publishes the row of its session too, so other sessions' reports decide nothing here.
    ///
    /// # Errors
    /// [`LedgerError`] where a partition cannot be read; terminal.
    pub fn is_outdated(
        &self,
        warehouse: &Warehouse,
        staged: &Staging,
    ) -> Result<bool, LedgerError> {
        let mut replaced = BTreeSet::new();
        for table in [&SESSIONS, &ATTENDANCE_REPORTS, &GAPS] {
            for (day, _) in staged.replaced(table) {
                let Some(read) = self.generation(table, day) else {
                    continue;
                };
                let now = warehouse.generation(table, day);
                if *read != now.map_err(LedgerError::warehouse)? {
                    replaced.insert(day);
                }
            }
        }
        if replaced.is_empty() {
            return Ok(false);
        }
        let now = Self::load(warehouse, replaced.iter().copied())?;
        let is_other_session = |day, id: &String| {
            let id = SessionId::new(id);
            self.session_on(day, &id) != now.session_on(day, &id)
        };
        let is_other_report = |day, id: &String| {
            let id = ReportId::new(id);
            self.report_on(day, &id) != now.report_on(day, &id)
        };
        let is_other_gap = |id: &String| {
            let id = GapId::new(id);
            let of = |known: &Self| {
                let gap = known.open_gaps().get(&id);
                gap.filter(|(day, _)| replaced.contains(day)).cloned()
            };
            of(self) != of(&now)
        };
        let of_replaced = |(day, _): &(EventDate, _)| replaced.contains(day);
        let mut sessions = staged.replaced(&SESSIONS).filter(of_replaced);
        let mut reports = staged.replaced(&ATTENDANCE_REPORTS).filter(of_replaced);
        let mut gaps = staged.replaced(&GAPS).filter(of_replaced);
        Ok(
            sessions.any(|(day, ids)| ids.iter().any(|id| is_other_session(day, id)))
                || reports.any(|(day, ids)| ids.iter().any(|id| is_other_report(day, id)))
                || gaps.any(|(_, ids)| ids.iter().any(is_other_gap)),
        )
    }

    fn session_on(&self, day: EventDate, id: &SessionId) -> Option<&KnownSession> {
        self.session(id).filter(|session| session.event_date == day)
    }

    fn report_on(&self, day: EventDate, id: &ReportId) -> Option<&KnownReport> {
        self.report(id).filter(|report| report.event_date == day)
    }
}
