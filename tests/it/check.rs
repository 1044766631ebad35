//! `teamsheet check`: each thing that a run needs is one line, with its remedy, and nothing is left behind.

use std::fs;

use serde_json::Value;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, Group, Meeting, Person, VirtualEvent, VirtualEventKind,
};
use teamsheet::simulated_tenant::{CLIENT_ID, Fault, FaultAnswer, FaultEffect, TENANT_ID, World};
use teamsheet::time::HOUR;

use crate::support::{Outcome, Stand, binary, now, outcome};

fn stand() -> Stand {
    Stand::lifelike(12, 3)
}

fn check(stand: &Stand, more: &str) -> Outcome {
    let job = stand.job(&stand.warehouse(), more);
    stand.run(&["check", "--job", job.to_str().unwrap()])
}

/// Each line's first two parts: state and what.
fn states(outcome: &Outcome) -> Vec<(String, String)> {
    let lines = outcome.stdout.lines().filter(|line| !line.starts_with(' '));
    lines
        .map(|line| {
            let (state, rest) = line.split_once("  ").unwrap();
            let what = rest.split("  ").next().unwrap();
            (state.to_owned(), what.to_owned())
        })
        .collect()
}

fn state_of(outcome: &Outcome, what: &str) -> String {
    let found = states(outcome).into_iter().find(|(_, known)| known == what);
    found.unwrap_or_else(|| panic!("{}", outcome.stdout)).0
}

#[test]
fn a_job_that_can_run_passes_line_by_line_and_nothing_is_left() {
    let stand = stand();
    let outcome = check(&stand, "").expect_code(0);
    let names: Vec<_> = states(&outcome).into_iter().map(|(_, what)| what).collect();
    let expected = [
        "sign-in",
        "permissions",
        "online meetings, calendar",
        "access policy",
        "webinars",
        "town halls",
        "warehouse",
    ];
    assert_eq!(names, expected, "{}", outcome.stdout);
    assert!(
        states(&outcome).iter().all(|(state, _)| state == "pass"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains(TENANT_ID));
    assert!(!stand.warehouse().exists());
    // a real request each, and no more organizers than say enough
    let requests = stand.tenant.requests();
    let count = |part: &str| {
        let asked = requests
            .iter()
            .filter(|request| request.path_and_query.contains(part));
        asked.count()
    };
    assert_eq!((count("/oauth2/"), count("/users?")), (1, 1));
    assert!((1..=5).contains(&count("calendarView")), "{requests:?}");
    assert!((1..=5).contains(&count("onlineMeetings?")), "{requests:?}");
    assert!(
        (1..=5).contains(&count("attendanceReports")),
        "{requests:?}"
    );
    assert_eq!(
        (
            count("attendanceRecords"),
            count("webinars"),
            count("townhalls")
        ),
        (0, 1, 1)
    );
}

#[test]
fn a_warehouse_that_is_there_is_left_as_it_is() {
    let stand = stand();
    stand.backfill(0, 1, "", &[]);
    let before = stand.published();
    check(&stand, "").expect_code(0);
    assert_eq!(stand.published(), before);
}

#[test]
fn a_missing_permission_is_named() {
    let stand = stand();
    stand.tenant.edit(|world| {
        let roles = &mut world.answers.token_roles;
        roles.retain(|role| role != "OnlineMeetingArtifact.Read.All" && role != "User.Read.All");
        roles.push("Directory.Read.All".to_owned());
    });
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "permissions"), "fail");
    assert!(
        outcome
            .stdout
            .contains("missing: OnlineMeetingArtifact.Read.All\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome
            .stdout
            .contains("hint: Grant the app registration OnlineMeetingArtifact.Read.All")
    );
    assert_eq!(state_of(&outcome, "webinars"), "pass");
    assert_eq!(state_of(&outcome, "warehouse"), "pass");
}

#[test]
fn without_an_access_policy_the_remedy_is_the_powershell() {
    let stand = stand();
    stand.tenant.edit(|world| {
        for person in &mut world.people {
            person.access_policy = AccessPolicy::Missing;
        }
    });
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "online meetings, calendar"), "pass");
    assert_eq!(state_of(&outcome, "access policy"), "fail");
    let command =
        format!("New-CsApplicationAccessPolicy -Identity teamsheet -AppIds \"{CLIENT_ID}\"");
    assert!(outcome.stdout.contains(&command), "{}", outcome.stdout);
    assert!(
        outcome
            .stdout
            .contains("Graph leaves those out whose organizer has no access policy"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn credentials_that_are_refused_leave_the_rest_of_graph_unasked() {
    let stand = stand();
    let job = stand.job(&stand.warehouse(), "");
    let arguments = ["check", "--format", "json", "--job", job.to_str().unwrap()];
    let wrong = binary()
        .env("SECRET", "canary-of-a-secret")
        .args(arguments)
        .output()
        .unwrap();
    let outcome = outcome(wrong).expect_code(4);
    assert_eq!(outcome.stdout.lines().count(), 1);
    let line: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&line["exit_code"], &line["job"]),
        (&4.into(), &"test".into())
    );
    let of = |what: &str| {
        let checks = line["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["check"] == what);
        found.unwrap_or_else(|| panic!("{line}")).clone()
    };
    assert_eq!(of("sign-in")["state"], "fail");
    assert!(
        of("sign-in")["remedy"]
            .as_str()
            .unwrap()
            .contains("client secret")
    );
    for what in [
        "permissions",
        "online meetings, calendar",
        "access policy",
        "webinars",
    ] {
        assert_eq!(of(what)["state"], "skip", "{what}");
    }
    assert_eq!(of("warehouse")["state"], "pass");
    assert!(!outcome.stdout.contains("canary"));
    assert_eq!(stand.tenant.requests().len(), 1);
}

#[test]
fn a_warehouse_that_cannot_be_written_ends_with_5() {
    let stand = stand();
    fs::write(stand.folder.path().join("file"), "").unwrap();
    let job = stand.job(&stand.folder.path().join("file/warehouse"), "");
    let outcome = stand
        .run(&["check", "--job", job.to_str().unwrap()])
        .expect_code(5);
    assert_eq!(state_of(&outcome, "warehouse"), "fail");
    assert!(
        outcome
            .stdout
            .contains("hint: Name a folder as `[warehouse] uri`"),
        "{}",
        outcome.stdout
    );
    assert_eq!(state_of(&outcome, "access policy"), "pass");
}

#[test]
fn a_source_that_refuses_is_one_line_and_the_others_are_asked() {
    let stand = stand();
    let refused = FaultAnswer::graph_error(403, "Forbidden", "Not for ada@contoso.example.");
    stand.tenant.script(Fault::always(
        "virtualEvents/webinars",
        FaultEffect::Answer(refused),
    ));
    let outcome = check(&stand, "").expect_code(4);
    assert_eq!(state_of(&outcome, "webinars"), "fail");
    assert_eq!(state_of(&outcome, "town halls"), "pass");
    assert!(!outcome.stdout.contains("ada@contoso.example"));
}

#[test]
fn a_bad_job_file_ends_with_2_and_prints_no_line() {
    let stand = stand();
    let outcome = check(&stand, "[run]\nchunk_day = 3\n").expect_code(2);
    assert_eq!(outcome.stdout, "");
    assert!(stand.tenant.requests().is_empty());
}

fn ada() -> Person {
    Person::member("Ada")
}

fn grace() -> Person {
    Person::member("Grace")
}

/// Two people with a meeting of yesterday and a webinar each.
fn two() -> Stand {
    let mut world = World::empty(now());
    world.settings.days = 3;
    world.people = vec![ada(), grace()];
    for (person, hour) in [(ada(), 9), (grace(), 11)] {
        let starts = [world.settings.midnight(2).plus(hour * HOUR)];
        let mut meeting = Meeting::teams(&person, "meeting", &starts, 60);
        meeting.hold(0, &[&person]);
        world.meetings.push(meeting);
        let webinar = VirtualEventKind::Webinar;
        let event = VirtualEvent::published(webinar, &person, "talk", &starts, 60);
        world.virtual_events.push(event);
    }
    Stand::new(world)
}

/// Checks a job of these sources; each line with its hint, and how it ended.
fn check_of(stand: &Stand, sources: &str) -> (Vec<String>, i32) {
    let job = stand.job_of(&stand.warehouse(), sources, "");
    let outcome = stand.run(&["check", "--job", job.to_str().unwrap()]);
    let mut lines: Vec<String> = Vec::new();
    for line in outcome.stdout.lines() {
        match (line.strip_prefix("      "), lines.last_mut()) {
            (Some(more), Some(last)) => *last = format!("{last} | {}", more.trim()),
            _ => lines.push(line.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
    let about_sources = lines.into_iter().filter(|line| {
        let what = line.split_once(' ').unwrap().1;
        ["online", "access", "webinars"]
            .iter()
            .any(|part| what.starts_with(part))
    });
    (about_sources.collect(), outcome.code)
}

fn asked(stand: &Stand, what: &str) -> usize {
    let requests = stand.tenant.requests();
    let asked = requests
        .iter()
        .filter(|asked| asked.path_and_query.contains(what));
    asked.count()
}

#[track_caller]
fn assert_lines(found: &(Vec<String>, i32), code: i32, expected: &[&str]) {
    let (lines, ended) = found;
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        // what stands between is of Graph, with times and ids
        let mut rest = line.as_str();
        for part in expected.split(" … ") {
            let Some((_, after)) = rest.split_once(part) else {
                panic!("no {part:?} in {line:?} of {lines:#?}")
            };
            rest = after;
        }
    }
    assert_eq!(*ended, code, "{lines:#?}");
}

#[test]
fn what_is_refused_of_one_organizer_is_said_and_what_is_refused_of_all_fails() {
    let calendar = "[sources.online_meetings]\n";
    let webinars = format!(
        "[sources.webinars]\norganizers = [\"{}\", \"{}\"]\n",
        ada().id,
        grace().id
    );
    let refuse = |stand: &Stand, what: &str| {
        let denied = FaultAnswer::graph_error(403, "ErrorAccessDenied", "Access is denied.");
        stand
            .tenant
            .script(Fault::always(what, FaultEffect::Answer(denied)));
    };
    let stand = two();
    refuse(&stand, &format!("{}/calendarView", ada().id));
    assert_lines(
        &check_of(&stand, calendar),
        0,
        &[
            "pass online meetings, calendar 1 of the first 2 default calendars read; 1 refused, the last: … 403 … hint: An Exchange application access policy",
            "pass access policy covers 1 of 1",
        ],
    );
    refuse(&stand, &format!("{}/calendarView", grace().id));
    assert_lines(
        &check_of(&stand, calendar),
        4,
        &["fail online meetings, calendar … 403", "skip access policy"],
    );

    let stand = two();
    refuse(&stand, &format!("userId='{}'", ada().id));
    assert_lines(
        &check_of(&stand, &webinars),
        0,
        &[
            "pass webinars 1 on the first pages of 1 organizers; 1 refused, the last: … 403 … hint: ",
        ],
    );
    assert_eq!(asked(&stand, "getByUserIdAndRole"), 2);
    refuse(&stand, &format!("userId='{}'", grace().id));
    assert_lines(&check_of(&stand, &webinars), 4, &["fail webinars … 403"]);

    let stand = two();
    stand
        .tenant
        .edit(|world| world.people[0].access_policy = AccessPolicy::Missing);
    assert_lines(
        &check_of(&stand, calendar),
        0,
        &[
            "pass online meetings, calendar 2 of the first 2",
            "pass access policy covers 1 of 2 organizers that were asked; reports of 1 read … Grant-CsApplicationAccessPolicy",
        ],
    );
}

#[test]
fn a_role_that_the_app_lacks_is_no_matter_of_one_organizer() {
    let stand = two();
    let denied = FaultAnswer::graph_error(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges.",
    );
    let denied = FaultEffect::Answer(denied);
    stand
        .tenant
        .script(Fault::first(1, "/calendarView", denied));
    let sources = "[sources.online_meetings]\n";
    let found = check_of(&stand, sources);
    assert_lines(
        &found,
        4,
        &["fail online meetings, calendar … 403", "skip access policy"],
    );
    assert_eq!(asked(&stand, "/calendarView"), 1);
}

#[test]
fn users_by_name_and_of_a_group_are_each_asked_for() {
    let stand = two();
    let users = |names: &str| format!("[sources.online_meetings]\nusers = {names}\n");
    let (upn, gone) = (ada().user_principal_name, "gone@contoso.example");
    assert_lines(
        &check_of(&stand, &users(&format!("[\"{gone}\", \"{upn}\"]"))),
        0,
        &[
            "pass online meetings, calendar 1 of the first 2 default calendars read; 1 refused, the last: … 404 … hint: Check the users and groups",
            "pass access policy covers 1 of 1 organizers that were asked; reports of 1 read",
        ],
    );
    assert_lines(
        &check_of(&stand, &users(&format!("[\"{gone}\"]"))),
        4,
        &["fail online meetings, calendar … 404", "skip access policy"],
    );
    let (inner, outer) = (
        "00000000-0000-4000-8000-00000000aaaa",
        "00000000-0000-4000-8000-00000000bbbb",
    );
    stand.tenant.edit(|world| {
        let group = |id: &str, member: &str| Group {
            id: id.to_owned(),
            display_name: "group".to_owned(),
            members: vec![member.to_owned()],
        };
        world.groups = vec![group(inner, &grace().id), group(outer, inner)];
    });
    assert_lines(
        &check_of(&stand, &users(&format!("{{ group = \"{inner}\" }}"))),
        0,
        &[
            "pass online meetings, calendar 1 of the first 1 default calendars read",
            "pass access policy covers 1 of 1",
        ],
    );
    assert_lines(
        &check_of(&stand, &users(&format!("{{ group = \"{outer}\" }}"))),
        0,
        &[
            "skip online meetings, calendar there is no user to ask on the first page",
            "skip access policy no organizer is known",
        ],
    );
    let nobody = users("{ group = \"00000000-0000-4000-8000-00000000cccc\" }");
    assert_lines(
        &check_of(&stand, &nobody),
        4,
        &["fail online meetings, calendar … 404", "skip access policy"],
    );
}

#[test]
fn listed_meetings_are_asked_for_and_tell_whether_the_policy_covers_them() {
    let stand = two();
    let id = |number: usize| {
        stand.tenant.world().meetings[number]
            .online_meeting_id
            .clone()
    };
    let write = |lines: &[(String, String)]| {
        let path = stand.folder.path().join("meetings.csv");
        let lines: Vec<String> = lines
            .iter()
            .map(|(who, what)| format!("{who},{what}\n"))
            .collect();
        fs::write(&path, lines.concat()).unwrap();
        let path = path.display();
        format!(
            "[sources.online_meetings]\ndiscover = [\"listed\"]\nmeetings = {{ file = \"{path}\" }}\n"
        )
    };
    let both = write(&[
        (ada().user_principal_name, id(0)),
        (ada().user_principal_name, "MSoxOm5vdCB0aGVyZQ==".to_owned()),
        (grace().id, "MSoxOm5vdCB0aGVyZSBlaXRoZXI=".to_owned()),
    ]);
    assert_lines(
        &check_of(&stand, &both),
        0,
        &[
            "pass online meetings, listed 3 meetings of 2 organizers; 1 of 2 that were asked for exist",
            "pass access policy covers 2 of 2 organizers that were asked; reports of 1 read",
        ],
    );
    // each is asked once, whichever line is about it
    assert_eq!(
        (
            asked(&stand, "/onlineMeetings/"),
            asked(&stand, "attendanceReports")
        ),
        (3, 1)
    );
    let unknown = write(&[
        (grace().id, id(1)),
        ("gone@contoso.example".to_owned(), id(0)),
    ]);
    assert_lines(
        &check_of(&stand, &unknown),
        0,
        &[
            "pass online meetings, listed 2 meetings of 2 organizers; 1 of 1 that were asked for exist; 1 refused, the last: … 404",
            "pass access policy covers 1 of 1",
        ],
    );
    stand.tenant.edit(|world| {
        for person in &mut world.people {
            person.access_policy = AccessPolicy::Missing;
        }
    });
    assert_lines(
        &check_of(&stand, &write(&[(ada().id, id(0))])),
        4,
        &[
            "skip online meetings, listed not covered by the access policy, see there",
            "fail access policy … New-CsApplicationAccessPolicy",
        ],
    );
}

#[test]
fn calls_tell_whom_the_policy_is_tried_on() {
    let stand = two();
    stand.tenant.edit(|world| {
        // now, so that they are calls of the last day
        let now = world.settings.now;
        for meeting in &mut world.meetings {
            meeting.reports[0].start.at = now.plus(-2 * HOUR);
            meeting.reports[0].end.at = now.plus(-HOUR);
        }
        world.people[1].access_policy = AccessPolicy::Missing;
    });
    let sources = "[sources.online_meetings]\ndiscover = [\"call-records\"]\n";
    assert_lines(
        &check_of(&stand, sources),
        0,
        &[
            "pass online meetings, call-records 2 calls on the first page of the last day",
            "pass access policy covers 1 of 2 organizers that were asked; reports of 1 read",
        ],
    );
    assert_eq!(
        (asked(&stand, "callRecords"), asked(&stand, "calendarView")),
        (1, 0)
    );
}

/// The job with another host in place of one of its two, at a port that was free a moment ago, and little time for it.
fn check_without(stand: &Stand, host: &str) -> Outcome {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let job = stand.job(&stand.warehouse(), "[run]\ndeadline = \"1s\"\n");
    let text = fs::read_to_string(&job).unwrap();
    let line = text.lines().find(|line| line.starts_with(host)).unwrap();
    let other = format!("{host} = \"{dead}\"");
    fs::write(&job, text.replace(line, &other)).unwrap();
    stand.run(&["check", "--job", job.to_str().unwrap()])
}

#[test]
fn a_graph_that_cannot_be_reached_is_no_matter_of_permissions() {
    let stand = stand();
    for (host, failed, skipped) in [
        ("authority", "sign-in", "permissions"),
        ("endpoint", "online meetings, calendar", "access policy"),
    ] {
        let outcome = check_without(&stand, host).expect_code(75);
        assert_eq!(state_of(&outcome, failed), "fail", "{}", outcome.stdout);
        let line = outcome.stdout.lines().find(|line| line.starts_with("fail"));
        let line = line.unwrap();
        assert!(line.contains("  no matter of permissions: "), "{line}");
        assert!(line.contains("Connection refused"), "{line}");
        // the others would take as long to say the same
        for what in [skipped, "webinars", "town halls"] {
            assert_eq!(state_of(&outcome, what), "skip", "{}", outcome.stdout);
        }
        assert_eq!(state_of(&outcome, "warehouse"), "pass");
        let hint = "hint: Check the network, the proxy, and `[graph] endpoint` and `authority`";
        assert!(outcome.stdout.contains(hint), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("grant"), "{}", outcome.stdout);
    }
}
