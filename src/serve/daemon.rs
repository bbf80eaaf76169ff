//! The daemon: bound, started, and stopped.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Once, RwLock};

use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, rt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::sync::watch;

use super::manager::Manager;
use super::stop::stop_servers;
use super::workers::{keep_codes, probe, reconcile, retain, submit, sweep};
use crate::clock::Clock;
use crate::config::{DaemonConfig, WireNames};
use crate::domain::{CallbackSecrets, NumberReader};
use crate::http::{ApiState, BodyBudget, Connections, Feed, PublicState, head, listener, logged, private_routes, public_routes};
use crate::metrics::Metrics;
use crate::probe::{Prober, Probes, PublicUrl};
use crate::provider::{self, Provider, Standing};
use crate::reconcile::{Deadline, Patience, Reconciler};
use crate::retention::Terms;
use crate::secret::{Echo, Secret};
use crate::store::{AtOpening, OpenError, QuarantineBounds, Store, StoreSettings};
use crate::submit::{Intake, Submitter};

/// Connections of the private listener: a thousand followers of the live stream, and those who ask.
const API_CONNECTIONS: usize = 1_250;
/// Bytes of callbacks that are more than one receipt and are being read or written at a time: 15,000 receipts in arrays.
const CALLBACK_ROOM: usize = 4 << 20;
/// The same for the API: 20 batches of 50,000 numbers.
const API_ROOM: usize = 8 << 20;
/// Bytes that the kernel takes of a connection before they are read.
const RECEIVE_BUFFER: usize = 16 << 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
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
    #[error("api.token_file {path}: {source}")]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The provider's address.
    #[error("provider.base_url {0}")]
    Provider(#[from] provider::BadBaseUrl),
    /// It was deleted or replaced while the daemon ran.
    #[error("the WAL of the database was taken away under the daemon; what was acknowledged is in the database: start receiptd again")]
    WalTakenAway,
    /// The servers.
    #[error("the listeners cannot be started: {0}")]
    Start(#[from] io::Error),
}

/// Sockets that are open already; the others are opened by the configuration.
#[derive(Default)]
pub struct Listeners {
    /// For callbacks.
    pub public: Option<TcpListener>,
    /// For the REST API.
    pub private: Option<TcpListener>,
}

/// A daemon that has its addresses, its database and its token, and does not serve yet.
pub struct Bound {
    config: DaemonConfig,
    clock: Clock,
    metrics: Arc<Metrics>,
    public: TcpListener,
    private: TcpListener,
    store: Store,
    token: Secret,
    secrets: Arc<RwLock<CallbackSecrets>>,
    found: AtOpening,
    manager: Manager,
}

/// Opens sockets, database and token file.
///
/// # Errors
/// See [`ServeError`]: each says what to mend.
pub fn bind(config: DaemonConfig, clock: Clock, listeners: Listeners) -> Result<Bound, ServeError> {
    raise_file_limit();
    let public = open("callback.listen", config.config.callback.listen, listeners.public)?;
    let private = open("api.listen", config.config.api.listen, listeners.private)?;
    for listener in [&public, &private] {
        SockRef::from(listener).set_recv_buffer_size(RECEIVE_BUFFER)?; // connections inherit it
    }
    let token_file = &config.config.api.token_file;
    let token = read_or_make_token(token_file).map_err(|source| ServeError::Token { path: token_file.clone(), source })?;
    let settings = StoreSettings {
        path: config.config.database.clone(),
        quarantine: QuarantineBounds {
            max_count: config.config.quarantine.max_count,
            max_bytes: config.config.quarantine.max_bytes.as_u64(),
        },
    };
    Provider::new(provider_settings(&config))?;
    let metrics = Arc::new(Metrics::default());
    let (store, found) = Store::open(&settings, &clock, metrics.clone())?;
    let secrets =
        store.callback_secrets().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the identity file holds no secret"))?;
    Ok(Bound {
        config,
        clock,
        metrics,
        public,
        private,
        store,
        token,
        secrets: Arc::new(RwLock::new(secrets)),
        found,
        manager: Manager::default(),
    })
}

impl Bound {
    /// Where callbacks are taken.
    ///
    /// # Errors
    /// When the socket cannot tell.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where the REST API is served.
    ///
    /// # Errors
    /// When the socket cannot tell.
    pub fn private_address(&self) -> io::Result<SocketAddr> {
        self.private.local_addr()
    }

    /// Has the service manager told how the daemon is.
    #[must_use]
    pub fn reporting_to(self, manager: Manager) -> Self {
        Self { manager, ..self }
    }

    /// The token of the REST API.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The store, for tests that look behind the scenes.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Serves until `shutdown` completes; then takes nothing more, answers and commits what was taken, and lets
    /// the submissions under way finish, all within `shutdown_timeout`. Must run on an actix system.
    ///
    /// # Errors
    /// When the servers cannot be started.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        self.announce();
        let (public_address, private_address) = (self.public_address()?, self.private_address()?);
        let Self { config, clock, metrics, public, private, store, token, secrets, manager, .. } = self;
        let patience = config.config.shutdown_timeout;
        let (stop, stopping) = watch::channel(false);
        let standing = Standing::default();
        let reported_standing = standing.clone();
        let callbacks = config.public_url.join("callbacks");
        let probes = Probes::default();
        let public_url = PublicUrl::default();
        let missed = Arc::new(AtomicU64::new(0));

        let (probed_callbacks, probed_secrets, probed) = (callbacks.clone(), secrets.clone(), probes.clone());
        let public_connections = Connections::new(config.config.callback.max_connections, Clock::system()).with_metrics(metrics.clone());
        let public_state = Data::new(PublicState {
            store: store.clone(),
            metrics: metrics.clone(),
            prefix: config.public_url.prefix().to_owned(),
            secrets: secrets.clone(),
            max_body: config.config.callback.max_body.as_u64(),
            budget: BodyBudget::new(CALLBACK_ROOM.max(usize::try_from(config.config.callback.max_body.as_u64()).unwrap_or(usize::MAX))),
            echo: Echo::of([config.key.clone(), token.clone()]),
            probes: probes.clone(),
            missed: missed.clone(),
        });
        let public = listener::serve(
            public,
            public_connections.clone(),
            std::thread::available_parallelism().map_or(2, usize::from),
            patience,
            true,
            move || App::new().app_data(public_state.clone()).configure(public_routes),
        )?;

        let private_connections = Connections::new(API_CONNECTIONS, Clock::system());
        let budget = BodyBudget::new(API_ROOM);
        let feed = Feed::new(stopping.clone());
        let following = Arc::new(Once::new());
        let for_api = config.clone();
        let deadline = Arc::new(Deadline::new(clock.clone(), config.config.reconcile.deadline));
        let api_deadline = deadline.clone();
        let (api_metrics, api_public_url) = (metrics.clone(), public_url.clone());
        let (api_store, api_clock, api_standing, api_callbacks) = (store.clone(), clock.clone(), standing.clone(), callbacks.clone());
        let private = listener::serve(private, private_connections.clone(), 2, patience, false, move || {
            give_way();
            following.call_once(|| drop(rt::spawn(feed.clone().follow(api_store.clone()))));
            let state = ApiState {
                store: api_store.clone(),
                clock: api_clock.clone(),
                intake: Intake {
                    max_destinations: for_api.config.provider.max_destinations,
                    numbers: NumberReader::new(for_api.config.provider.default_region),
                },
                standing: api_standing.clone(),
                provider: checked_provider(&for_api).with_metrics(api_metrics.clone()),
                metrics: api_metrics.clone(),
                public_url: api_public_url.clone(),
                prober: Prober::new(api_callbacks.clone(), secrets.clone(), probes.clone()),
                after: for_api.config.reconcile.after,
                deadline: api_deadline.clone(),
                max_body: for_api.config.callback.max_body.as_u64(),
                feed: feed.clone(),
                budget: budget.clone(),
                token: token.clone(),
                secrets: secrets.clone(),
            };
            App::new().app_data(Data::new(state)).wrap(from_fn(head)).wrap(from_fn(logged)).configure(private_routes)
        })?;
        let handles = [public.handle(), private.handle()];
        let mut servers = vec![rt::spawn(public), rt::spawn(private)];

        let provider = Rc::new(Provider::new(provider_settings(&config))?.with_metrics(metrics.clone()));
        let rate = config.config.provider.rate.map(std::num::NonZeroU32::get);
        let submitter = Rc::new(Submitter::new(store.clone(), provider.clone(), clock.clone(), callbacks, rate, standing.clone()));
        let mut submitting: Vec<rt::task::JoinHandle<()>> = (0..config.config.provider.concurrency)
            .map(|_| rt::spawn(submit(submitter.clone(), store.clone(), stopping.clone())))
            .collect();
        let patience_with_silence = Patience { after: config.config.reconcile.after, deadline: config.config.reconcile.deadline };
        let reconciler = Reconciler::new(store.clone(), provider.clone(), clock.clone(), patience_with_silence, missed)
            .with_deadline(deadline)
            .reporting_to(standing);
        let reconciling = rt::spawn(reconcile(reconciler));
        let terms = Terms { receipts: config.config.retention.receipts, messages: config.config.retention.messages };
        let probing = rt::spawn(probe(Prober::new(probed_callbacks, probed_secrets, probed), public_url));
        let retaining = rt::spawn(retain(store.clone(), provider.clone(), clock.clone(), terms));
        let codes = rt::spawn(keep_codes(store.clone(), provider, clock));
        let connections = [public_connections, private_connections];
        let sweeper = rt::spawn(sweep(connections.clone()));
        for handle in &handles {
            handle.resume().await; // answered by a server that runs
        }
        manager.ready();
        let telling = rt::spawn(manager.keep_told(store.clone(), reported_standing, public_address, private_address));

        let must_start_anew = tokio::select! {
            () = shutdown => false,
            () = store.ended() => true,
        };
        log::info!("stopping: nothing more is taken, what was taken is finished");
        manager.stopping(patience);
        telling.abort();
        stop.send_replace(true);
        let finished = async {
            stop_servers(&handles, &connections).await;
            for task in servers.drain(..) {
                let _ = task.await; // a server that failed has said so itself
            }
            for task in submitting.drain(..) {
                let _ = task.await;
            }
        };
        if tokio::time::timeout(patience, finished).await.is_err() {
            log::warn!("not everything was finished in shutdown_timeout; a batch that was being submitted will be unconfirmed");
            futures_util::future::join_all(handles.iter().map(|handle| handle.stop(false))).await;
        }
        codes.abort();
        probing.abort();
        retaining.abort();
        reconciling.abort();
        sweeper.abort();
        let closing = store.clone();
        if rt::task::spawn_blocking(move || closing.close()).await.is_err() {
            log::error!("closing the database failed");
        }
        log::info!("stopped");
        if must_start_anew { Err(ServeError::WalTakenAway) } else { Ok(()) }
    }

    fn announce(&self) {
        let AtOpening { created, interrupted, held, secrets_lost } = &self.found;
        let path = self.store.path().display();
        if *created {
            log::info!("made a new database, {path}");
        }
        if *secrets_lost {
            log::error!(
                "{path}.identity was missing: callback URLs given out before lead nowhere now. Restore it from a backup, or ask the provider with `receiptd reconcile`"
            );
        }
        if let Some((held, why)) = held {
            log::warn!(
                "{path} may be an older copy ({why}): {held} queued batches are held as unconfirmed and will not be submitted by themselves. Batches that were accepted after the copy was made are unknown to it: whoever repeats their ids sends them again"
            );
        }
        if *interrupted > 0 {
            log::warn!(
                "{interrupted} batches were being submitted when the last run ended: they are unconfirmed, or submitted where a receipt came"
            );
        }
        if let (Ok(public), Ok(private)) = (self.public_address(), self.private_address()) {
            log::info!("receiptd {} takes callbacks on {public} and serves its API on {private}", env!("CARGO_PKG_VERSION"));
        }
    }
}

/// Lets this thread, and those that it starts, work when receipts leave the time: an export and a thousand followers of the
/// live stream must not cost the provider its answer.
fn give_way() {
    // On Linux this is a property of the thread, and 19 the least that there is.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        log::debug!("the API works as urgently as receipts are taken: {error}");
    }
}

fn provider_settings(config: &DaemonConfig) -> provider::Settings {
    provider::Settings {
        base_url: config.config.provider.base_url.as_str().to_owned(),
        key: config.key.clone(),
        timeout: config.config.provider.timeout,
        wire_names: match config.config.provider.wire_names {
            WireNames::Both => provider::WireNames::Both,
            WireNames::Table => provider::WireNames::Table,
            WireNames::Example => provider::WireNames::Example,
        },
    }
}

#[expect(clippy::expect_used, reason = "bind made one of the same settings already, and would have refused them")]
fn checked_provider(config: &DaemonConfig) -> Provider {
    Provider::new(provider_settings(config)).expect("checked by bind")
}

fn open(key: &'static str, address: SocketAddr, given: Option<TcpListener>) -> Result<TcpListener, ServeError> {
    if let Some(listener) = given {
        return Ok(listener);
    }
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|source| ServeError::Listen { key, address, source })
}

/// The token of the API: 256 random bits, made on first start for the owner's eyes only.
fn read_or_make_token(path: &Path) -> io::Result<Secret> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(io::Error::new(io::ErrorKind::InvalidData, "is empty; delete it, and a new one is made")),
        Ok(text) => Ok(Secret::from(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut random = [0u8; 32];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let token = URL_SAFE_NO_PAD.encode(random);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
                let text =
                    format!("is not there and cannot be made ({error}): write a long random word into it, and let the daemon read it");
                io::Error::new(error.kind(), text)
            })?;
            writeln!(file, "{token}")?;
            file.sync_all()?;
            Ok(Secret::from(token))
        }
        Err(error) => Err(error),
    }
}

/// Each connection takes two descriptors: as many as we may have.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(65_536).min(65_536);
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
    {
        log::debug!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}
