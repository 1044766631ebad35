//! What is published, generation by generation, and what is refused.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::ids::InvocationId;
use crate::job::place::WarehousePlace;
use crate::job::plan::PublishBy;
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_REPORTS, AttendanceIntervalRow, AttendanceIntervals,
    AttendanceReportRow, AttendanceReports, DAILY_TABLES, SESSIONS, TABLES,
};
use crate::time::{UtcMicros, WarehouseTimezone};
use std::fs::File;
use std::path::Path;

pub(super) const DAY: EventDate = EventDate(20_000);

/// Report, record, interval, seconds.
pub(super) type Interval = (String, i32, i32, i32);

impl Warehouse {
    /// Of a warehouse on disk, as all here are.
    pub(super) fn layout(&self) -> &Layout {
        match &self.place {
            super::Place::Disk(layout, _) => layout,
            #[cfg(feature = "object-store")]
            super::Place::Store(_) => panic!("in an object store"),
        }
    }

    pub(super) fn visibility(&self) -> Visibility {
        match &self.place {
            super::Place::Disk(_, visibility) => *visibility,
            #[cfg(feature = "object-store")]
            super::Place::Store(_) => panic!("in an object store"),
        }
    }
}

pub(super) struct Place {
    folder: TempDir,
    pub(super) warehouse: Warehouse,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let warehouse = Warehouse::open(&plan(folder.path())).unwrap();
        Self { folder, warehouse }
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes what `stage` stages, and an empty file for `DAY` in every table.
    pub(super) fn publish(&self, run: &str, stage: impl FnOnce(&mut Staging)) -> PublishOutcome {
        self.try_publish(run, stage).unwrap()
    }

    pub(super) fn try_publish(
        &self,
        run: &str,
        stage: impl FnOnce(&mut Staging),
    ) -> Result<PublishOutcome, WarehouseError> {
        let mut staging = self.warehouse.staging(&RunId::new(run))?;
        stage(&mut staging);
        let lock = self.warehouse.try_lock()?.unwrap();
        let built = self.warehouse.build(&lock, staging, &[DAY])?;
        self.warehouse.publish(&lock, built)
    }

    pub(super) fn batches(
        &self,
        table: &'static TableSpec,
    ) -> Result<Vec<RecordBatch>, WarehouseError> {
        self.warehouse.read(table, DAY)?.1.collect()
    }

    pub(super) fn intervals(&self) -> Vec<Interval> {
        let batches = self.batches(&ATTENDANCE_INTERVALS).unwrap();
        let rows = batches.iter().flat_map(|batch| {
            let rows = AttendanceIntervalRow::read_all(batch).unwrap();
            rows.into_iter().map(|row| {
                let seconds = row.duration_in_seconds.unwrap();
                let report = row.report_id.into_owned();
                (report, row.record_index, row.interval_index, seconds)
            })
        });
        rows.collect()
    }

    /// Report, participants, and the run that wrote the row.
    pub(super) fn reports(&self) -> Vec<(String, Option<i32>, String)> {
        let batches = self.batches(&ATTENDANCE_REPORTS).unwrap();
        let rows = batches.iter().flat_map(|batch| {
            let rows = AttendanceReportRow::read_all(batch).unwrap();
            rows.into_iter().map(|row| {
                let (report, run) = (row.report_id.into_owned(), row._run_id.into_owned());
                (report, row.total_participant_count, run)
            })
        });
        rows.collect()
    }

    pub(super) fn partition(&self, table: &TableSpec) -> PathBuf {
        self.warehouse.layout().partition(table, DAY)
    }

    pub(super) fn data_file(&self, table: &TableSpec) -> PathBuf {
        let mut files = fs::read_dir(self.partition(table)).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }

    /// Every file below the table roots, with its bytes.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for table in TABLES {
            let root = self.warehouse.layout().table(table);
            let Ok(partitions) = fs::read_dir(root) else {
                continue;
            };
            for partition in partitions {
                for file in fs::read_dir(partition.unwrap().path()).unwrap() {
                    let path = file.unwrap().path();
                    let name = path.strip_prefix(self.root()).unwrap().to_owned();
                    files.insert(name, fs::read(path).unwrap());
                }
            }
        }
        files
    }
}

pub(super) fn plan(root: &Path) -> WarehousePlan {
    WarehousePlan {
        place: WarehousePlace::Folder(root.to_owned()),
        timezone: WarehouseTimezone::utc(),
        publish: PublishBy::Exchange,
        staging: None,
        holder: InvocationId::new("test"),
        wait_lock: Duration::ZERO,
    }
}

fn interval_batch(rows: &[(&str, i32, i32, i32)]) -> RecordBatch {
    let mut batch = AttendanceIntervals::default();
    for (report, record_index, interval_index, seconds) in rows {
        batch.append(&AttendanceIntervalRow {
            tenant_id: "tenant".into(),
            report_id: (*report).into(),
            record_index: *record_index,
            interval_index: *interval_index,
            join_date_time: Some(UtcMicros(1)),
            leave_date_time: None,
            duration_in_seconds: Some(*seconds),
        });
    }
    batch.finish().unwrap()
}

pub(super) fn report_batch(report: &str, participants: i32, run: &str) -> RecordBatch {
    let mut batch = AttendanceReports::default();
    batch.append(&AttendanceReportRow {
        tenant_id: "tenant".into(),
        report_id: report.into(),
        source: "online_meeting".into(),
        event_id: None,
        session_id: None,
        session_event_date: None,
        organizer_id: None,
        subject: Some("\u{202e}=cmd|\u{0}".into()),
        meeting_start_date_time: None,
        meeting_end_date_time: None,
        total_participant_count: Some(participants),
        record_count: 0,
        external_event_information: Vec::new(),
        quality_flags: vec!["b".into()],
        _content_hash: "hash".into(),
        _run_id: run.into(),
        _fetched_at: UtcMicros(participants.into()),
        _extra: None,
    });
    batch.finish().unwrap()
}

pub(super) fn stage_intervals(staging: &mut Staging, rows: &[(&str, i32, i32, i32)]) {
    let batch = interval_batch(rows);
    staging.append(&ATTENDANCE_INTERVALS, DAY, &batch).unwrap();
}

pub(super) fn stage_report(staging: &mut Staging, report: &str, participants: i32, run: &str) {
    let batch = report_batch(report, participants, run);
    staging.append(&ATTENDANCE_REPORTS, DAY, &batch).unwrap();
}

#[test]
fn the_same_rows_again_publish_nothing() {
    let place = Place::new();
    let stage = |run: &'static str| {
        move |staging: &mut Staging| {
            stage_intervals(staging, &[("b", 0, 0, 1), ("a", 0, 0, 1)]);
            stage_report(staging, "a", 7, run);
        }
    };
    let first = place.publish("1", stage("1"));
    assert_eq!((first.published, first.unchanged), (5, 0));
    let files = place.files();
    let second = place.publish("2", stage("2"));
    assert_eq!((second.published, second.unchanged), (0, 5));
    assert_eq!(place.files(), files);
}

#[test]
fn a_day_without_rows_has_a_typed_file_in_every_table() {
    let place = Place::new();
    place.publish("1", |_| {});
    assert_eq!(place.files().len(), DAILY_TABLES.len());
    for table in DAILY_TABLES {
        assert_eq!(place.warehouse.partitions(table).unwrap(), [DAY]);
        let rows: usize = place
            .batches(table)
            .unwrap()
            .iter()
            .map(RecordBatch::num_rows)
            .sum();
        assert_eq!(rows, 0, "{}", table.name);
        let file = File::open(place.data_file(table)).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
        let reader = reader.unwrap();
        assert_eq!(
            reader.schema().fields(),
            table.schema().fields(),
            "{}",
            table.name
        );
    }
}

#[test]
fn a_partition_that_was_never_published_is_read_as_no_rows() {
    let place = Place::new();
    assert_eq!(place.batches(&SESSIONS).unwrap(), []);
    assert_eq!(place.warehouse.partitions(&SESSIONS).unwrap(), []);
}

#[test]
fn a_replaced_report_leaves_no_old_rows() {
    let place = Place::new();
    place.publish("1", |staging| {
        stage_intervals(
            staging,
            &[
                ("a", 0, 0, 1),
                ("a", 0, 1, 2),
                ("a", 1, 0, 3),
                ("b", 0, 0, 4),
            ],
        );
    });
    place.publish("2", |staging| stage_intervals(staging, &[("a", 0, 1, 5)]));
    let expected = [("a".to_owned(), 0, 1, 5), ("b".to_owned(), 0, 0, 4)];
    assert_eq!(place.intervals(), expected);
    place.publish("3", |staging| {
        staging.replace(&ATTENDANCE_INTERVALS, DAY, "a");
    });
    assert_eq!(place.intervals(), expected[1..]);
    place.publish("4", |staging| {
        staging.replace(&ATTENDANCE_INTERVALS, DAY, "b");
    });
    assert_eq!(place.intervals(), []);
}

#[test]
fn a_row_that_differs_in_bookkeeping_alone_stays_as_it_was_published() {
    let place = Place::new();
    place.publish("1", |staging| {
        stage_report(staging, "a", 7, "1");
        stage_report(staging, "b", 7, "1");
    });
    place.publish("2", |staging| {
        stage_report(staging, "a", 7, "2");
        stage_report(staging, "b", 8, "2");
    });
    let row = |report: &str, participants, run: &str| {
        (report.to_owned(), Some(participants), run.to_owned())
    };
    assert_eq!(place.reports(), [row("a", 7, "1"), row("b", 8, "2")]);
}

#[test]
fn of_rows_with_one_key_the_last_that_was_staged_wins() {
    for budget in [0, usize::MAX] {
        let mut place = Place::new();
        place.warehouse.memory_budget = budget;
        place.publish("1", |staging| {
            for seconds in [1, 3, 2] {
                stage_intervals(staging, &[("a", 0, 0, seconds), ("b", 0, 0, seconds)]);
            }
        });
        let expected = [("a".to_owned(), 0, 0, 2), ("b".to_owned(), 0, 0, 2)];
        assert_eq!(place.intervals(), expected, "budget {budget}");
    }
}

#[test]
fn rows_that_are_large_in_number_come_out_in_order_and_once() {
    let mut place = Place::new();
    place.warehouse.memory_budget = 100_000;
    let rows: Vec<(String, i32, i32, i32)> = (0..20_000)
        .map(|row| (format!("r{}", row % 7), row * 7919 % 20_011, row % 3, row))
        .collect();
    place.publish("1", |staging| {
        for part in rows.chunks(500) {
            let part: Vec<_> = part
                .iter()
                .map(|row| (row.0.as_str(), row.1, row.2, row.3))
                .collect();
            stage_intervals(staging, &part);
        }
    });
    let mut expected = rows;
    expected.sort();
    assert!(
        place.intervals() == expected,
        "rows are lost, doubled or out of order"
    );
}

#[test]
fn the_content_hash_knows_nothing_of_batches() {
    let hash = |budget: usize, part: usize| {
        let mut place = Place::new();
        place.warehouse.memory_budget = budget;
        place.publish("1", |staging| {
            let rows: Vec<_> = (0..100).map(|row| ("a", row, 0, row)).collect();
            for part in rows.chunks(part) {
                stage_intervals(staging, part);
            }
        });
        let reader = PartitionReader::open(
            &ATTENDANCE_INTERVALS,
            &place.partition(&ATTENDANCE_INTERVALS),
        );
        reader.unwrap().unwrap().content_hash.unwrap()
    };
    let whole = hash(usize::MAX, 100);
    assert_eq!(hash(usize::MAX, 7), whole);
    assert_eq!(hash(0, 33), whole);
    assert_eq!(whole.len(), 64);
}

#[test]
fn two_warehouses_with_the_same_publishes_are_the_same_bytes() {
    let [left, right] = [0, usize::MAX].map(|budget| {
        let mut place = Place::new();
        place.warehouse.memory_budget = budget;
        for (run, seconds) in [("1", 1), ("2", 2)] {
            place.publish(run, |staging| {
                stage_intervals(staging, &[("b", 1, 0, seconds), ("a", 0, 0, 1)]);
                stage_report(staging, "b", seconds, run);
            });
        }
        place.files()
    });
    assert!(left == right, "the files differ");
}

#[test]
fn the_bytes_do_not_depend_on_the_pieces_in_which_rows_were_staged() {
    let rows: Vec<(String, i32, i32, i32)> = (0..40_000)
        .map(|row: i32| {
            (
                format!("report-{:05}", row / 7),
                row % 7,
                0,
                row.wrapping_mul(7919),
            )
        })
        .collect();
    let bytes = |budget: usize, part: usize| {
        let mut place = Place::new();
        place.warehouse.memory_budget = budget;
        place.publish("1", |staging| {
            for part in rows.chunks(part) {
                let part: Vec<_> = part
                    .iter()
                    .map(|row| (row.0.as_str(), row.1, row.2, row.3))
                    .collect();
                stage_intervals(staging, &part);
            }
        });
        // one report in the middle is replaced by what it was, and one more comes
        place.publish("2", |staging| {
            let again: Vec<_> = rows[21_000..21_007]
                .iter()
                .map(|row| (row.0.as_str(), row.1, row.2, row.3))
                .collect();
            stage_intervals(staging, &again);
            stage_intervals(staging, &[("report-00000-a", 0, 0, 1)]);
        });
        let count = place.intervals().len();
        assert_eq!(count, rows.len() + 1);
        place.files()
    };
    let whole = bytes(usize::MAX, rows.len());
    for (budget, part) in [(usize::MAX, 333), (0, 7_777), (400_000, 500)] {
        assert!(
            bytes(budget, part) == whole,
            "budget {budget}, {part} at a time"
        );
    }
}

#[test]
fn nothing_but_data_files_lies_under_a_table_root() {
    let mut place = Place::new();
    place.warehouse.memory_budget = 0;
    for run in ["1", "2", "3"] {
        place.publish(run, |staging| {
            stage_intervals(staging, &[("a", 0, 0, 1), (run, 0, 0, 1)]);
            stage_report(staging, run, 7, run);
        });
    }
    let files: Vec<_> = place
        .files()
        .into_keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        files,
        [
            "attendance_intervals/event_date=2024-10-04/3.parquet",
            "attendance_records/event_date=2024-10-04/1.parquet",
            "attendance_reports/event_date=2024-10-04/3.parquet",
            "gaps/event_date=2024-10-04/1.parquet",
            "sessions/event_date=2024-10-04/1.parquet",
        ]
    );
    let mut names: Vec<_> = fs::read_dir(place.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "_teamsheet",
            "attendance_intervals",
            "attendance_records",
            "attendance_reports",
            "gaps",
            "sessions",
        ]
    );
}

#[test]
fn private_folders_are_closed_and_published_ones_follow_the_umask() {
    let place = Place::new();
    place.publish("1", |_| {});
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for private in ["_teamsheet", "_teamsheet/staging"] {
        assert_eq!(mode(&place.root().join(private)), 0o700, "{private}");
    }
    let probe = place.root().join("as-the-umask-says");
    fs::create_dir(&probe).unwrap();
    assert_eq!(mode(&place.partition(&SESSIONS)), mode(&probe));
    File::create(probe.join("file")).unwrap();
    assert_eq!(mode(&place.data_file(&SESSIONS)), mode(&probe.join("file")));
}
