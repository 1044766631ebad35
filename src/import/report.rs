//! The tables of a file into one report: times in UTC, each attendee with all stays.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use jiff::tz::TimeZone;

use super::layout::{Layout, Row, Tables, read_tables};
use super::refusal::Refusal;
use super::words::plain;
use super::written::{DateOrder, Written, decide};
use crate::time::{DAY, SECOND, UtcMicros};

/// What the file does not say by itself.
#[derive(Debug, Clone)]
pub struct ReadSettings {
    /// The zone of its times.
    pub timezone: TimeZone,
    /// How dates such as `1/5/26` are read where the file leaves it open.
    pub date_order: Option<DateOrder>,
    /// The time; nothing was held after it.
    pub now: UtcMicros,
}

/// A report as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedReport {
    /// `sections`, `visits` or `actions`.
    pub layout: &'static str,
    /// The meeting's title; the oldest layout has none.
    pub title: Option<String>,
    /// The meeting's id; one layout has it.
    pub meeting_id: Option<String>,
    /// When it was held; the first join where the file has no start.
    pub start: UtcMicros,
    /// When it ended; the last leave where the file has no end.
    pub end: Option<UtcMicros>,
    /// How many took part, as the file says.
    pub participants: Option<i32>,
    /// Who came.
    pub attendees: Vec<Attendee>,
    /// Rows of people who registered and did not come.
    pub absent: usize,
    /// Lines of the summary that have no column.
    pub summary: Vec<(String, String)>,
    /// Whether people had to register: it was a webinar's.
    pub has_registration: bool,
}

/// Somebody who came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attendee {
    /// Display name.
    pub name: String,
    /// E-mail address; empty where the file has none.
    pub email: String,
    /// User principal name; empty where the file has none.
    pub participant_id: String,
    /// Role, as Graph writes it where that is known; empty where the file has none.
    pub role: String,
    /// How long, as the file says.
    pub seconds: Option<i32>,
    /// First join and last leave, as the file says.
    first_and_last: (Option<UtcMicros>, Option<UtcMicros>),
    /// Joins and leaves.
    pub stays: Vec<Stay>,
    /// Columns that the tables have no place for.
    pub other: Vec<(String, String)>,
}

/// A join and a leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// When somebody came.
    pub join: Option<UtcMicros>,
    /// When somebody went.
    pub leave: Option<UtcMicros>,
    /// How long, as the file says.
    pub seconds: Option<i32>,
}

/// Reads an attendance report that Teams saved.
///
/// # Errors
/// [`Refusal`] where it is none, is not whole, or can be read in two ways; terminal.
pub fn read_saved_report(
    reader: impl BufRead,
    settings: &ReadSettings,
) -> Result<SavedReport, Refusal> {
    let mut tables = read_tables(reader)?;
    let rows = tables.people.iter().chain(&tables.stays);
    let of_rows = rows.flat_map(|row| {
        [row.join, row.leave]
            .into_iter()
            .flatten()
            .map(|at| (row.line, at))
    });
    let times: Vec<_> = tables.times.iter().copied().chain(of_rows).collect();
    let order = decide(&times, settings.date_order)?;
    let clock = Clock {
        order,
        timezone: &settings.timezone,
    };
    let mut written = tables.times.iter().map(|(_, at)| clock.utc(*at));
    let (start, end) = (written.next().flatten(), written.next().flatten());
    let (people, stays) = (
        std::mem::take(&mut tables.people),
        std::mem::take(&mut tables.stays),
    );
    let (attendees, absent) = match tables.layout {
        Layout::Sections => of_sections(&tables, people, stays, &clock),
        Layout::Visits => of_visits(&tables, people, &clock),
        Layout::Actions => (of_actions(people, &clock), 0),
    };
    let all = || attendees.iter().flat_map(|attendee| &attendee.stays);
    let first = all().filter_map(|stay| stay.join).min();
    let last = all().filter_map(|stay| stay.leave).max();
    let start = start.or(first).or(last).ok_or(Refusal::NoTime)?;
    if start > settings.now.plus(DAY) {
        return Err(Refusal::Future {
            start: start.to_string(),
        });
    }
    Ok(SavedReport {
        layout: match tables.layout {
            Layout::Sections => "sections",
            Layout::Visits => "visits",
            Layout::Actions => "actions",
        },
        title: tables.title,
        meeting_id: tables.meeting_id,
        start,
        end: end.or(last),
        participants: tables.count,
        attendees,
        absent,
        summary: tables.summary,
        has_registration: tables.has_registration,
    })
}

impl SavedReport {
    /// Who held it: the organizer, else who came first; the same in every copy of the report.
    pub fn held_by(&self) -> Option<&Attendee> {
        let of = |attendee: &&Attendee| {
            let first = attendee.stays.iter().filter_map(|stay| stay.join).min();
            (first.is_none(), first, attendee.name.clone())
        };
        self.organizer()
            .or_else(|| self.attendees.iter().min_by_key(of))
    }

    /// The organizer; `None` where the file has no roles.
    pub fn organizer(&self) -> Option<&Attendee> {
        let organizers = self
            .attendees
            .iter()
            .filter(|attendee| attendee.role == "Organizer");
        organizers.min_by_key(|attendee| attendee.address().to_owned())
    }

    /// The addresses of those who came, in lower case.
    pub fn addresses(&self) -> BTreeSet<String> {
        let known = self
            .attendees
            .iter()
            .flat_map(|attendee| [&attendee.email, &attendee.participant_id]);
        known
            .filter(|address| address.contains('@'))
            .map(|address| address.to_lowercase())
            .collect()
    }
}

impl Attendee {
    /// Address, user principal name or name, whichever is there first.
    pub fn address(&self) -> &str {
        let known = [&self.email, &self.participant_id, &self.name];
        known
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("", String::as_str)
    }

    fn of(row: Row, clock: &Clock<'_>) -> Self {
        let at = |written: Option<Written>| written.and_then(|written| clock.utc(written));
        Self {
            first_and_last: (at(row.join), at(row.leave)),
            name: row.name,
            email: row.email,
            participant_id: row.participant_id,
            role: row.role,
            seconds: row.seconds,
            stays: Vec::new(),
            other: row.other,
        }
    }

    /// Whether a stay lies between first join and last leave, and its time is part of the total.
    fn has_room_for(&self, stay: &Stay) -> bool {
        let (first, last) = self.first_and_last;
        let after = first
            .zip(stay.join)
            .is_none_or(|(first, join)| first <= join);
        let before = last
            .zip(stay.leave)
            .is_none_or(|(last, leave)| leave <= last);
        let spent: i64 = self
            .stays
            .iter()
            .filter_map(|stay| stay.seconds)
            .map(i64::from)
            .sum();
        let seconds = stay.seconds.map_or(0, i64::from);
        // each of the numbers was rounded by itself
        let slack = i64::try_from(self.stays.len())
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let is_left = self
            .seconds
            .is_none_or(|total| spent + seconds <= i64::from(total).saturating_add(slack));
        after && before && is_left
    }
}

/// Wall-clock times into instants.
struct Clock<'a> {
    order: DateOrder,
    timezone: &'a TimeZone,
}

impl Clock<'_> {
    /// Of an hour that a clock change repeats it is the first; one that it skips is moved on.
    fn utc(&self, written: Written) -> Option<UtcMicros> {
        let at = written.at(self.order)?;
        self.timezone.to_timestamp(at).ok().map(UtcMicros::from)
    }

    fn stay(&self, row: &Row) -> Stay {
        Stay {
            join: row.join.and_then(|at| self.utc(at)),
            leave: row.leave.and_then(|at| self.utc(at)),
            seconds: row.seconds,
        }
    }
}

/// By what a person is known in every table of a file.
fn key(email: &str, name: &str) -> String {
    if email.is_empty() {
        format!("name:{}", plain(name))
    } else {
        email.to_lowercase()
    }
}

/// People with totals, and beside them their stays.
fn of_sections(
    tables: &Tables,
    people: Vec<Row>,
    stays: Vec<Row>,
    clock: &Clock<'_>,
) -> (Vec<Attendee>, usize) {
    let (came, absent) = without_absent(tables, people);
    let mut attendees: Vec<_> = came
        .into_iter()
        .map(|row| Attendee::of(row, clock))
        .collect();
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, attendee) in attendees.iter().enumerate() {
        let places = by_key.entry(key(&attendee.email, &attendee.name));
        places.or_default().push(index);
    }
    for row in stays {
        let stay = clock.stay(&row);
        let known = by_key.entry(key(&row.email, &row.name)).or_default();
        // people who look alike share their stays out
        let fitting = known.iter().find(|index| {
            attendees
                .get(**index)
                .is_some_and(|attendee| attendee.has_room_for(&stay))
        });
        let index = fitting.or(known.first()).copied().unwrap_or_else(|| {
            known.push(attendees.len());
            attendees.push(Attendee {
                seconds: None,
                first_and_last: (None, None),
                ..Attendee::of(
                    Row {
                        other: Vec::new(),
                        ..row
                    },
                    clock,
                )
            });
            attendees.len() - 1
        });
        if let Some(attendee) = attendees.get_mut(index) {
            attendee.stays.push(stay);
        }
    }
    for attendee in &mut attendees {
        let (join, leave) = attendee.first_and_last;
        if attendee.stays.is_empty() && (join.is_some() || leave.is_some()) {
            attendee.stays.push(Stay {
                join,
                leave,
                seconds: attendee.seconds,
            });
        }
    }
    (attendees, absent)
}

/// Who registered and did not come has a row without times. Where no row has any, the tenant keeps times out of its reports.
fn without_absent(tables: &Tables, people: Vec<Row>) -> (Vec<Row>, usize) {
    let came = |row: &Row| row.join.is_some() || row.leave.is_some() || row.seconds.is_some();
    if !tables.has_registration || !people.iter().any(came) {
        return (people, 0);
    }
    let before = people.len();
    let came: Vec<_> = people.into_iter().filter(came).collect();
    let absent = before - came.len();
    (came, absent)
}

/// One row a visit: those of one person are put together.
fn of_visits(tables: &Tables, rows: Vec<Row>, clock: &Clock<'_>) -> (Vec<Attendee>, usize) {
    let (rows, absent) = without_absent(tables, rows);
    let mut attendees: Vec<Attendee> = Vec::new();
    let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
    for row in rows {
        let stay = clock.stay(&row);
        let id = if row.email.is_empty() {
            &row.participant_id
        } else {
            &row.email
        };
        let known = by_key.entry(key(id, &row.name)).or_default();
        // two visits at once by somebody who has no address are two people of one name
        let is_sure = !id.is_empty();
        let same = known.iter().find(|index| {
            let attendee = attendees.get(**index);
            attendee.is_some_and(|attendee| {
                is_sure || !attendee.stays.iter().any(|other| overlaps(*other, stay))
            })
        });
        let index = same.copied().unwrap_or_else(|| {
            known.push(attendees.len());
            attendees.push(Attendee {
                seconds: Some(0),
                ..Attendee::of(row, clock)
            });
            attendees.len() - 1
        });
        if let Some(attendee) = attendees.get_mut(index) {
            attendee.seconds = attendee
                .seconds
                .zip(stay.seconds)
                .map(|(total, more)| total.saturating_add(more));
            if stay.join.is_some() || stay.leave.is_some() {
                attendee.stays.push(stay);
            }
        }
    }
    (attendees, absent)
}

fn overlaps(one: Stay, other: Stay) -> bool {
    let before = |first: Stay, second: Stay| {
        first
            .leave
            .zip(second.join)
            .is_some_and(|(leave, join)| leave.0 <= join.0 + SECOND)
    };
    !before(one, other) && !before(other, one)
}

/// One row a joining or leaving: each leaving ends the oldest stay that is open.
fn of_actions(rows: Vec<Row>, clock: &Clock<'_>) -> Vec<Attendee> {
    let mut attendees: Vec<Attendee> = Vec::new();
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let stay = clock.stay(&row);
        let key = key(&row.email, &row.name);
        let index = *by_key.entry(key).or_insert_with(|| {
            attendees.push(Attendee::of(row, clock));
            attendees.len() - 1
        });
        let Some(attendee) = attendees.get_mut(index) else {
            continue;
        };
        let open = attendee.stays.iter_mut().find(|open| open.leave.is_none());
        match (open, stay.leave) {
            (Some(open), Some(leave)) => open.leave = Some(leave),
            _ => attendee.stays.push(stay),
        }
    }
    attendees
}
