//! How long things are kept: pruning, and copies.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, named_params};

use super::db::{OpenError, Store, take_lock};
use super::error::StoreError;
use super::identity::{Identity, beside};
use crate::api::Pruned;
use crate::domain::Timestamp;

/// All of a batch, without a walk through what else came in its time.
const RECEIPTS_OF_BATCH: &str = "select first_receipt from destination where batch = :batch and first_receipt is not null
    union all select id from receipt where again = 1 and batch = :batch";

/// Why there is no copy. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would have to be written over something.
    #[error("{0} exists already; name another file, or move it away")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite cannot read the one, or write the other.
    #[error("the copy cannot be written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Closing,
}

impl Store {
    /// Copies the database and its identity to `to` and `to.identity`, both mode 0600, while receipts come in. The
    /// copy is whole, of one moment, and marked as one: whoever starts on it submits nothing again.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn backup(&self, to: PathBuf) -> Result<(), BackupError> {
        let (from, identity) = (self.path().to_owned(), self.identity().clone());
        tokio::task::spawn_blocking(move || copy(&from, &identity, &to)).await.unwrap_or(Err(BackupError::Closing))
    }

    /// Deletes what was settled before a time, or says what that would be: batches with their destinations and
    /// receipts, one batch a transaction. Their ids stay known.
    ///
    /// # Errors
    /// When something cannot be written; what was deleted before is deleted.
    pub async fn prune(&self, settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError> {
        let before = settled_before.as_millis();
        let old: Vec<(i64, Pruned)> = self
            .read(move |conn| {
                conn.prepare(
                    "select id, total, receipts from batch join batch_count on batch = id where completed_at < :before order by id",
                )?
                .query_map(named_params! {":before": before}, |row| {
                    let of = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
                    Ok((row.get(0)?, Pruned { batches: 1, destinations: of(1)?, receipts: of(2)? }))
                })?
                .collect()
            })
            .await?;
        let mut pruned = Pruned::default();
        for (batch, of_batch) in old {
            if dry_run || self.prune_batch(batch, before).await? {
                pruned.batches += of_batch.batches;
                pruned.destinations += of_batch.destinations;
                pruned.receipts += of_batch.receipts;
            }
        }
        Ok(pruned)
    }

    async fn prune_batch(&self, batch: i64, before: i64) -> Result<bool, StoreError> {
        self.write(1, move |w| {
            w.flush()?;
            let known = named_params! {":batch": batch};
            let settled = "select exists (select 1 from batch where id = :batch and completed_at < :before)";
            if !w.conn.query_row(settled, named_params! {":batch": batch, ":before": before}, |row| row.get::<_, bool>(0))? {
                return Ok(false); // a person decided otherwise meanwhile, or another prune was here
            }
            w.conn.execute(&format!("delete from receipt_body where receipt in ({RECEIPTS_OF_BATCH})"), known)?;
            w.conn.execute(
                "update instance set pruned_receipt = max(pruned_receipt, n.last_receipt)
                 from batch_count n where n.batch = :batch and n.last_receipt is not null",
                known,
            )?;
            w.conn.execute(&format!("delete from receipt where id in ({RECEIPTS_OF_BATCH})"), known)?;
            w.conn.execute("delete from destination where batch = :batch", known)?;
            w.conn.execute(
                "insert into pruned (uuid, pruned_at) select uuid, :now from batch where id = :batch",
                named_params! {":batch": batch, ":now": w.now.as_millis()},
            )?;
            w.conn.execute("delete from batch where id = :batch", known)?;
            Ok(true)
        })
        .await
    }

    /// Erases message texts and raw receipt bodies of batches that were settled before a time. Returns of how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn erase_messages(&self, settled_before: Timestamp) -> Result<usize, StoreError> {
        let before = settled_before.as_millis();
        let old: Vec<i64> = self
            .read(move |conn| {
                conn.prepare("select id from batch where completed_at < :before and message is not null")?
                    .query_map(named_params! {":before": before}, |row| row.get(0))?
                    .collect()
            })
            .await?;
        let count = old.len();
        for batch in old {
            self.write(1, move |w| {
                w.flush()?;
                let known = named_params! {":batch": batch};
                w.conn.execute(&format!("delete from receipt_body where receipt in ({RECEIPTS_OF_BATCH})"), known)?;
                w.conn.execute("update batch set message = null where id = :batch and completed_at is not null", known)?;
                Ok(())
            })
            .await?;
        }
        Ok(count)
    }
}

/// The same for a database that no daemon has open.
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
    let partial = beside(to, ".partial");
    let outcome = write_copy(from, &partial).and_then(|()| {
        let file = |path: &Path| {
            let path = path.to_owned();
            |source| BackupError::File { path, source }
        };
        identity.save(&identity_path).map_err(file(&identity_path))?;
        std::fs::rename(&partial, to).map_err(file(to))?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder))
    });
    if outcome.is_err() {
        for path in [&partial, &identity_path] {
            let _ = std::fs::remove_file(path); // it may not be there
        }
    }
    outcome
}

fn write_copy(from: &Path, partial: &Path) -> Result<(), BackupError> {
    let file = |source| BackupError::File { path: partial.to_owned(), source };
    // SQLite would make it for all to read.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial).map_err(file)?;
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
