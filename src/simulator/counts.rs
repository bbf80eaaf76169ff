//! The simulator's counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// What happened since the simulator started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests of any kind, including refused ones.
    pub requests: u64,
    /// Accepted batches, without dry runs.
    pub batches: u64,
    /// Destinations of those batches.
    pub destinations: u64,
    /// Accepted dry runs.
    pub dry_runs: u64,
    /// `POST /batch` calls refused by the simulator's own rules (not by a script or fault).
    pub refused: u64,
    /// Scripts and faults that took effect.
    pub faults: u64,
    /// Cancelled scheduled batches.
    pub cancelled: u64,
    /// Posted receipts: every attempt, including duplicates and unexpected ones.
    pub receipts: u64,
    /// Posted receipts that repeat an earlier one.
    pub duplicates: u64,
    /// Posted receipts that came before the answer to the `POST /batch`.
    pub early: u64,
    /// Posted receipts for the failure of a first channel, before the receipt of the fallback.
    pub fallbacks: u64,
    /// Posted receipts for numbers that are not in the batch.
    pub unexpected: u64,
    /// Posted receipts in an unreadable form.
    pub unreadable: u64,
    /// Posted receipts in an unusual but readable form.
    pub odd: u64,
    /// Posted receipts that were repeated because the callback did not answer 2xx.
    pub retries: u64,
    /// Receipts that the details show but that are never posted: lost ones, and those of deaf profiles or of batches
    /// without a callback.
    pub lost: u64,
    /// Answered requests to callbacks, by status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests to callbacks that got no answer.
    pub unanswered: u64,
    /// Tasks in progress: batches being accepted, and receipts being posted. At 0, only scheduled and held batches can
    /// cause more receipts. It increases before the `POST /batch` that causes the work is answered.
    pub busy: u64,
}

/// A task in progress, counted as busy until it is dropped.
pub(super) struct Errand(watch::Sender<Counts>);

impl Errand {
    pub(super) fn begin(counts: &watch::Sender<Counts>) -> Arc<Self> {
        counts.send_modify(|counts| counts.busy += 1);
        Arc::new(Self(counts.clone()))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.busy -= 1);
    }
}
