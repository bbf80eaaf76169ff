//! The feed of the live stream: a single task reads the receipt log and passes each page to all followers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::sync::{broadcast, watch};

use crate::api::Receipt;
use crate::lock::lock;
use crate::store::{ReceiptFilter, Store};

/// The number of receipts per page. A client that does not read holds a few pages in memory, 15 KiB each.
pub(super) const PAGE: u32 = 50;
/// The number of pages that a follower may be behind before it reads the log itself.
const BEHIND: usize = 100;
/// The shortest interval between two reads of the log.
const BREATH: Duration = Duration::from_millis(50);

/// The bandwidth of all followers together, in bytes per second. A single follower keeps up with the fastest receipts.
/// A thousand fall behind while receipts arrive that fast, instead of slowing down receiving.
const BYTES_A_SECOND: u64 = 16 << 20;

/// What followers subscribe to.
#[derive(Clone)]
pub struct Feed {
    pub(super) pages: broadcast::Sender<Arc<Page>>,
    /// When the next bytes may be sent.
    free_at: Arc<Mutex<Instant>>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Some receipts and their events, rendered once for all followers without a filter.
pub(super) struct Page {
    pub(super) receipts: Vec<Receipt>,
    pub(super) events: Bytes,
}

impl Feed {
    /// Creates a feed whose streams end when `stopping` becomes true.
    pub fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { pages: broadcast::Sender::new(BEHIND), free_at: Arc::new(Mutex::new(Instant::now())), stopping }
    }

    /// Waits until this many bytes may be sent.
    pub(super) async fn turn(&self, bytes: usize) {
        let at = {
            let mut free_at = lock(&self.free_at);
            let at = (*free_at).max(Instant::now());
            *free_at = at + Duration::from_micros(bytes as u64 * 1_000_000 / BYTES_A_SECOND);
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }

    /// Follows the log for all followers, until the task is dropped.
    pub async fn follow(self, store: Store) {
        let mut newest = store.newest_receipt();
        let mut last = *newest.borrow_and_update();
        while newest.changed().await.is_ok() {
            tokio::time::sleep(BREATH).await;
            let until = *newest.borrow_and_update();
            if self.pages.receiver_count() == 0 {
                last = until;
            }
            while last < until {
                match store.receipts(last, ReceiptFilter::default(), PAGE).await {
                    Ok((page, _)) => {
                        let Some(end) = page.last() else {
                            last = until; // they have been pruned meanwhile
                            break;
                        };
                        last = end.id;
                        let events = events(page.iter());
                        let _ = self.pages.send(Arc::new(Page { receipts: page, events })); // fails if the last follower has just left
                    }
                    Err(error) => {
                        log::debug!("cannot read the receipt log at the moment: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    }
}

/// The events for these receipts.
pub(super) fn events<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Bytes {
    let mut text = String::new();
    for receipt in receipts {
        match serde_json::to_string(receipt) {
            Ok(json) => text.push_str(&format!("id: {}\nevent: receipt\ndata: {json}\n\n", receipt.id)),
            Err(error) => log::error!("receipt {} cannot be serialized: {error}", receipt.id),
        }
    }
    text.into()
}
