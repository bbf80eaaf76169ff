//! The complete interface between the store and a database engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{futures::Notified, watch};

use super::answers::{Awaiting, Claimed, Enqueued, Forget};
use super::error::{BackupError, StoreError};
use super::filters::{BatchFilter, DestinationFilter, ReceiptFilter};
use crate::api::{self, Code, KnownId, NumberReport, Pruned, Stats, Traffic};
use crate::domain::{
    Batch, BatchId, CallbackSecrets, DestinationState, Handover, IdPrefix, Incoming, LastError, Moved, Msisdn, NewBatch, QuarantineState,
    Recorded, Timestamp, Tracked,
};
use crate::metrics::Gauges;

/// What a database engine does for the store. Clones share one database.
///
/// What must hold for every engine is a rule in `domain`, which an engine calls inside its transaction, possibly more
/// than once. The following holds for every engine, and the store's tests check it.
///
/// Unless noted otherwise, each method is one transaction. Its errors are:
/// - `Busy`: too many jobs are waiting. Nothing was written; try again later.
/// - `Broken`: the storage fails. Nothing was written.
/// - `CommitUnknown`, only for writes: either everything was written or nothing. "Repeated" below says what calling the
///   method again does.
/// - `Closing`: the store was [closed](Self::close).
///
/// When a method that writes returns a result, the result is durable. Times come from the clock, one per transaction. A
/// `limit` is a number of rows; a page comes with the cursor of the next page, or `None` at the end.
pub(super) trait Engine: Clone + Send + Sync + 'static {
    /// Accepts no more jobs, writes those that wait, and releases the database. Blocks until this is done. Repeated: no
    /// effect.
    fn close(&self);

    /// The location of the data, for display.
    fn path(&self) -> &Path;

    /// The secrets for creating and checking callback tokens, which are never in the database; `None` if there are
    /// none.
    fn callback_secrets(&self) -> Option<CallbackSecrets>;

    /// Creates a new secret for the tokens of future batches; with `revoke`, earlier tokens become invalid. Returns the
    /// number of secrets that are now accepted. Repeated: creates another one. If it cannot be stored, nothing changes.
    async fn rotate_secret(&self, revoke: bool) -> Result<usize, StoreError>;

    /// Why receipts cannot be recorded at the moment; `None` if they can. If the last commit failed, it tries a new
    /// one, so that a daemon without traffic notices when the fault is gone.
    async fn fault(&self) -> Option<String>;

    /// Commits a change that has no effect, as durably as a receipt. Fails with the reason why receipts cannot be
    /// recorded. It is never refused as busy; no answer means that the writer has stopped working.
    async fn ping(&self) -> Result<(), String>;

    /// Whether the last commit failed and none has succeeded since. Performs no I/O.
    fn is_failing(&self) -> bool;

    /// Completes when nothing more can be recorded until a restart, and a restart would lose nothing.
    async fn ended(&self);

    /// The amount of work waiting to be written, as a number of receipts.
    fn queue_depth(&self) -> usize;

    /// Completes when there may be something in the outbox. Create it before looking, and await it afterwards.
    fn outbox_changed(&self) -> Notified<'_>;

    /// Follows the id of the newest committed receipt. Ids increase in the order in which receipts become visible.
    fn newest_receipt(&self) -> watch::Receiver<i64>;

    // ---- A batch goes out

    /// Puts a batch with all its destinations into the outbox, or nothing of it. A large batch takes several
    /// transactions, between which receipts are recorded; no part of it is ever visible. Repeated with the same id: `Same`.
    async fn enqueue(&self, new: NewBatch) -> Result<Enqueued, StoreError>;

    /// What [`enqueue`](Self::enqueue) would return if the id is known; `None` if it is new. Stores nothing. Also
    /// `Busy` while a batch of the same size is arriving, because it may be this one.
    async fn taken_before(&self, new: NewBatch) -> Result<Option<Enqueued>, StoreError>;

    /// Whether the batch was accepted once and has been pruned since.
    async fn is_pruned(&self, id: BatchId) -> Result<bool, StoreError>;

    /// Whether sending is paused, so that no batch is claimed.
    async fn is_paused(&self) -> Result<bool, StoreError>;

    /// Pauses or resumes sending. Repeated: no effect.
    async fn set_paused(&self, paused: bool) -> Result<(), StoreError>;

    /// Takes the oldest batch out of the outbox, marks it as submitting and increments the counter of submissions,
    /// first in the database and then outside it, so that an older copy of the database is detected. If `refusal`
    /// returns a reason, the batch is rejected (if it is doubtful: unconfirmed), and the next one is tried. `None`: the
    /// outbox is empty, or sending is paused.
    ///
    /// After an error, nothing may be sent. Repeated: takes the next batch. A claimed batch that never reached the
    /// caller returns to the outbox; one that did is finished by [`handed_over`](Self::handed_over).
    async fn claim<F>(&self, refusal: F) -> Result<Option<Claimed>, StoreError>
    where
        F: Fn(&Batch) -> Option<LastError> + Send + 'static;

    /// The batches that were in the outbox when the database was opened and have not been let out, in order.
    /// [`claim`](Self::claim) skips them, because the original of a restored copy may have sent them since.
    fn queued_before(&self) -> Vec<BatchId>;

    /// Lets [`claim`](Self::claim) take a batch of [`queued_before`](Self::queued_before) like any other, in this run.
    fn let_out(&self, id: BatchId);

    /// Stores the result of a submission. Only the caller knows it, so this waits until the storage accepts it, however
    /// long that takes. The only error is `Closing`: the batch will be unconfirmed after the next start. Repeated: no
    /// effect.
    async fn handed_over(&self, id: BatchId, how: Handover) -> Result<(), StoreError>;

    /// Reads a batch, calls `rule`, and writes its result. Returns the batch afterwards and the rule's answer; `None`:
    /// the batch does not exist. The rule may be called more than once, and only the last call takes effect. Repeated:
    /// applies the rule to the batch as it is by then.
    async fn change<T, F>(&self, id: BatchId, rule: F) -> Result<Option<(Batch, T)>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static;

    /// All submitted and unconfirmed batches, in order of arrival. There are few of them, however many are finished.
    async fn awaiting(&self) -> Result<Vec<Awaiting>, StoreError>;

    /// Whether the batch contains any of these numbers, including erased ones.
    async fn is_for_any(&self, id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError>;

    // ---- A receipt comes in

    /// Records incoming items. Receipts for an unknown batch and items that could not be understood go into the
    /// quarantine; if it is full, the result is `QuarantineFull` and nothing is recorded. A long list takes several
    /// transactions, between which other jobs run; after an error, a part of it may be recorded. Repeated: duplicates.
    async fn record(&self, incoming: Incoming) -> Result<Recorded, StoreError>;

    /// The log after an id, oldest first. With a filter, a page may be short or empty without being the last.
    async fn receipts(&self, after: i64, filter: ReceiptFilter, limit: u32) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError>;

    /// Whether the waiting items leave no space in the quarantine.
    async fn quarantine_is_full(&self) -> Result<bool, StoreError>;

    /// The quarantined items, newest first.
    async fn quarantine(
        &self,
        state: Option<QuarantineState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError>;

    /// One item with its raw body.
    async fn quarantined(&self, id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError>;

    /// Marks an item as dropped; it is deleted when the space is needed. `false`: the item does not exist, or was
    /// replayed or dropped before.
    async fn drop_quarantined(&self, id: i64) -> Result<bool, StoreError>;

    /// Records the items read from a quarantined body, and marks it as replayed. If something in it still cannot be
    /// understood, nothing is recorded and the item stays: `None`. Repeated: duplicates.
    async fn replay(&self, id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError>;

    // ---- What people and programs read

    /// One batch.
    async fn batch(&self, id: BatchId) -> Result<Option<Batch>, StoreError>;

    /// Batches, newest first.
    async fn batches(&self, filter: BatchFilter, before: Option<i64>, limit: u32) -> Result<(Vec<Batch>, Option<i64>), StoreError>;

    /// All batches of a group, in order of arrival, and the number of its batches that have been pruned.
    async fn group(&self, group: BatchId) -> Result<(Vec<Batch>, u64), StoreError>;

    /// The ids of batches and groups with this prefix, in order.
    async fn ids(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError>;

    /// A batch and a page of its destinations, in order of their numbers. `None`: the batch does not exist.
    async fn destinations(
        &self,
        id: BatchId,
        filter: DestinationFilter,
        after: i64,
        limit: u32,
    ) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError>;

    /// One destination with its receipts.
    async fn destination(&self, id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError>;

    /// The numbers of a batch in one state, in order, without erased ones.
    async fn numbers_in_state(&self, id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError>;

    /// Everything known about a number: its batches, newest first. `None`: nothing.
    async fn number(&self, number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError>;

    /// Totals over all batches. Scans nothing that grows.
    async fn stats(&self) -> Result<Stats, StoreError>;

    /// The values for the metrics. `after` is the time after which a submitted batch counts as silent. Scans nothing
    /// that grows.
    async fn gauges(&self, after: Duration) -> Result<Gauges, StoreError>;

    /// The provider's behaviour in the newest batches that it has named; `repeated` is counted above the engine.
    async fn traffic(&self) -> Result<Traffic, StoreError>;

    /// The receipt codes and their meanings, ordered by code as a number.
    async fn codes(&self) -> Result<Vec<Code>, StoreError>;

    /// Replaces the list of codes. Repeated: no effect.
    async fn set_codes(&self, codes: Vec<Code>) -> Result<(), StoreError>;

    /// When the list of codes was fetched; `None` if never.
    async fn codes_fetched_at(&self) -> Result<Option<Timestamp>, StoreError>;

    // ---- How long data is kept

    /// Erases a number everywhere, including what the engine keeps beside its tables. Its rows remain and are counted,
    /// but nobody can tell whose they were. Takes many transactions. Repeated: continues.
    async fn forget(&self, number: Msisdn) -> Result<Forget, StoreError>;

    /// Deletes batches that were settled before this time, with their destinations and receipts, or with `dry_run` only
    /// counts them. Their ids remain known. Uses small transactions, so that receipts are not delayed. Repeated: continues.
    async fn prune(&self, settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError>;

    /// Erases the texts and raw receipt bodies of batches that were settled before this time. Returns the number of
    /// batches. Uses small transactions. Repeated: continues.
    async fn erase_messages(&self, settled_before: Timestamp) -> Result<usize, StoreError>;

    /// Checks the storage and all our invariants on one snapshot. Empty if no problem was found.
    async fn check(&self) -> Result<Vec<String>, StoreError>;

    /// Copies the database and its identity to new files with mode 0600, while receipts arrive. The copy is a
    /// consistent snapshot and is marked as a copy: a daemon that starts on it submits nothing again.
    async fn backup(&self, to: PathBuf) -> Result<(), BackupError>;
}
