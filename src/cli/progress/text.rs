//! What the display says of a run, in words.

use std::time::Duration;

use indicatif::HumanCount;

use super::estimate::Speed;
use crate::ledger::{Stage, Tally};

/// Organizers: how many of those that are known are read.
pub(super) fn discover(tally: &Tally, speed: &Speed) -> String {
    // Graph lists users by the page, and says only at the end that there are no more
    let more = if tally.is_listed() { "" } else { "+" };
    format!(
        "{} of {}{more} organizers{}",
        HumanCount(tally.organizers_done.get()),
        HumanCount(tally.organizers_found.get()),
        rate(speed.organizers)
    )
}

/// Sessions, with the reports that they brought.
pub(super) fn fetch(tally: &Tally, speed: &Speed) -> String {
    format!(
        "{} of {} sessions{}, {} reports",
        HumanCount(tally.sessions_done.get()),
        HumanCount(tally.sessions_found.get()),
        rate(speed.sessions),
        HumanCount(tally.reports_fetched.get())
    )
}

fn records(tally: &Tally) -> String {
    format!(", {} records", HumanCount(tally.records.get()))
}

/// Chunks, which are published one by one, and the records for them.
pub(super) fn publish(tally: &Tally) -> String {
    let (_, chunks) = tally.chunk();
    let done = tally.chunks_done.get();
    let what = match tally.stage() {
        Stage::Starting => String::new(),
        Stage::Extracting => records(tally),
        Stage::WaitingForLock => ", waiting for another run to publish".to_owned(),
        Stage::Publishing => records(tally) + ", writing",
    };
    let noun = if chunks == 1 { "chunk" } else { "chunks" };
    format!("{done} of {chunks} {noun}{what}")
}

/// Requests, throttling and the estimate.
pub(super) fn whole(tally: &Tally, speed: &Speed) -> String {
    let meter = tally.requests();
    let mut parts = vec![format!(
        "{} requests{}",
        HumanCount(meter.requests),
        rate(speed.requests)
    )];
    parts.extend(held(meter.throttled, tally.held_for()));
    if let Some(left) = speed.left {
        let about = if tally.is_listed() { "about" } else { "over" };
        parts.push(format!("{about} {} left", short(left)));
    }
    parts.join(", ")
}

/// How long throttling held the run, or holds it still.
fn held(so_far: Duration, more: Option<Duration>) -> Option<String> {
    match more {
        Some(more) => Some(format!("held {} more", short(more))),
        None if so_far.is_zero() => None,
        None => Some(format!("throttled {}", short(so_far))),
    }
}

/// Everything on one line, where there is no bar.
pub(super) fn line(tally: &Tally, speed: &Speed) -> String {
    let (chunk, chunks) = tally.chunk();
    let chunk = if chunks > 1 {
        format!("chunk {chunk} of {chunks}, ")
    } else {
        String::new()
    };
    format!(
        "{chunk}{}, {}{}, {}",
        discover(tally, speed),
        fetch(tally, speed),
        records(tally),
        whole(tally, speed)
    )
}

fn rate(per_second: f64) -> String {
    if per_second < 0.05 {
        return String::new();
    }
    if per_second < 10.0 {
        return format!(" ({per_second:.1}/s)");
    }
    format!(" ({per_second:.0}/s)")
}

/// One unit is enough for the eye, two from a minute on.
fn short(duration: Duration) -> String {
    // a hold of 0.4 s is still one
    let seconds = duration.as_millis().div_ceil(1_000);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_the_run_is_and_how_long_it_takes() {
        let tally = Tally::default();
        tally.start_chunk(1, 1);
        tally.organizers_found.add(1_200);
        tally.organizers_done.add(3);
        tally.records.add(12_345);
        assert_eq!(
            line(&tally, &Speed::default()),
            "3 of 1,200 organizers, 0 of 0 sessions, 0 reports, 12,345 records, 0 requests"
        );
        tally.start_chunk(2, 5);
        let speed = Speed {
            requests: 12.34,
            organizers: 0.5,
            sessions: 0.01,
            left: Some(Duration::from_secs(7_260)),
        };
        assert_eq!(
            line(&tally, &speed),
            "chunk 2 of 5, 3 of 1,200 organizers (0.5/s), 0 of 0 sessions, 0 reports, 12,345 records, \
             0 requests (12/s), about 2 h 1 min left"
        );
    }

    #[test]
    fn what_is_not_known_yet_is_not_promised() {
        let tally = Tally::default();
        tally.organizers_found.add(999);
        let speed = Speed {
            left: Some(Duration::from_secs(90)),
            ..Speed::default()
        };
        {
            let _listing = tally.list_organizers();
            assert_eq!(discover(&tally, &speed), "0 of 999+ organizers");
            assert_eq!(whole(&tally, &speed), "0 requests, over 1 min 30 s left");
        }
        assert_eq!(discover(&tally, &speed), "0 of 999 organizers");
        assert_eq!(whole(&tally, &speed), "0 requests, about 1 min 30 s left");
    }

    #[test]
    fn a_publish_says_what_it_waits_for() {
        let tally = Tally::default();
        tally.records.add(1_234);
        tally.start_chunk(1, 1);
        for (stage, expected) in [
            (Stage::Starting, "0 of 1 chunk"),
            (Stage::Extracting, "0 of 1 chunk, 1,234 records"),
            (
                Stage::WaitingForLock,
                "0 of 1 chunk, waiting for another run to publish",
            ),
            (Stage::Publishing, "0 of 1 chunk, 1,234 records, writing"),
        ] {
            tally.enter(stage);
            assert_eq!(
                (tally.stage(), publish(&tally)),
                (stage, expected.to_owned())
            );
        }
    }

    #[test]
    fn a_large_run_fits_a_terminal_of_80_columns() {
        // what stands before the text: a name and a bar, or the time that has passed
        const BAR: usize = "discover ━━━━━━━━━━━━ ".len() - 2 * 12;
        const ELAPSED: usize = "00:00:00 ".len();
        let tally = Tally::default();
        tally.start_chunk(53, 53);
        let listing = tally.list_organizers();
        tally.organizers_found.add(250_000);
        tally.organizers_done.add(249_999);
        tally.sessions_found.add(9_999_999);
        tally.sessions_done.add(9_999_998);
        tally.reports_fetched.add(9_999_999);
        tally.records.add(999_999_999);
        let speed = Speed {
            requests: 100.0,
            organizers: 999.0,
            sessions: 999.0,
            left: Some(Duration::from_secs(35 * 3_600 + 59 * 60)),
        };
        let fits = |before: usize, text: String| assert!(before + text.len() <= 80, "{text}");
        fits(BAR, discover(&tally, &speed));
        fits(BAR, fetch(&tally, &speed));
        for stage in [Stage::Extracting, Stage::WaitingForLock, Stage::Publishing] {
            tally.enter(stage);
            fits(BAR, publish(&tally));
        }
        let requests = "999,999".len() - "0".len();
        fits(ELAPSED + requests, whole(&tally, &speed));
        let most = Duration::from_secs(59 * 60 + 59);
        for (so_far, more) in [(most, None), (most, Some(most)), (35 * most, None)] {
            let held = format!(", {}", held(so_far, more).unwrap());
            fits(ELAPSED + requests + held.len(), whole(&tally, &speed));
        }
        drop(listing);
    }

    #[test]
    fn throttling_is_told_by_what_is_left_of_it_while_it_lasts() {
        let seconds = Duration::from_secs;
        for (so_far, more, expected) in [
            (0, None, None),
            (46, None, Some("throttled 46 s")),
            (46, Some(90), Some("held 1 min 30 s more")),
        ] {
            let told = held(seconds(so_far), more.map(seconds));
            assert_eq!(told.as_deref(), expected);
        }
    }

    #[test]
    fn durations_are_short() {
        for (milliseconds, expected) in [
            (0, "0 s"),
            (400, "1 s"),
            (59_000, "59 s"),
            (61_000, "1 min 1 s"),
            (3_599_001, "1 h 0 min"),
        ] {
            assert_eq!(short(Duration::from_millis(milliseconds)), expected);
        }
    }
}
