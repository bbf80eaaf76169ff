//! Asking the provider for what did not come.
//!
//! A batch that was silent for a while is asked about, at growing intervals while the silence lasts; all open
//! batches are, once, after any time in which receipts could not be taken. One question at a time, and never
//! one right after another: the provider is not hammered, however many batches are open.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::api::Reconciled;
use crate::clock::Clock;
use crate::domain::{BatchId, BatchState, Identifier, Timestamp};
use crate::provider::{CallError, Provider};
use crate::receive;
use crate::store::{Asked, Open, Store, StoreError};

/// Between two questions.
const SPACING: Duration = Duration::from_secs(1);
/// An unconfirmed batch is asked about soon: people wait for it.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(30);
/// The longest interval between two questions about one batch.
const LONGEST_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// The longest wait while the provider does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often it is looked whether receipts were missed.
const LOOK: Duration = Duration::from_secs(5);

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
/// batch that the provider has is submitted then; past the deadline, what is still pending has expired. `None`:
/// there is no such batch here.
///
/// # Errors
/// Nothing is lost by asking again.
pub async fn pull(store: &Store, provider: &Provider, id: BatchId, deadline: Duration) -> Result<Option<Reconciled>, ReconcileError> {
    let Some(batch) = store.batch(id).await? else { return Ok(None) };
    let name = batch.provider_id.map_or(Identifier::Uuid(*id.as_uuid()), |name| Identifier::from(&*name));
    let polled = provider.receipts(&name).await?;
    let recorded = receive::found(store, id, polled.receipts).await?;
    let now = store.asked(id, Asked::Found, deadline).await?;
    if now.is_some_and(|now| now.state == BatchState::Complete && now.counts.expired > 0 && batch.state != BatchState::Complete) {
        log::warn!("batch {id}: its deadline has passed, what is still pending has expired");
    }
    Ok(Some(Reconciled { recorded: recorded.recorded, duplicates: recorded.duplicates, pending: polled.pending + polled.unreadable }))
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
    /// Nothing is due before this time; look again then at the latest.
    Wait(Timestamp),
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
    /// Nothing is asked before this time.
    until: Cell<Timestamp>,
    failures: Cell<u32>,
}

impl Reconciler {
    /// `missed` counts the callbacks that could not be taken. A new one takes it that some were missed before.
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock, patience: Patience, missed: Arc<AtomicU64>) -> Self {
        let now = clock.now();
        Self {
            store,
            provider,
            clock,
            patience,
            missed,
            seen_missed: Cell::new(0),
            gap_ended: Cell::new(now),
            until: Cell::new(Timestamp::from_millis(0)),
            failures: Cell::new(0),
        }
    }

    /// Asks about the one batch for which it is due most, if there is one and the time has come.
    ///
    /// # Errors
    /// When the store fails; nothing is lost by trying again.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        // A clock that was set back must not silence us.
        let until = self.until.get().min(now.plus(LONGEST_WAIT));
        if until > now {
            return Ok(Step::Wait(until));
        }
        let missed = self.missed.load(Ordering::Relaxed);
        if self.seen_missed.replace(missed) != missed {
            self.gap_ended.set(now);
        }
        let open = self.store.open_batches().await?;
        let Some((due, batch)) = open.iter().map(|batch| (self.due(batch), batch)).min_by_key(|(due, _)| *due) else {
            return Ok(Step::Wait(now.plus(LOOK)));
        };
        if due > now {
            return Ok(Step::Wait(due.min(now.plus(LOOK))));
        }
        self.ask(batch, now).await?;
        Ok(Step::Asked(batch.id))
    }

    /// When the provider should be asked about a batch.
    fn due(&self, batch: &Open) -> Timestamp {
        let Patience { after, deadline } = self.patience;
        let first = if batch.unconfirmed { UNCONFIRMED_AFTER.min(after) } else { after };
        let pause = first.saturating_mul(1 << batch.asks.min(20)).min(LONGEST_SILENCE.max(first));
        let regular = batch.silent_since.max(batch.asked_at.unwrap_or(batch.silent_since)).plus(pause);
        let asked_since = |time| batch.asked_at.is_some_and(|asked| asked >= time);
        // What has not been sent yet has no receipts to be missed.
        let gap = self.gap_ended.get();
        let after_a_gap = (!asked_since(gap) && batch.sent_at <= gap).then_some(gap);
        let end = batch.sent_at.plus(deadline);
        let expires = (!batch.unconfirmed && batch.answered_at.is_none_or(|answered| answered <= end)).then(|| {
            // Past its end it is asked again and again until there is an answer, in reasonable intervals.
            batch
                .asked_at
                .filter(|asked| *asked > end)
                .map_or(end, |asked| asked.plus(after.min(LONGEST_WAIT)))
                .plus(Duration::from_millis(1))
        });
        [Some(regular), after_a_gap, expires].into_iter().flatten().min().unwrap_or(regular)
    }

    async fn ask(&self, batch: &Open, now: Timestamp) -> Result<(), StoreError> {
        let Patience { deadline, .. } = self.patience;
        let error = match pull(&self.store, &self.provider, batch.id, deadline).await {
            Ok(_) => {
                self.failures.set(0);
                self.until.set(now.plus(SPACING));
                return Ok(());
            }
            Err(ReconcileError::Store(error)) => {
                self.until.set(now.plus(SPACING));
                return Err(error);
            }
            Err(ReconcileError::Provider(error)) => error,
        };
        log::info!("batch {}: asked about its receipts: {error}", batch.id);
        match error {
            CallError::NotFound(_) => {
                // Long after it was sent, a provider that answers all else has forgotten the batch.
                let over = !batch.unconfirmed && now > batch.sent_at.plus(deadline);
                let what = if over && self.provider.greet().await.is_ok() { Asked::Gone } else { Asked::Nothing };
                self.store.asked(batch.id, what, deadline).await?;
                self.until.set(now.plus(SPACING));
            }
            // It may be this batch alone that it stumbles over: the others get their turn.
            CallError::Unclear(_) => {
                self.store.asked(batch.id, Asked::Nothing, deadline).await?;
                self.back_off(now);
            }
            CallError::Unreachable(_) | CallError::Unauthorized(_) => self.back_off(now),
        }
        Ok(())
    }

    fn back_off(&self, now: Timestamp) {
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        self.until.set(now.plus(SPACING.saturating_mul(1 << failures.min(10)).min(LONGEST_WAIT)));
    }
}
