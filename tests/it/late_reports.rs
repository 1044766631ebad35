//! Several nights in a row: the scheduled run, its watermark, and reports that come late or grow.

use std::borrow::Cow;

use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{AccessPolicy, MeetingKind, Report};
use teamsheet::time::DAY;

use crate::support::{Stand, settings, utc_date};

/// A world of four days, and the job's first run at the end of them covers only yesterday.
fn stand() -> Stand {
    Stand::new(World::generate(&settings(25, 4)))
}

/// A run of a job for which nothing of these days has settled, whatever time of day it is.
fn run(stand: &Stand, flags: &[&str]) -> crate::support::Outcome {
    let job = stand.job(&stand.warehouse(), "[run]\nsettle_hours = 240\n");
    let mut arguments = vec!["run", "--job", job.to_str().unwrap()];
    arguments.extend(flags);
    stand.run(&arguments)
}

#[test]
fn the_first_run_covers_yesterday_and_the_next_one_asks_what_is_not_final() {
    let stand = stand();
    let settings = stand.tenant.world().settings;
    let first = run(&stand, &[]).final_line();
    assert_eq!(first["interval_start"], settings.midnight(3).to_string());
    assert_eq!(first["interval_end"], settings.midnight(4).to_string());
    let before = stand.tenant.requests().len();
    let again = run(&stand, &[]).final_line();
    assert_eq!(again["interval_start"], again["interval_end"], "{again}");
    let requests = stand.tenant.requests();
    let asked = |part: &str| {
        let new = requests.iter().skip(before);
        new.filter(|request| request.path_and_query.contains(part))
            .count()
    };
    assert_eq!((asked("calendarView"), asked("webinars?")), (0, 0));
    assert!(asked("/attendanceReports") > 0);
    assert_eq!(again["partitions_published"], 0, "{again}");
}

#[test]
fn a_run_without_a_new_day_and_with_nothing_open_asks_nothing() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "[run]\nsettle_hours = 0\n");
    let arguments = ["run", "--job", job.to_str().unwrap()];
    stand.tenant.edit(|world| world.people.truncate(1));
    stand.run(&arguments);
    let open = stand.published().sessions;
    assert!(open.iter().all(|(_, session)| session.is_final), "{open:?}");
    let again = stand.run(&arguments).expect_code(0).final_line();
    assert_eq!(again["run_ids"], serde_json::json!([]));
}

#[test]
fn the_next_run_starts_where_the_last_one_ended() {
    let stand = stand();
    let settings = stand.tenant.world().settings;
    let (start, end) = (
        settings.midnight(1).to_string(),
        settings.midnight(2).to_string(),
    );
    run(
        &stand,
        &["--interval-start", &start, "--interval-end", &end],
    );
    let next = run(&stand, &[]).final_line();
    assert_eq!(
        (&next["interval_start"], &next["interval_end"]),
        (&end.into(), &settings.midnight(4).to_string().into())
    );
}

/// Takes a report of that day out of the world; its meeting's id and the report.
fn hold_back(stand: &Stand, day: u32) -> (String, Report) {
    let mut held_back = None;
    stand.tenant.edit(|world| {
        let day = world.settings.midnight(day)..world.settings.midnight(day + 1);
        let readable: Vec<String> = world
            .people
            .iter()
            .filter(|person| {
                person.access_policy == AccessPolicy::Granted
                    && person.has_mailbox
                    && person.account_enabled
            })
            .map(|person| person.id.clone())
            .collect();
        let meeting = world.meetings.iter_mut().find(|meeting| {
            let is_readable =
                meeting.kind == MeetingKind::Teams && readable.contains(&meeting.organizer);
            is_readable
                && !meeting.is_expired
                && meeting
                    .reports
                    .iter()
                    .any(|report| day.contains(&report.start.at))
        });
        let meeting = meeting.unwrap();
        let place = meeting
            .reports
            .iter()
            .position(|report| day.contains(&report.start.at))
            .unwrap();
        held_back = Some((
            meeting.online_meeting_id.clone(),
            meeting.reports.remove(place),
        ));
    });
    held_back.unwrap()
}

fn give_back(stand: &Stand, (meeting, report): (String, Report)) {
    stand.tenant.edit(|world| {
        let found = world
            .meetings
            .iter_mut()
            .find(|other| other.online_meeting_id == meeting);
        found.unwrap().reports.push(report);
    });
}

fn night(stand: &Stand, day: u32) {
    let settings = stand.tenant.world().settings;
    let (start, end) = (
        settings.midnight(day).to_string(),
        settings.midnight(day + 1).to_string(),
    );
    run(stand, &["--interval-start", &start, "--interval-end", &end]);
}

#[test]
fn a_report_that_comes_late_is_taken_when_the_night_is_run_again() {
    let stand = stand();
    let (meeting, report) = hold_back(&stand, 3);
    night(&stand, 3);
    assert!(
        stand
            .published()
            .reports
            .iter()
            .all(|(_, row)| row.report_id != report.id)
    );
    give_back(&stand, (meeting, report.clone()));
    night(&stand, 3);
    assert_published(&stand, &report);
}

#[test]
fn a_report_that_comes_a_day_late_is_taken_by_the_next_night() {
    let stand = stand();
    let (meeting, report) = hold_back(&stand, 1);
    night(&stand, 1);
    night(&stand, 2);
    assert!(
        stand
            .published()
            .reports
            .iter()
            .all(|(_, row)| row.report_id != report.id)
    );
    give_back(&stand, (meeting, report.clone()));
    night(&stand, 3);
    assert_published(&stand, &report);
    let published = stand.published();
    let (_, row) = published
        .reports
        .iter()
        .find(|(_, row)| row.report_id == report.id)
        .unwrap();
    let (_, session) = published
        .sessions
        .iter()
        .find(|(_, session)| Some(&session.session_id) == row.session_id.as_ref())
        .unwrap();
    assert_eq!(session.attendance_state, "reported");
}

#[track_caller]
fn assert_published(stand: &Stand, report: &Report) {
    let published = stand.published();
    let (date, row) = published
        .reports
        .iter()
        .find(|(_, row)| row.report_id == report.id)
        .expect("the late report");
    assert_eq!(*date, utc_date(report.start.at));
    assert_eq!(
        usize::try_from(row.record_count).unwrap(),
        report.records.len()
    );
    let records = published
        .records
        .iter()
        .filter(|(_, record)| record.report_id == row.report_id)
        .count();
    assert_eq!(records, report.records.len());
}

#[test]
fn a_report_that_grew_replaces_its_rows_whole() {
    let stand = stand();
    let settings = stand.tenant.world().settings;
    stand.backfill(0, 4, "", &[]);
    let mut grown = None;
    stand.tenant.edit(|world| {
        let days = settings.midnight(0)..settings.midnight(4);
        let reports = world
            .meetings
            .iter_mut()
            .filter(|meeting| !meeting.is_expired)
            .flat_map(|meeting| &mut meeting.reports);
        let report = reports
            .into_iter()
            .find(|report| days.contains(&report.start.at) && report.records.len() > 2)
            .unwrap();
        report.records.remove(0);
        report.total_participant_count -= 1;
        grown = Some((report.id.clone(), report.records.len()));
    });
    let (report, count) = grown.unwrap();
    stand.backfill(0, 4, "", &["--reprocess", "all"]);
    let published = stand.published();
    let rows = published
        .records
        .iter()
        .filter(|(_, row)| row.report_id == Cow::Borrowed(report.as_str()))
        .count();
    assert_eq!(rows, count);
    let orphans = published
        .intervals
        .iter()
        .filter(|(_, row)| row.report_id == Cow::Borrowed(report.as_str()));
    assert!(
        orphans
            .into_iter()
            .all(|(_, row)| usize::try_from(row.record_index).unwrap() < count)
    );
}

#[test]
fn a_session_that_is_no_longer_in_the_calendar_is_marked_and_kept() {
    let stand = stand();
    stand.backfill(0, 4, "", &[]);
    let before = stand.published();
    let gone = before
        .sessions
        .iter()
        .find(|(_, row)| row.series_id.is_none() && row.source == "online_meeting")
        .unwrap();
    let uid = gone.1.occurrence_id.clone().unwrap().into_owned();
    stand.tenant.edit(|world| {
        for meeting in &mut world.meetings {
            meeting
                .occurrences
                .retain(|occurrence| occurrence.i_cal_uid != uid);
        }
    });
    stand.backfill(0, 4, "", &[]);
    let after = stand.published();
    assert_eq!(after.sessions.len(), before.sessions.len());
    let removed: Vec<_> = after
        .sessions
        .iter()
        .filter(|(_, row)| row.removed_at.is_some())
        .collect();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].1.session_id, gone.1.session_id);
    assert!(removed[0].1.removed_at.unwrap().0 > before.sessions[0].1.checked_at.0 - DAY);
}

#[test]
fn a_session_that_is_rescheduled_moves_to_its_new_day() {
    let stand = stand();
    stand.backfill(0, 4, "", &[]);
    let before = stand.published();
    let moved = before.sessions.iter().find(|(date, row)| {
        row.source != "online_meeting" && *date != before.sessions.last().unwrap().0
    });
    let (date, moved) = moved.expect("the world has a virtual event before its last day");
    let session = moved.occurrence_id.clone().unwrap().into_owned();
    stand.tenant.edit(|world| {
        for event in &mut world.virtual_events {
            for found in event
                .sessions
                .iter_mut()
                .filter(|found| found.id == session)
            {
                found.start = found.start.plus(DAY);
                found.end = found.end.plus(DAY);
            }
        }
    });
    stand.backfill(0, 4, "", &["--reprocess", "all"]);
    let after = stand.published();
    let rows: Vec<_> = after
        .sessions
        .iter()
        .filter(|(_, row)| row.session_id == moved.session_id)
        .collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_ne!(rows[0].0, *date);
    assert_eq!(after.sessions.len(), before.sessions.len());
}
