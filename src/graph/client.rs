//! Sends requests: the one place that knows limiter, token, transport and retry.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::header::{AUTHORIZATION, HeaderName};
use tokio::time::Instant;
use url::Url;

use super::address::Address;
use super::answer::{self, FailedTry};
use super::clock::ServerClock;
use super::device_code::{DeviceCodePrompt, SignedIn};
use super::error::{GraphError, Problem};
use super::limit::{Limiter, Permit};
use super::meter::{Meter, MeterSnapshot};
use super::paging::Pager;
use super::request::{Account, GraphRequest, RequestKind};
use super::retry::{FailureClass, RetryDecision, RetryPolicy, Tried, decide};
use super::sign_in::SignIn;
use super::token::{Refused, Token};
use super::transport::{self, Proxies, TransportPolicy};
use super::verdict::{Call, Verdict};
use crate::ids::TenantId;
use crate::job::auth::ActsAs;
use crate::job::claims::TokenClaims;
use crate::job::plan::{AuthPlan, GraphPlan};
use crate::model::ParseError;
use crate::time::UtcMicros;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// How long to wait for the endpoint's time.
const ASK_TIME: Duration = Duration::from_secs(10);
/// How long a token that is refused somewhere is believed to be let in elsewhere.
const BELIEVED: Duration = Duration::from_secs(60);
/// Tries of an answer that is too large to come in time, where less can be asked for.
const TRIES_OF_LARGE: u32 = 2;

/// A client of one Graph endpoint; clones share everything.
#[derive(Debug, Clone)]
pub struct GraphClient(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    address: Address,
    sign_in: SignIn,
    clock: ServerClock,
    token: tokio::sync::Mutex<Option<Token>>,
    /// The newest token that Graph has let in.
    accepted: AtomicU64,
    /// Whether it was found out that no token is let in any more: then nothing else is asked.
    is_shut_out: AtomicBool,
    /// The token that was refused somewhere and found to be let in elsewhere, and until when that is believed; one request at a time
    /// finds it out.
    good_elsewhere: tokio::sync::Mutex<Option<(u64, Instant)>>,
    limiter: Limiter,
    meter: Meter,
    policy: ClientPolicy,
    deadline: Instant,
    random: Mutex<StdRng>,
}

/// Bounds of one client's requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClientPolicy {
    pub(super) retry: RetryPolicy,
    pub(super) transport: TransportPolicy,
}

impl GraphClient {
    /// A client that has asked nothing yet; the run's deadline counts from here. `clock` is the clock of this machine.
    ///
    /// # Errors
    /// [`GraphError`] where endpoint or sign-in host are plain http beyond loopback; terminal.
    pub fn new(
        auth: &AuthPlan,
        graph: &GraphPlan,
        clock: fn() -> UtcMicros,
    ) -> Result<Self, GraphError> {
        Self::with_policy(auth, graph, clock, ClientPolicy::default())
    }

    pub(super) fn with_policy(
        auth: &AuthPlan,
        graph: &GraphPlan,
        clock: fn() -> UtcMicros,
        policy: ClientPolicy,
    ) -> Result<Self, GraphError> {
        let refuse = |problem| GraphError::new("", 0, Duration::ZERO, problem);
        let endpoint = &graph.endpoint;
        if !transport::is_safe(endpoint) {
            let origin = endpoint.origin().ascii_serialization();
            return Err(refuse(Problem::PlainHttp(origin)));
        }
        let http = transport::client(
            &policy.transport,
            graph.concurrency,
            endpoint,
            Proxies::towards(endpoint),
        )
        .map_err(|source| refuse(transport::set_up(source)))?;
        Ok(Self(Arc::new(Shared {
            http,
            address: Address::new(endpoint, graph.version.as_str()),
            sign_in: SignIn::new(auth, &policy.transport).map_err(refuse)?,
            clock: ServerClock::new(clock),
            token: tokio::sync::Mutex::new(None),
            accepted: AtomicU64::new(0),
            is_shut_out: AtomicBool::new(false),
            good_elsewhere: tokio::sync::Mutex::new(None),
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
            .sign_in
            .tenant_of(&token)
            .map_err(|problem| self.sign_in_error(1, Duration::ZERO, problem))
    }

    /// Signs a user in: `show` tells what to do in a browser, and this waits until it was done. Later runs renew what is kept.
    ///
    /// # Errors
    /// [`GraphError`] with the reason `Unauthorized` where the user or the sign-in host declines or the code ends unused, or a
    /// transient one.
    pub async fn log_in(
        &self,
        show: impl FnOnce(&DeviceCodePrompt) + Send,
    ) -> Result<SignedIn, GraphError> {
        let Shared {
            sign_in,
            clock,
            meter,
            ..
        } = &*self.0;
        let began = Instant::now();
        let ended = |problem| self.sign_in_error(1, began.elapsed(), problem);
        let mut code = self.persist(|| sign_in.ask_for_code(clock, meter)).await?;
        show(&code.prompt);
        let answer = loop {
            code.wait().await.map_err(ended)?;
            match sign_in.poll(&code, clock, meter).await {
                Ok(answer) => break answer,
                Err(failed) => code.after(failed).map_err(ended)?,
            }
        };
        let kept_in = sign_in.keep(&answer).await.map_err(ended)?;
        let token = answer.into_token(1, clock.now()).map_err(ended)?;
        let tenant = sign_in.tenant_of(&token).map_err(ended)?;
        Ok(SignedIn { tenant, kept_in })
    }

    /// What the token says about itself; `None` where it is opaque.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub async fn claims(&self) -> Result<Option<TokenClaims>, GraphError> {
        Ok(self.token(None).await?.claims())
    }

    /// How far the clock of this machine is off, such as `10 minutes behind`; `None` where it is near enough, or no answer told.
    pub fn clock_skew(&self) -> Option<String> {
        self.0.clock.skew()
    }

    /// How far the clock of this machine is ahead of the server's, in microseconds; 0 where they agree to a few minutes, the server's is
    /// ahead, or no answer told.
    ///
    /// A ready token is not asked for, so there the endpoint is asked for nothing but its time, without the token.
    pub async fn clock_ahead(&self) -> i64 {
        if self.0.clock.server_time().is_none() {
            let asked = self.0.http.head(self.url(&[])).timeout(ASK_TIME).send();
            // whatever it answers carries its time; where it answers nothing, the run will see
            if let Ok(answer) = asked.await {
                self.0.clock.listen(answer.headers());
            }
        }
        self.0.clock.ahead_of_server()
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
    pub fn request(&self, kind: RequestKind, url: String) -> GraphRequest {
        GraphRequest::new(kind, url)
    }

    /// How much longer a throttled budget is held; the longest of all.
    pub fn held_for(&self) -> Option<Duration> {
        let until = self.0.limiter.held_until()?;
        Some(until.saturating_duration_since(Instant::now()))
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
        self.check_link(link)
            .map_err(|problem| GraphError::of(request, problem))?;
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
        let mut refused: Option<Refused> = None;
        let mut last = None;
        // what is checked here is what is sent, whatever way the URL came
        let url = self.check_link(&request.url);
        let url = url.map_err(|problem| GraphError::of(request, problem))?;
        loop {
            let spent = |tries, problem| {
                let error = GraphError::new(&request.url, tries, began.elapsed(), problem);
                error.with_method(self.0.sign_in.method())
            };
            let ready = self.0.limiter.ready(request.account(), self.0.deadline);
            let Some(permit) = ready.await else {
                return Err(spent(tries, Problem::deadline(last)));
            };
            if self.0.is_shut_out.load(Ordering::Relaxed) {
                return Err(spent(tries, last.unwrap_or(Problem::ShutOut)));
            }
            // after the wait for a permit, which may be longer than a token lives
            let token = self.token(refused.as_ref()).await;
            let token = token.inspect_err(|error| {
                let was_let_in = self.0.accepted.load(Ordering::Relaxed) > 0;
                let ends_all = was_let_in && error.ends_the_run();
                self.0.is_shut_out.fetch_or(ends_all, Ordering::Relaxed);
            })?;
            // a hold that began while the token was renewed counts for this request too
            if self.0.limiter.is_held(request.account()) {
                continue;
            }
            let sent_at = Instant::now();
            tries += 1;
            let failed = match self.try_once(request, &url, &token, permit).await {
                Ok(body) => match read(&body) {
                    Ok(value) => return Ok(value),
                    Err(source) => FailedTry::from(Problem::from(source)),
                },
                Err(failed) => failed,
            };
            let failed = match self
                .after_refusal(request, &token, refused.as_ref(), failed)
                .await
            {
                Ok(failed) => failed,
                Err(again) => {
                    refused = Some(again);
                    continue;
                }
            };
            // to ask for less helps more than to ask again
            if request.may_shrink && tries >= TRIES_OF_LARGE && failed.problem.is_too_much() {
                return Err(spent(tries, failed.problem));
            }
            let wait = self.after_failure(request.account(), &failed, (tries, began, sent_at));
            match wait {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(is_past_deadline) => {
                    let problem = if is_past_deadline {
                        Problem::deadline(Some(failed.problem))
                    } else {
                        failed.problem
                    };
                    return Err(spent(tries, problem));
                }
            }
            last = Some(failed.problem);
        }
    }

    /// What a refused token means: a sign-in anew, as an error, or what is wrong with this one thing or with the token for good.
    async fn after_refusal(
        &self,
        request: &GraphRequest,
        token: &Token,
        before: Option<&Refused>,
        failed: FailedTry,
    ) -> Result<FailedTry, Refused> {
        let claims = if let Problem::ClaimsChallenge { claims, .. } = &failed.problem {
            Some(claims.clone())
        } else if failed.problem.refuses_the_token() {
            None
        } else {
            return Ok(failed);
        };
        let is_renewed = match claims {
            Some(_) => before.is_some_and(|before| before.claims.is_some()),
            None => before.is_some(),
        };
        let may_renew = !is_renewed && self.is_worth_renewing(token.generation);
        let Problem::Answer { status, body, .. } = failed.problem else {
            if may_renew {
                return Err(token.refused(claims));
            }
            self.0.is_shut_out.store(true, Ordering::Relaxed);
            return Ok(failed);
        };
        let verdict = match self.is_let_in_elsewhere(token, may_renew).await {
            Some(true) => Verdict::REFUSED_HERE,
            Some(false) | None if may_renew => return Err(token.refused(claims)),
            Some(false) | None => {
                self.0.is_shut_out.store(true, Ordering::Relaxed);
                Verdict::of(Call::of(request), status, &body)
            }
        };
        Ok(Problem::Answer {
            status,
            body,
            verdict,
        }
        .into())
    }

    /// Whether a token that one thing refuses is good for others: then that thing is missing, and the run goes on. `None` where that is
    /// not found out: a run whose tokens nobody has let in so far has nothing to go on with, and a token that `may_renew` is renewed
    /// before it is tried elsewhere, unless it was found good before.
    async fn is_let_in_elsewhere(&self, token: &Token, may_renew: bool) -> Option<bool> {
        let mut good = self.0.good_elsewhere.lock().await;
        let believed = good.filter(|(generation, _)| *generation == token.generation);
        match believed {
            Some((_, until)) if Instant::now() < until => return Some(true),
            None if may_renew => return None,
            _ => {}
        }
        let is_hopeless = self.0.is_shut_out.load(Ordering::Relaxed);
        if is_hopeless || self.0.accepted.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let path = match self.0.sign_in.acts_as() {
            Some(ActsAs::User) => "me",
            Some(ActsAs::App) | None => "users",
        };
        let query: &[_] = match path {
            "me" => &[("$select", "id")],
            _ => &[("$select", "id"), ("$top", "1")],
        };
        let probe = self.request(RequestKind::Users, self.url_with_query(&[path], query));
        let ready = self.0.limiter.ready(probe.account(), self.0.deadline);
        let (permit, url) = (ready.await?, self.check_link(&probe.url).ok()?);
        let is_let_in = match self.try_once(&probe, &url, token, permit).await {
            Ok(_) => true,
            // where nothing was said about the token, nothing is known against it
            Err(failed) => !failed.problem.refuses_the_token(),
        };
        *good = is_let_in.then(|| (token.generation, Instant::now() + BELIEVED));
        Some(is_let_in)
    }

    /// Where a link leads, if it may be followed.
    pub(super) fn check_link(&self, link: &str) -> Result<Url, Problem> {
        self.0.address.check(link).map_err(Problem::RefusedLink)
    }

    /// How long to wait before the next try; `Err` where there is none, and whether that is because of the deadline.
    fn after_failure(
        &self,
        account: Account<'_>,
        failed: &FailedTry,
        (tries, began, sent_at): (u32, Instant, Instant),
    ) -> Result<Duration, bool> {
        let so_far = Tried {
            tries,
            elapsed: began.elapsed(),
            remaining: self.0.deadline.saturating_duration_since(Instant::now()),
        };
        let decision = {
            let mut random = self.0.random.lock().unwrap_or_else(PoisonError::into_inner);
            decide(
                &self.0.policy.retry,
                failed.class,
                failed.retry_after,
                so_far,
                &mut *random,
            )
        };
        let is_throttled = failed.class == FailureClass::Throttled;
        if is_throttled {
            // held for as long as the server asks, also where this request gives up
            let hold = match decision {
                RetryDecision::Retry { wait } => wait,
                // or those that are next would be sent in its place, one after the other until the run's time is over
                RetryDecision::PastDeadline => failed.retry_after.unwrap_or(so_far.remaining),
                RetryDecision::Terminal | RetryDecision::Exhausted => {
                    failed.retry_after.unwrap_or_default()
                }
            };
            self.0.limiter.throttled(account, sent_at, hold);
            let until_deadline = hold.min(so_far.remaining);
            self.0.meter.count_throttled(Instant::now(), until_deadline);
        }
        match decision {
            RetryDecision::Retry { wait } => {
                tracing::debug!(budget = ?account.budget, tries, wait_ms = wait.as_millis(), "trying again: {}", failed.problem);
                Ok(wait)
            }
            RetryDecision::Terminal | RetryDecision::Exhausted => Err(false),
            RetryDecision::PastDeadline => Err(true),
        }
    }

    /// Sends once; the permit goes with the last byte of the answer.
    async fn try_once(
        &self,
        request: &GraphRequest,
        url: &Url,
        token: &Token,
        _permit: Permit,
    ) -> Result<Bytes, FailedTry> {
        self.0.meter.count_request(request.kind);
        let mut sent = self
            .0
            .http
            .get(url.clone())
            .header(AUTHORIZATION, token.header()?)
            // Graph's support finds a request by it
            .header(CLIENT_REQUEST_ID, self.guid());
        if let Some(preference) = request.preference() {
            sent = sent.header("Prefer", preference.as_ref());
        }
        let response = sent.send().await.map_err(transport::problem)?;
        self.0.clock.listen(response.headers());
        let status = response.status().as_u16();
        if status != 401 {
            self.0
                .accepted
                .fetch_max(token.generation, Ordering::Relaxed);
        }
        if status != 200 {
            let headers = response.headers().clone();
            let body = transport::read_refusal(response).await;
            self.0.meter.count_bytes(body.len());
            let now = self.0.clock.now();
            let call = Call::of(request);
            return Err(answer::refusal(call, status, &headers, &body, now));
        }
        let body = transport::read_whole(response, self.0.policy.transport.max_body_bytes).await?;
        self.0.meter.count_bytes(body.len());
        answer::check_body(Call::of(request), &body)?;
        self.0.limiter.answered(request.account());
        Ok(body)
    }

    /// Whether another token may help where this one is refused: not once two in a row were never let in, however many requests ask.
    fn is_worth_renewing(&self, refused: u64) -> bool {
        let before = refused.saturating_sub(1);
        self.0.sign_in.can_renew() && self.0.accepted.load(Ordering::Relaxed) >= before
    }

    /// A token that is fresh and is not the refused one; at most one is asked for at a time.
    async fn token(&self, refused: Option<&Refused>) -> Result<Token, GraphError> {
        let mut current = self.0.token.lock().await;
        let refused = refused.filter(|refused| {
            let current = current.as_ref();
            current.is_some_and(|token| token.generation <= refused.generation)
        });
        if let Some(token) = current.as_ref().filter(|_| refused.is_none()) {
            match token.is_fresh(&self.0.clock) {
                Ok(true) => return Ok(token.clone()),
                Ok(false) => {}
                Err(ended) => return Err(self.sign_in_error(0, Duration::ZERO, ended)),
            }
        }
        let generation = current.as_ref().map_or(0, |token| token.generation) + 1;
        let Shared {
            sign_in,
            clock,
            meter,
            ..
        } = &*self.0;
        let token = self
            .persist(|| sign_in.ask((generation, refused), clock, meter, || self.guid()))
            .await?;
        *current = Some(token.clone());
        Ok(token)
    }

    /// Repeats a step of signing in as the policy allows.
    async fn persist<T: Send, F>(&self, ask: impl Fn() -> F + Send) -> Result<T, GraphError>
    where
        F: Future<Output = Result<T, FailedTry>> + Send,
    {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            let sent_at = Instant::now();
            tries += 1;
            let failed = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match self.after_failure(Account::TOKEN, &failed, (tries, began, sent_at)) {
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(is_past_deadline) => {
                    let problem = if is_past_deadline {
                        Problem::deadline(Some(failed.problem))
                    } else {
                        failed.problem
                    };
                    return Err(self.sign_in_error(tries, began.elapsed(), problem));
                }
            }
        }
    }

    fn sign_in_error(&self, tries: u32, elapsed: Duration, problem: Problem) -> GraphError {
        let error = GraphError::sign_in(&self.0.sign_in.host(), tries, elapsed, problem);
        error.with_method(self.0.sign_in.method())
    }

    /// A random GUID.
    fn guid(&self) -> String {
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

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod sign_in_tests;

#[cfg(test)]
#[path = "sign_in_methods_tests.rs"]
mod sign_in_methods_tests;

#[cfg(test)]
#[path = "challenge_tests.rs"]
mod challenge_tests;

#[cfg(test)]
#[path = "device_code_tests.rs"]
mod device_code_tests;
