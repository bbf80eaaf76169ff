//! What comes in: receipts, and what was meant to be some.

use std::ops::Range;

use super::batch::BatchId;
use super::receipt::{Outcome, Receipt, Source};

/// What came in one callback, or was found by one question.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The batch, by the URL.
    pub batch: BatchId,
    /// The way it came.
    pub source: Source,
    /// What it says, in the order in which it stood there.
    pub items: Vec<Item>,
    /// All of it as it came: kept where the batch is unknown or an item is not understood.
    pub body: Vec<u8>,
}

/// One thing that came.
#[derive(Debug, Clone)]
pub enum Item {
    /// A receipt.
    Understood(Receipt),
    /// Something else.
    NotUnderstood {
        /// What is missing or wrong.
        reason: String,
        /// Where it stands in the body.
        at: Range<usize>,
    },
}

/// What became of what came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// New in the log.
    pub recorded: u64,
    /// There already.
    pub duplicates: u64,
    /// Kept in the quarantine under these ids.
    pub quarantined: Vec<i64>,
    /// What the recorded ones did.
    pub outcomes: Vec<Outcome>,
}

impl Recorded {
    /// Adds what became of another part.
    pub fn add(&mut self, part: Self) {
        self.recorded += part.recorded;
        self.duplicates += part.duplicates;
        self.quarantined.extend(part.quarantined);
        self.outcomes.extend(part.outcomes);
    }
}
