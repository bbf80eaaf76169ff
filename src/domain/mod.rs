//! The words of the trade as types, parsed once at the edge, and the rules as pure functions.
//!
//! Nothing here knows of HTTP, SQL, files or the clock.

mod batch;
mod callback;
mod destination;
pub mod mention;
mod message;
mod number;
mod receipt;
mod timestamp;

pub use batch::{Batch, BatchId, BatchState, Channel, Content, Counts, LastError, NewBatch, Resolution};
pub use callback::{CallbackSecrets, CallbackToken};
pub use destination::{DestinationState, Msisdn, Said, fold};
pub use message::parts;
pub use number::{NumberError, NumberReader};
pub use receipt::{Identifier, Outcome, Receipt, ReceiptCode, Source};
pub use timestamp::Timestamp;
