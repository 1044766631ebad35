//! The real binary, killed or failed by the kernel at every step of a publish, one step after the other.
//!
//! ```text
//! cargo test --test crash                            a sample of the steps, a minute or two
//! TEAMSHEET_CRASH=all cargo test --test crash        every step, with every fault
//! ```
//!
//! A run fetches while the test holds the warehouse's lock. Once it waits for that, `strace` is attached to it with one fault: at the
//! k-th call of one system call on one path. Then the lock is let go. The steps are those that a run without a fault was seen to take.
//! After the fault every partition is wholly old or wholly new; after one more run, without a fault, the rows are the truth, nothing
//! else lies around, and `teamsheet verify` finds nothing.
//!
//! `strace` must be there and must be allowed to attach: as root, or with `kernel.yama.ptrace_scope = 0`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests assert by panicking"
)]

/// `strace`: what a run does, and a fault at one of its steps.
mod strace;
/// A tenant, a job, the real binary, and what it published.
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use strace::{Fault, Step, Strace};
use support::{Published, Stand, assert_same_rows, binary, partitions};

/// Cases of the sample; a case takes about two seconds.
const SAMPLE: usize = 30;
const TABLES: [&str; 6] = [
    "attendance_intervals",
    "attendance_records",
    "attendance_reports",
    "sessions",
    "gaps",
    "runs",
];

/// A warehouse with an older generation, and a tenant that has more to tell since.
struct Scene {
    stand: Stand,
    older: PathBuf,
    publish: &'static str,
    before: BTreeMap<PathBuf, u64>,
    truth: Published,
}

/// How a traced run ended.
struct Ended {
    status: ExitStatus,
    stderr: String,
    log: String,
}

impl Scene {
    fn new(publish: &'static str) -> Self {
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
    fn reset(&self) {
        let warehouse = self.stand.warehouse();
        fs::remove_dir_all(&warehouse).ok();
        let copied = Command::new("cp")
            .arg("-a")
            .args([&self.older, &warehouse])
            .status();
        assert!(copied.unwrap().success());
    }

    fn arguments(&self) -> Vec<String> {
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
    fn rows(&self) -> Published {
        Published::read(&self.stand.warehouse())
    }

    fn records_before(&self) -> usize {
        Published::read(&self.older).records.len()
    }

    fn clean_run(&self) {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.stand.run(&arguments).expect_code(0);
    }

    fn spawn(&self) -> Child {
        binary()
            .args(self.arguments())
            .current_dir(self.stand.folder.path())
            .stdout(Stdio::null())
            .stderr(File::create(self.stderr()).unwrap())
            .spawn()
            .unwrap()
    }

    fn stderr(&self) -> PathBuf {
        self.stand.folder.path().join("stderr")
    }

    fn log(&self) -> PathBuf {
        self.stand.folder.path().join("strace.log")
    }

    /// The id of the run that is staging, once it is.
    fn run_id(&self) -> Option<String> {
        let staging = fs::read_dir(self.stand.warehouse().join("_teamsheet/staging")).ok()?;
        staging
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| name.contains("Z-"))
    }

    fn ended(&self, mut run: Child, strace: Strace) -> Ended {
        let status = run.wait().unwrap();
        strace.finish();
        Ended {
            status,
            stderr: fs::read_to_string(self.stderr()).unwrap(),
            log: fs::read_to_string(self.log()).unwrap_or_default(),
        }
    }

    /// Runs until it waits for the lock, attaches, and lets it go.
    fn start_traced(&self, attach: impl Fn(&str, u32, &Path) -> Strace) -> (Child, Strace) {
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

    fn run_traced(&self, attach: impl Fn(&str, u32, &Path) -> Strace) -> Ended {
        let (run, strace) = self.start_traced(attach);
        self.ended(run, strace)
    }

    /// The steps of a run without a fault.
    fn steps(&self) -> Vec<Step> {
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

    fn fail(&self, step: &Step, fault: Fault) {
        let what = format!("{} at {step}", fault.name());
        self.reset();
        let ended = self.run_with(step, fault);
        self.hold_against(&ended, fault, &what);
        self.assert_each_is_whole(&what);
        self.assert_repaired(&what);
    }

    fn run_with(&self, step: &Step, fault: Fault) -> Ended {
        let warehouse = self.stand.warehouse();
        self.run_traced(|run_id, pid, log| {
            let path = step.path(warehouse.to_str().unwrap(), run_id);
            Strace::injecting(pid, log, step, &path, fault)
        })
    }

    /// One run without a fault, and all is well.
    fn assert_repaired(&self, what: &str) {
        self.clean_run();
        assert_same_rows(&self.stand.published().content(), &self.truth);
        self.assert_nothing_else_lies_around(what);
        let warehouse = self.stand.warehouse();
        let verify = ["verify", "--warehouse", warehouse.to_str().unwrap()];
        let verified = self.stand.run(&verify);
        assert_eq!(verified.code, 0, "{what}\n{}", verified.stdout);
    }

    fn hold_against(&self, ended: &Ended, fault: Fault, what: &str) {
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
                    stderr.contains("No space left on device") && stderr.contains("make room");
                assert!(told || fault != Fault::Full, "{what}\n{stderr}");
                assert!(stderr.contains("hint:"), "{what}\n{stderr}");
            }
            // it failed to clear away: everything was published before
            Some(0) => assert_same_rows(&self.rows().content(), &self.truth),
            _ => panic!("{what}: {status}\n{stderr}\n{log}"),
        }
    }

    /// Each partition is the older generation byte for byte, or one that its own hash says is whole.
    fn assert_each_is_whole(&self, what: &str) {
        let after = generations(&self.stand.warehouse());
        for path in self.before.keys() {
            assert!(
                after.contains_key(path),
                "{what}: {} is away",
                path.display()
            );
        }
        // every row of every file is read, and a folder with more or less than one file is found
        self.rows();
    }

    fn assert_nothing_else_lies_around(&self, what: &str) {
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

/// Partition folders that are there, with the size of their one file.
fn generations(warehouse: &Path) -> BTreeMap<PathBuf, u64> {
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
fn hold(path: &Path) -> File {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    lock
}

fn signal(run: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &run.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn wait_until(run: &mut Child, is_so: impl Fn() -> bool) {
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

/// Every step with every fault, or a sample of them in which each step's neighbours meet other faults.
fn cases(steps: Vec<Step>, faults: &[Fault], sample: usize) -> Vec<(Step, Fault)> {
    let all: Vec<_> = steps
        .into_iter()
        .flat_map(|step| faults.iter().map(move |fault| (step.clone(), *fault)))
        .filter(|(step, fault)| fault.fits(step))
        .collect();
    if std::env::var("TEAMSHEET_CRASH").is_ok_and(|asked| asked == "all") {
        return all;
    }
    // no multiple of the number of faults, so that they take turns
    let mut stride = all.len() / sample + 1;
    while stride.is_multiple_of(faults.len()) && faults.len() > 1 {
        stride += 1;
    }
    all.into_iter().step_by(stride).collect()
}

#[test]
fn fault_01_07_08_09_every_step_of_a_publish_may_fail_or_be_the_last() {
    let scene = Scene::new("exchange");
    let steps = scene.steps();
    let count = |call: &str| steps.iter().filter(|step| step.call == call).count();
    for call in [
        "openat",
        "write",
        "fsync",
        "rename",
        "renameat2",
        "unlinkat",
        "mkdir",
    ] {
        assert!(count(call) > 0, "no {call} among {} steps", steps.len());
    }
    let cases = cases(steps, &[Fault::Kill, Fault::Io, Fault::Full], SAMPLE);
    for (step, fault) in &cases {
        scene.fail(step, *fault);
    }
}

#[test]
fn death_between_two_renames_is_repaired_by_the_next_run() {
    let scene = Scene::new("two-renames");
    let mut steps = scene.steps();
    steps.retain(|step| step.call == "rename");
    assert!(steps.len() > 15, "{steps:?}");
    for (step, fault) in cases(steps, &[Fault::Kill], 6) {
        let what = format!("two renames, {} at {step}", fault.name());
        scene.reset();
        let ended = scene.run_with(&step, fault);
        scene.hold_against(&ended, fault, &what);
        scene.assert_repaired(&what);
    }
}

#[test]
fn fault_04_the_run_ledger_is_old_or_new_and_never_unreadable() {
    let scene = Scene::new("exchange");
    let mut steps = scene.steps();
    steps.retain(|step| step.path("", "").contains("/runs"));
    assert!(steps.len() > 5, "{steps:?}");
    for (step, fault) in cases(steps, &[Fault::Kill], 3) {
        let what = format!("{} at {step}", fault.name());
        scene.reset();
        let before = scene.rows().runs;
        let ended = scene.run_with(&step, fault);
        scene.hold_against(&ended, fault, &what);
        let runs = scene.rows().runs;
        assert!(
            runs.len() == before.len() || runs.len() == before.len() + 1,
            "{what}"
        );
        assert_eq!(runs[..before.len()], before, "{what}");
        scene.assert_repaired(&what);
    }
}

#[test]
fn fault_07_a_disk_that_is_full_while_staging_ends_the_run_at_once() {
    let scene = Scene::new("exchange");
    scene.reset();
    fs::remove_file(scene.log()).ok();
    let mut run = scene.spawn();
    wait_until(&mut run, || scene.run_id().is_some());
    // it stands still while strace is attached, before it has anything to stage
    signal(&run, "STOP");
    let journal = format!(
        "_teamsheet/staging/{}/reports.journal",
        scene.run_id().unwrap()
    );
    let journal = scene.stand.warehouse().join(journal);
    assert!(!journal.exists(), "it was too quick");
    let step = Step::new("write", 3);
    let mut strace = Strace::injecting(
        run.id(),
        &scene.log(),
        &step,
        journal.to_str().unwrap(),
        Fault::Full,
    );
    strace.wait_until_attached();
    signal(&run, "CONT");
    let ended = scene.ended(run, strace);
    assert!(ended.log.contains("(INJECTED)"), "{}", ended.log);
    assert_eq!(ended.status.code(), Some(5), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("No space left on device"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("make room"), "{}", ended.stderr);
    scene.assert_each_is_whole("a full disk");
    assert_eq!(generations(&scene.stand.warehouse()), scene.before);
    scene.assert_repaired("a full disk");
}

#[test]
fn fault_14_a_file_system_without_exchange_ends_the_run_before_any_request() {
    let scene = Scene::new("exchange");
    let two_renames = Scene::new("two-renames");
    for errno in ["EINVAL", "ENOSYS"] {
        for (scene, is_fine) in [(&scene, false), (&two_renames, true)] {
            scene.reset();
            let before = scene.stand.tenant.requests().len();
            let ended = strace::run_without("renameat2", errno, &scene.arguments(), &scene.log());
            if is_fine {
                assert_eq!(ended.code, 0, "{}", ended.stderr);
                assert!(ended.stdout.contains("by two renames"), "{}", ended.stdout);
                assert_same_rows(&scene.stand.published().content(), &scene.truth);
            } else {
                assert_eq!(ended.code, 5, "{}", ended.stderr);
                assert!(ended.stderr.contains("two-renames"), "{}", ended.stderr);
                assert_eq!(scene.stand.tenant.requests().len(), before);
                assert_eq!(generations(&scene.stand.warehouse()), scene.before);
            }
        }
    }
}

#[test]
fn fault_05_a_signal_stops_a_publish_in_time_also_on_a_disk_that_stalls() {
    let scene = Scene::new("exchange");
    // a stall while generations are built, and one while they become visible
    for (call, name, code) in [("fsync", "TERM", 143), ("renameat2", "INT", 130)] {
        scene.reset();
        let (mut run, strace) = scene.start_traced(|_, pid, log| Strace::stalling(pid, log, call));
        wait_until(&mut run, || {
            fs::read_to_string(scene.log()).is_ok_and(|log| log.contains(call))
        });
        let sent = Instant::now();
        signal(&run, name);
        let is_told = || {
            fs::read_to_string(scene.stderr())
                .unwrap()
                .contains("error: interrupted")
        };
        while !is_told() {
            assert!(sent.elapsed() < Duration::from_secs(5), "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        // the system lets go of a process only when its stalled call is over
        strace.detach();
        assert_eq!(run.wait().unwrap().code(), Some(code));
        scene.assert_each_is_whole(call);
        scene.assert_repaired(call);
    }
}

#[test]
fn a_torn_publish_whose_files_are_damaged_is_fetched_again_in_all_tables() {
    let scene = Scene::new("exchange");
    let steps = scene.steps();
    let shown = |step: &&Step| {
        step.call == "renameat2" && step.path("", "").contains("/attendance_reports/")
    };
    let step = steps.iter().find(shown).unwrap();
    scene.reset();
    // intervals and records are new then, reports and sessions old
    let ended = scene.run_with(step, Fault::Kill);
    assert_eq!(ended.status.signal(), Some(9), "{}", ended.stderr);
    assert_ne!(scene.rows().records.len(), scene.records_before());
    let staged = scene.stand.warehouse().join("_teamsheet/staging");
    let staged = staged.join(scene.run_id().unwrap()).join("new/sessions");
    let (_, damaged) = partitions(staged.parent().unwrap(), "sessions")
        .pop_first()
        .unwrap();
    fs::write(damaged, "damaged").unwrap();

    // by itself this run fetches nothing that is final, and the list entries are what the new rows say
    let before = scene.stand.tenant.requests().len();
    let mut arguments = scene.arguments();
    arguments.truncate(arguments.len() - 2);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = scene.stand.run(&arguments).expect_code(0);
    assert!(
        outcome.stderr.contains("cannot be completed"),
        "{}",
        outcome.stderr
    );
    assert_same_rows(&scene.stand.published().content(), &scene.truth);
    let requests = scene.stand.tenant.requests().split_off(before);
    let whole = |path: &str| path.contains("expand=attendanceRecords");
    let asked = requests
        .iter()
        .filter(|request| whole(&request.path_and_query));
    assert_eq!(asked.count(), scene.truth.reports.len());
    scene.assert_repaired("torn and damaged");
    assert!(
        !scene
            .stand
            .warehouse()
            .join("_teamsheet/fetch-again.json")
            .exists()
    );
}
