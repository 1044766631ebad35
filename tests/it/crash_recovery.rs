//! A run is killed or stopped, and started again: what it had fetched is not fetched again, and the rows are those of a run that
//! was never killed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, Occurrences};

use crate::support::{Published, Stand, assert_same_rows, binary};

const DAYS: u32 = 3;
/// A meeting of the world is not found, which one run only suspects.
const TOLERANT: &str = "[run]\ntolerate = [\"gone\"]\n";
/// What the request for a report with its records holds, and no other.
const WHOLE_REPORT: &str = "expand=attendanceRecords";

/// One request at a time: the next one is sent only when the report before it is staged.
const ONE_AT_A_TIME: &str = "[run]\nconcurrency = 1\ntolerate = [\"gone\"]\n";

fn stand() -> Stand {
    Stand::lifelike(12, DAYS)
}

/// Paths of the report requests so far.
fn reports_asked(stand: &Stand) -> Vec<String> {
    let requests = stand.tenant.requests();
    let paths = requests
        .iter()
        .map(|request| request.path_and_query.clone());
    paths.filter(|path| path.contains(WHOLE_REPORT)).collect()
}

fn arguments(stand: &Stand, more_job: &str, flags: &[&str]) -> Vec<String> {
    let job = stand.job(&stand.warehouse(), more_job);
    let settings = stand.tenant.world().settings;
    let [from, to] = [0, DAYS].map(|day| settings.midnight(day).to_string());
    let job = job.to_str().unwrap();
    let arguments = ["backfill", "--job", job, "--from", &from, "--to", &to];
    let all = arguments.iter().chain(flags);
    all.map(|argument| (*argument).to_owned()).collect()
}

/// Starts a run that never gets an answer to its report request number `silent`, and waits until it asks for that.
fn start_until(stand: &Stand, silent: usize, more_job: &str, flags: &[&str]) -> Child {
    let before = reports_asked(stand).len();
    stand.tenant.script(Fault {
        matching: WHOLE_REPORT.to_owned(),
        occurrences: Occurrences::Only(silent),
        effect: FaultEffect::Silence,
    });
    let child = binary()
        .args(arguments(stand, more_job, flags))
        .current_dir(stand.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while reports_asked(stand).len() < before + silent {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it asked for {} reports",
            reports_asked(stand).len()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// The distinct reports that a run fetches from nothing.
fn all_reports(stand: &Stand) -> BTreeSet<String> {
    let elsewhere = stand.folder.path().join("never-killed");
    let arguments = arguments(stand, TOLERANT, &[]);
    // the job file says where; it is read when the program starts
    stand.job(&elsewhere, TOLERANT);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    stand.run(&arguments).expect_code(0);
    reports_asked(stand).into_iter().collect()
}

fn assert_as_never_killed(stand: &Stand) {
    let never_killed = Published::read(&stand.folder.path().join("never-killed"));
    assert_same_rows(&stand.published().content(), &never_killed.content());
}

fn staging(stand: &Stand) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(stand.warehouse().join("_teamsheet/staging"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn journal(stand: &Stand) -> PathBuf {
    let names = staging(stand);
    let run = names.iter().find(|name| *name != "gate").unwrap();
    let folder = stand.warehouse().join("_teamsheet/staging").join(run);
    folder.join("reports.journal")
}

#[test]
fn fault_01_reports_that_a_killed_run_had_staged_are_not_fetched_again() {
    let stand = stand();
    let all = all_reports(&stand);
    let staged = all.len() / 2;
    assert!(staged > 5, "the world is too small: {}", all.len());
    let mut child = start_until(&stand, staged + 1, ONE_AT_A_TIME, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(stand.published().reports.is_empty());
    let before = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    let asked = reports_asked(&stand).split_off(before);
    assert_eq!(asked.len(), all.len() - staged);
    let first: BTreeSet<_> = reports_asked(&stand)[all.len()..all.len() + staged]
        .iter()
        .cloned()
        .collect();
    assert!(asked.iter().all(|path| !first.contains(path)));
    assert_as_never_killed(&stand);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_01_a_run_that_is_killed_twice_goes_on_with_what_both_had() {
    let stand = stand();
    let all = all_reports(&stand);
    let (first, second) = (all.len() / 3, all.len() / 4);
    for staged in [first, second] {
        let mut child = start_until(&stand, staged + 1, ONE_AT_A_TIME, &[]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let before = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    let asked = reports_asked(&stand).len() - before;
    assert_eq!(asked, all.len() - first - second);
    assert_as_never_killed(&stand);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_05_a_run_that_is_stopped_leaves_what_it_had_to_the_next() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let stand = stand();
        let all = all_reports(&stand);
        let staged = all.len() / 2;
        let mut child = start_until(&stand, staged + 1, ONE_AT_A_TIME, &[]);
        let sent = Instant::now();
        let killed = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(sent.elapsed() < Duration::from_secs(5));
        // nothing but the reports is left
        let folder = journal(&stand).parent().unwrap().to_owned();
        let mut left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["alive", "reports.journal"]);
        let before = reports_asked(&stand).len();
        stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
        assert_eq!(reports_asked(&stand).len() - before, all.len() - staged);
        assert_as_never_killed(&stand);
    }
}

#[test]
fn a_report_whose_list_entry_changed_since_is_fetched_again() {
    let stand = stand();
    let all = all_reports(&stand);
    let mut child = start_until(&stand, all.len(), ONE_AT_A_TIME, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let unanswered = reports_asked(&stand).pop().unwrap();
    // one more person came late to every report of a meeting
    stand.tenant.edit(|world| {
        let reports = world.meetings.iter_mut();
        for report in reports.flat_map(|meeting| &mut meeting.reports) {
            let mut late = report.records[0].clone();
            late.id = Some("late".to_owned());
            report.records.push(late);
            report.total_participant_count += 1;
        }
    });
    fs::remove_dir_all(stand.folder.path().join("never-killed")).unwrap();
    all_reports(&stand);
    let before = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    let asked: BTreeSet<_> = reports_asked(&stand)
        .split_off(before)
        .into_iter()
        .collect();
    let of_meetings = |path: &&String| path.contains("onlineMeetings") || **path == unanswered;
    assert_eq!(asked, all.iter().filter(of_meetings).cloned().collect());
    assert!(asked.len() < all.len(), "no webinar in the world");
    assert_as_never_killed(&stand);
}

#[test]
fn what_was_kept_never_replaces_what_was_published_since() {
    let stand = stand();
    let count = all_reports(&stand).len();
    let everything = ["--reprocess", "all"];
    let mut child = start_until(&stand, count, ONE_AT_A_TIME, &everything);
    child.kill().unwrap();
    child.wait().unwrap();
    // Graph has more of everybody's attendance since, and its lists say the same
    stand.tenant.edit(|world| {
        let reports = world.meetings.iter_mut();
        for report in reports.flat_map(|meeting| &mut meeting.reports) {
            for record in &mut report.records {
                record.total_attendance_in_seconds += 60;
            }
        }
    });
    fs::remove_dir_all(stand.folder.path().join("never-killed")).unwrap();
    all_reports(&stand);
    // a run that does not take over what is kept for one that fetches everything again
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    assert_as_never_killed(&stand);
    stand
        .backfill(0, DAYS, TOLERANT, &everything)
        .expect_code(0);
    assert_as_never_killed(&stand);
}

#[test]
fn a_run_of_another_scope_neither_uses_nor_removes_what_is_kept() {
    let stand = stand();
    let all = all_reports(&stand);
    let mut child = start_until(&stand, all.len(), ONE_AT_A_TIME, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = fs::read(journal(&stand)).unwrap();
    let before = reports_asked(&stand).len();
    // everything again is another errand; so are other users
    stand
        .backfill(0, 1, TOLERANT, &["--reprocess", "all"])
        .expect_code(0);
    assert!(reports_asked(&stand).len() > before);
    assert_eq!(fs::read(journal(&stand)).unwrap(), kept);
    let before = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    assert_eq!(reports_asked(&stand).len() - before, 1);
    assert_as_never_killed(&stand);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_16_what_nobody_took_over_for_a_week_is_removed() {
    let stand = stand();
    let count = all_reports(&stand).len();
    let mut child = start_until(&stand, count, ONE_AT_A_TIME, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let eight_days = Duration::from_secs(8 * 24 * 60 * 60);
    let file = File::options().write(true).open(journal(&stand)).unwrap();
    file.set_modified(SystemTime::now() - eight_days).unwrap();
    let before = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    assert_eq!(reports_asked(&stand).len() - before, count);
    assert_as_never_killed(&stand);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_10_what_was_kept_and_is_not_whole_is_fetched_again() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(Harm, usize); 3] = [
        // the last report lacks its end
        (|bytes| bytes.truncate(bytes.len() - 1), 1),
        // half a length behind the last report
        (|bytes| bytes.extend([1, 2, 3]), 0),
        // a bit of the last report is flipped
        (
            |bytes| {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            },
            1,
        ),
    ];
    for (harm, lost) in harms {
        let stand = stand();
        let count = all_reports(&stand).len();
        let mut child = start_until(&stand, count, ONE_AT_A_TIME, &[]);
        child.kill().unwrap();
        child.wait().unwrap();
        let mut bytes = fs::read(journal(&stand)).unwrap();
        harm(&mut bytes);
        fs::write(journal(&stand), bytes).unwrap();
        let before = reports_asked(&stand).len();
        stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
        assert_eq!(reports_asked(&stand).len() - before, 1 + lost);
        assert_as_never_killed(&stand);
    }
}

/// Starts a run and waits until it has fetched everything and waits for the lock, which the test holds.
fn start_and_wait_for_lock(stand: &Stand, flags: &[&str]) -> (Child, File) {
    stand.backfill(0, 1, TOLERANT, &[]).expect_code(0);
    let lock = File::create(stand.warehouse().join("_teamsheet/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let stderr = stand.folder.path().join("stderr");
    let mut child = binary()
        .args(arguments(stand, TOLERANT, flags))
        .current_dir(stand.folder.path())
        .stdout(Stdio::null())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !fs::read_to_string(&stderr)
        .unwrap()
        .contains("waiting for another run")
    {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        assert!(began.elapsed() < Duration::from_secs(60), "it never waited");
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, lock)
}

fn stderr_of(stand: &Stand) -> String {
    fs::read_to_string(stand.folder.path().join("stderr")).unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn fault_05_a_run_that_waits_for_the_lock_stops_at_once() {
    let stand = stand();
    let (mut child, lock) = start_and_wait_for_lock(&stand, &[]);
    let before = Published::read(&stand.warehouse());
    let sent = Instant::now();
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(sent.elapsed() < Duration::from_secs(5));
    assert!(Published::read(&stand.warehouse()) == before);
    drop(lock);
    // all reports are there already
    let asked = reports_asked(&stand).len();
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    assert_eq!(reports_asked(&stand).len(), asked);
    all_reports(&stand);
    assert_as_never_killed(&stand);
}

#[test]
fn fault_06_an_interrupt_during_a_backoff_does_not_wait_for_it() {
    let stand = stand();
    let throttled =
        FaultAnswer::graph_error(429, "TooManyRequests", "wait").with_header("Retry-After", "600");
    stand.tenant.script(Fault::always(
        "calendarView",
        FaultEffect::Answer(throttled),
    ));
    let mut child = binary()
        .args(arguments(&stand, TOLERANT, &[]))
        .current_dir(stand.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let is_throttled = |stand: &Stand| {
        let requests = stand.tenant.requests();
        requests.iter().any(|request| request.status == Some(429))
    };
    while !is_throttled(&stand) {
        assert!(began.elapsed() < Duration::from_secs(60), "it never asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = Instant::now();
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(sent.elapsed() < Duration::from_secs(5));
}

#[test]
fn fault_12_a_warehouse_that_vanishes_in_the_middle_of_a_run_ends_it() {
    let stand = stand();
    let (mut child, lock) = start_and_wait_for_lock(&stand, &[]);
    let before = Published::read(&stand.warehouse());
    let elsewhere = stand.folder.path().join("elsewhere");
    fs::rename(stand.warehouse(), &elsewhere).unwrap();
    drop(lock);
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let stderr = stderr_of(&stand);
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    assert!(stderr.contains("hint: Check `[warehouse] uri`"), "{stderr}");
    assert!(!stand.warehouse().join("sessions").exists());
    fs::remove_dir_all(stand.warehouse()).ok();
    fs::rename(&elsewhere, stand.warehouse()).unwrap();
    assert!(Published::read(&stand.warehouse()) == before);
    stand.backfill(0, DAYS, TOLERANT, &[]).expect_code(0);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_13_staging_on_another_file_system_is_refused_at_the_start() {
    use std::os::unix::fs::MetadataExt as _;
    let stand = stand();
    // a tmpfs on every Linux
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
    assert_ne!(
        device(other.path()),
        device(stand.folder.path()),
        "one file system"
    );
    let staging = format!(
        "[run]\nstaging = \"{}\"\ntolerate = [\"gone\"]\n",
        other.path().display()
    );
    let outcome = stand.backfill(0, DAYS, &staging, &[]).expect_code(5);
    assert!(
        outcome.stderr.contains("another file system"),
        "{}",
        outcome.stderr
    );
    assert!(stand.tenant.requests().is_empty());
}

#[test]
fn fault_17_two_runs_at_once_end_like_one_after_the_other() {
    let stand = stand();
    let all = all_reports(&stand);
    let before = reports_asked(&stand).len();
    let arguments = arguments(&stand, TOLERANT, &[]);
    let start = || {
        binary()
            .args(&arguments)
            .current_dir(stand.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let runs = [start(), start(), start()];
    for mut run in runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
    assert!(reports_asked(&stand).len() - before >= all.len());
    assert_as_never_killed(&stand);
    assert_eq!(stand.published().runs.len(), 3);
    assert_eq!(staging(&stand), ["gate"]);
}

#[test]
fn fault_17_a_lock_that_stays_held_ends_with_5_and_one_whose_holder_died_is_free() {
    let stand = stand();
    let (mut child, lock) = start_and_wait_for_lock(&stand, &["--wait-lock", "1s"]);
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let stderr = stderr_of(&stand);
    assert!(stderr.contains("another run is publishing"), "{stderr}");
    drop(lock);
    // a process that holds it and is killed
    let path = stand.warehouse().join("_teamsheet/lock");
    let mut holder = Command::new("flock")
        .arg(&path)
        .args(["sh", "-c", "echo held; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    // flock and what it runs share the lock
    let children = format!("/proc/{0}/task/{0}/children", holder.id());
    let children = fs::read_to_string(children).unwrap();
    for pid in [children.trim(), &holder.id().to_string()] {
        Command::new("kill").args(["-KILL", pid]).status().unwrap();
    }
    holder.wait().unwrap();
    stand
        .backfill(0, DAYS, TOLERANT, &["--wait-lock", "5s"])
        .expect_code(0);
}

/// `TEAMSHEET_PARTITIONS=10000 cargo test --test it fault_28` runs the whole.
#[test]
fn fault_28_thousands_of_partitions_in_one_backfill_stay_within_bounds() {
    let asked = std::env::var("TEAMSHEET_PARTITIONS").map(|count| count.parse::<i64>().unwrap());
    let days = asked.unwrap_or(1_000) / 5;
    let stand = Stand::lifelike(2, 2);
    let job = stand.job(
        &stand.warehouse(),
        "[run]\nchunk_days = 365\ntolerate = [\"gone\"]\n",
    );
    let end = stand.tenant.world().settings.midnight(2);
    let (from, to) = (
        end.plus(-days * teamsheet::time::DAY).to_string(),
        end.to_string(),
    );
    // no more open files than a shell gives to nobody
    let run = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(binary().get_program())
        .args([
            "backfill",
            "--job",
            job.to_str().unwrap(),
            "--from",
            &from,
            "--to",
            &to,
        ])
        .args(["--format", "json"])
        .env("SECRET", teamsheet::simulated_tenant::CLIENT_SECRET)
        .current_dir(stand.folder.path())
        .output()
        .unwrap();
    let outcome = crate::support::outcome(run).expect_code(0);
    let summary = outcome.stdout.lines().next().unwrap();
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    let published = summary["partitions_published"].as_i64().unwrap();
    assert!(published >= 5 * days, "{published}");
    let peak = summary["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 200 << 20, "{} MiB", peak >> 20);
    let folders = crate::support::partitions(&stand.warehouse(), "sessions");
    assert_eq!(i64::try_from(folders.len()).unwrap(), days);
}
