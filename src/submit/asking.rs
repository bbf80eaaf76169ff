//! Asking the provider about batches that an earlier run queued, each before it is sent. Restoring a whole folder looks
//! like a restart, and the original may have sent these batches.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{Batch, BatchId, BatchState, ErrorKind, Identifier, LastError, PollAnswer, lifecycle};
use crate::provider::{CallError, Provider, Trouble};
use crate::receive;
use crate::store::{Store, StoreError};

/// The delay between two polls about a batch without a clear answer: it starts here, doubles, and is limited.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The result of asking about a batch that an earlier run queued.
pub(super) enum Said {
    /// No batch is due to be asked about.
    Nothing,
    /// The provider has the batch, which is now submitted.
    IsThere,
    /// The provider does not have the batch, which may be sent.
    IsNotThere,
    /// There was no clear answer: the batch waits.
    Unclear(CallError),
}

/// Asks about these batches until there is a clear answer about each.
pub(super) struct Asking {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    /// The batches that are not being asked about at this moment.
    waiting: RefCell<VecDeque<Waiting>>,
}

struct Waiting {
    id: BatchId,
    /// The number of unclear answers in a row.
    unclear: u32,
    /// The running time of the clock before which it is not asked about.
    due: Duration,
}

impl Asking {
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock) -> Self {
        let waiting = store.queued_before().into_iter().map(|id| Waiting { id, unclear: 0, due: Duration::ZERO }).collect();
        Self { store, provider, clock, waiting: RefCell::new(waiting) }
    }

    /// The time until a batch is due to be asked about; `None` if there is none.
    pub fn next(&self) -> Option<Duration> {
        self.waiting.borrow().iter().map(|waiting| waiting.due.saturating_sub(self.clock.elapsed())).min()
    }

    /// Asks about the first batch that is due.
    pub async fn step(&self) -> Result<Said, StoreError> {
        while let Some(waiting) = self.take() {
            let id = waiting.id;
            let asked = self.ask(id).await;
            match &asked {
                Ok(Some(Said::Unclear(error))) => {
                    let noted = self.note(id, error.trouble()).await;
                    self.put_back(Waiting { unclear: waiting.unclear + 1, ..waiting });
                    noted?;
                }
                Ok(_) => self.store.let_out(id),
                Err(_) => self.put_back(waiting),
            }
            if let Some(said) = asked? {
                return Ok(said);
            }
        }
        Ok(Said::Nothing)
    }

    fn take(&self) -> Option<Waiting> {
        let (mut waiting, elapsed) = (self.waiting.borrow_mut(), self.clock.elapsed());
        let due = waiting.iter().position(|waiting| waiting.due <= elapsed)?;
        waiting.remove(due)
    }

    fn put_back(&self, waiting: Waiting) {
        let wait = FIRST_WAIT.saturating_mul(1 << waiting.unclear.saturating_sub(1).min(16)).min(LONGEST_WAIT);
        self.waiting.borrow_mut().push_back(Waiting { due: self.clock.elapsed() + wait, ..waiting });
    }

    /// Asks about a batch; `None` if it is no longer queued.
    async fn ask(&self, id: BatchId) -> Result<Option<Said>, StoreError> {
        if self.store.batch(id).await?.is_none_or(|batch| batch.state != BatchState::Queued) {
            return Ok(None);
        }
        let (answer, recorded) = receive::asked(&self.store, &self.provider, id, &Identifier::Uuid(*id.as_uuid())).await;
        recorded?;
        Ok(Some(match answer {
            Ok(told) if self.store.is_for_any(id, told.numbers.clone()).await? => {
                let found = |batch: &_, now| (Some(lifecycle::polled(batch, PollAnswer::Found, None, now)), ());
                self.store.change(id, found).await?;
                log::warn!("batch {id}: queued by an earlier run, but the provider has it already: not sending it again");
                Said::IsThere
            }
            Ok(told) if told.total == Some(0) && told.receipts + told.pending + told.unreadable == 0 => Said::IsNotThere,
            Ok(_) => Said::Unclear(CallError::Unclear(Trouble {
                kind: ErrorKind::Unexpected,
                status: Some(200),
                detail: "the answer has no message to a number of this batch".into(),
                retry_after: None,
            })),
            Err(CallError::NotFound(_)) => Said::IsNotThere,
            // The provider refuses this query. If it answers another one, it does not know the batch.
            Err(CallError::Unclear(Trouble { status: Some(400 | 410 | 422), .. })) => match self.provider.pending().await {
                Ok(_) => Said::IsNotThere,
                Err(error) => Said::Unclear(error),
            },
            Err(error) => Said::Unclear(error),
        }))
    }

    /// Notes why the batch waits.
    async fn note(&self, id: BatchId, trouble: &Trouble) -> Result<(), StoreError> {
        let said = if trouble.detail.is_empty() { trouble.kind.to_string() } else { trouble.detail.clone() };
        let detail = format!("an earlier run queued it, and the provider gave no clear answer on whether it has it: {said}");
        let error = LastError { at: self.clock.now(), kind: trouble.kind.clone(), status: trouble.status, detail };
        let is_queued = |batch: &Batch| batch.state == BatchState::Queued;
        self.store.change(id, move |batch, _| (is_queued(batch).then(|| lifecycle::noted(batch, error.clone())), ())).await?;
        Ok(())
    }
}
