//! Finding out whether the storage works, by using it.

use tokio::sync::oneshot;

use super::failure::JobError;
use super::transaction::{WriterJobs, Writing};
use crate::store::error::StoreError;
use crate::store::queue::Job;

/// A write for its own sake, and all that wait for its outcome.
pub(super) struct Ping(pub Vec<oneshot::Sender<Result<(), StoreError>>>);

impl Job<WriterJobs> for Ping {
    /// SQLite writes nothing where nothing changes: so a number is raised and lowered, which leaves its page to be written.
    fn run(&mut self, writing: &mut Writing<'_>) -> Result<(), JobError> {
        for change in ["update instance set submissions = submissions + 1", "update instance set submissions = submissions - 1"] {
            writing.tx.conn.prepare_cached(change)?.execute([])?;
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        for asked in self.0 {
            let _ = asked.send(outcome.clone()); // it may have gone
        }
    }
}
