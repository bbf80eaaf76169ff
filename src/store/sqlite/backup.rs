//! Copies of the database, with its identity.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::handle::Sqlite;
use super::lock::take_lock;
use crate::lock::lock;
use crate::store::error::BackupError;
use crate::store::identity::{Identity, beside};

pub(super) async fn backup(db: &Sqlite, to: PathBuf) -> Result<(), BackupError> {
    let db = db.clone();
    let work = move || {
        // One after the other: a second one to the same file would write into what the first has half written.
        let _turn = lock(&db.shared.copying);
        let identity = db.identity().clone();
        copy(&db.shared.path, &identity, &to)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BackupError::Closing))
}

/// [`Store::backup`] of a database that no daemon has open.
///
/// # Errors
/// When a daemon has it open, and see [`BackupError`].
pub fn backup_file(database: &Path, to: &Path) -> Result<(), BackupError> {
    let file = |source| BackupError::File { path: database.to_owned(), source };
    let from = database.canonicalize().map_err(file)?;
    let _lock = take_lock(&from)?;
    let path = beside(&from, ".identity");
    let identity = Identity::load(&path).and_then(|identity| {
        identity.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "is missing: a copy without it would lead no callback home"))
    });
    copy(&from, &identity.map_err(|source| BackupError::File { path, source })?, to)
}

fn copy(from: &Path, identity: &Identity, to: &Path) -> Result<(), BackupError> {
    let identity_path = beside(to, ".identity");
    for path in [to, &identity_path] {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
    }
    let mut made = Vec::new();
    let outcome = make_copy(from, identity, [to, &identity_path], &mut made);
    if outcome.is_err() {
        for path in made {
            let _ = std::fs::remove_file(path); // somebody may have taken it away
        }
    }
    outcome
}

/// `made` are the files that this run made: they go where it fails, and nothing else does.
fn make_copy(from: &Path, identity: &Identity, [to, identity_path]: [&Path; 2], made: &mut Vec<PathBuf>) -> Result<(), BackupError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        |source| BackupError::File { path, source }
    };
    let partial = beside(to, ".partial");
    // SQLite would make it for all to read.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial).map_err(file(&partial))?;
    made.push(partial.clone());
    write_copy(from, &partial)?;
    identity.save(identity_path).map_err(file(identity_path))?;
    made.push(identity_path.to_owned());
    std::fs::rename(&partial, to).map_err(file(to))?;
    made.push(to.to_owned());
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder))
}

fn write_copy(from: &Path, partial: &Path) -> Result<(), BackupError> {
    let file = |source| BackupError::File { path: partial.to_owned(), source };
    {
        let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        source.execute("vacuum into ?1", [partial.to_string_lossy()])?;
    }
    {
        let copy = Connection::open_with_flags(partial, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        copy.execute("update instance set is_copy = 1", [])?;
    }
    OpenOptions::new().write(true).open(partial).and_then(|copy| copy.sync_all()).map_err(file)
}
