//! Webinars and town halls, with registrations, many attendees and several sessions.

use super::attendance::{Attendance, Held, stranger};
use super::dice::Dice;
use super::{
    ExternalEvent, ExternalRegistration, Identity, IdentityKind, Person, Record, Report, TENANT_ID,
    UserType, VirtualEvent, VirtualEventKind, VirtualSession, WorldSettings, links, people,
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
    let organizers: Vec<&Person> = people
        .iter()
        .filter(|person| person.account_enabled && person.user_type == UserType::Member)
        .take(4)
        .collect();
    let mut attendance = Attendance::new(dice);
    let mut events = Vec::new();
    for (number, day) in (0..settings.days).step_by(WEBINAR_EVERY).enumerate() {
        let Some(organizer) = organizers.get(number % organizers.len().max(1)) else {
            break;
        };
        let mut event = event(VirtualEventKind::Webinar, organizer, dice);
        event.display_name = format!("Skills hour, part {}", number + 1);
        event.external_event_information = vec![ExternalEvent {
            application_id: dice.guid(),
            external_event_id: format!("course-{number}"),
        }];
        let sessions: u32 = if number % 3 == 1 { 3 } else { 1 };
        for part in 0..sessions {
            let start = settings
                .midnight(day)
                .plus(10 * HOUR + i64::from(part) * 2 * HOUR);
            let mut session = session(&event, start, 45 * MINUTE, dice);
            // one webinar in five was cancelled, and nobody came
            if number % 5 == 4 {
                "canceled".clone_into(&mut event.status);
            } else {
                let report = webinar_report(&event, &session, people, &mut attendance, dice);
                session.reports.push(report);
            }
            event.sessions.push(session);
        }
        events.push(event);
    }
    for (number, day) in (0..settings.days)
        .skip(2)
        .step_by(TOWN_HALL_EVERY)
        .enumerate()
    {
        let Some(organizer) = organizers.get((number + 1) % organizers.len().max(1)) else {
            break;
        };
        let mut event = event(VirtualEventKind::TownHall, organizer, dice);
        event.display_name = format!("All hands {}", number + 1);
        let start = settings.midnight(day).plus(15 * HOUR);
        let mut session = session(&event, start, HOUR, dice);
        let report = town_hall_report(&session, organizer, people, &mut attendance, dice);
        session.reports.push(report);
        event.sessions.push(session);
        events.push(event);
    }
    events
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
        reports: Vec::new(),
    }
}

fn held(session: &VirtualSession, dice: &mut Dice) -> Held {
    Held {
        from: session.start.plus(dice.between(-12, -2) * MINUTE),
        until: session.end.plus(dice.between(1, 9) * MINUTE),
    }
}

/// Everybody but the speakers is registered; partner software sent every second one.
fn webinar_report(
    event: &VirtualEvent,
    session: &VirtualSession,
    people: &[Person],
    attendance: &mut Attendance,
    dice: &mut Dice,
) -> Report {
    let organizer = people.iter().filter(|person| person.id == event.organizer);
    let others: Vec<&Person> = people
        .iter()
        .filter(|person| person.id != event.organizer)
        .collect();
    let picked = dice.pick_many(&others, 12);
    let came: Vec<&Person> = organizer.chain(picked.into_iter().copied()).collect();
    let held = held(session, dice);
    let mut report = attendance.report(held, &came, dice);
    for number in 0..dice.between(10, 30) {
        let outsider = outsider(held, dice);
        report.records.push(outsider);
        if number == 0 {
            report
                .external_event_information
                .clone_from(&event.external_event_information);
        }
    }
    for (position, record) in report.records.iter_mut().enumerate() {
        if record.role == "Attendee" {
            record.registration_id = Some(dice.guid());
            if position % 2 == 0 {
                record.external_registration = Some(ExternalRegistration {
                    referrer: (position % 4 == 0).then(|| "Fabrikam Learning".to_owned()),
                    registration_id: format!("enrolment-{}", dice.digits(6)),
                });
            }
        }
    }
    report.total_participant_count = i32::try_from(report.records.len()).unwrap_or(i32::MAX);
    report
}

/// The whole directory and a few hundred people more.
fn town_hall_report(
    session: &VirtualSession,
    organizer: &Person,
    people: &[Person],
    attendance: &mut Attendance,
    dice: &mut Dice,
) -> Report {
    let others = people.iter().filter(|person| person.id != organizer.id);
    let came: Vec<&Person> = std::iter::once(organizer).chain(others).collect();
    let held = held(session, dice);
    let mut report = attendance.report(held, &came, dice);
    for _ in 0..dice.between(250, 350) {
        let outsider = outsider(held, dice);
        report.records.push(outsider);
    }
    report.total_participant_count = i32::try_from(report.records.len()).unwrap_or(i32::MAX);
    report
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
