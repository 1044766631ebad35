//! `teamsheet plan`: what a run would do.

use std::io::{self, Write};

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::super::args::{OutputFormat, PlanArguments};
use super::super::exit::ExitStatus;
use super::super::load::load_plan;
use super::super::summary::{cells, duration, listed, row};
use super::super::{Context, Failure, render};
use super::run::controlled;
use crate::job::command::filled;
use crate::job::plan::RunPlan;
use crate::ledger::Notice;
use crate::pipeline::{self, Forecast, LOOK_UPS_A_MONTH};
use crate::time::EventDate;

/// Tells what a run would do; nothing is written.
///
/// # Errors
/// [`Failure`], with the exit status that a run would have.
pub async fn plan(flags: &PlanArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let plan = load_plan(&flags.job, &flags.overrides(&context.global))?;
    let work = |control| {
        let plan = &plan;
        async move { pipeline::forecast(plan, &control).await }
    };
    let forecast = controlled(context, work).await;
    let forecast = forecast.map_err(|failure| failure.for_plan(&plan))?;
    warn(&forecast, &plan, context);
    let mut out = io::stdout().lock();
    match context.global.format {
        OutputFormat::Text => text(&mut out, &plan, &forecast),
        OutputFormat::Json => writeln!(out, "{}", as_json(&plan, &forecast)),
    }
    .and_then(|()| out.flush())
    .or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::Published)
}

fn warn(forecast: &Forecast, plan: &RunPlan, context: &Context) {
    let mut stderr = context.stderr.clone();
    let mut warn = |message: &str, hint: &str| {
        let notice = Notice {
            message: message.to_owned(),
            hint: Some(filled(hint, plan)),
        };
        // where standard error is gone, the figures still tell
        render::notice(&mut stderr, &notice).ok();
    };
    if let Some(failure) = &forecast.first_failure {
        let unreadable: u64 = forecast.unreadable.values().sum();
        warn(
            &format!(
                "{unreadable} calendars, lists or entries could not be read; what they hold is not in the figures"
            ),
            &failure.hint().unwrap_or_else(|| failure.to_string()),
        );
    }
    if forecast.organizers_with_many_look_ups > 0 {
        warn(
            &format!(
                "{} organizers need more than 1600 meeting look-ups, the most of them {}; Microsoft allows {LOOK_UPS_A_MONTH} for a user in a month",
                forecast.organizers_with_many_look_ups, forecast.most_look_ups
            ),
            "set `derive_ids = true`, or backfill in parts, a month of the calendar apart",
        );
    }
    if forecast.reports_near_expiry > 0 {
        warn(
            &format!(
                "{} reports are near their expiry: Graph deletes a report a year after its meeting",
                forecast.reports_near_expiry
            ),
            "backfill them now",
        );
    }
    if forecast.sessions_past_retention > 0 {
        warn(
            &format!(
                "{} sessions are older than a year and have no report: what Graph had of them is deleted",
                forecast.sessions_past_retention
            ),
            "begin the interval later; these sessions end as `empty` or `gone`",
        );
    }
}

fn text(out: &mut impl Write, plan: &RunPlan, forecast: &Forecast) -> io::Result<()> {
    let name = render::escape(&plan.job_name);
    let Some(interval) = forecast.interval else {
        return writeln!(
            out,
            "{} of job `{name}` has nothing to do: its watermark is at the end of yesterday",
            plan.verb.as_str()
        );
    };
    writeln!(
        out,
        "{} of job `{name}`, {} to {}, would do this:\n",
        plan.verb.as_str(),
        interval.start(),
        interval.end()
    )?;
    row(
        out,
        "sessions",
        forecast.sessions.values().sum(),
        &listed(&forecast.sessions),
    )?;
    row(
        out,
        "requests",
        forecast.requests.values().sum(),
        &listed(&forecast.requests),
    )?;
    cells(
        out,
        "takes",
        &duration(forecast.seconds_under_limits),
        &["or more, under the limits".to_owned()],
    )?;
    let days = HumanCount(forecast.days_to_publish.len() as u64).to_string();
    let mut details = vec![format!("at most, of {days} days")];
    if let (Some(first), Some(last)) = (
        forecast.days_to_publish.first(),
        forecast.days_to_publish.last(),
    ) {
        details.push(format!("{first} to {last}"));
        details.push(format!("in {} chunks", HumanCount(forecast.chunks)));
    }
    row(out, "partitions", forecast.partitions, &details)?;
    let look_ups = format!("for one organizer at most, of {LOOK_UPS_A_MONTH} a month");
    row(out, "look-ups", forecast.most_look_ups, &[look_ups])?;
    let expiry = "reports within 30 days".to_owned();
    row(out, "expiring", forecast.reports_near_expiry, &[expiry])?;
    writeln!(out, "\nNothing was written")
}

fn as_json(plan: &RunPlan, forecast: &Forecast) -> Value {
    let bound = |at: Option<crate::time::UtcMicros>| at.map(|at| at.to_string());
    json!({
        "verb": plan.verb.as_str(),
        "job": plan.job_name,
        "interval_start": bound(forecast.interval.map(|interval| interval.start())),
        "interval_end": bound(forecast.interval.map(|interval| interval.end())),
        "chunks": forecast.chunks,
        "sessions": forecast.sessions,
        "requests": forecast.requests.values().sum::<u64>(),
        "requests_by_kind": forecast.requests,
        "seconds_under_limits": forecast.seconds_under_limits,
        "days_to_publish": forecast.days_to_publish.iter().map(EventDate::to_string).collect::<Vec<_>>(),
        "partitions": forecast.partitions,
        "reports_near_expiry": forecast.reports_near_expiry,
        "sessions_past_retention": forecast.sessions_past_retention,
        "most_look_ups_of_one_organizer": forecast.most_look_ups,
        "organizers_with_many_look_ups": forecast.organizers_with_many_look_ups,
        "unreadable": forecast.unreadable,
    })
}
