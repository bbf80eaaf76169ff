//! A transaction of the writer.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use rusqlite::Connection;

use crate::domain::Timestamp;
use crate::lock::lock;
use crate::store::identity::Identity;

/// What every statement of a transaction needs.
#[derive(Clone, Copy)]
pub(super) struct Tx<'c> {
    pub conn: &'c Connection,
    /// The time of the whole transaction.
    pub now: Timestamp,
    /// When it began, by a clock that cannot be set.
    pub since: Instant,
    identity: &'c Mutex<Identity>,
}

impl<'c> Tx<'c> {
    pub fn new(conn: &'c Connection, now: Timestamp, identity: &'c Mutex<Identity>) -> Self {
        Self { conn, now, since: Instant::now(), identity }
    }

    /// The keys of the hashes that replace numbers and contents.
    pub fn identity(&self) -> MutexGuard<'c, Identity> {
        lock(self.identity)
    }
}
