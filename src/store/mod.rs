//! The store: what is kept, behind async methods in the words of the domain.
//!
//! [`Store`] is the one type that others know; `engine.rs` is the contract that a database engine fulfils, on one page.
//! What must hold on every engine is a rule in [`crate::domain`]; an engine reads pages, changes rows under a rule, and looks
//! after itself. Outside `sqlite` nothing names an engine.

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
