//! Decisions by people: cancelling a batch, and resending to those it did not reach.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::{Batch, BatchId, BatchState, Cancellation, Content, DestinationState, Identifier, NewBatch, Timestamp, lifecycle};
use crate::provider::{CallError, Cancelled, Provider};
use crate::store::{Enqueued, Store, StoreError};

/// If the send time is closer than this, a scheduled batch that the provider no longer lists may be being sent.
const ON_ITS_WAY: Duration = Duration::from_secs(10 * 60);

/// The result of a request to cancel.
pub enum CancelOutcome {
    /// The batch is cancelled.
    Done(Batch),
    /// It can no longer be cancelled, for this reason.
    TooLate(String),
    /// The provider refused, with this answer.
    Refused(String),
    /// The provider gave no clear answer; the batch is unchanged.
    Unclear(String),
    /// The batch does not exist.
    Unknown,
}

/// Cancels a batch: locally while it is queued, through the provider while it is scheduled.
///
/// # Errors
/// If the store fails. If the provider has already cancelled the batch, repeat the request.
pub async fn cancel(store: &Store, provider: &Provider, id: BatchId, now: Timestamp) -> Result<CancelOutcome, StoreError> {
    let Some((batch, cancellation)) = store.change(id, lifecycle::cancel).await? else { return Ok(CancelOutcome::Unknown) };
    let answered = match cancellation {
        Cancellation::Done => return Ok(CancelOutcome::Done(batch)),
        Cancellation::Doubtful => {
            let why = "an earlier attempt to submit it may have reached the provider. It is unconfirmed again and will not be \
                       sent; resolve it once you know";
            return Ok(CancelOutcome::TooLate(why.into()));
        }
        Cancellation::TooLate(BatchState::Cancelled) => return Ok(CancelOutcome::TooLate("it has already been cancelled".into())),
        Cancellation::TooLate(state) => {
            return Ok(CancelOutcome::TooLate(format!("it is {state}; only queued and scheduled batches can be cancelled")));
        }
        Cancellation::AtProvider(Some(name)) if is_of_another(store, id, &name).await? => None,
        Cancellation::AtProvider(name) => name,
    };
    let is_named = answered.is_some();
    let name = answered.unwrap_or_else(|| ours(id));
    let refused = match provider.cancel(&name).await {
        Ok(Cancelled::Yes) => None,
        Ok(Cancelled::No(trouble)) => Some(trouble),
        Err(error) => return Ok(CancelOutcome::Unclear(describe(&error))),
    };
    if let Some(trouble) = refused {
        // If the answer to an earlier cancellation was lost, this one is refused. A batch that is not pending there
        // will not be sent.
        let pending = match provider.pending().await {
            Ok(pending) => pending,
            Err(error) => return Ok(CancelOutcome::Unclear(describe(&error))),
        };
        let names = [name.to_string(), id.to_string()];
        if trouble.status != Some(404) || pending.iter().any(|batch| names.contains(&batch.identifier.to_string())) {
            return Ok(CancelOutcome::Refused(trouble.detail));
        }
        if !is_named {
            let why = "the provider lists no scheduled batch with this id, and its own name for the batch is not certain";
            return Ok(CancelOutcome::Unclear(why.into()));
        }
        let send_at = store.batch(id).await?.and_then(|batch| batch.send_at);
        if send_at.is_none_or(|at| at < now.plus(ON_ITS_WAY)) {
            return Ok(CancelOutcome::Unclear("the provider no longer lists it, and its send_at is near: it may be sending it".into()));
        }
        // The provider may have sent it at once, despite its `send_at`.
        for name in [&name, &ours(id)] {
            match messages(provider, name).await {
                Ok(0) | Err(CallError::NotFound(_)) => {}
                Ok(_) => {
                    let why = "the provider no longer lists it as scheduled, but reports its messages: it may have sent them";
                    return Ok(CancelOutcome::Unclear(why.into()));
                }
                Err(error) => return Ok(CancelOutcome::Unclear(describe(&error))),
            }
        }
    }
    Ok(match store.change(id, |batch, now| (lifecycle::cancelled_at_provider(batch, now), ())).await? {
        Some((batch, ())) if batch.state == BatchState::Cancelled => CancelOutcome::Done(batch),
        Some((batch, ())) => CancelOutcome::TooLate(format!("its state has become {} meanwhile", batch.state)),
        None => CancelOutcome::Unknown,
    })
}

fn ours(id: BatchId) -> Identifier {
    Identifier::Uuid(*id.as_uuid())
}

/// Whether a name is the id of another batch of ours, which would then be cancelled.
async fn is_of_another(store: &Store, id: BatchId, name: &Identifier) -> Result<bool, StoreError> {
    match name.to_string().parse::<BatchId>() {
        Ok(other) if other != id => Ok(store.batch(other).await?.is_some()),
        _ => Ok(false),
    }
}

/// The number of messages that the provider reports.
async fn messages(provider: &Provider, name: &Identifier) -> Result<u64, CallError> {
    let (to, mut found) = mpsc::channel(1);
    let reading = async move { while found.recv().await.is_some() {} };
    let (told, ()) = futures_util::join!(provider.receipts(name, to), reading);
    told.map(|told| told.receipts + told.pending + told.unreadable)
}

fn describe(error: &CallError) -> String {
    let trouble = error.trouble();
    if trouble.detail.is_empty() { error.to_string() } else { format!("{error}: {}", trouble.detail) }
}

/// The result of a request to resend.
pub enum Resend {
    /// The new batch is in the outbox.
    New(Batch),
    /// It was requested before, and this is the batch created then.
    Same(Batch),
    /// It cannot be resent, for this reason.
    Refused(String),
    /// The batch does not exist.
    Unknown,
}

/// Creates a new batch for those destinations of a settled batch that are in `state`. Its id is derived from both, so
/// that repeating the request creates no second batch.
///
/// # Errors
/// If the store fails; try again.
pub async fn resend(store: &Store, id: BatchId, state: DestinationState) -> Result<Resend, StoreError> {
    let Some(batch) = store.batch(id).await? else { return Ok(Resend::Unknown) };
    let new_id = id.derive(&format!("resend {state}"));
    if let Some(made) = store.batch(new_id).await? {
        return Ok(Resend::Same(made));
    }
    if !batch.state.is_settled() {
        return Ok(Resend::Refused(format!("the batch is {}; wait until it is settled", batch.state)));
    }
    let allowed = [DestinationState::Failed, DestinationState::Expired, DestinationState::Rejected, DestinationState::Cancelled];
    if !allowed.contains(&state) {
        return Ok(Resend::Refused(format!("cannot resend to {state} destinations, only to failed, expired, rejected or cancelled ones")));
    }
    let Some(message) = batch.message else {
        return Ok(Resend::Refused("its text was erased ([retention] messages)".into()));
    };
    let destinations = store.numbers_in_state(id, state).await?;
    if destinations.is_empty() {
        return Ok(Resend::Refused(format!("the batch has no {state} destinations")));
    }
    let new = NewBatch {
        id: new_id,
        group: None,
        resend_of: Some(id),
        reference: batch.reference,
        content: Content {
            from: batch.from,
            message,
            parts: batch.parts,
            channel: batch.channel,
            fallback_channels: batch.fallback_channels,
            send_at: None,
            allow_multi: batch.allow_multi,
            dry_run: batch.dry_run,
        },
        destinations,
        merged: 0,
    };
    Ok(match store.enqueue(new).await? {
        Enqueued::New(batch) => Resend::New(batch),
        Enqueued::Same(batch) => Resend::Same(batch),
        // Two requests at the same time, while a late receipt changed the list: one of them created the batch.
        Enqueued::Different => store.batch(new_id).await?.map_or_else(sent_and_pruned, Resend::Same),
        Enqueued::Pruned => sent_and_pruned(),
    })
}

fn sent_and_pruned() -> Resend {
    Resend::Refused("it was resent before, and that batch has been pruned".into())
}
