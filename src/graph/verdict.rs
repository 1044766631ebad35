//! What a refusal means: one table from what was asked, status and code to reason, cause and cure.
//!
//! ```text
//! call, status, codes, beginning of the message ─► row of `verdict_rows` ─┐
//!                                       status alone, where no row fits ──┴─► reason, cause, whether to ask again, cured by what
//! ```
//!
//! Nothing here, and nothing else, looks for digits or words anywhere in a message. A code that is in no row is kept for the gap and
//! treated as what its status says. What the sign-in host says has a table of its own, `sign_in_verdict`.

use super::error_body::ErrorBody;
use super::failure::{Cause, FailureReason};
use super::request::{Budget, GraphRequest, RequestKind};
use super::retry::FailureClass;
use super::verdict_rows::ROWS;

/// What was asked, as far as it matters for what the answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Users and groups.
    Directory,
    /// Calendar views, which Exchange answers.
    Calendar,
    /// Records of calls.
    Records,
    /// Online meetings and their reports.
    Meetings,
    /// Webinars and town halls, their sessions and reports.
    VirtualEvents,
}

impl Call {
    pub(super) fn of(request: &GraphRequest) -> Self {
        match request.kind {
            RequestKind::Token | RequestKind::Users | RequestKind::GroupMembers => Self::Directory,
            RequestKind::CalendarView => Self::Calendar,
            RequestKind::ListCallRecords | RequestKind::GetCallRecord => Self::Records,
            RequestKind::ListWebinars
            | RequestKind::ListTownHalls
            | RequestKind::ListSessions
            | RequestKind::GetSession => Self::VirtualEvents,
            RequestKind::FindMeeting
            | RequestKind::GetMeeting
            | RequestKind::ListReports
            | RequestKind::GetReport
            | RequestKind::ListRecords => match request.budget {
                Budget::VirtualEvents => Self::VirtualEvents,
                Budget::Attendance
                | Budget::Calendar
                | Budget::CallRecords
                | Budget::CallRecordsList
                | Budget::Directory => Self::Meetings,
            },
        }
    }
}

/// What cures a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    /// Asking again, at once or in a later run.
    Time,
    /// Reading the list again from its first page.
    FromTheStart,
    /// Another token.
    SignIn,
    /// Somebody who does this.
    Person(&'static str),
    /// Nothing: it is not there.
    Nothing,
}

/// What a refusal means.
///
/// It is transient, terminal for what was asked, or terminal for the run, as its reason says: see [`FailureReason::is_transient`];
/// only `Unauthorized` ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: FailureReason,
    pub(super) cause: Cause,
    /// How often the request itself is repeated.
    pub(super) class: FailureClass,
    pub(super) cure: Cure,
}

/// A row of the table: which answers it is about, and what they mean.
#[derive(Debug)]
pub(super) struct Row {
    /// Empty: any call.
    pub(super) calls: &'static [Call],
    /// Empty: any status.
    pub(super) statuses: &'static [u16],
    /// In small letters. Empty: none, or one that says no more than the status does.
    pub(super) codes: &'static [&'static str],
    /// What the masked message begins with, of answers whose code does not tell. Empty: it does.
    pub(super) begins: &'static [&'static str],
    /// `None`: as the status says.
    pub(super) reason: Option<FailureReason>,
    pub(super) cause: Cause,
    pub(super) cure: Cure,
    /// Where it is documented, or who met it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for who reads or changes the table")
    )]
    pub(super) source: &'static str,
}

/// Codes that say no more than the status: then the beginning of the message tells.
const POOR_CODES: [&str; 8] = [
    "general",
    "forbidden",
    "badrequest",
    "notfound",
    "invalidargument",
    "invalidrequest",
    "accessdenied",
    "unknownerror",
];

fn is_poor(code: &str) -> bool {
    POOR_CODES.contains(&code)
}

/// Statuses of the 4xx that say nothing of what was asked, only of the moment; a GET sets no condition that could fail.
const TRY_AGAIN: [u16; 7] = [409, 412, 421, 423, 425, 449, 499];

impl Verdict {
    /// 401 for this one thing, while the token is good for others.
    pub(super) const REFUSED_HERE: Self = Self {
        reason: FailureReason::BadResponse,
        cause: Cause::TokenRefusedHere,
        class: FailureClass::Terminal,
        cure: Cure::Person(
            "Graph lets the token in elsewhere, and not for these: it may pass by itself, so that the next run asks again; where it stays, \
             these accounts have no cloud mailbox or no licence, or a policy of the tenant keeps the app from them",
        ),
    };

    /// What an answer means that is no 2xx or 3xx, or an error object under 200.
    pub(super) fn of(call: Call, status: u16, body: &ErrorBody) -> Self {
        let by_status = Self::by_status(status, body.is_coded);
        let of_code = |code: &String| ROWS.iter().find(|row| row.is_of_code(call, status, code));
        let (poor, telling): (Vec<_>, Vec<_>) = body.codes.iter().partition(|code| is_poor(code));
        let own_code = body.codes.last().filter(|_| body.has_own_code);
        let is_told_by_words = own_code.is_none_or(|code| is_poor(code));
        let row = telling
            .into_iter()
            .find_map(of_code)
            .or_else(|| {
                let mut rows = ROWS.iter();
                rows.find(|row| row.is_of_message(call, status, body, is_told_by_words))
            })
            .or_else(|| poor.into_iter().find_map(of_code));
        let mut verdict = row.map_or(by_status, |row| row.verdict(by_status, status));
        if verdict.cause == Cause::NotAMeetingId && body.sentence.quotes_channel() {
            verdict.cause = Cause::ChannelThread;
        }
        verdict
    }

    /// What a status says by itself.
    fn by_status(status: u16, has_code: bool) -> Self {
        use FailureClass as C;
        use FailureReason as R;
        let (reason, class) = match status {
            401 => (R::Unauthorized, C::Terminal),
            403 => (R::Forbidden, C::Terminal),
            // Graph says what is wrong with a request and what is not there: nothing at all comes from something on the way
            400 | 404 if !has_code => (R::BadResponse, C::Doubtful),
            404 | 410 => (R::Gone, C::Terminal),
            408 => (R::Timeout, C::Transient),
            429 => (R::Throttled, C::Throttled),
            503 | 504 | 509 => (R::ServerError, C::Transient),
            500..=599 => (R::ServerError, C::Doubtful),
            // an error object in place of what was asked for
            200..=299 => (R::BadResponse, C::Doubtful),
            status if TRY_AGAIN.contains(&status) => (R::BadResponse, C::Doubtful),
            _ => (R::BadRequest, C::Terminal),
        };
        let cure = if reason == R::Unauthorized {
            Cure::SignIn
        } else if reason.is_transient() {
            Cure::Time
        } else {
            Cure::Nothing
        };
        Self {
            reason,
            cause: Cause::Other,
            class,
            cure,
        }
    }
}

impl Row {
    fn is_about(&self, call: Call, status: u16) -> bool {
        (self.calls.is_empty() || self.calls.contains(&call))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
    }

    fn is_of_code(&self, call: Call, status: u16, code: &str) -> bool {
        self.is_about(call, status) && self.begins.is_empty() && self.codes.contains(&code)
    }

    /// A number counts whatever the code is, a sentence only where the code says nothing.
    fn is_of_message(&self, call: Call, status: u16, body: &ErrorBody, by_words: bool) -> bool {
        let mut begins = self.begins.iter();
        self.is_about(call, status)
            && begins.any(|text| (by_words || text.ends_with(':')) && body.sentence.begins(text))
    }

    fn verdict(&self, by_status: Verdict, status: u16) -> Verdict {
        // nobody who is told to slow down asks what else there is
        let is_throttled =
            by_status.class == FailureClass::Throttled || (200..300).contains(&status);
        let reason = self.reason.filter(|_| !is_throttled);
        let reason = reason.unwrap_or(by_status.reason);
        let class = if self.cure == Cure::FromTheStart || !reason.is_transient() {
            FailureClass::Terminal
        } else if reason == FailureReason::Throttled {
            FailureClass::Throttled
        } else if by_status.class == FailureClass::Terminal {
            FailureClass::Doubtful
        } else {
            // a status that may pass says how patiently it is asked again
            by_status.class
        };
        Verdict {
            reason,
            cause: self.cause,
            class,
            cure: self.cure,
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
