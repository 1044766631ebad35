//! Calendars: series and single entries of each organizer, and the reports of those that were held.

use super::attendance::{Attendance, Held};
use super::dice::Dice;
use super::{Meeting, MeetingKind, Occurrence, Person, TENANT_ID, UserType, WorldSettings, links};
use crate::time::{HOUR, SECOND, UtcMicros};

const MINUTE: i64 = 60 * SECOND;
const SUBJECTS: [&str; 8] = [
    "Budget walk-through",
    "Customer call",
    "Design review",
    "Interview",
    "Onboarding",
    "Planning",
    "Retrospective",
    "Training",
];

/// All meetings of all people who have a calendar; what a person organizes follows from the position in the list.
pub(super) fn generate(
    settings: &WorldSettings,
    people: &[Person],
    dice: &mut Dice,
) -> Vec<Meeting> {
    let attendance = Attendance::new(dice);
    let channels = [dice.guid(), dice.guid(), dice.guid()].map(|guid| links::channel_thread(&guid));
    let mut maker = Maker {
        settings,
        people,
        attendance,
        channels,
        dice,
        meetings: Vec::new(),
    };
    for (number, person) in people.iter().enumerate() {
        let organizes = person.has_mailbox && person.user_type == UserType::Member;
        if organizes && person.account_enabled {
            maker.calendar_of(number, person);
        }
    }
    maker.meetings
}

struct Maker<'a> {
    settings: &'a WorldSettings,
    people: &'a [Person],
    attendance: Attendance,
    /// Threads of the channels that meetings are posted to.
    channels: [String; 3],
    dice: &'a mut Dice,
    meetings: Vec<Meeting>,
}

impl Maker<'_> {
    fn calendar_of(&mut self, number: usize, organizer: &Person) {
        let days = self.settings.days;
        if number.is_multiple_of(8) {
            let every_day: Vec<u32> = (0..days).collect();
            self.series(
                organizer,
                "Daily stand-up",
                &every_day,
                9 * HOUR,
                15 * MINUTE,
            );
        }
        if number % 4 == 1 {
            let weekly: Vec<u32> = (0..days).step_by(7).collect();
            self.series(organizer, "Weekly review", &weekly, 14 * HOUR, HOUR);
        }
        let offset = u32::try_from(number % 5).unwrap_or(0);
        for day in 0..days {
            // four of five days have a single meeting, and each kind comes round
            if (day + offset) % 5 != 0 {
                self.single(
                    organizer,
                    day,
                    usize::try_from(day).unwrap_or(0) + number * 3,
                );
            }
        }
    }

    fn series(
        &mut self,
        organizer: &Person,
        subject: &str,
        days: &[u32],
        time_of_day: i64,
        length: i64,
    ) {
        let mut meeting = self.meeting(organizer, subject, MeetingKind::Teams);
        meeting.series_master_id = Some(self.mailbox_id());
        let team = self.team(organizer, 6);
        meeting.invited = ids(&team);
        for (position, day) in days.iter().enumerate() {
            let start = self.settings.midnight(*day).plus(time_of_day);
            // a long series has one cancelled day
            let is_cancelled = position == 4 && days.len() > 5;
            let occurrence = self.occurrence(start, length, is_cancelled);
            if !is_cancelled {
                let held = self.held(&occurrence);
                self.hold(&mut meeting, &occurrence, held, &team);
            }
            meeting.occurrences.push(occurrence);
        }
        self.meetings.push(meeting);
    }

    /// A single entry of the kind whose turn it is.
    fn single(&mut self, organizer: &Person, day: u32, turn: usize) {
        let subject = self.dice.pick(&SUBJECTS).copied().unwrap_or_default();
        let kind = match turn % 29 {
            3 => MeetingKind::Channel,
            7 => MeetingKind::Skype,
            11 | 12 => MeetingKind::InPerson,
            _ => MeetingKind::Teams,
        };
        let mut meeting = self.meeting(organizer, subject, kind);
        if turn % 29 == 15 {
            self.make_short(&mut meeting);
        }
        meeting.is_expired = turn % 29 == 19;
        let team = {
            let size = usize::try_from(self.dice.between(3, 9)).unwrap_or(3);
            self.team(organizer, size)
        };
        meeting.invited = ids(&team);
        let midnight = self.settings.midnight(day);
        let (start, length) = match turn % 29 {
            // across midnight
            21 => (midnight.plus(23 * HOUR + 30 * MINUTE), 75 * MINUTE),
            // right after midnight, with people there before it
            23 => (midnight.plus(5 * MINUTE), 30 * MINUTE),
            _ => {
                let half_hours = self.dice.between(14, 34);
                let length = self.dice.pick(&[30, 45, 60, 90]).copied().unwrap_or(30);
                (midnight.plus(half_hours * 30 * MINUTE), length * MINUTE)
            }
        };
        let is_cancelled = turn % 29 == 25;
        let occurrence = self.occurrence(start, length, is_cancelled);
        let was_held = !is_cancelled
            && turn % 29 != 27
            && matches!(kind, MeetingKind::Teams | MeetingKind::Channel);
        if was_held {
            let mut held = self.held(&occurrence);
            if turn % 29 == 23 {
                held.from = start.plus(-8 * MINUTE);
            }
            self.hold(&mut meeting, &occurrence, held, &team);
            if turn % 29 == 17 {
                // everybody left, somebody came back: another report of the same occurrence
                let again = Held {
                    from: held.until.plus(2 * MINUTE),
                    until: held.until.plus(12 * MINUTE),
                };
                self.hold(&mut meeting, &occurrence, again, &team);
            }
        }
        meeting.occurrences.push(occurrence);
        self.meetings.push(meeting);
    }

    fn meeting(&mut self, organizer: &Person, subject: &str, kind: MeetingKind) -> Meeting {
        let guid = self.dice.guid();
        let digits = self.dice.digits(12);
        let (thread_id, message) = match kind {
            MeetingKind::Channel => {
                let channel = self.dice.pick(&self.channels).cloned();
                (channel.unwrap_or_default(), self.dice.digits(13))
            }
            MeetingKind::Teams | MeetingKind::Skype | MeetingKind::InPerson => {
                (links::meeting_thread(&guid), "0".to_owned())
            }
        };
        let is_teams = matches!(kind, MeetingKind::Teams | MeetingKind::Channel);
        let join_web_url = match kind {
            MeetingKind::InPerson => None,
            MeetingKind::Skype => Some(format!("https://meet.contoso.example/{digits}")),
            MeetingKind::Teams | MeetingKind::Channel => Some(links::long_join_url(
                TENANT_ID,
                &organizer.id,
                &thread_id,
                &message,
            )),
        };
        Meeting {
            organizer: organizer.id.clone(),
            calendar_owner: None,
            invited: Vec::new(),
            subject: subject.to_owned(),
            kind,
            online_meeting_id: if is_teams {
                links::online_meeting_id(&organizer.id, &thread_id, &message)
            } else {
                String::new()
            },
            thread_id: if is_teams { thread_id } else { String::new() },
            join_web_url,
            join_meeting_id: Some(digits).filter(|_| is_teams),
            series_master_id: None,
            is_expired: false,
            occurrences: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn make_short(&mut self, meeting: &mut Meeting) {
        let passcode = links::base64_url(self.dice.guid().as_bytes());
        let digits = meeting.join_meeting_id.clone().unwrap_or_default();
        meeting.join_web_url = Some(links::short_join_url(&digits, &passcode));
    }

    fn team(&mut self, organizer: &Person, size: usize) -> Vec<Person> {
        let others: Vec<&Person> = self
            .people
            .iter()
            .filter(|person| person.id != organizer.id && person.account_enabled)
            .collect();
        let picked = self.dice.pick_many(&others, size);
        std::iter::once(organizer.clone())
            .chain(picked.into_iter().map(|person| (*person).clone()))
            .collect()
    }

    fn occurrence(&mut self, start: UtcMicros, length: i64, is_cancelled: bool) -> Occurrence {
        let guid = self.dice.guid().replace('-', "").to_uppercase();
        let uid = format!("040000008200E00074C5B7101A82E008{guid}");
        Occurrence {
            is_cancelled,
            ..Occurrence::new(uid, start, start.plus(length))
        }
    }

    /// People begin a little early or late, and rarely end on time.
    fn held(&mut self, occurrence: &Occurrence) -> Held {
        Held {
            from: occurrence.start.plus(self.dice.between(-4, 3) * MINUTE),
            until: occurrence.end.plus(self.dice.between(-3, 8) * MINUTE),
        }
    }

    fn hold(
        &mut self,
        meeting: &mut Meeting,
        occurrence: &Occurrence,
        held: Held,
        team: &[Person],
    ) {
        // the organizer always comes, of the others most
        let came: Vec<&Person> = team
            .iter()
            .enumerate()
            .filter(|(position, _)| *position == 0 || self.dice.percent(85))
            .map(|(_, person)| person)
            .collect();
        let mut report = self.attendance.report(held, &came, self.dice);
        report.i_cal_uid = Some(occurrence.i_cal_uid.clone());
        meeting.reports.push(report);
    }

    /// An id as Exchange makes them: long, and good only within a mailbox.
    fn mailbox_id(&mut self) -> String {
        format!("AAMkAG{}=", links::base64_url(self.dice.guid().as_bytes()))
    }
}

/// Everybody but the organizer, who comes first.
fn ids(team: &[Person]) -> Vec<String> {
    let invited = team.iter().skip(1);
    invited.map(|person| person.id.clone()).collect()
}
