//! Scripted faults: what the server answers in place of the truth.

use std::time::Duration;

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

/// The faults of a server, with how often each one matched.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<(Fault, usize)>,
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// The first fault that meets this request; all that match count it.
    pub(super) fn effect_on(&mut self, request: &str) -> Option<FaultEffect> {
        let mut effect = None;
        for (fault, seen) in &mut self.faults {
            if !request.contains(&fault.matching) {
                continue;
            }
            *seen += 1;
            let meets = match fault.occurrences {
                Occurrences::First(count) => *seen <= count,
                Occurrences::Only(number) => *seen == number,
                Occurrences::All => true,
            };
            if meets && effect.is_none() {
                effect = Some(fault.effect.clone());
            }
        }
        effect
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
        let mut met = |request| script.effect_on(request).is_some();
        assert!(!met("GET /v1.0/groups"));
        assert!(met("GET /v1.0/users"));
        assert!(!met("GET /v1.0/users"));
        assert!(met("GET /v1.0/users"));
        assert!(!met("GET /v1.0/users"));
    }
}
