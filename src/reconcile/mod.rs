//! Asking the provider for missing receipts.

mod deadline;
mod missed;
mod pull;
mod worker;

pub use deadline::{Deadline, Due};
pub use missed::Missed;
pub use pull::{ReconcileError, pull};
pub use worker::{Patience, Reconciler, Step};
