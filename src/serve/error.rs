//! Why the daemon did not start, or ended.

use std::io;
use std::net::SocketAddr;

use crate::provider::BadBaseUrl;
use crate::store::OpenError;

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be used.
    #[error("{key} = \"{address}\": {source}. Set {key} to another address, or stop what listens there: another receiptd?")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A socket passed by the service manager cannot be used.
    #[error("socket {number} of those given by the service manager (LISTEN_FDS) {what}")]
    Inherited {
        /// The number of the socket.
        number: usize,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The token file cannot be used.
    #[error("{0}")]
    Token(String),
    /// The provider's address is invalid.
    #[error("provider.base_url {0}")]
    Provider(#[from] BadBaseUrl),
    /// The WAL was deleted or replaced while the daemon ran.
    #[error(
        "the WAL of the database was deleted or replaced while the daemon ran. Everything acknowledged is in the database; start receiptd again"
    )]
    WalTakenAway,
    /// The servers cannot be started.
    #[error("the listeners cannot be started: {0}")]
    Start(#[from] io::Error),
}
