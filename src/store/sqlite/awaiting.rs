//! Batches whose receipts are awaited, and the numbers that they contain.

use rusqlite::{Row, named_params};

use super::forgotten::stand_in;
use super::handle::Sqlite;
use super::progress::read_polls;
use super::rows::{Stored, key, time_or_none, uuid};
use crate::domain::{BatchId, BatchState, Msisdn, Timestamp, sent_at};
use crate::lock::lock;
use crate::store::answers::Awaiting;
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

/// Uses the index `batch_open`.
pub(super) const OPEN: &str = "select uuid, state, created_at, submitted_at, send_at, last_receipt_at, asked_at, asks, answered_at
    from batch join batch_count on batch = id where state in ('submitted', 'unconfirmed') order by id";

fn open(row: &Row<'_>) -> rusqlite::Result<Awaiting> {
    let (polls, last_receipt_at) = (read_polls(row)?, time_or_none(row, "last_receipt_at")?);
    let created_at = Timestamp::from_millis(row.get("created_at")?);
    let sent_at = sent_at(time_or_none(row, "submitted_at")?, time_or_none(row, "send_at")?, created_at);
    Ok(Awaiting {
        id: uuid(row, "uuid")?,
        unconfirmed: row.get::<_, Stored<BatchState>>("state")?.0 == BatchState::Unconfirmed,
        silent_since: last_receipt_at.map_or(sent_at, |at| at.max(sent_at)),
        sent_at,
        asked_at: polls.asked_at,
        asks: polls.in_silence(last_receipt_at),
        answered_at: polls.answered_at,
    })
}
