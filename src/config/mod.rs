//! The configuration: built-in defaults, then the file, then the environment, then flags, with
//! the origin of each value.
//!
//! [`Config::load`] reads and merges what [`Sources`] holds and names every mistake at once.
//! Commands that only talk to the daemon stop there; the daemon goes on with
//! [`Loaded::for_daemon`], which also wants what it can't run without.

mod daemon;
mod error;
mod http_url;
mod keys;
mod load;
mod origin;
mod reader;
mod settings;
mod sources;

pub use daemon::DaemonConfig;
pub use error::{ConfigError, Problem};
pub use http_url::{HttpUrl, NotAnHttpUrl};
pub use load::{DEFAULT_FILE, Loaded};
pub use origin::{Entry, Origin};
pub use settings::{Api, Callback, Config, KeySource, Log, LogFormat, Provider, Quarantine, Reconcile, Retention, UnknownWord, WireNames};
pub use sources::{FILE_NAME, Sources};
