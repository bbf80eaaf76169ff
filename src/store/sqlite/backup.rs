//! Copies of the database and its identity.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::handle::Sqlite;
use super::lock::take_lock;
use crate::durable::{Draft, delete_drafts, folder_of};
use crate::lock::lock;
use crate::store::error::BackupError;
use crate::store::identity::{Identity, beside};

pub(super) async fn backup(db: &Sqlite, to: PathBuf) -> Result<(), BackupError> {
    let db = db.clone();
    let work = move || {
        // One at a time: a second copy to the same file would write into the unfinished first one.
        let _turn = lock(&db.shared.copying);
        let identity = db.identity().clone();
        copy(&db.shared.path, &identity, &to)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BackupError::Closing))
}

/// [`Store::backup`] for a database that no daemon has open.
///
/// # Errors
/// If a daemon has it open, or as listed in [`BackupError`].
pub fn backup_file(database: &Path, to: &Path) -> Result<(), BackupError> {
    let file = |source| BackupError::File { path: database.to_owned(), source };
    let from = database.canonicalize().map_err(file)?;
    let _lock = take_lock(&from)?;
    let path = beside(&from, ".identity");
    let identity = Identity::load(&path).and_then(|identity| {
        identity.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "is missing: a copy without it would accept no callbacks"))
    });
    copy(&from, &identity.map_err(|source| BackupError::File { path, source })?, to)
}

/// Overwrites nothing, follows no links, and leaves no files behind if it fails.
fn copy(from: &Path, identity: &Identity, to: &Path) -> Result<(), BackupError> {
    let to = place(from, to)?;
    let file = |path: &Path| {
        let path = path.to_owned();
        |source: io::Error| match source.kind() {
            // Somebody else created it meanwhile.
            io::ErrorKind::AlreadyExists => BackupError::Exists(path),
            _ => BackupError::File { path, source },
        }
    };
    let identity_path = beside(&to, ".identity");
    for path in [&to, &identity_path] {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
    }
    delete_drafts(&to);
    let draft = Draft::of(&to).map_err(file(&to))?;
    write_copy(from, draft.path())?;
    // Refers to no file yet, because the restored copy will be another file.
    let mut identity = identity.clone();
    identity.file = None;
    identity.create(&identity_path).map_err(file(&identity_path))?;
    draft.create().map_err(file(&to)).inspect_err(|_| {
        let _ = std::fs::remove_file(&identity_path); // somebody may have removed it
    })
}

/// The real path of the copy. Refuses names that begin with the name of the database, because the files of SQLite and
/// our own do.
fn place(from: &Path, to: &Path) -> Result<PathBuf, BackupError> {
    let (Some(name), folder) = (to.file_name(), folder_of(to)) else { return Err(BackupError::Reserved(to.to_owned())) };
    let folder = folder.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BackupError::NoFolder(folder.to_owned()),
        _ => BackupError::File { path: folder.to_owned(), source },
    })?;
    let database = from.file_name().unwrap_or_default().as_encoded_bytes();
    if folder == folder_of(from) && name.as_encoded_bytes().starts_with(database) {
        return Err(BackupError::Reserved(to.to_owned()));
    }
    Ok(folder.join(name))
}

pub(super) fn write_copy(from: &Path, draft: &Path) -> Result<(), BackupError> {
    {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        source.execute("vacuum into ?1", [draft.to_string_lossy()])?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(draft, flags)?.execute("update instance set is_copy = 1", [])?;
    Ok(())
}
