//! What the simulator counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests of any kind, also refused ones.
    pub requests: u64,
    /// Batches taken, without dry runs.
    pub batches: u64,
    /// Destinations of those batches.
    pub destinations: u64,
    /// Dry runs accepted.
    pub dry_runs: u64,
    /// `POST /batch` calls refused by the simulator's own rules (not by a script or fault).
    pub refused: u64,
    /// Scripts and faults performed.
    pub faults: u64,
    /// Scheduled batches cancelled.
    pub cancelled: u64,
    /// Receipts that were posted, each attempt, duplicates and unexpected ones included.
    pub receipts: u64,
    /// Of them: the same receipt once more.
    pub duplicates: u64,
    /// Of them: posted before the answer to the `POST /batch`.
    pub early: u64,
    /// Of them: the failure of a first channel, before the fallback's receipt.
    pub fallbacks: u64,
    /// Of them: for a number that the batch does not have.
    pub unexpected: u64,
    /// Of them: in a form nobody can read.
    pub unreadable: u64,
    /// Of them: in an odd, but readable form.
    pub odd: u64,
    /// Of them: posted again since the callback did not answer 2xx.
    pub retries: u64,
    /// Receipts known to the details but never posted: lost, deaf, or without a callback.
    pub lost: u64,
    /// Requests to callbacks that got an answer, by its status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests to callbacks that got no answer.
    pub unanswered: u64,
    /// Errands under way: batches being taken or their receipts being posted. 0 = nothing more will come by itself,
    /// except from scheduled batches. Goes up before the `POST /batch` that causes it is answered.
    pub busy: u64,
}

/// Something under way: counted as busy until it is dropped.
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
