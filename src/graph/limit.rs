//! How fast we ask: one budget a published limit, held as a whole when Graph says so.
//!
//! A budget lets requests through at an even pace, so that no window of the limit's length ever holds more than the limit. Where
//! nothing is published ([`Budget::Attendance`]) the pace is learnt: it starts low, is halved on 429 and creeps back up.
//! One request of a budget at a time waits at its turnstile and then for a permit, so a pace that was waited for is not saved up
//! behind other requests.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::request::{Budget, GraphRequest};
use crate::job::plan::{LimitsPlan, RateLimit};

/// Where the attendance budget starts, in requests a second.
const LEARNING_START: u32 = 10;
/// A part of a limit that may be used at once, so that coarse timers do not waste the rest.
const BURST_PART: u32 = 50;

/// All budgets of one client, and its requests in flight.
#[derive(Debug)]
pub(super) struct Limiter {
    attendance: BudgetState,
    calendar: BudgetState,
    call_records: BudgetState,
    call_records_list: BudgetState,
    virtual_events: BudgetState,
    directory: BudgetState,
    in_flight: Arc<Semaphore>,
}

#[derive(Debug)]
struct BudgetState {
    pace: Pace,
    held_until: Mutex<Option<Instant>>,
    turnstile: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
enum Pace {
    Unlimited,
    Fixed(DefaultDirectRateLimiter),
    PerMailbox(DefaultKeyedRateLimiter<String>),
    Learning(Mutex<Learning>),
}

#[derive(Debug)]
struct Learning {
    per_second: u32,
    ceiling: u32,
    answered: u32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Limiter {
    pub(super) fn new(limits: &LimitsPlan, concurrency: usize) -> Self {
        Self {
            attendance: BudgetState::new(limits.attendance.map_or(Pace::Unlimited, learning)),
            calendar: BudgetState::new(limits.calendar.map_or(Pace::Unlimited, |limit| {
                Pace::PerMailbox(RateLimiter::keyed(quota(limit)))
            })),
            call_records: BudgetState::new(limits.call_records.map_or(Pace::Unlimited, fixed)),
            call_records_list: BudgetState::new(
                limits.call_records_list.map_or(Pace::Unlimited, fixed),
            ),
            virtual_events: BudgetState::new(limits.virtual_events.map_or(Pace::Unlimited, fixed)),
            directory: BudgetState::new(limits.directory.map_or(Pace::Unlimited, fixed)),
            in_flight: Arc::new(Semaphore::new(concurrency.max(1))),
        }
    }

    /// Waits until the request may be sent; the permit is one of the requests in flight.
    ///
    /// `None` where that is not before the deadline: at once where a hold already says so.
    pub(super) async fn ready(
        &self,
        request: &GraphRequest,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let turn = self.turn(request, deadline);
        tokio::time::timeout_at(deadline, turn).await.ok().flatten()
    }

    async fn turn(
        &self,
        request: &GraphRequest,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let budget = self.budget(request.budget);
        let _turn = budget.turnstile.lock().await;
        loop {
            if !budget.wait_out_hold(deadline).await {
                return None;
            }
            budget.pace.wait(request.mailbox.as_deref()).await;
            let permit = Arc::clone(&self.in_flight).acquire_owned().await.ok()?;
            // a deadline is past also where nothing had to be waited for
            if Instant::now() >= deadline {
                return None;
            }
            // a hold that began while this request waited counts for it too
            if !budget.is_held() {
                return Some(permit);
            }
        }
    }

    /// Lets nothing of the budget through for that long.
    pub(super) fn hold(&self, budget: Budget, wait: Duration) {
        let state = self.budget(budget);
        let until = Instant::now() + wait;
        let mut held = state
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|before| before < until) {
            *held = Some(until);
        }
    }

    /// Slows a learning budget down.
    pub(super) fn throttled(&self, budget: Budget) {
        if let Pace::Learning(learning) = &self.budget(budget).pace {
            learning
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .slow_down();
        }
    }

    /// Lets a learning budget creep up.
    pub(super) fn answered(&self, budget: Budget) {
        if let Pace::Learning(learning) = &self.budget(budget).pace {
            learning
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .creep_up();
        }
    }

    fn budget(&self, budget: Budget) -> &BudgetState {
        match budget {
            Budget::Attendance => &self.attendance,
            Budget::Calendar => &self.calendar,
            Budget::CallRecords => &self.call_records,
            Budget::CallRecordsList => &self.call_records_list,
            Budget::VirtualEvents => &self.virtual_events,
            Budget::Directory => &self.directory,
        }
    }
}

impl BudgetState {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            held_until: Mutex::new(None),
            turnstile: tokio::sync::Mutex::new(()),
        }
    }

    fn held(&self) -> Option<Instant> {
        let held = self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.filter(|until| *until > Instant::now())
    }

    fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// `false` where the hold goes past the deadline.
    async fn wait_out_hold(&self, deadline: Instant) -> bool {
        while let Some(until) = self.held() {
            if until >= deadline {
                return false;
            }
            tokio::time::sleep_until(until).await;
        }
        true
    }
}

impl Pace {
    async fn wait(&self, mailbox: Option<&str>) {
        match self {
            Self::Unlimited => {}
            Self::Fixed(limiter) => limiter.until_ready().await,
            Self::PerMailbox(limiter) => {
                limiter
                    .until_key_ready(&mailbox.unwrap_or_default().to_owned())
                    .await;
            }
            Self::Learning(learning) => {
                let limiter = Arc::clone(
                    &learning
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .limiter,
                );
                limiter.until_ready().await;
            }
        }
    }
}

impl Learning {
    fn slow_down(&mut self) {
        self.set((self.per_second / 2).max(1));
    }

    /// After a second's worth of answers, a twentieth more.
    fn creep_up(&mut self) {
        self.answered += 1;
        if self.answered >= self.per_second && self.per_second < self.ceiling {
            self.set((self.per_second + (self.per_second / 20).max(1)).min(self.ceiling));
        }
    }

    fn set(&mut self, per_second: u32) {
        self.answered = 0;
        if per_second != self.per_second {
            self.per_second = per_second;
            let limit = RateLimit {
                requests: per_second,
                per: Duration::from_secs(1),
            };
            self.limiter = Arc::new(RateLimiter::direct(quota(limit)));
        }
    }
}

fn fixed(limit: RateLimit) -> Pace {
    Pace::Fixed(RateLimiter::direct(quota(limit)))
}

fn learning(limit: RateLimit) -> Pace {
    let seconds = limit.per.as_secs_f64().max(0.001);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1, and at most a u32"
    )]
    let ceiling = (f64::from(limit.requests) / seconds).clamp(1.0, f64::from(u32::MAX)) as u32;
    let per_second = ceiling.min(LEARNING_START);
    let start = RateLimit {
        requests: per_second,
        per: Duration::from_secs(1),
    };
    let limiter = Arc::new(RateLimiter::direct(quota(start)));
    Pace::Learning(Mutex::new(Learning {
        per_second,
        ceiling,
        answered: 0,
        limiter,
    }))
}

/// An even pace with a small burst: burst and refill of one window together stay within the limit.
fn quota(limit: RateLimit) -> Quota {
    let requests = limit.requests.max(1);
    let burst = (requests / BURST_PART).max(1);
    let steady = if burst == 1 {
        requests
    } else {
        requests - burst
    };
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let period = (limit.per / steady).max(Duration::from_nanos(1));
    Quota::with_period(period).map_or_else(
        || Quota::per_second(burst),
        |quota| quota.allow_burst(burst),
    )
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
        let limiter: FakeLimiter = RateLimiter::direct_with_clock(quota(limit), clock.clone());
        let mut passes = Vec::new();
        for millisecond in 0..u64::try_from(over.as_millis()).unwrap() {
            while limiter.check().is_ok() {
                passes.push(millisecond);
            }
            clock.advance(Duration::from_millis(1));
        }
        passes
    }

    #[test]
    fn no_window_holds_more_than_the_limit_and_most_of_it_is_used() {
        for (requests, per) in [(30, 1), (10, 1), (300, 1), (750, 30), (40, 20), (1, 1)] {
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
    fn a_learning_budget_is_halved_and_creeps_back_to_its_ceiling() {
        let Pace::Learning(learning) = learning(RateLimit {
            requests: 30,
            per: Duration::from_secs(1),
        }) else {
            panic!()
        };
        let mut learning = learning.into_inner().unwrap();
        assert_eq!(learning.per_second, 10);
        learning.slow_down();
        assert_eq!(learning.per_second, 5);
        for _ in 0..10_000 {
            learning.creep_up();
            assert!(learning.per_second <= 30);
        }
        assert_eq!(learning.per_second, 30);
        for _ in 0..10 {
            learning.slow_down();
        }
        assert_eq!(learning.per_second, 1);
    }
}
