//! Asking the provider for what did not come.

mod deadline;
mod missed;
mod pull;
mod worker;

pub use deadline::{Deadline, Due};
pub use missed::Missed;
pub use pull::{ReconcileError, pull};
pub use worker::{Patience, Reconciler, Step};
