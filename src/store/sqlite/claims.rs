//! Which batches a worker is handing over.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::lock;

/// The batches that are marked as submitting, and whose claimers know it: once for each claim.
///
/// A commit may fail and have happened all the same, as when the file turned out to be read-only after it. Then a batch is
/// marked, nobody knows, and nothing of it will ever leave: it goes back into the outbox. All of this happens in the
/// writer's thread, one after the other.
#[derive(Default)]
pub(super) struct Claims(Mutex<Vec<i64>>);

impl Claims {
    /// Whether somebody is handing it over.
    pub fn holds(&self, key: i64) -> bool {
        self.keys().contains(&key)
    }

    fn keys(&self) -> MutexGuard<'_, Vec<i64>> {
        lock(&self.0)
    }

    /// One claim of it has ended.
    pub fn let_go(&self, key: i64) {
        let mut keys = self.keys();
        if let Some(at) = keys.iter().position(|claimed| *claimed == key) {
            keys.swap_remove(at);
        }
    }
}

/// One claim, on its way from the writer to the worker that hands the batch over. If it does not arrive, it ends.
pub(super) struct Claim {
    claims: Arc<Claims>,
    key: Option<i64>,
}

impl Claim {
    pub fn on(claims: &Arc<Claims>, key: i64) -> Self {
        claims.keys().push(key);
        Self { claims: claims.clone(), key: Some(key) }
    }

    /// From here on only its outcome ends it.
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
