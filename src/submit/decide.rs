//! What people decide about batches: cancelling, and sending again to those it did not reach.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::{Batch, BatchId, BatchState, Cancellation, Content, DestinationState, Identifier, NewBatch, Timestamp, lifecycle};
use crate::provider::{CallError, Cancelled, Provider};
use crate::store::{Enqueued, Store, StoreError};

/// So close to its time, a scheduled batch that the provider no longer lists may be one that it is sending.
const ON_ITS_WAY: Duration = Duration::from_secs(10 * 60);

/// What became of the wish to cancel.
pub enum CancelOutcome {
    /// It is cancelled.
    Done(Batch),
    /// It can no longer be, and why.
    TooLate(String),
    /// The provider refused, and what it said.
    Refused(String),
    /// The provider gave no clear answer; the batch is unchanged.
    Unclear(String),
    /// There is no such batch.
    Unknown,
}

/// Cancels a batch: here and now while it is queued, through the provider while it is scheduled.
///
/// # Errors
/// When the store fails; a batch that the provider has cancelled is then cancelled by asking again.
pub async fn cancel(store: &Store, provider: &Provider, id: BatchId, now: Timestamp) -> Result<CancelOutcome, StoreError> {
    let Some((batch, cancellation)) = store.change(id, lifecycle::cancel).await? else { return Ok(CancelOutcome::Unknown) };
    let answered = match cancellation {
        Cancellation::Done => return Ok(CancelOutcome::Done(batch)),
        Cancellation::Doubtful => {
            let why = "an earlier attempt to submit it may have reached the provider. It is unconfirmed again, and nothing more \
                       of it is sent; resolve it once you know";
            return Ok(CancelOutcome::TooLate(why.into()));
        }
        Cancellation::TooLate(BatchState::Cancelled) => return Ok(CancelOutcome::TooLate("it is cancelled already".into())),
        Cancellation::TooLate(state) => {
            return Ok(CancelOutcome::TooLate(format!("it is {state}; only a queued or a scheduled batch can be cancelled")));
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
        // An earlier cancellation whose answer was lost is refused now. What is not pending there is not going out.
        let pending = match provider.pending().await {
            Ok(pending) => pending,
            Err(error) => return Ok(CancelOutcome::Unclear(describe(&error))),
        };
        let names = [name.to_string(), id.to_string()];
        if trouble.status != Some(404) || pending.iter().any(|batch| names.contains(&batch.identifier.to_string())) {
            return Ok(CancelOutcome::Refused(trouble.detail));
        }
        if !is_named {
            let why = "the provider lists no scheduled batch of this id, and its own name for this one is not known for sure";
            return Ok(CancelOutcome::Unclear(why.into()));
        }
        let send_at = store.batch(id).await?.and_then(|batch| batch.send_at);
        if send_at.is_none_or(|at| at < now.plus(ON_ITS_WAY)) {
            return Ok(CancelOutcome::Unclear("the provider no longer lists it, and its time is near: it may be sending it".into()));
        }
        // It may have sent it at once, whatever was asked for.
        for name in [&name, &ours(id)] {
            match messages(provider, name).await {
                Ok(0) | Err(CallError::NotFound(_)) => {}
                Ok(_) => {
                    let why = "the provider no longer lists it as scheduled, and tells of its messages: it may have sent them";
                    return Ok(CancelOutcome::Unclear(why.into()));
                }
                Err(error) => return Ok(CancelOutcome::Unclear(describe(&error))),
            }
        }
    }
    Ok(match store.change(id, |batch, now| (lifecycle::cancelled_at_provider(batch, now), ())).await? {
        Some((batch, ())) if batch.state == BatchState::Cancelled => CancelOutcome::Done(batch),
        Some((batch, ())) => CancelOutcome::TooLate(format!("it became {} meanwhile", batch.state)),
        None => CancelOutcome::Unknown,
    })
}

fn ours(id: BatchId) -> Identifier {
    Identifier::Uuid(*id.as_uuid())
}

/// Whether a name is the id of another batch of ours, which would be cancelled by it.
async fn is_of_another(store: &Store, id: BatchId, name: &Identifier) -> Result<bool, StoreError> {
    match name.to_string().parse::<BatchId>() {
        Ok(other) if other != id => Ok(store.batch(other).await?.is_some()),
        _ => Ok(false),
    }
}

/// Of how many messages the provider tells.
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

/// What became of the wish to send again.
pub enum Resend {
    /// The new batch is in the outbox.
    New(Batch),
    /// It was asked for before: this is the batch that was made then.
    Same(Batch),
    /// It cannot be, and why.
    Refused(String),
    /// There is no such batch.
    Unknown,
}

/// Makes a new batch to those destinations of a settled batch that are in `state`. Its id is derived from
/// both, so that asking twice makes one.
///
/// # Errors
/// When the store fails; ask again.
pub async fn resend(store: &Store, id: BatchId, state: DestinationState) -> Result<Resend, StoreError> {
    let Some(batch) = store.batch(id).await? else { return Ok(Resend::Unknown) };
    let new_id = id.derive(&format!("resend {state}"));
    if let Some(made) = store.batch(new_id).await? {
        return Ok(Resend::Same(made));
    }
    if !batch.state.is_settled() {
        return Ok(Resend::Refused(format!("the batch is {}: what becomes of its destinations is not settled yet", batch.state)));
    }
    let allowed = [DestinationState::Failed, DestinationState::Expired, DestinationState::Rejected, DestinationState::Cancelled];
    if !allowed.contains(&state) {
        return Ok(Resend::Refused(format!(
            "destinations that are {state} are not sent to again; only failed, expired, rejected or cancelled ones"
        )));
    }
    let Some(message) = batch.message else {
        return Ok(Resend::Refused("its text was erased ([retention] messages)".into()));
    };
    let destinations = store.numbers_in_state(id, state).await?;
    if destinations.is_empty() {
        return Ok(Resend::Refused(format!("the batch has no destination that is {state}")));
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
        // Asked for twice at the same moment, while a late receipt changed the list: one of them was made.
        Enqueued::Different => store.batch(new_id).await?.map_or_else(sent_and_pruned, Resend::Same),
        Enqueued::Pruned => sent_and_pruned(),
    })
}

fn sent_and_pruned() -> Resend {
    Resend::Refused("it was sent again before, and that batch has been pruned".into())
}
