use std::fmt;
use std::path::PathBuf;

use figment::{Metadata, Source};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is the built-in default.
    Default,
    /// A file: the configuration file, or the one that holds the key.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag of the command.
    Flag,
}

impl Origin {
    /// The place in words: "in /etc/receiptd.toml", "in RECEIPTD_PUBLIC_URL", "on the command line".
    pub(super) fn place(&self) -> String {
        match self {
            Self::Default => "by default".to_owned(),
            Self::Flag => "on the command line".to_owned(),
            Self::File(_) | Self::Variable(_) => format!("in {self}"),
        }
    }
}

/// The name that figment stores for values from flags.
const FLAG: &str = "flag";

impl From<&Metadata> for Origin {
    fn from(metadata: &Metadata) -> Self {
        match &metadata.source {
            Some(Source::File(path)) => Self::File(path.clone()),
            Some(Source::Custom(variable)) => Self::Variable(variable.clone()),
            _ if metadata.name == FLAG => Self::Flag,
            _ => Self::Default,
        }
    }
}

impl From<&Origin> for Metadata {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Default => Self::named("default"),
            Origin::File(path) => Self::from("file", path.as_path()),
            Origin::Variable(name) => Self::from("variable", Source::Custom(name.clone())),
            Origin::Flag => Self::named(FLAG),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One effective value, ready for display.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The key with its section: `provider.rate`.
    pub key: &'static str,
    /// The value: paths absolute, secrets hidden, `null` if it is not set.
    pub value: Value,
    /// Where the value comes from.
    pub origin: Origin,
}

impl Entry {
    /// The value for people, without JSON's quotes.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "(not set)".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}
