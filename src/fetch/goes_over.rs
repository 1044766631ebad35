//! Reports that go over to a virtual event's session from the calendar entry of it, which was published before the event was read.
//!
//! Whoever reads calendars alone cannot tell the entry from a meeting. It stays as `unsupported`, reason `virtual_event`, once all its
//! reports are the event's; until then it keeps the others. So does one to which nobody came.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::candidates::Candidates;
use super::{FetchContext, MeetingOutcome, SessionVerdict};
use crate::discover::{Asking, Door, Meeting, VIRTUAL_EVENT};
use crate::flatten::ReportEntry;
use crate::ids::{ReportId, SessionId};
use crate::job::Source;
use crate::ledger::{GapReason, MeetingKey};
use crate::time::EventDate;

impl Candidates<'_> {
    /// The session that a listed report is published with, where it is none of the virtual event that lists it.
    fn published_beside<'c>(
        &self,
        context: &'c FetchContext,
        entry: &ReportEntry,
    ) -> Option<&'c (SessionId, EventDate)> {
        let known = context.known.report(&entry.report_id)?;
        let session = known.session.as_ref()?;
        let is_beside =
            self.meeting.source != Source::OnlineMeeting && !self.ids.contains(&session.0);
        is_beside.then_some(session)
    }

    /// The same, where its row is not known.
    pub(super) fn session_not_known<'c>(
        &self,
        context: &'c FetchContext,
        entry: &ReportEntry,
    ) -> Option<&'c (SessionId, EventDate)> {
        let session = self.published_beside(context, entry);
        session.filter(|(id, _)| context.known.session(id).is_none())
    }

    /// The calendar entry of the virtual event that a listed report is published with.
    pub(super) fn entry_with<'c>(
        &self,
        context: &'c FetchContext,
        entry: &ReportEntry,
    ) -> Option<&'c SessionId> {
        let (id, _) = self.published_beside(context, entry)?;
        let session = context.known.session(id)?;
        (session.occurrence.source == Source::OnlineMeeting).then_some(id)
    }

    /// What becomes of the calendar entries from which these reports went over.
    pub(super) fn entries_left<'e>(
        &self,
        context: &FetchContext,
        gone_over: impl Iterator<Item = &'e ReportEntry>,
        is_listed: bool,
    ) -> Vec<MeetingOutcome> {
        let mut by_entry: BTreeMap<&SessionId, HashSet<ReportId>> = BTreeMap::new();
        for report in gone_over {
            if let Some(id) = self.entry_with(context, report) {
                let reports = by_entry.entry(id).or_default();
                reports.insert(report.report_id.folded().into_owned());
            }
        }
        // entries to which nobody came are the event's too
        let links = { self.meeting.occurrences.iter() }.filter_map(|of| of.join_web_url.clone());
        let owner = self.meeting.organizer.as_ref();
        let owner = owner.filter(|_| self.meeting.source != Source::OnlineMeeting);
        let keys = links
            .zip(std::iter::repeat(owner))
            .filter_map(|(link, owner)| {
                let owner = owner?.id.clone();
                Some(MeetingKey::JoinUrl(owner, link))
            });
        for key in keys {
            for (id, session) in context.known.sessions_of(&key) {
                let reason = session.attendance_state_reason.as_deref();
                if reason != Some(VIRTUAL_EVENT) && context.known.reports_of(id).is_empty() {
                    by_entry.entry(id).or_default();
                }
            }
        }
        let left = |(id, gone): (&SessionId, HashSet<ReportId>)| {
            let session = context.known.session(id)?;
            let reports = context.known.reports_of(id).iter();
            let left = reports.filter(|report| !gone.contains(*report)).count();
            let meeting = Meeting {
                source: Source::OnlineMeeting,
                organizer: session.occurrence.organizer.clone(),
                door: Door::Closed(VIRTUAL_EVENT),
                event_id: None,
                asking: Asking::CarriedOver,
                occurrences: vec![session.occurrence.clone()],
            };
            let sessions = if left == 0 {
                Candidates::of(context, &meeting).closed(context, VIRTUAL_EVENT)
            } else {
                let unchanged = SessionVerdict::unchanged(0, session.published());
                vec![SessionVerdict {
                    report_count: i32::try_from(left).unwrap_or(i32::MAX),
                    ..unchanged
                }]
            };
            Some(MeetingOutcome {
                occurrences: meeting.occurrences.clone(),
                meeting: Arc::new(meeting),
                event_id: session.event_id.clone(),
                sessions,
                // its reports are in the event's list
                is_listed: is_listed && left == 0,
                refused: None,
                lost_reports: Vec::new(),
                vanished_reports: Vec::new(),
                gaps_elsewhere: Vec::new(),
                unusable_reports: 0,
                unusable_as: GapReason::ReportWithoutId,
            })
        };
        by_entry.into_iter().filter_map(left).collect()
    }
}
