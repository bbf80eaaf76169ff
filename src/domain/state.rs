//! The states of a batch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::timestamp::Timestamp;

/// The state of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    /// In the outbox; not submitted yet.
    Queued,
    /// Being submitted to the provider at this moment.
    Submitting,
    /// The provider has it and will send it at `send_at`.
    Scheduled,
    /// The provider has it, and receipts are awaited.
    Submitted,
    /// Every destination is final.
    Complete,
    /// The provider refused it.
    Rejected,
    /// The provider may or may not have it. It is never resubmitted automatically.
    Unconfirmed,
    /// Cancelled before it was sent, or given up by a person.
    Cancelled,
    /// A dry run that the provider accepted.
    Validated,
}

impl BatchState {
    /// All states, in display order.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Submitting,
        Self::Scheduled,
        Self::Submitted,
        Self::Complete,
        Self::Rejected,
        Self::Unconfirmed,
        Self::Cancelled,
        Self::Validated,
    ];

    /// The word for this state in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitting => "submitting",
            Self::Scheduled => "scheduled",
            Self::Submitted => "submitted",
            Self::Complete => "complete",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
            Self::Cancelled => "cancelled",
            Self::Validated => "validated",
        }
    }

    /// Whether the state is final unless another receipt arrives.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Complete | Self::Rejected | Self::Cancelled | Self::Validated)
    }

    /// The state after receipts have arrived.
    ///
    /// A receipt proves that the provider has the batch, whatever we believed. So the batch must not be sent (again),
    /// and its receipts are awaited, even if it had been given up. While it is being submitted, the answer decides; a
    /// validated batch keeps its state.
    #[must_use]
    pub fn after_receipts(self, total: u64, is_final: u64) -> Self {
        let with_provider = match self {
            Self::Queued | Self::Unconfirmed | Self::Rejected | Self::Cancelled | Self::Scheduled => Self::Submitted,
            other => other,
        };
        with_provider.completed(total, is_final)
    }

    /// `complete` instead of `submitted` if every destination is final.
    #[must_use]
    pub fn completed(self, total: u64, is_final: u64) -> Self {
        if self == Self::Submitted && is_final >= total { Self::Complete } else { self }
    }

    /// The stored form: `scheduled` is stored as `submitted` with a `send_at` in the future ([`at`](Self::at)).
    #[must_use]
    pub fn stored(self) -> Self {
        if self == Self::Scheduled { Self::Submitted } else { self }
    }

    /// `scheduled` instead of `submitted` if the batch will be sent later.
    #[must_use]
    pub fn at(self, send_at: Option<Timestamp>, now: Timestamp) -> Self {
        match (self, send_at) {
            (Self::Submitted, Some(at)) if at > now => Self::Scheduled,
            (state, _) => state,
        }
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BatchState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_proves_that_the_provider_has_the_batch() {
        for state in [BatchState::Queued, BatchState::Unconfirmed, BatchState::Rejected, BatchState::Cancelled] {
            assert_eq!(state.after_receipts(2, 1), BatchState::Submitted);
            assert_eq!(state.after_receipts(2, 2), BatchState::Complete);
        }
        for state in [BatchState::Submitting, BatchState::Validated, BatchState::Complete] {
            assert_eq!(state.after_receipts(2, 2), state);
        }
    }

    #[test]
    fn a_submitted_batch_is_scheduled_until_its_time_has_come() {
        let (now, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        assert_eq!(BatchState::Submitted.at(Some(later), now), BatchState::Scheduled);
        assert_eq!(BatchState::Submitted.at(Some(later), later), BatchState::Submitted);
        assert_eq!(BatchState::Complete.at(Some(later), now), BatchState::Complete);
        assert_eq!(BatchState::Submitted.at(None, now), BatchState::Submitted);
    }
}
