//! The rows of a CSV in any dialect of spreadsheets and programs, without losing any.

use std::cmp::Reverse;
use std::io::{self, BufRead};

use super::encoding::{decoded, text};
use crate::domain::is_blank;

/// The largest length of a row: a longer one has an unclosed quotation mark, or is not a row.
const LONGEST_ROW: usize = 256 * 1024;

/// The separators considered, the most likely first, which decides between equally frequent ones.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Why a table cannot be read: from here on, it is unknown where rows begin and end.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("cannot read the CSV: {0}")]
    Unreadable(#[from] io::Error),
    #[error("line {0} opens a quotation mark that is never closed")]
    NeverClosed(u64),
    #[error(
        "line {opened} opens a quotation mark that is closed in line {closed}, with more text after it: one of them is too many, or a quotation mark within a cell is not doubled"
    )]
    TextAfter { opened: u64, closed: u64 },
    #[error("line {0} is too long for a row")]
    TooLong(u64),
}

/// A row.
#[derive(Debug, Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line in which it begins, counted from 1.
    pub(super) line: u64,
}

impl Row {
    /// The number of columns.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cell at a position, counted from 0.
    pub(super) fn cell(&self, position: usize) -> Option<&[u8]> {
        let begin = if position == 0 { 0 } else { *self.ends.get(position - 1)? };
        Some(&self.bytes[begin..*self.ends.get(position)?])
    }

    /// All cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|position| self.cell(position))
    }

    /// Whether the row contains nothing but separators, like the rows that spreadsheets add at the end.
    pub(super) fn is_blank(&self) -> bool {
        self.cells().all(|cell| is_blank(&text(cell)))
    }
}

/// The state of reading a cell.
enum Within {
    Start,
    Plain,
    /// Inside quotation marks that were opened in this line.
    Quotes(u64),
    /// After the closing quotation mark.
    AfterQuotes(u64),
}

/// A CSV being read.
pub(super) struct Table<'a> {
    input: Box<dyn BufRead + 'a>,
    /// The input that was read but not used yet, from `at` on.
    ahead: Vec<u8>,
    at: usize,
    line: u64,
    separator: u8,
    /// Whether the file names its separator (`sep=;`).
    is_told: bool,
}

impl<'a> Table<'a> {
    /// Reads everything before the first row.
    pub(super) fn open(input: impl BufRead + 'a, is_likely: impl Fn(&Row) -> bool) -> Result<Self, TableError> {
        let mut table = Self::with(decoded(input)?, b',');
        table.look_ahead(is_likely)?;
        Ok(table)
    }

    fn with(input: Box<dyn BufRead + 'a>, separator: u8) -> Self {
        Self { input, ahead: Vec::new(), at: 0, line: 1, separator, is_told: false }
    }

    pub(super) fn separator(&self) -> u8 {
        self.separator
    }

    /// Skips empty lines and Excel's `sep=;`. If no separator is named, uses the most frequent one in the next line
    /// that makes it a likely first row, or else the most frequent one.
    pub(super) fn look_ahead(&mut self, is_likely: impl Fn(&Row) -> bool) -> Result<(), TableError> {
        loop {
            let length = self.line_ahead()?;
            let is_end = self.byte(0)?.is_none();
            let line = &self.ahead[self.at..self.at + length];
            let told = named_separator(line);
            // A line with nothing but separators is an empty row.
            let is_empty = || is_blank(&text(line).replace([',', ';', '|', '"'], ""));
            if is_end || told.is_none() && !is_empty() {
                if !self.is_told {
                    let found = by_frequency(line);
                    let likely = found.iter().find(|separator| is_likely(&first_row(line, **separator)));
                    self.separator = likely.or(found.first()).copied().unwrap_or(b',');
                }
                return Ok(());
            }
            if let Some(separator) = told {
                (self.separator, self.is_told) = (separator, true);
            }
            self.at += length;
            self.end_line()?;
        }
    }

    /// The length of the next line without its end; line ends inside quotation marks do not count.
    fn line_ahead(&mut self) -> io::Result<usize> {
        let (mut length, mut in_quotes, mut before) = (0, false, b',');
        while length < LONGEST_ROW {
            let Some(byte) = self.byte(length)? else { break };
            match byte {
                b'"' if in_quotes || SEPARATORS.contains(&before) => in_quotes = !in_quotes,
                // A doubled mark closes and opens again.
                b'"' if before == b'"' => in_quotes = true,
                b'\r' | b'\n' if !in_quotes => break,
                _ => {}
            }
            before = byte;
            length += 1;
        }
        Ok(length)
    }

    /// The n-th byte ahead; `None` at the end.
    fn byte(&mut self, n: usize) -> io::Result<Option<u8>> {
        while self.at + n >= self.ahead.len() {
            self.ahead.drain(..self.at);
            self.at = 0;
            let more = self.input.fill_buf()?;
            let length = more.len();
            if length == 0 {
                return Ok(None);
            }
            self.ahead.extend_from_slice(more);
            self.input.consume(length);
        }
        Ok(Some(self.ahead[self.at + n]))
    }

    /// Skips the end of a line, if there is one: LF, CR LF or CR.
    fn end_line(&mut self) -> io::Result<()> {
        let length = match (self.byte(0)?, self.byte(1)?) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            _ => return Ok(()),
        };
        self.at += length;
        self.line += 1;
        Ok(())
    }

    /// Reads the next row; `false` at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, TableError> {
        row.bytes.clear();
        row.ends.clear();
        row.line = self.line;
        let mut within = Within::Start;
        if self.byte(0)?.is_none() {
            return Ok(false);
        }
        loop {
            let byte = self.byte(0)?;
            within = match (within, byte) {
                (Within::Quotes(opened), None) => return Err(TableError::NeverClosed(opened)),
                (Within::Quotes(opened), Some(b'"')) if self.byte(1)? == Some(b'"') => {
                    self.at += 1;
                    row.bytes.push(b'"');
                    Within::Quotes(opened)
                }
                (Within::Quotes(opened), Some(b'"')) => Within::AfterQuotes(opened),
                (Within::Quotes(opened), Some(byte)) => {
                    let is_end = byte == b'\n' || byte == b'\r' && self.byte(1)? != Some(b'\n');
                    self.line += u64::from(is_end);
                    row.bytes.push(byte);
                    Within::Quotes(opened)
                }
                (_, None | Some(b'\r' | b'\n')) => {
                    row.ends.push(row.bytes.len());
                    self.end_line()?;
                    return Ok(true);
                }
                (_, Some(byte)) if byte == self.separator => {
                    row.ends.push(row.bytes.len());
                    Within::Start
                }
                (Within::Start, Some(b'"')) => Within::Quotes(self.line),
                (Within::AfterQuotes(opened), Some(b' ')) => Within::AfterQuotes(opened),
                (Within::AfterQuotes(opened), Some(_)) => return Err(TableError::TextAfter { opened, closed: self.line }),
                (Within::Start | Within::Plain, Some(byte)) => {
                    row.bytes.push(byte);
                    Within::Plain
                }
            };
            self.at += 1;
            if row.bytes.len() > LONGEST_ROW {
                return Err(match within {
                    Within::Quotes(opened) => TableError::NeverClosed(opened),
                    _ => TableError::TooLong(row.line),
                });
            }
        }
    }
}

/// The separator in `sep=;`, as Excel writes and reads it, possibly in quotation marks.
fn named_separator(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] if !matches!(separator, b'"' | b'\r' | b'\n') => Some(*separator),
        _ => None,
    }
}

/// The separators in a line outside quotation marks, most frequent first.
fn by_frequency(line: &[u8]) -> Vec<u8> {
    let (mut found, mut in_quotes, mut before) = (SEPARATORS.map(|separator| (0usize, separator)), false, b',');
    for byte in line {
        match byte {
            b'"' if in_quotes || SEPARATORS.contains(&before) => in_quotes = !in_quotes,
            b'"' if before == b'"' => in_quotes = true,
            _ if in_quotes => {}
            _ => found.iter_mut().filter(|(_, separator)| separator == byte).for_each(|(count, _)| *count += 1),
        }
        before = *byte;
    }
    found.sort_by_key(|(count, _)| Reverse(*count));
    found.into_iter().filter(|(count, _)| *count > 0).map(|(_, separator)| separator).collect()
}

/// The line split by this separator.
fn first_row(line: &[u8], separator: u8) -> Row {
    let mut row = Row::default();
    match Table::with(Box::new(line), separator).read(&mut row) {
        Ok(_) => row,
        Err(_) => Row::default(),
    }
}

/// Whether a cell contains other rows because a quotation mark is missing or superfluous: it has line breaks, and one
/// of its lines has a number in the column of the numbers.
pub(super) fn swallowed(row: &Row, position: usize, separator: u8, is_number: impl Fn(&str) -> bool) -> bool {
    row.cells().enumerate().any(|(at, cell)| {
        if !cell.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return false;
        }
        cell.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate().any(|(line, part)| {
            // Its first line continues the row; the others begin a new one.
            let before = if line == 0 { at } else { 0 };
            let cells: Vec<&[u8]> = part.split(|byte| *byte == separator).collect();
            let found = position.checked_sub(before).and_then(|within| cells.get(within));
            cells.len() > 1 && found.is_some_and(|cell| is_number(&text(cell)))
        })
    })
}

/// Whether a row of column names contains other rows: a cell has line breaks, and some part may be a number.
pub(super) fn swallowed_by_names(row: &Row, separator: u8) -> bool {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let is_long = |part: &[u8]| part.iter().filter(|byte| byte.is_ascii_digit()).count() >= 7;
    row.cells().any(|cell| cell.iter().any(is_end))
        && row.cells().flat_map(|cell| cell.split(|byte| is_end(byte) || *byte == separator)).any(is_long)
}
