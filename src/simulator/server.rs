//! The simulator as a server: bound first, so that its address is known, then run.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web::Data};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{Handle, Settings, courier, job::Job, ledger::Ledger, line, routes};

/// A simulator that has its address. Connections wait until it runs.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    ledger: Arc<Ledger>,
    jobs: Vec<UnboundedReceiver<Job>>,
}

impl Bound {
    /// Binds to an address, `127.0.0.1:0` for a free port.
    pub fn bind(settings: Settings, address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (senders, jobs) = (0..settings.couriers.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        Ok(Self { listener, address, ledger: Arc::new(Ledger::new(settings, senders)), jobs })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to set as the daemon's `provider.base_url`; no slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks into the simulator and steers it.
    pub fn handle(&self) -> Handle {
        Handle::new(self.address, Arc::clone(&self.ledger))
    }

    /// Runs in this task, until [`Handle::stop`]. The future can't move between threads: `actix_web::rt::spawn` it.
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
            // They end at once; a panic in one of them was reported where it happened.
            let _ = courier.join();
        }
        ended
    }

    /// Runs on a thread of its own, until [`Handle::stop`]; for callers whose own runtime may come and go.
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
