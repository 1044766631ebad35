//! The half-open range of time that a run covers.

use crate::time::{EventDate, UtcMicros, WarehouseTimezone};

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
