//! What couriers are asked to do.

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{batch::Batch, counts::Errand, fate::Wave};

/// One thing that a courier is asked to do.
pub(super) enum Job {
    /// Post its part of these receipts.
    Wave {
        batch: Arc<Batch>,
        wave: Wave,
        errand: Arc<Errand>,
        /// Dropped when all of them were posted.
        done: Option<mpsc::Sender<()>>,
    },
    /// Post this, and say what was answered.
    Letter { url: String, content_type: String, body: Vec<u8>, answer: oneshot::Sender<io::Result<(u16, String)>> },
}
