//! Sign-in: `POST /{tenant}/oauth2/v2.0/token` and `/devicecode`, and which tokens still hold.
//!
//! | grant | proof | token is |
//! |---|---|---|
//! | `client_credentials` | `client_secret`, or a `client_assertion` that looks like a JWT (its signature is not checked) | the app's |
//! | `device_code` | a code of `/devicecode`; the first poll answers `authorization_pending` | a user's |
//! | none: `GET /metadata/identity/oauth2/token` | being on the machine, and the header `Metadata: true` | the app's |
//! | `refresh_token` | one that came with a user's token | a user's |

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ids::stable_hash;
use crate::simulated_tenant::world::{
    AccessPolicy, CLIENT_ID, CLIENT_SECRET, Person, World, links,
};

/// The tenant's domain, which sign-in takes as well as its GUID.
const TENANT_DOMAIN: &str = "contoso.example";
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The tokens that were given out, and the device codes and refresh tokens that wait.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: HashMap<String, Given>,
    /// How often each device code was polled.
    polls: HashMap<String, u32>,
    refresh: HashSet<String>,
    /// Counts all of them, so that no two are the same.
    made: u32,
    /// The claims that a token must have been asked for with, as a challenge words them.
    wanted_claims: Option<String>,
}

#[derive(Debug)]
struct Given {
    until: Instant,
    bearer: Bearer,
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bearer {
    /// The app's own.
    App,
    /// A signed-in user's, by object id.
    User(String),
}

/// Status and body of an answer.
type Reply = (u16, Value);

impl Tokens {
    /// Answers `POST /{tenant}/oauth2/v2.0/{operation}`.
    pub(super) fn answer(
        &mut self,
        tenant: &str,
        operation: &str,
        form: &[u8],
        world: &World,
    ) -> Reply {
        let form = Form(url::form_urlencoded::parse(form).into_owned().collect());
        if tenant != world.tenant_id && tenant != TENANT_DOMAIN {
            let text = format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            );
            return refuse(400, "invalid_request", 90002, &text);
        }
        if form.field("client_id") != CLIENT_ID {
            let text = "Application with this identifier was not found in the directory.";
            return refuse(400, "unauthorized_client", 700_016, text);
        }
        if operation == "devicecode" {
            return self.device_code(world);
        }
        // whoever signs in with the claims meets the challenge no more
        if self.wanted_claims.as_deref() == Some(form.field("claims")) {
            self.wanted_claims = None;
        }
        match form.field("grant_type") {
            "client_credentials" => self.client_credentials(&form, world),
            DEVICE_CODE_GRANT => self.poll(&form, world),
            "refresh_token" => self.refresh(&form, world),
            _ => refuse(
                400,
                "unsupported_grant_type",
                70003,
                "The app requested an unsupported grant type.",
            ),
        }
    }

    /// Answers `GET /metadata/identity/oauth2/token`, as the instance metadata service of a virtual machine does: numbers are text.
    pub(super) fn machine(&mut self, query: &str, is_marked: bool, world: &World) -> Reply {
        let query = Form(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        );
        let refuse =
            |error: &str, text: &str| (400, json!({"error": error, "error_description": text}));
        if !is_marked {
            return refuse("invalid_request", "Required metadata header not specified");
        }
        if query.field("api-version") != "2018-02-01" {
            return refuse(
                "invalid_request",
                "Required query variable 'api-version' is missing",
            );
        }
        if query.field("resource").trim_end_matches('/') != "https://graph.microsoft.com" {
            return refuse(
                "invalid_resource",
                "AADSTS500011: The resource principal was not found",
            );
        }
        if ![CLIENT_ID, ""].contains(&query.field("client_id")) {
            return refuse("invalid_request", "Identity not found");
        }
        let claims = json!({"roles": world.answers.token_roles, "idtyp": "app"});
        let mut body = self.give(claims, Bearer::App, world);
        let until = Timestamp::now()
            .as_second()
            .saturating_add_unsigned(world.answers.token_lifetime_seconds);
        if let Value::Object(properties) = &mut body {
            let lifetime = world.answers.token_lifetime_seconds.to_string();
            properties.insert("expires_in".to_owned(), json!(lifetime));
            properties.insert("expires_on".to_owned(), json!(until.to_string()));
            properties.insert("refresh_token".to_owned(), json!(""));
            properties.insert("resource".to_owned(), json!(query.field("resource")));
        }
        (200, body)
    }

    /// Whose a token is; `None` where it is not ours or has run out.
    pub(super) fn bearer_of(&self, token: &str) -> Option<&Bearer> {
        self.given
            .get(token)
            .filter(|given| self.wanted_claims.is_none() && Instant::now() < given.until)
            .map(|given| &given.bearer)
    }

    /// From now on every token is refused that was not asked for with these claims.
    pub(super) fn challenge(&mut self, claims: &str) {
        self.given.clear();
        self.wanted_claims = Some(claims.to_owned());
    }

    /// The claims that a refused token lacks.
    pub(super) fn wanted_claims(&self) -> Option<&str> {
        self.wanted_claims.as_deref()
    }

    /// From now on every token is refused that was given before.
    pub(super) fn revoke(&mut self) {
        self.given.clear();
    }

    fn client_credentials(&mut self, form: &Form, world: &World) -> Reply {
        if !form.field("client_assertion").is_empty() {
            let is_jwt = form.field("client_assertion").split('.').count() == 3
                && form.field("client_assertion_type") == ASSERTION_TYPE;
            if !is_jwt {
                let text = "Client assertion is not a valid JSON Web Token.";
                return refuse(401, "invalid_client", 50027, text);
            }
        } else if form.field("client_secret") != CLIENT_SECRET {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{CLIENT_ID}'."
            );
            return refuse(401, "invalid_client", 7_000_215, &text);
        }
        if !form.field("scope").ends_with("/.default") {
            let text = "The provided value for the input parameter 'scope' is not valid.";
            return refuse(400, "invalid_scope", 70011, text);
        }
        let claims = json!({"roles": world.answers.token_roles});
        (200, self.give(claims, Bearer::App, world))
    }

    fn device_code(&mut self, world: &World) -> Reply {
        let code = self.secret("device");
        self.polls.insert(code.clone(), 0);
        let body = json!({
            "user_code": "SIMULATE1",
            "device_code": code,
            "verification_uri": "https://microsoft.com/devicelogin",
            "expires_in": 900,
            "interval": world.answers.device_code_interval_seconds,
            "message": "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code SIMULATE1 to authenticate.",
        });
        (200, body)
    }

    fn poll(&mut self, form: &Form, world: &World) -> Reply {
        let Some(polls) = self.polls.get_mut(form.field("device_code")) else {
            let text = "The provided value for the input parameter 'device_code' is not valid.";
            return refuse(400, "bad_verification_code", 501_491, text);
        };
        *polls += 1;
        if *polls == 1 {
            let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
            return refuse(400, "authorization_pending", 70016, text);
        }
        self.polls.remove(form.field("device_code"));
        self.give_user(world)
    }

    fn refresh(&mut self, form: &Form, world: &World) -> Reply {
        if self.refresh.contains(form.field("refresh_token")) {
            return self.give_user(world);
        }
        let text = "The refresh token has expired or is malformed.";
        refuse(400, "invalid_grant", 70008, text)
    }

    fn give_user(&mut self, world: &World) -> Reply {
        let Some(person) = signs_in(world) else {
            let text = "The user account does not exist in the directory.";
            return refuse(400, "invalid_grant", 50034, text);
        };
        let scopes = world.answers.token_scopes.join(" ");
        let claims = json!({"oid": person.id, "upn": person.user_principal_name, "scp": scopes});
        let mut body = self.give(claims, Bearer::User(person.id.clone()), world);
        let refresh = self.secret("refresh");
        self.refresh.insert(refresh.clone());
        if let Value::Object(properties) = &mut body {
            properties.insert("scope".to_owned(), json!(scopes));
            properties.insert("refresh_token".to_owned(), json!(refresh));
        }
        (200, body)
    }

    fn give(&mut self, mut claims: Value, bearer: Bearer, world: &World) -> Value {
        // the one clock of the server: tokens really run out, whatever day the world is in
        let now = Timestamp::now().as_second();
        let lifetime = world.answers.token_lifetime_seconds;
        if let Value::Object(properties) = &mut claims {
            for (name, value) in [
                ("aud", json!("https://graph.microsoft.com")),
                ("tid", json!(world.tenant_id)),
                ("appid", json!(CLIENT_ID)),
                ("iat", json!(now)),
                ("exp", json!(now.saturating_add_unsigned(lifetime))),
            ] {
                properties.insert(name.to_owned(), value);
            }
        }
        let part = |value: &Value| links::base64_url(value.to_string().as_bytes());
        let header = part(&json!({"typ": "JWT", "alg": "none"}));
        let token = format!("{header}.{}.{}", part(&claims), self.secret("signature"));
        let until = Instant::now() + Duration::from_secs(lifetime);
        self.given.insert(token.clone(), Given { until, bearer });
        json!({
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        })
    }

    fn secret(&mut self, kind: &str) -> String {
        self.made += 1;
        stable_hash([kind, &self.made.to_string()])
    }
}

struct Form(HashMap<String, String>);

impl Form {
    fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Who answers the device code prompt: the first person with a calendar whose meetings can be read.
fn signs_in(world: &World) -> Option<&Person> {
    world.people.iter().find(|person| {
        person.account_enabled
            && person.has_mailbox
            && person.access_policy == AccessPolicy::Granted
    })
}

fn refuse(status: u16, error: &str, code: u32, text: &str) -> Reply {
    let (trace, correlation) = (
        "255d1aef-8c98-452f-ac51-23d051240864",
        "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
    );
    let at = "2026-01-05 09:00:00Z";
    let body = json!({
        "error": error,
        "error_description": format!(
            "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"
        ),
        "error_codes": [code],
        "timestamp": at,
        "trace_id": trace,
        "correlation_id": correlation,
    });
    (status, body)
}
