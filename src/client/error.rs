//! The errors of the API client.

use crate::api::Problem;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There was no answer: the daemon is not running or listens elsewhere, a time-out, or a lost connection. The
    /// request may have been carried out nevertheless.
    #[error("the daemon cannot be reached: {0}")]
    Unreachable(String),
    /// The daemon refused the request.
    #[error("{}", detail_of(.0))]
    Problem(Box<Problem>),
    /// The answer is not receiptd's, or was cut short.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// The export arrived but could not be written locally.
    #[error("cannot write the export: {0}")]
    Write(#[source] std::io::Error),
}

impl ClientError {
    /// The problem, if the daemon reported one with this status.
    pub fn problem(&self, status: u16) -> Option<&Problem> {
        match self {
            Self::Problem(problem) if problem.status == status => Some(problem),
            _ => None,
        }
    }

    /// Whether a restart of the daemon may be the reason.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unreadable(_)) || self.problem(503).is_some()
    }

    /// Whether the daemon answered 404.
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
