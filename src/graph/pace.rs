//! The pace of one budget: even, or learnt.
//!
//! A pace is a little under its limit, and what a late timer lost is made up for within half of that margin: so no window of the limit's
//! length ever holds more than the limit, the network may jitter by the other half, and nearly all of the limit is used.
//!
//! A learnt pace starts low and climbs to its ceiling. It is halved once each time the server says 429, goes back quickly to what went
//! well, and creeps up from there, slowly at first, so that it stays just below a limit that nobody publishes. A rate that meets a 429 once may
//! have met a late packet; one that meets it twice is too much:
//!
//! ```text
//!            429                 429                                  ceiling
//!         ╱│  ───────────╱│  ──────────────────
//!       ╱  │ ╱             │ ╱      proven, then ever larger steps
//!     ╱    │╱              │╱
//! ```

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
/// Seconds at one rate after which a 429 says nothing against that rate.
const SETTLED: f64 = 10.0;
/// What is left of a rate that was too much.
const LESS: f64 = 0.95;
/// Seconds between steps beyond what is proven.
const STEP_EVERY: f64 = 60.0;
/// The first of these steps, as a part of the ceiling; each is twice the one before.
const FIRST_STEP: f64 = 0.01;
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
    /// Up to where it goes back quickly; `None` before the first 429.
    proven: Option<f64>,
    /// A rate that met a 429 soon after it was reached, once.
    doubted: Option<f64>,
    /// The next step up from there.
    step: f64,
    window: Duration,
    /// Answers at this rate.
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
            // who waited for a pace that has changed meanwhile also waits for the new one, or two requests would go at once
            Self::Learning(learning) => loop {
                let limiter = Arc::clone(&lock(learning).limiter);
                until_ready(&limiter).await;
                if Arc::ptr_eq(&limiter, &lock(learning).limiter) {
                    break;
                }
            },
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
            proven: None,
            doubted: None,
            step: 0.0,
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
        // a late packet or another program may be the cause: a rate counts as too much once it meets a 429 twice, each time soon
        let is_new = self.doubted != Some(self.rate);
        let is_fine = self.seconds_at_rate() >= SETTLED || is_new;
        self.doubted = Some(self.rate);
        self.proven = Some(if is_fine { self.rate } else { self.rate * LESS });
        self.step = self.ceiling * FIRST_STEP;
        let slowest = self.ceiling.min(SLOWEST);
        self.set((self.rate / 2.0).max(slowest));
    }

    /// An answer more at this rate.
    fn creep_up(&mut self) {
        self.answered += 1;
        if self.rate >= self.ceiling {
            return;
        }
        let seconds = self.seconds_at_rate();
        let next = match self.proven {
            None if seconds >= 1.0 => self.rate + (self.rate / 10.0).max(1.0),
            Some(proven) if self.rate < proven && seconds >= 1.0 => {
                (self.rate + (self.rate / 4.0).max(1.0)).min(proven)
            }
            Some(proven) if self.rate >= proven && seconds >= STEP_EVERY => {
                let next = self.rate + self.step;
                self.step *= 2.0;
                next
            }
            None | Some(_) => return,
        };
        self.set(next.min(self.ceiling));
    }

    /// For how long the answers at this rate last.
    fn seconds_at_rate(&self) -> f64 {
        f64::from(self.answered) / self.rate
    }

    fn set(&mut self, rate: f64) {
        self.answered = 0;
        if (rate - self.rate).abs() > f64::EPSILON {
            self.rate = rate;
            self.limiter = Arc::new(limiter(rate, self.window));
        }
    }
}

/// So many requests a second, evenly, the first after the time of one; a late one is made up for within a part of the window.
fn limiter(rate: f64, window: Duration) -> DefaultDirectRateLimiter {
    let quota = quota(rate, window);
    let limiter = RateLimiter::direct(quota);
    // a new pace would begin with a request at once, right behind the last one of the pace before
    let is_drained = limiter.check_n(quota.burst_size());
    debug_assert!(matches!(is_drained, Ok(Ok(()))));
    limiter
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

    /// Second by second, a client that always wants to send, against a server with a limit of its own: the rate of each second.
    fn learnt(learning: &mut Learning, limits: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let began = Instant::now();
        let mut rates = Vec::new();
        let mut budget = 0.0;
        for (second, limit) in (1..).zip(limits) {
            if learning.rate / (1.0 + MARGIN) > limit {
                learning.slow_down(began + Duration::from_secs(second));
            }
            budget += learning.rate;
            while budget >= 1.0 {
                budget -= 1.0;
                learning.creep_up();
            }
            rates.push(learning.rate / (1.0 + MARGIN));
        }
        rates
    }

    #[test]
    fn a_learnt_pace_climbs_from_10_and_never_above_its_ceiling() {
        let rates = learnt(&mut Learning::new(a_second(30)), [f64::INFINITY; 60]);
        assert!(rates[0] < 12.0, "{rates:?}");
        assert!(rates.is_sorted() && rates[15] * (1.0 + MARGIN) > 29.99);
        assert!(rates.iter().all(|rate| rate * (1.0 + MARGIN) < 30.01));
    }

    #[test]
    fn a_learnt_pace_is_halved_once_a_moment() {
        let mut learning = Learning::new(a_second(30));
        let together = Instant::now();
        for _ in 0..16 {
            learning.slow_down(together);
        }
        assert!(
            (learning.rate - 5.0).abs() < 1e-9,
            "sixteen answers to one moment are one lesson"
        );
        for moment in 1..=10 {
            learning.slow_down(together + Duration::from_secs(60 * moment));
        }
        assert!((learning.rate - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_that_nobody_told_is_used_with_hardly_a_429() {
        for limit in [12.0, 17.0, 22.0, 29.0] {
            let mut learning = Learning::new(a_second(30));
            let rates = learnt(&mut learning, std::iter::repeat_n(limit, 1_800));
            let steady = &rates[300..];
            #[expect(clippy::cast_precision_loss, reason = "few")]
            let used = steady.iter().sum::<f64>() / steady.len() as f64 / limit;
            let refused = steady.windows(2).filter(|two| two[1] < two[0]).count();
            assert!(used >= 0.93, "{limit}: {used}");
            assert!(refused <= 1_500 / 40, "{limit}: {refused}");
        }
    }

    #[test]
    fn one_429_out_of_nothing_costs_seconds_and_a_storm_minutes() {
        let mut learning = Learning::new(a_second(30));
        let calm = std::iter::repeat_n(f64::INFINITY, 60);
        let blip = calm.clone().chain([1.0]).chain(calm.clone());
        let rates = learnt(&mut learning, blip);
        assert!(rates[61] < rates[59] && rates[66] >= rates[59], "{rates:?}");
        let storm = std::iter::repeat_n(0.1, 600);
        let calm = std::iter::repeat_n(f64::INFINITY, 600);
        let rates = learnt(&mut learning, storm.chain(calm));
        assert!(rates[599] < 1.0 && rates[1_199] > 29.0, "{rates:?}");
    }

    #[tokio::test]
    async fn who_waits_while_the_pace_changes_waits_for_the_new_one() {
        let pace = Arc::new(Pace::learning(Some(a_second(1_000))));
        let waiting = {
            let pace = Arc::clone(&pace);
            tokio::spawn(async move { pace.wait().await })
        };
        tokio::task::yield_now().await;
        pace.throttled(Instant::now());
        let changed = Instant::now();
        waiting.await.unwrap();
        // 5 a second from then on; the old pace would have let it through after a tenth of a second
        assert!(changed.elapsed() > Duration::from_millis(150));
    }

    #[test]
    fn a_change_of_pace_sends_nothing_at_once() {
        let limiter = limiter(1.0, Duration::from_secs(1));
        assert!(matches!(limiter.check_n(CELLS), Ok(Err(_))));
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
