//! A user who signs in: everything is asked under `/me`, and only what is the user's own is found.

use super::*;

const OWN: &str = "[sources.online_meetings]\nusers = \"me\"\n\
    [sources.webinars]\norganizers = \"me\"\n[sources.town_halls]\norganizers = \"me\"\n";

/// Two people with a meeting, a webinar and a town hall each; Ada is the one who signs in.
fn stand() -> Stand {
    let mut world = world();
    for (person, hour) in [(ada(), 9), (grace(), 11)] {
        let starts = [at(&world, 2, hour)];
        let mut meeting = Meeting::teams(&person, "meeting", &starts, 60);
        meeting.hold(0, &[&person]);
        world.meetings.push(meeting);
        for (kind, name) in [
            (VirtualEventKind::Webinar, "talk"),
            (VirtualEventKind::TownHall, "all hands"),
        ] {
            let mut event = VirtualEvent::published(kind, &person, name, &starts, 60);
            event.sessions[0].hold(&[&person]);
            world.virtual_events.push(event);
        }
    }
    Stand::new(world)
}

/// Signs Ada in and backfills.
fn backfill_own(stand: &Stand, sources: &str) -> Outcome {
    let job = stand.job_of(&stand.warehouse(), sources, "");
    let text = fs::read_to_string(&job).unwrap();
    let text = text
        .replace("method = \"client-secret\"", "method = \"device-code\"")
        .replace("client_secret = { env = \"SECRET\" }\n", "");
    fs::write(&job, text).unwrap();
    let settings = stand.tenant.world().settings;
    let (from, to) = (
        settings.midnight(0).to_string(),
        settings.midnight(DAYS).to_string(),
    );
    let job = job.to_str().unwrap();
    run_own(stand, &["login", "--job", job]).expect_code(0);
    let backfill = [
        "backfill", "--job", job, "--from", &from, "--to", &to, "--format", "json",
    ];
    run_own(stand, &backfill)
}

/// Runs the program with the sign-in that is kept for the stand.
fn run_own(stand: &Stand, arguments: &[&str]) -> Outcome {
    let state = stand.folder.path().join("state");
    let mut command = binary();
    command.env("XDG_STATE_HOME", state).args(arguments);
    outcome(command.output().unwrap())
}

#[test]
fn a_users_own_meetings_and_events_are_found_under_me() {
    let stand = stand();
    backfill_own(&stand, OWN).expect_code(0);
    let mut rows: Vec<_> = sessions(&stand)
        .into_iter()
        .map(|row| {
            assert_eq!(row.organizer_id.as_deref(), Some(ada().id.as_str()));
            (row.source.into_owned(), row.attendance_state.into_owned())
        })
        .collect();
    rows.sort_unstable();
    let wanted = ["online_meeting", "town_hall", "webinar"];
    assert_eq!(
        rows,
        wanted.map(|source| (source.to_owned(), "reported".to_owned()))
    );
    assert_eq!(stand.published().records.len(), 3);
    assert_eq!(
        stand.published().runs[0].1.sources,
        ["online_meetings:calendar", "webinars:me", "town_halls:me"]
    );
    assert_eq!(asked(&stand, "/v1.0/me?").len(), 1, "for all three sources");
    for request in asked(&stand, "/v1.0/") {
        let is_own = request.contains("/v1.0/me")
            || request.contains("/getByUserRole(role='organizer')")
            || request.contains("/sessions");
        assert!(is_own, "{request}");
    }

    // the same rows as those of an app that reads this user
    let app = Stand::new(stand.tenant.world());
    let id = ada().id;
    let sources = format!(
        "[sources.online_meetings]\nusers = [\"{id}\"]\n[sources.webinars]\norganizers = [\"{id}\"]\n\
         [sources.town_halls]\norganizers = [\"{id}\"]\n"
    );
    backfill(&app, &sources, 0, DAYS).expect_code(0);
    assert_same_rows(&stand.published().content(), &app.published().content());
}

#[test]
fn a_users_own_list_is_asked_under_me_too() {
    let stand = stand();
    let meeting = stand.tenant.world().meetings[0].clone();
    let name = ada().user_principal_name;
    let list = format!("{name},{}\n", meeting.online_meeting_id);
    let sources = format!("{}users = \"me\"\n", write_list(&stand, &list));
    backfill_own(&stand, &sources).expect_code(0);
    assert_eq!(
        seen(&stand),
        [(
            Some("meeting".to_owned()),
            "listed".to_owned(),
            "reported".to_owned(),
            1
        )]
    );
    let job = stand.folder.path().join("test.toml");
    let checked = run_own(&stand, &["check", "--job", job.to_str().unwrap()]);
    checked.expect_code(0);
    assert_eq!(asked(&stand, "/v1.0/users").len(), 0);
}
