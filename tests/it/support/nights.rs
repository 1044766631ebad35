//! Nights in a row: the real pipeline in this process, with a clock that the test sets and a tenant that knows no future.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use teamsheet::cli::load::now;
use teamsheet::job::file::JobFile;
use teamsheet::job::interval::parse_bound;
use teamsheet::job::plan::{Reprocess, RunPlan, Verb};
use teamsheet::job::resolve::{Overrides, resolve};
use teamsheet::job::surroundings::Surroundings;
use teamsheet::ledger::{RunSummary, Tally};
use teamsheet::pipeline::{self, RunControl, RunError};
use teamsheet::simulated_tenant::world::Report;
use teamsheet::simulated_tenant::{CLIENT_SECRET, World};
use teamsheet::time::{UtcMicros, WarehouseTimezone};
use tokio_util::sync::CancellationToken;

use super::Stand;

thread_local! {
    /// The test's time; each test has a thread of its own.
    static CLOCK: Cell<Option<UtcMicros>> = const { Cell::new(None) };
}

fn clock() -> UtcMicros {
    CLOCK.get().unwrap_or_else(now)
}

/// A stand whose tenant shows only what has happened by the time of each run.
pub(crate) struct Nights {
    pub(crate) stand: Stand,
    /// Everything that ever happens.
    pub(crate) world: World,
    /// More of the job file, after its `[limits]`.
    pub(crate) job: String,
    /// A line of the job file and what stands in its place.
    pub(crate) replace: (&'static str, &'static str),
    /// How many runs there were: each one's id differs.
    runs: Cell<u16>,
}

impl Nights {
    pub(crate) fn new(world: World) -> Self {
        Self {
            stand: Stand::new(world.clone()),
            world,
            job: String::new(),
            replace: ("", ""),
            runs: Cell::new(0),
        }
    }

    /// The scheduled run, started at that time.
    pub(crate) fn run(&self, at: UtcMicros) -> RunSummary {
        self.try_run(at).unwrap()
    }

    pub(crate) fn try_run(&self, at: UtcMicros) -> Result<RunSummary, RunError> {
        self.execute(at, Verb::Run, None, None)
    }

    /// The scheduled run's verb over a range of days that was asked for.
    pub(crate) fn run_over(&self, at: UtcMicros, days: (&str, &str)) -> RunSummary {
        self.execute(at, Verb::Run, Some(days), None).unwrap()
    }

    /// A backfill of a range of days, started at that time.
    pub(crate) fn backfill(
        &self,
        at: UtcMicros,
        (from, to): (&str, &str),
        reprocess: Option<Reprocess>,
    ) -> RunSummary {
        self.try_backfill(at, (from, to), reprocess).unwrap()
    }

    pub(crate) fn try_backfill(
        &self,
        at: UtcMicros,
        (from, to): (&str, &str),
        reprocess: Option<Reprocess>,
    ) -> Result<RunSummary, RunError> {
        self.execute(at, Verb::Backfill, Some((from, to)), reprocess)
    }

    fn execute(
        &self,
        at: UtcMicros,
        verb: Verb,
        range: Option<(&str, &str)>,
        reprocess: Option<Reprocess>,
    ) -> Result<RunSummary, RunError> {
        let plan = self.plan(at, verb, range, reprocess);
        let visible = as_of(&self.world, at);
        self.stand.tenant.edit(|world| *world = visible);
        let control = RunControl {
            stop: CancellationToken::new(),
            tally: Arc::new(Tally::default()),
            clock,
            peak_memory: || 0,
            files: pipeline::FileThread::start(),
        };
        CLOCK.set(Some(at));
        self.stand
            .runtime
            .block_on(Box::pin(pipeline::run(&plan, &control)))
    }

    fn plan(
        &self,
        at: UtcMicros,
        verb: Verb,
        range: Option<(&str, &str)>,
        reprocess: Option<Reprocess>,
    ) -> RunPlan {
        let path = self.stand.job(&self.stand.warehouse(), &self.job);
        let mut text = std::fs::read_to_string(&path).unwrap();
        if !self.replace.0.is_empty() {
            text = text.replacen(self.replace.0, self.replace.1, 1);
        }
        let overrides = Overrides {
            verb,
            start: range.map(|(from, _)| from.to_owned()),
            end: range.map(|(_, to)| to.to_owned()),
            reprocess,
            wait_lock: None,
        };
        let number = self.runs.get() + 1;
        self.runs.set(number);
        let surroundings = Surroundings {
            started_at: at,
            random: u128::from(number).to_le_bytes(),
            variable: &|name| (name == "SECRET").then(|| CLIENT_SECRET.to_owned()),
            read_file: &|path: &Path| panic!("{} is not to be read", path.display()),
            job_stem: "nightly",
        };
        resolve(
            &JobFile::parse(&text, &path).unwrap(),
            &overrides,
            &surroundings,
        )
        .unwrap()
    }
}

/// An instant.
pub(crate) fn at(text: &str) -> UtcMicros {
    parse_bound(text, &WarehouseTimezone::utc()).unwrap_or_else(|| panic!("{text}"))
}

/// What Graph shows of a world at a time: the calendar as it will be, and the reports of what is over.
pub(crate) fn as_of(world: &World, at: UtcMicros) -> World {
    let is_over = |report: &Report| report.end.at <= at;
    let mut world = world.clone();
    for meeting in &mut world.meetings {
        meeting.reports.retain(is_over);
    }
    for event in &mut world.virtual_events {
        for session in &mut event.sessions {
            session.reports.retain(is_over);
        }
    }
    world
}

/// The requests about attendance that a run sent: look-ups of meetings, lists of reports, reports.
pub(crate) fn asked(summary: &RunSummary) -> [u64; 3] {
    let count = |kind: &str| summary.requests_by_kind.get(kind).copied().unwrap_or(0);
    ["find_meeting", "list_reports", "get_report"].map(count)
}

/// Sessions of a run by state.
pub(crate) fn states(summary: &RunSummary) -> Vec<(&str, u64)> {
    let states: &BTreeMap<String, u64> = &summary.sessions_by_state;
    states
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.as_str(), *count))
        .collect()
}
