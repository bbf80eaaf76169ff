//! The store: all the SQL there is, behind async methods in the words of the domain.
//!
//! One writer thread owns the only writing connection and commits in groups; readers come from a
//! pool of read-only connections. Nothing in a signature says SQLite.

mod arriving;
mod batches;
mod census;
mod check;
mod checkpoint;
mod codes;
mod counting;
mod db;
mod destinations;
mod error;
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
mod stats;
mod traces;
mod traffic;
mod watched;
mod writer;

pub use arriving::Enqueued;
pub use batches::{BatchFilter, Cancel, Resolved};
pub use check::check_file;
pub use db::{Found, OpenError, Store, StoreSettings};
pub use destinations::DestinationFilter;
pub use error::StoreError;
pub use keep::{BackupError, backup_file};
pub use numbers::Forget;
pub use open::{Asked, Open};
pub use outbox::{Claimed, Settlement};
pub use quarantine::QuarantineBounds;
pub use receipt_log::ReceiptFilter;
pub use receipts::{Incoming, Item, Recorded};
