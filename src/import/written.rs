//! Times as Teams writes them into a file: by the habits of whoever saved it, without a zone.
//!
//! ```text
//! 11/27/26, 9:00:02 AM    27/11/2026, 09:00:02    27.11.26, 09:00:02    2026-11-27 09:00    19/01/2021 à 09:58:51
//! ```
//!
//! Which of two numbers is the day is told by the file as a whole, never by its language: Teams writes `6/17/26, 10:34:46 AM` below
//! Spanish and French headers too.

use jiff::civil::{Date, DateTime};

use super::refusal::Refusal;

/// No meeting lasts so long: Teams ends each after 30 hours.
const LONGEST_REPORT_HOURS: i32 = 7 * 24;

/// In which order a date's numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// 1/5/26 is the 5th of January.
    MonthDayYear,
    /// 1/5/26 is the 1st of May.
    DayMonthYear,
    /// 26/01/05 is the 5th of January.
    YearMonthDay,
}

/// A date with a time, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    numbers: [i16; 3],
    shape: Shape,
    clock: (i8, i8, i8),
}

/// What the date's look tells of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The year comes first, in four digits.
    YearFirst,
    /// `27.11.26`: all who write points write the day first.
    Points,
    /// `27-11-26`: nobody is known to write the month first.
    Dashes,
    /// `11/27/26`.
    Slashes,
}

impl Written {
    /// Reads a cell; `None` where it is no date with a time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (first, rest) = digits(text)?;
        let separator = rest
            .chars()
            .next()
            .filter(|letter| "/.-".contains(*letter))?;
        let (second, rest) = digits(after(rest, separator)?)?;
        let (third, rest) = digits(after(rest, separator)?)?;
        let shape = match (first.len(), separator, third.len()) {
            (4, _, 1..=2) => Shape::YearFirst,
            (1..=2, '.', 2 | 4) => Shape::Points,
            (1..=2, '-', 2 | 4) => Shape::Dashes,
            (1..=2, '/', 1 | 2 | 4) => Shape::Slashes,
            _ => return None,
        };
        if second.len() > 2 {
            return None;
        }
        let number = |digits: &str| digits.parse::<i16>().ok();
        let clock = clock(between(rest, separator)?)?;
        Some(Self {
            numbers: [number(first)?, number(second)?, number(third)?],
            shape,
            clock,
        })
    }

    /// The time that it means in an order; a look that tells the order by itself wins.
    pub(super) fn at(self, order: DateOrder) -> Option<DateTime> {
        let [first, second, third] = self.numbers;
        let order = match self.shape {
            Shape::YearFirst => DateOrder::YearMonthDay,
            Shape::Points => DateOrder::DayMonthYear,
            Shape::Dashes | Shape::Slashes => order,
        };
        let (year, month, day) = match order {
            DateOrder::MonthDayYear => (third, first, second),
            DateOrder::DayMonthYear => (third, second, first),
            DateOrder::YearMonthDay => (first, second, third),
        };
        let year = if year < 100 { year + 2000 } else { year };
        if !(2000..=2099).contains(&year) {
            return None;
        }
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let (hour, minute, second) = self.clock;
        Some(date.at(hour, minute, second, 0))
    }
}

/// The one order in which all times of a file are dates of one meeting.
///
/// `asked` decides only what the file leaves open.
pub(super) fn decide(
    times: &[(u64, Written)],
    asked: Option<DateOrder>,
) -> Result<DateOrder, Refusal> {
    let mut orders = vec![DateOrder::MonthDayYear, DateOrder::DayMonthYear];
    if asked == Some(DateOrder::YearMonthDay) {
        orders.push(DateOrder::YearMonthDay);
    }
    let mut last_fallen = 0;
    let mut possible = Vec::new();
    for order in orders {
        match fits(times, order) {
            Ok(()) => possible.push(order),
            Err(line) => last_fallen = last_fallen.max(line),
        }
    }
    match possible.as_slice() {
        [] => Err(Refusal::Contradiction { line: last_fallen }),
        [only] => Ok(*only),
        [first, rest @ ..] => {
            if let Some(asked) = asked.filter(|asked| possible.contains(asked)) {
                return Ok(asked);
            }
            let differs = |written: &Written| {
                rest.iter()
                    .any(|other| written.at(*other) != written.at(*first))
            };
            let open = times.iter().find(|(_, written)| differs(written));
            match open {
                None => Ok(*first),
                Some((_, written)) if written.shape == Shape::Dashes => Ok(DateOrder::DayMonthYear),
                Some((line, _)) => Err(Refusal::DayOrMonth { line: *line }),
            }
        }
    }
}

/// Whether all times are dates in this order, and near each other; else the line that is not.
fn fits(times: &[(u64, Written)], order: DateOrder) -> Result<(), u64> {
    let mut bounds: Option<(DateTime, DateTime)> = None;
    for (line, written) in times {
        let at = written.at(order).ok_or(*line)?;
        let (first, last) = bounds.map_or((at, at), |(first, last)| (first.min(at), last.max(at)));
        bounds = Some((first, last));
        if last.duration_since(first).as_hours() > i64::from(LONGEST_REPORT_HOURS) {
            return Err(*line);
        }
    }
    Ok(())
}

/// The digits that a text begins with.
fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(digits, _)| !digits.is_empty())
}

/// What comes after a separator; some write a blank behind it: `2026. 01. 05.`.
fn after(text: &str, separator: char) -> Option<&str> {
    Some(text.strip_prefix(separator)?.trim_start())
}

/// What comes after the date's end: `, `, ` à `, `T`, a last point.
fn between(text: &str, separator: char) -> Option<&str> {
    let text = text
        .strip_prefix(separator)
        .filter(|_| separator == '.')
        .unwrap_or(text);
    if let Some(rest) = text.strip_prefix('T') {
        return Some(rest);
    }
    let comma = text.trim_start().strip_prefix(',');
    if comma.is_none() && !text.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = comma.unwrap_or(text).trim_start();
    let word = ["à ", "at ", "um ", "kl. ", "klo "];
    let behind = word.iter().find_map(|word| rest.strip_prefix(word));
    Some(behind.unwrap_or(rest).trim_start())
}

/// `9:00`, `09:00:12`, `9.00.12`, `9:00:12 AM`, `9:00 p. m.`
fn clock(text: &str) -> Option<(i8, i8, i8)> {
    let (hour, rest) = digits(text)?;
    let separator = rest
        .chars()
        .next()
        .filter(|letter| ":.".contains(*letter))?;
    let (minute, rest) = digits(rest.strip_prefix(separator)?)?;
    let (second, rest) = match rest.strip_prefix(separator) {
        Some(rest) => digits(rest)?,
        None => ("0", rest),
    };
    if hour.len() > 2 || minute.len() != 2 || second.len() > 2 {
        return None;
    }
    let half: String = rest
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '.')
        .flat_map(char::to_lowercase)
        .collect();
    let hour: i8 = hour.parse().ok()?;
    let hour = match (half.as_str(), hour) {
        ("am", 12) => 0,
        ("", 0..=23) | ("am", 1..=11) | ("pm", 12) => hour,
        ("pm", 1..=11) => hour + 12,
        _ => return None,
    };
    let (minute, second): (i8, i8) = (minute.parse().ok()?, second.parse().ok()?);
    ((0..=59).contains(&minute) && (0..=59).contains(&second)).then_some((hour, minute, second))
}

#[cfg(test)]
mod tests {
    use super::DateOrder::{DayMonthYear as Dmy, MonthDayYear as Mdy, YearMonthDay as Ymd};
    use super::*;

    #[test]
    fn every_way_of_writing_is_read() {
        for (text, mdy, dmy) in [
            ("11/27/26, 9:00:02 AM", Some("2026-11-27T09:00:02"), None),
            ("27/11/2026, 09:00:02", None, Some("2026-11-27T09:00:02")),
            (
                "1/5/26, 12:00:12 AM",
                Some("2026-01-05T00:00:12"),
                Some("2026-05-01T00:00:12"),
            ),
            (
                "1/5/26, 12:05:12\u{202f}PM",
                Some("2026-01-05T12:05:12"),
                Some("2026-05-01T12:05:12"),
            ),
            (
                "1/5/2026, 9:00:12 p. m.",
                Some("2026-01-05T21:00:12"),
                Some("2026-05-01T21:00:12"),
            ),
            (
                "05.01.26, 09:00:12",
                Some("2026-01-05T09:00:12"),
                Some("2026-01-05T09:00:12"),
            ),
            (
                "5.1.2026 klo 9.00.12",
                Some("2026-01-05T09:00:12"),
                Some("2026-01-05T09:00:12"),
            ),
            ("19/01/2021 à 09:58:51", None, Some("2021-01-19T09:58:51")),
            (
                "2026-01-05 09:00",
                Some("2026-01-05T09:00:00"),
                Some("2026-01-05T09:00:00"),
            ),
            (
                "2026-01-05T09:00:12",
                Some("2026-01-05T09:00:12"),
                Some("2026-01-05T09:00:12"),
            ),
            (
                "2026/1/5 9:00:12",
                Some("2026-01-05T09:00:12"),
                Some("2026-01-05T09:00:12"),
            ),
            (
                "2026. 01. 05. 9:00:12",
                Some("2026-01-05T09:00:12"),
                Some("2026-01-05T09:00:12"),
            ),
            ("2/29/24, 9:00 AM", Some("2024-02-29T09:00:00"), None),
        ] {
            let written = Written::parse(text).unwrap_or_else(|| panic!("{text}"));
            let at = |order| written.at(order).map(|at| at.to_string());
            assert_eq!(at(Mdy).as_deref(), mdy, "{text}");
            assert_eq!(at(Dmy).as_deref(), dmy, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_with_a_time_is_not_read() {
        for text in [
            "",
            "9:00 AM",
            "1/5/26",
            "1/5/26 25:00",
            "1/5/26, 13:00 PM",
            "1/5/26, 0:30 AM",
            "1/5/26, 9:60",
            "1/5/26, 9",
            "1/5, 9:00",
            "111/5/26, 9:00",
            "1/5/026, 9:00",
            "1/5.26, 9:00",
            "1/5/26x9:00",
            "1/5/26, 9:00 Z",
            "1/5/26, 9:00+01:00",
            "Ann, 9:00",
            "1/5/26, 9:000",
            "99999999999/1/1, 9:00",
        ] {
            assert_eq!(Written::parse(text), None, "{text}");
        }
    }

    fn decided(texts: &[&str], asked: Option<DateOrder>) -> Result<DateOrder, String> {
        let times: Vec<_> = (1..)
            .zip(texts)
            .map(|(line, text)| (line, Written::parse(text).unwrap()))
            .collect();
        decide(&times, asked).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_whole_file_tells_which_number_is_the_day() {
        let open = "line 1: day and month of its dates cannot be told apart".to_owned();
        for (name, texts, asked, expected) in [
            (
                "a 27th month",
                vec!["1/5/26, 9:00", "1/5/26, 10:00", "11/27/26, 9:00"],
                None,
                Err(()),
            ),
            (
                "27 comes second",
                vec!["11/27/26, 9:00", "11/27/26, 10:00"],
                None,
                Ok(Mdy),
            ),
            ("27 comes first", vec!["27/11/26, 9:00"], None, Ok(Dmy)),
            ("it may be both", vec!["1/5/26, 9:00"], None, Err(())),
            (
                "it may be both, and the user knows",
                vec!["1/5/26, 9:00"],
                Some(Dmy),
                Ok(Dmy),
            ),
            (
                "what the file tells is not overruled",
                vec!["11/27/26, 9:00"],
                Some(Dmy),
                Ok(Mdy),
            ),
            (
                "over midnight: by the other order it lasts a month",
                vec!["1/5/26, 23:00", "2/5/26, 0:30"],
                None,
                Ok(Dmy),
            ),
            (
                "the same day by both",
                vec!["5/5/26, 9:00", "5/5/26, 10:00"],
                None,
                Ok(Mdy),
            ),
            ("points", vec!["01.05.26, 9:00"], None, Ok(Mdy)),
            ("dashes", vec!["1-5-26 9:00"], None, Ok(Dmy)),
            (
                "the year first, in two digits",
                vec!["26/01/05, 9:00"],
                Some(Ymd),
                Ok(Ymd),
            ),
            ("no date by either", vec!["13/13/26, 9:00"], None, Err(())),
        ] {
            let decided = decided(&texts, asked);
            assert_eq!(decided.clone().map_err(|_| ()), expected, "{name}");
            if name == "it may be both" {
                assert_eq!(decided, Err(open.clone()));
            }
        }
    }
}
