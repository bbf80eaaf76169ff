//! Which batches, destinations and receipts are asked for.

use crate::api;
use crate::domain::{BatchId, BatchState, DestinationState, ReceiptCode, Timestamp};

/// Which batches are asked for.
#[derive(Debug, Clone, Default)]
pub struct BatchFilter {
    /// In this state.
    pub state: Option<BatchState>,
    /// Of this group.
    pub group: Option<BatchId>,
    /// With this reference.
    pub reference: Option<String>,
    /// Accepted at or after this time.
    pub created_after: Option<Timestamp>,
    /// Accepted before this time.
    pub created_before: Option<Timestamp>,
}

/// Which destinations are asked for.
#[derive(Debug, Clone, Default)]
pub struct DestinationFilter {
    /// In this state.
    pub state: Option<DestinationState>,
    /// With this code as the deciding one (compared as a hexadecimal number).
    pub code: Option<ReceiptCode>,
    /// With, or without, a failure after a delivery.
    pub conflict: Option<bool>,
}

/// Which receipts of the log are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiptFilter {
    /// Only of this batch.
    pub batch: Option<BatchId>,
    /// Only deliveries, or only failures.
    pub delivered: Option<bool>,
}

impl ReceiptFilter {
    /// Whether it is one of those that are asked for.
    pub fn matches(&self, receipt: &api::Receipt) -> bool {
        self.batch.is_none_or(|batch| receipt.batch == batch) && self.delivered.is_none_or(|delivered| receipt.delivered == delivered)
    }
}
