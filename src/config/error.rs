use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Origin;

/// Why there is no configuration. All of them are for the user to put right (exit code 2), none
/// of them shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file is not there, or can't be read.
    #[error("the configuration file {}{} can't be read: {source}", path.display(), named(*named_by))]
    Read {
        /// The file.
        path: PathBuf,
        /// Who says that it is this file: `--config`, a variable, or nobody.
        named_by: Option<&'static str>,
        /// What the system answered.
        source: io::Error,
    },
    /// The configuration file is no TOML. The line itself isn't shown, it may hold a secret.
    #[error("{}, line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// There is no working folder that relative paths could count from.
    #[error("the working folder can't be told: {0}")]
    WorkingFolder(#[source] io::Error),
    /// A variable of ours holds bytes that are no text.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// All that is wrong with keys and values, at least one.
    #[error("{}", listed(.0))]
    Invalid(Vec<Problem>),
}

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key (`provider.rate`) or section, as it was written.
    pub key: String,
    /// Where it was written; [`Origin::Default`] when it was not.
    pub origin: Origin,
    /// The whole story for the user, key and place included.
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
