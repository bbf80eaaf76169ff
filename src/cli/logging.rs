//! The program's log: for people or for collectors, and without anything that must not show.

use std::io::Write;

use env_logger::Builder;
use log::{Level, Metadata, Record};

use crate::clock::Clock;
use crate::config::{Log, LogFormat};

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
            let line = serde_json::json!({
                "at": at, "level": record.level().as_str().to_lowercase(), "target": record.target(), "message": record.args().to_string(),
            });
            writeln!(out, "{line}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_crates_are_silent_below_warn_whatever_the_filter_says() {
        let may = |target: &str, level| Discreet::may_pass(&Metadata::builder().target(target).level(level).build());
        assert!(may("receiptd::submit", Level::Trace) && may("receiptd", Level::Debug));
        assert!(!may("awc::client", Level::Trace) && !may("actix_http::h1", Level::Info) && !may("receiptdx", Level::Info));
        assert!(may("actix_server", Level::Error));
    }
}
