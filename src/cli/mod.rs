//! The command line around a run: flags in, text and exit status out.
//!
//! ```text
//! argv ──► args ──► load ──► RunPlan ──► verbs ──► summary ──► standard output
//!                                          │
//!                 logging, progress ◄──────┴──► render (errors, warnings) ──► standard error
//! ```
//!
//! [`main`] parses, starts the logs, hands over to one function of [`verbs`] and renders what it returns. Standard output carries
//! only what was asked for; its last line under `run` and `backfill` is one line of JSON.

pub mod args;
pub mod exit;
pub mod load;
pub mod logging;
pub mod metrics;
pub mod progress;
pub mod render;
pub mod summary;
mod tips;
pub mod verbs;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;

use clap::Parser as _;
use clap::error::ErrorKind;

use self::args::{Arguments, Command, GlobalFlags, OutputFormat};
use self::exit::ExitStatus;
use self::progress::SharedStderr;
use crate::job::command::{filled, with_job};
use crate::job::error::PlanError;
use crate::job::plan::RunPlan;
use crate::warehouse::WarehouseError;

/// What every verb gets beside its own flags.
#[derive(Debug, Clone)]
pub struct Context {
    /// The flags of every verb.
    pub global: GlobalFlags,
    /// Standard error, as logs and the progress bar share it.
    pub stderr: SharedStderr,
}

/// Why a verb ended without its result: the error, what to do about it, and the exit status.
#[derive(Debug)]
pub struct Failure {
    /// What happened, with its causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What the process ends with.
    pub status: ExitStatus,
}

impl Failure {
    /// Standard output could not be written; a reader that closed its pipe early, such as `head`, has what it wanted.
    fn unless_pipe_closed(source: io::Error) -> Result<(), Self> {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Ok(());
        }
        Err(Self {
            error: Box::new(source),
            hint: Some(
                "the result could not be printed; check where standard output goes".to_owned(),
            ),
            status: ExitStatus::Failed,
        })
    }
}

impl Failure {
    /// The same with what the plan knows in the commands that its hint gives.
    #[must_use]
    fn for_plan(mut self, plan: &RunPlan) -> Self {
        self.hint = self.hint.map(|hint| filled(&hint, plan));
        self
    }

    /// The same with the job's file, where there is no plan.
    #[must_use]
    fn for_job(mut self, job: Option<&Path>) -> Self {
        self.hint = self.hint.map(|hint| with_job(&hint, job));
        self
    }
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Self {
        Self {
            status: if error.is_incompatible() {
                ExitStatus::Usage
            } else {
                ExitStatus::Warehouse
            },
            hint: error.hint(),
            error: Box::new(error),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self {
            hint: Some(error.hint()),
            error: Box::new(error),
            status: ExitStatus::Usage,
        }
    }
}

/// Runs the program: `arguments` as the shell gave them, the program's name first.
pub async fn main<I>(arguments: I) -> ExitStatus
where
    I: IntoIterator<Item = OsString>,
{
    let Arguments { command, global } = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return explain(error),
    };
    let context = Context {
        global,
        stderr: SharedStderr::default(),
    };
    let rust_log = load::environment_variable("RUST_LOG").filter(|filter| !filter.is_empty());
    logging::start(&context.global, rust_log.as_deref(), &context.stderr);
    let outcome = match &command {
        #[cfg(feature = "demo")]
        Command::Demo(flags) => Box::pin(verbs::demo(flags, &context)).await,
        Command::Init(flags) => Box::pin(verbs::init(flags, &context)).await,
        Command::Check(flags) => Box::pin(verbs::check(flags, &context)).await,
        Command::Login(flags) => Box::pin(verbs::login(flags, &context)).await,
        Command::Plan(flags) => Box::pin(verbs::plan(flags, &context)).await,
        Command::Run(flags) => Box::pin(verbs::run(flags, &context)).await,
        Command::Backfill(flags) => Box::pin(verbs::backfill(flags, &context)).await,
        Command::Import(flags) => Box::pin(verbs::import(flags, &context)).await,
        Command::Verify(flags) => verbs::verify(flags, &context).await,
        Command::Status(flags) => verbs::status(flags, &context).await,
        Command::Schema(flags) => verbs::schema(flags, &context),
        Command::Completions(flags) => verbs::completions(flags),
        Command::Man(flags) => verbs::man(flags),
    };
    outcome.unwrap_or_else(|failure| {
        tell_failure(&failure, context);
        failure.status
    })
}

/// The error with its causes and its hint, once, in the form that the logs have.
fn tell_failure(failure: &Failure, mut context: Context) {
    if context.global.log_format == OutputFormat::Json {
        tracing::error!(
            exit_code = failure.status.code(),
            causes = render::causes(&*failure.error),
            hint = failure.hint.as_deref().map(render::hint).as_deref(),
            "{}",
            failure.error
        );
        return;
    }
    // where standard error is gone, the exit status still tells
    render::error(
        &mut context.stderr,
        &*failure.error,
        failure.hint.as_deref(),
    )
    .ok();
    context.stderr.flush().ok();
}

/// Help and version go to standard output and are fine; everything else is a flag to fix.
fn explain(mut error: clap::Error) -> ExitStatus {
    tips::add(&mut error);
    let printed = error.print();
    let is_asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    match printed {
        Ok(()) if is_asked_for => ExitStatus::Published,
        // `teamsheet --help | head -1` closes the pipe early and is fine
        Err(problem) if is_asked_for && problem.kind() == io::ErrorKind::BrokenPipe => {
            ExitStatus::Published
        }
        Err(_) if is_asked_for => ExitStatus::Failed,
        _ => ExitStatus::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_flags_or_job_file_ends_with_2() {
        for line in [
            "teamsheet run --job /nowhere/nightly.toml",
            "teamsheet run --job /dev/null",
            "teamsheet run --job a.toml --interval-strat 2026-01-01",
        ] {
            let status = main(line.split(' ').map(OsString::from)).await;
            assert_eq!(status, ExitStatus::Usage, "{line}");
        }
    }

    #[tokio::test]
    async fn asking_for_the_version_is_fine() {
        let status = main(["teamsheet", "--version"].map(OsString::from)).await;
        assert_eq!(status, ExitStatus::Published);
    }
}
