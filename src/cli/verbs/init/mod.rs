//! `teamsheet init`: a commented job file from flags or questions, and what to do in Entra and Teams before it works.
//!
//! ```text
//! flags ─┬─ a terminal ──► questions ─┐
//!        └─ none: defaults ───────────┴─► Answers ─► job_file ─► disk (never over a file that is there)
//!                                                └─► steps ──► standard output
//! ```

mod job_file;
mod questions;
mod steps;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::super::args::{
    AuthChoice, CloudChoice, InitArguments, JobArguments, OutputFormat, SourceChoice,
};
use super::super::exit::ExitStatus;
use super::super::{Context, Failure};
use super::check;
use crate::job::error::PlanError;

/// Everything that a job file needs to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    tenant: String,
    /// `None` where there is no app registration yet.
    client_id: Option<String>,
    auth: AuthChoice,
    cloud: CloudChoice,
    sources: Vec<SourceChoice>,
    warehouse: String,
    timezone: String,
    out: PathBuf,
}

impl Answers {
    /// What the flags say, and the default where they say nothing.
    fn from_flags(flags: &InitArguments) -> Self {
        let cloud = flags.cloud.unwrap_or_default();
        let mut sources = flags
            .sources
            .clone()
            .unwrap_or_else(|| offered(cloud).to_vec());
        sources.sort_unstable();
        sources.dedup();
        Self {
            tenant: flags.tenant.clone().unwrap_or_default(),
            client_id: flags.client_id.clone().filter(|id| !id.trim().is_empty()),
            auth: flags.auth.unwrap_or_default(),
            cloud,
            sources,
            warehouse: flags
                .warehouse
                .clone()
                .unwrap_or_else(|| "./warehouse".to_owned()),
            timezone: flags.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
            out: flags
                .out
                .clone()
                .unwrap_or_else(|| PathBuf::from("nightly.toml")),
        }
    }
}

/// The sources that a cloud has.
fn offered(cloud: CloudChoice) -> &'static [SourceChoice] {
    if cloud.cloud().has_virtual_events_and_beta() {
        &[
            SourceChoice::OnlineMeetings,
            SourceChoice::Webinars,
            SourceChoice::TownHalls,
        ]
    } else {
        &[SourceChoice::OnlineMeetings]
    }
}

/// Why there is no job file.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("`--tenant` is missing, and there is no terminal to ask at")]
    NobodyToAsk,
    #[error("the questions ended before they were answered")]
    NoAnswer { source: io::Error },
    #[error("`{}` exists already and is left as it is", path.display())]
    Exists { path: PathBuf },
    #[error("`{}` cannot be written", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let hint = match &error {
            InitError::NobodyToAsk => "add `--tenant`; `teamsheet init --help` lists every flag",
            InitError::NoAnswer { .. } => "run it at a terminal, or give the answers as flags",
            InitError::Exists { .. } => "choose another file with `--out`",
            InitError::Unwritable { .. } => "check the folder, or choose another with `--out`",
        };
        Self {
            hint: Some(hint.to_owned()),
            error: Box::new(error),
            status: ExitStatus::Usage,
        }
    }
}

/// Writes the job file, prints the steps, and offers the check of both.
///
/// # Errors
/// [`Failure`] with exit status 2: an answer that makes no job, nobody to ask, or a file that is there already; or that of the check.
pub async fn init(flags: &InitArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let mut answers = Answers::from_flags(flags);
    refuse_existing(&answers.out)?;
    let mut stderr = context.stderr.clone();
    let is_asking = io::stdin().is_terminal() && io::stderr().is_terminal();
    if is_asking {
        let mut stdin = io::stdin().lock();
        answers = questions::ask(flags, &mut stdin, &mut stderr)
            .map_err(|source| InitError::NoAnswer { source })?;
        refuse_existing(&answers.out)?;
    } else if flags.tenant.is_none() {
        return Err(InitError::NobodyToAsk.into());
    }
    job_file::check(&answers)?;
    write_new(&answers.out, &job_file::text(&answers))?;
    if context.global.format == OutputFormat::Json {
        return print(|out| writeln!(out, "{}", steps::json(&answers)))
            .map(|()| ExitStatus::Published);
    }
    print(|out| steps::write(out, &answers))?;
    if is_asking && questions::wants_check(&mut io::stdin().lock(), &mut stderr) {
        let job = answers.out;
        return Box::pin(check(&JobArguments { job }, context)).await;
    }
    Ok(ExitStatus::Published)
}

fn print(write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write(&mut out)
        .and_then(|()| out.flush())
        .or_else(Failure::unless_pipe_closed)
}

fn refuse_existing(path: &Path) -> Result<(), InitError> {
    // a link that leads nowhere counts too
    if path.symlink_metadata().is_ok() {
        return Err(InitError::Exists {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Only ever a new file: between the look and the write somebody else may have made one.
fn write_new(path: &Path, text: &str) -> Result<(), InitError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            InitError::Exists { path }
        } else {
            InitError::Unwritable { path, source }
        }
    })
}

/// What is wrong with an answer, as the user reads it.
fn problem(answers: &Answers) -> Option<PlanError> {
    job_file::check(answers).err()
}

#[cfg(test)]
mod tests;
