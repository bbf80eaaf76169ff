//! Connections to the file: how each is opened, and what is set on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use super::schema::{PAGE, examine};
use crate::store::error::OpenError;

/// Of the connection that writes: KiB, below zero.
pub(super) const CACHE: i32 = -16_384;
/// Connections for reading.
const READERS: u32 = 8;
/// How long a reader waits for a connection of the pool.
const READER_PATIENCE: Duration = Duration::from_secs(5);
/// How long another process may hold the write lock before the clients that wait are told to come back.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The connection that looks at a file first: of a file that is not ours nothing is changed.
pub(super) fn open_or_create(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // Before anything is set: that would write into a file that may not be ours.
    examine(&conn, path)?;
    // Of a new file. A receipt changes a few bytes of a page that no other receipt of its commit changes: the smaller
    // the pages, the less is written for it.
    conn.pragma_update(None, "page_size", PAGE)?;
    Ok(for_writing(conn)?)
}

/// A connection that writes. The file must be there.
pub(super) fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    for_writing(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

fn for_writing(conn: Connection) -> rusqlite::Result<Connection> {
    conn.busy_timeout(LOCK_PATIENCE)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "full")?;
    // The checkpoints are ours: see `checkpoint`.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", CACHE)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    // What is erased leaves no trace in free space either.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Connections for reading, lent out one by one.
pub(super) type Readers = r2d2::Pool<SqliteConnectionManager>;

pub(super) fn readers(path: &Path) -> Result<Readers, r2d2::Error> {
    Readers::builder()
        .max_size(READERS)
        .min_idle(Some(1))
        .connection_timeout(READER_PATIENCE)
        .thread_pool(Arc::new(housekeeping()))
        .build(readers_of(path))
}

/// One thread opens and closes the readers, and ends with the store. By itself r2d2 has three, which stay for half a
/// minute after it: where stores come and go, as in tests, there were thousands of them.
fn housekeeping() -> ScheduledThreadPool {
    ScheduledThreadPool::builder()
        .num_threads(1)
        .thread_name_pattern("readers")
        .on_drop_behavior(OnPoolDropBehavior::DiscardPendingScheduled)
        .build()
}

fn readers_of(path: &Path) -> SqliteConnectionManager {
    SqliteConnectionManager::file(path).with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).with_init(|conn| {
        conn.busy_timeout(Duration::from_secs(2))?;
        conn.pragma_update(None, "query_only", true)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        conn.set_prepared_statement_cache_capacity(32);
        Ok(())
    })
}
