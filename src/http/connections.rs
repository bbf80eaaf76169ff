//! Closing slow or idle connections, so that they cannot keep honest clients out.
//!
//! actix-web limits only the time for the first head of a connection. One registry covers the rest: each connection
//! records when a request was completed, when a piece of a body arrived, and when the client read a piece of an answer.
//! A sweeper closes connections on which none of this happened for a while.
//!
//! When connections run short, the batch that holds the most of them loses the one that has been idle longest. So
//! anyone who knows one callback URL cannot keep out those who report on other batches. Connections without a valid
//! request so far count as one batch.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_http::error::{DispatchError, ParseError};
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{SockRef, Socket};

use crate::clock::Clock;
use crate::domain::BatchId;
use crate::lock::lock;
use crate::metrics::{Failed, Metrics};

/// How long a kept-alive connection may stay idle. A connection that is reading an answer is not idle.
pub const IDLE: Duration = Duration::from_secs(60);

/// The open connections of a listener.
#[derive(Clone)]
pub struct Connections(Arc<Registry>, Option<Arc<Metrics>>);

struct Registry {
    most: usize,
    clock: Clock,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    last_answers: AtomicBool,
}

/// An open connection.
pub struct Connection {
    /// A second handle of the socket: shutting it down wakes the task that serves the connection.
    socket: Socket,
    /// When it was opened or last active, in milliseconds since the start.
    active_at: AtomicU64,
    /// The number of requests being answered. A request whose body is still awaited does not count.
    busy: AtomicU32,
    /// Identifies the batch of its last valid request; 0 if there was none.
    batch: AtomicU64,
}

/// Removes the connection from the registry when it ends.
struct Entry {
    registry: Arc<Registry>,
    id: u64,
    connection: Arc<Connection>,
}

/// Records that the client reads an answer: reading an export may take longer than a connection may be idle.
pub struct Taking(Arc<Connection>, Arc<Registry>);

/// The connection of a request.
pub struct Current(Arc<Connection>, Arc<Registry>);

/// Keeps its connection from being idle while it exists.
pub struct Busy(Current);

impl Connections {
    /// A registry for a listener with at most `most` connections.
    pub fn new(most: usize, clock: Clock) -> Self {
        Self(
            Arc::new(Registry { most, clock, open: Mutex::default(), next: AtomicU64::new(0), last_answers: AtomicBool::new(false) }),
            None,
        )
    }

    /// Counts failed connections in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>) -> Self {
        Self(self.0, Some(metrics))
    }

    /// Records a failed connection. It is logged at `debug`, because any stranger can send garbage to a public port.
    pub fn failed(&self, error: &DispatchError) {
        log::debug!("a connection failed: {error}");
        if let Some(metrics) = &self.1 {
            metrics.failed_connection(match error {
                DispatchError::Parse(ParseError::TooLarge) => Failed::TooLarge,
                DispatchError::Io(error) if error.kind() == io::ErrorKind::InvalidData => Failed::TooLarge, // sipping::FirstHead
                DispatchError::Parse(ParseError::Timeout) | DispatchError::SlowRequestTimeout | DispatchError::DisconnectTimeout => {
                    Failed::Timeout
                }
                DispatchError::Parse(ParseError::Io(_)) | DispatchError::Io(_) => Failed::Lost,
                DispatchError::Parse(_) => Failed::Malformed,
                _ => Failed::Other,
            });
        }
    }

    /// Registers a new connection.
    pub fn opened(&self, stream: &TcpStream, extensions: &mut Extensions) -> Option<Taking> {
        let socket = SockRef::from(stream).try_clone().ok()?;
        let registry = &self.0;
        let connection = Arc::new(Connection {
            socket,
            active_at: AtomicU64::new(registry.elapsed()),
            busy: AtomicU32::new(0),
            batch: AtomicU64::new(0),
        });
        let mut open = registry.open();
        if open.len() >= registry.most {
            match next_to_go(&open).and_then(|id| open.remove(&id)) {
                Some(idle) => idle.cut(),
                None => connection.cut(),
            }
        }
        let id = registry.next.fetch_add(1, Ordering::Relaxed);
        open.insert(id, connection.clone());
        drop(open);
        let taking = Taking(connection.clone(), registry.clone());
        extensions.insert(Entry { registry: registry.clone(), id, connection });
        Some(taking)
    }

    /// The connection of a request.
    pub fn of(request: &HttpRequest) -> Option<Current> {
        let entry = request.conn_data::<Entry>()?;
        Some(Current(entry.connection.clone(), entry.registry.clone()))
    }

    /// Marks the connection of a request as busy until the value is dropped.
    pub fn busy(request: &HttpRequest) -> Option<Busy> {
        Self::of(request).map(Current::busy)
    }

    /// Closes the connections that have been idle for longer than `idle`. Returns their number.
    pub fn sweep(&self, idle: Duration) -> usize {
        let limit = self.0.elapsed().saturating_sub(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        let open = self.0.open();
        let stale = open.values().filter(|connection| connection.is_idle() && connection.active_at.load(Ordering::Relaxed) < limit);
        stale.map(|connection| connection.cut()).count()
    }

    /// From now on, each answer closes its connection. The client opens another one elsewhere and loses nothing.
    pub fn answer_for_the_last_time(&self) {
        self.0.last_answers.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer on a connection closes it.
    pub fn are_ending(&self) -> bool {
        self.0.last_answers.load(Ordering::Relaxed)
    }

    /// The number of open connections.
    pub fn count(&self) -> usize {
        self.0.open().len()
    }
}

impl Registry {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        lock(&self.open)
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    fn cut(&self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both); // fails if it is closed already
    }
}

/// The connection to close in order to make room; `None` if all are busy.
fn next_to_go(open: &HashMap<u64, Arc<Connection>>) -> Option<u64> {
    let mut held = HashMap::<u64, usize>::new();
    for connection in open.values() {
        *held.entry(connection.batch.load(Ordering::Relaxed)).or_default() += 1;
    }
    let most = held.into_iter().max_by_key(|(batch, count)| (*count, *batch == 0)).map(|(batch, _)| batch);
    let idle = open.iter().filter(|(_, connection)| connection.is_idle());
    let order = |(id, connection): &(&u64, &Arc<Connection>)| {
        let is_of_most = most == Some(connection.batch.load(Ordering::Relaxed));
        (!is_of_most, connection.active_at.load(Ordering::Relaxed), **id)
    };
    idle.min_by_key(order).map(|(id, _)| *id)
}

impl Current {
    /// Records that a valid request for a batch has started.
    pub fn is_for(&self, batch: BatchId) {
        let (start, end) = batch.as_uuid().as_u64_pair();
        self.0.batch.store((start ^ end).max(1), Ordering::Relaxed);
        self.note();
    }

    /// Records activity on the connection.
    pub fn note(&self) {
        self.0.active_at.store(self.1.elapsed(), Ordering::Relaxed);
    }

    /// Marks the connection as busy until the value is dropped.
    pub fn busy(self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }
}

impl Taking {
    /// Records that the client has read something.
    pub fn note(&self) {
        self.0.active_at.store(self.1.elapsed(), Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open().remove(&self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
