//! What the jobs of one transaction share.

use super::failure::JobError;
use super::record::{Part, Place, Recorder, Usual};
use super::tx::Tx;
use crate::domain::Incoming;
use crate::store::queue::Transactions;
use crate::store::settings::QuarantineBounds;

/// What happens inside one transaction.
pub(super) struct Writing<'c> {
    pub tx: Tx<'c>,
    pub recorder: &'c mut Recorder,
    /// Something new is in the outbox.
    pub outbox_changed: &'c mut bool,
    usual: Usual<'c>,
}

impl<'c> Writing<'c> {
    pub fn new(tx: Tx<'c>, recorder: &'c mut Recorder, outbox_changed: &'c mut bool) -> Self {
        Self { tx, recorder, outbox_changed, usual: Usual::new(tx.conn) }
    }

    /// Brings the batches' rows in step with what was recorded, and forgets what was known of them. A job that reads
    /// or changes batch rows calls this first.
    pub fn flush(&mut self) -> rusqlite::Result<Tx<'c>> {
        self.recorder.counters.flush(&self.tx)?;
        self.recorder.counters.forget();
        self.recorder.crowded.forget();
        Ok(self.tx)
    }

    /// Records what came from an item on; what cannot be recorded goes into the quarantine, or without
    /// bounds nowhere, and is told as if there were no room.
    pub fn record(&mut self, incoming: &Incoming, from: &Place, bounds: Option<QuarantineBounds>) -> Result<Part, JobError> {
        self.recorder.record(&self.tx, &mut self.usual, incoming, from, bounds)
    }
}

/// The transactions of the writer, for the queue.
pub(super) enum WriterJobs {}

impl Transactions for WriterJobs {
    type One<'c> = Writing<'c>;
    type Error = JobError;
}
