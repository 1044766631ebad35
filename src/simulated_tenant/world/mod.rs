//! What there is in the simulated tenant: people, meetings, virtual events, and who came.
//!
//! All fields are public: a test may build a small world by hand, or take a generated one and edit it. Nothing here knows how
//! Graph prints it; that is [`super::serve`]'s.

mod attendance;
mod dice;
pub mod links;
mod meetings;
mod people;
mod stamp;
mod virtual_events;

pub use stamp::Stamp;

use crate::time::{DAY, UtcMicros};
use dice::Dice;

/// The tenant's GUID: the `tid` of its tokens.
pub const TENANT_ID: &str = "7f1e5d40-6c2b-4a57-9d1c-0d0e5a3b2c11";
/// The one app that is registered in the tenant.
pub const CLIENT_ID: &str = "b0a4c6e2-3f5d-4e8a-8b71-5c2d9e6f1a30";
/// The app's secret; a made-up word that opens nothing but the simulated tenant.
pub const CLIENT_SECRET: &str = "demo-secret";

/// What a world is generated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldSettings {
    /// Another seed gives other people and meetings of the same kinds.
    pub seed: u64,
    /// Accounts in the directory, all kinds together; below 12 some kinds are missing.
    pub users: u32,
    /// Days with meetings: the UTC days that end at the midnight before `now`.
    pub days: u32,
    /// The present; only moves the days, never changes what happens in them.
    pub now: UtcMicros,
}

impl WorldSettings {
    /// The first instant of a day: day 0 is the oldest; day `days` begins at the midnight before `now`.
    pub fn midnight(&self, day: u32) -> UtcMicros {
        let today = self.now.0.div_euclid(DAY) * DAY;
        UtcMicros(today + (i64::from(day) - i64::from(self.days)) * DAY)
    }
}

/// A whole tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What it was generated from.
    pub settings: WorldSettings,
    /// The directory.
    pub people: Vec<Person>,
    /// Groups of the directory.
    pub groups: Vec<Group>,
    /// Calendar series and single entries, most of them Teams meetings.
    pub meetings: Vec<Meeting>,
    /// Webinars and town halls.
    pub virtual_events: Vec<VirtualEvent>,
    /// How the server answers where Graph leaves a choice.
    pub answers: AnswerSettings,
}

impl World {
    /// Makes a life-like world: the same settings give the same world, and another `now` moves it without changing it.
    pub fn generate(settings: &WorldSettings) -> Self {
        let mut dice = Dice::new(settings.seed);
        let people = people::generate(settings.users, &mut dice);
        let groups = people::groups(&people, &mut dice);
        let meetings = meetings::generate(settings, &people, &mut dice);
        let virtual_events = virtual_events::generate(settings, &people, &mut dice);
        Self {
            settings: *settings,
            people,
            groups,
            meetings,
            virtual_events,
            answers: AnswerSettings::default(),
        }
    }

    /// A world without anybody, for tests that fill it by hand.
    pub fn empty(now: UtcMicros) -> Self {
        Self {
            settings: WorldSettings {
                seed: 0,
                users: 0,
                days: 0,
                now,
            },
            people: Vec::new(),
            groups: Vec::new(),
            meetings: Vec::new(),
            virtual_events: Vec::new(),
            answers: AnswerSettings::default(),
        }
    }

    /// Finds a person by object id or user principal name, as Graph does in `/users/{id}`.
    pub fn person(&self, id_or_upn: &str) -> Option<&Person> {
        self.people.iter().find(|person| {
            person.id.eq_ignore_ascii_case(id_or_upn)
                || person.user_principal_name.eq_ignore_ascii_case(id_or_upn)
        })
    }
}

/// How the server answers where Graph's documentation leaves a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Records on one page of `attendanceRecords`.
    pub records_page_size: usize,
    /// Webinars or town halls on one page.
    pub virtual_events_page_size: usize,
    /// What `$expand=attendanceRecords` does.
    pub expand: ExpandAnswer,
    /// The `expires_in` of tokens; the server refuses them afterwards.
    pub token_lifetime_seconds: u64,
    /// The `roles` claim of tokens.
    pub token_roles: Vec<String>,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self {
            records_page_size: 100,
            virtual_events_page_size: 20,
            expand: ExpandAnswer::Full,
            token_lifetime_seconds: 3599,
            token_roles: [
                "Calendars.ReadBasic.All",
                "OnlineMeetings.Read.All",
                "OnlineMeetingArtifact.Read.All",
                "User.Read.All",
                "GroupMember.Read.All",
                "VirtualEvent.Read.All",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}

/// What `$expand=attendanceRecords` on a report does; each was seen in public code or its comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpandAnswer {
    /// All records inline.
    Full,
    /// The property is left out.
    Ignored,
    /// The property is null.
    Null,
    /// The property is an empty list.
    Empty,
    /// The first page inline, the rest behind `attendanceRecords@odata.nextLink`.
    Partial,
}

/// An account in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Object id, a GUID.
    pub id: String,
    /// May be shared by two people.
    pub display_name: String,
    /// Sign-in name.
    pub user_principal_name: String,
    /// E-mail address; not always the user principal name.
    pub mail: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Whether the account may sign in.
    pub account_enabled: bool,
    /// Member or guest.
    pub user_type: UserType,
    /// Whether it has a cloud mailbox, and so a calendar.
    pub has_mailbox: bool,
    /// Whether an application access policy lets the app read its meetings.
    pub access_policy: AccessPolicy,
}

/// `userType` of a directory account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserType {
    /// Of this organization.
    Member,
    /// Invited from another.
    Guest,
}

/// What an application access policy says of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPolicy {
    /// The app may read.
    Granted,
    /// No policy: 403, code `Forbidden`.
    Missing,
    /// No policy: 403, code `General`, the other wording that was seen.
    MissingGeneral,
    /// A policy that leaves this person out: 403, `3003: User does not have access to lookup meeting`.
    OtherUsers,
}

/// A group of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Object id, a GUID.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// Object ids of people or groups.
    pub members: Vec<String>,
}

/// One calendar series or single entry, and the online meeting behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// Object id of who organizes it.
    pub organizer: String,
    /// Object ids of the people who have it in their calendars too.
    pub invited: Vec<String>,
    /// Title.
    pub subject: String,
    /// What it takes place on.
    pub kind: MeetingKind,
    /// `onlineMeeting.id`; empty where there is none.
    pub online_meeting_id: String,
    /// The chat thread; empty where there is none.
    pub thread_id: String,
    /// The join link as Graph stores it; `None` for entries that are no online meeting.
    pub join_web_url: Option<String>,
    /// The digits of `joinMeetingIdSettings.joinMeetingId`; old meetings have none.
    pub join_meeting_id: Option<String>,
    /// `seriesMasterId` of its occurrences; `None` for a single entry.
    pub series_master_id: Option<String>,
    /// Whether the online meeting object expired: its lookup answers 404 `3004`.
    pub is_expired: bool,
    /// When it takes place; a single entry has one.
    pub occurrences: Vec<Occurrence>,
    /// Reports of all occurrences, in any order.
    pub reports: Vec<Report>,
}

/// What a calendar entry takes place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeetingKind {
    /// Teams, with a meeting of its own.
    Teams,
    /// Teams, posted to a channel: its reports are those of the whole channel.
    Channel,
    /// Online with Skype for Business: no reports.
    Skype,
    /// Not online.
    InPerson,
}

/// One calendar entry of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// `iCalUId`: one of its own for each occurrence.
    pub i_cal_uid: String,
    /// Scheduled start.
    pub start: UtcMicros,
    /// Scheduled end.
    pub end: UtcMicros,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
}

/// A webinar or town hall.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualEvent {
    /// Which of the two.
    pub kind: VirtualEventKind,
    /// `{guid}@{tenant}`.
    pub id: String,
    /// Object id of who organizes it.
    pub organizer: String,
    /// Object ids of those who help.
    pub co_organizers: Vec<String>,
    /// Title.
    pub display_name: String,
    /// `draft`, `published`, `canceled`.
    pub status: String,
    /// Ids that partner software keeps with the event.
    pub external_event_information: Vec<ExternalEvent>,
    /// When it takes place; most have one.
    pub sessions: Vec<VirtualSession>,
}

/// Webinar or town hall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualEventKind {
    /// `virtualEventWebinar`.
    Webinar,
    /// `virtualEventTownhall`.
    TownHall,
}

/// One session of a virtual event.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualSession {
    /// A GUID.
    pub id: String,
    /// Title.
    pub subject: String,
    /// Scheduled start.
    pub start: UtcMicros,
    /// Scheduled end.
    pub end: UtcMicros,
    /// The join link.
    pub join_web_url: String,
    /// Its reports, in any order.
    pub reports: Vec<Report>,
}

/// An id that partner software keeps with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalEvent {
    /// The partner's app.
    pub application_id: String,
    /// Its id of the event.
    pub external_event_id: String,
}

/// A `meetingAttendanceReport`: one session that was held.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// A GUID.
    pub id: String,
    /// `iCalUId` of the occurrence it belongs to; Graph does not tell, [`World::truth`] does.
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
