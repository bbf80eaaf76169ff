//! The shared handle: a queue to the writer, and connections for reading.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::claims::Claims;
use super::connection::Readers;
use super::failure::JobError;
use super::file_watch::FileWatch;
use super::lock::DatabaseLock;
use super::queued_before::QueuedBefore;
use super::transaction::{WriterJobs, Writing};
use crate::clock::Clock;
use crate::lock::lock;
use crate::store::error::StoreError;
use crate::store::identity::Identity;
use crate::store::queue::Queue;
use crate::store::settings::QuarantineBounds;

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Sqlite {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub queue: Arc<Queue<WriterJobs>>,
    pub identity: Arc<Mutex<Identity>>,
    pub identity_path: PathBuf,
    pub path: PathBuf,
    pub file_watch: Arc<FileWatch>,
    pub quarantine: QuarantineBounds,
    pub clock: Clock,
    pub readers: Readers,
    /// Limits the readers that wait for a connection.
    pub turns: Semaphore,
    /// The batches being submitted.
    pub claims: Arc<Claims>,
    /// The batches of an earlier run that are not submitted before the provider was asked about them.
    pub queued_before: Arc<QueuedBefore>,
    /// Limits the large batches that may arrive at a time.
    pub arriving: Arc<Semaphore>,
    /// Held by the batch whose slice is being written.
    pub slice: tokio::sync::Mutex<()>,
    /// Only one copy is written at a time.
    pub copying: Mutex<()>,
    pub thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Held until the store is closed: a database has only one daemon.
    pub lock: DatabaseLock,
}

impl Sqlite {
    pub(super) fn identity(&self) -> MutexGuard<'_, Identity> {
        lock(&self.shared.identity)
    }

    /// Changes the identity and its file. If the file cannot be written, nothing changes. Blocks.
    pub(super) fn change_identity<T>(&self, change: impl FnOnce(&mut Identity) -> std::io::Result<T>) -> Result<T, StoreError> {
        let path = &self.shared.identity_path;
        let mut identity = self.identity();
        let mut changed = identity.clone();
        let answer = change(&mut changed)
            .and_then(|answer| changed.save(path).map(|()| answer))
            .map_err(|error| StoreError::Broken(format!("{}: {error}", path.display())))?;
        *identity = changed;
        Ok(answer)
    }

    /// Runs a job in the writer's next transaction, and waits until its result is durable. `rows` is the amount of
    /// work, as a number of receipts.
    pub(super) async fn write<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writing<'_>) -> Result<T, JobError> + Send + 'static,
    {
        self.shared.queue.write(rows, run).await
    }

    /// Like [`write`](Self::write), for a long list, which leaves space for other jobs.
    pub(super) async fn write_list<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writing<'_>) -> Result<T, JobError> + Send + 'static,
    {
        self.shared.queue.write_list(rows, run).await
    }

    /// Runs a short read on a connection of the pool, away from the threads that serve requests.
    pub(super) async fn read<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let _turn = self.shared.turns.try_acquire().map_err(|_| StoreError::Busy)?;
        let readers = self.shared.readers.clone();
        blocking(move || {
            let conn = readers.get().map_err(|_| StoreError::Busy)?;
            run(&conn).map_err(StoreError::from)
        })
        .await
    }
}

pub(super) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(run).await.unwrap_or(Err(StoreError::Closing))
}

/// Accepts no more jobs, writes those that wait, and ends the writer.
pub(super) fn close(db: &Sqlite) {
    db.shared.queue.close();
    let thread = lock(&db.shared.thread).take();
    if thread.is_some_and(|thread| thread.join().is_err()) {
        log::error!("the writer panicked");
    }
    // Now, and not only when the last reader is gone: the next daemon should be able to start at once.
    db.shared.lock.release();
}

pub(super) async fn rotate_secret(db: &Sqlite, revoke: bool) -> Result<usize, StoreError> {
    let db = db.clone();
    let rotate = move |identity: &mut Identity| {
        identity.rotate(revoke)?;
        Ok(identity.accepted())
    };
    blocking(move || db.change_identity(rotate)).await
}

pub(super) async fn fault(db: &Sqlite) -> Option<String> {
    let files = db.shared.file_watch.clone();
    if let Ok(Some(fault)) = blocking(move || Ok(files.fault())).await {
        // The writer checks too, and saves what it can.
        let _ = db.shared.queue.ping().await;
        return Some(fault);
    }
    db.shared.queue.trouble()?;
    ping(db).await.err()
}

pub(super) async fn ping(db: &Sqlite) -> Result<(), String> {
    let queue = &db.shared.queue;
    queue.ping().await.map_err(|error| queue.trouble().unwrap_or_else(|| error.to_string()))
}
