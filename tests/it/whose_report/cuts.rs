//! A range read at once, in days, backwards, twice, and one day of it again: the same rows each time.

use teamsheet::job::plan::Reprocess;
use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{Meeting, Occurrence, Person};
use teamsheet::time::{DAY, HOUR, UtcMicros};

use super::{reports, sessions};
use crate::support::nights::{Nights, at};
use crate::support::utc_date;

/// Long after everything that these tests hold.
const NOW: &str = "2026-06-01T09:00:00Z";

fn days(from: &str, to: &str) -> Vec<UtcMicros> {
    let (from, to) = (at(from), at(to));
    let days = (to.0 - from.0) / DAY;
    (0..days).map(|day| from.plus(day * DAY)).collect()
}

fn read(nights: &Nights, day: UtcMicros, reprocess: Option<Reprocess>) {
    let (day, next) = (utc_date(day), utc_date(day.plus(DAY)));
    nights.backfill(at(NOW), (&day, &next), reprocess);
}

/// Reads the range in each way and holds the rows against these.
#[track_caller]
fn assert_any_cut(world: &World, (from, to): (&str, &str), expected: (&[&str], &[&str])) {
    let all = days(from, to);
    let whole = |nights: &Nights| {
        nights.backfill(at(NOW), (from, to), None);
    };
    let check = |what: &str, nights: &Nights| {
        assert_eq!(reports(nights), expected.1, "the reports, {what}");
        assert_eq!(sessions(nights), expected.0, "the sessions, {what}");
        let gaps = nights.stand.published().gaps;
        assert!(gaps.is_empty(), "{what}: {gaps:?}");
    };
    let stand = || {
        let mut nights = Nights::new(world.clone());
        // call records of days that are older would be missing
        if world.meetings.iter().any(|of| of.occurrences.is_empty()) {
            nights.replace = (
                "[sources.online_meetings]\n",
                "[sources.online_meetings]\ndiscover = [\"calendar\", \"call-records\"]\n",
            );
        }
        nights
    };
    let with_chunks = |days: u32| {
        let mut nights = stand();
        nights.job = format!("[run]\nchunk_days = {days}\n");
        nights
    };
    let at_once = with_chunks(90);
    whole(&at_once);
    check("at once", &at_once);
    let again = at_once.backfill(at(NOW), (from, to), None);
    assert_eq!(again.partitions_published, 0, "at once, a second time");
    for day in &all {
        read(&at_once, *day, Some(Reprocess::All));
    }
    check("at once, and each day again", &at_once);
    let weeks = with_chunks(7);
    whole(&weeks);
    check("in chunks of a week", &weeks);
    let forwards = stand();
    for day in &all {
        read(&forwards, *day, None);
    }
    check("in days", &forwards);
    let backwards = stand();
    all.iter()
        .rev()
        .for_each(|day| read(&backwards, *day, None));
    check("in days, backwards", &backwards);
}

fn world(meetings: Vec<Meeting>) -> World {
    let mut world = World::empty(at(NOW));
    world.people = people().to_vec();
    world.meetings = meetings;
    world
}

fn people() -> [Person; 2] {
    ["Ada", "Bob"].map(Person::member)
}

/// Ada's meeting, of one entry or a series.
fn meeting(subject: &str, starts: &[&str], minutes: i64) -> Meeting {
    let starts: Vec<_> = starts.iter().map(|start| at(start)).collect();
    Meeting::teams(&people()[0], subject, &starts, minutes)
}

/// It was held for an hour.
fn hold(meeting: &mut Meeting, start: &str) {
    let [ada, bob] = people();
    let report = meeting.hold(0, &[&ada, &bob]).unwrap();
    (report.start.at, report.end.at) = (at(start), at(start).plus(HOUR));
    for interval in report
        .records
        .iter_mut()
        .flat_map(|record| &mut record.intervals)
    {
        (interval.join, interval.leave) = (Some(report.start), Some(report.end));
        interval.duration_in_seconds = 3600;
    }
    for record in &mut report.records {
        record.total_attendance_in_seconds = 3600;
    }
}

#[test]
fn each_call_of_one_link_has_its_own_report() {
    // on no calendar, within the time for which call records are kept
    let mut calls = meeting("calls", &["2026-05-10T10:00:00Z"], 60);
    for day in ["10", "14", "24"] {
        hold(&mut calls, &format!("2026-05-{day}T10:00:00Z"));
    }
    calls.occurrences.clear();
    let of = |day| {
        (
            format!("online_meeting  2026-05-{day} reported 1"),
            format!("2026-05-{day}: online_meeting 2026-05-{day} "),
        )
    };
    let (sessions, reports): (Vec<_>, Vec<_>) = ["10", "14", "24"].map(of).into_iter().unzip();
    let sessions: Vec<_> = sessions.iter().map(String::as_str).collect();
    let reports: Vec<_> = reports.iter().map(String::as_str).collect();
    let days = ("2026-05-08", "2026-05-27");
    assert_any_cut(&world(vec![calls]), days, (&sessions, &reports));
}

#[test]
fn an_entry_of_a_week_has_the_reports_of_all_its_days() {
    let mut camp = meeting("camp", &["2026-03-02T08:00:00Z"], (4 * 24 + 9) * 60);
    let days = ["02", "03", "04", "05", "06"];
    for day in days {
        hold(&mut camp, &format!("2026-03-{day}T08:00:00Z"));
    }
    let held = days.map(|day| format!("2026-03-{day}: online_meeting 2026-03-02 camp"));
    assert_any_cut(
        &world(vec![camp]),
        ("2026-03-01", "2026-03-08"),
        (
            &["online_meeting camp 2026-03-02 reported 5"],
            &held.each_ref().map(String::as_str),
        ),
    );
}

#[test]
fn copies_of_an_entry_that_share_a_link_have_each_its_own_report() {
    let mut first = meeting("first", &["2026-03-02T10:00:00Z"], 60);
    let mut copy = first.clone();
    "copy".clone_into(&mut copy.subject);
    "COPY".clone_into(&mut copy.occurrences[0].i_cal_uid);
    let entry = &mut copy.occurrences[0];
    (entry.start, entry.end) = (entry.start.plus(21 * DAY), entry.end.plus(21 * DAY));
    hold(&mut first, "2026-03-02T10:00:00Z");
    hold(&mut first, "2026-03-23T10:00:00Z");
    // a third time, which is nearer to the copy
    hold(&mut first, "2026-03-18T10:00:00Z");
    assert_any_cut(
        &world(vec![first, copy]),
        ("2026-03-01", "2026-03-28"),
        (
            &[
                "online_meeting first 2026-03-02 reported 1",
                "online_meeting copy 2026-03-23 reported 2",
            ],
            &[
                "2026-03-02: online_meeting 2026-03-02 first",
                "2026-03-18: online_meeting 2026-03-23 copy",
                "2026-03-23: online_meeting 2026-03-23 copy",
            ],
        ),
    );
}

#[test]
fn a_series_that_was_moved_after_it_was_held_has_its_reports_at_the_nearest() {
    let mut series = meeting(
        "weekly",
        &[
            "2026-03-05T10:00:00Z",
            "2026-03-12T10:00:00Z",
            "2026-03-19T10:00:00Z",
        ],
        60,
    );
    for day in ["02", "09", "16"] {
        hold(&mut series, &format!("2026-03-{day}T10:00:00Z"));
    }
    assert_any_cut(
        &world(vec![series]),
        ("2026-03-01", "2026-03-22"),
        (
            &[
                "online_meeting weekly 2026-03-05 reported 1",
                "online_meeting weekly 2026-03-12 reported 1",
                "online_meeting weekly 2026-03-19 reported 1",
            ],
            &[
                "2026-03-02: online_meeting 2026-03-05 weekly",
                "2026-03-09: online_meeting 2026-03-12 weekly",
                "2026-03-16: online_meeting 2026-03-19 weekly",
            ],
        ),
    );
}

#[test]
fn a_monthly_series_has_what_was_held_days_beside_it() {
    let mut series = meeting(
        "monthly",
        &[
            "2026-03-02T10:00:00Z",
            "2026-04-01T10:00:00Z",
            "2026-05-04T10:00:00Z",
        ],
        60,
    );
    for day in ["03-02", "03-12", "04-01", "04-24"] {
        hold(&mut series, &format!("2026-{day}T10:00:00Z"));
    }
    assert_any_cut(
        &world(vec![series]),
        ("2026-02-28", "2026-05-06"),
        (
            &[
                "online_meeting monthly 2026-03-02 reported 2",
                "online_meeting monthly 2026-04-01 reported 1",
                "online_meeting monthly 2026-05-04 reported 1",
            ],
            &[
                "2026-03-02: online_meeting 2026-03-02 monthly",
                "2026-03-12: online_meeting 2026-03-02 monthly",
                "2026-04-01: online_meeting 2026-04-01 monthly",
                "2026-04-24: online_meeting 2026-05-04 monthly",
            ],
        ),
    );
}

#[test]
fn what_was_opened_early_restarted_or_held_after_midnight_is_with_its_session() {
    let mut single = meeting("single", &["2026-03-10T23:30:00Z"], 30);
    // two days before, on time, restarted after midnight and the next afternoon
    for start in ["08T09:00", "10T23:25", "11T00:40", "11T15:00"] {
        hold(&mut single, &format!("2026-03-{start}:00Z"));
    }
    let mut daily = meeting(
        "daily",
        &[
            "2026-03-09T00:00:00Z",
            "2026-03-10T00:00:00Z",
            "2026-03-11T00:00:00Z",
        ],
        30,
    );
    for day in ["08", "09", "10"] {
        hold(&mut daily, &format!("2026-03-{day}T23:50:00Z"));
    }
    assert_any_cut(
        &world(vec![single, daily]),
        ("2026-03-07", "2026-03-14"),
        (
            &[
                "online_meeting daily 2026-03-09 reported 1",
                "online_meeting daily 2026-03-10 reported 1",
                "online_meeting single 2026-03-10 reported 4",
                "online_meeting daily 2026-03-11 reported 1",
            ],
            &[
                "2026-03-08: online_meeting 2026-03-10 single",
                "2026-03-08: online_meeting 2026-03-09 daily",
                "2026-03-09: online_meeting 2026-03-10 daily",
                "2026-03-10: online_meeting 2026-03-10 single",
                "2026-03-10: online_meeting 2026-03-11 daily",
                "2026-03-11: online_meeting 2026-03-10 single",
                "2026-03-11: online_meeting 2026-03-10 single",
            ],
        ),
    );
}

#[test]
fn an_occurrence_that_was_put_off_within_its_series_takes_its_report_along() {
    let mut series = meeting(
        "weekly",
        &[
            "2026-03-02T10:00:00Z",
            "2026-03-11T15:00:00Z",
            "2026-03-16T10:00:00Z",
        ],
        60,
    );
    for start in ["02T10:00", "11T14:55", "16T10:00"] {
        hold(&mut series, &format!("2026-03-{start}:00Z"));
    }
    // an entry of the same link, a copy of one occurrence, on the day of another
    let mut copy = series.clone();
    (copy.series_master_id, copy.reports) = (None, Vec::new());
    "copy".clone_into(&mut copy.subject);
    copy.occurrences = vec![Occurrence::new(
        "COPY".to_owned(),
        at("2026-03-16T11:30:00Z"),
        at("2026-03-16T12:30:00Z"),
    )];
    hold(&mut series, "2026-03-16T11:40:00Z");
    assert_any_cut(
        &world(vec![series, copy]),
        ("2026-03-01", "2026-03-18"),
        (
            &[
                "online_meeting weekly 2026-03-02 reported 1",
                "online_meeting weekly 2026-03-11 reported 1",
                "online_meeting weekly 2026-03-16 reported 1",
                "online_meeting copy 2026-03-16 reported 1",
            ],
            &[
                "2026-03-02: online_meeting 2026-03-02 weekly",
                "2026-03-11: online_meeting 2026-03-11 weekly",
                "2026-03-16: online_meeting 2026-03-16 weekly",
                "2026-03-16: online_meeting 2026-03-16 copy",
            ],
        ),
    );
}
