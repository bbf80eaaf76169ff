//! The simulator's server. It is bound first, so that its address is known before it runs.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web::Data};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{Handle, Settings, courier, job::Job, ledger::Ledger, line, routes};

/// A simulator that is bound but not running. Connections wait until it runs.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    ledger: Arc<Ledger>,
    jobs: Vec<UnboundedReceiver<Job>>,
}

impl Bound {
    /// Binds to an address; `127.0.0.1:0` picks a free port.
    pub fn bind(settings: Settings, address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (senders, jobs) = (0..settings.couriers.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        Ok(Self { listener, address, ledger: Arc::new(Ledger::new(settings, senders)), jobs })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for the daemon's `provider.base_url`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A handle to inspect and control the simulator.
    pub fn handle(&self) -> Handle {
        Handle::new(self.address, Arc::clone(&self.ledger))
    }

    /// Runs in this task until [`Handle::stop`]. The future is not `Send`: spawn it with `actix_web::rt::spawn`.
    pub async fn run(self) -> io::Result<()> {
        let mut stopped = self.ledger.stop.subscribe();
        let mut couriers = Vec::new();
        for (index, jobs) in self.jobs.into_iter().enumerate() {
            couriers.push(courier::start(Arc::clone(&self.ledger), index, jobs)?);
        }
        let ledger = Data::from(Arc::clone(&self.ledger));
        let server = HttpServer::new(move || App::new().app_data(ledger.clone()).configure(routes::configure))
            .workers(2)
            .on_connect(line::tap)
            .keep_alive(Duration::from_secs(75))
            .disable_signals()
            .listen(self.listener)?
            .run();
        let handle = server.handle();
        let ended = tokio::select! {
            ended = server => ended,
            _ = stopped.wait_for(|stop| *stop) => {
                handle.stop(false).await;
                Ok(())
            }
        };
        self.ledger.stop.send_replace(true);
        for courier in couriers {
            // The couriers end at once, and a panic has already been reported.
            let _ = courier.join();
        }
        ended
    }

    /// Runs on its own thread until [`Handle::stop`], for callers whose own runtime may end earlier.
    pub fn start(self) -> io::Result<Handle> {
        let handle = self.handle();
        thread::Builder::new().name("simulator".into()).spawn(move || {
            if let Err(error) = rt::System::new().block_on(self.run()) {
                log::error!("simulator: {error}");
            }
        })?;
        Ok(handle)
    }
}
