//! Misbehaviour on request: what a call is answered instead of the honest answer.

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

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status with these headers and this body.
    Status {
        /// From 200 to 599.
        status: u16,
        /// Name and value.
        headers: Vec<(String, String)>,
        /// Sent as `application/json`, unless a header says otherwise.
        body: String,
    },
    /// Never anything; the connection stays open.
    Hang,
    /// Nothing; the connection is closed in an orderly way (FIN).
    Close,
    /// Nothing; the connection is reset (RST).
    Reset,
    /// These very bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The honest answer's head and half of its body, then the connection is closed.
    CutShort,
    /// 200 and a readable object, but no identifier in it.
    WithoutIdentifier,
    /// An interim answer with this status (100, 103), then the honest one.
    Interim(u16),
    /// The honest answer, this much later.
    Slow(Duration),
    /// The honest answer's head at once, its body byte by byte with this pause between.
    Drip(Duration),
}

impl Answer {
    /// A status with an error body, as [`Answer::Status`].
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: r#"{"error":"scripted"}"#.into() }
    }

    /// Adds a header to a [`Answer::Status`]; any other answer stays as it is.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets the body of a [`Answer::Status`]; any other answer stays as it is.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = text.into();
        }
        self
    }

    /// Whether there must be an honest answer first.
    pub(super) fn needs_honest(&self) -> bool {
        matches!(self, Self::CutShort | Self::Interim(_) | Self::Slow(_) | Self::Drip(_))
    }
}

/// A scripted answer for the next matching call. Scripts are used up in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub(super) call: Option<Call>,
    pub(super) taken: bool,
    pub(super) lasting: bool,
    pub(super) answer: Answer,
}

impl Script {
    /// For the next `POST /batch`. The batch is not taken, unless [`Script::after_taking`] says so or the answer
    /// needs an honest one ([`Answer::CutShort`], [`Answer::Interim`], [`Answer::Slow`], [`Answer::Drip`]).
    pub fn add(answer: Answer) -> Self {
        Self::on(Call::Add, answer)
    }

    /// For the next call of this kind, before anything of it is looked at, the key included.
    pub fn on(call: Call, answer: Answer) -> Self {
        Self { call: Some(call), taken: false, lasting: false, answer }
    }

    /// For the next call of any kind.
    pub fn any(answer: Answer) -> Self {
        Self { call: None, ..Self::add(answer) }
    }

    /// The request is worked on as usual first (the batch is taken, its early receipts are posted), then answered
    /// as scripted.
    #[must_use]
    pub fn after_taking(mut self) -> Self {
        self.taken = true;
        self
    }

    /// Holds for all matching calls until `Handle::clear_scripts`: an outage.
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

/// A misbehaviour that comes by chance, at `POST /batch` alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Share of the calls, 0 to 1; the shares of all faults of a profile add up.
    pub share: f64,
    /// Whether the batch is taken all the same.
    pub taken: bool,
    /// What is answered.
    pub answer: Answer,
}

impl Fault {
    pub(super) fn script(&self) -> Script {
        Script { taken: self.taken, ..Script::add(self.answer.clone()) }
    }
}
