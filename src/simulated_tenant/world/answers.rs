//! How the server answers where Graph leaves a choice; tests turn these.

/// How the server answers where Graph's documentation leaves a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Records on one page of `attendanceRecords`.
    pub records_page_size: usize,
    /// How many reports of one meeting Graph lists: the newest; 50 by its documentation, 10 were seen.
    pub listed_reports: usize,
    /// Whether people are told apart.
    pub people: PeopleShown,
    /// How the ids of reports are written where one is asked for by itself.
    pub report_ids: IdCase,
    /// What is said where somebody is asked who does not own the online meeting.
    pub wrong_organizer: WrongOrganizer,
    /// A calendar with a larger page than this takes too long: 504.
    pub largest_calendar_page: usize,
    /// What the `Date` of an answer says.
    pub clock: ServerClock,
    /// Webinars or town halls on one page.
    pub virtual_events_page_size: usize,
    /// What `$expand=attendanceRecords` does.
    pub expand: ExpandAnswer,
    /// The `expires_in` of tokens; the server refuses them afterwards.
    pub token_lifetime_seconds: u64,
    /// The `roles` claim of the app's tokens.
    pub token_roles: Vec<String>,
    /// The `scp` claim of users' tokens.
    pub token_scopes: Vec<String>,
    /// The `interval` of device codes: how long a client waits between polls.
    pub device_code_interval_seconds: u64,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self {
            records_page_size: 100,
            listed_reports: crate::simulated_tenant::LISTED_REPORTS,
            people: PeopleShown::All,
            report_ids: IdCase::AsListed,
            wrong_organizer: WrongOrganizer::NoAccess,
            largest_calendar_page: 1000,
            clock: ServerClock::Machine,
            virtual_events_page_size: 20,
            expand: ExpandAnswer::Full,
            token_lifetime_seconds: 3599,
            token_roles: [
                "Calendars.ReadBasic.All",
                "CallRecords.Read.All",
                "OnlineMeetings.Read.All",
                "OnlineMeetingArtifact.Read.All",
                "User.Read.All",
                "GroupMember.Read.All",
                "VirtualEvent.Read.All",
            ]
            .map(str::to_owned)
            .to_vec(),
            token_scopes: [
                "Calendars.ReadBasic",
                "OnlineMeetings.Read",
                "OnlineMeetingArtifact.Read.All",
                "User.Read",
                "VirtualEvent.Read",
            ]
            .map(str::to_owned)
            .to_vec(),
            device_code_interval_seconds: 0,
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

/// What a tenant's policies leave of people in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeopleShown {
    /// Everything.
    All,
    /// Neither ids, names, addresses nor times: records are equal, and still different people.
    Masked,
}

/// How an id is written; GUIDs are the same in small and capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdCase {
    /// As the list writes it.
    AsListed,
    /// In capital letters.
    Capital,
}

/// The refusal of a look-up under somebody who does not own the online meeting; both were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongOrganizer {
    /// 403, `3003: User does not have access to lookup meeting`.
    NoAccess,
    /// 404, `3004: Specified meeting is not found`.
    NotFound,
}

/// Whose clock the `Date` header follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerClock {
    /// The machine's.
    Machine,
    /// The present of the world, [`super::WorldSettings::now`].
    World,
}
