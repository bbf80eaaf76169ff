//! Filters for batches, destinations and receipts.

use crate::api;
use crate::domain::{BatchId, BatchState, DestinationState, ReceiptCode, Timestamp};

/// Selects batches.
#[derive(Debug, Clone, Default)]
pub struct BatchFilter {
    /// Only batches in this state.
    pub state: Option<BatchState>,
    /// Only batches of this group.
    pub group: Option<BatchId>,
    /// Only batches with this reference.
    pub reference: Option<String>,
    /// Only batches accepted at or after this time.
    pub created_after: Option<Timestamp>,
    /// Only batches accepted before this time.
    pub created_before: Option<Timestamp>,
}

/// Selects destinations.
#[derive(Debug, Clone, Default)]
pub struct DestinationFilter {
    /// Only destinations in this state.
    pub state: Option<DestinationState>,
    /// Only destinations whose deciding receipt has this code, compared as a hexadecimal number.
    pub code: Option<ReceiptCode>,
    /// Only destinations with (or without) a failure after a delivery.
    pub conflict: Option<bool>,
}

/// Selects receipts of the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiptFilter {
    /// Only receipts of this batch.
    pub batch: Option<BatchId>,
    /// Only deliveries, or only failures.
    pub delivered: Option<bool>,
}

impl ReceiptFilter {
    /// Whether the filter selects this receipt.
    pub fn matches(&self, receipt: &api::Receipt) -> bool {
        self.batch.is_none_or(|batch| receipt.batch == batch) && self.delivered.is_none_or(|delivered| receipt.delivered == delivered)
    }
}
