//! The time zones that Exchange writes beside a wall-clock time.
//!
//! Mostly Windows's names, for which Unicode's CLDR has a table. Beside them come zones that Windows keeps and CLDR dropped, names of
//! older versions of Windows, Exchange's own labels, display names as a settings page shows them, offsets, and IANA names, some of them
//! behind the path of another calendar program.
//! Source: <https://learn.microsoft.com/graph/api/resources/datetimetimezone>,
//! <https://learn.microsoft.com/windows-hardware/manufacture/desktop/default-time-zones>.

use jiff::Timestamp;
use jiff::tz::{self, Offset, TimeZone};

/// All of Greenwich without a summer time; `GMT Standard Time` is London's zone, which has one.
const UTC: [&str; 8] = [
    "",
    "utc",
    "z",
    "gmt",
    "greenwich mean time",
    "coordinated universal time",
    "universal coordinated time",
    "tzone://microsoft/utc",
];

/// Zones that Windows still has and CLDR no longer maps, by Windows's own rules: their clocks are what the entry was written by.
const OF_WINDOWS_ALONE: [(&str, &str); 2] = [
    (
        "kamchatka standard time",
        "<+12>-12<+13>,M3.5.0/2,M10.5.0/3",
    ),
    (
        "mid-atlantic standard time",
        "<-02>2<-01>,M3.5.0/2,M9.5.0/2",
    ),
];

/// Names of older versions of Windows and Exchange, and display names that name no city.
const ALIASES: [(&str, &str); 42] = [
    ("mexico standard time", "America/Mexico_City"),
    ("mexico standard time 2", "America/Chihuahua"),
    ("pacific standard time (mexico)", "America/Tijuana"),
    ("mountain standard time (mexico)", "America/Mazatlan"),
    ("central standard time (mexico)", "America/Mexico_City"),
    ("us eastern standard time", "America/Indiana/Indianapolis"),
    ("armenian standard time", "Asia/Yerevan"),
    ("caucasus standard time", "Asia/Yerevan"),
    ("sydney standard time", "Australia/Sydney"),
    ("gft standard time", "Europe/Athens"),
    ("prague bratislava standard time", "Europe/Prague"),
    ("warsaw standard time", "Europe/Warsaw"),
    ("lisbon standard time", "Europe/Lisbon"),
    ("dublin standard time", "Europe/Dublin"),
    ("malay peninsula standard time", "Asia/Singapore"),
    ("saudi arabia standard time", "Asia/Riyadh"),
    ("yakutsk standard time", "Asia/Yakutsk"),
    ("eastern time (us & canada)", "America/New_York"),
    ("eastern time", "America/New_York"),
    ("central time (us & canada)", "America/Chicago"),
    ("central time", "America/Chicago"),
    ("mountain time (us & canada)", "America/Denver"),
    ("mountain time", "America/Denver"),
    ("pacific time (us & canada)", "America/Los_Angeles"),
    ("pacific time (us & canada); tijuana", "America/Los_Angeles"),
    ("pacific time", "America/Los_Angeles"),
    ("atlantic time (canada)", "America/Halifax"),
    ("baja california", "America/Tijuana"),
    ("arizona", "America/Phoenix"),
    ("alaska", "America/Anchorage"),
    ("hawaii", "Pacific/Honolulu"),
    ("indiana (east)", "America/Indiana/Indianapolis"),
    ("saskatchewan", "America/Regina"),
    ("newfoundland", "America/St_Johns"),
    ("central america", "America/Guatemala"),
    ("greenland", "America/Nuuk"),
    ("azores", "Atlantic/Azores"),
    ("cabo verde is.", "Atlantic/Cape_Verde"),
    ("cape verde is.", "Atlantic/Cape_Verde"),
    ("west central africa", "Africa/Lagos"),
    ("solomon is., new caledonia", "Pacific/Guadalcanal"),
    ("fiji", "Pacific/Fiji"),
];

/// The zone of a name; `None` where nobody can know it: a custom zone, whose rules Exchange keeps to itself, or a name of no list.
pub(super) fn zone_named(name: &str) -> Option<TimeZone> {
    let name = name.trim().trim_matches('"').trim();
    plain(name)
        .or_else(|| of_display_name(name))
        .or_else(|| of_offset(name))
        .or_else(|| in_other_words(name))
        .or_else(|| behind_a_path(name))
}

/// A name of a list, in whatever case.
fn plain(name: &str) -> Option<TimeZone> {
    let small = name.to_ascii_lowercase();
    if UTC.contains(&small.as_str()) {
        return Some(TimeZone::UTC);
    }
    if let Some(iana) = of_windows(name) {
        return TimeZone::get(iana).ok();
    }
    let found = |(known, value): &(&str, &'static str)| (*known == small).then_some(*value);
    if let Some(rules) = OF_WINDOWS_ALONE.iter().find_map(found) {
        return TimeZone::posix(rules).ok();
    }
    if let Some(iana) = ALIASES.iter().find_map(found) {
        return TimeZone::get(iana).ok();
    }
    let is_known = |zone: &TimeZone| !zone.is_unknown();
    TimeZone::get(name).ok().filter(is_known)
}

/// CLDR's IANA name of a Windows zone; its table has one spelling of each.
fn of_windows(name: &str) -> Option<&'static str> {
    let find = |name: &str| localzone::win_zone_to_iana(name, Some("001"));
    find(name).or_else(|| {
        let words = name.split(' ').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            let rest = letters.map(|letter| letter.to_ascii_lowercase());
            first.into_iter().chain(rest).collect::<String>()
        });
        find(&words.collect::<Vec<_>>().join(" "))
    })
}

/// `(UTC+01:00) Amsterdam, Berlin, …`: the zone of a city that has this offset in winter, else the offset alone.
fn of_display_name(name: &str) -> Option<TimeZone> {
    let (offset, places) = name.strip_prefix('(')?.split_once(')')?;
    let zone = of_offset(offset)?;
    let places = places.trim().to_ascii_lowercase();
    if places.is_empty() {
        return Some(zone);
    }
    if let Some((_, iana)) = ALIASES.iter().find(|(known, _)| *known == places) {
        return TimeZone::get(iana).ok();
    }
    let wanted = zone.to_fixed_offset().ok()?;
    let cities = places.split([',', '/', ';', ':', '&']).map(str::trim);
    cities
        .into_iter()
        .find_map(|city| of_city(city, wanted))
        .or(Some(zone))
}

fn of_city(city: &str, wanted: Offset) -> Option<TimeZone> {
    let city = city.replace(' ', "_");
    let is_it = |name: &str| {
        name.rsplit('/')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case(&city))
    };
    tz::db()
        .available()
        .filter(|name| is_it(name.as_str()))
        .filter_map(|name| TimeZone::get(name.as_str()).ok())
        .find(|zone| offset_in_winter(zone) == Some(wanted))
}

/// The smaller of a recent January's and July's.
fn offset_in_winter(zone: &TimeZone) -> Option<Offset> {
    [1_736_942_400, 1_752_580_800]
        .into_iter()
        .filter_map(|second| Timestamp::from_second(second).ok())
        .map(|at| zone.to_offset(at))
        .min()
}

/// `UTC+01`, `GMT-5:30`, `+0100`: east of Greenwich is positive.
fn of_offset(name: &str) -> Option<TimeZone> {
    let small = name.trim().to_ascii_lowercase();
    let prefix = ["utc", "gmt"]
        .into_iter()
        .find_map(|prefix| small.strip_prefix(prefix));
    let text = prefix.unwrap_or(&small).trim();
    if text.is_empty() && prefix.is_some() {
        return Some(TimeZone::UTC);
    }
    let (sign, text) = match text.strip_prefix('+') {
        Some(text) => (1, text),
        // a settings page prints a true minus
        None => (-1, text.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hours, minutes) = match text.split_once([':', '.']) {
        Some(parts) => parts,
        None if text.len() > 2 => text.split_at_checked(text.len() - 2)?,
        None => (text, "0"),
    };
    let number = |text: &str| {
        let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<i32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let is_real = hours <= 14 && minutes < 60;
    let seconds = sign * (hours * 3_600 + minutes * 60);
    is_real.then(|| Offset::from_seconds(seconds).ok().map(TimeZone::fixed))?
}

/// `Eastern Standard Time 1`, Outlook's name of a zone that it knows from another calendar;
/// `PacificSt`, as documentation prints it; `W. Europe Daylight Time` and `W. Europe Summer Time`, Windows's names of the other half of the year.
fn in_other_words(name: &str) -> Option<TimeZone> {
    let numbered = name.trim_end_matches(|last: char| last.is_ascii_digit());
    if let Some(stem) = numbered.strip_suffix(' ')
        && numbered.len() < name.len()
    {
        return plain(stem);
    }
    let stem = [" Daylight Time", " Summer Time", "St"]
        .into_iter()
        .find_map(|end| name.strip_suffix(end))?;
    plain(&format!("{stem} Standard Time"))
}

/// `/mozilla.org/20050126_1/Europe/Berlin`: what a program of another house puts before an IANA name.
fn behind_a_path(name: &str) -> Option<TimeZone> {
    let parts: Vec<&str> = name.split('/').collect();
    let lengths = [3, 2].into_iter().filter(|length| *length < parts.len());
    lengths
        .filter_map(|length| parts.get(parts.len() - length..))
        .find_map(|end| TimeZone::get(&end.join("/")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets in hours of a January and a July.
    fn hours(name: &str) -> Option<(f64, f64)> {
        let zone = zone_named(name)?;
        let at = |text: &str| {
            let at = text.parse::<Timestamp>().unwrap();
            f64::from(zone.to_offset(at).seconds()) / 3_600.0
        };
        Some((at("2026-01-15T12:00:00Z"), at("2026-07-15T12:00:00Z")))
    }

    #[test]
    fn every_label_that_exchange_writes_has_its_zone() {
        for (name, january, july) in [
            // what CLDR maps
            ("W. Europe Standard Time", 1.0, 2.0),
            ("GMT Standard Time", 0.0, 1.0),
            ("UTC-11", -11.0, -11.0),
            ("UTC+12", 12.0, 12.0),
            ("South Sudan Standard Time", 2.0, 2.0),
            ("pacific standard time", -8.0, -7.0),
            // what Windows alone has
            ("Kamchatka Standard Time", 12.0, 13.0),
            ("Mid-Atlantic Standard Time", -2.0, -1.0),
            // older names
            ("Mexico Standard Time", -6.0, -6.0),
            ("Pacific Standard Time (Mexico)", -8.0, -7.0),
            ("Prague Bratislava Standard Time", 1.0, 2.0),
            ("PacificSt", -8.0, -7.0),
            ("Eastern Standard Time 1", -5.0, -4.0),
            ("W. Europe Daylight Time", 1.0, 2.0),
            ("Romance Summer Time", 1.0, 2.0),
            // UTC
            ("UTC", 0.0, 0.0),
            ("Utc", 0.0, 0.0),
            ("Z", 0.0, 0.0),
            ("", 0.0, 0.0),
            ("tzone://Microsoft/Utc", 0.0, 0.0),
            ("Greenwich Mean Time", 0.0, 0.0),
            ("Coordinated Universal Time", 0.0, 0.0),
            ("(UTC) Coordinated Universal Time", 0.0, 0.0),
            ("Etc/UTC", 0.0, 0.0),
            // offsets
            ("UTC+01", 1.0, 1.0),
            ("UTC+01:00", 1.0, 1.0),
            ("GMT-0330", -3.5, -3.5),
            ("+05:45", 5.75, 5.75),
            ("UTC\u{2212}05:00", -5.0, -5.0),
            // POSIX's sign
            ("Etc/GMT-1", 1.0, 1.0),
            // display names
            (
                "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
                1.0,
                2.0,
            ),
            ("(GMT+01:00) Amsterdam / Berlin / Bern", 1.0, 2.0),
            ("(UTC+00:00) Dublin, Edinburgh, Lisbon, London", 0.0, 1.0),
            (
                "(GMT) Greenwich Mean Time: Dublin, Edinburgh, Lisbon, London",
                0.0,
                1.0,
            ),
            ("(UTC-05:00) Eastern Time (US & Canada)", -5.0, -4.0),
            ("(UTC-08:00) Pacific Time (US & Canada)", -8.0, -7.0),
            ("(UTC+10:00) Canberra, Melbourne, Sydney", 11.0, 10.0),
            ("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi", 5.5, 5.5),
            ("(UTC+09:00) Osaka, Sapporo, Tokyo", 9.0, 9.0),
            // a city of no list: the offset alone
            ("(UTC+02:00) Nowhere", 2.0, 2.0),
            // IANA
            ("Europe/Berlin", 1.0, 2.0),
            ("europe/berlin", 1.0, 2.0),
            ("/freeassociation.sourceforge.net/Europe/Berlin", 1.0, 2.0),
            ("/mozilla.org/20050126_1/America/Indiana/Knox", -6.0, -5.0),
            ("\"Europe/Berlin\"", 1.0, 2.0),
        ] {
            assert_eq!(hours(name), Some((january, july)), "{name}");
        }
    }

    #[test]
    fn what_nobody_can_know_is_no_zone() {
        for name in [
            "tzone://Microsoft/Custom",
            "Customized Time Zone",
            "Customized Time Zone 1",
            "Atlantis Standard Time",
            "MoonSt",
            "Pacific",
            "St",
            "UTC+25",
            "UTC+1x",
            "(UTC",
            "Etc/Unknown",
            "/",
        ] {
            assert_eq!(zone_named(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(name in "[(]?(UTC|GMT|tzone://)?[+-]?[\\PC]{0,12}[)/ ,]{0,2}\\PC{0,8}") {
            zone_named(&name);
        }
    }
}
