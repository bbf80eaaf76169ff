//! One task follows the receipt log and hands each page to all who follow the live stream.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use tokio::sync::{broadcast, watch};

use crate::api::Receipt;
use crate::lock::lock;
use crate::store::{ReceiptFilter, Store};

/// Receipts that are read at once: a client that does not read holds some pages in memory, 15 KiB each.
pub(super) const PAGE: u32 = 50;
/// Pages that a follower may be behind before it has to read by itself.
const BEHIND: usize = 100;
/// The log is looked at this often at most.
const BREATH: Duration = Duration::from_millis(50);

/// What all followers together are sent: one of them keeps up with the rate at which receipts can come, a thousand fall
/// behind while they come so fast, instead of taking the time from those who bring them.
const BYTES_A_SECOND: u64 = 16 << 20;

/// What followers listen to.
#[derive(Clone)]
pub struct Feed {
    pub(super) pages: broadcast::Sender<Arc<Page>>,
    /// When the next bytes may leave.
    free_at: Arc<Mutex<Instant>>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Some receipts, and the events that tell of them: written once for all who follow everything.
pub(super) struct Page {
    pub(super) receipts: Vec<Receipt>,
    pub(super) events: Bytes,
}

impl Feed {
    /// Its streams end when `stopping` becomes true.
    pub fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { pages: broadcast::Sender::new(BEHIND), free_at: Arc::new(Mutex::new(Instant::now())), stopping }
    }

    /// Waits until so many bytes may leave.
    pub(super) async fn turn(&self, bytes: usize) {
        let at = {
            let mut free_at = lock(&self.free_at);
            let at = (*free_at).max(Instant::now());
            *free_at = at + Duration::from_micros(bytes as u64 * 1_000_000 / BYTES_A_SECOND);
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }

    /// Follows the log for all of them, until the task is dropped.
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
                            last = until; // pruned meanwhile
                            break;
                        };
                        last = end.id;
                        let events = events(page.iter());
                        let _ = self.pages.send(Arc::new(Page { receipts: page, events })); // the last follower may just have gone
                    }
                    Err(error) => {
                        log::debug!("the log cannot be followed at the moment: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    }
}

/// The events that tell of these receipts.
pub(super) fn events<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Bytes {
    let mut text = String::new();
    for receipt in receipts {
        match serde_json::to_string(receipt) {
            Ok(json) => text.push_str(&format!("id: {}\nevent: receipt\ndata: {json}\n\n", receipt.id)),
            Err(error) => log::error!("receipt {} cannot be shown: {error}", receipt.id),
        }
    }
    text.into()
}
