//! The pace of one budget: even, or learnt.
//!
//! A pace is a little under its limit, and what a late timer lost is made up for within half of that margin: so no window of the limit's
//! length ever holds more than the limit, the network may jitter by the other half, and nearly all of the limit is used. A learnt pace starts
//! low, is halved once each time the server says 429, and creeps back up to its ceiling.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

use crate::job::plan::RateLimit;

/// Where a learnt pace starts, in requests a second.
const LEARNING_START: f64 = 10.0;
/// How slow a learnt pace may become, in requests a second.
const SLOWEST: f64 = 1.0;
/// How much longer than the limit's own time a pace takes for the limit's requests.
const MARGIN: f64 = 0.03;
/// A request pays this many cells, so that less than a whole request can be made up for.
const CELLS: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// How fast one budget lets requests through.
#[derive(Debug)]
pub(super) enum Pace {
    Unlimited,
    Fixed(DefaultDirectRateLimiter),
    Learning(Mutex<Learning>),
}

/// A pace in the making, in requests a second.
#[derive(Debug)]
pub(super) struct Learning {
    rate: f64,
    ceiling: f64,
    window: Duration,
    answered: u32,
    slowed_at: Option<Instant>,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Pace {
    /// The pace of a published limit; none where the job file says so.
    pub(super) fn fixed(limit: Option<RateLimit>) -> Self {
        limit.map_or(Self::Unlimited, |limit| {
            Self::Fixed(limiter(rate(limit), limit.per))
        })
    }

    /// A pace to be learnt, with the limit as its ceiling.
    pub(super) fn learning(limit: Option<RateLimit>) -> Self {
        limit.map_or(Self::Unlimited, |limit| {
            Self::Learning(Mutex::new(Learning::new(limit)))
        })
    }

    /// Waits until the next request is due.
    pub(super) async fn wait(&self) {
        match self {
            Self::Unlimited => {}
            Self::Fixed(limiter) => until_ready(limiter).await,
            Self::Learning(learning) => {
                let limiter = Arc::clone(&lock(learning).limiter);
                until_ready(&limiter).await;
            }
        }
    }

    /// A request that was sent at that time met a 429.
    pub(super) fn throttled(&self, sent_at: Instant) {
        if let Self::Learning(learning) = self {
            lock(learning).slow_down(sent_at);
        }
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        if let Self::Learning(learning) = self {
            lock(learning).creep_up();
        }
    }
}

fn lock(learning: &Mutex<Learning>) -> MutexGuard<'_, Learning> {
    learning.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Learning {
    fn new(limit: RateLimit) -> Self {
        let ceiling = rate(limit);
        let rate = ceiling.min(LEARNING_START);
        Self {
            rate,
            ceiling,
            answered: 0,
            window: limit.per,
            slowed_at: None,
            limiter: Arc::new(limiter(rate, limit.per)),
        }
    }

    /// Half as fast; the other requests of the same moment say nothing new.
    fn slow_down(&mut self, sent_at: Instant) {
        if self.slowed_at.is_some_and(|slowed_at| sent_at <= slowed_at) {
            return;
        }
        self.slowed_at = Some(Instant::now());
        self.set((self.rate / 2.0).max(self.ceiling.min(SLOWEST)));
    }

    /// After a second's worth of answers, a twentieth more, and at least one more a second.
    fn creep_up(&mut self) {
        self.answered += 1;
        if f64::from(self.answered) >= self.rate && self.rate < self.ceiling {
            self.set((self.rate + (self.rate / 20.0).max(1.0)).min(self.ceiling));
        }
    }

    fn set(&mut self, rate: f64) {
        self.answered = 0;
        if (rate - self.rate).abs() > f64::EPSILON {
            self.rate = rate;
            self.limiter = Arc::new(limiter(rate, self.window));
        }
    }
}

/// So many requests a second, evenly; a late one is made up for within a part of the window.
fn limiter(rate: f64, window: Duration) -> DefaultDirectRateLimiter {
    RateLimiter::direct(quota(rate, window))
}

async fn until_ready(limiter: &DefaultDirectRateLimiter) {
    // a quota always holds the cells of one request
    limiter.until_n_ready(CELLS).await.ok();
}

/// An even pace: requests of [`CELLS`] cells each, and in reserve the cells of half of the window's margin.
fn quota(rate: f64, window: Duration) -> Quota {
    let cell = (1.0 + MARGIN) / (rate * f64::from(CELLS.get()));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, and a float saturates"
    )]
    let reserve = (window.as_secs_f64() * MARGIN / 2.0 / cell) as u32;
    let burst = CELLS.saturating_add(reserve);
    let cell = Duration::from_secs_f64(cell).max(Duration::from_nanos(1));
    Quota::with_period(cell).map_or_else(
        || Quota::per_second(burst),
        |quota| quota.allow_burst(burst),
    )
}

/// Requests a second.
fn rate(limit: RateLimit) -> f64 {
    f64::from(limit.requests.max(1)) / limit.per.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use governor::clock::{Clock, FakeRelativeClock};
    use governor::middleware::NoOpMiddleware;
    use governor::state::{InMemoryState, NotKeyed};

    use super::*;

    type FakeLimiter = RateLimiter<
        NotKeyed,
        InMemoryState,
        FakeRelativeClock,
        NoOpMiddleware<<FakeRelativeClock as Clock>::Instant>,
    >;

    /// When a client that always wants to send gets through, in milliseconds, over a while.
    fn passes(limit: RateLimit, over: Duration) -> Vec<u64> {
        let clock = FakeRelativeClock::default();
        let limiter: FakeLimiter =
            RateLimiter::direct_with_clock(quota(rate(limit), limit.per), clock.clone());
        let mut passes = Vec::new();
        for millisecond in 0..u64::try_from(over.as_millis()).unwrap() {
            while limiter.check_n(CELLS).is_ok_and(|check| check.is_ok()) {
                passes.push(millisecond);
            }
            clock.advance(Duration::from_millis(1));
        }
        passes
    }

    #[test]
    fn no_window_holds_more_than_the_limit_and_most_of_it_is_used() {
        for (requests, per) in [
            (30, 1),
            (10, 1),
            (100, 1),
            (300, 1),
            (750, 30),
            (40, 20),
            (1, 1),
        ] {
            let limit = RateLimit {
                requests,
                per: Duration::from_secs(per),
            };
            let passes = passes(limit, Duration::from_secs(per * 3));
            let window = per * 1000;
            let fullest = passes
                .iter()
                .map(|start| {
                    passes
                        .iter()
                        .filter(|at| (*start..start + window).contains(at))
                        .count()
                })
                .max();
            assert!(
                fullest.unwrap() <= requests as usize,
                "{requests}/{per}s: {fullest:?}"
            );
            let used = f64::from(u32::try_from(passes.len()).unwrap()) / f64::from(requests * 3);
            assert!(used >= 0.95, "{requests}/{per}s: {used}");
        }
    }

    #[test]
    fn what_a_late_timer_lost_is_made_up_for() {
        let clock = FakeRelativeClock::default();
        let limit = a_second(50);
        let limiter: FakeLimiter =
            RateLimiter::direct_with_clock(quota(rate(limit), limit.per), clock.clone());
        let mut passed = 0;
        // every other wake-up is 12 ms late, of a period of 20 ms
        let mut late = false;
        let mut milliseconds = 0;
        while milliseconds < 30_000 {
            let mut step = 1;
            if limiter.check_n(CELLS).is_ok_and(|check| check.is_ok()) {
                passed += 1;
                late = !late;
                step = if late { 12 + 20 } else { 1 };
            }
            clock.advance(Duration::from_millis(step));
            milliseconds += step;
        }
        assert!((1_425..=1_500).contains(&passed), "{passed}");
    }

    fn a_second(requests: u32) -> RateLimit {
        RateLimit {
            requests,
            per: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_learnt_pace_is_halved_once_a_moment_and_creeps_back_to_its_ceiling() {
        let mut learning = Learning::new(a_second(30));
        let rate = |learning: &Learning| format!("{:.1}", learning.rate);
        assert_eq!(rate(&learning), "10.0");
        let together = Instant::now();
        for _ in 0..16 {
            learning.slow_down(together);
        }
        assert_eq!(
            rate(&learning),
            "5.0",
            "sixteen answers to one moment are one lesson"
        );
        for _ in 0..10_000 {
            learning.creep_up();
            assert!(learning.rate <= 30.0);
        }
        assert_eq!(rate(&learning), "30.0");
        for moment in 1..=10 {
            learning.slow_down(together + Duration::from_secs(60 * moment));
        }
        assert_eq!(rate(&learning), "1.0");
    }

    #[test]
    fn a_ceiling_below_one_a_second_is_kept() {
        let learning = Learning::new(RateLimit {
            requests: 30,
            per: Duration::from_secs(60),
        });
        assert!((learning.rate - 0.5).abs() < 1e-9 && (learning.ceiling - 0.5).abs() < 1e-9);
    }
}
