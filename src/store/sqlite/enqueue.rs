//! Accepting batches: a batch is stored completely or not at all, and receipts wait for no more than a slice of it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::failure::JobError;
use super::forgotten::stand_in;
use super::handle::Sqlite;
use super::progress::reread;
use super::rows::key;
use super::transaction::Writing;
use super::tx::Tx;
use crate::domain::{BatchId, Msisdn, NewBatch, Timestamp};
use crate::store::answers::Enqueued;
use crate::store::error::StoreError;

/// The number of destinations per transaction: one or two milliseconds.
const SLICE: usize = 4_096;
/// The largest number of batches larger than a slice that may arrive at a time; more are refused as busy.
pub(super) const ARRIVING_AT_A_TIME: usize = 8;

/// An arriving batch, with what identifies it if it is repeated.
struct Arrival {
    new: NewBatch,
    fingerprint: [u8; 32],
}

pub(super) async fn enqueue(db: &Sqlite, new: NewBatch) -> Result<Enqueued, StoreError> {
    let arrival = Arc::new(Arrival { fingerprint: new.fingerprint(), new });
    let all = 0..arrival.new.destinations.len();
    if all.len() <= SLICE {
        let rows = (all.len() / 64).max(1); // sorted rows cost a fraction of a receipt
        return db.write(rows, move |w| arrival.finish(w, None, all.clone())).await;
    }
    let turn = db.shared.arriving.clone().try_acquire_owned().map_err(|_| StoreError::Busy)?;
    let db = db.clone();
    // Continues to the end even if the client goes away.
    tokio::spawn(async move {
        let _turn = turn;
        enqueue_in_slices(&db, &arrival).await
    })
    .await
    .unwrap_or(Err(StoreError::Closing))
}

pub(super) async fn taken_before(db: &Sqlite, new: NewBatch) -> Result<Option<Enqueued>, StoreError> {
    if new.destinations.len() > SLICE && db.shared.arriving.available_permits() < ARRIVING_AT_A_TIME {
        return Err(StoreError::Busy);
    }
    let fingerprint = new.fingerprint();
    // Runs in the writer, after everything submitted earlier: a client that lost an answer may repeat its request at
    // once.
    db.write(1, move |w| known_as(&w.flush()?, &new, &fingerprint)).await
}

pub(super) async fn is_pruned(db: &Sqlite, id: BatchId) -> Result<bool, StoreError> {
    db.read(move |conn| {
        conn.prepare_cached("select exists (select 1 from pruned where uuid = :uuid)")?
            .query_row(named_params! {":uuid": id.to_string()}, |row| row.get(0))
    })
    .await
}

async fn enqueue_in_slices(db: &Sqlite, arrival: &Arc<Arrival>) -> Result<Enqueued, StoreError> {
    let batch = {
        let _slice = db.shared.slice.lock().await;
        let arrival = arrival.clone();
        match db.write(SLICE / 64, move |w| arrival.begin(w)).await? {
            Ok(batch) => batch,
            Err(before) => return Ok(before),
        }
    };
    let outcome = write_rest(db, arrival, batch).await;
    if !matches!(outcome, Ok(Enqueued::New(_)))
        && let Err(error) = delete_arriving(db, batch).await
    {
        log::warn!("the parts of a batch that was not accepted will be deleted at the next start: {error}");
    }
    outcome
}

async fn delete_arriving(db: &Sqlite, batch: i64) -> Result<(), StoreError> {
    while db.write(SLICE / 64, move |w| Ok(delete_slice(w.tx.conn, batch)?)).await? {}
    Ok(())
}

async fn write_rest(db: &Sqlite, arrival: &Arc<Arrival>, batch: i64) -> Result<Enqueued, StoreError> {
    let total = arrival.new.destinations.len();
    let mut from = SLICE;
    loop {
        let slice = from..total.min(from + SLICE);
        from = slice.end;
        let arrival = arrival.clone();
        // One slice at a time: a transaction contains no more than one.
        let _slice = db.shared.slice.lock().await;
        // A batch that has started is not refused half-way, so its other slices count as nothing.
        if slice.end == total {
            return db.write(0, move |w| arrival.finish(w, Some(batch), slice.clone())).await;
        }
        db.write(0, move |w| Ok(arrival.insert_destinations(w.tx.conn, batch, slice.clone())?)).await?;
    }
}

impl Arrival {
    /// Writes the first slice. Returns the key of the batch, or what is known about it already.
    fn begin(&self, w: &mut Writing<'_>) -> Result<Result<i64, Enqueued>, JobError> {
        let tx = w.flush()?;
        if let Some(before) = known_as(&tx, &self.new, &self.fingerprint)? {
            return Ok(Err(before));
        }
        let batch = next_key(tx.conn)?;
        tx.conn.prepare_cached("insert into arriving (batch) values (:batch)")?.execute(named_params! {":batch": batch})?;
        self.insert_destinations(tx.conn, batch, 0..SLICE)?;
        Ok(Ok(batch))
    }

    /// Writes the last slice and the batch itself. `begun` is the key used for its other slices.
    fn finish(&self, w: &mut Writing<'_>, begun: Option<i64>, slice: Range<usize>) -> Result<Enqueued, JobError> {
        let tx = w.flush()?;
        // The same batch may have arrived meanwhile in another request.
        if let Some(before) = known_as(&tx, &self.new, &self.fingerprint)? {
            return Ok(before);
        }
        let batch = match begun {
            Some(batch) => batch,
            None => next_key(tx.conn)?,
        };
        self.insert_batch(tx.conn, batch, tx.now)?;
        self.insert_destinations(tx.conn, batch, slice)?;
        if begun.is_some() {
            tx.conn.prepare_cached("delete from arriving where batch = :batch")?.execute(named_params! {":batch": batch})?;
        }
        *w.outbox_changed = true;
        Ok(Enqueued::New(reread(&tx, self.new.id)?))
    }

    fn insert_batch(&self, conn: &Connection, batch: i64, now: Timestamp) -> rusqlite::Result<()> {
        let (new, content) = (&self.new, &self.new.content);
        let channels: Vec<&str> = content.fallback_channels.iter().map(|channel| channel.as_str()).collect();
        conn.prepare_cached(
            "insert into batch (id, uuid, group_uuid, resend_of, reference, state, sender, message, parts, channel, fallback_channels,
                 send_at, allow_multi, dry_run, content, merged, created_at)
             values (:batch, :uuid, :group, :resend_of, :reference, 'queued', :sender, :message, :parts, :channel, :fallback_channels,
                 :send_at, :allow_multi, :dry_run, :content, :merged, :now)",
        )?
        .execute(named_params! {
            ":batch": batch, ":uuid": new.id.to_string(), ":group": new.group.map(|id| id.to_string()),
            ":resend_of": new.resend_of.map(|id| id.to_string()), ":reference": new.reference,
            ":sender": content.from, ":message": content.message, ":parts": content.parts,
            ":channel": content.channel.map(|channel| channel.as_str()),
            ":fallback_channels": serde_json::to_string(&channels).unwrap_or_else(|_| "[]".into()),
            ":send_at": content.send_at.map(Timestamp::as_millis), ":allow_multi": content.allow_multi, ":dry_run": content.dry_run,
            ":content": self.fingerprint, ":merged": new.merged as i64, ":now": now.as_millis(),
        })?;
        conn.prepare_cached("insert into batch_count (batch, total) values (:batch, :total)")?
            .execute(named_params! {":batch": batch, ":total": new.destinations.len() as i64})?;
        Ok(())
    }

    fn insert_destinations(&self, conn: &Connection, batch: i64, slice: Range<usize>) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached("insert into destination (batch, number) values (?1, ?2)")?;
        for destination in self.new.destinations.get(slice).unwrap_or_default() {
            statement.execute((batch, key(*destination)))?;
        }
        Ok(())
    }
}

/// What is known about an id, and whether it has this content. `None`: the id is new.
fn known_as(tx: &Tx<'_>, new: &NewBatch, fingerprint: &[u8; 32]) -> Result<Option<Enqueued>, JobError> {
    let uuid = new.id.to_string();
    let found: Option<(i64, Vec<u8>)> = tx
        .conn
        .prepare_cached("select id, content from batch where uuid = :uuid")?
        .query_row(named_params! {":uuid": uuid}, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((batch, content)) = found {
        // The content was erased along with a number, so its rows decide.
        let same = if content.is_empty() { is_for(tx, batch, &new.destinations)? } else { content == fingerprint };
        return Ok(Some(if same { Enqueued::Same(reread(tx, new.id)?) } else { Enqueued::Different }));
    }
    let content: Option<Vec<u8>> = tx
        .conn
        .prepare_cached("select content from pruned where uuid = :uuid")?
        .query_row(named_params! {":uuid": uuid}, |row| row.get(0))
        .optional()?;
    Ok(content.map(|content| {
        let same = content.is_empty() || content == tx.identity().content_hash(fingerprint);
        if same { Enqueued::Pruned } else { Enqueued::Different }
    }))
}

/// Whether a batch contains exactly these numbers, including erased ones.
fn is_for(tx: &Tx<'_>, batch: i64, numbers: &[Msisdn]) -> rusqlite::Result<bool> {
    let stored: HashSet<i64> = tx
        .conn
        .prepare_cached("select number from destination where batch = :batch")?
        .query_map(named_params! {":batch": batch}, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for number in numbers {
        let is_there = stored.contains(&key(*number))
            || stand_in(tx.conn, &tx.identity(), *number)?.is_some_and(|stand_in| stored.contains(&stand_in));
        if !is_there {
            return Ok(false);
        }
    }
    Ok(stored.len() == numbers.len())
}

/// The key of the next batch: one that no batch ever had, and that no arriving batch will have.
fn next_key(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "select max(ifnull((select seq from sqlite_sequence where name = 'batch'), 0), ifnull((select max(batch) from arriving), 0)) + 1",
    )?
    .query_row([], |row| row.get(0))
}

/// Deletes a slice of a batch that was not completed, and with the last slice its key. Has no effect on a completed
/// batch. Returns whether there is more.
fn delete_slice(conn: &Connection, batch: i64) -> rusqlite::Result<bool> {
    let these = named_params! {":batch": batch, ":some": SLICE as i64};
    let is_arriving = "exists (select 1 from arriving where batch = :batch)";
    let deleted = conn
        .prepare_cached(&format!(
            "delete from destination where batch = :batch and {is_arriving}
                 and number in (select number from destination where batch = :batch order by number limit :some)"
        ))?
        .execute(these)?;
    if deleted < SLICE {
        conn.prepare_cached("delete from arriving where batch = :batch")?.execute(named_params! {":batch": batch})?;
    }
    Ok(deleted == SLICE)
}

/// Deletes the batches that were arriving when the last run ended. Their clients got no answer.
pub(super) fn delete_unfinished(conn: &Connection) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    transaction.execute("delete from destination where batch in (select batch from arriving)", [])?;
    transaction.execute("delete from arriving", [])?;
    transaction.commit()
}
