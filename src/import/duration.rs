//! How long somebody was there, in words: `1h 2m 3s`, `59 Min. 0 Sek.`, `1 godz. 5 min 3 s`, `1:02:03`.

/// Words of a unit; where they were seen is told in [`words`](super::words).
const UNITS: [(i64, &[&str]); 4] = [
    (86_400, &["d", "day", "days"]),
    (
        3_600,
        &[
            "h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden", "godz", "hora", "horas",
        ],
    ),
    (
        60,
        &[
            "m", "min", "mins", "minute", "minutes", "minuten", "minuto", "minutos",
        ],
    ),
    (
        1,
        &[
            "s", "sec", "secs", "second", "seconds", "sek", "sekunde", "sekunden", "seg",
            "segundo", "segundos",
        ],
    ),
];

/// Seconds; `None` where the text is no duration.
pub(super) fn parse_duration(text: &str) -> Option<i32> {
    if text.contains(':') {
        return parse_clock(text);
    }
    let mut seconds: i64 = 0;
    let mut smallest = i64::MAX;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (digits, behind) = rest.split_at_checked(end)?;
        let number: i64 = digits.parse().ok()?;
        let behind = behind.trim_start();
        let end = behind
            .find(|letter: char| !letter.is_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        let unit = unit.to_lowercase();
        let (size, _) = UNITS
            .iter()
            .find(|(_, words)| words.contains(&unit.as_str()))?;
        // each unit once, the large ones first
        if *size >= smallest {
            return None;
        }
        smallest = *size;
        seconds = seconds.checked_add(number.checked_mul(*size)?)?;
        rest = behind
            .trim_start_matches(|letter: char| letter.is_whitespace() || ".,".contains(letter));
    }
    (smallest < i64::MAX)
        .then(|| i32::try_from(seconds).ok())
        .flatten()
}

/// `h:mm:ss`; with two numbers it would not be told from `m:ss`.
fn parse_clock(text: &str) -> Option<i32> {
    let mut parts = text.trim().split(':').map(|part| part.parse::<u16>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(i32::from(hours) * 3_600 + i32::from(minutes) * 60 + i32::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words() {
        for (text, expected) in [
            ("1h 1m 10s", Some(3_670)),
            ("19m", Some(1_140)),
            ("40m 5s", Some(2_405)),
            ("2h", Some(7_200)),
            ("0s", Some(0)),
            ("1d 2h", Some(93_600)),
            ("59 Min. 0 Sek.", Some(3_540)),
            ("1 Std. 5 Min.", Some(3_900)),
            ("1 h 48 min 58 s", Some(6_538)),
            ("25\u{a0}min 26\u{a0}s", Some(1_526)),
            ("1 godz. 5 min 3 s", Some(3_903)),
            ("1 hour, 2 minutes and 3 seconds", None),
            ("1 hour, 2 minutes, 3 seconds", Some(3_723)),
            ("1h1m1s", Some(3_661)),
            ("1:02:03", Some(3_723)),
            ("02:03", None),
            ("1:62:03", None),
            ("", None),
            ("12", None),
            ("5m 1h", None),
            ("5m 5m", None),
            ("99999999999999999999h", None),
            ("9999999h", None),
            ("-5m", None),
            ("5 ч", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
