//! What becomes of callbacks that were not understood.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a callback in the quarantine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuarantineState {
    /// It was not understood, and somebody has to decide.
    Waiting,
    /// It was understood later, and recorded.
    Replayed,
    /// It was given up.
    Dropped,
}

impl QuarantineState {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Replayed, Self::Dropped];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for QuarantineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for QuarantineState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}
