//! Callbacks that could not be taken: the provider is asked soon for what they said.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::domain::BatchId;
use crate::lock::lock;

/// What was missed since the provider was asked about it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Missed(Arc<Mutex<Noted>>);

/// Of which batches callbacks were missed.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Of these.
    pub batches: BTreeSet<BatchId>,
    /// Of any.
    pub any: bool,
}

impl Missed {
    /// A callback of this batch could not be taken, while others could.
    pub fn of(&self, batch: BatchId) {
        lock(&self.0).batches.insert(batch);
    }

    /// No callbacks could be taken: some may never have come as far as here.
    pub fn of_any(&self) {
        lock(&self.0).any = true;
    }

    /// What was noted since this was called last.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut lock(&self.0))
    }
}
