//! One new report into a partition of 1,000,000 records, beside a plain read and write of the same file.
//!
//! ```text
//! cargo bench --bench merge                       the whole
//! cargo bench --bench merge -- --records 100000   a tenth
//! ```
//!
//! The plain copy reads the published file with Parquet's own reader and writes the rows with the settings that the file was written
//! with, durable as well; it checks nothing. The merge does all that a run does: it holds the published rows against their hash,
//! brings the new report in, hashes what comes out, and publishes it with an intent. Seconds are CPU seconds of the process.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rustix::time::{ClockId, clock_gettime};
use teamsheet::ids::{InvocationId, RunId};
use teamsheet::job::place::WarehousePlace;
use teamsheet::job::plan::{PublishBy, WarehousePlan};
use teamsheet::tables::{ATTENDANCE_RECORDS, AttendanceRecordRow, AttendanceRecords};
use teamsheet::time::{EventDate, SECOND, UtcMicros, WarehouseTimezone};
use teamsheet::warehouse::Warehouse;

type Failure = Box<dyn std::error::Error>;

const DAY: EventDate = EventDate(20_454);
/// Attendees of a report.
const ATTENDEES: u64 = 200;
/// More than this many times the plain copy is too much.
const LIMIT: f64 = 1.5;
/// Each is measured this often; the least counts, since other work on the machine only adds.
const TIMES: usize = 3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments
        .iter()
        .skip_while(|argument| *argument != "--records")
        .nth(1);
    let records: u64 = asked.map_or(Ok(1_000_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let warehouse = Warehouse::open(&WarehousePlan {
        place: WarehousePlace::Folder(folder.path().to_owned()),
        holder: InvocationId::new("benchmark"),
        timezone: WarehouseTimezone::utc(),
        publish: PublishBy::Exchange,
        staging: None,
        wait_lock: Duration::ZERO,
    })?;
    publish(
        &warehouse,
        "1",
        (0..records / ATTENDEES).map(|report| 2 * report),
    )?;
    let partition = folder
        .path()
        .join(format!("attendance_records/event_date={DAY}"));

    let mut plain = Duration::MAX;
    let mut merge = Duration::MAX;
    let mut memory = [0; 2];
    for time in 0..TIMES {
        let before = cpu_time();
        let rows = plain_copy(&data_file(&partition)?, &folder.path().join("copy"))?;
        plain = plain.min(cpu_time().saturating_sub(before));
        if time == 0 && rows != records {
            return Err(format!("{rows} records are there").into());
        }
        memory[0] = memory[0].max(peak_memory());
        let before = cpu_time();
        // a report that sorts into the middle
        publish(
            &warehouse,
            &format!("2-{time}"),
            [records / ATTENDEES + 1 + 2 * time as u64].into_iter(),
        )?;
        merge = merge.min(cpu_time().saturating_sub(before));
        memory[1] = memory[1].max(peak_memory());
    }
    let ratio = merge.as_secs_f64() / plain.as_secs_f64();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{records} records, {} bytes",
        std::fs::metadata(data_file(&partition)?)?.len()
    )?;
    writeln!(
        out,
        "plain read and write  {:>8.3} CPU seconds",
        plain.as_secs_f64()
    )?;
    writeln!(
        out,
        "merge of one report   {:>8.3} CPU seconds, {ratio:.2} times as many",
        merge.as_secs_f64()
    )?;
    writeln!(
        out,
        "peak memory           {:>8} MiB after the plain copies, {} MiB after the merges",
        memory[0] >> 20,
        memory[1] >> 20
    )?;
    if ratio > LIMIT {
        return Err(format!(
            "the merge costs {ratio:.2} times a plain read and write, more than {LIMIT}"
        )
        .into());
    }
    Ok(())
}

/// Publishes reports of that day with all their records.
fn publish(
    warehouse: &Warehouse,
    run: &str,
    reports: impl Iterator<Item = u64>,
) -> Result<(), Failure> {
    let mut staging = warehouse.staging(&RunId::new(run))?;
    let mut records = AttendanceRecords::default();
    for report in reports {
        for attendee in 0..ATTENDEES {
            append(&mut records, report, attendee);
        }
        if records.len() >= 16_384 {
            staging.append(&ATTENDANCE_RECORDS, DAY, &records.finish()?)?;
        }
    }
    staging.append(&ATTENDANCE_RECORDS, DAY, &records.finish()?)?;
    let lock = warehouse.try_lock()?.ok_or("the lock is held")?;
    let built = warehouse.build(&lock, staging, &[])?;
    let outcome = warehouse.publish(&lock, built)?;
    if outcome.published == 1 {
        Ok(())
    } else {
        Err("nothing was published".into())
    }
}

fn append(records: &mut AttendanceRecords<'static>, report: u64, attendee: u64) {
    // spread like ids are, but in the order of their numbers
    let scattered = (report * ATTENDEES + attendee).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let person = scattered % 20_000;
    let start = 1_767_225_600 * SECOND;
    let at = |seconds: u64| {
        UtcMicros(start + i64::try_from(seconds * 1_000_000 + scattered % 1_000_000).unwrap_or(0))
    };
    records.append(&AttendanceRecordRow {
        tenant_id: "7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11".into(),
        report_id: format!("{report:08x}-5cb7-42ca-b2a4-47461220673f").into(),
        record_index: i32::try_from(attendee).unwrap_or(i32::MAX),
        source: "online_meeting".into(),
        event_id: Some("MSo1MTRkMTkxZi1jYjU3LTQyY2EtYjJhNC00NzQ2MTIyMDY3M2Yq".into()),
        meeting_start_date_time: Some(at(0)),
        record_id: Some(format!("{person:08x}-0000-4000-8000-{scattered:012x}").into()),
        email_address: Some(format!("given.family{person}@contoso.example").into()),
        identity_type: Some("communicationsUserIdentity".into()),
        identity_id: Some(
            format!(
                "{person:08x}-0000-4000-8000-{:012x}",
                person * 2_654_435_761
            )
            .into(),
        ),
        identity_display_name: Some(format!("Given Family {person}").into()),
        identity_tenant_id: Some("7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11".into()),
        is_external: Some(false),
        role: Some("Attendee".into()),
        total_attendance_in_seconds: i32::try_from(scattered % 3_600).ok(),
        registration_id: None,
        external_registration_referrer: None,
        external_registration_id: None,
        interval_count: 2,
        first_join_date_time: Some(at(scattered % 600)),
        last_leave_date_time: Some(at(1_800 + scattered % 1_800)),
        present_seconds: i64::try_from(scattered % 3_600).unwrap_or(0),
        quality_flags: Vec::new(),
        _extra: None,
        attendee_type: None,
        email_domain: None,
    });
}

fn plain_copy(from: &Path, to: &Path) -> Result<u64, Failure> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(from)?, options)?;
    let schema = ATTENDANCE_RECORDS.schema();
    let instants = schema
        .fields()
        .iter()
        .filter(|field| field.name().ends_with("_date_time"));
    let properties = instants.fold(WriterProperties::builder(), |properties, field| {
        properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false)
    });
    let properties = properties
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(131_072))
        .set_dictionary_page_size_limit(256 * 1024)
        .build();
    let columns = Arc::clone(reader.schema());
    let mut writer = ArrowWriter::try_new(File::create(to)?, columns, Some(properties))?;
    let mut rows = 0;
    for batch in reader.with_batch_size(8_192).build()? {
        let batch: RecordBatch = batch?;
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.into_inner()?.sync_all()?;
    Ok(rows)
}

fn data_file(partition: &Path) -> Result<std::path::PathBuf, Failure> {
    let mut files = std::fs::read_dir(partition)?;
    Ok(files.next().ok_or("no data file")??.path())
}

/// CPU time of the process, all its threads together.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Largest resident set so far, in bytes.
fn peak_memory() -> u64 {
    teamsheet::cli::load::peak_memory()
}
