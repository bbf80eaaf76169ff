//! The settings, each in its type. `deploy/receiptd.toml` explains the keys, their defaults and their meaning.

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

/// The effective configuration. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The SQLite file.
    pub database: PathBuf,
    /// The address under which the provider reaches the public listener. Only the daemon needs it, see
    /// [`super::DaemonConfig`].
    pub public_url: Option<HttpUrl>,
    /// How long a shutdown waits for work in progress; zero: not at all.
    pub shutdown_timeout: Duration,
    /// The public listener.
    pub callback: Callback,
    /// The private listener.
    pub api: Api,
    /// The provider.
    pub provider: Provider,
    /// When to ask for missing receipts.
    pub reconcile: Reconcile,
    /// How long data is kept.
    pub retention: Retention,
    /// The bounds of the quarantine.
    pub quarantine: Quarantine,
    /// The log.
    pub log: Log,
}

/// `[callback]`: the public listener, which serves only callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The largest accepted body, at least 1 KiB.
    pub max_body: ByteSize,
    /// The largest number of concurrent connections, at least 10.
    pub max_connections: usize,
}

/// `[api]`: the private listener with REST API, dashboard and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The address to listen on, where commands also look for the daemon; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The file with the bearer token.
    pub token_file: PathBuf,
    /// Whether `listen` may be something other than a loopback address.
    pub allow_remote: bool,
}

/// `[provider]`: how batches are submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The provider's address, without `/batch`.
    pub base_url: HttpUrl,
    /// Where the API key is. Only the daemon needs it, see [`super::DaemonConfig`].
    pub key: KeySource,
    /// Which field names are sent.
    pub wire_names: WireNames,
    /// The time limit of one call, longer than zero.
    pub timeout: Duration,
    /// The number of batches submitted concurrently, 1 to 64.
    pub concurrency: usize,
    /// Destinations submitted per second; `None`: no limit.
    pub rate: Option<NonZeroU32>,
    /// The largest number of destinations in a batch, 1 to 50,000.
    pub max_destinations: usize,
    /// The region in which a number with a leading 0 is read; None: such numbers are refused.
    pub default_region: Option<phonenumber::country::Id>,
}

/// Where the provider's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// It is not set.
    Unset,
    /// The key itself.
    Value(Secret),
    /// In this file, on its own. Only the daemon reads it, at its start: the users of other commands may not be allowed
    /// to.
    File(PathBuf),
}

/// `[reconcile]`: when to ask for missing receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    /// How long a batch must be silent before the provider is asked, longer than zero.
    pub after: Duration,
    /// How long after the submission (or `send_at`) pending destinations expire, longer than zero.
    pub deadline: Duration,
}

/// `[retention]`: how long data is kept; `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Prune batches that were settled longer ago than this.
    pub receipts: Option<Duration>,
    /// Delete message texts and raw bodies of batches that were settled longer ago than this; `None`: keep them as long
    /// as the batch.
    pub messages: Option<Duration>,
}

/// `[quarantine]`: its bounds, both at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The largest number of quarantined callbacks.
    pub max_count: u64,
    /// The largest total size of their bodies in bytes.
    pub max_bytes: ByteSize,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The log level, unless `RUST_LOG` overrides it.
    pub level: LevelFilter,
    /// The value of `RUST_LOG`, if it is set.
    pub rust_log: Option<String>,
    /// The format of a log line.
    pub format: LogFormat,
}

impl Log {
    /// The filter for the logger: `RUST_LOG`, or else the level.
    pub fn filter(&self) -> String {
        let level = || self.level.as_str().to_ascii_lowercase();
        self.rust_log.clone().unwrap_or_else(level)
    }
}

/// Which names the fields of a submission have. The provider's documentation shows two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireNames {
    /// Both names, side by side.
    Both,
    /// The names in its table.
    Table,
    /// The names in its example.
    Example,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A value that is not one of the words that the key accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the accepted words")]
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
