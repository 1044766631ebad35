//! What there is in the simulated tenant: people, meetings, virtual events, and who came.
//!
//! All fields are public: a test may build a small world by hand, or take a generated one and edit it. Nothing here knows how
//! Graph prints it; that is [`super::serve`]'s.

mod answers;
mod attendance;
mod by_hand;
mod dice;
mod entry;
mod event;
pub mod links;
mod meetings;
mod people;
mod report;
mod stamp;
mod virtual_events;

pub use answers::{AnswerSettings, ExpandAnswer, IdCase, PeopleShown, ServerClock, WrongOrganizer};
pub use entry::{Meeting, MeetingKind, Occurrence, Shown};
pub use event::{CalendarEntry, VirtualEvent, VirtualEventKind, VirtualSession};
pub use report::{
    ExternalEvent, ExternalRegistration, Identity, IdentityKind, Interval, Record, Report, Short,
};
pub use stamp::Stamp;

use crate::ids::stable_hash;
use crate::time::{DAY, UtcMicros};
use dice::Dice;

/// The tenant's GUID unless a world says another: the `tid` of its tokens.
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
    /// The tenant's GUID; [`TENANT_ID`] unless it was made with [`World::as_tenant_of_its_own`].
    pub tenant_id: String,
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
            tenant_id: TENANT_ID.to_owned(),
            people,
            groups,
            meetings,
            virtual_events,
            answers: AnswerSettings::default(),
        }
    }

    /// The same world in a tenant whose GUID follows from its settings and days, so that two of them are never taken for one.
    #[must_use]
    pub fn as_tenant_of_its_own(mut self) -> Self {
        let WorldSettings {
            seed, users, days, ..
        } = self.settings;
        let first_day = self.settings.midnight(0).to_string();
        let of_settings = stable_hash(
            [
                &seed.to_string(),
                &users.to_string(),
                &days.to_string(),
                first_day.as_str(),
            ]
            .map(AsRef::<str>::as_ref),
        );
        let tenant_id = links::guid(&of_settings);
        let rename = |text: &mut String| *text = text.replace(&self.tenant_id, &tenant_id);
        for meeting in &mut self.meetings {
            meeting.join_web_url.iter_mut().for_each(rename);
            meeting
                .reports
                .iter_mut()
                .for_each(|report| rename_in_report(report, &rename));
        }
        for event in &mut self.virtual_events {
            rename(&mut event.id);
            for session in &mut event.sessions {
                rename(&mut session.join_web_url);
                session
                    .reports
                    .iter_mut()
                    .for_each(|report| rename_in_report(report, &rename));
            }
        }
        self.tenant_id = tenant_id;
        self
    }

    /// What Graph shows of the world at a time: reports that are over by then, and what each report and entry says of itself.
    ///
    /// A report without `listed_from` is listed once it is over.
    #[must_use]
    pub fn as_of(&self, now: UtcMicros) -> Self {
        let mut world = self.clone();
        world.settings.now = now;
        let is_over = |report: &Report| report.end.at <= now;
        for meeting in &mut world.meetings {
            meeting.reports.retain(is_over);
        }
        for event in &mut world.virtual_events {
            for session in &mut event.sessions {
                session.reports.retain(is_over);
            }
        }
        world
    }

    /// A world without anybody, for tests that fill it by hand with [`Person::member`], [`Meeting::teams`] and the like.
    pub fn empty(now: UtcMicros) -> Self {
        Self {
            settings: WorldSettings {
                seed: 0,
                users: 0,
                days: 0,
                now,
            },
            tenant_id: TENANT_ID.to_owned(),
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

fn rename_in_report(report: &mut Report, rename: &impl Fn(&mut String)) {
    let identities = report
        .records
        .iter_mut()
        .filter_map(|record| record.identity.as_mut());
    identities
        .filter_map(|identity| identity.detail.as_mut())
        .for_each(rename);
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
    /// What Exchange says where it has none.
    pub no_mailbox: NoMailbox,
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
    /// Null: an account made before August 2014, which `userType eq 'Member'` leaves out.
    Unsaid,
}

/// In which words Exchange says that an account has no mailbox in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMailbox {
    /// 404, `MailboxNotEnabledForRESTAPI`.
    NotEnabledForRest,
    /// 404, `MailboxNotSupportedForRESTAPI`.
    NotSupportedForRest,
    /// 404, `ErrorInvalidUser`.
    InvalidUser,
    /// 404, `ErrorNonExistentMailbox`.
    NonExistent,
    /// 404, `ResourceNotFound`, as Outlook's own interface says it.
    ResourceNotFound,
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
