//! What a chunk's discovery read without a hole: gaps of it are filled, and what it no longer shows is gone.

use std::collections::{BTreeMap, HashSet};

use crate::attendance::ReadingScope;
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
    /// What the job reads of each source.
    scopes: BTreeMap<Source, ReadingScope>,
}

impl ReadThrough {
    /// Nothing yet, of a job that reads this.
    pub(super) fn of(scopes: BTreeMap<Source, ReadingScope>) -> Self {
        Self {
            scopes,
            ..Self::default()
        }
    }

    /// What the job reads of a source, as gaps name it.
    pub(super) fn scope(&self, source: Source) -> Option<String> {
        self.scopes.get(&source).map(ReadingScope::name)
    }

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
        // a list is read to the end for what its reader may see of it, which may be less than the gap is about
        let has_list = |source| {
            let scope = self.scopes.get(&source);
            self.has(source, None) && scope.is_some_and(|own| own.covers(gap.scope.as_deref()))
        };
        let Some(organizer_id) = organizer_id else {
            return has_list(source);
        };
        self.without_mailbox.contains(&organizer_id)
            || self.has(source, Some(organizer_id))
            // a virtual event's organizer is read with the tenant's list
            || (source != Source::OnlineMeeting && has_list(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attendance::scope::Principal;
    use crate::attendance::{Gap, GapStage, MissingHours};
    use crate::graph::FailureReason;
    use crate::ids::{RunId, TenantId};
    use crate::job::plan::{DiscoverBy, OnlineMeetingsPlan, ReportsChoice, SourcesPlan, UsersPlan};
    use crate::job::plan::{OrganizersPlan, VirtualEventsPlan};
    use crate::time::{EventDate, UtcMicros};

    /// What a job of a group, or of everybody, reads.
    fn scopes(group: Option<&str>, app: &str) -> BTreeMap<Source, ReadingScope> {
        let users = group.map_or(UsersPlan::All, |id| UsersPlan::Group(id.to_owned()));
        let sources = SourcesPlan {
            online_meetings: Some(OnlineMeetingsPlan {
                discover: [DiscoverBy::Calendar].into(),
                users,
                listed: Vec::new(),
                derive_ids: false,
                reports: ReportsChoice::All,
            }),
            webinars: Some(VirtualEventsPlan {
                organizers: OrganizersPlan::All,
            }),
            town_halls: None,
        };
        let principal = Principal {
            app: Some(app.to_owned()),
            user: "u".to_owned(),
        };
        [Source::OnlineMeeting, Source::Webinar]
            .into_iter()
            .filter_map(|source| {
                let scope = ReadingScope::of(source, &sources, &principal)?;
                Some((source, scope))
            })
            .collect()
    }

    fn gap(
        source: Source,
        organizer: Option<&str>,
        reason: GapReason,
        of: &BTreeMap<Source, ReadingScope>,
    ) -> GapRow<'static> {
        let gap = Gap {
            event_date: EventDate(0),
            stage: GapStage::Discover,
            source,
            organizer_id: organizer.map(OrganizerId::new),
            session_id: None,
            report_id: None,
            record_index: None,
            reason,
            http_status: None,
            graph_code: None,
            is_final: false,
            evidence: None,
            missing: MissingHours::default(),
            scope: of.get(&source).map(ReadingScope::name),
        };
        gap.row(&TenantId::new("t"), None, &RunId::new("r"), UtcMicros(0))
    }

    #[test]
    fn a_gap_in_discovery_is_filled_by_whoever_could_see_what_is_missing() {
        let failed = GapReason::Request(FailureReason::ServerError);
        let meetings = Source::OnlineMeeting;
        let (all, a, b) = (
            scopes(None, "app"),
            scopes(Some("a"), "app"),
            scopes(Some("b"), "app"),
        );
        let other_app = scopes(None, "other");
        let list = [(meetings, None)];
        let ann = [(meetings, Some("ann"))];
        let webinars = [(Source::Webinar, None)];
        for (what, gap, reader, read, wanted) in [
            (
                "its own list",
                gap(meetings, None, failed, &a),
                &a,
                &list,
                true,
            ),
            (
                "another group's list",
                gap(meetings, None, failed, &a),
                &b,
                &list,
                false,
            ),
            (
                "the tenant's list",
                gap(meetings, None, failed, &a),
                &all,
                &list,
                true,
            ),
            (
                "a group's for the tenant's",
                gap(meetings, None, failed, &all),
                &a,
                &list,
                false,
            ),
            (
                "a calendar by another group's job",
                gap(meetings, Some("ann"), failed, &a),
                &b,
                &ann,
                true,
            ),
            (
                "another calendar",
                gap(meetings, Some("bob"), failed, &a),
                &a,
                &ann,
                false,
            ),
            (
                "a list, not the calendar",
                gap(meetings, Some("bob"), failed, &all),
                &all,
                &list,
                false,
            ),
            (
                "a webinar by the list",
                gap(Source::Webinar, Some("ann"), failed, &all),
                &all,
                &webinars,
                true,
            ),
            (
                "a webinar by another app's list",
                gap(Source::Webinar, Some("ann"), failed, &all),
                &other_app,
                &webinars,
                false,
            ),
            (
                "webinars by another app's list",
                gap(Source::Webinar, None, failed, &all),
                &other_app,
                &webinars,
                false,
            ),
            (
                "expired call records",
                gap(meetings, None, GapReason::CallRecordsExpired, &a),
                &a,
                &list,
                false,
            ),
        ] {
            let mut through = ReadThrough::of(reader.clone());
            for (source, organizer) in read {
                through.route(*source, organizer.map(OrganizerId::new));
            }
            assert_eq!(through.has_filled(&gap), wanted, "{what}");
        }
    }
}
