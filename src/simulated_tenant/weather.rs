//! Troubles that come by chance: which request meets which follows from a seed and the request, not from the order of arrival.

use std::collections::HashMap;

use super::faults::{FaultAnswer, FaultEffect};
use crate::ids::stable_hash;

/// How often Graph fails, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// Another seed meets other requests.
    pub seed: u64,
    /// So many of a hundred tries fail.
    pub percent: u32,
    /// A request that has failed so often is answered.
    pub at_most: usize,
    /// What happens to them; each meets only the requests that it is known of.
    pub troubles: Vec<Trouble>,
}

/// A failure that was seen of Graph, each with requests that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 404 without a body.
    EmptyNotFound,
    /// 400, `UnknownError`, which passes.
    UnknownError,
    /// 503, `ErrorMailboxMoveInProgress`: of calendars.
    MailboxMove,
    /// 503, `serviceNotAvailable`.
    Unavailable,
    /// 429 with `Retry-After: 0`.
    Throttled,
    /// 400, `Directory_ExpiredPageToken` or `ExpiredPageCookie`: of pages after the first.
    ExpiredPage,
    /// 200 with an empty list and an error beside it: of lists.
    ErrorBesideList,
    /// 200 with an error in place of the body.
    ErrorBody,
    /// 504: of what asks for large pages.
    LargePage,
    /// 501, which no try of the same run mends.
    NotNow,
}

impl Trouble {
    /// All that pass by themselves within a run that tries again.
    pub const PASSING: [Self; 8] = [
        Self::EmptyNotFound,
        Self::UnknownError,
        Self::MailboxMove,
        Self::Unavailable,
        Self::Throttled,
        Self::ExpiredPage,
        Self::ErrorBesideList,
        Self::ErrorBody,
    ];

    /// Whether it is known of a request, by its path and query.
    fn may_meet(self, request: &str) -> bool {
        let is_page = request.contains("skiptoken") || request.contains("skip=");
        match self {
            Self::MailboxMove => request.contains("/calendarView"),
            Self::ExpiredPage => is_page,
            Self::ErrorBesideList => {
                request.ends_with("/attendanceReports") || request.contains("/calendarView")
            }
            Self::LargePage => request.contains("top=999") || request.contains("top=1000"),
            Self::EmptyNotFound
            | Self::UnknownError
            | Self::Unavailable
            | Self::Throttled
            | Self::ErrorBody
            | Self::NotNow => true,
        }
    }

    fn effect(self) -> FaultEffect {
        let answer = match self {
            Self::EmptyNotFound => FaultAnswer::raw(404, ""),
            Self::UnknownError => FaultAnswer::graph_error(400, "UnknownError", ""),
            Self::MailboxMove => FaultAnswer::graph_error(
                503,
                "ErrorMailboxMoveInProgress",
                "Mailbox move in progress. Try again later.",
            ),
            Self::Unavailable => FaultAnswer::graph_error(
                503,
                "serviceNotAvailable",
                "The service is temporarily unavailable.",
            ),
            Self::Throttled => {
                FaultAnswer::graph_error(429, "TooManyRequests", "Too many requests.")
                    .with_header("Retry-After", "0")
            }
            Self::ExpiredPage => FaultAnswer::graph_error(
                400,
                "Directory_ExpiredPageToken",
                "The specified page token value has expired and can no longer be included in your request.",
            ),
            Self::ErrorBesideList => FaultAnswer::raw(
                200,
                r#"{"value": [], "error": {"code": "generalException", "message": "An error has occurred."}}"#,
            ),
            Self::ErrorBody => FaultAnswer::raw(
                200,
                r#"{"error": {"code": "InternalServerError", "message": "An error has occurred."}}"#,
            ),
            Self::LargePage => FaultAnswer::graph_error(504, "GatewayTimeout", "Timed out."),
            Self::NotNow => FaultAnswer::graph_error(501, "NotImplemented", "Not now."),
        };
        FaultEffect::Answer(answer)
    }
}

/// The weather of a server, and how often each request has met it.
#[derive(Debug, Default)]
pub(super) struct Sky {
    weather: Option<Weather>,
    tries: HashMap<String, (usize, usize)>,
}

impl Sky {
    pub(super) fn set(&mut self, weather: Option<Weather>) {
        *self = Self {
            weather,
            ..Self::default()
        };
    }

    /// What happens to a request of Graph's, as in `GET /v1.0/users?$top=1`; sign-in has no weather.
    pub(super) fn effect_on(&mut self, request: &str) -> Option<FaultEffect> {
        let weather = self.weather.as_ref()?;
        if !(request.starts_with("GET /v1.0/") || request.starts_with("GET /beta/")) {
            return None;
        }
        let (tries, met) = self.tries.entry(request.to_owned()).or_default();
        *tries += 1;
        if *met >= weather.at_most {
            return None;
        }
        let chance = stable_hash([&weather.seed.to_string(), request, &tries.to_string()]);
        let number = |from: usize| {
            let digits = chance.get(from..from + 8).unwrap_or_default();
            u32::from_str_radix(digits, 16).unwrap_or_default()
        };
        let mut possible = weather.troubles.iter();
        let possible: Vec<Trouble> = possible
            .by_ref()
            .filter(|trouble| trouble.may_meet(request))
            .copied()
            .collect();
        let which = usize::try_from(number(8))
            .ok()?
            .checked_rem(possible.len())?;
        if number(0) % 100 >= weather.percent {
            return None;
        }
        *met += 1;
        possible.get(which).map(|trouble| trouble.effect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sky(percent: u32, at_most: usize) -> Sky {
        let mut sky = Sky::default();
        sky.set(Some(Weather {
            seed: 7,
            percent,
            at_most,
            troubles: Trouble::PASSING.to_vec(),
        }));
        sky
    }

    #[test]
    fn what_a_request_meets_does_not_depend_on_the_others() {
        let requests: Vec<String> = (0..200).map(|n| format!("GET /v1.0/users/{n}")).collect();
        let met = |order: &[String]| {
            let mut sky = sky(20, 1);
            let mut met: Vec<_> = order
                .iter()
                .filter(|request| sky.effect_on(request).is_some())
                .cloned()
                .collect();
            met.sort();
            met
        };
        let mut backwards = requests.clone();
        backwards.reverse();
        assert_eq!(met(&requests), met(&backwards));
        assert!((20..60).contains(&met(&requests).len()));
    }

    #[test]
    fn a_request_that_has_failed_enough_is_answered_and_sign_in_never_fails() {
        let mut sky = sky(100, 2);
        let mut fails = |request| sky.effect_on(request).is_some();
        let list = "GET /v1.0/users/1/calendarView?$top=1000";
        assert_eq!([fails(list), fails(list), fails(list)], [true, true, false]);
        assert!(!fails("POST /tenant/oauth2/v2.0/token"));
    }
}
