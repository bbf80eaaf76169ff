//! The store: all the SQL there is, behind async methods in the words of the domain.
//!
//! One writer thread owns the only writing connection and commits in groups; readers come from a
//! pool of read-only connections. Nothing in a signature says SQLite.

mod answers;
mod awaiting;
mod backup;
mod batches;
mod check;
mod checkpoint;
mod claims;
mod codes;
mod connection;
mod counters;
mod destinations;
mod enqueue;
mod error;
mod failure;
mod file_watch;
mod filters;
mod forget;
mod forgotten;
mod gauges;
mod handle;
mod identity;
mod lineage;
mod lock;
mod numbers;
mod open;
mod outbox;
mod prune;
mod quarantine;
mod queue;
mod receipt_log;
mod record;
mod rows;
mod schema;
mod set_aside;
mod settings;
mod stats;
mod traffic;
mod transaction;
mod tx;
mod writer;

pub use answers::{AtOpening, Awaiting, Cancel, Claimed, Enqueued, Forget, PollAnswer, Resolved, Settlement};
pub use backup::backup_file;
pub use check::check_file;
pub use error::{BackupError, OpenError, StoreError};
pub use filters::{BatchFilter, DestinationFilter, ReceiptFilter};
pub use handle::Store;
pub use record::{Incoming, Item, Recorded};
pub use settings::{QuarantineBounds, StoreSettings};
