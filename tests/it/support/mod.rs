//! A simulated tenant, a job that points to it, the real binary, and what it published.

pub(crate) mod front;
pub(crate) mod nights;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use teamsheet::job::place::WarehousePlace;
use teamsheet::simulated_tenant::{
    CLIENT_ID, CLIENT_SECRET, SimulatedTenant, TENANT_ID, World, WorldSettings,
};
use teamsheet::tables::{
    AttendanceIntervalRow, AttendanceRecordRow, AttendanceReportRow, GapRow, RunRow, SessionRow,
    TableError,
};
use teamsheet::time::{DAY, UtcMicros};
use teamsheet::warehouse::Warehouse;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// One tenant, one warehouse.
pub(crate) struct Stand {
    pub(crate) tenant: SimulatedTenant,
    pub(crate) folder: TempDir,
    pub(crate) runtime: Runtime,
}

/// How a run ended.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The last line of standard output.
    pub(crate) fn final_line(&self) -> Value {
        let line = self
            .stdout
            .lines()
            .last()
            .unwrap_or_else(|| panic!("nothing was printed: {}", self.stderr));
        serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{}", self.stderr))
    }

    /// Fails the test with everything that was printed, unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Stand {
    /// Serves a world.
    pub(crate) fn new(world: World) -> Self {
        let runtime = Runtime::new().unwrap();
        let tenant = runtime.block_on(SimulatedTenant::start(world)).unwrap();
        Self {
            tenant,
            folder: tempfile::tempdir().unwrap(),
            runtime,
        }
    }

    /// A life-like world whose days end yesterday.
    pub(crate) fn lifelike(users: u32, days: u32) -> Self {
        Self::new(World::generate(&settings(users, days)))
    }

    /// Another warehouse over the same tenant.
    pub(crate) fn warehouse(&self) -> PathBuf {
        self.folder.path().join("warehouse")
    }

    /// Writes a job file with all sources, and more of `[section]`s as they are given.
    pub(crate) fn job(&self, warehouse: &Path, more: &str) -> PathBuf {
        let sources = "[sources.online_meetings]\n[sources.webinars]\n[sources.town_halls]\n";
        self.job_of(warehouse, sources, more)
    }

    /// Writes a job file with these sources.
    pub(crate) fn job_of(&self, warehouse: &Path, sources: &str, more: &str) -> PathBuf {
        let path = self.folder.path().join("test.toml");
        let job = format!(
            "[tenant]\nid = \"{TENANT_ID}\"\n[auth]\nmethod = \"client-secret\"\nclient_id = \"{CLIENT_ID}\"\n\
             client_secret = {{ env = \"SECRET\" }}\n{sources}\n\
             [warehouse]\nuri = \"{}\"\n[graph]\nendpoint = \"{}\"\nauthority = \"{}\"\n\
             [limits]\nattendance = \"none\"\ncalendar = \"none\"\nvirtual_events = \"none\"\ndirectory = \"none\"\n\
             call_records = \"none\"\ncall_records_list = \"none\"\n{more}",
            warehouse.display(),
            self.tenant.endpoint(),
            self.tenant.authority(),
        );
        fs::write(&path, job).unwrap();
        path
    }

    /// Backfills days of the world: from its day `from` up to its day `to`.
    pub(crate) fn backfill(&self, from: u32, to: u32, more_job: &str, flags: &[&str]) -> Outcome {
        self.backfill_job(&self.job(&self.warehouse(), more_job), from, to, flags)
    }

    /// The same with a job file that was written before.
    pub(crate) fn backfill_job(&self, job: &Path, from: u32, to: u32, flags: &[&str]) -> Outcome {
        let settings = self.tenant.world().settings;
        let (from, to) = (
            settings.midnight(from).to_string(),
            settings.midnight(to).to_string(),
        );
        let mut arguments = vec![
            "backfill",
            "--job",
            job.to_str().unwrap(),
            "--from",
            &from,
            "--to",
            &to,
        ];
        arguments.extend(flags);
        self.run(&arguments)
    }

    /// Runs the real binary with the demo's secret.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        // the tenant goes on answering on the runtime's own threads
        let _entered = self.runtime.enter();
        outcome(
            binary()
                .args(arguments)
                .current_dir(self.folder.path())
                .output()
                .unwrap(),
        )
    }

    /// Everything that is published, after it was verified.
    #[track_caller]
    pub(crate) fn published(&self) -> Published {
        let warehouse =
            Warehouse::open_existing(&WarehousePlace::Folder(self.warehouse()), None).unwrap();
        let found = warehouse.verify(Duration::ZERO).unwrap().findings;
        assert_eq!(found, [], "the warehouse is not as the contract says");
        Published::read(&self.warehouse())
    }
}

/// The built program, with the demo's secret in its environment and nothing else of ours.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teamsheet"));
    command.env_remove("RUST_LOG").env("SECRET", CLIENT_SECRET);
    command
}

pub(crate) fn outcome(output: Output) -> Outcome {
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Settings of a world whose days end yesterday.
pub(crate) fn settings(users: u32, days: u32) -> WorldSettings {
    WorldSettings {
        seed: 1,
        users,
        days,
        now: now(),
    }
}

pub(crate) fn now() -> UtcMicros {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    UtcMicros(i64::try_from(since.as_micros()).unwrap())
}

/// All rows of a warehouse, each with the date of its partition.
#[derive(Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) sessions: Vec<(String, SessionRow<'static>)>,
    pub(crate) reports: Vec<(String, AttendanceReportRow<'static>)>,
    pub(crate) records: Vec<(String, AttendanceRecordRow<'static>)>,
    pub(crate) intervals: Vec<(String, AttendanceIntervalRow<'static>)>,
    pub(crate) gaps: Vec<(String, GapRow<'static>)>,
    pub(crate) runs: Vec<(String, RunRow<'static>)>,
}

impl Published {
    pub(crate) fn read(warehouse: &Path) -> Self {
        Self {
            sessions: rows(warehouse, "sessions", SessionRow::read_all),
            reports: rows(
                warehouse,
                "attendance_reports",
                AttendanceReportRow::read_all,
            ),
            records: rows(
                warehouse,
                "attendance_records",
                AttendanceRecordRow::read_all,
            ),
            intervals: rows(
                warehouse,
                "attendance_intervals",
                AttendanceIntervalRow::read_all,
            ),
            gaps: rows(warehouse, "gaps", GapRow::read_all),
            runs: rows(warehouse, "runs", RunRow::read_all),
        }
    }

    /// The same without bookkeeping and without the run ledger: what must not depend on how often and in which pieces it was run.
    pub(crate) fn content(mut self) -> Self {
        let none = || std::borrow::Cow::Borrowed("");
        for (_, row) in &mut self.sessions {
            (row.checked_at, row._run_id) = (UtcMicros(0), none());
        }
        for (_, row) in &mut self.reports {
            (row._fetched_at, row._run_id) = (UtcMicros(0), none());
        }
        for (_, row) in &mut self.gaps {
            (
                row.attempts,
                row.first_seen_at,
                row.last_tried_at,
                row._run_id,
            ) = (0, UtcMicros(0), UtcMicros(0), none());
            row.same_answer_since = row.same_answer_since.map(|_| UtcMicros(0));
        }
        self.runs.clear();
        self
    }
}

/// The partitions of a table: date and data file.
pub(crate) fn partitions(warehouse: &Path, table: &str) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = fs::read_dir(warehouse.join(table)) else {
        return BTreeMap::new();
    };
    let partition = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        let (_, date) = name
            .split_once('=')
            .unwrap_or_else(|| panic!("a stray entry: {name}"));
        let files: Vec<_> = fs::read_dir(entry.path())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        let [file] = files.as_slice() else {
            panic!("{name} holds {files:?}")
        };
        (date.to_owned(), file.clone())
    };
    entries.map(|entry| partition(entry.unwrap())).collect()
}

fn rows<T>(
    warehouse: &Path,
    table: &str,
    read: fn(&RecordBatch) -> Result<Vec<T>, TableError>,
) -> Vec<(String, T)> {
    let mut all = Vec::new();
    for (date, file) in partitions(warehouse, table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap())
            .unwrap()
            .build()
            .unwrap();
        for batch in reader {
            all.extend(
                read(&batch.unwrap())
                    .unwrap()
                    .into_iter()
                    .map(|row| (date.clone(), row)),
            );
        }
    }
    all
}

/// `YYYY-MM-DD` of an instant in UTC.
pub(crate) fn utc_date(at: UtcMicros) -> String {
    teamsheet::time::EventDate(i32::try_from(at.0.div_euclid(DAY)).unwrap()).to_string()
}

/// Fails with the first row that differs, not with both warehouses.
#[track_caller]
pub(crate) fn assert_same_rows(got: &Published, wanted: &Published) {
    first_difference("sessions", &got.sessions, &wanted.sessions);
    first_difference("attendance_reports", &got.reports, &wanted.reports);
    first_difference("attendance_records", &got.records, &wanted.records);
    first_difference("attendance_intervals", &got.intervals, &wanted.intervals);
    first_difference("gaps", &got.gaps, &wanted.gaps);
}

#[track_caller]
fn first_difference<T: std::fmt::Debug + PartialEq>(table: &str, got: &[T], wanted: &[T]) {
    let differing = got
        .iter()
        .zip(wanted)
        .position(|(got, wanted)| got != wanted);
    let shorter = (got.len() != wanted.len()).then(|| got.len().min(wanted.len()));
    if let Some(row) = differing.or(shorter) {
        panic!(
            "{table}, row {row} of {} and {}:\n got {:?}\nwanted {:?}",
            got.len(),
            wanted.len(),
            got.get(row),
            wanted.get(row)
        );
    }
}
