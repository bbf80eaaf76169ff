//! A server that gives scripted answers byte by byte, for faults that even a misbehaving HTTP server cannot produce:
//! closing before a request is read, answering before its body arrives, bytes that drip.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::lock::lock;

/// The reaction to one request; the first two apply to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawStep {
    /// Closes the next connection without reading from it.
    CloseAtOnce,
    /// Resets the next connection without reading from it.
    ResetAtOnce,
    /// Reads the request, writes the bytes, and keeps the connection open for the next request.
    Answer(Vec<u8>),
    /// Reads the request, writes the bytes, and closes.
    AnswerThenClose(Vec<u8>),
    /// Reads only the head of the request, writes the bytes, and then reads and ignores the rest.
    AnswerEarly(Vec<u8>),
    /// Reads the request and closes.
    ReadThenClose,
    /// Reads the request and resets the connection.
    ReadThenReset,
    /// Reads the request and never answers.
    Hang,
    /// Reads the request, writes the bytes one at a time with this pause before each, and closes.
    Drip {
        /// The bytes to write.
        bytes: Vec<u8>,
        /// The pause before each byte.
        every: Duration,
    },
}

impl RawStep {
    /// A complete answer with this status and JSON body, which keeps the connection open.
    pub fn json(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::Answer(
            format!("HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes(),
        )
    }
}

/// A request that the server read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// The request line and the headers, with the value of `key=` masked.
    pub head: String,
    /// The body; empty if the step did not read it.
    pub body: Vec<u8>,
}

/// A running scripted server. Once its steps are used up, it closes every connection at once. Dropping it stops it and
/// closes its connections.
pub struct RawServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Shared {
    steps: Mutex<VecDeque<RawStep>>,
    requests: watch::Sender<Vec<RawRequest>>,
}

impl RawServer {
    /// Starts a server on a free port of 127.0.0.1, on its own thread.
    pub fn start(steps: impl IntoIterator<Item = RawStep>) -> io::Result<Self> {
        let listener = StdListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { steps: Mutex::new(steps.into_iter().collect()), ..Shared::default() });
        let stop = watch::Sender::new(false);
        let (served, mut stopped) = (Arc::clone(&shared), stop.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("raw-server".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => {}
                    _ = accept(listener, served) => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as an `http://` URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a step at the end.
    pub fn push(&self, step: RawStep) {
        lock(&self.shared.steps).push_back(step);
    }

    /// The requests received so far.
    pub fn requests(&self) -> Vec<RawRequest> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until this many requests have been received. Set a time limit in the caller.
    pub async fn until_requests(&self, number: usize) -> Vec<RawRequest> {
        let mut requests = self.shared.requests.subscribe();
        requests.wait_for(|requests| requests.len() >= number).await.map_or_else(|_| self.requests(), |requests| requests.clone())
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept(listener: StdListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let at_once = {
            let mut steps = lock(&shared.steps);
            match steps.front() {
                None => Some(RawStep::CloseAtOnce),
                Some(RawStep::CloseAtOnce | RawStep::ResetAtOnce) => steps.pop_front(),
                Some(_) => None,
            }
        };
        match at_once {
            Some(RawStep::ResetAtOnce) => reset(stream),
            Some(_) => drop(stream),
            // An error means that the client went away.
            None => drop(tokio::spawn(converse(stream, Arc::clone(&shared)))),
        }
    }
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut pending).await? else {
            return Ok(());
        };
        let step = lock(&shared.steps).pop_front().unwrap_or(RawStep::CloseAtOnce);
        if let RawStep::AnswerEarly(bytes) = &step {
            shared.note(&head, Vec::new());
            stream.write_all(bytes).await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        let length = content_length(&head);
        while pending.len() < length {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        }
        let rest = pending.split_off(length);
        shared.note(&head, std::mem::replace(&mut pending, rest));
        match step {
            RawStep::Answer(bytes) => stream.write_all(&bytes).await?,
            RawStep::AnswerThenClose(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            RawStep::Hang => std::future::pending().await,
            RawStep::Drip { bytes, every } => {
                for byte in bytes {
                    tokio::time::sleep(every).await;
                    stream.write_all(&[byte]).await?;
                }
                return stream.shutdown().await;
            }
            RawStep::ReadThenReset | RawStep::ResetAtOnce => {
                reset(stream);
                return Ok(());
            }
            RawStep::ReadThenClose | RawStep::CloseAtOnce | RawStep::AnswerEarly(_) => {
                return Ok(());
            }
        }
    }
}

impl Shared {
    fn note(&self, head: &str, body: Vec<u8>) {
        let head = masked(head);
        self.requests.send_modify(|requests| requests.push(RawRequest { head, body }));
    }
}

/// Closing with a linger time of zero resets the connection.
fn reset(stream: TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// The next head, up to the empty line; `None` if the client closes. What follows the head stays in `pending`.
async fn read_head(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = pending.split_off(end + 4);
            let head = std::mem::replace(pending, rest);
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if stream.read_buf(pending).await? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn masked(head: &str) -> String {
    let Some(start) = head.find("key=").map(|at| at + 4) else {
        return head.into();
    };
    let end = head[start..].find(['&', ' ', '\r']).map_or(head.len(), |length| start + length);
    format!("{}***{}", &head[..start], &head[end..])
}
