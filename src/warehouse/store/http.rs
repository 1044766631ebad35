//! The one retry layer of a store: below `object_store`, whose own is switched off, so that it sees each answer with its headers.
//!
//! What may pass (408, 429, 5xx, a reset, no answer in time) is tried again, bounded in count and in time, never before a `Retry-After`
//! is over. A write that is tried again may have been stored the first time: its condition then fails, and whoever wrote compares
//! the object with what it wanted to write. Answers that mean something to the caller (304, 404, 409, 412) pass; every other refusal
//! becomes a [`StoreError`] that holds no query and no body.

use std::error::Error as _;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use super::super::store_error::{
    RequestFailure, StoreError, is_no_condition, is_of_identity, is_transient_status,
};

/// Refusals and lists are read whole inside a try, so that one that breaks off is tried again.
const SMALL_BODY: u64 = 1024 * 1024;
/// How often a machine's identity service is asked: where nobody answers, there is none.
const IDENTITY_TRIES: u32 = 2;
/// Bytes of a refusal in which its code is looked for.
const CODE_WITHIN: usize = 4_096;

/// Bounds of one request's tries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) tries: u32,
    /// All tries together, waits included.
    pub(super) total: Duration,
    /// The first wait's upper bound; doubles with every try.
    pub(super) base: Duration,
    /// No wait of our own is longer.
    pub(super) cap: Duration,
    /// Until an answer begins, besides the time that sending takes.
    pub(super) answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            total: Duration::from_secs(180),
            base: Duration::from_millis(400),
            cap: Duration::from_secs(20),
            answer: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The wait before the next try: full jitter under a doubling bound.
    pub(super) fn wait(&self, tries: u32) -> Duration {
        let doubled = self
            .base
            .saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled.min(self.cap).mul_f64(rand::random())
    }
}

/// Makes clients that are patient.
#[derive(Debug)]
pub(super) struct PatientConnector(pub(super) Patience);

impl HttpConnector for PatientConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(PatientClient {
            inner: ReqwestConnector::default().connect(options)?,
            patience: self.0,
        }))
    }
}

#[derive(Debug)]
struct PatientClient {
    inner: HttpClient,
    patience: Patience,
}

/// A try that failed.
struct Failed {
    failure: RequestFailure,
    may_pass: bool,
    retry_after: Option<Duration>,
}

#[async_trait]
impl HttpService for PatientClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.try_once(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let wait = self
                .patience
                .wait(tries)
                .max(failed.retry_after.unwrap_or_default());
            let most = if is_of_identity(&address(&request)) {
                IDENTITY_TRIES
            } else {
                self.patience.tries
            };
            let is_over = tries >= most || began.elapsed() + wait > self.patience.total;
            if is_over || !failed.may_pass {
                let error = StoreError::Request {
                    method: request.method().to_string(),
                    url: address(&request),
                    tries,
                    elapsed: began.elapsed(),
                    failure: failed.failure,
                };
                return Err(HttpError::new(HttpErrorKind::Unknown, error));
            }
            tracing::debug!(
                method = %request.method(), tries, wait_ms = wait.as_millis(), reason = %failed.failure,
                "a request to the object store is tried again"
            );
            tokio::time::sleep(wait).await;
        }
    }
}

impl PatientClient {
    async fn try_once(&self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let is_head = request.method().as_str() == "HEAD";
        let limit = self.patience.answer + sending_time(length(request.headers()).unwrap_or(0));
        let timeout = || Failed {
            failure: RequestFailure::Timeout {
                seconds: limit.as_secs(),
            },
            may_pass: true,
            retry_after: None,
        };
        let answer = tokio::time::timeout(limit, self.inner.execute(request)).await;
        let response = answer
            .map_err(|_| timeout())?
            .map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let is_small = length(response.headers()).is_some_and(|length| length <= SMALL_BODY);
        let azure_code = response.headers().get("x-ms-error-code");
        let refuses = azure_code
            .and_then(|code| code.to_str().ok())
            .is_some_and(is_no_condition);
        let passes = matches!(status, 200..=399 | 404 | 409 | 412) && !refuses;
        if passes && (is_head || !is_small) {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        if passes {
            let body = tokio::time::timeout(limit, body.bytes()).await;
            let body = body
                .map_err(|_| timeout())?
                .map_err(|error| broken(&error))?;
            return Ok(HttpResponse::from_parts(parts, body.into()));
        }
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let retry_after = header("retry-after").and_then(|value| value.trim().parse().ok());
        let mut code = header("x-ms-error-code").and_then(readable_code);
        if code.is_none()
            && is_small
            && let Ok(Ok(body)) = tokio::time::timeout(limit, body.bytes()).await
        {
            code = code_in(&body);
        }
        Err(Failed {
            failure: RequestFailure::Status { status, code },
            may_pass: is_transient_status(status),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }
}

/// A megabyte in four seconds is slow enough.
fn sending_time(bytes: u64) -> Duration {
    Duration::from_millis(bytes / 256)
}

fn length(headers: &object_store::HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// Scheme, host and path: a query may hold a signature.
fn address(request: &HttpRequest) -> String {
    let uri = request.uri();
    let (scheme, host) = (
        uri.scheme_str().unwrap_or_default(),
        uri.host().unwrap_or_default(),
    );
    let port = uri
        .port_u16()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("{scheme}://{host}{port}{}", uri.path())
}

/// A connection that failed. Whom TLS does not trust is not asked again.
fn broken(error: &HttpError) -> Failed {
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        detail = inner.to_string();
        cause = inner.source();
    }
    let failure = RequestFailure::Transport { detail };
    Failed {
        may_pass: !failure.is_distrust(),
        failure,
        retry_after: None,
    }
}

/// `AccessDenied` of `<Error><Code>AccessDenied</Code>…`, which S3, Azure and Google all answer with.
fn code_in(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body.get(..CODE_WITHIN).unwrap_or(body));
    let (_, rest) = text.split_once("<Code>")?;
    readable_code(rest.split_once("</Code>")?.0)
}

/// `AccessDenied`, `KMS.DisabledException`.
fn readable_code(text: &str) -> Option<String> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let is_code = text.len() <= 64 && text.chars().all(is_allowed);
    (is_code && !text.is_empty()).then(|| text.to_owned())
}
