//! Why the daemon does not start, or ended.

use std::io;
use std::net::SocketAddr;

use crate::provider::BadBaseUrl;
use crate::store::OpenError;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("{key} = \"{address}\": {source}. Set {key} to another address, or stop what listens there: another receiptd?")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A socket that this process was started with.
    #[error("socket {number} of those given by the service manager (LISTEN_FDS) {what}")]
    Inherited {
        /// Which of them.
        number: usize,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The token file.
    #[error("{0}")]
    Token(String),
    /// The provider's address.
    #[error("provider.base_url {0}")]
    Provider(#[from] BadBaseUrl),
    /// It was deleted or replaced while the daemon ran.
    #[error("the WAL of the database was taken away under the daemon; what was acknowledged is in the database: start receiptd again")]
    WalTakenAway,
    /// The servers.
    #[error("the listeners cannot be started: {0}")]
    Start(#[from] io::Error),
}
