use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Origin;

/// Why the configuration cannot be used. All of these are for the user to fix (exit code 2), and none shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file is missing or cannot be read.
    #[error("the configuration file {}{} cannot be read: {source}", path.display(), named(*named_by))]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// What named this file (`--config` or a variable), if anything did.
        named_by: Option<&'static str>,
        /// The system's error.
        source: io::Error,
    },
    /// The configuration file is not valid TOML. The line itself is not shown: it may contain a secret.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// The parser's message.
        message: String,
    },
    /// There is no working folder to resolve relative paths against.
    #[error("cannot determine the working folder: {0}")]
    WorkingFolder(#[source] io::Error),
    /// One of our environment variables is not valid UTF-8.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// The wrong keys and values, at least one.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
}

/// A mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key (`provider.rate`) or section, as it was written.
    pub key: String,
    /// Where it was written; [`Origin::Default`] if nowhere.
    pub origin: Origin,
    /// The complete message for the user, with key and place.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn named(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(" (named by {by})"))
}

fn listed(problems: &[Problem]) -> String {
    if let [only] = problems {
        return only.text.clone();
    }
    let mut list = format!("the configuration has {} mistakes:", problems.len());
    for problem in problems {
        list.push_str("\n- ");
        list.push_str(&problem.text);
    }
    list
}
