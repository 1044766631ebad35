//! Scripted and random faults: what the server answers in place of the truth.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// A fault and the requests it meets.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Meets requests whose method, path and query, as in `GET /v1.0/users?$top=1`, hold this text. Empty: all.
    pub matching: String,
    /// Of those, which.
    pub occurrences: Occurrences,
    /// What happens to them.
    pub effect: FaultEffect,
}

impl Fault {
    /// The first `count` requests that hold the text.
    pub fn first(count: usize, matching: impl Into<String>, effect: FaultEffect) -> Self {
        Self {
            matching: matching.into(),
            occurrences: Occurrences::First(count),
            effect,
        }
    }

    /// Every request that holds the text.
    pub fn always(matching: impl Into<String>, effect: FaultEffect) -> Self {
        Self {
            matching: matching.into(),
            occurrences: Occurrences::All,
            effect,
        }
    }
}

/// Which of the requests that match a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrences {
    /// The first few.
    First(usize),
    /// Only the one with this number, counted from 1.
    Only(usize),
    /// Every one.
    All,
    /// That many of a hundred, by chance; the same seed chooses the same ones.
    Percent {
        /// 0 to 100.
        percent: u32,
        /// Another seed chooses others.
        seed: u64,
    },
}

impl Occurrences {
    /// Whether the request with that number, counted from 1, is met.
    fn meet(self, number: usize) -> bool {
        match self {
            Self::First(count) => number <= count,
            Self::Only(one) => number == one,
            Self::All => true,
            Self::Percent { percent, seed } => {
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
                random.random_range(0..100) < percent
            }
        }
    }
}

/// What a fault does.
#[derive(Debug, Clone)]
pub enum FaultEffect {
    /// Another answer in place of the true one.
    Answer(FaultAnswer),
    /// The true answer, late.
    Delay(Duration),
    /// The true answer, changed.
    Rewrite(fn(Vec<u8>) -> Vec<u8>),
    /// The connection is closed after that many bytes of the true answer, its head included; 0 closes it without a word.
    CutAfter(usize),
    /// The request is taken and never answered.
    Silence,
    /// 429 with `Retry-After: 1` for what is more than that many requests within any span of that length, the refused ones not counted.
    Throttle {
        /// How many requests are answered.
        requests: usize,
        /// In how long.
        per: Duration,
    },
}

/// An answer that overrides the true one.
#[derive(Debug, Clone)]
pub struct FaultAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers, sent as they stand; without a `Content-Type` it is JSON.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it stands.
    pub body: Vec<u8>,
    /// Time before the answer.
    pub delay: Duration,
}

impl FaultAnswer {
    /// An answer with a Graph error body.
    pub fn graph_error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"error": {"code": code, "message": message, "innerError": {
            "date": "2026-01-05T09:00:00", "request-id": "00000000-0000-4000-8000-00000000f001"
        }}});
        Self::raw(status, body.to_string())
    }

    /// An answer with any body.
    pub fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The faults of a server.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<Scripted>,
}

#[derive(Debug)]
struct Scripted {
    fault: Fault,
    /// How often it matched.
    seen: usize,
    /// When a throttle let requests through, within its span.
    answered: VecDeque<Instant>,
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(Scripted {
            fault,
            seen: 0,
            answered: VecDeque::new(),
        });
    }

    /// The first fault that meets this request; all that match count it.
    pub(super) fn effect_on(&mut self, request: &str, now: Instant) -> Option<FaultEffect> {
        let mut effect = None;
        for scripted in &mut self.faults {
            if !request.contains(&scripted.fault.matching) {
                continue;
            }
            scripted.seen += 1;
            if effect.is_none() && scripted.fault.occurrences.meet(scripted.seen) {
                effect = scripted.effect(now);
            }
        }
        effect
    }
}

impl Scripted {
    fn effect(&mut self, now: Instant) -> Option<FaultEffect> {
        let FaultEffect::Throttle { requests, per } = self.fault.effect else {
            return Some(self.fault.effect.clone());
        };
        while self
            .answered
            .front()
            .is_some_and(|before| now.duration_since(*before) >= per)
        {
            self.answered.pop_front();
        }
        if self.answered.len() < requests {
            self.answered.push_back(now);
            return None;
        }
        let refusal = FaultAnswer::graph_error(429, "TooManyRequests", "Too many requests.");
        Some(FaultEffect::Answer(refusal.with_header("Retry-After", "1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_only_the_occurrences_it_names() {
        let mut script = Script::default();
        script.add(Fault::first(1, "/users", FaultEffect::Silence));
        script.add(Fault {
            matching: "/users".to_owned(),
            occurrences: Occurrences::Only(3),
            effect: FaultEffect::CutAfter(0),
        });
        let mut met = |request| script.effect_on(request, Instant::now()).is_some();
        assert!(!met("GET /v1.0/groups"));
        assert!(met("GET /v1.0/users"));
        assert!(!met("GET /v1.0/users"));
        assert!(met("GET /v1.0/users"));
        assert!(!met("GET /v1.0/users"));
    }

    #[test]
    fn a_throttle_refuses_what_is_more_than_its_limit_in_any_span() {
        let mut script = Script::default();
        let per = Duration::from_secs(1);
        script.add(Fault::always(
            "",
            FaultEffect::Throttle { requests: 2, per },
        ));
        let began = Instant::now();
        let mut refused = |milliseconds| {
            let effect = script.effect_on("GET /", began + Duration::from_millis(milliseconds));
            matches!(effect, Some(FaultEffect::Answer(answer)) if answer.status == 429)
        };
        let at = [0, 500, 900, 1_000, 1_400, 1_600];
        assert_eq!(
            at.map(&mut refused),
            [false, false, true, false, true, false]
        );
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let chosen = |seed| {
            let percent = Occurrences::Percent { percent: 20, seed };
            (1..=1_000)
                .filter(|number| percent.meet(*number))
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(1), chosen(1));
        assert_ne!(chosen(1), chosen(2));
        assert!((150..250).contains(&chosen(1).len()), "{}", chosen(1).len());
    }
}
