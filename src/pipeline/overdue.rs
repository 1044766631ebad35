//! What a scheduled run owes to earlier days: calendars and lists that failed then, and sessions that are not final.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{RunControl, RunError, stoppable_file_work};
use crate::attendance::{Readable, ReadingScope, gap};
use crate::job::Source;
use crate::job::interval::DataInterval;
use crate::job::plan::{DiscoverBy, OnlineMeetingsPlan, RunPlan, SourcesPlan, UsersPlan, Verb};
use crate::ledger::{GapReason, GapStage, Known, KnownSession, read_open_gaps};
use crate::tables::GapRow;
use crate::time::{EventDate, UtcMicros};
use crate::warehouse::Warehouse;

/// What failed on some days: sources, and whose calendars; without an organizer, a whole list.
type Failed = BTreeSet<(Source, Option<String>)>;

/// What a job owes to earlier days: what it can know, and nothing that is another job's.
#[derive(Debug)]
pub(super) struct Owed<'a> {
    /// What it reads of each source.
    pub(super) scopes: &'a BTreeMap<Source, ReadingScope>,
    /// Whose sessions are its own, as far as that is known.
    pub(super) readable: &'a Readable,
}

impl Owed<'_> {
    /// Whether what a gap says was not discovered is read again: it may be filled by now, and by a job of this scope.
    fn has(&self, source: Source, gap: &GapRow<'_>) -> bool {
        let is_of_discovery = match GapStage::named(&gap.stage) {
            // a listed meeting, which has a session, is asked by every run
            Some(GapStage::Discover) => gap.session_id.is_none(),
            // its link is in the calendar
            Some(GapStage::ListReports) => gap.reason == GapReason::NoJoinUrl.as_str(),
            Some(GapStage::FetchRecords | GapStage::ReadRecord) | None => false,
        };
        let scope = self.scopes.get(&source);
        is_of_discovery
            && GapReason::named(&gap.reason).is_some_and(GapReason::is_read_again)
            && !gap::is_final(gap)
            && scope.is_some_and(|own| own.covers(gap.scope.as_deref()))
    }

    /// Whether an unsettled session may be one of the job's.
    fn may_ask(&self, session: &KnownSession) -> bool {
        let occurrence = &session.occurrence;
        let organizer = occurrence.organizer.as_ref().map(|owner| &owner.id);
        self.readable.has(occurrence.source, organizer)
            || self.readable.is_unresolved(occurrence.source)
    }
}

/// One chunk of a run: which days, and what is asked about them.
#[derive(Debug, Clone)]
pub(super) struct ChunkPlan {
    pub(super) interval: DataInterval,
    pub(super) sources: SourcesPlan,
    /// Whether all of the job's sources are read.
    pub(super) is_whole: bool,
    /// Sessions that are not final and begin before this are asked again.
    pub(super) unsettled_before: Option<UtcMicros>,
}

/// The chunks that read again what failed on days before `until` and may pass by itself, oldest first.
///
/// Only what failed is read: the calendars of those organizers, or a whole list.
pub(super) async fn failed_discoveries(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
    until: UtcMicros,
    owed: &Owed<'_>,
) -> Result<Vec<ChunkPlan>, RunError> {
    if plan.verb == Verb::Backfill {
        return Ok(Vec::new());
    }
    let timezone = &plan.warehouse.timezone;
    let back = i32::try_from(plan.rules.give_up_days).unwrap_or(i32::MAX);
    // of a day within which the interval begins, the first hours are earlier ones
    let last = timezone.event_date(UtcMicros(until.0 - 1)).plus_days(1);
    let days: Vec<_> = (last.plus_days(back.saturating_neg()).0..last.0)
        .map(EventDate)
        .collect();
    let warehouse = Arc::clone(warehouse);
    let reading = stoppable_file_work(control, move || read_open_gaps(&warehouse, &days));
    let mut failed: BTreeMap<EventDate, Failed> = BTreeMap::new();
    for (day, gap) in reading.await?.map_err(RunError::ledger)? {
        if let Some(source) = Source::named(&gap.source).filter(|source| owed.has(*source, &gap)) {
            let organizer = gap.organizer_id.as_deref().map(str::to_owned);
            failed.entry(day).or_default().insert((source, organizer));
        }
    }
    let mut chunks: Vec<(EventDate, EventDate, Failed)> = Vec::new();
    let longest = i32::try_from(plan.rules.chunk_days).unwrap_or(i32::MAX);
    for (day, what) in failed {
        match chunks.last_mut() {
            Some((first, last, all)) if last.plus_days(1) == day && day.0 - first.0 < longest => {
                *last = day;
                all.extend(what);
            }
            _ => chunks.push((day, day, what)),
        }
    }
    let chunk = |(first, last, what): (EventDate, EventDate, Failed)| {
        let end = timezone.midnight(last.plus_days(1)).min(until);
        Some(ChunkPlan {
            interval: DataInterval::new(timezone.midnight(first), end)?,
            sources: only(&plan.sources, &what),
            is_whole: false,
            unsettled_before: None,
        })
    };
    Ok(chunks.into_iter().filter_map(chunk).collect())
}

/// Where a run has no new day: a chunk without discovery, if a session up to `until` is not final.
pub(super) async fn unsettled_only(
    plan: &RunPlan,
    control: &RunControl,
    warehouse: &Arc<Warehouse>,
    until: UtcMicros,
    owed: &Owed<'_>,
) -> Result<Option<ChunkPlan>, RunError> {
    let timezone = &plan.warehouse.timezone;
    let last = timezone.event_date(until);
    let back = i32::try_from(plan.rules.give_up_days).unwrap_or(i32::MAX);
    let days: Vec<_> = (last.plus_days(back.saturating_neg()).0..last.0)
        .map(EventDate)
        .collect();
    let warehouse = Arc::clone(warehouse);
    let known = stoppable_file_work(control, move || Known::load(&warehouse, days)).await?;
    let known = known.map_err(RunError::ledger)?;
    let is_owed = known.sessions().any(|(_, session)| {
        !session.is_final && session.removed_at.is_none() && owed.may_ask(session)
    });
    let yesterday = DataInterval::new(timezone.midnight(last.plus_days(-1)), until);
    Ok(yesterday.filter(|_| is_owed).map(|interval| ChunkPlan {
        interval,
        sources: SourcesPlan {
            online_meetings: None,
            webinars: None,
            town_halls: None,
        },
        is_whole: false,
        unsettled_before: Some(until),
    }))
}

/// The sources that failed, cut down to the organizers whose calendars did, by all the ways of the job.
fn only(sources: &SourcesPlan, failed: &Failed) -> SourcesPlan {
    let has = |source| failed.iter().any(|(of, _)| *of == source);
    // whether a call is a virtual event's is not known before these are read
    let reads_calls = has(Source::OnlineMeeting)
        && sources
            .online_meetings
            .as_ref()
            .is_some_and(|plan| plan.discover.contains(&DiscoverBy::CallRecords));
    let organizers: Option<Vec<String>> = failed
        .iter()
        .filter(|(source, _)| *source == Source::OnlineMeeting)
        .map(|(_, organizer)| organizer.clone())
        .collect();
    let online_meetings = sources
        .online_meetings
        .as_ref()
        .filter(|_| has(Source::OnlineMeeting))
        .map(|plan| match organizers {
            Some(organizers) if plan.users != UsersPlan::Me => OnlineMeetingsPlan {
                users: UsersPlan::Listed(organizers),
                ..plan.clone()
            },
            // a list of users or calls failed, so whose calendars are missing is not known
            _ => plan.clone(),
        });
    SourcesPlan {
        online_meetings,
        webinars: sources
            .webinars
            .clone()
            .filter(|_| reads_calls || has(Source::Webinar)),
        town_halls: sources
            .town_halls
            .clone()
            .filter(|_| reads_calls || has(Source::TownHall)),
    }
}
