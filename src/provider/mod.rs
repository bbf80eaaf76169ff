//! The provider's HTTP API: its JSON as it is on the wire, and one method per call.
//!
//! What is known of it, what its documentation contradicts and what it leaves open is in provider.md.

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
