//! What a perfect loader finds in a world: every session, and every report that Graph is able to give.

use super::world::{
    AccessPolicy, Meeting, MeetingKind, Occurrence, Record, Report, Stamp, UserType,
    VirtualEventKind, World,
};
use crate::time::UtcMicros;

/// How many reports of one meeting Graph lists by its documentation: the newest ones.
pub const LISTED_REPORTS: usize = 50;

/// Sessions and reports of a world, each list in the order of the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Everything that could have attendance.
    pub sessions: Vec<TrueSession>,
    /// Every report that can be read.
    pub reports: Vec<TrueReport>,
}

/// One occurrence of an online meeting, or one session of a virtual event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrueSession {
    /// `online_meeting`, `webinar` or `town_hall`.
    pub source: &'static str,
    /// Object id of who organizes it.
    pub organizer_id: String,
    /// Id of the online meeting, webinar or town hall; `None` for another provider's meeting.
    pub event_id: Option<String>,
    /// `iCalUId`, or the session's id.
    pub occurrence_id: String,
    /// `seriesMasterId`.
    pub series_id: Option<String>,
    /// Title.
    pub subject: String,
    /// Scheduled start.
    pub scheduled_start: UtcMicros,
    /// Scheduled end.
    pub scheduled_end: UtcMicros,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// The join link.
    pub join_web_url: Option<String>,
    /// What Graph can say of who came.
    pub attendance: TrueAttendance,
}

/// What Graph can say of who came to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrueAttendance {
    /// There is a report among those that Graph lists.
    Reported,
    /// The reports can be read, and none is of this session.
    Empty,
    /// There is a report, but fifty newer ones hide it.
    OverCap,
    /// No access policy for the organizer.
    Forbidden,
    /// The online meeting object expired.
    Gone,
    /// A channel meeting, or another provider.
    Unsupported,
}

/// A report that can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueReport {
    /// A GUID.
    pub report_id: String,
    /// `online_meeting`, `webinar` or `town_hall`.
    pub source: &'static str,
    /// Object id of who organizes it.
    pub organizer_id: String,
    /// Id of the online meeting, webinar or town hall.
    pub event_id: String,
    /// `iCalUId` of the occurrence, or the session's id; `None` for a report by hand that names none.
    pub occurrence_id: Option<String>,
    /// When it really began.
    pub start: Stamp,
    /// When it really ended.
    pub end: Stamp,
    /// Graph's own number of participants.
    pub total_participant_count: i32,
    /// All records with their intervals.
    pub records: Vec<Record>,
}

impl World {
    /// What a perfect loader finds.
    ///
    /// Online meetings are those in the calendars of enabled members with a mailbox. Virtual events are those of organizers with an
    /// access policy: Graph leaves out the others without a word.
    pub fn truth(&self) -> Truth {
        let mut truth = Truth {
            sessions: Vec::new(),
            reports: Vec::new(),
        };
        for meeting in &self.meetings {
            self.add_meeting(meeting, &mut truth);
        }
        self.add_virtual_events(&mut truth);
        truth
    }

    fn add_meeting(&self, meeting: &Meeting, truth: &mut Truth) {
        let (Some(owner), Some(organizer)) = (
            self.person(meeting.owner()),
            self.person(&meeting.organizer),
        ) else {
            return;
        };
        let is_listed =
            owner.account_enabled && owner.has_mailbox && owner.user_type != UserType::Guest;
        if !is_listed || meeting.kind == MeetingKind::InPerson {
            return;
        }
        // copies of an entry share what Graph lists
        let copies = self.meetings.iter().filter(|other| {
            std::ptr::eq(*other, meeting)
                || (!meeting.online_meeting_id.is_empty()
                    && other.online_meeting_id == meeting.online_meeting_id)
        });
        let now = self.settings.now;
        let listed = copies
            .flat_map(|copy| &copy.reports)
            .filter(|report| report.is_listed(now));
        let listed = newest(listed, self.answers.listed_reports);
        let whole = match (meeting.kind, organizer.access_policy) {
            (MeetingKind::Channel | MeetingKind::Skype | MeetingKind::InPerson, _) => {
                Some(TrueAttendance::Unsupported)
            }
            (MeetingKind::Teams, AccessPolicy::Granted) => {
                meeting.is_expired.then_some(TrueAttendance::Gone)
            }
            (MeetingKind::Teams, _) => Some(TrueAttendance::Forbidden),
        };
        let is_of = |report: &Report, occurrence: &Occurrence| {
            report.i_cal_uid.as_deref() == Some(occurrence.i_cal_uid.as_str())
        };
        let shown = meeting.occurrences.iter().filter(|one| one.shown.at(now));
        for occurrence in shown {
            let attendance = whole.unwrap_or_else(|| {
                if listed.iter().any(|report| is_of(report, occurrence)) {
                    TrueAttendance::Reported
                } else if meeting
                    .reports
                    .iter()
                    .any(|report| is_of(report, occurrence))
                {
                    TrueAttendance::OverCap
                } else {
                    TrueAttendance::Empty
                }
            });
            truth.sessions.push(TrueSession {
                source: "online_meeting",
                organizer_id: meeting.owner().to_owned(),
                event_id: Some(meeting.online_meeting_id.clone()).filter(|id| !id.is_empty()),
                occurrence_id: occurrence.i_cal_uid.clone(),
                series_id: meeting.series_master_id.clone(),
                subject: occurrence
                    .subject
                    .as_ref()
                    .unwrap_or(&meeting.subject)
                    .clone(),
                scheduled_start: occurrence.start,
                scheduled_end: occurrence.end,
                is_cancelled: occurrence.is_cancelled,
                join_web_url: meeting.join_web_url.clone(),
                attendance,
            });
        }
        if whole.is_none() {
            let is_own = |report: &&&Report| {
                meeting
                    .reports
                    .iter()
                    .any(|own| std::ptr::eq(own, **report))
            };
            for report in listed.iter().filter(is_own) {
                truth.reports.push(true_report(
                    report,
                    "online_meeting",
                    meeting.owner(),
                    &meeting.online_meeting_id,
                    report.i_cal_uid.clone(),
                ));
            }
        }
    }

    fn add_virtual_events(&self, truth: &mut Truth) {
        for event in &self.virtual_events {
            let is_listed = self
                .person(&event.organizer)
                .is_some_and(|organizer| organizer.access_policy == AccessPolicy::Granted);
            if !is_listed {
                continue;
            }
            let source = match event.kind {
                VirtualEventKind::Webinar => "webinar",
                VirtualEventKind::TownHall => "town_hall",
            };
            for session in &event.sessions {
                let now = self.settings.now;
                let listed = session
                    .reports
                    .iter()
                    .filter(|report| report.is_listed(now));
                let listed = newest(listed, self.answers.listed_reports);
                truth.sessions.push(TrueSession {
                    source,
                    organizer_id: event.organizer.clone(),
                    event_id: Some(event.id.clone()),
                    occurrence_id: session.id.clone(),
                    series_id: None,
                    subject: session.subject.clone(),
                    scheduled_start: session.start,
                    scheduled_end: session.end,
                    is_cancelled: event.status == "canceled",
                    join_web_url: Some(session.join_web_url.clone()),
                    attendance: if listed.is_empty() {
                        TrueAttendance::Empty
                    } else {
                        TrueAttendance::Reported
                    },
                });
                for report in listed {
                    truth.reports.push(true_report(
                        report,
                        source,
                        &event.organizer,
                        &event.id,
                        Some(session.id.clone()),
                    ));
                }
            }
        }
    }
}

/// The reports that Graph lists: the newest, newest first.
pub(super) fn newest<'a>(
    reports: impl IntoIterator<Item = &'a Report>,
    cap: usize,
) -> Vec<&'a Report> {
    let mut listed: Vec<&Report> = reports.into_iter().collect();
    listed.sort_by_key(|report| std::cmp::Reverse(report.start.at));
    listed.truncate(cap);
    listed
}

fn true_report(
    report: &Report,
    source: &'static str,
    organizer: &str,
    event: &str,
    occurrence_id: Option<String>,
) -> TrueReport {
    TrueReport {
        report_id: report.id.clone(),
        source,
        organizer_id: organizer.to_owned(),
        event_id: event.to_owned(),
        occurrence_id,
        start: report.start,
        end: report.end,
        total_participant_count: report.total_participant_count,
        records: report.records.clone(),
    }
}
