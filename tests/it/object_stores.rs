//! Warehouses in object stores: moto for `s3://`, Azurite for `az://`, the real binary, and readers while somebody publishes.
//!
//! Needs both, which `.ci/test` installs below `target/`, so it runs only when asked for:
//! `cargo test --locked --test it -- --ignored object_stores`; with `GENERATIONS=1000` all of the publishes under readers.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;
use serde_json::Value;
use teamsheet::ids::{InvocationId, RunId};
use teamsheet::job::place::WarehousePlace;
use teamsheet::job::plan::{PublishBy, WarehousePlan};
use teamsheet::tables::{ATTENDANCE_INTERVALS, AttendanceIntervalRow, AttendanceIntervals};
use teamsheet::time::{EventDate, WarehouseTimezone};
use teamsheet::warehouse::Warehouse;
use tempfile::TempDir;

use crate::support::{Outcome, Published, Stand, assert_same_rows, binary, outcome};

const DAYS: u32 = 4;
const BUCKET: &str = "attendance";
/// Publishes under readers where `GENERATIONS` does not say it.
const FEW_GENERATIONS: u32 = 40;
/// What only the child processes of these tests are told.
const PUBLISHER: &str = "object_stores::publishes_generations_for_another_test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    S3,
    Azure,
}

/// A store on a free port, with one empty bucket.
struct Store {
    kind: Kind,
    server: Child,
    endpoint: String,
    _folder: TempDir,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join(path)
}

impl Store {
    fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = match kind {
            Kind::S3 => {
                let mut command = Command::new(target("stores/bin/moto_server"));
                command.args(["--host", "127.0.0.1", "--port", "0"]);
                command
            }
            Kind::Azure => {
                let mut command = Command::new(target("azurite/node_modules/.bin/azurite-blob"));
                command
                    .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
                    .args(["--disableTelemetry", "--skipApiVersionCheck", "--location"])
                    .arg(folder.path());
                command
            }
        };
        // both say on which port they listen, each on another stream
        let mut server = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; see this file's first lines"));
        let (said, heard) = std::sync::mpsc::channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(server.stdout.take().unwrap()),
            Box::new(server.stderr.take().unwrap()),
        ];
        for stream in streams {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    said.send(line).ok();
                }
            });
        }
        let mut lines = Vec::new();
        let endpoint = loop {
            let line = heard
                .recv_timeout(Duration::from_secs(60))
                .unwrap_or_else(|_| panic!("{command:?} does not say where it listens: {lines:?}"));
            if let Some((_, port)) = line.split_once("http://127.0.0.1:") {
                let port: String = port.chars().take_while(char::is_ascii_digit).collect();
                break format!("http://127.0.0.1:{port}");
            }
            lines.push(line);
        };
        // the rest is drained, so that the server never waits for a reader
        std::thread::spawn(move || heard.iter().for_each(drop));
        let store = Self {
            kind,
            server,
            endpoint,
            _folder: folder,
        };
        store.helper("make", BUCKET, &[]);
        store
    }

    fn uri(&self) -> String {
        match self.kind {
            Kind::S3 => format!("s3://{BUCKET}/teams"),
            Kind::Azure => format!("az://{BUCKET}/teams"),
        }
    }

    /// What a process must have in its environment to use the store.
    fn environment(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::S3 => vec![
                ("AWS_ENDPOINT_URL", self.endpoint.clone()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", "canary-key-id".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "canary-secret".to_owned()),
            ],
            Kind::Azure => vec![
                ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
                ("AZURITE_BLOB_STORAGE_URL", self.endpoint.clone()),
            ],
        }
    }

    /// A client of the test's own.
    fn outsider(&self) -> object_store::aws::AmazonS3 {
        object_store::aws::AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .build()
            .unwrap()
    }

    fn command(&self, verb: &str, place: &str, rest: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/stores/stores.py");
        let kind = match self.kind {
            Kind::S3 => "s3",
            Kind::Azure => "az",
        };
        let mut command = Command::new(target("stores/bin/python"));
        command
            .arg(script)
            .args([verb, kind, &self.endpoint, place])
            .args(rest);
        command
    }

    #[track_caller]
    fn helper(&self, verb: &str, place: &str, rest: &[&str]) -> String {
        let output = self.command(verb, place, rest).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every object below the prefix, as files.
    fn copy(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("{BUCKET}/teams");
        self.helper("copy", &place, &[folder.path().to_str().unwrap()]);
        folder
    }

    fn published(&self) -> Published {
        Published::read(self.copy().path())
    }

    /// A job into the store; staging lies in a folder of this name.
    fn job(&self, stand: &Stand, staging: &str) -> PathBuf {
        let staging = stand.folder.path().join(staging);
        let more = format!(
            "[run]\nstaging = \"{}\"\nchunk_days = 2\n",
            staging.display()
        );
        let job = stand.job(Path::new(&self.uri()), &more);
        let path = staging.with_extension("toml");
        std::fs::rename(job, &path).unwrap();
        path
    }

    fn backfill_command(&self, stand: &Stand, staging: &str, days: (u32, u32)) -> Command {
        let settings = stand.tenant.world().settings;
        let mut command = binary();
        command
            .args(["backfill", "--job"])
            .arg(self.job(stand, staging))
            .args(["--from", &settings.midnight(days.0).to_string()])
            .args(["--to", &settings.midnight(days.1).to_string()])
            .current_dir(stand.folder.path())
            .envs(self.environment());
        command
    }

    fn backfill(&self, stand: &Stand, staging: &str, days: (u32, u32)) -> Outcome {
        outcome(
            self.backfill_command(stand, staging, days)
                .output()
                .unwrap(),
        )
    }

    fn verify(&self, stand: &Stand) -> Outcome {
        let mut command = binary();
        command
            .args(["verify", "--warehouse", &self.uri()])
            .envs(self.environment())
            .env("XDG_STATE_HOME", stand.folder.path().join("state"));
        outcome(command.output().unwrap())
    }
}

/// The same days on local disk.
fn on_disk(stand: &Stand) -> Published {
    stand.backfill(0, DAYS, "", &[]).expect_code(3);
    stand.published().content()
}

fn equals_disk(kind: Kind) {
    let (store, stand) = (Store::start(kind), Stand::lifelike(30, DAYS));
    let wanted = on_disk(&stand);
    let first = store.backfill(&stand, "a", (0, DAYS)).expect_code(3);
    assert_eq!(first.final_line()["warehouse"], store.uri());
    for secret in ["canary", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1"] {
        assert!(!first.stderr.contains(secret) && !first.stdout.contains(secret));
    }
    let copy = store.copy();
    assert_same_rows(&Published::read(copy.path()).content(), &wanted);
    one_object_a_partition(copy.path());
    // what is done with is empty, and the lease is free
    let private = |name: &str| std::fs::read(copy.path().join("_teamsheet").join(name)).unwrap();
    assert_eq!(private("intent.json"), b"");
    let lease: Value = serde_json::from_slice(&private("lease")).unwrap();
    assert_eq!(lease["holder"], Value::Null);
    assert_eq!(
        std::fs::read_dir(staging_of(&stand, "a")).unwrap().count(),
        1,
        "only the gate is left of staging"
    );
    store.verify(&stand).expect_code(0);
    let again = store.backfill(&stand, "a", (0, DAYS)).expect_code(3);
    assert_eq!(again.final_line()["partitions_published"], 0);
    assert_same_rows(&store.published().content(), &wanted);
}

/// The one warehouse's folder below a staging folder.
fn staging_of(stand: &Stand, staging: &str) -> PathBuf {
    let mut folders = std::fs::read_dir(stand.folder.path().join(staging)).unwrap();
    folders.next().unwrap().unwrap().path()
}

fn one_object_a_partition(folder: &Path) {
    for table in std::fs::read_dir(folder).unwrap() {
        let table = table.unwrap().path();
        if table.ends_with("_teamsheet") {
            continue;
        }
        for partition in std::fs::read_dir(&table).unwrap() {
            let files = std::fs::read_dir(partition.unwrap().path()).unwrap();
            let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
            assert_eq!(names, ["data.parquet"], "{}", table.display());
        }
    }
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn a_backfill_into_s3_equals_one_on_disk_and_passes_verify() {
    equals_disk(Kind::S3);
}

#[test]
#[ignore = "needs Azurite: see this file's first lines"]
fn a_backfill_into_azure_equals_one_on_disk_and_passes_verify() {
    equals_disk(Kind::Azure);
}

fn two_publishers(kind: Kind) {
    let (store, stand) = (Store::start(kind), Stand::lifelike(30, DAYS));
    let wanted = on_disk(&stand);
    // each from a machine of its own, as far as staging goes, and over the same days
    let running: Vec<Child> = ["a", "b"]
        .map(|staging| {
            let mut command = store.backfill_command(&stand, staging, (0, DAYS));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .into();
    for child in running {
        outcome(child.wait_with_output().unwrap()).expect_code(3);
    }
    let published = store.published();
    let runs: BTreeSet<_> = published.runs.iter().map(|(_, run)| &run.run_id).collect();
    assert_eq!(
        runs.len(),
        2 * DAYS as usize / 2,
        "each chunk of both has its row"
    );
    assert_same_rows(&published.content(), &wanted);
    store.verify(&stand).expect_code(0);
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn fault_17_two_publishers_over_one_s3_bucket_are_as_one_after_the_other() {
    two_publishers(Kind::S3);
}

#[test]
#[ignore = "needs Azurite: see this file's first lines"]
fn fault_17_two_publishers_over_one_azure_container_are_as_one_after_the_other() {
    two_publishers(Kind::Azure);
}

/// `own`: the next run has the dead one's staging folder; else it is another machine's.
fn killed_while_publishing(same_machine: bool) {
    let (store, stand) = (Store::start(Kind::S3), Stand::lifelike(30, DAYS));
    let wanted = on_disk(&stand);
    let mut command = store.backfill_command(&stand, "a", (0, DAYS));
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // the intent is there while a chunk becomes visible
    let outsider = store.outsider();
    let intent = object_store::path::Path::from("teams/_teamsheet/intent.json");
    let client = tokio::runtime::Runtime::new().unwrap();
    let began = Instant::now();
    loop {
        let found = client.block_on(async { outsider.get(&intent).await?.bytes().await });
        if found.is_ok_and(|text| !text.is_empty()) {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no intent was seen"
        );
        assert!(run.try_wait().unwrap().is_none(), "the run is over");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let staging = if same_machine { "a" } else { "b" };
    let next = store.backfill(&stand, staging, (0, DAYS)).expect_code(3);
    let said = if same_machine {
        "a publish that was cut short is completed"
    } else {
        "a publish that was cut short"
    };
    assert!(next.stderr.contains(said), "{}", next.stderr);
    // what had to be dropped is fetched again by then
    store.backfill(&stand, staging, (0, DAYS)).expect_code(3);
    assert_same_rows(&store.published().content(), &wanted);
    store.verify(&stand).expect_code(0);
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn fault_1_a_run_killed_while_it_uploads_is_completed_by_the_next() {
    killed_while_publishing(true);
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn fault_1_a_run_killed_while_it_uploads_is_repaired_from_another_machine() {
    killed_while_publishing(false);
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn a_store_that_cannot_be_used_ends_a_run_before_graph_is_asked() {
    let (store, stand) = (Store::start(Kind::S3), Stand::lifelike(3, 1));
    let job = store.job(&stand, "a");
    let elsewhere = std::fs::read_to_string(&job).unwrap();
    std::fs::write(
        &job,
        elsewhere.replace(&store.uri(), "s3://no-such-bucket/teams"),
    )
    .unwrap();
    let run = |environment: Vec<(&str, String)>| {
        let mut command = binary();
        command
            .args(["--quiet", "run", "--job"])
            .arg(&job)
            .envs(environment);
        outcome(command.output().unwrap()).expect_code(5)
    };
    let missing = run(store.environment());
    insta::assert_snapshot!(missing.stderr, @r"
    error: the warehouse cannot be used
      Caused by: cannot write `s3://no-such-bucket/teams/_teamsheet/probe`
      Caused by: there is no such bucket or container

    hint: Make the bucket or container first; teamsheet makes none
    ");
    let mut down = store.environment();
    down[0].1 = "http://127.0.0.1:1".to_owned();
    let down = run(down);
    insta::with_settings!({filters => vec![(r"in \d+\.\ds", "in [time]")]}, {
        insta::assert_snapshot!(down.stderr, @r"
        error: the warehouse cannot be used
          Caused by: cannot read `s3://no-such-bucket/teams/_teamsheet/probe`
          Caused by: GET http://127.0.0.1:1/no-such-bucket/teams/_teamsheet/probe failed after 6 tries in [time]
          Caused by: Connection refused (os error 111)

        hint: Run the same command again once the store can be reached; what was published is intact
        ");
    });
    assert_eq!(stand.tenant.requests().len(), 0);
}

/// A generation as `stores.py watch` expects it.
fn generation(number: i32) -> arrow::record_batch::RecordBatch {
    let mut rows = AttendanceIntervals::default();
    for row in 0..2_000 + 500 * (number % 5) {
        // ids that do not compress, so that the object is large enough for several requests
        let id = teamsheet::ids::stable_hash([number.to_string().as_str(), &row.to_string()]);
        rows.append(&AttendanceIntervalRow {
            tenant_id: "tenant".into(),
            report_id: id.into(),
            record_index: 0,
            interval_index: 0,
            join_date_time: None,
            leave_date_time: None,
            duration_in_seconds: Some(number),
        });
    }
    rows.finish().unwrap()
}

/// The child of [`many_publishes`], which has the store's environment.
#[test]
#[ignore = "a child process of another test"]
fn publishes_generations_for_another_test() {
    let Ok(uri) = std::env::var("PUBLISH_INTO") else {
        return;
    };
    let generations: i32 = std::env::var("GENERATIONS").unwrap().parse().unwrap();
    let staging = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(&WarehousePlan {
        place: WarehousePlace::parse(&uri).unwrap(),
        timezone: WarehouseTimezone::utc(),
        publish: PublishBy::Exchange,
        staging: Some(staging.path().to_owned()),
        holder: InvocationId::new("publisher"),
        wait_lock: Duration::ZERO,
    })
    .unwrap();
    let day = EventDate(20_000);
    for number in 1..=generations {
        let run = RunId::new(format!("run-{number}"));
        let mut staged = warehouse.staging(&run).unwrap();
        for before in 0..if number == 1 {
            0
        } else {
            2_000 + 500 * ((number - 1) % 5)
        } {
            let parts = [(number - 1).to_string(), before.to_string()];
            let id = teamsheet::ids::stable_hash(parts.iter().map(String::as_str));
            staged.replace(&ATTENDANCE_INTERVALS, day, &id);
        }
        staged
            .append(&ATTENDANCE_INTERVALS, day, &generation(number))
            .unwrap();
        let lock = warehouse.try_lock().unwrap().unwrap();
        let built = warehouse.build(&lock, staged, &[]).unwrap();
        assert_eq!(warehouse.publish(&lock, built).unwrap().published, 1);
        if number == 1 {
            writeln!(std::io::stdout(), "first generation is there").unwrap();
        }
        // as often as a reader asks, so that some queries meet a publish and some do not
        std::thread::sleep(Duration::from_millis(150));
    }
}

fn many_publishes(kind: Kind, reader: &str) -> Value {
    let store = Store::start(kind);
    let generations = std::env::var("GENERATIONS").unwrap_or_else(|_| FEW_GENERATIONS.to_string());
    let mut publisher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", PUBLISHER, "--ignored", "--nocapture"])
        .env("PUBLISH_INTO", store.uri())
        .env("GENERATIONS", &generations)
        .envs(store.environment())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(publisher.stdout.take().unwrap()).lines();
    let is_there = lines.any(|line| line.unwrap().contains("first generation is there"));
    assert!(is_there, "nothing was published");
    let mut watching = store
        .command("watch", &format!("{BUCKET}/teams"), &[reader])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = publisher.wait().unwrap();
    drop(watching.stdin.take());
    let mut printed = String::new();
    watching
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    watching.wait().unwrap();
    assert!(ended.success(), "the publisher failed");
    let mut out = std::io::stdout();
    writeln!(out, "{reader} over {generations} publishes: {printed}").unwrap();
    serde_json::from_str(&printed).unwrap()
}

fn loud_or_right(kind: Kind, reader: &str) {
    let seen = many_publishes(kind, reader);
    assert_eq!(seen["wrong"], 0, "{seen}");
    assert!(seen["right"].as_u64().unwrap() > 0, "{seen}");
    assert!(seen["generations"].as_u64().unwrap() > 1, "{seen}");
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn fault_20_duckdb_over_s3fs_is_loud_or_right_while_generations_are_published() {
    loud_or_right(Kind::S3, "duckdb-fsspec");
}

#[test]
#[ignore = "needs moto: see this file's first lines"]
fn fault_20_one_request_always_reads_one_generation_from_s3() {
    let seen = many_publishes(Kind::S3, "duckdb-bytes");
    assert_eq!(
        (&seen["wrong"], &seen["loud"]),
        (&0.into(), &0.into()),
        "{seen}"
    );
    assert!(seen["generations"].as_u64().unwrap() > 1, "{seen}");
}

#[test]
#[ignore = "needs Azurite: see this file's first lines"]
fn fault_20_one_request_always_reads_one_generation_from_azure() {
    let seen = many_publishes(Kind::Azure, "duckdb-bytes");
    assert_eq!(
        (&seen["wrong"], &seen["loud"]),
        (&0.into(), &0.into()),
        "{seen}"
    );
    assert!(seen["generations"].as_u64().unwrap() > 1, "{seen}");
}
