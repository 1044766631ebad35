//! How far a run is and how long it still takes, from a few samples of its tally.
//!
//! Nobody knows beforehand how many sessions an organizer has, so what is left is what the part that was read already promises:
//! of a chunk `organizers read / organizers` × `sessions done / sessions found` is behind us. The speed is that of the last minute, so a
//! run that is throttled says so by a later end, and one that stands still has none.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::Tally;

/// How far back the speed looks.
const WINDOW: Duration = Duration::from_secs(60);
/// Before this much time and way there is no estimate: it would be a guess.
const SHORTEST: Duration = Duration::from_secs(5);
const LEAST: f64 = 0.02;

/// What the tally said at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    way: f64,
    requests: u64,
    organizers: u64,
    sessions: u64,
}

/// Speeds of the last minute, each a second, and what they make of the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Speed {
    pub(super) requests: f64,
    pub(super) organizers: f64,
    pub(super) sessions: f64,
    /// `None` where there is nothing to go by yet.
    pub(super) left: Option<Duration>,
}

/// Looks at a tally now and then.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    samples: VecDeque<Sample>,
}

impl Estimate {
    /// Takes a sample and says how fast it goes.
    pub(super) fn look(&mut self, tally: &Tally, now: Instant) -> Speed {
        let way = way(tally);
        self.samples.push_back(Sample {
            at: now,
            way,
            requests: tally.requests().requests,
            organizers: tally.organizers_done.get(),
            sessions: tally.sessions_done.get(),
        });
        while self.samples.len() > 2
            && self
                .samples
                .get(1)
                .is_some_and(|second| now.duration_since(second.at) >= WINDOW)
        {
            self.samples.pop_front();
        }
        self.speed()
    }

    fn speed(&self) -> Speed {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Speed::default();
        };
        let span = last.at.duration_since(first.at);
        let seconds = span.as_secs_f64();
        if seconds == 0.0 {
            return Speed::default();
        }
        let gained = last.way - first.way;
        let left = (span >= SHORTEST && last.way >= LEAST && gained > 0.0)
            .then(|| Duration::try_from_secs_f64((1.0 - last.way) * seconds / gained).ok())
            .flatten();
        Speed {
            requests: float(last.requests - first.requests) / seconds,
            organizers: float(last.organizers - first.organizers) / seconds,
            sessions: float(last.sessions - first.sessions) / seconds,
            left,
        }
    }
}

/// The part of the whole run that is done, from 0 to 1.
fn way(tally: &Tally) -> f64 {
    let (chunk, chunks) = tally.chunk();
    let [
        organizers_done,
        organizers_found,
        sessions_done,
        sessions_found,
    ] = tally.of_chunk();
    let organizers = part(organizers_done, organizers_found);
    let sessions = match sessions_found {
        0 => organizers,
        found => part(sessions_done, found),
    };
    part(chunk.saturating_sub(1), chunks) + organizers * sessions * part(1, chunks)
}

fn part(done: u64, of: u64) -> f64 {
    if of == 0 {
        return 0.0;
    }
    (float(done) / float(of)).min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "for the eye")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_rest_is_what_the_part_that_was_read_promises() {
        let (tally, mut estimate, start) = (Tally::default(), Estimate::default(), Instant::now());
        tally.start_chunk(1, 1);
        tally.organizers_found.add(100);
        assert_eq!(estimate.look(&tally, start).left, None);
        // a quarter of the organizers is read, and half of their sessions done: an eighth in ten seconds
        tally.organizers_done.add(25);
        tally.sessions_found.add(40);
        tally.sessions_done.add(20);
        let speed = estimate.look(&tally, start + seconds(10));
        assert_eq!(speed.left, Some(seconds(70)));
        assert!((speed.sessions - 2.0).abs() < 1e-9 && (speed.organizers - 2.5).abs() < 1e-9);
        // held for a minute: nothing moves, so there is no end in sight
        for second in (20..=80).step_by(10) {
            estimate.look(&tally, start + seconds(second));
        }
        assert_eq!(estimate.look(&tally, start + seconds(90)).left, None);
    }

    #[test]
    fn there_is_no_estimate_before_there_is_something_to_go_by() {
        let (tally, mut estimate, start) = (Tally::default(), Estimate::default(), Instant::now());
        tally.start_chunk(1, 1);
        tally.organizers_found.add(1_000);
        estimate.look(&tally, start);
        tally.organizers_done.add(500);
        assert_eq!(estimate.look(&tally, start + seconds(3)).left, None);
        assert!(estimate.look(&tally, start + seconds(6)).left.is_some());
    }

    #[test]
    fn chunks_to_come_count_as_long_as_those_that_are_done() {
        let (tally, mut estimate, start) = (Tally::default(), Estimate::default(), Instant::now());
        tally.start_chunk(1, 4);
        estimate.look(&tally, start);
        tally.organizers_found.add(10);
        tally.organizers_done.add(10);
        tally.start_chunk(2, 4);
        // the second chunk begins at nothing, whatever the first one counted
        assert_eq!(
            estimate.look(&tally, start + seconds(30)).left,
            Some(seconds(90))
        );
    }
}
