//! Restoring a copy of the database and its identity.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::backup::write_copy;
use super::lock::{real_path, take_lock};
use super::schema;
use crate::domain::Timestamp;
use crate::durable::{Draft, delete_drafts, folder_of, sync_folder_of};
use crate::store::answers::Restored;
use crate::store::error::RestoreError;
use crate::store::identity::{Identity, beside};

/// The suffixes of the files that belong to a database.
const PARTS: [&str; 4] = ["", "-wal", "-shm", ".identity"];

/// Puts `copy` and `<copy>.identity` in the place of a database that no daemon has open. The previous files are kept
/// beside it under another name that contains `now`; the copy is not changed. The new database is marked as a copy, so
/// that a daemon holds the batches that wait in it.
///
/// # Errors
/// If it cannot be restored; everything is as it was before.
pub fn restore_file(copy: &Path, database: &Path, now: Timestamp) -> Result<Restored, RestoreError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::File { path, source }
    };
    let from = copy.canonicalize().map_err(file(copy))?;
    let to = real_path(database).map_err(file(database))?;
    if from == to {
        return Err(RestoreError::Same(to));
    }
    let identity_path = beside(&from, ".identity");
    let mut identity = Identity::load(&identity_path).map_err(file(&identity_path))?.ok_or(RestoreError::NoIdentity(identity_path))?;
    identity.file = None; // it is put beside another file
    let (held, numbers, newest) = look_into(&from)?;
    let existed = to.exists();
    let _lock = take_lock(&to)?;
    let owner = std::fs::metadata(if existed { &to } else { folder_of(&to) }).map_err(file(&to))?;
    delete_drafts(&to);
    let draft = Draft::of(&to).map_err(file(&to))?;
    write_copy(&from, draft.path()).map_err(|error| RestoreError::Engine(error.to_string()))?;
    let kept = beside(&to, &format!(".replaced-{}", now.to_string().replace(['-', ':'], "").replace(".000", "")));
    if !existed {
        std::fs::remove_file(&to).map_err(file(&to))?; // the empty file that taking the lock created
    }
    let moved = set_aside(&to, &kept).map_err(file(&to))?;
    let place = || {
        give_to(&owner, draft.path())?;
        identity.create(&beside(&to, ".identity"))?;
        give_to(&owner, &beside(&to, ".identity"))?;
        draft.create()
    };
    if let Err(source) = place() {
        let _ = std::fs::remove_file(beside(&to, ".identity")); // there may be none
        for (from, to) in moved {
            let _ = std::fs::rename(to, from); // renaming in the other direction has just worked
        }
        return Err(RestoreError::File { path: to, source });
    }
    Ok(Restored { database: to, kept: (!moved.is_empty()).then_some(kept), held, numbers, newest })
}

/// The number of batches that wait in a copy, the number of their destinations, and when its newest batch was accepted.
fn look_into(copy: &Path) -> Result<(u64, u64, Option<Timestamp>), RestoreError> {
    let conn = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    schema::examine(&conn, copy)?;
    let (held, numbers): (i64, i64) = conn.query_row(
        "select count(*), ifnull(sum(c.total), 0) from batch b join batch_count c on c.batch = b.id where b.state in ('queued', 'submitting')",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let newest: Option<i64> = conn.query_row("select max(created_at) from batch", [], |row| row.get(0))?;
    Ok((held.unsigned_abs(), numbers.unsigned_abs(), newest.map(Timestamp::from_millis)))
}

/// Renames all parts of a database, or none. Returns the old and new paths of what was moved.
fn set_aside(database: &Path, aside: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    for part in PARTS {
        let (from, to) = (beside(database, part), beside(aside, part));
        match std::fs::rename(&from, &to) {
            Ok(()) => moved.push((from, to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                for (from, to) in moved {
                    let _ = std::fs::rename(to, from); // renaming in the other direction has just worked
                }
                return Err(error);
            }
        }
    }
    sync_folder_of(database)?;
    Ok(moved)
}

/// Gives a file the owner of the previous database, or of its folder, because root may run the command.
fn give_to(owner: &std::fs::Metadata, path: &Path) -> io::Result<()> {
    let is = std::fs::metadata(path)?;
    if (is.uid(), is.gid()) == (owner.uid(), owner.gid()) { Ok(()) } else { chown(path, Some(owner.uid()), Some(owner.gid())) }
}
