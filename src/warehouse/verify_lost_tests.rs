//! What was lost as a whole, so that no row tells of it.

use super::*;
use crate::tables::NameCount;

const CASES: [Case; 5] = [
    (
        "a report that was left behind when its session moved",
        |day| day.reports[0].session_event_date = Some(DATE.plus_days(1)),
        &[(Kind::SessionDay, "attendance_reports", 1)],
    ),
    (
        "a session that is gone",
        |day| {
            day.sessions.remove(0);
        },
        &[(Kind::ReportWithoutSession, "attendance_reports", 2)],
    ),
    (
        "sessions of a day that nobody had covered, or of the next one",
        |day| {
            for (number, later) in [(0, -3), (1, 1)] {
                day.reports[number].session_id = Some(text("elsewhere"));
                day.reports[number].session_event_date = Some(DATE.plus_days(later));
            }
            day.sessions[0].report_count = 0;
        },
        &[],
    ),
    (
        "a day that is empty, although two reports and two sessions were counted",
        |day| {
            day.runs[0].sessions_by_state = vec![NameCount {
                name: text("reported"),
                count: 2,
            }];
            *day = Day {
                gaps: std::mem::take(&mut day.gaps),
                runs: std::mem::take(&mut day.runs),
                ..Day::empty()
            };
        },
        &[
            (Kind::FewerThanCounted, "attendance_reports", 1),
            (Kind::FewerThanCounted, "sessions", 1),
        ],
    ),
    (
        "a day that is empty, and whose webinar was put off by a week",
        |day| {
            day.sessions[0].source = text("webinar");
            day.sessions[0].report_count = 0;
            day.sessions.truncate(1);
            day.sessions[0].is_final = false;
            day.reports.clear();
            day.records.clear();
            day.intervals.clear();
            day.runs[0].reports = 0;
            day.runs[0].sessions_by_state = vec![NameCount {
                name: text("empty"),
                count: 1,
            }];
        },
        &[],
    ),
];

#[test]
fn what_was_lost_as_a_whole_is_found_and_nothing_else() {
    for (what, edit, expected) in CASES {
        assert_eq!(Planted::of(edit).findings(), expected, "{what}");
    }
}

#[test]
fn a_file_of_another_day_or_table_is_found_also_where_it_is_empty() {
    let planted = Planted::of(|_| {});
    Day::empty().write(planted.root(), DATE.plus_days(1));
    let file = |table: &TableSpec, date| {
        let partition = layout::partition_name(table, date);
        let table = planted.root().join(table.name);
        table.join(partition).join("planted.parquet")
    };
    assert_eq!(planted.findings(), []);
    fs::copy(file(&GAPS, DATE.plus_days(1)), file(&GAPS, DATE)).unwrap();
    fs::copy(file(&SESSIONS, DATE), file(&GAPS, DATE.plus_days(1))).unwrap();
    assert_eq!(
        planted.findings(),
        [(Kind::OtherPlace, "gaps", 1), (Kind::Damaged, "gaps", 1),]
    );
}

#[test]
fn what_was_lost_with_its_whole_day_is_found() {
    let planted = Planted::of(|_| {});
    for table in [&ATTENDANCE_REPORTS, &ATTENDANCE_RECORDS] {
        fs::remove_dir_all(planted.root().join(table.name)).unwrap();
    }
    let findings = planted.findings();
    let expected = [
        (Kind::IntervalWithoutRecord, "attendance_intervals", 4),
        (Kind::MissingPartition, "attendance_records", 1),
        (Kind::MissingPartition, "attendance_reports", 1),
        (Kind::ReportCount, "sessions", 1),
    ];
    assert_eq!(findings, expected);
}
