//! How the server answers where Graph leaves a choice; tests turn these.

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
