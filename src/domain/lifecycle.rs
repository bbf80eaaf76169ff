//! The lifecycle of a batch: every change of its state, its times, and its counts of attempts and polls.
//!
//! Each rule takes a batch as it is and returns the changes to write as a [`Progress`], or none. Rules have no side
//! effects. The store reads the batch, calls the rule and writes its result in one transaction, and may call it again
//! if that fails.
//!
//! ```text
//!  queued ─claim─► submitting ─handed_over─► submitted (scheduled while `send_at` is ahead) ─► complete
//!    ▲                 │  └──────────────► rejected   validated (dry run)
//!    ├─ NotTaken ──────┤
//!    └─ resolve ── unconfirmed ◄── handed_over, interrupted, held
//! ```
//!
//! A batch that was once unconfirmed remains doubtful until the provider is known to have it: instead of being
//! cancelled or rejected it becomes unconfirmed again ([`Progress::moved`]). Only a person can give it up
//! ([`resolve`]).
//!
//! A submitted batch returns to `queued` only if the provider provably did not accept it, if nothing had been sent
//! ([`release`]), or if a person decides so ([`resolve`]). A receipt proves that the provider has the batch, whatever
//! we believed.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch::{Batch, LastError};
use super::error_kind::ErrorKind;
use super::receipt::Identifier;
use super::state::BatchState;
use super::timestamp::Timestamp;

#[cfg(test)]
mod tests;

/// A batch with everything that the rules depend on: the public fields, and those that only the rules need.
#[derive(Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The batch.
    pub batch: Batch,
    /// The number of receipts in the log, including those for numbers that are not in the batch.
    pub receipts: u64,
    /// When the last receipt was recorded.
    pub last_receipt_at: Option<Timestamp>,
    /// When and how often the provider was asked about the batch.
    pub polls: Polls,
    /// The provider's names for the batch.
    pub names: Names,
    /// Whether the provider may have the batch from an earlier attempt.
    pub doubtful: bool,
}

impl Deref for Tracked {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        &self.batch
    }
}

/// How often, and when, the provider was asked about a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polls {
    /// The number of polls since the last receipt before the last poll. [`in_silence`](Self::in_silence) gives the
    /// number since the last receipt.
    pub asks: u32,
    /// When the provider was last asked.
    pub asked_at: Option<Timestamp>,
    /// When the provider last answered.
    pub answered_at: Option<Timestamp>,
}

impl Polls {
    /// The number of polls since the last receipt.
    pub fn in_silence(self, last_receipt_at: Option<Timestamp>) -> u32 {
        if self.asked_at >= last_receipt_at { self.asks } else { 0 }
    }

    /// Counts one more poll.
    #[must_use]
    fn and_now(self, last_receipt_at: Option<Timestamp>, answered: bool, now: Timestamp) -> Self {
        Self {
            asks: self.in_silence(last_receipt_at).saturating_add(1),
            asked_at: Some(now),
            answered_at: if answered { Some(now) } else { self.answered_at },
        }
    }
}

/// The provider's names for a batch, and where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The name in an answer of the provider.
    pub answered: Option<String>,
    /// The name in a receipt, if no answer has named the batch. Anyone who knows the callback URL can send one, so this
    /// name is used to find receipts, but never to cancel a batch.
    pub learned: Option<String>,
}

impl Names {
    /// The name to display.
    pub fn shown(&self) -> Option<&str> {
        self.answered.as_deref().or(self.learned.as_deref())
    }
}

/// The stored fields of a batch that change during its lifecycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The state; never `scheduled`, which follows from `submitted` and `send_at`.
    pub state: BatchState,
    /// The provider's names for the batch.
    pub names: Names,
    /// Whether the provider may have the batch from an earlier attempt: it was unconfirmed once, and nothing more is
    /// known since.
    pub doubtful: bool,
    /// How many times the batch was submitted to the provider.
    pub attempts: u64,
    /// The last error.
    pub last_error: Option<LastError>,
    /// When the provider had the batch, as far as is known. Set once and never changed.
    pub submitted_at: Option<Timestamp>,
    /// When the batch was settled; set exactly while the state is settled.
    pub completed_at: Option<Timestamp>,
    /// When and how often the provider was asked about the batch.
    pub polls: Polls,
}

impl Progress {
    /// The current progress of a batch.
    pub fn of(batch: &Tracked) -> Self {
        Self {
            state: batch.state.stored(),
            names: batch.names.clone(),
            doubtful: batch.doubtful,
            attempts: batch.attempts,
            last_error: batch.last_error.clone(),
            submitted_at: batch.submitted_at,
            completed_at: batch.completed_at,
            polls: batch.polls,
        }
    }

    /// Changes the state, and the times that depend on it. Nothing else sets these times.
    ///
    /// A doubtful batch becomes unconfirmed instead of cancelled or rejected, because those states say that nobody
    /// received it.
    ///
    /// - `submitted_at` is the first time at which the batch is known to be with the provider, whether from an answer, a
    ///   receipt or a person. So a dry run that a person resolves as accepted has it too.
    /// - `completed_at` is the time at which the batch reached its current settled state. If late receipts complete a rejected
    ///   or cancelled batch, it is the time of that completion. Moving to the current state changes nothing: a complete
    ///   batch keeps its time when more receipts arrive.
    #[must_use]
    pub fn moved(self, to: BatchState, now: Timestamp) -> Self {
        let state = match to.stored() {
            BatchState::Cancelled | BatchState::Rejected if self.doubtful => BatchState::Unconfirmed,
            state => state,
        };
        if state == self.state {
            return self;
        }
        let is_with_provider = matches!(state, BatchState::Submitted | BatchState::Complete | BatchState::Validated);
        Self {
            state,
            doubtful: state == BatchState::Unconfirmed || (self.doubtful && !is_with_provider),
            submitted_at: self.submitted_at.or_else(|| is_with_provider.then_some(now)),
            completed_at: state.is_settled().then_some(now),
            ..self
        }
    }

    fn failed(self, error: LastError) -> Self {
        Self { last_error: Some(error), ..self }
    }
}

/// The result of a rule: the changes to write (`None`: no change), and the answer for the caller.
pub type Moved<T> = (Option<Progress>, T);

/// Takes a batch out of the outbox in order to submit it. If there is a reason not to (`refusal`), it rejects the batch
/// instead, or makes a doubtful one unconfirmed. Returns whether the batch is to be submitted.
pub fn claim(batch: &Tracked, refusal: Option<LastError>, now: Timestamp) -> Moved<bool> {
    if batch.state != BatchState::Queued {
        return (None, false);
    }
    let progress = Progress::of(batch);
    match refusal {
        Some(error) => (Some(progress.moved(BatchState::Rejected, now).failed(error)), false),
        None => (Some(Progress { attempts: progress.attempts + 1, ..progress.moved(BatchState::Submitting, now) }), true),
    }
}

/// Undoes a claim that had no effect: nothing of the batch was sent, and nothing will be.
pub fn release(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let progress = Progress::of(batch);
    (batch.state == BatchState::Submitting).then(|| Progress {
        attempts: progress.attempts.saturating_sub(1),
        ..progress.moved(unless_receipts_came(batch, BatchState::Queued), now)
    })
}

/// The state after a submission or an attempt at one. A receipt that arrived meanwhile proves that the provider has the
/// batch, whatever `state` says.
fn unless_receipts_came(batch: &Tracked, state: BatchState) -> BatchState {
    if batch.receipts > 0 { state.after_receipts(batch.counts.total, batch.counts.settled()) } else { state }
}

/// The result of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The provider has the batch, under this identifier.
    Accepted(Identifier),
    /// The provider provably did not accept it: the batch returns to the outbox.
    NotTaken(LastError),
    /// The provider refused it.
    Rejected(LastError),
    /// Unknown: a receipt, an answer to a question, or a person decides.
    Unconfirmed(LastError),
}

/// Applies the result of a submission.
pub fn handed_over(batch: &Tracked, how: Handover, now: Timestamp) -> Option<Progress> {
    if batch.state != BatchState::Submitting {
        return None;
    }
    let (state, name, error) = match how {
        Handover::Accepted(name) => (accepted(batch), Some(name), None),
        Handover::NotTaken(error) => (BatchState::Queued, None, Some(error)),
        Handover::Rejected(error) => (BatchState::Rejected, None, Some(error)),
        Handover::Unconfirmed(error) => (BatchState::Unconfirmed, None, Some(error)),
    };
    let progress = Progress::of(batch).moved(unless_receipts_came(batch, state), now);
    let names = Names { answered: name.map(|name| name.to_string()).or(progress.names.answered), ..progress.names };
    Some(Progress { names, last_error: error.or(progress.last_error), ..progress })
}

/// Marks a batch whose submission was interrupted by the end of the last run: it may have reached the provider.
pub fn interrupted(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let detail = "receiptd ended while this batch was being submitted: the provider may or may not have it";
    handed_over(batch, Handover::Unconfirmed(LastError { at: now, kind: ErrorKind::Interrupted, status: None, detail: detail.into() }), now)
}

/// Holds a queued batch of a database that may be an older copy (`why`): its original may have submitted the batch
/// since.
pub fn held(batch: &Tracked, why: &str, now: Timestamp) -> Option<Progress> {
    let detail = format!("this database may be an older copy ({why}): the batch may have been submitted already");
    let error = LastError { at: now, kind: ErrorKind::Held, status: None, detail };
    (batch.state == BatchState::Queued).then(|| Progress::of(batch).moved(BatchState::Unconfirmed, now).failed(error))
}

/// Applies what receipts have shown: that the provider has the batch (`is_proof`), and the provider's name for it
/// (`learned`), which is kept if nothing else has named it.
pub fn proved(batch: &Tracked, is_proof: bool, learned: Option<&Identifier>, now: Timestamp) -> Option<Progress> {
    let before = Progress::of(batch);
    let state = if is_proof { batch.state.after_receipts(batch.counts.total, batch.counts.settled()) } else { batch.state };
    let mut after = before.clone().moved(state, now);
    if after.names.shown().is_none() {
        after.names.learned = learned.map(ToString::to_string);
    }
    (after != before).then_some(after)
}

/// The result of asking the provider about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollAnswer {
    /// The provider has the batch, and the receipts in its answer have been recorded.
    Found,
    /// The provider answers, but not about this batch: asking again will bring nothing more.
    Gone,
    /// There was no clear answer, or the provider does not know the batch, which may still be in transit.
    Nothing,
}

/// Applies the result of asking the provider about a batch. An unconfirmed batch that the provider has becomes
/// submitted. After an answer, the pending destinations of a batch that was sent before `sent_before` expire.
pub fn polled(batch: &Tracked, answer: PollAnswer, sent_before: Option<Timestamp>, now: Timestamp) -> Progress {
    let answered = answer != PollAnswer::Nothing;
    let before = Progress::of(batch);
    let progress = Progress { polls: batch.polls.and_now(batch.last_receipt_at, answered, now), ..before };
    // This also applies to queued batches: a person may have put one back into the outbox, or the original of a
    // restored copy may have sent it.
    if answer == PollAnswer::Found && matches!(batch.state, BatchState::Unconfirmed | BatchState::Queued) {
        let mut progress = progress.moved(accepted(batch), now);
        if progress.names.shown().is_none() {
            progress.names.answered = Some(batch.id.to_string());
        }
        return progress;
    }
    if answered && is_overdue(batch, sent_before) { progress.moved(BatchState::Complete, now) } else { progress }
}

/// Whether receipts of the batch are no longer awaited: it was sent before `sent_before` (`None`: the time is unknown).
fn is_overdue(batch: &Tracked, sent_before: Option<Timestamp>) -> bool {
    batch.state == BatchState::Submitted && !batch.dry_run && sent_before.is_some_and(|before| batch.sent_at() < before)
}

/// Notes an error that changes nothing else.
pub fn noted(batch: &Tracked, error: LastError) -> Progress {
    Progress::of(batch).failed(error)
}

/// The result of a request to cancel a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The batch is cancelled; nothing of it had been sent.
    Done,
    /// The provider has the batch and will send it later, so the provider must be asked to cancel it, by the name in
    /// its answer; `None` if there is none.
    AtProvider(Option<Identifier>),
    /// The batch will not be sent again and is unconfirmed: the provider may have it from an earlier attempt.
    Doubtful,
    /// The batch can no longer be cancelled: it is in this state.
    TooLate(BatchState),
}

/// Cancels a queued batch. Otherwise, returns what must be done about the batch.
pub fn cancel(batch: &Tracked, now: Timestamp) -> Moved<Cancellation> {
    match batch.state {
        BatchState::Queued => {
            let what = if batch.doubtful { Cancellation::Doubtful } else { Cancellation::Done };
            (Some(Progress::of(batch).moved(BatchState::Cancelled, now)), what)
        }
        BatchState::Scheduled => (None, Cancellation::AtProvider(batch.names.answered.as_deref().map(Identifier::from))),
        state => (None, Cancellation::TooLate(state)),
    }
}

/// Marks a batch as cancelled by the provider, unless its state has changed meanwhile.
pub fn cancelled_at_provider(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let is_there = matches!(batch.state, BatchState::Scheduled | BatchState::Submitted);
    is_there.then(|| Progress::of(batch).moved(BatchState::Cancelled, now))
}

/// A decision about an unconfirmed batch (`POST /v1/batches/{id}/resolve`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// The provider has it: wait for receipts.
    Accepted,
    /// The provider does not have it: submit it again. The person who decides is responsible for that.
    Resubmit,
    /// Give up on it.
    Abandoned,
}

/// Applies a person's decision about an unconfirmed batch. Fails with the state of the batch if it is not unconfirmed.
pub fn resolve(batch: &Tracked, how: Resolution, now: Timestamp) -> Moved<Result<(), BatchState>> {
    if batch.state != BatchState::Unconfirmed {
        return (None, Err(batch.state));
    }
    let progress = Progress::of(batch);
    let progress = match how {
        Resolution::Accepted => progress.moved(accepted(batch), now),
        Resolution::Resubmit => progress.moved(BatchState::Queued, now),
        // The person who gives it up is responsible: it is cancelled despite any doubt.
        Resolution::Abandoned => Progress { doubtful: false, ..progress }.moved(BatchState::Cancelled, now),
    };
    (Some(progress), Ok(()))
}

/// The state of a batch that the provider has. A dry run has no receipts to wait for.
fn accepted(batch: &Batch) -> BatchState {
    if batch.dry_run { BatchState::Validated } else { BatchState::Submitted.completed(batch.counts.total, batch.counts.settled()) }
}

/// Whether the batch was settled before this time, so that retention applies to it.
pub fn is_due(batch: &Batch, settled_before: Timestamp) -> bool {
    batch.completed_at.is_some_and(|at| at < settled_before)
}
