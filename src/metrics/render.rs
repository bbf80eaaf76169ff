//! The metrics as text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counters::{CALLS, ENDINGS, FAILED, Metrics, OUTCOMES, SOURCES, STATUSES};
use super::format::Format;
use super::process::Process;

/// The values read for one answer.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Batches by state.
    pub batches: Vec<(&'static str, u64)>,
    /// Destinations by state.
    pub destinations: Vec<(&'static str, u64)>,
    /// Rows waiting for the writer.
    pub writer_queue: u64,
    /// Batches waiting for the provider.
    pub outbox: u64,
    /// The age in seconds of the oldest batch that is neither settled nor scheduled for later.
    pub oldest_unsettled: f64,
    /// Submitted batches past `reconcile.after` without a single receipt.
    pub silent_batches: u64,
    /// Quarantined callbacks waiting for a decision.
    pub quarantined: u64,
    /// The size of the database file.
    pub database_bytes: u64,
    /// The size of its write-ahead log.
    pub wal_bytes: u64,
    /// The free space on its disk.
    pub disk_free_bytes: Option<u64>,
    /// Whether the public URL reached this daemon at the last attempt.
    pub public_url_reachable: Option<bool>,
}

/// Renders all metrics as text.
///
/// # Errors
/// None is known.
pub fn render(metrics: Arc<Metrics>, gauges: Gauges, process: Process, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { metrics, gauges, process }));
    let mut shown = String::new();
    text::encode(&mut shown, &registry)?;
    Ok(format.of(shown))
}

#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    gauges: Gauges,
    process: Process,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.callbacks(encoder)?;
        self.batches(encoder)?;
        self.provider(encoder)?;
        self.health(encoder)?;
        self.process(encoder)?;
        encoder
            .encode_descriptor("receiptd_build", "Version of the daemon", None, MetricType::Info)?
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
        let help = "Requests to the public listener, by status of the answer";
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
            ("receiptd_acknowledge_duration_seconds", "Time from the head of a callback to its acknowledgement", &metrics.acknowledged),
            ("receiptd_commit_duration_seconds", "Time taken by a durable commit", &metrics.commits),
            ("receiptd_commit_rows", "Rows per commit", &metrics.commit_rows),
        ] {
            histogram.encode(encoder.encode_descriptor(name, help, None, MetricType::Histogram)?)?;
        }
        Ok(())
    }

    fn batches(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = &self.gauges;
        let help = "Rows waiting for the writer, batches waiting for the provider";
        let mut family = encoder.encode_descriptor("receiptd_queue_depth", help, None, MetricType::Gauge)?;
        for (queue, depth) in [("writer", gauges.writer_queue), ("outbox", gauges.outbox)] {
            gauge(&mut family, &[("queue", queue)], depth)?;
        }
        let mut family = encoder.encode_descriptor("receiptd_batches", "Batches by state", None, MetricType::Gauge)?;
        for (state, number) in &gauges.batches {
            gauge(&mut family, &[("state", *state)], *number)?;
        }
        let mut family = encoder.encode_descriptor("receiptd_destinations", "Destinations by state", None, MetricType::Gauge)?;
        for (state, number) in &gauges.destinations {
            gauge(&mut family, &[("state", *state)], *number)?;
        }
        let help = "Age of the oldest batch that is neither settled nor scheduled for later";
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
        let help = "Time taken by a call to the provider";
        let mut family = encoder.encode_descriptor("receiptd_provider_request_duration_seconds", help, None, MetricType::Histogram)?;
        for ((_, call), histogram) in CALLS.iter().zip(&metrics.provider_took) {
            histogram.encode(family.encode_family(&[("call", *call)])?)?;
        }
        Ok(())
    }

    fn health(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = &self.gauges;
        for (name, help, number) in [
            ("receiptd_silent_batches", "Submitted batches past reconcile.after without a single receipt", Some(gauges.silent_batches)),
            ("receiptd_quarantined", "Quarantined callbacks waiting for a decision", Some(gauges.quarantined)),
            (
                "receiptd_public_url_reachable",
                "Whether the public URL reached this daemon at the last attempt",
                gauges.public_url_reachable.map(u64::from),
            ),
            ("receiptd_disk_free_bytes", "Free space on the disk of the database", gauges.disk_free_bytes),
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

    /// Uses the names of Prometheus's own client libraries.
    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let process = &self.process;
        if let Some(seconds) = process.cpu_seconds {
            encoder
                .encode_descriptor("process_cpu_seconds", "Processor time used, in seconds", None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
        }
        let started = self.metrics.started.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        encoder
            .encode_descriptor("process_start_time_seconds", "When the daemon started, in seconds since 1970", None, MetricType::Gauge)?
            .encode_gauge(&started)?;
        for (name, help, number) in [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_open_fds", "Open file descriptors", process.open_fds),
            ("process_max_fds", "Limit of open file descriptors", process.max_fds),
        ] {
            if let Some(number) = number {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&number)?;
            }
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
    use std::time::Duration;

    use super::super::counters::{Call, Ending};
    use super::*;
    use crate::domain::{Outcome, Source};

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Arc::new(Metrics::default());
        metrics.receipt(Source::Poll, Outcome::Conflict);
        metrics.callback(200, Duration::from_millis(3));
        metrics.callback(503, Duration::from_millis(3));
        metrics.callback(299, Duration::ZERO);
        metrics.commit(7, Duration::from_millis(2));
        metrics.provider(Call::Submit, Ending::Answered(201), Duration::from_secs(20));
        let shown = render(metrics, Gauges::default(), Process::default(), Format::OpenMetrics).expect("shown");
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
        assert!(!shown.contains("receiptd_public_url_reachable "), "unknown yet");
    }
}
