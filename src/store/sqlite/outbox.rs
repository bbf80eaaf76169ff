//! The outbox: batches on their way to the provider. Each step is durable before the next is taken.

use std::time::Duration;

use rusqlite::{Connection, named_params};

use super::claims::{Claim, Claims};
use super::handle::{Sqlite, blocking};
use super::lineage::json;
use super::rows::find_batch;
use super::tx::Tx;
use crate::domain::{Batch, BatchId, BatchState, Content, Identifier, LastError, Msisdn};
use crate::store::answers::{Claimed, Settlement};
use crate::store::error::StoreError;

/// Between two attempts to write down what is known.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn claim<F>(db: &Sqlite, refusal: F) -> Result<Option<Claimed>, StoreError>
where
    F: Fn(&Batch) -> Option<LastError> + Send + 'static,
{
    let claims = db.shared.claims.clone();
    let claimed = db
        .write(1, move |w| {
            let tx = w.flush()?;
            release(tx.conn, &claims)?;
            // Asked here and not before: a batch that came after a pause must wait for its end.
            if is_paused_now(tx.conn)? {
                return Ok(None);
            }
            loop {
                let Some(id) = next_queued(tx.conn, &claims)? else { return Ok(None) };
                let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(None) };
                if let Some(error) = refusal(&batch).or(for_nobody(&tx, key)?) {
                    settle_row(tx.conn, key, BatchState::Rejected, None, Some(&error), tx.now.as_millis())?;
                    continue;
                }
                tx.conn
                    .prepare_cached("update batch set state = 'submitting', attempts = attempts + 1 where id = :id")?
                    .execute(named_params! {":id": key})?;
                let submissions: i64 = tx
                    .conn
                    .prepare_cached("update instance set submissions = submissions + 1 returning submissions")?
                    .query_row([], |row| row.get(0))?;
                return Ok(Some((Claim::on(&claims, key), batch, submissions)));
            }
        })
        .await?;
    let Some((claim, batch, submissions)) = claimed else { return Ok(None) };
    let Some(key) = claim.arrived() else { return Ok(None) };
    match prepare(db, key, &batch, submissions).await {
        Ok(claimed) => Ok(Some(claimed)),
        Err(error) => {
            // Nothing has left: back into the outbox.
            let why = LastError { at: db.shared.clock.now(), kind: "storage".into(), status: None, detail: error.to_string() };
            settle(db, batch.id, Settlement::NotTaken(why)).await?;
            Err(error)
        }
    }
}

async fn prepare(db: &Sqlite, key: i64, batch: &Batch, submissions: i64) -> Result<Claimed, StoreError> {
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
        destinations: destinations.into_iter().filter_map(|number| Msisdn::from_digits(number.unsigned_abs())).collect(),
    })
}

pub(super) async fn note(db: &Sqlite, id: BatchId, error: LastError) -> Result<(), StoreError> {
    db.write(1, move |w| {
        w.tx.conn
            .prepare_cached("update batch set last_error = :error where uuid = :uuid")?
            .execute(named_params! {":error": json(&error), ":uuid": id.to_string()})?;
        Ok(())
    })
    .await
}

pub(super) async fn settle(db: &Sqlite, id: BatchId, settlement: Settlement) -> Result<(), StoreError> {
    let mut told = false;
    loop {
        match settle_now(db, id, settlement.clone()).await {
            Ok(key) => {
                // Only now: what is submitting and nobody holds goes out again.
                key.into_iter().for_each(|key| db.shared.claims.let_go(key));
                // It may be queued again, and was passed over meanwhile.
                db.shared.queue.outbox.notify_waiters();
                return Ok(());
            }
            Err(error) if error != StoreError::Closing => {
                if !std::mem::replace(&mut told, true) {
                    log::error!("batch {id}: the outcome of its submission cannot be written yet: {error}");
                }
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns the key of the batch.
async fn settle_now(db: &Sqlite, id: BatchId, settlement: Settlement) -> Result<Option<i64>, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(None) };
        if batch.state != BatchState::Submitting {
            return Ok(Some(key));
        }
        let any_receipt: bool =
            tx.conn.query_row("select receipts > 0 from batch_count where batch = :id", named_params! {":id": key}, |row| row.get(0))?;
        let (state, name, error) = match &settlement {
            Settlement::Accepted(name) if batch.dry_run => (BatchState::Validated, Some(name), None),
            Settlement::Accepted(name) => (BatchState::Submitted, Some(name), None),
            Settlement::NotTaken(error) => (BatchState::Queued, None, Some(error)),
            Settlement::Rejected(error) => (BatchState::Rejected, None, Some(error)),
            Settlement::Unconfirmed(error) => (BatchState::Unconfirmed, None, Some(error)),
        };
        let is_final = batch.counts.delivered + batch.counts.failed;
        let state = if any_receipt { state.after_receipts(batch.counts.total, is_final) } else { state };
        settle_row(tx.conn, key, state, name, error, tx.now.as_millis())?;
        Ok(Some(key))
    })
    .await
}

/// The batch whose turn it is. One that somebody holds is not settled yet, whatever its row says: the commit that queued it
/// again may have been called a failure, and is about to be repeated. Whoever took it meanwhile would have it taken away.
fn next_queued(conn: &Connection, claims: &Claims) -> rusqlite::Result<Option<BatchId>> {
    let mut statement = conn.prepare_cached("select id, uuid from batch where state = 'queued' order by id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !claims.holds(row.get(0)?) {
            return Ok(row.get::<_, String>(1)?.parse().ok());
        }
    }
    Ok(None)
}

/// Puts back into the outbox what is marked as submitting and held by nobody.
fn release(conn: &Connection, claims: &Claims) -> rusqlite::Result<()> {
    let marked: Vec<i64> = conn
        .prepare_cached("select id from batch where state = 'submitting'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for key in marked {
        if !claims.holds(key) {
            conn.prepare_cached("update batch set state = 'queued', attempts = attempts - 1 where id = :id")?
                .execute(named_params! {":id": key})?;
        }
    }
    Ok(())
}

/// Why a batch whose numbers were all forgotten, while nobody knew whether it had gone out, is not handed over.
fn for_nobody(tx: &Tx<'_>, key: i64) -> rusqlite::Result<Option<LastError>> {
    let anybody: bool = tx
        .conn
        .prepare_cached("select exists (select 1 from destination where batch = :batch and number > 0)")?
        .query_row(named_params! {":batch": key}, |row| row.get(0))?;
    let error = || LastError { at: tx.now, kind: "no_destinations".into(), status: None, detail: "all its numbers were forgotten".into() };
    Ok((!anybody).then(error))
}

fn settle_row(
    conn: &Connection,
    key: i64,
    state: BatchState,
    name: Option<&Identifier>,
    error: Option<&LastError>,
    now: i64,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "update batch set state = :state, provider_id = coalesce(:name, provider_id), last_error = coalesce(:error, last_error),
             submitted_at = case when :state in ('submitted', 'complete', 'validated') then coalesce(submitted_at, :now) end,
             completed_at = case when :settled then :now end
         where id = :id",
    )?
    .execute(named_params! {
        ":state": state.as_str(), ":name": name.map(ToString::to_string), ":error": error.map(json),
        ":settled": state.is_settled(), ":now": now, ":id": key,
    })?;
    Ok(())
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
