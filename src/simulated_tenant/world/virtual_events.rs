//! Webinars and town halls, with registrations, many attendees and several sessions.

use super::attendance::{Attendance, Held, stranger};
use super::dice::Dice;
use super::{
    AccessPolicy, ExternalEvent, ExternalRegistration, Identity, IdentityKind, Person, Record,
    Report, TENANT_ID, UserType, VirtualEvent, VirtualEventKind, VirtualSession, WorldSettings,
    links, people,
};
use crate::time::{HOUR, SECOND, UtcMicros};

const MINUTE: i64 = 60 * SECOND;
/// Days from one webinar or town hall to the next.
const WEBINAR_EVERY: usize = 3;
const TOWN_HALL_EVERY: usize = 7;

/// A webinar every few days, each third with several sessions, and a town hall a week.
pub(super) fn generate(
    settings: &WorldSettings,
    people: &[Person],
    dice: &mut Dice,
) -> Vec<VirtualEvent> {
    let members: Vec<&Person> = people
        .iter()
        .filter(|person| person.account_enabled && person.user_type == UserType::Member)
        .collect();
    let granted = |person: &&&Person| person.access_policy == AccessPolicy::Granted;
    // four who may be read, and one whose events Graph leaves out of its lists
    let readable: Vec<&Person> = members.iter().filter(granted).take(4).copied().collect();
    let hidden = members.iter().find(|person| !granted(person)).copied();
    let organizers: Vec<&Person> = readable.iter().copied().chain(hidden).collect();
    let mut stage = Stage {
        settings,
        people,
        attendance: Attendance::new(dice),
        dice,
    };
    let mut events = Vec::new();
    for (number, day) in (0..settings.days).step_by(WEBINAR_EVERY).enumerate() {
        if let Some(organizer) = organizers.get(number % organizers.len().max(1)) {
            events.push(stage.webinar(number, day, organizer, organizers.first()));
        }
    }
    let weekly = (0..settings.days).skip(2).step_by(TOWN_HALL_EVERY);
    for (number, day) in weekly.enumerate() {
        if let Some(organizer) = readable.get((number + 1) % readable.len().max(1)) {
            events.push(stage.town_hall(number, day, organizer));
        }
    }
    events
}

struct Stage<'a> {
    settings: &'a WorldSettings,
    people: &'a [Person],
    attendance: Attendance,
    dice: &'a mut Dice,
}

impl Stage<'_> {
    fn webinar(
        &mut self,
        number: usize,
        day: u32,
        organizer: &Person,
        helper: Option<&&Person>,
    ) -> VirtualEvent {
        let mut event = event(VirtualEventKind::Webinar, organizer, self.dice);
        event.display_name = format!("Skills hour, part {}", number + 1);
        event.co_organizers = helper
            .filter(|helper| helper.id != organizer.id)
            .map(|helper| helper.id.clone())
            .into_iter()
            .collect();
        event.external_event_information = vec![ExternalEvent {
            application_id: self.dice.guid(),
            external_event_id: format!("course-{number}"),
        }];
        let is_cancelled = number % 5 == 2;
        if is_cancelled {
            "canceled".clone_into(&mut event.status);
        }
        let last_day = self.settings.days.saturating_sub(1);
        for part in 0..if number % 3 == 1 { 3 } else { 1 } {
            let midnight = self.settings.midnight((day + part).min(last_day));
            let start = midnight.plus((10 + 2 * i64::from(part)) * HOUR);
            let mut session = session(&event, start, 45 * MINUTE, self.dice);
            if !is_cancelled {
                let report = self.webinar_report(&event, &session);
                session.reports.push(report);
            }
            event.sessions.push(session);
        }
        event
    }

    fn town_hall(&mut self, number: usize, day: u32, organizer: &Person) -> VirtualEvent {
        let mut event = event(VirtualEventKind::TownHall, organizer, self.dice);
        event.display_name = format!("All hands {}", number + 1);
        let start = self.settings.midnight(day).plus(15 * HOUR);
        let mut session = session(&event, start, HOUR, self.dice);
        let report = self.town_hall_report(&session, organizer);
        session.reports.push(report);
        event.sessions.push(session);
        event
    }

    /// Everybody but the speakers is registered; partner software sent every second one.
    fn webinar_report(&mut self, event: &VirtualEvent, session: &VirtualSession) -> Report {
        let is_organizer = |person: &&Person| person.id == event.organizer;
        let organizer = self.people.iter().filter(is_organizer);
        let others: Vec<&Person> = self
            .people
            .iter()
            .filter(|one| !is_organizer(one))
            .collect();
        let picked = self.dice.pick_many(&others, 12);
        let came: Vec<&Person> = organizer.chain(picked.into_iter().copied()).collect();
        let held = held(session, self.dice);
        let mut report = self.attendance.report(held, &came, self.dice);
        report
            .external_event_information
            .clone_from(&event.external_event_information);
        self.add_outsiders(&mut report, held, 10, 30);
        for (position, record) in report.records.iter_mut().enumerate() {
            if record.role != "Attendee" {
                continue;
            }
            record.registration_id = Some(self.dice.guid());
            if position % 2 == 0 {
                record.external_registration = Some(ExternalRegistration {
                    referrer: (position % 4 == 0).then(|| "Fabrikam Learning".to_owned()),
                    registration_id: format!("enrolment-{}", self.dice.digits(6)),
                });
            }
        }
        report
    }

    /// The whole directory and a few hundred people more.
    fn town_hall_report(&mut self, session: &VirtualSession, organizer: &Person) -> Report {
        let others = self
            .people
            .iter()
            .filter(|person| person.id != organizer.id);
        let came: Vec<&Person> = std::iter::once(organizer).chain(others).collect();
        let held = held(session, self.dice);
        let mut report = self.attendance.report(held, &came, self.dice);
        self.add_outsiders(&mut report, held, 250, 350);
        report
    }

    fn add_outsiders(&mut self, report: &mut Report, held: Held, low: i64, high: i64) {
        for _ in 0..self.dice.between(low, high) {
            report.records.push(outsider(held, self.dice));
        }
        report.total_participant_count = i32::try_from(report.records.len()).unwrap_or(i32::MAX);
    }
}

fn event(kind: VirtualEventKind, organizer: &Person, dice: &mut Dice) -> VirtualEvent {
    VirtualEvent {
        kind,
        id: format!("{}@{TENANT_ID}", dice.guid()),
        organizer: organizer.id.clone(),
        co_organizers: Vec::new(),
        display_name: String::new(),
        status: "published".to_owned(),
        external_event_information: Vec::new(),
        sessions: Vec::new(),
    }
}

fn session(event: &VirtualEvent, start: UtcMicros, length: i64, dice: &mut Dice) -> VirtualSession {
    let thread = links::meeting_thread(&dice.guid());
    VirtualSession {
        id: dice.guid(),
        subject: format!(
            "{}, session {}",
            event.display_name,
            event.sessions.len() + 1
        ),
        start,
        end: start.plus(length),
        join_web_url: links::long_join_url(TENANT_ID, &event.organizer, &thread, "0"),
        calendar_entry: None,
        reports: Vec::new(),
    }
}

fn held(session: &VirtualSession, dice: &mut Dice) -> Held {
    Held {
        from: session.start.plus(dice.between(-12, -2) * MINUTE),
        until: session.end.plus(dice.between(1, 9) * MINUTE),
    }
}

/// Somebody from another organization who came as a guest.
fn outsider(held: Held, dice: &mut Dice) -> Record {
    let name = people::name(dice);
    let mail_name = people::mail_name(&name);
    let address = format!("{mail_name}.{}@fabrikam.example", dice.digits(4));
    let identity = Identity {
        kind: IdentityKind::Guest,
        id: Some(dice.guid()),
        display_name: Some(name),
        detail: Some(address.clone()),
    };
    stranger(identity, Some(address), held, dice)
}
