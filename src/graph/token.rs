//! The token: taken once, renewed before it ends, renewed once more when Graph refuses it.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::clock::ServerClock;
use super::error::Problem;
use super::error_body::ErrorBody;
use crate::job::claims::TokenClaims;
use crate::time::{SECOND, UtcMicros};

/// A token is renewed this long before it ends, or at half its life where that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// No token lives longer, whatever its answer says.
const LONGEST_LIFE: f64 = 86_400.0;

/// A bearer token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    secret: SecretString,
    life: Life,
    /// Grows with every renewal, so that one refused token is renewed once, however many requests it was refused for.
    pub(super) generation: u64,
}

/// A token that Graph does not let in, for which another is asked.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) generation: u64,
    /// What the next token must hold, where Graph said so.
    pub(super) claims: Option<SecretString>,
    /// SHA-256 of the token in hexadecimal, by which identity services know which of their tokens is good no longer.
    pub(super) hash: String,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// To be renewed from then on.
    Renewed(Instant),
    /// Cannot be renewed; ends then, where it says so.
    UntilEnd(Option<UtcMicros>),
}

/// What a sign-in host hands out.
#[derive(Debug)]
pub(super) struct TokenAnswer {
    access_token: SecretString,
    expires_in: Option<f64>,
    expires_on: Option<f64>,
    /// What a user's sign-in is renewed with.
    pub(super) refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Body {
    access_token: Option<SecretString>,
    expires_in: Option<Seconds>,
    expires_on: Option<Seconds>,
    refresh_token: Option<SecretString>,
}

/// Seconds as a number, or, as the identity services write them, as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Number(seconds) => Some(seconds),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

impl TokenAnswer {
    /// Reads the sign-in host's answer.
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, Problem> {
        if status != 200 {
            return Err(Problem::SignIn {
                status,
                body: Box::new(ErrorBody::read(body)),
            });
        }
        let body: Body =
            serde_json::from_slice(body).map_err(|_| Problem::BadToken("it is no JSON"))?;
        let given =
            |secret: Option<SecretString>| secret.filter(|text| !text.expose_secret().is_empty());
        Ok(Self {
            access_token: given(body.access_token)
                .ok_or(Problem::BadToken("`access_token` is missing"))?,
            expires_in: body.expires_in.and_then(Seconds::number),
            expires_on: body.expires_on.and_then(Seconds::number),
            refresh_token: given(body.refresh_token),
        })
    }

    /// The token, whose life is measured from now on. Some identity services give its end only, in seconds since 1970.
    pub(super) fn into_token(self, generation: u64, now: UtcMicros) -> Result<Token, Problem> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are far below 2^52"
        )]
        let until_end = self
            .expires_on
            .map(|end| end - now.0.div_euclid(SECOND) as f64);
        let seconds = self
            .expires_in
            .or(until_end)
            .filter(|seconds| *seconds >= 1.0)
            .ok_or(Problem::BadToken("`expires_in` is missing or 0"))?;
        let life = Duration::from_secs_f64(seconds.min(LONGEST_LIFE));
        let renew_after = life.saturating_sub(RENEW_BEFORE).max(life / 2);
        Ok(Token {
            secret: self.access_token,
            life: Life::Renewed(Instant::now() + renew_after),
            generation,
        })
    }
}

impl Token {
    /// A token that was there already.
    pub(super) fn ready(secret: SecretString, generation: u64) -> Self {
        let claims = TokenClaims::read(secret.expose_secret());
        Self {
            secret,
            life: Life::UntilEnd(claims.and_then(|claims| claims.ends_at)),
            generation,
        }
    }

    /// Whether it may be sent. One that cannot be renewed is sent until the server's own clock has passed its end.
    ///
    /// # Errors
    /// [`Problem::TokenEnded`] where it has, and there is no other.
    pub(super) fn is_fresh(&self, clock: &ServerClock) -> Result<bool, Problem> {
        match self.life {
            Life::Renewed(at) => Ok(Instant::now() < at),
            Life::UntilEnd(end) => match (end, clock.server_time()) {
                (Some(end), Some(now)) if end <= now => Err(Problem::TokenEnded(end)),
                _ => Ok(true),
            },
        }
    }

    /// That it was refused, and what for.
    pub(super) fn refused(&self, claims: Option<SecretString>) -> Refused {
        let hash = digest(&SHA256, self.secret.expose_secret().as_bytes());
        let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
        Refused {
            generation: self.generation,
            claims,
            hash: digits.collect(),
        }
    }

    /// What it says about itself; `None` where it is opaque.
    pub(super) fn claims(&self) -> Option<TokenClaims> {
        TokenClaims::read(self.secret.expose_secret())
    }

    /// The value of the `Authorization` header, marked so that nothing prints it.
    pub(super) fn header(&self) -> Result<HeaderValue, Problem> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.secret.expose_secret()))
            .map_err(|_| Problem::BadToken("`access_token` holds characters that no header may"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> UtcMicros {
        UtcMicros(1_767_614_400 * SECOND)
    }

    fn read(body: &str) -> Result<Token, Problem> {
        TokenAnswer::read(200, body.as_bytes())?.into_token(1, noon())
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
            r#"{"access_token":"t","expires_on":"1767614400"}"#,
        ] {
            assert!(matches!(read(body), Err(Problem::BadToken(_))), "{body}");
        }
        let clock = ServerClock::new(noon);
        for body in [
            r#"{"access_token":"t","expires_in":"3599"}"#,
            r#"{"access_token":"t","expires_in":3599}"#,
            r#"{"access_token":"t","expires_on":"1767618000"}"#,
        ] {
            assert!(read(body).unwrap().is_fresh(&clock).unwrap(), "{body}");
        }
    }

    #[test]
    fn fault_91_a_token_is_never_printed() {
        let body = r#"{"access_token":"canary","expires_in":3599,"refresh_token":"canary"}"#;
        let answer = TokenAnswer::read(200, body.as_bytes()).unwrap();
        let answered = format!("{answer:?}");
        let token = answer.into_token(1, noon()).unwrap();
        let printed = format!("{answered} {token:?} {:?}", token.header());
        assert!(!printed.contains("canary"), "{printed}");
    }
}
