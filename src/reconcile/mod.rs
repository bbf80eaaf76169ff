//! Asking the provider for what did not come.

mod worker;

pub use worker::{Deadline, Due, Patience, ReconcileError, Reconciler, Step, pull};
