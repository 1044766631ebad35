//! What several ways found of one organizer, folded: one meeting a join link, one session a thing that was or should have been held.
//!
//! ```text
//! calendar entries ─┐
//! listed meetings  ─┼─► by join link ─► sessions ─► meetings to ask, each once
//! calls            ─┘        ▲
//! published sessions ────────┘
//! ```
//!
//! A call belongs to the occurrence it overlaps most, else to the nearest within a day, found now or published before; one without any
//! is a session of its own and keeps that row for good, also where a calendar shows its occurrence later. Ways add up: a session that
//! was once found by one stays found by it, so that reading less or later changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::listed::ListedOccurrence;
use super::{Asking, DiscoverContext, Door, Meeting};
use crate::attendance::attribution::{attribute, is_near};
use crate::flatten::{JoinLink, Occurrence, Organizer, Way};
use crate::ids::{EventId, SessionId};
use crate::job::Source;
use crate::ledger::{KnownSession, MeetingKey};
use crate::time::{DAY, UtcMicros, WarehouseTimezone};

/// What the ways of discovery found of one organizer.
#[derive(Debug, Default)]
pub(super) struct Finds {
    pub(super) calendar: Vec<Occurrence>,
    pub(super) listed: Vec<ListedOccurrence>,
    pub(super) calls: Vec<Occurrence>,
}

/// What becomes of a call that belongs to no other session.
#[derive(Debug, Default)]
pub(super) struct CallsAlone {
    /// It may be of a virtual event that could not be read, and would stay a session of its own for good.
    pub(super) are_held_back: bool,
    /// Whether one was held back.
    pub(super) is_missing: AtomicBool,
}

/// Those finds that share a join link.
#[derive(Debug, Default)]
struct Group {
    link: Option<String>,
    event_id: Option<EventId>,
    occurrences: Vec<Occurrence>,
    asking: Asking,
}

/// The meetings behind the finds, each with its sessions.
pub(super) fn fold(
    context: &DiscoverContext,
    organizer: &Organizer,
    finds: Finds,
    calls_alone: &CallsAlone,
) -> Vec<Meeting> {
    let mut folding = Folding {
        context,
        organizer,
        calls_alone,
        groups: BTreeMap::new(),
    };
    folding.add_calendar(finds.calendar);
    for listed in finds.listed {
        folding.add_listed(listed);
    }
    folding.add_calls(finds.calls);
    folding.into_meetings()
}

struct Folding<'a> {
    context: &'a DiscoverContext,
    organizer: &'a Organizer,
    calls_alone: &'a CallsAlone,
    groups: BTreeMap<String, Group>,
}

impl Folding<'_> {
    /// An entry that came on two pages counts once.
    fn add_calendar(&mut self, occurrences: Vec<Occurrence>) {
        let mut seen = BTreeSet::new();
        for occurrence in occurrences {
            let is_new = seen.insert((
                occurrence.occurrence_id.clone(),
                occurrence.scheduled_start,
                occurrence.join_web_url.clone(),
            ));
            if is_new {
                self.group_of(&occurrence).occurrences.push(occurrence);
            }
        }
        for group in self.groups.values_mut() {
            let known = published(self.context, self.organizer, group.link.as_deref());
            for occurrence in &mut group.occurrences {
                keep_row(self.context, occurrence, &known);
            }
        }
    }

    fn add_listed(&mut self, listed: ListedOccurrence) {
        let context = self.context;
        let own = listed.occurrence;
        let (window, interval) = (context.window(), context.interval);
        let group = self.group_of(&own);
        group.event_id = group.event_id.take().or_else(|| own.event_id.clone());
        if group.occurrences.is_empty() {
            let known = published(context, self.organizer, own.join_web_url.as_deref());
            let group = self.group_of(&own);
            let own_id = own.session_id(&context.tenant);
            let near = |(_, session): &&(SessionId, KnownSession)| {
                session.occurrence.scheduled_start < window.end()
                    && session.occurrence.ends_at() >= window.start()
            };
            let others = known
                .iter()
                .filter(|(id, session)| *id != own_id && !session.occurrence.is_of_call_alone());
            let others: Vec<_> = others.collect();
            let in_window: Vec<_> = others.iter().copied().filter(near).collect();
            let taken = if in_window.is_empty() {
                others
            } else {
                in_window
            };
            let is_known = known.iter().any(|(id, _)| *id == own_id);
            if taken.is_empty() || is_known {
                group.occurrences.push(own.clone());
            } else {
                let taken = taken
                    .into_iter()
                    .map(|(_, session)| session.occurrence.clone());
                group.occurrences.extend(taken);
            }
            let is_elsewhere = !interval.contains(own.scheduled_start);
            if listed.is_recurring || is_elsewhere {
                group.asking = Asking::Always;
            }
        }
        for occurrence in &mut self.group_of(&own).occurrences {
            found_by(context, occurrence, Way::Listed);
        }
    }

    fn add_calls(&mut self, calls: Vec<Occurrence>) {
        let context = self.context;
        for call in calls {
            let id = call.session_id(&context.tenant);
            let known = published(context, self.organizer, call.join_web_url.as_deref());
            let own = known.iter().find(|(known, _)| *known == id);
            // neither what another call left alone nor what is in the group already
            let group = self.group_of(&call);
            let grouped: BTreeSet<SessionId> = group
                .occurrences
                .iter()
                .map(|occurrence| occurrence.session_id(&context.tenant))
                .collect();
            let mut candidates: Vec<Occurrence> = group
                .occurrences
                .iter()
                .filter(|occurrence| !occurrence.is_of_call_alone())
                .cloned()
                .collect();
            let others = known.iter().filter(|(id, session)| {
                !grouped.contains(id) && !session.occurrence.is_of_call_alone()
            });
            candidates.extend(others.map(|(_, session)| session.occurrence.clone()));
            let matching = attribute(Some(call.scheduled_start), call.scheduled_end, &candidates)
                .and_then(|index| candidates.get(index))
                .filter(|occurrence| is_near(Some(call.scheduled_start), occurrence));
            match (matching, own) {
                (Some(matching), own) => {
                    let matching_id = matching.session_id(&context.tenant);
                    let is_published = known.iter().any(|(id, _)| *id == matching_id);
                    match own {
                        // published by itself before its occurrence was: the two are one row from now on
                        Some((own, _)) if !is_published => {
                            self.rename(&call, &matching_id, own);
                        }
                        Some((own, session)) if *own != matching_id => {
                            let occurrence = renewed(&call, session);
                            self.group_of(&call).occurrences.push(occurrence);
                        }
                        _ => self.mark(&call, matching.clone(), &matching_id),
                    }
                }
                (None, Some((_, session))) => {
                    let occurrence = renewed(&call, session);
                    self.group_of(&call).occurrences.push(occurrence);
                }
                (None, None) => {
                    if !self.is_to_be_published(&call) {
                        continue;
                    }
                    if self.calls_alone.are_held_back {
                        self.calls_alone.is_missing.store(true, Ordering::Relaxed);
                    } else {
                        self.group_of(&call).occurrences.push(call);
                    }
                }
            }
        }
    }

    /// A call of the margins belongs to the neighbouring days, whose occurrences are not all read here; a scheduled run takes one that
    /// came before its interval, as its record may not have been there when that day was read.
    fn is_to_be_published(&self, call: &Occurrence) -> bool {
        let interval = &self.context.interval;
        interval.contains(call.scheduled_start)
            || (self.context.takes_late_calls && call.scheduled_start < interval.start())
    }

    /// The occurrence goes on under the call's row.
    fn rename(&mut self, call: &Occurrence, from: &SessionId, to: &SessionId) {
        let tenant = &self.context.tenant;
        for occurrence in &mut self.group_of(call).occurrences {
            if occurrence.session_id(tenant) == *from {
                occurrence.published_as = Some(to.clone());
                occurrence.found_by(Way::CallRecords.as_str());
            }
        }
    }

    /// The session with that id was found by a call; one that only the warehouse showed is taken in.
    fn mark(&mut self, call: &Occurrence, matching: Occurrence, id: &SessionId) {
        let context = self.context;
        let group = self.group_of(call);
        let mut marked = false;
        for occurrence in &mut group.occurrences {
            if occurrence.session_id(&context.tenant) == *id {
                found_by(context, occurrence, Way::CallRecords);
                marked = true;
            }
        }
        if !marked {
            let mut matching = matching;
            found_by(context, &mut matching, Way::CallRecords);
            group.occurrences.push(matching);
        }
    }

    /// The group of an occurrence's link; what has neither link nor id stays by itself.
    fn group_of(&mut self, occurrence: &Occurrence) -> &mut Group {
        let key = match (&occurrence.join_web_url, &occurrence.event_id) {
            (Some(link), _) => JoinLink::key(link),
            (None, Some(id)) => format!("id {id}"),
            (None, None) => {
                let id = occurrence.session_id(&self.context.tenant);
                format!("alone {id}")
            }
        };
        let group = self.groups.entry(key).or_default();
        if group.link.is_none() {
            group.link.clone_from(&occurrence.join_web_url);
        }
        group
    }

    fn into_meetings(self) -> Vec<Meeting> {
        let mut meetings = Vec::new();
        let meeting = |door, event_id, asking, occurrences| Meeting {
            source: Source::OnlineMeeting,
            organizer: Some(self.organizer.clone()),
            door,
            event_id,
            asking,
            occurrences,
        };
        for group in self.groups.into_values() {
            let (closed, mut open): (Vec<_>, Vec<_>) = group
                .occurrences
                .into_iter()
                .map(|mut occurrence| {
                    keep_ways(self.context, &mut occurrence);
                    occurrence
                })
                .partition(|occurrence| occurrence.unsupported.is_some());
            for occurrence in closed {
                let reason = occurrence.unsupported.unwrap_or_default();
                meetings.push(meeting(
                    Door::Closed(reason),
                    None,
                    Asking::WhereMissing,
                    vec![occurrence],
                ));
            }
            if open.is_empty() {
                continue;
            }
            let owner = self.organizer.id.clone();
            let door = match (group.link, &group.event_id) {
                (Some(link), _) => Door::JoinUrl(owner, link),
                (None, Some(id)) => Door::OnlineMeeting(owner, id.clone()),
                (None, None) => Door::Closed("no_join_url"),
            };
            // there is mostly one, and room for four
            open.shrink_to_fit();
            meetings.push(meeting(door, group.event_id, group.asking, open));
        }
        meetings
    }
}

/// Whether a call is published, or anything of its meeting is found or known under its own organizer.
pub(super) fn has_own(
    context: &DiscoverContext,
    organizer: &Organizer,
    finds: &Finds,
    call: &Occurrence,
) -> bool {
    let key = |of: &Occurrence| of.join_web_url.as_deref().map(JoinLink::key);
    let link = key(call);
    let listed = finds.listed.iter().map(|listed| &listed.occurrence);
    let mut found = finds.calendar.iter().chain(listed);
    link.is_none()
        || found.any(|of| key(of) == link)
        || !published(context, organizer, call.join_web_url.as_deref()).is_empty()
}

/// Whether a call is of one of these entries, all of its link: the nearest within a day.
pub(super) fn is_of_one(call: &Occurrence, entries: &[Occurrence]) -> bool {
    attribute(Some(call.scheduled_start), call.scheduled_end, entries)
        .and_then(|index| entries.get(index))
        .is_some_and(|entry| is_near(Some(call.scheduled_start), entry))
}

/// The published sessions of a link, in a fixed order.
fn published(
    context: &DiscoverContext,
    organizer: &Organizer,
    link: Option<&str>,
) -> Vec<(SessionId, KnownSession)> {
    let Some(link) = link else { return Vec::new() };
    let key = MeetingKey::JoinUrl(organizer.id.clone(), link.to_owned());
    let mut known: Vec<_> = context
        .known
        .sessions_of(&key)
        .map(|(id, session)| (id.clone(), session.clone()))
        .collect();
    known.sort_by(|a, b| {
        (a.1.occurrence.scheduled_start, &a.0).cmp(&(b.1.occurrence.scheduled_start, &b.0))
    });
    known
}

/// An occurrence that was once folded into a call's row goes on under it, also where the call's record has expired since.
fn keep_row(
    context: &DiscoverContext,
    occurrence: &mut Occurrence,
    known: &[(SessionId, KnownSession)],
) {
    let id = occurrence.session_id(&context.tenant);
    if known.iter().any(|(known, _)| *known == id) || occurrence.occurrence_id.is_none() {
        return;
    }
    let same = known.iter().find(|(_, session)| {
        session.occurrence.occurrence_id == occurrence.occurrence_id
            && (session.occurrence.scheduled_start == occurrence.scheduled_start
                || was_of_utc(context, occurrence, &session.occurrence))
    });
    if let Some((id, _)) = same {
        occurrence.published_as = Some(id.clone());
    }
}

/// Whether an entry of whole days was once published under their midnights in UTC.
fn was_of_utc(context: &DiscoverContext, now: &Occurrence, published: &Occurrence) -> bool {
    let local = |utc: UtcMicros| {
        let day = WarehouseTimezone::utc().event_date(utc);
        (utc.0.rem_euclid(DAY) == 0).then(|| context.timezone.midnight(day))
    };
    published.ends_at() > published.scheduled_start
        && local(published.scheduled_start) == Some(now.scheduled_start)
        && local(published.ends_at()) == Some(now.ends_at())
}

/// A published call with what its record says now; what another way said of it stays.
fn renewed(call: &Occurrence, session: &KnownSession) -> Occurrence {
    if session.occurrence.is_of_call_alone() {
        call.clone()
    } else {
        session.occurrence.clone()
    }
}

/// Notes a way; a session that was of a call alone keeps the id it has as such.
fn found_by(context: &DiscoverContext, occurrence: &mut Occurrence, way: Way) {
    if occurrence.is_of_call_alone() && way != Way::CallRecords {
        occurrence.published_as = Some(occurrence.session_id(&context.tenant));
    }
    occurrence.found_by(way.as_str());
}

/// The ways that found a session before stay.
fn keep_ways(context: &DiscoverContext, occurrence: &mut Occurrence) {
    let id = occurrence.session_id(&context.tenant);
    if let Some(known) = context.known.session(&id) {
        let ways = &known.occurrence.discovered_by;
        if occurrence.is_of_call_alone() && ways.len() > 1 {
            occurrence.published_as = Some(id);
        }
        for way in ways {
            occurrence.found_by(way);
        }
    }
}
