//! The body of a failed answer: Graph's error object, or the sign-in host's.

use serde_json::Value;

use super::sentence::Sentence;

/// What an error body says; all of it may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ErrorBody {
    /// `error.code`, else the outermost inner one; or the sign-in host's `error`.
    pub(super) code: Option<String>,
    /// Every code of the error in small letters, the most detailed first: the inner ones from the innermost outwards, those of `details`,
    /// and its own.
    ///
    /// Source: <https://learn.microsoft.com/graph/errors>, "Error resource type": the most detailed code that a client understands counts.
    pub(super) codes: Vec<String>,
    /// Whether the last of these is its own.
    pub(super) has_own_code: bool,
    /// Whether there is any code, were it one that cannot be shown: what says so much is no answer of something on the way.
    pub(super) is_coded: bool,
    /// How `error.message` begins, without what it quotes. The message itself is not kept: it may hold ids and names.
    pub(super) sentence: Sentence,
    /// `innerError.request-id`.
    pub(super) request_id: Option<String>,
    /// The sign-in host's `error_codes`, else the number that its description begins with.
    pub(super) sign_in_codes: Vec<i64>,
}

/// How the documentation and the answers spell what is inside an error.
const INNER: [&str; 4] = ["innerError", "innererror", "innerException", "InnerError"];
/// Deeper than any error was seen to nest.
const DEEPEST: usize = 16;

impl ErrorBody {
    /// Reads a body; HTML, an empty one or anything else that is no error object says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let Some(error) = body.get("error") else {
            return Self::default();
        };
        if error.is_string() {
            return Self::of_sign_in(&body, error);
        }
        let mut levels = vec![error];
        while let Some(inner) = levels.last().and_then(|level| inner(level))
            && levels.len() < DEEPEST
        {
            levels.push(inner);
        }
        let details = error.get("details").and_then(Value::as_array);
        let details = details.into_iter().flatten();
        let own = text(error.get("code"));
        let codes = { levels.iter().skip(1).rev().copied() }
            .chain(details)
            .filter_map(|level| text(level.get("code")))
            .chain(own.clone());
        let codes = codes.map(|code| code.to_ascii_lowercase()).collect();
        let code = levels.iter().find_map(|level| text(level.get("code")));
        let request_id = levels
            .iter()
            .find_map(|level| text(level.get("request-id")));
        Self {
            code,
            codes,
            has_own_code: own.is_some(),
            is_coded: levels.iter().any(|level| is_given(level.get("code"))),
            sentence: error
                .get("message")
                .and_then(Value::as_str)
                .map(Sentence::read)
                .unwrap_or_default(),
            request_id,
            sign_in_codes: Vec::new(),
        }
    }

    fn of_sign_in(body: &Value, error: &Value) -> Self {
        let numbers = body.get("error_codes").and_then(Value::as_array);
        let numbers = numbers.into_iter().flatten().filter_map(Value::as_i64);
        let mut sign_in_codes: Vec<i64> = numbers.collect();
        if sign_in_codes.is_empty() {
            let description = body.get("error_description").and_then(Value::as_str);
            sign_in_codes.extend(description.and_then(number_of_description));
        }
        let code = text(Some(error));
        Self {
            codes: code.iter().map(|code| code.to_ascii_lowercase()).collect(),
            has_own_code: code.is_some(),
            is_coded: is_given(Some(error)),
            code,
            sentence: Sentence::default(),
            request_id: text(body.get("trace_id")),
            sign_in_codes,
        }
    }
}

fn inner(level: &Value) -> Option<&Value> {
    INNER.iter().find_map(|name| level.get(name))
}

fn is_given(code: Option<&Value>) -> bool {
    code.and_then(Value::as_str)
        .is_some_and(|code| !code.trim().is_empty())
}

/// A code or an id, where it can be shown.
fn text(value: Option<&Value>) -> Option<String> {
    value
        .and_then(Value::as_str)
        .filter(|text| is_identifier(text))
        .map(str::to_owned)
}

/// `AADSTS7000215: …` begins with its number, as documented.
fn number_of_description(description: &str) -> Option<i64> {
    let digits = description.strip_prefix("AADSTS")?;
    let (number, _) = digits.split_once(':')?;
    number.parse().ok()
}

/// Whether a text can be shown: codes and ids are short words, and nobody's name or address.
fn is_identifier(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(body: &str) -> Vec<String> {
        ErrorBody::read(body.as_bytes()).codes
    }

    #[test]
    fn every_shape_of_an_error_body_is_read() {
        let nested = br#"{"error":{"code":"","message":"m","innererror":{"innerError":{"code":"deep","request-id":"r"}}}}"#;
        let body = ErrorBody::read(nested);
        assert_eq!(
            (body.code.as_deref(), body.request_id.as_deref()),
            (Some("deep"), Some("r"))
        );
        let token = br#"{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215],"trace_id":"t"}"#;
        let body = ErrorBody::read(token);
        assert_eq!(
            (body.code.as_deref(), body.sign_in_codes.as_slice()),
            (Some("invalid_client"), &[7_000_215][..])
        );
        for body in [
            &b"<html>Service Unavailable</html>"[..],
            b"",
            b"[]",
            b"{}",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(ErrorBody::read(body), ErrorBody::default());
        }
    }

    #[test]
    fn the_most_detailed_code_comes_first() {
        for (body, expected) in [
            (r#"{"error":{"code":"A"}}"#, &["a"][..]),
            (
                r#"{"error":{"code":"A","innerError":{"code":"B","innererror":{"code":"C"}}}}"#,
                &["c", "b", "a"],
            ),
            (
                r#"{"error":{"code":"A","details":[{"code":"D","message":"m"},{"code":"E"}],"innererror":{"code":"B"}}}"#,
                &["b", "d", "e", "a"],
            ),
            (r#"{"error":{"code":"","innerError":{"code":"B"}}}"#, &["b"]),
            (r#"{"error":{"code":null,"message":"m"}}"#, &[]),
            (r#"{"error":{"code":"ann@contoso.example"}}"#, &[]),
            (r#"{"error":{"code":7}}"#, &[]),
        ] {
            assert_eq!(codes(body), expected, "{body}");
        }
        let deep = r#"{"code":"A","innerError":"#.repeat(100) + "{}" + &"}".repeat(100);
        assert_eq!(codes(&format!(r#"{{"error":{deep}}}"#)).len(), DEEPEST);
    }

    #[test]
    fn a_sign_in_hosts_number_is_where_it_is_documented_and_nowhere_else() {
        let numbers = |description: &str, more: &str| {
            let body = format!(r#"{{"error":"x","error_description":"{description}"{more}}}"#);
            ErrorBody::read(body.as_bytes()).sign_in_codes
        };
        assert_eq!(numbers("AADSTS53003: Access", ""), [53_003]);
        assert_eq!(numbers("as in AADSTS53003: Access", ""), [0; 0]);
        assert_eq!(numbers("AADSTS: 53003", ""), [0; 0]);
        let both = r#","error_codes":[50034,500341]"#;
        assert_eq!(numbers("AADSTS1: x", both), [50_034, 500_341]);
    }
}
