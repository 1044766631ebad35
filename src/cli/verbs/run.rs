//! `teamsheet run` and `teamsheet backfill`: a plan through the pipeline, its summary, and how the process ends.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::super::args::{BackfillArguments, OutputFormat, RunArguments};
use super::super::exit::ExitStatus;
use super::super::load::{load_plan, now, peak_memory};
use super::super::progress::{Progress, ProgressDisplay};
use super::super::{Context, Failure, render, summary};
use super::record::record;
use crate::job::command::filled;
use crate::job::plan::RunPlan;
use crate::ledger::{RunSummary, Tally};
use crate::pipeline::{self, RunControl, RunError};

/// The scheduled run.
///
/// # Errors
/// [`Failure`], with its exit status.
pub async fn run(flags: &RunArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_plan(&flags.job, &flags.overrides(&context.global))?;
    run_to_the_end(&plan, context).await
}

/// An explicit range of dates.
///
/// # Errors
/// [`Failure`], with its exit status.
pub async fn backfill(flags: &BackfillArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_plan(&flags.job, &flags.overrides(&context.global))?;
    run_to_the_end(&plan, context).await
}

/// Runs the plan; whatever it comes to, the last line of standard output is one line of JSON.
async fn run_to_the_end(plan: &RunPlan, context: &Context) -> Result<ExitStatus, Failure> {
    let (ran, tally) = execute(plan, context).await;
    match ran {
        Ok(summary) => finish(&summary, context),
        Err(failure) => {
            // where standard output is gone, standard error and the exit status still tell
            summary::failed_line(&mut io::stdout().lock(), plan, &tally, &failure).ok();
            Err(failure)
        }
    }
}

/// Runs the plan, and records how it ended; how far it came is known also where it failed.
pub(super) async fn execute(
    plan: &RunPlan,
    context: &Context,
) -> (Result<RunSummary, Failure>, Arc<Tally>) {
    let span = tracing::info_span!(
        "run",
        invocation_id = plan.invocation_id.as_str(),
        job_name = plan.job_name,
        verb = plan.verb.as_str()
    );
    let mut tally = None;
    let run = |control: RunControl| {
        tally = Some(Arc::clone(&control.tally));
        async move { pipeline::run(plan, &control).await }
    };
    let outcome = Box::pin(controlled(context, run).instrument(span.clone())).await;
    let mut outcome = outcome.map_err(|failure| failure.for_plan(plan));
    if let Ok(summary) = &mut outcome {
        for notice in &mut summary.notices {
            notice.message = filled(&notice.message, plan);
            let hint = notice.hint.take();
            notice.hint = hint.map(|text| render::hint(&filled(&text, plan)).into_owned());
        }
    }
    let tally = tally.unwrap_or_default();
    record(plan, &tally, outcome.as_ref())
        .instrument(span)
        .await;
    (outcome, tally)
}

/// Does the work with progress on standard error, until it is done or a signal stops it; a second signal does not wait.
pub(super) async fn controlled<T, F>(
    context: &Context,
    work: impl FnOnce(RunControl) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, RunError>>,
{
    let control = RunControl {
        stop: CancellationToken::new(),
        tally: Arc::new(Tally::default()),
        clock: now,
        peak_memory,
        files: pipeline::FileThread::start(),
    };
    let mut signals = Signals::listen()?;
    let progress = Progress::start(
        Arc::clone(&control.tally),
        ProgressDisplay::for_stderr(&context.global),
        &context.stderr,
    );
    let mut running = std::pin::pin!(work(control.clone()));
    let mut stopped_by = ExitStatus::Interrupted;
    let outcome = tokio::select! {
        outcome = &mut running => outcome,
        status = signals.next() => {
            stopped_by = status;
            control.stop.cancel();
            tokio::select! {
                outcome = &mut running => outcome,
                _ = signals.next() => Err(RunError::Interrupted),
            }
        }
    };
    drop(progress);
    outcome.map_err(|error| failure(error, stopped_by))
}

/// Tells what there is to know, prints the summary and, last, its one line of JSON.
pub(super) fn finish(summary: &RunSummary, context: &Context) -> Result<ExitStatus, Failure> {
    tell(summary, context);
    print(summary, context, io::stdout().lock()).or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::of_code(summary.exit_code))
}

/// One notice a cause, on standard error.
pub(super) fn tell(summary: &RunSummary, context: &Context) {
    let mut stderr = context.stderr.clone();
    for notice in &summary.notices {
        if context.global.log_format == OutputFormat::Json {
            tracing::warn!(
                invocation_id = summary.invocation_id,
                job_name = summary.job_name,
                hint = notice.hint,
                "{}",
                notice.message
            );
            continue;
        }
        // where standard error is gone, the summary still counts the gaps
        render::notice(&mut stderr, notice).ok();
    }
}

fn print(summary: &RunSummary, context: &Context, mut out: impl Write) -> io::Result<()> {
    match context.global.format {
        OutputFormat::Text => summary::text(&mut out, summary)?,
        OutputFormat::Json => summary::json(&mut out, summary)?,
    }
    summary::final_line(&mut out, summary)?;
    out.flush()
}

/// A run's error as the program ends with it.
pub(super) fn failure(error: RunError, stopped_by: ExitStatus) -> Failure {
    Failure {
        status: status_of(&error, stopped_by),
        hint: error.hint(),
        error: Box::new(error),
    }
}

fn status_of(error: &RunError, stopped_by: ExitStatus) -> ExitStatus {
    match error {
        RunError::Interrupted => stopped_by,
        _ if error.is_incompatible() => ExitStatus::Usage,
        _ if error.is_forbidden() => ExitStatus::NotAllowed,
        RunError::Warehouse { .. } | RunError::Ledger { .. } => ExitStatus::Warehouse,
        _ if error.is_transient() => ExitStatus::TryAgain,
        RunError::SignIn { .. }
        | RunError::Discover { .. }
        | RunError::Forbidden { .. }
        | RunError::Rows { .. }
        | RunError::Panicked => ExitStatus::Failed,
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure {
                error: Box::new(error),
                hint: None,
                status: ExitStatus::Failed,
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The status that the next signal asks for.
    async fn next(&mut self) -> ExitStatus {
        tokio::select! {
            _ = self.interrupt.recv() => ExitStatus::Interrupted,
            _ = self.terminate.recv() => ExitStatus::Terminated,
        }
    }
}
