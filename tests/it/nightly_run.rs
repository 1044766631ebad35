//! A data interval from end to end: every row that a perfect loader would find, with its values, and nothing else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use teamsheet::simulated_tenant::world::{IdentityKind, Record};
use teamsheet::simulated_tenant::{TENANT_ID, TrueAttendance, TrueReport};
use teamsheet::tables::{AttendanceIntervalRow, AttendanceRecordRow};
use teamsheet::time::UtcMicros;

use crate::support::{Stand, partitions, utc_date};

const USERS: u32 = 40;
const DAYS: u32 = 10;

fn text(value: Option<&Cow<'static, str>>) -> Option<String> {
    value.map(|text| text.clone().into_owned())
}

/// A record as the table must have it, but for its index.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    record_id: Option<String>,
    identity_id: Option<String>,
    email_address: Option<String>,
    identity_type: Option<String>,
    display_name: Option<String>,
    identity_tenant_id: Option<String>,
    is_external: Option<bool>,
    role: String,
    total: i32,
    registration_id: Option<String>,
    referrer: Option<String>,
    external_registration_id: Option<String>,
    present_seconds: i64,
    intervals: Vec<(Option<UtcMicros>, Option<UtcMicros>, i32)>,
}

/// Seconds in the union of the closed intervals, by marking every microsecond boundary: slow and obvious.
fn present_seconds(record: &Record) -> i64 {
    let closed: Vec<(i64, i64)> = record
        .intervals
        .iter()
        .filter_map(|interval| Some((interval.join?.at.0, interval.leave?.at.0)))
        .filter(|(join, leave)| leave > join)
        .collect();
    let edges: BTreeSet<i64> = closed
        .iter()
        .flat_map(|(join, leave)| [*join, *leave])
        .collect();
    let edges: Vec<i64> = edges.into_iter().collect();
    let covered = edges.windows(2).filter(|pair| {
        closed
            .iter()
            .any(|(join, leave)| *join <= pair[0] && pair[1] <= *leave)
    });
    covered.map(|pair| pair[1] - pair[0]).sum::<i64>() / 1_000_000
}

fn expected(record: &Record) -> Expected {
    let identity = record.identity.as_ref();
    let tenant = identity
        .filter(|identity| matches!(identity.kind, IdentityKind::User | IdentityKind::Untyped));
    let tenant = tenant.and_then(|identity| identity.detail.clone());
    Expected {
        record_id: record.id.clone(),
        identity_id: identity.and_then(|identity| identity.id.clone()),
        email_address: record.email_address.clone(),
        identity_type: identity.and_then(|identity| {
            Some(
                match identity.kind {
                    IdentityKind::Untyped => return None,
                    IdentityKind::User => "communicationsUserIdentity",
                    IdentityKind::Guest => "communicationsGuestIdentity",
                    IdentityKind::Phone => "communicationsPhoneIdentity",
                    IdentityKind::AzureCommunicationServices => {
                        "azureCommunicationServicesUserIdentity"
                    }
                }
                .to_owned(),
            )
        }),
        display_name: identity.and_then(|identity| identity.display_name.clone()),
        is_external: tenant.as_ref().map(|tenant| tenant != TENANT_ID),
        identity_tenant_id: tenant,
        role: record.role.clone(),
        total: record.total_attendance_in_seconds,
        registration_id: record.registration_id.clone(),
        referrer: record
            .external_registration
            .as_ref()
            .and_then(|external| external.referrer.clone()),
        external_registration_id: record
            .external_registration
            .as_ref()
            .map(|external| external.registration_id.clone()),
        present_seconds: present_seconds(record),
        intervals: record
            .intervals
            .iter()
            .map(|interval| {
                (
                    interval.join.map(|at| at.at),
                    interval.leave.map(|at| at.at),
                    interval.duration_in_seconds,
                )
            })
            .collect(),
    }
}

fn found(
    row: &AttendanceRecordRow<'static>,
    intervals: &[&AttendanceIntervalRow<'static>],
) -> Expected {
    Expected {
        record_id: text(row.record_id.as_ref()),
        identity_id: text(row.identity_id.as_ref()),
        email_address: text(row.email_address.as_ref()),
        identity_type: text(row.identity_type.as_ref()),
        display_name: text(row.identity_display_name.as_ref()),
        identity_tenant_id: text(row.identity_tenant_id.as_ref()),
        is_external: row.is_external,
        role: text(row.role.as_ref()).unwrap(),
        total: row.total_attendance_in_seconds.unwrap(),
        registration_id: text(row.registration_id.as_ref()),
        referrer: text(row.external_registration_referrer.as_ref()),
        external_registration_id: text(row.external_registration_id.as_ref()),
        present_seconds: row.present_seconds,
        intervals: intervals
            .iter()
            .map(|row| {
                (
                    row.join_date_time,
                    row.leave_date_time,
                    row.duration_in_seconds.unwrap(),
                )
            })
            .collect(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one comparison, column by column")]
fn every_report_record_and_interval_is_published_with_its_values() {
    let stand = Stand::lifelike(USERS, DAYS);
    let outcome = stand
        .backfill(
            0,
            DAYS,
            "[run]\ntolerate = [\"forbidden\", \"gone\"]\n",
            &[],
        )
        .expect_code(0);
    let published = stand.published();
    let world = stand.tenant.world();
    let interval = world.settings.midnight(0)..world.settings.midnight(DAYS);
    let truth: BTreeMap<String, TrueReport> = world
        .truth()
        .reports
        .into_iter()
        .filter(|report| interval.contains(&report.start.at))
        .map(|report| (report.report_id.clone(), report))
        .collect();
    assert!(
        truth.len() > 150,
        "the world is too small to say anything: {}",
        truth.len()
    );

    let mut records: BTreeMap<String, Vec<&AttendanceRecordRow<'static>>> = BTreeMap::new();
    for (_, row) in &published.records {
        records
            .entry(row.report_id.to_string())
            .or_default()
            .push(row);
    }
    let mut intervals: BTreeMap<(String, i32), Vec<&AttendanceIntervalRow<'static>>> =
        BTreeMap::new();
    for (_, row) in &published.intervals {
        intervals
            .entry((row.report_id.to_string(), row.record_index))
            .or_default()
            .push(row);
    }

    let ids: Vec<&str> = published
        .reports
        .iter()
        .map(|(_, row)| row.report_id.as_ref())
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "a report is published twice");
    assert_eq!(
        unique,
        truth.keys().map(String::as_str).collect::<BTreeSet<_>>()
    );

    let sessions: BTreeMap<&str, _> = published
        .sessions
        .iter()
        .map(|(date, row)| (row.session_id.as_ref(), (date, row)))
        .collect();
    for (date, row) in &published.reports {
        let truth = &truth[row.report_id.as_ref()];
        assert_eq!(*date, utc_date(truth.start.at));
        assert_eq!(row.tenant_id, TENANT_ID);
        assert_eq!(row.source, truth.source);
        assert_eq!(row.event_id.as_deref(), Some(truth.event_id.as_str()));
        assert_eq!(
            row.organizer_id.as_deref(),
            Some(truth.organizer_id.as_str())
        );
        assert_eq!(row.meeting_start_date_time, Some(truth.start.at));
        assert_eq!(row.meeting_end_date_time, Some(truth.end.at));
        assert_eq!(
            row.total_participant_count,
            Some(truth.total_participant_count)
        );
        assert_eq!(
            row.record_count,
            i32::try_from(truth.records.len()).unwrap()
        );
        let (session_date, session) = sessions[row.session_id.as_deref().unwrap()];
        assert_eq!(
            session.occurrence_id.as_deref(),
            truth.occurrence_id.as_deref(),
            "{}",
            row.report_id
        );
        assert_eq!(row.session_event_date.unwrap().to_string(), **session_date);

        let rows = records
            .get(row.report_id.as_ref())
            .map(Vec::as_slice)
            .unwrap_or_default();
        let indices: Vec<i32> = rows.iter().map(|row| row.record_index).collect();
        assert_eq!(indices, (0..row.record_count).collect::<Vec<_>>());
        let mut wanted: Vec<Expected> = truth.records.iter().map(expected).collect();
        wanted.sort();
        let mut got: Vec<Expected> = rows
            .iter()
            .map(|row| {
                let own = intervals
                    .get(&(row.report_id.to_string(), row.record_index))
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                assert_eq!(own.len(), usize::try_from(row.interval_count).unwrap());
                found(row, own)
            })
            .collect();
        got.sort();
        assert_eq!(got, wanted, "{}", row.report_id);
    }
    let line = outcome.final_line();
    assert_eq!(line["reports"], published.reports.len());
    assert_eq!(line["records"], published.records.len());
    assert_eq!(line["intervals"], published.intervals.len());
    assert_eq!(line["exit_code"], 0);
}

#[test]
fn every_session_has_its_state_and_everything_missing_its_gap() {
    let stand = Stand::lifelike(USERS, DAYS);
    let outcome = stand.backfill(0, DAYS, "", &[]).expect_code(3);
    let published = stand.published();
    let world = stand.tenant.world();
    let interval = world.settings.midnight(0)..world.settings.midnight(DAYS);
    let truth = world.truth();
    let wanted: Vec<_> = truth
        .sessions
        .iter()
        .filter(|session| interval.contains(&session.scheduled_start))
        .collect();
    assert_eq!(published.sessions.len(), wanted.len());

    let mut unmatched: Vec<_> = published.sessions.iter().collect();
    for session in wanted {
        let place = unmatched.iter().position(|(_, row)| {
            row.occurrence_id.as_deref() == Some(session.occurrence_id.as_str())
                && row.scheduled_start == session.scheduled_start
        });
        let (date, row) =
            unmatched.swap_remove(place.unwrap_or_else(|| panic!("not published: {session:?}")));
        assert_eq!(*date, utc_date(session.scheduled_start));
        assert_eq!(row.source, session.source);
        assert_eq!(row.subject.as_deref(), Some(session.subject.as_str()));
        assert_eq!(row.series_id.as_deref(), session.series_id.as_deref());
        assert_eq!(
            row.organizer_id.as_deref(),
            Some(session.organizer_id.as_str())
        );
        assert_eq!(row.scheduled_end, Some(session.scheduled_end));
        assert_eq!(row.is_cancelled, Some(session.is_cancelled));
        assert_eq!(row.join_web_url.as_deref(), session.join_web_url.as_deref());
        let state = row.attendance_state.as_ref();
        let gap = published
            .gaps
            .iter()
            .find(|(_, gap)| gap.session_id.as_deref() == Some(row.session_id.as_ref()));
        match session.attendance {
            TrueAttendance::Reported => assert!(
                matches!(state, "reported") && row.report_count > 0,
                "{row:?}"
            ),
            TrueAttendance::Empty if session.is_cancelled => {
                assert!(matches!(state, "cancelled" | "not_ready"), "{row:?}");
            }
            TrueAttendance::Empty => assert!(matches!(state, "empty" | "not_ready"), "{row:?}"),
            TrueAttendance::OverCap => assert_eq!(state, "over_cap"),
            TrueAttendance::Forbidden => {
                assert_eq!(state, "forbidden");
                let (day, gap) = gap.expect("a forbidden session has a gap");
                assert_eq!(
                    (gap.stage.as_ref(), gap.reason.as_ref(), gap.http_status),
                    ("list_reports", "forbidden", Some(403))
                );
                assert_eq!(*day, utc_date(session.scheduled_start));
            }
            TrueAttendance::Gone => {
                let gap = &gap.expect("a session that is not found has a gap").1;
                assert_eq!((state, gap.reason.as_ref()), ("gone", "gone"));
                assert_eq!((row.is_final, gap.is_final), (false, Some(false)));
            }
            TrueAttendance::Unsupported => assert_eq!(state, "unsupported"),
        }
        if !matches!(
            session.attendance,
            TrueAttendance::Forbidden | TrueAttendance::Gone | TrueAttendance::OverCap
        ) {
            assert!(gap.is_none(), "{gap:?}");
        }
    }
    assert!(
        unmatched.is_empty(),
        "published but not there: {unmatched:?}"
    );
    assert!(
        published
            .gaps
            .iter()
            .all(|(_, gap)| gap.closed_at.is_none() && gap.attempts == 1)
    );
    let states: BTreeSet<&str> = published
        .sessions
        .iter()
        .map(|(_, row)| row.attendance_state.as_ref())
        .collect();
    for state in [
        "reported",
        "empty",
        "cancelled",
        "forbidden",
        "gone",
        "unsupported",
    ] {
        assert!(states.contains(state), "the world has no {state} session");
    }
    assert_one_message_a_cause(&outcome.stderr);
}

fn assert_one_message_a_cause(stderr: &str) {
    assert!(
        stderr.contains("Grant-CsApplicationAccessPolicy"),
        "{stderr}"
    );
    let warnings: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("warning:"))
        .collect();
    let distinct: BTreeSet<&&str> = warnings.iter().collect();
    assert_eq!(
        warnings.len(),
        distinct.len(),
        "one message a cause, not one a meeting: {warnings:?}"
    );
    assert!(warnings.len() <= 4, "{warnings:?}");
}

#[test]
fn a_meeting_that_is_asked_twice_or_without_need_costs_requests() {
    let stand = Stand::lifelike(USERS, DAYS);
    stand
        .backfill(0, DAYS, "[run]\nchunk_days = 31\n", &[])
        .expect_code(3);
    let requests = stand.tenant.requests();
    let mut seen = BTreeMap::new();
    for request in &requests {
        *seen
            .entry((request.method.clone(), request.path_and_query.clone()))
            .or_insert(0) += 1;
    }
    let twice: Vec<_> = seen.into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let truth = stand.tenant.world().truth();
    let lists = requests
        .iter()
        .filter(|request| request.path_and_query.ends_with("/attendanceReports"))
        .count();
    let meetings: BTreeSet<_> = truth
        .sessions
        .iter()
        .filter(|session| {
            matches!(
                session.attendance,
                TrueAttendance::Reported | TrueAttendance::Empty | TrueAttendance::OverCap
            )
        })
        .map(|session| match session.source {
            "online_meeting" => (
                session.organizer_id.clone(),
                session.join_web_url.clone().unwrap(),
            ),
            _ => (
                session.event_id.clone().unwrap(),
                session.occurrence_id.clone(),
            ),
        })
        .collect();
    assert!(
        lists <= meetings.len(),
        "{lists} lists for {} meetings",
        meetings.len()
    );
}

#[test]
fn every_day_has_a_file_in_every_table_and_nothing_else_lies_there() {
    let stand = Stand::lifelike(12, 3);
    let outcome = stand.backfill(0, 3, "", &[]);
    let settings = stand.tenant.world().settings;
    let days: BTreeSet<String> = (0..3).map(|day| utc_date(settings.midnight(day))).collect();
    for table in [
        "sessions",
        "attendance_reports",
        "attendance_records",
        "attendance_intervals",
        "gaps",
    ] {
        let partitions: BTreeSet<String> =
            partitions(&stand.warehouse(), table).into_keys().collect();
        assert_eq!(partitions, days, "{table}");
    }
    let run = &stand.published().runs[0].1;
    assert_eq!(
        (run.verb.as_ref(), run.job_name.as_ref(), run.exit_code),
        ("backfill", "test", outcome.code)
    );
    assert_eq!(
        (run.interval_start, run.interval_end),
        (settings.midnight(0), settings.midnight(3))
    );
    let requests = i64::try_from(stand.tenant.requests().len()).unwrap();
    assert_eq!(run.requests, requests);
    let left: Vec<_> = std::fs::read_dir(stand.warehouse().join("_teamsheet/staging"))
        .unwrap()
        .collect();
    assert!(
        left.iter()
            .all(|entry| entry.as_ref().unwrap().file_name() == "gate"),
        "{left:?}"
    );
}

#[test]
fn a_tenant_with_nothing_in_it_is_a_success() {
    let stand = Stand::new(teamsheet::simulated_tenant::World::empty(
        crate::support::now(),
    ));
    let job = stand.job(&stand.warehouse(), "");
    let flags = [
        "backfill",
        "--job",
        job.to_str().unwrap(),
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-03",
    ];
    let outcome = stand.run(&flags).expect_code(0);
    assert_eq!(outcome.final_line()["partitions_published"], 10);
    let published = stand.published();
    assert!(published.sessions.is_empty() && published.gaps.is_empty());
    assert_eq!(published.runs.len(), 1);
}
