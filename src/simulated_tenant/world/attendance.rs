//! Who came: reports with records and intervals, and the odd ones among them at a steady rate.

use super::dice::Dice;
use super::{Identity, IdentityKind, Interval, Person, Record, Report, TENANT_ID, people};
use crate::time::{SECOND, UtcMicros};

const MINUTE: i64 = 60 * SECOND;

/// A person from outside or an unusual record, one a report in turn, so that small worlds have each of them.
#[derive(Debug, Clone, Copy)]
enum Oddity {
    Phone,
    Anonymous,
    Guest,
    Federated,
    AzureCommunicationServices,
    TwoDevices,
    ZeroLength,
    StillOpen,
    IdentityOnly,
    WithoutId,
    WithoutIdentity,
    Untyped,
}

const ODDITIES: [Oddity; 12] = [
    Oddity::Phone,
    Oddity::TwoDevices,
    Oddity::Guest,
    Oddity::Anonymous,
    Oddity::Federated,
    Oddity::ZeroLength,
    Oddity::AzureCommunicationServices,
    Oddity::StillOpen,
    Oddity::WithoutId,
    Oddity::IdentityOnly,
    Oddity::Untyped,
    Oddity::WithoutIdentity,
];

/// Makes the reports of a world; remembers whose turn it is among the oddities.
#[derive(Debug)]
pub(super) struct Attendance {
    reports: usize,
    /// The tenant that federated people belong to.
    partner_tenant: String,
}

/// When a session was really held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) from: UtcMicros,
    pub(super) until: UtcMicros,
}

impl Attendance {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self {
            reports: 0,
            partner_tenant: dice.guid(),
        }
    }

    /// A report with a record for each of `attendees` (the first is the organizer) and one odd one.
    pub(super) fn report(&mut self, held: Held, attendees: &[&Person], dice: &mut Dice) -> Report {
        let oddity = ODDITIES.get(self.reports % ODDITIES.len()).copied();
        self.reports += 1;
        let mut records: Vec<Record> = attendees
            .iter()
            .enumerate()
            .map(|(position, person)| {
                let role = match position {
                    0 => "Organizer",
                    1 | 2 => "Presenter",
                    _ => "Attendee",
                };
                member_record(person, role, held, dice)
            })
            .collect();
        if let Some(oddity) = oddity {
            self.add_oddity(oddity, held, &mut records, dice);
        }
        Report {
            id: dice.guid(),
            i_cal_uid: None,
            start: dice.stamp(held.from),
            end: dice.stamp(held.until),
            total_participant_count: i32::try_from(records.len()).unwrap_or(i32::MAX),
            external_event_information: Vec::new(),
            records,
            listed_from: None,
            recorded_from: None,
            short: None,
        }
    }

    fn add_oddity(&self, oddity: Oddity, held: Held, records: &mut Vec<Record>, dice: &mut Dice) {
        let name = people::name(dice);
        match oddity {
            Oddity::Phone => {
                let number = format!("+1555010{}", dice.digits(4));
                let identity = identity(IdentityKind::Phone, Some(&number), Some("+1 555-****"));
                records.push(stranger(identity, None, held, dice));
            }
            Oddity::Anonymous => {
                // not a GUID, and another one each time the same person joins
                let id = format!("anonymous:{}", dice.digits(12));
                let identity = identity(IdentityKind::Untyped, Some(&id), Some("Visitor"));
                records.push(stranger(identity, None, held, dice));
            }
            Oddity::Guest => {
                let address = format!("{}@fabrikam.example", people::mail_name(&name));
                let mut identity = identity(IdentityKind::Guest, None, Some(&name));
                identity.id = Some(dice.guid());
                identity.detail = Some(address.clone());
                records.push(stranger(identity, Some(address), held, dice));
            }
            Oddity::Federated => {
                let address = format!("{}@fabrikam.example", people::mail_name(&name));
                let mut identity = identity(IdentityKind::User, None, Some(&name));
                identity.id = Some(dice.guid());
                identity.detail = Some(self.partner_tenant.clone());
                records.push(stranger(identity, Some(address), held, dice));
            }
            Oddity::AzureCommunicationServices => {
                let resource = self.partner_tenant.clone();
                let id = format!("8:acs:{resource}_{}", dice.guid());
                let mut identity = identity(
                    IdentityKind::AzureCommunicationServices,
                    Some(&id),
                    Some(&name),
                );
                identity.detail = Some(resource);
                records.push(stranger(identity, Some(String::new()), held, dice));
            }
            Oddity::TwoDevices => change_last(records, |record| {
                let from = held.from.plus(MINUTE);
                let until = held.until.plus(-MINUTE);
                let half = UtcMicros(from.0.midpoint(until.0));
                set_intervals(
                    record,
                    vec![
                        interval(from, until, dice),
                        interval(half.plus(-3 * MINUTE), half.plus(3 * MINUTE), dice),
                    ],
                );
            }),
            Oddity::ZeroLength => change_last(records, |record| {
                let at = dice.stamp(held.from.plus(MINUTE));
                let mut intervals = record.intervals.clone();
                intervals.push(Interval {
                    join: Some(at),
                    leave: Some(at),
                    duration_in_seconds: 0,
                });
                set_intervals(record, intervals);
            }),
            Oddity::StillOpen => change_last(records, |record| {
                let mut intervals = record.intervals.clone();
                intervals.push(Interval {
                    join: Some(dice.stamp(held.until.plus(-MINUTE))),
                    leave: None,
                    duration_in_seconds: 0,
                });
                set_intervals(record, intervals);
            }),
            Oddity::IdentityOnly => change_last(records, |record| {
                set_intervals(
                    record,
                    vec![Interval {
                        join: None,
                        leave: None,
                        duration_in_seconds: 0,
                    }],
                );
            }),
            Oddity::WithoutId => change_last(records, |record| record.id = None),
            Oddity::WithoutIdentity => change_last(records, |record| {
                record.identity = None;
                record.email_address = None;
            }),
            Oddity::Untyped => change_last(records, |record| {
                if let Some(identity) = &mut record.identity {
                    identity.kind = IdentityKind::Untyped;
                    identity.detail = None;
                }
            }),
        }
    }
}

/// A record of somebody of the tenant, with one to three intervals within the session.
fn member_record(person: &Person, role: &str, held: Held, dice: &mut Dice) -> Record {
    let mut record = Record {
        id: Some(person.id.clone()),
        email_address: person.mail.clone(),
        identity: Some(Identity {
            kind: IdentityKind::User,
            id: Some(person.id.clone()),
            display_name: Some(person.display_name.clone()),
            detail: Some(TENANT_ID.to_owned()),
        }),
        role: role.to_owned(),
        total_attendance_in_seconds: 0,
        intervals: Vec::new(),
        registration_id: None,
        external_registration: None,
    };
    let intervals = visits(held, dice);
    set_intervals(&mut record, intervals);
    record
}

/// Replaces the intervals and the total with them.
fn set_intervals(record: &mut Record, intervals: Vec<Interval>) {
    record.total_attendance_in_seconds = intervals
        .iter()
        .map(|interval| interval.duration_in_seconds)
        .sum();
    record.intervals = intervals;
}

fn identity(kind: IdentityKind, id: Option<&str>, display_name: Option<&str>) -> Identity {
    Identity {
        kind,
        id: id.map(str::to_owned),
        display_name: display_name.map(str::to_owned),
        detail: None,
    }
}

/// A record of somebody who is not in the directory.
pub(super) fn stranger(
    identity: Identity,
    email: Option<String>,
    held: Held,
    dice: &mut Dice,
) -> Record {
    let mut record = Record {
        id: Some(dice.guid()),
        email_address: email,
        identity: Some(identity),
        role: "Attendee".to_owned(),
        total_attendance_in_seconds: 0,
        intervals: Vec::new(),
        registration_id: None,
        external_registration: None,
    };
    let intervals = visits(held, dice);
    set_intervals(&mut record, intervals);
    record
}

fn change_last(records: &mut [Record], change: impl FnOnce(&mut Record)) {
    if let Some(record) = records.last_mut() {
        change(record);
    }
}

/// One to three stretches that do not overlap; most people come once.
fn visits(held: Held, dice: &mut Dice) -> Vec<Interval> {
    let count = match dice.between(1, 20) {
        1 => 3,
        2..=4 => 2,
        _ => 1,
    };
    let length = (held.until.0 - held.from.0).max(4 * MINUTE) / count;
    (0..count)
        .map(|part| {
            let from = held.from.plus(part * length);
            let late = dice.between(0, length / 5);
            let early = dice.between(2 * SECOND, length / 6);
            interval(from.plus(late), from.plus(length - early), dice)
        })
        .collect()
}

fn interval(from: UtcMicros, until: UtcMicros, dice: &mut Dice) -> Interval {
    let (join, leave) = (dice.stamp(from), dice.stamp(until));
    Interval {
        join: Some(join),
        leave: Some(leave),
        duration_in_seconds: join.seconds_to(leave).max(0),
    }
}
