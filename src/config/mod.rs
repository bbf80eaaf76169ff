//! The configuration: built-in defaults, then the file, then the environment, then flags, with the origin of each
//! value.
//!
//! [`Config::load`] reads and merges [`Sources`] and reports all mistakes at once. Commands that only talk to the
//! daemon need no more; the daemon then calls [`Loaded::for_daemon`], which also checks the settings that only the
//! daemon needs.

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
