//! Runs the steps of a cut on a warehouse of their own: the real pipeline in this process, with a clock that is set.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use teamsheet::job::file::JobFile;
use teamsheet::job::place::WarehousePlace;
use teamsheet::job::plan::{RunPlan, Verb};
use teamsheet::job::resolve::{Overrides, resolve};
use teamsheet::job::surroundings::Surroundings;
use teamsheet::ledger::{RunSummary, Tally};
use teamsheet::pipeline::{self, RunControl, RunError};
use teamsheet::simulated_tenant::{CLIENT_SECRET, Weather};
use teamsheet::time::UtcMicros;
use teamsheet::warehouse::Warehouse;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::cuts::{Cut, SETTLING, Step, What};
use super::drawing::{Drawn, Job};
use super::features;
use super::rows::Rows;
use super::stories::Story;
use super::truth::truth;
use crate::support::nights::asked;
use crate::support::{Published, Stand};

thread_local! {
    /// The time of the step; each world has a thread of its own.
    static CLOCK: Cell<UtcMicros> = const { Cell::new(UtcMicros(0)) };
}

fn clock() -> UtcMicros {
    CLOCK.get()
}

/// Whether the last step is a night of which the README says that it costs nothing: the night before saw that all is settled.
fn asks_in_vain(days: i64, cut: &Cut) -> bool {
    let [.., before, last] = cut.steps.as_slice() else {
        return false;
    };
    let are_nights = before.what == What::Night && last.what == What::Night;
    are_nights
        && before.weather.is_none()
        && before.day == last.day - 1
        && last.day >= days + SETTLING
}

/// A tenant that serves one world, for as many warehouses as are wanted.
pub(crate) struct Reader<'a> {
    drawn: &'a Drawn,
    stand: Stand,
    truth: Rows,
    jobs: Vec<Job>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(drawn: &'a Drawn) -> Self {
        Self {
            drawn,
            stand: Stand::new(drawn.world.clone()),
            truth: truth(drawn),
            jobs: drawn.jobs(),
        }
    }

    /// What the warehouse of a cut says that is not true; empty where all is as it should be.
    pub(crate) fn differences(&self, cut: &Cut) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = folder.path().join("warehouse");
        let mut number = 0;
        let asks_in_vain = asks_in_vain(self.drawn.days, cut);
        for step in &cut.steps {
            for job in &self.jobs {
                number += 1;
                let ran = self.step(step, job, &folder, number);
                let is_last = asks_in_vain && cut.steps.last() == Some(step);
                match ran {
                    // a night that fails is made up for by the next
                    Err(_) if step.weather.is_some() => {}
                    // a repeat asks for nothing but what is refused
                    Err(RunError::Forbidden { .. })
                        if self.drawn.stories.contains(&Story::Forbidden) => {}
                    Err(error) => return vec![format!("{step:?} ends with {error:?}")],
                    Ok(summary) if is_last => {
                        let (asked, allowed) = (asked(&summary), self.lists_in_vain());
                        let is_cheap = asked[0] == 0 && asked[1] <= allowed && asked[2] == 0;
                        if !is_cheap && self.truth.gaps.is_empty() {
                            let says = "the last night asks for look-ups, lists and reports";
                            return vec![format!("{says}: {asked:?}, and may for {allowed} lists")];
                        }
                    }
                    Ok(_) => {}
                }
            }
        }
        let opened = Warehouse::open_existing(&WarehousePlace::Folder(warehouse.clone()), None);
        let verified = opened.unwrap().verify(Duration::ZERO).unwrap();
        let mut found: Vec<String> = { verified.findings.iter() }
            .map(|finding| format!("verify: {finding:?}"))
            .collect();
        let rows = Rows::read(self.drawn, &Published::read(&warehouse));
        found.extend(rows.differences(&self.truth));
        found
    }

    /// Nobody came: single meetings are looked at as long as a night looks back.
    fn lists_in_vain(&self) -> u64 {
        let sessions = self.truth.sessions.values();
        let empty = sessions.filter(|session| session.state == "empty");
        empty.count() as u64
    }

    fn step(
        &self,
        step: &Step,
        job: &Job,
        folder: &TempDir,
        number: u32,
    ) -> Result<RunSummary, RunError> {
        let at = match step.what {
            What::Night => self.drawn.night(step.day),
            What::Backfill { .. } => self.drawn.at(step.day, 12 * 60),
        };
        let plan = self.plan(step, job, folder.path(), (at, number));
        let visible = self.drawn.world.as_of(at);
        self.stand.tenant.edit(|world| *world = visible);
        self.stand
            .tenant
            .set_weather(step.weather.map(|seed| Weather {
                seed,
                percent: 12,
                at_most: 1,
                troubles: features::TROUBLES.to_vec(),
            }));
        let control = RunControl {
            stop: CancellationToken::new(),
            tally: Arc::new(Tally::default()),
            clock,
            peak_memory: || 0,
            files: pipeline::FileThread::start(),
        };
        CLOCK.set(at);
        let running = Box::pin(pipeline::run(&plan, &control));
        self.stand.runtime.block_on(running)
    }

    fn plan(
        &self,
        step: &Step,
        job: &Job,
        folder: &Path,
        (at, number): (UtcMicros, u32),
    ) -> RunPlan {
        let warehouse = folder.join("warehouse");
        let chunk_days = match step.what {
            What::Backfill { chunk_days, .. } => chunk_days,
            What::Night => 7,
        };
        let more = format!("[run]\nchunk_days = {chunk_days}\n");
        let path = self.stand.job_of(&warehouse, &job.sources, &more);
        let text = fs::read_to_string(&path).unwrap();
        let zone = format!("[warehouse]\ntimezone = \"{}\"\n", self.drawn.timezone);
        let text = text.replacen("[warehouse]\n", &zone, 1);
        let (verb, start, end, reprocess) = match step.what {
            What::Night => (Verb::Run, None, None, None),
            What::Backfill {
                from,
                to,
                reprocess,
                ..
            } => {
                let dates = (self.drawn.date(from), self.drawn.date(to));
                (Verb::Backfill, Some(dates.0), Some(dates.1), reprocess)
            }
        };
        let overrides = Overrides {
            verb,
            start,
            end,
            reprocess,
            wait_lock: None,
        };
        let surroundings = Surroundings {
            started_at: at,
            random: u128::from(number).to_le_bytes(),
            variable: &|name| (name == "SECRET").then(|| CLIENT_SECRET.to_owned()),
            read_file: &|path: &Path| panic!("{} is not to be read", path.display()),
            job_stem: &job.name,
        };
        let file = JobFile::parse(&text, &path).unwrap();
        resolve(&file, &overrides, &surroundings).unwrap()
    }
}
