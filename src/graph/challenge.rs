//! The claims challenge: Graph wants a token with more in it than the one that was sent, or a new one for a token that was revoked.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/claims-challenge>.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde_json::Value;

/// With or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);
/// Far larger than any challenge.
const LARGEST: usize = 16 * 1024;

/// The claims that the answer asks for, as the parameter `claims` of a token request takes them.
pub(super) fn claims_of(headers: &HeaderMap) -> Option<String> {
    let challenges = headers.get_all(WWW_AUTHENTICATE);
    challenges
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|challenge| decoded(&parameter(challenge, "claims")?))
}

/// A JSON object in base64; anything else is no claim that could be handed on.
fn decoded(encoded: &str) -> Option<String> {
    if encoded.len() > LARGEST {
        return None;
    }
    let bytes = STANDARD
        .decode(encoded)
        .or_else(|_| URL_SAFE.decode(encoded))
        .ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    claims.is_object().then(|| claims.to_string())
}

/// A parameter of a challenge; what stands in the quotes of another is none (RFC 9110, 11.2).
pub(super) fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    loop {
        let (before, after) = rest.split_once('=')?;
        let found = before.rsplit([' ', ',', '\t']).next().unwrap_or(before);
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(challenges: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for challenge in challenges {
            headers.append(WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        claims_of(&headers)
    }

    #[test]
    fn claims_are_found_in_every_form_of_a_challenge() {
        let expected = Some(r#"{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}"#);
        let encoded =
            "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiY3AxIn19fQ==";
        let bare = encoded.trim_end_matches('=');
        for challenge in [
            format!(
                r#"Bearer realm="", authorization_uri="https://x/authorize", error="insufficient_claims", claims="{encoded}""#
            ),
            format!(r#"Bearer claims="{bare}",error="insufficient_claims""#),
            format!(r#"Bearer realm="x, y=z",CLAIMS="{encoded}""#),
            format!("Bearer error=insufficient_claims, claims={bare}"),
        ] {
            assert_eq!(claims(&[&challenge]).as_deref(), expected, "{challenge}");
            assert_eq!(
                claims(&["Basic realm=\"x\"", &challenge]).as_deref(),
                expected
            );
        }
    }

    #[test]
    fn what_is_no_claim_is_none() {
        for challenge in [
            "Bearer",
            "Bearer realm=\"claims=eyJhIjoxfQ\"",
            "Bearer claims=\"\"",
            "Bearer claims=\"not base64\"",
            // [1]
            "Bearer claims=\"WzFd\"",
            "Bearer error=\"invalid_token\", error_description=\"claims\"",
        ] {
            assert_eq!(claims(&[challenge]), None, "{challenge}");
        }
        assert_eq!(claims(&[]), None);
    }
}
