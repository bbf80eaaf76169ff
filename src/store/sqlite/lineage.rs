//! Is this the database that the identity file knows, and the newest state of it? What might be sent twice is held.

use std::path::Path;

use rusqlite::{Connection, named_params};
use uuid::Uuid;

use crate::domain::{LastError, Timestamp};
use crate::store::answers::AtOpening;
use crate::store::error::OpenError;
use crate::store::identity::Identity;

/// More receipts than any original takes after it was copied, or any database between two starts.
const LEAP: i64 = 1 << 32;

/// Is this the database that the identity file knows, and the newest state of it? What might be submitted
/// again is held before anything else can happen.
pub(super) fn recognise(
    conn: &Connection,
    path: &Path,
    created: bool,
    now: Timestamp,
    found: &mut AtOpening,
) -> Result<Identity, OpenError> {
    let file_error = |source| OpenError::File { path: path.to_owned(), source };
    let known = Identity::load(path).map_err(file_error)?;
    if created {
        let id = Uuid::new_v4().to_string();
        conn.execute(
            "insert into instance (id, database_id, created_at) values (1, :id, :now)",
            named_params! {":id": id, ":now": now.as_millis()},
        )?;
    }
    let (id, submissions, is_copy): (String, i64, bool) =
        conn.query_row("select database_id, submissions, is_copy from instance", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;

    let suspicion = match &known {
        // An identity without its database: the tokens given out stay good, and what comes is quarantined.
        _ if created => None,
        None => Some("its identity file is missing"),
        Some(_) if is_copy => Some("it is a backup"),
        Some(known) if known.database != id => Some("its identity file belongs to another database"),
        Some(known) if known.submissions > submissions => Some("it is older than its identity file"),
        Some(_) => None,
    };
    let is_successor = created && known.is_some();
    found.secrets_lost = known.is_none() && !created;
    let mut identity = match known {
        Some(known) => known,
        None => Identity::new(id.clone()).map_err(file_error)?,
    };
    let transaction = conn.unchecked_transaction()?;
    found.interrupted = settle_interrupted(&transaction, now)?;
    if let Some(why) = suspicion {
        found.held = Some((hold_queued(&transaction, now, why)?, why.to_owned()));
    }
    if suspicion.is_some() || is_successor {
        // Its original, or the one that was lost, went on and gave out ids: those who follow its log would take ours for
        // what they have seen.
        transaction.execute(
            "update instance set pruned_receipt = max(pruned_receipt, ifnull((select max(id) from receipt), 0), :known) + :leap",
            named_params! {":known": identity.receipts, ":leap": LEAP},
        )?;
    }
    let receipts: i64 =
        transaction
            .query_row("select max(pruned_receipt, ifnull((select max(id) from receipt), 0)) from instance", [], |row| row.get(0))?;
    let counter = submissions.max(identity.submissions);
    transaction.execute("update instance set submissions = :counter, is_copy = 0", named_params! {":counter": counter})?;
    transaction.commit()?;
    let changed = identity.database != id || identity.submissions != counter || identity.receipts != receipts || !path.exists();
    identity.database = id;
    identity.submissions = counter;
    identity.receipts = receipts;
    if changed {
        identity.save(path).map_err(file_error)?;
    }
    Ok(identity)
}

/// What was `submitting` when the last run ended may have reached the provider.
fn settle_interrupted(conn: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let error = LastError {
        at: now,
        kind: "interrupted".into(),
        status: None,
        detail: "receiptd ended while this batch was being submitted: the provider may or may not have it".into(),
    };
    let interrupted = conn.execute(
        "update batch set last_error = :error,
             state = case when receipts = 0 then 'unconfirmed' when delivered + failed >= total then 'complete' else 'submitted' end,
             submitted_at = case when receipts > 0 then :now end,
             completed_at = case when receipts > 0 and delivered + failed >= total then :now end
         from batch_count where batch = id and state = 'submitting'",
        named_params! {":error": json(&error), ":now": now.as_millis()},
    )?;
    Ok(interrupted as u64)
}

/// What is queued in an older copy may have been submitted since by its original.
fn hold_queued(conn: &Connection, now: Timestamp, why: &str) -> rusqlite::Result<u64> {
    let error = LastError {
        at: now,
        kind: "held".into(),
        status: None,
        detail: format!("this database may be an older copy ({why}): the batch may have been submitted already"),
    };
    let held = conn.execute(
        "update batch set state = 'unconfirmed', last_error = :error where state = 'queued'",
        named_params! {":error": json(&error)},
    )?;
    Ok(held as u64)
}

pub(super) fn json(error: &LastError) -> String {
    serde_json::to_string(error).unwrap_or_default()
}
