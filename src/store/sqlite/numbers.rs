//! One number in all batches.
//!
//! There is no index by number, because it would dirty a random page for every new destination. The key of a
//! destination is (batch, number), so looking up a number takes one short probe per batch.

use rusqlite::{Connection, named_params};

use super::destinations::{history, one};
use super::handle::Sqlite;
use super::rows::{BATCH_COLUMNS, BATCH_TABLES, key, next_page, read_batch};
use crate::api::{NumberInBatch, NumberReport};
use crate::domain::{Msisdn, Timestamp};
use crate::store::error::StoreError;

pub(super) async fn number(db: &Sqlite, number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError> {
    let now = db.shared.clock.now();
    db.read(move |conn| report(conn, number, before, limit, now)).await
}

fn report(conn: &Connection, number: Msisdn, before: Option<i64>, limit: u32, now: Timestamp) -> rusqlite::Result<Option<NumberReport>> {
    let stored = key(number);
    let mut statement = conn.prepare_cached(&format!(
        "select {BATCH_COLUMNS} from {BATCH_TABLES}
         where id < :before and exists (select 1 from destination d where d.batch = batch.id and number = :number)
         order by id desc limit :limit"
    ))?;
    let batches = statement
        .query_map(named_params! {":before": before.unwrap_or(i64::MAX), ":number": stored, ":limit": limit}, |row| {
            Ok((row.get::<_, i64>("id")?, read_batch(row, now)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut items = Vec::with_capacity(batches.len());
    for (batch_key, batch) in &batches {
        if let Some(destination) = one(conn, *batch_key, batch.state, stored)? {
            items.push(NumberInBatch { batch: batch.id, destination });
        }
    }
    let mut unexpected = Vec::new();
    if before.is_none() {
        for batch_key in batches_with_unexpected(conn, stored)? {
            unexpected.extend(history(conn, batch_key, stored)?);
        }
        if items.is_empty() && unexpected.is_empty() {
            return Ok(None);
        }
    }
    let next = next_page(&batches, limit, |(id, _)| id.to_string());
    Ok(Some(NumberReport { destination: number.to_string(), items, unexpected, next }))
}

fn batches_with_unexpected(conn: &Connection, number: i64) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached(
        "select b.id from batch b
         where exists (select 1 from receipt where again = 1 and batch = b.id and number = :number and outcome = 3) order by b.id",
    )?
    .query_map(named_params! {":number": number}, |row| row.get(0))?
    .collect()
}
