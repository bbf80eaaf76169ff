//! The way out: batches are checked, put into the outbox, and submitted to the provider once.

mod asking;
mod decide;
mod fields;
mod intake;
mod worker;

pub use decide::{CancelOutcome, Resend, cancel, resend};
pub use fields::{Refusal, SHORTEST_NOTICE};
pub use intake::{Checked, Intake};
pub use worker::{Step, Submitter};
