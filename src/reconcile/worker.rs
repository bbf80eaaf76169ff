//! Asking the provider for what did not come.
//!
//! A batch that was silent for a while is asked about, at growing intervals while the silence lasts; all open
//! batches are, once, after any time in which receipts could not be taken. One question at a time, and never
//! one right after another: the provider is not hammered, however many batches are open.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::api::Reconciled;
use crate::clock::Clock;
use crate::domain::{BatchId, BatchState, Identifier, LastError, Timestamp};
use crate::lock::lock;
use crate::provider::{CallError, Errand, Polled, Provider, Standing};
use crate::receive;
use crate::store::{Awaiting, PollAnswer, Recorded, Store, StoreError};

/// Between two questions.
const SPACING: Duration = Duration::from_secs(1);
/// An unconfirmed batch is asked about soon: people wait for it.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);
/// The longest interval between two questions about one batch.
const LONGEST_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// The longest wait while the provider does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often it is looked whether receipts were missed, or a batch has come that has to be asked about.
const LOOK: Duration = Duration::from_secs(2);

/// More than this between what went by and what the clock says, and it was set.
const TRUSTED_DRIFT: Duration = Duration::from_secs(5 * 60);
/// A scheduled batch closer to its time than this may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(10 * 60);

/// Why a batch could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The provider did not answer the question.
    #[error(transparent)]
    Provider(#[from] CallError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks for the receipts of one batch, by the provider's name for it, and records what is new. An unconfirmed
/// batch that the provider has is submitted then; what is still pending of one that was sent before `sent_before`
/// has expired, unless the provider's clock says that its time has not come yet. `None`: there is no such batch here.
///
/// # Errors
/// Nothing is lost by asking again.
pub async fn pull(store: &Store, provider: &Provider, id: BatchId, due: Due) -> Result<Option<Reconciled>, ReconcileError> {
    let Some(batch) = store.batch(id).await? else { return Ok(None) };
    let ours = Identifier::Uuid(*id.as_uuid());
    let (mut recorded, mut polled, mut is_ours) = (Recorded::default(), None, false);
    // What a receipt called the batch may be no name that the provider knows.
    for name in batch.provider_id.as_deref().map(Identifier::from).filter(|name| *name != ours).iter().chain([&ours]) {
        let (answer, found) = ask_by(store, provider, id, name).await;
        let found = found?;
        recorded.recorded += found.recorded;
        recorded.duplicates += found.duplicates;
        is_ours = match &answer {
            Ok(told) => store.is_for_any(id, told.numbers.clone()).await?,
            Err(_) => false,
        };
        let is_clear = is_ours || !matches!(answer, Ok(_) | Err(CallError::NotFound(_)));
        polled = match (polled, answer) {
            (Some(Ok(before)), Err(CallError::NotFound(_))) => Some(Ok(before)),
            (_, answer) => Some(answer),
        };
        if is_clear {
            break;
        }
    }
    let Some(polled) = polled.transpose()? else { return Ok(None) };
    // A provider that answers about any uuid, and tells of no message of ours, does not say that it has the batch.
    let pending = polled.pending + polled.unreadable;
    let what = if is_ours { PollAnswer::Found } else { PollAnswer::Gone };
    let now = store.asked(id, what, due.sent_before(polled.answered_at)).await?;
    if now.is_some_and(|now| now.state == BatchState::Complete && now.counts.expired > 0 && batch.state != BatchState::Complete) {
        log::warn!("batch {id}: its deadline has passed, what is still pending has expired");
    }
    Ok(Some(Reconciled { recorded: recorded.recorded, duplicates: recorded.duplicates, pending }))
}

/// What the provider tells of a batch by one of its names, and what was recorded of it: piece by piece while the answer
/// arrives, so that neither memory nor the callbacks suffer from a large batch.
async fn ask_by(
    store: &Store,
    provider: &Provider,
    id: BatchId,
    name: &Identifier,
) -> (Result<Polled, CallError>, Result<Recorded, StoreError>) {
    let (to, mut found) = mpsc::channel(1);
    let recording = async move {
        let mut all = Recorded::default();
        while let Some(some) = found.recv().await {
            let recorded = receive::found(store, id, some).await?;
            all.recorded += recorded.recorded;
            all.duplicates += recorded.duplicates;
        }
        Ok(all)
    };
    futures_util::join!(provider.receipts(name, to), recording)
}

/// By which clock a batch is past its deadline.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The time here; `None` while the clock here is not to be trusted: then nothing expires.
    pub now: Option<Timestamp>,
    /// From submission until what is pending expires.
    pub deadline: Duration,
}

impl Due {
    /// Sent before this time, a batch is past its deadline by the clock here and by the provider's, where it tells.
    fn sent_before(self, there: Option<Timestamp>) -> Option<Timestamp> {
        let here = self.now?;
        // No two clocks agree to the second, and a `Date` has no more than that: only one that is far behind ours counts.
        Some(there.filter(|there| here.since(*there) > TRUSTED_DRIFT).unwrap_or(here).minus(self.deadline))
    }
}

/// What is past its deadline, for all who ask the provider: by itself, and because a person wants it. It watches the clock,
/// and under one that was set nothing expires for them all.
#[derive(Debug)]
pub struct Deadline {
    clock: Clock,
    /// From submission until what is pending expires.
    length: Duration,
    watched: Mutex<Watched>,
}

#[derive(Debug)]
struct Watched {
    /// When the clock was looked at last: the time it was, and how long it had run. More between two looks than went by
    /// means that somebody has set it.
    last: (Timestamp, Duration),
    /// Nothing expires before the clock has run for so long.
    expires_after: Duration,
}

impl Deadline {
    /// So long after submission.
    pub fn new(clock: Clock, length: Duration) -> Self {
        let last = (clock.now(), clock.elapsed());
        Self { clock, length, watched: Mutex::new(Watched { last, expires_after: Duration::ZERO }) }
    }

    /// By which clock a batch is past it now. After the clock was set, nobody knows how long ago a batch was really sent:
    /// what is pending has its whole time again.
    pub fn due(&self) -> Due {
        let mut watched = lock(&self.watched);
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let (then, at) = std::mem::replace(&mut watched.last, (now, elapsed));
        let expected = then.plus(elapsed.saturating_sub(at));
        let jump = now.since(expected).max(expected.since(now));
        if jump > TRUSTED_DRIFT {
            log::warn!("the clock was set from {expected} to {now}: nothing expires before {:?} have gone by from now", self.length);
            watched.expires_after = elapsed + self.length;
        }
        Due { now: (elapsed >= watched.expires_after).then_some(now), deadline: self.length }
    }
}

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
    /// The provider was asked about this batch.
    Asked(BatchId),
    /// Nothing is due before so much time has gone by; look again then at the latest.
    Wait(Duration),
}

/// Asks the provider about batches that were silent for too long.
pub struct Reconciler {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    patience: Patience,
    /// Counts callbacks that could not be taken.
    missed: Arc<AtomicU64>,
    seen_missed: Cell<u64>,
    /// What was not asked about since then is asked about now: receipts may have been lost before.
    gap_ended: Cell<Timestamp>,
    /// Nothing is asked before the clock has run for so long.
    until: Cell<Duration>,
    failures: Cell<u32>,
    deadline: Arc<Deadline>,
    /// When the scheduled batches are compared with those that the provider lists.
    compare_after: Cell<Duration>,
    /// How things stand with the provider.
    standing: Standing,
}

impl Reconciler {
    /// `missed` counts the callbacks that could not be taken. A new one takes it that some were missed before.
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock, patience: Patience, missed: Arc<AtomicU64>) -> Self {
        let now = clock.now();
        let deadline = Arc::new(Deadline::new(clock.clone(), patience.deadline));
        Self {
            store,
            provider,
            clock,
            patience,
            missed,
            seen_missed: Cell::new(0),
            gap_ended: Cell::new(now),
            until: Cell::new(Duration::ZERO),
            failures: Cell::new(0),
            deadline,
            compare_after: Cell::new(Duration::ZERO),
            standing: Standing::default(),
        }
    }

    /// Tells there how its questions end.
    #[must_use]
    pub fn told_to(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// What others know of the clock, it knows too.
    #[must_use]
    pub fn sharing(self, deadline: Arc<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// Asks about the one batch for which it is due most, if there is one and the time has come.
    ///
    /// # Errors
    /// When the store fails; nothing is lost by trying again.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        self.deadline.due(); // a clock that is set is noticed although nothing is due
        if self.until.get() > elapsed {
            return Ok(Step::Wait(self.until.get() - elapsed));
        }
        let missed = self.missed.load(Ordering::Relaxed);
        if self.seen_missed.replace(missed) != missed {
            self.gap_ended.set(now);
        }
        let open = self.store.awaiting().await?;
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
        Ok(Step::Asked(batch.id))
    }

    /// A silence shorter than the usual look must be heard, too.
    fn look(&self) -> Duration {
        LOOK.min(self.patience.after)
    }

    /// Are the batches that wait for their time at the provider still waiting there?
    async fn compare_scheduled(&self, open: &[Awaiting], now: Timestamp) -> Result<(), StoreError> {
        let mut scheduled = Vec::new();
        for open in open.iter().filter(|open| !open.unconfirmed && open.sent_at > now.plus(ON_ITS_WAY)) {
            scheduled.extend(self.store.batch(open.id).await?.filter(|batch| batch.state == BatchState::Scheduled));
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
        for batch in scheduled {
            let names = [Some(batch.id.to_string()), batch.provider_id.clone()];
            let there = pending.iter().find(|there| names.contains(&Some(there.identifier.to_string())));
            let detail = match (there.map(|there| there.at), batch.send_at) {
                (None, _) => "the provider does not list it among its scheduled batches: it was cancelled there, or sent already".into(),
                (Some(Some(at)), Some(wanted)) if at.since(wanted).max(wanted.since(at)) > ON_ITS_WAY => {
                    format!("the provider is going to send it at {at}, not at {wanted}")
                }
                _ => continue,
            };
            if batch.last_error.as_ref().is_none_or(|error| error.detail != detail) {
                log::error!("batch {}: {detail}", batch.id);
                let error = LastError { at: now, kind: "not_scheduled".into(), status: None, detail };
                self.store.note(batch.id, error).await?;
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
        let end = batch.sent_at.plus(deadline);
        let expires = (!batch.unconfirmed && answered_at.is_none_or(|answered| answered <= end)).then(|| {
            // Past its end it is asked again and again until there is an answer, in reasonable intervals.
            asked_at.filter(|asked| *asked > end).map_or(end, |asked| asked.plus(after.min(LONGEST_WAIT))).plus(Duration::from_millis(1))
        });
        [Some(regular), after_a_gap, expires].into_iter().flatten().min().unwrap_or(regular)
    }

    async fn ask(&self, batch: &Awaiting) -> Result<(), StoreError> {
        let error = match pull(&self.store, &self.provider, batch.id, self.deadline.due()).await {
            Ok(_) => {
                self.standing.note(Errand::Asking, None);
                self.failures.set(0);
                self.until.set(self.clock.elapsed() + SPACING);
                return Ok(());
            }
            // A store that is busy is not helped by megabytes fetched again every second.
            Err(ReconcileError::Store(error)) => {
                self.back_off();
                return Err(error);
            }
            Err(ReconcileError::Provider(error)) => error,
        };
        log::info!("batch {}: asked about its receipts: {error}", batch.id);
        self.standing.note(
            Errand::Asking,
            match &error {
                CallError::NotFound(_) => None,
                CallError::Unauthorized(_) => Some("it refuses our questions about receipts: check provider.key_file".into()),
                error => Some(format!("asked about receipts, it gave no answer: {error}")),
            },
        );
        match error {
            CallError::NotFound(_) => {
                // Long after it was sent, a provider that answers all else has forgotten the batch.
                let due = self.deadline.due();
                let over = !batch.unconfirmed && due.sent_before(None).is_some_and(|before| batch.sent_at < before);
                let (what, before) = match if over { self.provider.time().await.ok() } else { None } {
                    Some(there) => (PollAnswer::Gone, due.sent_before(there)),
                    None => (PollAnswer::Nothing, None),
                };
                self.store.asked(batch.id, what, before).await?;
                self.until.set(self.clock.elapsed() + SPACING);
            }
            // It may be this batch alone that it stumbles over: the others get their turn.
            CallError::Unclear(_) => {
                self.store.asked(batch.id, PollAnswer::Nothing, None).await?;
                self.back_off();
            }
            CallError::Unreachable(_) | CallError::Unauthorized(_) => self.back_off(),
        }
        Ok(())
    }

    fn back_off(&self) {
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        self.until.set(self.clock.elapsed() + SPACING.saturating_mul(1 << failures.min(10)).min(LONGEST_WAIT));
    }
}
