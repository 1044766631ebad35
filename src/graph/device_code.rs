//! A user signs in: a code to be entered in a browser, and polls until it was.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>, RFC 8628.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::answer::FailedTry;
use super::error::Problem;
use super::error_body::ErrorBody;
use super::retry::FailureClass;
use super::token::Seconds;
use crate::ids::TenantId;

/// `grant_type` of a poll.
pub(super) const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where the answer gives none (RFC 8628, 3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// What `slow_down` adds for good (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// A server that says 0 is not to be hammered.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// The documented default, and the longest that is waited for.
const LONGEST_LIFE: Duration = Duration::from_secs(900);

/// What a user is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCodePrompt {
    /// The server's sentence with address and code, in the user's words where the server has them.
    pub message: String,
    /// What to open in a browser.
    pub verification_uri: String,
    /// What to enter there.
    pub user_code: String,
    /// How long the code is good.
    pub expires_in: Duration,
}

/// A sign-in that worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Whose tenant the token is for.
    pub tenant: TenantId,
    /// The file that later runs renew it from.
    pub kept_in: PathBuf,
}

/// A code that waits to be entered.
#[derive(Debug)]
pub(super) struct DeviceCode {
    pub(super) prompt: DeviceCodePrompt,
    /// What polls name it by.
    pub(super) secret: SecretString,
    interval: Duration,
    ends: Instant,
}

#[derive(Deserialize)]
struct Body {
    device_code: Option<SecretString>,
    user_code: Option<String>,
    #[serde(alias = "verification_url")]
    verification_uri: Option<String>,
    expires_in: Option<Seconds>,
    interval: Option<Seconds>,
    message: Option<String>,
}

impl DeviceCode {
    /// Reads the answer of `/devicecode`.
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, Problem> {
        if status != 200 {
            return Err(Problem::SignIn {
                status,
                body: Box::new(ErrorBody::read(body)),
            });
        }
        let missing = Problem::BadToken;
        let body: Body = serde_json::from_slice(body).map_err(|_| missing("it is no JSON"))?;
        let device_code = body
            .device_code
            .filter(|code| !code.expose_secret().is_empty())
            .ok_or(missing("`device_code` is missing"))?;
        let user_code = body.user_code.ok_or(missing("`user_code` is missing"))?;
        let verification_uri = body
            .verification_uri
            .ok_or(missing("`verification_uri` is missing"))?;
        let expires_in = seconds(body.expires_in)
            .unwrap_or(LONGEST_LIFE)
            .min(LONGEST_LIFE);
        let message = body.message.unwrap_or_else(|| {
            format!(
                "To sign in, open {verification_uri} in a browser and enter the code {user_code}"
            )
        });
        Ok(Self {
            secret: device_code,
            interval: seconds(body.interval)
                .unwrap_or(DEFAULT_INTERVAL)
                .clamp(SHORTEST_INTERVAL, LONGEST_LIFE),
            ends: Instant::now() + expires_in,
            prompt: DeviceCodePrompt {
                message,
                verification_uri,
                user_code,
                expires_in,
            },
        })
    }

    /// Waits until the next poll.
    ///
    /// # Errors
    /// [`Problem::CodeNotUsed`] once the code has ended.
    pub(super) async fn wait(&self) -> Result<(), Problem> {
        let next = Instant::now() + self.interval;
        if next >= self.ends {
            tokio::time::sleep_until(self.ends).await;
            return Err(Problem::CodeNotUsed);
        }
        tokio::time::sleep_until(next).await;
        Ok(())
    }

    /// What a poll that brought no token means: go on, or the problem that ends it.
    pub(super) fn after(&mut self, failed: FailedTry) -> Result<(), Problem> {
        let code = if let Problem::SignIn { body, .. } = &failed.problem {
            body.code.as_deref()
        } else {
            None
        };
        match code {
            Some("authorization_pending") => return Ok(()),
            Some("slow_down") => {
                self.interval += SLOWER;
                return Ok(());
            }
            Some("expired_token" | "code_expired") => return Err(Problem::CodeNotUsed),
            Some("authorization_declined" | "access_denied") => return Err(Problem::Declined),
            _ => {}
        }
        match failed.class {
            FailureClass::Throttled | FailureClass::Transient => {
                let asked = failed.retry_after.unwrap_or_default();
                self.interval = (self.interval * 2).max(asked).min(LONGEST_LIFE);
                Ok(())
            }
            FailureClass::Doubtful | FailureClass::Terminal => Err(failed.problem),
        }
    }
}

fn seconds(given: Option<Seconds>) -> Option<Duration> {
    let seconds = given?.number().filter(|seconds| seconds.is_finite())?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}
