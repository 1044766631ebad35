//! What verifying finds: each warehouse is sound but for one thing.

use std::borrow::Cow;

use super::FindingKind as Kind;
use super::gap_row_tests::gap;
use super::partition_file::PartitionWriter;
use super::tests::plan;
use super::*;
use crate::job::place::WarehousePlace;
use crate::tables::{
    ATTENDANCE_INTERVALS, ATTENDANCE_RECORDS, ATTENDANCE_REPORTS, AttendanceIntervalRow,
    AttendanceIntervals, AttendanceRecordRow, AttendanceRecords, AttendanceReportRow,
    AttendanceReports, GAPS, GapRow, Gaps, RUNS, RunRow, Runs, SESSIONS, SessionRow, Sessions,
    TABLES,
};
use crate::time::{HOUR, UtcMicros};
use std::path::Path;

const DATE: EventDate = EventDate(20_454);
/// Noon of that day in UTC.
pub(super) const NOON: UtcMicros = UtcMicros(20_454 * crate::time::DAY + 12 * HOUR);
pub(super) const TENANT: &str = "7d3a51a5-6f6d-4a0e-9c1d-0f2a6c4b8e11";

fn existing(root: &Path) -> Result<Warehouse, WarehouseError> {
    Warehouse::open_existing(&WarehousePlace::Folder(root.to_owned()), None)
}

/// The rows of one day, in the order in which they are written.
struct Day {
    sessions: Vec<SessionRow<'static>>,
    reports: Vec<AttendanceReportRow<'static>>,
    records: Vec<AttendanceRecordRow<'static>>,
    intervals: Vec<AttendanceIntervalRow<'static>>,
    gaps: Vec<GapRow<'static>>,
    runs: Vec<RunRow<'static>>,
}

impl Day {
    /// Two sessions, two reports of the first, three records, four intervals.
    fn sound() -> Self {
        Self {
            sessions: vec![session("s1", 2), session("s2", 0)],
            reports: vec![report("r1", 2), report("r2", 1)],
            records: vec![record("r1", 0, 1), record("r1", 1, 2), record("r2", 0, 1)],
            intervals: vec![
                interval("r1", 0, 0),
                interval("r1", 1, 0),
                interval("r1", 1, 1),
                interval("r2", 0, 0),
            ],
            gaps: vec![gap("g1", None)],
            runs: vec![run_row()],
        }
    }

    fn empty() -> Self {
        Self {
            sessions: Vec::new(),
            reports: Vec::new(),
            records: Vec::new(),
            intervals: Vec::new(),
            gaps: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Writes the day as it is, through nothing but the file format.
    fn write(&self, root: &Path, date: EventDate) {
        macro_rules! write {
            ($builder:ident, $rows:expr, $table:expr) => {{
                let mut batch = $builder::default();
                for row in $rows {
                    batch.append(row);
                }
                plant(root, $table, date, &batch.finish().unwrap());
            }};
        }
        write!(Sessions, &self.sessions, &SESSIONS);
        write!(AttendanceReports, &self.reports, &ATTENDANCE_REPORTS);
        write!(AttendanceRecords, &self.records, &ATTENDANCE_RECORDS);
        write!(AttendanceIntervals, &self.intervals, &ATTENDANCE_INTERVALS);
        write!(Gaps, &self.gaps, &GAPS);
        write!(Runs, &self.runs, &RUNS);
    }
}

fn plant(root: &Path, table: &'static TableSpec, date: EventDate, batch: &RecordBatch) {
    let folder = root
        .join(table.name)
        .join(layout::partition_name(table, date));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("planted.parquet");
    let mut writer = PartitionWriter::create(table, date, &path).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

pub(super) fn text(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn session(id: &str, report_count: i32) -> SessionRow<'static> {
    SessionRow {
        tenant_id: text(TENANT),
        session_id: text(id),
        source: text("online_meeting"),
        event_id: None,
        occurrence_id: None,
        series_id: None,
        subject: None,
        organizer_id: None,
        organizer_email: None,
        organizer_display_name: None,
        scheduled_start: NOON,
        scheduled_end: None,
        join_web_url: None,
        is_cancelled: None,
        status: None,
        discovered_by: Vec::new(),
        attendance_state: text("reported"),
        attendance_state_reason: None,
        is_final: true,
        report_count,
        removed_at: None,
        checked_at: NOON,
        _run_id: text("run"),
        _extra: None,
    }
}

fn report(id: &str, record_count: i32) -> AttendanceReportRow<'static> {
    AttendanceReportRow {
        tenant_id: text(TENANT),
        report_id: text(id),
        source: text("online_meeting"),
        event_id: None,
        session_id: Some(text("s1")),
        session_event_date: Some(DATE),
        organizer_id: None,
        subject: None,
        meeting_start_date_time: Some(NOON),
        meeting_end_date_time: None,
        total_participant_count: None,
        record_count,
        external_event_information: Vec::new(),
        quality_flags: Vec::new(),
        _content_hash: text(""),
        _run_id: text("run"),
        _fetched_at: NOON,
        _extra: None,
    }
}

fn record(report: &str, record_index: i32, interval_count: i32) -> AttendanceRecordRow<'static> {
    AttendanceRecordRow {
        tenant_id: text(TENANT),
        report_id: text(report),
        record_index,
        source: text("online_meeting"),
        event_id: None,
        meeting_start_date_time: Some(NOON),
        record_id: None,
        email_address: None,
        identity_type: None,
        identity_id: None,
        identity_display_name: None,
        identity_tenant_id: None,
        is_external: None,
        role: None,
        total_attendance_in_seconds: None,
        registration_id: None,
        external_registration_referrer: None,
        external_registration_id: None,
        interval_count,
        first_join_date_time: None,
        last_leave_date_time: None,
        present_seconds: 0,
        quality_flags: Vec::new(),
        _extra: None,
        attendee_type: None,
        email_domain: None,
    }
}

fn interval(
    report: &str,
    record_index: i32,
    interval_index: i32,
) -> AttendanceIntervalRow<'static> {
    AttendanceIntervalRow {
        tenant_id: text(TENANT),
        report_id: text(report),
        record_index,
        interval_index,
        join_date_time: None,
        leave_date_time: None,
        duration_in_seconds: None,
    }
}

fn run_row() -> RunRow<'static> {
    RunRow {
        run_id: text("run"),
        invocation_id: text("invocation"),
        tenant_id: text(TENANT),
        verb: text("run"),
        job_name: text("nightly"),
        scope_hash: text("scope"),
        sources: vec![text("online_meetings:calendar")],
        program_version: text("0.1.0"),
        interval_start: NOON.plus(-12 * HOUR),
        interval_end: NOON.plus(12 * HOUR),
        started_at: NOON,
        finished_at: NOON,
        exit_code: 0,
        sessions_by_state: Vec::new(),
        reports: 2,
        records: 3,
        intervals: 4,
        gaps_opened: 0,
        gaps_closed: 0,
        requests: 0,
        requests_by_kind: Vec::new(),
        throttled_responses: 0,
        throttled_seconds: 0,
        bytes_received: 0,
        unknown_properties: 0,
        partitions_published: 0,
        partitions_unchanged: 0,
        peak_memory_bytes: 0,
    }
}

struct Planted {
    folder: tempfile::TempDir,
}

impl Planted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(&plan(folder.path())).unwrap();
        warehouse.bind_tenant(&TenantId::new(TENANT)).unwrap();
        Self { folder }
    }

    fn of(edit: impl FnOnce(&mut Day)) -> Self {
        let planted = Self::new();
        let mut day = Day::sound();
        edit(&mut day);
        day.write(planted.root(), DATE);
        planted
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn verify(&self) -> Result<Verification, WarehouseError> {
        existing(self.root())?.verify(Duration::ZERO)
    }

    /// Kind, table and count of each finding.
    fn findings(&self) -> Vec<(FindingKind, &'static str, u64)> {
        let found = self.verify().unwrap().findings;
        let findings = found.iter().map(|finding| {
            assert!(!finding.remedy().is_empty());
            (
                finding.kind,
                finding.table.unwrap_or("warehouse"),
                finding.count,
            )
        });
        findings.collect()
    }
}

#[test]
fn a_sound_warehouse_has_no_finding() {
    let planted = Planted::of(|_| {});
    let found = planted.verify().unwrap();
    assert_eq!(found.findings, []);
    let rows: Vec<_> = found
        .tables
        .iter()
        .map(|totals| (totals.table.name, totals.partitions, totals.rows))
        .collect();
    assert_eq!(
        rows,
        [
            ("attendance_intervals", 1, 4),
            ("attendance_records", 1, 3),
            ("attendance_reports", 1, 2),
            ("sessions", 1, 2),
            ("gaps", 1, 1),
            ("runs", 1, 1),
        ]
    );
}

/// What is wrong, how it comes about, and what is found.
type Case = (
    &'static str,
    fn(&mut Day),
    &'static [(Kind, &'static str, u64)],
);

const CASES: [Case; 17] = [
    (
        "a report is gone",
        |day| {
            day.reports.remove(1);
            day.sessions[0].report_count = 1;
        },
        &[
            (Kind::RecordWithoutReport, "attendance_records", 1),
            (Kind::FewerThanCounted, "attendance_reports", 1),
        ],
    ),
    (
        "a record is gone",
        |day| {
            day.records.remove(2);
        },
        &[
            (Kind::IntervalWithoutRecord, "attendance_intervals", 1),
            (Kind::RecordCount, "attendance_reports", 1),
        ],
    ),
    (
        "intervals are gone",
        |day| {
            day.intervals.remove(3);
            day.intervals.remove(0);
        },
        &[(Kind::IntervalCount, "attendance_records", 2)],
    ),
    (
        "an interval before all reports",
        |day| day.intervals.insert(0, interval("a", 0, 0)),
        &[(Kind::IntervalWithoutRecord, "attendance_intervals", 1)],
    ),
    (
        "a hole in the records",
        |day| {
            day.records[1].record_index = 2;
            day.intervals[1].record_index = 2;
            day.intervals[2].record_index = 2;
        },
        &[(Kind::BrokenIndex, "attendance_records", 1)],
    ),
    (
        "records the wrong way round",
        |day| day.records.swap(0, 1),
        &[(Kind::OutOfOrder, "attendance_records", 1)],
    ),
    (
        "sessions the wrong way round",
        |day| day.sessions.swap(0, 1),
        &[(Kind::OutOfOrder, "sessions", 1)],
    ),
    (
        "an interval twice",
        |day| {
            day.intervals.insert(1, interval("r1", 0, 0));
            day.records[0].interval_count = 2;
            day.runs[0].intervals = 5;
        },
        &[
            (Kind::DuplicateKey, "attendance_intervals", 1),
            (Kind::BrokenIndex, "attendance_intervals", 1),
        ],
    ),
    (
        "a gap twice",
        |day| day.gaps.push(gap("g1", None)),
        &[(Kind::DuplicateKey, "gaps", 1)],
    ),
    (
        "another tenant's session",
        |day| day.sessions[1].tenant_id = text("other"),
        &[(Kind::OtherTenant, "sessions", 1)],
    ),
    (
        "a session of the next day",
        |day| day.sessions[1].scheduled_start = NOON.plus(12 * HOUR),
        &[(Kind::WrongPartition, "sessions", 1)],
    ),
    (
        "a report of the day before",
        |day| day.reports[0].meeting_start_date_time = Some(NOON.plus(-13 * HOUR)),
        &[(Kind::WrongPartition, "attendance_reports", 1)],
    ),
    (
        "a report that stays on its first day and says so",
        |day| {
            day.reports[0].meeting_start_date_time = Some(NOON.plus(-13 * HOUR));
            day.reports[0].quality_flags = vec![text("kept_event_date")];
        },
        &[],
    ),
    (
        "a session with more reports than it says",
        |day| day.sessions[0].report_count = 1,
        &[(Kind::ReportCount, "sessions", 1)],
    ),
    (
        "a final session with fewer reports than it says",
        |day| day.sessions[1].report_count = 1,
        &[(Kind::ReportCount, "sessions", 1)],
    ),
    (
        "the same with a gap that tells why, and one that is not final",
        |day| {
            day.sessions[1].report_count = 1;
            day.gaps.push(gap("g2", Some("s2")));
            day.sessions.push(session("s3", 4));
            day.sessions[2].is_final = false;
        },
        &[],
    ),
    (
        "a run that fetched less than carries its id, and covered a day more",
        |day| {
            day.runs[0].records = 2;
            day.runs[0].interval_end = NOON.plus(36 * HOUR);
        },
        &[
            (Kind::MissingPartition, "attendance_intervals", 1),
            (Kind::MissingPartition, "attendance_records", 1),
            (Kind::MissingPartition, "attendance_reports", 1),
            (Kind::MissingPartition, "sessions", 1),
            (Kind::MissingPartition, "gaps", 1),
            (Kind::RunTotals, "runs", 1),
        ],
    ),
];

#[test]
fn each_thing_that_is_wrong_with_the_rows_is_found_and_nothing_else() {
    for (what, edit, expected) in CASES {
        assert_eq!(Planted::of(edit).findings(), expected, "{what}");
    }
}

#[test]
fn a_key_on_two_days_is_found_although_each_file_is_sound() {
    let planted = Planted::of(|_| {});
    let mut other = Day::sound();
    for session in &mut other.sessions {
        session.scheduled_start = NOON.plus(24 * HOUR);
    }
    for report in &mut other.reports {
        report.meeting_start_date_time = Some(NOON.plus(24 * HOUR));
    }
    other.runs.clear();
    other.write(planted.root(), DATE.plus_days(1));
    let findings = planted.findings();
    let twice = [
        (FindingKind::DuplicateKey, "attendance_reports", 2),
        (FindingKind::DuplicateKey, "sessions", 2),
        (FindingKind::DuplicateKey, "gaps", 1),
    ];
    for finding in twice {
        assert!(findings.contains(&finding), "{finding:?} in {findings:?}");
    }
}

#[test]
fn what_does_not_belong_below_a_table_is_found() {
    let planted = Planted::of(|_| {});
    let sessions = planted.root().join("sessions");
    // readers skip these
    fs::create_dir(sessions.join("_temporary")).unwrap();
    fs::write(sessions.join(".DS_Store"), "").unwrap();
    fs::write(
        sessions
            .join(layout::partition_name(&SESSIONS, DATE))
            .join("._planted.parquet"),
        "x",
    )
    .unwrap();
    fs::create_dir(sessions.join("event_date=2026-1-5")).unwrap();
    fs::write(sessions.join("notes.txt"), "").unwrap();
    let partition = |date: &str| planted.root().join(format!("gaps/event_date={date}"));
    fs::create_dir(partition("2026-01-03")).unwrap();
    fs::write(partition("2026-01-01").join("part-0.parquet"), "").unwrap();
    std::os::unix::fs::symlink(partition("2026-01-01"), partition("2026-01-04")).unwrap();
    fs::write(planted.root().join("_teamsheet/intent.json"), "{}").unwrap();
    assert_eq!(
        planted.findings(),
        [
            (FindingKind::OpenIntent, "warehouse", 1),
            (FindingKind::StrayEntry, "sessions", 2),
            (FindingKind::NotOneFile, "gaps", 1),
            (FindingKind::NotOneFile, "gaps", 1),
            (FindingKind::SymbolicLink, "gaps", 1),
        ]
    );
}

#[test]
fn fault_25_a_flipped_bit_and_a_cut_file_are_found() {
    let planted = Planted::of(|_| {});
    let file = |table: &str| {
        let folder = planted
            .root()
            .join(format!("{table}/event_date=2026-01-01"));
        folder.join("planted.parquet")
    };
    let mut bytes = fs::read(file("attendance_records")).unwrap();
    // in the first pages, far from the footer
    bytes[60] ^= 1;
    fs::write(file("attendance_records"), &bytes).unwrap();
    let bytes = fs::read(file("gaps")).unwrap();
    fs::write(file("gaps"), &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(
        planted.findings(),
        [
            (FindingKind::Damaged, "attendance_records", 1),
            (FindingKind::Damaged, "gaps", 1),
        ]
    );
}

#[test]
fn a_folder_that_is_no_warehouse_or_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // what a run makes before it publishes anything
    fs::create_dir(folder.path().join("_teamsheet")).unwrap();
    for nothing in [folder.path(), &folder.path().join("missing")] {
        let error = existing(nothing).unwrap_err();
        assert!(
            matches!(error, WarehouseError::NothingThere { .. }),
            "{error:?}"
        );
        assert!(!error.is_incompatible());
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = existing(folder.path()).unwrap_err();
    assert!(error.is_incompatible(), "{error:?}");
    let error = existing(&file).unwrap_err();
    assert!(matches!(error, WarehouseError::Io { .. }), "{error:?}");
}

#[test]
fn verifying_waits_for_a_publisher_and_keeps_no_other_reader_out() {
    let planted = Planted::of(|_| {});
    let warehouse = Warehouse::open(&plan(planted.root())).unwrap();
    let held = warehouse.try_lock().unwrap().unwrap();
    let error = planted.verify().unwrap_err();
    assert!(matches!(error, WarehouseError::Locked { .. }), "{error:?}");
    drop(held);
    let path = planted.root().join("_teamsheet/lock");
    let reading = WarehouseLock::shared(&path, planted.root(), Duration::ZERO).unwrap();
    assert!(reading.is_some());
    assert!(warehouse.try_lock().unwrap().is_none());
    assert_eq!(planted.verify().unwrap().findings, []);
}

#[test]
fn every_table_is_surveyed() {
    let planted = Planted::new();
    for table in TABLES {
        fs::create_dir_all(planted.root().join(table.name).join("stray")).unwrap();
    }
    let tables: Vec<_> = planted
        .findings()
        .into_iter()
        .map(|(kind, table, _)| (kind, table))
        .collect();
    let expected = TABLES.map(|table| (FindingKind::StrayEntry, table.name));
    assert_eq!(tables, expected);
}

#[path = "verify_lost_tests.rs"]
mod lost;
