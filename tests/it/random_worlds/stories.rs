//! What happens in a tenant, one small thing at a time.

use rand::Rng as _;
use teamsheet::simulated_tenant::world::{Meeting, Person, UserType, VirtualEventKind};

use super::drawing::{MINUTE, Pen};
use super::rare::{ad_hoc, closed, delegate, forbidden, late, no_mailbox, short, webinar};

/// One thing that happens; each has an organizer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    /// A single entry, held or not, cancelled or not.
    Single,
    /// A series, some of it exceptions with a title or time of their own.
    Series,
    /// Everybody left, and somebody came back, up to the next morning.
    Restart,
    /// An entry right after midnight, joined before it.
    EarlyJoin,
    /// An evening entry, held after midnight.
    AfterMidnight,
    /// An entry from one day to another, held every day.
    SpansDays,
    /// An all-day entry.
    AllDay,
    /// An entry that was copied with its link to other days.
    Copy,
    /// A series whose single copy shares its link.
    CopyOfSeries,
    /// A webinar of one to three sessions.
    Webinar,
    /// A webinar whose sessions are calendar entries too.
    WebinarInCalendar,
    /// A town hall.
    TownHall,
    /// An entry in another's calendar than the link's organizer.
    Delegate,
    /// A call that is on no calendar.
    AdHoc,
    /// No access policy for the organizer.
    Forbidden,
    /// A channel's meeting, one of another provider, and one that is not online.
    Closed,
    /// An organizer whose `userType` is null.
    UserTypeUnsaid,
    /// An organizer without a mailbox; the calls are seen by their records.
    NoMailbox,
    /// A report that is listed half a day after the meeting.
    HoursLate,
    /// A report that is listed days after the meeting.
    DaysLate,
    /// A report that lacks records until it is whole.
    Short,
}

impl Story {
    pub(crate) fn write(self, pen: &mut Pen) {
        match self {
            Self::Single => single(pen),
            Self::Series => series(pen),
            Self::Restart => restart(pen),
            Self::EarlyJoin => early_join(pen),
            Self::AfterMidnight => after_midnight(pen),
            Self::SpansDays => spans_days(pen),
            Self::AllDay => all_day(pen),
            Self::Copy => copy(pen),
            Self::CopyOfSeries => copy_of_series(pen),
            Self::Webinar => webinar(pen, VirtualEventKind::Webinar, false),
            Self::WebinarInCalendar => webinar(pen, VirtualEventKind::Webinar, true),
            Self::TownHall => webinar(pen, VirtualEventKind::TownHall, false),
            Self::Delegate => delegate(pen),
            Self::AdHoc => ad_hoc(pen),
            Self::Forbidden => forbidden(pen),
            Self::Closed => closed(pen),
            Self::UserTypeUnsaid => {
                let person = single_of(pen);
                change(pen, &person, |one| one.user_type = UserType::Unsaid);
            }
            Self::NoMailbox => no_mailbox(pen),
            Self::HoursLate => late(pen, (4, 20)),
            Self::DaysLate => late(pen, (30, 90)),
            Self::Short => short(pen),
        }
    }
}

pub(crate) fn change(pen: &mut Pen, person: &Person, change: impl FnOnce(&mut Person)) {
    let mut people = pen.world.people.iter_mut();
    change(people.find(|one| one.id == person.id).unwrap());
}

/// A single entry of a new organizer on a day, not yet in the world.
pub(crate) fn entry(pen: &mut Pen, day: i64) -> (Person, Meeting) {
    let organizer = pen.organizer();
    let (minutes, length) = pen.slot();
    let meeting = Meeting::teams(&organizer, "Single", &[pen.at(day, minutes)], length);
    (organizer, meeting)
}

/// A single entry that was held; who organizes it.
pub(crate) fn single_of(pen: &mut Pen) -> Person {
    let day = pen.day(0);
    let (organizer, mut meeting) = entry(pen, day);
    pen.hold_on_time(&mut meeting, 0);
    pen.world.meetings.push(meeting);
    organizer
}

fn single(pen: &mut Pen) {
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    if pen.chance(75) {
        pen.hold_on_time(&mut meeting, 0);
    } else {
        meeting.occurrences[0].is_cancelled = pen.chance(super::features::CANCELLED_PERCENT);
    }
    pen.world.meetings.push(meeting);
}

/// From a day before those that are read to a day behind them.
fn series_of(pen: &mut Pen) -> Meeting {
    let organizer = pen.organizer();
    let (minutes, length) = pen.slot();
    let every = pen.dice.random_range(1..=3);
    let from = pen.between(-1, 1);
    let days: Vec<i64> = (from..=pen.days).step_by(every).collect();
    let starts: Vec<_> = days.iter().map(|day| pen.at(*day, minutes)).collect();
    Meeting::teams(&organizer, "Series", &starts, length)
}

fn series(pen: &mut Pen) {
    let mut meeting = series_of(pen);
    for occurrence in 0..meeting.occurrences.len() {
        if pen.chance(15) {
            meeting.occurrences[occurrence].subject = Some("Series, with a guest".to_owned());
        }
        if pen.chance(20) {
            let by = pen.between(-8, 16) * 60 * MINUTE;
            let one = &mut meeting.occurrences[occurrence];
            one.original_start = Some(one.start);
            (one.start, one.end) = (one.start.plus(by), one.end.plus(by));
        }
        if pen.chance(80) {
            pen.hold_on_time(&mut meeting, occurrence);
        }
    }
    pen.world.meetings.push(meeting);
}

fn restart(pen: &mut Pen) {
    let day = pen.day(1);
    let (_, mut meeting) = entry(pen, day);
    pen.hold_on_time(&mut meeting, 0);
    for _ in 0..pen.between(1, 3) {
        let newest = meeting.reports.iter().map(|report| report.end.at).max();
        let from = newest.unwrap().plus(pen.between(1, 240) * MINUTE);
        let until = from.plus(pen.between(2, 30) * MINUTE);
        pen.hold(&mut meeting, 0, (from, until));
    }
    pen.world.meetings.push(meeting);
}

fn early_join(pen: &mut Pen) {
    let organizer = pen.organizer();
    let day = pen.between(1, pen.days - 1);
    let start = pen.at(day, pen.days % 3 * 5);
    let mut meeting = Meeting::teams(&organizer, "Early", &[start], 30);
    let from = start.plus(-pen.between(16, 40) * MINUTE);
    let until = start.plus(pen.between(5, 40) * MINUTE);
    pen.hold(&mut meeting, 0, (from, until));
    pen.world.meetings.push(meeting);
}

fn after_midnight(pen: &mut Pen) {
    let organizer = pen.organizer();
    let day = pen.day(1);
    let start = pen.at(day, 23 * 60);
    let mut meeting = Meeting::teams(&organizer, "Late", &[start], 30);
    let minutes = pen.between(1, 90);
    let from = pen.at(day + 1, minutes);
    let until = from.plus(pen.between(5, 60) * MINUTE);
    pen.hold(&mut meeting, 0, (from, until));
    pen.world.meetings.push(meeting);
}

fn spans_days(pen: &mut Pen) {
    let organizer = pen.organizer();
    let length = pen.between(1, 3);
    let day = pen.day(length);
    let (start, end) = (pen.at(day, 8 * 60), pen.at(day + length, 17 * 60));
    let mut meeting = Meeting::teams(&organizer, "Boot camp", &[start], 60);
    meeting.occurrences[0].end = end;
    for one in day..=day + length {
        let (from, until) = (pen.at(one, 8 * 60 + 3), pen.at(one, 16 * 60));
        pen.hold(&mut meeting, 0, (from, until));
    }
    pen.world.meetings.push(meeting);
}

fn all_day(pen: &mut Pen) {
    let organizer = pen.organizer();
    let length = pen.between(1, 2);
    let day = pen.day(length - 1);
    let mut meeting = Meeting::teams(
        &organizer,
        "Open house",
        &[pen.at(day, 0)],
        length * 24 * 60,
    );
    meeting.occurrences[0].is_all_day = true;
    let (from, until) = (pen.at(day, 9 * 60), pen.at(day, 15 * 60));
    pen.hold(&mut meeting, 0, (from, until));
    pen.world.meetings.push(meeting);
}

fn copy(pen: &mut Pen) {
    let day = pen.day(0);
    let (_, mut meeting) = entry(pen, day);
    pen.hold_on_time(&mut meeting, 0);
    for number in 0..pen.between(1, 2) {
        let (day, (minutes, length)) = (pen.day(0), pen.slot());
        let subject = format!("Copy {number}");
        let mut copy = meeting.copied(&subject, &[pen.at(day, minutes)], length);
        if pen.chance(80) {
            pen.hold_on_time(&mut copy, 0);
        }
        pen.world.meetings.push(copy);
    }
    pen.world.meetings.push(meeting);
}

fn copy_of_series(pen: &mut Pen) {
    let mut meeting = series_of(pen);
    for occurrence in 0..meeting.occurrences.len() {
        pen.hold_on_time(&mut meeting, occurrence);
    }
    let (day, (minutes, length)) = (pen.day(0), pen.slot());
    let mut copy = meeting.copied("Extra", &[pen.at(day, minutes)], length);
    pen.hold_on_time(&mut copy, 0);
    pen.world.meetings.push(meeting);
    pen.world.meetings.push(copy);
}
