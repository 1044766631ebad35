//! What a failed request tells: where, how often, how long, why, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::error::Category;

use super::address::{RefusedLink, redacted_path};
use super::arc::ArcProblem;
use super::error_body::ErrorBody;
pub use super::failure::{Cause, FailureReason};
use super::request::GraphRequest;
use super::sign_in_verdict::{SignInVerdict, advice};
use super::trust::{NO_AUTHORITIES, trust};
use super::verdict::{Cure, Verdict};
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

/// What happened in one try.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{}", answer_text(*status, body))]
    Answer {
        status: u16,
        body: Box<ErrorBody>,
        verdict: Verdict,
    },
    #[error("Graph refuses the token and asks to sign in anew (claims challenge)")]
    ClaimsChallenge {
        body: Box<ErrorBody>,
        /// What the next token is to be asked for with.
        claims: SecretString,
    },
    #[error("the sign-in host answered {status} (code `{}`)", sign_in_code(body))]
    SignIn { status: u16, body: Box<ErrorBody> },
    #[error("the sign-in host's answer holds no token that can be used: {0}")]
    BadToken(&'static str),
    #[error("a sign-in or its token was refused before, so that this was not asked")]
    ShutOut,
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
    #[error("the agent of Azure Arc was not understood: {0}")]
    Arc(ArcProblem),
    #[error("the key file `{}` of Azure Arc cannot be read", path.display())]
    ArcKey {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the connection failed")]
    Transport(#[source] reqwest::Error),
    #[error("the name of the host cannot be resolved")]
    NoSuchHost(#[source] reqwest::Error),
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
            Self::Answer { verdict, .. } => verdict.reason,
            Self::SignIn { status, body } => SignInVerdict::of(method, *status, body).reason,
            Self::ClaimsChallenge { .. }
            | Self::BadToken(_)
            | Self::ShutOut
            | Self::TokenEnded(_)
            | Self::NotSignedIn
            | Self::CodeNotUsed
            | Self::Declined
            | Self::ProxyRefused(_)
            | Self::Arc(_)
            | Self::ArcKey { .. }
            | Self::File { .. } => FailureReason::Unauthorized,
            Self::Transport(_) | Self::NoSuchHost(_) => FailureReason::Transport,
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

    /// Whether Graph does not let the token in.
    pub(super) fn refuses_the_token(&self) -> bool {
        if let Self::Answer { verdict, .. } = self {
            verdict.reason == FailureReason::Unauthorized
        } else {
            matches!(self, Self::ClaimsChallenge { .. })
        }
    }

    /// Whether so large an answer may be what did not come.
    pub(super) fn is_too_much(&self) -> bool {
        matches!(
            self,
            Self::Answer {
                status: 408 | 504,
                ..
            } | Self::Timeout(_)
                | Self::TooLarge(_)
        )
    }

    /// Whether the sign-in host refused with this number.
    pub(super) fn has_sign_in_code(&self, number: i64) -> bool {
        if let Self::SignIn { body, .. } = self {
            body.sign_in_codes.contains(&number)
        } else {
            false
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
            self.verdict().map_or(Cause::Other, |verdict| verdict.cause)
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

    /// Whether the answer did not come in time, or was too large to be taken: then less of it may.
    pub fn is_too_much(&self) -> bool {
        self.0.problem.is_too_much()
    }

    /// Whether the link to a page was too old: the list is there, and to be read from its start.
    pub fn is_of_expired_page(&self) -> bool {
        self.cause() == Cause::PageTokenExpired || self.status() == Some(410)
    }

    /// Whether Graph says that there is no such thing, or that what was asked is no id of one, or answers neither with a code: another
    /// way may still find it.
    pub fn is_not_there(&self) -> bool {
        matches!(
            (self.reason(), self.status()),
            (FailureReason::Gone | FailureReason::BadRequest, _)
                | (FailureReason::BadResponse, Some(400 | 404))
        )
    }

    /// Whether it only follows from an earlier refusal, which tells more.
    pub fn is_aftermath(&self) -> bool {
        matches!(self.0.problem, Problem::ShutOut)
    }

    /// Whether nothing else of the run would be let in either.
    pub fn ends_the_run(&self) -> bool {
        self.reason() == FailureReason::Unauthorized
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
        if matches!(self.last(), Problem::Arc(_) | Problem::ArcKey { .. }) {
            let hint = "Azure Arc gives this server's identity to root and to members of the group `himds`: add the account that runs this to \
                        it, and let `IDENTITY_ENDPOINT` be the agent's own (`azcmagent show` says whether it runs)";
            return Some(hint.to_owned());
        }
        if let Some(Cure::Person(what)) = self.verdict().map(|verdict| verdict.cure) {
            return Some(what.to_owned());
        }
        let hint = match self.last().reason(self.0.method) {
            FailureReason::Forbidden => {
                "check the app's permissions, their admin consent, and the application access policy"
            }
            FailureReason::Unauthorized => return Some(self.sign_in_hint()),
            FailureReason::Transport | FailureReason::Timeout | FailureReason::ServerError
                if self.0.method == Some(AuthMethod::ManagedIdentity)
                    && self.is_about_sign_in() =>
            {
                return Some(self.sign_in_hint());
            }
            FailureReason::Tls => return self.0.problem.trust_hint().map(str::to_owned),
            FailureReason::Transport | FailureReason::Timeout => {
                "check the network, the proxy, and `[graph] endpoint` and `authority` in the job file; then run the same command again"
            }
            FailureReason::Throttled | FailureReason::ServerError | FailureReason::Deadline => {
                "nothing is lost: run the same command again"
            }
            FailureReason::RefusedLink => {
                "check `[graph] endpoint`: only its own origin gets the token, over https or on loopback"
            }
            FailureReason::Gone
            | FailureReason::BadResponse
            | FailureReason::PagingLoop
            | FailureReason::BadRequest
            | FailureReason::TooLarge
            | FailureReason::IdMismatch => return None,
        };
        Some(hint.to_owned())
    }

    fn is_about_sign_in(&self) -> bool {
        self.0.target.starts_with("signing in")
    }

    /// Status and body of an answer that says no.
    fn refusal(&self) -> Option<(u16, &ErrorBody)> {
        let last = self.last();
        if let Problem::Answer { status, body, .. } | Problem::SignIn { status, body } = last {
            Some((*status, body))
        } else if let Problem::ClaimsChallenge { body, .. } = last {
            Some((401, body))
        } else {
            None
        }
    }

    /// What the table says of the last answer.
    fn verdict(&self) -> Option<&Verdict> {
        if let Problem::Answer { verdict, .. } = self.last() {
            Some(verdict)
        } else {
            None
        }
    }

    /// What to do where the sign-in failed.
    fn sign_in_hint(&self) -> String {
        let body = if let Problem::SignIn { body, .. } = self.last() {
            Some(body.as_ref())
        } else {
            None
        };
        advice(self.0.method, body).to_owned()
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
    body.sign_in_codes.first().map_or_else(
        || code.to_owned(),
        |number| format!("{code}, AADSTS{number}"),
    )
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
