//! What the jobs of a transaction share.

use super::failure::JobError;
use super::record::{Part, Place, Recorder, Usual};
use super::tx::Tx;
use crate::domain::Incoming;
use crate::store::queue::Transactions;
use crate::store::settings::QuarantineBounds;

/// The state of a transaction.
pub(super) struct Writing<'c> {
    pub tx: Tx<'c>,
    pub recorder: &'c mut Recorder,
    /// Whether there is something new in the outbox.
    pub outbox_changed: &'c mut bool,
    usual: Usual<'c>,
}

impl<'c> Writing<'c> {
    pub fn new(tx: Tx<'c>, recorder: &'c mut Recorder, outbox_changed: &'c mut bool) -> Self {
        Self { tx, recorder, outbox_changed, usual: Usual::new(tx.conn) }
    }

    /// Writes what was recorded into the batches' rows, and drops what was cached of them. A job that reads or changes
    /// batch rows must call this first.
    pub fn flush(&mut self) -> rusqlite::Result<Tx<'c>> {
        self.recorder.counters.flush(&self.tx)?;
        self.recorder.counters.forget();
        self.recorder.crowded.forget();
        Ok(self.tx)
    }

    /// Records items starting with one. What cannot be recorded is quarantined; without limits it is not stored, and
    /// reported as if there were no space.
    pub fn record(&mut self, incoming: &Incoming, from: &Place, bounds: Option<QuarantineBounds>) -> Result<Part, JobError> {
        self.recorder.record(&self.tx, &mut self.usual, incoming, from, bounds)
    }
}

/// The writer's transactions, for the queue.
pub(super) enum WriterJobs {}

impl Transactions for WriterJobs {
    type One<'c> = Writing<'c>;
    type Error = JobError;
}
