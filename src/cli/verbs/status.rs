//! `teamsheet status`: how a warehouse stands, in 80 columns or as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::HumanCount;
use serde_json::json;

use super::super::args::{OutputFormat, WarehouseArguments};
use super::super::exit::ExitStatus;
use super::super::load::warehouse_place;
use super::super::render::escape;
use super::super::{Context, Failure};
use super::tell_nothing_there;
use crate::job::command::with_job;
use crate::ledger::LedgerError;
use crate::ledger::status::{DayStatus, GapStatus, Status, Wholeness, read_status};
use crate::time::UtcMicros;
use crate::warehouse::Warehouse;

/// Runs and days that are shown as text; JSON has all of them.
const SHOWN_RUNS: usize = 10;
const SHOWN_DAYS: usize = 14;
/// Lines end here where their words allow it.
const WIDTH: usize = 80;
/// States with a column of their own; the others share one.
const STATES: [&str; 5] = ["reported", "empty", "cancelled", "not_ready", "forbidden"];

/// Prints how the warehouse stands.
///
/// # Errors
/// [`Failure`] where the warehouse cannot be read (exit status 5), or is not one of ours (2).
pub async fn status(flags: &WarehouseArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let (place, staging) = warehouse_place(flags)?;
    let shown = place.to_string();
    let reading = tokio::task::spawn_blocking(move || -> Result<_, Failure> {
        let warehouse = Warehouse::open_existing(&place, staging.as_deref())?;
        let timezone = warehouse.timezone().to_owned();
        Ok((read_status(&warehouse).map_err(unreadable)?, timezone))
    });
    let read = reading.await.map_err(|error| Failure {
        error: Box::new(error),
        hint: None,
        status: ExitStatus::Failed,
    })?;
    let format = context.global.format;
    let (mut status, timezone) =
        read.inspect_err(|failure| tell_nothing_there("status", &shown, format, failure))?;
    for gap in &mut status.open_gaps {
        gap.remedy = with_job(&gap.remedy, flags.job.as_deref());
    }
    let mut out = io::stdout().lock();
    match context.global.format {
        OutputFormat::Text => text(&mut out, &shown, &timezone, &status),
        OutputFormat::Json => line_of_json(&mut out, &shown, &timezone, &status),
    }
    .and_then(|()| out.flush())
    .or_else(Failure::unless_pipe_closed)?;
    Ok(if status.runs.is_empty() {
        ExitStatus::Warehouse
    } else {
        ExitStatus::Published
    })
}

fn unreadable(error: LedgerError) -> Failure {
    match error {
        LedgerError::Warehouse { source } => source.into(),
        LedgerError::Rows { .. } => Failure {
            error: Box::new(error),
            hint: Some(
                "`teamsheet verify` says which partition is not as the contract has it".to_owned(),
            ),
            status: ExitStatus::Usage,
        },
    }
}

fn line_of_json(
    out: &mut impl Write,
    warehouse: &str,
    timezone: &str,
    status: &Status,
) -> io::Result<()> {
    let line = json!({
        "verb": "status",
        "warehouse": warehouse,
        "timezone": timezone,
        "has_published": !status.runs.is_empty(),
        "jobs": status.jobs,
        "runs": status.runs,
        "sources": status.sources,
        "days": status.days,
        "open_gaps": status.open_gaps,
    });
    writeln!(out, "{line}")
}

fn text(out: &mut impl Write, warehouse: &str, timezone: &str, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "{}\ndays of {}, instants in UTC",
        escape(warehouse),
        escape(timezone)
    )?;
    if status.runs.is_empty() {
        return writeln!(out, "\nno run has published here yet");
    }
    jobs(out, status)?;
    runs(out, status)?;
    sources(out, status)?;
    days(out, status)?;
    gaps(out, &status.open_gaps)
}

fn jobs(out: &mut impl Write, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<24}{:>18}{:>18}{:>6}  scope",
        "job", "complete until", "last run", "exit"
    )?;
    for job in &status.jobs {
        writeln!(
            out,
            "{:<24}{:>18}{:>18}{:>6}  {}",
            cut(&job.job_name, 23),
            job.watermark.map_or_else(|| "-".to_owned(), minute),
            shown(job.last_finished_at),
            job.last_exit_code,
            cut(&job.scope_hash, 8)
        )?;
    }
    Ok(())
}

fn runs(out: &mut impl Write, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<18}{:<10}{:<18}{:<18}{:>4}{:>12}",
        "run", "verb", "from", "to", "exit", "requests"
    )?;
    for run in status.runs.iter().take(SHOWN_RUNS) {
        writeln!(
            out,
            "{:<18}{:<10}{:<18}{:<18}{:>4}{:>12}",
            shown(run.started_at),
            cut(&run.verb, 9),
            shown(run.interval_start),
            shown(run.interval_end),
            run.exit_code,
            HumanCount(u64::try_from(run.requests).unwrap_or_default()).to_string()
        )?;
    }
    more(out, status.runs.len(), SHOWN_RUNS, "earlier runs")
}

fn sources(out: &mut impl Write, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<16}{:<18}{:<18}{:<18}newest",
        "source", "covered until", "last read", "newest session"
    )?;
    writeln!(out, "{:<70}report", "")?;
    for source in &status.sources {
        writeln!(
            out,
            "{:<16}{:<18}{:<18}{:<18}{}",
            cut(&source.source, 15),
            shown(source.covered_until),
            shown(source.last_read_at),
            shown(source.newest_session),
            source.newest_report.map_or_else(
                || "-".to_owned(),
                |at| { at.to_string().chars().take(10).collect() }
            )
        )?;
    }
    Ok(())
}

fn days(out: &mut impl Write, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<10}{:>6}{:>9}{:>6}{:>10}{:>10}{:>10}{:>6}{:>5}{:>8}",
        "day",
        "all",
        "reported",
        "empty",
        "cancelled",
        "not_ready",
        "forbidden",
        "other",
        "gaps",
        "whole"
    )?;
    let first = status.days.len().saturating_sub(SHOWN_DAYS);
    for day in status.days.iter().skip(first) {
        let [reported, empty, cancelled, not_ready, forbidden] =
            STATES.map(|state| count(&day.sessions_by_state, state));
        let other = day.sessions() - reported - empty - cancelled - not_ready - forbidden;
        writeln!(
            out,
            "{:<10}{:>6}{reported:>9}{empty:>6}{cancelled:>10}{not_ready:>10}{forbidden:>10}{other:>6}{:>5}{:>8}",
            day.day.to_string(),
            day.sessions(),
            day.open_gaps,
            whole(day)
        )?;
    }
    more(out, status.days.len(), SHOWN_DAYS, "earlier days")?;
    let days_that_are = |whole| status.days.iter().filter(|day| day.whole == whole).count();
    wrapped(
        out,
        0,
        &format!(
            "{} of {} days are whole: covered, every session final, no gap open",
            days_that_are(Wholeness::Complete),
            status.days.len()
        ),
    )?;
    match days_that_are(Wholeness::CompleteExceptExpired) {
        0 => Ok(()),
        1 => writeln!(
            out,
            "1 more is whole but for what is gone for good (expired)"
        ),
        days => writeln!(
            out,
            "{days} more are whole but for what is gone for good (expired)"
        ),
    }
}

fn whole(day: &DayStatus) -> &'static str {
    match day.whole {
        Wholeness::Complete => "yes",
        Wholeness::CompleteExceptExpired => "expired",
        Wholeness::Incomplete if day.is_covered => "no",
        Wholeness::Incomplete => "in part",
    }
}

fn gaps(out: &mut impl Write, gaps: &[GapStatus]) -> io::Result<()> {
    if gaps.is_empty() {
        return writeln!(out, "\nno gap is open");
    }
    writeln!(out, "\nopen gaps")?;
    for gap in gaps {
        let days = if gap.first_day == gap.last_day {
            gap.first_day.to_string()
        } else {
            format!("{} to {}", gap.first_day, gap.last_day)
        };
        wrapped(
            out,
            2,
            &format!(
                "{} {} at {} of {}, {days}, since {}",
                HumanCount(gap.count),
                escape(&gap.reason),
                escape(&gap.stage),
                escape(&gap.source),
                shown(gap.first_seen_at)
            ),
        )?;
        wrapped(out, 4, &gap.remedy)?;
    }
    Ok(())
}

/// Words on lines that end in time; a word that is too long has a line of its own.
fn wrapped(out: &mut impl Write, indent: usize, text: &str) -> io::Result<()> {
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{:indent$}{line}", "")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{:indent$}{line}", "")
}

fn more(out: &mut impl Write, all: usize, shown: usize, what: &str) -> io::Result<()> {
    match all.checked_sub(shown) {
        Some(more) if more > 0 => writeln!(out, "and {more} {what}: `--format json` has all"),
        _ => Ok(()),
    }
}

fn count(counts: &BTreeMap<String, u64>, state: &str) -> u64 {
    counts.get(state).copied().unwrap_or_default()
}

fn shown(at: Option<UtcMicros>) -> String {
    at.map_or_else(|| "-".to_owned(), minute)
}

/// `2026-01-31 03:30`.
fn minute(at: UtcMicros) -> String {
    at.to_string().replace('T', " ").chars().take(16).collect()
}

/// At most so many characters, none of which moves the cursor.
fn cut(text: &str, width: usize) -> String {
    let text = escape(text);
    if text.chars().count() <= width {
        return text.into_owned();
    }
    let head: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{head}…")
}
