//! The worker, which decides which batch to ask about next, and when.
//!
//! It asks about a batch that has been silent for a while, at growing intervals while the silence lasts. It soon asks
//! about a batch whose callback could not be recorded, and about all open batches after any time in which none could.
//! It sends one request at a time, with a pause after each, so that the provider is not overloaded, however many
//! batches are open.

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

/// The pause between two requests.
const SPACING: Duration = Duration::from_secs(1);
/// An unconfirmed batch is asked about soon, because people wait for it.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);
/// The interval for asking about a batch whose callbacks cannot be recorded.
const MISSED_AGAIN: Duration = Duration::from_secs(60);
/// The longest interval between two requests about one batch.
const LONGEST_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// The longest delay while the provider does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often to check for missed receipts, and for batches to ask about.
const LOOK: Duration = Duration::from_secs(2);
/// A scheduled batch closer to its send time than this may be being sent.
const ON_ITS_WAY: Duration = Duration::from_secs(10 * 60);

/// The settings for when to ask.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a batch must be silent before the provider is asked (`reconcile.after`).
    pub after: Duration,
    /// The time from submission to expiry (`reconcile.deadline`).
    pub deadline: Duration,
}

/// What a step did, and when the next one makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The provider was asked about a batch; another one may be due.
    Again,
    /// Nothing is due before this time has passed; check again then at the latest.
    Wait(Duration),
}

/// Asks the provider about batches that have been silent for too long.
pub struct Reconciler {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    patience: Patience,
    missed: Missed,
    /// When a callback of these batches could not be recorded, if they have not been asked about since.
    missed_of: RefCell<BTreeMap<BatchId, Timestamp>>,
    /// Batches that have not been asked about since this time are due: receipts before it may have been lost.
    gap_ended: Cell<Timestamp>,
    pace: Pace,
    deadline: Arc<Deadline>,
    /// When the scheduled batches are next compared with the provider's list.
    compare_after: Cell<Duration>,
    /// The state of the connection to the provider.
    standing: Standing,
}

impl Reconciler {
    /// Creates a worker that assumes that some callbacks were missed before. `missed` are the callbacks that could not
    /// be recorded.
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

    /// Reports the results of its requests to `standing`.
    #[must_use]
    pub fn reporting_to(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// Shares this deadline, and its knowledge of the clock, with other users of the provider.
    #[must_use]
    pub fn with_deadline(self, deadline: Arc<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// Asks about the batch that is most overdue, if there is one and the time has come.
    ///
    /// # Errors
    /// If the store fails; trying again loses nothing.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        self.deadline.due(); // notices a clock change even if nothing is due
        self.note_missed(now);
        // While nothing can be stored, nothing is asked for.
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

    /// The interval for checking, shorter if a batch may be silent only for a shorter time.
    fn look(&self) -> Duration {
        LOOK.min(self.patience.after)
    }

    /// Checks that the provider still lists the scheduled batches.
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
                log::info!("cannot fetch the scheduled batches: {error}");
                return Ok(());
            }
        };
        for (batch, answered) in scheduled {
            // The name in a receipt may be that of another batch.
            let names = [Some(Identifier::Uuid(*batch.id.as_uuid())), answered.as_deref().map(Identifier::from)];
            let there = pending.iter().find(|there| names.iter().flatten().any(|name| *name == there.identifier));
            let detail = match (there.map(|there| there.at), batch.send_at) {
                (None, _) => "the provider does not list it as scheduled: it was cancelled there, or sent already".into(),
                (Some(Some(at)), Some(wanted)) if at.since(wanted).max(wanted.since(at)) > ON_ITS_WAY => {
                    format!("the provider will send it at {at}, not at {wanted}")
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

    /// When the provider should next be asked about a batch.
    fn due(&self, batch: &Awaiting, now: Timestamp) -> Timestamp {
        let Patience { after, deadline } = self.patience;
        // Times in the future were recorded under a wrong clock and mean nothing.
        let [asked_at, answered_at] = [batch.asked_at, batch.answered_at].map(|at| at.filter(|at| *at <= now));
        let first = if batch.unconfirmed { UNCONFIRMED_AFTER.min(after) } else { after };
        let pause = first.saturating_mul(1 << batch.asks.min(20)).min(LONGEST_SILENCE.max(first));
        let regular = batch.silent_since.max(asked_at.unwrap_or(batch.silent_since)).plus(pause);
        let asked_since = |time| asked_at.is_some_and(|asked| asked >= time);
        // A batch that has not been sent yet cannot have missed receipts.
        let gap = self.gap_ended.get();
        let after_a_gap = (!asked_since(gap) && batch.sent_at <= gap).then_some(gap);
        // However often callbacks of a batch are refused, the provider is not asked about it more often than this.
        let missed = self
            .missed_of
            .borrow()
            .get(&batch.id)
            .filter(|at| batch.sent_at <= **at)
            .map(|at| asked_at.map_or(*at, |asked| asked.plus(MISSED_AGAIN).max(*at)));
        let end = batch.sent_at.plus(deadline);
        let expires = (!batch.unconfirmed && answered_at.is_none_or(|answered| answered <= end)).then(|| {
            // After the deadline, it is asked about at reasonable intervals until there is an answer.
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
            // Fetching megabytes again every second would not help a busy store.
            Err(ReconcileError::Store(error)) => {
                self.back_off();
                return Err(error);
            }
            Err(ReconcileError::Provider(error)) => self.of_the_batch_or_the_key(error).await,
        };
        log::info!("batch {}: cannot fetch its receipts: {error}", batch.id);
        match &error {
            CallError::NotFound(_) => self.standing.answered(Errand::Asking),
            CallError::Unauthorized(_) => {
                self.standing.refused(Errand::Asking, "requests for receipts are refused: check provider.key_file".into());
            }
            error => self.standing.away(Errand::Asking, format!("no answer to a request for receipts: {error}")),
        }
        match error {
            CallError::NotFound(_) => {
                // Long after a batch was sent, a provider that answers everything else has forgotten it.
                let due = self.deadline.due();
                let over = !batch.unconfirmed && due.sent_before(None).is_some_and(|before| batch.sent_at < before);
                let (what, before) = match if over { self.provider.time().await.ok() } else { None } {
                    Some(there) => (PollAnswer::Gone, due.sent_before(there)),
                    None => (PollAnswer::Nothing, None),
                };
                self.pace.pause(SPACING);
                note_answer(&self.store, batch.id, what, before).await?;
            }
            // The problem may concern only this batch, so the others get their turn.
            CallError::Unclear(_) => {
                self.back_off();
                note_answer(&self.store, batch.id, PollAnswer::Nothing, None).await?;
            }
            CallError::Unreachable(_) | CallError::Unauthorized(_) => self.back_off(),
        }
        Ok(())
    }

    /// A 400 may concern the batch or the key: `GET /batch` with the same key decides.
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
