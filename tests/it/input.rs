//! Input as people have it: accounts of before 2014, zones of Exchange's own, exported lists, pasted links, secrets with line ends, and
//! hints that can be pasted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use teamsheet::simulated_tenant::world::{
    AccessPolicy, Meeting, Person, VirtualEvent, VirtualEventKind,
};
use teamsheet::simulated_tenant::{CLIENT_SECRET, Fault, FaultEffect, World};
use teamsheet::time::{HOUR, UtcMicros};

use crate::support::nights::{Nights, at};
use crate::support::{Outcome, Stand, binary, now, outcome, partitions};

const DAYS: u32 = 3;

fn ada() -> Person {
    Person::member("Ada")
}

fn grace() -> Person {
    Person::member("Grace")
}

/// Some days that end yesterday, on the first of which Ada and Grace each held a meeting.
fn world() -> World {
    let mut world = World::empty(now());
    world.settings.days = DAYS;
    world.people = vec![ada(), grace()];
    for (organizer, hour) in [(ada(), 9), (grace(), 11)] {
        let start = world.settings.midnight(0).plus(hour * HOUR);
        let mut meeting = Meeting::teams(&organizer, &organizer.display_name, &[start], 60);
        meeting.hold(0, &[&ada(), &grace()]);
        world.meetings.push(meeting);
    }
    world
}

fn link(world: &World, place: usize) -> String {
    world.meetings[place].join_web_url.clone().unwrap()
}

fn states(stand: &Stand) -> Vec<String> {
    let rows = stand.published().sessions.into_iter();
    rows.map(|(_, row)| row.attendance_state.into_owned())
        .collect()
}

fn with_users(value: fn(&mut Value)) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |body| {
        let mut page: Value = serde_json::from_slice(&body).unwrap();
        for user in page["value"].as_array_mut().unwrap() {
            value(user);
        }
        serde_json::to_vec(&page).unwrap()
    }
}

fn without_type(body: Vec<u8>) -> Vec<u8> {
    with_users(|user| user["userType"] = Value::Null)(body)
}

fn one_is_a_guest(body: Vec<u8>) -> Vec<u8> {
    with_users(|user| {
        if user["displayName"] == "Grace" {
            user["userType"] = json!("Guest");
        }
    })(body)
}

#[test]
fn accounts_of_before_2014_are_read_and_guests_are_not() {
    for (rewrite, calendars) in [
        (FaultEffect::Rewrite(without_type), 2),
        (FaultEffect::Rewrite(one_is_a_guest), 1),
    ] {
        let stand = Stand::new(world());
        stand.tenant.script(Fault::always("/users?", rewrite));
        let job = stand.job_of(
            &stand.warehouse(),
            "[sources.online_meetings]\nusers = \"all\"\n",
            "",
        );
        stand.backfill_job(&job, 0, DAYS, &[]).expect_code(0);
        assert_eq!(states(&stand), vec!["reported"; calendars]);
        let requests = stand.tenant.requests();
        let of = |part: &str| {
            let paths = requests.iter().map(|request| &request.path_and_query);
            paths.filter(|path| path.contains(part)).count()
        };
        assert_eq!((of("/users?"), of("/calendarView")), (1, calendars));
    }
}

/// A webinar of Ada's with one session that was held.
fn webinar(start: UtcMicros) -> World {
    let mut world = World::empty(at("2026-09-01"));
    let kind = VirtualEventKind::Webinar;
    let mut event = VirtualEvent::published(kind, &ada(), "Skills", &[start], 60);
    event.sessions[0].hold(&[&ada(), &grace()]).unwrap();
    world.people = vec![ada(), grace()];
    world.virtual_events.push(event);
    world
}

/// Times of events and sessions, as an answer has them, in another form.
fn with_times(body: &[u8], form: fn(&mut Value)) -> Vec<u8> {
    fn walk(value: &mut Value, form: fn(&mut Value)) {
        match value {
            Value::Object(properties) => {
                for (name, value) in properties {
                    match name.as_str() {
                        "startDateTime" | "endDateTime" => form(value),
                        _ => walk(value, form),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| walk(value, form)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut answer: Value = serde_json::from_slice(body).unwrap();
    walk(&mut answer, form);
    serde_json::to_vec(&answer).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn in_a_custom_zone(body: Vec<u8>) -> Vec<u8> {
    with_times(&body, |time| {
        time["timeZone"] = json!("tzone://Microsoft/Custom");
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_times(body: Vec<u8>) -> Vec<u8> {
    with_times(&body, |time| *time = Value::Null)
}

fn nights_of(world: World, rewrite: fn(Vec<u8>) -> Vec<u8>) -> Nights {
    let nights = Nights::new(world);
    let effect = FaultEffect::Rewrite(rewrite);
    nights
        .stand
        .tenant
        .script(Fault::always("/webinars", effect));
    nights
}

#[test]
fn a_session_in_a_custom_zone_is_published_with_the_zones_name() {
    let nights = nights_of(webinar(at("2026-03-02T09:00:00Z")), in_a_custom_zone);
    let ran = nights.run(at("2026-03-03T03:00:00Z"));
    assert_eq!(ran.gaps_by_reason.values().sum::<u64>(), 0);
    let published = nights.stand.published();
    let [(day, session)] = published.sessions.as_slice() else {
        panic!("{:?}", published.sessions)
    };
    assert_eq!(day, "2026-03-02");
    assert_eq!(session.attendance_state, "reported");
    assert_eq!(session.scheduled_start, at("2026-03-02T09:00:00Z"));
    let extra: Value = serde_json::from_str(session._extra.as_deref().unwrap()).unwrap();
    assert_eq!(extra["startDateTime.timeZone"], "tzone://Microsoft/Custom");
    // months later it is of no night
    for night in ["2026-06-02T03:00:00Z", "2026-06-03T03:00:00Z"] {
        assert_eq!(nights.run(at(night)).gaps_opened, 0, "{night}");
    }
}

#[test]
fn a_session_without_times_is_counted_and_no_gap_of_every_night() {
    let nights = nights_of(webinar(at("2026-03-02T09:00:00Z")), without_times);
    for night in ["2026-03-03T03:00:00Z", "2026-03-04T03:00:00Z"] {
        let ran = nights.run(at(night));
        assert_eq!((ran.exit_code, ran.gaps_opened), (0, 0), "{night}");
        assert_eq!(ran.skipped["sessions_without_times"], 1, "{night}");
    }
    assert!(nights.stand.published().gaps.is_empty());
}

/// A backfill of the meetings in a list, written as these bytes.
fn listed(stand: &Stand, list: &[u8]) -> Outcome {
    let path = stand.folder.path().join("meetings.csv");
    fs::write(&path, list).unwrap();
    let sources = format!(
        "[sources.online_meetings]\ndiscover = [\"listed\"]\nmeetings = {{ file = \"{}\" }}\n",
        path.display()
    );
    let job = stand.job_of(&stand.warehouse(), &sources, "");
    stand.backfill_job(&job, 0, DAYS, &[])
}

fn utf_16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn pasted_links_in_an_exported_list_are_found() {
    let world = world();
    let (hers, his) = (link(&world, 0), link(&world, 1));
    let wrapped: String = url::form_urlencoded::byte_serialize(hers.as_bytes()).collect();
    let list = format!(
        "Subject;Join URL;Organizer email\r\n\
         A;https://eur01.safelinks.protection.outlook.com/?url={wrapped}&data=05&reserved=0;{}\r\n\
         B;<{}&anon=true>;{}\r\n",
        ada().user_principal_name,
        his.replace("%3a", "%3A").replace("%40", "@"),
        grace().id,
    );
    let stand = Stand::new(world);
    listed(&stand, &utf_16(&list)).expect_code(0);
    assert_eq!(states(&stand), ["reported"; 2]);
    let asked = stand.tenant.requests().into_iter();
    let look_ups: Vec<_> = asked
        .map(|request| request.path_and_query)
        .filter(|path| path.contains("onlineMeetings?"))
        .collect();
    assert_eq!(look_ups.len(), 2, "{look_ups:?}");
}

#[test]
fn wrong_lines_of_a_list_are_named_before_anything_is_asked() {
    let world = world();
    let good = format!("{},{}", ada().id, link(&world, 0));
    let stand = Stand::new(world);
    let list = format!(
        "{good}\n{},https://meetings.contoso.example/j/1\nAda Lovelace,MSox\n{},{}\n",
        ada().id,
        grace().id,
        "https://teams.live.com/meet/9345678901234"
    );
    let refused = listed(&stand, list.as_bytes()).expect_code(2);
    for part in [
        "line 2: this is no join link of Teams",
        "line 3: this is no organizer",
        "line 4: this is a meeting of a private account",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("Lovelace"), "{}", refused.stderr);
    assert!(stand.tenant.requests().is_empty());
    assert!(!stand.warehouse().exists());
}

#[test]
fn an_export_of_users_is_read_without_its_header_and_by_their_ids() {
    let stand = Stand::new(world());
    let path = stand.folder.path().join("users.csv");
    fs::write(
        &path,
        format!(
            "\u{feff}userPrincipalName;displayName;id\r\nold.name@contoso.example;Ada;{}\r\n",
            ada().id
        ),
    )
    .unwrap();
    let sources = format!(
        "[sources.online_meetings]\nusers = {{ file = \"{}\" }}\n",
        path.display()
    );
    let job = stand.job_of(&stand.warehouse(), &sources, "");
    stand.backfill_job(&job, 0, DAYS, &[]).expect_code(0);
    assert_eq!(states(&stand), ["reported"]);
}

#[test]
fn a_secret_is_sent_without_what_editors_put_around_it() {
    let stand = Stand::new(world());
    let job = stand.job(&stand.warehouse(), "");
    let run = |secret: String| {
        let mut command = binary();
        command.env("SECRET", secret).arg("check").arg("--job");
        outcome(command.arg(&job).output().unwrap())
    };
    for around in ["\n", "\r\n", " ", "\n\n"] {
        let checked = run(format!("\u{feff}{CLIENT_SECRET}{around}")).expect_code(0);
        assert!(
            checked.stdout.contains("pass  sign-in"),
            "{}",
            checked.stdout
        );
    }
    let before = stand.tenant.requests().len();
    let refused = run(format!("{CLIENT_SECRET}\nhunter2")).expect_code(2);
    assert!(
        refused.stderr.contains("has a blank or line end within"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    assert_eq!(stand.tenant.requests().len(), before);
}

#[test]
fn fault_89_a_secret_that_all_may_read_is_refused_with_what_can_be_done_in_a_container() {
    let stand = Stand::new(world());
    let secret = stand.folder.path().join("client_secret");
    fs::write(&secret, CLIENT_SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o444)).unwrap();
    let job = stand.job(&stand.warehouse(), "");
    let text = fs::read_to_string(&job).unwrap();
    let file = format!("file = \"{}\"", secret.display());
    fs::write(&job, text.replace("env = \"SECRET\"", &file)).unwrap();
    let refused = stand
        .run(&["run", "--job", job.to_str().unwrap()])
        .expect_code(2);
    for part in ["chmod o-rwx", "/run/secrets", "env = \"VARIABLE\""] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert!(stand.tenant.requests().is_empty());
}

#[test]
fn no_hint_has_a_placeholder_where_the_job_file_is_known() {
    let mut world = world();
    world.people[1].access_policy = AccessPolicy::Missing;
    let stand = Stand::new(world);
    let job = stand.job(&stand.warehouse(), "");
    let file = job.to_str().unwrap();
    stand.backfill_job(&job, 0, DAYS, &[]).expect_code(3);
    // a day that lost its records is a finding
    for (_, data) in partitions(&stand.warehouse(), "attendance_records") {
        fs::remove_dir_all(data.parent().unwrap()).unwrap();
    }
    for (verb, expected) in [
        (["status"].as_slice(), true),
        (&["status", "--format", "json"], true),
        (&["verify"], true),
        (&["verify", "--format", "json"], true),
        (&["check"], false),
        (&["plan"], false),
    ] {
        let mut arguments = verb.to_vec();
        arguments.extend(["--job", file]);
        let told = stand.run(&arguments);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(!all.contains("<job file>"), "{verb:?}: {all}");
        assert!(!all.contains("--job FILE"), "{verb:?}: {all}");
        // lines are wrapped at blanks
        let words = all.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            words.contains(&format!("--job {file}")),
            expected,
            "{verb:?}: {all}"
        );
    }
}

#[test]
fn an_end_in_the_future_is_told_once() {
    let stand = Stand::new(world());
    let job = stand.job(&stand.warehouse(), "");
    let from = stand.tenant.world().settings.midnight(0).to_string();
    let ran = stand
        .run(&[
            "backfill",
            "--job",
            job.to_str().unwrap(),
            "--from",
            &from,
            "--to",
            "2099-01-01",
        ])
        .expect_code(0);
    let told = ran
        .stderr
        .matches("`2099-01-01`, lies in the future")
        .count();
    assert_eq!(told, 1, "{}", ran.stderr);
}
