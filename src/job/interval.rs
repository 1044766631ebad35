//! The half-open range of time that a run covers.

use jiff::Timestamp;

use crate::time::{EventDate, UtcMicros, WarehouseTimezone};

/// Years that an interval may touch; a mistyped century is not a range of a million days.
const YEARS: [&str; 2] = ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"];

/// `[start, end)` in UTC microseconds; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataInterval {
    start: UtcMicros,
    end: UtcMicros,
}

impl DataInterval {
    /// The interval, or `None` where `start` is not before `end`.
    pub fn new(start: UtcMicros, end: UtcMicros) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The first instant inside.
    pub fn start(&self) -> UtcMicros {
        self.start
    }

    /// The first instant after it.
    pub fn end(&self) -> UtcMicros {
        self.end
    }

    /// Whether the instant lies inside.
    pub fn contains(&self, at: UtcMicros) -> bool {
        self.start <= at && at < self.end
    }

    /// The calendar days that it touches, oldest first.
    pub fn days(&self, timezone: &WarehouseTimezone) -> Vec<EventDate> {
        let first = timezone.event_date(self.start);
        let last = timezone.event_date(UtcMicros(self.end.0 - 1));
        (first.0..=last.0).map(EventDate).collect()
    }

    /// The same interval with `micros` more on each side.
    #[must_use]
    pub fn widened(&self, micros: i64) -> Self {
        Self {
            start: UtcMicros(self.start.0.saturating_sub(micros)),
            end: UtcMicros(self.end.0.saturating_add(micros)),
        }
    }

    /// Cuts at midnights of the time zone into pieces of at most `days` calendar days, oldest first; together they are the whole.
    pub fn chunks(&self, days: u32, timezone: &WarehouseTimezone) -> Vec<Self> {
        let mut chunks = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let next_day = timezone
                .event_date(start)
                .plus_days(i32::try_from(days.max(1)).unwrap_or(i32::MAX));
            let end = timezone.midnight(next_day).min(self.end);
            chunks.extend(Self::new(start, end));
            start = end;
        }
        chunks
    }
}

/// Reads one end of an interval: a date (its midnight in the time zone) or RFC 3339 with an offset (exact).
///
/// `None` where it is neither, is no day of the calendar, or lies outside of the years 2000 to 2100.
pub fn parse_bound(text: &str, timezone: &WarehouseTimezone) -> Option<UtcMicros> {
    // the general parser would also take `20260131` and `2026-01-31T10:00`, whose time it would drop
    let is_date =
        text.len() == "2026-01-31".len() && text.bytes().filter(|b| *b == b'-').count() == 2;
    let at = if is_date {
        timezone.midnight(text.parse().ok()?)
    } else {
        text.parse::<Timestamp>().ok()?.into()
    };
    let [first, last] = YEARS.map(|year| year.parse::<Timestamp>().map(UtcMicros::from).ok());
    (first? <= at && at <= last?).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_midnight_in_the_zone_and_rfc_3339_is_exact() {
        let berlin = WarehouseTimezone::named("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-01-01", "2025-12-31T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2024-02-29", "2024-02-28T23:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00+05:30", "2025-12-31T18:30:00Z"),
            // as str() of a Python datetime writes it
            ("2026-01-01 00:00:00+00:00", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123456Z"),
        ] {
            let bound = parse_bound(text, &berlin).map(|at| at.to_string());
            assert_eq!(bound.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-1-1",
            "20260101",
            "2026-01",
            "2026-01-01T00:00:00",
            "2026-01-01T25:00:00Z",
            "0026-01-01",
            "9999-12-31",
            "-026-01-01",
            "1767225600",
        ] {
            assert_eq!(parse_bound(text, &WarehouseTimezone::utc()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn fault_100_no_text_makes_the_reader_panic(text in "[-0-9TZ:+. \\PC]{0,40}") {
            parse_bound(&text, &WarehouseTimezone::utc());
        }
    }

    #[test]
    fn chunks_are_the_whole_interval_without_overlap_across_clock_changes() {
        let berlin = WarehouseTimezone::named("Europe/Berlin").unwrap();
        let bound = |text| parse_bound(text, &berlin).unwrap();
        for (start, end, days, count) in [
            ("2026-03-25", "2026-04-05", 7, 2),
            ("2026-10-20T13:00:00Z", "2026-10-27T01:00:00Z", 1, 8),
            ("2026-01-01", "2026-01-02", 7, 1),
        ] {
            let whole = DataInterval::new(bound(start), bound(end)).unwrap();
            let chunks = whole.chunks(days, &berlin);
            assert_eq!(chunks.len(), count, "{start}");
            assert_eq!(chunks[0].start(), whole.start());
            assert_eq!(chunks[count - 1].end(), whole.end());
            for pair in chunks.windows(2) {
                assert_eq!(pair[0].end(), pair[1].start());
                assert_eq!(
                    berlin.midnight(berlin.event_date(pair[1].start())),
                    pair[1].start()
                );
            }
        }
    }
}
