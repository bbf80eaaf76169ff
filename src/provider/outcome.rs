//! What a call led to. What must be known after a submission is one thing alone: whether it can be
//! sent again without anybody being texted twice.

use std::time::{Duration, SystemTime};

use awc::error::{ConnectError, SendRequestError};

use super::wire;
use crate::domain::{ErrorKind, Identifier};
use crate::tls;

/// What went wrong, as it may be shown: bounded and masked. It becomes the batch's `last_error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A word for the kind, such as `refused`, `timeout`, `unauthorized`.
    pub kind: ErrorKind,
    /// The status, if an answer came that far.
    pub status: Option<u16>,
    /// What the provider answered, or what happened.
    pub detail: String,
    /// How long the provider asks to be left alone: one second to one hour.
    pub retry_after: Option<Duration>,
}

/// What became of a `POST /batch` (contract §4, "What happens to a submission").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmissionOutcome {
    /// The provider has it, and calls it so.
    Accepted {
        /// What the provider calls it: ours, if it took that.
        identifier: Identifier,
    },
    /// Provably not taken: it may be sent again.
    NotTaken(Trouble),
    /// The key is wrong: not taken, and nothing else will be either.
    Unauthorized(Trouble),
    /// The account has no credit: not taken, and nothing else will be before it has.
    NoCredit(Trouble),
    /// 400, 403, 404 or 405: refused, or the key or the address is wrong. [`Provider::pending`] tells:
    /// refused too, then it is as `Unauthorized`; else `Rejected`.
    ///
    /// [`Provider::pending`]: super::Provider::pending
    Questionable(Trouble),
    /// The provider refuses it: never to be sent again.
    Rejected(Trouble),
    /// The provider may or may not have it: never to be sent again by itself.
    Unconfirmed(Trouble),
}

/// Why a call that only asks, or cancels, has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// 401 or 403, or 400 where nothing else can be meant: the key is wrong.
    #[error("the provider refuses the key ({})", .0.kind)]
    Unauthorized(Trouble),
    /// 404 or 405: the provider has no such batch, or the address is wrong.
    #[error("the provider knows nothing of it ({})", .0.kind)]
    NotFound(Trouble),
    /// Nothing left this machine.
    #[error("the provider cannot be reached ({})", .0.kind)]
    Unreachable(Trouble),
    /// Anything else: what the provider did or knows is not known. Ask again later.
    #[error("no clear answer from the provider ({})", .0.kind)]
    Unclear(Trouble),
}

impl CallError {
    /// What went wrong.
    pub fn trouble(&self) -> &Trouble {
        match self {
            Self::Unauthorized(trouble) | Self::NotFound(trouble) | Self::Unreachable(trouble) | Self::Unclear(trouble) => trouble,
        }
    }

    /// Of a request that says nothing but the key: a 400 refuses that.
    pub(super) fn of_the_key_alone(self) -> Self {
        match self {
            Self::Unclear(trouble) if trouble.status == Some(400) => Self::Unauthorized(trouble),
            other => other,
        }
    }
}

/// What the provider said to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not be sent.
    Yes,
    /// It can no longer be cancelled.
    No(Trouble),
}

/// An answer that came whole.
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The provider's clock.
    pub date: Option<SystemTime>,
    pub body: Vec<u8>,
}

/// How a call ended, as far as HTTP knows.
pub(super) enum Exchange {
    /// Not a byte of the request can have reached the provider.
    NotSent { kind: ErrorKind, detail: String },
    /// Some of it may have: no answer, or not a whole one.
    Lost { kind: ErrorKind, status: Option<u16>, detail: Vec<u8> },
    /// A whole answer, whatever it says.
    Answered(Answer),
}

impl From<SendRequestError> for Exchange {
    /// Which errors prove that nothing was sent (pitfalls.md, "awc"). `ConnectError::Disconnected` is
    /// NOT one of them: a provider that took everything and closed shows as it. A TLS handshake that
    /// fails is an `Io`, one that takes too long a `Timeout`; the request is written only after it,
    /// since early data is off. A name with several addresses is an error only if all of them failed.
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

    /// The table of the contract, in one place.
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
            // 408 and 425 among them: rejected is never sent again, so no proxy can make this unsafe.
            400..=499 => S::Rejected(answer.trouble(ErrorKind::Refused, show)),
            503 if answer.retry_after.is_some() => S::NotTaken(answer.trouble(ErrorKind::Busy, show)),
            status => S::Unconfirmed(answer.trouble(by_class(status), show)),
        }
    }

    /// The body of a plain 200, or why there is none.
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

    /// What a cancellation came to. A 200 counts by its status alone, whatever became of its body.
    pub(super) fn into_cancelled(self, show: impl Fn(&[u8]) -> String) -> Result<Cancelled, CallError> {
        match self {
            Self::Answered(Answer { status: 200 | 204, .. }) | Self::Lost { status: Some(200 | 204), .. } => Ok(Cancelled::Yes),
            // "Not now" is not "no".
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
    /// Where there was no whole answer.
    fn of(kind: ErrorKind, status: Option<u16>, detail: &[u8], show: impl Fn(&[u8]) -> String) -> Self {
        Self { kind, status, detail: show(detail), retry_after: None }
    }
}

impl Answer {
    fn trouble(&self, kind: ErrorKind, show: impl Fn(&[u8]) -> String) -> Trouble {
        Trouble { retry_after: self.retry_after, ..Trouble::of(kind, Some(self.status), &self.body, show) }
    }
}

/// The kind of a status that says nothing clear.
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
