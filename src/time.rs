//! Time as the warehouse keeps it, and time as Graph writes it.
//!
//! The warehouse keeps UTC microseconds ([`UtcMicros`]). Graph writes RFC 3339 with none to seven fraction digits, with `Z`, with
//! an offset or with neither, and sometimes a sentinel such as `0001-01-01T00:00:00Z` where it has no time at all. The seventh
//! digit (100 ns) is cut off, never rounded, so a timestamp never moves into the next microsecond.
//! Exchange writes a wall-clock time beside the name of a time zone, mostly a Windows one ([`zoned_to_utc`], `zone`).

mod zone;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Years outside of which Graph means "no time": its sentinels are in year 1 and year 9999.
const REAL_YEARS: std::ops::RangeInclusive<i64> = 1900..=2999;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMicros(pub i64);

/// One day, in microseconds.
pub const DAY: i64 = MICROS_PER_DAY;
/// One hour, in microseconds.
pub const HOUR: i64 = 3_600 * MICROS_PER_SECOND;
/// One second, in microseconds.
pub const SECOND: i64 = MICROS_PER_SECOND;

impl UtcMicros {
    /// The same instant for jiff; `None` beyond its range (years -9999 to 9999).
    pub fn to_timestamp(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }

    /// The instant `micros` later.
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// The time from here to `later`, in seconds; negative where that is earlier.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a f64 holds 285 years of microseconds"
    )]
    pub fn seconds_until(self, later: Self) -> f64 {
        later.0.saturating_sub(self.0) as f64 / SECOND as f64
    }
}

impl From<Timestamp> for UtcMicros {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }
}

/// RFC 3339 in UTC, with a fraction only where there is one.
impl fmt::Display for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_timestamp() {
            Some(timestamp) => write!(f, "{timestamp}"),
            None => write!(f, "{}us", self.0),
        }
    }
}

/// A calendar day in the warehouse's time zone: days since 1970-01-01.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct EventDate(pub i32);

impl EventDate {
    /// The day that many days later.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The day a civil date names.
    pub fn from_date(date: Date) -> Self {
        let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
        Self(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// The civil date; the epoch's where the day lies beyond the calendar.
    pub fn to_date(self) -> Date {
        let days = jiff::Span::new().try_days(self.0).unwrap_or_default();
        Date::constant(1970, 1, 1).saturating_add(days)
    }
}

/// `YYYY-MM-DD`.
impl fmt::Display for EventDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_date())
    }
}

/// Reads `YYYY-MM-DD`.
impl std::str::FromStr for EventDate {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Date>().map(Self::from_date)
    }
}

impl From<EventDate> for String {
    fn from(day: EventDate) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for EventDate {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The time zone whose midnights cut the partitions.
#[derive(Debug, Clone)]
pub struct WarehouseTimezone {
    name: String,
    zone: TimeZone,
}

impl WarehouseTimezone {
    /// UTC, the default.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// A time zone by its IANA name; `None` where the name is not known.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        Some(Self {
            name: name.to_owned(),
            zone,
        })
    }

    /// The name it was made from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The calendar day of an instant.
    pub fn event_date(&self, at: UtcMicros) -> EventDate {
        let offset = at
            .to_timestamp()
            .map_or(0, |timestamp| self.zone.to_offset(timestamp).seconds());
        let days = (at.0 + i64::from(offset) * MICROS_PER_SECOND).div_euclid(MICROS_PER_DAY);
        EventDate(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The first instant of a calendar day (the one after the gap where a clock change skips midnight).
    pub fn midnight(&self, day: EventDate) -> UtcMicros {
        self.zone.to_timestamp(day.to_date().at(0, 0, 0, 0)).map_or(
            UtcMicros(i64::from(day.0) * MICROS_PER_DAY),
            UtcMicros::from,
        )
    }
}

/// What a timestamp of Graph's turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphTime {
    /// An instant.
    At(UtcMicros),
    /// A date that stands for "none", such as `0001-01-01T00:00:00Z`.
    Sentinel,
}

/// The text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a timestamp")]
pub struct NotATimestamp;

/// Reads a timestamp as Graph writes it.
///
/// Shape: `2021-10-05T04:38:27.6027225Z`; none to nine fraction digits, cut to microseconds; `Z`, an offset such as `+02:00`, or
/// neither, which means UTC. A leap second `:60` is read as `:59`. Source: `Edm.DateTimeOffset`,
/// <https://learn.microsoft.com/graph/api/resources/attendanceinterval>.
///
/// # Errors
/// [`NotATimestamp`]; terminal.
pub fn parse_graph_time(text: &str) -> Result<GraphTime, NotATimestamp> {
    let micros = match parse_plain_utc(text.as_bytes()) {
        Some(micros) => micros,
        None => parse_any(text)?,
    };
    Ok(if is_real(micros) {
        GraphTime::At(UtcMicros(micros))
    } else {
        GraphTime::Sentinel
    })
}

/// `YYYY-MM-DDTHH:MM:SS[.f…]Z`, the shape of nearly every timestamp, without the general parser.
fn parse_plain_utc(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
    ] = head
    else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let pair = |tens: u8, ones: u8| Some(digit(tens)? * 10 + digit(ones)?);
    let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
    let (month, day) = (pair(mo1, mo2)?, pair(d1, d2)?);
    let (hour, minute, second) = (pair(h1, h2)?, pair(mi1, mi2)?, pair(s1, s2)?);
    // days above 28 and leap seconds go to the general parser, which knows the calendar
    if !(1..=12).contains(&month)
        || !(1..=28).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let fraction = match tail {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => {
            let mut micros = 0;
            for place in 0..6 {
                micros = micros * 10 + digits.get(place).map_or(Some(0), |byte| digit(*byte))?;
            }
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            micros
        }
        _ => return None,
    };
    let days = days_from_civil(year, month, day);
    Some(
        ((days * 24 + hour) * 60 + minute) * 60 * MICROS_PER_SECOND
            + second * MICROS_PER_SECOND
            + fraction,
    )
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years begin in March, so leap days come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn parse_any(text: &str) -> Result<i64, NotATimestamp> {
    let text = text.trim();
    // jiff reads nine fraction digits; more are cut, as below the microsecond everything is
    let shortened = shorten_fraction(text);
    let text = shortened.as_deref().unwrap_or(text);
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(floor_micros(timestamp));
    }
    // 9999-12-31T23:59:59.9999999Z lies past jiff's last instant
    let civil = text
        .strip_suffix(['Z', 'z'])
        .unwrap_or(text)
        .parse::<DateTime>()
        .map_err(|_| NotATimestamp)?;
    Ok(civil
        .to_zoned(TimeZone::UTC)
        .map_or(i64::MAX, |zoned| floor_micros(zoned.timestamp())))
}

/// Whether it is no sentinel.
fn is_real(micros: i64) -> bool {
    // years by Gregorian mean are exact enough this far from any real meeting
    let year = 1970 + micros.div_euclid(365 * MICROS_PER_DAY + MICROS_PER_DAY / 4);
    REAL_YEARS.contains(&year)
}

fn floor_micros(timestamp: Timestamp) -> i64 {
    i64::try_from(timestamp.as_nanosecond().div_euclid(1_000)).unwrap_or(i64::MAX)
}

fn shorten_fraction(text: &str) -> Option<String> {
    let (head, tail) = text.split_once('.')?;
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = tail.split_at_checked(digits)?;
    (digits > 9).then(|| format!("{head}.{}{zone}", fraction.get(..9).unwrap_or(fraction)))
}

/// The instant of a wall-clock time beside a time zone name, as Exchange's `dateTimeTimeZone` has it.
///
/// A zone that nobody can know ([`is_assumed_utc`]) is taken as UTC: the day is right to within one, and nothing is lost for a label.
/// `None` where the text is no date and time or one of Graph's sentinels.
/// A wall-clock time with an offset or `Z` ignores the name. A time that a clock change skips is read with
/// the offset before the change; one that happens twice is its first.
pub fn zoned_to_utc(date_time: &str, time_zone: Option<&str>) -> Option<UtcMicros> {
    if let Ok(timestamp) = date_time.parse::<Timestamp>() {
        return Some(UtcMicros(floor_micros(timestamp))).filter(|at| is_real(at.0));
    }
    let zone = named_zone(time_zone).unwrap_or(TimeZone::UTC);
    zone.to_timestamp(civil(date_time)?)
        .ok()
        .map(|timestamp| UtcMicros(floor_micros(timestamp)))
        .filter(|at| is_real(at.0))
}

/// Whether [`zoned_to_utc`] took the time as UTC because nobody can know its zone, such as a custom one of Exchange's.
pub fn is_assumed_utc(date_time: &str, time_zone: Option<&str>) -> bool {
    date_time.parse::<Timestamp>().is_err()
        && named_zone(time_zone).is_none()
        && zoned_to_utc(date_time, time_zone).is_some()
}

fn civil(date_time: &str) -> Option<DateTime> {
    let shortened = shorten_fraction(date_time);
    let text = shortened.as_deref().unwrap_or(date_time);
    text.trim().parse().ok()
}

/// The zone of a time; without a name UTC, and `None` where nobody can know it.
fn named_zone(name: Option<&str>) -> Option<TimeZone> {
    match name {
        None | Some("UTC") => Some(TimeZone::UTC),
        Some(name) => zone::zone_named(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        match parse_graph_time(text) {
            Ok(GraphTime::At(micros)) => micros.0,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn fault_77_fractions_are_cut_to_microseconds() {
        let whole = at("2021-10-05T04:38:27Z");
        for (text, micros) in [
            ("2021-10-05T04:38:27.7Z", 700_000),
            ("2021-10-05T04:38:27.77Z", 770_000),
            ("2021-10-05T04:38:27.945Z", 945_000),
            ("2021-10-05T04:38:27.598956Z", 598_956),
            ("2021-10-05T04:38:27.2782189Z", 278_218),
            ("2021-10-05T04:38:27.999999999Z", 999_999),
            ("2021-10-05T04:38:27.99999999999Z", 999_999),
        ] {
            assert_eq!(at(text) - whole, micros, "{text}");
        }
    }

    #[test]
    fn an_offset_and_a_missing_one_are_read() {
        assert_eq!(at("2021-10-05T06:38:27+02:00"), at("2021-10-05T04:38:27Z"));
        assert_eq!(at("2021-10-05T04:38:27"), at("2021-10-05T04:38:27Z"));
        assert_eq!(at("2021-10-05T04:38:27.5"), at("2021-10-05T04:38:27.5Z"));
    }

    #[test]
    fn the_short_cut_agrees_with_the_calendar() {
        for text in [
            "1999-12-31T23:59:59Z",
            "2024-02-29T12:00:00Z",
            "2026-03-01T00:00:00.1Z",
            "2100-02-28T00:00:00Z",
        ] {
            assert_eq!(
                at(text),
                text.parse::<Timestamp>().unwrap().as_microsecond(),
                "{text}"
            );
        }
    }

    #[test]
    fn fault_77_sentinel_dates_are_no_time() {
        for text in [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
            "9999-12-31T00:00:00Z",
        ] {
            assert_eq!(parse_graph_time(text), Ok(GraphTime::Sentinel), "{text}");
        }
    }

    #[test]
    fn fault_77_sentinel_dates_are_no_time_in_any_zone() {
        for zone in [
            None,
            Some("UTC"),
            Some("Dateline Standard Time"),
            Some("Pacific Standard Time"),
            Some("W. Europe Standard Time"),
            Some("Line Islands Standard Time"),
            Some("America/New_York"),
        ] {
            for sentinel in [
                "0001-01-01T00:00:00",
                "0001-01-01T00:00:00.0000000",
                "0001-01-01T00:00:00Z",
                "9999-12-31T00:00:00",
                "9999-12-31T23:59:59.9999999",
                "9999-12-31T23:59:59.9999999Z",
            ] {
                assert_eq!(zoned_to_utc(sentinel, zone), None, "{sentinel} {zone:?}");
            }
            assert!(
                zoned_to_utc("2026-01-05T09:00:00", zone).is_some(),
                "{zone:?}"
            );
        }
    }

    #[test]
    fn fault_77_a_leap_second_is_the_second_before() {
        assert_eq!(at("2016-12-31T23:59:60Z"), at("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "yesterday",
            "2021-13-05T04:38:27Z",
            "2021-02-30T00:00:00Z",
            "2021-10-05T04:38:27.Z",
            "1633408707",
        ] {
            assert_eq!(parse_graph_time(text), Err(NotATimestamp), "{text}");
        }
    }

    #[test]
    fn windows_and_iana_zones_are_read() {
        let utc = UtcMicros(at("2023-11-30T21:30:00Z"));
        assert_eq!(
            zoned_to_utc("2023-11-30T16:30:00", Some("Eastern Standard Time")),
            Some(utc)
        );
        assert_eq!(
            zoned_to_utc("2023-11-30T16:30:00.0000000", Some("America/New_York")),
            Some(utc)
        );
        assert_eq!(
            zoned_to_utc("2023-11-30T21:30:00.0000000", Some("UTC")),
            Some(utc)
        );
        assert_eq!(
            zoned_to_utc("2023-11-30T21:30:00Z", Some("PacificSt")),
            Some(utc)
        );
        assert_eq!(
            zoned_to_utc("2023-11-30T13:30:00", Some("PacificSt")),
            Some(utc)
        );
    }

    #[test]
    fn a_zone_that_nobody_can_know_is_taken_as_utc_and_told() {
        let utc = UtcMicros(at("2023-11-30T21:30:00Z"));
        for unknown in [
            "tzone://Microsoft/Custom",
            "Customized Time Zone",
            "Atlantis Standard Time",
        ] {
            let text = "2023-11-30T21:30:00.0000000";
            assert_eq!(zoned_to_utc(text, Some(unknown)), Some(utc), "{unknown}");
            assert!(is_assumed_utc(text, Some(unknown)), "{unknown}");
            // the text says its offset itself, or holds no time
            assert!(!is_assumed_utc("2023-11-30T21:30:00Z", Some(unknown)));
            assert!(!is_assumed_utc("soon", Some(unknown)));
            assert_eq!(zoned_to_utc("soon", Some(unknown)), None);
        }
        for known in [None, Some("UTC"), Some("tzone://Microsoft/Utc")] {
            assert!(!is_assumed_utc("2023-11-30T21:30:00", known), "{known:?}");
        }
    }

    #[test]
    fn days_follow_the_clock_changes_of_the_zone() {
        let berlin = WarehouseTimezone::named("Europe/Berlin").unwrap();
        let hours = |day: &str| {
            let day: EventDate = day.parse().unwrap();
            (berlin.midnight(day.plus_days(1)).0 - berlin.midnight(day).0) / HOUR
        };
        assert_eq!(
            (
                hours("2026-03-29"),
                hours("2026-10-25"),
                hours("2026-01-01")
            ),
            (23, 25, 24)
        );
        let before_midnight_utc = UtcMicros(at("2026-01-01T23:30:00Z"));
        assert_eq!(
            berlin.event_date(before_midnight_utc).to_string(),
            "2026-01-02"
        );
    }
}
