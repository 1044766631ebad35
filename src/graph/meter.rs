//! What was asked and received, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::request::RequestKind;

/// Counters of one client; relaxed, as nothing depends on their order.
#[derive(Debug, Default)]
pub(super) struct Meter {
    by_kind: [AtomicU64; RequestKind::ALL.len()],
    throttled_responses: AtomicU64,
    throttled_micros: AtomicU64,
    held_until: Mutex<Option<Instant>>,
    bytes_received: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeterSnapshot {
    /// Requests, repeated ones included.
    pub requests: u64,
    /// The same by kind; kinds that did not occur are left out.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Answers 429, and 503 with `Retry-After`.
    pub throttled_responses: u64,
    /// How long requests were held because of them; at most the time that has passed.
    pub throttled: Duration,
    /// Body bytes after decompression.
    pub bytes_received: u64,
}

impl Meter {
    pub(super) fn count_request(&self, kind: RequestKind) {
        let counters = self.by_kind.iter().zip(RequestKind::ALL);
        for (counter, _) in counters.filter(|(_, of)| *of == kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes_received
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A budget is held from now on; time during which one was held already counts once, or it would be more than has passed.
    pub(super) fn count_throttled(&self, now: Instant, held: Duration) {
        self.throttled_responses.fetch_add(1, Ordering::Relaxed);
        let mut until = self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let from = until.map_or(now, |until| until.max(now));
        let more = (now + held).saturating_duration_since(from);
        *until = Some(from + more);
        self.throttled_micros.fetch_add(
            u64::try_from(more.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    pub(super) fn snapshot(&self) -> MeterSnapshot {
        let counts = self
            .by_kind
            .iter()
            .zip(RequestKind::ALL)
            .map(|(counter, kind)| (kind.as_str(), counter.load(Ordering::Relaxed)));
        let by_kind: BTreeMap<_, _> = counts.filter(|(_, count)| *count > 0).collect();
        MeterSnapshot {
            requests: by_kind.values().sum(),
            by_kind,
            throttled_responses: self.throttled_responses.load(Ordering::Relaxed),
            throttled: Duration::from_micros(self.throttled_micros.load(Ordering::Relaxed)),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}

impl MeterSnapshot {
    /// What was counted after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |kind: &str, count: u64| {
            count
                - earlier
                    .by_kind
                    .get(kind)
                    .copied()
                    .unwrap_or_default()
                    .min(count)
        };
        let by_kind: BTreeMap<_, _> = self
            .by_kind
            .iter()
            .map(|(kind, count)| (*kind, less(kind, *count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Self {
            requests: by_kind.values().sum(),
            by_kind,
            throttled_responses: self
                .throttled_responses
                .saturating_sub(earlier.throttled_responses),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_is_held_twice_has_passed_once() {
        let (meter, start) = (Meter::default(), Instant::now());
        let seconds = Duration::from_secs;
        // forty requests in flight are told to wait for the same second
        for _ in 0..40 {
            meter.count_throttled(start, seconds(1));
        }
        assert_eq!(meter.snapshot().throttled, seconds(1));
        meter.count_throttled(start + Duration::from_millis(500), seconds(2));
        assert_eq!(meter.snapshot().throttled, Duration::from_millis(2_500));
        // a shorter one within it, and one after a pause
        meter.count_throttled(start + seconds(1), seconds(1));
        meter.count_throttled(start + seconds(10), seconds(3));
        let found = meter.snapshot();
        assert_eq!(found.throttled, Duration::from_millis(5_500));
        assert_eq!(found.throttled_responses, 43);
    }
}
