//! Quarantining what cannot be recorded, within limits.

use rusqlite::named_params;

use super::tx::Tx;
use crate::domain::BatchId;
use crate::store::settings::QuarantineBounds;

/// Whether this many items of this size fit into the quarantine, beside everything that waits there. Without limits
/// nothing fits: then items are refused instead of quarantined.
pub(super) fn has_room(tx: &Tx<'_>, bounds: Option<QuarantineBounds>, items: u64, bytes: u64) -> rusqlite::Result<bool> {
    let Some(bounds) = bounds else { return Ok(false) };
    tx.conn.prepare_cached("select items, bytes from quarantine_tally where state = 'waiting'")?.query_row([], |row| {
        let (waiting, waiting_bytes) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs());
        Ok(waiting + items <= bounds.max_count && waiting_bytes + bytes <= bounds.max_bytes)
    })
}

/// Quarantines a body. At the limit, the oldest item that was replayed or dropped is deleted first. `None`: all items
/// are waiting and there is no space, or there are no limits.
pub(super) fn set_aside(
    tx: &Tx<'_>,
    bounds: Option<QuarantineBounds>,
    batch: BatchId,
    reason: &str,
    body: &[u8],
) -> rusqlite::Result<Option<i64>> {
    let Some(bounds) = bounds else { return Ok(None) };
    loop {
        let (items, bytes): (u64, u64) = tx
            .conn
            .prepare_cached("select sum(items), sum(bytes) from quarantine_tally")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())))?;
        if items < bounds.max_count && bytes + body.len() as u64 <= bounds.max_bytes {
            break;
        }
        let gone = tx
            .conn
            .prepare_cached("delete from quarantine where id = (select min(id) from quarantine where state <> 'waiting')")?
            .execute([])?;
        if gone == 0 {
            return Ok(None);
        }
    }
    tx.conn
        .prepare_cached("insert into quarantine (batch, received_at, reason, body) values (:batch, :now, :reason, :body) returning id")?
        .query_row(named_params! {":batch": batch.to_string(), ":now": tx.now.as_millis(), ":reason": reason, ":body": body}, |row| {
            row.get(0)
        })
        .map(Some)
}
