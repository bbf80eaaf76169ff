//! Moving committed data from the WAL into the database file, without delaying acknowledgements.
//!
//! A thread with its own connection moves most of it as soon as the WAL has grown. It can never quite finish while
//! commits continue, and only a finished checkpoint lets the WAL start again from its beginning. So the writer moves
//! the small rest between two commits, and above a limit it does so at any cost.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{LOCK_PATIENCE, open_for_writing};
use super::schema::PAGE;

/// The size of the WAL, in pages, at which the thread starts: 20 MiB.
const BULK_PAGES: i32 = (20 << 20) / PAGE;
/// The size of the WAL, in pages, at which the writer itself moves everything: 36 MiB.
const LIMIT_PAGES: i32 = (36 << 20) / PAGE;

/// After readers prevented a checkpoint from finishing, the next attempt follows when the WAL has grown by 4 MiB.
const STEP_PAGES: i32 = (4 << 20) / PAGE;
/// How long the writer waits for readers: an export takes some milliseconds per page.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long the writer waits for readers above that size.
const LONG_PATIENCE: Duration = Duration::from_millis(100);
/// How many passes the thread makes before the writer, which waits for it, moves the rest.
const PASSES: usize = 3;

thread_local! {
    /// The number of pages in the WAL after the last commit of this thread's connection.
    static WAL_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// The writer's side of checkpointing.
pub(super) struct Checkpointer {
    /// Wakes the thread; `None` if the thread could not continue.
    wake: Option<SyncSender<()>>,
    bulk_done: Arc<AtomicBool>,
    /// The size at which the thread is woken. It grows after readers prevented a checkpoint from finishing, so that not
    /// every commit wakes it.
    bulk_at: Cell<i32>,
    /// The size at which the writer waits for readers.
    limit: Cell<i32>,
    /// How much that size grows if the readers stay.
    step: Cell<i32>,
    thread: Option<JoinHandle<()>>,
}

/// Makes the connection report the size of the WAL after each commit, for this thread.
pub(super) fn watch_wal(conn: &Connection) {
    conn.wal_hook(Some(|_, pages| {
        WAL_PAGES.set(pages);
        Ok(())
    }));
}

/// Runs one checkpoint. Returns whether it moved the whole WAL.
pub(super) fn checkpoint(conn: &Connection, mode: &str) -> rusqlite::Result<bool> {
    conn.query_row(&format!("pragma wal_checkpoint({mode})"), [], |row| {
        let (busy, in_wal, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && in_wal == moved)
    })
}

/// Runs a checkpoint that waits at most this long for others.
fn with_patience(conn: &Connection, patience: Duration, mode: &str) -> rusqlite::Result<bool> {
    let moved = conn.busy_timeout(patience).and_then(|()| checkpoint(conn, mode));
    conn.busy_timeout(LOCK_PATIENCE)?;
    moved
}

impl Checkpointer {
    /// Starts the checkpoint thread.
    pub fn start(path: &Path) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel::<()>(1);
        let bulk_done = Arc::new(AtomicBool::new(false));
        let done = bulk_done.clone();
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                // The connection is opened for each run, so that the effects of a failing disk do not outlive it. Each
                // pass leaves what was committed meanwhile, which is less each time.
                let passes = |conn: Connection| (0..PASSES).try_for_each(|_| checkpoint(&conn, "passive").map(drop));
                if let Err(error) = open_for_writing(&path).and_then(passes) {
                    log::debug!("the checkpoint failed: {error}");
                }
                done.store(true, Ordering::Release);
            }
        })?;
        Ok(Self {
            wake: Some(wake),
            bulk_done,
            bulk_at: Cell::new(BULK_PAGES),
            limit: Cell::new(LIMIT_PAGES),
            step: Cell::new(STEP_PAGES),
            thread: Some(thread),
        })
    }

    /// Called by the writer between two commits.
    pub fn after_commit(&self, conn: &Connection) {
        let pages = WAL_PAGES.get();
        let bulk_done = self.bulk_done.swap(false, Ordering::Acquire);
        let is_large = pages > self.limit.get();
        if bulk_done || is_large {
            // Without waiting, a series of readers could keep the WAL from starting again for ever.
            let patience = if is_large { LONG_PATIENCE } else { PATIENCE };
            let finished = with_patience(conn, patience, "restart").unwrap_or_else(|error| {
                log::debug!("the checkpoint failed: {error}");
                false
            });
            if finished {
                self.bulk_at.set(BULK_PAGES);
                self.limit.set(LIMIT_PAGES);
                self.step.set(STEP_PAGES);
            } else {
                // A reader stays: the next attempt follows after more growth, twice as much each time.
                let next = pages.saturating_add(self.step.get());
                self.bulk_at.set(next);
                if is_large {
                    self.limit.set(next);
                }
                self.step.set(self.step.get().saturating_mul(2));
            }
        } else if pages > self.bulk_at.get()
            && let Some(wake) = &self.wake
        {
            self.bulk_at.set(i32::MAX); // until this run is done
            let _ = wake.try_send(()); // fails if a run is waiting already
        }
    }
}

impl Checkpointer {
    /// In a quiet moment, moves everything and truncates the WAL, unless somebody is reading or writing: it does not
    /// wait. Returns whether it succeeded.
    pub fn empty_wal(&self, conn: &Connection) -> bool {
        if matches!(with_patience(conn, Duration::ZERO, "truncate"), Ok(true)) {
            self.bulk_at.set(BULK_PAGES);
            WAL_PAGES.set(0);
            return true;
        }
        false
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
