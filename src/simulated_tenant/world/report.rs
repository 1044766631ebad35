//! Attendance reports: what Graph keeps of a session that was held.

use super::Stamp;
use crate::time::UtcMicros;

/// A `meetingAttendanceReport`: one session that was held.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// A GUID.
    pub id: String,
    /// `iCalUId` of the occurrence it belongs to; Graph does not tell, [`super::World::truth`] does.
    pub i_cal_uid: Option<String>,
    /// When the session really began; may be before the schedule.
    pub start: Stamp,
    /// When it really ended.
    pub end: Stamp,
    /// What Graph says; normally the number of records.
    pub total_participant_count: i32,
    /// Ids that partner software keeps with the event; empty for ordinary meetings.
    pub external_event_information: Vec<ExternalEvent>,
    /// Who came.
    pub records: Vec<Record>,
    /// When Graph first lists it: hours or days after its end; always where nothing is said.
    pub listed_from: Option<UtcMicros>,
    /// When the call record of this session is first listed, up to 150 minutes after its end; always where nothing is said.
    pub recorded_from: Option<UtcMicros>,
    /// It is whole only some time after it was listed.
    pub short: Option<Short>,
}

/// A report that Graph gives with fewer records than it counts, until it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// When it is whole.
    pub until: UtcMicros,
    /// How many of its records there are before.
    pub records: usize,
}

impl Report {
    /// Whether Graph lists it at that time.
    pub fn is_listed(&self, now: UtcMicros) -> bool {
        self.listed_from.is_none_or(|from| from <= now)
    }

    /// Whether its call record is there at that time.
    pub fn is_recorded(&self, now: UtcMicros) -> bool {
        self.recorded_from.is_none_or(|from| from <= now)
    }

    /// The records that Graph gives at that time.
    pub fn records_at(&self, now: UtcMicros) -> &[Record] {
        let shown = self.short.filter(|short| now < short.until);
        shown
            .and_then(|short| self.records.get(..short.records))
            .unwrap_or(&self.records)
    }
}

/// An `attendanceRecord`: one attendee in a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Left out of the answer where it is `None`.
    pub id: Option<String>,
    /// Null where it is `None`; may be empty.
    pub email_address: Option<String>,
    /// Null where it is `None`.
    pub identity: Option<Identity>,
    /// `None`, `Attendee`, `Presenter`, `Organizer`, as text.
    pub role: String,
    /// The sum of the intervals' durations: overlaps count twice.
    pub total_attendance_in_seconds: i32,
    /// Join and leave pairs, in Graph's order.
    pub intervals: Vec<Interval>,
    /// Id of a webinar registration.
    pub registration_id: Option<String>,
    /// What partner software keeps with the registration.
    pub external_registration: Option<ExternalRegistration>,
}

/// Who an attendee is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Which derived type, if any.
    pub kind: IdentityKind,
    /// Object id, phone number, ACS id, or a made-up one; no GUID for anonymous people.
    pub id: Option<String>,
    /// Name.
    pub display_name: Option<String>,
    /// The property that the derived type adds: `tenantId`, `email` or `azureCommunicationServicesResourceId`.
    pub detail: Option<String>,
}

/// The derived type of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// No `@odata.type`, but a `tenantId`, as most documented examples print it.
    Untyped,
    /// `communicationsUserIdentity`.
    User,
    /// `communicationsGuestIdentity`.
    Guest,
    /// `communicationsPhoneIdentity`.
    Phone,
    /// `azureCommunicationServicesUserIdentity`.
    AzureCommunicationServices,
}

/// An `attendanceInterval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Null where a policy hides it.
    pub join: Option<Stamp>,
    /// Null where it is hidden or still open.
    pub leave: Option<Stamp>,
    /// Whole seconds, cut; 0 where the times are not known.
    pub duration_in_seconds: i32,
}

/// What partner software keeps with a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRegistration {
    /// Where the registration came from.
    pub referrer: Option<String>,
    /// The partner's id; not the record's `registrationId`.
    pub registration_id: String,
}

/// An id that partner software keeps with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalEvent {
    /// The partner's app.
    pub application_id: String,
    /// Its id of the event.
    pub external_event_id: String,
}
