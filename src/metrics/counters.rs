//! What is counted while the daemon runs, and how it is shown to Prometheus (contract §7).
//!
//! Counting is one addition to one number: whoever counts neither locks nor allocates. What the tables of the
//! database say is looked up when somebody asks.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::domain::{Outcome, Source};

/// Upper bounds in seconds: from a commit on a good disk to what nobody should have to wait.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds in rows.
const ROWS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 2_500.0, 10_000.0];
/// What the public listener answers; anything else is counted as `other`.
const STATUSES: [u16; 8] = [200, 202, 400, 404, 405, 408, 413, 503];

const SOURCES: [(Source, &str); 3] = [(Source::Webhook, "webhook"), (Source::Poll, "poll"), (Source::Replay, "replay")];
const OUTCOMES: [(Outcome, &str); 4] = [
    (Outcome::Applied, "applied"),
    (Outcome::Repeated, "repeated"),
    (Outcome::Conflict, "conflict"),
    (Outcome::UnexpectedDestination, "unexpected_destination"),
];

/// The calls of the provider's API.
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

const CALLS: [(Call, &str); 5] =
    [(Call::Submit, "submit"), (Call::List, "list"), (Call::Details, "details"), (Call::Cancel, "cancel"), (Call::Codes, "codes")];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A whole answer with this status.
    Answered(u16),
    /// Not a byte of it can have reached the provider.
    NotSent,
    /// Nobody knows.
    Lost,
}

const ENDINGS: [&str; 6] = ["ok", "refused", "failed", "strange", "not_sent", "lost"];

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

/// Why a connection to the public listener failed, besides requests that were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It carried no HTTP, for instance a TLS handshake or a port scan.
    Malformed,
    /// The head of a request was too large.
    TooLarge,
    /// The head of a request did not come in time.
    Timeout,
    /// The client closed it, or the network failed.
    Lost,
    /// Anything else.
    Other,
}

const FAILED: [(Failed, &str); 5] = [
    (Failed::Malformed, "malformed"),
    (Failed::TooLarge, "too_large"),
    (Failed::Timeout, "timeout"),
    (Failed::Lost, "lost"),
    (Failed::Other, "other"),
];

/// Counts while the daemon runs; shared by all who count.
#[derive(Debug)]
pub struct Metrics {
    receipts: [[AtomicU64; OUTCOMES.len()]; SOURCES.len()],
    callbacks: [AtomicU64; STATUSES.len() + 1],
    failed_connections: [AtomicU64; FAILED.len()],
    acknowledged: Histogram,
    commits: Histogram,
    commit_rows: Histogram,
    provider: [[AtomicU64; ENDINGS.len()]; CALLS.len()],
    provider_took: [Histogram; CALLS.len()],
    /// Posted again word for word: such receipts leave no trace in the database.
    repeated: AtomicU64,
    /// Of the public URL: below zero while nobody knows, else 0 or 1.
    reachable: AtomicI64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            receipts: Default::default(),
            callbacks: Default::default(),
            failed_connections: Default::default(),
            acknowledged: Histogram::new(&SECONDS),
            commits: Histogram::new(&SECONDS),
            commit_rows: Histogram::new(&ROWS),
            provider: Default::default(),
            provider_took: std::array::from_fn(|_| Histogram::new(&SECONDS)),
            repeated: AtomicU64::new(0),
            reachable: AtomicI64::new(-1),
        }
    }
}

impl Metrics {
    /// A receipt was recorded.
    pub fn receipt(&self, source: Source, outcome: Outcome) {
        let source = SOURCES.iter().position(|(known, _)| *known == source);
        let outcome = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        if let (Some(source), Some(outcome)) = (source, outcome) {
            self.receipts[source][outcome].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Receipts were posted that had been recorded before.
    pub fn repeats(&self, receipts: u64) {
        if receipts > 0 {
            self.repeated.fetch_add(receipts, Ordering::Relaxed);
        }
    }

    /// How many those were.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// A request to the public listener was answered.
    pub fn callback(&self, status: u16, took: Duration) {
        let place = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        self.callbacks[place].fetch_add(1, Ordering::Relaxed);
        if (200..300).contains(&status) {
            self.acknowledged.observe(took.as_secs_f64());
        }
    }

    /// A connection to the public listener failed.
    pub fn failed_connection(&self, why: Failed) {
        if let Some(place) = FAILED.iter().position(|(known, _)| *known == why) {
            self.failed_connections[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A transaction was committed.
    pub fn commit(&self, rows: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.commit_rows.observe(rows as f64);
    }

    /// The provider was called.
    pub fn provider(&self, call: Call, ending: Ending, took: Duration) {
        let Some(place) = CALLS.iter().position(|(known, _)| *known == call) else { return };
        self.provider[place][ending.place()].fetch_add(1, Ordering::Relaxed);
        self.provider_took[place].observe(took.as_secs_f64());
    }

    /// The public URL was tried.
    pub fn public_url(&self, leads_here: bool) {
        self.reachable.store(i64::from(leads_here), Ordering::Relaxed);
    }

    /// Whether the public URL led here when it was tried last; `None`: it was not tried yet.
    pub fn public_url_reachable(&self) -> Option<bool> {
        match self.reachable.load(Ordering::Relaxed) {
            ..0 => None,
            found => Some(found == 1),
        }
    }
}

/// A histogram whose buckets are counted by themselves, so that counting takes no lock.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds, for what is above them all.
    counts: Box<[AtomicU64]>,
    /// In millionths.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    fn observe(&self, value: f64) {
        let place = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum.load(Ordering::Relaxed) as f64 / 1e6, count, &buckets, None)
    }
}

/// What was looked up for one answer.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Batches by state.
    pub batches: Vec<(String, u64)>,
    /// Destinations by state.
    pub destinations: Vec<(&'static str, u64)>,
    /// Rows that wait for the writer.
    pub writer_queue: u64,
    /// Batches that wait for the provider.
    pub outbox: u64,
    /// Age of the oldest batch that is neither settled nor to be sent later, in seconds.
    pub oldest_unsettled: f64,
    /// Submitted, past `reconcile.after`, and not one receipt.
    pub silent_batches: u64,
    /// Callbacks in the quarantine that wait for a decision.
    pub quarantined: u64,
    /// Size of the database file.
    pub database_bytes: u64,
    /// Size of its write-ahead log.
    pub wal_bytes: u64,
    /// What is free on its disk.
    pub disk_free_bytes: Option<u64>,
}

/// The content type of [`render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, in the text format.
///
/// # Errors
/// None is known.
pub fn render(metrics: std::sync::Arc<Metrics>, gauges: Gauges) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { metrics, gauges }));
    let mut shown = String::new();
    text::encode(&mut shown, &registry)?;
    Ok(shown)
}

#[derive(Debug)]
struct Scrape {
    metrics: std::sync::Arc<Metrics>,
    gauges: Gauges,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.callbacks(encoder)?;
        self.batches(encoder)?;
        self.provider(encoder)?;
        self.health(encoder)?;
        encoder
            .encode_descriptor("receiptd_build", "What is running", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

impl Scrape {
    fn callbacks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        let mut family = encoder.encode_descriptor("receiptd_receipts", "Receipts recorded", None, MetricType::Counter)?;
        for ((_, source), of_source) in SOURCES.iter().zip(&metrics.receipts) {
            for ((_, outcome), number) in OUTCOMES.iter().zip(of_source) {
                counter(&mut family, &[("source", *source), ("outcome", *outcome)], load(number))?;
            }
        }
        let help = "Requests to the public listener by the status of the answer";
        let mut family = encoder.encode_descriptor("receiptd_callbacks", help, None, MetricType::Counter)?;
        let statuses = STATUSES.iter().map(u16::to_string).chain(["other".to_owned()]);
        for (status, number) in statuses.zip(&metrics.callbacks) {
            counter(&mut family, &[("status", status.as_str())], load(number))?;
        }
        let help = "Connections to the public listener that failed before or between requests, by reason";
        let mut family = encoder.encode_descriptor("receiptd_failed_connections", help, None, MetricType::Counter)?;
        for ((_, reason), number) in FAILED.iter().zip(&metrics.failed_connections) {
            counter(&mut family, &[("reason", *reason)], load(number))?;
        }
        for (name, help, histogram) in [
            (
                "receiptd_acknowledge_duration_seconds",
                "From the head of a callback to its answer, where it was taken",
                &metrics.acknowledged,
            ),
            ("receiptd_commit_duration_seconds", "Time that a durable commit takes", &metrics.commits),
            ("receiptd_commit_rows", "Rows of a commit", &metrics.commit_rows),
        ] {
            histogram.encode(encoder.encode_descriptor(name, help, None, MetricType::Histogram)?)?;
        }
        Ok(())
    }

    fn batches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = &self.gauges;
        let help = "What waits: rows for the writer, batches for the provider";
        let mut family = encoder.encode_descriptor("receiptd_queue_depth", help, None, MetricType::Gauge)?;
        for (queue, depth) in [("writer", gauges.writer_queue), ("outbox", gauges.outbox)] {
            gauge(&mut family, &[("queue", queue)], depth)?;
        }
        let mut family = encoder.encode_descriptor("receiptd_batches", "Batches by state", None, MetricType::Gauge)?;
        for (state, number) in &gauges.batches {
            gauge(&mut family, &[("state", state.as_str())], *number)?;
        }
        let mut family = encoder.encode_descriptor("receiptd_destinations", "Destinations by state", None, MetricType::Gauge)?;
        for (state, number) in &gauges.destinations {
            gauge(&mut family, &[("state", *state)], *number)?;
        }
        let help = "Age of the oldest batch that is neither settled nor to be sent later";
        encoder
            .encode_descriptor("receiptd_oldest_unsettled_seconds", help, None, MetricType::Gauge)?
            .encode_gauge(&gauges.oldest_unsettled)
    }

    fn provider(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        let mut family = encoder.encode_descriptor("receiptd_provider_requests", "Calls to the provider", None, MetricType::Counter)?;
        for ((_, call), endings) in CALLS.iter().zip(&metrics.provider) {
            for (outcome, number) in ENDINGS.iter().zip(endings) {
                counter(&mut family, &[("call", *call), ("outcome", *outcome)], load(number))?;
            }
        }
        let help = "Time that a call to the provider takes";
        let mut family = encoder.encode_descriptor("receiptd_provider_request_duration_seconds", help, None, MetricType::Histogram)?;
        for ((_, call), histogram) in CALLS.iter().zip(&metrics.provider_took) {
            histogram.encode(family.encode_family(&[("call", *call)])?)?;
        }
        Ok(())
    }

    fn health(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self { metrics, gauges } = self;
        for (name, help, number) in [
            ("receiptd_silent_batches", "Submitted, past reconcile.after, and not one receipt", Some(gauges.silent_batches)),
            ("receiptd_quarantined", "Callbacks in the quarantine that wait for a decision", Some(gauges.quarantined)),
            (
                "receiptd_public_url_reachable",
                "Whether the public URL led here when it was tried last",
                metrics.public_url_reachable().map(u64::from),
            ),
            ("receiptd_disk_free_bytes", "Free on the disk of the database", gauges.disk_free_bytes),
        ] {
            if let Some(number) = number {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&number)?;
            }
        }
        let mut family = encoder.encode_descriptor("receiptd_database_bytes", "Size of the database", None, MetricType::Gauge)?;
        for (file, bytes) in [("database", gauges.database_bytes), ("wal", gauges.wal_bytes)] {
            gauge(&mut family, &[("file", file)], bytes)?;
        }
        Ok(())
    }
}

fn load(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

fn counter(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, number: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&number, None)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, number: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_gauge(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = std::sync::Arc::new(Metrics::default());
        metrics.receipt(Source::Poll, Outcome::Conflict);
        metrics.callback(200, Duration::from_millis(3));
        metrics.callback(503, Duration::from_millis(3));
        metrics.callback(299, Duration::ZERO);
        metrics.commit(7, Duration::from_millis(2));
        metrics.provider(Call::Submit, Ending::Answered(201), Duration::from_secs(20));
        let shown = render(metrics, Gauges::default()).expect("shown");
        for line in [
            "receiptd_receipts_total{source=\"poll\",outcome=\"conflict\"} 1",
            "receiptd_callbacks_total{status=\"200\"} 1",
            "receiptd_callbacks_total{status=\"other\"} 1",
            "receiptd_acknowledge_duration_seconds_count 2",
            "receiptd_acknowledge_duration_seconds_bucket{le=\"0.005\"} 2",
            "receiptd_acknowledge_duration_seconds_bucket{le=\"0.0005\"} 1",
            "receiptd_commit_rows_sum 7.0",
            "receiptd_provider_requests_total{call=\"submit\",outcome=\"ok\"} 1",
            "receiptd_provider_request_duration_seconds_bucket{le=\"+Inf\",call=\"submit\"} 1",
            "receiptd_provider_request_duration_seconds_bucket{le=\"10.0\",call=\"submit\"} 0",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
        assert!(!shown.contains("receiptd_public_url_reachable "), "nobody knows yet");
    }
}
