//! What the configuration says, each value in its type. Keys, defaults and meaning are explained
//! in `deploy/receiptd.toml`.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use log::LevelFilter;

use super::HttpUrl;
use crate::secret::Secret;

/// The effective configuration. All paths are whole: they no longer count from anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The SQLite file.
    pub database: PathBuf,
    /// Under which address the provider reaches the public listener. The daemon needs it, see
    /// [`super::DaemonConfig`].
    pub public_url: Option<HttpUrl>,
    /// How long a shutdown waits for what is under way. Zero: not at all.
    pub shutdown_timeout: Duration,
    /// The public listener.
    pub callback: Callback,
    /// The private listener.
    pub api: Api,
    /// The provider.
    pub provider: Provider,
    /// Asking for receipts that did not come.
    pub reconcile: Reconcile,
    /// How long things are kept.
    pub retention: Retention,
    /// Callbacks that were authentic but not understood.
    pub quarantine: Quarantine,
    /// The log.
    pub log: Log,
}

/// `[callback]`: the public listener, callbacks and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The largest body taken, at least 1 KiB.
    pub max_body: ByteSize,
    /// The most connections at a time, at least 10.
    pub max_connections: usize,
}

/// `[api]`: the private listener with REST API, dashboard and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where it listens and where the commands look for it; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The file with the bearer token.
    pub token_file: PathBuf,
    /// May `listen` be other than a loopback address?
    pub allow_remote: bool,
}

/// `[provider]`: whom batches are handed to, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The provider's address, before `/batch`.
    pub base_url: HttpUrl,
    /// Where the API key is. Only the daemon needs it, see [`super::DaemonConfig`].
    pub key: KeySource,
    /// Which names of the fields go over the wire.
    pub wire_names: WireNames,
    /// How long one call may take, more than nothing.
    pub timeout: Duration,
    /// Batches handed over at a time, 1 to 64.
    pub concurrency: usize,
    /// Destinations a second handed over; None: no limit.
    pub rate: Option<NonZeroU32>,
    /// The most destinations in one batch, 1 to 50,000.
    pub max_destinations: usize,
    /// The region in which a number with a leading 0 is read; None: such numbers are refused.
    pub default_region: Option<phonenumber::country::Id>,
}

/// Where the provider's key is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Nowhere.
    Unset,
    /// Here it is.
    Value(Secret),
    /// In this file, alone. Read only when the daemon starts: who runs the other commands may
    /// not be allowed to.
    File(PathBuf),
}

/// `[reconcile]`: asking for receipts that did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    /// Silence on a batch before the provider is asked, more than nothing.
    pub after: Duration,
    /// From the submission (or `send_at`) until what is still pending expires, more than nothing.
    pub deadline: Duration,
}

/// `[retention]`: how long things are kept. None: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Batches settled longer ago than this are pruned.
    pub receipts: Option<Duration>,
    /// Message texts and raw bodies of batches settled longer ago than this are dropped; None:
    /// they stay as long as their batch.
    pub messages: Option<Duration>,
}

/// `[quarantine]`: its bounds, both at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The most callbacks in it.
    pub max_count: u64,
    /// The most bytes of bodies in it.
    pub max_bytes: ByteSize,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How much is logged, unless `RUST_LOG` says otherwise.
    pub level: LevelFilter,
    /// What `RUST_LOG` says, if it is set.
    pub rust_log: Option<String>,
    /// How a line looks.
    pub format: LogFormat,
}

impl Log {
    /// What the logger's filter is to be: `RUST_LOG`, else the level.
    pub fn filter(&self) -> String {
        let level = || self.level.as_str().to_ascii_lowercase();
        self.rust_log.clone().unwrap_or_else(level)
    }
}

/// Which names the fields of a submission bear. The provider's documentation shows two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireNames {
    /// Both kinds side by side.
    Both,
    /// Those of its table.
    Table,
    /// Those of its example.
    Example,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A word that is not among those a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the words that are known here")]
pub struct UnknownWord;

impl FromStr for WireNames {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "both" => Ok(Self::Both),
            "table" => Ok(Self::Table),
            "example" => Ok(Self::Example),
            _ => Err(UnknownWord),
        }
    }
}

impl fmt::Display for WireNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "both",
            Self::Table => "table",
            Self::Example => "example",
        })
    }
}

impl FromStr for LogFormat {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownWord),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}
