//! The progress of a batch: read for a rule of the domain, and written as the rule decides.

use rusqlite::{Connection, Row, ToSql, named_params};

use super::rows::{BATCH_COLUMNS, BATCH_TABLES, count, find_batch, read_batch, time_or_none};
use super::tx::Tx;
use crate::domain::{Batch, BatchId, BatchState, Names, Polls, Progress, Timestamp, Tracked};

/// Writes the progress of a batch. Nothing else changes its state, its times and its polls.
pub(super) fn update_batch(conn: &Connection, key: i64, progress: &Progress) -> rusqlite::Result<()> {
    let Progress { state, names, doubtful, attempts, last_error, submitted_at, completed_at, polls } = progress;
    let millis = |time: &Option<Timestamp>| time.map(Timestamp::as_millis);
    conn.prepare_cached(
        "update batch set state = :state, provider_id = :provider_id, learned_id = :learned_id, doubtful = :doubtful,
             attempts = :attempts, last_error = :last_error,
             submitted_at = :submitted_at, completed_at = :completed_at, asks = :asks, asked_at = :asked_at, answered_at = :answered_at
         where id = :id",
    )?
    .execute(named_params! {
        ":state": state.as_str(), ":provider_id": names.answered, ":learned_id": names.learned, ":doubtful": doubtful,
        ":attempts": *attempts as i64,
        ":last_error": last_error.as_ref().map(|error| serde_json::to_string(error).unwrap_or_default()),
        ":submitted_at": millis(submitted_at), ":completed_at": millis(completed_at),
        ":asks": polls.asks, ":asked_at": millis(&polls.asked_at), ":answered_at": millis(&polls.answered_at), ":id": key,
    })?;
    Ok(())
}

/// A batch by its UUID, with everything that the rules need, and its key.
pub(super) fn find_tracked(conn: &Connection, id: BatchId, now: Timestamp) -> rusqlite::Result<Option<(i64, Tracked)>> {
    Ok(tracked_where(conn, "uuid = ?1", &[&id.to_string()], now)?.pop())
}

/// The same batch by its key.
pub(super) fn tracked_of_key(conn: &Connection, key: i64, now: Timestamp) -> rusqlite::Result<Option<Tracked>> {
    Ok(tracked_where(conn, "id = ?1", &[&key], now)?.pop().map(|(_, batch)| batch))
}

/// All batches in a state.
pub(super) fn tracked_in(conn: &Connection, state: BatchState, now: Timestamp) -> rusqlite::Result<Vec<(i64, Tracked)>> {
    // Not a parameter, because SQLite would not use the partial index then.
    tracked_where(conn, &format!("state = '{state}' order by id"), &[], now)
}

fn tracked_where(conn: &Connection, condition: &str, values: &[&dyn ToSql], now: Timestamp) -> rusqlite::Result<Vec<(i64, Tracked)>> {
    conn.prepare_cached(&format!(
        "select {BATCH_COLUMNS}, batch.provider_id as answered_id, learned_id, doubtful, receipts, last_receipt_at, asks, asked_at, answered_at from {BATCH_TABLES} where {condition}"
    ))?
    .query_map(values, |row| Ok((row.get("id")?, read_tracked(row, now)?)))?
    .collect()
}

fn read_tracked(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<Tracked> {
    Ok(Tracked {
        batch: read_batch(row, now)?,
        receipts: count(row, "receipts")?,
        last_receipt_at: time_or_none(row, "last_receipt_at")?,
        polls: read_polls(row)?,
        names: Names { answered: row.get("answered_id")?, learned: row.get("learned_id")? },
        doubtful: row.get("doubtful")?,
    })
}

pub(super) fn read_polls(row: &Row<'_>) -> rusqlite::Result<Polls> {
    Ok(Polls { asks: row.get("asks")?, asked_at: time_or_none(row, "asked_at")?, answered_at: time_or_none(row, "answered_at")? })
}

/// The batch as it is now, within the transaction.
pub(super) fn reread(tx: &Tx<'_>, id: BatchId) -> rusqlite::Result<Batch> {
    Ok(find_batch(tx.conn, id, tx.now)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.1)
}
