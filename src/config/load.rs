use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::Value as Json;

use super::keys::SECRET_KEY;
use super::reader::{LARGEST, Reader};
use super::sources::Sources;
use super::{Api, Callback, Config, ConfigError, Entry, KeySource, Log, Origin, Provider, Quarantine, Reconcile, Retention};
use crate::secret::{HIDDEN, Secret};

/// `deploy/receiptd.toml`: every key with its default and an explanation.
pub const DEFAULT_FILE: &str = include_str!("../../deploy/receiptd.toml");

/// A configuration and its sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    /// Each key's value for display, with its origin, in the order of the default file.
    pub entries: Vec<Entry>,
    /// The configuration file, or where it would be.
    pub file: PathBuf,
    /// Whether the file exists.
    pub file_found: bool,
}

impl Config {
    /// Reads and merges the defaults, the file, the environment and the flags, in this order of precedence.
    ///
    /// # Errors
    /// If the file cannot be read; otherwise all mistakes in keys and values at once. What only the daemon needs may be
    /// missing, see [`Loaded::for_daemon`].
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let merged = sources.merge()?;
        let mut reader = Reader::new(&merged);
        let config = config(&mut reader, sources);
        let Reader { entries, problems, .. } = reader;
        let all_problems = [merged.problems, problems].concat();
        match config {
            Some(config) if all_problems.is_empty() => Ok(Loaded { config, entries, file: merged.file, file_found: merged.file_found }),
            _ => Err(ConfigError::Invalid(all_problems)),
        }
    }
}

/// Reads every key before the first `?`, so that all mistakes are found in one go.
fn config(reader: &mut Reader<'_>, sources: &Sources) -> Option<Config> {
    let database = reader.path("database");
    let public_url = reader.optional_url("public_url");
    let shutdown_timeout = reader.duration_or_zero("shutdown_timeout");
    let callback = callback(reader);
    let api = api(reader);
    let provider = provider(reader, sources);
    let reconcile = reconcile(reader);
    let retention = retention(reader);
    let quarantine = quarantine(reader);
    let log = log(reader, sources);
    Some(Config {
        database: database?,
        public_url: public_url?,
        shutdown_timeout: shutdown_timeout?,
        callback: callback?,
        api: api?,
        provider: provider?,
        reconcile: reconcile?,
        retention: retention?,
        quarantine: quarantine?,
        log: log?,
    })
}

fn callback(reader: &mut Reader<'_>) -> Option<Callback> {
    let listen = reader.address("callback.listen");
    let max_body = reader.size("callback.max_body", ByteSize::kib(1));
    let max_connections = reader.number("callback.max_connections", 10..=1_000_000);
    Some(Callback { listen: listen?, max_body: max_body?, max_connections: max_connections? })
}

fn api(reader: &mut Reader<'_>) -> Option<Api> {
    let listen = reader.address("api.listen");
    let token_file = reader.path("api.token_file");
    let allow_remote = reader.switch("api.allow_remote");
    Some(Api { listen: listen?, token_file: token_file?, allow_remote: allow_remote? })
}

fn provider(reader: &mut Reader<'_>, sources: &Sources) -> Option<Provider> {
    let base_url = reader.url("provider.base_url");
    let key = key(reader, sources);
    let wire_names = reader.word("provider.wire_names", "\"both\", \"table\" or \"example\"");
    let timeout = reader.duration("provider.timeout");
    let concurrency = reader.number("provider.concurrency", 1..=64);
    let rate: Option<u32> = reader.number("provider.rate", 0..=u32::MAX.into());
    let max_destinations = reader.number("provider.max_destinations", 1..=50_000);
    let default_region = reader.region("provider.default_region");
    Some(Provider {
        base_url: base_url?,
        key: key?,
        wire_names: wire_names?,
        timeout: timeout?,
        concurrency: concurrency?,
        rate: NonZeroU32::new(rate?),
        max_destinations: max_destinations?,
        default_region: default_region?,
    })
}

/// The variable with the key overrides a key file, unless a flag names the file. A credential passed by systemd
/// replaces the key file of the configuration, which only root may be able to read.
fn key(reader: &mut Reader<'_>, sources: &Sources) -> Option<KeySource> {
    let file = reader.optional_path("provider.key_file");
    let by_flag = matches!(file, Some(Some((_, Origin::Flag))));
    let value = reader.hidden(SECRET_KEY).filter(|_| !by_flag);
    let credential = sources.credential().filter(|_| !by_flag);
    let (source, origin) = match (value, credential.or(file?.map(|(path, _)| path))) {
        (Some((text, origin)), _) => (KeySource::Value(Secret::from(text)), origin),
        (None, Some(path)) => (KeySource::File(path.clone()), Origin::File(path)),
        (None, None) => (KeySource::Unset, Origin::Default),
    };
    let shown = match source {
        KeySource::Unset => Json::Null,
        _ => Json::from(HIDDEN),
    };
    reader.show(SECRET_KEY, shown, origin);
    Some(source)
}

fn reconcile(reader: &mut Reader<'_>) -> Option<Reconcile> {
    let after = reader.duration("reconcile.after");
    let deadline = reader.duration("reconcile.deadline");
    Some(Reconcile { after: after?, deadline: deadline? })
}

fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let receipts = reader.duration_or_zero("retention.receipts");
    let messages = reader.duration_or_zero("retention.messages");
    let unless_zero = |duration: Duration| (!duration.is_zero()).then_some(duration);
    Some(Retention { receipts: unless_zero(receipts?), messages: unless_zero(messages?) })
}

fn quarantine(reader: &mut Reader<'_>) -> Option<Quarantine> {
    let max_count = reader.number("quarantine.max_count", 1..=LARGEST);
    let max_bytes = reader.size("quarantine.max_bytes", ByteSize::b(1));
    Some(Quarantine { max_count: max_count?, max_bytes: max_bytes? })
}

fn log(reader: &mut Reader<'_>, sources: &Sources) -> Option<Log> {
    let levels = "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
    let level = reader.word("log.level", levels);
    let rust_log = sources.rust_log().map(str::to_owned);
    if let (Some(filter), Some(entry)) = (&rust_log, reader.entries.last_mut())
        && entry.key == "log.level"
    {
        entry.value = Json::from(filter.as_str());
        entry.origin = Origin::Variable("RUST_LOG".to_owned());
    }
    let format = reader.word("log.format", "\"text\" or \"json\"");
    Some(Log { level: level?, rust_log, format: format? })
}
