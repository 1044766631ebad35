//! What an answer means: whether it can be read, and if not, whether to ask again.

use std::time::Duration;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::error::Problem;
use super::error_body::ErrorBody;
use super::retry::FailureClass;
use super::retry_after::retry_after;
use crate::time::UtcMicros;

/// A try that failed.
#[derive(Debug)]
pub(super) struct FailedTry {
    pub(super) class: FailureClass,
    pub(super) retry_after: Option<Duration>,
    pub(super) problem: Problem,
}

impl From<Problem> for FailedTry {
    fn from(problem: Problem) -> Self {
        let class = if matches!(problem, Problem::Transport(_) | Problem::Timeout(_)) {
            FailureClass::Transient
        } else if matches!(problem, Problem::BadResponse(_) | Problem::NoBody(_)) {
            FailureClass::Doubtful
        } else {
            FailureClass::Terminal
        };
        Self {
            class,
            retry_after: None,
            problem,
        }
    }
}

/// Whether the body of an answer 200 is worth reading.
pub(super) fn check_body(body: &[u8]) -> Result<(), FailedTry> {
    if is_error_object(body) {
        return Err(FailedTry {
            class: FailureClass::Doubtful,
            retry_after: None,
            problem: Problem::Answer {
                status: 200,
                body: ErrorBody::read(body),
            },
        });
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::NoBody(200).into());
    }
    Ok(())
}

/// Any answer but 200; `now` is the server's time as far as it is known.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &[u8], now: UtcMicros) -> FailedTry {
    match status {
        200..=299 => return Problem::NoBody(status).into(),
        300..=399 => return Problem::Redirect(status).into(),
        _ => {}
    }
    let retry_after = retry_after(headers, now);
    let body = ErrorBody::read(body);
    let class = match status {
        429 => FailureClass::Throttled,
        503 if retry_after.is_some() => FailureClass::Throttled,
        408 | 503 | 504 | 509 => FailureClass::Transient,
        500..=599 => FailureClass::Doubtful,
        _ => FailureClass::Terminal,
    };
    let challenges = headers.get_all(WWW_AUTHENTICATE);
    let asks_for_claims = challenges
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|challenge| challenge.contains("claims="));
    let problem = if status == 401 && asks_for_claims {
        Problem::ClaimsChallenge { body }
    } else {
        Problem::Answer { status, body }
    };
    FailedTry {
        class,
        retry_after,
        problem,
    }
}

/// Whether a body begins as an error object does; a page or entity never has `error` first.
fn is_error_object(body: &[u8]) -> bool {
    let start = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    start
        .strip_prefix(b"{")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"error\""))
}
