//! Nights that were missed, failed or ran out of time, and how far a job counts as done after them.

use teamsheet::simulated_tenant::world::Meeting;
use teamsheet::simulated_tenant::{Fault, FaultAnswer, FaultEffect};

use crate::nights::{night, reports, the_session, world};
use crate::support::nights::{Nights, asked, at};

#[test]
fn missed_nights_are_caught_up_and_each_session_is_listed_once() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    for day in 3..=6 {
        let start = at(&format!("2026-03-0{day}T10:00:00Z"));
        world
            .meetings
            .push(Meeting::teams(&ada, &format!("Day {day}"), &[start], 30));
    }
    for meeting in &mut world.meetings {
        meeting.hold(0, &[&ada, &bob]).unwrap();
    }
    let mut nights = Nights::new(world);
    nights.job = String::from("[run]\nchunk_days = 1\n");
    nights.run(night("2026-03-03"));
    let caught_up = nights.run(night("2026-03-07"));
    assert_eq!(
        (caught_up.interval_start, caught_up.interval_end),
        (at("2026-03-03"), at("2026-03-07"))
    );
    assert_eq!(caught_up.run_ids.len(), 4);
    // four new ones, and the one of the first night that was not final
    assert_eq!(asked(&caught_up), [4, 5, 4]);
    assert_eq!(
        asked(&nights.run(night("2026-03-08"))),
        [0, 1, 0],
        "only the last one"
    );
    let published = nights.stand.published();
    assert!(
        published
            .sessions
            .iter()
            .all(|(_, row)| row.is_final && row.report_count == 1)
    );
    assert_eq!(published.sessions.len(), 5);
}

#[test]
fn an_outage_is_caught_up_as_far_as_the_job_says() {
    let (world, ..) = world("2026-03-02T10:00:00Z", 60);
    let mut nights = Nights::new(world);
    nights.job = String::from("[run]\nmax_catch_up_days = 5\n");
    nights.run(night("2026-03-03"));
    let late = nights.run(night("2026-03-20"));
    assert_eq!(
        (late.interval_start, late.interval_end),
        (at("2026-03-15"), at("2026-03-20"))
    );
    // the hole stays in front of the watermark, so it is said again until it is filled
    let next = nights.run(night("2026-03-21"));
    assert_eq!(next.interval_start, at("2026-03-16"));
    // by the command that is printed; a backfill would not move the watermark
    nights.run_over(night("2026-03-21"), ("2026-03-03", "2026-03-16"));
    let next = nights.run(night("2026-03-22"));
    assert_eq!(next.interval_start, at("2026-03-21"));
}

#[test]
fn a_night_that_ran_out_of_time_is_done_again() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let mut nights = Nights::new(world);
    nights.job = "[run]\ndeadline = \"1s\"\n".to_owned();
    // both calendars come late, so what is in them is not asked any more
    nights.stand.tenant.script(Fault::first(
        2,
        "calendarView",
        FaultEffect::Delay(std::time::Duration::from_secs(2)),
    ));
    let first = nights.run(night("2026-03-03"));
    assert_eq!(first.exit_code, 75);
    nights.job = String::new();
    let again = nights.run(night("2026-03-03"));
    assert_eq!(
        (again.interval_start, again.interval_end),
        (at("2026-03-02"), at("2026-03-03"))
    );
    assert_eq!((again.exit_code, again.gaps_closed), (0, first.gaps_opened));
    assert_eq!(reports(&nights).len(), 1);
    let codes: Vec<_> = nights
        .stand
        .published()
        .runs
        .iter()
        .map(|(_, run)| run.exit_code)
        .collect();
    assert_eq!(codes, [75, 0]);
    let next = nights.run(night("2026-03-03"));
    assert_eq!(
        (next.interval_start, asked(&next)),
        (next.interval_end, [0, 1, 0]),
        "nothing is left of it but to see whether the session settles"
    );
}

#[test]
fn a_changed_scope_goes_on_where_the_old_one_was_and_says_what_to_fill_in() {
    let (world, ..) = world("2026-03-02T10:00:00Z", 60);
    let mut nights = Nights::new(world);
    nights.replace = ("[sources.town_halls]\n", "");
    let first = nights.run(night("2026-03-03"));
    assert_eq!(first.notices, []);
    nights.run(night("2026-03-04"));
    nights.replace = ("", "");
    let changed = nights.run(night("2026-03-07"));
    assert_eq!(
        (changed.interval_start, changed.interval_end),
        (at("2026-03-04"), at("2026-03-07"))
    );
    let [notice] = changed.notices.as_slice() else {
        panic!("{:?}", changed.notices)
    };
    assert!(
        notice
            .message
            .contains("the scope of job `nightly` changed"),
        "{notice:?}"
    );
    let command = "teamsheet backfill --job <job file> --from 2026-03-02 --to 2026-03-04";
    assert!(
        notice.hint.as_deref().unwrap().contains(command),
        "{notice:?}"
    );
    assert_eq!(
        nights.run(night("2026-03-08")).notices,
        [],
        "it is said once"
    );
}

#[test]
fn a_calendar_that_failed_is_read_again_by_a_later_night_and_its_gap_is_closed() {
    let (mut world, ada, bob) = world("2026-03-02T10:00:00Z", 60);
    world.meetings[0].hold(0, &[&ada, &bob]).unwrap();
    let nights = Nights::new(world);
    let down = FaultAnswer::graph_error(500, "InternalServerError", "An error has occurred.");
    let calendar = format!("/users/{}/calendarView", ada.id);
    nights.stand.tenant.script(Fault::first(
        // four tries: the first night, and for both of its days the second one
        12,
        calendar.as_str(),
        FaultEffect::Answer(down),
    ));
    for day in ["2026-03-03", "2026-03-04"] {
        let failed = nights.run(night(day));
        assert_eq!(failed.exit_code, 3, "{day}");
        assert_eq!(nights.stand.published().sessions, []);
    }
    let filling = nights.run(night("2026-03-06"));
    assert_eq!((filling.exit_code, filling.run_ids.len()), (0, 2));
    let (day, session) = the_session(&nights);
    assert_eq!((day.as_str(), session.report_count), ("2026-03-02", 1));
    let gaps = nights.stand.published().gaps;
    assert!(!gaps.is_empty());
    for (_, gap) in gaps {
        assert_eq!(
            gap.closed_by_run_id.as_deref(),
            filling.run_ids.first().map(String::as_str)
        );
    }
    assert_eq!(nights.run(night("2026-03-07")).run_ids.len(), 1);
}

/// Backfills the second of March while both calendars are down.
fn backfill_that_fails(nights: &Nights) {
    let refusal = FaultAnswer::graph_error(500, "InternalServerError", "no");
    nights.stand.tenant.script(Fault::first(
        8,
        "/calendarView",
        FaultEffect::Answer(refusal),
    ));
    let old = nights.backfill(night("2026-03-20"), ("2026-03-02", "2026-03-03"), None);
    assert_eq!(old.exit_code, 3, "{:?}", old.gaps_by_reason);
}

#[test]
fn an_old_day_that_is_read_again_does_not_move_the_watermark_back() {
    let (world, ..) = world("2026-03-02T10:00:00Z", 60);
    let nights = Nights::new(world);
    backfill_that_fails(&nights);
    let first = nights.run(night("2026-03-20"));
    assert_eq!((first.run_ids.len(), first.gaps_closed), (2, 2));
    let next = nights.run(night("2026-03-21"));
    assert_eq!(next.interval_start, at("2026-03-20"));
}

#[test]
fn an_old_day_that_alone_is_read_again_does_not_move_the_watermark_back() {
    let (world, ..) = world("2026-03-02T10:00:00Z", 60);
    let nights = Nights::new(world);
    nights.run(night("2026-03-20"));
    backfill_that_fails(&nights);
    // yesterday is published already
    let again = nights.run(night("2026-03-20"));
    assert_eq!((again.run_ids.len(), again.gaps_closed), (1, 2));
    let next = nights.run(night("2026-03-21"));
    assert_eq!(next.interval_start, at("2026-03-20"));
    let runs = nights.stand.published().runs;
    let sources = runs.iter().map(|(_, run)| (&run.run_id, run.sources.len()));
    let in_part: Vec<_> = sources.filter(|(_, sources)| *sources == 0).collect();
    assert_eq!(in_part.len(), 1);
    assert_eq!(*in_part[0].0, again.run_ids[0]);
}
