//! Opening and configuring connections to the file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use scheduled_thread_pool::{OnPoolDropBehavior, ScheduledThreadPool};

use super::schema::{PAGE, examine};
use crate::store::error::OpenError;

/// The cache size of the writing connection, in KiB (negative, as SQLite expects).
pub(super) const CACHE: i32 = -16_384;
/// The number of reading connections.
const READERS: u32 = 8;
/// How long a reader waits for a connection from the pool.
const READER_PATIENCE: Duration = Duration::from_secs(5);
/// How long another process may hold the write lock before waiting clients are refused.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Opens a file for the first time; a file that is not ours is not changed.
pub(super) fn open_or_create(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // Before any setting, because that would write into a file that may not be ours.
    examine(&conn, path)?;
    // Affects only a new file. A receipt changes a few bytes of a page that no other receipt in its commit changes, so
    // smaller pages mean less data to write.
    conn.pragma_update(None, "page_size", PAGE)?;
    Ok(for_writing(conn)?)
}

/// Opens a connection for writing; the file must exist.
pub(super) fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    for_writing(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

fn for_writing(conn: Connection) -> rusqlite::Result<Connection> {
    conn.busy_timeout(LOCK_PATIENCE)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "full")?;
    // We run the checkpoints ourselves: see `checkpoint`.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", CACHE)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    // Erased data leaves no trace in free space.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// A pool of connections for reading.
pub(super) type Readers = r2d2::Pool<SqliteConnectionManager>;

pub(super) fn readers(path: &Path) -> Result<Readers, r2d2::Error> {
    Readers::builder()
        .max_size(READERS)
        .min_idle(Some(1))
        .connection_timeout(READER_PATIENCE)
        .thread_pool(Arc::new(housekeeping()))
        .build(readers_of(path))
}

/// A single thread opens and closes the readers, and ends with the store. By default, r2d2 uses three threads that stay
/// for half a minute afterwards; tests, which open many stores, accumulated thousands of them.
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
