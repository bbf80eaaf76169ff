//! Standard output for results, standard error for all the rest; neither ever panics.
//!
//! Results bear no colour at all; that of help and of progress yields to `NO_COLOR` by itself.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Failure;

/// Where results go, as tables or as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// `json`: for programs.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Is it for programs?
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A value: as JSON, or as `human` puts it.
    pub fn show(self, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
            return text_to(io::stdout(), &text);
        }
        text_to(io::stdout(), &human())
    }

    /// A line or more for people; nothing where the output is JSON.
    pub fn text(self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { text_to(io::stdout(), text) }
    }
}

fn text_to(mut to: impl Write, text: &str) -> Result<(), Failure> {
    to.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    Ok(to.flush()?)
}

/// Bytes that are neither table nor JSON, such as a man page.
pub fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// A remark on standard error. That it may be closed is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Is there somebody who sees progress?
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Text from elsewhere, fit for a terminal: whatever would steer it is replaced.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A number as people read it: `1,234,567`.
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
    fn what_steers_a_terminal_is_replaced() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nc"), "a\u{fffd}[2Jb\u{fffd}\nc");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
