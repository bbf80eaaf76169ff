//! The provider's HTTP API: its JSON format, and one method per call.
//!
//! docs/provider.md says what is known about it, where its documentation contradicts itself and what remains open.

mod client;
mod details;
mod masked;
mod outcome;
mod reading;
mod standing;
mod unpacking;
mod wire;

pub use client::{BadBaseUrl, Order, Provider, Settings};
pub use details::Polled;
pub use outcome::{CallError, Cancelled, SubmissionOutcome, Trouble};
pub use standing::{Errand, Standing};
pub use wire::{PendingBatch, UnknownNames, WireNames};
