//! Callbacks with a valid token that could not be understood: kept in full, within limits.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::failure::JobError;
use super::handle::Sqlite;
use super::record::Place;
use super::rows::{Stored, next_page, uuid};
use crate::api;
use crate::domain::{Incoming, QuarantineState, Recorded, Source, Timestamp};
use crate::store::error::StoreError;

pub(super) async fn quarantine_is_full(db: &Sqlite) -> Result<bool, StoreError> {
    let bounds = db.shared.quarantine;
    db.read(move |conn| {
        conn.prepare_cached("select items, bytes from quarantine_tally where state = 'waiting'")?.query_row([], |row| {
            let (items, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(items.unsigned_abs() >= bounds.max_count || bytes.unsigned_abs() >= bounds.max_bytes)
        })
    })
    .await
}

pub(super) async fn quarantine(
    db: &Sqlite,
    state: Option<QuarantineState>,
    before: Option<i64>,
    limit: u32,
) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError> {
    db.read(move |conn| {
        let state = state.map(QuarantineState::as_str);
        let items: Vec<_> = conn
            .prepare_cached(
                "select id, batch, received_at, reason, state, length(body) as bytes from quarantine
                 where id < :before and (:state is null or state = :state) order by id desc limit :limit",
            )?
            .query_map(named_params! {":before": before.unwrap_or(i64::MAX), ":state": state, ":limit": limit}, item)?
            .collect::<rusqlite::Result<_>>()?;
        let next = next_page(&items, limit, |item: &api::Quarantined| item.id);
        Ok((items, next))
    })
    .await
}

pub(super) async fn quarantined(db: &Sqlite, id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError> {
    db.read(move |conn| find(conn, id)).await
}

pub(super) async fn drop_quarantined(db: &Sqlite, id: i64) -> Result<bool, StoreError> {
    db.write(1, move |w| {
        let dropped =
            w.tx.conn.execute("update quarantine set state = 'dropped' where id = :id and state = 'waiting'", named_params! {":id": id})?;
        Ok(dropped == 1)
    })
    .await
}

pub(super) async fn replay(db: &Sqlite, id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError> {
    let outcome = db
        .write(incoming.items.len().max(1), move |w| {
            let mut recorded = Recorded::default();
            let mut next = Some(Place::default());
            while let Some(from) = next {
                let part = w.record(&incoming, &from, None)?; // it is quarantined already
                if part.quarantine_is_full {
                    return Err(JobError::Refused(StoreError::QuarantineFull));
                }
                recorded.add(part.done);
                next = part.next;
            }
            w.tx.conn.execute("update quarantine set state = 'replayed' where id = :id", named_params! {":id": id})?;
            Ok(recorded)
        })
        .await;
    match outcome {
        Err(StoreError::QuarantineFull) => Ok(None),
        Ok(recorded) => {
            recorded.outcomes.iter().for_each(|outcome| db.shared.queue.metrics.receipt(Source::Replay, *outcome));
            Ok(Some(recorded))
        }
        Err(error) => Err(error),
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<api::Quarantined> {
    Ok(api::Quarantined {
        id: row.get("id")?,
        batch: uuid(row, "batch")?,
        received_at: Timestamp::from_millis(row.get("received_at")?),
        reason: row.get("reason")?,
        state: row.get::<_, Stored<QuarantineState>>("state")?.0,
        bytes: row.get::<_, i64>("bytes")?.unsigned_abs(),
        body: None,
    })
}

fn find(conn: &Connection, id: i64) -> rusqlite::Result<Option<(api::Quarantined, Vec<u8>)>> {
    conn.prepare_cached("select id, batch, received_at, reason, state, length(body) as bytes, body from quarantine where id = :id")?
        .query_row(named_params! {":id": id}, |row| Ok((item(row)?, row.get::<_, Vec<u8>>("body")?)))
        .optional()
}
