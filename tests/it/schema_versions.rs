//! Data files of another version of the contract, beside those of this one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{Published, Stand, assert_same_rows, partitions};

/// Writes a data file anew with other columns.
fn rewrite(path: &Path, change: impl Fn(&RecordBatch) -> RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let batches: Vec<_> = reader
        .build()
        .unwrap()
        .map(|batch| change(&batch.unwrap()))
        .collect();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batches[0].schema(), None).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
}

fn columns(path: &Path) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let fields = reader.schema().fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

/// The first partition of a table with at least some rows.
fn some_file(stand: &Stand, table: &str) -> PathBuf {
    let files = partitions(&stand.warehouse(), table);
    let largest = files
        .into_values()
        .max_by_key(|file| fs::metadata(file).unwrap().len());
    largest.unwrap()
}

#[test]
fn fault_97_a_file_without_the_newest_columns_is_read_and_upgraded_when_it_is_rewritten() {
    let stand = Stand::lifelike(15, 3);
    stand.backfill(0, 3, "", &[]);
    let before = Published::read(&stand.warehouse()).content();
    // the newest first
    let newest = [
        ("sessions", &["_extra"][..]),
        ("attendance_reports", &["_extra"]),
        (
            "attendance_records",
            &["email_domain", "attendee_type", "_extra"],
        ),
    ];
    for (table, names) in newest {
        let file = some_file(&stand, table);
        rewrite(&file, |batch| {
            let kept = batch.num_columns() - names.len();
            for (place, name) in (kept..).zip(names.iter().rev()) {
                assert_eq!(batch.schema().field(place).name(), name);
            }
            batch.project(&(0..kept).collect::<Vec<_>>()).unwrap()
        });
    }
    // everything is fetched again, so every partition is merged with what it holds
    stand.backfill(0, 3, "", &["--reprocess", "all"]);
    for (table, names) in newest {
        for file in partitions(&stand.warehouse(), table).values() {
            assert_eq!(columns(file).last().unwrap(), names[0], "{table}");
        }
    }
    assert_same_rows(&stand.published().content(), &before);
}

#[test]
fn fault_26_a_file_of_a_newer_version_ends_every_verb_with_2_and_is_left_alone() {
    let stand = Stand::lifelike(15, 3);
    stand.backfill(0, 3, "", &[]);
    let file = some_file(&stand, "sessions");
    rewrite(&file, |batch| {
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("of_tomorrow", DataType::Utf8, true)));
        let mut columns = batch.columns().to_vec();
        let new: ArrayRef = Arc::new(StringArray::new_null(batch.num_rows()));
        columns.push(new);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    });
    let bytes = || -> BTreeMap<String, Vec<u8>> {
        let tables = [
            "sessions",
            "attendance_reports",
            "attendance_records",
            "gaps",
            "runs",
        ];
        let files = tables
            .iter()
            .flat_map(|table| partitions(&stand.warehouse(), table));
        files
            .map(|(_, file)| (file.display().to_string(), fs::read(file).unwrap()))
            .collect()
    };
    let before = bytes();
    let warehouse = stand.warehouse();
    let warehouse = warehouse.to_str().unwrap();
    let outcomes = [
        stand.backfill(0, 3, "", &[]),
        stand.run(&["verify", "--warehouse", warehouse]),
    ];
    for outcome in outcomes {
        let outcome = outcome.expect_code(2);
        assert!(
            outcome.stderr.contains("`of_tomorrow`"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome
                .stderr
                .contains("hint: Run a teamsheet at least as new"),
            "{}",
            outcome.stderr
        );
    }
    assert!(bytes() == before, "nothing was touched");
}
