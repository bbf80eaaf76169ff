//! Batches: taking them in, showing them, and what people decide about them.

use rusqlite::types::ToSql;
use rusqlite::{Connection, named_params};

use super::failure::JobError;
use super::handle::Sqlite;
use super::rows::{BATCH_COLUMNS, BATCH_TABLES, find_batch, read_batch};
use super::tx::Tx;
use crate::domain::{Batch, BatchId, BatchState, Identifier, Resolution, Timestamp};
use crate::store::answers::{Cancel, Resolved};
use crate::store::error::StoreError;
use crate::store::filters::BatchFilter;

pub(super) async fn batch(db: &Sqlite, id: BatchId) -> Result<Option<Batch>, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| Ok(find_batch(conn, id, now)?.map(|(_, batch)| batch))).await
}

pub(super) async fn batches(
    db: &Sqlite,
    filter: BatchFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<(Vec<Batch>, Option<i64>), StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| page(conn, &filter, before, limit, now)).await
}

pub(super) async fn group(db: &Sqlite, group: BatchId) -> Result<(Vec<Batch>, u64), StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| {
        let of_group = group.to_string();
        // Of one moment: none is counted twice, or left out, while it is being pruned.
        let moment = conn.unchecked_transaction()?;
        let batches = moment
            .prepare_cached(&format!("select {BATCH_COLUMNS} from {BATCH_TABLES} where group_uuid = :group order by id"))?
            .query_map(named_params! {":group": of_group}, |row| read_batch(row, now))?
            .collect::<rusqlite::Result<_>>()?;
        let pruned: i64 = moment
            .prepare_cached(
                "select count(*) from pruned p where group_uuid = :group and not exists (select 1 from batch b where b.uuid = p.uuid)",
            )?
            .query_row(named_params! {":group": of_group}, |row| row.get(0))?;
        Ok((batches, pruned.unsigned_abs()))
    })
    .await
}

pub(super) async fn cancel(db: &Sqlite, id: BatchId) -> Result<Cancel, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(Cancel::Unknown) };
        match batch.state {
            BatchState::Queued => {
                move_to(&tx, key, BatchState::Cancelled)?;
                Ok(Cancel::Done(reread(&tx, id)?))
            }
            BatchState::Scheduled => Ok(Cancel::AtProvider(Identifier::from(&*batch.provider_id.unwrap_or_else(|| id.to_string())))),
            state => Ok(Cancel::TooLate(state)),
        }
    })
    .await
}

pub(super) async fn cancelled_at_provider(db: &Sqlite, id: BatchId) -> Result<Option<Batch>, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(None) };
        if matches!(batch.state, BatchState::Scheduled | BatchState::Submitted) {
            move_to(&tx, key, BatchState::Cancelled)?;
        }
        Ok(Some(reread(&tx, id)?))
    })
    .await
}

pub(super) async fn resolve(db: &Sqlite, id: BatchId, resolution: Resolution) -> Result<Resolved, StoreError> {
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, batch)) = find_batch(tx.conn, id, tx.now)? else { return Ok(Resolved::Unknown) };
        if batch.state != BatchState::Unconfirmed {
            return Ok(Resolved::NotUnconfirmed(batch.state));
        }
        let state = match resolution {
            // Of a dry run no receipt is awaited.
            Resolution::Accepted if batch.dry_run => BatchState::Validated,
            Resolution::Accepted => BatchState::Submitted.completed(batch.counts.total, batch.counts.delivered + batch.counts.failed),
            Resolution::Resubmit => BatchState::Queued,
            Resolution::Abandoned => BatchState::Cancelled,
        };
        move_to(&tx, key, state)?;
        *w.outbox_changed = true;
        Ok(Resolved::Done(reread(&tx, id)?))
    })
    .await
}

/// Moves a batch to a state, with the times that go with it.
pub(super) fn move_to(tx: &Tx<'_>, key: i64, state: BatchState) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached(
            "update batch set state = :state,
                 submitted_at = case when :state in ('submitted', 'complete') then coalesce(submitted_at, :now) else submitted_at end,
                 completed_at = case when :settled then coalesce(completed_at, :now) end
             where id = :id",
        )?
        .execute(named_params! {":state": state.as_str(), ":settled": state.is_settled(), ":now": tx.now.as_millis(), ":id": key})?;
    Ok(())
}

/// The batch as it is now, within the transaction.
pub(super) fn reread(tx: &Tx<'_>, id: BatchId) -> Result<Batch, JobError> {
    Ok(find_batch(tx.conn, id, tx.now)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.1)
}

fn page(
    conn: &Connection,
    filter: &BatchFilter,
    before: Option<i64>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<(Vec<Batch>, Option<i64>)> {
    // Only the conditions that are asked for: each has its index, and a general query would use none.
    let mut conditions = Vec::new();
    let mut values: Vec<(&str, Box<dyn ToSql>)> = Vec::new();
    let mut and = |condition, name, value: Box<dyn ToSql>| {
        conditions.push(condition);
        values.push((name, value));
    };
    if let Some(before) = before {
        and("id < :before", ":before", Box::new(before));
    }
    match filter.state {
        Some(BatchState::Scheduled) => and("state = 'submitted' and send_at > :now", ":now", Box::new(now.as_millis())),
        Some(BatchState::Submitted) => {
            and("state = 'submitted' and coalesce(send_at, 0) <= :now", ":now", Box::new(now.as_millis()));
        }
        Some(state) => and("state = :state", ":state", Box::new(state.as_str())),
        None => {}
    }
    if let Some(group) = filter.group {
        and("group_uuid = :group", ":group", Box::new(group.to_string()));
    }
    if let Some(reference) = &filter.reference {
        and("reference = :reference", ":reference", Box::new(reference.clone()));
    }
    if let Some(after) = filter.created_after {
        and("created_at >= :after", ":after", Box::new(after.as_millis()));
    }
    if let Some(until) = filter.created_before {
        and("created_at < :until", ":until", Box::new(until.as_millis()));
    }
    and("1", ":limit", Box::new(limit));
    let sql = format!("select {BATCH_COLUMNS} from {BATCH_TABLES} where {} order by id desc limit :limit", conditions.join(" and "));
    let parameters: Vec<(&str, &dyn ToSql)> = values.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement
        .query_map(&*parameters, |row| Ok((row.get::<_, i64>("id")?, read_batch(row, now)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|(id, _)| *id);
    Ok((found.into_iter().map(|(_, batch)| batch).collect(), next))
}
