//! What a chunk's discovery read without a hole: gaps of it are filled, and what it no longer shows is gone.

use std::collections::HashSet;

use crate::ids::{OrganizerId, SessionId};
use crate::job::Source;
use crate::ledger::GapReason;
use crate::tables::GapRow;

/// Routes, accounts and listed meetings that were read to their end.
#[derive(Debug, Default)]
pub(super) struct ReadThrough {
    listed: HashSet<SessionId>,
    without_mailbox: HashSet<OrganizerId>,
    routes: HashSet<(Source, Option<OrganizerId>)>,
}

impl ReadThrough {
    /// A route was read for one organizer, or for the whole tenant.
    pub(super) fn route(&mut self, source: Source, organizer_id: Option<OrganizerId>) {
        self.routes.insert((source, organizer_id));
    }

    /// A meeting of the job's list was read.
    pub(super) fn listed(&mut self, listed: SessionId) {
        self.listed.insert(listed);
    }

    /// There is no calendar to be read.
    pub(super) fn without_mailbox(&mut self, organizer_id: OrganizerId) {
        self.without_mailbox.insert(organizer_id);
    }

    /// Whether the route was read for that organizer; without one, for the whole tenant.
    pub(super) fn has(&self, source: Source, organizer_id: Option<OrganizerId>) -> bool {
        self.routes.contains(&(source, organizer_id))
    }

    /// Whether what a gap in discovery says is missing was read on the chunk's days.
    pub(super) fn has_filled(&self, gap: &GapRow<'_>) -> bool {
        // what Graph no longer keeps is not found by reading other ways to the end
        if gap.reason == GapReason::CallRecordsExpired.as_str() {
            return false;
        }
        if let Some(listed) = gap.session_id.as_deref() {
            return self.listed.contains(&SessionId::new(listed));
        }
        let Some(source) = Source::named(&gap.source) else {
            return false;
        };
        let organizer_id = gap.organizer_id.as_deref().map(OrganizerId::new);
        let has_none = |id: &OrganizerId| self.without_mailbox.contains(id);
        organizer_id.as_ref().is_some_and(has_none)
            || self.has(source, organizer_id)
            // a virtual event's organizer is read with the tenant's list
            || (source != Source::OnlineMeeting && self.has(source, None))
    }
}
