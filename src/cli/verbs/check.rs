//! `teamsheet check`: one line for each thing that a run needs.

use std::io::{self, Write};

use serde_json::json;

use super::super::args::{JobArguments, OutputFormat};
use super::super::exit::ExitStatus;
use super::super::load::{load_plan, now};
use super::super::render::{escape, hint};
use super::super::{Context, Failure};
use crate::check::{self, CheckLine, CheckState};
use crate::job::plan::Verb;
use crate::job::resolve::Overrides;

/// Looks at everything, and prints how it stands.
///
/// # Errors
/// [`Failure`] where the job file cannot be used (exit status 2).
pub async fn check(flags: &JobArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let overrides = Overrides {
        verb: Verb::Run,
        start: None,
        end: None,
        reprocess: None,
        wait_lock: context.global.wait_lock,
    };
    let plan = load_plan(&flags.job, &overrides)?;
    let mut lines = check::check(&plan, now).await;
    for remedy in lines.iter_mut().filter_map(|line| line.remedy.as_mut()) {
        *remedy = hint(remedy).into_owned();
    }
    let status = status_of(&lines);
    let mut out = io::stdout().lock();
    match context.global.format {
        OutputFormat::Text => text(&mut out, &lines),
        OutputFormat::Json => line_of_json(&mut out, &plan.job_name, &lines, status),
    }
    .and_then(|()| out.flush())
    .or_else(Failure::unless_pipe_closed)?;
    Ok(status)
}

fn status_of(lines: &[CheckLine]) -> ExitStatus {
    let any = |state| lines.iter().any(|line| line.state == state);
    // as a run would end: what cannot be reached is to be tried again, unless something is to be mended as well
    if any(CheckState::NotAllowed) {
        ExitStatus::NotAllowed
    } else if any(CheckState::Warehouse) {
        ExitStatus::Warehouse
    } else if any(CheckState::NotTrusted) {
        ExitStatus::Failed
    } else if any(CheckState::NotReached) {
        ExitStatus::TryAgain
    } else {
        ExitStatus::Published
    }
}

fn text(out: &mut impl Write, lines: &[CheckLine]) -> io::Result<()> {
    let width = lines.iter().map(|line| line.what.len()).max().unwrap_or(0);
    for line in lines {
        let (state, what) = (line.state.as_str(), &line.what);
        writeln!(out, "{state}  {what:<width$}  {}", escape(&line.detail))?;
        let mut begin = "hint: ";
        for part in line.remedy.iter().flat_map(|remedy| remedy.lines()) {
            writeln!(out, "      {begin}{}", escape(part))?;
            begin = "      ";
        }
    }
    Ok(())
}

fn line_of_json(
    out: &mut impl Write,
    job: &str,
    lines: &[CheckLine],
    status: ExitStatus,
) -> io::Result<()> {
    let checks: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "check": line.what,
                "state": line.state.as_str(),
                "is_not_reached": matches!(line.state, CheckState::NotReached | CheckState::NotTrusted),
                "detail": line.detail,
                "remedy": line.remedy,
            })
        })
        .collect();
    let line = json!({"job": job, "checks": checks, "exit_code": status.code()});
    writeln!(out, "{line}")
}
