//! Merging file, environment and flags into one figment, and noting unknown keys.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::keys::{KEYS, SECRET_KEY, is_key, is_section, key_of_variable, nearest_key, nearest_section, nearest_variable, variable};
use super::{ConfigError, Origin, Problem};

/// The configuration file that is read from the working folder if none is named.
pub const FILE_NAME: &str = "receiptd.toml";

/// The configuration file that is read if the working folder has none; the package installs it.
const SYSTEM_FILE: &str = "/etc/receiptd/receiptd.toml";

/// Names the configuration file if `--config` does not.
const FILE_VARIABLE: &str = "RECEIPTD_CONFIG";
const LOG_VARIABLE: &str = "RUST_LOG";
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// All inputs of the configuration, passed in so that tests need no process of their own.
///
/// Only the variables `RECEIPTD_…`, `RUST_LOG` and `CREDENTIALS_DIRECTORY` are read. An empty or blank variable counts
/// as not set.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file named by `--config`; it must exist.
    pub file: Option<PathBuf>,
    /// The environment, as names and values.
    pub env: Vec<(String, String)>,
    /// The flags, as keys (`provider.rate`) and values. The last value of a key wins.
    pub overrides: Vec<(String, String)>,
    /// The working folder, as an absolute path.
    pub cwd: PathBuf,
    /// The configuration file of the machine. It is read, if it exists, when no file is named and the working folder
    /// has none.
    pub system_file: Option<PathBuf>,
}

impl Sources {
    /// The sources of this process, with the flags given.
    pub fn from_process(config_flag: Option<PathBuf>, overrides: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with("RECEIPTD_") || [LOG_VARIABLE, CREDENTIALS_VARIABLE].contains(&name.as_str());
            ours.then(|| match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(ConfigError::NotText(name)),
            })
        };
        Ok(Self {
            file: config_flag,
            env: env::vars_os().filter_map(text).collect::<Result<_, _>>()?,
            overrides,
            cwd: env::current_dir().map_err(ConfigError::WorkingFolder)?,
            system_file: Some(SYSTEM_FILE.into()),
        })
    }

    /// The value of `RUST_LOG`, if it is set.
    pub(super) fn rust_log(&self) -> Option<&str> {
        self.variable(LOG_VARIABLE)
    }

    /// The key file passed by systemd (`LoadCredential=provider.key:…`).
    pub(super) fn credential(&self) -> Option<PathBuf> {
        let file = Path::new(self.variable(CREDENTIALS_VARIABLE)?).join(SECRET_KEY);
        file.is_file().then_some(file)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.env.iter().rev().find(|(known, _)| known == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// The configuration file and what named it; if nothing did, the file may be missing.
    fn file(&self) -> (PathBuf, Option<&'static str>) {
        let (file, named_by) = match (&self.file, self.variable(FILE_VARIABLE)) {
            (Some(file), _) => (file.as_path(), Some("--config")),
            (None, Some(file)) => (Path::new(file), Some(FILE_VARIABLE)),
            (None, None) => (Path::new(FILE_NAME), None),
        };
        let here = self.cwd.join(file);
        match &self.system_file {
            Some(system) if named_by.is_none() && !here.exists() && system.exists() => (system.clone(), None),
            _ => (here, named_by),
        }
    }

    /// Merges all sources; later ones override earlier ones.
    pub(super) fn merge(&self) -> Result<Merged, ConfigError> {
        let (file, named_by) = self.file();
        let mut merged = Merged::new(file);
        for (key, default) in KEYS {
            if let Some(default) = default {
                merged.add(key, Value::from(*default), &Origin::Default);
            }
        }
        if let Some(text) = read(&merged.file, named_by)? {
            let content = parse(&merged.file, &text)?;
            merged.file_found = true;
            let origin = Origin::File(merged.file.clone());
            merged.add_table("", content, &origin);
        }
        for (name, value) in &self.env {
            merged.add_variable(name, value.trim());
        }
        for (key, value) in &self.overrides {
            merged.add_flag(key, value);
        }
        Ok(merged)
    }
}

/// Shows only names: one of the values is the key.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| -> Vec<String> { pairs.iter().map(|(name, _)| name.clone()).collect() };
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("env", &names(&self.env))
            .field("overrides", &names(&self.overrides))
            .field("cwd", &self.cwd)
            .finish()
    }
}

/// The merged sources, and the mistakes in keys.
pub(super) struct Merged {
    /// Only known keys, each value with its origin in the metadata.
    pub(super) figment: Figment,
    /// The configuration file, or where it would be.
    pub(super) file: PathBuf,
    /// Whether the file exists.
    pub(super) file_found: bool,
    /// The unknown or forbidden keys.
    pub(super) problems: Vec<Problem>,
}

impl Merged {
    fn new(file: PathBuf) -> Self {
        Self { figment: Figment::new(), file, file_found: false, problems: Vec::new() }
    }

    fn add(&mut self, key: &str, value: Value, origin: &Origin) {
        let layer = Layer { key, value, origin };
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    fn refuse(&mut self, key: &str, origin: Origin, text: String) {
        let key = key.to_owned();
        self.problems.push(Problem { key, origin, text });
    }

    /// Adds the whole file, or one of its sections.
    fn add_table(&mut self, section: &str, table: Dict, origin: &Origin) {
        for (name, value) in table {
            let key = match section {
                "" => name,
                section => format!("{section}.{name}"),
            };
            match value {
                Value::Dict(_, table) if section.is_empty() && is_section(&key) => {
                    self.add_table(&key, table, origin);
                }
                Value::Dict(..) | Value::Array(..) if is_key(&key) => {
                    let text = format!("{key} {} must be a single value", origin.place());
                    self.refuse(&key, origin.clone(), text);
                }
                _ if key == SECRET_KEY => {
                    let text = format!(
                        "{key} {} is refused: configuration files get shared and committed. \
                         Put the key into a file of its own (mode 0600) and name that file with \
                         `key_file = \"provider.key\"`, or set {}. If this file has left your \
                         hands, ask the provider for a new key",
                        origin.place(),
                        variable(&key)
                    );
                    self.refuse(&key, origin.clone(), text);
                }
                value if is_key(&key) => self.add(&key, value, origin),
                value => {
                    let text = unknown(&key, matches!(value, Value::Dict(..)), origin);
                    self.refuse(&key, origin.clone(), text);
                }
            }
        }
    }

    fn add_variable(&mut self, name: &str, value: &str) {
        let origin = Origin::Variable(name.to_owned());
        if let Some(key) = key_of_variable(name) {
            if !value.is_empty() {
                self.add(key, Value::from(value), &origin);
            }
        } else if name.starts_with("RECEIPTD_") && name != FILE_VARIABLE && !is_service_link(name, value) {
            let nearest = nearest_variable(name);
            let text = format!(
                "the environment variable {name} is unknown; the nearest is {nearest} \
                 (two underscores between section and key)"
            );
            self.refuse(name, origin, text);
        }
    }

    fn add_flag(&mut self, key: &str, value: &str) {
        if key == SECRET_KEY {
            let text = format!(
                "{key} cannot be given on the command line, where every user of this machine can \
                 read it. Put the key into a file and name that file with provider.key_file, or set {}",
                variable(key)
            );
            self.refuse(key, Origin::Flag, text);
        } else if is_key(key) {
            self.add(key, Value::from(value.trim()), &Origin::Flag);
        } else {
            self.refuse(key, Origin::Flag, unknown(key, false, &Origin::Flag));
        }
    }
}

fn unknown(key: &str, is_table: bool, origin: &Origin) -> String {
    let place = origin.place();
    if is_section(key) {
        let key_in_it = nearest_key(&format!("{key}."));
        return format!("{key} {place} is a section; write its keys like {key_in_it}");
    }
    if is_table && !key.contains('.') {
        let nearest = nearest_section(key);
        return format!("unknown section [{key}] {place}; the nearest is [{nearest}]");
    }
    format!("unknown key {key} {place}; the nearest is {}", nearest_key(key))
}

/// Kubernetes adds the addresses of services to the environment of every pod, and those of a service named `receiptd`
/// or `receiptd-api` look like ours: `RECEIPTD_SERVICE_HOST`, `RECEIPTD_SERVICE_PORT_HTTP`,
/// `RECEIPTD_PORT_8080_TCP_ADDR`, `RECEIPTD_API_PORT=tcp://…`.
fn is_service_link(name: &str, value: &str) -> bool {
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let kind = name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split("_PORT_").skip(1).any(digits);
    kind && !name.contains("__")
}

/// Reads the file; `None` if it does not exist and was not named.
fn read(path: &Path, named_by: Option<&'static str>) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named_by.is_none() => Ok(None),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), named_by, source }),
    }
}

/// Parses the file. The parser's own message would quote the line, which may contain a secret, so only its position and
/// the reason are used.
fn parse(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    Toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default();
        ConfigError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: column.chars().count() + 1,
            message: error.message().replace('\n', ", "),
        }
    })
}

/// One value for figment, with its origin.
struct Layer<'a> {
    key: &'a str,
    value: Value,
    origin: &'a Origin,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        self.origin.into()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}
