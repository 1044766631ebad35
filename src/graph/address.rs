//! Where requests may go: URLs under the configured endpoint, and links that Graph hands out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Everything but RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// A path segment may also hold these; Graph's function calls and event ids do.
const SEGMENT: &AsciiSet = &VALUE
    .remove(b'@')
    .remove(b'(')
    .remove(b')')
    .remove(b'\'')
    .remove(b',')
    .remove(b'=')
    .remove(b':');
/// Path segments that say nothing about anybody, so that messages may show them.
const PLAIN_SEGMENTS: [&str; 18] = [
    "v1.0",
    "beta",
    "me",
    "users",
    "groups",
    "members",
    "calendarView",
    "onlineMeetings",
    "attendanceReports",
    "attendanceRecords",
    "meetingAttendanceReport",
    "communications",
    "callRecords",
    "solutions",
    "virtualEvents",
    "webinars",
    "townhalls",
    "sessions",
];

/// The endpoint with its version.
#[derive(Debug, Clone)]
pub(super) struct Address {
    endpoint: Url,
    /// `https://graph.microsoft.com/v1.0`, without a slash at the end.
    base: String,
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RefusedLink {
    /// It is no absolute URL.
    #[error("it is no absolute URL")]
    NotAbsolute,
    /// It leads elsewhere.
    #[error("it leads away from the configured endpoint")]
    ForeignOrigin,
    /// It carries a user name or password.
    #[error("it carries credentials")]
    Credentials,
}

impl Address {
    pub(super) fn new(endpoint: &Url, version: &str) -> Self {
        let base = format!("{}/{version}", endpoint.as_str().trim_end_matches('/'));
        Self {
            endpoint: endpoint.clone(),
            base,
        }
    }

    /// A URL under the endpoint; every segment and value is encoded whole, once.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        let mut url = self.base.clone();
        for segment in segments {
            url.push('/');
            url.extend(utf8_percent_encode(segment, SEGMENT));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, VALUE));
        }
        url
    }

    /// Whether a link may be followed with the token: it must lead to the configured scheme, host and port. What comes back is what goes
    /// out: the query as the link has it.
    pub(super) fn check(&self, link: &str) -> Result<Url, RefusedLink> {
        let url = Url::parse(link).map_err(|_| RefusedLink::NotAbsolute)?;
        let url = with_quotes(&url, link).unwrap_or(url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedLink::Credentials);
        }
        if url.origin() != self.endpoint.origin() {
            return Err(RefusedLink::ForeignOrigin);
        }
        Ok(url)
    }
}

/// The URL with the `'` of its link's query, where that is all in which the two queries differ: links are to be followed as they came.
///
/// The URL standard writes `%27` in the query of http URLs, which servers read as the same value. The only way around it is the form in
/// which URLs are handed from process to process; where that is not taken, as with the debug assertions of the crate `url`, the URL stays
/// as the standard has it. <https://url.spec.whatwg.org/#special-query-percent-encode-set>
fn with_quotes(url: &Url, link: &str) -> Option<Url> {
    let (_, query) = link.split_once('?')?;
    let is_all = query.contains('\'') && url.query() == Some(&query.replace('\'', "%27"));
    let start = url.as_str().find('?').filter(|_| is_all)?;
    let whole = format!("{}?{query}", url.as_str().get(..start)?);
    let mut parts = url.serialize_internal(serde_json::value::Serializer).ok()?;
    *parts.get_mut(0)? = whole.into();
    Url::deserialize_internal(parts).ok()
}

/// The path of a URL with everything personal taken out, and no query: `/v1.0/users/<redacted>/calendarView`.
pub(super) fn redacted_path(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "<redacted>".to_owned();
    };
    let segments = url.path_segments().into_iter().flatten();
    let shown = segments.map(|segment| {
        if PLAIN_SEGMENTS.contains(&segment) {
            segment
        } else {
            "<redacted>"
        }
    });
    shown.fold(String::new(), |path, segment| path + "/" + segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::new(&Url::parse("https://graph.microsoft.com").unwrap(), "v1.0")
    }

    #[test]
    fn a_join_link_is_encoded_once() {
        let link = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%22Tid%22%7d";
        let url = address().url(
            &["users", "a b/c", "onlineMeetings"],
            &[("$filter", &format!("JoinWebUrl eq '{link}'"))],
        );
        assert!(url.starts_with("https://graph.microsoft.com/v1.0/users/a%20b%2Fc/onlineMeetings?$filter=JoinWebUrl%20eq%20%27https%3A"));
        let parsed = Url::parse(&url).unwrap();
        let (_, value) = parsed.query_pairs().next().unwrap();
        assert_eq!(value, format!("JoinWebUrl eq '{link}'"));
    }

    #[test]
    fn fault_55_only_the_configured_origin_is_followed() {
        let address = address();
        assert!(
            address
                .check("https://graph.microsoft.com/v1.0/users?$skiptoken=%2Babc")
                .is_ok()
        );
        assert!(
            address
                .check("https://graph.microsoft.com:443/v1.0/users")
                .is_ok()
        );
        for link in [
            "https://graph.microsoft.com.evil.example/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com:8443/v1.0/users",
            "https://user@graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com@evil.example/v1.0/users",
            "https://169.254.169.254/latest",
            "https://[::1]/v1.0",
            "//evil.example/v1.0",
            "/v1.0/users",
            "https://gr\u{430}ph.microsoft.com/v1.0/users",
            "",
        ] {
            assert!(address.check(link).is_err(), "{link}");
        }
    }

    #[test]
    fn fault_58_a_checked_link_keeps_its_query() {
        let base = "https://graph.microsoft.com/v1.0/users";
        for query in [
            "$filter=a eq 'b'".replace(' ', "%20"),
            "$filter=a%20eq%20%27b'&x='".to_owned(),
            "'".to_owned(),
            "a=?'?".to_owned(),
            "$skiptoken=%2Ba|b^c`d{e}[f]\\g~'".to_owned(),
        ] {
            let link = format!("{base}?{query}");
            let url = address().check(&link).unwrap();
            assert_eq!(url.as_str(), link);
            assert_eq!(url.query(), Some(query.as_str()));
            assert_eq!((url.path(), url.fragment()), ("/v1.0/users", None));
            assert_eq!(url.host_str(), Some("graph.microsoft.com"));
        }
        // what no request line may hold is encoded, and the rest with it
        for (query, sent) in [
            ("a='\u{e9}", "a=%27%C3%A9"),
            ("a=' b", "a=%27%20b"),
            ("a=\"'", "a=%22%27"),
            ("a='#b'", "a=%27#b'"),
            ("a='\r\nx: y", "a=%27x:%20y"),
            ("a='\t", "a=%27"),
        ] {
            let url = address().check(&format!("{base}?{query}")).unwrap();
            assert_eq!(url.as_str(), format!("{base}?{sent}"), "{query:?}");
        }
        // a `?` elsewhere than before the query is none of it
        for link in [
            "https://graph.microsoft.com#?'",
            "https://graph.microsoft.com\\?'a'",
            "HTTPS://GRAPH.microsoft.com:443/a/../b?'a'",
        ] {
            let (found, plain) = (address().check(link).unwrap(), Url::parse(link).unwrap());
            assert_eq!(found.as_str().replace("?'a'", "?%27a%27"), plain.as_str());
            assert_eq!(found.origin(), plain.origin());
        }
    }

    #[test]
    fn paths_in_messages_hold_nothing_personal() {
        let url = "https://x.example/v1.0/users/ann@contoso.example/onlineMeetings/MSo/attendanceReports?$filter=secret";
        assert_eq!(
            redacted_path(url),
            "/v1.0/users/<redacted>/onlineMeetings/<redacted>/attendanceReports"
        );
    }
}
