//! Whose the listed reports are: from what the chunk found, what is published on any day, and what the calendar shows around them.
//!
//! ```text
//! found and known of these days ─► published on other days ─► the calendar around far reports ─► owner, none of these, or not yet
//!                                  only where they may be      only where one may be this
//!                                  of the chunk                chunk's, once an organizer
//! ```
//!
//! Where the calendar cannot be read now, such a report waits with a gap. A meeting that no calendar shows (calls, the job's list) is
//! decided by what the warehouse knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::candidates::Candidates;
use super::reports::Listing;
use super::{FetchContext, Fetched};
use crate::attendance::attribution::{HeldTime, Owner, Published, is_near, owner};
use crate::discover::{Door, MARGIN, hull};
use crate::flatten::{Occurrence, ReportEntry, Way};
use crate::graph::GraphError;
use crate::ids::{EventId, ReportId, SessionId};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::ledger::Sought;
use crate::time::{DAY, EventDate, UtcMicros};

/// So far around a report the calendar is asked at first; what is farther, only where nothing is nearer.
const FIRST_REACH: i64 = 31 * DAY;
/// Farther than that no calendar is asked: reports are kept for a year, and Graph reads five years at once.
const LAST_REACH: i64 = 400 * DAY;

/// Whose each listed report is.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// By the spelling that ids are compared in.
    owners: HashMap<ReportId, Owner>,
    /// Between which times the calendar was asked beside the chunk's window.
    asked: Option<DataInterval>,
    /// Why it cannot be asked now.
    failed: Option<Arc<GraphError>>,
    /// Whether it never will be.
    has_no_calendar: bool,
    /// From here on occurrences were learned from it.
    learned_from: Option<usize>,
}

impl Decided {
    /// Whose the report is, as far as it can be told.
    pub(super) fn owner(&self, report: &ReportId) -> Option<usize> {
        match self.owners.get(report.folded().as_ref())? {
            Owner::Of(index) | Owner::Undecided { guess: index, .. } => Some(*index),
            Owner::OfAnother => None,
        }
    }

    /// Whether that may turn out to be wrong.
    pub(super) fn is_undecided(&self, report: &ReportId) -> bool {
        let owner = self.owners.get(report.folded().as_ref());
        matches!(owner, Some(Owner::Undecided { .. }))
    }

    fn is_learned(&self, index: usize) -> bool {
        self.learned_from.is_some_and(|first| first <= index)
    }

    /// Why some reports wait.
    pub(super) fn failed(&self) -> Option<&Arc<GraphError>> {
        self.failed.as_ref()
    }
}

/// The context with what the days hold of the meeting, where they hold more; days that are known already are not read.
async fn with_days(
    context: &FetchContext,
    sought: Sought,
    mut days: BTreeSet<EventDate>,
) -> Option<FetchContext> {
    days.retain(|day| !context.known.has_read(*day));
    let beyond = context.beyond.clone().filter(|_| !days.is_empty())?;
    let look = move || beyond.elsewhere.look(&beyond.warehouse, &days, &sought);
    let known = match tokio::task::spawn_blocking(look).await {
        Ok(Ok(known)) => known,
        Ok(Err(error)) => {
            // that ends the run, so what is decided without it is published nowhere
            context.fetched.send(Fetched::Broken(error)).await.ok();
            return None;
        }
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // the runtime ends
        Err(_) => return None,
    };
    (!known.is_nothing()).then(|| FetchContext {
        known: Arc::new(known.over(&context.known)),
        ..context.clone()
    })
}

/// The session that a published report of the chunk's days names, and its day, where it is not known.
fn session_without_row<'c>(
    context: &'c FetchContext,
    listing: &Listing,
    entry: &ReportEntry,
) -> Option<&'c (SessionId, EventDate)> {
    let known = context.known.report(&entry.report_id)?;
    let starts = listing.held_from(entry)?;
    let session = known.session.as_ref();
    session
        .filter(|(id, _)| context.accepts.contains(starts) && context.known.session(id).is_none())
}

impl Candidates<'_> {
    /// Reads the own days of occurrences that began before the days that are known, such as an entry of a week.
    pub(super) async fn know_own_days(&self, context: &FetchContext) -> Option<FetchContext> {
        let days = { self.occurrences.iter() }
            .map(|occurrence| context.timezone.event_date(occurrence.scheduled_start));
        let days = days.collect();
        with_days(context, self.sought(None), days).await
    }

    fn sought(&self, online_meeting: Option<&EventId>) -> Sought {
        let is_online = self.meeting.source == Source::OnlineMeeting;
        Sought {
            meeting: self.meeting.door.key(),
            online_meeting: online_meeting.filter(|_| is_online).cloned(),
            sessions: self.ids.iter().cloned().collect(),
            ..Sought::default()
        }
    }

    /// Decides whose each listed report is; the context with what had to be read for that, if anything had.
    pub(super) async fn decide(
        &mut self,
        context: &FetchContext,
        event_id: &EventId,
        listing: &Listing,
    ) -> Option<FetchContext> {
        let more = self.know_reports(context, event_id, listing).await;
        let wider = more.as_ref().unwrap_or(context);
        self.decide_all(wider, listing);
        for reach in [FIRST_REACH, LAST_REACH] {
            let Some(window) = self.to_be_asked_around(wider, listing, reach) else {
                break;
            };
            self.ask_calendar(wider, window).await;
            self.decide_all(wider, listing);
        }
        self.forget_guesses(wider, listing);
        if self.decided.learned_from.is_none() {
            return more;
        }
        // what was learned may be published already
        let more = self.know_own_days(wider).await.or(more);
        self.keep_ways(more.as_ref().unwrap_or(context));
        more
    }

    /// Reads the days on which listed reports may be published that are not known, and those of the sessions they name.
    async fn know_reports(
        &mut self,
        context: &FetchContext,
        event_id: &EventId,
        listing: &Listing,
    ) -> Option<FetchContext> {
        self.decide_all(context, listing);
        let mut sought = self.sought(Some(event_id));
        let mut days = BTreeSet::new();
        for entry in &listing.entries {
            let may_be_ours = || {
                let starts = listing.held_from(entry)?;
                let guess = self.decided.owner(&entry.report_id)?;
                self.accepts(context, guess, starts).then_some(starts)
            };
            if context.known.report(&entry.report_id).is_none()
                && let Some(starts) = may_be_ours()
            {
                let day = context.timezone.event_date(starts);
                days.extend((-1..=1).map(|more| day.plus_days(more)));
                sought.reports.insert(entry.report_id.clone());
            }
        }
        let reports = with_days(context, sought, days).await;
        let wider = reports.as_ref().unwrap_or(context);
        let mut sought = self.sought(Some(event_id));
        let mut days = BTreeSet::new();
        for entry in &listing.entries {
            let entry_of_event = || self.session_not_known(wider, entry);
            let session = session_without_row(wider, listing, entry).or_else(entry_of_event);
            if let Some((id, day)) = session {
                days.insert(*day);
                sought.sessions.insert(id.clone());
            }
        }
        let more = with_days(wider, sought, days).await.or(reports);
        let wider = more.as_ref().unwrap_or(context);
        self.add_known(wider);
        self.add_published(wider, event_id);
        more
    }

    fn decide_all(&mut self, context: &FetchContext, listing: &Listing) {
        let entries = listing.entries.iter();
        let owners = entries.map(|entry| {
            let id = entry.report_id.folded().into_owned();
            (id, self.owner_of(context, listing, entry))
        });
        self.decided.owners = owners.collect();
    }

    fn owner_of(&self, context: &FetchContext, listing: &Listing, entry: &ReportEntry) -> Owner {
        let held = HeldTime {
            start: listing.held_from(entry),
            end: entry.end,
        };
        let known = context.known.report(&entry.report_id);
        let published = known.and_then(|known| known.session.as_ref());
        let published = match published {
            None => Published::No,
            Some((id, _)) => match self.ids.iter().position(|candidate| candidate == id) {
                Some(index) => Published::With(index),
                // of a session without a row nothing would ever be fetched again
                None if session_without_row(context, listing, entry).is_some() => Published::No,
                None if self.entry_with(context, entry).is_some() => Published::WithEntry,
                None => Published::Elsewhere,
            },
        };
        let window = context.interval.widened(MARGIN);
        let covers = |had: &DataInterval, from: UtcMicros, until: UtcMicros| {
            had.start() <= from && until <= had.end()
        };
        let has_calendar = self.has_calendar(context);
        owner(
            held,
            published,
            &self.occurrences,
            &context.timezone,
            |from, until| {
                let asked = self.decided.asked.as_ref();
                !has_calendar
                    || covers(&window, from, until)
                    || asked.is_some_and(|asked| covers(asked, from, until))
            },
            // calls of the margins are the neighbouring chunks'
            |at| context.interval.contains(at),
        )
    }

    /// Whether the job reads the calendar that the meeting is in.
    fn has_calendar(&self, context: &FetchContext) -> bool {
        let has = { context.beyond.as_ref() }.is_some_and(|beyond| beyond.calendars.is_some());
        let in_calendar = |occurrence: &Occurrence| {
            let mut ways = occurrence.discovered_by.iter();
            ways.any(|way| way == Way::Calendar.as_str())
        };
        has && !self.decided.has_no_calendar && self.meeting.occurrences.iter().any(in_calendar)
    }

    /// The reports that wait, each with the best that is known.
    pub(super) fn undecided<'l>(
        &self,
        listing: &'l Listing,
    ) -> impl Iterator<Item = (&'l ReportEntry, usize)> {
        listing.entries.iter().filter_map(|entry| {
            let is_undecided = self.decided.is_undecided(&entry.report_id);
            let guess = self.decided.owner(&entry.report_id)?;
            is_undecided.then_some((entry, guess))
        })
    }

    /// Between which times the calendar has to be known for what this chunk may take.
    fn to_be_asked_around(
        &self,
        context: &FetchContext,
        listing: &Listing,
        reach: i64,
    ) -> Option<DataInterval> {
        if self.decided.failed.is_some() {
            return None;
        }
        let around = |entry: &ReportEntry| {
            let starts = listing.held_from(entry)?;
            let owner = self.decided.owners.get(entry.report_id.folded().as_ref())?;
            let Owner::Undecided { guess, from, until } = *owner else {
                return None;
            };
            if !self.accepts(context, guess, starts) {
                return None;
            }
            // from one midnight to another, so that meetings of one organizer ask alike
            let from = from.max(starts.plus(-reach));
            let until = until.min(starts.plus(reach));
            let day = |at: UtcMicros| UtcMicros(at.0.div_euclid(DAY) * DAY);
            DataInterval::new(day(from), day(until).plus(DAY))
        };
        let windows = listing.entries.iter().filter_map(around);
        windows.reduce(hull)
    }

    /// Takes in what the organizer's calendar shows of the meeting between two times.
    async fn ask_calendar(&mut self, context: &FetchContext, window: DataInterval) {
        let calendars = context
            .beyond
            .as_ref()
            .and_then(|beyond| beyond.calendars.as_ref());
        let (Some(calendars), Some(organizer), Door::JoinUrl(_, link)) =
            (calendars, &self.meeting.organizer, &self.meeting.door)
        else {
            self.decided.has_no_calendar = true;
            return;
        };
        let window = self
            .decided
            .asked
            .map_or(window, |asked| hull(asked, window));
        match calendars.entries(organizer, link, window).await {
            Ok(entries) => {
                self.decided.asked = Some(window);
                let first = self.occurrences.len();
                for entry in entries {
                    let is_same = |had: &Occurrence| {
                        had.occurrence_id == entry.occurrence_id
                            && had.scheduled_start == entry.scheduled_start
                    };
                    if !self.occurrences.iter().any(is_same) {
                        self.ids.push(entry.session_id(&context.tenant));
                        self.occurrences.push(entry);
                    }
                }
                if first < self.occurrences.len() {
                    self.decided.learned_from.get_or_insert(first);
                }
            }
            Err(error) if error.is_transient() => self.decided.failed = Some(error),
            // it will not be had later either
            Err(_) => self.decided.has_no_calendar = true,
        }
    }

    /// What is not this chunk's is nobody's here; only what waits stays undecided.
    fn forget_guesses(&mut self, context: &FetchContext, listing: &Listing) {
        let mut of_others = Vec::new();
        for (entry, guess) in self.undecided(listing) {
            let starts = listing.held_from(entry);
            let is_ours = starts.is_some_and(|starts| self.accepts(context, guess, starts));
            if !is_ours || self.decided.failed.is_none() {
                of_others.push(entry.report_id.folded().into_owned());
            }
        }
        for id in of_others {
            self.decided.owners.insert(id, Owner::OfAnother);
        }
    }

    /// The ways that found a published session before stay, whatever shows it now.
    fn keep_ways(&mut self, context: &FetchContext) {
        let first = self.decided.learned_from.unwrap_or(self.ids.len());
        for (id, occurrence) in self.ids.iter().zip(&mut self.occurrences).skip(first) {
            let known = context.known.session(id);
            let ways = known
                .iter()
                .flat_map(|known| &known.occurrence.discovered_by);
            ways.for_each(|way| occurrence.found_by(way));
        }
    }

    /// Whether a report of that start is this chunk's, were it that candidate's.
    ///
    /// A report comes with the session that it belongs to, and with its own day: on that day nobody else may look for it, and the
    /// session would never be whole without it. A scheduled run takes what is late for sessions that it asks again, and what was held
    /// long after a published one; what is older than the run looks back is left to a backfill.
    pub(super) fn accepts(&self, context: &FetchContext, index: usize, starts: UtcMicros) -> bool {
        let Some((id, occurrence)) = self.session_at(index) else {
            return false;
        };
        let known = context.known.session(id);
        let is_single = occurrence.series_id.is_none() && !occurrence.is_of_call_alone();
        let is_in_interval = context.interval.contains(occurrence.scheduled_start);
        // before what was discovered, on a day that no run covered, only a session of that day is surely the report's own
        let is_of_known_day = is_single
            || (context.discovers && starts >= context.interval.start().plus(-DAY))
            || context.known.covers(context.timezone.event_date(starts))
            || occurrence.is_held_at(starts, &context.timezone);
        let is_of_session = is_in_interval
            && (is_single
                || !context.asks_again
                || (is_of_known_day && is_near(Some(starts), occurrence)));
        let is_open = known.is_some_and(|known| !known.is_final);
        let is_late = is_open && occurrence.scheduled_start < context.interval.start();
        let is_long_after = known.is_some() && starts > occurrence.ends_at().plus(DAY);
        let is_of_earlier_session = context.asks_again
            && is_of_known_day
            && starts < context.interval.end()
            && (is_late || is_long_after);
        let is_of_the_days = context.accepts.contains(starts) && is_of_known_day;
        let is_of_nobody = context.asks_again
            && self.decided.is_learned(index)
            && known.is_none()
            && starts < context.interval.start().plus(-DAY);
        (is_of_session || is_of_earlier_session || is_of_the_days) && !is_of_nobody
    }
}
