//! Batches: one text to a list of destinations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::destination::{DestinationState, Said};
use super::error_kind::ErrorKind;
use super::msisdn::Msisdn;
use super::receipt::Identifier;
use super::state::BatchState;
use super::timestamp::Timestamp;

/// Our uuid of a batch, or of a group of batches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Uuid)]
pub struct BatchId(Uuid);

impl BatchId {
    /// A new one, that nobody has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id that always belongs to this name under this one (UUIDv5): asked twice, it is the same.
    #[must_use]
    pub fn derive(self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The uuid itself.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for BatchId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// What is not a [`BatchId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: it is a UUID such as 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11, as `receiptd batches` lists them")]
pub struct NoBatchId;

impl FromStr for BatchId {
    type Err = NoBatchId;

    fn from_str(text: &str) -> Result<Self, NoBatchId> {
        Uuid::try_parse(text).map(Self).map_err(|_| NoBatchId)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A way to reach a handset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Short message.
    Sms,
    /// Rich communication services.
    Rcs,
}

impl Channel {
    /// The word of the provider.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Rcs => "rcs",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sms" => Ok(Self::Sms),
            "rcs" => Ok(Self::Rcs),
            _ => Err(()),
        }
    }
}

/// What is asked of the provider, apart from the destinations.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Sender ID: a word or an owned number.
    pub from: String,
    /// The text.
    pub message: String,
    /// SMS parts of the text.
    pub parts: u32,
    /// First channel; the provider's own choice where it is not given.
    pub channel: Option<Channel>,
    /// Channels tried in this order when the one before fails.
    pub fallback_channels: Vec<Channel>,
    /// When the provider is to send; at once where it is not given.
    pub send_at: Option<Timestamp>,
    /// A text of several parts is meant to be one.
    pub allow_multi: bool,
    /// The provider checks it and sends nothing.
    pub dry_run: bool,
}

/// A batch as it was asked for, checked.
#[derive(Clone)]
pub struct NewBatch {
    /// Its id.
    pub id: BatchId,
    /// The group it is part of.
    pub group: Option<BatchId>,
    /// The batch whose destinations it sends to again.
    pub resend_of: Option<BatchId>,
    /// The caller's own word for it.
    pub reference: Option<String>,
    /// What is sent.
    pub content: Content,
    /// Sorted, without repetitions.
    pub destinations: Vec<Msisdn>,
    /// How many were dropped because they were the same number again.
    pub merged: u64,
}

impl NewBatch {
    /// SHA-256 of all that was asked for: tells the same batch, asked for twice, from another one
    /// under the same id.
    pub fn fingerprint(&self) -> [u8; 32] {
        let c = &self.content;
        let channels: Vec<&str> = c.fallback_channels.iter().map(|channel| channel.as_str()).collect();
        let words = serde_json::json!([
            self.group,
            self.reference,
            c.from,
            c.message,
            c.channel,
            channels,
            c.send_at.map(Timestamp::as_millis),
            c.allow_multi,
            c.dry_run,
        ]);
        let mut hash = Sha256::new();
        hash.update(words.to_string());
        for destination in &self.destinations {
            hash.update(destination.digits().to_be_bytes());
        }
        hash.finalize().into()
    }
}

/// A batch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// Our uuid.
    pub id: BatchId,
    /// What the provider calls it, as soon as it has said so.
    pub provider_id: Option<String>,
    /// The group it is part of.
    pub group: Option<BatchId>,
    /// The batch whose destinations it sends to again.
    pub resend_of: Option<BatchId>,
    /// The caller's own word for it.
    pub reference: Option<String>,
    /// How far it has come.
    pub state: BatchState,
    /// Sender ID.
    pub from: String,
    /// The text; null once it was erased by retention.
    pub message: Option<String>,
    /// SMS parts of the text.
    pub parts: u32,
    /// First channel.
    pub channel: Option<Channel>,
    /// Channels tried after it.
    pub fallback_channels: Vec<Channel>,
    /// When the provider is to send.
    pub send_at: Option<Timestamp>,
    /// A text of several parts is meant to be one.
    pub allow_multi: bool,
    /// The provider checks it and sends nothing.
    pub dry_run: bool,
    /// Its destinations by state.
    pub counts: Counts,
    /// How many times it was handed to the provider.
    pub attempts: u64,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// When it was accepted here.
    pub created_at: Timestamp,
    /// When the provider had it.
    pub submitted_at: Option<Timestamp>,
    /// When its last destination became final.
    pub completed_at: Option<Timestamp>,
}

impl Batch {
    /// When it was sent, as far as we know: at its `send_at` if that is later than its submission. Its deadline counts from here.
    pub fn sent_at(&self) -> Timestamp {
        sent_at(self.submitted_at, self.send_at, self.created_at)
    }

    /// The identifiers that the provider may know it by: the provider's own first, then ours.
    pub fn names(&self) -> Vec<Identifier> {
        let ours = Identifier::Uuid(*self.id.as_uuid());
        let theirs = self.provider_id.as_deref().map(Identifier::from).filter(|name| *name != ours);
        theirs.into_iter().chain([ours]).collect()
    }
}

/// [`Batch::sent_at`] of a batch of which only the times are at hand.
pub fn sent_at(submitted_at: Option<Timestamp>, send_at: Option<Timestamp>, created_at: Timestamp) -> Timestamp {
    submitted_at.max(send_at).unwrap_or(created_at)
}

/// Destinations by state; `total` is their sum. `merged` and `conflict` count on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// All destinations.
    pub total: u64,
    /// Dropped on the way in: the same number again.
    pub merged: u64,
    /// Not (known to be) with the provider.
    pub queued: u64,
    /// With the provider, no receipt yet.
    pub submitted: u64,
    /// Delivered.
    pub delivered: u64,
    /// Failed.
    pub failed: u64,
    /// No receipt in time.
    pub expired: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Rejected.
    pub rejected: u64,
    /// Dry run, accepted.
    pub validated: u64,
    /// Delivered, and reported as failed after that.
    pub conflict: u64,
}

impl Counts {
    /// The counts of a batch: those without a receipt are what its state says.
    pub fn of(state: BatchState, total: u64, merged: u64, delivered: u64, failed: u64, conflict: u64) -> Self {
        let mut counts = Self { total, merged, delivered, failed, conflict, ..Self::default() };
        let silent = total.saturating_sub(delivered).saturating_sub(failed);
        match DestinationState::of(Said::Nothing, state) {
            DestinationState::Queued => counts.queued = silent,
            DestinationState::Submitted => counts.submitted = silent,
            DestinationState::Expired => counts.expired = silent,
            DestinationState::Cancelled => counts.cancelled = silent,
            DestinationState::Rejected => counts.rejected = silent,
            DestinationState::Validated => counts.validated = silent,
            DestinationState::Delivered | DestinationState::Failed => {}
        }
        counts
    }

    /// Adds those of another batch.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.merged += other.merged;
        self.queued += other.queued;
        self.submitted += other.submitted;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.expired += other.expired;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.validated += other.validated;
        self.conflict += other.conflict;
    }

    /// Destinations of which receipts have told what became of them.
    pub fn settled(&self) -> u64 {
        self.delivered + self.failed
    }

    /// Destinations in this state.
    pub fn in_state(&self, state: DestinationState) -> u64 {
        match state {
            DestinationState::Queued => self.queued,
            DestinationState::Submitted => self.submitted,
            DestinationState::Delivered => self.delivered,
            DestinationState::Failed => self.failed,
            DestinationState::Expired => self.expired,
            DestinationState::Cancelled => self.cancelled,
            DestinationState::Rejected => self.rejected,
            DestinationState::Validated => self.validated,
        }
    }

    /// Destinations whose state can still change by itself.
    pub fn pending(&self) -> u64 {
        self.queued + self.submitted
    }
}

/// What went wrong with a submission, bounded and masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// A word for the kind, such as `refused`, `timeout`, `unauthorized`.
    #[schema(value_type = String)]
    pub kind: ErrorKind,
    /// The status the provider answered with.
    pub status: Option<u16>,
    /// What the provider answered, or what happened.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_the_destinations_always_add_up_to_the_total() {
        for state in BatchState::ALL {
            let c = Counts::of(state, 10, 1, 3, 2, 1);
            assert_eq!(c.queued + c.submitted + c.delivered + c.failed + c.expired + c.cancelled + c.rejected + c.validated, c.total);
        }
    }
}
