//! What was asked and received, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::RequestKind;

/// Counters of one client; relaxed, as nothing depends on their order.
#[derive(Debug, Default)]
pub(super) struct Meter {
    by_kind: [AtomicU64; RequestKind::ALL.len()],
    throttled_responses: AtomicU64,
    throttled_micros: AtomicU64,
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
    /// How long budgets were held because of them.
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

    pub(super) fn count_throttled(&self, held: Duration) {
        self.throttled_responses.fetch_add(1, Ordering::Relaxed);
        self.throttled_micros.fetch_add(
            u64::try_from(held.as_micros()).unwrap_or(u64::MAX),
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
