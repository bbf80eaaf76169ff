//! The servers of both listeners. They are stopped so that every client that has connected gets its answer.

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Once};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::rt::task::JoinHandle;
use actix_web::web::Data;
use actix_web::{App, rt};

use super::shared::Shared;
use crate::clock::Clock;
use crate::domain::NumberReader;
use crate::http::{ApiState, BodyBudget, Connections, Feed, IDLE, PublicState, head, listener, logged, private_routes, public_routes};
use crate::secret::Echo;
use crate::submit::Intake;

/// The connections of the private listener: a thousand followers of the live stream, and other requests.
const API_CONNECTIONS: usize = 1_250;
/// The number of threads of the private listener.
const API_WORKERS: usize = 2;
/// The bytes of callbacks larger than a single receipt that may be in progress at a time: 15,000 receipts in arrays.
const CALLBACK_BUDGET: usize = 4 << 20;
/// The corresponding limit of the API: 20 batches of 50,000 numbers.
const API_BUDGET: usize = 8 << 20;
/// The interval of checking for idle connections.
const SWEEP: Duration = Duration::from_secs(1);
/// How long it takes until an accepted connection has reached a worker and sent its request, or counts as idle.
const SETTLED: Duration = Duration::from_millis(100);

/// The public and the private server, in this order.
pub(super) struct Servers {
    handles: [ServerHandle; 2],
    connections: [Connections; 2],
    running: Vec<JoinHandle<io::Result<()>>>,
    sweeping: JoinHandle<()>,
}

impl Servers {
    /// Starts both servers.
    pub fn start(shared: &Arc<Shared>, public: TcpListener, private: TcpListener) -> io::Result<Self> {
        let most = shared.config.config.callback.max_connections;
        let connections = [
            Connections::new(most, Clock::system()).with_metrics(shared.metrics.clone()),
            Connections::new(API_CONNECTIONS, Clock::system()),
        ];
        let servers = [serve_callbacks(shared, public, connections[0].clone())?, serve_api(shared, private, connections[1].clone())?];
        Ok(Self {
            handles: servers.each_ref().map(Server::handle),
            sweeping: rt::spawn(sweep(connections.clone())),
            connections,
            running: servers.into_iter().map(rt::spawn).collect(),
        })
    }

    /// Returns once both servers run.
    pub async fn running(&self) {
        for handle in &self.handles {
            handle.resume().await; // answered only by a running server
        }
    }

    /// Stops accepting, gives each connection its last answer, closes idle connections, and returns once none is left.
    ///
    /// Clients that connect later wait in the socket: if the service manager holds it, they wait for the next daemon.
    pub async fn stop(&mut self) {
        // Not stopped at once: connections on their way to a worker would be dropped without an answer.
        for handle in &self.handles {
            handle.pause().await;
        }
        self.connections.iter().for_each(Connections::answer_for_the_last_time);
        loop {
            tokio::time::sleep(SETTLED).await;
            for open in &self.connections {
                open.sweep(SETTLED);
            }
            if self.connections.iter().all(|open| open.count() == 0) {
                break;
            }
        }
        futures_util::future::join_all(self.handles.iter().map(|handle| handle.stop(true))).await;
        for server in self.running.drain(..) {
            let _ = server.await; // a failure has been logged
        }
    }

    /// Stops at once, even if clients wait for an answer.
    pub async fn cut(&self) {
        futures_util::future::join_all(self.handles.iter().map(|handle| handle.stop(false))).await;
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.sweeping.abort();
    }
}

/// Keeps closing connections that have been idle for too long.
async fn sweep(connections: [Connections; 2]) {
    loop {
        tokio::time::sleep(SWEEP).await;
        for open in &connections {
            open.sweep(IDLE);
        }
    }
}

fn serve_callbacks(shared: &Shared, socket: TcpListener, connections: Connections) -> io::Result<Server> {
    let settings = &shared.config.config;
    let max_body = settings.callback.max_body.as_u64();
    let state = Data::new(PublicState {
        store: shared.store.clone(),
        metrics: shared.metrics.clone(),
        prefix: shared.config.public_url.prefix().to_owned(),
        secrets: shared.secrets.clone(),
        max_body,
        budget: BodyBudget::new(CALLBACK_BUDGET.max(usize::try_from(max_body).unwrap_or(usize::MAX))),
        echo: Echo::of([shared.config.key.clone(), shared.token.clone()]),
        probes: shared.probes.clone(),
        missed: shared.missed.clone(),
    });
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    listener::serve(socket, connections, workers, settings.shutdown_timeout, true, move || {
        App::new().app_data(state.clone()).configure(public_routes)
    })
}

fn serve_api(shared: &Arc<Shared>, socket: TcpListener, connections: Connections) -> io::Result<Server> {
    let patience = shared.config.config.shutdown_timeout;
    let (shared, budget, feed) = (shared.clone(), BodyBudget::new(API_BUDGET), Feed::new(shared.stopping.subscribe()));
    let following = Arc::new(Once::new());
    listener::serve(socket, connections, API_WORKERS, patience, false, move || {
        give_way();
        following.call_once(|| drop(rt::spawn(feed.clone().follow(shared.store.clone()))));
        let state = Data::new(api_state(&shared, budget.clone(), feed.clone()));
        App::new().app_data(state).wrap(from_fn(head)).wrap(from_fn(logged)).configure(private_routes)
    })
}

/// The state for the handlers of one thread.
fn api_state(shared: &Shared, budget: BodyBudget, feed: Feed) -> ApiState {
    let settings = &shared.config.config;
    ApiState {
        store: shared.store.clone(),
        clock: shared.clock.clone(),
        intake: Intake {
            max_destinations: settings.provider.max_destinations,
            numbers: NumberReader::new(settings.provider.default_region),
        },
        standing: shared.standing.clone(),
        provider: shared.provider(),
        metrics: shared.metrics.clone(),
        prober: shared.prober(),
        public_url: shared.public_url.clone(),
        after: settings.reconcile.after,
        deadline: shared.deadline.clone(),
        max_body: settings.callback.max_body.as_u64(),
        feed,
        budget,
        token: shared.token.clone(),
        secrets: shared.secrets.clone(),
    }
}

/// Gives this thread, and the threads that it starts, the lowest priority: an export or a thousand followers of the
/// live stream must not delay the answers to the provider.
fn give_way() {
    // On Linux, this is a property of the thread, and 19 is the lowest priority.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        log::debug!("cannot lower the priority of the API: {error}");
    }
}
