//! The HTTP client beneath: its set-up, its time limits, whole bodies, and what its failures mean.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{ClientBuilder, Response, redirect};
use url::Url;

use super::error::Problem;

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Bytes that are read of a refusal; Graph's error objects are far smaller.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// Bounds of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransportPolicy {
    /// Until the connection stands.
    pub(super) connect: Duration,
    /// Between two parts of an answer.
    pub(super) read: Duration,
    /// From the first byte sent to the last one read.
    pub(super) total: Duration,
    /// Largest body, after decompression.
    pub(super) max_body_bytes: usize,
}

impl Default for TransportPolicy {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            total: Duration::from_secs(300),
            // a report of 50,000 attendees is about 40 MB
            max_body_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Whether the proxies of the environment are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxies {
    /// As the environment says.
    Asked,
    /// Never.
    Never,
}

impl Proxies {
    /// A proxy cannot reach what is only on this machine, and would see the token on plain http.
    pub(super) fn towards(host: &Url) -> Self {
        if is_loopback(host) || is_this_host(host) {
            Self::Never
        } else {
            Self::Asked
        }
    }
}

/// A client that follows no redirect and repeats nothing by itself.
///
/// # Errors
/// Where this machine has no certificate of any authority, so that nobody could be trusted over https.
pub(super) fn client(
    policy: &TransportPolicy,
    concurrency: usize,
    towards: &Url,
    proxies: Proxies,
) -> reqwest::Result<reqwest::Client> {
    let builder = builder(policy, concurrency, proxies);
    // plain http within this machine needs no authorities, and must work where there are none
    let builder = match towards.scheme() {
        "http" => builder.tls_certs_only([]),
        _ => builder,
    };
    builder.build()
}

fn builder(policy: &TransportPolicy, concurrency: usize, proxies: Proxies) -> ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        PREFER,
        HeaderValue::from_static("include-unknown-enum-members"),
    );
    let builder = reqwest::Client::builder()
        .user_agent(concat!("teamsheet/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(policy.connect)
        .read_timeout(policy.read)
        .timeout(policy.total)
        .pool_max_idle_per_host(concurrency)
        // one that goes silent under a request is given up before the read timeout, or each new try would go out on it again
        .http2_keep_alive_interval(policy.read / 4)
        .http2_keep_alive_timeout(policy.read / 4);
    match proxies {
        Proxies::Asked => builder,
        Proxies::Never => builder.no_proxy(),
    }
}

/// Why there is no client.
pub(super) fn set_up(error: reqwest::Error) -> Problem {
    let error = error.without_url();
    // rustls-platform-verifier says so only in words
    if says(&error, "No CA certificates") {
        Problem::NoAuthorities(error)
    } else {
        Problem::Setup(error)
    }
}

/// https, or plain http to this very machine.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// A link-local address: the services that a cloud offers to a machine, which never leave its host.
pub(super) fn is_this_host(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_link_local(),
        Some(url::Host::Ipv6(address)) => address.is_unicast_link_local(),
        Some(url::Host::Domain(_)) | None => false,
    }
}

/// Reads to the end; a body cut short is an error, one beyond the cap stops early.
pub(super) async fn read_whole(mut response: Response, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(problem)? {
        if body.len() + part.len() > max_bytes {
            return Err(Problem::TooLarge(max_bytes));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// Reads what there is of a refusal's body: status and headers count, whatever becomes of it.
pub(super) async fn read_refusal(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(part)) = response.chunk().await {
        body.extend_from_slice(&part);
        if body.len() > MAX_REFUSAL_BYTES {
            break;
        }
    }
    body.freeze()
}

/// What the transport says, without the URL, which is personal.
pub(super) fn problem(error: reqwest::Error) -> Problem {
    let error = error.without_url();
    if says(&error, "invalid peer certificate") {
        Problem::Tls(error)
    } else if says(&error, "proxy authorization required") {
        Problem::ProxyRefused(error)
    } else if says(&error, "dns error") {
        Problem::NoSuchHost(error)
    } else if error.is_timeout() {
        Problem::Timeout(error)
    } else if is_about_compression(&error) {
        Problem::BadResponse(Box::new(error))
    } else {
        Problem::Transport(error)
    }
}

/// Bytes that make no sense, in contrast to bytes that did not come; reqwest wraps both in the same kind.
fn is_about_compression(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref::<io::Error>() {
            return error.is_decode() && found.kind() == io::ErrorKind::InvalidData;
        }
        source = cause.source();
    }
    false
}

/// rustls and hyper say it only in words: trust, and what a proxy wants, are matters of set-up and never of trying again.
fn says(error: &reqwest::Error, words: &str) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.to_string().contains(words) {
            return true;
        }
        source = cause.source();
    }
    false
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
