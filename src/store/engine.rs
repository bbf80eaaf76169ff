//! The contract between the store and a database engine, whole.

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
/// What must hold on every engine is a rule in `domain`; an engine calls it inside its transaction, perhaps more than
/// once. What is said here holds for every engine, and is what the tests of the store hold each to.
///
/// Each method is one transaction, or says otherwise. Its errors:
/// - `Busy`: too much is waiting. Nothing was written; ask again later.
/// - `Broken`: storage fails. Nothing was written.
/// - `CommitUnknown`, of what writes: perhaps all of it was written, perhaps nothing. Each such method says what calling
///   it again does.
/// - `Closing`: after [`close`](Self::close).
///
/// What a method that writes has answered is durable. Time is the clock's, one a transaction. A `limit` is a number of
/// rows; a page comes with the cursor of the next, `None` at the end.
pub(super) trait Engine: Clone + Send + Sync + 'static {
    /// Takes nothing more, writes what waits, and lets go of the database. Blocks until that is done. Again: nothing.
    fn close(&self);

    /// Where the data is, for people.
    fn path(&self) -> &Path;

    /// The secrets that callback tokens are made and checked with; they are never in the database. `None`: there is none.
    fn callback_secrets(&self) -> Option<CallbackSecrets>;

    /// Makes a new secret for the tokens of batches to come; with `revoke`, those given out so far are refused. Answers how
    /// many secrets are accepted now. Again: one more. Where it cannot be written, nothing changes.
    async fn rotate_secret(&self, revoke: bool) -> Result<usize, StoreError>;

    /// Why receipts cannot be recorded at the moment; `None` when they can. Where the last commit failed, a new one is
    /// tried, so that a daemon nobody writes to notices that the fault is gone.
    async fn fault(&self) -> Option<String>;

    /// Writes and commits something, as durably as a receipt, and changes nothing. Otherwise: why receipts cannot be
    /// recorded. It is never refused because too much is waiting; silence means that the writer no longer works.
    async fn ping(&self) -> Result<(), String>;

    /// Whether the last commit failed, and none has shown since that the fault is gone. Looks at nothing.
    fn is_failing(&self) -> bool;

    /// Completes when nothing can be recorded any more before a new start, and nothing would be lost by one.
    async fn ended(&self);

    /// Receipts, or as much work, that wait to be written.
    fn queue_depth(&self) -> usize;

    /// Completes when something may be waiting in the outbox. Made before looking, awaited after.
    fn outbox_changed(&self) -> Notified<'_>;

    /// Follows the id of the newest committed receipt. Ids rise in the order in which receipts become visible.
    fn newest_receipt(&self) -> watch::Receiver<i64>;

    // ---- A batch goes out

    /// Takes a batch into the outbox with all its destinations, or nothing of it. A large one takes several transactions,
    /// between which receipts are recorded; a part of it is never seen. Again, under the same id: `Same`.
    async fn enqueue(&self, new: NewBatch) -> Result<Enqueued, StoreError>;

    /// What [`enqueue`](Self::enqueue) would answer if the id is known already; `None` if it is new. Nothing is taken in.
    /// `Busy` also while one as large is on its way in: it may be this one.
    async fn taken_before(&self, new: NewBatch) -> Result<Option<Enqueued>, StoreError>;

    /// Whether a batch was accepted once, and has been pruned.
    async fn is_pruned(&self, id: BatchId) -> Result<bool, StoreError>;

    /// Whether no batch is claimed.
    async fn is_paused(&self) -> Result<bool, StoreError>;

    /// Stops, or goes on, handing batches over. Again: nothing.
    async fn set_paused(&self, paused: bool) -> Result<(), StoreError>;

    /// Takes the oldest batch out of the outbox, marks it as submitting and raises the counter of submissions, in the
    /// database and then outside it, so that an older copy of the database is noticed. A batch for which `refusal` has a
    /// reason is rejected with it (a doubtful one: unconfirmed), and the next one is looked at. `None`: nothing waits, or everything is paused.
    ///
    /// After an error nothing may be handed over. Again: the next batch. What was claimed and never reached the caller goes
    /// back into the outbox; what the caller holds, [`handed_over`](Self::handed_over) ends.
    async fn claim<F>(&self, refusal: F) -> Result<Option<Claimed>, StoreError>
    where
        F: Fn(&Batch) -> Option<LastError> + Send + 'static;

    /// The batches that stood in the outbox when the database was opened, in order, as far as nobody let them out:
    /// [`claim`](Self::claim) passes over them. The original of a restored copy may have sent them since.
    fn queued_before(&self) -> Vec<BatchId>;

    /// Has [`claim`](Self::claim) take a batch of [`queued_before`](Self::queued_before) as any other, in this run.
    fn let_out(&self, id: BatchId);

    /// Writes down how handing a batch over ended. Only the caller knows: so this waits until the storage takes it, however
    /// long that is. The one error is `Closing`: the batch is unconfirmed at the next start. Again: nothing.
    async fn handed_over(&self, id: BatchId, how: Handover) -> Result<(), StoreError>;

    /// Reads a batch, has `rule` decide, and writes what it says. Answers with the batch as it is then, and with what the
    /// rule answers; `None`: there is no such batch. The rule may be called more than once, and what it said before is
    /// undone then. Again: what the rule says of the batch as it is by then.
    async fn change<T, F>(&self, id: BatchId, rule: F) -> Result<Option<(Batch, T)>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static;

    /// All batches that are submitted or unconfirmed, in order of arrival. There are few of them, however many are done.
    async fn awaiting(&self) -> Result<Vec<Awaiting>, StoreError>;

    /// Whether any of these numbers is one that the batch is for, forgotten ones included.
    async fn is_for_any(&self, id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError>;

    // ---- A receipt comes in

    /// Records what came. Receipts of an unknown batch, and what is not understood, go into the quarantine; where that is
    /// full, `QuarantineFull` and nothing is recorded. A long list takes several transactions, between which others have
    /// their turn; after an error a part of it may be recorded. Again: duplicates.
    async fn record(&self, incoming: Incoming) -> Result<Recorded, StoreError>;

    /// The log after an id, oldest first. With a filter a page may be short, or empty, and still not be the last.
    async fn receipts(&self, after: i64, filter: ReceiptFilter, limit: u32) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError>;

    /// Whether what waits leaves no room in the quarantine.
    async fn quarantine_is_full(&self) -> Result<bool, StoreError>;

    /// The quarantine, newest first.
    async fn quarantine(
        &self,
        state: Option<QuarantineState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError>;

    /// One item with its body as it came.
    async fn quarantined(&self, id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError>;

    /// Marks an item as dropped; it is deleted when the space is needed. `false`: there is none, or it is done with.
    async fn drop_quarantined(&self, id: i64) -> Result<bool, StoreError>;

    /// Records what was read out of an item, and marks it as replayed. What is still not understood leaves the item
    /// waiting, and nothing of it recorded: `None`. Again: duplicates.
    async fn replay(&self, id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError>;

    // ---- What people and programs read

    /// One batch.
    async fn batch(&self, id: BatchId) -> Result<Option<Batch>, StoreError>;

    /// Batches, newest first.
    async fn batches(&self, filter: BatchFilter, before: Option<i64>, limit: u32) -> Result<(Vec<Batch>, Option<i64>), StoreError>;

    /// All batches of a group, in order of arrival, and how many more of it were pruned.
    async fn group(&self, group: BatchId) -> Result<(Vec<Batch>, u64), StoreError>;

    /// Ids of batches and of groups that begin so, in their order.
    async fn ids(&self, prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError>;

    /// A batch and a page of its destinations, in order of their numbers. `None`: there is no such batch.
    async fn destinations(
        &self,
        id: BatchId,
        filter: DestinationFilter,
        after: i64,
        limit: u32,
    ) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError>;

    /// One destination with its receipts.
    async fn destination(&self, id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError>;

    /// The numbers of a batch in a state, in order; forgotten ones are not among them.
    async fn numbers_in_state(&self, id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError>;

    /// Everything known of a number: its batches, the newest first. `None`: nothing at all.
    async fn number(&self, number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError>;

    /// Totals over all batches. No scan of anything that grows.
    async fn stats(&self) -> Result<Stats, StoreError>;

    /// What the metrics show of the data. `after`: the silence after which a submitted batch counts as silent. No scan.
    async fn gauges(&self, after: Duration) -> Result<Gauges, StoreError>;

    /// The provider's habits, out of the newest batches that it has named; `repeated` is counted above the engine.
    async fn traffic(&self) -> Result<Traffic, StoreError>;

    /// Receipt codes with their meaning, in order of the codes as numbers.
    async fn codes(&self) -> Result<Vec<Code>, StoreError>;

    /// Replaces the list of codes. Again: nothing.
    async fn set_codes(&self, codes: Vec<Code>) -> Result<(), StoreError>;

    /// When the list of codes was fetched; `None`: never.
    async fn codes_fetched_at(&self) -> Result<Option<Timestamp>, StoreError>;

    // ---- How long data is kept

    /// Erases a number everywhere, also from what the engine keeps beside its tables: its rows stay and are counted, and
    /// nobody can tell any more whose they were. Many transactions; again: the rest of it.
    async fn forget(&self, number: Msisdn) -> Result<Forget, StoreError>;

    /// Deletes batches that were settled before a time, with their destinations and receipts, or with `dry_run` says which.
    /// Their ids stay known. Small transactions, so that receipts are not held up; again: the rest of it.
    async fn prune(&self, settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError>;

    /// Erases message texts and raw receipt bodies of batches that were settled before a time. Answers of how many batches.
    /// Small transactions; again: the rest of it.
    async fn erase_messages(&self, settled_before: Timestamp) -> Result<usize, StoreError>;

    /// Checks the storage and every invariant of ours, on one snapshot. Empty: nothing is wrong.
    async fn check(&self) -> Result<Vec<String>, StoreError>;

    /// Copies the database and its identity to files that must not exist yet, mode 0600, while receipts come in. The copy is
    /// of one moment, and marked as one: a daemon that starts on it submits nothing again.
    async fn backup(&self, to: PathBuf) -> Result<(), BackupError>;
}
