//! The one way in for receipts, whatever their source: posted to the callback, found by asking the
//! provider, or replayed from the quarantine.

mod lenient;
mod packed;
mod reading;
mod shape;

pub use self::packed::{Packing, Unpacked};
pub use self::reading::read;
use tokio::sync::mpsc;

use crate::domain::{BatchId, Identifier, Incoming, Item, Receipt, Recorded, Source};
use crate::provider::{CallError, Polled, Provider};
use crate::store::{Store, StoreError};

/// Bytes that an item of the quarantine may have when it is unpacked.
const LARGEST_REPLAYED: u64 = 16 << 20;

/// Records the body of an authentic callback. When this returns, it is durable.
///
/// # Errors
/// Nothing may be acknowledged; whoever sent it may send it again.
pub async fn callback(store: &Store, batch: BatchId, body: Vec<u8>) -> Result<Recorded, StoreError> {
    store.record(Incoming { batch, source: Source::Webhook, items: read(&body), body }).await
}

/// Records what the provider answered when it was asked about a batch.
///
/// # Errors
/// Nothing was recorded, or all of it; asking again does no harm.
pub async fn found(store: &Store, batch: BatchId, receipts: Vec<Receipt>) -> Result<Recorded, StoreError> {
    let items = receipts.into_iter().map(|receipt| Item::Understood(receipt.within_bounds())).collect();
    store.record(Incoming { batch, source: Source::Poll, items, body: Vec::new() }).await
}

/// Asks the provider for the receipts of a batch by one of its names, and records them piece by piece while the answer
/// arrives, so that neither memory nor the callbacks suffer from a large batch. What was recorded is true also where the
/// answer has an error.
pub async fn asked(
    store: &Store,
    provider: &Provider,
    batch: BatchId,
    name: &Identifier,
) -> (Result<Polled, CallError>, Result<Recorded, StoreError>) {
    let (to, mut arriving) = mpsc::channel(1);
    let recording = async move {
        let mut all = Recorded::default();
        while let Some(some) = arriving.recv().await {
            let recorded = found(store, batch, some).await?;
            all.recorded += recorded.recorded;
            all.duplicates += recorded.duplicates;
        }
        Ok(all)
    };
    futures_util::join!(provider.receipts(name, to), recording)
}

/// What became of the wish to replay something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It is recorded now.
    Done(Recorded),
    /// It is still not understood, or its batch is still unknown; it stays where it is.
    StillNotUnderstood(String),
    /// There is no such item.
    Unknown,
}

/// Reads an item of the quarantine again and records what it says.
///
/// # Errors
/// When the store fails.
pub async fn replay(store: &Store, id: i64) -> Result<Replayed, StoreError> {
    let Some((item, mut body)) = store.quarantined(id).await? else { return Ok(Replayed::Unknown) };
    if let Some(Unpacked::Whole(unpacked)) = Packing::of(&body).map(|packing| packing.unpack(&body, LARGEST_REPLAYED)) {
        body = unpacked;
    }
    let items = read(&body);
    let why = items.iter().find_map(|item| match item {
        Item::NotUnderstood { reason, .. } => Some(reason.clone()),
        Item::Understood(_) => None,
    });
    if let Some(why) = why {
        return Ok(Replayed::StillNotUnderstood(why));
    }
    Ok(match store.replay(id, Incoming { batch: item.batch, source: Source::Replay, items, body }).await? {
        Some(recorded) => Replayed::Done(recorded),
        None => Replayed::StillNotUnderstood(item.reason),
    })
}
