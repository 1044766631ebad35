//! The token: taken once, renewed before it ends, renewed once more when Graph refuses it.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::error::Problem;
use super::error_body::ErrorBody;
use crate::ids::TenantId;
use crate::job::plan::AuthPlan;

/// A token is renewed this long before it ends, or at half its life where that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// A bearer token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    secret: SecretString,
    renew_at: Instant,
    /// Grows with every renewal, so that one refused token is renewed once, however many requests it was refused for.
    pub(super) generation: u64,
}

/// What a token is asked with.
#[derive(Debug)]
pub(super) struct ClientCredentials {
    url: Url,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    tenant: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
    expires_in: Option<Seconds>,
}

/// Seconds as a number, or, as one sign-in host writes them, as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct Claims {
    tid: Option<String>,
}

impl ClientCredentials {
    pub(super) fn new(auth: &AuthPlan) -> Self {
        let mut url = auth.authority.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend([auth.tenant.as_str(), "oauth2", "v2.0", "token"]);
        }
        Self {
            url,
            client_id: auth.client_id.clone(),
            client_secret: auth.client_secret.clone(),
            scope: auth.scope.clone(),
            tenant: auth.tenant.clone(),
        }
    }

    pub(super) fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub(super) fn request(&self, http: &reqwest::Client) -> reqwest::RequestBuilder {
        http.post(self.url.clone()).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
            ("scope", &self.scope),
        ])
    }

    /// The tenant's GUID: the token's `tid`, or the configured tenant where the token is opaque and that is a GUID.
    pub(super) fn tenant_of(&self, token: &Token) -> Result<TenantId, Problem> {
        if let Some(tid) = tid(token.secret.expose_secret()) {
            return Ok(TenantId::new(tid.to_ascii_lowercase()));
        }
        let is_guid = self.tenant.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        if is_guid {
            Ok(TenantId::new(self.tenant.to_ascii_lowercase()))
        } else {
            Err(Problem::BadToken(
                "it names no tenant; write the tenant's GUID into `[tenant] id`",
            ))
        }
    }
}

impl Token {
    /// Reads the sign-in host's answer.
    pub(super) fn read(status: u16, body: &[u8], generation: u64) -> Result<Self, Problem> {
        if status != 200 {
            return Err(Problem::SignIn {
                status,
                body: ErrorBody::read(body),
            });
        }
        let answer: TokenAnswer =
            serde_json::from_slice(body).map_err(|_| Problem::BadToken("it is no JSON"))?;
        let secret = answer
            .access_token
            .filter(|token| !token.expose_secret().is_empty());
        let secret = secret.ok_or(Problem::BadToken("`access_token` is missing"))?;
        let seconds = match answer.expires_in {
            Some(Seconds::Number(seconds)) => Some(seconds),
            Some(Seconds::Text(text)) => text.trim().parse().ok(),
            None => None,
        };
        let seconds = seconds
            .filter(|seconds| *seconds >= 1.0)
            .ok_or(Problem::BadToken("`expires_in` is missing or 0"))?;
        let life = Duration::from_secs_f64(seconds.min(86_400.0));
        let renew_after = life.saturating_sub(RENEW_BEFORE).max(life / 2);
        Ok(Self {
            secret,
            renew_at: Instant::now() + renew_after,
            generation,
        })
    }

    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    /// The value of the `Authorization` header, marked so that nothing prints it.
    pub(super) fn header(&self) -> Result<HeaderValue, Problem> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.secret.expose_secret()))
            .map_err(|_| Problem::BadToken("`access_token` holds characters that no header may"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The claim `tid` of a JWT; nothing is verified, Graph does that.
fn tid(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok()?.tid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Token, Problem> {
        Token::read(200, body.as_bytes(), 1)
    }

    #[test]
    fn fault_43_what_is_no_usable_token_is_told() {
        for body in [
            "<html></html>",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","expires_in":0}"#,
            r#"{"access_token":"t","expires_in":"soon"}"#,
        ] {
            assert!(matches!(read(body), Err(Problem::BadToken(_))), "{body}");
        }
        assert!(
            read(r#"{"access_token":"t","expires_in":"3599"}"#)
                .unwrap()
                .is_fresh()
        );
        assert!(
            read(r#"{"access_token":"t","expires_in":3599}"#)
                .unwrap()
                .is_fresh()
        );
    }

    #[test]
    fn fault_91_a_token_is_never_printed() {
        let token = read(r#"{"access_token":"canary","expires_in":3599}"#).unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("canary"));
    }

    #[test]
    fn the_tenant_is_read_from_the_token() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"tid":"0A"}"#);
        assert_eq!(tid(&format!("h.{payload}.s")).as_deref(), Some("0A"));
        assert_eq!(tid("opaque"), None);
    }
}
