//! The batches that an earlier run queued: the provider is asked about each before it is sent.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use rusqlite::Connection;

use super::rows::uuid;
use crate::domain::BatchId;
use crate::lock::lock;

/// The batches by their keys, in the order of the outbox. They stay here until they are let out, whatever happens to
/// them.
#[derive(Default)]
pub(super) struct QueuedBefore(Mutex<BTreeMap<i64, BatchId>>);

impl QueuedBefore {
    /// The batches in the outbox.
    pub fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut queued = conn.prepare("select id, uuid from batch where state = 'queued'")?;
        let queued = queued.query_map([], |row| Ok((row.get("id")?, uuid(row, "uuid")?)))?;
        Ok(Self(Mutex::new(queued.collect::<rusqlite::Result<_>>()?)))
    }

    /// Whether the batch with this key is one of them.
    pub fn holds(&self, key: i64) -> bool {
        self.batches().contains_key(&key)
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<BatchId> {
        self.batches().values().copied().collect()
    }

    /// Removes a batch.
    pub fn let_out(&self, id: BatchId) {
        let mut batches = self.batches();
        // Batches are asked about in order, so it is one of the first.
        let key = batches.iter().find(|(_, other)| **other == id).map(|(key, _)| *key);
        key.and_then(|key| batches.remove(&key));
    }

    fn batches(&self) -> MutexGuard<'_, BTreeMap<i64, BatchId>> {
        lock(&self.0)
    }
}
