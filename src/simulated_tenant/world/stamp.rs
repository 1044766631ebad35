//! An instant as Graph writes it: to 100 ns, with as many fraction digits as it likes.

use std::fmt;

use crate::time::{SECOND, UtcMicros};

/// An instant and the number of fraction digits that Graph prints of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The instant; has no more precision than is printed.
    pub at: UtcMicros,
    /// Fraction digits in print: 0 to 7.
    pub digits: u8,
    /// The seventh digit (100 ns); printed only with seven digits.
    pub seventh: u8,
}

impl Stamp {
    /// An instant cut to `digits` fraction digits; a seventh digit is made from the instant itself.
    pub fn new(at: UtcMicros, digits: u8) -> Self {
        let digits = digits.min(7);
        let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
        let seventh = if digits == 7 {
            u8::try_from(at.0.rem_euclid(10)).unwrap_or(0)
        } else {
            0
        };
        Self {
            at: UtcMicros(at.0.div_euclid(unit) * unit),
            digits,
            seventh,
        }
    }

    /// Whole seconds from this instant to a later one, cut, as Graph counts durations.
    pub fn seconds_to(self, later: Self) -> i32 {
        let ticks =
            (later.at.0 - self.at.0) * 10 + i64::from(later.seventh) - i64::from(self.seventh);
        i32::try_from(ticks / (SECOND * 10)).unwrap_or(i32::MAX)
    }
}

/// `2026-01-05T09:00:00.1234567Z`.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = UtcMicros(self.at.0.div_euclid(SECOND) * SECOND).to_string();
        let ticks = self.at.0.rem_euclid(SECOND) * 10 + i64::from(self.seventh);
        let seconds = seconds.trim_end_matches('Z');
        if self.digits == 0 {
            return write!(f, "{seconds}Z");
        }
        let shown = ticks / 10_i64.pow(7 - u32::from(self.digits.min(7)));
        let width = usize::from(self.digits);
        write!(f, "{seconds}.{shown:0width$}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_digits_prints_what_it_keeps() {
        let at = UtcMicros(1_767_603_600_123_456);
        for (digits, text) in [
            (0, "2026-01-05T09:00:00Z"),
            (2, "2026-01-05T09:00:00.12Z"),
            (3, "2026-01-05T09:00:00.123Z"),
            (6, "2026-01-05T09:00:00.123456Z"),
            (7, "2026-01-05T09:00:00.1234566Z"),
        ] {
            assert_eq!(Stamp::new(at, digits).to_string(), text);
        }
    }

    #[test]
    fn durations_are_cut_to_the_second_at_100_ns() {
        let join = Stamp {
            at: UtcMicros(0),
            digits: 7,
            seventh: 1,
        };
        let leave = Stamp::new(UtcMicros(SECOND), 0);
        assert_eq!(join.seconds_to(leave), 0);
    }
}
