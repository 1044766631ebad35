//! A generated world has each trap, the same on every day of the week, and its truth is what the server tells.

use std::collections::BTreeSet;

use teamsheet::simulated_tenant::world::{
    IdentityKind, Meeting, MeetingKind, Person, Record, Report, UserType, VirtualEvent,
    VirtualEventKind,
};
use teamsheet::simulated_tenant::{TrueAttendance, World, WorldSettings};
use teamsheet::time::{DAY, HOUR};

use crate::tenant_client::{Client, NOW, settings};

fn reports(world: &World) -> impl Iterator<Item = &Report> {
    let of_sessions = world
        .virtual_events
        .iter()
        .flat_map(|event| &event.sessions)
        .flat_map(|session| &session.reports);
    let of_meetings = world.meetings.iter().flat_map(|meeting| &meeting.reports);
    of_meetings.chain(of_sessions)
}

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let world = World::generate(&settings(20, 5));
    assert_eq!(world, World::generate(&settings(20, 5)));
    let other = WorldSettings {
        seed: 8,
        ..settings(20, 5)
    };
    assert_ne!(world.truth(), World::generate(&other).truth());
}

#[test]
fn another_day_of_the_week_moves_the_world_and_changes_nothing() {
    let shift = 3 * DAY;
    let moved = WorldSettings {
        now: NOW.plus(shift),
        ..settings(30, 10)
    };
    let (here, there) = (
        World::generate(&settings(30, 10)).truth(),
        World::generate(&moved).truth(),
    );
    assert_eq!(here.sessions.len(), there.sessions.len());
    for (a, b) in here.sessions.iter().zip(&there.sessions) {
        assert_eq!(a.scheduled_start.plus(shift), b.scheduled_start);
        assert_eq!(
            (&a.occurrence_id, a.attendance),
            (&b.occurrence_id, b.attendance)
        );
    }
    for (a, b) in here.reports.iter().zip(&there.reports) {
        assert_eq!(a.report_id, b.report_id);
        assert_eq!(a.start.at.plus(shift), b.start.at);
        assert_eq!(a.records.len(), b.records.len());
    }
}

#[test]
fn every_kind_of_attendee_is_there() {
    let world = World::generate(&settings(40, 14));
    let has = |what: &str, test: &dyn Fn(&Record) -> bool| {
        let found = reports(&world).flat_map(|report| &report.records).any(test);
        assert!(found, "{what}");
    };
    let kind = |record: &Record| record.identity.as_ref().map(|identity| identity.kind);
    has("phone", &|one| {
        kind(one) == Some(IdentityKind::Phone) && one.email_address.is_none()
    });
    has("guest", &|one| kind(one) == Some(IdentityKind::Guest));
    has("untyped", &|one| kind(one) == Some(IdentityKind::Untyped));
    has("ACS with an empty address", &|one| {
        kind(one) == Some(IdentityKind::AzureCommunicationServices)
            && one.email_address.as_deref() == Some("")
    });
    has("no identity", &|one| one.identity.is_none());
    has("no id", &|one| one.id.is_none());
    has("registered", &|one| one.registration_id.is_some());
    has("registered by a partner", &|one| {
        one.external_registration.is_some()
    });
    has("hidden times", &|one| {
        one.intervals.iter().all(|interval| interval.join.is_none())
            && one.total_attendance_in_seconds == 0
    });
    has("still there", &|one| {
        one.intervals
            .iter()
            .any(|interval| interval.join.is_some() && interval.leave.is_none())
    });
    has("zero length", &|one| {
        one.intervals
            .iter()
            .any(|interval| interval.join.is_some() && interval.join == interval.leave)
    });
    has("two devices at once", &|one| {
        one.intervals.windows(2).any(|pair| {
            pair[1]
                .join
                .zip(pair[0].leave)
                .is_some_and(|(join, leave)| join.at < leave.at)
        })
    });
    has("another tenant", &|one| {
        one.identity.as_ref().is_some_and(|identity| {
            identity.kind == IdentityKind::User
                && identity.detail.as_deref() != Some(teamsheet::simulated_tenant::TENANT_ID)
        })
    });
    let digits: BTreeSet<u8> = reports(&world).map(|report| report.start.digits).collect();
    assert_eq!(digits, BTreeSet::from([0, 2, 3, 6, 7]));
}

#[test]
fn every_kind_of_meeting_is_there() {
    let world = World::generate(&settings(40, 60));
    let truth = world.truth();
    for attendance in [
        TrueAttendance::Reported,
        TrueAttendance::Empty,
        TrueAttendance::OverCap,
        TrueAttendance::Forbidden,
        TrueAttendance::Gone,
        TrueAttendance::Unsupported,
    ] {
        assert!(
            truth
                .sessions
                .iter()
                .any(|session| session.attendance == attendance),
            "{attendance:?}"
        );
    }
    for kind in [
        MeetingKind::Teams,
        MeetingKind::Channel,
        MeetingKind::Skype,
        MeetingKind::InPerson,
    ] {
        assert!(
            world.meetings.iter().any(|meeting| meeting.kind == kind),
            "{kind:?}"
        );
    }
    let day = |at: teamsheet::time::UtcMicros| at.0.div_euclid(DAY);
    let occurrences = || {
        world
            .meetings
            .iter()
            .flat_map(|meeting| &meeting.occurrences)
    };
    assert!(occurrences().any(|one| day(one.start) != day(one.end)));
    assert!(occurrences().any(|one| one.is_cancelled));
    let starts_the_day_before = |report: &Report| {
        occurrences().any(|one| {
            report.i_cal_uid.as_deref() == Some(&one.i_cal_uid)
                && day(report.start.at) < day(one.start)
        })
    };
    assert!(reports(&world).any(starts_the_day_before));
    let restarted =
        |meeting: &&Meeting| meeting.occurrences.len() == 1 && meeting.reports.len() == 2;
    assert!(world.meetings.iter().any(|meeting| restarted(&meeting)));
    let is_short = |url: &String| url.starts_with("https://teams.microsoft.com/meet/");
    assert!(
        world
            .meetings
            .iter()
            .any(|meeting| meeting.join_web_url.as_ref().is_some_and(is_short))
    );
    let of_kind = |kind| {
        world
            .virtual_events
            .iter()
            .filter(move |event| event.kind == kind)
    };
    assert!(of_kind(VirtualEventKind::Webinar).any(|event| event.sessions.len() > 1));
    let large = |report: &Report| report.records.len() > 250;
    assert!(
        of_kind(VirtualEventKind::TownHall)
            .all(|event| event.sessions[0].reports.iter().all(large))
    );
    assert!(world.people.iter().any(|person| !person.account_enabled));
    assert!(
        world
            .people
            .iter()
            .any(|person| person.user_type == UserType::Guest)
    );
    assert_eq!(world.people[1].display_name, world.people[2].display_name);
}

/// What a client reads, walking as a loader does, is the truth: nothing less, nothing more.
#[tokio::test]
async fn the_truth_is_what_the_server_tells() {
    let client = Client::of(World::generate(&settings(30, 60))).await;
    let truth = client.tenant.world().truth();
    for session in &truth.sessions {
        let Some(event) = &session.event_id else {
            continue;
        };
        let list = match session.source {
            "online_meeting" => format!(
                "v1.0/users/{}/onlineMeetings/{event}/attendanceReports",
                session.organizer_id
            ),
            "webinar" => format!(
                "v1.0/solutions/virtualEvents/webinars/{event}/sessions/{}/attendanceReports",
                session.occurrence_id
            ),
            _ => format!(
                "v1.0/solutions/virtualEvents/townhalls/{event}/sessions/{}/attendanceReports",
                session.occurrence_id
            ),
        };
        let (status, body) = client.get(&list).await;
        match session.attendance {
            TrueAttendance::Forbidden => assert_eq!(status, 403),
            TrueAttendance::Gone => assert_eq!(status, 404),
            TrueAttendance::Unsupported => {}
            TrueAttendance::Reported | TrueAttendance::Empty | TrueAttendance::OverCap => {
                let listed: BTreeSet<&str> = body["value"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|report| report["id"].as_str().unwrap())
                    .collect();
                let is_here = |report: &&teamsheet::simulated_tenant::TrueReport| {
                    report.event_id == *event
                        && (session.source == "online_meeting"
                            || report.occurrence_id.as_deref() == Some(&session.occurrence_id))
                };
                let expected: BTreeSet<&str> = truth
                    .reports
                    .iter()
                    .filter(is_here)
                    .map(|report| report.report_id.as_str())
                    .collect();
                assert_eq!(listed, expected);
            }
        }
    }
}

#[tokio::test]
async fn a_world_by_hand_is_served_as_it_was_built() {
    let (ada, bela) = (Person::member("Ada Byhand"), Person::member("Bela Byhand"));
    let start = NOW.plus(-DAY);
    let mut meeting = Meeting::teams(&ada, "Check-in", &[start, start.plus(HOUR)], 30);
    meeting.hold(1, &[&ada, &bela]).unwrap();
    let mut webinar =
        VirtualEvent::published(VirtualEventKind::Webinar, &ada, "Lesson", &[start], 45);
    webinar.sessions[0].hold(&[&ada]).unwrap();
    let mut world = World::empty(NOW);
    world.people = vec![ada.clone(), bela];
    world.meetings = vec![meeting.clone()];
    world.virtual_events = vec![webinar];
    let truth = world.truth();
    let states: Vec<TrueAttendance> = truth.sessions.iter().map(|one| one.attendance).collect();
    assert_eq!(
        states,
        [
            TrueAttendance::Empty,
            TrueAttendance::Reported,
            TrueAttendance::Reported
        ]
    );
    let client = Client::of(world).await;
    let report = format!(
        "v1.0/users/{}/onlineMeetings/{}/attendanceReports/{}?$expand=attendanceRecords",
        ada.id, meeting.online_meeting_id, meeting.reports[0].id
    );
    let report = client.ok(&report).await;
    assert_eq!(
        report["meetingStartDateTime"],
        "2026-03-01T09:00:00.0000000Z"
    );
    let record = &report["attendanceRecords"][1];
    assert_eq!(record["emailAddress"], "bela.byhand@contoso.example");
    assert_eq!(record["totalAttendanceInSeconds"], 1800);
}
