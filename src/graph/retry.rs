//! Whether a failed try is repeated, and when. Pure; the only place that decides it.

use std::time::Duration;

use rand::Rng;

/// How one kind of failure is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// 429, or 503 with `Retry-After`: the server says to come back; not counted as a failure of the request.
    Throttled,
    /// 408, 503, 504, 509, a reset, a timeout, a body cut short: may pass.
    Transient,
    /// 500, 502, and answers that are not what was asked for: may pass, more rarely.
    Doubtful,
    /// Everything else: fails again.
    Terminal,
}

/// Bounds of one request's tries; a time bound besides the count, since tokens and pages go stale.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    /// Tries after throttled answers.
    pub(super) throttled_tries: u32,
    /// Tries after transient failures.
    pub(super) transient_tries: u32,
    /// Tries after doubtful ones.
    pub(super) doubtful_tries: u32,
    /// All tries of a request together, waits included.
    pub(super) total: Duration,
    /// The first wait's upper bound; doubles with every try.
    pub(super) base: Duration,
    /// No wait of our own is longer.
    pub(super) cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            throttled_tries: 30,
            transient_tries: 6,
            doubtful_tries: 4,
            total: Duration::from_secs(30 * 60),
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

/// What happened so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    /// Tries so far, the failed one included.
    pub(super) tries: u32,
    /// Since the first of them.
    pub(super) elapsed: Duration,
    /// Until the run's deadline.
    pub(super) remaining: Duration,
}

/// The decision, with its reason in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Try again after the wait.
    Retry { wait: Duration },
    /// It would fail again.
    Terminal,
    /// The tries, or the time for one request, are used up.
    Exhausted,
    /// The wait would go past the run's deadline.
    PastDeadline,
}

/// However the dice fall, a server that failed is not asked again at once.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Decides; never waits less than `retry_after`, never longer than a bound allows.
pub(super) fn decide(
    policy: &RetryPolicy,
    class: FailureClass,
    retry_after: Option<Duration>,
    tried: Tried,
    random: &mut impl Rng,
) -> RetryDecision {
    let allowed = match class {
        FailureClass::Throttled => policy.throttled_tries,
        FailureClass::Transient => policy.transient_tries,
        FailureClass::Doubtful => policy.doubtful_tries,
        FailureClass::Terminal => return RetryDecision::Terminal,
    };
    if tried.tries >= allowed {
        return RetryDecision::Exhausted;
    }
    let bound = policy
        .base
        .saturating_mul(1 << (tried.tries - 1).min(16))
        .min(policy.cap);
    let own = bound
        .mul_f64(random.random::<f64>())
        .max(SHORTEST_WAIT.min(policy.base));
    // somebody who is told "now" still waits a little, or the server is hammered
    let wait = retry_after.map_or(own, |asked| {
        if asked.is_zero() {
            own
        } else {
            asked + own.mul_f64(0.1)
        }
    });
    if wait >= tried.remaining {
        return RetryDecision::PastDeadline;
    }
    // to wait as long as Graph asks is no failure: only the run's own time bounds it
    let is_asked = class == FailureClass::Throttled && retry_after.is_some();
    if tried.elapsed + wait > policy.total && !is_asked {
        return RetryDecision::Exhausted;
    }
    RetryDecision::Retry { wait }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn tried(tries: u32) -> Tried {
        Tried {
            tries,
            elapsed: Duration::ZERO,
            remaining: Duration::from_secs(3600),
        }
    }

    proptest! {
        #[test]
        fn a_wait_is_within_every_bound(tries in 1u32..40, asked in proptest::option::of(0u64..5000), seed: u64, elapsed in 0u64..2000) {
            let policy = RetryPolicy::default();
            let asked = asked.map(Duration::from_secs);
            let tried = Tried { elapsed: Duration::from_secs(elapsed), ..tried(tries) };
            for class in [FailureClass::Throttled, FailureClass::Transient, FailureClass::Doubtful] {
                if let RetryDecision::Retry { wait } = decide(&policy, class, asked, tried, &mut StdRng::seed_from_u64(seed)) {
                    prop_assert!(wait >= asked.unwrap_or_default());
                    prop_assert!(wait < tried.remaining);
                    let is_asked = class == FailureClass::Throttled && asked.is_some();
                    prop_assert!(is_asked || tried.elapsed + wait <= policy.total);
                    prop_assert!(wait >= SHORTEST_WAIT.min(policy.base).mul_f64(0.1));
                    prop_assert!(asked.is_some() || wait >= SHORTEST_WAIT.min(policy.base));
                    prop_assert!(asked.is_some() || wait <= policy.cap);
                }
            }
        }
    }

    #[test]
    fn each_class_has_its_number_of_tries() {
        let policy = RetryPolicy::default();
        let last = |class| {
            (1..100).find(|tries| {
                !matches!(
                    decide(
                        &policy,
                        class,
                        None,
                        tried(*tries),
                        &mut StdRng::seed_from_u64(1)
                    ),
                    RetryDecision::Retry { .. }
                )
            })
        };
        assert_eq!(last(FailureClass::Throttled), Some(policy.throttled_tries));
        assert_eq!(last(FailureClass::Transient), Some(policy.transient_tries));
        assert_eq!(last(FailureClass::Doubtful), Some(policy.doubtful_tries));
        assert_eq!(last(FailureClass::Terminal), Some(1));
    }

    /// When the tries of one request end that is always answered 429 without `Retry-After`, and when each of them was.
    fn storm(
        policy: &RetryPolicy,
        remaining: Duration,
        seed: u64,
    ) -> (RetryDecision, Vec<Duration>) {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut elapsed, mut at) = (Duration::ZERO, Vec::new());
        loop {
            at.push(elapsed);
            let tried = Tried {
                tries: u32::try_from(at.len()).unwrap(),
                elapsed,
                remaining: remaining.saturating_sub(elapsed),
            };
            let decision = decide(policy, FailureClass::Throttled, None, tried, &mut random);
            let RetryDecision::Retry { wait } = decision else {
                return (decision, at);
            };
            elapsed += wait;
        }
    }

    #[test]
    fn fault_33_a_storm_is_asked_ever_more_rarely_and_within_both_bounds() {
        let policy = RetryPolicy::default();
        for seed in 0..200 {
            let (decision, at) = storm(&policy, Duration::from_secs(6 * 3_600), seed);
            assert_eq!(decision, RetryDecision::Exhausted);
            assert!(at.len() <= policy.throttled_tries as usize);
            assert!(at.last().is_some_and(|last| *last <= policy.total));
            let within = |from, to| {
                at.iter()
                    .filter(|at| (from..to).contains(&at.as_secs()))
                    .count()
            };
            assert!(within(60, 120) < within(0, 60), "{at:?}");
            // a minute's wait at most: a handful a minute, where there were several in the first
            assert!(within(60, 360) <= 20, "{at:?}");
            let (decision, _) = storm(&policy, Duration::from_secs(120), seed);
            assert_eq!(decision, RetryDecision::PastDeadline);
            let brief = RetryPolicy {
                total: Duration::from_secs(30),
                ..policy
            };
            let (decision, at) = storm(&brief, Duration::from_secs(3_600), seed);
            assert_eq!(decision, RetryDecision::Exhausted);
            assert!(at.len() < 30 && at.last().is_some_and(|last| last.as_secs() <= 30));
        }
    }

    #[test]
    fn fault_31_a_wait_past_the_deadline_stops() {
        let decision = decide(
            &RetryPolicy::default(),
            FailureClass::Throttled,
            Some(Duration::from_secs(1_000_000_000)),
            tried(1),
            &mut StdRng::seed_from_u64(1),
        );
        assert_eq!(decision, RetryDecision::PastDeadline);
    }

    #[test]
    fn fault_29_a_wait_that_graph_asks_for_is_bounded_by_the_deadline_alone() {
        let policy = RetryPolicy::default();
        let hour = Some(Duration::from_secs(3_600));
        let tried = Tried {
            remaining: Duration::from_secs(6 * 3_600),
            ..tried(1)
        };
        let mut random = StdRng::seed_from_u64(1);
        let decision = decide(&policy, FailureClass::Throttled, hour, tried, &mut random);
        assert!(matches!(decision, RetryDecision::Retry { wait } if Some(wait) >= hour));
        let decision = decide(&policy, FailureClass::Transient, hour, tried, &mut random);
        assert_eq!(decision, RetryDecision::Exhausted);
    }
}
