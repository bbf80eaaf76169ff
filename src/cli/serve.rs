//! `serve`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Session};

/// `receiptd serve`. Each flag wins over file and environment.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The SQLite file
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Where the provider reaches the public listener
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The public listener: callbacks and nothing else
    #[arg(long, value_name = "ADDRESS")]
    callback_listen: Option<SocketAddr>,
    /// The private listener: REST API, dashboard, metrics
    #[arg(long, value_name = "ADDRESS")]
    api_listen: Option<SocketAddr>,
}

impl ServeArgs {
    /// What the flags say, as key and value of the configuration.
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
    let _config = session.load_with(args.overrides())?.for_daemon()?;
    Err(Failure::Failed("serve is not wired yet".to_owned()))
}
