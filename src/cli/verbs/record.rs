//! How a run or backfill ended, for machines: one line in the logs, and the file for Prometheus.

use super::super::load::{now, peak_memory};
use super::super::metrics::{self, Ended};
use super::super::{Failure, render};
use crate::job::plan::RunPlan;
use crate::ledger::{RunSummary, Tally};

/// How the run ended, for the logs and for the metrics file.
pub(super) async fn record(plan: &RunPlan, tally: &Tally, outcome: Result<&RunSummary, &Failure>) {
    let (summary, exit_code) = match outcome {
        Ok(summary) => (Some(summary), summary.exit_code),
        Err(failure) => (None, failure.status.code()),
    };
    let at = now();
    let meter = tally.requests();
    if let Some(summary) = summary {
        tracing::info!(
            exit_code,
            interval_start = %summary.interval_start,
            interval_end = %summary.interval_end,
            chunks_finished = summary.chunks_finished,
            sessions = summary.sessions(),
            reports = summary.reports,
            records = summary.records,
            intervals = summary.intervals,
            open_gaps = summary.open_gaps(),
            requests = summary.requests,
            throttled_responses = summary.throttled_responses,
            throttled_seconds = summary.throttled_seconds,
            bytes_received = summary.bytes_received,
            partitions_published = summary.partitions_published,
            partitions_unchanged = summary.partitions_unchanged,
            seconds = summary.seconds,
            peak_memory_bytes = summary.peak_memory_bytes,
            "ends with {exit_code}"
        );
    } else {
        tracing::info!(
            exit_code,
            chunks_finished = tally.chunks_done.get(),
            requests = meter.requests,
            throttled_responses = meter.throttled_responses,
            throttled_seconds = meter.throttled.as_secs_f64(),
            bytes_received = meter.bytes_received,
            seconds = plan.started_at.seconds_until(at),
            peak_memory_bytes = peak_memory(),
            "ends with {exit_code}"
        );
    }
    let ended = Ended {
        plan,
        summary: summary.or(tally.before_failure()),
        tally,
        exit_code,
        at,
        peak_memory_bytes: peak_memory(),
    };
    if let Err(error) = metrics::write(&ended).await {
        tracing::warn!(causes = render::causes(&error), "{error}");
    }
}
