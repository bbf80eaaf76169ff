//! One number over all batches: showing it, and forgetting it.
//!
//! There is no index by number: it would dirty a random page for every destination taken in. The key of a
//! destination is (batch, number), so a number is one short probe into each batch.

use rusqlite::{Connection, named_params};

use super::answers::Forget;
use super::checkpoint::checkpoint;
use super::connection::open_for_writing;
use super::destinations::{history, one};
use super::error::StoreError;
use super::failure::JobError;
use super::forget;
use super::handle::{Store, blocking};
use super::record::stand_in;
use super::rows::{BATCH_COLUMNS, BATCH_TABLES, batch, key};
use super::writer::Writing;
use crate::api::{self, NumberInBatch, NumberReport};
use crate::domain::{BatchState, Msisdn, Timestamp};
use crate::lock::lock;

impl Store {
    /// Everything known of a number: its batches, the newest first, from before a cursor. `None`: nothing at all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn number(&self, number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError> {
        let now = self.shared.clock.now();
        self.read(move |conn| report(conn, number, before, limit, now)).await
    }

    /// Erases a number: its rows stay and are counted, and nobody can tell any more whose they were. Also from
    /// the WAL, before this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget(&self, number: Msisdn) -> Result<Forget, StoreError> {
        if let Some(waiting) = self.read(move |conn| Ok(waiting(&batches_of(conn, key(number))?))).await? {
            return Ok(waiting);
        }
        // Before the number itself: were this interrupted, somebody who repeats it would find the number still known.
        let mentioned = self.blank_mentions(number).await?;
        let outcome = self.write(1_000, move |w| forget(w, number, mentioned)).await?;
        if matches!(outcome, Forget::Done(_)) {
            let path = self.shared.path.clone();
            blocking(move || {
                let moved = open_for_writing(&path).and_then(|conn| checkpoint(&conn, "truncate"))?;
                if !moved {
                    log::warn!("a reader keeps the WAL: a forgotten number leaves it with the next checkpoint");
                }
                Ok(())
            })
            .await?;
        }
        Ok(outcome)
    }
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
            Ok((row.get::<_, i64>("id")?, batch(row, now)?))
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
    let next = batches.last().filter(|_| batches.len() == limit as usize).map(|(id, _)| id.to_string());
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

/// The batches that a number is in, by key, uuid and state.
fn batches_of(conn: &Connection, stored: i64) -> rusqlite::Result<Vec<(i64, String, String)>> {
    conn.prepare_cached(
        "select b.id, b.uuid, b.state from batch b
         where exists (select 1 from destination where batch = b.id and number = :number)
             or exists (select 1 from receipt where again = 1 and batch = b.id and number = :number)",
    )?
    .query_map(named_params! {":number": stored}, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
    .collect()
}

/// The batch that has yet to go out to it.
fn waiting(batches: &[(i64, String, String)]) -> Option<Forget> {
    let waiting = [BatchState::Queued.as_str(), BatchState::Submitting.as_str()];
    let (_, uuid, _) = batches.iter().find(|(_, _, state)| waiting.contains(&state.as_str()))?;
    Some(uuid.parse().map_or(Forget::Unknown, Forget::StillQueued))
}

fn forget(w: &mut Writing<'_>, number: Msisdn, mentioned: usize) -> Result<Forget, JobError> {
    w.flush()?;
    let stored = key(number);
    let places = batches_of(w.conn, stored)?;
    if let Some(waiting) = waiting(&places) {
        return Ok(waiting);
    }
    if places.is_empty() && mentioned == 0 {
        return Ok(Forget::Unknown);
    }
    let place = match stand_in(w.conn, w.identity, number)? {
        Some(place) => place,
        None => {
            let place: i64 = w.conn.query_row("select coalesce(min(stand_in), 0) - 1 from forgotten", [], |row| row.get(0))?;
            let hash = lock(w.identity).number_hash(number);
            w.conn.execute(
                "insert into forgotten (number_hash, stand_in) values (:hash, :place)",
                named_params! {":hash": hash, ":place": place},
            )?;
            place
        }
    };
    let mut done = api::Forgotten { batches: places.len() as u64, receipts: 0 };
    for (batch, ..) in places {
        let receipts: Vec<i64> = w
            .conn
            .prepare_cached(
                "select first_receipt from destination where batch = :batch and number = :number and first_receipt is not null
                 union all select id from receipt where again = 1 and batch = :batch and number = :number",
            )?
            .query_map(named_params! {":batch": batch, ":number": stored}, |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for receipt in &receipts {
            forget::make_nameless(w, *receipt, number, place)?;
        }
        done.receipts += receipts.len() as u64;
        w.conn
            .prepare_cached("update destination set number = :place where batch = :batch and number = :number")?
            .execute(named_params! {":place": place, ":batch": batch, ":number": stored})?;
        // From the hash of a short list and the rest of its content, a number could be found by trying them all.
        w.conn.prepare_cached("update batch set content = x'' where id = :batch")?.execute(named_params! {":batch": batch})?;
    }
    w.memory.any_forgotten = true;
    w.memory.infos.forget();
    Ok(Forget::Done(done))
}
