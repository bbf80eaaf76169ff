//! The way out: batches are checked, put into the outbox, and handed to the provider once.

mod decide;
mod intake;
mod worker;

pub use decide::{CancelOutcome, Resend, cancel, resend};
pub use intake::{Checked, Intake, Refusal, SHORTEST_NOTICE};
pub use worker::{Step, Submitter};
