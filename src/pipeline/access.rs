//! A run that Graph lets read nothing: when that is plain, and what to tell.

use std::sync::Arc;

use super::chunk::ChunkContext;
use super::{RunError, stoppable_file_work};
use crate::graph::{FailureReason, GraphError};
use crate::job::plan::RunPlan;
use crate::ledger::has_ever_reported;

/// Extracts until it is done, or until it is plain that nothing may be read, there is no other source that may, and the run is to end by
/// that: where it is tolerated, the sessions are still discovered.
pub(super) async fn unless_hopeless(
    context: &ChunkContext<'_>,
    extracting: impl Future<Output = ()>,
) {
    let ends_by_it = ends_by_refusals(context.extract.plan);
    tokio::select! {
        biased;
        () = context.extract.access.closed(), if ends_by_it => {}
        () = extracting => {}
    }
}

/// The error to end with, where Graph refused every meeting of the run and that is no matter of a few organizers.
///
/// Of one or two organizers without a policy that is only said where no run ever read a report: a quiet day of theirs is no reason to
/// stop a job that works.
pub(super) async fn everything_refused(context: &ChunkContext<'_>) -> Result<(), RunError> {
    let plan = context.extract.plan;
    let access = &context.extract.access;
    // what was not discovered then must not count as covered
    let was_cut_short = ends_by_refusals(plan) && access.is_closed();
    let Some(refusal) = access.everything_refused(was_cut_short) else {
        return Ok(());
    };
    if is_tolerated(plan) {
        return Ok(());
    }
    // what a later chunk may read is not known yet
    if !refusal.is_general && !context.extract.is_last {
        return Ok(());
    }
    if !refusal.is_general {
        let warehouse = Arc::clone(&context.warehouse);
        let has_worked = stoppable_file_work(context.extract.control, move || {
            has_ever_reported(&warehouse)
        })
        .await?
        .map_err(RunError::ledger)?;
        if has_worked {
            return Ok(());
        }
    }
    let source: Arc<GraphError> = refusal.first;
    let remedy = source
        .hint()
        .map(|hint| with_client_id(plan.auth.client_id(), hint));
    Err(RunError::Forbidden { source, remedy })
}

/// Whether the asking is cut short where online meetings may not be read.
fn ends_by_refusals(plan: &RunPlan) -> bool {
    let is_alone = plan.sources.webinars.is_none() && plan.sources.town_halls.is_none();
    is_alone && !is_tolerated(plan)
}

fn is_tolerated(plan: &RunPlan) -> bool {
    let tolerated = &plan.rules.tolerate;
    tolerated.contains(FailureReason::Forbidden.as_str())
}

/// A remedy with the app registration's id in place, ready to be pasted.
pub(super) fn with_client_id(client_id: Option<&str>, hint: String) -> String {
    match client_id {
        Some(id) => hint.replace("<client id>", id),
        None => hint,
    }
}
