//! Callbacks that could not be recorded, so that the provider is soon asked for their content.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::domain::BatchId;
use crate::lock::lock;

/// The callbacks missed since the provider was last asked. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Missed(Arc<Mutex<Noted>>);

/// The batches whose callbacks were missed.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// These batches.
    pub batches: BTreeSet<BatchId>,
    /// Whether any batch may be affected.
    pub any: bool,
}

impl Missed {
    /// Notes that a callback of this batch could not be recorded, while others could.
    pub fn of(&self, batch: BatchId) {
        lock(&self.0).batches.insert(batch);
    }

    /// Notes that no callback could be recorded, so that some may not even have reached the daemon.
    pub fn of_any(&self) {
        lock(&self.0).any = true;
    }

    /// Takes what was noted since the last call.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut lock(&self.0))
    }
}
