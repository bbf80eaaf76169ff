//! How a batch moves: every change of its state, its times and its counters of attempts and polls.
//!
//! Each rule looks at a batch as it is and answers with what is to be written, [`Progress`], or that nothing is. No rule
//! reads or writes anything; whoever stores batches reads the batch, calls the rule and writes its answer in one
//! transaction, and may call it again if that fails.
//!
//! ```text
//!  queued ─claim─► submitting ─handed_over─► submitted (scheduled while `send_at` is ahead) ─► complete
//!    ▲                 │  └──────────────► rejected   validated (dry run)
//!    ├─ NotTaken ──────┤
//!    └─ resolve ── unconfirmed ◄── handed_over, interrupted, held
//! ```
//!
//! A batch that was unconfirmed once stays doubtful until the provider is known to have it: what would cancel or reject it
//! makes it unconfirmed again ([`Progress::moved`]). Only a person gives it up ([`resolve`]).
//!
//! What was handed over goes back to `queued` only where the provider provably did not take it, where nothing of it
//! had left ([`release`]), or where a person says so ([`resolve`]). A receipt proves that the provider has the batch,
//! whatever we believed.

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

/// A batch with all that the rules decide by: what everybody sees of it, and what only the rules need.
#[derive(Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The batch.
    pub batch: Batch,
    /// Receipts in the log, also those for numbers that it does not have.
    pub receipts: u64,
    /// When the last of them was recorded.
    pub last_receipt_at: Option<Timestamp>,
    /// What is known of asking the provider about it.
    pub polls: Polls,
    /// What the provider calls it.
    pub names: Names,
    /// The provider may have it from an earlier attempt.
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
    /// How often since the receipt that came before the last question; [`in_silence`](Self::in_silence) says how often
    /// since the last receipt.
    pub asks: u32,
    /// When it was asked last.
    pub asked_at: Option<Timestamp>,
    /// When it answered last.
    pub answered_at: Option<Timestamp>,
}

impl Polls {
    /// How often it was asked since the last receipt.
    pub fn in_silence(self, last_receipt_at: Option<Timestamp>) -> u32 {
        if self.asked_at >= last_receipt_at { self.asks } else { 0 }
    }

    /// Asked once more.
    #[must_use]
    fn and_now(self, last_receipt_at: Option<Timestamp>, answered: bool, now: Timestamp) -> Self {
        Self {
            asks: self.in_silence(last_receipt_at).saturating_add(1),
            asked_at: Some(now),
            answered_at: if answered { Some(now) } else { self.answered_at },
        }
    }
}

/// What the provider calls a batch, and who says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The provider's own answer.
    pub answered: Option<String>,
    /// A receipt, while no answer had named it. Whoever knows the callback URL can write one: so this name may find receipts,
    /// and nothing is cancelled by it.
    pub learned: Option<String>,
}

impl Names {
    /// The name that is shown.
    pub fn shown(&self) -> Option<&str> {
        self.answered.as_deref().or(self.learned.as_deref())
    }
}

/// What of a batch changes while it moves, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Never `scheduled`, which follows from `submitted` and `send_at`.
    pub state: BatchState,
    /// What the provider calls it.
    pub names: Names,
    /// The provider may have it from an earlier attempt: it was unconfirmed once, and nobody knows more since.
    pub doubtful: bool,
    /// How many times it was handed to the provider.
    pub attempts: u64,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// When the provider had it, as far as we know. Set once and never changed.
    pub submitted_at: Option<Timestamp>,
    /// When its last destination became final; set where the state is settled, and only there.
    pub completed_at: Option<Timestamp>,
    /// What is known of asking the provider about it.
    pub polls: Polls,
}

impl Progress {
    /// How far a batch has come.
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

    /// Moves on to a state, with the times that go with it. Nothing else sets them.
    ///
    /// A doubtful batch is neither cancelled nor rejected, which would say that nobody got it: it is unconfirmed instead.
    ///
    /// - `submitted_at` is the first time that the batch is known to be with the provider, in whatever way that became
    ///   known: an answer, a receipt, or a person. So a dry run that a person resolves as accepted has it, too.
    /// - `completed_at` is the time at which the batch became settled as it is now: a batch that was rejected or
    ///   cancelled, and that late receipts complete, was completed by them. A move to the state that it is in changes
    ///   nothing: a complete batch keeps its time when more receipts come.
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

/// What a rule answers: what is to be written (`None`: nothing), and what whoever asked is told.
pub type Moved<T> = (Option<Progress>, T);

/// Takes a batch out of the outbox to hand it over, or rejects it where there is a reason not to (`refusal`); a doubtful one
/// is unconfirmed then.
/// Says whether it is handed over.
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

/// Undoes a claim of which nobody knows: nothing of the batch has left, and nothing of it ever will.
pub fn release(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let progress = Progress::of(batch);
    (batch.state == BatchState::Submitting).then(|| Progress {
        attempts: progress.attempts.saturating_sub(1),
        ..progress.moved(unless_receipts_came(batch, BatchState::Queued), now)
    })
}

/// The state after handing a batch over, or after an attempt to: a receipt that came meanwhile proves that the provider
/// has it, whatever else is said.
fn unless_receipts_came(batch: &Tracked, state: BatchState) -> BatchState {
    if batch.receipts > 0 { state.after_receipts(batch.counts.total, batch.counts.settled()) } else { state }
}

/// How handing a batch over ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The provider has it, and calls it so.
    Accepted(Identifier),
    /// It provably was not taken: it goes back into the outbox.
    NotTaken(LastError),
    /// The provider refused it.
    Rejected(LastError),
    /// Nobody knows: a receipt, a question that is answered, or a person decides.
    Unconfirmed(LastError),
}

/// Handing it over has ended.
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

/// The last run ended while the batch was being handed over: it may have reached the provider.
pub fn interrupted(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let detail = "receiptd ended while this batch was being submitted: the provider may or may not have it";
    handed_over(batch, Handover::Unconfirmed(LastError { at: now, kind: ErrorKind::Interrupted, status: None, detail: detail.into() }), now)
}

/// The batch is queued in what may be an older copy of the database (`why`): its original may have submitted it since.
pub fn held(batch: &Tracked, why: &str, now: Timestamp) -> Option<Progress> {
    let detail = format!("this database may be an older copy ({why}): the batch may have been submitted already");
    let error = LastError { at: now, kind: ErrorKind::Held, status: None, detail };
    (batch.state == BatchState::Queued).then(|| Progress::of(batch).moved(BatchState::Unconfirmed, now).failed(error))
}

/// Receipts came that only a provider which has the batch can have sent (`is_proof`), or that told how the provider calls
/// it (`learned`), which is kept where nothing else has named it.
pub fn proved(batch: &Tracked, is_proof: bool, learned: Option<&Identifier>, now: Timestamp) -> Option<Progress> {
    let before = Progress::of(batch);
    let state = if is_proof { batch.state.after_receipts(batch.counts.total, batch.counts.settled()) } else { batch.state };
    let mut after = before.clone().moved(state, now);
    if after.names.shown().is_none() {
        after.names.learned = learned.map(ToString::to_string);
    }
    (after != before).then_some(after)
}

/// What came of asking the provider about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollAnswer {
    /// It has the batch; what it told of receipts is recorded.
    Found,
    /// It answers, but not about this batch: nothing more will come of asking.
    Gone,
    /// It gave no clear answer, or said that it does not know the batch, which may only be on its way.
    Nothing,
}

/// The provider was asked about a batch: one that it may or may not have, and has, is submitted; after an answer, what is
/// still pending of a batch that was sent before `sent_before` has expired.
pub fn polled(batch: &Tracked, answer: PollAnswer, sent_before: Option<Timestamp>, now: Timestamp) -> Progress {
    let answered = answer != PollAnswer::Nothing;
    let before = Progress::of(batch);
    let progress = Progress { polls: batch.polls.and_now(batch.last_receipt_at, answered, now), ..before };
    // A queued one, too: a person may have put it back into the outbox, or the original of a restored copy sent it.
    if answer == PollAnswer::Found && matches!(batch.state, BatchState::Unconfirmed | BatchState::Queued) {
        let mut progress = progress.moved(accepted(batch), now);
        if progress.names.shown().is_none() {
            progress.names.answered = Some(batch.id.to_string());
        }
        return progress;
    }
    if answered && is_overdue(batch, sent_before) { progress.moved(BatchState::Complete, now) } else { progress }
}

/// Whether receipts of a batch are awaited no longer: it was sent before `sent_before` (`None`: nobody knows what time it is).
fn is_overdue(batch: &Tracked, sent_before: Option<Timestamp>) -> bool {
    batch.state == BatchState::Submitted && !batch.dry_run && sent_before.is_some_and(|before| batch.sent_at() < before)
}

/// Something went wrong with a batch that changes nothing else.
pub fn noted(batch: &Tracked, error: LastError) -> Progress {
    Progress::of(batch).failed(error)
}

/// What became of the wish to cancel a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It is cancelled; nothing of it had left.
    Done,
    /// The provider has it and sends it later: the provider must be asked, by the name in its answer; `None`: none is known.
    AtProvider(Option<Identifier>),
    /// It is not sent again, and unconfirmed once more: the provider may have it from an earlier attempt.
    Doubtful,
    /// It can no longer be cancelled: it is in this state.
    TooLate(BatchState),
}

/// Cancels a batch that is queued, unless it is doubtful; says what is to be done about one that is not queued.
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

/// The provider has cancelled it, unless it became something else meanwhile.
pub fn cancelled_at_provider(batch: &Tracked, now: Timestamp) -> Option<Progress> {
    let is_there = matches!(batch.state, BatchState::Scheduled | BatchState::Submitted);
    is_there.then(|| Progress::of(batch).moved(BatchState::Cancelled, now))
}

/// A decision about an unconfirmed batch (`POST /v1/batches/{id}/resolve`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// The provider has it: await receipts.
    Accepted,
    /// The provider does not have it: hand it over again. A person answers for that.
    Resubmit,
    /// Give it up.
    Abandoned,
}

/// Decides an unconfirmed batch, as a person says. `Err`: there is nothing to decide, it is in this state.
pub fn resolve(batch: &Tracked, how: Resolution, now: Timestamp) -> Moved<Result<(), BatchState>> {
    if batch.state != BatchState::Unconfirmed {
        return (None, Err(batch.state));
    }
    let progress = Progress::of(batch);
    let progress = match how {
        Resolution::Accepted => progress.moved(accepted(batch), now),
        Resolution::Resubmit => progress.moved(BatchState::Queued, now),
        // Who gives it up answers for that: it is cancelled in spite of all doubt.
        Resolution::Abandoned => Progress { doubtful: false, ..progress }.moved(BatchState::Cancelled, now),
    };
    (Some(progress), Ok(()))
}

/// Where a batch is that the provider has: of a dry run no receipt is awaited.
fn accepted(batch: &Batch) -> BatchState {
    if batch.dry_run { BatchState::Validated } else { BatchState::Submitted.completed(batch.counts.total, batch.counts.settled()) }
}

/// Whether a batch was settled before this time, so that retention applies to it.
pub fn is_due(batch: &Batch, settled_before: Timestamp) -> bool {
    batch.completed_at.is_some_and(|at| at < settled_before)
}
