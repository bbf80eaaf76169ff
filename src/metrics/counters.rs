//! The counters of the daemon.
//!
//! Counting is one atomic addition: it neither locks nor allocates. What the database knows is read when the metrics
//! are requested.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::histogram::Histogram;
use crate::domain::{Outcome, Source};

/// Upper bounds in seconds, from a commit on a good disk to a delay that nobody should see.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds in rows.
const ROWS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 2_500.0, 10_000.0];
/// The statuses that the public listener answers; others are counted as `other`.
pub(super) const STATUSES: [u16; 10] = [200, 202, 400, 404, 405, 408, 411, 413, 415, 503];

pub(super) const SOURCES: [(Source, &str); 3] = [(Source::Webhook, "webhook"), (Source::Poll, "poll"), (Source::Replay, "replay")];
pub(super) const OUTCOMES: [(Outcome, &str); 4] = [
    (Outcome::Applied, "applied"),
    (Outcome::Repeated, "repeated"),
    (Outcome::Conflict, "conflict"),
    (Outcome::UnexpectedDestination, "unexpected_destination"),
];

/// A call of the provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /batch`
    Submit,
    /// `GET /batch`
    List,
    /// `GET /batch/{id}`
    Details,
    /// `DELETE /batch/{id}`
    Cancel,
    /// `GET /dr-responses`
    Codes,
}

pub(super) const CALLS: [(Call, &str); 5] =
    [(Call::Submit, "submit"), (Call::List, "list"), (Call::Details, "details"), (Call::Cancel, "cancel"), (Call::Codes, "codes")];

/// How a call to the provider ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A complete answer with this status.
    Answered(u16),
    /// The request cannot have reached the provider.
    NotSent,
    /// Unknown.
    Lost,
}

pub(super) const ENDINGS: [&str; 6] = ["ok", "refused", "failed", "strange", "not_sent", "lost"];

impl Ending {
    fn place(self) -> usize {
        match self {
            Self::Answered(200..=299) => 0,
            Self::Answered(400..=499) => 1,
            Self::Answered(500..=599) => 2,
            Self::Answered(_) => 3,
            Self::NotSent => 4,
            Self::Lost => 5,
        }
    }
}

/// Why a connection to the public listener failed, apart from answered requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It carried no HTTP, for instance a TLS handshake or a port scan.
    Malformed,
    /// The head of a request was too large.
    TooLarge,
    /// The head of a request did not arrive in time.
    Timeout,
    /// The client closed the connection, or the network failed.
    Lost,
    /// Anything else.
    Other,
}

pub(super) const FAILED: [(Failed, &str); 5] = [
    (Failed::Malformed, "malformed"),
    (Failed::TooLarge, "too_large"),
    (Failed::Timeout, "timeout"),
    (Failed::Lost, "lost"),
    (Failed::Other, "other"),
];

/// The counters of one daemon, shared by everything that counts.
#[derive(Debug)]
pub struct Metrics {
    pub(super) started: SystemTime,
    pub(super) receipts: [[AtomicU64; OUTCOMES.len()]; SOURCES.len()],
    pub(super) callbacks: [AtomicU64; STATUSES.len() + 1],
    pub(super) failed_connections: [AtomicU64; FAILED.len()],
    pub(super) acknowledged: Histogram,
    pub(super) commits: Histogram,
    pub(super) commit_rows: Histogram,
    pub(super) provider: [[AtomicU64; ENDINGS.len()]; CALLS.len()],
    pub(super) provider_took: [Histogram; CALLS.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            receipts: Default::default(),
            callbacks: Default::default(),
            failed_connections: Default::default(),
            acknowledged: Histogram::new(&SECONDS),
            commits: Histogram::new(&SECONDS),
            commit_rows: Histogram::new(&ROWS),
            provider: Default::default(),
            provider_took: std::array::from_fn(|_| Histogram::new(&SECONDS)),
        }
    }
}

impl Metrics {
    /// Counts a recorded receipt.
    pub fn receipt(&self, source: Source, outcome: Outcome) {
        let source = SOURCES.iter().position(|(known, _)| *known == source);
        let outcome = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        if let (Some(source), Some(outcome)) = (source, outcome) {
            self.receipts[source][outcome].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an answered request to the public listener.
    pub fn callback(&self, status: u16, took: Duration) {
        let place = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        self.callbacks[place].fetch_add(1, Ordering::Relaxed);
        if (200..300).contains(&status) {
            self.acknowledged.observe(took.as_secs_f64());
        }
    }

    /// Counts a failed connection to the public listener.
    pub fn failed_connection(&self, why: Failed) {
        if let Some(place) = FAILED.iter().position(|(known, _)| *known == why) {
            self.failed_connections[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a committed transaction.
    pub fn commit(&self, rows: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.commit_rows.observe(rows as f64);
    }

    /// Counts a call to the provider.
    pub fn provider(&self, call: Call, ending: Ending, took: Duration) {
        let Some(place) = CALLS.iter().position(|(known, _)| *known == call) else { return };
        self.provider[place][ending.place()].fetch_add(1, Ordering::Relaxed);
        self.provider_took[place].observe(took.as_secs_f64());
    }
}
