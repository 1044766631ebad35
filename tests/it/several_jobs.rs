//! Several jobs on one warehouse: what one of them does not know is no other's to decide.

use teamsheet::simulated_tenant::world::{AccessPolicy, Group, Meeting, Person};
use teamsheet::simulated_tenant::{Fault, World};

use crate::failed_discovery::{TRIES, down, held};
use crate::nights::night;
use crate::support::nights::{Nights, asked, at};

const SALES: &str = "00000000-0000-4000-8000-0000000000a1";
const PEOPLE: &str = "00000000-0000-4000-8000-0000000000a2";
const MEETINGS: &str = "[sources.online_meetings]\n";
const OF_SALES: (&str, &str) = (
    MEETINGS,
    "[sources.online_meetings]\nusers = { group = \"00000000-0000-4000-8000-0000000000a1\" }\n",
);
const OF_PEOPLE: (&str, &str) = (
    MEETINGS,
    "[sources.online_meetings]\nusers = { group = \"00000000-0000-4000-8000-0000000000a2\" }\n",
);

/// Ada and Bob are of one group, Eve of another; each holds a meeting on 2 March.
fn nights() -> Nights {
    let people = ["Ada", "Bob", "Eve"].map(Person::member);
    let mut world = World::empty(at("2026-04-01"));
    for (person, hour) in people.iter().zip(["09", "10", "11"]) {
        let start = format!("2026-03-02T{hour}:00:00Z");
        world
            .meetings
            .push(held(person, &person.display_name, &start));
    }
    let [ada, bob, eve] = &people;
    let group = |id: &str, members: &[&Person]| Group {
        id: id.to_owned(),
        display_name: id.to_owned(),
        members: members.iter().map(|person| person.id.clone()).collect(),
    };
    world.groups = vec![group(SALES, &[ada, bob]), group(PEOPLE, &[eve])];
    world.people = people.to_vec();
    Nights::new(world)
}

fn open_gaps(nights: &Nights) -> usize {
    let gaps = nights.stand.published().gaps;
    { gaps.iter() }
        .filter(|(_, gap)| gap.closed_at.is_none())
        .count()
}

fn titles(nights: &Nights) -> Vec<String> {
    let sessions = nights.stand.published().sessions.into_iter();
    let mut titles: Vec<_> = sessions
        .filter_map(|(_, row)| row.subject.map(std::borrow::Cow::into_owned))
        .collect();
    titles.sort();
    titles
}

#[test]
fn another_groups_job_closes_no_gap_of_a_list_that_it_does_not_read() {
    let mut nights = nights();
    let members = format!("/groups/{SALES}/members");
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, members, down()));
    nights.replace = OF_SALES;
    let failed = nights.run(night("2026-03-03"));
    assert_eq!((failed.exit_code, open_gaps(&nights)), (3, 1));
    nights.replace = OF_PEOPLE;
    nights.run(night("2026-03-03"));
    assert_eq!(titles(&nights), ["Eve"]);
    assert_eq!(
        open_gaps(&nights),
        1,
        "Ada's and Bob's calendars are unread"
    );
    nights.replace = OF_SALES;
    let filled = nights.run(night("2026-03-04"));
    assert_eq!((filled.gaps_closed, open_gaps(&nights)), (1, 0));
    assert_eq!(titles(&nights), ["Ada", "Bob", "Eve"]);
}

#[test]
fn a_job_asks_again_only_about_its_own_organizers() {
    let mut nights = nights();
    for meeting in &mut nights.world.meetings {
        meeting.reports.clear();
    }
    nights.replace = OF_SALES;
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [2, 2, 0]);
    nights.replace = OF_PEOPLE;
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [1, 1, 0]);
    // each its own, also where there is no new day
    assert_eq!(asked(&nights.run(night("2026-03-03"))), [0, 1, 0]);
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 1, 0]);
    nights.replace = OF_SALES;
    assert_eq!(asked(&nights.run(night("2026-03-04"))), [0, 2, 0]);
}

#[test]
fn what_another_app_left_and_this_one_may_not_see_does_not_end_the_run() {
    let mut nights = nights();
    for meeting in &mut nights.world.meetings {
        meeting.reports.clear();
    }
    nights.run(night("2026-03-03"));
    for person in &mut nights.world.people {
        person.access_policy = AccessPolicy::Missing;
    }
    // everything that is asked is carried over, and refused
    let run = nights.run(night("2026-03-04"));
    assert_eq!(run.exit_code, 3);
    assert!(
        nights
            .stand
            .published()
            .sessions
            .iter()
            .all(|(_, row)| !row.is_final)
    );
}

#[test]
fn half_a_day_that_was_not_read_stays_missing_until_it_is() {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let mut world = World::empty(at("2026-04-01"));
    let quiet = Meeting::teams(&ada, "Ada at nine", &[at("2026-03-02T09:00:00Z")], 30);
    world.meetings = vec![
        quiet,
        held(&ada, "Ada at three", "2026-03-02T15:00:00Z"),
        held(&bob, "Bob at nine", "2026-03-02T09:00:00Z"),
    ];
    world.people = vec![ada.clone(), bob];
    let nights = Nights::new(world);
    let calendar = format!("/users/{}/calendarView", ada.id);
    nights
        .stand
        .tenant
        .script(Fault::first(TRIES, calendar, down()));
    let noon = at("2026-03-02T12:00:00Z");
    let first = nights.run_over(noon, ("2026-03-02", "2026-03-03"));
    assert_eq!((first.exit_code, first.interval_end), (3, noon));
    let gaps = nights.stand.published().gaps;
    let [(_, gap)] = gaps.as_slice() else {
        panic!("{gaps:?}")
    };
    assert_eq!((gap.missing_from, gap.missing_until), (None, Some(noon)));
    // the night reads the morning again before it reads the afternoon
    let second = nights.run(night("2026-03-03"));
    assert_eq!((second.exit_code, second.gaps_closed), (0, 1));
    assert_eq!(
        titles(&nights),
        ["Ada at nine", "Ada at three", "Bob at nine"]
    );
}

#[test]
fn a_job_that_was_renamed_says_which_days_nobody_has_read() {
    let mut nights = nights();
    nights.run(night("2026-03-03"));
    nights.replace = ("[tenant]\n", "name = \"weekly\"\n[tenant]\n");
    let run = nights.run(night("2026-03-09"));
    let [notice] = run.notices.as_slice() else {
        panic!("{:?}", run.notices)
    };
    assert!(
        notice.message.contains("from 2026-03-03 to 2026-03-07"),
        "{notice:?}"
    );
    let hint = notice.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("--from 2026-03-03 --to 2026-03-08"), "{hint}");
    assert!(nights.run(night("2026-03-10")).notices.is_empty(), "once");
}

#[test]
fn a_user_whose_name_finds_nobody_is_read_by_the_id_that_is_known() {
    let mut nights = nights();
    nights.replace = (
        MEETINGS,
        "[sources.online_meetings]\nusers = [\"ada@contoso.example\"]\n",
    );
    let mut later = held(&nights.world.people[0], "Later", "2026-03-03T09:00:00Z");
    later.reports.truncate(1);
    nights.world.meetings.push(later);
    nights.run(night("2026-03-03"));
    assert_eq!(titles(&nights), ["Ada"]);
    let ada = &mut nights.world.people[0];
    ada.user_principal_name = "ada.smith@contoso.example".to_owned();
    let run = nights.run(night("2026-03-04"));
    assert_eq!(run.exit_code, 3, "the job's list is to be mended");
    assert_eq!(titles(&nights), ["Ada", "Later"]);
}
