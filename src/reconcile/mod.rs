//! Asking the provider for what did not come.

mod deadline;
mod pull;
mod worker;

pub use deadline::{Deadline, Due};
pub use pull::{ReconcileError, pull};
pub use worker::{Patience, Reconciler, Step};
