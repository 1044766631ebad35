//! A server on loopback that answers as a test says: also cut short, stalled, with a wrong length, or not at all.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::client::{ClientPolicy, GraphClient};
use super::retry::RetryPolicy;
use super::transport::TransportPolicy;
use crate::job::plan::{ApiVersion, AuthPlan, Credentials, GraphPlan, LimitsPlan};
use crate::time::UtcMicros;

/// What a request looked like.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// When it was read whole.
    pub(super) at: Instant,
    /// The target of the request line, byte for byte.
    pub(super) target: String,
    /// Request line and headers as they came.
    pub(super) head: String,
    pub(super) body: String,
    /// How many requests came before it.
    pub(super) number: usize,
}

/// What the server sends.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    length: Option<usize>,
    delay: Duration,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Reset,
    Stall,
    /// A byte of the body a millisecond.
    Drip,
}

/// Stops with the test's runtime.
#[derive(Debug)]
pub(super) struct ScriptedServer {
    /// `http://127.0.0.1:…`
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            length: Some(0),
            delay: Duration::ZERO,
            end: End::Close,
        }
    }

    /// 200.
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.length = Some(self.body.len());
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says another length than the body has.
    pub(super) fn length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// Waits before the first byte.
    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Frames the body itself, in chunks.
    pub(super) fn chunked(mut self) -> Self {
        self.length = None;
        self.header("transfer-encoding", "chunked")
    }

    /// Resets the connection after half of the body.
    pub(super) fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Keeps the connection open and sends no more.
    pub(super) fn then_stall(mut self) -> Self {
        self.end = End::Stall;
        self
    }

    pub(super) fn drip(mut self) -> Self {
        self.end = End::Drip;
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\nconnection: close\r\n", self.status);
        if let Some(length) = self.length {
            write!(head, "content-length: {length}\r\n").unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head + "\r\n"
    }
}

impl ScriptedServer {
    pub(super) async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            connections: Arc::default(),
            most_at_once: Arc::default(),
        };
        let (asked, connections, most) = (
            Arc::clone(&server.asked),
            Arc::clone(&server.connections),
            Arc::clone(&server.most_at_once),
        );
        let script = Arc::new(script);
        tokio::spawn(async move {
            let at_once = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (asked, most) = (Arc::clone(&asked), Arc::clone(&most));
                let (script, at_once) = (Arc::clone(&script), Arc::clone(&at_once));
                tokio::spawn(async move {
                    // a client may also hang up without a request, so connections are counted
                    at_once.fetch_add(1, Ordering::SeqCst);
                    let answer = |mut request: Asked| {
                        let mut asked = asked.lock().unwrap();
                        request.number = asked.len();
                        let reply = script(&request);
                        asked.push(request);
                        most.fetch_max(at_once.load(Ordering::SeqCst), Ordering::SeqCst);
                        reply
                    };
                    // a client that hangs up is part of the test
                    serve(stream, answer).await.ok();
                    at_once.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// Every request so far, but those for tokens.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let graph = asked.iter().filter(|asked| !asked.is_for_a_token());
        graph.cloned().collect()
    }

    pub(super) fn every_request(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How many tokens were asked for.
    pub(super) fn token_requests(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.is_for_a_token()).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The largest number of requests that were being answered at one time.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answer: impl FnOnce(Asked) -> Reply) -> std::io::Result<()> {
    let mut received = Vec::new();
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    };
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = answer(Asked {
        at: Instant::now(),
        target,
        head,
        body,
        number: 0,
    });
    tokio::time::sleep(reply.delay).await;
    stream.write_all(reply.head().as_bytes()).await?;
    match reply.end {
        End::Close => stream.write_all(&reply.body).await?,
        End::Reset => {
            stream
                .write_all(&reply.body[..reply.body.len() / 2])
                .await?;
            return stream.set_zero_linger();
        }
        End::Stall => {
            stream.write_all(&reply.body).await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
        End::Drip => {
            for byte in reply.body {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    stream.shutdown().await
}

/// What a client is made of, small and quick; a test changes what it is about.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) auth: AuthPlan,
    pub(super) graph: GraphPlan,
    pub(super) policy: ClientPolicy,
    pub(super) clock: fn() -> UtcMicros,
}

pub(super) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(super) const SECRET: &str = "canary-secret";
/// What every scripted token begins with.
pub(super) const TOKEN: &str = "canary-token";

impl Setup {
    /// Graph and sign-in host are the same server.
    pub(super) fn of(server: &ScriptedServer) -> Self {
        Self::at(&server.url, &server.url)
    }

    pub(super) fn at(endpoint: &str, authority: &str) -> Self {
        Self {
            auth: AuthPlan {
                tenant: TENANT.to_owned(),
                authority: authority.parse().unwrap(),
                scope: "https://graph.microsoft.com/.default".to_owned(),
                credentials: Credentials::ClientSecret {
                    client_id: "client".to_owned(),
                    client_secret: SecretString::from(SECRET),
                },
            },
            graph: GraphPlan {
                endpoint: endpoint.parse().unwrap(),
                version: ApiVersion::V1,
                concurrency: 4,
                deadline: Duration::from_secs(60),
                limits: LimitsPlan {
                    attendance: None,
                    calendar: None,
                    call_records: None,
                    call_records_list: None,
                    virtual_events: None,
                    directory: None,
                },
                jitter_seed: 7,
            },
            policy: ClientPolicy {
                retry: RetryPolicy {
                    throttled_tries: 6,
                    transient_tries: 4,
                    doubtful_tries: 3,
                    total: Duration::from_secs(30),
                    base: Duration::from_millis(2),
                    cap: Duration::from_millis(8),
                },
                transport: TransportPolicy {
                    connect: Duration::from_secs(5),
                    read: Duration::from_secs(5),
                    total: Duration::from_secs(10),
                    max_body_bytes: 64 * 1024,
                },
            },
            clock: || jiff::Timestamp::now().into(),
        }
    }

    pub(super) fn client(&self) -> GraphClient {
        GraphClient::with_policy(&self.auth, &self.graph, self.clock, self.policy).unwrap()
    }
}

impl Asked {
    pub(super) fn is_for_a_token(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        [
            "/oauth2/v2.0/token",
            "/oauth2/token",
            "/msi/token",
            "/devicecode",
        ]
        .iter()
        .any(|end| path.ends_with(end))
    }

    /// The token it carries.
    pub(super) fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Answers token requests with a new token each, and hands the others to the script.
pub(super) fn with_tokens(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        if asked.is_for_a_token() {
            token(&format!("{TOKEN}-{}", asked.number), 3599)
        } else {
            script(asked)
        }
    }
}

/// The replies in turn, the last for ever.
pub(super) fn in_turn(replies: Vec<Reply>) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let next = AtomicUsize::new(0);
    move |_| {
        let next = next.fetch_add(1, Ordering::SeqCst);
        replies[next.min(replies.len() - 1)].clone()
    }
}

pub(super) fn token(token: &str, expires_in: u32) -> Reply {
    Reply::ok(format!(
        r#"{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"{token}"}}"#
    ))
}

/// The error with all its causes, as it is rendered.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, "\n  {cause}").unwrap();
        source = cause.source();
    }
    text
}

/// Waits until something has happened elsewhere.
pub(super) async fn until(happened: impl Fn() -> bool + Send + Sync) {
    let wait = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap();
}
