//! The handle that everybody shares: a queue to the writer, and connections to read from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, named_params};
use tokio::sync::Semaphore;

use super::claims::Claims;
use super::connection::Readers;
use super::failure::JobError;
use super::file_watch::FileWatch;
use super::transaction::{Sqlite, Writing};
use crate::clock::Clock;
use crate::domain::CallbackSecrets;
use crate::lock::lock;
use crate::store::error::StoreError;
use crate::store::identity::Identity;
use crate::store::queue::Queue;
use crate::store::settings::QuarantineBounds;

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub queue: Arc<Queue<Sqlite>>,
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
    /// Large batches that may still come in at this moment.
    pub arriving: Arc<Semaphore>,
    /// Whose slice is written.
    pub slice: tokio::sync::Mutex<()>,
    /// One copy is written at a time.
    pub copying: Mutex<()>,
    pub thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Held until the store is closed: one daemon a database.
    pub lock: File,
}

impl Store {
    /// Takes nothing more, writes what waits, and ends the writer. Blocks until that is done.
    pub fn close(&self) {
        self.shared.queue.close();
        let thread = lock(&self.shared.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the writer ended with a panic");
        }
        // Not only when the last reader has gone: who stops one daemon and starts the next does not wait for that.
        if let Err(error) = self.shared.lock.unlock() {
            log::debug!("the lock of the database is held until the end: {error}");
        }
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The secrets that callback tokens are made and checked with.
    pub fn callback_secrets(&self) -> Option<CallbackSecrets> {
        self.identity().callback_secrets()
    }

    /// A new secret for the tokens of batches to come; with `revoke`, those given out so far are refused.
    /// Returns how many secrets are accepted now.
    ///
    /// # Errors
    /// When the identity file cannot be written; then nothing changes.
    pub async fn rotate_secret(&self, revoke: bool) -> Result<usize, StoreError> {
        let store = self.clone();
        blocking(move || {
            let mut identity = store.identity();
            let mut rotated = identity.clone();
            rotated
                .rotate(revoke)
                .and_then(|()| rotated.save(&store.shared.identity_path))
                .map_err(|error| StoreError::Broken(format!("{}: {error}", store.shared.identity_path.display())))?;
            *identity = rotated;
            Ok(identity.accepted())
        })
        .await
    }

    /// Why receipts cannot be recorded at the moment; `None` when they can. Where the last commit failed, a
    /// new one is tried, so that a daemon nobody writes to notices that the fault is gone.
    pub async fn fault(&self) -> Option<String> {
        let files = self.shared.file_watch.clone();
        if let Ok(Some(fault)) = blocking(move || Ok(files.fault())).await {
            // The writer looks too: what can be saved, it saves.
            let _ = self.write(1, |_| Ok(())).await;
            return Some(fault);
        }
        self.shared.queue.trouble()?;
        // SQLite writes nothing where nothing changes: so a row comes and goes, and its page is written all the same.
        let probe = self.write(1, |w| {
            w.tx.conn.execute("insert into pruned (uuid, pruned_at) values ('probe', 0)", [])?;
            w.tx.conn.execute("delete from pruned where uuid = 'probe'", [])?;
            Ok(())
        });
        match probe.await {
            Ok(()) => None,
            Err(error) => self.shared.queue.trouble().or(Some(error.to_string())),
        }
    }

    /// Completes when nothing can be recorded any more before a new start, and nothing would be lost by one.
    pub async fn ended(&self) {
        self.shared.file_watch.ended().await;
    }

    /// Rows that wait for the writer.
    pub fn queue_depth(&self) -> usize {
        self.shared.queue.depth()
    }

    /// Completes when something may be waiting in the outbox. Made before looking, awaited after.
    pub fn outbox_changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.queue.outbox.notified()
    }

    /// Follows the id of the newest committed receipt.
    pub fn newest_receipt(&self) -> tokio::sync::watch::Receiver<i64> {
        self.shared.queue.newest_receipt.subscribe()
    }

    /// Whether nothing is handed to the provider.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn is_paused(&self) -> Result<bool, StoreError> {
        self.read(|conn| conn.query_row("select paused from instance", [], |row| row.get(0))).await
    }

    /// Stops, or goes on, handing batches to the provider. Durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_paused(&self, paused: bool) -> Result<(), StoreError> {
        self.write(1, move |w| {
            w.tx.conn.execute("update instance set paused = :paused", named_params! {":paused": paused})?;
            *w.outbox_changed = true;
            Ok(())
        })
        .await
    }

    pub(super) fn identity(&self) -> std::sync::MutexGuard<'_, Identity> {
        lock(&self.shared.identity)
    }

    pub(super) async fn write<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writing<'_>) -> Result<T, JobError> + Send + 'static,
    {
        self.shared.queue.write(rows, run).await
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
