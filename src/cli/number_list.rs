//! Lists of numbers: one a line, or a column of a CSV. Millions of them take eight bytes each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::Failure;
use super::output::{count, grouped, plain};
use crate::domain::{Msisdn, NumberReader};

/// No line with a number is longer; the rest of such a line is skipped without being kept.
const LONGEST_LINE: usize = 256;
/// A row of a CSV that is longer than this has a quotation mark that is never closed.
const LONGEST_ROW: usize = 256 * 1024;
/// Of the rows that are no numbers, so many are shown.
const SHOWN: usize = 10;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct NumberList {
    /// The numbers as they came, repetitions among them.
    pub(super) numbers: Vec<Msisdn>,
    /// The rows that hold none.
    pub(super) invalid: Invalid,
}

impl NumberList {
    /// Reads numbers given as arguments; a "line" is then the place of one among them.
    pub(super) fn from_words(words: &[String], reader: &NumberReader) -> Self {
        let mut list = Self::default();
        for (place, word) in (1..).zip(words) {
            match reader.read(word) {
                Ok(read) => list.numbers.push(read.number),
                Err(error) => list.invalid.note(place, error.to_string()),
            }
        }
        list
    }
}

/// Rows that hold no number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Invalid {
    /// How many.
    pub(super) count: u64,
    /// The first ones: line, counted from 1, and what is wrong.
    pub(super) first: Vec<(u64, String)>,
}

impl Invalid {
    fn note(&mut self, line: u64, wrong: impl Into<String>) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((line, wrong.into()));
        }
    }

    /// The first of them, a line each, and how many more there are.
    pub(super) fn listed(&self, place: &str) -> String {
        let mut text = count(self.count, "row holds no number:", "rows hold no number:");
        for (line, wrong) in &self.first {
            text.push_str(&format!("\n  {place} {line}: {wrong}"));
        }
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            text.push_str(&format!("\n  and {} more", grouped(more)));
        }
        text
    }
}

/// Which column of a CSV holds the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The one with this name in the first row.
    Name(String),
    /// This one, counted from 0.
    Position(usize),
}

impl From<&str> for Column {
    /// A number from 1 is a position, all else a name.
    fn from(text: &str) -> Self {
        match text.parse::<usize>() {
            Ok(position) if position > 0 => Self::Position(position - 1),
            _ => Self::Name(text.trim().to_owned()),
        }
    }
}

/// Reads a file, `-` being standard input.
pub(super) fn read_file(path: &Path, column: Option<&Column>, reader: &NumberReader) -> Result<NumberList, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("{} can't be read: {error}", path.display()));
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path).map_err(unreadable)?) };
    let input = BufReader::with_capacity(64 * 1024, input);
    match column {
        None => read_lines(input, reader).map_err(unreadable),
        Some(column) => read_csv(input, column, reader),
    }
}

/// Reads one number a line. Blank lines and those that begin with `#` are skipped.
pub(super) fn read_lines(input: impl BufRead, reader: &NumberReader) -> io::Result<NumberList> {
    let mut input = without_mark(input)?;
    let mut list = NumberList::default();
    let mut line = Vec::with_capacity(LONGEST_LINE);
    let mut at = 0;
    while let Some(whole) = next_line(&mut input, &mut line)? {
        at += 1;
        if !whole {
            list.invalid.note(at, "is too long for a number");
            continue;
        }
        match std::str::from_utf8(&line).map(str::trim) {
            Ok(text) if text.is_empty() || text.starts_with('#') => {}
            Ok(text) => match reader.read(text) {
                Ok(read) => list.numbers.push(read.number),
                Err(error) => list.invalid.note(at, error.to_string()),
            },
            Err(_) => list.invalid.note(at, "is not text in UTF-8"),
        }
    }
    Ok(list)
}

/// Reads a column of a CSV (commas, semicolons or tabs, whichever the first line has most of).
pub(super) fn read_csv(input: impl BufRead, column: &Column, reader: &NumberReader) -> Result<NumberList, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::Usage(format!("the CSV can't be read: {error}"));
    let mut input = without_mark(input).map_err(|error| unreadable(&error))?;
    let mut first_line = Vec::new();
    input.by_ref().take(LONGEST_ROW as u64).read_until(b'\n', &mut first_line).map_err(|error| unreadable(&error))?;
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter(&first_line))
        .from_reader(Cursor::new(first_line).chain(input));
    let mut list = NumberList::default();
    let mut position = match column {
        Column::Position(position) => Some(*position),
        Column::Name(_) => None,
    };
    let mut columns = None;
    let mut row = csv::ByteRecord::new();
    while csv.read_byte_record(&mut row).map_err(|error| unreadable(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        if row.as_slice().len() > LONGEST_ROW {
            return Err(Failure::Usage(format!("line {line} opens a quotation mark that is never closed")));
        }
        let is_first = columns.is_none();
        let most = *columns.get_or_insert(row.len());
        let Some(position) = position else {
            position = Some(position_of(column, &row)?);
            continue;
        };
        if row.len() > most {
            // "Smith, A" without quotation marks: what stands in the column now may be a number of another kind.
            list.invalid
                .note(line, format!("has {} columns, and the first row has {most}: put what has the separator in it in quotes", row.len()));
            continue;
        }
        let Some(cell) = row.get(position) else {
            list.invalid.note(line, format!("has no column {}", position + 1));
            continue;
        };
        match std::str::from_utf8(cell).map(|cell| (cell, reader.read(cell))) {
            Ok((_, Ok(read))) => list.numbers.push(read.number),
            Ok((cell, Err(_))) if is_first && is_name(cell) => {}
            Ok((_, Err(error))) => list.invalid.note(line, error.to_string()),
            Err(_) => list.invalid.note(line, "is not text in UTF-8"),
        }
    }
    Ok(list)
}

fn position_of(column: &Column, header: &csv::ByteRecord) -> Result<usize, Failure> {
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let Column::Name(wanted) = column else { return Ok(0) };
    names.iter().position(|name| name.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
        let named: Vec<String> = names.iter().take(20).map(|name| format!("\"{}\"", plain(name))).collect();
        Failure::Usage(format!("the CSV has no column \"{}\"; its first row is {}", plain(wanted), named.join(", ")))
    })
}

/// A column's name, and no number with something to it that is left out in silence.
fn is_name(cell: &str) -> bool {
    cell.contains(char::is_alphabetic) && cell.chars().filter(char::is_ascii_digit).count() < 7
}

fn delimiter(first_line: &[u8]) -> u8 {
    let found = |candidate: u8| first_line.iter().filter(|byte| **byte == candidate).count();
    [b'\t', b';', b','].into_iter().max_by_key(|candidate| found(*candidate)).unwrap_or(b',')
}

/// The next line without its end, cut at [`LONGEST_LINE`]: was it whole?
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let (mut whole, mut any) = (true, false);
    loop {
        let buffered = input.fill_buf()?;
        if buffered.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let part = &buffered[..end.unwrap_or(buffered.len())];
        let room = LONGEST_LINE - line.len();
        whole &= part.len() <= room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(buffered.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

/// The input without the byte order mark that Windows puts before UTF-8.
fn without_mark<R: BufRead>(mut input: R) -> io::Result<io::Chain<Cursor<Vec<u8>>, R>> {
    let mut head = Vec::with_capacity(3);
    input.by_ref().take(3).read_to_end(&mut head)?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is written in UTF-16; save it as UTF-8"));
    }
    if head == b"\xef\xbb\xbf" {
        head.clear();
    }
    Ok(Cursor::new(head).chain(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: impl AsRef<[u8]>) -> NumberList {
        read_lines(BufReader::with_capacity(7, text.as_ref()), &NumberReader::default()).expect("read")
    }

    fn csv(text: &str, column: &str) -> Result<NumberList, Failure> {
        read_csv(text.as_bytes(), &column.into(), &NumberReader::default())
    }

    fn shown(list: &NumberList) -> Vec<String> {
        list.numbers.iter().map(ToString::to_string).collect()
    }

    fn wrong_lines(list: &NumberList) -> Vec<u64> {
        list.invalid.first.iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn one_number_a_line_with_blank_lines_and_comments() {
        let list = lines("# customers\n+447700900123\n\n   \n447700900124\n  # more\n+44 7700 900-125");
        assert_eq!(shown(&list), ["+447700900123", "+447700900124", "+447700900125"]);
        assert_eq!(list.invalid, Invalid::default());
    }

    #[test]
    fn windows_line_ends_and_the_byte_order_mark_are_no_matter() {
        assert_eq!(shown(&lines("\u{feff}447700900123\r\n447700900124\r\n")), ["+447700900123", "+447700900124"]);
        assert_eq!(shown(&csv("\u{feff}phone,name\r\n447700900123,A\r\n", "phone").expect("read")), ["+447700900123"]);
        assert!(read_lines(&b"\xff\xfe4\x004\x00"[..], &NumberReader::default()).is_err());
    }

    #[test]
    fn rows_without_a_number_are_told_with_their_lines() {
        let list = lines("447700900123\nAnna\n\n12345\n07700900123\n\u{661}\n");
        assert_eq!(list.numbers.len(), 1);
        assert_eq!(wrong_lines(&list), [2, 4, 5, 6]);
        let list = lines(b"\xe9\n447700900123\n");
        assert_eq!((wrong_lines(&list), list.numbers.len()), (vec![1], 1));
    }

    #[test]
    fn only_the_first_wrong_rows_are_kept() {
        let list = lines("x\n".repeat(25));
        assert_eq!((list.invalid.count, list.invalid.first.len()), (25, SHOWN));
        assert!(list.invalid.listed("line").ends_with("and 15 more"), "{}", list.invalid.listed("line"));
    }

    #[test]
    fn a_huge_line_is_one_wrong_row_and_takes_no_memory() {
        let mut text = vec![b'4'; 3_000_000];
        text.extend_from_slice(b"\n447700900123\n");
        let list = lines(text);
        assert_eq!((wrong_lines(&list), list.numbers.len()), (vec![1], 1));
    }

    #[test]
    fn an_empty_file_is_an_empty_list() {
        assert!(lines("").numbers.is_empty());
        assert!(csv("", "phone").expect("read").numbers.is_empty());
    }

    #[test]
    fn the_column_of_a_csv_is_found_by_name_or_position() {
        let text = "Name,Phone,City\n\"Smith, A\",+447700900123,Leeds\n\nB,447700900124,\"two\nlines\"\nC,nope,X\nD\n";
        for column in ["phone", "Phone", "2"] {
            let list = csv(text, column).expect("read");
            assert_eq!(shown(&list), ["+447700900123", "+447700900124"], "{column}");
            assert_eq!(wrong_lines(&list), [6, 7], "{column}");
        }
    }

    #[test]
    fn a_csv_without_column_names_needs_a_position() {
        let list = csv("447700900123;A\n447700900124;B\n", "1").expect("read");
        assert_eq!(list.numbers.len(), 2);
        assert_eq!(csv("447700900123\n447700900124\n", "1").expect("read").numbers.len(), 2);
        let wrong = csv("447700900123;A\n", "phone").expect_err("no such column");
        assert!(wrong.exit_code() == 2 && wrong.to_string().contains("\"447700900123\", \"A\""), "{wrong}");
    }

    #[test]
    fn a_wrong_first_row_that_is_no_header_is_told() {
        assert_eq!(wrong_lines(&csv("123,A\n447700900124,B\n", "1").expect("read")), [1]);
    }

    #[test]
    fn a_line_that_holds_more_than_a_number_is_told_and_reaches_nobody_else() {
        let list = lines("447700900123\t34\n447700900124 7\n447700900125,Anna\n447700900126;5\n447700900127 # Anna\n447700900128\n");
        assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900128".to_owned()], vec![1, 2, 3, 4, 5]));
        let list = csv("phone;n\n447700900123,34;1\n\"447700900124\n447700900125\";1\n447700900126;1\n", "phone").expect("read");
        assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900126".to_owned()], vec![2, 3]));
    }

    #[test]
    fn a_row_whose_columns_are_shifted_is_told() {
        let text = "name,account,phone\nSmith, A,12345678,447700900123\n\"Smith, B\",12345679,447700900124\n";
        let list = csv(text, "phone").expect("read");
        assert_eq!((shown(&list), wrong_lines(&list)), (vec!["+447700900124".to_owned()], vec![2]));
    }

    #[test]
    fn a_first_row_is_no_header_only_because_there_is_a_letter_in_it() {
        let list = csv("447700900123 ext 5,A\n447700900124,B\n", "1").expect("read");
        assert_eq!((list.numbers.len(), wrong_lines(&list)), (1, vec![1]));
        assert_eq!(wrong_lines(&csv("phone 1\n447700900124\n", "1").expect("read")), [0u64; 0]);
    }

    #[test]
    fn comments_and_blank_lines_of_a_csv_are_skipped_and_counted_as_lines() {
        let list = csv("# export\nphone\n\n# x\n447700900123\nbad\n", "phone").expect("read");
        assert_eq!((list.numbers.len(), wrong_lines(&list)), (1, vec![6]));
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_is_told() {
        let text = format!("phone,name\n\"447700900123,A\n{}", "447700900124,B\n".repeat(30_000));
        assert!(csv(&text, "phone").expect_err("broken").to_string().contains("line 2"));
    }
}
