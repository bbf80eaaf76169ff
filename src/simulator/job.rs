//! The jobs of couriers.

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{batch::Batch, counts::Errand, fate::Wave};

/// A job for a courier.
pub(super) enum Job {
    /// Post its share of these receipts.
    Wave {
        batch: Arc<Batch>,
        wave: Wave,
        errand: Arc<Errand>,
        /// Dropped when all of them have been posted.
        done: Option<mpsc::Sender<()>>,
    },
    /// Post this body and return the answer.
    Letter { url: String, content_type: String, body: Vec<u8>, answer: oneshot::Sender<io::Result<(u16, String)>> },
}
