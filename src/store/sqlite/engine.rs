//! Which file implements which part of the interface.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{futures::Notified, watch};

use super::handle::Sqlite;
use super::{
    awaiting, backup, batches, check, codes, destinations, enqueue, forget, gauges, handle, ids, numbers, outbox, prune, quarantine,
    receipt_log, stats, traffic,
};
use crate::api::{self, Code, KnownId, NumberReport, Pruned, Stats, Traffic};
use crate::domain::{
    Batch, BatchId, CallbackSecrets, DestinationState, Handover, IdPrefix, Incoming, LastError, Moved, Msisdn, NewBatch, QuarantineState,
    Recorded, Timestamp, Tracked,
};
use crate::metrics::Gauges;
use crate::store::answers::{Awaiting, Claimed, Enqueued, Forget};
use crate::store::engine::Engine;
use crate::store::error::{BackupError, StoreError};
use crate::store::filters::{BatchFilter, DestinationFilter, ReceiptFilter};

macro_rules! done_by {
    ($($file:ident::$name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&self, $($argument: $kind),*) -> $answer {
            $file::$name(self, $($argument),*).await
        })*
    };
}

impl Engine for Sqlite {
    fn close(&self) {
        handle::close(self);
    }

    fn path(&self) -> &Path {
        &self.shared.path
    }

    fn callback_secrets(&self) -> Option<CallbackSecrets> {
        self.identity().callback_secrets()
    }

    fn is_failing(&self) -> bool {
        self.shared.queue.trouble().is_some()
    }

    fn queue_depth(&self) -> usize {
        self.shared.queue.depth()
    }

    fn outbox_changed(&self) -> Notified<'_> {
        self.shared.queue.outbox.notified()
    }

    fn newest_receipt(&self) -> watch::Receiver<i64> {
        self.shared.queue.newest_receipt.subscribe()
    }

    fn queued_before(&self) -> Vec<BatchId> {
        self.shared.queued_before.all()
    }

    fn let_out(&self, id: BatchId) {
        outbox::let_out(self, id);
    }

    async fn ended(&self) {
        self.shared.file_watch.ended().await;
    }

    async fn claim<F>(&self, refusal: F) -> Result<Option<Claimed>, StoreError>
    where
        F: Fn(&Batch) -> Option<LastError> + Send + 'static,
    {
        outbox::claim(self, refusal).await
    }

    async fn change<T, F>(&self, id: BatchId, rule: F) -> Result<Option<(Batch, T)>, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tracked, Timestamp) -> Moved<T> + Send + 'static,
    {
        batches::change(self, id, rule).await
    }

    done_by! {
        handle::rotate_secret(revoke: bool) -> Result<usize, StoreError>;
        handle::fault() -> Option<String>;
        handle::ping() -> Result<(), String>;
        enqueue::enqueue(new: NewBatch) -> Result<Enqueued, StoreError>;
        enqueue::taken_before(new: NewBatch) -> Result<Option<Enqueued>, StoreError>;
        enqueue::is_pruned(id: BatchId) -> Result<bool, StoreError>;
        outbox::is_paused() -> Result<bool, StoreError>;
        outbox::set_paused(paused: bool) -> Result<(), StoreError>;
        outbox::handed_over(id: BatchId, how: Handover) -> Result<(), StoreError>;
        awaiting::awaiting() -> Result<Vec<Awaiting>, StoreError>;
        awaiting::is_for_any(id: BatchId, numbers: Vec<Msisdn>) -> Result<bool, StoreError>;
        receipt_log::record(incoming: Incoming) -> Result<Recorded, StoreError>;
        receipt_log::receipts(after: i64, filter: ReceiptFilter, limit: u32) -> Result<(Vec<api::Receipt>, Option<i64>), StoreError>;
        quarantine::quarantine_is_full() -> Result<bool, StoreError>;
        quarantine::quarantine(state: Option<QuarantineState>, before: Option<i64>, limit: u32) -> Result<(Vec<api::Quarantined>, Option<i64>), StoreError>;
        quarantine::quarantined(id: i64) -> Result<Option<(api::Quarantined, Vec<u8>)>, StoreError>;
        quarantine::drop_quarantined(id: i64) -> Result<bool, StoreError>;
        quarantine::replay(id: i64, incoming: Incoming) -> Result<Option<Recorded>, StoreError>;
        batches::batch(id: BatchId) -> Result<Option<Batch>, StoreError>;
        batches::batches(filter: BatchFilter, before: Option<i64>, limit: u32) -> Result<(Vec<Batch>, Option<i64>), StoreError>;
        batches::group(group: BatchId) -> Result<(Vec<Batch>, u64), StoreError>;
        ids::ids(prefix: IdPrefix, limit: u32) -> Result<Vec<KnownId>, StoreError>;
        destinations::destinations(
            id: BatchId, filter: DestinationFilter, after: i64, limit: u32
        ) -> Result<Option<(Batch, Vec<api::Destination>, Option<i64>)>, StoreError>;
        destinations::destination(id: BatchId, number: Msisdn) -> Result<Option<api::Destination>, StoreError>;
        destinations::numbers_in_state(id: BatchId, state: DestinationState) -> Result<Vec<Msisdn>, StoreError>;
        numbers::number(number: Msisdn, before: Option<i64>, limit: u32) -> Result<Option<NumberReport>, StoreError>;
        stats::stats() -> Result<Stats, StoreError>;
        gauges::gauges(after: Duration) -> Result<Gauges, StoreError>;
        traffic::traffic() -> Result<Traffic, StoreError>;
        codes::codes() -> Result<Vec<Code>, StoreError>;
        codes::set_codes(codes: Vec<Code>) -> Result<(), StoreError>;
        codes::codes_fetched_at() -> Result<Option<Timestamp>, StoreError>;
        forget::forget(number: Msisdn) -> Result<Forget, StoreError>;
        prune::prune(settled_before: Timestamp, dry_run: bool) -> Result<Pruned, StoreError>;
        prune::erase_messages(settled_before: Timestamp) -> Result<usize, StoreError>;
        check::check() -> Result<Vec<String>, StoreError>;
        backup::backup(to: PathBuf) -> Result<(), BackupError>;
    }
}
