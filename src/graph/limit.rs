//! How fast we ask: one budget a published limit, held as a whole when Graph says so.
//!
//! Each budget has a [pace](super::pace); calendars have one budget a mailbox, which also bounds how many of its requests are in flight.
//! One request of a budget at a time waits at its turnstile and then for a permit, so a pace that was waited for is not saved up
//! behind other requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::pace::Pace;
use super::request::{Account, Budget};
use crate::job::plan::{LimitsPlan, RateLimit};

/// Requests in flight for one mailbox: <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>.
const CONCURRENT_PER_MAILBOX: usize = 4;
/// Mailboxes that are remembered before those that nobody asks are forgotten.
const MAILBOXES: usize = 1_024;

/// All budgets of one client, and its requests in flight.
#[derive(Debug)]
pub(super) struct Limiter {
    attendance: Arc<BudgetState>,
    call_records: Arc<BudgetState>,
    call_records_list: Arc<BudgetState>,
    virtual_events: Arc<BudgetState>,
    directory: Arc<BudgetState>,
    mailboxes: Mailboxes,
    in_flight: Arc<Semaphore>,
}

/// The right to send one request, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _in_flight: OwnedSemaphorePermit,
    _of_budget: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct BudgetState {
    pace: Pace,
    held_until: Mutex<Option<Instant>>,
    turnstile: tokio::sync::Mutex<()>,
    /// Where the budget itself bounds requests in flight.
    concurrent: Option<Arc<Semaphore>>,
}

/// One budget a mailbox.
#[derive(Debug)]
struct Mailboxes {
    limit: Option<RateLimit>,
    states: Mutex<HashMap<String, (Arc<BudgetState>, Instant)>>,
}

impl Limiter {
    pub(super) fn new(limits: &LimitsPlan, concurrency: usize) -> Self {
        let budget = |pace| Arc::new(BudgetState::new(pace, None));
        Self {
            attendance: budget(Pace::learning(limits.attendance)),
            call_records: budget(Pace::fixed(limits.call_records)),
            call_records_list: budget(Pace::fixed(limits.call_records_list)),
            virtual_events: budget(Pace::fixed(limits.virtual_events)),
            directory: budget(Pace::fixed(limits.directory)),
            mailboxes: Mailboxes {
                limit: limits.calendar,
                states: Mutex::default(),
            },
            in_flight: Arc::new(Semaphore::new(concurrency.max(1))),
        }
    }

    /// Waits until the request may be sent; the permit is one of the requests in flight.
    ///
    /// `None` where that is not before the deadline: at once where a hold already says so.
    pub(super) async fn ready(&self, account: Account<'_>, deadline: Instant) -> Option<Permit> {
        let turn = self.turn(account, deadline);
        tokio::time::timeout_at(deadline, turn).await.ok().flatten()
    }

    async fn turn(&self, account: Account<'_>, deadline: Instant) -> Option<Permit> {
        let budget = self.budget(account);
        let _turn = budget.turnstile.lock().await;
        loop {
            if !budget.wait_out_hold(deadline).await {
                return None;
            }
            let of_budget = match &budget.concurrent {
                Some(slots) => Some(Arc::clone(slots).acquire_owned().await.ok()?),
                None => None,
            };
            budget.pace.wait().await;
            let in_flight = Arc::clone(&self.in_flight).acquire_owned().await.ok()?;
            // a deadline is past also where nothing had to be waited for
            if Instant::now() >= deadline {
                return None;
            }
            // a hold that began while this request waited counts for it too
            if !budget.is_held() {
                return Some(Permit {
                    _in_flight: in_flight,
                    _of_budget: of_budget,
                });
            }
        }
    }

    /// Whether a hold runs on the budget that pays.
    pub(super) fn is_held(&self, account: Account<'_>) -> bool {
        self.budget(account).is_held()
    }

    /// Lets nothing of the budget through for that long, and slows a learnt pace down: a request that was sent at that time met a 429.
    pub(super) fn throttled(&self, account: Account<'_>, sent_at: Instant, wait: Duration) {
        let budget = self.budget(account);
        budget.pace.throttled(sent_at);
        let until = Instant::now() + wait;
        let mut held = lock(&budget.held_until);
        if held.is_none_or(|before| before < until) {
            *held = Some(until);
        }
    }

    /// Lets a learnt pace creep up.
    pub(super) fn answered(&self, account: Account<'_>) {
        self.budget(account).pace.answered();
    }

    /// The end of the longest hold that runs.
    pub(super) fn held_until(&self) -> Option<Instant> {
        let shared = [
            &self.attendance,
            &self.call_records,
            &self.call_records_list,
            &self.virtual_events,
            &self.directory,
        ];
        let of_mailboxes = lock(&self.mailboxes.states)
            .values()
            .filter_map(|(state, _)| state.held())
            .max();
        let of_shared = shared.into_iter().filter_map(|state| state.held()).max();
        of_shared.max(of_mailboxes)
    }

    fn budget(&self, account: Account<'_>) -> Arc<BudgetState> {
        match account.budget {
            Budget::Attendance => Arc::clone(&self.attendance),
            Budget::Calendar => self.mailboxes.state(account.mailbox.unwrap_or_default()),
            Budget::CallRecords => Arc::clone(&self.call_records),
            Budget::CallRecordsList => Arc::clone(&self.call_records_list),
            Budget::VirtualEvents => Arc::clone(&self.virtual_events),
            Budget::Directory => Arc::clone(&self.directory),
        }
    }
}

impl Mailboxes {
    fn state(&self, mailbox: &str) -> Arc<BudgetState> {
        let mut states = lock(&self.states);
        let now = Instant::now();
        if let Some((state, used_at)) = states.get_mut(mailbox) {
            *used_at = now;
            return Arc::clone(state);
        }
        if states.len() >= MAILBOXES {
            // what was asked within the limit's own time still counts
            let window = self.limit.map_or(Duration::ZERO, |limit| limit.per);
            states.retain(|_, (state, used_at)| {
                Arc::strong_count(state) > 1 || state.is_held() || *used_at + window > now
            });
        }
        let slots = Arc::new(Semaphore::new(CONCURRENT_PER_MAILBOX));
        let state = Arc::new(BudgetState::new(Pace::fixed(self.limit), Some(slots)));
        states.insert(mailbox.to_owned(), (Arc::clone(&state), now));
        state
    }
}

impl BudgetState {
    fn new(pace: Pace, concurrent: Option<Arc<Semaphore>>) -> Self {
        Self {
            pace,
            held_until: Mutex::new(None),
            turnstile: tokio::sync::Mutex::new(()),
            concurrent,
        }
    }

    fn held(&self) -> Option<Instant> {
        lock(&self.held_until).filter(|until| *until > Instant::now())
    }

    fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// Whether the hold is over before the deadline; it may be made longer while it is waited out.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        let limits = LimitsPlan {
            attendance: None,
            calendar: None,
            call_records: None,
            call_records_list: None,
            virtual_events: None,
            directory: None,
        };
        Limiter::new(&limits, 100)
    }

    fn mailbox(mailbox: &str) -> Account<'_> {
        Account {
            budget: Budget::Calendar,
            mailbox: Some(mailbox),
        }
    }

    #[tokio::test]
    async fn fault_29_a_hold_is_on_one_mailbox_and_not_on_its_neighbours() {
        let limiter = limiter();
        let deadline = Instant::now() + Duration::from_secs(60);
        let hold = Duration::from_millis(40);
        let began = Instant::now();
        limiter.throttled(mailbox("a"), began, hold);
        assert!(limiter.ready(mailbox("b"), deadline).await.is_some());
        assert!(!limiter.is_held(mailbox("b")));
        assert!(limiter.ready(mailbox("a"), deadline).await.is_some());
        assert!(began.elapsed() >= hold);
    }

    #[tokio::test]
    async fn a_mailbox_has_four_requests_in_flight_at_most() {
        let limiter = limiter();
        let deadline = Instant::now() + Duration::from_millis(30);
        let mut permits = Vec::new();
        for _ in 0..CONCURRENT_PER_MAILBOX {
            permits.push(limiter.ready(mailbox("a"), deadline).await.unwrap());
        }
        assert!(limiter.ready(mailbox("a"), deadline).await.is_none());
        permits.pop();
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(limiter.ready(mailbox("a"), deadline).await.is_some());
    }

    #[tokio::test]
    async fn mailboxes_that_nobody_asks_are_forgotten() {
        let limiter = limiter();
        limiter.throttled(mailbox("held"), Instant::now(), Duration::from_secs(3_600));
        for number in 0..5 * MAILBOXES {
            limiter.answered(mailbox(&number.to_string()));
        }
        assert!(lock(&limiter.mailboxes.states).len() <= MAILBOXES + 1);
        assert!(limiter.is_held(mailbox("held")));
    }
}
