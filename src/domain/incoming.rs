//! Incoming data: receipts, and what could not be understood as a receipt.

use std::ops::Range;

use super::batch::BatchId;
use super::receipt::{Outcome, Receipt, Source};

/// The content of one callback, or of one answer of the provider.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The batch in the URL.
    pub batch: BatchId,
    /// How it arrived.
    pub source: Source,
    /// The items, in the order in which they appeared.
    pub items: Vec<Item>,
    /// The raw body, which is kept if the batch is unknown or an item could not be understood.
    pub body: Vec<u8>,
}

/// One item of a body.
#[derive(Debug, Clone)]
pub enum Item {
    /// A receipt.
    Understood(Receipt),
    /// Something that could not be understood as a receipt.
    NotUnderstood {
        /// What is missing or wrong.
        reason: String,
        /// Its position in the body.
        at: Range<usize>,
    },
}

/// The result of recording incoming data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Receipts that are new in the log.
    pub recorded: u64,
    /// Receipts that were already in the log.
    pub duplicates: u64,
    /// The ids of the quarantined items.
    pub quarantined: Vec<i64>,
    /// The effects of the new receipts.
    pub outcomes: Vec<Outcome>,
}

impl Recorded {
    /// Adds the result of another part.
    pub fn add(&mut self, part: Self) {
        self.recorded += part.recorded;
        self.duplicates += part.duplicates;
        self.quarantined.extend(part.quarantined);
        self.outcomes.extend(part.outcomes);
    }
}
