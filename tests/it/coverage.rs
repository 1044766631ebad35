//! Every session ends in one state with its reason, whatever Graph answers; refusals are told once, with the remedy.

use serde_json::{Value, json};
use teamsheet::simulated_tenant::world::{
    AccessPolicy, Meeting, MeetingKind, Person, Stamp, links,
};
use teamsheet::simulated_tenant::{CLIENT_ID, Fault, FaultAnswer, FaultEffect, World};
use teamsheet::tables::SessionRow;
use teamsheet::time::{HOUR, UtcMicros};

use crate::support::{Outcome, Stand, now};

const DAYS: u32 = 5;
const CALENDAR: &str = "[sources.online_meetings]\n";

pub(crate) fn world() -> World {
    let mut world = World::empty(now());
    world.settings.days = DAYS;
    world
}

fn at(world: &World, day: u32, hour: i64) -> UtcMicros {
    world.settings.midnight(day).plus(hour * HOUR)
}

pub(crate) fn person(name: &str, policy: AccessPolicy) -> Person {
    Person {
        access_policy: policy,
        ..Person::member(name)
    }
}

/// A meeting of one day that was held.
pub(crate) fn held(world: &World, organizer: &Person, subject: &str, hour: i64) -> Meeting {
    let mut meeting = Meeting::teams(organizer, subject, &[at(world, 1, hour)], 30);
    meeting.hold(0, &[organizer]);
    meeting
}

pub(crate) fn backfill(stand: &Stand, more: &str, flags: &[&str]) -> Outcome {
    let job = stand.job_of(&stand.warehouse(), CALENDAR, more);
    let mut all = vec!["--format", "json"];
    all.extend(flags);
    stand.backfill_job(&job, 0, DAYS, &all)
}

fn summary(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

fn session(stand: &Stand, subject: &str) -> SessionRow<'static> {
    let rows = stand.published().sessions.into_iter();
    let mut of_subject = rows.filter(|(_, row)| row.subject.as_deref() == Some(subject));
    of_subject.next().unwrap().1
}

fn count(stand: &Stand, what: &str) -> usize {
    let requests = stand.tenant.requests();
    let matching = requests
        .iter()
        .filter(|request| request.path_and_query.contains(what));
    matching.count()
}

/// Part of the join link that survives encoding, and is this meeting's alone.
fn mark(meeting: &Meeting) -> String {
    let thread = meeting.thread_id.strip_prefix("19:meeting_").unwrap();
    thread.split(['@', '=']).next().unwrap().to_owned()
}

#[test]
fn fault_39_one_organizer_without_a_policy_is_asked_once_and_told_once() {
    let mut world = world();
    let (ada, grace) = (
        person("Ada", AccessPolicy::Granted),
        person("Grace", AccessPolicy::Missing),
    );
    world.meetings.push(held(&world, &ada, "allowed", 9));
    for hour in 0..12 {
        let subject = format!("forbidden {hour}");
        world.meetings.push(held(&world, &grace, &subject, hour));
    }
    world.people = vec![ada, grace];
    let stand = Stand::new(world);
    let outcome = backfill(&stand, "[run]\nconcurrency = 1\n", &[]).expect_code(3);
    assert_eq!(
        summary(&outcome)["sessions_by_state"],
        json!({"forbidden": 12, "reported": 1})
    );
    let row = session(&stand, "forbidden 11");
    assert_eq!(
        row.attendance_state_reason.as_deref(),
        Some("no_application_access_policy")
    );
    assert!(!row.is_final && row.report_count == 0);
    let asked = count(&stand, "JoinWebUrl");
    // two meetings are under way at once, so hers may be the second of two before the first is refused
    assert!((2..=3).contains(&asked), "{asked} look-ups");
    let gaps: Vec<_> = stand.published().gaps;
    assert_eq!(gaps.len(), 12);
    assert!(
        gaps.iter()
            .all(|(_, gap)| gap.reason == "forbidden" && gap.http_status == Some(403))
    );
    let notices = summary(&outcome)["notices"].clone();
    assert_eq!(notices.as_array().unwrap().len(), 1, "{notices}");
    let remedy = notices[0]["hint"].as_str().unwrap();
    assert!(remedy.contains(&format!(
        "New-CsApplicationAccessPolicy -Identity teamsheet -AppIds \"{CLIENT_ID}\"\n"
    )));
    assert!(remedy.contains("Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global"));
    backfill(&stand, "[run]\ntolerate = [\"forbidden\"]\n", &[]).expect_code(0);

    // once the policy is there, the next run fills them
    stand
        .tenant
        .edit(|world| world.people[1].access_policy = AccessPolicy::Granted);
    backfill(&stand, "", &[]).expect_code(0);
    assert_eq!(session(&stand, "forbidden 11").attendance_state, "reported");
    assert!(
        stand
            .published()
            .gaps
            .iter()
            .all(|(_, gap)| gap.closed_at.is_some())
    );
}

#[test]
fn fault_39_403_on_everything_stops_early_with_the_remedy() {
    let mut world = world();
    for number in 0..70 {
        let organizer = person(&format!("P{number}"), AccessPolicy::MissingGeneral);
        for hour in 0..6 {
            world.meetings.push(held(&world, &organizer, "x", hour));
        }
        world.people.push(organizer);
    }
    let stand = Stand::new(world);
    let outcome = backfill(&stand, "[run]\nconcurrency = 4\n", &[]).expect_code(4);
    assert!(
        outcome.stderr.contains(&format!("-AppIds \"{CLIENT_ID}\"")),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("none of the meetings"),
        "{}",
        outcome.stderr
    );
    let asked = count(&stand, "JoinWebUrl");
    assert!(
        (50..65).contains(&asked),
        "{asked} of 420 meetings were asked"
    );
    let published = stand.published();
    assert_eq!((published.sessions.len(), published.runs.len()), (0, 0));

    stand.tenant.edit(|world| {
        for person in &mut world.people {
            person.access_policy = AccessPolicy::Granted;
        }
    });
    backfill(&stand, "", &[]).expect_code(0);
    assert_eq!(stand.published().reports.len(), 420);
}

#[test]
fn fault_39_a_role_that_the_app_lacks_ends_the_run_although_it_worked_before() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    world.meetings.push(held(&world, &ada, "first", 9));
    world.people = vec![ada.clone()];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    stand.tenant.edit(|world| {
        world
            .answers
            .token_roles
            .retain(|role| role != "OnlineMeetingArtifact.Read.All");
        for hour in 10..20 {
            let meeting = held(world, &ada, &format!("new {hour}"), hour);
            world.meetings.push(meeting);
        }
    });
    let outcome = backfill(&stand, "[run]\nconcurrency = 1\n", &[]).expect_code(4);
    assert!(
        outcome.stderr.contains("OnlineMeetingArtifact.Read.All"),
        "{}",
        outcome.stderr
    );
    assert!(count(&stand, "/attendanceReports") < 12);
    assert_eq!(
        stand.published().sessions.len(),
        1,
        "what was published stays"
    );
}

#[test]
fn a_few_calendars_that_are_all_refused_end_the_run_too() {
    let mut world = world();
    world.people = vec![person("Ada", AccessPolicy::Granted)];
    world
        .answers
        .token_roles
        .retain(|role| !role.starts_with("Calendars."));
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(4);
    assert_eq!(stand.published().runs.len(), 0);
}

#[test]
fn calendars_that_are_all_refused_are_not_read_to_the_last() {
    let mut world = world();
    for number in 0..120 {
        world
            .people
            .push(person(&format!("P{number}"), AccessPolicy::Granted));
    }
    world
        .answers
        .token_roles
        .retain(|role| !role.starts_with("Calendars."));
    let stand = Stand::new(world);
    backfill(&stand, "[run]\nconcurrency = 4\n", &[]).expect_code(4);
    let asked = count(&stand, "calendarView");
    assert!((50..70).contains(&asked), "{asked} of 120 calendars");
}

/// Status, code and message of an answer, and the state and reason that it means.
const CASES: [(u16, &str, &str, &str, &str); 15] = [
    (
        403,
        "Forbidden",
        "No application access policy found for this app",
        "forbidden",
        "no_application_access_policy",
    ),
    (
        403,
        "General",
        "No Application Access Policy found for this app: x on the user: y.",
        "forbidden",
        "no_application_access_policy",
    ),
    (
        403,
        "Forbidden",
        "3003: User does not have access to lookup meeting",
        "forbidden",
        "not_organizer",
    ),
    (
        403,
        "Forbidden",
        "An error has occurred.",
        "forbidden",
        "forbidden",
    ),
    (
        403,
        "General",
        "Organizer ID in token(a) does not match organizer ID in request url(b). With delegated permission only /me endpoint is supported.",
        "forbidden",
        "delegated_mismatch",
    ),
    (
        403,
        "General",
        "User ID in token(3003) is not the organizer of the queried meeting.",
        "forbidden",
        "not_organizer",
    ),
    (
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
        "forbidden",
        "missing_role",
    ),
    (
        404,
        "NotFound",
        "3004: Specified meeting is not found",
        "gone",
        "meeting_not_found",
    ),
    (
        404,
        "Request_ResourceNotFound",
        "Resource 'x' does not exist",
        "gone",
        "user_not_found",
    ),
    (410, "Gone", "It is gone.", "gone", "gone"),
    (
        400,
        "BadRequest",
        "1026: An error has occurred.",
        "gone",
        "join_url_unusable",
    ),
    (
        400,
        "BadRequest",
        "Invalid meeting id 19:x@thread.tacv2.",
        "unsupported",
        "channel_thread",
    ),
    (
        400,
        "InvalidArgument",
        "Filter expression expected - /onlineMeetings?$filter={ParameterName} eq '{id}'.",
        "failed",
        "filter_unsupported",
    ),
    (423, "Locked", "It is locked.", "failed", "bad_response"),
    (500, "InternalServerError", "x", "failed", "server_error"),
];

#[test]
fn each_cause_of_403_404_and_400_is_told_apart() {
    let mut world = world();
    let fine = person("Ada", AccessPolicy::Granted);
    world.meetings.push(held(&world, &fine, "fine", 12));
    world.people.push(fine);
    let mut faults = Vec::new();
    for (number, (status, code, message, _, _)) in CASES.iter().enumerate() {
        let organizer = person(&format!("P{number}"), AccessPolicy::Granted);
        let meeting = held(&world, &organizer, &number.to_string(), 9);
        let answer = FaultAnswer::graph_error(*status, code, message);
        faults.push(Fault::always(mark(&meeting), FaultEffect::Answer(answer)));
        world.meetings.push(meeting);
        world.people.push(organizer);
    }
    let stand = Stand::new(world);
    for fault in faults {
        stand.tenant.script(fault);
    }
    let outcome = backfill(&stand, "", &[]).expect_code(3);
    for (number, (status, _, message, state, reason)) in CASES.into_iter().enumerate() {
        let row = session(&stand, &number.to_string());
        assert_eq!(
            (
                row.attendance_state.as_ref(),
                row.attendance_state_reason.as_deref()
            ),
            (state, Some(reason)),
            "{status} {message}"
        );
        assert!(!row.is_final, "{message}: one answer proves none of these");
    }
    assert_eq!(session(&stand, "fine").attendance_state, "reported");
    // two wordings, one cause, one message
    let notices = summary(&outcome)["notices"].to_string();
    assert_eq!(
        notices.matches("no_application_access_policy").count(),
        1,
        "{notices}"
    );
}

#[test]
fn nobody_came_stays_said_when_graph_has_forgotten_the_meeting() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let quiet = Meeting::teams(&ada, "quiet", &[at(&world, 1, 9)], 30);
    world.meetings = vec![quiet, held(&world, &ada, "held", 12)];
    world.people = vec![ada];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    let before = stand.published().content();
    assert_eq!(session(&stand, "quiet").attendance_state, "empty");
    stand.tenant.edit(|world| {
        world
            .meetings
            .iter_mut()
            .for_each(|meeting| meeting.is_expired = true);
    });
    backfill(&stand, "", &["--reprocess", "all"]).expect_code(0);
    let states =
        ["quiet", "held"].map(|subject| session(&stand, subject).attendance_state.into_owned());
    assert_eq!(states, ["empty", "reported"]);
    assert_eq!(stand.published().content().gaps, before.gaps);
}

#[test]
fn a_channel_meeting_behind_a_short_link_gets_none_of_the_channels_reports() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let thread = links::channel_thread("0b8f0d5a-1c2d-4e3f-8a9b-0c1d2e3f4a5b");
    for (subject, hour) in [("one", 9), ("two", 12)] {
        let mut meeting = held(&world, &ada, subject, hour);
        let digits = format!("23456789{hour:04}");
        meeting.kind = MeetingKind::Channel;
        meeting.thread_id.clone_from(&thread);
        meeting.online_meeting_id = links::online_meeting_id(&ada.id, &thread, &digits);
        meeting.join_web_url = Some(links::short_join_url(&digits, "x"));
        meeting.join_meeting_id = Some(digits);
        world.meetings.push(meeting);
    }
    world.people = vec![ada];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    for subject in ["one", "two"] {
        let row = session(&stand, subject);
        assert_eq!(
            (
                row.attendance_state.as_ref(),
                row.attendance_state_reason.as_deref(),
                row.is_final
            ),
            ("unsupported", Some("channel_thread"), true)
        );
    }
    assert_eq!(count(&stand, "attendanceReports"), 0);
    assert_eq!(stand.published().reports.len(), 0);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_ids(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for report in page["value"].as_array_mut().into_iter().flatten() {
        report.as_object_mut().unwrap().remove("id");
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn fault_68_a_session_whose_only_report_has_no_id_is_not_empty() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    world.meetings.push(held(&world, &ada, "held", 12));
    world.people = vec![ada];
    let stand = Stand::new(world);
    stand.tenant.script(Fault::first(
        1,
        "/attendanceReports",
        FaultEffect::Rewrite(without_ids),
    ));
    backfill(&stand, "", &[]).expect_code(3);
    let row = session(&stand, "held");
    assert_eq!(
        (row.attendance_state.as_ref(), row.is_final),
        ("not_ready", false)
    );
    assert_eq!(stand.published().gaps[0].1.reason, "report_without_id");
    backfill(&stand, "", &[]).expect_code(0);
    assert_eq!(session(&stand, "held").attendance_state, "reported");
}

#[test]
fn fault_72_every_report_of_a_meeting_is_kept_by_its_id() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let mut meeting = Meeting::teams(
        &ada,
        "opened again",
        &[at(&world, 1, 9), at(&world, 2, 9)],
        30,
    );
    meeting.hold(0, &[&ada]);
    meeting.hold(0, &[&ada]);
    meeting.hold(1, &[&ada]);
    // the second one was held an hour after the first had ended
    let again = &mut meeting.reports[1];
    again.start.at = again.start.at.plus(HOUR + HOUR / 2);
    again.end.at = again.end.at.plus(HOUR + HOUR / 2);
    let ids: Vec<String> = meeting
        .reports
        .iter()
        .map(|report| report.id.clone())
        .collect();
    world.meetings.push(meeting);
    world.people = vec![ada];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    let published = stand.published();
    let sessions: Vec<_> = published.sessions.iter().map(|(_, row)| row).collect();
    assert_eq!(
        sessions
            .iter()
            .map(|row| row.report_count)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    let of = |session: usize| {
        let id = sessions[session].session_id.as_ref();
        let reports = published.reports.iter().map(|(_, row)| row);
        let mut ids: Vec<_> = reports
            .filter(|row| row.session_id.as_deref() == Some(id))
            .map(|row| row.report_id.as_ref())
            .collect();
        ids.sort_unstable();
        ids
    };
    let mut first = [ids[0].as_str(), ids[1].as_str()];
    first.sort_unstable();
    assert_eq!(of(0), first);
    assert_eq!(of(1), [ids[2].as_str()]);
}

#[test]
fn fault_66_and_70_odd_roles_and_the_same_person_twice_are_kept_as_they_came() {
    let mut world = world();
    let ada = person("Ada", AccessPolicy::Granted);
    let mut meeting = held(&world, &ada, "odd", 9);
    let report = &mut meeting.reports[0];
    let once = report.records[0].clone();
    let roles = ["Coorganizer", "unknownFutureValue", "ATTENDEE", ""];
    for (number, role) in roles.into_iter().enumerate() {
        let mut record = once.clone();
        record.role = role.to_owned();
        record.email_address = None;
        // another device, a minute later each
        let minutes = (i64::try_from(number).unwrap() + 1) * HOUR / 60;
        for interval in &mut record.intervals {
            interval.join = interval
                .join
                .map(|join| Stamp::new(join.at.plus(minutes), 7));
        }
        report.records.push(record);
    }
    report.total_participant_count = 5;
    world.meetings.push(meeting);
    world.people = vec![ada.clone()];
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    let records = stand.published().records;
    let mut kept: Vec<_> = records
        .iter()
        .map(|(_, row)| {
            assert_eq!(row.identity_id.as_deref(), Some(ada.id.as_str()));
            assert!(
                row.quality_flags
                    .iter()
                    .any(|flag| flag == "duplicate_record_id")
            );
            (row.role.as_deref().unwrap_or_default(), row.interval_count)
        })
        .collect();
    kept.sort_unstable();
    let mut wanted = vec![("Organizer", 1)];
    wanted.extend(roles.map(|role| (role, 1)));
    wanted.sort_unstable();
    assert_eq!(kept, wanted, "nothing is merged, no role is translated");
}
