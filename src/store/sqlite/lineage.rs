//! Checking that this is the database that the identity file belongs to, in its newest state. Batches that might be
//! sent twice are held.

use std::path::Path;

use rusqlite::{Connection, named_params};

use super::progress::{tracked_in, update_batch};
use super::rows::newest_receipt;
use crate::domain::{BatchState, Progress, Timestamp, Tracked, lifecycle};
use crate::durable::delete_drafts;
use crate::store::answers::AtOpening;
use crate::store::error::OpenError;
use crate::store::identity::{FileId, Identity, beside};

/// More receipts than any original receives after it was copied, or any database between two starts.
const LEAP: i64 = 1 << 32;

/// Checks that this is the database that the identity file belongs to, in its newest state. Batches that might be
/// submitted again are held before anything else can happen.
pub(super) fn recognise(
    conn: &Connection,
    database: &Path,
    created: bool,
    now: Timestamp,
    found: &mut AtOpening,
) -> Result<Identity, OpenError> {
    let path = &beside(database, ".identity");
    let file_error = |source| OpenError::File { path: path.to_owned(), source };
    delete_drafts(path);
    let known = Identity::load(path).map_err(file_error)?;
    let file = FileId::of(database).map_err(|source| OpenError::File { path: database.to_owned(), source })?;
    // If the first start was killed before it wrote the identity, this counts as a first start too.
    let created = created || (known.is_none() && is_untouched(conn)?);
    let (id, submissions, is_copy): (String, i64, bool) =
        conn.query_row("select database_id, submissions, is_copy from instance", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;

    let suspicion = if created { None } else { suspicion(known.as_ref(), &file, &id, submissions, is_copy) };
    // There is an identity without its database: earlier tokens stay valid, and their receipts are quarantined.
    let is_successor = created && known.is_some();
    found.secrets_lost = known.is_none() && !created;
    found.created = created;
    let identity = match known {
        Some(known) => known,
        None => Identity::new(id.clone()).map_err(file_error)?,
    };
    let transaction = conn.unchecked_transaction()?;
    found.interrupted = move_all(&transaction, BatchState::Submitting, now, |batch| lifecycle::interrupted(batch, now))?;
    if let Some(why) = suspicion {
        let held = move_all(&transaction, BatchState::Queued, now, |batch| lifecycle::held(batch, why, now))?;
        found.held = Some((held, why.to_owned()));
    }
    if suspicion.is_some() || is_successor {
        // The original, or the lost database, may have assigned further ids. Clients that follow its log would take
        // ours for receipts that they have already seen.
        transaction.execute(
            "update instance set pruned_receipt = max(:newest, :known) + :leap",
            named_params! {":newest": newest_receipt(&transaction)?, ":known": identity.receipts, ":leap": LEAP},
        )?;
    }
    let receipts = newest_receipt(&transaction)?;
    let counter = submissions.max(identity.submissions);
    transaction.execute("update instance set submissions = :counter, is_copy = 0", named_params! {":counter": counter})?;
    transaction.commit()?;
    let mut changed = identity.clone();
    (changed.database, changed.submissions, changed.receipts, changed.file) = (id, counter, receipts, Some(file));
    if changed != identity || !path.exists() {
        changed.save(path).map_err(file_error)?;
    }
    Ok(changed)
}

/// Why this may be a database other than the one that the identity file belongs to, or an older copy of it.
fn suspicion(known: Option<&Identity>, file: &FileId, database: &str, submissions: i64, is_copy: bool) -> Option<&'static str> {
    match known {
        None => Some("its identity file is missing"),
        Some(_) if is_copy => Some("it is a backup"),
        Some(known) if known.database != database => Some("its identity file belongs to another database"),
        Some(known) if known.submissions > submissions => Some("it is older than its identity file"),
        // A folder that was restored as a whole: both files are from the same moment, and what was queued then may have
        // been sent since.
        Some(known) if known.file.is_some_and(|known| !known.is_same(file)) => Some("it is another file than the one that was here"),
        Some(_) => None,
    }
}

/// Whether nothing was ever stored in this database.
fn is_untouched(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row(
        "select submissions = 0 and pruned_receipt = 0 and not is_copy and not exists (select 1 from batch)
             and not exists (select 1 from pruned) and not exists (select 1 from quarantine) and not exists (select 1 from forgotten)
         from instance",
        [],
        |row| row.get(0),
    )
}

/// Applies a rule to all batches in a state. Returns the number of batches that it changed.
fn move_all(conn: &Connection, state: BatchState, now: Timestamp, rule: impl Fn(&Tracked) -> Option<Progress>) -> rusqlite::Result<u64> {
    let mut moved = 0;
    for (key, batch) in tracked_in(conn, state, now)? {
        if let Some(progress) = rule(&batch) {
            update_batch(conn, key, &progress)?;
            moved += 1;
        }
    }
    Ok(moved)
}
