//! Lines of any length, of which no more is kept than a number needs.

use std::io::{self, BufRead};

/// No line with a number is longer; the rest of such a line is passed over without being kept.
const LONGEST: usize = 256;

/// Reads lines that end with LF, CR LF, or CR alone.
pub(super) struct Lines<R> {
    input: R,
    kept: Vec<u8>,
    number: u64,
    /// The line before ended with CR: an LF that follows belongs to it.
    after_return: bool,
}

/// One line.
pub(super) struct Line<'a> {
    /// Its text without its end, or the beginning of it.
    pub(super) bytes: &'a [u8],
    /// Counted from 1.
    pub(super) number: u64,
    /// There was more of it.
    pub(super) is_cut: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, kept: Vec::with_capacity(LONGEST), number: 0, after_return: false }
    }

    /// The next line; none at the end.
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
