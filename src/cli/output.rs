//! Results go to standard output, everything else to standard error; neither ever panics.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Failure;
pub use super::escape::plain;
use super::escape::{self, Harmless};
use super::screen::Screen;

/// Where results go, as tables or as JSON.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    screen: Screen,
}

impl Output {
    /// Creates an output; with `json`, for programs.
    pub fn new(json: bool, screen: Screen) -> Self {
        Self { json, screen }
    }

    /// Whether the output is for programs.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The screen of the output.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Prints a value, as JSON or in the form that `human` returns.
    pub fn show(&self, value: &impl Serialize, human: impl FnOnce(&Screen) -> String) -> Result<(), Failure> {
        if !self.json {
            return text_to(io::stdout(), &human(&self.screen));
        }
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
        text_to(io::stdout(), &if self.screen.is_terminal() { escape::json(&text) } else { text })
    }

    /// Prints lines for people, but nothing if the output is JSON.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { text_to(io::stdout(), text) }
    }

    /// Standard output for data that is passed on as it arrives, made harmless if it is a terminal.
    pub(super) fn stream(&self, escape: fn(&str) -> String) -> Box<dyn Write> {
        if self.screen.is_terminal() { Box::new(Harmless::new(io::stdout(), escape)) } else { Box::new(io::stdout()) }
    }
}

fn text_to(mut to: impl Write, text: &str) -> Result<(), Failure> {
    to.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    Ok(to.flush()?)
}

/// Prints bytes that are neither a table nor JSON, such as a man page.
pub fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Prints a message on standard error, made harmless for a terminal. A closed standard error is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// Whether progress can be seen.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A number with thousands separators: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 batch`, `2 batches`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_panic() {
        assert!(matches!(text_to(Closed, "x"), Err(Failure::OutputClosed)));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
