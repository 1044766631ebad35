//! Refusals beside something else: what is not refused is not lost by it, and no day counts as covered that was not discovered.

use teamsheet::simulated_tenant::world::AccessPolicy;
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect};
use teamsheet::tables::SessionRow;

use crate::coverage::{backfill, held, person, world};
use crate::support::Stand;

#[test]
fn where_refusals_are_tolerated_every_session_is_discovered_all_the_same() {
    let mut world = world();
    for number in 0..70 {
        let organizer = person(&format!("P{number}"), AccessPolicy::MissingGeneral);
        world.meetings.push(held(&world, &organizer, "x", 9));
        world.people.push(organizer);
    }
    let stand = Stand::new(world);
    let job = "[run]\nconcurrency = 4\ntolerate = [\"forbidden\"]\n";
    backfill(&stand, job, &[]).expect_code(0);
    let published = stand.published();
    let forbidden = |row: &SessionRow<'_>| row.attendance_state == "forbidden";
    assert_eq!((published.sessions.len(), published.gaps.len()), (70, 70));
    assert!(published.sessions.iter().all(|(_, row)| forbidden(row)));
}

#[test]
fn one_refusal_among_failures_is_no_refusal_of_everything() {
    let mut world = world();
    world.people = vec![
        person("Grace", AccessPolicy::Missing),
        person("Ada", AccessPolicy::Granted),
    ];
    for organizer in world.people.clone() {
        world.meetings.push(held(&world, &organizer, "x", 9));
    }
    let stand = Stand::new(world);
    let refusal = FaultAnswer::graph_error(501, "NotImplemented", "no");
    let of_ada = format!(
        "/users/{}/onlineMeetings",
        stand.tenant.world().people[1].id
    );
    stand
        .tenant
        .script(Fault::always(&of_ada, FaultEffect::Answer(refusal)));
    backfill(&stand, "", &[]).expect_code(3);
    let states = |row: &SessionRow<'_>| row.attendance_state.to_string();
    let rows = stand.published().sessions;
    let mut states: Vec<_> = rows.iter().map(|(_, row)| states(row)).collect();
    states.sort();
    assert_eq!(states, ["failed", "forbidden"]);
}

#[test]
fn fault_37_a_token_that_is_refused_for_good_ends_the_run_before_every_meeting_was_asked() {
    let mut world = world();
    let organizer = person("Ada", AccessPolicy::Granted);
    for number in 0..20 {
        let mut meeting = held(&world, &organizer, "x", 9);
        meeting.subject = format!("x {number}");
        world.meetings.push(meeting);
    }
    world.people.push(organizer);
    let stand = Stand::new(world);
    let refusal = FaultAnswer::graph_error(401, "InvalidAuthenticationToken", "no");
    // whatever comes after discovery, and what the token is tried on then
    for matching in ["/onlineMeetings", "/users?$select=id&$top=1"] {
        let effect = FaultEffect::Answer(refusal.clone());
        stand.tenant.script(Fault::always(matching, effect));
    }
    backfill(&stand, "[run]\nconcurrency = 1\n", &[]).expect_code(4);
    let requests = stand.tenant.requests().into_iter();
    let asked = requests.filter(|request| request.path_and_query.contains("/onlineMeetings"));
    let asked = asked.count();
    assert!(asked <= 6, "{asked} requests with a token that is refused");
}

#[test]
fn a_failure_before_many_refusals_leaves_no_day_undiscovered() {
    let mut world = world();
    for number in 0..60 {
        let policy = match number {
            0 => AccessPolicy::Granted,
            _ => AccessPolicy::MissingGeneral,
        };
        let organizer = person(&format!("P{number}"), policy);
        world.meetings.push(held(&world, &organizer, "x", 9));
        world.people.push(organizer);
    }
    let stand = Stand::new(world);
    let astray = FaultAnswer {
        status: 200,
        headers: Vec::new(),
        body: br#"{"value":[],"@odata.nextLink":"https://elsewhere.example/"}"#.to_vec(),
        delay: std::time::Duration::ZERO,
    };
    let list = Fault::always("/attendanceReports", FaultEffect::Answer(astray));
    stand.tenant.script(list);
    backfill(&stand, "[run]\nconcurrency = 1\n", &[]).expect_code(3);
    let sessions = stand.published().sessions;
    let in_state = |state: &str| {
        let rows = sessions.iter();
        rows.filter(|(_, row)| row.attendance_state == state)
            .count()
    };
    assert_eq!((in_state("failed"), in_state("forbidden")), (1, 59));
}

#[test]
fn fault_31_time_that_is_over_is_told_also_where_every_session_was_final() {
    let mut world = world();
    let organizer = person("Ada", AccessPolicy::Granted);
    world.meetings.push(held(&world, &organizer, "x", 9));
    world.people.push(organizer);
    let stand = Stand::new(world);
    backfill(&stand, "", &[]).expect_code(0);
    let before = stand.published();
    assert!(before.sessions.iter().all(|(_, row)| row.is_final));
    let busy = FaultAnswer::graph_error(429, "TooManyRequests", "no");
    let busy = FaultEffect::Answer(busy.with_header("Retry-After", "600"));
    stand
        .tenant
        .script(Fault::always("/attendanceReports", busy));
    let job = "[run]\ndeadline = \"5s\"\n";
    backfill(&stand, job, &["--reprocess", "all"]).expect_code(75);
    let after = stand.published();
    assert_eq!(after.sessions, before.sessions);
    assert_eq!(after.runs.last().unwrap().1.exit_code, 75);
}
