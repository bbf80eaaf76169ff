//! What a list of the API is narrowed to, as its query.

use serde::Serialize;

use crate::api::{BatchId, BatchState, DestinationState, QuarantineState, Timestamp};

/// Which batches; everything is optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BatchFilter {
    /// In this state.
    pub state: Option<BatchState>,
    /// Of this group.
    pub group: Option<BatchId>,
    /// With exactly this word of the caller's.
    pub reference: Option<String>,
    /// Accepted at this time or later.
    pub created_after: Option<Timestamp>,
    /// Accepted before this time.
    pub created_before: Option<Timestamp>,
    /// How many a page, 1 to 1000.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which destinations of a batch; everything is optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DestinationFilter {
    /// In this state.
    pub state: Option<DestinationState>,
    /// With this receipt code.
    pub code: Option<String>,
    /// Delivered, and reported as failed after that.
    pub conflict: Option<bool>,
    /// How many a page, 1 to 1000.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which receipts of the log; everything is optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ReceiptFilter {
    /// Those behind this id, or where the page before ended.
    pub after: Option<String>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Delivered, or failed.
    pub delivered: Option<bool>,
    /// How many a page, 1 to 1000.
    pub limit: Option<u32>,
}

/// Which callbacks of the quarantine; everything is optional.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QuarantineFilter {
    /// In this state.
    pub state: Option<QuarantineState>,
    /// How many a page, 1 to 1000.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated, with a line of column names.
    #[default]
    Csv,
    /// One JSON object a line.
    Ndjson,
}
