//! What time it is for the server, whatever the clock of this machine says.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use reqwest::header::{DATE, HeaderMap};

use super::retry_after::http_date;
use crate::time::{HOUR, SECOND, UtcMicros};

/// A clock that is this far off is worth a warning; sign-in hosts accept about as much.
const TOLERATED: i64 = 5 * 60 * SECOND;

/// The clock of this machine, corrected by the `Date` of the first answer.
///
/// Lives of tokens are measured on a monotonic clock; this one is for what carries points in time: the assertions that certificates
/// sign, and the end of ready tokens.
#[derive(Debug)]
pub(super) struct ServerClock {
    local: fn() -> UtcMicros,
    /// How far the server is ahead of this machine.
    ahead: AtomicI64,
    is_set: AtomicBool,
}

impl ServerClock {
    pub(super) fn new(local: fn() -> UtcMicros) -> Self {
        Self {
            local,
            ahead: AtomicI64::new(0),
            is_set: AtomicBool::new(false),
        }
    }

    /// Sets the clock by the first answer that carries a `Date`, and warns where this machine's is far off.
    pub(super) fn listen(&self, headers: &HeaderMap) {
        if self.is_set.load(Ordering::Acquire) {
            return;
        }
        let Some(server) = headers.get(DATE).and_then(http_date) else {
            return;
        };
        let ahead = server
            .saturating_mul(SECOND)
            .saturating_sub((self.local)().0);
        self.ahead.store(ahead, Ordering::Relaxed);
        if !self.is_set.swap(true, Ordering::AcqRel) && ahead.saturating_abs() > TOLERATED {
            let (behind_or_ahead, apart) = described(ahead);
            tracing::warn!(
                "the clock of this machine is {apart} {behind_or_ahead} the server's; set it (NTP): intervals without an end, and \
                 sign-in with a certificate, go by it; what is over goes by the earlier of the two"
            );
        }
    }

    /// What time it is for the server; `None` while it has not said so.
    pub(super) fn server_time(&self) -> Option<UtcMicros> {
        self.is_set
            .load(Ordering::Acquire)
            .then(|| (self.local)().plus(self.ahead.load(Ordering::Relaxed)))
    }

    /// The best that is known: the server's time, else this machine's.
    pub(super) fn now(&self) -> UtcMicros {
        self.server_time().unwrap_or_else(self.local)
    }

    /// How far this machine's clock is ahead of the server's by more than is tolerated; else 0.
    pub(super) fn ahead_of_server(&self) -> i64 {
        let ahead = self.ahead.load(Ordering::Relaxed).saturating_neg();
        if ahead > TOLERATED { ahead } else { 0 }
    }

    /// How far this machine's clock is off, in words; `None` where it is near enough or not known.
    pub(super) fn skew(&self) -> Option<String> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        (ahead.saturating_abs() > TOLERATED).then(|| {
            let (behind_or_ahead, apart) = described(ahead);
            format!("{apart} {behind_or_ahead}")
        })
    }
}

fn described(ahead: i64) -> (&'static str, String) {
    let apart = ahead.saturating_abs();
    let apart = if apart >= 48 * HOUR {
        format!("{} days", apart / (24 * HOUR))
    } else if apart >= 2 * HOUR {
        format!("{} hours", apart / HOUR)
    } else {
        format!("{} minutes", apart / (60 * SECOND))
    };
    (if ahead > 0 { "behind" } else { "ahead of" }, apart)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use reqwest::header::HeaderValue;

    use super::*;

    /// 2026-01-05T12:00:00Z
    fn noon() -> UtcMicros {
        UtcMicros(1_767_614_400 * SECOND)
    }

    fn date(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))])
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged meanwhile.
    fn logged(work: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = log.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn fault_88_a_clock_that_is_far_off_is_warned_of_once() {
        let text = logged(|| {
            let clock = ServerClock::new(noon);
            for _ in 0..3 {
                clock.listen(&date("Mon, 05 Jan 2026 12:10:00 GMT"));
            }
        });
        assert_eq!(text.matches("WARN").count(), 1, "{text}");
        assert!(
            text.contains("10 minutes behind the server's; set it"),
            "{text}"
        );
        let near = || {
            let clock = ServerClock::new(noon);
            clock.listen(&date("Mon, 05 Jan 2026 12:04:00 GMT"));
        };
        assert_eq!(logged(near), "");
    }

    #[test]
    fn fault_88_the_first_answer_sets_the_clock() {
        for (server, seconds, skew) in [
            ("Mon, 05 Jan 2026 12:00:04 GMT", 4, None),
            (
                "Mon, 05 Jan 2026 12:10:00 GMT",
                600,
                Some("10 minutes behind"),
            ),
            (
                "Mon, 05 Jan 2026 11:50:00 GMT",
                -600,
                Some("10 minutes ahead of"),
            ),
            (
                "Tue, 06 Jan 2026 12:00:00 GMT",
                86_400,
                Some("24 hours behind"),
            ),
            (
                "Fri, 02 Jan 2026 12:00:00 GMT",
                -3 * 86_400,
                Some("3 days ahead of"),
            ),
        ] {
            let clock = ServerClock::new(noon);
            assert_eq!((clock.now(), clock.server_time()), (noon(), None));
            clock.listen(&date("no date"));
            assert_eq!(clock.server_time(), None);
            clock.listen(&date(server));
            clock.listen(&date("Thu, 01 Jan 2015 00:00:00 GMT"));
            assert_eq!(clock.server_time(), Some(noon().plus(seconds * SECOND)));
            assert_eq!(clock.skew().as_deref(), skew, "{server}");
        }
    }
}
