//! The real path of the database, and the lock that gives it to one daemon.

use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::lock::lock;
use crate::store::error::OpenError;
use crate::store::identity::beside;

/// The largest number of links followed in a row, as in Linux.
const LINKS: usize = 40;

/// The path with all links resolved, so that the lock is the same whatever name was used. This works for a new database
/// too, which is created where the link points. Creates nothing.
pub(super) fn real_path(path: &Path) -> io::Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match path.read_link() {
            // A relative link is resolved from its own folder.
            Ok(target) => path = folder.join(target),
            Err(_) => {
                let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "names no file"))?;
                let folder =
                    folder.canonicalize().map_err(|error| io::Error::new(error.kind(), format!("folder {}: {error}", folder.display())))?;
                return Ok(folder.join(name));
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "is a link with too many levels of links"))
}

/// Gives a database to one process. The lock on the file itself is decisive: it holds whatever name was used, and
/// whatever happens to `<database>.lock`, which only names the process.
pub(super) struct DatabaseLock {
    beside: File,
    /// Present until it is dropped.
    database: Option<File>,
}

/// Takes the lock, and creates the file if it does not exist.
pub(super) fn take_lock(path: &Path) -> Result<DatabaseLock, OpenError> {
    let lock_path = beside(path, ".lock");
    let lock_error = |source| OpenError::File { path: lock_path.clone(), source };
    let mut beside = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(lock_error)?;
    let in_use = |mut beside: &File| {
        let mut holder = String::new();
        let _ = beside.read_to_string(&mut holder); // needed only for the message
        let holder = if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
        OpenError::InUse { path: path.to_owned(), holder }
    };
    match beside.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(&beside)),
        Err(TryLockError::Error(source)) => return Err(lock_error(source)),
    }
    let file_error = |source| OpenError::File { path: path.to_owned(), source };
    let database = kept(path).map_or_else(|| open_or_make(path), Ok).map_err(file_error)?;
    match database.try_lock() {
        Ok(()) => {}
        Err(error) => {
            keep(database);
            return Err(match error {
                TryLockError::WouldBlock => in_use(&beside),
                TryLockError::Error(source) => file_error(source),
            });
        }
    }
    beside.set_len(0).and_then(|()| beside.rewind()).and_then(|()| write!(beside, "{}", std::process::id())).map_err(lock_error)?;
    Ok(DatabaseLock { beside, database: Some(database) })
}

impl DatabaseLock {
    /// Refuses a file with several names, because SQLite would look for another WAL beside each of them.
    pub fn refuse_links(&self, path: &Path) -> Result<(), OpenError> {
        let links = self.database.as_ref().and_then(|file| file.metadata().ok()).map_or(1, |found| found.nlink());
        if links > 1 { Err(OpenError::Links { path: path.to_owned(), links }) } else { Ok(()) }
    }

    /// Releases the database for the next process.
    pub fn release(&self) {
        for file in [Some(&self.beside), self.database.as_ref()].into_iter().flatten() {
            if let Err(error) = file.unlock() {
                log::debug!("cannot release the lock of the database before the end: {error}");
            }
        }
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        self.release();
        self.database.take().into_iter().for_each(keep);
    }
}

/// The databases that this process has locked. Their descriptors stay open as long as the files have a name, because
/// closing any descriptor of a file drops all POSIX locks of the process on it, including SQLite's.
static KEPT: Mutex<Vec<File>> = Mutex::new(Vec::new());

fn keep(file: File) {
    let mut kept = lock(&KEPT);
    kept.retain(|file| file.metadata().is_ok_and(|found| found.nlink() > 0));
    kept.push(file);
}

fn kept(path: &Path) -> Option<File> {
    let inode = |found: Metadata| (found.dev(), found.ino());
    let wanted = path.metadata().map(inode).ok()?;
    let mut kept = lock(&KEPT);
    let at = kept.iter().position(|file| file.metadata().map(inode).is_ok_and(|found| found == wanted))?;
    Some(kept.swap_remove(at))
}

/// Creates a new file readable only by its owner, because it will contain numbers and texts. If the umask excludes
/// others but not the group, the group may read it too.
fn open_or_make(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o666).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(path),
        Ok(file) if file.metadata()?.mode() & 0o007 != 0 => file.set_permissions(Permissions::from_mode(0o600)).map(|()| file),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_is_followed_and_nothing_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("there");
        std::fs::create_dir_all(root.join("data/deep")).expect("made");
        let link = |target: &str, name: &str| symlink(target, root.join(name)).expect("made");
        link("data/real.db", "r.db");
        link("r.db", "again.db");
        link(root.join("data/real.db").to_str().expect("text"), "whole.db");
        // `..` is resolved from the real folder.
        link("data/deep", "elsewhere");
        link("../real.db", "data/deep/up.db");
        for name in ["r.db", "again.db", "whole.db", "elsewhere/up.db", "data/real.db"] {
            assert_eq!(real_path(&root.join(name)).expect("found"), root.join("data/real.db"), "{name}");
        }
        assert!(!root.join("data/real.db").exists());
        link("nowhere/real.db", "lost.db");
        let error = real_path(&root.join("lost.db")).expect_err("no folder").to_string();
        assert!(error.contains("nowhere"), "{error}");
        link("round.db", "round.db");
        assert!(real_path(&root.join("round.db")).expect_err("no end").to_string().contains("too many levels"));
    }
}
