//! What an answer means: whether it can be read, and if not, whether to ask again.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::challenge::claims_of;
use super::error::Problem;
use super::error_body::ErrorBody;
use super::failure::FailureReason;
use super::retry::FailureClass;
use super::retry_after::retry_after;
use super::verdict::{Call, Verdict};
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
        } else if matches!(
            problem,
            Problem::NoSuchHost(_) | Problem::BadResponse(_) | Problem::NoBody(_)
        ) {
            FailureClass::Doubtful
        } else if let Problem::Answer { verdict, .. } = &problem {
            verdict.class
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
pub(super) fn check_body(call: Call, body: &[u8]) -> Result<(), FailedTry> {
    if has_error(body) {
        let body = Box::new(ErrorBody::read(body));
        let verdict = Verdict::of(call, 200, &body);
        return Err(Problem::Answer {
            status: 200,
            body,
            verdict,
        }
        .into());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::NoBody(200).into());
    }
    Ok(())
}

/// Any answer but 200; `now` is the server's time as far as it is known.
pub(super) fn refusal(
    call: Call,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcMicros,
) -> FailedTry {
    match status {
        200..=299 => return Problem::NoBody(status).into(),
        300..=399 => return Problem::Redirect(status).into(),
        _ => {}
    }
    let retry_after = retry_after(headers, now);
    let body = Box::new(ErrorBody::read(body));
    let verdict = Verdict::of(call, status, &body);
    let class = match status {
        503 if retry_after.is_some() => FailureClass::Throttled,
        _ => verdict.class,
    };
    let claims = claims_of(headers).filter(|_| verdict.reason == FailureReason::Unauthorized);
    let problem = match claims {
        Some(claims) => Problem::ClaimsChallenge {
            body,
            claims: claims.into(),
        },
        None => Problem::Answer {
            status,
            body,
            verdict,
        },
    };
    FailedTry {
        class,
        retry_after,
        problem,
    }
}

/// Whether a body says that something went wrong, wherever in it: then what stands beside it is not the whole answer. No page and no
/// entity has a property `error`.
fn has_error(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let names_it = body.windows(ERROR.len()).any(|part| part == ERROR);
    // large bodies are read once, by whoever knows what they are
    names_it
        && serde_json::from_slice::<Answer<'_>>(body)
            .is_ok_and(|answer| answer.error.is_some_and(|error| error.get() != "null"))
}

const ERROR: &[u8] = b"\"error\"";
