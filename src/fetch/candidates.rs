//! Which sessions a meeting's reports belong to, which of them are wanted, and what that says of each session.

use std::collections::{BTreeSet, HashMap};

use super::reports::Listing;
use super::whose::Decided;
use super::{AttributedSession, FetchContext, LostReport, SessionVerdict, Vanished};
use crate::attendance::attribution::is_near;
use crate::attendance::finality::{ListSeen, Reach, Sighting};
use crate::attendance::gap;
use crate::discover::{Asking, Meeting};
use crate::flatten::{AttendanceState, Occurrence, ReportEntry};
use crate::graph::{FailureReason, GraphError};
use crate::ids::{EventId, ReportId, SessionId};
use crate::job::Source;
use crate::job::plan::Reprocess;
use crate::ledger::{GapReason, KnownSession};

/// A listed report that is to be fetched, and the candidate it belongs to.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) entry: ReportEntry,
    pub(super) candidate: usize,
}

/// The occurrences that a meeting's reports may belong to: those that were found, then those published and not found now.
pub(super) struct Candidates<'a> {
    pub(super) meeting: &'a Meeting,
    pub(super) occurrences: Vec<Occurrence>,
    pub(super) ids: Vec<SessionId>,
    /// Listed reports that another meeting has.
    elsewhere: BTreeSet<ReportId>,
    /// Whose the listed reports are.
    pub(super) decided: Decided,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(context: &FetchContext, meeting: &'a Meeting) -> Self {
        let occurrences = meeting.occurrences.clone();
        let ids = occurrences
            .iter()
            .map(|occurrence| occurrence.session_id(&context.tenant))
            .collect();
        let mut candidates = Self {
            meeting,
            occurrences,
            ids,
            elsewhere: BTreeSet::new(),
            decided: Decided::default(),
        };
        candidates.add_known(context);
        candidates
    }

    /// Adds what is published of the meeting and not among them.
    pub(super) fn add_known(&mut self, context: &FetchContext) {
        let Some(key) = self.meeting.door.key() else {
            return;
        };
        let mut had: BTreeSet<SessionId> = self.ids.iter().cloned().collect();
        for (id, known) in context.known.sessions_of(&key) {
            if had.insert(id.clone()) {
                self.occurrences.push(known.occurrence.clone());
                self.ids.push(id.clone());
            }
        }
    }

    /// Adds what is published of the same online meeting under another link.
    pub(super) fn add_published(&mut self, context: &FetchContext, event_id: &EventId) {
        if self.meeting.source != Source::OnlineMeeting {
            return;
        }
        for (id, known) in context.known.sessions_of_online_meeting(event_id) {
            if !self.ids.contains(id) {
                self.occurrences.push(known.occurrence.clone());
                self.ids.push(id.clone());
            }
        }
    }

    /// The meeting's id as it was published with one of its sessions, or with a report of one that has no row yet.
    pub(super) fn known_event_id(&self, context: &FetchContext) -> Option<EventId> {
        let known = &context.known;
        let of_session = |id| known.session(id)?.event_id.clone();
        let of_report = |id| {
            let reports = known.reports_of(id).iter();
            reports
                .filter_map(|report| known.report(report))
                .find_map(|report| report.event_id.clone())
        };
        let ids = self.ids.iter();
        ids.clone()
            .find_map(of_session)
            .or_else(|| ids.clone().find_map(of_report))
            .or_else(|| self.meeting.event_id.clone())
    }

    pub(super) fn session_at(&self, index: usize) -> Option<(&SessionId, &Occurrence)> {
        self.ids.get(index).zip(self.occurrences.get(index))
    }

    /// The found occurrences whose rows this chunk writes: those scheduled in it, published ones near it, and late calls.
    pub(super) fn to_publish(&self, context: &FetchContext) -> impl Iterator<Item = usize> {
        let ids = self.ids.iter().take(self.meeting.occurrences.len());
        ids.zip(&self.occurrences)
            .enumerate()
            .filter_map(|(index, (id, occurrence))| {
                let is_ours = context.interval.contains(occurrence.scheduled_start);
                // discovery hands on a call from outside the interval only where it is to be published
                let is_published =
                    context.known.session(id).is_some() || occurrence.is_of_call_alone();
                (is_ours || is_published).then_some(index)
            })
    }

    /// Whether anything of the meeting is missing, as the reprocess rule has it.
    pub(super) fn is_to_be_asked(&self, context: &FetchContext) -> bool {
        let is_refused = |session: &KnownSession| {
            matches!(
                session.attendance_state,
                AttendanceState::Failed | AttendanceState::Forbidden
            )
        };
        let days = context.interval.days(&context.timezone);
        // a report lies on its own day, which may be a neighbour of its session's
        let has_gap_here = |id: &SessionId| {
            let mut missing_from = context.known.days_with_open_gap(id);
            missing_from.any(|day| days.contains(&day))
        };
        // one that was moved is another appointment
        let is_done = |session: &KnownSession, occurrence: &Occurrence| {
            session.is_final
                && session.occurrence.ends_at() == occurrence.ends_at()
                && !context.is_looked_at_again(session)
        };
        let found = self
            .ids
            .iter()
            .zip(&self.occurrences)
            .take(self.meeting.occurrences.len());
        self.meeting.asking == Asking::Always
            || found.into_iter().any(|(id, occurrence)| {
                let Some(session) = context.known.session(id) else {
                    return true;
                };
                let is_ours =
                    context.asks_again || context.interval.contains(occurrence.scheduled_start);
                match context.reprocess {
                    Reprocess::All => true,
                    // what was refused on a neighbouring day is that day's matter
                    Reprocess::Missing => {
                        !is_done(session, occurrence) && (is_ours || !is_refused(session))
                    }
                    Reprocess::Failed => (is_ours && is_refused(session)) || has_gap_here(id),
                }
            })
    }

    /// The candidate a report belongs to; `None` where it is another meeting's, or of an occurrence that is none of these.
    fn candidate(&self, entry: &ReportEntry) -> Option<usize> {
        if self.elsewhere.contains(&entry.report_id) {
            return None;
        }
        self.decided.owner(&entry.report_id)
    }

    pub(super) fn session(
        &self,
        context: &FetchContext,
        candidate: usize,
    ) -> Option<AttributedSession> {
        let occurrence = self.occurrences.get(candidate)?;
        Some(AttributedSession {
            session_id: self.ids.get(candidate)?.clone(),
            event_date: context.timezone.event_date(occurrence.scheduled_start),
            scheduled_start: occurrence.scheduled_start,
            subject: occurrence.subject.clone(),
        })
    }

    /// The listed reports that this chunk fetches: those it accepts, unless they are published and unchanged.
    pub(super) fn choose(
        &mut self,
        context: &FetchContext,
        event_id: &EventId,
        listing: &Listing,
    ) -> Vec<Wanted> {
        let wanted = |entry: &&ReportEntry| {
            let candidate = self.candidate(entry)?;
            let occurrence = self.occurrences.get(candidate)?;
            let starts = listing.held_from(entry);
            let starts = starts.unwrap_or(occurrence.scheduled_start);
            let day = context.timezone.event_date(occurrence.scheduled_start);
            let is_published = context.known.report(&entry.report_id).is_some_and(|known| {
                // its row names the day of its session
                let has_moved = known
                    .session
                    .as_ref()
                    .is_some_and(|(id, on)| self.ids.get(candidate) == Some(id) && *on != day);
                // fewer records than it counts: while its session is not final there may be more
                let may_grow = known.is_short() && self.is_open(context, candidate);
                let goes_over = self.entry_with(context, entry).is_some();
                let is_as_listed = entry.says_nothing_new(&known.entry) && !known.is_torn;
                is_as_listed && !has_moved && !may_grow && !goes_over
            });
            // its entry cannot tell whether its records changed, and they are here already
            let is_here = entry.is_latest();
            let is_asked_again = match context.reprocess {
                Reprocess::All => true,
                Reprocess::Missing => false,
                Reprocess::Failed => context.known.has_open_gap_on_report(&entry.report_id),
            };
            // one that is near its session is fetched again with its own day
            let is_of_here = context.accepts.contains(starts) || !is_near(Some(starts), occurrence);
            let is_certain = !self.decided.is_undecided(&entry.report_id);
            (is_certain
                && self.accepts(context, candidate, starts)
                && (!is_published || (is_asked_again && is_of_here) || is_here))
                .then(|| Wanted {
                    entry: (*entry).clone(),
                    candidate,
                })
        };
        let wanted = listing.entries.iter().filter_map(|entry| wanted(&entry));
        let (wanted, elsewhere): (Vec<_>, Vec<_>) =
            wanted.partition(|wanted| context.owners.has(event_id, &wanted.entry.report_id));
        let elsewhere = elsewhere.into_iter().map(|other| other.entry.report_id);
        self.elsewhere.extend(elsewhere);
        wanted
    }

    /// Whether the candidate's session is not final yet.
    fn is_open(&self, context: &FetchContext, candidate: usize) -> bool {
        let id = self.ids.get(candidate);
        let known = id.and_then(|id| context.known.session(id));
        known.is_none_or(|session| !session.is_final)
    }

    /// The open gaps on reports of the sessions that a list read to its end no longer shows: they are deleted, or behind newer ones.
    pub(super) fn vanished(
        &self,
        context: &FetchContext,
        listing: &Listing,
        cap: usize,
    ) -> Vec<Vanished> {
        if listing.cut.is_some() {
            return Vec::new();
        }
        let is_full = listing.entries.len() >= cap;
        let is_listed = |id: &ReportId| {
            { listing.entries.iter() }.any(|entry| entry.report_id.folded() == id.folded())
        };
        let gaps = self
            .ids
            .iter()
            .flat_map(|id| context.known.open_gaps_of(id));
        let gaps = gaps.filter(|(_, row)| {
            let report = row.report_id.as_deref().map(ReportId::new);
            row.record_index.is_none() && report.is_some_and(|report| !is_listed(&report))
        });
        gaps.map(|(gap_id, _)| Vanished {
            gap_id: gap_id.clone(),
            reason: if is_full {
                GapReason::OverCap
            } else {
                GapReason::Request(FailureReason::Gone)
            },
        })
        .collect()
    }

    /// The sessions with an open gap on a report that the list no longer shows, where one such list does not prove that it is gone.
    fn vanished_from(&self, context: &FetchContext, listing: &Listing) -> BTreeSet<SessionId> {
        let is_listed = |id: &str| { listing.entries.iter() }.any(|of| of.report_id.as_str() == id);
        let is_missing = |id: &&SessionId| {
            let mut gaps = context.known.open_gaps_of(id);
            gaps.any(|(_, row)| {
                let report = row.report_id.as_deref();
                row.record_index.is_none()
                    && report.is_some_and(|report| !is_listed(report))
                    && !gap::is_final(row)
            })
        };
        self.ids.iter().filter(is_missing).cloned().collect()
    }

    pub(super) fn verdicts(
        &self,
        context: &FetchContext,
        (listing, cap): (&Listing, usize),
        wanted: &[Wanted],
        (lost, short): (&[LostReport], &BTreeSet<ReportId>),
    ) -> Vec<SessionVerdict> {
        let wanted: BTreeSet<&ReportId> = wanted
            .iter()
            .map(|wanted| &wanted.entry.report_id)
            .collect();
        let lost: BTreeSet<_> = lost
            .iter()
            .map(|lost| lost.entry.report_id.folded())
            .collect();
        let mut by_candidate: HashMap<usize, Vec<&ReportEntry>> = HashMap::new();
        for entry in &listing.entries {
            if let Some(candidate) = self.candidate(entry) {
                by_candidate.entry(candidate).or_default().push(entry);
            }
        }
        let dated = listing.entries.iter().filter(|entry| entry.start.is_some());
        let oldest = dated.min_by_key(|entry| entry.start);
        let vanished = self.vanished_from(context, listing);
        let is_always = self.meeting.asking == Asking::Always;
        let has_wanted = |index: &usize| {
            let entries = by_candidate.get(index).into_iter().flatten();
            { entries }.any(|entry| wanted.contains(&entry.report_id))
        };
        // a report's session always has a row that knows of it, whichever day it is of
        let mut published: BTreeSet<usize> = self.to_publish(context).collect();
        published.extend((0..self.occurrences.len()).filter(has_wanted));
        published
            .into_iter()
            .filter_map(|index| {
                let (id, occurrence) = (self.ids.get(index)?, self.occurrences.get(index)?);
                let listed = by_candidate
                    .get(&index)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let is_known =
                    |entry: &ReportEntry| context.known.report(&entry.report_id).is_some();
                // a report of a day that this chunk does not cover counts once that day's run has published it
                let counted: Vec<_> = listed
                    .iter()
                    .filter(|entry| {
                        is_always || is_known(entry) || wanted.contains(&entry.report_id)
                    })
                    .collect();
                let published = context.known.reports_of(id);
                let is_forgotten = |id: &&ReportId| {
                    !counted
                        .iter()
                        .any(|entry| *entry.report_id.folded() == **id)
                };
                let forgotten: Vec<_> = published
                    .iter()
                    .filter(is_forgotten)
                    .filter_map(|id| context.known.report(id))
                    .collect();
                let entries = counted
                    .iter()
                    .map(|entry| **entry)
                    .chain(forgotten.iter().map(|known| &known.entry));
                let is_missing = |entry: &ReportEntry| {
                    let is_fetched = wanted.contains(&entry.report_id)
                        && !lost.contains(&entry.report_id.folded());
                    let is_related = wanted.contains(&entry.report_id)
                        || is_near(listing.held_from(entry), occurrence);
                    let is_given_up = context.known.is_lost(id, &entry.report_id);
                    !is_given_up
                        && (lost.contains(&entry.report_id.folded())
                            || (is_related && !is_fetched && !is_known(entry)))
                };
                let gap = context.known.gap_on_session(id);
                let has_vanished = { vanished.iter() }.any(|of| of == id);
                let oldest_start = oldest.and_then(|oldest| oldest.start);
                let starts_at = occurrence.scheduled_start;
                let seen = ListSeen {
                    reports: listing.entries.len(),
                    cap,
                    oldest: oldest_start,
                    of_session: listed.len(),
                    // a list that was found cut then is cut still
                    had_oldest_before: oldest.is_some_and(is_known)
                        && gap.is_none_or(|gap| gap.reason != GapReason::OverCap.as_str()),
                };
                let sighting = Sighting {
                    reports: counted.len() + forgotten.len(),
                    newest_end: entries.filter_map(|entry| entry.end.or(entry.start)).max(),
                    // a report that nothing can be asked about may be this session's
                    has_unpublished: listed.iter().any(|entry| is_missing(entry))
                        || (listing.unusable > 0 && listed.is_empty())
                        || has_vanished,
                    has_short: counted.iter().any(|entry| short.contains(&entry.report_id)),
                    reach: Reach::of(seen, starts_at, occurrence.ends_at()),
                    reaches_start: seen.reaches(starts_at),
                    ..self.sighting(context, index)?
                };
                Some(match &listing.cut {
                    None => context.settle.listed(index, &sighting, context.now),
                    Some(error) if sighting.reports == 0 => {
                        context.settle.refused(index, &sighting, error, context.now)
                    }
                    Some(error) => {
                        { context.settle }.listed_in_part(index, &sighting, error, context.now)
                    }
                })
            })
            .collect()
    }

    /// What is known of a session before anything is asked.
    fn sighting<'k>(&self, context: &'k FetchContext, index: usize) -> Option<Sighting<'k>> {
        let (id, occurrence) = self.session_at(index)?;
        Some(Sighting {
            ends_at: occurrence.ends_at(),
            is_cancelled: occurrence.is_cancelled == Some(true),
            reports: context.known.reports_of(id).len(),
            newest_end: None,
            has_unpublished: false,
            has_short: false,
            reach: Reach::default(),
            reaches_start: false,
            published: context.known.session(id).map(KnownSession::published),
            gap: context.known.gap_on_session(id),
        })
    }

    /// The verdicts on sessions that cannot be asked about by what was found of them.
    pub(super) fn closed(
        &self,
        context: &FetchContext,
        reason: &'static str,
    ) -> Vec<SessionVerdict> {
        let verdict = |index| {
            let sighting = self.sighting(context, index)?;
            Some({ context.settle }.closed(index, &sighting, reason, context.now))
        };
        self.to_publish(context).filter_map(verdict).collect()
    }

    /// What is published of sessions about which nothing is asked.
    pub(super) fn unchanged(&self, context: &FetchContext) -> Vec<SessionVerdict> {
        let verdict = |index| {
            let session = context.known.session(self.ids.get(index)?)?;
            Some(SessionVerdict::unchanged(index, session.published()))
        };
        self.to_publish(context).filter_map(verdict).collect()
    }

    pub(super) fn refusals(
        &self,
        context: &FetchContext,
        error: &GraphError,
    ) -> Vec<SessionVerdict> {
        let is_always = self.meeting.asking == Asking::Always;
        let mut published: BTreeSet<usize> = self.to_publish(context).collect();
        if is_always {
            published.extend(0..self.meeting.occurrences.len());
        }
        published
            .into_iter()
            .filter_map(|index| {
                let occurrence = self.occurrences.get(index)?;
                let is_ours = context.asks_again
                    || is_always
                    || context.interval.contains(occurrence.scheduled_start);
                if !is_ours {
                    return None;
                }
                let sighting = self.sighting(context, index)?;
                Some({ context.settle }.refused(index, &sighting, error, context.now))
            })
            .collect()
    }
}
