//! Whatever stands in a header, a link or a body, reading it ends with a value or an error.

use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use url::Url;

use super::address::Address;
use super::error_body::ErrorBody;
use super::retry_after::retry_after;
use crate::fuzz::fuzz;
use crate::time::UtcMicros;

#[test]
fn fault_100_fuzz_retry_after() {
    let corpus: [&[u8]; 6] = [
        b"120",
        b"Wed, 21 Oct 2015 07:28:00 GMT",
        b"Wed, 21 Oct 2015 07:28:00 +0200",
        b"-5",
        b"1.5",
        b"99999999999999999999",
    ];
    let words = ["0", "Feb", "29", "9999", "GMT", "EST", "+9959", ",", "Wed"];
    let mut headers = HeaderMap::new();
    headers.insert(
        DATE,
        HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT"),
    );
    fuzz(&corpus, &words, |value| {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return;
        };
        for name in [RETRY_AFTER, DATE] {
            let mut headers = headers.clone();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
            headers.insert(name, value.clone());
            let wait = retry_after(&headers, UtcMicros(0));
            // a date can be at most so far away: years have four digits
            assert!(wait.is_none_or(|wait| wait.as_secs() < 10_000 * 366 * 86_400));
        }
    });
}

#[test]
fn fault_100_fuzz_next_link() {
    let corpus: [&[u8]; 5] = [
        b"https://graph.microsoft.com/v1.0/users?$top=999&$skiptoken=RFNwdAIAAQ%2B",
        b"https://graph.microsoft.com:443/v1.0/me/../users",
        b"https://graph.microsoft.com@evil.example/v1.0",
        b"http://169.254.169.254/metadata",
        b"//evil.example/x",
    ];
    let words = [
        "https://",
        "http://",
        "@",
        ":443",
        ":80",
        "//",
        "\\",
        "graph.microsoft.com",
        ".evil.example",
        "%00",
        "\u{e9}",
        "[::1]",
        "?",
        "#",
        "graph.micros\u{43e}ft.com",
        "\t",
        "..",
    ];
    let address = Address::new(&Url::parse("https://graph.microsoft.com").unwrap(), "v1.0");
    fuzz(&corpus, &words, |link| {
        let Ok(link) = std::str::from_utf8(link) else {
            return;
        };
        // what the token is sent to is read off the URL that the client gets, not off the text
        if let Ok(url) = address.check(link) {
            assert_eq!(url.scheme(), "https");
            assert_eq!(url.host_str(), Some("graph.microsoft.com"));
            assert_eq!(url.port_or_known_default(), Some(443));
            assert!(url.username().is_empty() && url.password().is_none());
        }
    });
}

#[test]
fn fault_100_fuzz_the_error_body() {
    let corpus: [&[u8]; 3] = [
        br#"{"error":{"code":"Forbidden","message":"3003: User does not have access to lookup meeting","innerError":{"date":"2026-01-05T09:00:00",
            "request-id":"00000000-0000-4000-8000-00000000f001","code":"x"},"details":[]}}"#,
        br#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret","error_codes":[7000215],"trace_id":"t"}"#,
        b"<html><body>503</body></html>",
    ];
    let words = [
        "null",
        "{",
        "[",
        "\"innererror\":",
        "\"code\":",
        "\\u0000",
        "1026:",
        "-1",
    ];
    fuzz(&corpus, &words, |body| {
        drop(ErrorBody::read(body));
    });
}
