//! The ways in which a command can fail, and their exit codes.

use std::io;

use crate::client::ClientError;
use crate::config::ConfigError;

/// Why a command failed. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The operation failed.
    #[error("{0}")]
    Failed(String),
    /// Wrong usage or configuration, to be fixed before trying again.
    #[error("{0}")]
    Usage(String),
    /// A question was answered with no: nothing is wrong, and nothing was done.
    #[error("{0}")]
    Declined(String),
    /// Ctrl-C was pressed; the daemon continues its work.
    #[error("{0}")]
    Interrupted(String),
    /// The daemon cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The batch, group, number or callback does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The provider refused it.
    #[error("{0}")]
    Refused(String),
    /// The reader of our output has closed it, so there is nobody to report to.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The exit code. It is not 0 if the output could not be written completely.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Declined(_) | Self::OutputClosed => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::NotFound(_) => 4,
            Self::Refused(_) => 5,
            Self::Interrupted(_) => 130, // the shell's code for a process ended by SIGINT
        }
    }

    /// The same failure, followed by advice.
    #[must_use]
    pub fn with(self, advice: &str) -> Self {
        let told = |text: String| format!("{text}\n{advice}");
        match self {
            Self::Failed(text) => Self::Failed(told(text)),
            Self::Usage(text) => Self::Usage(told(text)),
            Self::Unreachable(text) => Self::Unreachable(told(text)),
            Self::NotFound(text) => Self::NotFound(told(text)),
            Self::Refused(text) => Self::Refused(told(text)),
            Self::Declined(_) | Self::Interrupted(_) | Self::OutputClosed => self,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Unreachable(_) => Self::Unreachable(format!("{text}\nIs `receiptd serve` running, with the same configuration?")),
            ClientError::Problem(problem) if problem.kind.ends_with("/provider-refused") => Self::Refused(text),
            ClientError::Problem(problem) => match problem.status {
                401 => {
                    Self::Usage(format!("{text}\nThe token file belongs to another daemon than the one at this address: check --config."))
                }
                400 | 403 | 405 | 413 | 415 | 422 => Self::Usage(text),
                // The answer has no problem in our format, so another program answered.
                404 if problem.kind == "about:blank" => {
                    Self::Unreachable(format!("{text}\nAnother program may be listening there: check api.listen."))
                }
                404 => Self::NotFound(text),
                _ => Self::Failed(text),
            },
            ClientError::Unreadable(_) => Self::Failed(text),
            ClientError::Write(error) => error.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// The only I/O errors without a text of their own are those of writing the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Problem;

    fn problem(status: u16) -> ClientError {
        ClientError::Problem(Box::new(Problem {
            kind: "/problems/some".into(),
            title: "No".into(),
            status,
            detail: "because".into(),
            errors: Vec::new(),
            batch: None,
        }))
    }

    #[test]
    fn every_failure_has_its_documented_exit_code() {
        let code = |failure: Failure| failure.exit_code();
        assert_eq!(code(problem(500).into()), 1);
        assert_eq!(code(problem(503).into()), 1);
        let somebody_elses = Problem {
            kind: "about:blank".into(),
            status: 404,
            title: "No".into(),
            detail: "what?".into(),
            errors: Vec::new(),
            batch: None,
        };
        assert_eq!(code(ClientError::Problem(Box::new(somebody_elses)).into()), 3);
        assert_eq!(code(problem(409).into()), 1);
        assert_eq!(code(ClientError::Unreadable("x".into()).into()), 1);
        assert_eq!(code(problem(400).into()), 2);
        assert_eq!(code(problem(401).into()), 2);
        assert_eq!(code(ConfigError::NotText("RECEIPTD_X".into()).into()), 2);
        assert_eq!(code(ClientError::Unreachable("x".into()).into()), 3);
        assert_eq!(code(problem(404).into()), 4);
        assert_eq!(code(problem(502).into()), 1);
        for status in [409, 502] {
            let ClientError::Problem(mut refused) = problem(status) else { unreachable!("a problem") };
            refused.kind = "tag:receiptd,2026:problem/provider-refused".into();
            assert_eq!(code(ClientError::Problem(refused).into()), 5);
        }
        assert_eq!(code(io::Error::from(io::ErrorKind::BrokenPipe).into()), 1);
        assert_eq!(code(ClientError::Write(io::ErrorKind::BrokenPipe.into()).into()), 1);
        assert_eq!(code(io::Error::from(io::ErrorKind::StorageFull).into()), 1);
    }

    #[test]
    fn advice_does_not_change_the_exit_code() {
        let failure = Failure::Refused("no".into()).with("do this");
        assert_eq!((failure.exit_code(), failure.to_string()), (5, "no\ndo this".to_owned()));
    }
}
