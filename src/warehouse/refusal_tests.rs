//! What is not touched, not followed and not taken for something else.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use super::tests::{DAY, Place, plan, report_batch, stage_intervals, stage_report};
use super::*;
use crate::tables::{ATTENDANCE_INTERVALS, ATTENDANCE_REPORTS, SESSIONS};
use crate::time::WarehouseTimezone;
use std::fs::File;
use std::path::Path;

fn tenant(id: &str) -> TenantId {
    TenantId::new(id)
}

/// Writes a data file of its own making in place of the published one.
fn plant(place: &Place, table: &'static TableSpec, batch: &RecordBatch) {
    let file = File::create(place.data_file(table)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn is_symlink_error<T: std::fmt::Debug>(result: Result<T, WarehouseError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, WarehouseError::Symlink { .. }), "{error:?}");
}

#[test]
fn the_lock_keeps_a_second_holder_out_and_is_free_when_dropped() {
    let place = Place::new();
    let other = Warehouse::open(&plan(place.root())).unwrap();
    let held = place.warehouse.try_lock().unwrap().unwrap();
    assert!(other.try_lock().unwrap().is_none());
    drop(held);
    assert!(other.try_lock().unwrap().is_some());
}

#[test]
fn a_lock_is_waited_for_as_long_as_asked() {
    let place = Place::new();
    let path = place.root().join("_teamsheet/lock");
    let held = place.warehouse.try_lock().unwrap().unwrap();
    let error = WarehouseLock::acquire(&path, place.root(), Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, WarehouseError::Locked { .. }), "{error:?}");
    assert!(!error.is_incompatible());
    std::thread::scope(|scope| {
        let (path, root, wait) = (&path, place.root(), Duration::from_secs(20));
        let waiting = scope.spawn(move || WarehouseLock::acquire(path, root, wait).map(drop));
        drop(held);
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn fault_16_staging_of_a_dead_run_goes_and_a_living_ones_stays() {
    let place = Place::new();
    let staging = place.root().join("_teamsheet/staging");
    let dead = staging.join("dead/attendance_reports/event_date=2024-10-04");
    fs::create_dir_all(&dead).unwrap();
    fs::write(dead.join("dead.parquet"), "half").unwrap();
    fs::write(staging.join("dead/alive"), "").unwrap();
    let mut living = place.warehouse.staging(&RunId::new("living")).unwrap();
    assert!(!staging.join("dead").exists());
    stage_report(&mut living, "a", 7, "living");
    let second = place.warehouse.staging(&RunId::new("second")).unwrap();
    assert!(staging.join("living").exists());
    drop(second);
    assert!(!staging.join("second").exists());
    let lock = place.warehouse.try_lock().unwrap().unwrap();
    let built = place.warehouse.build(&lock, living, &[DAY]).unwrap();
    place.warehouse.publish(&lock, built).unwrap();
    assert_eq!(place.reports().len(), 1);
    assert!(!staging.join("living").exists());
}

#[test]
fn staging_that_is_dropped_publishes_nothing() {
    let place = Place::new();
    let mut staging = place.warehouse.staging(&RunId::new("1")).unwrap();
    stage_report(&mut staging, "a", 7, "1");
    drop(staging);
    assert!(place.files().is_empty());
}

#[test]
fn another_tenant_is_refused() {
    let place = Place::new();
    place.warehouse.bind_tenant(&tenant("a")).unwrap();
    place.warehouse.bind_tenant(&tenant("A")).unwrap();
    let error = place.warehouse.bind_tenant(&tenant("b")).unwrap_err();
    assert!(error.is_incompatible());
    assert_eq!(
        error.to_string(),
        "the warehouse has the tenant `a`, the job `b`"
    );
}

#[test]
fn another_time_zone_is_refused() {
    let place = Place::new();
    place.warehouse.bind_tenant(&tenant("a")).unwrap();
    let mut plan = plan(place.root());
    Warehouse::open(&plan).unwrap();
    plan.timezone = WarehouseTimezone::named("Europe/Berlin").unwrap();
    let error = Warehouse::open(&plan).unwrap_err();
    assert!(error.is_incompatible());
    assert_eq!(
        error.to_string(),
        "the warehouse has the time zone `UTC`, the job `Europe/Berlin`"
    );
}

#[test]
fn two_runs_that_make_a_warehouse_at_once_agree_on_its_time_zone() {
    let place = Place::new();
    let mut other = plan(place.root());
    other.timezone = WarehouseTimezone::named("Europe/Berlin").unwrap();
    let other = Warehouse::open(&other).unwrap();
    place.warehouse.bind_tenant(&tenant("a")).unwrap();
    assert!(
        other
            .bind_tenant(&tenant("a"))
            .unwrap_err()
            .is_incompatible()
    );
}

#[test]
fn a_newer_format_and_a_broken_description_are_refused() {
    let place = Place::new();
    let path = place.root().join("_teamsheet/warehouse.json");
    for text in [
        r#"{"format_version":2,"shards":[]}"#,
        "",
        "{",
        "[]",
        r#"{"format_version":1}"#,
    ] {
        fs::write(&path, text).unwrap();
        let error = Warehouse::open(&plan(place.root())).unwrap_err();
        assert!(error.is_incompatible(), "{text}: {error:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn fault_25_a_damaged_file_is_named_and_never_replaced() {
    let place = Place::new();
    place.publish("1", |staging| {
        let rows: Vec<_> = (0..500)
            .map(|row| ("a", row, 0, row * 7919 % 1009))
            .collect();
        stage_intervals(staging, &rows);
    });
    let path = place.data_file(&ATTENDANCE_INTERVALS);
    let whole = fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let mut footer = whole.clone();
    let last = footer.len() - 20;
    footer[last] ^= 0xff;
    let mut data = whole.clone();
    data[200] ^= 0xff;
    for bytes in [Vec::new(), b"PAR1".to_vec(), cut, footer, data] {
        fs::write(&path, &bytes).unwrap();
        let error = place
            .try_publish("2", |staging| stage_intervals(staging, &[("b", 0, 0, 1)]))
            .unwrap_err();
        assert!(matches!(error, WarehouseError::Damaged { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("event_date=2024-10-04/1.parquet")
        );
        assert!(error.hint().unwrap().contains("backfill its day"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn fault_25_no_flipped_bit_is_published_again() {
    let place = Place::new();
    place.publish("1", |staging| {
        let rows: Vec<_> = (0..500)
            .map(|row| ("a", row, 0, row * 7919 % 1009))
            .collect();
        stage_intervals(staging, &rows);
    });
    let path = place.data_file(&ATTENDANCE_INTERVALS);
    let whole = fs::read(&path).unwrap();
    let expected = place.intervals();
    let mut silent = 0;
    for at in (4..whole.len() - 8).step_by(23) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        let published =
            place.try_publish("2", |staging| stage_intervals(staging, &[("b", 0, 0, 1)]));
        if published.is_ok() {
            let mut rows = place.intervals();
            rows.retain(|row| row.0 != "b");
            silent += usize::from(rows != expected);
            fs::remove_dir_all(place.partition(&ATTENDANCE_INTERVALS)).unwrap();
            fs::create_dir(place.partition(&ATTENDANCE_INTERVALS)).unwrap();
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(silent, 0);
}

#[test]
fn fault_25_no_damage_makes_reading_panic() {
    let place = Place::new();
    place.publish("1", |staging| stage_intervals(staging, &[("a", 0, 0, 1)]));
    let path = place.data_file(&ATTENDANCE_INTERVALS);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut flipped = whole.clone();
            flipped[at] ^= bit;
            fs::write(&path, &flipped).unwrap();
            let Err(error) = place.batches(&ATTENDANCE_INTERVALS) else {
                continue;
            };
            // a flipped column name is another column
            let is_told =
                error.is_incompatible() || matches!(error, WarehouseError::Damaged { .. });
            assert!(is_told, "{at} {bit:x}: {error:?}");
        }
    }
}

#[test]
fn fault_15_a_planted_link_is_not_followed() {
    let elsewhere = tempfile::TempDir::new().unwrap();
    let stage = |staging: &mut Staging| stage_report(staging, "a", 7, "1");

    let place = Place::new();
    symlink(elsewhere.path(), place.root().join("attendance_reports")).unwrap();
    is_symlink_error(place.try_publish("1", stage));
    is_symlink_error(place.warehouse.partitions(&ATTENDANCE_REPORTS));

    let place = Place::new();
    fs::create_dir(place.root().join("attendance_reports")).unwrap();
    symlink(elsewhere.path(), place.partition(&ATTENDANCE_REPORTS)).unwrap();
    is_symlink_error(place.try_publish("1", stage));
    is_symlink_error(place.batches(&ATTENDANCE_REPORTS));

    let place = Place::new();
    place.publish("1", stage);
    let file = place.data_file(&ATTENDANCE_REPORTS);
    let moved = elsewhere.path().join("moved.parquet");
    fs::rename(&file, &moved).unwrap();
    symlink(&moved, &file).unwrap();
    is_symlink_error(place.batches(&ATTENDANCE_REPORTS));
    fs::remove_file(&moved).unwrap();

    let place = Place::new();
    symlink(elsewhere.path(), place.root().join("_teamsheet/staging/1")).unwrap();
    is_symlink_error(place.try_publish("1", stage));

    for private in ["_teamsheet/staging", "_teamsheet"] {
        let place = Place::new();
        fs::remove_dir_all(place.root().join(private)).unwrap();
        symlink(elsewhere.path(), place.root().join(private)).unwrap();
        is_symlink_error(Warehouse::open(&plan(place.root())));
    }

    let place = Place::new();
    let target = elsewhere.path().join("target");
    fs::write(&target, "untouched").unwrap();
    for name in ["lock", "warehouse.json.new"] {
        symlink(&target, place.root().join("_teamsheet").join(name)).unwrap();
    }
    place.warehouse.bind_tenant(&tenant("a")).unwrap();
    place.warehouse.try_lock().unwrap_err();
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    fs::remove_file(&target).unwrap();
    assert_eq!(
        fs::read_dir(elsewhere.path()).unwrap().count(),
        0,
        "written through a link"
    );
}

#[test]
fn fault_26_a_file_with_an_unknown_column_is_refused_and_left() {
    let place = Place::new();
    place.publish("1", |_| {});
    let batch = report_batch("a", 7, "1");
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(
        "from_the_future",
        DataType::Utf8,
        true,
    )));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(StringArray::from(vec![Some("x")])) as ArrayRef);
    let newer = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    plant(&place, &ATTENDANCE_REPORTS, &newer);
    let before = place.files();
    for result in [
        place.batches(&ATTENDANCE_REPORTS).map(drop),
        place
            .try_publish("2", |staging| stage_report(staging, "a", 8, "2"))
            .map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(error.is_incompatible(), "{error:?}");
        assert!(error.to_string().contains("`from_the_future`"));
    }
    let after = place.files();
    let name = "attendance_reports/event_date=2024-10-04/1.parquet";
    assert_eq!(before[Path::new(name)], after[Path::new(name)]);
}

/// A published file without the column.
fn without(place: &Place, column: &str) {
    place.publish("1", |_| {});
    let batch = report_batch("a", 7, "1");
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|index| batch.schema().field(*index).name() != column)
        .collect();
    plant(place, &ATTENDANCE_REPORTS, &batch.project(&kept).unwrap());
}

#[test]
fn fault_97_a_nullable_column_that_an_older_file_lacks_is_null() {
    let place = Place::new();
    without(&place, "total_participant_count");
    assert_eq!(place.reports(), [("a".to_owned(), None, "1".to_owned())]);
    place.publish("2", |staging| stage_report(staging, "b", 8, "2"));
    let reports = place.reports();
    assert_eq!((reports[0].1, reports[1].1), (None, Some(8)));
}

#[test]
fn a_file_without_a_column_that_no_row_can_do_without_is_refused() {
    let place = Place::new();
    without(&place, "record_count");
    let error = place.batches(&ATTENDANCE_REPORTS).unwrap_err();
    assert!(error.is_incompatible(), "{error:?}");
    assert!(error.to_string().contains("`record_count`"));
}

#[test]
fn a_partition_with_more_or_less_than_one_file_is_refused() {
    let place = Place::new();
    place.publish("1", |_| {});
    fs::write(place.partition(&SESSIONS).join("part-0.parquet"), "").unwrap();
    let error = place.batches(&SESSIONS).unwrap_err();
    assert!(
        matches!(&error, WarehouseError::NotOneFile { found, .. } if found.len() == 2),
        "{error:?}"
    );
    let told = error.to_string();
    assert!(
        told.contains(".parquet` and `part-0.parquet` in place of one data file"),
        "{told}"
    );
    fs::remove_dir_all(place.partition(&SESSIONS)).unwrap();
    fs::create_dir(place.partition(&SESSIONS)).unwrap();
    let error = place.batches(&SESSIONS).unwrap_err();
    assert!(
        matches!(&error, WarehouseError::NotOneFile { found, .. } if found.is_empty()),
        "{error:?}"
    );
}

#[test]
fn a_root_that_is_a_file_is_refused_and_missing_parents_are_made() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for root in [file.clone(), file.join("below")] {
        let error = Warehouse::open(&plan(&root)).unwrap_err();
        assert!(matches!(error, WarehouseError::Io { .. }), "{error:?}");
        assert!(!error.is_incompatible());
        assert!(error.hint().is_some());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let deep = folder.path().join("a/b/c");
    let warehouse = Warehouse::open(&plan(&deep)).unwrap();
    warehouse.bind_tenant(&tenant("a")).unwrap();
    assert!(deep.join("_teamsheet/warehouse.json").exists());
}

#[test]
fn opening_leaves_no_probe_behind() {
    let place = Place::new();
    let left: Vec<_> = fs::read_dir(place.root().join("_teamsheet"))
        .unwrap()
        .chain(fs::read_dir(place.root().join("_teamsheet/staging")).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("probe"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn many_runs_may_open_and_stage_at_once() {
    let folder = tempfile::TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for run in 0..6 {
            let root = folder.path();
            scope.spawn(move || {
                for time in 0..3 {
                    let warehouse = Warehouse::open(&plan(root)).unwrap();
                    warehouse.bind_tenant(&tenant("a")).unwrap();
                    warehouse
                        .staging(&RunId::new(format!("{run}-{time}")))
                        .unwrap();
                }
            });
        }
    });
}
