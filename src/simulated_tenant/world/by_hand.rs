//! Small worlds by hand: a person, a meeting, who came. Ids follow from names and times, so tests can rely on them.

use super::{
    AccessPolicy, CalendarEntry, Identity, IdentityKind, Interval, Meeting, MeetingKind, NoMailbox,
    Occurrence, Person, Record, Report, Stamp, TENANT_ID, UserType, VirtualEvent, VirtualEventKind,
    VirtualSession, links,
};
use crate::ids::stable_hash;
use crate::time::{SECOND, UtcMicros};

impl Person {
    /// An enabled member with a mailbox and an access policy; `name` must be used once in a world.
    pub fn member(name: &str) -> Self {
        let local = name.to_lowercase().replace(' ', ".");
        let address = format!("{local}@contoso.example");
        Self {
            id: links::guid(&stable_hash(["person", name])),
            display_name: name.to_owned(),
            user_principal_name: address.clone(),
            mail: Some(address),
            job_title: None,
            department: None,
            account_enabled: true,
            user_type: UserType::Member,
            has_mailbox: true,
            no_mailbox: NoMailbox::NotEnabledForRest,
            access_policy: AccessPolicy::Granted,
        }
    }
}

impl Meeting {
    /// A Teams meeting without reports: one start is a single entry, several are a series.
    pub fn teams(organizer: &Person, subject: &str, starts: &[UtcMicros], minutes: i64) -> Self {
        let first = starts.first().map(ToString::to_string).unwrap_or_default();
        let hash = stable_hash(["meeting", &organizer.id, subject, &first]);
        let thread_id = links::meeting_thread(&links::guid(&hash));
        let occurrences = starts.iter().map(|start| {
            let uid = stable_hash(["occurrence", &hash, &start.to_string()]).to_uppercase();
            Occurrence::new(uid, *start, start.plus(minutes * 60 * SECOND))
        });
        Self {
            organizer: organizer.id.clone(),
            calendar_owner: None,
            invited: Vec::new(),
            subject: subject.to_owned(),
            kind: MeetingKind::Teams,
            online_meeting_id: links::online_meeting_id(&organizer.id, &thread_id, "0"),
            join_web_url: Some(links::long_join_url(
                TENANT_ID,
                &organizer.id,
                &thread_id,
                "0",
            )),
            thread_id,
            join_meeting_id: None,
            series_master_id: (starts.len() > 1).then(|| format!("AAMkAG{hash}=")),
            is_expired: false,
            occurrences: occurrences.collect(),
            reports: Vec::new(),
        }
    }

    /// The same online meeting as another entry: somebody copied the entry, and its join link came with it.
    #[must_use]
    pub fn copied(&self, subject: &str, starts: &[UtcMicros], minutes: i64) -> Self {
        let first = starts.first().map(ToString::to_string).unwrap_or_default();
        let hash = stable_hash(["copy", &self.online_meeting_id, subject, &first]);
        let occurrences = starts.iter().map(|start| {
            let uid = stable_hash(["occurrence", &hash, &start.to_string()]).to_uppercase();
            Occurrence::new(uid, *start, start.plus(minutes * 60 * SECOND))
        });
        Self {
            subject: subject.to_owned(),
            series_master_id: (starts.len() > 1).then(|| format!("AAMkAG{hash}=")),
            occurrences: occurrences.collect(),
            reports: Vec::new(),
            ..self.clone()
        }
    }

    /// Adds a report of an occurrence in which everybody was there from its start to its end; the first one organizes.
    ///
    /// `None` where there is no such occurrence.
    pub fn hold(&mut self, occurrence: usize, attendees: &[&Person]) -> Option<&mut Report> {
        let occurrence = self.occurrences.get(occurrence)?;
        let number = self.reports.len().to_string();
        let id = stable_hash([
            "report",
            &self.online_meeting_id,
            &occurrence.i_cal_uid,
            &number,
        ]);
        let mut report = Report::of(&id, occurrence.start, occurrence.end, attendees);
        report.i_cal_uid = Some(occurrence.i_cal_uid.clone());
        self.reports.push(report);
        self.reports.last_mut()
    }
}

impl VirtualEvent {
    /// A published event with one session for each start, without reports.
    pub fn published(
        kind: VirtualEventKind,
        organizer: &Person,
        display_name: &str,
        starts: &[UtcMicros],
        minutes: i64,
    ) -> Self {
        let hash = stable_hash(["event", &organizer.id, display_name]);
        let sessions = starts.iter().map(|start| {
            let id = links::guid(&stable_hash(["session", &hash, &start.to_string()]));
            let thread = links::meeting_thread(&id);
            VirtualSession {
                subject: display_name.to_owned(),
                start: *start,
                end: start.plus(minutes * 60 * SECOND),
                join_web_url: links::long_join_url(TENANT_ID, &organizer.id, &thread, "0"),
                calendar_entry: None,
                reports: Vec::new(),
                id,
            }
        });
        Self {
            kind,
            id: format!("{}@{TENANT_ID}", links::guid(&hash)),
            organizer: organizer.id.clone(),
            co_organizers: Vec::new(),
            display_name: display_name.to_owned(),
            status: "published".to_owned(),
            external_event_information: Vec::new(),
            sessions: sessions.collect(),
        }
    }
}

impl VirtualSession {
    /// Puts it into its organizer's calendar, as Teams does.
    pub fn show_in_calendar(&mut self, organizer: &Person) {
        let thread = links::meeting_thread(&self.id);
        self.calendar_entry = Some(CalendarEntry {
            i_cal_uid: stable_hash(["entry", &self.id]).to_uppercase(),
            online_meeting_id: links::online_meeting_id(&organizer.id, &thread, "0"),
        });
    }

    /// Adds a report in which everybody was there from the start to the end; the first one organizes.
    pub fn hold(&mut self, attendees: &[&Person]) -> Option<&mut Report> {
        let id = stable_hash(["report", &self.id, &self.reports.len().to_string()]);
        let report = Report::of(&id, self.start, self.end, attendees);
        self.reports.push(report);
        self.reports.last_mut()
    }
}

impl Report {
    fn of(hash: &str, start: UtcMicros, end: UtcMicros, attendees: &[&Person]) -> Self {
        let records = attendees.iter().enumerate().map(|(position, person)| {
            let role = if position == 0 {
                "Organizer"
            } else {
                "Attendee"
            };
            Record::of(person, role, start, end)
        });
        Self {
            id: links::guid(hash),
            i_cal_uid: None,
            start: Stamp::new(start, 7),
            end: Stamp::new(end, 7),
            total_participant_count: i32::try_from(attendees.len()).unwrap_or(i32::MAX),
            external_event_information: Vec::new(),
            records: records.collect(),
            listed_from: None,
            recorded_from: None,
            short: None,
        }
    }
}

impl Record {
    /// A record of a person who came once.
    pub fn of(person: &Person, role: &str, join: UtcMicros, leave: UtcMicros) -> Self {
        let (join, leave) = (Stamp::new(join, 7), Stamp::new(leave, 7));
        let seconds = join.seconds_to(leave);
        Self {
            id: Some(person.id.clone()),
            email_address: person.mail.clone(),
            identity: Some(Identity {
                kind: IdentityKind::User,
                id: Some(person.id.clone()),
                display_name: Some(person.display_name.clone()),
                detail: Some(TENANT_ID.to_owned()),
            }),
            role: role.to_owned(),
            total_attendance_in_seconds: seconds,
            intervals: vec![Interval {
                join: Some(join),
                leave: Some(leave),
                duration_in_seconds: seconds,
            }],
            registration_id: None,
            external_registration: None,
        }
    }
}
