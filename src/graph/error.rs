//! What a failed request tells: where, how often, how long, why, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::error::Category;

use super::address::{RefusedLink, redacted_path};
use super::error_body::ErrorBody;
use super::remedy::{NO_AUTHORITIES, remedy, trust};
use super::request::GraphRequest;
use crate::job::file::AuthMethod;
use crate::model::ParseError;
use crate::time::UtcMicros;

/// A request that failed for good.
///
/// Its text names method, redacted path, tries and time; its source says what happened in the last try.
#[derive(Debug)]
pub struct GraphError(Box<Failed>);

#[derive(Debug)]
struct Failed {
    target: String,
    tries: u32,
    elapsed: Duration,
    problem: Problem,
    /// How the client signs in, where that matters for what to do.
    method: Option<AuthMethod>,
}

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
            Self::Other => "other",
        }
    }
}

/// What happened in one try.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{}", answer_text(*status, body))]
    Answer { status: u16, body: ErrorBody },
    #[error("Graph refuses the token and asks to sign in anew (claims challenge)")]
    ClaimsChallenge { body: ErrorBody },
    #[error("the sign-in host answered {status} (code `{}`)", sign_in_code(body))]
    SignIn { status: u16, body: ErrorBody },
    #[error("the sign-in host's answer holds no token that can be used: {0}")]
    BadToken(&'static str),
    #[error("the access token ended at {0}")]
    TokenEnded(UtcMicros),
    #[error("no user has signed in for this tenant and app")]
    NotSignedIn,
    #[error("nobody entered the code while it was good")]
    CodeNotUsed,
    #[error("the sign-in was declined")]
    Declined,
    #[error("{what} `{}` cannot be {action}", path.display())]
    File {
        what: &'static str,
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the connection failed")]
    Transport(#[source] reqwest::Error),
    #[error("there was no answer in time")]
    Timeout(#[source] reqwest::Error),
    #[error("the server's certificate is not trusted")]
    Tls(#[source] reqwest::Error),
    #[error("the proxy asks for a user name and password")]
    ProxyRefused(#[source] reqwest::Error),
    #[error("the answer is not what was asked for")]
    BadResponse(#[source] Box<dyn Error + Send + Sync>),
    #[error("the answer (status {0}) has no whole body")]
    NoBody(u16),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("a link was not followed")]
    RefusedLink(#[source] RefusedLink),
    #[error("the server redirects elsewhere (status {0}); redirects are not followed")]
    Redirect(u16),
    #[error("the pages lead round in a circle")]
    PagingLoop,
    #[error("more than {0} pages came")]
    TooManyPages(usize),
    #[error("more than {0} pages in a row held nothing new")]
    TooManyIdlePages(usize),
    #[error("the run's deadline has passed")]
    Deadline(#[source] Option<Box<Self>>),
    #[error("no meeting has this join link")]
    NoSuchMeeting,
    #[error("the meeting was posted to a channel, which has no reports of its own")]
    ChannelMeeting,
    #[error("the answer does not have the id that was asked for")]
    IdMismatch,
    #[error("`{0}` is neither https nor on loopback")]
    PlainHttp(String),
    #[error("this machine has no CA certificates, so that it can trust no server")]
    NoAuthorities(#[source] reqwest::Error),
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl Problem {
    /// The run's time is over, and this is what the last try came to, where there was one.
    pub(super) fn deadline(last: Option<Self>) -> Self {
        match last {
            // what stands behind it is told once
            Some(last @ Self::Deadline(_)) => last,
            last => Self::Deadline(last.map(Box::new)),
        }
    }

    /// What to do where nobody is trusted; other failures of set-up say it in their causes.
    fn trust_hint(&self) -> Option<&'static str> {
        if let Self::NoAuthorities(_) = self {
            Some(NO_AUTHORITIES)
        } else if let Self::Tls(source) = self {
            Some(trust(source))
        } else {
            None
        }
    }

    /// Why, as the tables name it.
    fn reason(&self, method: Option<AuthMethod>) -> FailureReason {
        match self {
            Self::Answer { status, .. } => match status {
                401 => FailureReason::Unauthorized,
                403 => FailureReason::Forbidden,
                404 | 410 => FailureReason::Gone,
                429 => FailureReason::Throttled,
                408 => FailureReason::Timeout,
                // an error object in place of what was asked for
                200..=299 => FailureReason::BadResponse,
                500..=599 => FailureReason::ServerError,
                _ => FailureReason::BadRequest,
            },
            Self::SignIn { status: 429, .. } => FailureReason::Throttled,
            Self::SignIn {
                status: 500..=599, ..
            } => FailureReason::ServerError,
            // the identity service, while it is being updated
            Self::SignIn {
                status: 404 | 410, ..
            } if method == Some(AuthMethod::ManagedIdentity) => FailureReason::ServerError,
            Self::ClaimsChallenge { .. }
            | Self::SignIn { .. }
            | Self::BadToken(_)
            | Self::TokenEnded(_)
            | Self::NotSignedIn
            | Self::CodeNotUsed
            | Self::Declined
            | Self::ProxyRefused(_)
            | Self::File { .. } => FailureReason::Unauthorized,
            Self::Transport(_) => FailureReason::Transport,
            Self::Timeout(_) => FailureReason::Timeout,
            Self::Tls(_) | Self::NoAuthorities(_) | Self::Setup(_) => FailureReason::Tls,
            Self::BadResponse(_) | Self::NoBody(_) => FailureReason::BadResponse,
            Self::TooLarge(_) => FailureReason::TooLarge,
            Self::RefusedLink(_) | Self::Redirect(_) | Self::PlainHttp(_) => {
                FailureReason::RefusedLink
            }
            Self::PagingLoop | Self::TooManyPages(_) | Self::TooManyIdlePages(_) => {
                FailureReason::PagingLoop
            }
            Self::Deadline(_) => FailureReason::Deadline,
            Self::NoSuchMeeting => FailureReason::Gone,
            Self::ChannelMeeting => FailureReason::BadRequest,
            Self::IdMismatch => FailureReason::IdMismatch,
        }
    }

    /// The number of the sign-in host's refusal.
    pub(super) fn sign_in_code(&self) -> Option<i64> {
        if let Self::SignIn { body, .. } = self {
            body.sign_in_code
        } else {
            None
        }
    }
}

/// Where JSON stops making sense; `serde_json` itself would quote the value there, which may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub(super) struct BadJson {
    what: &'static str,
    line: usize,
    column: usize,
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        let json = error
            .source()
            .and_then(|source| source.downcast_ref::<serde_json::Error>());
        Self::BadResponse(match json {
            Some(json) => Box::new(BadJson {
                what: match json.classify() {
                    Category::Io => "cannot be read",
                    Category::Syntax => "not JSON",
                    Category::Data => "another shape",
                    Category::Eof => "cut short",
                },
                line: json.line(),
                column: json.column(),
            }),
            None => Box::new(error),
        })
    }
}

impl GraphError {
    pub(super) fn new(url: &str, tries: u32, elapsed: Duration, problem: Problem) -> Self {
        let target = if url.is_empty() {
            String::new()
        } else {
            format!("GET {}", redacted_path(url))
        };
        Self(Box::new(Failed {
            target,
            tries,
            elapsed,
            problem,
            method: None,
        }))
    }

    pub(super) fn sign_in(host: &str, tries: u32, elapsed: Duration, problem: Problem) -> Self {
        Self(Box::new(Failed {
            target: format!("signing in at {host}"),
            tries,
            elapsed,
            problem,
            method: None,
        }))
    }

    /// The same, of a client that signs in like this.
    pub(super) fn with_method(mut self, method: AuthMethod) -> Self {
        self.0.method = Some(method);
        self
    }

    /// Something about an answer that came at once.
    pub(super) fn of(request: &GraphRequest, problem: Problem) -> Self {
        Self::new(&request.url, 1, Duration::ZERO, problem)
    }

    /// The look-up of a join link found nothing.
    pub fn meeting_not_found(request: &GraphRequest) -> Self {
        Self::of(request, Problem::NoSuchMeeting)
    }

    /// The answer to a request is about something else: it has another id.
    pub fn id_mismatch(request: &GraphRequest) -> Self {
        Self::of(request, Problem::IdMismatch)
    }

    /// The answer to a request is not what was asked for.
    pub fn bad_response(request: &GraphRequest, source: ParseError) -> Self {
        Self::of(request, Problem::from(source))
    }

    /// The look-up of a join link found a meeting in a channel.
    pub fn channel_meeting() -> Self {
        Self::new("", 1, Duration::ZERO, Problem::ChannelMeeting)
    }

    /// Why, as the tables name it.
    pub fn reason(&self) -> FailureReason {
        self.0.problem.reason(self.0.method)
    }

    /// What the last try came to, also where the run's time was over after it.
    fn last(&self) -> &Problem {
        if let Problem::Deadline(Some(last)) = &self.0.problem {
            last
        } else {
            &self.0.problem
        }
    }

    /// Which of the causes, where the answer told.
    pub fn cause(&self) -> Cause {
        if matches!(self.0.problem, Problem::NoSuchMeeting) {
            Cause::MeetingNotFound
        } else if matches!(self.0.problem, Problem::ChannelMeeting) {
            Cause::ChannelThread
        } else {
            self.refusal().map_or(Cause::Other, |(_, body)| body.cause)
        }
    }

    /// Status of the last answer.
    pub fn status(&self) -> Option<u16> {
        if let Problem::NoBody(status) | Problem::Redirect(status) = self.last() {
            Some(*status)
        } else {
            self.refusal().map(|(status, _)| status)
        }
    }

    /// Graph's code in the last answer.
    pub fn graph_code(&self) -> Option<&str> {
        self.refusal().and_then(|(_, body)| body.code.as_deref())
    }

    /// Whether the same request may pass later.
    pub fn is_transient(&self) -> bool {
        self.reason().is_transient()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        if self.reason() != FailureReason::Deadline {
            return self.hint_of_last();
        }
        let hint = self.hint_of_last();
        let hint = hint.unwrap_or_else(|| "nothing is lost: run the same command again".to_owned());
        Some(format!(
            "{hint}; `[run] deadline` in the job file says how long it may take"
        ))
    }

    fn hint_of_last(&self) -> Option<String> {
        if matches!(self.0.problem, Problem::ProxyRefused(_)) {
            let hint = "write them into `HTTPS_PROXY` (`http://user:password@host:port`), or have the proxy let this machine through";
            return Some(hint.to_owned());
        }
        let hint = match (self.last().reason(self.0.method), self.cause()) {
            (_, Cause::NotOrganizer) => concat!(
                "the application access policy does not cover these organizers, or a shared mailbox organizes: ",
                "grant the policy with -Global, or to each organizer; meetings of shared mailboxes cannot be read"
            ),
            (_, Cause::NoApplicationAccessPolicy) => concat!(
                "let the app read the meetings of these organizers, in Teams PowerShell (it may take 30 minutes to work):\n",
                "New-CsApplicationAccessPolicy -Identity teamsheet -AppIds \"<client id>\"\n",
                "Grant-CsApplicationAccessPolicy -PolicyName teamsheet -Global"
            ),
            (_, Cause::MissingRole) => concat!(
                "grant the app registration the application permissions User.Read.All, Calendars.ReadBasic.All, ",
                "OnlineMeetings.Read.All, OnlineMeetingArtifact.Read.All, VirtualEvent.Read.All, and CallRecords.Read.All ",
                "where call records are read, with admin consent"
            ),
            (_, Cause::MailboxDenied) => {
                "an Exchange application access policy keeps the app out of these mailboxes: add them to its scope"
            }
            (_, Cause::DelegatedMismatch) => {
                "sign in as the organizer, or use an application permission"
            }
            (_, Cause::UserNotFound) => {
                "check the users and groups that the job file names: Graph does not know one of them"
            }
            (FailureReason::Forbidden, _) => {
                "check the app's permissions, their admin consent, and the application access policy"
            }
            (FailureReason::Unauthorized, _) => return Some(self.sign_in_hint()),
            (FailureReason::Transport | FailureReason::Timeout | FailureReason::ServerError, _)
                if self.0.method == Some(AuthMethod::ManagedIdentity)
                    && self.is_about_sign_in() =>
            {
                return Some(self.sign_in_hint());
            }
            (FailureReason::Tls, _) => return self.0.problem.trust_hint().map(str::to_owned),
            (FailureReason::Transport | FailureReason::Timeout, _) => {
                "check the network, the proxy, and `[graph] endpoint` and `authority` in the job file; then run the same command again"
            }
            (
                FailureReason::Throttled | FailureReason::ServerError | FailureReason::Deadline,
                _,
            ) => "nothing is lost: run the same command again",
            (FailureReason::RefusedLink, _) => {
                "check `[graph] endpoint`: only its own origin gets the token, over https or on loopback"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn is_about_sign_in(&self) -> bool {
        self.0.target.starts_with("signing in")
    }

    /// Status and body of an answer that says no.
    fn refusal(&self) -> Option<(u16, &ErrorBody)> {
        let last = self.last();
        if let Problem::Answer { status, body } | Problem::SignIn { status, body } = last {
            Some((*status, body))
        } else if let Problem::ClaimsChallenge { body } = last {
            Some((401, body))
        } else {
            None
        }
    }

    /// What to do where the sign-in failed.
    fn sign_in_hint(&self) -> String {
        remedy(self.0.method, self.last().sign_in_code()).to_owned()
    }

    /// A failure that may pass.
    #[cfg(test)]
    pub(crate) fn out_of_time() -> Self {
        Self::new("", 0, Duration::ZERO, Problem::deadline(None))
    }

    #[cfg(test)]
    pub(super) fn tries(&self) -> u32 {
        self.0.tries
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed {
            target,
            tries,
            elapsed,
            ..
        } = &*self.0;
        if target.is_empty() {
            return f.write_str("nothing could be asked");
        }
        let plural = if *tries == 1 { "try" } else { "tries" };
        write!(
            f,
            "{target} failed after {tries} {plural} in {:.1}s",
            elapsed.as_secs_f64()
        )
    }
}

impl Error for GraphError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0.problem)
    }
}

fn answer_text(status: u16, body: &ErrorBody) -> String {
    let name = reqwest::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("status");
    let details = match (&body.code, &body.request_id) {
        (Some(code), Some(id)) => format!(" (code `{code}`, request-id {id})"),
        (Some(code), None) => format!(" (code `{code}`)"),
        (None, Some(id)) => format!(" (request-id {id})"),
        (None, None) => String::new(),
    };
    format!("Graph answered {status} {name}{details}")
}

fn sign_in_code(body: &ErrorBody) -> String {
    let code = body.code.as_deref().unwrap_or("none");
    body.sign_in_code.map_or_else(
        || code.to_owned(),
        |number| format!("{code}, AADSTS{number}"),
    )
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
