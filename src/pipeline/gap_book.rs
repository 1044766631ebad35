//! The gaps of one chunk: those it met, and those it filled.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::staging_thread::StagingContext;
use crate::attendance::finality::{Answer, Evidence, Patience};
use crate::attendance::{MissingHours, gap};
use crate::discover::Meeting;
use crate::fetch::AttributedSession;
use crate::flatten::{Occurrence, ReportEntry};
use crate::graph::{FailureReason, GraphError};
use crate::ids::{GapId, SessionId, hashed};
use crate::ledger::{Gap, GapReason, GapStage, Notices, OpenGap, OpenGaps};
use crate::tables::{GapRow, Gaps};
use crate::time::EventDate;

/// Every gap once, whatever met it how often.
#[derive(Debug, Default)]
pub(super) struct GapBook {
    rows: BTreeMap<GapId, (EventDate, GapRow<'static>)>,
    /// Open ones of days that are not known otherwise.
    elsewhere: BTreeMap<GapId, (EventDate, GapRow<'static>)>,
    /// Those that are open, with the published ones of the chunk's days that nothing was asked about.
    pub(super) open: OpenGaps,
    /// Whether something was not asked because the run's time was over.
    pub(super) is_past_deadline: bool,
    /// Gaps that were not open before.
    pub(super) opened: u64,
    /// Gaps that were filled.
    pub(super) closed: u64,
    /// What to tell the user.
    pub(super) notices: Notices,
    /// A request that Graph refused although the token was renewed: nothing else was asked after it.
    pub(super) unauthorized: Option<Arc<GraphError>>,
}

impl GapBook {
    /// Notes a gap once, with what the failed request said; of several reasons for one gap, that which asking again helps most.
    pub(super) fn open(
        &mut self,
        context: &StagingContext,
        mut gap: Gap,
        error: Option<&Arc<GraphError>>,
    ) {
        if let Some(error) = error {
            gap.http_status = error.status();
            gap.graph_code = error.graph_code().map(str::to_owned);
            self.note_end(error);
        }
        let gap_id = gap.gap_id();
        let before = self.rows.get(&gap_id).map(|(_, row)| row.reason.clone());
        if let Some(before) = &before
            && gap.reason.hope() <= hope(before)
        {
            return;
        }
        self.notices
            .add(&gap_id, gap.reason, gap.source, error.map(AsRef::as_ref));
        let published = context.known.open_gaps().get(&gap_id);
        let published = published.or_else(|| self.elsewhere.get(&gap_id));
        let open = published.map(|(_, row)| row);
        if open.is_none() && before.is_none() {
            self.opened += 1;
        }
        tracing::debug!(
            gap_id = gap_id.as_str(),
            source = gap.source.as_str(),
            stage = gap.stage.as_str(),
            event_date = %gap.event_date,
            organizer = gap.organizer_id.as_ref().map(|id| hashed(id.as_str())),
            session_id = gap.session_id.as_ref().map(SessionId::as_str),
            report = gap.report_id.as_ref().map(|id| hashed(id.as_str())),
            reason = gap.reason.as_str(),
            http_status = gap.http_status,
            graph_code = gap.graph_code,
            is_final = gap.is_final,
            "a gap is open"
        );
        let row = gap.row(&context.tenant, open, &context.run_id, context.now);
        self.count(&gap_id, &row);
        self.rows.insert(gap_id, (gap.event_date, row));
    }

    /// Notes of a failure whether it ends the run, also where nothing that is published lacks by it.
    pub(super) fn note_end(&mut self, error: &Arc<GraphError>) {
        self.is_past_deadline |= error.reason() == FailureReason::Deadline;
        if error.ends_the_run() {
            let told = self.unauthorized.get_or_insert_with(|| Arc::clone(error));
            if told.is_aftermath() {
                *told = Arc::clone(error);
            }
        }
    }

    /// Notes what is missing from days that are not known otherwise.
    pub(super) fn note_elsewhere(&mut self, gaps: &[OpenGap]) {
        self.elsewhere.extend(gaps.iter().cloned());
    }

    /// Notes of a published gap that it will not be filled, whatever is asked.
    pub(super) fn give_up(&mut self, context: &StagingContext, gap_id: &GapId, reason: GapReason) {
        let published = context.known.open_gaps().get(gap_id);
        let published = published.or_else(|| self.elsewhere.get(gap_id)).cloned();
        let Some((event_date, open)) = &published else {
            return;
        };
        if self.rows.contains_key(gap_id) {
            return;
        }
        let answer = Answer::plain(reason);
        let evidence = Evidence::weigh(Some(open), answer, context.now);
        // behind a full list there is nothing to wait for
        let is_final = gap::is_final(open)
            || reason == GapReason::OverCap
            || evidence.is_enough(Patience::Days(3), context.now);
        let row = GapRow {
            is_final: Some(is_final),
            same_answer_since: Some(evidence.since),
            same_answer_days: Some(evidence.days),
            reason: Cow::Borrowed(reason.as_str()),
            http_status: None,
            graph_code: None,
            attempts: open.attempts.saturating_add(1),
            last_tried_at: context.now,
            _run_id: Cow::Owned(context.run_id.as_str().to_owned()),
            ..open.clone()
        };
        self.count(gap_id, &row);
        self.rows.insert(gap_id.clone(), (*event_date, row));
    }

    fn count(&mut self, gap_id: &GapId, row: &GapRow<'static>) {
        self.open
            .note(gap_id, row.reason.clone(), gap::is_final(row));
    }

    /// Counts the published gaps of the chunk's days that stay open although nothing was asked about them now.
    pub(super) fn count_untouched(&mut self, context: &StagingContext) {
        let days = context.interval.days(&context.timezone);
        for (gap_id, (event_date, open)) in context.known.open_gaps() {
            if days.contains(event_date) && !self.rows.contains_key(gap_id) {
                self.count(gap_id, open);
            }
        }
    }

    /// Closes the published gaps that were filled: what was missing was read, and is not missing again. Of one that was read in part the
    /// rest stays. `elsewhere` are gaps of days that are not known otherwise.
    pub(super) fn close_filled(
        &mut self,
        context: &StagingContext,
        elsewhere: &[OpenGap],
        filled: impl Fn(EventDate, &GapRow<'_>) -> Filled,
    ) {
        let elsewhere = elsewhere.iter().map(|(gap_id, gap)| (gap_id, gap));
        for (gap_id, (event_date, open)) in context.known.open_gaps().iter().chain(elsewhere) {
            if self.rows.contains_key(gap_id) {
                continue;
            }
            let run_id = || Cow::Owned(context.run_id.as_str().to_owned());
            let left = match filled(*event_date, open) {
                Filled::Not => continue,
                Filled::Whole => None,
                Filled::But(left) => Some(left),
            };
            if let Some(left) = left {
                let row = GapRow {
                    missing_from: left.from,
                    missing_until: left.until,
                    last_tried_at: context.now,
                    _run_id: run_id(),
                    ..open.clone()
                };
                self.count(gap_id, &row);
                self.rows.insert(gap_id.clone(), (*event_date, row));
                continue;
            }
            let row = GapRow {
                closed_at: Some(context.now),
                closed_by_run_id: Some(run_id()),
                last_tried_at: context.now,
                _run_id: run_id(),
                ..open.clone()
            };
            self.closed += 1;
            self.open.close(gap_id);
            self.rows.insert(gap_id.clone(), (*event_date, row));
        }
    }

    /// The rows by partition.
    pub(super) fn by_day(&self) -> BTreeMap<EventDate, Gaps<'static>> {
        let mut by_day: BTreeMap<EventDate, Gaps<'static>> = BTreeMap::new();
        for (day, row) in self.rows.values() {
            by_day.entry(*day).or_default().append(row);
        }
        by_day
    }
}

/// How much of a gap was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Nothing.
    Not,
    /// All but these hours.
    But(MissingHours),
    /// All of it.
    Whole,
}

fn hope(reason: &str) -> u8 {
    GapReason::named(reason).map_or(1, GapReason::hope)
}

/// The gap with what its answer proves: alone, and with the same answer of earlier nights, for the same thing or, of an organizer, for
/// another day.
pub(super) fn judged(
    context: &StagingContext,
    mut gap: Gap,
    answer: Answer<'_>,
    patience: Patience,
) -> Gap {
    gap.http_status = answer.status;
    gap.graph_code = answer.code.map(str::to_owned);
    if let Patience::Days(_) = patience {
        let own = context.known.open_gaps().get(&gap.gap_id());
        let own = own.map(|(_, row)| Evidence::weigh(Some(row), answer, context.now));
        let others = gap
            .organizer_id
            .iter()
            .flat_map(|organizer| context.known.gaps_on_organizer(gap.source, organizer));
        let others = others
            .filter(|_| gap.stage == GapStage::Discover && gap.session_id.is_none())
            .map(|row| Evidence::weigh(Some(row), answer, context.now));
        let evidence = others
            .chain(own)
            .max_by_key(|evidence| (evidence.days, Reverse(evidence.since)))
            .unwrap_or_else(|| Evidence::first(context.now));
        gap.evidence = Some(evidence);
        gap.is_final = evidence.is_enough(patience, context.now);
    } else {
        gap.is_final = patience == Patience::Proof;
    }
    gap
}

/// A session whose reports could not be listed, or not all of them.
pub(super) fn gap_on_session(
    context: &StagingContext,
    meeting: &Meeting,
    occurrence: &Occurrence,
    reason: GapReason,
) -> Gap {
    Gap {
        event_date: context.timezone.event_date(occurrence.scheduled_start),
        stage: GapStage::ListReports,
        source: meeting.source,
        organizer_id: meeting
            .organizer
            .as_ref()
            .map(|organizer| organizer.id.clone()),
        session_id: Some(occurrence.session_id(&context.tenant)),
        report_id: None,
        record_index: None,
        reason,
        http_status: None,
        graph_code: None,
        is_final: false,
        evidence: None,
        missing: MissingHours::default(),
        scope: None,
    }
}

/// A report that could not be fetched, or one of its records that could not be read.
pub(super) fn gap_on_report(
    meeting: &Meeting,
    session: &AttributedSession,
    entry: &ReportEntry,
    event_date: EventDate,
    stage: GapStage,
    reason: GapReason,
    record_index: Option<i32>,
) -> Gap {
    Gap {
        event_date,
        stage,
        source: meeting.source,
        organizer_id: meeting
            .organizer
            .as_ref()
            .map(|organizer| organizer.id.clone()),
        session_id: Some(session.session_id.clone()),
        report_id: Some(entry.report_id.clone()),
        record_index,
        reason,
        http_status: None,
        graph_code: None,
        is_final: false,
        evidence: None,
        missing: MissingHours::default(),
        scope: None,
    }
}
