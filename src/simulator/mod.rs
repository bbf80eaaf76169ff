//! A simulated provider that behaves as the real one's documentation says, contradictions included: a server that
//! accepts batches, posts delivery receipts to their callbacks, and misbehaves on request.
//!
//! It uses nothing else of this crate but the locks, so that both sides implement the provider's API independently.
//!
//! ```no_run
//! # async fn story() -> std::io::Result<()> {
//! use receiptd::simulator::{Answer, Bound, Profile, Script, Settings};
//!
//! let settings = Settings { profile: Profile::stormy(), ..Settings::default() };
//! let handle = Bound::bind(settings, "127.0.0.1:0")?.start()?;
//! handle.script(Script::add(Answer::status(503).header("Retry-After", "1")));
//! println!("point receiptd's provider.base_url at {}", handle.url());
//! handle.until(|counts| counts.batches == 1 && counts.busy == 0).await;
//! handle.stop();
//! # Ok(())
//! # }
//! ```
//!
//! Faults: scripted ones ([`Handle::script`]) affect the next matching request, those of a [`Profile`] occur at random,
//! and [`RawServer`] gives byte by byte the answers that no well-behaved HTTP server gives.

mod batch;
mod chance;
mod codes;
mod counts;
mod courier;
mod details;
mod fate;
mod handle;
mod job;
mod ledger;
mod line;
mod oddity;
mod order;
mod parts;
mod profile;
mod raw;
mod receipt;
mod reply;
mod routes;
mod script;
mod server;
mod settings;
mod wire;

pub use batch::Submission;
pub use counts::Counts;
pub use handle::Handle;
pub use ledger::RequestSeen;
pub use oddity::Oddity;
pub use profile::{Code, Profile, Span};
pub use raw::{RawRequest, RawServer, RawStep};
pub use receipt::receipt_json;
pub use script::{Answer, Call, Fault, Script};
pub use server::Bound;
pub use settings::Settings;
pub use wire::{Repeated, Spelling, Strictness, Wire};

#[cfg(test)]
mod tests;
