//! Where tokens come from: one request a method, and what its answer means.
//!
//! | method | request | proof |
//! |---|---|---|
//! | client-secret | `POST {authority}/{tenant}/oauth2/v2.0/token` | the secret |
//! | certificate | the same | an assertion that the certificate's key signed |
//! | workload-identity | the same | the token in a file, read anew each time |
//! | managed-identity | `GET` at the machine's identity service, never through a proxy | being on that machine |
//! | device-code | as the first | the refresh token that the last sign-in left |
//! | access-token | none | the token itself |
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>,
//! <https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication>; claims:
//! <https://learn.microsoft.com/entra/identity-platform/claims-challenge>.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::answer::FailedTry;
use super::arc;
use super::assertion::{ASSERTION_TYPE, signed_assertion};
use super::clock::ServerClock;
use super::device_code::{DEVICE_CODE_GRANT, DeviceCode};
use super::error::Problem;
use super::kept_sign_in::KeptSignIn;
use super::meter::Meter;
use super::request::RequestKind;
use super::retry::FailureClass;
use super::retry_after::retry_after;
use super::sign_in_verdict::SignInVerdict;
use super::token::{Refused, Token, TokenAnswer};
use super::transport::{self, Proxies, TransportPolicy};
use crate::ids::TenantId;
use crate::job::auth::{ActsAs, AuthPlan, Credentials, IdentityService};
use crate::job::file::AuthMethod;

/// An identity service is on the machine's own host.
const MACHINES_CONNECT: Duration = Duration::from_secs(2);
/// Larger than any token.
const LARGEST_TOKEN_FILE: u64 = 64 * 1024;
/// The assertion is not valid yet, or not any more.
const OUTSIDE_ITS_TIME: i64 = 700_024;

/// One way to sign in, with its own HTTP client.
#[derive(Debug)]
pub(super) struct SignIn {
    http: reqwest::Client,
    auth: AuthPlan,
    url: Url,
}

/// An answer as it came.
struct Received {
    status: u16,
    headers: HeaderMap,
    wait: Option<Duration>,
    body: Bytes,
}

impl SignIn {
    pub(super) fn new(auth: &AuthPlan, policy: &TransportPolicy) -> Result<Self, Problem> {
        let url = if let Credentials::ManagedIdentity { service, .. } = &auth.credentials {
            match service {
                IdentityService::Imds(origin) => {
                    below(origin, &["metadata", "identity", "oauth2", "token"])
                }
                IdentityService::AppService { endpoint, .. }
                | IdentityService::Arc { endpoint, .. } => endpoint.clone(),
            }
        } else {
            below(&auth.authority, &[&auth.tenant, "oauth2", "v2.0", "token"])
        };
        let is_machines = auth.method() == AuthMethod::ManagedIdentity;
        let is_safe = transport::is_safe(&url) || (is_machines && transport::is_this_host(&url));
        if !is_safe {
            return Err(Problem::PlainHttp(url.origin().ascii_serialization()));
        }
        // elsewhere than on Azure nobody answers there, and that should be known soon
        let (connect, proxies) = if is_machines {
            (policy.connect.min(MACHINES_CONNECT), Proxies::Never)
        } else {
            (policy.connect, Proxies::towards(&url))
        };
        let policy = TransportPolicy { connect, ..*policy };
        let http = transport::client(&policy, 1, &url, proxies).map_err(transport::set_up)?;
        Ok(Self {
            http,
            auth: auth.clone(),
            url,
        })
    }

    pub(super) fn method(&self) -> AuthMethod {
        self.auth.method()
    }

    /// Whose permissions its tokens carry.
    pub(super) fn acts_as(&self) -> Option<ActsAs> {
        self.auth.acts_as()
    }

    /// Whether a token that Graph refuses can be replaced by another.
    pub(super) fn can_renew(&self) -> bool {
        self.method() != AuthMethod::AccessToken
    }

    /// Where tokens come from, for messages.
    pub(super) fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The tenant's GUID: the token's `tid`, or the configured tenant where the token is opaque and that is a GUID.
    pub(super) fn tenant_of(&self, token: &Token) -> Result<TenantId, Problem> {
        let claims = token.claims();
        let configured = &self.auth.tenant;
        let is_guid = configured.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        claims
            .and_then(|claims| claims.tenant_id)
            .or_else(|| is_guid.then(|| configured.to_ascii_lowercase()))
            .map(TenantId::new)
            .ok_or(Problem::BadToken(
                "it names no tenant; write the tenant's GUID into `[tenant] id`",
            ))
    }

    /// Asks once, in place of a token that was refused where there is one.
    pub(super) async fn ask(
        &self,
        (generation, refused): (u64, Option<&Refused>),
        clock: &ServerClock,
        meter: &Meter,
        guid: impl Fn() -> String + Send + Sync,
    ) -> Result<Token, FailedTry> {
        if let Credentials::AccessToken { access_token } = &self.auth.credentials {
            return Ok(Token::ready(access_token.clone(), generation));
        }
        let was_set = clock.server_time().is_some();
        let answer = self.exchange(clock, meter, refused, &guid).await;
        let answer = match answer {
            // a certificate signs for points in time, and now it is known what time it is
            Err(failed)
                if !was_set
                    && clock.skew().is_some()
                    && self.method() == AuthMethod::Certificate
                    && failed.problem.has_sign_in_code(OUTSIDE_ITS_TIME) =>
            {
                self.exchange(clock, meter, refused, &guid).await?
            }
            answer => answer?,
        };
        if self.kept().is_some()
            && answer.refresh_token.is_some()
            && let Err(problem) = self.keep(&answer).await
        {
            // no reason to stop: the old one mostly still works
            tracing::warn!("{problem}; the next run renews from the older one");
        }
        Ok(answer.into_token(generation, clock.now())?)
    }

    /// Asks for a code that a user can enter.
    pub(super) async fn ask_for_code(
        &self,
        clock: &ServerClock,
        meter: &Meter,
    ) -> Result<DeviceCode, FailedTry> {
        let url = below(
            &self.auth.authority,
            &[&self.auth.tenant, "oauth2", "v2.0", "devicecode"],
        );
        let fields = [
            ("client_id", self.user_client_id()?),
            ("scope", self.auth.scope.as_str()),
        ];
        let request = self.http.post(url).form(&fields);
        self.send(request, clock, meter, DeviceCode::read).await
    }

    /// Asks whether the code was entered.
    pub(super) async fn poll(
        &self,
        code: &DeviceCode,
        clock: &ServerClock,
        meter: &Meter,
    ) -> Result<TokenAnswer, FailedTry> {
        let request = self.form(&[
            ("grant_type", DEVICE_CODE_GRANT),
            ("client_id", self.user_client_id()?),
            ("device_code", code.secret.expose_secret()),
        ]);
        self.send(request, clock, meter, TokenAnswer::read).await
    }

    fn user_client_id(&self) -> Result<&str, Problem> {
        if let Credentials::DeviceCode { client_id, .. } = &self.auth.credentials {
            Ok(client_id)
        } else {
            Err(Problem::NotSignedIn)
        }
    }

    /// Keeps what a user's sign-in is renewed with.
    pub(super) async fn keep(&self, answer: &TokenAnswer) -> Result<PathBuf, Problem> {
        let refresh_token = answer.refresh_token.clone().ok_or(Problem::BadToken(
            "`refresh_token` is missing: later runs could not renew it",
        ))?;
        let kept = self.kept().ok_or(Problem::NotSignedIn)?;
        let path = kept.path().to_owned();
        let written = tokio::task::spawn_blocking(move || kept.write(&refresh_token)).await;
        let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(Problem::File {
                what: "the sign-in that is kept in",
                action: "written",
                path,
                source,
            }),
        }
    }

    /// Where a user's sign-in is kept; `None` for the other methods.
    pub(super) fn kept(&self) -> Option<KeptSignIn> {
        let Credentials::DeviceCode {
            client_id,
            state_folder,
        } = &self.auth.credentials
        else {
            return None;
        };
        Some(KeptSignIn::new(state_folder, &self.auth, client_id))
    }

    async fn exchange(
        &self,
        clock: &ServerClock,
        meter: &Meter,
        refused: Option<&Refused>,
        guid: &(impl Fn() -> String + Send + Sync),
    ) -> Result<TokenAnswer, FailedTry> {
        let request = self.request(clock, refused, guid).await?;
        let Credentials::ManagedIdentity {
            service: IdentityService::Arc { key_folder, .. },
            ..
        } = &self.auth.credentials
        else {
            return self.send(request, clock, meter, TokenAnswer::read).await;
        };
        // the agent names a file that only this machine's administrators and its own group can read, and wants what is in it
        let challenged = self.receive(request, clock, meter).await?;
        if challenged.status != 401 {
            return self.read(&challenged, TokenAnswer::read);
        }
        let key = arc::read_key(&challenged.headers, key_folder).await?;
        let request = self.request(clock, refused, guid).await?;
        let request = request.header(AUTHORIZATION, key);
        self.send(request, clock, meter, TokenAnswer::read).await
    }

    async fn send<T>(
        &self,
        request: RequestBuilder,
        clock: &ServerClock,
        meter: &Meter,
        read: fn(u16, &[u8]) -> Result<T, Problem>,
    ) -> Result<T, FailedTry> {
        let received = self.receive(request, clock, meter).await?;
        self.read(&received, read)
    }

    async fn receive(
        &self,
        request: RequestBuilder,
        clock: &ServerClock,
        meter: &Meter,
    ) -> Result<Received, FailedTry> {
        meter.count_request(RequestKind::Token);
        let response = request.send().await.map_err(transport::problem)?;
        clock.listen(response.headers());
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let wait = retry_after(&headers, clock.now());
        // token answers are small; one that is not is none
        let body = transport::read_whole(response, 1024 * 1024).await?;
        meter.count_bytes(body.len());
        Ok(Received {
            status,
            headers,
            wait,
            body,
        })
    }

    fn read<T>(
        &self,
        received: &Received,
        read: fn(u16, &[u8]) -> Result<T, Problem>,
    ) -> Result<T, FailedTry> {
        read(received.status, &received.body).map_err(|problem| {
            let class = if let Problem::SignIn { status, body } = &problem {
                SignInVerdict::of(Some(self.method()), *status, body).class
            } else {
                FailureClass::Terminal
            };
            FailedTry {
                class,
                retry_after: received.wait,
                problem,
            }
        })
    }

    async fn request(
        &self,
        clock: &ServerClock,
        refused: Option<&Refused>,
        guid: impl Fn() -> String + Send + Sync,
    ) -> Result<RequestBuilder, Problem> {
        let scope = self.auth.scope.as_str();
        let app = "client_credentials";
        let claims = refused.and_then(|refused| refused.claims.as_ref());
        Ok(match &self.auth.credentials {
            Credentials::ClientSecret {
                client_id,
                client_secret,
            } => {
                let fields = [
                    ("grant_type", app),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose_secret()),
                    ("scope", scope),
                ];
                self.form_with(&fields, claims)
            }
            Credentials::Certificate {
                client_id,
                certificate,
            } => {
                let assertion =
                    signed_assertion(certificate, client_id, &self.url, clock.now(), guid())?;
                self.with_assertion(client_id, &assertion, claims)
            }
            Credentials::WorkloadIdentity {
                client_id,
                token_file,
            } => self.with_assertion(client_id, &read_token_file(token_file).await?, claims),
            Credentials::ManagedIdentity {
                client_id,
                service,
                resource,
            } => self.machines_token(client_id.as_deref(), service, resource, refused),
            Credentials::DeviceCode { client_id, .. } => {
                let refresh_token = self.refresh_token().await?;
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("refresh_token", refresh_token.expose_secret()),
                    ("scope", scope),
                ];
                self.form_with(&fields, claims)
            }
            Credentials::AccessToken { .. } => {
                return Err(Problem::BadToken("there is nothing to ask for"));
            }
        })
    }

    fn form(&self, fields: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(self.url.clone()).form(fields)
    }

    /// The same, for a token that holds what Graph asked for.
    fn form_with(&self, fields: &[(&str, &str)], claims: Option<&SecretString>) -> RequestBuilder {
        let claims = claims.map(|claims| ("claims", claims.expose_secret()));
        let fields: Vec<_> = fields.iter().copied().chain(claims).collect();
        self.form(&fields)
    }

    fn with_assertion(
        &self,
        client_id: &str,
        assertion: &SecretString,
        claims: Option<&SecretString>,
    ) -> RequestBuilder {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.expose_secret()),
            ("scope", &self.auth.scope),
        ];
        self.form_with(&fields, claims)
    }

    fn machines_token(
        &self,
        client_id: Option<&str>,
        service: &IdentityService,
        resource: &str,
        refused: Option<&Refused>,
    ) -> RequestBuilder {
        let mut url = self.url.clone();
        let version = match service {
            IdentityService::Imds(_) => "2018-02-01",
            IdentityService::AppService { .. } => "2019-08-01",
            IdentityService::Arc { .. } => arc::API_VERSION,
        };
        let mut query = url.query_pairs_mut();
        query.append_pair("api-version", version);
        query.append_pair("resource", resource);
        query.extend_pairs(client_id.map(|id| ("client_id", id)));
        // they keep tokens themselves, take no claims, and would hand out the refused one again
        if let Some(refused) = refused {
            match service {
                IdentityService::AppService { .. } => {
                    query.append_pair("token_sha256_to_refresh", &refused.hash)
                }
                IdentityService::Imds(_) | IdentityService::Arc { .. } => {
                    query.append_pair("bypass_cache", "true")
                }
            };
        }
        drop(query);
        let request = self.http.get(url);
        match service {
            IdentityService::Imds(_) | IdentityService::Arc { .. } => {
                request.header("metadata", "true")
            }
            IdentityService::AppService { header, .. } => {
                let value = reqwest::header::HeaderValue::try_from(header.expose_secret());
                match value {
                    Ok(mut value) => {
                        value.set_sensitive(true);
                        request.header("x-identity-header", value)
                    }
                    // sent without it, the endpoint says what is missing
                    Err(_) => request,
                }
            }
        }
    }

    async fn refresh_token(&self) -> Result<SecretString, Problem> {
        let Some(kept) = self.kept() else {
            return Err(Problem::NotSignedIn);
        };
        let path = kept.path().to_owned();
        let read = tokio::task::spawn_blocking(move || kept.read()).await;
        let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        read.map_err(|source| Problem::File {
            what: "the sign-in that is kept in",
            action: "read",
            path,
            source,
        })?
        .ok_or(Problem::NotSignedIn)
    }
}

/// The token of another identity provider, without the newline at its end.
async fn read_token_file(path: &Path) -> Result<SecretString, Problem> {
    let failed = |source| Problem::File {
        what: "the token file",
        action: "read",
        path: path.to_owned(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    let read = file
        .take(LARGEST_TOKEN_FILE)
        .read_to_string(&mut text)
        .await;
    read.map_err(failed)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(SecretString::from(token))
}

/// A URL below an origin.
fn below(origin: &Url, segments: &[&str]) -> Url {
    let mut url = origin.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
