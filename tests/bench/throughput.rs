//! Parse, flatten and write: 1,000,000 records with 2,000,000 intervals, from Graph JSON in memory to published Parquet, on one thread.
//!
//! ```text
//! cargo bench --bench throughput                       the whole
//! cargo bench --bench throughput -- --records 100000   a tenth
//! ```
//!
//! The bodies are made before the clock starts: reports of 10 to 500 attendees out of 20,000 people, with ids, names, addresses, typed identities, roles,
//! seven-digit times and two intervals each, in the order of no id. They go the way they go in a run: `flatten_report` into builders,
//! batches into staging, staging through the merge into Parquet with its logical hash, files made durable and renamed.
//! Seconds are CPU seconds of the process, so other work on the machine does not count; peak memory includes the bodies, which
//! are printed beside it.

use std::fmt::Write as _;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};
use teamsheet::flatten::{ReportContext, ReportDocuments, ReportEntry, RowsByDay, flatten_report};
use teamsheet::ids::{EventId, InvocationId, OrganizerId, ReportId, RunId, SessionId, TenantId};
use teamsheet::job::Source;
use teamsheet::job::place::WarehousePlace;
use teamsheet::job::plan::{PublishBy, WarehousePlan};
use teamsheet::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceReports,
};
use teamsheet::time::{DAY, EventDate, SECOND, UtcMicros, WarehouseTimezone};
use teamsheet::warehouse::Warehouse;

type Failure = Box<dyn std::error::Error>;

/// People who come to the meetings.
const PEOPLE: u32 = 20_000;
/// Days that the reports are spread over.
const DAYS: i64 = 30;
/// Rows that the staging thread of a run collects before it stages them.
const ROWS_IN_MEMORY: usize = 16_384;

struct Body {
    report_id: String,
    json: Vec<u8>,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let asked = arguments
        .iter()
        .skip_while(|argument| *argument != "--records")
        .nth(1);
    let records: usize = asked.map_or(Ok(1_000_000), |count| count.parse())?;
    let bodies = bodies(records);
    let bytes: usize = bodies.iter().map(|body| body.json.len()).sum();
    let before = peak_memory();
    let folder = tempfile::tempdir()?;
    let parse = parse_alone(&bodies)?;
    let run = measure(&bodies, folder.path())?;
    if run.records != records || run.intervals != 2 * records {
        return Err(format!(
            "{} records and {} intervals came out",
            run.records, run.intervals
        )
        .into());
    }
    let per_million = |time: Duration| time.as_secs_f64() * 1e6 / records as f64;
    let total = run.flatten + run.stage + run.publish;
    let mut out = String::new();
    writeln!(
        out,
        "{records} records, {} intervals, {} reports, {bytes} bytes of JSON",
        run.intervals,
        bodies.len()
    )?;
    writeln!(
        out,
        "CPU seconds           {:>8.3}   {:>10.0} records per CPU second",
        total.as_secs_f64(),
        records as f64 / total.as_secs_f64()
    )?;
    writeln!(out, "per million records:")?;
    writeln!(
        out,
        "  parse and flatten   {:>8.3}   (parsing alone {:.3})",
        per_million(run.flatten),
        per_million(parse)
    )?;
    writeln!(out, "  sort and stage      {:>8.3}", per_million(run.stage))?;
    writeln!(
        out,
        "  merge and Parquet   {:>8.3}",
        per_million(run.publish)
    )?;
    writeln!(
        out,
        "peak memory           {:>8} MiB, of which {} MiB before the clock started",
        peak_memory() >> 20,
        before >> 20
    )?;
    writeln!(
        out,
        "Parquet               {:>8} MiB",
        run.parquet_bytes >> 20
    )?;
    std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes())?;
    Ok(())
}

/// What reading the JSON costs by itself, on this machine and this data: the floor of the first phase.
fn parse_alone(bodies: &[Body]) -> Result<Duration, Failure> {
    let before = cpu_time();
    for body in bodies {
        std::hint::black_box(teamsheet::model::parse_report(&body.json)?);
    }
    Ok(cpu_time().saturating_sub(before))
}

#[derive(Default)]
struct Measured {
    flatten: Duration,
    stage: Duration,
    publish: Duration,
    records: usize,
    intervals: usize,
    parquet_bytes: u64,
}

fn measure(bodies: &[Body], folder: &std::path::Path) -> Result<Measured, Failure> {
    let plan = WarehousePlan {
        place: WarehousePlace::Folder(folder.join("warehouse")),
        timezone: WarehouseTimezone::utc(),
        publish: PublishBy::Exchange,
        staging: None,
        holder: InvocationId::new("benchmark"),
        wait_lock: Duration::ZERO,
    };
    let warehouse = Warehouse::open(&plan)?;
    let run_id = RunId::new("benchmark");
    let mut staging = warehouse.staging(&run_id)?;
    let (tenant, event) = (
        TenantId::new("7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11"),
        EventId::new("MSo1MTRkMTkxZi1jYjU3LTQyY2EtYjJhNC00NzQ2MTIyMDY3M2Yq"),
    );
    let organizer = OrganizerId::new("514d191f-cb57-42ca-b2a4-47461220673f");
    let mut rows = RowsByDay::default();
    let mut reports = AttendanceReports::default();
    let mut measured = Measured::default();
    let mut clock = cpu_time();
    let mut lap = || std::mem::replace(&mut clock, cpu_time());
    let mut since = |part: &mut Duration| {
        let before = lap();
        *part += cpu_time().saturating_sub(before);
    };
    for body in bodies {
        let entry = ReportEntry {
            report_id: ReportId::new(body.report_id.as_str()),
            start: None,
            end: None,
            total_participant_count: None,
            external_events: Vec::new(),
        };
        let context = ReportContext {
            tenant_id: &tenant,
            source: Source::OnlineMeeting,
            event_id: Some(&event),
            organizer_id: Some(&organizer),
            entry: &entry,
            session: Some((
                SessionId::new("0123456789abcdef0123456789abcdef"),
                EventDate(20_454),
            )),
            subject: Some("Weekly review"),
            scheduled_start: None,
            published_event_date: None,
            published_records: None,
            timezone: &plan.timezone,
            run_id: &run_id,
            fetched_at: UtcMicros(0),
        };
        let documents = ReportDocuments {
            report: &body.json,
            inline_records: true,
            record_pages: &[],
        };
        let flat = flatten_report(&documents, &context, &mut rows)?;
        measured.intervals += flat.interval_count;
        measured.records += usize::try_from(flat.row.record_count)?;
        reports.append(&flat.row);
        staging.append(&ATTENDANCE_REPORTS, flat.event_date, &reports.finish()?)?;
        for table in [&ATTENDANCE_RECORDS, &ATTENDANCE_INTERVALS] {
            staging.replace(table, flat.event_date, &body.report_id);
        }
        let collected: usize = rows
            .days
            .values()
            .map(|(records, intervals)| records.len() + intervals.len())
            .sum();
        if collected >= ROWS_IN_MEMORY {
            let batches = finish(&mut rows)?;
            since(&mut measured.flatten);
            for (day, records, intervals) in batches {
                staging.append(&ATTENDANCE_RECORDS, day, &records)?;
                staging.append(&ATTENDANCE_INTERVALS, day, &intervals)?;
            }
            since(&mut measured.stage);
        }
    }
    let batches = finish(&mut rows)?;
    since(&mut measured.flatten);
    for (day, records, intervals) in batches {
        staging.append(&ATTENDANCE_RECORDS, day, &records)?;
        staging.append(&ATTENDANCE_INTERVALS, day, &intervals)?;
    }
    since(&mut measured.stage);
    let lock = warehouse
        .try_lock()?
        .ok_or("somebody else holds the lock")?;
    let built = warehouse.build(&lock, staging, &[])?;
    warehouse.publish(&lock, built)?;
    since(&mut measured.publish);
    measured.parquet_bytes = size_of(&folder.join("warehouse"))?;
    Ok(measured)
}

type DayBatches = (
    EventDate,
    arrow::record_batch::RecordBatch,
    arrow::record_batch::RecordBatch,
);

fn finish(rows: &mut RowsByDay) -> Result<Vec<DayBatches>, Failure> {
    let days = std::mem::take(&mut rows.days);
    days.into_iter()
        .map(|(day, (mut records, mut intervals))| {
            Ok((day, records.finish()?, intervals.finish()?))
        })
        .collect()
}

/// Reports until there are that many records.
fn bodies(records: usize) -> Vec<Body> {
    let mut random = StdRng::seed_from_u64(7);
    let mut bodies = Vec::new();
    let mut left = records;
    while left > 0 {
        let attendees = random.random_range(10..=500).min(left);
        left -= attendees;
        bodies.push(body(&mut random, attendees));
    }
    bodies
}

fn body(random: &mut StdRng, attendees: usize) -> Body {
    let report_id = guid(random);
    let start = 1_767_225_600 * SECOND
        + random.random_range(0..DAYS) * DAY
        + random.random_range(8..17) * 3_600 * SECOND;
    let mut json = format!(
        r#"{{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users('x')/onlineMeetings('y')/attendanceReports('z')","id":"{report_id}","totalParticipantCount":{attendees},"meetingStartDateTime":"{}","meetingEndDateTime":"{}","attendanceRecords":["#,
        UtcMicros(start),
        UtcMicros(start + 3_600 * SECOND),
    );
    for attendee in 0..attendees {
        let number: u32 = random.random_range(0..PEOPLE);
        let id = format!(
            "{number:08x}-0000-4000-8000-{:012x}",
            u64::from(number) * 2_654_435_761
        );
        let comma = if attendee == 0 { "" } else { "," };
        let first = start + random.random_range(0..600 * SECOND);
        let times = [
            first,
            first + 900 * SECOND + 123_456,
            first + 1_000 * SECOND,
            first + 2_500 * SECOND + 654_321,
        ];
        let [a, b, c, d] = times.map(|at| seven_digits(UtcMicros(at), number));
        json.push_str(comma);
        json.extend([format!(
            r##"{{"id":"{id}","emailAddress":"given.family{number}@contoso.example","totalAttendanceInSeconds":2400,"role":"Attendee","registrationId":null,"externalRegistrationInformation":null,"identity":{{"@odata.type":"#microsoft.graph.communicationsUserIdentity","id":"{id}","displayName":"Given Family {number}","tenantId":"7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11"}},"attendanceIntervals":[{{"joinDateTime":"{a}","leaveDateTime":"{b}","durationInSeconds":900}},{{"joinDateTime":"{c}","leaveDateTime":"{d}","durationInSeconds":1500}}]}}"##
        )]);
    }
    json.push_str("]}");
    Body {
        report_id,
        json: json.into_bytes(),
    }
}

/// As Graph prints it: `2026-01-05T09:00:00.1234567Z`.
fn seven_digits(at: UtcMicros, seed: u32) -> String {
    let whole = UtcMicros(at.0.div_euclid(SECOND) * SECOND).to_string();
    format!(
        "{}.{:06}{}Z",
        whole.trim_end_matches('Z'),
        at.0.rem_euclid(SECOND),
        seed % 10
    )
}

fn guid(random: &mut StdRng) -> String {
    let (high, low): (u64, u64) = (random.random(), random.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
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

fn size_of(folder: &std::path::Path) -> Result<u64, Failure> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() {
            size_of(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(size)
}
