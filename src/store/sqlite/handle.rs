//! The handle that everybody shares: a queue to the writer, and connections to read from.

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
    /// Of those that may wait for a connection to read from.
    pub turns: Semaphore,
    /// Batches that are being handed over.
    pub claims: Arc<Claims>,
    /// Batches of an earlier run that are not handed over before the provider was asked about them.
    pub queued_before: Arc<QueuedBefore>,
    /// Large batches that may still come in at this moment.
    pub arriving: Arc<Semaphore>,
    /// Whose slice is written.
    pub slice: tokio::sync::Mutex<()>,
    /// One copy is written at a time.
    pub copying: Mutex<()>,
    pub thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Held until the store is closed: one daemon a database.
    pub lock: DatabaseLock,
}

impl Sqlite {
    pub(super) fn identity(&self) -> MutexGuard<'_, Identity> {
        lock(&self.shared.identity)
    }

    /// Changes the identity and its file; where that cannot be written, nothing is changed. Blocks.
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

    /// Has the writer run this in its next transaction, and waits until that is durable. `rows`: how much work it is, as a
    /// number of receipts.
    pub(super) async fn write<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writing<'_>) -> Result<T, JobError> + Send + 'static,
    {
        self.shared.queue.write(rows, run).await
    }

    /// The same for a long list, which leaves room to others.
    pub(super) async fn write_list<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writing<'_>) -> Result<T, JobError> + Send + 'static,
    {
        self.shared.queue.write_list(rows, run).await
    }

    /// Runs one short read on a connection of the pool, away from the threads that serve.
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

/// Takes nothing more, writes what waits, and ends the writer.
pub(super) fn close(db: &Sqlite) {
    db.shared.queue.close();
    let thread = lock(&db.shared.thread).take();
    if thread.is_some_and(|thread| thread.join().is_err()) {
        log::error!("the writer ended with a panic");
    }
    // Not only when the last reader has gone: who stops one daemon and starts the next does not wait for that.
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
        // The writer looks too: what can be saved, it saves.
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
