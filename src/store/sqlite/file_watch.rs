//! Are the files that are held open still the files at their paths? If not, what is acknowledged may go nowhere.
//!
//! Where the WAL alone was taken away, what stands in it can still be saved, through the handle that the writer holds:
//! after that nothing but a new start helps. Nothing is written while a fault lasts.

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

/// What was seen of the database file, to compare it with what is there.
pub(super) struct FileWatch {
    path: PathBuf,
    inode: (u64, u64),
    read_only: bool,
    /// It never shrinks while a daemon has it: nothing here vacuums it.
    least_bytes: AtomicU64,
    wal_path: PathBuf,
    /// Of the WAL that the writer has open.
    wal: Mutex<Option<(u64, u64)>>,
    /// Something was wrong when the writer looked last.
    was_faulty: AtomicBool,
    /// The WAL was taken away, and what stood in it is in the database now.
    wal_saved: watch::Sender<bool>,
}

impl FileWatch {
    pub fn new(path: &Path) -> std::io::Result<Self> {
        // Never opened: closing it again would drop SQLite's locks.
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

    /// The writer has opened its WAL: from now on it must be this one.
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

    /// What happened to the file under the daemon; `None`: nothing. What was committed since may have gone nowhere.
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

    /// What is wrong with the file, for the writer, who saves what it can through its own connection.
    pub fn fault_of_writer(&self, conn: &Connection) -> Option<String> {
        let fault = self.fault();
        self.was_faulty.store(fault.is_some(), Ordering::Relaxed);
        if fault.is_some() && self.wal_alone_is_gone() {
            self.save_wal(conn);
        }
        fault
    }

    /// What was wrong with the file when the writer looked last, and still is.
    pub fn lasting_fault(&self, conn: &Connection) -> Option<String> {
        if self.was_faulty.load(Ordering::Relaxed) { self.fault_of_writer(conn) } else { None }
    }

    /// Completes when nothing can be recorded any more before a new start, and nothing would be lost by one.
    pub async fn ended(&self) {
        if self.wal_saved.subscribe().wait_for(|saved| *saved).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether it is, while the database itself is in its place: then what stands in the WAL can be saved into it. Where both are
    /// gone, both may come back.
    fn wal_alone_is_gone(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode) && self.wal_is_gone()
    }

    /// What was acknowledged stands in a WAL that the next start would not read: it is moved into the database through the
    /// handle that is still open. Where it cannot be moved, nothing is taken, and it is tried
    /// again.
    fn save_wal(&self, conn: &Connection) {
        match checkpoint(conn, "full") {
            Ok(true) => {
                if !self.wal_saved.send_replace(true) {
                    log::error!("the WAL was taken away; what was acknowledged is saved in the database");
                }
            }
            Ok(false) => log::error!("the WAL was taken away, and somebody who reads keeps it from being saved; do not stop receiptd yet"),
            Err(error) => log::error!("the WAL was taken away, and cannot be saved yet; do not stop receiptd: {error}"),
        }
    }
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
