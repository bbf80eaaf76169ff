//! The program's log, for people or for log collectors, without secrets or personal data.

use std::io::Write;
use std::os::fd::AsFd;

use env_logger::Builder;
use log::{Level, Metadata, Record};

use crate::clock::Clock;
use crate::config::{Log, LogFormat};
use crate::domain::{BatchId, Timestamp};

/// Our own records pass the filter as configured. Records of other crates pass from `warn` up: below that, HTTP
/// libraries log URLs and headers, which contain the provider's key and the callback tokens.
struct Discreet(env_logger::Logger);

impl Discreet {
    fn may_pass(metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || metadata.target() == "receiptd" || metadata.target().starts_with("receiptd::")
    }

    /// Whether actix-http reports a failed connection, which it does at `error` for any garbage that a stranger sends.
    /// The listener itself logs these at `debug` and counts them.
    fn is_a_failed_connection(record: &Record<'_>) -> bool {
        record.target() == "actix_http::h1::dispatcher" && record.args().to_string().starts_with("stream error: ")
    }
}

impl log::Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::may_pass(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if Self::may_pass(record.metadata()) && !Self::is_a_failed_connection(record) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// The format of a line.
#[derive(Clone, Copy)]
struct Layout {
    json: bool,
    /// Whether standard error is the systemd journal, which records the time itself and reads the priority from the
    /// line.
    journal: bool,
}

impl Layout {
    fn of(settings: &Log) -> Self {
        Self { json: settings.format == LogFormat::Json, journal: is_the_journal(std::io::stderr(), std::env::var("JOURNAL_STREAM").ok()) }
    }

    fn write(self, out: &mut env_logger::fmt::Formatter, record: &Record<'_>) -> std::io::Result<()> {
        let level = record.level();
        let text = match (self.json, self.journal) {
            (true, _) => as_json(Clock::system().now(), record).to_string(),
            (false, true) => on_one_line(&record.args().to_string()),
            (false, false) => {
                let (at, style) = (Clock::system().now(), out.default_level_style(level));
                return writeln!(out, "{at} {style}{level:5}{style:#} {}", on_one_line(&record.args().to_string()));
            }
        };
        if !self.journal {
            return writeln!(out, "{text}");
        }
        writeln!(out, "<{}>{text}", priority(level))
    }
}

/// The message without characters that would start another line, move the cursor or change the direction of text: a
/// name from the provider, or of a file, must not be able to forge a line.
fn on_one_line(message: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        if steers(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// The priority of a journal line, as in sd-daemon(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Whether an output is the journal's socket, which `JOURNAL_STREAM` names as `device:inode`. The variable alone is not
/// enough: a program started by a service inherits it, whatever its own output is.
fn is_the_journal(output: impl AsFd, stream: Option<String>) -> bool {
    let Some((device, inode)) = stream.as_deref().and_then(|stream| stream.split_once(':')) else { return false };
    rustix::fs::fstat(output).is_ok_and(|file| device.parse() == Ok(file.st_dev) && inode.parse() == Ok(file.st_ino))
}

/// Starts logging to standard error. Further calls have no effect.
pub fn start(settings: &Log) {
    let mut builder = Builder::new();
    builder.parse_filters(&settings.filter());
    let layout = Layout::of(settings);
    builder.format(move |out, record| layout.write(out, record));
    let logger = builder.build();
    let level = logger.filter();
    if log::set_boxed_logger(Box::new(Discreet(logger))).is_ok() {
        log::set_max_level(level);
    }
}

/// One JSON object per line: `time`, `level`, `target`, `message`, and `batch` if the event is about one.
fn as_json(at: Timestamp, record: &Record<'_>) -> serde_json::Value {
    let message = record.args().to_string();
    let level = record.level().as_str().to_lowercase();
    // Every message about a batch begins like this.
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
    fn no_message_is_more_than_one_line() {
        let forged = "the provider calls it x\n2026-01-01T00:00:00Z ERROR \r\u{1b}[2K\u{202e}forged \u{e9}\t\u{2028}";
        let line = on_one_line(forged);
        assert_eq!(
            line, "the provider calls it x\\n2026-01-01T00:00:00Z ERROR \\r\\u{1b}[2K\\u{202e}forged \u{e9}\\t\\u{2028}",
            "what can be read stays as it is"
        );
    }

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
    fn garbage_on_a_connection_is_not_an_error_of_ours_and_other_errors_stay() {
        let dropped = |target: &str, message: &str| {
            let mut record = Record::builder();
            let record = record.level(Level::Error).target(target);
            Discreet::is_a_failed_connection(&record.args(format_args!("{message}")).build())
        };
        assert!(dropped("actix_http::h1::dispatcher", "stream error: request parse error: invalid Header provided"));
        assert!(!dropped("actix_http::h1::dispatcher", "Response payload stream error: Os"));
        assert!(!dropped("actix_server::accept", "stream error: too many open files"));
    }

    #[test]
    fn an_output_is_the_journal_only_where_device_and_inode_are_its_own() {
        let file = tempfile::tempfile().expect("a file");
        let of = rustix::fs::fstat(&file).expect("known");
        assert!(is_the_journal(&file, Some(format!("{}:{}", of.st_dev, of.st_ino))));
        for other in [None, Some(String::new()), Some("8:x".into()), Some(format!("{}:{}", of.st_dev, of.st_ino + 1))] {
            assert!(!is_the_journal(&file, other.clone()), "{other:?}");
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
