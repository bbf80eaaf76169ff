//! `serve`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Session, logging};
use crate::clock::Clock;
use crate::serve::{self as daemon, Listeners, Manager, ServeError};

/// `receiptd serve`. Each flag wins over file and environment.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// SQLite file
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// URL where the provider reaches the public listener
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Address of the public listener, which takes only callbacks
    #[arg(long, value_name = "ADDRESS")]
    callback_listen: Option<SocketAddr>,
    /// Address of the private listener: REST API, dashboard, metrics
    #[arg(long, value_name = "ADDRESS")]
    api_listen: Option<SocketAddr>,
}

impl ServeArgs {
    /// The flags as keys and values of the configuration.
    fn overrides(&self) -> Vec<(String, String)> {
        [
            ("database", self.database.as_ref().map(|file| file.display().to_string())),
            ("public_url", self.public_url.clone()),
            ("callback.listen", self.callback_listen.map(|address| address.to_string())),
            ("api.listen", self.api_listen.map(|address| address.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }
}

/// `receiptd serve`
pub async fn run(session: &Session, args: ServeArgs) -> Result<(), Failure> {
    let config = session.load_with(args.overrides())?.for_daemon()?;
    logging::start(&config.config.log);
    let manager = Manager::of_this_process();
    manager.status("opening the database; after an upgrade it is copied first");
    let listeners = Listeners::inherited(&config)?;
    let bound = daemon::bind(config, Clock::system(), listeners)?.reporting_to(manager);
    bound.run(asked_to_stop()?).await?;
    Ok(())
}

/// Completes on SIGTERM or SIGINT.
pub(super) fn asked_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Failed(format!("cannot listen for signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            // To be fixed by the person who started it.
            ServeError::Listen { .. }
            | ServeError::Inherited { .. }
            | ServeError::Open(_)
            | ServeError::Token(_)
            | ServeError::Provider(_) => Self::Usage(error.to_string()),
            ServeError::Start(_) | ServeError::WalTakenAway => Self::Failed(error.to_string()),
        }
    }
}
