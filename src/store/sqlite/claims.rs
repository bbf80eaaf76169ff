//! The batches that workers are submitting.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::lock;

/// The batches marked as submitting whose claimers know it, once for each claim.
///
/// A commit may fail and nevertheless have happened, for instance if the file turned out to be read-only after it. Then
/// a batch is marked although no worker knows, and it would never be sent, so it returns to the outbox. All of this
/// happens one after the other in the writer's thread.
#[derive(Default)]
pub(super) struct Claims(Mutex<Vec<i64>>);

impl Claims {
    /// Whether a worker is submitting the batch.
    pub fn holds(&self, key: i64) -> bool {
        self.keys().contains(&key)
    }

    fn keys(&self) -> MutexGuard<'_, Vec<i64>> {
        lock(&self.0)
    }

    /// Ends one claim of the batch.
    pub fn let_go(&self, key: i64) {
        let mut keys = self.keys();
        if let Some(at) = keys.iter().position(|claimed| *claimed == key) {
            keys.swap_remove(at);
        }
    }
}

/// A claim on its way from the writer to the worker that submits the batch. If it does not arrive, it ends.
pub(super) struct Claim {
    claims: Arc<Claims>,
    key: Option<i64>,
}

impl Claim {
    pub fn on(claims: &Arc<Claims>, key: i64) -> Self {
        claims.keys().push(key);
        Self { claims: claims.clone(), key: Some(key) }
    }

    /// From now on, only the result of the submission ends the claim.
    pub fn arrived(mut self) -> Option<i64> {
        self.key.take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.claims.let_go(key);
        }
    }
}
