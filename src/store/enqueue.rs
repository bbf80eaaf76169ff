//! Taking batches in: all of a batch or nothing of it, and receipts wait for no more than a slice of one.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, named_params};

use super::answers::Enqueued;
use super::batches::reread;
use super::error::StoreError;
use super::failure::JobError;
use super::handle::Store;
use super::known::known;
use super::rows::key;
use super::writer::Writing;
use crate::domain::{NewBatch, Timestamp};

/// Destinations that are written in one transaction: a millisecond or two.
const SLICE: usize = 4_096;
/// Batches larger than a slice that may be on their way in at a time; more are told to come back.
pub(super) const ARRIVING_AT_A_TIME: usize = 8;

/// A batch on its way in, and what it is known by when it comes again.
struct Arrival {
    new: NewBatch,
    fingerprint: [u8; 32],
}

impl Store {
    /// Takes a batch into the outbox, with all its destinations. It is there once its row is, which is written last:
    /// a part of a batch is never seen, and what an interrupted run left of one is deleted at the next start.
    ///
    /// # Errors
    /// Nothing was taken, or (`CommitUnknown`) perhaps all of it: hand it in again under the same id.
    pub async fn enqueue(&self, new: NewBatch) -> Result<Enqueued, StoreError> {
        let arrival = Arc::new(Arrival { fingerprint: new.fingerprint(), new });
        let all = 0..arrival.new.destinations.len();
        if all.len() <= SLICE {
            let rows = (all.len() / 64).max(1); // sorted rows cost a fraction of what a receipt does
            return self.write(rows, move |w| arrival.finish(w, None, all.clone())).await;
        }
        let turn = self.shared.arriving.clone().try_acquire_owned().map_err(|_| StoreError::Busy)?;
        let store = self.clone();
        // Goes on to its end, also when whoever handed it in has gone.
        tokio::spawn(async move {
            let _turn = turn;
            store.enqueue_in_slices(&arrival).await
        })
        .await
        .unwrap_or(Err(StoreError::Closing))
    }

    /// What became of a batch, where its id is known. Nothing is taken in.
    ///
    /// # Errors
    /// `Busy` while one as large is on its way in: it may be this one.
    pub async fn taken_before(&self, new: NewBatch) -> Result<Option<Enqueued>, StoreError> {
        if new.destinations.len() > SLICE && self.shared.arriving.available_permits() < ARRIVING_AT_A_TIME {
            return Err(StoreError::Busy);
        }
        let fingerprint = new.fingerprint();
        // After all that was handed in before: whoever lost the answer to it asks again at once.
        self.write(1, move |w| known(w, &new, &fingerprint)).await
    }

    async fn enqueue_in_slices(&self, arrival: &Arc<Arrival>) -> Result<Enqueued, StoreError> {
        let batch = {
            let _slice = self.shared.slice.lock().await;
            let arrival = arrival.clone();
            match self.write(SLICE / 64, move |w| arrival.begin(w)).await? {
                Ok(batch) => batch,
                Err(known) => return Ok(known),
            }
        };
        let outcome = self.write_rest(arrival, batch).await;
        if !matches!(outcome, Ok(Enqueued::New(_)))
            && let Err(error) = self.forget_arriving(batch).await
        {
            log::warn!("what had arrived of a batch that was not taken is deleted at the next start: {error}");
        }
        outcome
    }

    async fn forget_arriving(&self, batch: i64) -> Result<(), StoreError> {
        while self.write(SLICE / 64, move |w| Ok(forget_slice(w.conn, batch)?)).await? {}
        Ok(())
    }

    async fn write_rest(&self, arrival: &Arc<Arrival>, batch: i64) -> Result<Enqueued, StoreError> {
        let total = arrival.new.destinations.len();
        let mut from = SLICE;
        loop {
            let slice = from..total.min(from + SLICE);
            from = slice.end;
            let arrival = arrival.clone();
            // One at a time: a transaction has no more of them than that.
            let _slice = self.shared.slice.lock().await;
            // What has begun is not refused half-way: so it counts as nothing.
            if slice.end == total {
                return self.write(0, move |w| arrival.finish(w, Some(batch), slice.clone())).await;
            }
            self.write(0, move |w| Ok(arrival.insert_destinations(w.conn, batch, slice.clone())?)).await?;
        }
    }
}

impl Arrival {
    /// Writes the first slice; the key of the batch, or what is known of it already.
    fn begin(&self, w: &mut Writing<'_>) -> Result<Result<i64, Enqueued>, JobError> {
        if let Some(known) = known(w, &self.new, &self.fingerprint)? {
            return Ok(Err(known));
        }
        let batch = next_key(w.conn)?;
        w.conn.prepare_cached("insert into arriving (batch) values (:batch)")?.execute(named_params! {":batch": batch})?;
        self.insert_destinations(w.conn, batch, 0..SLICE)?;
        Ok(Ok(batch))
    }

    /// Writes the last slice and the batch itself. `begun`: the key that its other slices were written with.
    fn finish(&self, w: &mut Writing<'_>, begun: Option<i64>, slice: Range<usize>) -> Result<Enqueued, JobError> {
        // The same may have come in meanwhile by another way.
        if let Some(known) = known(w, &self.new, &self.fingerprint)? {
            return Ok(known);
        }
        let batch = match begun {
            Some(batch) => batch,
            None => next_key(w.conn)?,
        };
        self.insert_batch(w.conn, batch, w.now)?;
        self.insert_destinations(w.conn, batch, slice)?;
        if begun.is_some() {
            w.conn.prepare_cached("delete from arriving where batch = :batch")?.execute(named_params! {":batch": batch})?;
        }
        w.memory.outbox_changed = true;
        Ok(Enqueued::New(reread(w, self.new.id)?))
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

/// The key of the next batch: none that any batch ever had, or that one on its way in will have.
fn next_key(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "select max(ifnull((select seq from sqlite_sequence where name = 'batch'), 0), ifnull((select max(batch) from arriving), 0)) + 1",
    )?
    .query_row([], |row| row.get(0))
}

/// Deletes a slice of a batch that did not come to its end; with the last, its key. Nothing, when it did. Whether there is more.
fn forget_slice(conn: &Connection, batch: i64) -> rusqlite::Result<bool> {
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

/// Deletes what was on its way in when the last run ended. Whoever sent it has had no answer.
pub(super) fn forget_interrupted(conn: &Connection) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    transaction.execute("delete from destination where batch in (select batch from arriving)", [])?;
    transaction.execute("delete from arriving", [])?;
    transaction.commit()
}
