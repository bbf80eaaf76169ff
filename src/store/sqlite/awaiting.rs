//! Batches that somebody still has to look after: what the provider was asked about them, and when they end.

use rusqlite::{Row, named_params};

use super::batches::move_to;
use super::forgotten::stand_in;
use super::handle::Sqlite;
use super::rows::{find_batch, key};
use crate::domain::{Batch, BatchId, BatchState, Msisdn, Timestamp};
use crate::lock::lock;
use crate::store::answers::{Awaiting, PollAnswer};
use crate::store::error::StoreError;

pub(super) async fn is_for_any(db: &Sqlite, id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError> {
    let identity = db.shared.identity.clone();
    db.read(move |conn| {
        let mut search = conn.prepare_cached(
            "select exists (select 1 from batch b join destination d on d.batch = b.id where b.uuid = :uuid and d.number = :number)",
        )?;
        for number in numbers {
            let stand_in = stand_in(conn, &lock(&identity), number)?;
            for number in [Some(key(number)), stand_in].into_iter().flatten() {
                if search.query_row(named_params! {":uuid": id.to_string(), ":number": number}, |row| row.get(0))? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    })
    .await
}

pub(super) async fn awaiting(db: &Sqlite) -> Result<Vec<Awaiting>, StoreError> {
    db.read(move |conn| conn.prepare_cached(OPEN)?.query_map([], open)?.collect()).await
}

pub(super) async fn asked(db: &Sqlite, id: BatchId, what: PollAnswer, sent_before: Option<Timestamp>) -> Result<Option<Batch>, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(None) };
        let answered = what != PollAnswer::Nothing;
        tx.conn
            .prepare_cached(
                "update batch set
                     asks = case when asked_at >= coalesce((select last_receipt_at from batch_count where batch = :id), 0) then asks + 1 else 1 end,
                     asked_at = :now,
                     answered_at = case when :answered then :now else answered_at end
                 where id = :id",
            )?
            .execute(named_params! {":now": tx.now.as_millis(), ":answered": answered, ":id": key})?;
        // A person may have put it back into the outbox meanwhile: it has been there, and must not go out again.
        let may_be_there = batch.state == BatchState::Unconfirmed || (batch.state == BatchState::Queued && batch.attempts > 0);
        if what == PollAnswer::Found && may_be_there {
            let settled = batch.counts.delivered + batch.counts.failed;
            let state =
                if batch.dry_run { BatchState::Validated } else { BatchState::Submitted.completed(batch.counts.total, settled) };
            move_to(&tx, key, state)?;
            tx.conn
                .prepare_cached("update batch set provider_id = coalesce(provider_id, uuid) where id = :id")?
                .execute(named_params! {":id": key})?;
        } else if answered && batch.state == BatchState::Submitted && !batch.dry_run {
            let sent = batch.submitted_at.max(batch.send_at).unwrap_or(batch.created_at);
            if sent_before.is_some_and(|before| sent < before) {
                move_to(&tx, key, BatchState::Complete)?;
            }
        }
        Ok(find_batch(tx.conn, id, tx.now)?.map(|(_, batch)| batch))
    })
    .await
}

/// By the index `batch_open`.
pub(super) const OPEN: &str = "select uuid, state, created_at, submitted_at, send_at, last_receipt_at, asked_at, asks, answered_at
    from batch join batch_count on batch = id where state in ('submitted', 'unconfirmed') order by id";

fn open(row: &Row<'_>) -> rusqlite::Result<Awaiting> {
    let time = |name: &str| row.get::<_, Option<i64>>(name).map(|at| at.map(Timestamp::from_millis));
    let uuid: String = row.get("uuid")?;
    let sent_at = time("submitted_at")?.max(time("send_at")?).or(time("created_at")?).unwrap_or(Timestamp::from_millis(0));
    let (last_receipt_at, asked_at) = (time("last_receipt_at")?, time("asked_at")?);
    let in_this_silence = asked_at >= last_receipt_at;
    Ok(Awaiting {
        id: uuid.parse().map_err(|_| rusqlite::Error::InvalidColumnName("uuid".into()))?,
        unconfirmed: row.get::<_, String>("state")? == "unconfirmed",
        silent_since: last_receipt_at.map_or(sent_at, |at| at.max(sent_at)),
        sent_at,
        asked_at,
        asks: if in_this_silence { row.get("asks")? } else { 0 },
        answered_at: time("answered_at")?,
    })
}
