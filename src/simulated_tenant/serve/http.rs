//! The server: a port, a log of requests, tokens, faults, and the answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde_json::Value;
use tokio::net::TcpListener;

use super::ask::Ask;
use super::errors::Refusal;
use super::token::{Bearer, Tokens};
use super::wire::{Port, Shears};
use crate::ids::stable_hash;
use crate::simulated_tenant::faults::{Fault, FaultAnswer, FaultEffect, Script};
use crate::simulated_tenant::weather::{Sky, Weather};
use crate::simulated_tenant::world::{ServerClock, World, links};

/// The path of a machine's instance metadata service.
const IDENTITY_SERVICE: &str = "/metadata/identity/oauth2/token";

/// The claims of a challenge, as continuous access evaluation words them.
const WANTED_CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1767603600"}}}"#;

/// A request that reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query as they came.
    pub path_and_query: String,
    /// The status that was answered; `None` while it is not, and where the connection is cut or stays silent.
    pub status: Option<u16>,
    /// Whether it carried a bearer token, valid or not.
    pub had_bearer: bool,
    /// When it came.
    pub at: Instant,
}

/// What all requests share.
#[derive(Debug)]
pub(in crate::simulated_tenant) struct Shared {
    origin: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Arc<World>,
    tokens: Tokens,
    script: Script,
    sky: Sky,
    seen: Vec<SeenRequest>,
}

impl Shared {
    pub(in crate::simulated_tenant) fn new(world: World, origin: String) -> Arc<Self> {
        Arc::new(Self {
            origin,
            inner: Mutex::new(Inner {
                world: Arc::new(world),
                tokens: Tokens::default(),
                script: Script::default(),
                sky: Sky::default(),
                seen: Vec::new(),
            }),
        })
    }

    pub(in crate::simulated_tenant) fn seen(&self) -> Vec<SeenRequest> {
        self.inner().seen.clone()
    }

    pub(in crate::simulated_tenant) fn script(&self, fault: Fault) {
        self.inner().script.add(fault);
    }

    pub(in crate::simulated_tenant) fn set_weather(&self, weather: Option<Weather>) {
        self.inner().sky.set(weather);
    }

    pub(in crate::simulated_tenant) fn challenge_tokens(&self) {
        self.inner().tokens.challenge(WANTED_CLAIMS);
    }

    pub(in crate::simulated_tenant) fn revoke_tokens(&self) {
        self.inner().tokens.revoke();
    }

    pub(in crate::simulated_tenant) fn edit(&self, change: impl FnOnce(&mut World)) {
        change(Arc::make_mut(&mut self.inner().world));
    }

    pub(in crate::simulated_tenant) fn world(&self) -> World {
        World::clone(&self.inner().world)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers requests until the task is dropped.
pub(in crate::simulated_tenant) async fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
) -> std::io::Result<()> {
    let router = Router::new().fallback(handle).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Shears>();
    axum::serve(Port(listener), service).await
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(shears): ConnectInfo<Shears>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path_and_query = uri
        .path_and_query()
        .map_or("/", axum::http::uri::PathAndQuery::as_str);
    let bearer = bearer(&headers);
    // what is shared is held for a moment only; the answer is made from a world that no longer changes
    let (number, effect, world, admitted, is_challenged) = {
        let mut inner = shared.inner();
        let now = Instant::now();
        inner.seen.push(SeenRequest {
            method: method.to_string(),
            path_and_query: path_and_query.to_owned(),
            status: None,
            had_bearer: bearer.is_some(),
            at: now,
        });
        let number = inner.seen.len();
        let asked = format!("{method} {path_and_query}");
        let scripted = inner.script.effect_on(&asked, now);
        let effect = scripted.or_else(|| inner.sky.effect_on(&asked));
        let admitted = inner.admit((&method, &uri, &headers), bearer, &body);
        let is_challenged = inner.tokens.wanted_claims().is_some();
        let world = Arc::clone(&inner.world);
        (number, effect, world, admitted, is_challenged)
    };
    let reply = match admitted {
        Admitted::SignIn(status, body) => Ok((status, body)),
        Admitted::Graph(bearer) => graph(&world, &bearer, &shared.origin, &method, &uri),
        Admitted::Refused(refusal) => Err(refusal),
    };
    let client_id = text(&headers, "client-request-id");
    let truth = print(reply, &world, client_id, (number, is_challenged));
    let answer = match effect {
        // a throttle lets it through, or the script has made a 429 of it
        None | Some(FaultEffect::Throttle { .. }) => truth,
        Some(FaultEffect::Answer(answer)) => {
            tokio::time::sleep(answer.delay).await;
            answer
        }
        Some(FaultEffect::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            truth
        }
        Some(FaultEffect::Rewrite(rewrite)) => FaultAnswer {
            body: rewrite(truth.body),
            ..truth
        },
        Some(FaultEffect::CutAfter(bytes)) => {
            shears.cut_after(bytes);
            return respond(truth);
        }
        Some(FaultEffect::Silence) => std::future::pending().await,
    };
    if let Some(seen) = shared.inner().seen.get_mut(number - 1) {
        seen.status = Some(answer.status);
    }
    match world.answers.clock {
        ServerClock::Machine => respond(answer),
        ServerClock::World => respond(answer.with_header("date", http_date(&world))),
    }
}

/// Who asks, once sign-in and tokens were looked at.
enum Admitted {
    /// It was a sign-in: status and body.
    SignIn(u16, Value),
    /// A request to Graph with a valid token.
    Graph(Bearer),
    /// No token, or none that holds.
    Refused(Refusal),
}

impl Inner {
    fn admit(
        &mut self,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        token: Option<&str>,
        body: &[u8],
    ) -> Admitted {
        let path = uri.path();
        if path == IDENTITY_SERVICE && *method == Method::GET {
            let query = uri.query().unwrap_or_default();
            let is_marked = text(headers, "metadata") == Some("true");
            let (status, body) = self.tokens.machine(query, is_marked, &self.world);
            return Admitted::SignIn(status, body);
        }
        if let Some((tenant, operation)) = path.split_once("/oauth2/v2.0/")
            && *method == Method::POST
            && matches!(operation, "token" | "devicecode")
        {
            let tenant = tenant.trim_start_matches('/');
            let (status, body) = self.tokens.answer(tenant, operation, body, &self.world);
            return Admitted::SignIn(status, body);
        }
        let Some(token) = token else {
            return Admitted::Refused(Refusal::token("Access token is empty."));
        };
        match self.tokens.bearer_of(token) {
            Some(bearer) => Admitted::Graph(bearer.clone()),
            None if self.tokens.wanted_claims().is_some() => Admitted::Refused(Refusal::token(
                "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp",
            )),
            None => Admitted::Refused(Refusal::token(
                "Lifetime validation failed, the token is expired.",
            )),
        }
    }
}

fn graph(
    world: &World,
    bearer: &Bearer,
    origin: &str,
    method: &Method,
    uri: &Uri,
) -> Result<(u16, Value), Refusal> {
    if *method != Method::GET {
        return Err(Refusal::new(
            405,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        ));
    }
    let query = uri.query().unwrap_or_default();
    let ask = Ask::read(origin, uri.path(), query)
        .ok_or_else(|| Refusal::new(404, "BadRequest", "Invalid version."))?;
    super::answer(world, bearer, &ask).map(|body| (200, body))
}

/// The true answer, before any fault.
fn print(
    reply: Result<(u16, Value), Refusal>,
    world: &World,
    client_id: Option<&str>,
    (number, is_challenged): (usize, bool),
) -> FaultAnswer {
    let request_id = links::guid(&stable_hash(["request", &number.to_string()]));
    let client_id = client_id.unwrap_or(&request_id);
    let (status, body) = reply.unwrap_or_else(|refusal| {
        let date = world.settings.now.to_string();
        let body = refusal.body(&request_id, client_id, date.trim_end_matches('Z'));
        (refusal.status, body)
    });
    let answer = FaultAnswer::raw(status, body.to_string())
        .with_header("client-request-id", client_id)
        .with_header("request-id", request_id.as_str());
    if status == 401 && is_challenged {
        let claims = links::base64(WANTED_CLAIMS.as_bytes());
        let challenge = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{claims}\""
        );
        return answer.with_header("www-authenticate", challenge);
    }
    if status == 401 {
        let challenge = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"";
        return answer.with_header("www-authenticate", challenge);
    }
    answer
}

/// `Mon, 05 Jan 2026 09:00:00 GMT`.
fn http_date(world: &World) -> String {
    world
        .settings
        .now
        .to_timestamp()
        .map_or_else(String::new, |at| {
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn respond(answer: FaultAnswer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(&value),
        ) {
            headers.append(name, value);
        }
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(
            "application/json; odata.metadata=minimal; charset=utf-8",
        ));
    response
}
