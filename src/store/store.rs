//! The store as other modules see it, independent of the engine.

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

/// The store. Clones share it. `store/engine.rs` documents each method, its errors, and the effect of calling it again.
#[derive(Clone)]
pub struct Store {
    engine: Kind,
    /// Identical receipts posted again since the start.
    repeated: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Kind {
    Sqlite(Sqlite),
}

/// Calls the engine, whichever it is.
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
    /// Opens the database, creating it if it does not exist, and starts the writer. Everything that could be submitted
    /// a second time is held: see [`AtOpening`]. Commits and receipts are counted in `metrics`.
    ///
    /// # Errors
    /// An [`OpenError`]; nothing was changed.
    pub fn open(settings: &StoreSettings, clock: &Clock, metrics: Arc<Metrics>) -> Result<(Self, AtOpening), OpenError> {
        let (db, found) = Sqlite::open(settings, clock, metrics)?;
        Ok((Self { engine: Kind::Sqlite(db), repeated: Arc::default() }, found))
    }

    /// Accepts no more jobs, writes those that wait, and releases the database. Blocks until this is done.
    pub fn close(&self) {
        with!(self, db => db.close())
    }

    /// The location of the data, for display.
    pub fn path(&self) -> &Path {
        with!(self, db => db.path())
    }

    /// The secrets for creating and checking callback tokens.
    pub fn callback_secrets(&self) -> Option<CallbackSecrets> {
        with!(self, db => db.callback_secrets())
    }

    /// Whether the last commit failed, so that receipts could not be recorded.
    pub fn is_failing(&self) -> bool {
        with!(self, db => db.is_failing())
    }

    /// The number of rows waiting for the writer.
    pub fn queue_depth(&self) -> usize {
        with!(self, db => db.queue_depth())
    }

    /// Completes when there may be something in the outbox. Create it before looking, and await it afterwards.
    pub fn outbox_changed(&self) -> Notified<'_> {
        with!(self, db => db.outbox_changed())
    }

    /// Follows the id of the newest committed receipt.
    pub fn newest_receipt(&self) -> watch::Receiver<i64> {
        with!(self, db => db.newest_receipt())
    }

    /// Takes the next batch out of the outbox, to be sent once. A batch for which `refusal` returns a reason is
    /// rejected.
    ///
    /// # Errors
    /// If the store fails: nothing may be sent.
    pub async fn claim<F>(&self, refusal: F) -> Result<Option<Claimed>, StoreError>
    where
        F: Fn(&Batch) -> Option<LastError> + Send + 'static,
    {
        with!(self, db => db.claim(refusal).await)
    }

    /// The batches that an earlier run queued, in order; [`claim`](Self::claim) skips them.
    pub fn queued_before(&self) -> Vec<BatchId> {
        with!(self, db => db.queued_before())
    }

    /// Lets [`claim`](Self::claim) take one of them: the provider does not have it.
    pub fn let_out(&self, id: BatchId) {
        with!(self, db => db.let_out(id));
    }

    /// Changes a batch by a rule of `domain::lifecycle`. Returns the batch afterwards and the rule's answer. `None`:
    /// the batch does not exist.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn change<T, F>(&self, id: BatchId, rule: F) -> Result<Option<(Batch, T)>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static,
    {
        with!(self, db => db.change(id, rule).await)
    }

    /// Records incoming items.
    ///
    /// # Errors
    /// If they may not have been recorded: do not acknowledge them. Recording them again is harmless.
    pub async fn record(&self, incoming: Incoming) -> Result<Recorded, StoreError> {
        let posted = incoming.source == Source::Webhook;
        let recorded = with!(self, db => db.record(incoming).await)?;
        if posted {
            self.repeated.fetch_add(recorded.duplicates, Ordering::Relaxed);
        }
        Ok(recorded)
    }

    /// The provider's behaviour in the newest batches that it has named, and since the start.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub async fn traffic(&self) -> Result<Traffic, StoreError> {
        let traffic = with!(self, db => db.traffic().await)?;
        Ok(Traffic { repeated: self.repeated.load(Ordering::Relaxed), ..traffic })
    }
}

dispatch! {
    /// Creates a new secret for future tokens. Returns the number of accepted secrets.
    rotate_secret(revoke: bool) -> Result<usize, StoreError>;
    /// Why receipts cannot be recorded at the moment; `None` if they can.
    fault() -> Option<String>;
    /// Commits a change without effect. Fails with the reason why receipts cannot be recorded.
    ping() -> Result<(), String>;
    /// Completes when only a restart helps.
    ended() -> ();
    /// Puts a batch into the outbox.
    enqueue(new: NewBatch) -> Result<Enqueued, StoreError>;
    /// What happened to a batch, if its id is known.
    taken_before(new: NewBatch) -> Result<Option<Enqueued>, StoreError>;
    /// Whether the batch was accepted once and has been pruned since.
    is_pruned(id: BatchId) -> Result<bool, StoreError>;
    /// Whether sending is paused.
    is_paused() -> Result<bool, StoreError>;
    /// Pauses or resumes sending.
    set_paused(paused: bool) -> Result<(), StoreError>;
    /// Stores the result of a submission, however long that takes.
    handed_over(id: BatchId, how: Handover) -> Result<(), StoreError>;
    /// All submitted and unconfirmed batches.
    awaiting() -> Result<Vec<Awaiting>, StoreError>;
    /// Whether the batch contains any of these numbers, including erased ones.
    is_for_any(id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError>;
    /// A page of the log after an id, oldest first, and the id to continue from.
    receipts(after: i64, filter: ReceiptFilter, limit: u32) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError>;
    /// Whether the waiting items leave no space in the quarantine.
    quarantine_is_full() -> Result<bool, StoreError>;
    /// A page of the quarantine, newest first.
    quarantine(state: Option<QuarantineState>, before: Option<i64>, limit: u32) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError>;
    /// A quarantined item with its body.
    quarantined(id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError>;
    /// Records the items read from a quarantined body. `None`: it still cannot be understood.
    replay(id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError>;
    /// Marks an item as dropped. `false`: it does not exist, or was replayed or dropped before.
    drop_quarantined(id: i64) -> Result<bool, StoreError>;
    /// One batch.
    batch(id: BatchId) -> Result<Option<Batch>, StoreError>;
    /// A page of batches, newest first, and the cursor of the next page.
    batches(filter: BatchFilter, before: Option<i64>, limit: u32) -> Result<(Vec<Batch>, Option<i64>), StoreError>;
    /// All batches of a group, and the number of its batches that have been pruned.
    group(group: BatchId) -> Result<(Vec<Batch>, u64), StoreError>;
    /// The ids of batches and groups with this prefix, in order.
    ids(prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError>;
    /// A batch, a page of its destinations in order of their numbers, and the cursor of the next page.
    destinations(
        id: BatchId, filter: DestinationFilter, after: i64, limit: u32
    ) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError>;
    /// One destination with its receipts.
    destination(id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError>;
    /// The numbers of a batch in one state, in order.
    numbers_in_state(id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError>;
    /// Everything known about a number: its batches, newest first.
    number(number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError>;
    /// Totals over all batches.
    stats() -> Result<Stats, StoreError>;
    /// The values for the metrics. `after` is `reconcile.after`.
    gauges(after: Duration) -> Result<Gauges, StoreError>;
    /// The receipt codes and their meanings, ordered by code as a number.
    codes() -> Result<Vec<Code>, StoreError>;
    /// Replaces the list of codes.
    set_codes(codes: Vec<Code>) -> Result<(), StoreError>;
    /// When the list of codes was fetched; `None` if never.
    codes_fetched_at() -> Result<Option<Timestamp>, StoreError>;
    /// Erases a number.
    forget(number: Msisdn) -> Result<Forget, StoreError>;
    /// Deletes batches that were settled before this time, or only counts them.
    prune(settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError>;
    /// Erases the texts and raw receipt bodies of batches that were settled before this time. Returns the number of
    /// batches.
    erase_messages(settled_before: Timestamp) -> Result<usize, StoreError>;
    /// Checks the storage and all invariants. Empty if no problem was found.
    check() -> Result<Vec<String>, StoreError>;
    /// Copies the database and its identity while receipts arrive.
    backup(to: PathBuf) -> Result<(), BackupError>;
}
