//! A small tenant out of a seed: a few stories, each of one organizer, and the job that reads it.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use teamsheet::simulated_tenant::World;
use teamsheet::simulated_tenant::world::{
    Group, Meeting, Person, Record, Report, ServerClock, Stamp,
};
use teamsheet::time::{DAY, SECOND, UtcMicros, WarehouseTimezone};

use super::features::{NOT_YET, STORIES, WAYS, only};
use super::stories::Story;
use crate::support::nights::at;

pub(crate) const MINUTE: i64 = 60 * SECOND;

/// A world, the days that are read, and by which jobs.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) seed: u64,
    pub(crate) world: World,
    /// The first instant of day 0.
    pub(crate) first: UtcMicros,
    /// How many days are read.
    pub(crate) days: i64,
    pub(crate) ways: Ways,
    pub(crate) timezone: &'static str,
    pub(crate) stories: Vec<Story>,
}

/// How the jobs of a world discover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    /// One job: calendars, webinars and town halls.
    Calendar,
    /// One job: calendars and call records, webinars and town halls.
    CalendarAndCalls,
    /// One job: call records, webinars and town halls.
    Calls,
    /// Two jobs, each of a group's calendars, and a third for webinars and town halls.
    Groups,
}

impl Ways {
    pub(crate) fn reads_calendars(self) -> bool {
        self != Self::Calls
    }

    pub(crate) fn reads_calls(self) -> bool {
        matches!(self, Self::CalendarAndCalls | Self::Calls)
    }
}

/// A job: its name, and the sources of its file.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) sources: String,
}

impl Drawn {
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let virtual_events = "[sources.webinars]\n[sources.town_halls]\n";
        let job = |name: &str, sources: String| Job {
            name: name.to_owned(),
            sources,
        };
        match self.ways {
            Ways::Calendar => {
                let sources = format!("[sources.online_meetings]\n{virtual_events}");
                vec![job("nightly", sources)]
            }
            Ways::CalendarAndCalls | Ways::Calls => {
                let ways = match self.ways {
                    Ways::Calls => "[\"call-records\"]",
                    Ways::CalendarAndCalls | Ways::Calendar | Ways::Groups => {
                        "[\"calendar\", \"call-records\"]"
                    }
                };
                let sources =
                    format!("[sources.online_meetings]\ndiscover = {ways}\n{virtual_events}");
                vec![job("nightly", sources)]
            }
            Ways::Groups => {
                let groups = self.world.groups.iter().enumerate();
                let mut jobs: Vec<Job> = groups
                    .map(|(number, group)| {
                        let sources = format!(
                            "[sources.online_meetings]\nusers = {{ group = \"{}\" }}\n",
                            group.id
                        );
                        job(&format!("group-{number}"), sources)
                    })
                    .collect();
                jobs.push(job("events", virtual_events.to_owned()));
                jobs
            }
        }
    }

    /// An instant of a day, in minutes after its midnight.
    pub(crate) fn at(&self, day: i64, minutes: i64) -> UtcMicros {
        self.first.plus(day * DAY + minutes * MINUTE)
    }

    /// The date of a day, as in a flag.
    pub(crate) fn date(&self, day: i64) -> String {
        crate::support::utc_date(self.at(day, 0))
    }

    /// When the run of a day starts: the day before is over in the warehouse's zone.
    pub(crate) fn night(&self, day: i64) -> UtcMicros {
        let minutes = if self.timezone == "UTC" { 210 } else { 570 };
        self.at(day, minutes)
    }

    pub(crate) fn zone(&self) -> WarehouseTimezone {
        WarehouseTimezone::named(self.timezone).unwrap()
    }

    /// A session and a report of it on two sides of an end of the days that are read: each is another run's matter.
    fn leave_out_edges(&mut self) {
        let days = self.clone();
        for meeting in &mut self.world.meetings {
            let scheduled: Vec<_> = { meeting.occurrences.iter() }
                .map(|one| (Some(one.i_cal_uid.clone()), one.start))
                .collect();
            meeting.reports.retain(|report| {
                let own = scheduled.iter().find(|(id, _)| *id == report.i_cal_uid);
                own.is_none_or(|(_, start)| days.is_read(*start) == days.is_read(report.start.at))
            });
        }
    }

    /// Whether a thing scheduled then lies in the days that are read.
    pub(crate) fn is_read(&self, scheduled: UtcMicros) -> bool {
        let day = self.zone().event_date(scheduled).to_string();
        (0..self.days).any(|one| self.date(one) == day)
    }
}

/// What stories are written with.
pub(crate) struct Pen {
    pub(crate) dice: StdRng,
    pub(crate) world: World,
    pub(crate) days: i64,
    pub(crate) first: UtcMicros,
    /// Who comes to meetings and organizes none.
    crowd: Vec<Person>,
}

impl Pen {
    /// Draws a number of `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.dice.random_range(low..=high.max(low))
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    pub(crate) fn at(&self, day: i64, minutes: i64) -> UtcMicros {
        self.first.plus(day * DAY + minutes * MINUTE)
    }

    /// A day that is read, with that many more behind it.
    pub(crate) fn day(&mut self, and_more: i64) -> i64 {
        let last = (self.days - 1 - and_more).max(0);
        self.between(0, last)
    }

    /// Somebody who organizes, of one of the groups.
    pub(crate) fn organizer(&mut self) -> Person {
        let number = self.world.people.len();
        let person = Person::member(&format!("Organizer {number}"));
        self.world.people.push(person.clone());
        let groups = self.world.groups.len();
        self.world.groups[number % groups]
            .members
            .push(person.id.clone());
        person
    }

    /// A time of day in quarters of an hour, and a length.
    pub(crate) fn slot(&mut self) -> (i64, i64) {
        (self.between(28, 72) * 15, self.between(1, 6) * 15)
    }

    /// Adds a report of an occurrence that was really held then.
    pub(crate) fn hold(
        &mut self,
        meeting: &mut Meeting,
        occurrence: usize,
        (from, until): (UtcMicros, UtcMicros),
    ) {
        let organizer = self.world.person(&meeting.organizer).unwrap().clone();
        let report = meeting.hold(occurrence, &[]).unwrap();
        self.fill(report, &organizer, (from, until));
    }

    /// Held about as it was scheduled.
    pub(crate) fn hold_on_time(&mut self, meeting: &mut Meeting, occurrence: usize) {
        let one = &meeting.occurrences[occurrence];
        let (start, end) = (one.start, one.end);
        let early = self.between(-6, 4) * MINUTE;
        let late = self.between(-4, 25) * MINUTE;
        let (from, until) = (start.plus(early), end.plus(late));
        let until = UtcMicros(until.0.max(from.0 + 2 * MINUTE));
        self.hold(meeting, occurrence, (from, until));
    }

    /// Who came to a report, when Graph lists it, and its call.
    pub(crate) fn fill(
        &mut self,
        report: &mut Report,
        organizer: &Person,
        (from, until): (UtcMicros, UtcMicros),
    ) {
        (report.start, report.end) = (Stamp::new(from, 7), Stamp::new(until, 3));
        let many = self.dice.random_range(0..=2);
        let crowd: Vec<Person> = { self.crowd.choose_multiple(&mut self.dice, many) }
            .cloned()
            .collect();
        let came = std::iter::once(organizer).chain(&crowd);
        report.records = came
            .enumerate()
            .map(|(position, person)| {
                let role = if position == 0 {
                    "Organizer"
                } else {
                    "Attendee"
                };
                Record::of(person, role, from, until)
            })
            .collect();
        report.total_participant_count = i32::try_from(report.records.len()).unwrap();
        let minutes = self.between(0, 90);
        report.listed_from = Some(until.plus(minutes * MINUTE));
        let minutes = self.between(5, 150);
        report.recorded_from = Some(until.plus(minutes * MINUTE));
    }
}

/// The same seed gives the same world.
pub(crate) fn draw(seed: u64) -> Drawn {
    let mut dice = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let days = dice.random_range(4..=7);
    let first = at("2026-03-02");
    let mut world = World::empty(first);
    let crowd: Vec<Person> = ["Ada", "Bob", "Cleo"].map(Person::member).to_vec();
    world.people.clone_from(&crowd);
    world.answers.clock = ServerClock::World;
    world.groups = ["One", "Two"]
        .map(|name| Group {
            id: teamsheet::simulated_tenant::world::links::guid(&teamsheet::ids::stable_hash([
                "group", name,
            ])),
            display_name: name.to_owned(),
            members: Vec::new(),
        })
        .to_vec();
    let ways = only(WAYS, "TEAMSHEET_WAYS");
    let ways = *ways.choose(&mut dice).unwrap();
    let timezone = *super::features::TIMEZONES.choose(&mut dice).unwrap();
    let mut pen = Pen {
        dice,
        world,
        days,
        first,
        crowd,
    };
    // one that can always be read, or a run ends by that
    let mut stories = vec![Story::Single];
    let mut possible = only(STORIES, "TEAMSHEET_STORY");
    possible.retain(|story| !NOT_YET.contains(&(ways, *story)));
    for _ in 0..pen.between(2, 4) {
        stories.extend(possible.choose(&mut pen.dice));
    }
    for story in &stories {
        story.write(&mut pen);
    }
    let mut drawn = Drawn {
        seed,
        world: pen.world,
        first,
        days,
        ways,
        timezone,
        stories,
    };
    drawn.leave_out_edges();
    drawn
}
