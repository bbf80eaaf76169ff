//! Reading lines of any length, keeping no more of each than a number needs.

use std::io::{self, BufRead};

/// The longest line with a number; the rest of a longer line is skipped.
const LONGEST: usize = 256;

/// Reads lines that end with LF, CR LF or CR.
pub(super) struct Lines<R> {
    input: R,
    kept: Vec<u8>,
    number: u64,
    /// Whether the previous line ended with CR, so that a following LF belongs to it.
    after_return: bool,
}

/// A line.
pub(super) struct Line<'a> {
    /// The text without the line end, or its beginning.
    pub(super) bytes: &'a [u8],
    /// The line number, counted from 1.
    pub(super) number: u64,
    /// Whether the text was cut off.
    pub(super) is_cut: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, kept: Vec::with_capacity(LONGEST), number: 0, after_return: false }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.kept.clear();
        let (mut is_cut, mut is_any) = (false, false);
        loop {
            let mut ready = self.input.fill_buf()?;
            if ready.is_empty() {
                if !is_any {
                    return Ok(None);
                }
                break;
            }
            if std::mem::take(&mut self.after_return) && ready[0] == b'\n' {
                self.input.consume(1);
                continue;
            }
            is_any = true;
            let end = memchr::memchr2(b'\n', b'\r', ready);
            self.after_return = end.is_some_and(|end| ready[end] == b'\r');
            ready = &ready[..end.unwrap_or(ready.len())];
            let room = LONGEST - self.kept.len();
            is_cut |= ready.len() > room;
            self.kept.extend_from_slice(&ready[..ready.len().min(room)]);
            let used = ready.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        Ok(Some(Line { bytes: &self.kept, number: self.number, is_cut }))
    }
}
