//! A server with TLS and HTTP/2 in front of the simulated tenant, as Graph is; it breaks what a test tells it to break.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::Stand;

/// A certificate authority of the test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows, and proves with its key.
pub(crate) struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Good for a name, from the start of a year to that of another.
    pub(crate) fn certify(&self, name: &str, years: [i32; 2]) -> Certificate {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certificate {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }
}

impl Certificate {
    pub(crate) fn self_signed(name: &str) -> Self {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }
}

/// How an exchange goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// `RST_STREAM` in place of an answer.
    Reset(Reason),
    /// `RST_STREAM` after half of the body.
    ResetInBody,
    /// `GOAWAY` that lets what was begun come to its end: the connection closes once it is idle.
    GoAway,
    /// `GOAWAY` with an error, and the end of the connection.
    GoAwayAtOnce,
    /// The connection ends without a word.
    HangUp,
}

/// Stops with the stand.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// What its links begin with.
    pub(crate) url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    connects: Mutex<Vec<String>>,
}

/// Which request breaks, by its number from 1 and its path.
type Script = dyn Fn(usize, &str) -> Option<Break> + Send + Sync;

/// What the requests of a front share.
struct Tenant {
    origin: String,
    own: String,
    http: reqwest::Client,
    seen: Arc<Seen>,
    script: Box<Script>,
}

impl Front {
    /// Serves the stand's tenant on `localhost`, or behind a proxy as `origin`.
    pub(crate) fn start(
        stand: &Stand,
        certificate: &Certificate,
        origin: Option<&str>,
        script: impl Fn(usize, &str) -> Option<Break> + Send + Sync + 'static,
    ) -> Self {
        let key = PrivateKeyDer::try_from(certificate.key.clone()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der.clone().into()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let _entered = stand.runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let localhost = format!("https://localhost:{}", address.port());
        let own = origin.map_or(localhost, str::to_owned);
        let tenant = Arc::new(Tenant {
            origin: stand.tenant.endpoint().origin().ascii_serialization(),
            own: own.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            seen: Arc::clone(&seen),
            script: Box::new(script),
        });
        let listener = TcpListener::from_std(listener).unwrap();
        stand.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tenant.seen.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, tenant) = (acceptor.clone(), Arc::clone(&tenant));
                // a client that does not trust it hangs up
                tokio::spawn(async move { serve(stream, acceptor, tenant).await.ok() });
            }
        });
        Self {
            address,
            url: own,
            seen,
        }
    }

    /// Connections that were opened, whatever became of them.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Path and query of each request, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The heads of what asked it to be a proxy.
    pub(crate) fn connects(&self) -> Vec<String> {
        self.seen.connects.lock().unwrap().clone()
    }
}

/// A connection: TLS at once, or after `CONNECT` where it is taken for a proxy.
async fn serve(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    tenant: Arc<Tenant>,
) -> std::io::Result<()> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first == *b"C" {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        tenant.seen.connects.lock().unwrap().push(head);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    }
    let stream = acceptor.accept(stream).await?;
    let connection = h2::server::handshake(stream).await;
    exchange(connection.map_err(std::io::Error::other)?, tenant).await;
    Ok(())
}

async fn exchange(mut connection: Connection<TlsStream<TcpStream>, Bytes>, tenant: Arc<Tenant>) {
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let path = request.uri().path_and_query().unwrap().to_string();
        let number = {
            let mut requests = tenant.seen.requests.lock().unwrap();
            requests.push(path.clone());
            requests.len()
        };
        let broken = (tenant.script)(number, &path);
        match broken {
            Some(Break::Reset(reason)) => {
                respond.send_reset(reason);
                continue;
            }
            Some(Break::HangUp) => return,
            Some(Break::GoAwayAtOnce) => {
                connection.abrupt_shutdown(Reason::INTERNAL_ERROR);
                continue;
            }
            Some(Break::GoAway) => connection.graceful_shutdown(),
            Some(Break::ResetInBody) | None => {}
        }
        let tenant = Arc::clone(&tenant);
        tokio::spawn(async move { answer(&tenant, request, respond, &path, broken).await });
    }
}

/// Hands the tenant's answer on; its links lead here.
async fn answer(
    tenant: &Tenant,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    path: &str,
    broken: Option<Break>,
) {
    let url = format!("{}{path}", tenant.origin).parse().unwrap();
    let mut asked = reqwest::Request::new(request.method().clone(), url);
    *asked.headers_mut() = request.headers().clone();
    let answered = tenant.http.execute(asked).await.unwrap();
    let mut head = Response::builder().status(answered.status());
    for (name, value) in answered.headers() {
        let is_kept = ["content-type", "date", "retry-after"].contains(&name.as_str());
        head = if is_kept {
            head.header(name, value)
        } else {
            head
        };
    }
    let body = answered.text().await.unwrap();
    let body = body.replace(&tenant.origin, &tenant.own);
    let head = head.header("content-length", body.len()).body(()).unwrap();
    // a client that hangs up is part of the test
    let Ok(mut stream) = respond.send_response(head, false) else {
        return;
    };
    if broken == Some(Break::ResetInBody) {
        let half = Bytes::from(body.into_bytes()).split_to(1);
        stream.send_data(half, false).ok();
        stream.send_reset(Reason::INTERNAL_ERROR);
    } else {
        stream.send_data(Bytes::from(body), true).ok();
    }
}
