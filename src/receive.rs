//! The only way in for receipts from any source: posted to the callback, returned by the provider, or replayed from the
//! quarantine.

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

/// The largest size in bytes of a decompressed quarantined item.
const LARGEST_REPLAYED: u64 = 16 << 20;

/// Records the body of a callback with a valid token. It is durable on return.
///
/// # Errors
/// If it may not have been recorded: do not acknowledge it. The sender may send it again.
pub async fn callback(store: &Store, batch: BatchId, body: Vec<u8>) -> Result<Recorded, StoreError> {
    store.record(Incoming { batch, source: Source::Webhook, items: read(&body), body }).await
}

/// Records receipts that the provider returned for a batch.
///
/// # Errors
/// If none or all of them were recorded; asking again is harmless.
pub async fn found(store: &Store, batch: BatchId, receipts: Vec<Receipt>) -> Result<Recorded, StoreError> {
    let items = receipts.into_iter().map(|receipt| Item::Understood(receipt.within_bounds())).collect();
    store.record(Incoming { batch, source: Source::Poll, items, body: Vec::new() }).await
}

/// Asks the provider for the receipts of a batch by one of its names, and records them piece by piece as the answer
/// arrives, so that a large batch affects neither memory nor callbacks. What was recorded is valid even if the answer
/// ends with an error.
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

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// It has been recorded.
    Done(Recorded),
    /// It still cannot be understood, or its batch is still unknown; it stays in the quarantine.
    StillNotUnderstood(String),
    /// The item does not exist.
    Unknown,
}

/// Processes a quarantined item again and records its receipts.
///
/// # Errors
/// If the store fails.
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
