//! The results of calls. After a submission, the only question is whether it can be repeated without anyone receiving
//! the message twice.

use std::time::{Duration, SystemTime};

use awc::error::{ConnectError, SendRequestError};

use super::wire;
use crate::domain::{ErrorKind, Identifier};
use crate::tls;

/// A description of an error, limited in length and masked. It becomes the batch's `last_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A word for the kind of error, such as `refused`, `timeout` or `unauthorized`.
    pub kind: ErrorKind,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What the provider answered, or what happened.
    pub detail: String,
    /// How long the provider asks us to wait, from one second to one hour.
    pub retry_after: Option<Duration>,
}

/// The result of a `POST /batch` (docs/provider.md, "What an answer means").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmissionOutcome {
    /// The provider has the batch.
    Accepted {
        /// The provider's name for the batch: our id, if it accepted that.
        identifier: Identifier,
    },
    /// Provably not accepted: it may be sent again.
    NotTaken(Trouble),
    /// The key is wrong: the batch was not accepted, and no other batch will be.
    Unauthorized(Trouble),
    /// The account has no credit: the batch was not accepted, and no other batch will be until it has.
    NoCredit(Trouble),
    /// 400, 403, 404 or 405: either the batch is refused, or the key or the address is wrong. [`Provider::pending`]
    /// decides: if that is refused too, treat it as `Unauthorized`, otherwise as `Rejected`.
    ///
    /// [`Provider::pending`]: super::Provider::pending
    Questionable(Trouble),
    /// The provider refuses the batch: it must never be sent again.
    Rejected(Trouble),
    /// The provider may or may not have the batch: it must never be resubmitted automatically.
    Unconfirmed(Trouble),
}

/// Why a query or a cancellation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// 401 or 403, or a 400 that can mean nothing else: the key is wrong.
    #[error("the provider refuses the key ({})", .0.kind)]
    Unauthorized(Trouble),
    /// 404 or 405: the provider does not know the batch, or the address is wrong.
    #[error("the provider does not know it ({})", .0.kind)]
    NotFound(Trouble),
    /// The request did not leave this machine.
    #[error("the provider cannot be reached ({})", .0.kind)]
    Unreachable(Trouble),
    /// Anything else: what the provider did or knows is unclear. Try again later.
    #[error("no clear answer from the provider ({})", .0.kind)]
    Unclear(Trouble),
}

impl CallError {
    /// The description of the error.
    pub fn trouble(&self) -> &Trouble {
        match self {
            Self::Unauthorized(trouble) | Self::NotFound(trouble) | Self::Unreachable(trouble) | Self::Unclear(trouble) => trouble,
        }
    }

    /// For a request with nothing but the key in it: a 400 means that the key is refused.
    pub(super) fn of_the_key_alone(self) -> Self {
        match self {
            Self::Unclear(trouble) if trouble.status == Some(400) => Self::Unauthorized(trouble),
            other => other,
        }
    }
}

/// The provider's answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be sent.
    Yes,
    /// It can no longer be cancelled.
    No(Trouble),
}

/// A complete answer.
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The provider's time.
    pub date: Option<SystemTime>,
    pub body: Vec<u8>,
}

/// How a call ended at the HTTP level.
pub(super) enum Exchange {
    /// The request cannot have reached the provider.
    NotSent { kind: ErrorKind, detail: String },
    /// The request may have reached the provider, but there was no complete answer.
    Lost { kind: ErrorKind, status: Option<u16>, detail: Vec<u8> },
    /// A complete answer, whatever it says.
    Answered(Answer),
}

impl From<SendRequestError> for Exchange {
    /// Which errors prove that nothing was sent. `ConnectError::Disconnected` is NOT one of them: it also occurs if a
    /// provider read the whole request and then closed the connection. A failed TLS handshake is an `Io` error and a
    /// slow one a `Timeout`; the request is written only after the handshake, because early data is disabled. A name
    /// with several addresses is an error only if all of them failed.
    fn from(error: SendRequestError) -> Self {
        let detail = tls::words(&error);
        match error {
            SendRequestError::Connect(ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved) => {
                Self::NotSent { kind: ErrorKind::Dns, detail }
            }
            SendRequestError::Connect(ConnectError::Timeout) => Self::NotSent { kind: ErrorKind::ConnectTimeout, detail },
            SendRequestError::Connect(ConnectError::SslIsNotSupported) => Self::NotSent { kind: ErrorKind::Tls, detail },
            SendRequestError::Connect(ConnectError::Io(error)) => {
                let tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
                Self::NotSent { kind: if tls { ErrorKind::Tls } else { ErrorKind::Connect }, detail }
            }
            SendRequestError::Timeout => Self::lost(ErrorKind::Timeout, None, detail),
            SendRequestError::Response(_) => Self::lost(ErrorKind::Unreadable, None, detail),
            SendRequestError::Connect(ConnectError::Disconnected) => {
                Self::lost(ErrorKind::NoAnswer, None, "the connection was closed without an answer")
            }
            _ => Self::lost(ErrorKind::NoAnswer, None, detail),
        }
    }
}

impl Exchange {
    pub(super) fn lost(kind: ErrorKind, status: Option<u16>, detail: impl Into<Vec<u8>>) -> Self {
        Self::Lost { kind, status, detail: detail.into() }
    }

    /// The meaning of each answer to a submission, in one place.
    pub(super) fn into_outcome(self, show: impl Fn(&[u8]) -> String) -> SubmissionOutcome {
        use SubmissionOutcome as S;
        let answer = match self {
            Self::NotSent { kind, detail } => return S::NotTaken(Trouble::of(kind, None, detail.as_bytes(), show)),
            Self::Lost { kind, status, detail } => return S::Unconfirmed(Trouble::of(kind, status, &detail, show)),
            Self::Answered(answer) => answer,
        };
        match answer.status {
            200..=299 => match wire::identifier(&answer.body) {
                Some(identifier) => S::Accepted { identifier },
                None => S::Unconfirmed(answer.trouble(ErrorKind::NoIdentifier, show)),
            },
            401 => S::Unauthorized(answer.trouble(ErrorKind::Unauthorized, show)),
            402 => S::NoCredit(answer.trouble(ErrorKind::NoCredit, show)),
            400 | 403..=405 => S::Questionable(answer.trouble(ErrorKind::Refused, show)),
            409 => S::Unconfirmed(answer.trouble(ErrorKind::Conflict, show)),
            429 => S::NotTaken(answer.trouble(ErrorKind::Busy, show)),
            // Includes 408 and 425: a rejected batch is never sent again, so no proxy can make this unsafe.
            400..=499 => S::Rejected(answer.trouble(ErrorKind::Refused, show)),
            503 if answer.retry_after.is_some() => S::NotTaken(answer.trouble(ErrorKind::Busy, show)),
            status => S::Unconfirmed(answer.trouble(by_class(status), show)),
        }
    }

    /// The body of a plain 200, or the reason why there is none.
    pub(super) fn into_body(self, show: impl Fn(&[u8]) -> String) -> Result<Vec<u8>, CallError> {
        let answer = match self {
            Self::NotSent { kind, detail } => return Err(CallError::Unreachable(Trouble::of(kind, None, detail.as_bytes(), show))),
            Self::Lost { kind, status, detail } => return Err(CallError::Unclear(Trouble::of(kind, status, &detail, show))),
            Self::Answered(answer) => answer,
        };
        match answer.status {
            200 => Ok(answer.body),
            401 | 403 => Err(CallError::Unauthorized(answer.trouble(ErrorKind::Unauthorized, show))),
            404 | 405 => Err(CallError::NotFound(answer.trouble(ErrorKind::NotFound, show))),
            status => Err(CallError::Unclear(answer.trouble(by_class(status), show))),
        }
    }

    /// The result of a cancellation. A 200 counts by its status alone, whatever happened to its body.
    pub(super) fn into_cancelled(self, show: impl Fn(&[u8]) -> String) -> Result<Cancelled, CallError> {
        match self {
            Self::Answered(Answer { status: 200 | 204, .. }) | Self::Lost { status: Some(200 | 204), .. } => Ok(Cancelled::Yes),
            // "Not now" does not mean "no".
            Self::Answered(answer @ Answer { status: 402, .. }) => Err(CallError::Unclear(answer.trouble(ErrorKind::NoCredit, show))),
            Self::Answered(answer @ Answer { status: 408 | 425 | 429, .. }) => {
                Err(CallError::Unclear(answer.trouble(ErrorKind::Busy, show)))
            }
            Self::Answered(answer @ Answer { status: 400 | 404..=499, .. }) => Ok(Cancelled::No(answer.trouble(ErrorKind::Refused, show))),
            other => other.into_body(show).map(|_| Cancelled::Yes),
        }
    }
}

impl Trouble {
    /// The result if there was no complete answer.
    fn of(kind: ErrorKind, status: Option<u16>, detail: &[u8], show: impl Fn(&[u8]) -> String) -> Self {
        Self { kind, status, detail: show(detail), retry_after: None }
    }
}

impl Answer {
    fn trouble(&self, kind: ErrorKind, show: impl Fn(&[u8]) -> String) -> Trouble {
        Trouble { retry_after: self.retry_after, ..Trouble::of(kind, Some(self.status), &self.body, show) }
    }
}

/// The kind of error for a status without a clear meaning.
fn by_class(status: u16) -> ErrorKind {
    match status {
        ..200 => ErrorKind::Interim,
        200..300 => ErrorKind::Unexpected,
        300..400 => ErrorKind::Redirect,
        402 => ErrorKind::NoCredit,
        429 | 503 => ErrorKind::Busy,
        400..500 => ErrorKind::Refused,
        _ => ErrorKind::ServerError,
    }
}
