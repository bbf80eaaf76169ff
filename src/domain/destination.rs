//! Destinations: the outcome of a message to one number.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::BatchState;

/// What the receipts of a destination say together. The variants are ordered: a later one overrides an earlier one, in
/// whatever order the receipts arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Said {
    /// There are no receipts.
    #[default]
    Nothing,
    /// There is at least one failure and no delivery.
    Failed,
    /// There is at least one delivery, which is permanent.
    Delivered,
}

impl Said {
    /// The result after one more receipt.
    #[must_use]
    pub fn after(self, delivered: bool) -> Self {
        self.max(if delivered { Self::Delivered } else { Self::Failed })
    }
}

/// What a set of receipts says, independent of order and repetitions.
pub fn fold(delivered: impl IntoIterator<Item = bool>) -> Said {
    delivered.into_iter().fold(Said::Nothing, Said::after)
}

/// What happened to the message to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DestinationState {
    /// The provider does not have the batch, or is not known to have it.
    Queued,
    /// The provider has the batch, and there is no receipt so far.
    Submitted,
    /// A receipt reports a delivery.
    Delivered,
    /// Receipts report failures and no delivery.
    Failed,
    /// No receipt arrived before the deadline. A late one still counts.
    Expired,
    /// The batch was cancelled.
    Cancelled,
    /// The batch was rejected.
    Rejected,
    /// The destination is part of a dry run that the provider accepted.
    Validated,
}

impl DestinationState {
    /// All states, in display order.
    pub const ALL: [Self; 8] =
        [Self::Queued, Self::Submitted, Self::Delivered, Self::Failed, Self::Expired, Self::Cancelled, Self::Rejected, Self::Validated];

    /// The state of a destination: what its receipts say or, without receipts, the state of its batch.
    pub fn of(said: Said, batch: BatchState) -> Self {
        match said {
            Said::Delivered => Self::Delivered,
            Said::Failed => Self::Failed,
            Said::Nothing => match batch {
                BatchState::Queued | BatchState::Submitting | BatchState::Unconfirmed => Self::Queued,
                BatchState::Submitted | BatchState::Scheduled => Self::Submitted,
                BatchState::Complete => Self::Expired,
                BatchState::Rejected => Self::Rejected,
                BatchState::Cancelled => Self::Cancelled,
                BatchState::Validated => Self::Validated,
            },
        }
    }

    /// The word for this state in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Submitted => "submitted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Validated => "validated",
        }
    }
}

impl fmt::Display for DestinationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for DestinationState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_state_does_not_depend_on_order_or_repetition(
            receipts in prop::collection::vec(any::<bool>(), 0..8), seed in any::<u64>(), copies in 1usize..4
        ) {
            let mut shuffled: Vec<bool> = receipts.iter().copied().cycle().take(receipts.len() * copies).collect();
            let mut state = seed | 1;
            for i in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, (state >> 33) as usize % (i + 1));
            }
            prop_assert_eq!(fold(receipts.iter().copied()), fold(shuffled));
            let expected = if receipts.contains(&true) { Said::Delivered }
                else if receipts.is_empty() { Said::Nothing } else { Said::Failed };
            prop_assert_eq!(fold(receipts), expected);
        }
    }

    #[test]
    fn every_state_is_listed_once_and_read_back_from_its_word() {
        for state in DestinationState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(DestinationState::ALL.iter().filter(|other| **other == state).count(), 1, "{state}");
        }
        assert_eq!("sent".parse::<DestinationState>(), Err(()));
    }

    #[test]
    fn receipts_decide_first_and_without_one_the_batch_does() {
        for batch in BatchState::ALL {
            assert_eq!(DestinationState::of(Said::Delivered, batch), DestinationState::Delivered);
            assert_eq!(DestinationState::of(Said::Failed, batch), DestinationState::Failed);
            let expected = match batch.as_str() {
                "queued" | "submitting" | "unconfirmed" => "queued",
                "submitted" | "scheduled" => "submitted",
                "complete" => "expired",
                other => other,
            };
            assert_eq!(DestinationState::of(Said::Nothing, batch).as_str(), expected, "{batch}");
        }
    }
}
