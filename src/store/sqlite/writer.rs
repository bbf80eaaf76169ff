//! The writer thread: takes everything that waits, writes it in one transaction, commits durably, and then answers.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::checkpoint::{Checkpointer, checkpoint, watch_wal};
use super::connection::open_for_writing;
use super::failure::{JobError, is_storage_failure};
use super::file_watch::FileWatch;
use super::ping::Ping;
use super::record::Recorder;
use super::transaction::{WriterJobs, Writing};
use super::tx::Tx;
use crate::clock::Clock;
use crate::store::error::StoreError;
use crate::store::identity::Identity;
use crate::store::queue::{Job, Queue, Taken};

/// The time without work after which the writer tidies up.
const QUIET: Duration = Duration::from_secs(2);
/// If it could not tidy up, it tries again at intervals that grow up to this.
const LONGEST_QUIET: Duration = Duration::from_secs(60);
/// The number of rows of a callback: after a failure, the storage must accept at least as many before it counts as
/// working.
const CALLBACK_ROWS: usize = 50;

/// The state of the thread.
pub(super) struct Writer {
    path: PathBuf,
    conn: Connection,
    file_watch: Arc<FileWatch>,
    clock: Clock,
    recorder: Recorder,
    /// Whether there is something new in the outbox.
    outbox_changed: bool,
    queue: Arc<Queue<WriterJobs>>,
    identity: Arc<Mutex<Identity>>,
    checkpointer: Checkpointer,
}

impl Writer {
    pub fn new(
        path: &Path,
        conn: Connection,
        clock: Clock,
        queue: Arc<Queue<WriterJobs>>,
        identity: Arc<Mutex<Identity>>,
        checkpointer: Checkpointer,
        file_watch: Arc<FileWatch>,
    ) -> rusqlite::Result<Self> {
        let recorder = Recorder::new(&conn)?;
        watch_wal(&conn);
        file_watch.wal_is_open();
        queue.newest_receipt.send_replace(recorder.next_receipt - 1);
        Ok(Self { path: path.to_owned(), conn, file_watch, clock, recorder, outbox_changed: false, queue, identity, checkpointer })
    }

    /// Works until the queue is closed and empty.
    pub fn run(mut self) {
        let queue = self.queue.clone();
        let mut rest = None;
        loop {
            match queue.take(rest) {
                Taken::Work { jobs, rows, pings } => {
                    if !jobs.is_empty() {
                        self.commit(jobs, rows);
                    }
                    if !pings.is_empty() {
                        self.ping(pings);
                    }
                    rest = Some(QUIET);
                }
                Taken::Nothing => rest = if self.rest() { None } else { rest.map(|after| (after * 2).min(LONGEST_QUIET)) },
                Taken::Closed => break,
            }
        }
        // A last checkpoint leaves one file instead of three. If it fails, the next start does it.
        if let Err(error) = checkpoint(&self.conn, "truncate") {
            log::debug!("the last checkpoint failed: {error}");
        }
    }

    /// Tidies up after a burst: checks whether a fault is gone that no other job has tested, empties the WAL, and
    /// returns memory. Returns whether everything succeeded.
    fn rest(&mut self) -> bool {
        if self.queue.trouble().is_some() {
            self.ping(Vec::new());
        }
        let emptied = self.checkpointer.empty_wal(&self.conn);
        if let Err(error) = self.conn.release_memory() {
            log::debug!("cannot release the cache: {error}");
        }
        emptied && self.queue.trouble().is_none()
    }

    /// Separate from other jobs, so that it cannot affect them.
    fn ping(&mut self, asked: Vec<oneshot::Sender<Result<(), StoreError>>>) {
        let rows = self.queue.failed_rows();
        let mut jobs: Vec<Box<dyn Job<WriterJobs>>> = vec![Box::new(Ping::new(asked, rows))];
        let outcome = self.attempt(&mut jobs).map_err(|(Failure::OfTheStorage(error) | Failure::OfAJob(error))| error);
        match &outcome {
            Ok(_) => self.queue.succeeded(rows),
            Err(error) => self.failed(error, rows),
        }
        self.answer(jobs, &outcome.map(|_| ()));
    }

    /// Runs one transaction for all jobs; if one of them spoils it, runs each again by itself.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job<WriterJobs>>>, rows: usize) {
        let started = Instant::now();
        let outcome = self.attempt(&mut jobs);
        match outcome {
            Ok(changed) => {
                self.queue.metrics.commit(rows, started.elapsed());
                // SQLite writes nothing if nothing changes, which would prove nothing about the disk.
                if changed {
                    self.queue.succeeded(rows);
                }
                self.answer(jobs, &Ok(()));
            }
            Err(Failure::OfTheStorage(error)) => {
                self.failed(&error, rows.max(CALLBACK_ROWS));
                self.answer(jobs, &Err(error));
            }
            Err(Failure::OfAJob(error)) if jobs.len() == 1 => {
                self.failed(&error, 0);
                self.answer(jobs, &Err(error));
            }
            Err(Failure::OfAJob(_)) => {
                for job in jobs {
                    self.commit(vec![job], 1);
                }
            }
        }
    }

    /// Records the failure of a commit with this many rows.
    fn failed(&self, error: &StoreError, rows: usize) {
        match error {
            // Any other job that gets the lock shows that it is free.
            StoreError::Busy => self.queue.failed("another process holds the write lock of the database".to_owned(), 0),
            StoreError::QuarantineFull | StoreError::Closing => {}
            error => self.queue.failed(error.to_string(), rows),
        }
    }

    fn answer(&mut self, jobs: Vec<Box<dyn Job<WriterJobs>>>, outcome: &Result<(), StoreError>) {
        if outcome.is_ok() {
            if std::mem::take(&mut self.outbox_changed) {
                self.queue.outbox.notify_waiters();
            }
            let newest = self.recorder.next_receipt - 1;
            self.queue.newest_receipt.send_if_modified(|shown| std::mem::replace(shown, newest) != newest);
        }
        for job in jobs {
            job.answer(outcome.clone());
        }
        self.checkpointer.after_commit(&self.conn);
    }

    /// Returns whether anything changed.
    fn attempt(&mut self, jobs: &mut [Box<dyn Job<WriterJobs>>]) -> Result<bool, Failure> {
        // While a fault lasts, nothing more is written, because it would be reported as failed.
        if let Some(why) = self.file_watch.lasting_fault(&self.conn) {
            return Err(Failure::OfTheStorage(StoreError::Broken(why)));
        }
        let changes = self.conn.total_changes();
        if let Err(failure) = self.in_transaction(jobs) {
            // The cached state belongs to a transaction that did not happen.
            self.recorder = self.recorder.undone();
            self.outbox_changed = false;
            if matches!(failure, Failure::OfTheStorage(StoreError::Broken(_) | StoreError::CommitUnknown)) {
                self.reopen();
            }
            return Err(failure);
        }
        // The open file may no longer be the file at the path; then the commit is lost.
        match self.file_watch.fault_of_writer(&self.conn) {
            None => Ok(self.conn.total_changes() != changes),
            Some(why) => Err(Failure::OfTheStorage(StoreError::Broken(why))),
        }
    }

    fn in_transaction(&mut self, jobs: &mut [Box<dyn Job<WriterJobs>>]) -> Result<(), Failure> {
        let now = self.clock.now();
        let transaction = rusqlite::Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate).map_err(Failure::storage)?;
        let tx = Tx::new(&transaction, now, &self.identity);
        let mut writing = Writing::new(tx, &mut self.recorder, &mut self.outbox_changed);
        for job in jobs {
            job.run(&mut writing).map_err(Failure::from_job)?;
        }
        drop(writing);
        self.recorder.counters.flush(&tx).map_err(Failure::storage)?;
        transaction.commit().map_err(|error| match error.sqlite_error_code() {
            // These errors guarantee that nothing was committed.
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly) => Failure::storage(error),
            _ => {
                log::error!("a commit failed, but may have taken effect: {error}");
                Failure::OfTheStorage(StoreError::CommitUnknown)
            }
        })
    }

    /// After a disk error, the connection's view of the file cannot be trusted.
    fn reopen(&mut self) {
        if self.file_watch.fault().is_some() {
            return; // another file, which must not receive receipts
        }
        match open_for_writing(&self.path).and_then(|conn| Ok((Recorder::new(&conn)?, conn))) {
            Ok((recorder, conn)) => {
                watch_wal(&conn);
                self.recorder = recorder;
                self.conn = conn;
                self.file_watch.wal_is_open();
            }
            Err(error) => log::debug!("cannot reopen the database yet: {error}"),
        }
    }
}

enum Failure {
    OfAJob(StoreError),
    OfTheStorage(StoreError),
}

impl Failure {
    fn storage(error: rusqlite::Error) -> Self {
        Self::OfTheStorage(error.into())
    }

    fn from_job(error: JobError) -> Self {
        match error {
            JobError::Engine(error) if is_storage_failure(&error) => Self::storage(error),
            JobError::Engine(error) => {
                log::error!("a statement failed: {error}");
                Self::OfAJob(error.into())
            }
            JobError::Refused(error) => Self::OfAJob(error),
        }
    }
}

/// Starts the thread. A panic in it ends the process: a receiver that cannot record must not keep running.
pub(super) fn spawn(writer: Writer) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("writer".into()).spawn(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run()));
        if let Err(panic) = outcome {
            log::error!("the writer panicked, ending the process: {}", panic_text(&*panic));
            std::process::abort();
        }
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
