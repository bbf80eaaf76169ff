//! Are the files that are held open still the files at their paths?

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::identity::beside;
use crate::lock::lock;

/// What was seen of the database file, to compare it with what is there.
pub(super) struct Watched {
    path: PathBuf,
    inode: (u64, u64),
    read_only: bool,
    /// It never shrinks while a daemon has it: nothing here vacuums it.
    least_bytes: AtomicU64,
    wal_path: PathBuf,
    /// Of the WAL that the writer has open.
    wal: Mutex<Option<(u64, u64)>>,
}

impl Watched {
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

    /// The same, while the database itself is in its place: then what stands in the WAL can be saved into it. Where both are
    /// gone, both may come back.
    pub fn wal_alone_is_gone(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode) && self.wal_is_gone()
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
}

fn inode(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
