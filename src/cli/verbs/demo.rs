//! `teamsheet demo`: the real pipeline against the simulated tenant, on loopback, with no account at all.

use std::io::{self, Write};
use std::path::Path;

use super::super::args::{DemoArguments, OutputFormat};
use super::super::exit::ExitStatus;
use super::super::load::{now, plan_of};
use super::super::{Context, Failure, summary};
use super::run::{execute, finish, tell};
use crate::job::plan::{Reprocess, RunPlan, Verb};
use crate::job::resolve::Overrides;
use crate::ledger::RunSummary;
use crate::simulated_tenant::world::{AccessPolicy, Person};
use crate::simulated_tenant::{CLIENT_ID, CLIENT_SECRET, SimulatedTenant, World, WorldSettings};

/// What the demo's job file says in place of a secret of yours.
const SECRET_VARIABLE: &str = "TEAMSHEET_DEMO_SECRET";

/// Reasons that the demo's job tolerates: the second is that of meetings which Graph does not find, one answer of which is not believed.
const FORBIDDEN: &str = "forbidden";
const GONE: &str = "gone";

/// Starts the tenant, runs the pipeline, and prints what to query next.
///
/// # Errors
/// [`Failure`], with its exit status.
pub async fn demo(flags: &DemoArguments, context: &Context) -> Result<ExitStatus, Failure> {
    let settings = WorldSettings {
        seed: flags.seed,
        users: flags.users,
        days: flags.days,
        now: now(),
    };
    let world = World::generate(&settings).as_tenant_of_its_own();
    let tenant_id = world.tenant_id.clone();
    let is_refused = |person: &&Person| person.access_policy != AccessPolicy::Granted;
    let refused = world.people.iter().filter(is_refused).count();
    let tenant = SimulatedTenant::start(world)
        .await
        .map_err(|error| Failure {
            error: Box::new(error),
            hint: Some("the demo needs a free port on 127.0.0.1".to_owned()),
            status: ExitStatus::Failed,
        })?;
    let plan = plan(flags, context, (&settings, &tenant_id), &tenant)?;
    let (ran, _) = execute(&plan, context).await;
    let summary = ran.map_err(|failure| other_folder(failure, &flags.out))?;
    if context.global.format == OutputFormat::Json {
        return finish(&summary, context);
    }
    tell(&summary, context);
    let mut out = io::stdout().lock();
    let printed = summary::text(&mut out, &summary)
        .and_then(|()| on_purpose(&mut out, refused, &summary))
        .and_then(|()| what_next(&mut out, &flags.out));
    printed.or_else(Failure::unless_pipe_closed)?;
    Ok(ExitStatus::of_code(summary.exit_code))
}

/// The job file that a user would write for this tenant, resolved.
fn plan(
    flags: &DemoArguments,
    context: &Context,
    (settings, tenant_id): (&WorldSettings, &str),
    tenant: &SimulatedTenant,
) -> Result<RunPlan, Failure> {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let job = format!(
        "[tenant]\nid = \"{tenant_id}\"\n\
         [auth]\nmethod = \"client-secret\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"{SECRET_VARIABLE}\" }}\n\
         [sources.online_meetings]\n[sources.webinars]\n[sources.town_halls]\n\
         [warehouse]\nuri = {uri}\n\
         [run]\ntolerate = [\"{FORBIDDEN}\", \"{GONE}\"]\n\
         [graph]\nendpoint = {endpoint}\nauthority = {authority}\n\
         [limits]\nattendance = \"none\"\ncalendar = \"none\"\nvirtual_events = \"none\"\ndirectory = \"none\"\n",
        uri = quoted(&flags.out.to_string_lossy()),
        endpoint = quoted(tenant.endpoint().as_str()),
        authority = quoted(tenant.authority().as_str()),
    );
    let overrides = Overrides {
        verb: Verb::Backfill,
        start: Some(settings.midnight(0).to_string()),
        end: Some(settings.midnight(flags.days).to_string()),
        reprocess: Some(Reprocess::Missing),
        wait_lock: context.global.wait_lock,
    };
    let secret = |name: &str| (name == SECRET_VARIABLE).then(|| CLIENT_SECRET.to_owned());
    Ok(plan_of(&job, Path::new("demo.toml"), &overrides, &secret)?)
}

/// Each day's demo is a tenant of its own, so a folder is the demo of one day.
fn other_folder(mut failure: Failure, out: &Path) -> Failure {
    if failure.status == ExitStatus::Usage {
        failure.hint = Some(format!(
            "remove `{}`, or choose another folder with `--out`: it holds another tenant, such as the demo of another day",
            out.display()
        ));
    }
    failure
}

/// Why gaps are open although all is well, and what a job of yours would end with.
fn on_purpose(out: &mut impl Write, refused: usize, summary: &RunSummary) -> io::Result<()> {
    let gaps = summary.gaps_by_reason.get(FORBIDDEN).copied();
    let Some(gaps) = gaps.filter(|_| summary.exit_code == ExitStatus::Published.code()) else {
        return Ok(());
    };
    let (organizers, are) = if refused == 1 {
        ("organizer", "is")
    } else {
        ("organizers", "are")
    };
    writeln!(
        out,
        "\n{refused} {organizers} {are} refused on purpose, as in a tenant whose access policy does not\n\
         cover everybody: {gaps} gaps are open as `{FORBIDDEN}`. The demo's job tolerates that\n\
         (`[run] tolerate = [\"{FORBIDDEN}\", \"{GONE}\"]`); without it this run would have ended with {}.",
        ExitStatus::Partial.code()
    )
}

/// Three questions and their answers' queries.
fn what_next(out: &mut impl Write, warehouse: &Path) -> io::Result<()> {
    let root = warehouse.display().to_string().replace('\'', "''");
    writeln!(
        out,
        "\nAsk DuckDB, for example:\n\n\
         -- how much attendance is known, and where is a zero really a zero?\n\
         SELECT source, attendance_state, count(*) AS sessions\n\
         FROM '{root}/sessions/event_date=*/*.parquet' GROUP BY ALL ORDER BY ALL;\n\n\
         -- who came, and for how long, by day?\n\
         SELECT event_date, count(*) AS attendees, round(sum(present_seconds) / 3600.0, 1) AS hours\n\
         FROM '{root}/attendance_records/event_date=*/*.parquet' GROUP BY ALL ORDER BY ALL;\n\n\
         -- what is missing, and why?\n\
         SELECT stage, reason, graph_code, count(*) AS gaps\n\
         FROM '{root}/gaps/event_date=*/*.parquet' WHERE closed_at IS NULL GROUP BY ALL ORDER BY gaps DESC;"
    )
}
