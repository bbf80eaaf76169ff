//! The worker: which batch is asked about next, and when.
//!
//! A batch that was silent for a while is asked about, at growing intervals while the silence lasts. So is, soon, one of
//! which a callback could not be taken, and all open batches after any time in which none could be. One question at a
//! time, and never one right after another: the provider is not hammered, however many batches are open.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::deadline::Deadline;
use super::missed::Missed;
use super::pull::{ReconcileError, note_answer, pull};
use crate::clock::Clock;
use crate::domain::{BatchId, BatchState, ErrorKind, Identifier, LastError, PollAnswer, Timestamp, lifecycle};
use crate::pace::Pace;
use crate::provider::{CallError, Errand, Provider, Standing};
use crate::store::{Awaiting, Store, StoreError};

/// Between two questions.
const SPACING: Duration = Duration::from_secs(1);
/// An unconfirmed batch is asked about soon: people wait for it.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);
/// Between two questions about a batch of which callbacks cannot be taken.
const MISSED_AGAIN: Duration = Duration::from_secs(60);
/// The longest interval between two questions about one batch.
const LONGEST_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// The longest wait while the provider does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often it is looked whether receipts were missed, or a batch has come that has to be asked about.
const LOOK: Duration = Duration::from_secs(2);
/// A scheduled batch closer to its time than this may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(10 * 60);

/// When to ask.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Silence on a batch before the provider is asked (`reconcile.after`).
    pub after: Duration,
    /// From submission until what is pending expires (`reconcile.deadline`).
    pub deadline: Duration,
}

/// What a step did, and when the next makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The provider was asked about a batch; another may be due.
    Again,
    /// Nothing is due before so much time has gone by; look again then at the latest.
    Wait(Duration),
}

/// Asks the provider about batches that were silent for too long.
pub struct Reconciler {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    patience: Patience,
    missed: Missed,
    /// When a callback of these batches could not be taken, as far as they were not asked about since.
    missed_of: RefCell<BTreeMap<BatchId, Timestamp>>,
    /// What was not asked about since then is asked about now: receipts may have been lost before.
    gap_ended: Cell<Timestamp>,
    pace: Pace,
    deadline: Arc<Deadline>,
    /// When the scheduled batches are compared with those that the provider lists.
    compare_after: Cell<Duration>,
    /// How things stand with the provider.
    standing: Standing,
}

impl Reconciler {
    /// `missed`: the callbacks that could not be taken. A new one takes it that some were missed before.
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock, patience: Patience, missed: Missed) -> Self {
        let now = clock.now();
        let deadline = Arc::new(Deadline::new(clock.clone(), patience.deadline));
        let pace = Pace::new(clock.clone());
        Self {
            store,
            provider,
            clock,
            patience,
            missed,
            missed_of: RefCell::default(),
            gap_ended: Cell::new(now),
            pace,
            deadline,
            compare_after: Cell::new(Duration::ZERO),
            standing: Standing::default(),
        }
    }

    /// Reports there how its questions end.
    #[must_use]
    pub fn reporting_to(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// Shares this deadline, and what is known of the clock, with others who ask the provider.
    #[must_use]
    pub fn with_deadline(self, deadline: Arc<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// Asks about the one batch for which it is due most, if there is one and the time has come.
    ///
    /// # Errors
    /// When the store fails; nothing is lost by trying again.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        self.deadline.due(); // a clock that is set is noticed although nothing is due
        self.note_missed(now);
        // What cannot be written down is not asked for.
        if self.store.is_failing() {
            return Ok(Step::Wait(self.look()));
        }
        let wait = self.pace.left();
        if !wait.is_zero() {
            return Ok(Step::Wait(wait));
        }
        let open = self.store.awaiting().await?;
        let unanswered =
            |id: &BatchId, at: Timestamp| open.iter().any(|batch| batch.id == *id && batch.asked_at.is_none_or(|asked| asked < at));
        self.missed_of.borrow_mut().retain(|id, at| unanswered(id, *at));
        let Some((due, batch)) = open.iter().map(|batch| (self.due(batch, now), batch)).min_by_key(|(due, _)| *due) else {
            return Ok(Step::Wait(self.look()));
        };
        if due > now {
            if elapsed >= self.compare_after.get() {
                self.compare_after.set(elapsed + self.patience.after);
                self.compare_scheduled(&open, now).await?;
            }
            return Ok(Step::Wait(due.since(now).min(self.look())));
        }
        self.ask(batch).await?;
        Ok(Step::Again)
    }

    fn note_missed(&self, now: Timestamp) {
        let noted = self.missed.take();
        if noted.any || self.store.is_failing() {
            self.gap_ended.set(now);
        }
        self.missed_of.borrow_mut().extend(noted.batches.into_iter().map(|id| (id, now)));
    }

    /// A silence shorter than the usual look must be heard, too.
    fn look(&self) -> Duration {
        LOOK.min(self.patience.after)
    }

    /// Are the batches that wait for their time at the provider still waiting there?
    async fn compare_scheduled(&self, open: &[Awaiting], now: Timestamp) -> Result<(), StoreError> {
        let mut scheduled = Vec::new();
        for open in open.iter().filter(|open| !open.unconfirmed && open.sent_at > now.plus(ON_ITS_WAY)) {
            let found = self.store.change(open.id, |batch, _| (None, batch.names.answered.clone())).await?;
            scheduled.extend(found.filter(|(batch, _)| batch.state == BatchState::Scheduled));
        }
        if scheduled.is_empty() {
            return Ok(());
        }
        let pending = match self.provider.pending().await {
            Ok(pending) => pending,
            Err(error) => {
                log::info!("asked for the scheduled batches: {error}");
                return Ok(());
            }
        };
        for (batch, answered) in scheduled {
            // A receipt may have brought the name of another batch.
            let names = [Some(Identifier::Uuid(*batch.id.as_uuid())), answered.as_deref().map(Identifier::from)];
            let there = pending.iter().find(|there| names.iter().flatten().any(|name| *name == there.identifier));
            let detail = match (there.map(|there| there.at), batch.send_at) {
                (None, _) => "the provider does not list it among its scheduled batches: it was cancelled there, or sent already".into(),
                (Some(Some(at)), Some(wanted)) if at.since(wanted).max(wanted.since(at)) > ON_ITS_WAY => {
                    format!("the provider is going to send it at {at}, not at {wanted}")
                }
                _ => continue,
            };
            if batch.last_error.as_ref().is_none_or(|error| error.detail != detail) {
                log::error!("batch {}: {detail}", batch.id);
                let error = LastError { at: now, kind: ErrorKind::NotScheduled, status: None, detail };
                self.store.change(batch.id, move |batch, _| (Some(lifecycle::noted(batch, error.clone())), ())).await?;
            }
        }
        Ok(())
    }

    /// When the provider should be asked about a batch.
    fn due(&self, batch: &Awaiting, now: Timestamp) -> Timestamp {
        let Patience { after, deadline } = self.patience;
        // What was written down under a clock that was ahead says nothing.
        let [asked_at, answered_at] = [batch.asked_at, batch.answered_at].map(|at| at.filter(|at| *at <= now));
        let first = if batch.unconfirmed { UNCONFIRMED_AFTER.min(after) } else { after };
        let pause = first.saturating_mul(1 << batch.asks.min(20)).min(LONGEST_SILENCE.max(first));
        let regular = batch.silent_since.max(asked_at.unwrap_or(batch.silent_since)).plus(pause);
        let asked_since = |time| asked_at.is_some_and(|asked| asked >= time);
        // What has not been sent yet has no receipts to be missed.
        let gap = self.gap_ended.get();
        let after_a_gap = (!asked_since(gap) && batch.sent_at <= gap).then_some(gap);
        // However often callbacks of one batch are refused, the provider is asked about it no more often than that.
        let missed = self
            .missed_of
            .borrow()
            .get(&batch.id)
            .filter(|at| batch.sent_at <= **at)
            .map(|at| asked_at.map_or(*at, |asked| asked.plus(MISSED_AGAIN).max(*at)));
        let end = batch.sent_at.plus(deadline);
        let expires = (!batch.unconfirmed && answered_at.is_none_or(|answered| answered <= end)).then(|| {
            // Past its end it is asked again and again until there is an answer, in reasonable intervals.
            asked_at.filter(|asked| *asked > end).map_or(end, |asked| asked.plus(after.min(LONGEST_WAIT))).plus(Duration::from_millis(1))
        });
        [Some(regular), after_a_gap, missed, expires].into_iter().flatten().min().unwrap_or(regular)
    }

    async fn ask(&self, batch: &Awaiting) -> Result<(), StoreError> {
        let error = match pull(&self.store, &self.provider, batch.id, self.deadline.due()).await {
            Ok(_) => {
                self.standing.answered(Errand::Asking);
                self.pace.succeeded();
                self.pace.pause(SPACING);
                return Ok(());
            }
            // A store that is busy is not helped by megabytes fetched again every second.
            Err(ReconcileError::Store(error)) => {
                self.back_off();
                return Err(error);
            }
            Err(ReconcileError::Provider(error)) => self.of_the_batch_or_the_key(error).await,
        };
        log::info!("batch {}: asked about its receipts: {error}", batch.id);
        match &error {
            CallError::NotFound(_) => self.standing.answered(Errand::Asking),
            CallError::Unauthorized(_) => {
                self.standing.refused(Errand::Asking, "it refuses our questions about receipts: check provider.key_file".into());
            }
            error => self.standing.away(Errand::Asking, format!("asked about receipts, it gave no answer: {error}")),
        }
        match error {
            CallError::NotFound(_) => {
                // Long after it was sent, a provider that answers all else has forgotten the batch.
                let due = self.deadline.due();
                let over = !batch.unconfirmed && due.sent_before(None).is_some_and(|before| batch.sent_at < before);
                let (what, before) = match if over { self.provider.time().await.ok() } else { None } {
                    Some(there) => (PollAnswer::Gone, due.sent_before(there)),
                    None => (PollAnswer::Nothing, None),
                };
                self.pace.pause(SPACING);
                note_answer(&self.store, batch.id, what, before).await?;
            }
            // It may be this batch alone that it stumbles over: the others get their turn.
            CallError::Unclear(_) => {
                self.back_off();
                note_answer(&self.store, batch.id, PollAnswer::Nothing, None).await?;
            }
            CallError::Unreachable(_) | CallError::Unauthorized(_) => self.back_off(),
        }
        Ok(())
    }

    /// A 400 may mean either: `GET /batch` with the same key says it.
    async fn of_the_batch_or_the_key(&self, error: CallError) -> CallError {
        match error {
            CallError::Unclear(trouble) if trouble.status == Some(400) => match self.provider.pending().await {
                Err(refused @ CallError::Unauthorized(_)) => refused,
                _ => CallError::Unclear(trouble),
            },
            other => other,
        }
    }

    fn back_off(&self) {
        self.pace.failed(self.pace.doubled(SPACING, LONGEST_WAIT));
    }
}
