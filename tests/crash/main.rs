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

/// A warehouse, a tenant, a traced run, and what is held against it.
mod scene;
/// `strace`: what a run does, and a fault at one of its steps.
mod strace;
/// A tenant, a job, the real binary, and what it published.
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use scene::{Scene, generations, signal, wait_until};
use strace::{Fault, Step, Strace};
use support::{assert_same_rows, partitions};

/// Cases of the sample; a case takes about two seconds.
const SAMPLE: usize = 30;
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
    steps.retain(|step| matches!(step.call.as_str(), "rename" | "renameat"));
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
    assert!(ended.stderr.contains("Make room"), "{}", ended.stderr);
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
