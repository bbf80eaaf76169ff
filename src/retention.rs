//! Automatic deletion of data past its retention.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::provider::Provider;
use crate::store::{Store, StoreError};

/// The shortest and the longest time between two steps.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long a deletion by hand waits for the provider's time.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long data is kept after its batch was settled; `None`: for ever, or as long as the batch.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Batches, with their destinations and receipts.
    pub receipts: Option<Duration>,
    /// Message texts and raw receipt bodies.
    pub messages: Option<Duration>,
}

impl Terms {
    /// The time between two steps: an hour, or less if something is kept for less than that.
    pub fn pause(self) -> Duration {
        let shortest = self.receipts.into_iter().chain(self.messages).min().unwrap_or(LONGEST_PAUSE);
        shortest.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// Deletes what is due at the local time or the provider's, whichever is earlier. A clock that was set ahead must not
/// delete data that cannot be restored, so nothing is deleted while the provider cannot be asked for its time.
///
/// # Errors
/// If the store fails; the next step deletes the rest.
pub async fn step(store: &Store, provider: &Provider, clock: &Clock, terms: Terms) -> Result<(), StoreError> {
    if terms.receipts.is_none() && terms.messages.is_none() {
        return Ok(());
    }
    let now = match provider.time().await {
        Ok(there) => earlier(clock, there),
        Err(error) => {
            log::warn!("skipping retention: the provider's clock is not available: {error}");
            return Ok(());
        }
    };
    if let Some(term) = terms.receipts {
        let pruned = store.prune(now.minus(term), false).await?;
        if pruned.batches > 0 {
            log::info!("pruned {} batches with {} receipts: settled longer ago than retention.receipts", pruned.batches, pruned.receipts);
        }
    }
    if let Some(term) = terms.messages {
        let erased = store.erase_messages(now.minus(term)).await?;
        if erased > 0 {
            log::info!("erased the texts of {erased} batches: settled longer ago than retention.messages");
        }
    }
    Ok(())
}

/// The reference time for a deletion by hand: the local time or the provider's, whichever is earlier. If the provider
/// does not answer soon, it is the local time alone.
pub async fn time_by_hand(provider: &Provider, clock: &Clock) -> Timestamp {
    match tokio::time::timeout(PATIENCE, provider.time()).await {
        Ok(Ok(there)) => earlier(clock, there),
        _ => {
            log::warn!("pruning by the local clock alone: the provider did not answer");
            clock.now()
        }
    }
}

fn earlier(clock: &Clock, there: Option<Timestamp>) -> Timestamp {
    there.map_or(clock.now(), |there| there.min(clock.now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_seconds_is_looked_at_every_few_seconds() {
        let terms = |receipts: Option<u64>, messages: Option<u64>| Terms {
            receipts: receipts.map(Duration::from_secs),
            messages: messages.map(Duration::from_secs),
        };
        for (receipts, messages, pause) in
            [(None, None, 3600), (Some(3), None, 3), (Some(86_400), Some(10), 10), (Some(0), None, 1), (None, Some(86_400), 3600)]
        {
            assert_eq!(terms(receipts, messages).pause(), Duration::from_secs(pause), "{receipts:?} {messages:?}");
        }
    }
}
