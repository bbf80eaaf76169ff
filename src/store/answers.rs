//! Answers of the store that are not types of the domain or of the API.

use std::path::PathBuf;

use crate::api;
use crate::domain::{Batch, BatchId, Content, Msisdn, Timestamp};

/// What the store found and did when it opened the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtOpening {
    /// Whether the file was created just now.
    pub created: bool,
    /// The number of batches whose submission was interrupted by the end of the last run. They are now unconfirmed.
    pub interrupted: u64,
    /// The number of queued batches held as unconfirmed because this may be an older copy, and the reason.
    pub held: Option<(u64, String)>,
    /// Whether the secrets of the callback tokens were lost, so that earlier callback URLs are invalid.
    pub secrets_lost: bool,
}

/// The result of restoring a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The path of the database.
    pub database: PathBuf,
    /// The new path of the previous database; its other files are beside it.
    pub kept: Option<PathBuf>,
    /// The number of batches that wait in the copy and will be held as unconfirmed.
    pub held: u64,
    /// The number of their destinations.
    pub numbers: u64,
    /// When the newest batch in the copy was accepted.
    pub newest: Option<Timestamp>,
}

/// The result of submitting a batch to the store.
#[derive(Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is now in the outbox.
    New(Batch),
    /// The same batch was accepted before; this is its current state.
    Same(Batch),
    /// Its id belongs to a batch with different content, which may have been pruned.
    Different,
    /// The same batch was accepted before and has been pruned since.
    Pruned,
}

/// A batch that is durably marked as submitting and may be sent once.
#[derive(Clone)]
pub struct Claimed {
    /// The id of the batch.
    pub id: BatchId,
    /// What to send.
    pub content: Content,
    /// The recipients.
    pub destinations: Vec<Msisdn>,
    /// Whether the provider may have it from an earlier attempt: if it refuses the batch now, the batch becomes
    /// unconfirmed again.
    pub doubtful: bool,
}

/// A submitted or unconfirmed batch, with the fields that decide when the provider is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaiting {
    /// The id of the batch.
    pub id: BatchId,
    /// Whether the batch is unconfirmed.
    pub unconfirmed: bool,
    /// When the silence began: at the submission (or creation), at the `send_at`, or with the last receipt.
    pub silent_since: Timestamp,
    /// When its deadline starts: at the submission, or at the `send_at` if that is later.
    pub sent_at: Timestamp,
    /// When the provider was last asked about it.
    pub asked_at: Option<Timestamp>,
    /// How often the provider was asked during this silence.
    pub asks: u32,
    /// When the provider last answered.
    pub answered_at: Option<Timestamp>,
}

/// The result of a request to erase a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// The number has been erased from the file.
    Done(api::Forgotten),
    /// The number is in this batch, which is still queued, and would then not be sent to it.
    StillQueued(BatchId),
    /// Nothing is known about the number.
    Unknown,
}
