//! What a world says is true: which session owns which report, which rows there are, and what is missing.
//!
//! The rule is the contract's, in code of its own: of all occurrences of a meeting, one within a day before one that is farther, then the one with
//! the most overlap, then the nearest start.

use std::collections::{BTreeMap, BTreeSet};

use teamsheet::ids::stable_hash;
use teamsheet::simulated_tenant::world::{
    AccessPolicy, Meeting, MeetingKind, Person, Report, UserType, VirtualEventKind, links,
};
use teamsheet::time::{DAY, UtcMicros};

use super::drawing::Drawn;
use super::features;
use super::rows::{self, Rows};

/// Something that could have attendance.
#[derive(Debug, Clone)]
struct Thing {
    key: String,
    day: String,
    start: UtcMicros,
    end: UtcMicros,
    is_cancelled: bool,
}

/// What of the days that are read is true, once everything is settled.
pub(crate) fn truth(drawn: &Drawn) -> Rows {
    let mut truth = Telling {
        drawn,
        rows: Rows::default(),
    };
    let mut groups: BTreeMap<String, Vec<&Meeting>> = BTreeMap::new();
    for (number, meeting) in drawn.world.meetings.iter().enumerate() {
        let key = match meeting.online_meeting_id.as_str() {
            "" => number.to_string(),
            id => id.to_owned(),
        };
        groups.entry(key).or_default().push(meeting);
    }
    for copies in groups.values() {
        truth.tell_meeting(copies);
    }
    for event in &drawn.world.virtual_events {
        let source = match event.kind {
            VirtualEventKind::Webinar => "webinar",
            VirtualEventKind::TownHall => "town_hall",
        };
        for session in &event.sessions {
            let thing = Thing {
                key: format!("{source} {}", session.id),
                day: truth.day(session.start),
                start: session.start,
                end: session.end,
                is_cancelled: event.status == "canceled",
            };
            truth.tell(&thing, &session.reports.iter().collect::<Vec<_>>());
        }
    }
    let days: BTreeSet<String> = (0..drawn.days).map(|day| drawn.date(day)).collect();
    truth
        .rows
        .sessions
        .retain(|_, session| days.contains(&session.day));
    truth.rows.sort()
}

struct Telling<'a> {
    drawn: &'a Drawn,
    rows: Rows,
}

impl Telling<'_> {
    fn day(&self, at: UtcMicros) -> String {
        self.drawn.zone().event_date(at).to_string()
    }

    fn is_read(&self, thing: &Thing) -> bool {
        (0..self.drawn.days).any(|day| self.drawn.date(day) == thing.day)
    }

    /// One online meeting: the entries that share it.
    fn tell_meeting(&mut self, copies: &[&Meeting]) {
        let meeting = copies[0];
        let organizer = self.drawn.world.person(&meeting.organizer).unwrap();
        let things = self.things(copies);
        let reports: Vec<&Report> = copies.iter().flat_map(|copy| &copy.reports).collect();
        for thing in &things {
            if matches!(meeting.kind, MeetingKind::Channel | MeetingKind::Skype) {
                self.add(thing, "unsupported", true, 0);
            } else if organizer.access_policy != AccessPolicy::Granted {
                self.add(thing, "forbidden", false, 0);
                if self.is_read(thing) {
                    let gap = format!("list_reports forbidden {} {}", thing.day, thing.key);
                    self.rows.gaps.insert(gap);
                }
            } else {
                let is_own = |report: &&&Report| owner(report, &things) == Some(&thing.key);
                let own: Vec<&Report> = reports.iter().filter(is_own).copied().collect();
                self.tell(thing, &own);
            }
        }
    }

    /// What the ways of the world's jobs see of a meeting: its entries, and the calls that belong to none.
    fn things(&self, copies: &[&Meeting]) -> Vec<Thing> {
        let ways = self.drawn.ways;
        let mut things = Vec::new();
        for meeting in copies {
            let owner = self.drawn.world.person(meeting.owner()).unwrap();
            if !(ways.reads_calendars() && has_calendar(owner)) || meeting.join_web_url.is_none() {
                continue;
            }
            things.extend(meeting.occurrences.iter().map(|one| {
                Thing {
                    key: format!("online_meeting {}", one.i_cal_uid),
                    // a whole day is the calendar's own, whatever the zone
                    day: if one.is_all_day {
                        crate::support::utc_date(one.start)
                    } else {
                        self.day(one.start)
                    },
                    start: one.start,
                    end: one.end,
                    is_cancelled: one.is_cancelled,
                }
            }));
        }
        if ways.reads_calls() {
            let reports = copies.iter().flat_map(|copy| &copy.reports);
            let is_of_none = |report: &&Report| !things.iter().any(|thing| is_near(report, thing));
            let calls = reports.filter(is_of_none).map(|report| Thing {
                key: format!("online_meeting {}", call_id(report)),
                day: self.day(report.start.at),
                start: report.start.at,
                end: report.end.at,
                is_cancelled: false,
            });
            let calls: Vec<_> = calls.collect();
            things.extend(calls);
        }
        things
    }

    fn add(&mut self, thing: &Thing, state: &str, is_final: bool, reports: usize) {
        let session = rows::Session {
            day: thing.day.clone(),
            state: state.to_owned(),
            is_final,
            reports: i32::try_from(reports).unwrap(),
        };
        self.rows.sessions.insert(thing.key.clone(), session);
    }

    /// A session whose reports can be read, with all that is in them.
    fn tell(&mut self, thing: &Thing, reports: &[&Report]) {
        let state = match (reports.is_empty(), thing.is_cancelled) {
            (false, _) => "reported",
            (true, true) => features::CANCELLED,
            (true, false) => "empty",
        };
        self.add(thing, state, true, reports.len());
        if !self.is_read(thing) {
            return;
        }
        for report in reports {
            let id = report.id.to_ascii_lowercase();
            let row = rows::Report {
                session: thing.key.clone(),
                day: self.day(report.start.at),
                records: report.records.len(),
            };
            for record in &report.records {
                let (own, email) = (record.id.as_deref(), record.email_address.as_deref());
                let seconds = Some(record.total_attendance_in_seconds);
                let words = rows::record(&id, own, email, Some(&record.role), seconds);
                self.rows.records.push(words);
                for one in &record.intervals {
                    let (join, leave) = (one.join.map(|at| at.at), one.leave.map(|at| at.at));
                    self.rows
                        .intervals
                        .push(rows::interval(&id, own, join, leave));
                }
            }
            self.rows.reports.insert(id, row);
        }
    }
}

fn has_calendar(owner: &Person) -> bool {
    owner.account_enabled && owner.has_mailbox && owner.user_type != UserType::Guest
}

/// As the server makes them.
fn call_id(report: &Report) -> String {
    links::guid(&stable_hash(["call record", &report.id]))
}

fn is_near(report: &Report, thing: &Thing) -> bool {
    thing.start.0 <= report.start.at.0 + DAY && thing.end.0 >= report.start.at.0 - DAY
}

/// The thing that a report is of.
fn owner<'a>(report: &Report, things: &'a [Thing]) -> Option<&'a String> {
    let best = things.iter().min_by_key(|thing| {
        let from = report.start.at.max(thing.start);
        let until = report.end.at.min(thing.end);
        let overlap = (until.0 - from.0).max(0);
        let away = (thing.start.0 - report.start.at.0).abs();
        (
            !is_near(report, thing),
            -overlap,
            away,
            thing.start,
            thing.key.clone(),
        )
    });
    best.map(|thing| &thing.key)
}
