//! Lists of numbers: one per line, or a column of a CSV. Millions of them take eight bytes each. Every row is a number
//! or is reported; only blank rows are skipped silently.

mod columns;
mod encoding;
mod lines;
mod remarks;
mod table;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use icu_normalizer::ComposingNormalizerBorrowed;

use self::columns::is_name;
use self::remarks::Remarks;
use self::table::{Row, Table};
use super::Failure;
use super::output::plain;
use crate::domain::{Msisdn, NumberReader, Tally, is_blank, quoted, visible};

/// The number of invalid rows that are shown.
const SHOWN: usize = 10;
/// The number of doubtful numbers that are shown.
const DOUBTFUL_SHOWN: usize = 100;

const SWALLOWED: &str = "has a cell with line breaks and what looks like further rows in it: is a quotation mark missing, or one too many?";

/// How numbers are read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// Reads a number.
    pub(super) reader: NumberReader,
    /// Whether numbers that are impossible for their country count as invalid.
    pub(super) strict: bool,
    /// Whether every refused row is kept, for `--rejects`.
    pub(super) keeps_rejects: bool,
}

impl Reading {
    fn is_number(&self, text: &str) -> bool {
        self.reader.read(text).is_ok_and(|read| read.doubtful.is_none())
    }
}

/// A row without a valid number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) line: u64,
    pub(super) row: String,
    pub(super) reason: String,
}

/// The numbers read from a list.
#[derive(Debug, Default)]
pub(super) struct NumberList {
    /// The numbers in their order, including repetitions.
    pub(super) numbers: Vec<Msisdn>,
    /// The rows without a valid number.
    pub(super) invalid: Remarks,
    /// All these rows with their text and the reason, if they are kept.
    pub(super) rejects: Vec<Reject>,
    /// The rows whose number is impossible for its country.
    pub(super) doubtful: Remarks,
    /// How the numbers were read.
    pub(super) tally: Tally,
    /// The number of skipped lines that begin with `#`: in a plain list, and before the column names of a CSV.
    pub(super) comments: u64,
    /// The text taken for the column's name, if the column was given by its position.
    pub(super) column_name: Option<String>,
}

impl NumberList {
    /// Reads numbers given as arguments; a "line" is then the position of an argument.
    pub(super) fn from_words(words: &[String], reading: &Reading) -> Self {
        let mut list = Self::default();
        for (place, word) in (1..).zip(words) {
            list.take(place, word, reading);
        }
        list
    }

    /// Adds the text of one row.
    fn take(&mut self, line: u64, text: &str, reading: &Reading) {
        match reading.reader.read(text) {
            Ok(read) => match read.doubtful {
                Some(doubt) if reading.strict => self.refuse(line, text, format!("{} {doubt}", quoted(text)), reading),
                doubt => {
                    if let Some(doubt) = doubt {
                        self.doubtful.note(DOUBTFUL_SHOWN, line, format!("{} {doubt}", quoted(text)));
                    }
                    self.tally.note(text, &read);
                    self.numbers.push(read.number);
                }
            },
            Err(error) if is_blank(text) => self.refuse(line, text, error.to_string(), reading),
            Err(error) => self.refuse(line, text, format!("{} {error}", quoted(text)), reading),
        }
    }

    fn refuse(&mut self, line: u64, row: &str, why: impl Into<String>, reading: &Reading) {
        let reason = why.into();
        if reading.keeps_rejects {
            self.rejects.push(Reject { line, row: row.to_owned(), reason: reason.clone() });
        }
        self.invalid.note(SHOWN, line, reason);
    }
}

/// The column of a CSV with the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The column with this name in the first row.
    Name(String),
    /// The column at this position, counted from 0.
    Position(usize),
}

impl From<&str> for Column {
    /// A number from 1 is a position, anything else a name.
    fn from(text: &str) -> Self {
        match text.parse::<usize>() {
            Ok(position) if position > 0 => Self::Position(position - 1),
            _ => Self::Name(text.trim().to_owned()),
        }
    }
}

/// Reads a file; `-` is standard input.
pub(super) fn read_file(path: &Path, column: Option<&Column>, reading: &Reading) -> Result<NumberList, Failure> {
    let unreadable = |error: io::Error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
    let input: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path).map_err(unreadable)?) };
    let input = BufReader::with_capacity(64 * 1024, input);
    match column {
        None => match columns::refuse_table(input, |text| reading.is_number(text)).map_err(unreadable)? {
            Ok(input) => read_lines(input, reading).map_err(unreadable),
            Err(columns) => Err(Failure::Usage(columns)),
        },
        Some(column) => read_csv(input, column, reading),
    }
}

/// Reads one number per line. Skips blank lines, and lines that begin with `#`, which are counted.
pub(super) fn read_lines(input: impl BufRead, reading: &Reading) -> io::Result<NumberList> {
    let mut list = NumberList::default();
    let mut lines = lines::Lines::new(encoding::decoded(input)?);
    while let Some(line) = lines.next()? {
        let text = encoding::text(line.bytes);
        match visible(&text).trim() {
            _ if line.is_cut => list.refuse(line.number, &text, "is too long for a number", reading),
            "" => {}
            shown if shown.starts_with('#') => list.comments += 1,
            _ => list.take(line.number, &text, reading),
        }
    }
    Ok(list)
}

/// Reads a column of a CSV, separated by commas, semicolons, tabs or bars: by the one that the file names, or the most
/// frequent one in its first row.
pub(super) fn read_csv(input: impl BufRead, column: &Column, reading: &Reading) -> Result<NumberList, Failure> {
    let usage = |error: table::TableError| Failure::Usage(error.to_string());
    // The row with the column names, or with a first number.
    let is_likely = |row: &Row| match column {
        Column::Name(name) => positions_of(name, row).next().is_some(),
        Column::Position(position) => {
            row.cell(*position).map(encoding::text).is_some_and(|cell| is_name(&cell) || reading.is_number(&cell))
        }
    };
    let mut table = Table::open(input, is_likely).map_err(usage)?;
    let mut list = NumberList::default();
    let mut row = Row::default();
    // The position of the column, and the number of columns.
    let mut found = None;
    while table.read(&mut row).map_err(usage)? {
        if row.is_blank() {
            continue;
        }
        match (found, column) {
            (Some((position, columns)), _) => take_row(&mut list, &row, position, columns, table.separator(), reading),
            (None, Column::Position(position)) => {
                let cell = row.cell(*position).map(encoding::text);
                let is_number = cell.as_deref().is_some_and(|cell| !is_name(cell) || reading.reader.read(cell).is_ok());
                let is_swallowing = table::swallowed_by_names(&row, table.separator());
                if !is_number && !is_swallowing && is_comment(&row) {
                    list.comments += 1;
                    table.look_ahead(is_likely).map_err(usage)?;
                    continue;
                }
                found = Some((*position, row.len()));
                match cell {
                    Some(cell) if !is_number && !is_swallowing => list.column_name = Some(visible(cell.trim())),
                    _ if is_swallowing => list.refuse(row.line, &joined(&row), SWALLOWED, reading),
                    _ => take_row(&mut list, &row, *position, row.len(), table.separator(), reading),
                }
            }
            (None, Column::Name(name)) => match position_of(name, &row)? {
                Some(_) if table::swallowed_by_names(&row, table.separator()) => {
                    return Err(Failure::Usage(format!("line {} {SWALLOWED}", row.line)));
                }
                Some(position) => found = Some((position, row.len())),
                // There is no data before the column names, so a line like this can only be a comment.
                None if is_comment(&row) => {
                    list.comments += 1;
                    table.look_ahead(is_likely).map_err(usage)?;
                }
                None => return Err(no_column(name, &row)),
            },
        }
    }
    Ok(list)
}

fn take_row(list: &mut NumberList, row: &Row, position: usize, columns: usize, separator: u8, reading: &Reading) {
    let further = row.cells().skip(columns).map(encoding::text);
    if row.len() > columns {
        // "Smith, A" without quotation marks shifts the columns, so this column may now contain a number of another
        // kind.
        let way_out = match further.into_iter().all(|cell| is_blank(&cell)) {
            true => "remove the separators at its end",
            false => "quote values that contain the separator",
        };
        return list.refuse(
            row.line,
            &joined(row),
            format!("has {} columns, and the first row has {columns}: {way_out}", row.len()),
            reading,
        );
    }
    if table::swallowed(row, position, separator, |text| reading.is_number(text)) {
        return list.refuse(row.line, &joined(row), SWALLOWED, reading);
    }
    match row.cell(position) {
        Some(cell) => list.take(row.line, &encoding::text(cell), reading),
        None => list.refuse(row.line, &joined(row), format!("has no column {}", position + 1), reading),
    }
}

/// The text of a row, for display.
fn joined(row: &Row) -> String {
    row.cells().map(encoding::text).collect::<Vec<_>>().join(", ")
}

/// The position of the column with this name; `None` if the row has no such name.
fn position_of(name: &str, header: &Row) -> Result<Option<usize>, Failure> {
    let wanted = folded(name);
    let found: Vec<usize> =
        (0..).zip(header.cells()).filter(|(_, cell)| folded(&encoding::text(cell)) == wanted).map(|(at, _)| at).collect();
    match *found {
        [] => Ok(None),
        [position] => Ok(Some(position)),
        [first, second, ..] => Err(Failure::Usage(format!(
            "the CSV has {} columns with the name \"{}\": choose one by its position: --column {} or --column {}",
            found.len(),
            plain(name),
            first + 1,
            second + 1
        ))),
    }
}

fn positions_of(name: &str, header: &Row) -> impl Iterator<Item = usize> {
    let wanted = folded(name);
    (0..).zip(header.cells()).filter(move |(_, cell)| folded(&encoding::text(cell)) == wanted).map(|(at, _)| at)
}

fn no_column(name: &str, header: &Row) -> Failure {
    let named: Vec<String> = header.cells().take(20).map(|cell| format!("\"{}\"", plain(encoding::text(cell).trim()))).collect();
    Failure::Usage(format!("the CSV has no column \"{}\"; its first row is {}", plain(name), named.join(", ")))
}

/// A column's name for comparison: in lower case, with accents in one form, without invisible characters.
fn folded(name: &str) -> String {
    let plain = ComposingNormalizerBorrowed::new_nfkc();
    let name = plain.normalize(&visible(name)).to_uppercase().to_lowercase();
    plain.normalize(&name).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a row may be a comment, which is possible only before the column names.
fn is_comment(row: &Row) -> bool {
    row.cell(0).is_some_and(|cell| encoding::text(cell).trim_start().starts_with('#'))
}

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod tests;
