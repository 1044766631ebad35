//! What a run adds up to: the row of each chunk in `runs`, and the summary over all of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::access::with_client_id;
use super::chunk::{ChunkContext, ChunkOutcome};
use super::staging_thread::StagedChunk;
use crate::attendance::gap::may_be_mended;
use crate::graph::MeterSnapshot;
use crate::ids::RunId;
use crate::job::interval::DataInterval;
use crate::job::plan::{OrganizersPlan, RunPlan, SourcesPlan};
use crate::ledger::{Notice, Notices, OUT_OF_TIME, OpenGaps, RunSummary, SHUT_OUT, Tally};
use crate::tables::{NameCount, RunRow};
use crate::time::UtcMicros;

/// Exit code of a run that published everything it knows of.
const DONE: u8 = 0;
/// Exit code of a run that published, with open gaps.
const WITH_GAPS: u8 = 3;
/// Exit code of a run that stopped at its deadline.
const TRY_AGAIN: u8 = 75;

/// Accounts that are left out because nobody can have a calendar there, as `skipped` names them.
const WITHOUT_MAILBOX: &str = "accounts_without_mailbox";

/// The summary in the making.
#[derive(Debug)]
pub(super) struct Totals {
    summary: RunSummary,
    began: UtcMicros,
    tolerate: BTreeSet<String>,
    client_id: Option<String>,
    gaps: OpenGaps,
    notices: Notices,
    /// What is said before anything about gaps.
    first_of_all: Vec<Notice>,
}

impl Totals {
    /// Nothing yet, of an interval that is empty: there is nothing to do.
    pub(super) fn new(plan: &RunPlan, began: UtcMicros) -> Self {
        let summary = RunSummary {
            verb: plan.verb.as_str().to_owned(),
            job_name: plan.job_name.clone(),
            invocation_id: plan.invocation_id.as_str().to_owned(),
            run_ids: Vec::new(),
            warehouse: plan.warehouse.place.to_string(),
            publish: plan.warehouse.publish.as_str().to_owned(),
            interval_start: began,
            interval_end: began,
            counted_from: began,
            chunks_done_before: 0,
            covered_until: None,
            chunks_finished: 0,
            sessions_by_state: BTreeMap::new(),
            reports: 0,
            records: 0,
            intervals: 0,
            gaps_by_reason: BTreeMap::new(),
            gaps_opened: 0,
            gaps_closed: 0,
            skipped: BTreeMap::new(),
            meeting_ids: BTreeMap::new(),
            requests: 0,
            requests_by_kind: BTreeMap::new(),
            throttled_responses: 0,
            throttled_seconds: 0.0,
            bytes_received: 0,
            unknown_properties: 0,
            partitions_published: 0,
            partitions_unchanged: 0,
            seconds: 0.0,
            peak_memory_bytes: 0,
            notices: Vec::new(),
            exit_code: DONE,
        };
        Self {
            summary,
            began,
            tolerate: plan.rules.tolerate.clone(),
            client_id: plan.auth.client_id().map(str::to_owned),
            gaps: OpenGaps::default(),
            notices: Notices::default(),
            first_of_all: Vec::new(),
        }
    }

    /// The data interval of the run.
    pub(super) fn cover(&mut self, interval: &DataInterval) {
        self.summary.interval_start = interval.start();
        self.summary.interval_end = interval.end();
        self.summary.counted_from = interval.start();
    }

    /// The run goes on at an instant of its interval, behind chunks that an interrupted one published.
    pub(super) fn resume(&mut self, chunks_done: usize, from: UtcMicros) {
        self.summary.chunks_done_before = chunks_done as u64;
        self.summary.counted_from = from;
    }

    /// Something that somebody should know.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.first_of_all.push(notice);
    }

    pub(super) fn add(&mut self, outcome: ChunkOutcome) {
        let summary = &mut self.summary;
        if outcome.is_past_deadline {
            summary.exit_code = TRY_AGAIN;
        }
        summary.run_ids.push(outcome.run_id.into_string());
        summary.covered_until = summary.covered_until.max(outcome.covered_until);
        summary.chunks_finished += 1;
        summary.partitions_published += outcome.partitions_published;
        summary.partitions_unchanged += outcome.partitions_unchanged;
        let staged = outcome.staged;
        summary.reports += staged.reports;
        summary.records += staged.records;
        summary.intervals += staged.intervals;
        summary.unknown_properties += staged.unknown_properties;
        summary.gaps_opened += staged.gaps.opened;
        summary.gaps_closed += staged.gaps.closed;
        add_all(&mut summary.sessions_by_state, staged.sessions_by_state);
        for (reason, count) in staged.skipped {
            let total = summary.skipped.entry(reason.to_owned()).or_default();
            // each chunk meets the same accounts
            *total = if reason == WITHOUT_MAILBOX {
                count.max(*total)
            } else {
                count + *total
            };
        }
        self.notices.merge(staged.gaps.notices, &staged.gaps.open);
        self.gaps.merge(staged.gaps.open);
    }

    pub(super) fn into_summary(
        mut self,
        tally: &Tally,
        meter: &MeterSnapshot,
        now: UtcMicros,
        peak_memory: u64,
    ) -> RunSummary {
        let summary = &mut self.summary;
        summary.gaps_by_reason = self.gaps.by_reason();
        summary.exit_code = summary.exit_code.max(exit_code(&self.gaps, &self.tolerate));
        let ids = [
            ("derived", &tally.ids_derived),
            ("looked_up", &tally.ids_looked_up),
            ("refused", &tally.ids_refused),
        ];
        summary.meeting_ids = ids
            .into_iter()
            .filter(|(_, count)| count.get() > 0)
            .map(|(name, count)| (name.to_owned(), count.get()))
            .collect();
        summary.requests = meter.requests;
        summary.requests_by_kind = meter
            .by_kind
            .iter()
            .map(|(kind, count)| ((*kind).to_owned(), *count))
            .collect();
        summary.throttled_responses = meter.throttled_responses;
        summary.throttled_seconds = meter.throttled.as_secs_f64();
        summary.bytes_received = meter.bytes_received;
        summary.peak_memory_bytes = peak_memory;
        summary.seconds = self.began.seconds_until(now);
        summary.notices = self.first_of_all;
        summary.notices.extend(self.notices.into_vec());
        for notice in &mut summary.notices {
            let hint = notice.hint.take();
            notice.hint = hint.map(|hint| with_client_id(self.client_id.as_deref(), hint));
        }
        self.summary
    }
}

/// 3 where a gap is open that may be filled by asking again or by somebody who mends it, and is not tolerated; else 0.
fn exit_code(gaps: &OpenGaps, tolerate: &BTreeSet<String>) -> u8 {
    if gaps.any(|reason, is_final| may_be_mended(reason, is_final) && !tolerate.contains(reason)) {
        WITH_GAPS
    } else {
        DONE
    }
}

/// A chunk's row in `runs`.
pub(super) fn run_row(
    context: &ChunkContext<'_>,
    run_id: &RunId,
    staged: &StagedChunk,
    (started_at, finished_at): (UtcMicros, UtcMicros),
    meter: &MeterSnapshot,
    (partitions_published, partitions_unchanged): (u64, u64),
) -> RunRow<'static> {
    let plan = context.extract.plan;
    let owned = |text: &str| Cow::Owned(text.to_owned());
    RunRow {
        run_id: owned(run_id.as_str()),
        invocation_id: owned(plan.invocation_id.as_str()),
        tenant_id: owned(context.extract.tenant.as_str()),
        verb: Cow::Borrowed(plan.verb.as_str()),
        job_name: owned(&plan.job_name),
        scope_hash: owned(&plan.rules.scope_hash),
        sources: if context.extract.is_whole {
            sources(&plan.sources)
        } else {
            Vec::new()
        },
        program_version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
        interval_start: context.extract.interval.start(),
        interval_end: context.extract.interval.end(),
        started_at,
        finished_at,
        exit_code: if staged.gaps.unauthorized.is_some() {
            SHUT_OUT
        } else if staged.is_past_deadline() {
            OUT_OF_TIME
        } else {
            i32::from(exit_code(&staged.gaps.open, &plan.rules.tolerate))
        },
        sessions_by_state: counts(&staged.sessions_by_state),
        reports: signed(staged.reports),
        records: signed(staged.records),
        intervals: signed(staged.intervals),
        gaps_opened: signed(staged.gaps.opened),
        gaps_closed: signed(staged.gaps.closed),
        requests: signed(meter.requests),
        requests_by_kind: counts(&meter.by_kind),
        throttled_responses: signed(meter.throttled_responses),
        throttled_seconds: signed(meter.throttled.as_secs()),
        bytes_received: signed(meter.bytes_received),
        unknown_properties: signed(staged.unknown_properties),
        partitions_published: signed(partitions_published),
        partitions_unchanged: signed(partitions_unchanged),
        peak_memory_bytes: signed((context.extract.control.peak_memory)()),
    }
}

/// How each source was discovered.
fn sources(plan: &SourcesPlan) -> Vec<Cow<'static, str>> {
    let ways = plan.online_meetings.iter().flat_map(|plan| &plan.discover);
    let mut names: Vec<_> = ways
        .map(|way| Cow::Owned(format!("online_meetings:{}", way.as_str())))
        .collect();
    for (name, plan) in [
        ("webinars", &plan.webinars),
        ("town_halls", &plan.town_halls),
    ] {
        let Some(plan) = plan else { continue };
        let how = match plan.organizers {
            OrganizersPlan::All => "tenant_list",
            OrganizersPlan::Listed(_) => "organizers",
            OrganizersPlan::Me => "me",
        };
        names.push(Cow::Owned(format!("{name}:{how}")));
    }
    names
}

fn counts(counts: &BTreeMap<&'static str, u64>) -> Vec<NameCount<'static>> {
    counts
        .iter()
        .map(|(name, count)| NameCount {
            name: Cow::Borrowed(*name),
            count: signed(*count),
        })
        .collect()
}

fn add_all(
    totals: &mut BTreeMap<String, u64>,
    counts: impl IntoIterator<Item = (impl Into<String>, u64)>,
) {
    for (name, count) in counts {
        *totals.entry(name.into()).or_default() += count;
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
