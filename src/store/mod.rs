//! The store: all the SQL there is, behind async methods in the words of the domain.
//!
//! One writer thread owns the only writing connection and commits in groups; readers come from a
//! pool of read-only connections. Nothing in a signature says SQLite.

mod answers;
mod engine;
mod error;
mod filters;
mod identity;
mod queue;
mod settings;
mod sqlite;
#[expect(clippy::module_inception, reason = "the store of the module `store`")]
mod store;

pub use answers::{AtOpening, Awaiting, Claimed, Enqueued, Forget};
pub use error::{BackupError, OpenError, StoreError};
pub use filters::{BatchFilter, DestinationFilter, ReceiptFilter};
pub use settings::{QuarantineBounds, StoreSettings};
pub use sqlite::{backup_file, check_file};
pub use store::Store;
