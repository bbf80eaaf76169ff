//! Scripted misbehaviour: what a call is answered instead of the regular answer.

use std::time::Duration;

/// The calls of the provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /batch`
    Add,
    /// `GET /batch`
    List,
    /// `GET /batch/{batch-uuid}`
    Details,
    /// `DELETE /batch/{batch-uuid}`
    Cancel,
    /// `GET /dr-responses`
    Codes,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status with headers and a body.
    Status {
        /// The status, from 200 to 599.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body, sent as `application/json` unless a header says otherwise.
        body: String,
    },
    /// No answer; the connection stays open.
    Hang,
    /// No answer; the connection is closed (FIN).
    Close,
    /// No answer; the connection is reset (RST).
    Reset,
    /// Exactly these bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The head and half of the body of the regular answer, then the connection is closed.
    CutShort,
    /// Status 200 with a readable object that has no identifier.
    WithoutIdentifier,
    /// An interim answer with this status (100 or 103), then the regular one.
    Interim(u16),
    /// The regular answer after this delay.
    Slow(Duration),
    /// The head of the regular answer at once, then its body byte by byte, with this pause before each byte.
    Drip(Duration),
}

impl Answer {
    /// An [`Answer::Status`] with an error body.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: r#"{"error":"scripted"}"#.into() }
    }

    /// Adds a header to an [`Answer::Status`]; other answers stay as they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets the body of an [`Answer::Status`]; other answers stay as they are.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }

    /// Whether the script needs the regular answer.
    pub(super) fn needs_honest(&self) -> bool {
        matches!(self, Self::CutShort | Self::Interim(_) | Self::Slow(_) | Self::Drip(_))
    }
}

/// A scripted answer to the next matching call. Scripts are used in the order in which they were added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub(super) call: Option<Call>,
    pub(super) taken: bool,
    pub(super) lasting: bool,
    pub(super) answer: Answer,
}

impl Script {
    /// A script for the next `POST /batch`. The batch is not accepted, unless [`Script::after_taking`] is set or the
    /// answer needs the regular one ([`Answer::CutShort`], [`Answer::Interim`], [`Answer::Slow`], [`Answer::Drip`]).
    pub fn add(answer: Answer) -> Self {
        Self::on(Call::Add, answer)
    }

    /// A script for the next call of this kind. It applies before the request is examined, even its key.
    pub fn on(call: Call, answer: Answer) -> Self {
        Self { call: Some(call), taken: false, lasting: false, answer }
    }

    /// A script for the next call of any kind.
    pub fn any(answer: Answer) -> Self {
        Self { call: None, ..Self::add(answer) }
    }

    /// Processes the request normally first (accepts the batch, posts its early receipts), and then answers as
    /// scripted.
    #[must_use]
    pub fn after_taking(mut self) -> Self {
        self.taken = true;
        self
    }

    /// Applies to all matching calls until `Handle::clear_scripts`, like an outage.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    pub(super) fn matches(&self, call: Call) -> bool {
        self.call.is_none_or(|wanted| wanted == call)
    }

    pub(super) fn works_first(&self) -> bool {
        self.taken || self.answer.needs_honest()
    }
}

/// A random fault of `POST /batch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The share of calls, from 0 to 1. The shares of all faults of a profile add up.
    pub share: f64,
    /// Whether the batch is accepted nevertheless.
    pub taken: bool,
    /// The answer.
    pub answer: Answer,
}

impl Fault {
    pub(super) fn script(&self) -> Script {
        Script { taken: self.taken, ..Script::add(self.answer.clone()) }
    }
}
