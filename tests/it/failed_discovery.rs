//! Lists that fail half-way, users and events that cannot be read: what was read is published, what is missing is a gap that says whose,
//! and a later night fills it.

use serde_json::{Value, json};
use teamsheet::simulated_tenant::world::{Meeting, Person, VirtualEvent, VirtualEventKind};
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect, Occurrences, World};
use teamsheet::tables::GapRow;
use teamsheet::time::UtcMicros;

use crate::support::nights::{Nights, at};

const MEETINGS: &str = "[sources.online_meetings]\n";
const WITH_CALLS: &str = "[sources.online_meetings]\ndiscover = [\"calendar\", \"call-records\"]\n";
/// Tries of a request that fails each time.
pub(crate) const TRIES: usize = 4;

pub(crate) fn ada() -> Person {
    Person::member("Ada")
}

pub(crate) fn bob() -> Person {
    Person::member("Bob")
}

/// A meeting of an hour that was held.
pub(crate) fn held(organizer: &Person, subject: &str, start: &str) -> Meeting {
    let mut meeting = Meeting::teams(organizer, subject, &[at(start)], 60);
    meeting.hold(0, &[organizer]).unwrap();
    meeting
}

/// The same on no calendar: only its call record shows it.
fn ad_hoc(organizer: &Person, subject: &str, start: &str) -> Meeting {
    let mut meeting = held(organizer, subject, start);
    meeting.occurrences.clear();
    meeting
}

fn webinar(organizer: &Person, name: &str, starts: &[&str]) -> VirtualEvent {
    let starts: Vec<UtcMicros> = starts.iter().map(|start| at(start)).collect();
    let kind = VirtualEventKind::Webinar;
    let mut event = VirtualEvent::published(kind, organizer, name, &starts, 60);
    for session in &mut event.sessions {
        session.hold(&[organizer]).unwrap();
    }
    event
}

/// Ada and Bob, each with a meeting on Monday, 2 March.
pub(crate) fn world() -> World {
    let mut world = World::empty(at("2026-03-20"));
    world.people = vec![ada(), bob()];
    world.meetings = vec![
        held(&ada(), "hers", "2026-03-02T10:00:00Z"),
        held(&bob(), "his", "2026-03-02T12:00:00Z"),
    ];
    world
}

pub(crate) fn night(day: &str) -> UtcMicros {
    at(&format!("{day}T03:30:00Z"))
}

pub(crate) fn down() -> FaultEffect {
    let message = "An error has occurred.";
    FaultEffect::Answer(FaultAnswer::graph_error(
        500,
        "InternalServerError",
        message,
    ))
}

/// Source, title, and number of reports of each session.
pub(crate) fn sessions(nights: &Nights) -> Vec<(String, Option<String>, i32)> {
    let rows = nights.stand.published().sessions.into_iter();
    let mut rows: Vec<_> = rows
        .map(|(_, row)| {
            (
                row.source.into_owned(),
                row.subject.map(std::borrow::Cow::into_owned),
                row.report_count,
            )
        })
        .collect();
    rows.sort_unstable();
    rows
}

pub(crate) fn meeting(subject: &str) -> (String, Option<String>, i32) {
    ("online_meeting".to_owned(), Some(subject.to_owned()), 1)
}

fn call() -> (String, Option<String>, i32) {
    ("online_meeting".to_owned(), None, 1)
}

fn event(name: &str) -> (String, Option<String>, i32) {
    ("webinar".to_owned(), Some(name.to_owned()), 1)
}

/// Source, reason and organizer of each gap that is open.
pub(crate) fn open_gaps(nights: &Nights) -> Vec<(String, String, Option<String>)> {
    let gaps = nights.stand.published().gaps.into_iter();
    let open = gaps.filter(|(_, gap)| gap.closed_at.is_none());
    open.map(|(_, gap): (String, GapRow<'static>)| {
        (
            gap.source.into_owned(),
            gap.reason.into_owned(),
            gap.organizer_id.map(std::borrow::Cow::into_owned),
        )
    })
    .collect()
}

pub(crate) fn gap(
    source: &str,
    reason: &str,
    organizer: Option<&str>,
) -> (String, String, Option<String>) {
    let owned = str::to_owned;
    (source.to_owned(), reason.to_owned(), organizer.map(owned))
}

fn asked(nights: &Nights, what: &str) -> usize {
    let requests = nights.stand.tenant.requests().into_iter();
    requests
        .filter(|request| request.path_and_query.contains(what))
        .count()
}

fn with_link(body: &[u8], link: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(body).unwrap();
    let context = page["@odata.context"].as_str().unwrap_or_default();
    let link = link(context.split("/v1.0").next().unwrap());
    page["@odata.nextLink"] = json!(link);
    serde_json::to_vec(&page).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn leads_away(body: Vec<u8>) -> Vec<u8> {
    with_link(&body, |_| "https://evil.example/v1.0/users".to_owned())
}

/// There is a next page at a place of its own.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
pub(crate) fn goes_on(body: Vec<u8>) -> Vec<u8> {
    with_link(&body, |origin| format!("{origin}/v1.0/next-page"))
}

#[test]
fn fault_55_what_came_before_a_foreign_link_is_published_and_the_exit_code_is_3() {
    let (ada, bob) = (ada(), bob());
    let cases = [
        (
            "/users?",
            1,
            vec![gap("online_meeting", "refused_link", None)],
        ),
        (
            "calendarView",
            2,
            vec![
                gap("online_meeting", "refused_link", Some(&ada.id)),
                gap("online_meeting", "refused_link", Some(&bob.id)),
            ],
        ),
        (
            "/callRecords?",
            3,
            vec![gap("online_meeting", "refused_link", None)],
        ),
        ("/webinars", 1, vec![gap("webinar", "refused_link", None)]),
        (
            "/sessions",
            1,
            vec![gap("webinar", "refused_link", Some(&ada.id))],
        ),
    ];
    for (matching, count, mut wanted) in cases {
        let mut world = world();
        world
            .meetings
            .push(ad_hoc(&ada, "call", "2026-03-02T15:00:00Z"));
        let event_of_ada = webinar(&ada, "talk", &["2026-03-02T17:00:00Z"]);
        world.virtual_events.push(event_of_ada);
        let mut nights = Nights::new(world);
        nights.replace = (MEETINGS, WITH_CALLS);
        let effect = FaultEffect::Rewrite(leads_away);
        nights
            .stand
            .tenant
            .script(Fault::first(count, matching, effect));
        let run = nights.run(night("2026-03-03"));
        assert_eq!(run.exit_code, 3, "{matching}");
        assert_eq!(
            sessions(&nights),
            [call(), meeting("hers"), meeting("his"), event("talk")],
            "{matching}"
        );
        let mut gaps = open_gaps(&nights);
        gaps.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(gaps, wanted, "{matching}");
    }
}

#[test]
fn fault_55_a_link_that_is_not_followed_does_not_end_a_run_that_found_nothing() {
    let mut world = world();
    world.meetings.clear();
    let mut nights = Nights::new(world);
    nights.replace = (
        "[sources.webinars]\n[sources.town_halls]\n",
        "# nothing else is read\n",
    );
    nights
        .stand
        .tenant
        .script(Fault::always("/users?", FaultEffect::Rewrite(leads_away)));
    nights.stand.tenant.script(Fault::always(
        "calendarView",
        FaultEffect::Rewrite(leads_away),
    ));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(nights.stand.published().runs.len(), 1);
}

#[test]
fn fault_57_users_of_pages_that_lead_round_in_a_circle_are_read() {
    let nights = Nights::new(world());
    let endpoint = nights.stand.tenant.endpoint();
    let page = |person: &Person, next: &str| {
        let user = json!({"id": person.id, "displayName": person.display_name});
        let link = format!("{endpoint}v1.0/{next}");
        let page = json!({"value": [user], "@odata.nextLink": link});
        FaultEffect::Answer(FaultAnswer::raw(200, page.to_string()))
    };
    // the first page leads to the second, and that one to itself
    for (matching, effect) in [
        ("/v1.0/users?", page(&ada(), "next-page")),
        ("/v1.0/next-page", page(&bob(), "next-page")),
    ] {
        nights.stand.tenant.script(Fault::always(matching, effect));
    }
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    assert_eq!(
        open_gaps(&nights),
        [gap("online_meeting", "paging_loop", None)]
    );
    assert_eq!(asked(&nights, "/v1.0/next-page"), 1);
}

#[test]
fn fault_35_a_later_page_that_fails_takes_none_of_the_pages_before_with_it() {
    let mut world = world();
    // occurrences of a series wait for the others, whose reports they would be given
    let starts = ["2026-03-02T08:00:00Z", "2026-03-09T08:00:00Z"].map(at);
    let mut series = Meeting::teams(&ada(), "series", &starts, 30);
    series.hold(0, &[&ada()]).unwrap();
    world.meetings.push(series);
    let nights = Nights::new(world);
    let calendar = format!("/users/{}/calendarView", ada().id);
    let rewrite = FaultEffect::Rewrite(goes_on);
    nights
        .stand
        .tenant
        .script(Fault::first(1, calendar, rewrite));
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, "/v1.0/next-page", down()));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    assert_eq!(
        open_gaps(&nights),
        [gap("online_meeting", "server_error", Some(&ada().id))]
    );
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 0);
    assert_eq!(
        sessions(&nights),
        [meeting("hers"), meeting("his"), meeting("series")]
    );
    assert_eq!(open_gaps(&nights), []);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a rewrite")]
fn without_times(body: Vec<u8>) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(&body).unwrap();
    for session in page["value"].as_array_mut().into_iter().flatten() {
        session["startDateTime"] = Value::Null;
        session["endDateTime"] = Value::Null;
    }
    serde_json::to_vec(&page).unwrap()
}

#[test]
fn fault_35_a_session_that_always_fails_takes_none_of_its_event_with_it() {
    let mut world = world();
    world.meetings.clear();
    let starts = ["2026-03-02T08:00:00Z", "2026-03-02T17:00:00Z"];
    world
        .virtual_events
        .push(webinar(&ada(), "course", &starts));
    let [first, second] = world.virtual_events[0].sessions.as_mut_slice() else {
        panic!("two sessions")
    };
    "first".clone_into(&mut first.subject);
    "second".clone_into(&mut second.subject);
    let failing = format!("/sessions/{}", first.id);
    let nights = Nights::new(world);
    // the summaries lack their times, so that each is asked by itself
    nights.stand.tenant.script(Fault {
        matching: "/sessions".to_owned(),
        occurrences: Occurrences::First(1),
        effect: FaultEffect::Rewrite(without_times),
    });
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, failing, down()));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [event("second")]);
    assert_eq!(
        open_gaps(&nights),
        [gap("webinar", "server_error", Some(&ada().id))]
    );
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 0);
    assert_eq!(sessions(&nights), [event("first"), event("second")]);
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn the_gap_of_a_user_who_is_named_closes_once_the_name_is_found() {
    let mut world = world();
    world
        .virtual_events
        .push(webinar(&ada(), "talk", &["2026-03-02T17:00:00Z"]));
    let mut nights = Nights::new(world);
    nights.replace = (
        "[sources.online_meetings]\n[sources.webinars]\n",
        "[sources.online_meetings]\nusers = [\"ada@contoso.example\", \"bob@contoso.example\"]\n\
         [sources.webinars]\norganizers = [\"ada@contoso.example\"]\n",
    );
    // both sources ask for her
    nights
        .stand
        .tenant
        .script(Fault::first(2 * TRIES, "/users/ada@", down()));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(sessions(&nights), [meeting("his")]);
    let name = Some("ada@contoso.example");
    let mut gaps = open_gaps(&nights);
    gaps.sort_unstable();
    assert_eq!(
        gaps,
        [
            gap("online_meeting", "server_error", name),
            gap("webinar", "server_error", name)
        ]
    );

    // she is found, and her calendar is what fails: a gap of that, which closes in its turn
    let calendar = format!("/users/{}/calendarView", ada().id);
    // the day that is owed, and the night's own
    nights
        .stand
        .tenant
        .script(Fault::first(2 * TRIES, calendar, down()));
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 3);
    let of_calendar = gap("online_meeting", "server_error", Some(&ada().id));
    assert_eq!(open_gaps(&nights), [of_calendar.clone(), of_calendar]);
    assert_eq!(nights.run(night("2026-03-05")).exit_code, 0);
    assert_eq!(open_gaps(&nights), []);
    assert_eq!(
        sessions(&nights),
        [meeting("hers"), meeting("his"), event("talk")]
    );
    assert_eq!(nights.run(night("2026-03-06")).run_ids.len(), 1);
}

#[test]
fn reading_one_calendar_again_closes_no_gap_of_the_whole_list() {
    let nights = Nights::new(world());
    let foreign = FaultEffect::Rewrite(leads_away);
    nights
        .stand
        .tenant
        .script(Fault::first(1, "/users?", foreign));
    let calendar = format!("/users/{}/calendarView", ada().id);
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, calendar, down()));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(open_gaps(&nights).len(), 2);
    let again = nights.run(night("2026-03-04"));
    assert_eq!((again.exit_code, again.gaps_closed), (3, 1));
    assert_eq!(
        open_gaps(&nights),
        [gap("online_meeting", "refused_link", None)]
    );
    assert_eq!(sessions(&nights), [meeting("hers"), meeting("his")]);
    // a backfill reads the whole list
    let days = ("2026-03-02", "2026-03-03");
    assert_eq!(
        nights.backfill(night("2026-03-04"), days, None).exit_code,
        0
    );
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn the_calls_of_a_calendar_that_failed_come_with_it() {
    let mut world = world();
    for (subject, start) in [
        ("first", "2026-03-03T15:00:00Z"),
        ("second", "2026-03-04T15:00:00Z"),
    ] {
        world.meetings.push(ad_hoc(&ada(), subject, start));
    }
    // a webinar is a call too, and stays one thing
    world
        .virtual_events
        .push(webinar(&ada(), "talk", &["2026-03-03T17:00:00Z"]));
    let mut nights = Nights::new(world);
    nights.replace = (MEETINGS, WITH_CALLS);
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 0);
    let calendar = format!("/users/{}/calendarView", ada().id);
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, calendar, down()));
    assert_eq!(nights.run(night("2026-03-06")).exit_code, 3);
    let before = [meeting("hers"), meeting("his"), event("talk")];
    assert_eq!(sessions(&nights), before);
    assert_eq!(nights.run(night("2026-03-08")).exit_code, 0);
    assert_eq!(sessions(&nights), [&[call(), call()][..], &before].concat());
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn a_webinar_is_no_meeting_too_where_the_list_of_webinars_fails() {
    let mut world = world();
    world
        .meetings
        .push(ad_hoc(&bob(), "call", "2026-03-02T15:00:00Z"));
    world
        .virtual_events
        .push(webinar(&ada(), "talk", &["2026-03-02T17:00:00Z"]));
    let mut nights = Nights::new(world);
    nights.replace = (MEETINGS, WITH_CALLS);
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, "/webinars", down()));
    assert_eq!(nights.run(night("2026-03-03")).exit_code, 3);
    assert_eq!(
        sessions(&nights),
        [],
        "which calls and single entries are webinars is not known"
    );
    let mut gaps = open_gaps(&nights);
    gaps.sort_unstable();
    assert_eq!(
        gaps,
        [
            gap("online_meeting", "server_error", None),
            gap("online_meeting", "server_error", Some(&bob().id)),
            gap("online_meeting", "server_error", Some(&ada().id)),
            gap("webinar", "server_error", None)
        ]
    );
    assert_eq!(nights.run(night("2026-03-04")).exit_code, 0);
    assert_eq!(
        sessions(&nights),
        [call(), meeting("hers"), meeting("his"), event("talk")]
    );
    assert_eq!(open_gaps(&nights), []);
}

#[test]
fn lists_and_names_are_asked_once_a_run_however_many_chunks_and_sources_need_them() {
    let mut world = world();
    let starts = ["2026-03-01T08:00:00Z", "2026-03-04T08:00:00Z"];
    world
        .virtual_events
        .push(webinar(&ada(), "course", &starts));
    let mut nights = Nights::new(world.clone());
    nights.job = "[run]\nchunk_days = 1\n".to_owned();
    let days = ("2026-03-01", "2026-03-05");
    nights.backfill(night("2026-03-06"), days, None);
    assert_eq!(nights.stand.published().runs.len(), 4);
    let event_id = world.virtual_events[0].id.clone();
    let sessions_of_event = format!("/{event_id}/sessions");
    let requests = nights.stand.tenant.requests();
    let paths = requests.iter().map(|request| &request.path_and_query);
    for list in ["/users", "/webinars", "/townhalls", &sessions_of_event] {
        let is_of_list = |path: &&String| path.split('?').next().unwrap().ends_with(list);
        assert_eq!(paths.clone().filter(is_of_list).count(), 1, "{list}");
    }

    let mut nights = Nights::new(world);
    nights.job = "[run]\nchunk_days = 1\n".to_owned();
    nights.replace = (
        "[sources.online_meetings]\n[sources.webinars]\n[sources.town_halls]\n",
        "[sources.online_meetings]\nusers = [\"ada@contoso.example\"]\n\
         [sources.webinars]\norganizers = [\"ada@contoso.example\"]\n\
         [sources.town_halls]\norganizers = [\"Ada@contoso.example\"]\n",
    );
    nights.backfill(night("2026-03-06"), days, None);
    assert_eq!(nights.stand.published().runs.len(), 4);
    assert_eq!(asked(&nights, "da@contoso.example"), 1);
    assert_eq!(
        sessions(&nights),
        [meeting("hers"), event("course"), event("course")]
    );
}

#[test]
fn names_are_looked_up_side_by_side() {
    let mut nights = Nights::new(world());
    let names = ["ada", "bob", "cleo", "dario", "edda", "filip"];
    let users = names
        .map(|name| format!("\"{name}@contoso.example\""))
        .join(", ");
    let sources = format!("[sources.online_meetings]\nusers = [{users}]\n");
    nights.replace = (MEETINGS, Box::leak(sources.into_boxed_str()));
    // the others do not wait for the first answer, though they are handed on after it
    nights.stand.tenant.script(Fault::first(
        1,
        "/users/ada@",
        FaultEffect::Delay(std::time::Duration::from_millis(300)),
    ));
    nights.run(night("2026-03-03"));
    let requests = nights.stand.tenant.requests();
    let paths = requests.iter().map(|request| &request.path_and_query);
    let first: Vec<_> = paths
        .filter(|path| path.contains("/users/"))
        .take(names.len())
        .collect();
    assert!(
        first.iter().all(|path| path.contains("@contoso.example")),
        "{first:?}"
    );
}
