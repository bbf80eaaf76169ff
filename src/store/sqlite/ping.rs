//! Checking that the storage works, by using it.

use rusqlite::{Connection, named_params};
use tokio::sync::oneshot;

use super::connection::CACHE;
use super::failure::JobError;
use super::schema::PAGE;
use super::transaction::{WriterJobs, Writing};
use crate::store::error::StoreError;
use crate::store::queue::Job;

/// The number of pages that a receipt changes at most: of its destination, of the log and of its indexes.
const PAGES_A_ROW: i64 = 2;
/// The smallest amount tried after a failure, in bytes: as much as a callback may contain.
const LEAST: i64 = 256 << 10;
/// The largest amount: what a commit of 4,000 receipts writes.
const MOST: i64 = 8 << 20;
/// The number of pages in memory from which more are written before a commit.
const FEW_PAGES: i32 = 16;

/// A write for its own sake, and the callers that wait for its result.
pub(super) struct Ping {
    asked: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// The number of bytes that the disk must accept.
    bytes: i64,
}

impl Ping {
    /// A ping for these callers. `failed` is the number of rows of a failed commit, which must now be possible; 0 if
    /// none failed.
    pub fn new(asked: Vec<oneshot::Sender<Result<(), StoreError>>>, failed: usize) -> Self {
        let needed = i64::try_from(failed).unwrap_or(MOST).saturating_mul(PAGES_A_ROW * i64::from(PAGE));
        let bytes = if failed == 0 { 0 } else { needed.clamp(LEAST, MOST) };
        Self { asked, bytes }
    }
}

impl Job<WriterJobs> for Ping {
    /// SQLite writes nothing if nothing changes, so a number is incremented and decremented, which leaves its page to
    /// be written.
    fn run(&mut self, writing: &mut Writing<'_>) -> Result<(), JobError> {
        let conn = writing.tx.conn;
        if self.bytes > 0 {
            conn.pragma_update(None, "cache_size", FEW_PAGES)?;
            let written = write_and_undo(conn, self.bytes);
            conn.pragma_update(None, "cache_size", CACHE)?;
            written?;
        }
        for change in ["update instance set submissions = submissions + 1", "update instance set submissions = submissions - 1"] {
            conn.prepare_cached(change)?.execute([])?;
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        for asked in self.asked {
            let _ = asked.send(outcome.clone()); // the caller may be gone
        }
    }
}

/// Writes this many bytes to the WAL and undoes that before they are committed. The WAL keeps its size, so the space is
/// really available.
fn write_and_undo(conn: &Connection, bytes: i64) -> rusqlite::Result<()> {
    conn.execute_batch("savepoint ping")?;
    conn.prepare_cached("insert into quarantine (batch, received_at, reason, body) values ('', 0, '', zeroblob(:bytes))")?
        .execute(named_params! {":bytes": bytes})?;
    conn.execute_batch("rollback to ping; release ping")
}
