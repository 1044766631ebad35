//! `POST /{tenant}/oauth2/v2.0/token`: sign-in with the app's secret, and which tokens still hold.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulated_tenant::world::{AnswerSettings, CLIENT_ID, CLIENT_SECRET, TENANT_ID, links};

/// The tenant's domain, which sign-in takes as well as its GUID.
const TENANT_DOMAIN: &str = "contoso.example";

/// The tokens that were given out, and when each stops to hold.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: HashMap<String, Instant>,
}

impl Tokens {
    /// Answers a sign-in: status and body.
    pub(super) fn sign_in(
        &mut self,
        tenant: &str,
        form: &[u8],
        answers: &AnswerSettings,
    ) -> (u16, Value) {
        let fields: HashMap<String, String> =
            url::form_urlencoded::parse(form).into_owned().collect();
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        if tenant != TENANT_ID && tenant != TENANT_DOMAIN {
            let text = format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            );
            return refuse(400, "invalid_request", 90002, &text);
        }
        if field("grant_type") != "client_credentials" {
            return refuse(
                400,
                "unsupported_grant_type",
                70003,
                "The app requested an unsupported grant type.",
            );
        }
        if field("client_id") != CLIENT_ID {
            let text = "Application with this identifier was not found in the directory.";
            return refuse(400, "unauthorized_client", 700_016, text);
        }
        if field("client_secret") != CLIENT_SECRET {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{CLIENT_ID}'."
            );
            return refuse(401, "invalid_client", 7_000_215, &text);
        }
        if !field("scope").ends_with("/.default") {
            let text = "The provided value for the input parameter 'scope' is not valid.";
            return refuse(400, "invalid_scope", 70011, text);
        }
        let token = self.give(answers);
        let body = json!({
            "token_type": "Bearer",
            "expires_in": answers.token_lifetime_seconds,
            "ext_expires_in": answers.token_lifetime_seconds,
            "access_token": token,
        });
        (200, body)
    }

    /// Whether a bearer token is ours and has not expired.
    pub(super) fn holds(&self, token: &str) -> bool {
        self.given
            .get(token)
            .is_some_and(|until| Instant::now() < *until)
    }

    /// From now on every token is refused that was given before.
    pub(super) fn revoke(&mut self) {
        self.given.clear();
    }

    fn give(&mut self, answers: &AnswerSettings) -> String {
        // the one clock of the server: tokens really run out, whatever day the world is in
        let now = Timestamp::now().as_second();
        let lifetime = answers.token_lifetime_seconds;
        let header = json!({"typ": "JWT", "alg": "none"});
        let claims = json!({
            "aud": "https://graph.microsoft.com",
            "tid": TENANT_ID,
            "appid": CLIENT_ID,
            "roles": answers.token_roles,
            "iat": now,
            "exp": now.saturating_add_unsigned(lifetime),
            "uti": self.given.len().to_string(),
        });
        let part = |value: &Value| links::base64_url(value.to_string().as_bytes());
        let token = format!("{}.{}.{}", part(&header), part(&claims), "simulated");
        let until = Instant::now() + Duration::from_secs(lifetime);
        self.given.insert(token.clone(), until);
        token
    }
}

fn refuse(status: u16, error: &str, code: u32, text: &str) -> (u16, Value) {
    let (trace, correlation) = (
        "255d1aef-8c98-452f-ac51-23d051240864",
        "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
    );
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: 2026-01-05 09:00:00Z"),
        "error_codes": [code],
        "timestamp": "2026-01-05 09:00:00Z",
        "trace_id": trace,
        "correlation_id": correlation,
    });
    (status, body)
}
