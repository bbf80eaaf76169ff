//! Batches: a text for a list of destinations.

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

/// The id of a batch or of a group of batches: a UUID that the client chose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Uuid)]
pub struct BatchId(Uuid);

impl BatchId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id that belongs to a name within this id (UUIDv5): the same name always gives the same id.
    #[must_use]
    pub fn derive(self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for BatchId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// The error for a text that is not a [`BatchId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: ids are UUIDs such as 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11, as listed by `receiptd batches`")]
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

/// A channel for reaching a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Short message.
    Sms,
    /// Rich communication services.
    Rcs,
}

impl Channel {
    /// The provider's word for the channel.
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

/// What the provider is asked to send, without the destinations.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Sender ID: an alphanumeric name or a number that the account owns.
    pub from: String,
    /// The text of the message.
    pub message: String,
    /// The number of SMS parts of the text.
    pub parts: u32,
    /// The channel to try first; `None` leaves the choice to the provider.
    pub channel: Option<Channel>,
    /// The channels to try if the previous one fails, in order.
    pub fallback_channels: Vec<Channel>,
    /// When the provider is to send the batch; `None`: at once.
    pub send_at: Option<Timestamp>,
    /// Whether a text of several parts is allowed.
    pub allow_multi: bool,
    /// Whether the provider only validates the batch, without sending it.
    pub dry_run: bool,
}

/// A new batch, validated.
#[derive(Clone)]
pub struct NewBatch {
    /// The id of the batch.
    pub id: BatchId,
    /// The group that the batch belongs to.
    pub group: Option<BatchId>,
    /// The batch of which this one is a resend.
    pub resend_of: Option<BatchId>,
    /// The client's own reference.
    pub reference: Option<String>,
    /// The content.
    pub content: Content,
    /// The numbers, sorted and without repetitions.
    pub destinations: Vec<Msisdn>,
    /// How many repeated numbers were merged.
    pub merged: u64,
}

impl NewBatch {
    /// SHA-256 of everything that the client specified. It distinguishes a repeated request from a different batch with
    /// the same id.
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
    /// The id of the batch.
    pub id: BatchId,
    /// The provider's identifier of the batch, once it is known.
    pub provider_id: Option<String>,
    /// The group that the batch belongs to.
    pub group: Option<BatchId>,
    /// The batch of which this one is a resend.
    pub resend_of: Option<BatchId>,
    /// The client's own reference.
    pub reference: Option<String>,
    /// The state of the batch.
    pub state: BatchState,
    /// Sender ID.
    pub from: String,
    /// The text; null after retention has erased it.
    pub message: Option<String>,
    /// The number of SMS parts of the text.
    pub parts: u32,
    /// The channel to try first.
    pub channel: Option<Channel>,
    /// The channels to try after it, in order.
    pub fallback_channels: Vec<Channel>,
    /// When the provider is to send the batch; null: at once.
    pub send_at: Option<Timestamp>,
    /// Whether a text of several parts is allowed.
    pub allow_multi: bool,
    /// Whether the provider only validates the batch, without sending it.
    pub dry_run: bool,
    /// The number of destinations in each state.
    pub counts: Counts,
    /// How many times the batch was submitted to the provider.
    pub attempts: u64,
    /// The last error, if there was one.
    pub last_error: Option<LastError>,
    /// When receiptd accepted the batch.
    pub created_at: Timestamp,
    /// When the provider had the batch, as far as is known.
    pub submitted_at: Option<Timestamp>,
    /// When the last destination became final.
    pub completed_at: Option<Timestamp>,
}

impl Batch {
    /// When the batch was sent, as far as is known: the later of its submission and its `send_at`. The deadline counts
    /// from here.
    pub fn sent_at(&self) -> Timestamp {
        sent_at(self.submitted_at, self.send_at, self.created_at)
    }

    /// The identifiers by which the provider may know the batch: the provider's own first, then ours.
    pub fn names(&self) -> Vec<Identifier> {
        let ours = Identifier::Uuid(*self.id.as_uuid());
        let theirs = self.provider_id.as_deref().map(Identifier::from).filter(|name| *name != ours);
        theirs.into_iter().chain([ours]).collect()
    }
}

/// [`Batch::sent_at`] for code that has only the times of a batch.
pub fn sent_at(submitted_at: Option<Timestamp>, send_at: Option<Timestamp>, created_at: Timestamp) -> Timestamp {
    submitted_at.max(send_at).unwrap_or(created_at)
}

/// The number of destinations in each state. `total` is the sum of the states; `merged` and `conflict` are counted
/// separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// All destinations.
    pub total: u64,
    /// Repeated numbers that were merged when the batch was accepted.
    pub merged: u64,
    /// Destinations that the provider does not have, or is not known to have.
    pub queued: u64,
    /// Destinations that the provider has, without a receipt so far.
    pub submitted: u64,
    /// Delivered messages.
    pub delivered: u64,
    /// Failed messages.
    pub failed: u64,
    /// Destinations without a receipt before the deadline.
    pub expired: u64,
    /// Destinations of a cancelled batch.
    pub cancelled: u64,
    /// Destinations of a rejected batch.
    pub rejected: u64,
    /// Destinations of a dry run that the provider accepted.
    pub validated: u64,
    /// Delivered messages for which a failure was reported afterwards.
    pub conflict: u64,
}

impl Counts {
    /// The counts of a batch. Destinations without a receipt have the state of the batch.
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

    /// Adds the counts of another batch.
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

    /// The number of destinations with an outcome that a receipt reported.
    pub fn settled(&self) -> u64 {
        self.delivered + self.failed
    }

    /// The number of destinations in this state.
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

    /// The number of destinations whose state can still change without a decision by a person.
    pub fn pending(&self) -> u64 {
        self.queued + self.submitted
    }
}

/// An error in submitting a batch, with secrets masked and its length limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastError {
    /// When it happened.
    pub at: Timestamp,
    /// A word for the kind of error, such as `refused`, `timeout` or `unauthorized`.
    #[schema(value_type = String)]
    pub kind: ErrorKind,
    /// The status of the provider's answer.
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

    #[test]
    fn the_counts_of_a_group_are_those_of_its_batches_added_up() {
        let one = Counts {
            total: 1,
            merged: 2,
            queued: 3,
            submitted: 4,
            delivered: 5,
            failed: 6,
            expired: 7,
            cancelled: 8,
            rejected: 9,
            validated: 10,
            conflict: 11,
        };
        let mut sum = one;
        sum.add(&one);
        let values = |counts: &Counts| match serde_json::to_value(counts).expect("JSON") {
            serde_json::Value::Object(fields) => fields.into_iter().map(|(_, value)| value.as_u64().expect("a count")).collect::<Vec<_>>(),
            other => unreachable!("{other}"),
        };
        assert_eq!(values(&sum), values(&one).iter().map(|value| 2 * value).collect::<Vec<_>>());
        assert_eq!((one.pending(), one.settled()), (7, 11));
    }

    #[test]
    fn a_batch_was_sent_at_the_later_of_its_submission_and_its_send_at() {
        let at = Timestamp::from_millis;
        assert_eq!(sent_at(Some(at(5)), Some(at(9)), at(1)), at(9));
        assert_eq!(sent_at(Some(at(5)), None, at(1)), at(5));
        assert_eq!(sent_at(None, None, at(1)), at(1));
    }
}
