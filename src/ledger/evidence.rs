//! What is published of a session or of an organizer, as evidence: the answers of earlier nights.

use super::known::{Known, KnownSession};
use crate::attendance::finality::Published;
use crate::attendance::{GapStage, gap};
use crate::ids::{OrganizerId, ReportId, SessionId};
use crate::job::Source;
use crate::tables::GapRow;

impl KnownSession {
    /// Its attendance, as it was published.
    pub fn published(&self) -> Published<'_> {
        Published {
            state: self.attendance_state,
            reason: self.attendance_state_reason.as_deref(),
            is_final: self.is_final,
            report_count: self.report_count,
            ends_at: self.occurrence.ends_at(),
        }
    }
}

impl Known {
    /// The open gap on a session's list of reports.
    pub fn gap_on_session(&self, session: &SessionId) -> Option<&GapRow<'static>> {
        let mut gaps = self.open_gaps_of(session).map(|(_, row)| row);
        gaps.find(|row| {
            GapStage::named(&row.stage) == Some(GapStage::ListReports) && row.report_id.is_none()
        })
    }

    /// Whether it is plain that the records of a report of the session will never be had.
    pub fn is_lost(&self, session: &SessionId, report: &ReportId) -> bool {
        let mut gaps = self.open_gaps_of(session).map(|(_, row)| row);
        gaps.any(|row| {
            row.report_id.as_deref() == Some(report.as_str())
                && GapStage::named(&row.stage) == Some(GapStage::FetchRecords)
                && gap::is_final(row)
        })
    }

    /// The open gaps on an organizer's calendar or events.
    pub fn gaps_on_organizer<'a>(
        &'a self,
        source: Source,
        organizer: &'a OrganizerId,
    ) -> impl Iterator<Item = &'a GapRow<'static>> {
        self.open_gaps()
            .values()
            .map(|(_, row)| row)
            .filter(move |row| {
                GapStage::named(&row.stage) == Some(GapStage::Discover)
                    && row.source == source.as_str()
                    && row.organizer_id.as_deref() == Some(organizer.as_str())
                    && row.session_id.is_none()
            })
    }

    /// The object id under which sessions of an address are published: a user who has another name now is found by it.
    pub fn organizer_of_address(&self, address: &str) -> Option<&OrganizerId> {
        let owners = self
            .sessions()
            .filter_map(|(_, session)| session.occurrence.organizer.as_ref());
        let of_address = owners.filter(|owner| {
            let email = owner.email.as_deref();
            email.is_some_and(|email| email.eq_ignore_ascii_case(address))
        });
        // one address of two people tells nothing
        let mut ids = of_address.map(|owner| &owner.id);
        let first = ids.next()?;
        ids.all(|id| id == first).then_some(first)
    }
}
