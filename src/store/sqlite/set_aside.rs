//! What cannot be recorded is set aside, within bounds.

use rusqlite::named_params;

use super::failure::JobError;
use super::tx::Tx;
use crate::domain::BatchId;
use crate::store::error::StoreError;
use crate::store::settings::QuarantineBounds;

/// Sets a body aside, in the quarantine. At the bound the oldest that is done with goes first; where all are waiting, it is refused.
pub(super) fn set_aside(tx: &Tx<'_>, bounds: QuarantineBounds, batch: BatchId, reason: &str, body: &[u8]) -> Result<i64, JobError> {
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
            return Err(JobError::Refused(StoreError::QuarantineFull));
        }
    }
    Ok(tx
        .conn
        .prepare_cached("insert into quarantine (batch, received_at, reason, body) values (:batch, :now, :reason, :body) returning id")?
        .query_row(named_params! {":batch": batch.to_string(), ":now": tx.now.as_millis(), ":reason": reason, ":body": body}, |row| {
            row.get(0)
        })?)
}
