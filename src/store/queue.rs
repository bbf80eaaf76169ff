//! The way to the writer: a bounded queue of jobs, and what the writer tells everybody.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::error::StoreError;
use crate::lock::lock;
use crate::metrics::Metrics;

/// Rows that may wait for the writer: about a fifth of a second of its work. More is refused at once,
/// so that every client waits for a bounded time.
const QUEUE_ROWS: usize = 8_192;
/// An engine's transactions.
pub(super) trait Transactions {
    /// One of them, with what the jobs in it need.
    type One<'c>;
    /// Why a job inside it gave up.
    type Error;
}

/// A piece of work. It may be run more than once: after a failed commit each is run again alone.
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
        self.done = None; // what came of it the last time was undone
        self.done = Some((self.run)(transaction)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        // The caller may have gone; what was written stays written.
        let _ = reply.send(outcome.and_then(|()| done.ok_or(StoreError::Closing)));
    }
}

/// Who asks whether the storage works.
type Pings = Vec<oneshot::Sender<Result<(), StoreError>>>;

struct Waiting<X> {
    jobs: Vec<Box<dyn Job<X>>>,
    rows: usize,
    pings: Pings,
    closing: bool,
    /// The writer has nothing to do. Only then is it woken: that is a system call, and it is often awake.
    asleep: bool,
}

/// Why a commit failed, and its rows: that a smaller one succeeds does not show that it would.
struct Trouble {
    why: String,
    rows: usize,
}

/// The way to the writer, shared by all who write.
pub(super) struct Queue<X> {
    waiting: Mutex<Waiting<X>>,
    arrived: Condvar,
    /// `None`: all is well.
    trouble: Mutex<Option<Trouble>>,
    /// Wakes those who hand batches to the provider.
    pub outbox: Notify,
    /// The newest receipt that is committed.
    pub newest_receipt: watch::Sender<i64>,
    pub metrics: Arc<Metrics>,
}

impl<X: Transactions + 'static> Queue<X> {
    /// Counts commits in `metrics`.
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

    /// Hands a piece of work to the writer and waits until it is durable.
    pub async fn write<T, F>(&self, rows: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut X::One<'_>) -> Result<T, X::Error> + Send + 'static,
    {
        self.write_below(QUEUE_ROWS, rows, run).await
    }

    /// Hands in a long list, for which no more than half of the queue is there: single receipts find room beside lists.
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
            // A single piece larger than the bound still gets its turn, alone.
            if waiting.rows > 0 && waiting.rows + rows > most {
                return Err(StoreError::Busy);
            }
            waiting.rows += rows;
            waiting.jobs.push(Box::new(Work { run, done: None, reply }));
            self.wake(&mut waiting);
        }
        answer.await.unwrap_or(Err(StoreError::Closing))
    }

    /// Has the writer write and commit something for its own sake. It is never refused because others wait; all who ask
    /// at the same time get the answer of one such write.
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

    /// Rows that wait at this moment.
    pub fn depth(&self) -> usize {
        lock(&self.waiting).rows
    }

    /// Why receipts cannot be recorded; `None` when they can.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).as_ref().map(|trouble| trouble.why.clone())
    }

    /// The rows of the largest commit that failed since all was well; 0: none did.
    pub fn failed_rows(&self) -> usize {
        lock(&self.trouble).as_ref().map_or(0, |trouble| trouble.rows)
    }

    /// A commit of so many rows failed.
    pub fn failed(&self, why: String, rows: usize) {
        let mut trouble = lock(&self.trouble);
        if trouble.is_none() {
            log::error!("receipts cannot be recorded: {why}");
        }
        let rows = trouble.as_ref().map_or(rows, |before| rows.max(before.rows));
        *trouble = Some(Trouble { why, rows });
    }

    /// Something was written and committed, of so many rows.
    pub fn succeeded(&self, rows: usize) {
        let mut trouble = lock(&self.trouble);
        if trouble.as_ref().is_some_and(|failed| rows >= failed.rows) {
            log::info!("receipts are recorded again");
            *trouble = None;
        }
    }

    /// Takes nothing more; the writer finishes what waits and ends.
    pub fn close(&self) {
        lock(&self.waiting).closing = true;
        self.arrived.notify_one();
    }

    /// Waits for work, for ever or for so long.
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
    /// Jobs, the number of their rows, and who asks whether the storage works.
    Work {
        jobs: Vec<Box<dyn Job<X>>>,
        rows: usize,
        pings: Pings,
    },
    /// Nothing came for a while.
    Nothing,
    Closed,
}
