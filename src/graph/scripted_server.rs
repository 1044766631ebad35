//! A server on loopback that answers as a test says: also cut short, stalled, with a wrong length, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What a request looked like.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// When it was read whole.
    pub(super) at: Instant,
    /// The target of the request line, byte for byte.
    pub(super) target: String,
    /// The head, with lower-case header names.
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
            length: None,
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
        let length = self.length.unwrap_or(self.body.len());
        let mut head = format!(
            "HTTP/1.1 {} Scripted\r\nconnection: close\r\ncontent-length: {length}\r\n",
            self.status
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
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
                    let answer = |mut request: Asked| {
                        let mut asked = asked.lock().unwrap();
                        request.number = asked.len();
                        let reply = script(&request);
                        asked.push(request);
                        most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
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

    /// Every request so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
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
