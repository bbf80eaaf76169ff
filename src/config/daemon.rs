//! The configuration that only the daemon needs.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::keys::{SECRET_KEY, variable};
use super::{Config, ConfigError, HttpUrl, KeySource, Loaded, Origin, Problem};
use crate::domain::is_invisible;
use crate::secret::Secret;

/// The longest key in bytes. It prevents reading a device or a log file, named by mistake, to its end.
const LONGEST_KEY: u64 = 4096;

/// A complete configuration for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConfig {
    /// The address under which the provider reaches the public listener.
    pub public_url: HttpUrl,
    /// The provider's API key.
    pub key: Secret,
    /// All other settings.
    pub config: Config,
}

impl Loaded {
    /// Checks what only the daemon needs, and reads the provider's key.
    ///
    /// # Errors
    /// All missing or conflicting settings at once, each with what to write where.
    pub fn for_daemon(&self) -> Result<DaemonConfig, ConfigError> {
        let mut problems = Vec::new();
        let mut note = |key: &str, text: String| {
            problems.push(Problem { key: key.to_owned(), origin: self.origin(key), text });
        };
        let config = &self.config;
        if config.public_url.is_none() {
            note("public_url", self.public_url_missing());
        }
        let listen = config.api.listen;
        if !config.api.allow_remote && !listen.ip().to_canonical().is_loopback() {
            note("api.listen", self.not_loopback(listen));
        }
        if collide(config.callback.listen, listen) {
            let text = format!(
                "callback.listen ({}) and api.listen ({listen}) cannot share port {}: the public \
                 listener serves callbacks and nothing else",
                config.callback.listen,
                listen.port()
            );
            note("api.listen", text);
        }
        let key = self.key();
        if let Err(text) = &key {
            note(SECRET_KEY, text.clone());
        }
        match (config.public_url.clone(), key) {
            (Some(public_url), Ok(key)) if problems.is_empty() => Ok(DaemonConfig { public_url, key, config: config.clone() }),
            _ => Err(ConfigError::Invalid(problems)),
        }
    }

    fn origin(&self, key: &str) -> Origin {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or(Origin::Default, |entry| entry.origin.clone())
    }

    fn public_url_missing(&self) -> String {
        format!(
            "public_url is not set. Write `public_url = \"https://…\"` into {}, above the first \
             [section], or set {}. It is the address at which the provider reaches \
             callback.listen ({})",
            self.file.display(),
            variable("public_url"),
            self.config.callback.listen
        )
    }

    fn not_loopback(&self, listen: SocketAddr) -> String {
        format!(
            "api.listen is {listen} {}, which is not a loopback address: other machines \
             could reach the API, the dashboard and the metrics, and the token would cross the \
             network unencrypted. Keep it on 127.0.0.1, or write `allow_remote = true` under \
             [api] in {} (or set {}) if that is what you want",
            self.origin("api.listen").place(),
            self.file.display(),
            variable("api.allow_remote")
        )
    }

    fn key(&self) -> Result<Secret, String> {
        let (key, place) = match &self.config.provider.key {
            KeySource::Value(key) => (key.clone(), self.origin(SECRET_KEY).to_string()),
            KeySource::File(path) => {
                let key = read_key(path).map_err(|why| format!("the provider's key cannot be read from {}: {why}", path.display()))?;
                (key, path.display().to_string())
            }
            KeySource::Unset => {
                return Err(format!(
                    "the provider's API key is not set. Put it, and nothing else, into a file (mode 0600) and \
                     write `key_file = \"provider.key\"` under [provider] in {}, or set {}. The key is \
                     never taken from the command line",
                    self.file.display(),
                    variable(SECRET_KEY)
                ));
            }
        };
        let key = alone(key.expose());
        if key.is_empty() {
            return Err(format!("the provider's key in {place} is empty"));
        }
        if key.contains(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
            return Err(format!(
                "the provider's key in {place} contains a space, a line break, a control character or an \
                 invisible one: the file or variable must hold nothing but the key"
            ));
        }
        Ok(Secret::from(key))
    }
}

/// A key without what editors and shells leave around it: blanks, a byte order mark and other invisible characters, quotes.
fn alone(text: &str) -> &str {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let within = |(open, close): (char, char)| text.strip_prefix(open)?.strip_suffix(close);
    QUOTES.into_iter().find_map(within).map_or(text, alone)
}

fn read_key(path: &Path) -> Result<Secret, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut bounded = file.take(LONGEST_KEY + 1);
    bounded.read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST_KEY {
        return Err(format!("longer than {LONGEST_KEY} bytes"));
    }
    Ok(Secret::from(text))
}

/// Whether the two listeners would need the same port.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let (here, there): (IpAddr, IpAddr) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && one.port() != 0 && (here == there || here.is_unspecified() || there.is_unspecified())
}
