//! The daemon: bound, started and stopped.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::rt;

use super::error::ServeError;
use super::listeners::{Listeners, listen, raise_file_limit};
use super::manager::Manager;
use super::servers::Servers;
use super::shared::{Shared, provider};
use super::token::read_or_make_token;
use super::workers::Workers;
use crate::clock::Clock;
use crate::config::DaemonConfig;
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::store::{AtOpening, QuarantineBounds, Store, StoreSettings};

/// A daemon with its sockets, database and token, which does not serve yet.
pub struct Bound {
    public: TcpListener,
    private: TcpListener,
    shared: Arc<Shared>,
    found: AtOpening,
    manager: Manager,
}

/// Opens the sockets, the database and the token file.
///
/// # Errors
/// A [`ServeError`], which says how to fix the problem.
pub fn bind(config: DaemonConfig, clock: Clock, listeners: Listeners) -> Result<Bound, ServeError> {
    raise_file_limit();
    let settings = &config.config;
    let public = listen("callback.listen", settings.callback.listen, listeners.public)?;
    let private = listen("api.listen", settings.api.listen, listeners.private)?;
    let token = read_or_make_token(&settings.api.token_file)?;
    provider(&config)?;
    let quarantine = QuarantineBounds { max_count: settings.quarantine.max_count, max_bytes: settings.quarantine.max_bytes.as_u64() };
    let store_settings = StoreSettings { path: settings.database.clone(), quarantine };
    let metrics = Arc::new(Metrics::default());
    let (store, found) = Store::open(&store_settings, &clock, metrics.clone())?;
    let secrets =
        store.callback_secrets().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the identity file contains no secret"))?;
    let shared = Arc::new(Shared::new(config, clock, metrics, store, token, secrets));
    Ok(Bound { public, private, shared, found, manager: Manager::default() })
}

impl Bound {
    /// The address for callbacks.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// The address of the REST API.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn private_address(&self) -> io::Result<SocketAddr> {
        self.private.local_addr()
    }

    /// Reports the daemon's condition to the service manager.
    #[must_use]
    pub fn reporting_to(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// The API token.
    pub fn token(&self) -> &Secret {
        &self.shared.token
    }

    /// The store, for tests.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Serves until `shutdown` completes. Then it accepts nothing more, answers and commits what it has accepted, and
    /// lets current submissions finish, all within `shutdown_timeout`. It must run on an actix system.
    ///
    /// # Errors
    /// If the servers cannot be started.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        self.announce();
        let (public_address, private_address) = (self.public_address()?, self.private_address()?);
        let Self { public, private, shared, manager, .. } = self;

        let mut servers = Servers::start(&shared, public, private)?;
        let mut workers = Workers::start(&shared);
        servers.running().await;
        log::info!("listening for callbacks on {public_address}, API on {private_address}");
        manager.ready();
        let reporting = rt::spawn(manager.keep_told(shared.store.clone(), shared.standing.clone(), public_address, private_address));

        let wal_taken_away = tokio::select! {
            () = shutdown => false,
            () = shared.store.ended() => true,
        };

        log::info!("stopping: no new requests; finishing those in progress");
        let patience = shared.config.config.shutdown_timeout;
        manager.stopping(patience);
        reporting.abort();
        shared.stopping.send_replace(true);
        let finished = async {
            servers.stop().await;
            workers.submitted().await;
        };
        if tokio::time::timeout(patience, finished).await.is_err() {
            log::warn!("not everything was finished in shutdown_timeout; a batch that was being submitted will be unconfirmed");
            servers.cut().await;
        }
        workers.stop();
        if rt::task::spawn_blocking(move || shared.store.close()).await.is_err() {
            log::error!("closing the database failed");
        }
        log::info!("stopped");
        if wal_taken_away { Err(ServeError::WalTakenAway) } else { Ok(()) }
    }

    fn announce(&self) {
        let AtOpening { created, interrupted, held, secrets_lost } = &self.found;
        let path = self.shared.store.path().display();
        if *created {
            log::info!("created a new database at {path}");
        }
        if *secrets_lost {
            log::error!(
                "{path}.identity was missing: earlier callback URLs are now refused. Restore it from a backup, or ask the provider with `receiptd reconcile`"
            );
        }
        if let Some((held, why)) = held {
            log::warn!(
                "{path} may be an older copy ({why}): {held} queued batches are held as unconfirmed and will not be submitted automatically. It does not know the batches accepted after the copy was made: repeating one of their ids sends that batch again"
            );
        }
        if *interrupted > 0 {
            log::warn!(
                "{interrupted} batches were being submitted when the last run ended: they are unconfirmed, or submitted if a receipt has arrived"
            );
        }
    }
}
