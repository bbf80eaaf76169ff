//! The store as everybody knows it, whatever the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{futures::Notified, watch};

use super::answers::{AtOpening, Awaiting, Claimed, Enqueued, Forget};
use super::engine::Engine;
use super::error::{BackupError, OpenError, StoreError};
use super::filters::{BatchFilter, DestinationFilter, ReceiptFilter};
use super::settings::StoreSettings;
use super::sqlite::Sqlite;
use crate::api::{self, Code, KnownId, NumberReport, Pruned, Stats, Traffic};
use crate::clock::Clock;
use crate::domain::{
    Batch, BatchId, CallbackSecrets, DestinationState, Handover, IdPrefix, Incoming, LastError, Moved, Msisdn, NewBatch, QuarantineState,
    Recorded, Source, Timestamp, Tracked,
};
use crate::metrics::{Gauges, Metrics};

/// The store. Clones share it. What each method means, which errors it has and what calling it again does, is written in
/// `store/engine.rs`.
#[derive(Clone)]
pub struct Store {
    engine: Kind,
    /// Receipts that were posted again word for word since the start.
    repeated: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Kind {
    Sqlite(Sqlite),
}

/// Has the engine do it, whichever it is.
macro_rules! with {
    ($store:expr, $db:ident => $what:expr) => {
        match &$store.engine {
            Kind::Sqlite($db) => $what,
        }
    };
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Store {
            $($(#[$doc])* pub async fn $name(&self, $($argument: $kind),*) -> $answer {
                with!(self, db => db.$name($($argument),*).await)
            })*
        }
    };
}

impl Store {
    /// Opens the database, makes it where there is none, and starts the writer. Whatever might be submitted
    /// a second time is held: see [`AtOpening`]. Commits and receipts are counted in `metrics`.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed.
    pub fn open(settings: &StoreSettings, clock: &Clock, metrics: Arc<Metrics>) -> Result<(Self, AtOpening), OpenError> {
        let (db, found) = Sqlite::open(settings, clock, metrics)?;
        Ok((Self { engine: Kind::Sqlite(db), repeated: Arc::default() }, found))
    }

    /// Takes nothing more, writes what waits, and lets go of the database. Blocks until that is done.
    pub fn close(&self) {
        with!(self, db => db.close())
    }

    /// Where the data is, for people.
    pub fn path(&self) -> &Path {
        with!(self, db => db.path())
    }

    /// The secrets that callback tokens are made and checked with.
    pub fn callback_secrets(&self) -> Option<CallbackSecrets> {
        with!(self, db => db.callback_secrets())
    }

    /// Whether the last commit failed: receipts could not be recorded, as far as is known.
    pub fn is_failing(&self) -> bool {
        with!(self, db => db.is_failing())
    }

    /// Rows that wait for the writer.
    pub fn queue_depth(&self) -> usize {
        with!(self, db => db.queue_depth())
    }

    /// Completes when something may be waiting in the outbox. Made before looking, awaited after.
    pub fn outbox_changed(&self) -> Notified<'_> {
        with!(self, db => db.outbox_changed())
    }

    /// Follows the id of the newest committed receipt.
    pub fn newest_receipt(&self) -> watch::Receiver<i64> {
        with!(self, db => db.newest_receipt())
    }

    /// Takes the next batch out of the outbox, to be handed over once. A batch for which `refusal` has a reason is rejected.
    ///
    /// # Errors
    /// Nothing may be handed over.
    pub async fn claim<F>(&self, refusal: F) -> Result<Option<Claimed>, StoreError>
    where
        F: Fn(&Batch) -> Option<LastError> + Send + 'static,
    {
        with!(self, db => db.claim(refusal).await)
    }

    /// The batches that an earlier run queued and that [`claim`](Self::claim) passes over, in order.
    pub fn queued_before(&self) -> Vec<BatchId> {
        with!(self, db => db.queued_before())
    }

    /// Has [`claim`](Self::claim) take one of them: the provider does not have it.
    pub fn let_out(&self, id: BatchId) {
        with!(self, db => db.let_out(id));
    }

    /// Changes a batch by a rule of `domain::lifecycle`: answers with the batch as it is then, and with what the rule answers.
    /// `None`: there is no such batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn change<T, F>(&self, id: BatchId, rule: F) -> Result<Option<(Batch, T)>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static,
    {
        with!(self, db => db.change(id, rule).await)
    }

    /// Records what came.
    ///
    /// # Errors
    /// Nothing may be acknowledged: recording it again does no harm.
    pub async fn record(&self, incoming: Incoming) -> Result<Recorded, StoreError> {
        let posted = incoming.source == Source::Webhook;
        let recorded = with!(self, db => db.record(incoming).await)?;
        if posted {
            self.repeated.fetch_add(recorded.duplicates, Ordering::Relaxed);
        }
        Ok(recorded)
    }

    /// The provider's habits, out of the newest batches that it has named, and since the start.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub async fn traffic(&self) -> Result<Traffic, StoreError> {
        let traffic = with!(self, db => db.traffic().await)?;
        Ok(Traffic { repeated: self.repeated.load(Ordering::Relaxed), ..traffic })
    }
}

dispatch! {
    /// Makes a new secret for the tokens of batches to come. Answers how many secrets are accepted.
    rotate_secret(revoke: bool) -> Result<usize, StoreError>;
    /// Why receipts cannot be recorded at the moment; `None` when they can.
    fault() -> Option<String>;
    /// Writes and commits something. Otherwise: why receipts cannot be recorded.
    ping() -> Result<(), String>;
    /// Completes when only a new start helps.
    ended() -> ();
    /// Takes a batch into the outbox.
    enqueue(new: NewBatch) -> Result<Enqueued, StoreError>;
    /// What became of a batch, where its id is known.
    taken_before(new: NewBatch) -> Result<Option<Enqueued>, StoreError>;
    /// Whether a batch was accepted once, and has been pruned.
    is_pruned(id: BatchId) -> Result<bool, StoreError>;
    /// Whether nothing is handed to the provider.
    is_paused() -> Result<bool, StoreError>;
    /// Stops, or goes on, handing batches to the provider.
    set_paused(paused: bool) -> Result<(), StoreError>;
    /// Writes down how handing a batch over ended, however long that takes.
    handed_over(id: BatchId, how: Handover) -> Result<(), StoreError>;
    /// All batches that are submitted or unconfirmed.
    awaiting() -> Result<Vec<Awaiting>, StoreError>;
    /// Whether any of these numbers is one that the batch is for, forgotten ones included.
    is_for_any(id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError>;
    /// A page of the log after an id, oldest first, and the id to go on from.
    receipts(after: i64, filter: ReceiptFilter, limit: u32) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError>;
    /// Whether what waits leaves no room in the quarantine.
    quarantine_is_full() -> Result<bool, StoreError>;
    /// A page of the quarantine, newest first.
    quarantine(state: Option<QuarantineState>, before: Option<i64>, limit: u32) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError>;
    /// One item of the quarantine with its body.
    quarantined(id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError>;
    /// Records what was read out of an item of the quarantine. `None`: it is still not understood.
    replay(id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError>;
    /// Marks an item as dropped. `false`: there is none, or it is done with.
    drop_quarantined(id: i64) -> Result<bool, StoreError>;
    /// One batch.
    batch(id: BatchId) -> Result<Option<Batch>, StoreError>;
    /// A page of batches, newest first, and the cursor of the next.
    batches(filter: BatchFilter, before: Option<i64>, limit: u32) -> Result<(Vec<Batch>, Option<i64>), StoreError>;
    /// All batches of a group, and how many more of it were pruned.
    group(group: BatchId) -> Result<(Vec<Batch>, u64), StoreError>;
    /// Ids of batches and of groups that begin so, in their order.
    ids(prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError>;
    /// A batch, a page of its destinations in order of their numbers, and the cursor of the next.
    destinations(
        id: BatchId, filter: DestinationFilter, after: i64, limit: u32
    ) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError>;
    /// One destination with its receipts.
    destination(id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError>;
    /// The numbers of a batch in a state, in order.
    numbers_in_state(id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError>;
    /// Everything known of a number: its batches, the newest first.
    number(number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError>;
    /// Totals over all batches.
    stats() -> Result<Stats, StoreError>;
    /// What the metrics show of the data. `after`: `reconcile.after`.
    gauges(after: Duration) -> Result<Gauges, StoreError>;
    /// Receipt codes with their meaning, in order of the codes as numbers.
    codes() -> Result<Vec<Code>, StoreError>;
    /// Replaces the list of codes.
    set_codes(codes: Vec<Code>) -> Result<(), StoreError>;
    /// When the list of codes was fetched; `None`: never.
    codes_fetched_at() -> Result<Option<Timestamp>, StoreError>;
    /// Erases a number.
    forget(number: Msisdn) -> Result<Forget, StoreError>;
    /// Deletes batches that were settled before a time, or says which.
    prune(settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError>;
    /// Erases message texts and raw receipt bodies of batches that were settled before a time. Answers of how many batches.
    erase_messages(settled_before: Timestamp) -> Result<usize, StoreError>;
    /// Checks the storage and every invariant. Empty: nothing is wrong.
    check() -> Result<Vec<String>, StoreError>;
    /// Copies the database and its identity while receipts come in.
    backup(to: PathBuf) -> Result<(), BackupError>;
}
