//! One meeting from its door to its outcome.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use super::candidates::{Candidates, Wanted};
use super::reports::{self, Had, Listing, ReportsPath};
use super::{
    AttributedSession, FetchContext, Fetched, FetchedReport, LostReport, MeetingOutcome, Resolved,
};
use crate::attendance::finality::is_short_for_good;
use crate::discover::{Door, Meeting, is_not_there};
use crate::flatten::ReportEntry;
use crate::graph::GraphError;
use crate::ids::{EventId, ReportId};
use crate::job::Source;
use crate::job::plan::{ReportsChoice, Reprocess};
use crate::ledger::{GapReason, KnownReport, MeetingKey};
use crate::time::EventDate;

/// Asks about a meeting and sends its whole reports and then its outcome.
pub async fn fetch_meeting(context: &FetchContext, meeting: Meeting) {
    fetch(context, meeting, None).await;
}

/// The same of a meeting whose id was asked for already.
pub async fn fetch_resolved(context: &FetchContext, resolved: Resolved) {
    fetch(context, resolved.meeting, resolved.refused).await;
}

async fn fetch(context: &FetchContext, meeting: Meeting, refused: Option<Arc<GraphError>>) {
    let meeting = Arc::new(meeting);
    let outcome = ask(context, &meeting, refused).await;
    // a closed channel means that the run has stopped
    context
        .fetched
        .send(Fetched::Meeting(Box::new(outcome)))
        .await
        .ok();
}

#[expect(
    clippy::too_many_lines,
    reason = "one meeting from its door to its outcome, step by step"
)]
async fn ask(
    context: &FetchContext,
    meeting: &Arc<Meeting>,
    unresolved: Option<Arc<GraphError>>,
) -> MeetingOutcome {
    let mut candidates = Candidates::of(context, meeting);
    let chunk = &context.known;
    let wider = candidates.know_own_days(context).await;
    let context = wider.as_ref().unwrap_or(context);
    candidates.add_known(context);
    let known_id = candidates.known_event_id(context);
    let mut outcome = MeetingOutcome {
        meeting: Arc::clone(meeting),
        occurrences: candidates.occurrences.clone(),
        event_id: known_id.clone(),
        sessions: Vec::new(),
        is_listed: false,
        refused: None,
        lost_reports: Vec::new(),
        vanished_reports: Vec::new(),
        gaps_elsewhere: Vec::new(),
        unusable_reports: 0,
        unusable_as: match context.reports {
            ReportsChoice::Latest if meeting.source == Source::OnlineMeeting => {
                GapReason::NoUsableTime
            }
            ReportsChoice::All | ReportsChoice::Latest => GapReason::ReportWithoutId,
        },
    };
    if let Door::Closed(reason) = meeting.door {
        outcome.sessions = candidates.closed(context, reason);
        return outcome;
    }
    if !candidates.is_to_be_asked(context) {
        outcome.sessions = candidates.unchanged(context);
        return outcome;
    }
    let Some(key) = meeting.door.key() else {
        return outcome;
    };
    let organizer = meeting.organizer.as_ref().map(|organizer| &organizer.id);
    let turn = context.access.turn(meeting.source, organizer).await;
    let refusal = context.access.refusal(meeting.source, organizer);
    let listed = match refusal.or(unresolved) {
        Some(error) => Err(NotListed {
            event_id: known_id,
            error,
        }),
        None => list(context, &key, known_id).await.inspect_err(|failed| {
            context.note_failure(meeting, &failed.error);
        }),
    };
    if listed.is_ok() {
        context.access.answered(organizer);
    }
    drop(turn);
    match listed {
        Ok((path, mut listing)) => {
            candidates.add_published(context, &path.event_id);
            // of one session alone each report is
            if candidates.occurrences.len() > 1 {
                reports::date_undated(context, &path, &mut listing).await;
            }
            let wider = candidates.decide(context, &path.event_id, &listing).await;
            let context = wider.as_ref().unwrap_or(context);
            let wanted = candidates.choose(context, &path.event_id, &listing);
            context.tally.reports_found.add(wanted.len() as u64);
            let (mut lost, short, kept) =
                fetch_wanted(context, meeting, &path, &listing, &candidates, &wanted).await;
            let is_missing = |of: &ReportId| {
                let mut lost = lost.iter();
                kept.contains(of) || lost.any(|lost| lost.entry.report_id.folded() == of.folded())
            };
            let gone_over = wanted.iter().map(|wanted| &wanted.entry);
            let gone_over = gone_over.filter(|entry| !is_missing(&entry.report_id));
            for entry in candidates.entries_left(context, gone_over, listing.cut.is_none()) {
                context.tally.sessions_found.add(1);
                // a closed channel means that the run has stopped
                { &context.fetched }
                    .send(Fetched::Meeting(Box::new(entry)))
                    .await
                    .ok();
            }
            lost.extend(waiting(context, &listing, &candidates));
            let missing = (lost.as_slice(), &short);
            outcome.sessions =
                candidates.verdicts(context, (&listing, path.cap()), &wanted, missing);
            outcome.vanished_reports = candidates.vanished(context, &listing, path.cap());
            let open_gaps = context.known.open_gaps_above(chunk);
            outcome.gaps_elsewhere = open_gaps
                .map(|(id, gap)| (id.clone(), gap.clone()))
                .collect();
            outcome.occurrences = candidates.occurrences;
            outcome.event_id = Some(path.event_id);
            outcome.is_listed = listing.cut.is_none();
            outcome.lost_reports = lost;
            outcome.unusable_reports = listing.unusable;
            outcome.refused = listing.cut;
        }
        Err(NotListed { event_id, error }) => {
            outcome.sessions = candidates.refusals(context, &error);
            outcome.event_id = event_id;
            outcome.refused = Some(error);
        }
    }
    outcome
}

/// A meeting whose reports could not be listed, with its id where it was resolved.
#[derive(Debug)]
struct NotListed {
    event_id: Option<EventId>,
    error: Arc<GraphError>,
}

async fn list(
    context: &FetchContext,
    meeting: &MeetingKey,
    known_id: Option<EventId>,
) -> Result<(ReportsPath, Listing), NotListed> {
    let not_listed = |event_id, error| NotListed {
        event_id,
        error: Arc::new(error),
    };
    let likely = match known_id {
        Some(_) => None,
        None => reports::likely_path(context, meeting),
    };
    if let Some(path) = likely {
        match reports::list(context, &path).await {
            Err(error) if is_not_there(&error) => {
                context.tally.ids_refused.add(1);
                tracing::debug!(
                    route = "derived",
                    "Graph does not know the id in the join link"
                );
            }
            answered => {
                context.tally.ids_derived.add(1);
                tracing::debug!(
                    route = "derived",
                    "the meeting's id was taken from its join link"
                );
                // a guess that Graph did not confirm is no id
                return answered
                    .map(|listing| (path, listing))
                    .map_err(|error| not_listed(None, error));
            }
        }
    }
    let path = reports::resolve(context, meeting, known_id)
        .await
        .map_err(|error| not_listed(None, error))?;
    let refused = match reports::list(context, &path).await {
        Ok(listing) => return Ok((path, listing)),
        Err(refused) => refused,
    };
    let owner = match meeting {
        MeetingKey::JoinUrl(organizer, link) => {
            reports::other_owner(context, organizer, link, &refused)
        }
        MeetingKey::OnlineMeeting(..) | MeetingKey::VirtualSession(..) => None,
    };
    let Some(owner) = owner else {
        return Err(not_listed(Some(path.event_id), refused));
    };
    let under_owner = ReportsPath::online_meeting(context, &owner, path.event_id.clone());
    match reports::list(context, &under_owner).await {
        Ok(listing) => Ok((under_owner, listing)),
        Err(error) if error.is_transient() => Err(not_listed(Some(path.event_id), error)),
        Err(_) => Err(not_listed(Some(path.event_id), refused)),
    }
}

/// A report that is missing in whole or in part.
enum Missing {
    Lost(Box<LostReport>),
    /// It came with fewer records than it counts.
    Short(ReportId),
    /// The same, and with fewer than are published, which stay.
    Kept(ReportId),
}

/// Fetches the wanted reports side by side, each in a slot of its own; returns those that could not be had whole, those that may
/// still grow, and which of these are left as they are published.
async fn fetch_wanted(
    context: &FetchContext,
    meeting: &Arc<Meeting>,
    path: &ReportsPath,
    listing: &Listing,
    candidates: &Candidates<'_>,
    wanted: &[Wanted],
) -> (Vec<LostReport>, BTreeSet<ReportId>, BTreeSet<ReportId>) {
    let missing: Vec<Missing> = stream::iter(wanted)
        .map(|wanted| async move {
            let session = candidates.session(context, wanted.candidate)?;
            let known = context.known.report(&wanted.entry.report_id);
            // its rows keep the spelling under which they are published
            let mut entry = wanted.entry.clone();
            if let Some(known) = known {
                entry.report_id = known.entry.report_id.clone();
            }
            // the semaphore is never closed
            let slot = Arc::clone(&context.slots).acquire_owned().await.ok()?;
            let had = match listing.here.get(&wanted.entry.report_id) {
                Some(here) => Ok(here.clone()),
                None => reports::adopt_or_fetch(context, path, &wanted.entry).await,
            };
            match had {
                Ok(had) => {
                    let short = shortage(context, &wanted.entry, known, &had);
                    if short == Some(Shortage::LessThanPublished) {
                        return Some(Missing::Kept(wanted.entry.report_id.clone()));
                    }
                    let missing = short.map(|_| Missing::Short(wanted.entry.report_id.clone()));
                    let fetched = FetchedReport {
                        meeting: Arc::clone(meeting),
                        event_id: path.event_id.clone(),
                        entry,
                        session,
                        published_event_date: known.map(|known| known.event_date),
                        bodies: had.bodies,
                        is_new: had.is_new,
                        slot,
                    };
                    // a closed channel means that the run has stopped
                    context
                        .fetched
                        .send(Fetched::Report(Box::new(fetched)))
                        .await
                        .ok();
                    missing
                }
                Err(error) => Some(Missing::Lost(Box::new(LostReport {
                    event_date: missing_from(context, &wanted.entry, known, &session),
                    entry,
                    session,
                    error: Arc::new(error),
                }))),
            }
        })
        .buffer_unordered(context.slots.available_permits().max(1))
        .filter_map(|missing| async { missing })
        .collect()
        .await;
    let (mut lost, mut short, mut kept) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for one in missing {
        match one {
            Missing::Lost(report) => lost.push(*report),
            Missing::Short(report) => {
                short.insert(report);
            }
            Missing::Kept(report) => {
                short.insert(report.clone());
                kept.insert(report);
            }
        }
    }
    (lost, short, kept)
}

/// How a report falls short of its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    /// It may grow.
    MayGrow,
    /// It has fewer records than what is published, which stays.
    LessThanPublished,
}

/// Whether a report came with fewer records than it counts, and that may change.
fn shortage(
    context: &FetchContext,
    entry: &ReportEntry,
    known: Option<&KnownReport>,
    had: &Had,
) -> Option<Shortage> {
    let records = had.short_of?;
    let known = known.filter(|known| !known.is_torn);
    // somebody who has everything fetched again gets what Graph has now, flagged
    let keeps_more = context.reprocess != Reprocess::All;
    if keeps_more && known.is_some_and(|known| known.records.count > records) {
        return Some(Shortage::LessThanPublished);
    }
    let before = known.map(|known| (known.records.count, known.fetched_at));
    let ended = entry.end.or(entry.start).unwrap_or(context.now);
    let age = (ended, context.settle.give_up_days);
    (!is_short_for_good(records, before, age, context.now)).then_some(Shortage::MayGrow)
}

/// The reports that wait until the calendar around them can be read.
fn waiting(
    context: &FetchContext,
    listing: &Listing,
    candidates: &Candidates<'_>,
) -> Vec<LostReport> {
    let Some(error) = candidates.decided.failed() else {
        return Vec::new();
    };
    let waiting = candidates.undecided(listing).filter_map(|(entry, guess)| {
        let session = candidates.session(context, guess)?;
        let known = context.known.report(&entry.report_id);
        Some(LostReport {
            event_date: missing_from(context, entry, known, &session),
            entry: entry.clone(),
            session,
            error: Arc::clone(error),
        })
    });
    waiting.collect()
}

/// The day a report that was not fetched is missing from.
fn missing_from(
    context: &FetchContext,
    entry: &ReportEntry,
    known: Option<&KnownReport>,
    session: &AttributedSession,
) -> EventDate {
    known.map_or_else(
        || {
            entry.start.map_or(session.event_date, |start| {
                context.timezone.event_date(start)
            })
        },
        |known| known.event_date,
    )
}
