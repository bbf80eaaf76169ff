//! Asking the provider for what did not come.

use crate::api::Reconciled;
use crate::domain::{BatchId, Identifier};
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

/// Asks for the receipts of one batch, by the provider's name for it, and records what is new. `None`: there
/// is no such batch here.
///
/// # Errors
/// Nothing is lost by asking again.
pub async fn pull(store: &Store, provider: &Provider, id: BatchId) -> Result<Option<Reconciled>, ReconcileError> {
    let Some(batch) = store.batch(id).await? else { return Ok(None) };
    let name = batch.provider_id.map_or(Identifier::Uuid(*id.as_uuid()), |name| Identifier::from(&*name));
    let polled = provider.receipts(&name).await?;
    let recorded = receive::found(store, id, polled.receipts).await?;
    Ok(Some(Reconciled { recorded: recorded.recorded, duplicates: recorded.duplicates, pending: polled.pending + polled.unreadable }))
}
