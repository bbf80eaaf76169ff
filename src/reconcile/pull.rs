//! Asking for the receipts of one batch.

use super::deadline::Due;
use crate::api::Reconciled;
use crate::domain::{Batch, BatchId, BatchState, PollAnswer, Recorded, Timestamp, lifecycle};
use crate::provider::{CallError, Provider};
use crate::receive;
use crate::store::{Store, StoreError};

/// Why a batch could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The provider did not answer the question.
    #[error(transparent)]
    Provider(#[from] CallError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks for the receipts of one batch, by the provider's name for it, and records what is new. An unconfirmed
/// batch that the provider has is submitted then; what is still pending of one that was sent before `sent_before`
/// has expired, unless the provider's clock says that its time has not come yet. `None`: there is no such batch here.
///
/// # Errors
/// Nothing is lost by asking again.
pub async fn pull(store: &Store, provider: &Provider, id: BatchId, due: Due) -> Result<Option<Reconciled>, ReconcileError> {
    let Some(batch) = store.batch(id).await? else { return Ok(None) };
    let (mut recorded, mut polled, mut is_ours) = (Recorded::default(), None, false);
    // What a receipt called the batch may be no name that the provider knows.
    for name in &batch.names() {
        let (answer, found) = receive::asked(store, provider, id, name).await;
        let found = found?;
        recorded.recorded += found.recorded;
        recorded.duplicates += found.duplicates;
        is_ours = match &answer {
            Ok(told) => store.is_for_any(id, told.numbers.clone()).await?,
            Err(_) => false,
        };
        let is_clear = is_ours || !matches!(answer, Ok(_) | Err(CallError::NotFound(_)));
        polled = match (polled, answer) {
            (Some(Ok(before)), Err(CallError::NotFound(_))) => Some(Ok(before)),
            (_, answer) => Some(answer),
        };
        if is_clear {
            break;
        }
    }
    let Some(polled) = polled.transpose()? else { return Ok(None) };
    // A provider that answers about any uuid, and tells of no message of ours, does not say that it has the batch.
    let pending = polled.pending + polled.unreadable;
    let what = if is_ours { PollAnswer::Found } else { PollAnswer::Gone };
    let now = note_answer(store, id, what, due.sent_before(polled.answered_at)).await?;
    if now.is_some_and(|now| now.state == BatchState::Complete && now.counts.expired > 0 && batch.state != BatchState::Complete) {
        log::warn!("batch {id}: its deadline has passed, what is still pending has expired");
    }
    Ok(Some(Reconciled { recorded: recorded.recorded, duplicates: recorded.duplicates, pending }))
}

/// Writes down what came of asking, and what follows. The batch as it is then.
pub(super) async fn note_answer(
    store: &Store,
    id: BatchId,
    answer: PollAnswer,
    sent_before: Option<Timestamp>,
) -> Result<Option<Batch>, StoreError> {
    let changed = store.change(id, move |batch, now| (Some(lifecycle::polled(batch, answer, sent_before, now)), ())).await?;
    Ok(changed.map(|(batch, ())| batch))
}
