//! Sends requests: the one place that knows limiter, token, transport and retry.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use reqwest::redirect;
use tokio::time::Instant;
use url::Url;

use super::address::Address;
use super::error::{GraphError, Problem};
use super::error_body::ErrorBody;
use super::limit::Limiter;
use super::meter::{Meter, MeterSnapshot};
use super::paging::Pager;
use super::request::{Budget, GraphRequest, RequestKind};
use super::retry::{FailureClass, RetryDecision, RetryPolicy, Tried, decide};
use super::retry_after::retry_after;
use super::token::{ClientCredentials, Token};
use crate::ids::TenantId;
use crate::job::plan::{AuthPlan, GraphPlan};
use crate::model::ParseError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest body after decompression; a report of 50,000 attendees is about 40 MB.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A client of one Graph endpoint; clones share everything.
#[derive(Debug, Clone)]
pub struct GraphClient(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    address: Address,
    credentials: ClientCredentials,
    token: tokio::sync::Mutex<Option<Token>>,
    limiter: Limiter,
    meter: Meter,
    policy: RetryPolicy,
    deadline: Instant,
    random: Mutex<StdRng>,
}

/// A try that failed.
struct FailedTry {
    class: FailureClass,
    retry_after: Option<Duration>,
    problem: Problem,
}

impl From<Problem> for FailedTry {
    fn from(problem: Problem) -> Self {
        Self {
            class: class_of(&problem),
            retry_after: None,
            problem,
        }
    }
}

impl GraphClient {
    /// A client that has asked nothing yet; the run's deadline counts from here.
    ///
    /// # Errors
    /// [`GraphError`] where endpoint or sign-in host are plain http beyond loopback; terminal.
    pub fn new(auth: &AuthPlan, graph: &GraphPlan) -> Result<Self, GraphError> {
        Self::with_policy(auth, graph, RetryPolicy::default())
    }

    pub(super) fn with_policy(
        auth: &AuthPlan,
        graph: &GraphPlan,
        policy: RetryPolicy,
    ) -> Result<Self, GraphError> {
        let refuse = |problem| GraphError::new("", 0, Duration::ZERO, problem);
        for url in [&graph.endpoint, &auth.authority] {
            if !is_safe(url) {
                return Err(refuse(Problem::PlainHttp(
                    url.origin().ascii_serialization(),
                )));
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            PREFER,
            HeaderValue::from_static("include-unknown-enum-members"),
        );
        let http = reqwest::Client::builder()
            .user_agent(concat!("teamsheet/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_max_idle_per_host(graph.concurrency)
            .build()
            .map_err(|source| refuse(Problem::Setup(source.without_url())))?;
        Ok(Self(Arc::new(Shared {
            http,
            address: Address::new(&graph.endpoint, graph.version.as_str()),
            credentials: ClientCredentials::new(auth),
            token: tokio::sync::Mutex::new(None),
            limiter: Limiter::new(&graph.limits, graph.concurrency),
            meter: Meter::default(),
            policy,
            deadline: Instant::now() + graph.deadline,
            random: Mutex::new(StdRng::seed_from_u64(graph.jitter_seed)),
        })))
    }

    /// Gets the first token and says whose tenant it is for.
    ///
    /// # Errors
    /// [`GraphError`] with the reason `Unauthorized` where the credentials are refused, or a transient one.
    pub async fn sign_in(&self) -> Result<TenantId, GraphError> {
        let token = self.token(None).await?;
        self.0
            .credentials
            .tenant_of(&token)
            .map_err(|problem| self.sign_in_error(1, Duration::ZERO, problem))
    }

    /// A URL under the endpoint; every segment is encoded whole.
    pub fn url(&self, segments: &[&str]) -> String {
        self.0.address.url(segments, &[])
    }

    /// The same with a query; every value is encoded whole, once.
    pub fn url_with_query(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        self.0.address.url(segments, query)
    }

    /// A GET to be sent.
    #[expect(clippy::unused_self, reason = "requests are made where they are sent")]
    pub fn request(&self, kind: RequestKind, url: String) -> GraphRequest {
        GraphRequest::new(kind, url)
    }

    /// What was asked and received so far.
    pub fn meter(&self) -> MeterSnapshot {
        self.0.meter.snapshot()
    }

    /// Reads a collection page by page, from its first.
    pub fn pager(&self, request: GraphRequest) -> Pager {
        Pager::new(self.clone(), request)
    }

    /// Reads on from a link that an answer to `request` held.
    ///
    /// # Errors
    /// [`GraphError`] with the reason `RefusedLink` where it leads away from the endpoint.
    pub fn pager_from_link(&self, request: &GraphRequest, link: &str) -> Result<Pager, GraphError> {
        self.check_link(link)?;
        Ok(Pager::new(self.clone(), request.with_url(link)))
    }

    /// The whole body of an answer.
    ///
    /// # Errors
    /// [`GraphError`] once the tries are spent, the deadline has passed, or the failure is terminal.
    pub async fn get(&self, request: &GraphRequest) -> Result<Bytes, GraphError> {
        self.get_with(request, |body| Ok(body.clone())).await
    }

    /// The answer as the caller reads it; one that cannot be read counts as a failed try.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_with<T>(
        &self,
        request: &GraphRequest,
        read: impl Fn(&Bytes) -> Result<T, ParseError>,
    ) -> Result<T, GraphError> {
        let began = Instant::now();
        let mut tries = 0;
        let mut refused_token = None;
        loop {
            tries += 1;
            let token = self.token(refused_token).await?;
            let failed = match self.try_once(request, &token).await {
                Ok(body) => match read(&body) {
                    Ok(value) => return Ok(value),
                    Err(source) => FailedTry::from(Problem::BadResponse(Box::new(source))),
                },
                Err(failed) => failed,
            };
            let is_refused = matches!(failed.problem, Problem::Answer { status: 401, .. });
            if is_refused && refused_token.is_none() {
                refused_token = Some(token.generation);
                continue;
            }
            let wait = self.after_failure(request.budget, &failed, tries, began);
            match wait {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(is_past_deadline) => {
                    let problem = if is_past_deadline {
                        Problem::Deadline
                    } else {
                        failed.problem
                    };
                    return Err(GraphError::new(
                        &request.url,
                        tries,
                        began.elapsed(),
                        problem,
                    ));
                }
            }
        }
    }

    pub(super) fn error(&self, request: &GraphRequest, problem: Problem) -> GraphError {
        GraphError::new(&request.url, 1, Duration::ZERO, problem)
    }

    pub(super) fn check_link(&self, link: &str) -> Result<(), GraphError> {
        let refused = |source| GraphError::new("", 1, Duration::ZERO, Problem::RefusedLink(source));
        self.0.address.check(link).map(|_| ()).map_err(refused)
    }

    /// How long to wait before the next try; `Err` where there is none, and whether that is because of the deadline.
    fn after_failure(
        &self,
        budget: Budget,
        failed: &FailedTry,
        tries: u32,
        began: Instant,
    ) -> Result<Duration, bool> {
        let tried = Tried {
            tries,
            elapsed: began.elapsed(),
            remaining: self.0.deadline.saturating_duration_since(Instant::now()),
        };
        let decision = {
            let mut random = self.0.random.lock().unwrap_or_else(PoisonError::into_inner);
            decide(
                &self.0.policy,
                failed.class,
                failed.retry_after,
                tried,
                &mut *random,
            )
        };
        let is_throttled = failed.class == FailureClass::Throttled;
        if is_throttled {
            self.0.limiter.throttled(budget);
        }
        match decision {
            RetryDecision::Retry { wait } => {
                if is_throttled {
                    self.0.limiter.hold(budget, wait);
                    self.0.meter.count_throttled(wait);
                }
                tracing::debug!(budget = ?budget, tries, wait_ms = wait.as_millis(), "trying again: {}", failed.problem);
                Ok(wait)
            }
            RetryDecision::Terminal | RetryDecision::Exhausted => Err(false),
            RetryDecision::PastDeadline => {
                if is_throttled {
                    self.0.meter.count_throttled(Duration::ZERO);
                }
                Err(true)
            }
        }
    }

    async fn try_once(&self, request: &GraphRequest, token: &Token) -> Result<Bytes, FailedTry> {
        // checked right before sending, whatever path the URL came on
        self.0
            .address
            .check(&request.url)
            .map_err(Problem::RefusedLink)?;
        let Ok(permit) =
            tokio::time::timeout_at(self.0.deadline, self.0.limiter.ready(request)).await
        else {
            return Err(Problem::Deadline.into());
        };
        self.0.meter.count_request(request.kind);
        let sent = self
            .0
            .http
            .get(&request.url)
            .header(AUTHORIZATION, token.header()?)
            .header(CLIENT_REQUEST_ID, self.request_id());
        let response = sent.send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = self.read_body(response).await?;
        drop(permit);
        match status {
            200 if is_error_object(&body) => Err(FailedTry {
                class: FailureClass::Doubtful,
                retry_after: None,
                problem: Problem::Answer {
                    status,
                    body: ErrorBody::read(&body),
                },
            }),
            200 if body.iter().all(u8::is_ascii_whitespace) => Err(Problem::EmptyResponse.into()),
            200 => {
                self.0.limiter.answered(request.budget);
                Ok(body)
            }
            201..=299 => Err(Problem::EmptyResponse.into()),
            300..=399 => Err(Problem::Redirect(status).into()),
            _ => Err(refusal(status, &headers, &body)),
        }
    }

    /// Reads to the end; a body cut short is an error of the transport, one beyond the cap stops early.
    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, FailedTry> {
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(transport)? {
            if body.len() + part.len() > MAX_BODY_BYTES {
                return Err(Problem::TooLarge(MAX_BODY_BYTES).into());
            }
            body.extend_from_slice(&part);
        }
        self.0.meter.count_bytes(body.len());
        Ok(body.freeze())
    }

    /// A token that is fresh and is not the refused one; at most one is asked for at a time.
    async fn token(&self, refused: Option<u64>) -> Result<Token, GraphError> {
        let mut current = self.0.token.lock().await;
        if let Some(token) = current
            .as_ref()
            .filter(|token| token.is_fresh() && refused != Some(token.generation))
        {
            return Ok(token.clone());
        }
        let generation = current.as_ref().map_or(0, |token| token.generation) + 1;
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.ask_for_token(generation).await {
                Ok(token) => {
                    *current = Some(token.clone());
                    return Ok(token);
                }
                Err(failed) => failed,
            };
            match self.after_failure(Budget::Directory, &failed, tries, began) {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(is_past_deadline) => {
                    let problem = if is_past_deadline {
                        Problem::Deadline
                    } else {
                        failed.problem
                    };
                    return Err(self.sign_in_error(tries, began.elapsed(), problem));
                }
            }
        }
    }

    async fn ask_for_token(&self, generation: u64) -> Result<Token, FailedTry> {
        self.0.meter.count_request(RequestKind::Token);
        let response = self
            .0
            .credentials
            .request(&self.0.http)
            .send()
            .await
            .map_err(transport)?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let body = self.read_body(response).await?;
        Token::read(status, &body, generation).map_err(|problem| FailedTry {
            class: match status {
                429 => FailureClass::Throttled,
                500..=599 => FailureClass::Transient,
                _ => FailureClass::Terminal,
            },
            retry_after: wait,
            problem,
        })
    }

    fn sign_in_error(&self, tries: u32, elapsed: Duration, problem: Problem) -> GraphError {
        GraphError::sign_in(&self.0.credentials.host(), tries, elapsed, problem)
    }

    /// A random GUID; Graph's support finds a request by it.
    fn request_id(&self) -> String {
        let mut random = self.0.random.lock().unwrap_or_else(PoisonError::into_inner);
        let (high, low): (u64, u64) = (random.random(), random.random());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> FailedTry {
    let retry_after = retry_after(headers);
    let body = ErrorBody::read(body);
    let class = match status {
        429 => FailureClass::Throttled,
        503 if retry_after.is_some() => FailureClass::Throttled,
        408 | 503 | 504 | 509 => FailureClass::Transient,
        500..=599 => FailureClass::Doubtful,
        _ => FailureClass::Terminal,
    };
    let challenge = headers
        .get(WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok());
    if status == 401 && challenge.is_some_and(|challenge| challenge.contains("claims=")) {
        return FailedTry {
            class,
            retry_after,
            problem: Problem::ClaimsChallenge { body },
        };
    }
    FailedTry {
        class,
        retry_after,
        problem: Problem::Answer { status, body },
    }
}

fn class_of(problem: &Problem) -> FailureClass {
    match problem {
        Problem::Transport(_) | Problem::Timeout(_) => FailureClass::Transient,
        Problem::BadResponse(_) | Problem::EmptyResponse => FailureClass::Doubtful,
        _ => FailureClass::Terminal,
    }
}

/// What the transport says, without the URL, which is personal.
fn transport(error: reqwest::Error) -> FailedTry {
    let error = error.without_url();
    if is_about_certificates(&error) {
        Problem::Tls(error).into()
    } else if error.is_timeout() {
        Problem::Timeout(error).into()
    } else {
        Problem::Transport(error).into()
    }
}

/// rustls says so only in words; trust is a matter of set-up and never of trying again.
fn is_about_certificates(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.to_string().contains("invalid peer certificate") {
            return true;
        }
        source = cause.source();
    }
    false
}

/// Whether a body begins as an error object does; a page or entity never has `error` first.
fn is_error_object(body: &[u8]) -> bool {
    let start = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    start
        .strip_prefix(b"{")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"error\""))
}

/// https, or plain http to this very machine.
fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}
