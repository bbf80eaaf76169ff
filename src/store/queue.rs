//! The queue to the writer: bounded, with the writer's notifications to everyone else.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::error::StoreError;
use crate::lock::lock;
use crate::metrics::Metrics;

/// The largest number of waiting rows: about a fifth of a second of the writer's work. More are refused at once, so
/// that every client waits for a bounded time.
const QUEUE_ROWS: usize = 8_192;
/// The transactions of an engine.
pub(super) trait Transactions {
    /// A transaction, with what its jobs need.
    type One<'c>;
    /// Why a job in a transaction failed.
    type Error;
}

/// A job for the writer. It may be run more than once: after a failed commit, each job is run again by itself.
pub(super) trait Job<X: Transactions>: Send {
    fn run(&mut self, transaction: &mut X::One<'_>) -> Result<(), X::Error>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Work<T, F> {
    run: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<X, T, F> Job<X> for Work<T, F>
where
    X: Transactions,
    T: Send,
    F: FnMut(&mut X::One<'_>) -> Result<T, X::Error> + Send,
{
    fn run(&mut self, transaction: &mut X::One<'_>) -> Result<(), X::Error> {
        self.done = None; // the result of an earlier run was undone
        self.done = Some((self.run)(transaction)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        // The caller may be gone; what was written stays.
        let _ = reply.send(outcome.and_then(|()| done.ok_or(StoreError::Closing)));
    }
}

/// The callers that ask whether the storage works.
type Pings = Vec<oneshot::Sender<Result<(), StoreError>>>;

struct Waiting<X> {
    jobs: Vec<Box<dyn Job<X>>>,
    rows: usize,
    pings: Pings,
    closing: bool,
    /// Whether the writer has nothing to do. It is woken only then, because waking it is a system call and it is often
    /// awake.
    asleep: bool,
}

/// Why a commit failed, and its number of rows: a smaller commit that succeeds does not prove that this one would.
struct Trouble {
    why: String,
    rows: usize,
}

/// The queue to the writer, shared by everything that writes.
pub(super) struct Queue<X> {
    waiting: Mutex<Waiting<X>>,
    arrived: Condvar,
    /// The current fault; `None` if there is none.
    trouble: Mutex<Option<Trouble>>,
    /// Wakes the workers that submit batches.
    pub outbox: Notify,
    /// The newest committed receipt.
    pub newest_receipt: watch::Sender<i64>,
    pub metrics: Arc<Metrics>,
}

impl<X: Transactions + 'static> Queue<X> {
    /// A queue that counts commits in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            waiting: Mutex::new(Waiting { jobs: Vec::new(), rows: 0, pings: Vec::new(), closing: false, asleep: false }),
            arrived: Condvar::new(),
            trouble: Mutex::default(),
            outbox: Notify::new(),
            newest_receipt: watch::Sender::new(0),
            metrics,
        }
    }

    /// Passes a job to the writer and waits until its result is durable.
    pub async fn write<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut X::One<'_>) -> Result<T, X::Error> + Send + 'static,
    {
        self.write_below(QUEUE_ROWS, rows, run).await
    }

    /// Passes a long list to the writer. Lists may use only half of the queue, so that single receipts find space
    /// beside them.
    pub async fn write_list<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut X::One<'_>) -> Result<T, X::Error> + Send + 'static,
    {
        self.write_below(QUEUE_ROWS / 2, rows, run).await
    }

    async fn write_below<T, F>(&self, most: usize, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut X::One<'_>) -> Result<T, X::Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.closing {
                return Err(StoreError::Closing);
            }
            // A job larger than the limit still gets its turn, alone.
            if waiting.rows > 0 && waiting.rows + rows > most {
                return Err(StoreError::Busy);
            }
            waiting.rows += rows;
            waiting.jobs.push(Box::new(Work { run, done: None, reply }));
            self.wake(&mut waiting);
        }
        answer.await.unwrap_or(Err(StoreError::Closing))
    }

    /// Makes the writer commit something for its own sake. It is never refused because other jobs wait. Simultaneous
    /// callers share the answer to one such commit.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.closing {
                return Err(StoreError::Closing);
            }
            waiting.pings.push(reply);
            self.wake(&mut waiting);
        }
        answer.await.unwrap_or(Err(StoreError::Closing))
    }

    fn wake(&self, waiting: &mut Waiting<X>) {
        if std::mem::take(&mut waiting.asleep) {
            self.arrived.notify_one();
        }
    }

    /// The number of rows waiting.
    pub fn depth(&self) -> usize {
        lock(&self.waiting).rows
    }

    /// Why receipts cannot be recorded; `None` if they can.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).as_ref().map(|trouble| trouble.why.clone())
    }

    /// The number of rows in the largest commit that failed since the last success; 0 if none failed.
    pub fn failed_rows(&self) -> usize {
        lock(&self.trouble).as_ref().map_or(0, |trouble| trouble.rows)
    }

    /// Records the failure of a commit with this many rows.
    pub fn failed(&self, why: String, rows: usize) {
        let mut trouble = lock(&self.trouble);
        if trouble.is_none() {
            log::error!("receipts cannot be recorded: {why}");
        }
        let rows = trouble.as_ref().map_or(rows, |before| rows.max(before.rows));
        *trouble = Some(Trouble { why, rows });
    }

    /// Records the success of a commit with this many rows.
    pub fn succeeded(&self, rows: usize) {
        let mut trouble = lock(&self.trouble);
        if trouble.as_ref().is_some_and(|failed| rows >= failed.rows) {
            log::info!("receipts are recorded again");
            *trouble = None;
        }
    }

    /// Accepts no more jobs; the writer finishes those that wait and ends.
    pub fn close(&self) {
        lock(&self.waiting).closing = true;
        self.arrived.notify_one();
    }

    /// Waits for work, without a limit or for this long.
    pub fn take(&self, patience: Option<Duration>) -> Taken<X> {
        let mut waiting = lock(&self.waiting);
        loop {
            if !waiting.jobs.is_empty() || !waiting.pings.is_empty() {
                let waiting = &mut *waiting;
                let (jobs, pings) = (std::mem::take(&mut waiting.jobs), std::mem::take(&mut waiting.pings));
                return Taken::Work { jobs, rows: std::mem::take(&mut waiting.rows), pings };
            }
            if waiting.closing {
                return Taken::Closed;
            }
            waiting.asleep = true;
            let Some(patience) = patience else {
                waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, timeout) = self.arrived.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() && woken.jobs.is_empty() && woken.pings.is_empty() && !woken.closing {
                return Taken::Nothing;
            }
            waiting = woken;
        }
    }
}

pub(super) enum Taken<X> {
    /// Jobs, their number of rows, and the callers that ask whether the storage works.
    Work {
        jobs: Vec<Box<dyn Job<X>>>,
        rows: usize,
        pings: Pings,
    },
    /// Nothing arrived for a while.
    Nothing,
    Closed,
}
