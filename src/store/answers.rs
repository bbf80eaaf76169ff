//! What the store answers, where it is more than a type of the domain or of the API.

use std::path::PathBuf;

use crate::api;
use crate::domain::{Batch, BatchId, Content, Msisdn, Timestamp};

/// What was found on opening, for the log and for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtOpening {
    /// The file was made just now.
    pub created: bool,
    /// Batches that were being submitted when the last run ended: unconfirmed now.
    pub interrupted: u64,
    /// Batches held as unconfirmed because this may be an older copy, and why.
    pub held: Option<(u64, String)>,
    /// The secrets of the callback tokens were lost: URLs given out so far lead nowhere.
    pub secrets_lost: bool,
}

/// A database in whose place a copy was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// Where the database is now that was there before, with all that belongs to it beside it.
    pub kept: Option<PathBuf>,
    /// Batches that wait in the copy: they will be held as unconfirmed.
    pub held: u64,
    /// Their numbers.
    pub numbers: u64,
    /// When the newest batch of the copy was accepted.
    pub newest: Option<Timestamp>,
}

/// What became of a batch that was handed in.
#[derive(Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the outbox now.
    New(Batch),
    /// The same was handed in before: this is how far it has come.
    Same(Batch),
    /// Its id belongs to a batch with other content, which may have been pruned.
    Different,
    /// The same was handed in before, and has been pruned.
    Pruned,
}

/// A batch that is marked as submitting, durably: it may be handed over once.
#[derive(Clone)]
pub struct Claimed {
    /// Its id.
    pub id: BatchId,
    /// What to send.
    pub content: Content,
    /// To whom.
    pub destinations: Vec<Msisdn>,
    /// The provider may have it from an earlier attempt: if it refuses it now, it is unconfirmed again.
    pub doubtful: bool,
}

/// A batch that is submitted or unconfirmed, with what decides when it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaiting {
    /// Its id.
    pub id: BatchId,
    /// The provider may or may not have it.
    pub unconfirmed: bool,
    /// When the silence began: at its submission (or creation), at its `send_at`, or with its last receipt.
    pub silent_since: Timestamp,
    /// From here its deadline counts: submission, or `send_at` if that is later.
    pub sent_at: Timestamp,
    /// When the provider was asked about it last.
    pub asked_at: Option<Timestamp>,
    /// How often it was asked in this silence.
    pub asks: u32,
    /// When the provider answered last.
    pub answered_at: Option<Timestamp>,
}

/// What became of the wish to forget a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// It is nowhere in the file any more.
    Done(api::Forgotten),
    /// It waits in the outbox, in this batch: it would not be sent to.
    StillQueued(BatchId),
    /// Nothing is known of it.
    Unknown,
}
