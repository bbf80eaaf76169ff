//! The filters of the API's lists, as query parameters.

use serde::Serialize;

use crate::api::{BatchId, BatchState, DestinationState, QuarantineState, Timestamp};

/// Selects batches; all fields are optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BatchFilter {
    /// Only batches in this state.
    pub state: Option<BatchState>,
    /// Only batches of this group.
    pub group: Option<BatchId>,
    /// Only batches with exactly this reference.
    pub reference: Option<String>,
    /// Only batches accepted at or after this time.
    pub created_after: Option<Timestamp>,
    /// Only batches accepted before this time.
    pub created_before: Option<Timestamp>,
    /// The page size, 1 to 1000.
    pub limit: Option<u32>,
    /// The cursor of the page, from the previous page.
    pub cursor: Option<String>,
}

/// Selects destinations of a batch; all fields are optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationFilter {
    /// Only destinations in this state.
    pub state: Option<DestinationState>,
    /// Only destinations with this receipt code.
    pub code: Option<String>,
    /// Only destinations with (or without) a failure after a delivery.
    pub conflict: Option<bool>,
    /// The page size, 1 to 1000.
    pub limit: Option<u32>,
    /// The cursor of the page, from the previous page.
    pub cursor: Option<String>,
}

/// Selects receipts of the log; all fields are optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReceiptFilter {
    /// Only receipts after this id, or the cursor of the page, from the previous page.
    pub after: Option<String>,
    /// Only receipts of this batch.
    pub batch: Option<BatchId>,
    /// Only deliveries, or only failures.
    pub delivered: Option<bool>,
    /// The page size, 1 to 1000.
    pub limit: Option<u32>,
}

/// Selects quarantined callbacks; all fields are optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QuarantineFilter {
    /// Only callbacks in this state.
    pub state: Option<QuarantineState>,
    /// The page size, 1 to 1000.
    pub limit: Option<u32>,
    /// The cursor of the page, from the previous page.
    pub cursor: Option<String>,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated values, with a header row.
    #[default]
    Csv,
    /// One JSON object per line.
    Ndjson,
}
