//! The store: everything that is kept, behind async methods in the terms of the domain.
//!
//! [`Store`] is the only type that other modules use; `engine.rs` defines the interface of a database engine on one
//! page. What must hold for every engine is a rule in [`crate::domain`]; an engine reads pages, changes rows according
//! to a rule, and manages its files. Only `sqlite` refers to a particular engine.

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

pub use answers::{AtOpening, Awaiting, Claimed, Enqueued, Forget, Restored};
pub use error::{BackupError, OpenError, RestoreError, StoreError};
pub use filters::{BatchFilter, DestinationFilter, ReceiptFilter};
pub use settings::{QuarantineBounds, StoreSettings};
pub use sqlite::{backup_file, check_file, restore_file};
pub use store::Store;
