//! Reading batches one by one, in lists and in groups, and changing one by a rule.

use rusqlite::types::ToSql;
use rusqlite::{Connection, named_params};

use super::handle::Sqlite;
use super::progress::{find_tracked, reread, update_batch};
use super::rows::{BATCH_COLUMNS, BATCH_TABLES, find_batch, next_page, read_batch};
use crate::domain::{Batch, BatchId, BatchState, Moved, Timestamp, Tracked};
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
        // One snapshot, so that a batch that is being pruned is not counted twice or left out.
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

/// Reads a batch, calls a rule, and writes its result, all in one transaction.
pub(super) async fn change<T, F>(db: &Sqlite, id: BatchId, mut rule: F) -> Result<Option<(Batch, T)>, StoreError>
where
    T: Send + 'static,
    F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static,
{
    db.write(1, move |w| {
        let tx = w.flush()?;
        let Some((key, before)) = find_tracked(tx.conn, id, tx.now)? else { return Ok(None) };
        let (progress, answer) = rule(&before, tx.now);
        let Some(progress) = progress else { return Ok(Some((before.batch, answer))) };
        update_batch(tx.conn, key, &progress)?;
        *w.outbox_changed |= progress.state == BatchState::Queued;
        Ok(Some((reread(&tx, id)?, answer)))
    })
    .await
}

fn page(
    conn: &Connection,
    filter: &BatchFilter,
    before: Option<i64>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<(Vec<Batch>, Option<i64>)> {
    // Includes only the conditions that are used: each has its index, and a general query would use none.
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
    let next = next_page(&found, limit, |(id, _)| *id);
    Ok((found.into_iter().map(|(_, batch)| batch).collect(), next))
}
