//! Asking the provider for the receipts of one batch.

use super::deadline::Due;
use crate::api::Reconciled;
use crate::domain::{Batch, BatchId, BatchState, PollAnswer, Recorded, Timestamp, lifecycle};
use crate::provider::{CallError, Provider};
use crate::receive;
use crate::store::{Store, StoreError};

/// Why a batch could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The provider gave no answer.
    #[error(transparent)]
    Provider(#[from] CallError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks for the receipts of a batch, by the provider's name for it, and records new ones. An unconfirmed batch that the
/// provider has becomes submitted. Pending destinations expire if the deadline has passed, unless the provider's clock
/// disagrees. `None`: the batch does not exist.
///
/// # Errors
/// If the provider or the store fails; trying again loses nothing.
pub async fn pull(store: &Store, provider: &Provider, id: BatchId, due: Due) -> Result<Option<Reconciled>, ReconcileError> {
    let Some(batch) = store.batch(id).await? else { return Ok(None) };
    let (mut recorded, mut polled, mut is_ours) = (Recorded::default(), None, false);
    // The name in a receipt may be unknown to the provider.
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
    // A provider that answers for any UUID, but reports no message of ours, has not shown that it has the batch.
    let pending = polled.pending + polled.unreadable;
    let what = if is_ours { PollAnswer::Found } else { PollAnswer::Gone };
    let now = note_answer(store, id, what, due.sent_before(polled.answered_at)).await?;
    if now.is_some_and(|now| now.state == BatchState::Complete && now.counts.expired > 0 && batch.state != BatchState::Complete) {
        log::warn!("batch {id}: its deadline has passed; pending destinations have expired");
    }
    Ok(Some(Reconciled { recorded: recorded.recorded, duplicates: recorded.duplicates, pending }))
}

/// Stores the result of asking and its effects. Returns the batch afterwards.
pub(super) async fn note_answer(
    store: &Store,
    id: BatchId,
    answer: PollAnswer,
    sent_before: Option<Timestamp>,
) -> Result<Option<Batch>, StoreError> {
    let changed = store.change(id, move |batch, now| (Some(lifecycle::polled(batch, answer, sent_before, now)), ())).await?;
    Ok(changed.map(|(batch, ())| batch))
}
