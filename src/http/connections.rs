//! Cutting clients that are slow or idle, so that they cannot keep honest ones out.
//!
//! actix-web times the first head of a connection only (pitfalls.md, "actix-web"). One registry covers
//! the rest: each connection notes when a request of it was completed and when something of an answer was
//! taken, and a sweeper shuts those where neither happened for a while. When connections run short, the one
//! that was idle longest goes.

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
use crate::lock::lock;
use crate::metrics::{Failed, Metrics};

/// A kept-alive connection without a finished request for so long is cut; one that takes an answer is not idle.
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

/// One connection.
pub struct Connection {
    /// A second handle of the socket: shutting it down wakes the one who serves it.
    socket: Socket,
    /// Milliseconds since the start at which it was opened, a request of it was completed, or some of an answer was taken.
    finished_at: AtomicU64,
    /// Requests that are being answered.
    busy: AtomicU32,
}

/// Takes the connection out of the registry when it ends.
struct Entry {
    registry: Arc<Registry>,
    id: u64,
    connection: Arc<Connection>,
}

/// Notes what is taken of an answer: an export may take its reader longer than any connection may be idle.
pub struct Taking(Arc<Connection>, Arc<Registry>);

/// While it lives, its connection is not idle.
pub struct Busy(Arc<Connection>, Arc<Registry>);

impl Connections {
    /// For a listener that holds `most` connections.
    pub fn new(most: usize, clock: Clock) -> Self {
        Self(
            Arc::new(Registry { most, clock, open: Mutex::default(), next: AtomicU64::new(0), last_answers: AtomicBool::new(false) }),
            None,
        )
    }

    /// Counts in `metrics` the connections that fail.
    #[must_use]
    pub fn counted_by(self, metrics: Arc<Metrics>) -> Self {
        Self(self.0, Some(metrics))
    }

    /// Notes that a connection failed. At `debug`: any stranger can send garbage to a public port.
    pub fn failed(&self, error: &DispatchError) {
        log::debug!("a connection failed: {error}");
        if let Some(metrics) = &self.1 {
            metrics.failed_connection(match error {
                DispatchError::Parse(ParseError::TooLarge) => Failed::TooLarge,
                DispatchError::Io(error) if error.kind() == io::ErrorKind::InvalidData => Failed::TooLarge, // listener::FirstHead
                DispatchError::Parse(ParseError::Timeout) | DispatchError::SlowRequestTimeout | DispatchError::DisconnectTimeout => {
                    Failed::Timeout
                }
                DispatchError::Parse(ParseError::Io(_)) | DispatchError::Io(_) => Failed::Lost,
                DispatchError::Parse(_) => Failed::Malformed,
                _ => Failed::Other,
            });
        }
    }

    /// Notes a new connection.
    pub fn opened(&self, stream: &TcpStream, extensions: &mut Extensions) -> Option<Taking> {
        let socket = SockRef::from(stream).try_clone().ok()?;
        let registry = &self.0;
        let connection = Arc::new(Connection { socket, finished_at: AtomicU64::new(registry.elapsed()), busy: AtomicU32::new(0) });
        let mut open = registry.open();
        if open.len() >= registry.most {
            match open.values().filter(|other| other.is_idle()).min_by_key(|other| other.finished_at.load(Ordering::Relaxed)) {
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

    /// Marks the connection of a request as busy until the value is dropped.
    pub fn busy(request: &HttpRequest) -> Option<Busy> {
        let entry = request.conn_data::<Entry>()?;
        entry.connection.busy.fetch_add(1, Ordering::Relaxed);
        Some(Busy(entry.connection.clone(), entry.registry.clone()))
    }

    /// Cuts what has been idle for too long. Returns how many that were.
    pub fn sweep(&self, idle: Duration) -> usize {
        let limit = self.0.elapsed().saturating_sub(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        let open = self.0.open();
        let stale = open.values().filter(|connection| connection.is_idle() && connection.finished_at.load(Ordering::Relaxed) < limit);
        stale.map(|connection| connection.cut()).count()
    }

    /// From now on each answer ends its connection: its sender opens another one, elsewhere, and loses nothing.
    pub fn answer_for_the_last_time(&self) {
        self.0.last_answers.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer of a connection is its last.
    pub fn are_ending(&self) -> bool {
        self.0.last_answers.load(Ordering::Relaxed)
    }

    /// How many are open.
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
        let _ = self.socket.shutdown(std::net::Shutdown::Both); // closed already: then it is as wished
    }
}

impl Taking {
    /// Something was taken just now.
    pub fn note(&self) {
        self.0.finished_at.store(self.1.elapsed(), Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open().remove(&self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finished_at.store(self.1.elapsed(), Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
