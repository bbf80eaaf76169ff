//! Checking that the open files are still the files at their paths. Otherwise, acknowledged data may be lost.
//!
//! If only the WAL was removed, its content can still be saved through the writer's open handle; after that, only a
//! restart helps. Nothing is written while a fault lasts.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use tokio::sync::watch;

use super::checkpoint::checkpoint;
use crate::lock::lock;
use crate::store::identity::beside;

/// The properties of the database file, to be compared with the file at its path.
pub(super) struct FileWatch {
    path: PathBuf,
    inode: (u64, u64),
    read_only: bool,
    /// The smallest plausible size: the file never shrinks while a daemon uses it, because nothing vacuums it.
    least_bytes: AtomicU64,
    wal_path: PathBuf,
    /// The inode of the WAL that the writer has open.
    wal: Mutex<Option<(u64, u64)>>,
    /// Whether something was wrong at the writer's last check.
    was_faulty: AtomicBool,
    /// Whether the WAL was removed and its content is now in the database.
    wal_saved: watch::Sender<bool>,
}

impl FileWatch {
    pub fn new(path: &Path) -> std::io::Result<Self> {
        // Never opened here: closing it again would drop SQLite's locks.
        let found = std::fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            inode: inode(&found),
            read_only: found.permissions().readonly(),
            least_bytes: AtomicU64::new(found.len()),
            wal_path: beside(path, "-wal"),
            wal: Mutex::default(),
            was_faulty: AtomicBool::new(false),
            wal_saved: watch::Sender::new(false),
        })
    }

    /// Records the WAL that the writer has just opened.
    pub fn wal_is_open(&self) {
        *lock(&self.wal) = std::fs::metadata(&self.wal_path).ok().as_ref().map(inode);
    }

    /// Whether the WAL that the writer has open is no longer the one that the next start would read.
    fn wal_is_gone(&self) -> bool {
        let open = *lock(&self.wal);
        open.is_some_and(|open| match std::fs::metadata(&self.wal_path) {
            Ok(found) => inode(&found) != open,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
    }

    /// What happened to the files; `None` if nothing did. What was committed since may be lost.
    pub fn fault(&self) -> Option<String> {
        let path = self.path.display();
        let Some(found) = std::fs::metadata(&self.path).ok().filter(|found| inode(found) == self.inode) else {
            return Some(format!("{path} was moved, deleted or replaced; put it back, or restart receiptd"));
        };
        if found.permissions().readonly() && !self.read_only {
            return Some(format!("{path} was made read-only; make it writable again (chmod u+w)"));
        }
        let before = self.least_bytes.fetch_max(found.len(), Ordering::Relaxed);
        if found.len() < before {
            return Some(format!(
                "{path} was truncated from {before} to {} bytes; stop receiptd, and restore the file from a backup",
                found.len()
            ));
        }
        self.wal_is_gone().then(|| format!("{} was moved, deleted or replaced; restart receiptd", self.wal_path.display()))
    }

    /// The current fault, for the writer, which saves what it can through its own connection.
    pub fn fault_of_writer(&self, conn: &Connection) -> Option<String> {
        let fault = self.fault();
        self.was_faulty.store(fault.is_some(), Ordering::Relaxed);
        if fault.is_some() && self.wal_alone_is_gone() {
            self.save_wal(conn);
        }
        fault
    }

    /// The fault that the writer found at its last check, if it still lasts.
    pub fn lasting_fault(&self, conn: &Connection) -> Option<String> {
        if self.was_faulty.load(Ordering::Relaxed) { self.fault_of_writer(conn) } else { None }
    }

    /// Completes when nothing more can be recorded until a restart, and a restart would lose nothing.
    pub async fn ended(&self) {
        if self.wal_saved.subscribe().wait_for(|saved| *saved).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether only the WAL is gone, while the database is in place: then the WAL's content can be saved into it. If
    /// both are gone, both may come back.
    fn wal_alone_is_gone(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode) && self.wal_is_gone()
    }

    /// Acknowledged data is in a WAL that the next start would not read: moves it into the database through the open
    /// handle. If that fails, nothing is accepted, and it is tried again.
    fn save_wal(&self, conn: &Connection) {
        match checkpoint(conn, "full") {
            Ok(true) => {
                if !self.wal_saved.send_replace(true) {
                    log::error!("the WAL was deleted or replaced; everything acknowledged has been saved in the database");
                }
            }
            Ok(false) => log::error!("the WAL was deleted or replaced, and a reader prevents saving it; do not stop receiptd yet"),
            Err(error) => log::error!("the WAL was deleted or replaced, and cannot be saved yet; do not stop receiptd: {error}"),
        }
    }
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
