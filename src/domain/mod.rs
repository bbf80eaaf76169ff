//! The terms of the field as types, parsed once at the edge, and the rules as pure functions.
//!
//! This module does not use HTTP, SQL, files or the clock.

mod batch;
mod callback;
mod destination;
mod error_kind;
mod id_prefix;
mod incoming;
pub mod lifecycle;
pub mod mention;
mod message;
mod msisdn;
mod number;
mod quarantine;
mod receipt;
mod state;
mod timestamp;
mod verdict;

pub use batch::{Batch, BatchId, Channel, Content, Counts, LastError, NewBatch, sent_at};
pub use callback::{CallbackSecrets, CallbackToken};
pub use destination::{DestinationState, Said, fold};
pub use error_kind::ErrorKind;
pub use id_prefix::{IdPrefix, NoIdPrefix};
pub use incoming::{Incoming, Item, Recorded};
pub use lifecycle::{Cancellation, Handover, Moved, Names, PollAnswer, Polls, Progress, Resolution, Tracked};
pub use message::{parts, shortened_by};
pub use msisdn::Msisdn;
pub use number::{Doubt, How, NumberError, NumberReader, Read, Tally, countries, is_blank, is_invisible, named, quoted, visible};
pub use quarantine::QuarantineState;
pub use receipt::{Identifier, LARGEST_RECEIPT_BODY, Outcome, Receipt, ReceiptCode, Source};
pub use state::BatchState;
pub use timestamp::Timestamp;
pub use verdict::{BatchSoFar, ReceiptCounts, Seen, Verdict, proves, verdict};
