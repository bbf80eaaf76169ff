//! Making text from elsewhere harmless for a terminal: characters that control it, or change the direction of text, are
//! shown as their code points.

use std::io::{self, Write};

/// Whether a character does something to a terminal or to the text around it.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // the direction of text
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with line ends, but with every other controlling character as its code point: `\u{1b}`.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            c if steers(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// The text on one line, with every controlling character as its code point.
pub(super) fn line(text: &str) -> String {
    plain(&text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// JSON with the same meaning. Controlling characters occur only in its strings, apart from its own line ends.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Passes text on, made harmless by `escape`. A character may arrive in two pieces.
pub(super) struct Harmless<W> {
    to: W,
    escape: fn(&str) -> String,
    /// The beginning of a character that is still incomplete.
    begun: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    pub(super) fn new(to: W, escape: fn(&str) -> String) -> Self {
        Self { to, escape, begun: Vec::new() }
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.begun) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.begun.len(), // invalid bytes are replaced below
        };
        let rest = self.begun.split_off(whole);
        let text = std::mem::replace(&mut self.begun, rest);
        self.to.write_all((self.escape)(&String::from_utf8_lossy(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}e\u{e0041}";

    #[test]
    fn what_steers_a_terminal_is_shown_as_its_number() {
        assert_eq!(plain(HOSTILE), "a\\u{1b}[2Jb\\u{d}\nc\\u{202e}d\\u{9b}e\\u{e0041}");
        assert_eq!(line("one\r\n\n two\u{7}"), "one two\\u{7}");
        assert_eq!(plain("Grüße 👩‍👩‍👧 مرحبا"), "Grüße 👩‍👩‍👧 مرحبا", "text stays as it is");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"description": HOSTILE});
        let safe = json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(!safe.chars().any(|c| steers(c) && c != '\n'), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        for size in 1..8 {
            let mut out = Vec::new();
            let mut harmless = Harmless::new(&mut out, plain);
            HOSTILE.as_bytes().chunks(size).for_each(|piece| harmless.write_all(piece).expect("written"));
            assert_eq!(String::from_utf8(out).expect("text"), plain(HOSTILE), "{size}");
        }
    }
}
