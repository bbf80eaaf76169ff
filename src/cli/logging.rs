//! The program's log: for people or for collectors, and without anything that must not show.

use std::io::Write;

use env_logger::Builder;
use log::{Level, Metadata, Record};

use crate::clock::Clock;
use crate::config::{Log, LogFormat};
use crate::domain::{BatchId, Timestamp};

/// Our own records pass as the filter says. Other crates' are let through from `warn` up: below that, HTTP
/// libraries write URLs and heads, and in those stand the provider's key and the callback tokens (pitfalls.md).
struct Discreet(env_logger::Logger);

impl Discreet {
    fn may_pass(metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || metadata.target() == "receiptd" || metadata.target().starts_with("receiptd::")
    }
}

impl log::Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::may_pass(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if Self::may_pass(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Starts logging to standard error. A second call changes nothing.
pub fn start(settings: &Log) {
    let mut builder = Builder::new();
    builder.parse_filters(&settings.filter());
    let json = settings.format == LogFormat::Json;
    builder.format(move |out, record| {
        let at = Clock::system().now();
        if json {
            writeln!(out, "{}", as_json(at, record))
        } else {
            let style = out.default_level_style(record.level());
            writeln!(out, "{at} {style}{:5}{style:#} {}", record.level(), record.args())
        }
    });
    let logger = builder.build();
    let level = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(level);
    }
}

/// One object a line: `time`, `level`, `target`, `message`, and `batch` where the event is about one.
fn as_json(at: Timestamp, record: &Record<'_>) -> serde_json::Value {
    let message = record.args().to_string();
    let level = record.level().as_str().to_lowercase();
    // What is about a batch begins so, wherever it is told.
    let about = message.strip_prefix("batch ").and_then(|rest| rest.split_once(": "));
    match about.and_then(|(id, what)| Some((id.parse::<BatchId>().ok()?, what))) {
        Some((batch, what)) => {
            serde_json::json!({"time": at, "level": level, "target": record.target(), "batch": batch, "message": what})
        }
        None => serde_json::json!({"time": at, "level": level, "target": record.target(), "message": message}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_a_batch_names_it_in_a_field_of_its_own() {
        let id = "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11";
        let line = |message: &str| {
            let mut record = Record::builder();
            let record = record.level(Level::Warn).target("receiptd::submit");
            as_json(Timestamp::from_millis(0), &record.args(format_args!("{message}")).build())
        };
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:00.000Z", "level": "warn", "target": "receiptd::submit", "batch": id, "message": "rejected: why"
        });
        assert_eq!(line(&format!("batch {id}: rejected: why")), expected);
        for message in ["stopping", "batch x: y", &format!("batch {id}")] {
            assert!(line(message)["message"] == message && line(message).get("batch").is_none(), "{message}");
        }
    }

    #[test]
    fn other_crates_are_silent_below_warn_whatever_the_filter_says() {
        let may = |target: &str, level| Discreet::may_pass(&Metadata::builder().target(target).level(level).build());
        assert!(may("receiptd::submit", Level::Trace) && may("receiptd", Level::Debug));
        assert!(!may("awc::client", Level::Trace) && !may("actix_http::h1", Level::Info) && !may("receiptdx", Level::Info));
        assert!(may("actix_server", Level::Error));
    }
}
