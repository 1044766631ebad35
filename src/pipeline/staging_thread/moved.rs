//! Sessions that are published on another day than before: what names their day follows.

use std::collections::BTreeSet;

use super::StagingThread;
use crate::ids::{ReportId, SessionId};
use crate::ledger::reports_left_behind;
use crate::pipeline::RunError;
use crate::time::EventDate;

/// Sessions that were moved.
#[derive(Debug, Default)]
pub(super) struct Moved(Vec<MovedSession>);

#[derive(Debug)]
struct MovedSession {
    id: SessionId,
    from: EventDate,
    to: EventDate,
}

impl Moved {
    /// Notes one.
    pub(super) fn note(&mut self, id: &SessionId, from: EventDate, to: EventDate) {
        let id = id.clone();
        self.0.push(MovedSession { id, from, to });
    }
}

impl StagingThread {
    /// Rewrites the day of their session in published reports that are not fetched anew: Graph may have forgotten them.
    pub(super) fn follow_moved(&mut self) -> Result<(), RunError> {
        for moved in std::mem::take(&mut self.moved.0) {
            let known = &self.context.known;
            let published = known.reports_of(&moved.id).iter();
            let own = published.filter_map(|report| Some(known.report(report)?.event_date));
            // where they were held: about when the session was to be
            let around = (-1..=1).map(|days| moved.from.plus_days(days));
            let days: BTreeSet<EventDate> = own.chain(around).collect();
            for day in days {
                let session = (&moved.id, moved.to);
                let left = reports_left_behind(&self.context.warehouse, day, session);
                for mut row in left.map_err(RunError::ledger)? {
                    let id = ReportId::new(row.report_id.as_ref());
                    if self.staged_reports.contains(&id) {
                        continue;
                    }
                    row.session_event_date = Some(moved.to);
                    self.reports.entry(day).or_default().append(&row);
                }
            }
        }
        Ok(())
    }
}
