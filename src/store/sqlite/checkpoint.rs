//! Moving what is committed from the WAL into the database file, off the path that acknowledges.
//!
//! A thread with a connection of its own does the bulk as soon as the WAL has grown. It can never
//! quite finish while commits go on, and only a finished checkpoint lets the WAL start again from its
//! beginning, so the writer completes the little that is left between two commits; above a limit it
//! does so whatever it costs.

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

/// WAL size, in pages, from which the bulk is moved: 20 MiB.
const BULK_PAGES: i32 = (20 << 20) / PAGE;
/// WAL size from which the writer itself moves everything: 36 MiB.
const LIMIT_PAGES: i32 = (36 << 20) / PAGE;

/// After a move that readers kept from finishing, it is tried again when the WAL has grown by 4 MiB.
const STEP_PAGES: i32 = (4 << 20) / PAGE;
/// How long the writer waits for those who read: an export reads a page in some milliseconds.
const PATIENCE: Duration = Duration::from_millis(20);
/// The same above that size.
const LONG_PATIENCE: Duration = Duration::from_millis(100);
/// How often the thread goes over the WAL before the writer, who has to wait for it, moves the rest.
const PASSES: usize = 3;

thread_local! {
    /// Pages in the WAL after the last commit of this thread's connection.
    static WAL_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// The writer's end.
pub(super) struct Checkpointer {
    /// `None` once the thread could not go on.
    wake: Option<SyncSender<()>>,
    bulk_done: Arc<AtomicBool>,
    /// At which size the bulk is to be moved: after a move that readers kept from finishing, not at every commit.
    bulk_at: Cell<i32>,
    /// At which size the writer waits for readers.
    limit: Cell<i32>,
    /// By how much that grows when they stay.
    step: Cell<i32>,
    thread: Option<JoinHandle<()>>,
}

/// Has the connection report the size of the WAL after each commit, to this thread.
pub(super) fn watch_wal(conn: &Connection) {
    conn.wal_hook(Some(|_, pages| {
        WAL_PAGES.set(pages);
        Ok(())
    }));
}

/// One checkpoint. Returns whether all of the WAL was moved.
pub(super) fn checkpoint(conn: &Connection, mode: &str) -> rusqlite::Result<bool> {
    conn.query_row(&format!("pragma wal_checkpoint({mode})"), [], |row| {
        let (busy, in_wal, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && in_wal == moved)
    })
}

/// One that waits no longer than this for others.
fn with_patience(conn: &Connection, patience: Duration, mode: &str) -> rusqlite::Result<bool> {
    let moved = conn.busy_timeout(patience).and_then(|()| checkpoint(conn, mode));
    conn.busy_timeout(LOCK_PATIENCE)?;
    moved
}

impl Checkpointer {
    /// Starts the thread.
    pub fn start(path: &Path) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel::<()>(1);
        let bulk_done = Arc::new(AtomicBool::new(false));
        let done = bulk_done.clone();
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while woken.recv().is_ok() {
                // Opened anew each time: what a failing disk left in a connection does not outlive it.
                // Each pass leaves what was committed meanwhile, which is less each time.
                let passes = |conn: Connection| (0..PASSES).try_for_each(|_| checkpoint(&conn, "passive").map(drop));
                if let Err(error) = open_for_writing(&path).and_then(passes) {
                    log::debug!("the WAL was not moved: {error}");
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
            // Those who read one after the other would keep the WAL from starting anew for ever, if nobody waited for them.
            let patience = if is_large { LONG_PATIENCE } else { PATIENCE };
            let finished = with_patience(conn, patience, "restart").unwrap_or_else(|error| {
                log::debug!("the WAL was not moved: {error}");
                false
            });
            if finished {
                self.bulk_at.set(BULK_PAGES);
                self.limit.set(LIMIT_PAGES);
                self.step.set(STEP_PAGES);
            } else {
                // A reader that stays: it is tried again when the WAL has grown some more, each time twice as much.
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
            self.bulk_at.set(i32::MAX); // until this one is done
            let _ = wake.try_send(()); // one waits already
        }
    }
}

impl Checkpointer {
    /// In a quiet moment: moves everything and cuts the file, unless somebody reads or writes: nobody is
    /// waited for. Returns whether it was done.
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
