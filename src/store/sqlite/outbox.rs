//! The outbox: batches on their way to the provider. Each step is durable before the next begins.

use std::time::Duration;

use rusqlite::{Connection, named_params};

use super::claims::{Claim, Claims};
use super::handle::{Sqlite, blocking};
use super::progress::{find_tracked, tracked_in, update_batch};
use super::queued_before::QueuedBefore;
use super::tx::Tx;
use crate::domain::{Batch, BatchId, BatchState, Content, ErrorKind, Handover, LastError, Msisdn, Tracked, lifecycle};
use crate::store::answers::Claimed;
use crate::store::error::StoreError;

/// The delay between two attempts to store the result of a submission.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn claim<F>(db: &Sqlite, refusal: F) -> Result<Option<Claimed>, StoreError>
where
    F: Fn(&Batch) -> Option<LastError> + Send + 'static,
{
    let (claims, queued_before) = (db.shared.claims.clone(), db.shared.queued_before.clone());
    let claimed = db
        .write(1, move |w| {
            let tx = w.flush()?;
            release_unheld(&tx, &claims)?;
            // Checked in this transaction: a batch that arrived after a pause must wait for its end.
            if is_paused_now(tx.conn)? {
                return Ok(None);
            }
            loop {
                let Some(id) = next_queued(tx.conn, &claims, &queued_before)? else { return Ok(None) };
                let Some((key, batch)) = find_tracked(tx.conn, id, tx.now)? else { return Ok(None) };
                let refusal = refusal(&batch).or(for_nobody(&tx, key)?);
                let (Some(progress), goes_out) = lifecycle::claim(&batch, refusal, tx.now) else { return Ok(None) };
                update_batch(tx.conn, key, &progress)?;
                if goes_out {
                    let submissions: i64 = tx
                        .conn
                        .prepare_cached("update instance set submissions = submissions + 1 returning submissions")?
                        .query_row([], |row| row.get(0))?;
                    return Ok(Some((Claim::on(&claims, key), batch, submissions)));
                }
            }
        })
        .await?;
    let Some((claim, batch, submissions)) = claimed else { return Ok(None) };
    let Some(key) = claim.arrived() else { return Ok(None) };
    match prepare(db, key, &batch, submissions).await {
        Ok(claimed) => Ok(Some(claimed)),
        Err(error) => {
            // Nothing was sent: back into the outbox.
            let why = LastError { at: db.shared.clock.now(), kind: ErrorKind::Storage, status: None, detail: error.to_string() };
            handed_over(db, batch.id, Handover::NotTaken(why)).await?;
            Err(error)
        }
    }
}

async fn prepare(db: &Sqlite, key: i64, batch: &Tracked, submissions: i64) -> Result<Claimed, StoreError> {
    let raising = db.clone();
    blocking(move || {
        if submissions > raising.identity().submissions {
            raising.change_identity(|identity| {
                identity.submissions = identity.submissions.max(submissions);
                Ok(())
            })?;
        }
        Ok(())
    })
    .await?;
    let destinations = db
        .read(move |conn| {
            conn.prepare_cached("select number from destination where batch = :batch and number > 0 order by number")?
                .query_map(named_params! {":batch": key}, |row| row.get::<_, i64>(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()
        })
        .await?;
    let Some(message) = batch.message.clone() else { return Err(StoreError::Broken("the text of a queued batch is gone".into())) };
    Ok(Claimed {
        id: batch.id,
        content: Content {
            from: batch.from.clone(),
            message,
            parts: batch.parts,
            channel: batch.channel,
            fallback_channels: batch.fallback_channels.clone(),
            send_at: batch.send_at,
            allow_multi: batch.allow_multi,
            dry_run: batch.dry_run,
        },
        doubtful: batch.doubtful,
        destinations: destinations.into_iter().filter_map(|number| Msisdn::from_digits(number.unsigned_abs())).collect(),
    })
}

pub(super) fn let_out(db: &Sqlite, id: BatchId) {
    db.shared.queued_before.let_out(id);
    db.shared.queue.outbox.notify_waiters();
}

pub(super) async fn handed_over(db: &Sqlite, id: BatchId, how: Handover) -> Result<(), StoreError> {
    let mut told = false;
    loop {
        match write_handover(db, id, how.clone()).await {
            Ok(key) => {
                // Only now: a batch that is submitting but not claimed would be sent again.
                key.into_iter().for_each(|key| db.shared.claims.let_go(key));
                // The batch may be queued again, and was skipped meanwhile.
                db.shared.queue.outbox.notify_waiters();
                return Ok(());
            }
            Err(error) if error != StoreError::Closing => {
                if !std::mem::replace(&mut told, true) {
                    log::error!("batch {id}: the result of its submission cannot be stored yet: {error}");
                }
                tokio::time::sleep(WRITE_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns the key of the batch.
async fn write_handover(db: &Sqlite, id: BatchId, how: Handover) -> Result<Option<i64>, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_tracked(tx.conn, id, tx.now)? else { return Ok(None) };
        if let Some(progress) = lifecycle::handed_over(&batch, how.clone(), tx.now) {
            update_batch(tx.conn, key, &progress)?;
        }
        Ok(Some(key))
    })
    .await
}

/// The batch whose turn it is. A claimed batch is not available, whatever its row says: the commit that queued it again
/// may have been reported as failed, and is about to be repeated, so another worker that took the batch would lose it
/// again. A batch that an earlier run queued is not available before it is let out.
fn next_queued(conn: &Connection, claims: &Claims, queued_before: &QueuedBefore) -> rusqlite::Result<Option<BatchId>> {
    let mut statement = conn.prepare_cached("select id, uuid from batch where state = 'queued' order by id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        if !claims.holds(key) && !queued_before.holds(key) {
            return Ok(row.get::<_, String>(1)?.parse().ok());
        }
    }
    Ok(None)
}

/// Returns batches to the outbox that are marked as submitting but not claimed.
fn release_unheld(tx: &Tx<'_>, claims: &Claims) -> rusqlite::Result<()> {
    for (key, batch) in tracked_in(tx.conn, BatchState::Submitting, tx.now)? {
        if let (false, Some(progress)) = (claims.holds(key), lifecycle::release(&batch, tx.now)) {
            update_batch(tx.conn, key, &progress)?;
        }
    }
    Ok(())
}

/// Why a batch is not submitted if all its numbers were erased while it was unknown whether it had been sent.
fn for_nobody(tx: &Tx<'_>, key: i64) -> rusqlite::Result<Option<LastError>> {
    let anybody: bool = tx
        .conn
        .prepare_cached("select exists (select 1 from destination where batch = :batch and number > 0)")?
        .query_row(named_params! {":batch": key}, |row| row.get(0))?;
    let error = || LastError { at: tx.now, kind: ErrorKind::NoDestinations, status: None, detail: "all its numbers were forgotten".into() };
    Ok((!anybody).then(error))
}

pub(super) async fn is_paused(db: &Sqlite) -> Result<bool, StoreError> {
    db.read(is_paused_now).await
}

fn is_paused_now(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("select paused from instance")?.query_row([], |row| row.get(0))
}

pub(super) async fn set_paused(db: &Sqlite, paused: bool) -> Result<(), StoreError> {
    db.write(1, move |w| {
        w.tx.conn.execute("update instance set paused = :paused", named_params! {":paused": paused})?;
        *w.outbox_changed = true;
        Ok(())
    })
    .await
}
