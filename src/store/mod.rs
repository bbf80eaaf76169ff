//! The store: all the SQL there is, behind async methods in the words of the domain.
//!
//! One writer thread owns the only writing connection and commits in groups; readers come from a
//! pool of read-only connections. Nothing in a signature says SQLite.

mod answers;
mod arriving;
mod batches;
mod check;
mod checkpoint;
mod codes;
mod counting;
mod db;
mod destinations;
mod error;
mod failure;
mod filters;
mod gauges;
mod identity;
mod keep;
mod known;
mod numbers;
mod open;
mod outbox;
mod place;
mod quarantine;
mod queue;
mod receipt_log;
mod receipts;
mod recognise;
mod rows;
mod schema;
mod settings;
mod stats;
mod traces;
mod traffic;
mod watched;
mod writer;

pub use answers::{AtOpening, Awaiting, Cancel, Claimed, Enqueued, Forget, PollAnswer, Resolved, Settlement};
pub use check::check_file;
pub use db::Store;
pub use error::{BackupError, OpenError, StoreError};
pub use filters::{BatchFilter, DestinationFilter, ReceiptFilter};
pub use keep::backup_file;
pub use receipts::{Incoming, Item, Recorded};
pub use settings::{QuarantineBounds, StoreSettings};
