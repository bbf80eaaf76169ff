//! The JSON types of the REST API (docs/api.md), used by both the daemon and the client.
//!
//! [`Batch`], [`Counts`] and [`LastError`] are domain types, re-exported here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::domain::{
    Batch, BatchId, BatchState, Channel, Counts, DestinationState, Identifier, LastError, Msisdn, QuarantineState, ReceiptCode, Resolution,
    Timestamp,
};
use crate::domain::{Outcome, Source};

/// The page size when a request has no `limit`.
pub const DEFAULT_LIMIT: u32 = 100;
/// The largest page size.
pub const MAX_LIMIT: u32 = 1000;

/// The body of `POST /v1/batches`, as a client writes it. The daemon reads it field by field and reports every mistake.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Sender ID: an alphanumeric name or a number that the account owns.
    pub from: String,
    /// The text of the message.
    pub message: String,
    /// Phone numbers, with or without a plus.
    pub destinations: Vec<String>,
    /// A UUID that you choose. It makes the request repeatable: the same id with the same content is the same batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BatchId>,
    /// The group that the batch belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<BatchId>,
    /// When to send: ISO 8601 with `Z` or an offset, at least 6 minutes ahead.
    #[schema(format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<String>,
    /// The channel to try first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The channels to try after it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_channels: Vec<Channel>,
    /// Allow a text that needs several SMS parts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_multi: bool,
    /// Have the provider validate the batch without sending it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Your own reference, for finding the batch later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Refuse numbers that are impossible for their country, instead of listing them as doubtful.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

/// The answer to `POST /v1/batches`: the batch, and how its numbers were read.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The batch.
    #[serde(flatten)]
    pub batch: Batch,
    /// How the numbers of this request were read.
    pub numbers: Numbers,
}

/// How the numbers of a request were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Numbers {
    /// How many were read as national numbers of `provider.default_region`, repetitions included.
    pub national: u64,
    /// The first number that was read as a national one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub national_example: Option<NationalNumber>,
    /// How many distinct numbers go to each country, by its two-letter code (ISO 3166). `001` stands for worldwide
    /// services, `ZZ` for numbers without a known country code.
    pub countries: std::collections::BTreeMap<String, u64>,
    /// The first 100 numbers that are impossible for their country. They are sent to anyway.
    pub doubtful: Vec<DoubtfulNumber>,
    /// How many more numbers are doubtful.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_doubtful: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A number that was read as a national one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NationalNumber {
    /// The number as it was written.
    pub written: String,
    /// The number it was read as.
    #[schema(value_type = String)]
    pub number: Msisdn,
}

/// A number that is impossible for its country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoubtfulNumber {
    /// JSON pointer into the body (`/destinations/3`).
    pub pointer: String,
    /// The number it was read as.
    #[schema(value_type = String)]
    pub number: Msisdn,
    /// What is wrong with it.
    pub detail: String,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass this as `cursor` (for receipts: `after`) to get the next page; null at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page with the cursor of the next one.
    pub fn of(items: Vec<T>, next: Option<i64>) -> Self {
        Self { items, next: next.map(|cursor| cursor.to_string()) }
    }
}

/// The answer to `GET /v1/groups/{id}`: the batches of a group, oldest first, and the sums of their counts.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The group's id.
    pub id: BatchId,
    /// The sums of the counts of all its batches.
    pub counts: Counts,
    /// The batches, oldest first.
    pub batches: Vec<Batch>,
    /// How many batches of the group were accepted once and have been pruned since.
    pub pruned: u64,
}

/// An item of `GET /v1/ids`: an id with the requested prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KnownId {
    /// The id.
    pub id: BatchId,
    /// Whether it identifies a batch or a group.
    pub kind: IdKind,
    /// The reference of the batch, or of the first batch of the group.
    pub reference: Option<String>,
    /// When that batch was accepted.
    pub created_at: Timestamp,
}

/// What an id identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    /// A batch.
    Batch,
    /// A group of batches.
    Group,
}

/// One number in one batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// The number, or `forgotten` if it was erased.
    pub destination: String,
    /// What happened to the message.
    pub state: DestinationState,
    /// The code of the receipt that decided the state, as it arrived.
    pub code: Option<ReceiptCode>,
    /// What the code means.
    pub description: Option<String>,
    /// The `messageuuid` of the receipt that decided the state. Several messages may share one.
    #[schema(value_type = Option<String>)]
    pub message_id: Option<Identifier>,
    /// How many distinct receipts arrived.
    pub receipts: u64,
    /// When the first receipt arrived.
    pub first_receipt_at: Option<Timestamp>,
    /// When the last receipt arrived.
    pub last_receipt_at: Option<Timestamp>,
    /// Whether a failure arrived after a delivery.
    pub conflict: bool,
    /// All its receipts; present only when a single destination was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub history: Option<Vec<Receipt>>,
}

/// One entry of the receipt log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Increases with every receipt, and is never reused.
    pub id: i64,
    /// The id of the batch.
    pub batch: BatchId,
    /// The number, or `forgotten` if it was erased.
    pub destination: String,
    /// Whether the message was delivered; otherwise it failed.
    pub delivered: bool,
    /// The receipt code, as it arrived.
    pub code: Option<ReceiptCode>,
    /// What the code means.
    pub description: Option<String>,
    /// The provider's `messageuuid`.
    #[schema(value_type = Option<String>)]
    pub message_id: Option<Identifier>,
    /// How the receipt reached the daemon.
    pub source: Source,
    /// The effect of the receipt when it arrived.
    pub outcome: Outcome,
    /// When the receipt reached the daemon: the provider sends no time.
    pub received_at: Timestamp,
}

/// The answer to `GET /v1/destinations/{number}`: everything known about a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberReport {
    /// The number.
    pub destination: String,
    /// What happened to it in each batch, newest batch first.
    pub items: Vec<NumberInBatch>,
    /// Receipts for it in batches that do not contain it.
    pub unexpected: Vec<Receipt>,
    /// The cursor of the next page of `items`; null at the end.
    pub next: Option<String>,
}

/// A destination and the batch it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberInBatch {
    /// The id of the batch.
    pub batch: BatchId,
    /// What happened to the number in that batch, with its receipts.
    #[serde(flatten)]
    pub destination: Destination,
}

/// The answer to `DELETE /v1/destinations/{number}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// How many batches contained the number.
    pub batches: u64,
    /// How many receipts were for the number.
    pub receipts: u64,
}

/// The answer to a callback that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// Receipts that are new in the log.
    pub recorded: u64,
    /// Receipts that were already in the log.
    pub duplicates: u64,
    /// The ids of quarantined items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<i64>,
}

/// A callback with a valid token that could not be understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// The id of the quarantined callback.
    pub id: i64,
    /// The batch id in the URL; the batch may be unknown.
    pub batch: BatchId,
    /// When the callback arrived.
    pub received_at: Timestamp,
    /// Why it could not be understood.
    pub reason: String,
    /// Whether it is waiting, or was replayed or dropped.
    pub state: QuarantineState,
    /// The length of the body in bytes.
    pub bytes: u64,
    /// The body; present only when a single item was requested. Bytes that are not UTF-8 are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub body: Option<String>,
}

/// The answer to `GET /v1/stats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// The number of batches in each state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub batches: std::collections::BTreeMap<BatchState, u64>,
    /// The number of destinations in each state, with `total` and `conflict`.
    pub destinations: Counts,
    /// The number of receipts in the log.
    pub receipts: u64,
    /// The number of quarantined callbacks in each state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub quarantine: std::collections::BTreeMap<QuarantineState, u64>,
    /// Whether sending is paused.
    pub paused: bool,
}

/// A receipt code with its meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Code {
    /// The code as the provider lists it.
    pub code: ReceiptCode,
    /// The provider's description of it.
    pub description: String,
}

/// The answer to `POST /v1/pause` and `POST /v1/resume`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Whether sending is paused.
    pub paused: bool,
}

/// The answer to `POST /v1/check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Whether no problem was found.
    pub ok: bool,
    /// The problems found.
    pub problems: Vec<String>,
}

/// The answer to `POST /v1/rotate-secret`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// How many secrets are now accepted in callback URLs.
    pub accepted: usize,
}

/// The body of `POST /v1/backup`, and the answer to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// The absolute path of the copy, on the daemon's machine.
    pub file: String,
}

/// The body of `POST /v1/prune`. Unknown fields are refused, so that a misspelt `dry_run` cannot delete anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// Delete batches that were settled longer ago than this, for instance `90d`.
    pub older_than: String,
    /// Report what would be deleted, and delete nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What pruning deleted, or would delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// Deleted batches.
    pub batches: u64,
    /// Deleted destinations.
    pub destinations: u64,
    /// Deleted receipts.
    pub receipts: u64,
}

/// The answer to `POST /v1/batches/{id}/reconcile`: what asking the provider brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reconciled {
    /// Receipts that are new in the log.
    pub recorded: u64,
    /// Receipts that were already in the log.
    pub duplicates: u64,
    /// Destinations that are still pending at the provider.
    pub pending: u64,
}

/// The answer to `POST /v1/probe`: whether the public URL reaches the daemon, and whether the provider answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probed {
    /// Where the daemon's database is.
    pub database: String,
    /// Whether the public URL reaches the daemon.
    pub public_url: Look,
    /// Whether a callback of the size `callback.max_body` arrives; `null` if not even a small one does.
    pub largest_body: Option<Look>,
    /// Whether the provider answers and accepts the key.
    pub provider: Look,
    /// The provider's time minus the daemon's, in seconds; `null` if the provider sent no time.
    pub provider_clock_ahead: Option<i64>,
    /// What the traffic so far shows about the provider.
    pub traffic: Traffic,
}

/// Behaviour that the provider's documentation leaves open, as seen in the newest 1,000 batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// How many batches were examined: the newest ones to which the provider gave an identifier, at most 1,000.
    pub batches: u64,
    /// How many of them got an identifier other than the id that was sent.
    pub renamed: u64,
    /// How many of them had a receipt before the answer to their submission.
    pub early: u64,
    /// How many receipts were posted more than once since the daemon started.
    pub repeated: u64,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Look {
    /// Whether the check passed.
    pub ok: bool,
    /// What the check found.
    pub detail: String,
}

/// The answer to `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether receipts can be recorded.
    pub ready: bool,
    /// Why receipts cannot be recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The kind of each of the `reasons`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reason_kinds: Vec<Condition>,
    /// What else is wrong while receipts are being recorded.
    #[serde(default)]
    pub degraded: Vec<String>,
    /// The kind of each entry of `degraded`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded_kinds: Vec<Condition>,
}

impl Readiness {
    /// Builds the answer from what prevents recording receipts and from what else is wrong.
    pub fn new(reasons: Vec<(Condition, String)>, degraded: Vec<(Condition, String)>) -> Self {
        let ready = reasons.is_empty();
        let (reason_kinds, reasons) = reasons.into_iter().unzip();
        let (degraded_kinds, degraded) = degraded.into_iter().unzip();
        Self { ready, reasons, reason_kinds, degraded, degraded_kinds }
    }

    /// What else is wrong, each entry with its kind.
    pub fn degraded(&self) -> impl Iterator<Item = (Condition, &str)> {
        let kinds = self.degraded_kinds.iter().copied().chain(std::iter::repeat(Condition::Other));
        kinds.zip(self.degraded.iter().map(String::as_str))
    }
}

/// A machine-readable kind of problem with the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Receipts cannot be recorded.
    Storage,
    /// The provider does not accept batches, or it is unknown whether it does.
    Submitting,
    /// The provider does not answer questions about receipts.
    Asking,
    /// Sending is paused.
    Paused,
    /// The provider may or may not have some batches, and a person has to decide.
    Unconfirmed,
    /// The totals cannot be read.
    Totals,
    /// The quarantine is full, so callbacks that cannot be understood are refused.
    QuarantineFull,
    /// `public_url` does not reach this daemon.
    PublicUrl,
    /// A kind that only a later version knows.
    #[serde(other)]
    Other,
}

/// An error in the format of RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this case, and what to do about it.
    pub detail: String,
    /// The fields of the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The batch that may have been stored although the commit failed: repeat the request with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub batch: Option<BatchId>,
}

impl Problem {
    /// Whether the problem is about a batch that was accepted once and has been pruned since.
    pub fn is_pruned(&self) -> bool {
        self.kind.ends_with("/pruned")
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// A JSON pointer into the body (`/destinations/3`), or the name of a query parameter.
    pub pointer: String,
    /// What is wrong, and what would be accepted.
    pub detail: String,
}

impl FieldError {
    /// An error in the field at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}
