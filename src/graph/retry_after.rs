//! The `Retry-After` header.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use crate::time::{SECOND, UtcMicros};

/// How long the server asks to wait; the longest of several headers.
///
/// Seconds, or an HTTP date, which is held against the answer's own `Date` so that a skewed clock here does not matter; without one,
/// against `now`, the best that is known of the server's time. `None` where there is none, where it cannot be read, where it is negative,
/// and where its date is past: then the client's own backoff counts.
/// Source: <https://learn.microsoft.com/graph/throttling>.
pub(super) fn retry_after(headers: &HeaderMap, now: UtcMicros) -> Option<Duration> {
    let server_time = headers.get(DATE).and_then(http_date);
    let server_time = server_time.unwrap_or_else(|| now.0.div_euclid(SECOND));
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| wait(value, server_time))
        .max()
}

fn wait(value: &HeaderValue, server_time: i64) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // more digits than fit still mean "very long"
        return Some(Duration::from_secs(
            text.parse()
                .unwrap_or(u64::from(u32::MAX))
                .min(u64::from(u32::MAX)),
        ));
    }
    let seconds = http_date(value)?.saturating_sub(server_time);
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
}

pub(super) fn http_date(value: &HeaderValue) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok()?;
    Some(zoned.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(
            DATE,
            HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"),
        );
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        retry_after(&headers, UtcMicros(0)).map(|wait| wait.as_secs())
    }

    #[test]
    fn fault_30_a_date_is_held_against_the_known_time_where_the_answer_tells_none() {
        let noon = UtcMicros(1_445_428_800 * SECOND + 999_999);
        for (until, expected) in [
            ("Wed, 21 Oct 2015 12:00:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 12:00:00 GMT", None),
            ("Wed, 21 Oct 2015 11:00:00 GMT", None),
        ] {
            for date in [None, Some("no date")] {
                let mut headers = HeaderMap::new();
                headers.insert(RETRY_AFTER, HeaderValue::from_static(until));
                if let Some(date) = date {
                    headers.insert(DATE, HeaderValue::from_static(date));
                }
                let wait = retry_after(&headers, noon);
                assert_eq!(
                    wait.map(|wait| wait.as_secs()),
                    expected,
                    "{until} {date:?}"
                );
            }
        }
    }

    #[test]
    fn fault_30_and_31_every_form_has_a_defined_reading() {
        for (values, expected) in [
            (&["10"][..], Some(10)),
            (&["0"], Some(0)),
            (&["1000000000"], Some(1_000_000_000)),
            (&["99999999999999999999999"], Some(u64::from(u32::MAX))),
            (&["Wed, 21 Oct 2015 07:28:30 GMT"], Some(30)),
            (&["Wed, 21 Oct 2015 07:27:30 GMT"], None),
            (&["-5"], None),
            (&["abc"], None),
            (&[""], None),
            (&["1.5"], None),
            (&["3", "7"], Some(7)),
            (&[], None),
        ] {
            assert_eq!(seconds(values), expected, "{values:?}");
        }
    }
}
