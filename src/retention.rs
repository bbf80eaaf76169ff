//! Deleting what need not be kept any longer, by itself.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::provider::Provider;
use crate::store::{Store, StoreError};

/// Between two steps, at least and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long a person who deletes something waits for the provider's time.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long things are kept after their batch was settled; `None`: for ever, or as long as the batch.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Batches, with their destinations and receipts.
    pub receipts: Option<Duration>,
    /// Message texts and raw receipt bodies.
    pub messages: Option<Duration>,
}

impl Terms {
    /// Between two steps: an hour, and less where something is kept for less.
    pub fn pause(self) -> Duration {
        let shortest = self.receipts.into_iter().chain(self.messages).min().unwrap_or(LONGEST_PAUSE);
        shortest.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// Deletes what is due at this time: ours or the provider's, whichever is earlier. A clock that was set ahead must not
/// delete what nobody can bring back, so while the provider cannot be asked for its time, all of it stays.
///
/// # Errors
/// When the store fails; the rest goes the next time.
pub async fn step(store: &Store, provider: &Provider, clock: &Clock, terms: Terms) -> Result<(), StoreError> {
    if terms.receipts.is_none() && terms.messages.is_none() {
        return Ok(());
    }
    let now = match provider.time().await {
        Ok(there) => earlier(clock, there),
        Err(error) => {
            log::warn!("nothing is deleted for its age now, since the provider does not confirm the time: {error}");
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

/// The time by which a person deletes: ours or the provider's, whichever is earlier. A provider that does not answer soon
/// keeps nobody from deleting what they say: then it is ours.
pub async fn time_by_hand(provider: &Provider, clock: &Clock) -> Timestamp {
    match tokio::time::timeout(PATIENCE, provider.time()).await {
        Ok(Ok(there)) => earlier(clock, there),
        _ => {
            log::warn!("what is old enough to be deleted goes by the clock here alone: the provider did not answer");
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
