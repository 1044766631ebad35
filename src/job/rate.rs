//! Durations (`6h`, `10m`) and rates (`30/1s`, `none`) as job files and flags write them.

use std::time::Duration;

use super::plan::RateLimit;

/// The text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a duration; write a number and a unit (s, m, h or d), such as `90s`, `10m` or `1h30m`"
)]
pub struct NotADuration;

/// The text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate; write requests/duration, such as `30/1s`, or `none`")]
pub struct NotARate;

/// Reads a duration: whole numbers, each with its unit (`s`, `m`, `h`, `d`), added up. No spaces, no sign, no fraction.
///
/// # Errors
/// [`NotADuration`], also where it does not fit 64 bits of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits).ok_or(NotADuration)?;
        let mut tail = tail.chars();
        let factor = match tail.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(NotADuration),
        };
        let number: u64 = number.parse().map_err(|_| NotADuration)?;
        seconds = number
            .checked_mul(factor)
            .and_then(|part| seconds.checked_add(part))
            .ok_or(NotADuration)?;
        rest = tail.as_str();
    }
    if text.is_empty() {
        return Err(NotADuration);
    }
    Ok(Duration::from_secs(seconds))
}

/// Reads a rate; `none` is no limit.
///
/// # Errors
/// [`NotARate`], also for no requests at all and for no time at all.
pub fn parse_rate(text: &str) -> Result<Option<RateLimit>, NotARate> {
    if text == "none" {
        return Ok(None);
    }
    let (requests, per) = text.split_once('/').ok_or(NotARate)?;
    if !requests.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotARate);
    }
    let requests: u32 = requests.parse().map_err(|_| NotARate)?;
    let per = parse_duration(per).map_err(|_| NotARate)?;
    if requests == 0 || per.is_zero() {
        return Err(NotARate);
    }
    Ok(Some(RateLimit { requests, per }))
}

/// The part of a rate that belongs to a job, never more than that part.
///
/// Whole requests are rounded down; less than one request in the span becomes one request in a longer span.
pub fn take_share(rate: RateLimit, share: f64) -> RateLimit {
    // 100 × 0.29 is 28.999… in binary
    let requests = (f64::from(rate.requests) * share + 1e-9).floor();
    if requests >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is at most 1, so this is at most `rate.requests`"
        )]
        let requests = requests as u32;
        return RateLimit { requests, ..rate };
    }
    RateLimit {
        requests: 1,
        per: rate.per.div_f64(f64::from(rate.requests) * share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("6h", 21_600),
            ("1h30m", 5_400),
            ("2d", 172_800),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "10",
            "h",
            "-1s",
            "+1s",
            "1.5h",
            "10 m",
            "10min",
            "1w",
            "٣s",
            "1ms",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(parse_duration(text), Err(NotADuration), "{text}");
        }
    }

    #[test]
    fn rates_are_requests_in_a_span() {
        for (text, expected) in [
            ("30/1s", Some((30, 1))),
            ("10000/10m", Some((10_000, 600))),
            ("1/1h30m", Some((1, 5_400))),
            ("none", None),
        ] {
            let rate = parse_rate(text).unwrap();
            assert_eq!(
                rate.map(|rate| (rate.requests, rate.per.as_secs())),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "None",
            "30",
            "30/",
            "/1s",
            "0/1s",
            "30/0s",
            "30/s",
            "-3/1s",
            "+3/1s",
            "1.5/1s",
            "30/1s/2",
            "30 / 1s",
            "5000000000/1s",
        ] {
            assert_eq!(parse_rate(text), Err(NotARate), "{text}");
        }
    }

    #[test]
    fn a_share_never_exceeds_its_part() {
        for (rate, share, expected) in [
            ("30/1s", 1.0, (30, 1_000)),
            ("30/1s", 0.5, (15, 1_000)),
            ("100/1s", 0.29, (29, 1_000)),
            ("750/30s", 0.333, (249, 30_000)),
            ("1/1s", 0.25, (1, 4_000)),
            ("30/1s", 0.01, (1, 3_333)),
        ] {
            let rate = take_share(parse_rate(rate).unwrap().unwrap(), share);
            assert_eq!(
                (rate.requests, rate.per.as_millis()),
                expected,
                "{rate:?} {share}"
            );
        }
    }
}
