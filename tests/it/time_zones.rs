//! Days of a time zone with clock changes: nothing is lost, nothing is there twice, and a bare date means that zone's midnight.

use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{Meeting, Person, ServerClock};
use teamsheet::time::{HOUR, UtcMicros, WarehouseTimezone};

use crate::support::assert_same_rows;
use crate::support::nights::{Nights, asked, at};

const LATER: &str = "2027-02-01T09:00:00Z";
const IN_BERLIN: (&str, &str) = ("[graph]\n", "timezone = \"Europe/Berlin\"\n[graph]\n");

/// Ada holds a meeting of twenty minutes at each of these instants, and everybody stays to its end.
fn nights(starts: &[UtcMicros], job: &str) -> Nights {
    let (ada, bob) = (Person::member("Ada"), Person::member("Bob"));
    let mut world = World::empty(at("2027-03-01"));
    // what is over is over for the tenant too
    world.answers.clock = ServerClock::World;
    for (number, start) in starts.iter().enumerate() {
        let mut meeting = Meeting::teams(&ada, &format!("Meeting {number}"), &[*start], 20);
        meeting.hold(0, &[&ada, &bob]).unwrap();
        world.meetings.push(meeting);
    }
    world.people = vec![ada, bob];
    let mut nights = Nights::new(world);
    nights.replace = IN_BERLIN;
    nights.job = String::from(job);
    nights
}

/// Every half hour from that instant on.
fn half_hours(from: &str, count: i64) -> Vec<UtcMicros> {
    let from = at(from);
    (0..count)
        .map(|number| from.plus(number * HOUR / 2))
        .collect()
}

/// Sessions and reports of each day.
fn by_day(nights: &Nights) -> Vec<(String, usize, usize)> {
    let published = nights.stand.published();
    let mut days: Vec<_> = published
        .sessions
        .iter()
        .map(|(day, _)| day.clone())
        .collect();
    days.dedup();
    let count = |day: &String| {
        let sessions = published.sessions.iter().filter(|(date, _)| date == day);
        let reports = published.reports.iter().filter(|(date, _)| date == day);
        (day.clone(), sessions.count(), reports.count())
    };
    days.iter().map(count).collect()
}

#[test]
fn fault_78_days_of_23_and_25_hours_hold_what_happened_in_them() {
    for (what, first, range, hours) in [
        (
            "into summer",
            "2026-03-27T23:00:00Z",
            ("2026-03-28", "2026-03-31"),
            [24, 23, 24],
        ),
        (
            "into winter",
            "2026-10-23T22:00:00Z",
            ("2026-10-24", "2026-10-27"),
            [24, 25, 24],
        ),
    ] {
        let starts = half_hours(first, hours.iter().sum::<i64>() * 2);
        let whole = nights(&starts, "[run]\nchunk_days = 9\n");
        let summary = whole.backfill(at(LATER), range, None);
        assert_eq!(summary.interval_start, at(first), "{what}");
        assert_eq!(
            summary.interval_end.0 - summary.interval_start.0,
            hours.iter().sum::<i64>() * HOUR
        );
        let counted: Vec<_> = by_day(&whole)
            .into_iter()
            .map(|(_, sessions, reports)| (sessions, reports))
            .collect();
        let wanted = hours.map(|hours| usize::try_from(hours * 2).unwrap());
        assert_eq!(
            counted,
            wanted.map(|meetings| (meetings, meetings)),
            "{what}"
        );

        let rows = whole.stand.published().content();
        let pieces = nights(&starts, "[run]\nchunk_days = 1\n");
        let cut = pieces.backfill(at(LATER), range, None);
        assert_eq!(
            asked(&cut)[2],
            asked(&summary)[2],
            "each report is fetched once, {what}"
        );
        let lengths: Vec<_> = pieces
            .stand
            .published()
            .runs
            .iter()
            .map(|(_, run)| (run.interval_end.0 - run.interval_start.0) / HOUR)
            .collect();
        assert_eq!(lengths, hours, "{what}");
        assert_same_rows(&pieces.stand.published().content(), &rows);
    }
}

#[test]
fn fault_78_and_79_the_nightly_covers_each_of_them_from_midnight_to_midnight() {
    let berlin = WarehouseTimezone::named("Europe/Berlin").unwrap();
    for first in ["2026-03-28", "2026-10-24", "2026-12-31"] {
        let day = first.parse::<teamsheet::time::EventDate>().unwrap();
        let midnights: Vec<_> = (0..4)
            .map(|days| berlin.midnight(day.plus_days(days)))
            .collect();
        // one at each midnight, one that runs across it, one before it
        let starts: Vec<_> = midnights
            .iter()
            .flat_map(|midnight| [-30, -10, 0].map(|minutes| midnight.plus(minutes * HOUR / 60)))
            .collect();
        let nights = nights(&starts, "");
        for midnight in &midnights[1..] {
            let run = nights.run(midnight.plus(3 * HOUR));
            assert_eq!(run.interval_end, *midnight, "{first}");
        }
        let published = nights.stand.published();
        let wanted: Vec<_> = starts
            .iter()
            .filter(|start| midnights[0] <= **start && **start < midnights[3])
            .map(|start| (berlin.event_date(*start).to_string(), *start))
            .collect();
        let mut found: Vec<_> = published
            .sessions
            .iter()
            .map(|(date, row)| (date.clone(), row.scheduled_start))
            .collect();
        // the first night's lookback takes what it sees of the day before: reports, and the sessions they belong to
        found.retain(|(_, start)| *start >= midnights[0]);
        assert_eq!(found, wanted, "{first}");
        let mut reports: Vec<_> = published
            .reports
            .iter()
            .map(|(date, row)| (date.clone(), row.meeting_start_date_time.unwrap()))
            .collect();
        reports.retain(|(_, start)| *start >= midnights[0]);
        reports.sort_unstable();
        assert_eq!(reports, wanted, "{first}");
    }
}

#[test]
fn fault_79_a_meeting_across_new_year_has_one_day_in_each_zone() {
    let start = at("2026-12-31T22:50:00Z");
    for (replace, day) in [(IN_BERLIN, "2026-12-31"), (("", ""), "2026-12-31")] {
        let mut nights = nights(&[start], "");
        nights.replace = replace;
        nights.backfill(at(LATER), ("2026-12-31", "2027-01-02"), None);
        assert_eq!(by_day(&nights), [(day.to_owned(), 1, 1)]);
    }
    // an hour later it is the new year in Berlin, and the old one in UTC
    for (replace, day) in [(IN_BERLIN, "2027-01-01"), (("", ""), "2026-12-31")] {
        let mut nights = nights(&[start.plus(HOUR)], "");
        nights.replace = replace;
        nights.backfill(at(LATER), ("2026-12-31", "2027-01-02"), None);
        assert_eq!(by_day(&nights), [(day.to_owned(), 1, 1)]);
    }
}
