//! `teamsheet import`: attendance CSVs that people saved, into the same tables.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::super::args::{ImportArguments, OutputFormat};
use super::super::exit::ExitStatus;
use super::super::load::{load_import_plan, now};
use super::super::render::escape;
use super::super::summary::row;
use super::super::{Context, Failure, render};
use super::run::controlled;
use crate::import::ReadSettings;
use crate::job::resolve::ImportPlan;
use crate::ledger::Notice;
use crate::pipeline::{
    self, BadFile, ImportSummary, SavedFile, TenantError, import_tenant, read_saved_files,
};

/// Files that are no attendance reports.
#[derive(Debug, thiserror::Error)]
#[error("{bad} of {all} files cannot be imported; nothing was published")]
struct BadFiles {
    bad: usize,
    all: usize,
}

/// Reads every file, and imports them where all are good.
///
/// # Errors
/// [`Failure`], with its exit status.
pub async fn import(flags: &ImportArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_import_plan(&flags.job, context.global.wait_lock)?;
    let span = tracing::info_span!(
        "import",
        invocation_id = plan.invocation_id.as_str(),
        job_name = plan.job_name
    );
    let mut bad = Vec::new();
    let ran = Box::pin(run(&plan, flags, context, &mut bad))
        .instrument(span)
        .await;
    match ran {
        Ok(summary) => finish(&summary, context),
        Err(failure) => {
            tell(&bad, context);
            // where standard output is gone, standard error and the exit status still tell
            writeln!(
                io::stdout().lock(),
                "{}",
                failed_line(&plan, &bad, &failure)
            )
            .ok();
            Err(failure.for_job(Some(&flags.job)))
        }
    }
}

async fn run(
    plan: &ImportPlan,
    flags: &ImportArguments,
    context: &Context,
    bad: &mut Vec<BadFile>,
) -> Result<ImportSummary, Failure> {
    let zone = || TimeZone::get(plan.warehouse.timezone.name()).unwrap_or(TimeZone::UTC);
    let settings = ReadSettings {
        timezone: flags.timezone.clone().unwrap_or_else(zone),
        date_order: flags.date_format.map(Into::into),
        now: now(),
    };
    let (job, paths) = (plan.clone(), flags.files.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let tenant = import_tenant(&job)?;
        Ok((read_saved_files(&paths, &settings, &tenant), tenant))
    });
    let read = reading.await.map_err(internal)?;
    let (files, tenant) = read.map_err(unknown_tenant)?;
    let files: Vec<SavedFile> = files.map_err(|found| {
        let error = BadFiles {
            bad: found.len(),
            all: flags.files.len(),
        };
        *bad = found;
        Failure {
            error: Box::new(error),
            hint: Some(
                "mend or leave out the files above, and run the same command again".to_owned(),
            ),
            status: ExitStatus::Usage,
        }
    })?;
    controlled(context, |control| async move {
        pipeline::import(plan, &tenant, files, &control).await
    })
    .await
}

fn internal(error: tokio::task::JoinError) -> Failure {
    Failure {
        error: Box::new(error),
        hint: None,
        status: ExitStatus::Failed,
    }
}

fn unknown_tenant(error: TenantError) -> Failure {
    match error {
        TenantError::Warehouse { source } => source.into(),
        TenantError::Unknown { .. } => Failure {
            error: Box::new(error),
            hint: Some(
                "give the tenant's GUID as `tenant.id` in the job file, or run `teamsheet run --job FILE` once before".to_owned(),
            ),
            status: ExitStatus::Usage,
        },
    }
}

/// One notice a bad file, on standard error.
fn tell(bad: &[BadFile], context: &Context) {
    let mut stderr = context.stderr.clone();
    for file in bad {
        let notice = Notice {
            message: format!("`{}`: {}", file.path.display(), problem(file)),
            hint: Some(file.refusal.remedy().to_owned()),
        };
        if context.global.log_format == OutputFormat::Json {
            tracing::error!(hint = notice.hint, "{}", notice.message);
        } else {
            // where standard error is gone, the last line of standard output still lists them
            render::notice(&mut stderr, &notice).ok();
        }
    }
}

/// The refusal with what the system said.
fn problem(file: &BadFile) -> String {
    match render::causes(&file.refusal) {
        None => file.refusal.to_string(),
        Some(causes) => format!("{}: {causes}", file.refusal),
    }
}

fn failed_line(plan: &ImportPlan, bad: &[BadFile], failure: &Failure) -> Value {
    let files = bad.iter().map(|file| {
        json!({
            "path": file.path.display().to_string(),
            "problem": problem(file),
            "remedy": file.refusal.remedy(),
        })
    });
    json!({
        "verb": "import",
        "job_name": plan.job_name,
        "invocation_id": plan.invocation_id.as_str(),
        "bad_files": files.collect::<Vec<_>>(),
        "error": failure.error.to_string(),
        "exit_code": failure.status.code(),
    })
}

/// Prints the summary and, last, its one line of JSON.
fn finish(summary: &ImportSummary, context: &Context) -> Result<ExitStatus, Failure> {
    let mut out = io::stdout().lock();
    let printed = match context.global.format {
        OutputFormat::Text => text(&mut out, summary),
        OutputFormat::Json => Ok(()),
    };
    printed
        .and_then(|()| serde_json::to_writer(&mut out, summary).map_err(io::Error::from))
        .and_then(|()| writeln!(out))
        .and_then(|()| out.flush())
        .or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::of_code(summary.exit_code))
}

fn text(out: &mut impl Write, summary: &ImportSummary) -> io::Result<()> {
    writeln!(out, "import of job `{}`", escape(&summary.job_name))?;
    writeln!(out, "into {}", escape(&summary.warehouse))?;
    writeln!(out)?;
    let told = |pairs: &[(u64, &str)]| -> Vec<String> {
        let pairs = pairs.iter().filter(|(count, _)| *count > 0);
        pairs
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    };
    row(
        out,
        "files",
        summary.files,
        &told(&[
            (summary.same_report, "of a report that another file has too"),
            (summary.imported_before, "imported before"),
            (summary.from_graph, "that Graph gave already"),
        ]),
    )?;
    row(
        out,
        "reports",
        summary.reports,
        &told(&[
            (summary.matched_sessions, "of known sessions"),
            (summary.own_sessions, "with a session of their own"),
            (summary.retracted, "earlier imports taken away"),
        ]),
    )?;
    row(
        out,
        "records",
        summary.records,
        &told(&[(summary.absent, "registered and did not come")]),
    )?;
    row(out, "intervals", summary.intervals, &[])?;
    let filled = ["closed".to_owned()];
    let filled: &[String] = if summary.gaps_closed > 0 {
        &filled
    } else {
        &[]
    };
    row(out, "gaps", summary.gaps_closed, filled)?;
    let nothing = ["nothing new".to_owned()];
    let note: &[String] = if summary.partitions_published == 0 {
        &nothing
    } else {
        &[]
    };
    row(out, "partitions", summary.partitions_published, note)?;
    writeln!(out)
}
