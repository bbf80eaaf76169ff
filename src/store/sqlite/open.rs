//! Opening a database: one daemon per file, the right file, and nothing in it that could be sent twice.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::checkpoint::Checkpointer;
use super::connection::{open_for_writing, open_or_create, readers};
use super::enqueue::{ARRIVING_AT_A_TIME, delete_unfinished};
use super::file_watch::FileWatch;
use super::handle::{Shared, Sqlite};
use super::lineage::recognise;
use super::lock::{real_path, take_lock};
use super::prune::finish_pruning;
use super::queued_before::QueuedBefore;
use super::schema::migrate;
use super::writer::{Writer, spawn};
use crate::clock::Clock;
use crate::durable::sync_folder_of;
use crate::metrics::Metrics;
use crate::store::answers::AtOpening;
use crate::store::error::OpenError;
use crate::store::identity::beside;
use crate::store::queue::Queue;
use crate::store::settings::StoreSettings;

/// The number of readers that may wait for a connection; more are refused as busy.
const READERS_WAITING: usize = 256;

impl Sqlite {
    pub fn open(settings: &StoreSettings, clock: &Clock, metrics: Arc<Metrics>) -> Result<(Self, AtOpening), OpenError> {
        let path = real_path(&settings.path).map_err(|source| OpenError::File { path: settings.path.clone(), source })?;
        let lock = take_lock(&path)?;
        lock.refuse_links(&path)?;
        let mut conn = open_or_create(&path)?;
        // SQLite syncs the name of its WAL, but not that of the database.
        sync_folder_of(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let created = migrate(&mut conn, &path, clock.now())?;
        finish_pruning(&conn)?;
        delete_unfinished(&conn)?;
        let identity_path = beside(&path, ".identity");
        let mut found = AtOpening::default();
        let identity = recognise(&conn, &path, created, clock.now(), &mut found)?;

        let queued_before = Arc::new(QueuedBefore::read(&conn)?);
        let queue = Arc::new(Queue::new(metrics));
        let identity = Arc::new(Mutex::new(identity));
        let checkpointer = Checkpointer::start(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        drop(conn);
        let conn = open_for_writing(&path)?;
        let file_watch = Arc::new(FileWatch::new(&path).map_err(|source| OpenError::File { path: path.clone(), source })?);
        let writer = Writer::new(&path, conn, clock.clone(), queue.clone(), identity.clone(), checkpointer, file_watch.clone())?;
        let readers = readers(&path)?;
        let thread = spawn(writer).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let shared = Shared {
            queue,
            identity,
            identity_path,
            path,
            file_watch,
            quarantine: settings.quarantine,
            clock: clock.clone(),
            readers,
            turns: Semaphore::new(READERS_WAITING),
            claims: Arc::default(),
            queued_before,
            arriving: Arc::new(Semaphore::new(ARRIVING_AT_A_TIME)),
            slice: tokio::sync::Mutex::default(),
            copying: Mutex::default(),
            thread: Mutex::new(Some(thread)),
            lock,
        };
        Ok((Self { shared: Arc::new(shared) }, found))
    }
}
