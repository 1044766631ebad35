//! One meeting behind a long and a short link: it is asked once, and what it lists belongs to one of its sessions.

use teamsheet::simulated_tenant::world::Meeting;
use teamsheet::time::HOUR;

use crate::support::{Outcome, Stand};

const DAYS: u32 = 3;
const LONG: &str = "/l/meetup-join/";

/// A meeting with one report of its one occurrence, which has a second entry in the calendar, under a short link, that was not held.
fn stand() -> (Stand, Meeting) {
    let lifelike = Stand::lifelike(25, DAYS);
    let mut world = lifelike.tenant.world();
    let reported: Vec<String> = world
        .truth()
        .reports
        .into_iter()
        .map(|report| report.report_id)
        .collect();
    let days = world.settings.midnight(0)..world.settings.midnight(DAYS - 1);
    let meeting = world
        .meetings
        .iter()
        .find(|meeting| {
            let link = meeting.join_web_url.as_deref().unwrap_or_default();
            link.contains(LONG)
                && meeting.occurrences.len() == 1
                && days.contains(&meeting.occurrences[0].start)
                && meeting.reports.len() == 1
                && reported.contains(&meeting.reports[0].id)
        })
        .expect("the world has such a meeting")
        .clone();
    let mut second = meeting.clone();
    second.join_web_url = Some("https://teams.microsoft.com/meet/2931234567890?p=AbCd".to_owned());
    second.join_meeting_id = Some("2931234567890".to_owned());
    "SECOND".clone_into(&mut second.occurrences[0].i_cal_uid);
    second.occurrences[0].start = second.occurrences[0].start.plus(5 * HOUR);
    second.occurrences[0].end = second.occurrences[0].end.plus(5 * HOUR);
    second.reports.clear();
    world.meetings.push(second);
    (Stand::new(world), meeting)
}

fn lists(stand: &Stand, meeting: &Meeting) -> usize {
    let list = format!(
        "/onlineMeetings/{}/attendanceReports",
        meeting.online_meeting_id
    );
    let requests = stand.tenant.requests();
    let lists = requests.iter().filter(|request| {
        let path = request.path_and_query.replace("%3D", "=");
        path.ends_with(&list)
    });
    lists.count()
}

#[track_caller]
fn assert_told_apart(stand: &Stand, meeting: &Meeting) {
    // which holds the counts of sessions against their reports
    let published = stand.published();
    let session = |uid: &str| {
        let mut sessions = published.sessions.iter().map(|(_, session)| session);
        sessions
            .find(|session| session.occurrence_id.as_deref() == Some(uid))
            .unwrap()
    };
    let (held, not_held) = (
        session(&meeting.occurrences[0].i_cal_uid),
        session("SECOND"),
    );
    assert_eq!(
        (held.attendance_state.as_ref(), held.report_count),
        ("reported", 1)
    );
    assert_ne!(not_held.attendance_state, "reported");
    assert_eq!(not_held.report_count, 0);
    for session in [held, not_held] {
        assert_eq!(
            session.event_id.as_deref(),
            Some(meeting.online_meeting_id.as_str())
        );
    }
    let mut reports = published.reports.iter().map(|(_, report)| report);
    let report = reports
        .find(|report| report.report_id == meeting.reports[0].id)
        .unwrap();
    assert_eq!(report.session_id.as_deref(), Some(held.session_id.as_ref()));
}

fn backfill(stand: &Stand, more_job: &str) -> Outcome {
    let tolerate = "[run]\ntolerate = [\"forbidden\", \"gone\"]\n";
    stand.backfill(0, DAYS, &format!("{tolerate}{more_job}"), &[])
}

#[test]
fn a_meeting_under_a_long_and_a_short_link_is_asked_once_and_its_report_counts_once() {
    let (stand, meeting) = stand();
    backfill(&stand, "").expect_code(0);
    assert_eq!(lists(&stand, &meeting), 1);
    assert_told_apart(&stand, &meeting);
    backfill(&stand, "").expect_code(0);
    assert_told_apart(&stand, &meeting);
}

#[test]
fn a_report_stays_with_its_session_when_another_chunk_finds_the_meeting_by_another_link() {
    let (stand, mut meeting) = stand();
    stand.tenant.edit(|world| {
        let second = world.meetings.last_mut().unwrap();
        second.occurrences[0].start = second.occurrences[0].start.plus(19 * HOUR);
        second.occurrences[0].end = second.occurrences[0].end.plus(19 * HOUR);
    });
    meeting.occurrences.truncate(1);
    backfill(&stand, "chunk_days = 1\n").expect_code(0);
    assert_told_apart(&stand, &meeting);
}
