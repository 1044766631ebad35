//! Why something could not be had, in the words of the tables.

/// Why something could not be had; the value of `gaps.reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// 403.
    Forbidden,
    /// 404 or 410.
    Gone,
    /// 401, also with a new token; no token at all; or a proxy that asks for credentials.
    Unauthorized,
    /// 429 until the tries were spent.
    Throttled,
    /// 5xx until the tries were spent.
    ServerError,
    /// No answer in time.
    Timeout,
    /// The connection failed.
    Transport,
    /// The server's certificate is not trusted, or this machine trusts nobody.
    Tls,
    /// An answer that is not what was asked for.
    BadResponse,
    /// A link or redirect that leads away from the endpoint.
    RefusedLink,
    /// Pages that lead round in a circle.
    PagingLoop,
    /// The run's time was over.
    Deadline,
    /// Another 4xx.
    BadRequest,
    /// An answer beyond the cap on its size.
    TooLarge,
    /// An answer about something else than what was asked for.
    IdMismatch,
}

impl FailureReason {
    /// Those that may pass by themselves.
    const TRANSIENT: [Self; 6] = [
        Self::Throttled,
        Self::ServerError,
        Self::Timeout,
        Self::Transport,
        Self::BadResponse,
        Self::Deadline,
    ];

    /// Whether it may pass by itself.
    pub fn is_transient(self) -> bool {
        Self::TRANSIENT.contains(&self)
    }

    /// The same of a name in tables.
    pub fn is_transient_named(name: &str) -> bool {
        Self::TRANSIENT.iter().any(|reason| reason.as_str() == name)
    }

    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Tls => "tls",
            Self::BadResponse => "bad_response",
            Self::RefusedLink => "refused_link",
            Self::PagingLoop => "paging_loop",
            Self::Deadline => "deadline",
            Self::BadRequest => "bad_request",
            Self::TooLarge => "too_large",
            Self::IdMismatch => "id_mismatch",
        }
    }
}

/// Which of a status's causes it was; the value of `sessions.attendance_state_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The organizer is covered by no application access policy.
    NoApplicationAccessPolicy,
    /// The user in the path does not own the meeting.
    NotOrganizer,
    /// A delegated token was used for somebody else.
    DelegatedMismatch,
    /// The app lacks a role.
    MissingRole,
    /// An Exchange policy keeps the app out of the mailbox.
    MailboxDenied,
    /// The account has no cloud mailbox.
    MailboxNotEnabled,
    /// No meeting has this id or link any more.
    MeetingNotFound,
    /// The join link cannot be looked up.
    JoinUrlUnusable,
    /// The id is of no meeting.
    NotAMeetingId,
    /// The id is of a channel's thread.
    ChannelThread,
    /// The filter is not understood.
    FilterUnsupported,
    /// There is no such user.
    UserNotFound,
    /// There is no such user, or the account has no cloud mailbox: Exchange says the same of both.
    NoUserOrMailbox,
    /// The mailbox is on the move, or its store does not answer just now.
    MailboxUnavailable,
    /// The tenant has no Exchange Online, so nobody has a calendar there.
    TenantWithoutExchange,
    /// The link to the next page is too old.
    PageTokenExpired,
    /// The token is refused here, and let in elsewhere.
    TokenRefusedHere,
    /// None of these.
    Other,
}

impl Cause {
    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoApplicationAccessPolicy => "no_application_access_policy",
            Self::NotOrganizer => "not_organizer",
            Self::DelegatedMismatch => "delegated_mismatch",
            Self::MissingRole => "missing_role",
            Self::MailboxDenied => "mailbox_denied",
            Self::MailboxNotEnabled => "mailbox_not_enabled",
            Self::MeetingNotFound => "meeting_not_found",
            Self::JoinUrlUnusable => "join_url_unusable",
            Self::NotAMeetingId => "not_a_meeting_id",
            Self::ChannelThread => "channel_thread",
            Self::FilterUnsupported => "filter_unsupported",
            Self::UserNotFound => "user_not_found",
            Self::NoUserOrMailbox => "no_user_or_mailbox",
            Self::MailboxUnavailable => "mailbox_unavailable",
            Self::TenantWithoutExchange => "tenant_without_exchange",
            Self::PageTokenExpired => "page_token_expired",
            Self::TokenRefusedHere => "token_refused_here",
            Self::Other => "other",
        }
    }
}
