//! The store: all the SQL there is, behind async methods in the words of the domain.
//!
//! One writer thread owns the only writing connection and commits in groups; readers come from a
//! pool of read-only connections. Nothing in a signature says SQLite.

mod answers;
mod error;
mod filters;
mod identity;
mod queue;
mod settings;
mod sqlite;

pub use answers::{AtOpening, Awaiting, Cancel, Claimed, Enqueued, Forget, PollAnswer, Resolved, Settlement};
pub use error::{BackupError, OpenError, StoreError};
pub use filters::{BatchFilter, DestinationFilter, ReceiptFilter};
pub use settings::{QuarantineBounds, StoreSettings};
pub use sqlite::Store;
pub use sqlite::backup_file;
pub use sqlite::check_file;
pub use sqlite::{Incoming, Item, Recorded};
