//! Deleting what need not be kept any longer, by itself.

use std::time::Duration;

use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// How long things are kept after their batch was settled; `None`: for ever, or as long as the batch.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Batches, with their destinations and receipts.
    pub receipts: Option<Duration>,
    /// Message texts and raw receipt bodies.
    pub messages: Option<Duration>,
}

/// Deletes what is due at this time.
///
/// # Errors
/// When the store fails; the rest goes the next time.
pub async fn step(store: &Store, clock: &Clock, terms: Terms) -> Result<(), StoreError> {
    if let Some(term) = terms.receipts {
        let pruned = store.prune(clock.now().minus(term), false).await?;
        if pruned.batches > 0 {
            log::info!("pruned {} batches with {} receipts: settled longer ago than retention.receipts", pruned.batches, pruned.receipts);
        }
    }
    if let Some(term) = terms.messages {
        let erased = store.erase_messages(clock.now().minus(term)).await?;
        if erased > 0 {
            log::info!("erased the texts of {erased} batches: settled longer ago than retention.messages");
        }
    }
    Ok(())
}
