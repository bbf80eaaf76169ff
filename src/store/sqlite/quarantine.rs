//! Callbacks that were authentic but not understood: kept whole, within bounds.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::handle::Store;
use super::record::{Incoming, Recorded};
use super::rows::uuid;
use crate::api;
use crate::domain::{Source, Timestamp};
use crate::store::error::StoreError;
use crate::store::settings::QuarantineBounds;

impl Store {
    /// Whether what waits leaves no room: callbacks that are not understood are answered `503` then.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn quarantine_is_full(&self) -> Result<bool, StoreError> {
        let bounds = self.shared.quarantine;
        self.read(move |conn| {
            conn.prepare_cached("select items, bytes from quarantine_tally where state = 'waiting'")?.query_row([], |row| {
                let (items, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(items.unsigned_abs() >= bounds.max_count || bytes.unsigned_abs() >= bounds.max_bytes)
            })
        })
        .await
    }

    /// The quarantine, newest first; `before` is the id of the last item of the page before.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn quarantine(&self, state: Option<String>, before: Option<i64>, limit: u32) -> Result<Vec<api::Quarantined>, StoreError> {
        self.read(move |conn| {
            conn.prepare_cached(
                "select id, batch, received_at, reason, state, length(body) as bytes from quarantine
                 where id < :before and (:state is null or state = :state) order by id desc limit :limit",
            )?
            .query_map(named_params! {":before": before.unwrap_or(i64::MAX), ":state": state, ":limit": limit}, item)?
            .collect()
        })
        .await
    }

    /// One item with its body, as text and as it came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn quarantined(&self, id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError> {
        self.read(move |conn| find(conn, id)).await
    }

    /// Marks an item as dropped; it goes when the room is needed. `false`: there is none, or it is done with.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn drop_quarantined(&self, id: i64) -> Result<bool, StoreError> {
        self.write(1, move |w| {
            let dropped =
                w.tx.conn
                    .execute("update quarantine set state = 'dropped' where id = :id and state = 'waiting'", named_params! {":id": id})?;
            Ok(dropped == 1)
        })
        .await
    }

    /// Records what was read out of an item, and marks it as replayed, in one transaction. What is still not
    /// understood leaves the item waiting, and nothing of it recorded: `None`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn replay(&self, id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError> {
        let bounds = QuarantineBounds { max_count: 0, max_bytes: 0 }; // what is in the quarantine is not quarantined anew
        let outcome = self
            .write(incoming.items.len().max(1), move |w| {
                let recorded = w.record(&incoming, bounds)?;
                w.tx.conn.execute("update quarantine set state = 'replayed' where id = :id", named_params! {":id": id})?;
                Ok(recorded)
            })
            .await;
        match outcome {
            Err(StoreError::QuarantineFull) => Ok(None),
            Ok(recorded) => {
                recorded.outcomes.iter().for_each(|outcome| self.metrics().receipt(Source::Replay, *outcome));
                Ok(Some(recorded))
            }
            Err(error) => Err(error),
        }
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<api::Quarantined> {
    Ok(api::Quarantined {
        id: row.get("id")?,
        batch: uuid(row, "batch")?,
        received_at: Timestamp::from_millis(row.get("received_at")?),
        reason: row.get("reason")?,
        state: row.get("state")?,
        bytes: row.get::<_, i64>("bytes")?.unsigned_abs(),
        body: None,
    })
}

fn find(conn: &Connection, id: i64) -> rusqlite::Result<Option<(api::Quarantined, Vec<u8>)>> {
    conn.prepare_cached("select id, batch, received_at, reason, state, length(body) as bytes, body from quarantine where id = :id")?
        .query_row(named_params! {":id": id}, |row| Ok((item(row)?, row.get::<_, Vec<u8>>("body")?)))
        .optional()
}
