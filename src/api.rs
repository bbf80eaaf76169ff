//! The JSON shapes of the REST API (docs/api.md): one definition, spoken by the daemon and by the client.
//!
//! [`Batch`], [`Counts`] and [`LastError`] are the domain's own and only shown again here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::domain::{
    Batch, BatchId, BatchState, Channel, Counts, DestinationState, Identifier, LastError, Msisdn, QuarantineState, ReceiptCode, Resolution,
    Timestamp,
};
use crate::domain::{Outcome, Source};

/// Items in a page where the caller does not say (`limit`).
pub const DEFAULT_LIMIT: u32 = 100;
/// Items in a page at most.
pub const MAX_LIMIT: u32 = 1000;

/// `POST /v1/batches`, as a client writes it. The daemon reads it field by field, and names every mistake.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Sender ID: a word or an owned number.
    pub from: String,
    /// The text.
    pub message: String,
    /// Numbers, with or without a plus.
    pub destinations: Vec<String>,
    /// Makes the request repeatable: the same id with the same content is the same batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BatchId>,
    /// The group it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<BatchId>,
    /// ISO 8601 with `Z` or an offset, at least 6 minutes ahead.
    #[schema(format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<String>,
    /// First channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Channels tried after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_channels: Vec<Channel>,
    /// A text of several parts is meant to be one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_multi: bool,
    /// The provider checks it and sends nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Your own word for it.
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
    /// The first of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub national_example: Option<NationalNumber>,
    /// How many different numbers go to each country, by its two letters (ISO 3166); `001` stands for worldwide services,
    /// `ZZ` for numbers that begin with no country's code.
    pub countries: std::collections::BTreeMap<String, u64>,
    /// Numbers that are impossible for their country, the first 100 of them. They are sent to anyway.
    pub doubtful: Vec<DoubtfulNumber>,
    /// How many more are doubtful.
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
    /// As it was written.
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
    /// Hand this in as `cursor` (for receipts: `after`) for the next page; null at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page, and the cursor of the next.
    pub fn of(items: Vec<T>, next: Option<i64>) -> Self {
        Self { items, next: next.map(|cursor| cursor.to_string()) }
    }
}

/// `GET /v1/groups/{id}`: its batches, oldest first, and their counts added up.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The group's id.
    pub id: BatchId,
    /// All counts added up.
    pub counts: Counts,
    /// Its batches.
    pub batches: Vec<Batch>,
    /// How many more of it were accepted once, and have been pruned.
    pub pruned: u64,
}

/// `GET /v1/ids`: an id that begins as asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KnownId {
    /// The id.
    pub id: BatchId,
    /// What it is the id of.
    pub kind: IdKind,
    /// The reference of the batch, or of the first batch of the group.
    pub reference: Option<String>,
    /// When that batch was accepted.
    pub created_at: Timestamp,
}

/// What an id is the id of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    /// A batch.
    Batch,
    /// A group of batches.
    Group,
}

/// One number of one batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// The number, or `forgotten`.
    pub destination: String,
    /// What became of it.
    pub state: DestinationState,
    /// Code of the deciding receipt, as it came.
    pub code: Option<ReceiptCode>,
    /// What the code means.
    pub description: Option<String>,
    /// `messageuuid` of the deciding receipt. Several messages may share one.
    #[schema(value_type = Option<String>)]
    pub message_id: Option<Identifier>,
    /// How many distinct receipts there are.
    pub receipts: u64,
    /// When the first one came.
    pub first_receipt_at: Option<Timestamp>,
    /// When the last one came.
    pub last_receipt_at: Option<Timestamp>,
    /// A failure came after a delivery.
    pub conflict: bool,
    /// Its receipts, where one destination alone was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub history: Option<Vec<Receipt>>,
}

/// One line of the receipt log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Strictly rising, never reused.
    pub id: i64,
    /// Our uuid of the batch.
    pub batch: BatchId,
    /// The number, or `forgotten`.
    pub destination: String,
    /// Delivered, or failed.
    pub delivered: bool,
    /// As it came.
    pub code: Option<ReceiptCode>,
    /// What the code means.
    pub description: Option<String>,
    /// `messageuuid`.
    #[schema(value_type = Option<String>)]
    pub message_id: Option<Identifier>,
    /// How it reached us.
    pub source: Source,
    /// What it did on arrival.
    pub outcome: Outcome,
    /// When it reached us: the provider tells no time.
    pub received_at: Timestamp,
}

/// `GET /v1/destinations/{number}`: everything known of a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberReport {
    /// The number.
    pub destination: String,
    /// What became of it in each batch, the newest batch first.
    pub items: Vec<NumberInBatch>,
    /// Receipts for it in batches that do not have it.
    pub unexpected: Vec<Receipt>,
    /// Cursor of the next page of `items`.
    pub next: Option<String>,
}

/// A destination, and the batch it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberInBatch {
    /// Our uuid of the batch.
    pub batch: BatchId,
    /// What became of the number there, with its receipts.
    #[serde(flatten)]
    pub destination: Destination,
}

/// `DELETE /v1/destinations/{number}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// In how many batches the number stood.
    pub batches: u64,
    /// How many receipts it had.
    pub receipts: u64,
}

/// The answer to a callback that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// New in the log.
    pub recorded: u64,
    /// Already there.
    pub duplicates: u64,
    /// Kept in the quarantine under these ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<i64>,
}

/// A callback that was authentic but not understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// Its id.
    pub id: i64,
    /// The uuid in the URL; the batch may be unknown.
    pub batch: BatchId,
    /// When it came.
    pub received_at: Timestamp,
    /// Why it was not understood.
    pub reason: String,
    /// How far it has come.
    pub state: QuarantineState,
    /// Length of the body.
    pub bytes: u64,
    /// The body, where one alone was asked for; bytes that are no text are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub body: Option<String>,
}

/// `GET /v1/stats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Batches by state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub batches: std::collections::BTreeMap<BatchState, u64>,
    /// Destinations by state, `total` and `conflict` among them.
    pub destinations: Counts,
    /// Receipts in the log.
    pub receipts: u64,
    /// Items in the quarantine by state.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub quarantine: std::collections::BTreeMap<QuarantineState, u64>,
    /// Nothing is handed to the provider.
    pub paused: bool,
}

/// A receipt code with its meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Code {
    /// As the provider lists it.
    pub code: ReceiptCode,
    /// What it means.
    pub description: String,
}

/// `POST /v1/pause` and `/v1/resume`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Nothing is handed to the provider.
    pub paused: bool,
}

/// `POST /v1/check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Nothing was found.
    pub ok: bool,
    /// What was found.
    pub problems: Vec<String>,
}

/// `POST /v1/rotate-secret`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// How many secrets callback tokens are accepted under now.
    pub accepted: usize,
}

/// `POST /v1/backup` asks with it, and is answered with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Absolute path of the copy, on the daemon's machine.
    pub file: String,
}

/// `POST /v1/prune`. A misspelt `dry_run` must not delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// Batches settled longer ago than this go, for instance `90d`.
    pub older_than: String,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What `prune` removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// Batches.
    pub batches: u64,
    /// Their destinations.
    pub destinations: u64,
    /// Their receipts.
    pub receipts: u64,
}

/// `POST /v1/batches/{id}/reconcile`: what asking the provider brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reconciled {
    /// New receipts.
    pub recorded: u64,
    /// Known already.
    pub duplicates: u64,
    /// Destinations of which the provider knows nothing yet.
    pub pending: u64,
}

/// `POST /v1/probe`: does the public URL lead back to the daemon, and does the provider answer it?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Probed {
    /// Does the public URL lead back to the daemon?
    pub public_url: Look,
    /// Does a callback arrive that is as large as `callback.max_body` allows? `null` where not even a small one does.
    pub largest_body: Option<Look>,
    /// Does the provider answer, and take the key?
    pub provider: Look,
    /// The provider's time less the daemon's, in seconds; `null` where it did not tell.
    pub provider_clock_ahead: Option<i64>,
    /// What traffic has taught about the provider.
    pub traffic: Traffic,
}

/// Habits of the provider that its documentation leaves open, as the newest thousand batches show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Batches that the provider has named, a thousand at most: those that were looked at.
    pub batches: u64,
    /// Those of them to which it gave another id than ours.
    pub renamed: u64,
    /// Those of which a receipt came before the answer to their submission.
    pub early: u64,
    /// Receipts that it posted more than once, since the daemon was started.
    pub repeated: u64,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Look {
    /// All is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// `GET /readyz`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Receipts can be recorded.
    pub ready: bool,
    /// Why they cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The kind of each of the `reasons`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reason_kinds: Vec<Condition>,
    /// What else is wrong, though receipts are taken.
    #[serde(default)]
    pub degraded: Vec<String>,
    /// The kind of each line of `degraded`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded_kinds: Vec<Condition>,
}

impl Readiness {
    /// From what is wrong: what keeps receipts from being recorded, and what else.
    pub fn new(reasons: Vec<(Condition, String)>, degraded: Vec<(Condition, String)>) -> Self {
        let ready = reasons.is_empty();
        let (reason_kinds, reasons) = reasons.into_iter().unzip();
        let (degraded_kinds, degraded) = degraded.into_iter().unzip();
        Self { ready, reasons, reason_kinds, degraded, degraded_kinds }
    }

    /// What else is wrong, each with its kind.
    pub fn degraded(&self) -> impl Iterator<Item = (Condition, &str)> {
        let kinds = self.degraded_kinds.iter().copied().chain(std::iter::repeat(Condition::Other));
        kinds.zip(self.degraded.iter().map(String::as_str))
    }
}

/// The kind of something that is wrong with the daemon, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Receipts cannot be recorded.
    Storage,
    /// The provider takes no batches, or nobody knows whether it does.
    Submitting,
    /// The provider does not answer questions about receipts.
    Asking,
    /// Nothing is handed to the provider.
    Paused,
    /// The provider may or may not have some batches: a person decides.
    Unconfirmed,
    /// The totals cannot be read.
    Totals,
    /// Callbacks that are not understood are refused.
    QuarantineFull,
    /// `public_url` does not reach this daemon.
    PublicUrl,
    /// One of a later version.
    #[serde(other)]
    Other,
}

/// An error as RFC 9457 has it, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI for the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This case in words, with the way out.
    pub detail: String,
    /// Fields of the request that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The batch that a failed commit may have stored all the same: repeat the request with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub batch: Option<BatchId>,
}

impl Problem {
    /// Whether it is about a batch that was accepted once, and has been pruned.
    pub fn is_pruned(&self) -> bool {
        self.kind.ends_with("/pruned")
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (`/destinations/3`), or the name of a query parameter.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldError {
    /// An error at a place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}
