//! Which batches an earlier run queued: the provider is asked about each before it goes out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use rusqlite::Connection;

use super::rows::uuid;
use crate::domain::BatchId;
use crate::lock::lock;

/// By their keys, in the order of the outbox. They stay here until somebody lets them out, whatever becomes of them.
#[derive(Default)]
pub(super) struct QueuedBefore(Mutex<BTreeMap<i64, BatchId>>);

impl QueuedBefore {
    /// What is in the outbox.
    pub fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut queued = conn.prepare("select id, uuid from batch where state = 'queued'")?;
        let queued = queued.query_map([], |row| Ok((row.get("id")?, uuid(row, "uuid")?)))?;
        Ok(Self(Mutex::new(queued.collect::<rusqlite::Result<_>>()?)))
    }

    /// Whether the batch of this key is one of them.
    pub fn holds(&self, key: i64) -> bool {
        self.batches().contains_key(&key)
    }

    /// All of them, in order.
    pub fn all(&self) -> Vec<BatchId> {
        self.batches().values().copied().collect()
    }

    /// It is one of them no longer.
    pub fn let_out(&self, id: BatchId) {
        let mut batches = self.batches();
        // They are asked about in order: it is one of the first.
        let key = batches.iter().find(|(_, other)| **other == id).map(|(key, _)| *key);
        key.and_then(|key| batches.remove(&key));
    }

    fn batches(&self) -> MutexGuard<'_, BTreeMap<i64, BatchId>> {
        lock(&self.0)
    }
}
