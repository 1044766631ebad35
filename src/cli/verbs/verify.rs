//! `teamsheet verify`: the whole warehouse against its contract.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use super::super::args::{OutputFormat, WarehouseArguments};
use super::super::exit::ExitStatus;
use super::super::load::warehouse_place;
use super::super::render::escape;
use super::super::{Context, Failure};
use super::tell_nothing_there;
use crate::job::command::with_job;
use crate::job::resolve::DEFAULT_WAIT_LOCK;
use crate::tables::RUNS;
use crate::warehouse::{Verification, Warehouse};

/// Verifies, and prints one line a finding.
///
/// # Errors
/// [`Failure`] where the warehouse cannot be reached (exit status 5), or is not one of ours (2).
pub async fn verify(flags: &WarehouseArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let (place, staging) = warehouse_place(flags)?;
    let shown = place.to_string();
    let wait = context.global.wait_lock.unwrap_or(DEFAULT_WAIT_LOCK);
    let verifying = tokio::task::spawn_blocking(move || -> Result<_, Failure> {
        Ok(Warehouse::open_existing(&place, staging.as_deref())?.verify(wait)?)
    });
    let verified = verifying.await.map_err(|error| Failure {
        error: Box::new(error),
        hint: None,
        status: ExitStatus::Failed,
    })?;
    let format = context.global.format;
    let found =
        verified.inspect_err(|failure| tell_nothing_there("verify", &shown, format, failure))?;
    let status = if !found.findings.is_empty() {
        ExitStatus::Failed
    } else if has_published(&found) {
        ExitStatus::Published
    } else {
        // a first run that died is no sound warehouse
        ExitStatus::Warehouse
    };
    let job = flags.job.as_deref();
    let mut out = io::stdout().lock();
    match context.global.format {
        OutputFormat::Text => text(&mut out, &shown, &found, job),
        OutputFormat::Json => line_of_json(&mut out, &shown, &found, status, job),
    }
    .and_then(|()| out.flush())
    .or_else(Failure::unless_pipe_closed)?;
    Ok(status)
}

/// What each table holds, then the findings.
fn text(
    out: &mut impl Write,
    warehouse: &str,
    found: &Verification,
    job: Option<&Path>,
) -> io::Result<()> {
    writeln!(
        out,
        "{}: tenant {}, days of {}\n",
        escape(warehouse),
        escape(&found.tenant_id),
        escape(&found.timezone)
    )?;
    writeln!(
        out,
        "  {:<22}{:>11}{:>14}{:>14}",
        "table", "partitions", "rows", "size"
    )?;
    for totals in &found.tables {
        writeln!(
            out,
            "  {:<22}{:>11}{:>14}{:>14}",
            totals.table.name,
            HumanCount(totals.partitions).to_string(),
            HumanCount(totals.rows).to_string(),
            HumanBytes(totals.bytes).to_string()
        )?;
    }
    let older: u64 = found.tables.iter().map(|totals| totals.older_files).sum();
    if older > 0 {
        writeln!(
            out,
            "\n{} data files are of an older version of the contract; the next publish of their day upgrades them",
            HumanCount(older)
        )?;
    }
    writeln!(out)?;
    for finding in &found.findings {
        writeln!(
            out,
            "{}; {}",
            escape(&finding.to_string()),
            with_job(&finding.remedy(), job)
        )?;
    }
    match found.findings.len() {
        0 if !has_published(found) => {
            writeln!(out, "no finding, and no run has published here yet")
        }
        0 => writeln!(out, "no finding: everything is as the contract says"),
        1 => writeln!(out, "1 finding"),
        several => writeln!(out, "{several} findings"),
    }
}

/// Whether there is the row of a run: it is written last of all.
fn has_published(found: &Verification) -> bool {
    let mut tables = found.tables.iter();
    tables.any(|totals| totals.table.name == RUNS.name && totals.rows > 0)
}

fn line_of_json(
    out: &mut impl Write,
    warehouse: &str,
    found: &Verification,
    status: ExitStatus,
    job: Option<&Path>,
) -> io::Result<()> {
    let tables = found.tables.iter().map(|totals| {
        json!({
            "table": totals.table.name,
            "partitions": totals.partitions,
            "rows": totals.rows,
            "bytes": totals.bytes,
            "older_files": totals.older_files,
        })
    });
    let findings = found.findings.iter().map(|finding| {
        json!({
            "kind": finding.kind.as_str(),
            "table": finding.table,
            "partition": finding.partition.map(|date| date.to_string()),
            "count": finding.count,
            "example": finding.example,
            "message": finding.to_string(),
            "remedy": with_job(&finding.remedy(), job),
        })
    });
    let line = json!({
        "verb": "verify",
        "warehouse": warehouse,
        "tenant_id": found.tenant_id,
        "timezone": found.timezone,
        "has_published": has_published(found),
        "tables": tables.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "exit_code": status.code(),
    });
    writeln!(out, "{line}")
}
