//! A warehouse with an older generation, a tenant that has more to tell since, a traced run, and what is held against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::strace::{Fault, Step, Strace};
use crate::support::{Published, Stand, assert_same_rows, binary, partitions};

const TABLES: [&str; 6] = [
    "attendance_intervals",
    "attendance_records",
    "attendance_reports",
    "sessions",
    "gaps",
    "runs",
];

/// A warehouse with an older generation, and a tenant that has more to tell since.
pub(crate) struct Scene {
    pub(crate) stand: Stand,
    pub(crate) older: PathBuf,
    pub(crate) publish: &'static str,
    pub(crate) before: BTreeMap<PathBuf, u64>,
    pub(crate) truth: Published,
}

/// How a traced run ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    pub(crate) log: String,
}

impl Scene {
    pub(crate) fn new(publish: &'static str) -> Self {
        let stand = Stand::lifelike(3, 3);
        stand.backfill(0, 2, "", &[]);
        let older = stand.folder.path().join("older");
        fs::rename(stand.warehouse(), &older).unwrap();
        stand.tenant.edit(|world| {
            for report in world
                .meetings
                .iter_mut()
                .flat_map(|meeting| &mut meeting.reports)
            {
                let mut late = report.records[0].clone();
                late.id = Some("late".to_owned());
                report.records.push(late);
                report.total_participant_count += 1;
            }
        });
        let mut scene = Self {
            stand,
            older,
            publish,
            before: BTreeMap::new(),
            truth: Published::read(Path::new("/nonexistent")),
        };
        scene.before = generations(&scene.older);
        scene.reset();
        scene.clean_run();
        scene.truth = scene.stand.published().content();
        assert!(scene.truth.records.len() > 20, "the world is too small");
        scene
    }

    /// The older generation, in the warehouse's place.
    pub(crate) fn reset(&self) {
        let warehouse = self.stand.warehouse();
        fs::remove_dir_all(&warehouse).ok();
        let copied = Command::new("cp")
            .arg("-a")
            .args([&self.older, &warehouse])
            .status();
        assert!(copied.unwrap().success());
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let job = self.stand.job(&self.stand.warehouse(), "");
        let text = fs::read_to_string(&job).unwrap();
        let publish = format!("publish = \"{}\"\n[graph]", self.publish);
        fs::write(&job, text.replace("[graph]", &publish)).unwrap();
        let settings = self.stand.tenant.world().settings;
        let [from, to] = [0, 3].map(|day| settings.midnight(day).to_string());
        // whatever is final already is fetched anew too, so that every partition changes
        let job = job.to_str().unwrap();
        let arguments = [
            "backfill",
            "--job",
            job,
            "--from",
            &from,
            "--to",
            &to,
            "--reprocess",
            "all",
        ];
        arguments.map(str::to_owned).to_vec()
    }

    /// What is published, sound or not.
    pub(crate) fn rows(&self) -> Published {
        Published::read(&self.stand.warehouse())
    }

    pub(crate) fn records_before(&self) -> usize {
        Published::read(&self.older).records.len()
    }

    pub(crate) fn clean_run(&self) {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.stand.run(&arguments).expect_code(0);
    }

    pub(crate) fn spawn(&self) -> Child {
        binary()
            .args(self.arguments())
            .current_dir(self.stand.folder.path())
            .stdout(Stdio::null())
            .stderr(File::create(self.stderr()).unwrap())
            .spawn()
            .unwrap()
    }

    pub(crate) fn stderr(&self) -> PathBuf {
        self.stand.folder.path().join("stderr")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.stand.folder.path().join("strace.log")
    }

    /// The id of the run that is staging, once it is.
    pub(crate) fn run_id(&self) -> Option<String> {
        let staging = fs::read_dir(self.stand.warehouse().join("_teamsheet/staging")).ok()?;
        staging
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| name.contains("Z-"))
    }

    pub(crate) fn ended(&self, mut run: Child, strace: Strace) -> Ended {
        let status = run.wait().unwrap();
        strace.finish();
        Ended {
            status,
            stderr: fs::read_to_string(self.stderr()).unwrap(),
            log: fs::read_to_string(self.log()).unwrap_or_default(),
        }
    }

    /// Runs until it waits for the lock, attaches, and lets it go.
    pub(crate) fn start_traced(
        &self,
        attach: impl Fn(&str, u32, &Path) -> Strace,
    ) -> (Child, Strace) {
        fs::remove_file(self.log()).ok();
        let lock = hold(&self.stand.warehouse().join("_teamsheet/lock"));
        let mut run = self.spawn();
        wait_until(&mut run, || {
            fs::read_to_string(self.stderr())
                .unwrap()
                .contains("waiting for another run")
        });
        let run_id = self.run_id().unwrap();
        let mut strace = attach(&run_id, run.id(), &self.log());
        strace.wait_until_attached();
        drop(lock);
        (run, strace)
    }

    pub(crate) fn run_traced(&self, attach: impl Fn(&str, u32, &Path) -> Strace) -> Ended {
        let (run, strace) = self.start_traced(attach);
        self.ended(run, strace)
    }

    /// The steps of a run without a fault.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.reset();
        let warehouse = self.stand.warehouse();
        let id = std::cell::RefCell::new(String::new());
        let ended = self.run_traced(|run_id, pid, log| {
            id.replace(run_id.to_owned());
            Strace::watching(pid, log)
        });
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        Step::of_log(&ended.log, warehouse.to_str().unwrap(), &id.borrow())
    }

    pub(crate) fn fail(&self, step: &Step, fault: Fault) {
        let what = format!("{} at {step}", fault.name());
        self.reset();
        let ended = self.run_with(step, fault);
        self.hold_against(&ended, fault, &what);
        self.assert_each_is_whole(&what);
        self.assert_repaired(&what);
    }

    pub(crate) fn run_with(&self, step: &Step, fault: Fault) -> Ended {
        let warehouse = self.stand.warehouse();
        self.run_traced(|run_id, pid, log| {
            let path = step.path(warehouse.to_str().unwrap(), run_id);
            Strace::injecting(pid, log, step, &path, fault)
        })
    }

    /// One run without a fault, and all is well.
    pub(crate) fn assert_repaired(&self, what: &str) {
        self.clean_run();
        assert_same_rows(&self.stand.published().content(), &self.truth);
        self.assert_nothing_else_lies_around(what);
        let warehouse = self.stand.warehouse();
        let verify = ["verify", "--warehouse", warehouse.to_str().unwrap()];
        let verified = self.stand.run(&verify);
        assert_eq!(verified.code, 0, "{what}\n{}", verified.stdout);
    }

    pub(crate) fn hold_against(&self, ended: &Ended, fault: Fault, what: &str) {
        let Ended {
            status,
            stderr,
            log,
        } = ended;
        if fault == Fault::Kill {
            assert_eq!(status.signal(), Some(9), "{what}\n{stderr}\n{log}");
            return;
        }
        assert!(
            log.contains("(INJECTED)"),
            "{what}: the step was not taken\n{log}"
        );
        match status.code() {
            Some(5) => {
                let errors = stderr.lines().filter(|line| line.starts_with("error:"));
                assert_eq!(errors.count(), 1, "{what}\n{stderr}");
                let told =
                    stderr.contains("No space left on device") && stderr.contains("Make room");
                assert!(told || fault != Fault::Full, "{what}\n{stderr}");
                assert!(stderr.contains("hint:"), "{what}\n{stderr}");
            }
            // it failed to clear away: everything was published before
            Some(0) => assert_same_rows(&self.rows().content(), &self.truth),
            _ => panic!("{what}: {status}\n{stderr}\n{log}"),
        }
    }

    /// Each partition is there, and its rows are those of the older generation or those of the truth, never of both.
    pub(crate) fn assert_each_is_whole(&self, what: &str) {
        let after = generations(&self.stand.warehouse());
        for path in self.before.keys() {
            assert!(
                after.contains_key(path),
                "{what}: {} is away",
                path.display()
            );
        }
        let (after, older) = (
            self.rows().content(),
            Published::read(&self.older).content(),
        );
        let truth = &self.truth;
        whole(what, &after.intervals, &older.intervals, &truth.intervals);
        whole(what, &after.records, &older.records, &truth.records);
        whole(what, &after.reports, &older.reports, &truth.reports);
        whole(what, &after.sessions, &older.sessions, &truth.sessions);
        whole(what, &after.gaps, &older.gaps, &truth.gaps);
    }

    pub(crate) fn assert_nothing_else_lies_around(&self, what: &str) {
        let private = self.stand.warehouse().join("_teamsheet");
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names(&private),
            ["lock", "staging", "warehouse.json"],
            "{what}"
        );
        assert_eq!(names(&private.join("staging")), ["gate"], "{what}");
        let mut roots = names(&self.stand.warehouse());
        roots.retain(|name| name != "_teamsheet");
        let mut expected = TABLES;
        expected.sort_unstable();
        assert_eq!(roots, expected, "{what}");
    }
}

fn whole<T: PartialEq>(
    what: &str,
    after: &[(String, T)],
    older: &[(String, T)],
    truth: &[(String, T)],
) {
    let days: BTreeSet<&String> = [after, older, truth]
        .into_iter()
        .flatten()
        .map(|(day, _)| day)
        .collect();
    for day in days {
        let of = |rows: &'_ [(String, T)]| -> Vec<usize> {
            let rows = rows.iter().enumerate();
            rows.filter(|(_, (other, _))| other == day)
                .map(|(index, _)| index)
                .collect()
        };
        let equal = |others: &[(String, T)]| {
            let (left, right) = (of(after), of(others));
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(left, right)| after[*left].1 == others[*right].1)
        };
        assert!(
            equal(older) || equal(truth),
            "{what}: {day} is neither old nor new"
        );
    }
}

/// Partition folders that are there, with the size of their one file.
pub(crate) fn generations(warehouse: &Path) -> BTreeMap<PathBuf, u64> {
    let all = TABLES.iter().flat_map(|table| {
        let partitions = partitions(warehouse, table).into_iter();
        partitions.map(move |(date, file)| {
            let size = fs::metadata(file).unwrap().len();
            (Path::new(table).join(date), size)
        })
    });
    all.collect()
}

/// Holds a lock as another process would.
pub(crate) fn hold(path: &Path) -> File {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    lock
}

pub(crate) fn signal(run: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &run.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

pub(crate) fn wait_until(run: &mut Child, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended early");
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it never came so far"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
