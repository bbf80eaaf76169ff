//! Why a call of the API failed.

use crate::api::Problem;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered: not running, another address, a time-out, the connection lost. What was
    /// asked for may have been done all the same.
    #[error("the daemon can't be reached: {0}")]
    Unreachable(String),
    /// The daemon said no.
    #[error("{}", detail_of(.0))]
    Problem(Box<Problem>),
    /// An answer that is not receiptd's, or was cut short.
    #[error("the answer can't be read: {0}")]
    Unreadable(String),
    /// An export came, and could not be written on this side.
    #[error("can't write the export: {0}")]
    Write(#[source] std::io::Error),
}

impl ClientError {
    /// The problem, if the daemon named one with this status.
    pub fn problem(&self, status: u16) -> Option<&Problem> {
        match self {
            Self::Problem(problem) if problem.status == status => Some(problem),
            _ => None,
        }
    }

    /// May it be because the daemon is being restarted?
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unreadable(_)) || self.problem(503).is_some()
    }

    /// Is it a 404?
    pub fn is_not_found(&self) -> bool {
        self.problem(404).is_some()
    }
}

fn detail_of(problem: &Problem) -> String {
    let mut text = if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() };
    for error in &problem.errors {
        text.push_str("\n- ");
        if !error.pointer.is_empty() {
            text.push_str(&error.pointer);
            text.push_str(": ");
        }
        text.push_str(&error.detail);
    }
    text
}
