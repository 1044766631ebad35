//! One function a verb: flags in, exit status out.

#[cfg(feature = "demo")]
use super::args::DemoArguments;
use super::args::{BackfillArguments, RunArguments, SchemaArguments};
use super::exit::ExitStatus;
use super::load::load_plan;
use super::{Context, Failure};
use crate::job::plan::RunPlan;

/// The scheduled run.
///
/// # Errors
/// [`Failure`], with its exit status.
#[expect(
    clippy::unused_async,
    reason = "the pipeline that it will await comes next"
)]
pub async fn run(flags: &RunArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_plan(&flags.job, &flags.overrides(&context.global))?;
    Err(not_wired(Some(&plan)))
}

/// An explicit range of dates.
///
/// # Errors
/// [`Failure`], with its exit status.
#[expect(
    clippy::unused_async,
    reason = "the pipeline that it will await comes next"
)]
pub async fn backfill(flags: &BackfillArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_plan(&flags.job, &flags.overrides(&context.global))?;
    Err(not_wired(Some(&plan)))
}

/// The real pipeline against the simulated tenant.
///
/// # Errors
/// [`Failure`], with its exit status.
#[cfg(feature = "demo")]
#[expect(
    clippy::unused_async,
    reason = "the pipeline that it will await comes next"
)]
pub async fn demo(_: &DemoArguments, _: &Context) -> Result<ExitStatus, Failure> {
    Err(not_wired(None))
}

/// The contract of the tables.
///
/// # Errors
/// [`Failure`], with its exit status.
pub fn schema(_: &SchemaArguments, _: &Context) -> Result<ExitStatus, Failure> {
    Err(not_wired(None))
}

fn not_wired(plan: Option<&RunPlan>) -> Failure {
    let what = plan.map_or("this verb", |plan| plan.verb.as_str());
    Failure {
        error: format!("{what} is not connected to the pipeline yet").into(),
        hint: None,
        status: ExitStatus::Failed,
    }
}
