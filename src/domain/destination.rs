//! Destinations: what became of a message to one number.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::BatchState;

/// What the receipts of a destination say together. Ordered: the later one wins over the earlier,
/// whatever came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Said {
    /// There is no receipt.
    #[default]
    Nothing,
    /// At least one failure, and no delivery.
    Failed,
    /// At least one delivery: delivered for good.
    Delivered,
}

impl Said {
    /// What is said once one more receipt is in.
    #[must_use]
    pub fn after(self, delivered: bool) -> Self {
        self.max(if delivered { Self::Delivered } else { Self::Failed })
    }
}

/// What a set of receipts says: a function of the set, never of its order or of repetitions.
pub fn fold(delivered: impl IntoIterator<Item = bool>) -> Said {
    delivered.into_iter().fold(Said::Nothing, Said::after)
}

/// What became of the message to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DestinationState {
    /// The provider does not have the batch yet, or is not known to.
    Queued,
    /// The provider has it; no receipt yet.
    Submitted,
    /// A receipt says delivered.
    Delivered,
    /// Receipts say failed, and none says delivered.
    Failed,
    /// No receipt came in time; one that comes late still counts.
    Expired,
    /// Cancelled with its batch.
    Cancelled,
    /// Rejected with its batch.
    Rejected,
    /// Part of a dry run that the provider accepted.
    Validated,
}

impl DestinationState {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Queued, Self::Submitted, Self::Delivered, Self::Failed, Self::Expired, Self::Cancelled, Self::Rejected, Self::Validated];

    /// The state of a destination: what its receipts say; where they say nothing, its batch's word.
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

    /// The word of the contract.
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
}
