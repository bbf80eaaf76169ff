//! Recognising a CSV that was passed without a column.

use std::io::{self, BufRead, Cursor, Read};

use super::encoding;
use super::table::{Row, Table};
use crate::cli::layout::shortened;
use crate::cli::output::plain;
use crate::domain::{is_blank, visible};

/// The number of bytes of a file that are examined.
const LOOKED_AT: u64 = 64 * 1024;
/// The number of rows that are examined.
const ROWS: usize = 50;
/// The number of columns that are listed.
const LISTED: usize = 20;

/// A column in the list.
#[derive(Debug, Default)]
struct Column {
    name: String,
    example: String,
    numbers: usize,
}

/// Reads the beginning of a file. Returns a reader of the whole file, or `Err` with the list of its columns if it is a
/// CSV.
pub(super) fn refuse_table<R: BufRead, F: Fn(&str) -> bool>(
    mut input: R,
    is_number: F,
) -> io::Result<Result<impl BufRead + use<R, F>, String>> {
    let mut head = Vec::new();
    (&mut input).take(LOOKED_AT).read_to_end(&mut head)?;
    Ok(match listed(&head, is_number) {
        Some(columns) => Err(columns),
        None => Ok(Cursor::new(head).chain(input)),
    })
}

/// The columns of a CSV, one per line, with the ones to pass; `None` if it appears to be a list of numbers.
fn listed(head: &[u8], is_number: impl Fn(&str) -> bool) -> Option<String> {
    let mut table = Table::open(head, |row| row.len() > 1).ok()?;
    let (mut row, mut rows) = (Row::default(), Vec::<Vec<String>>::new());
    // The last row may be cut off.
    while rows.len() < ROWS && table.read(&mut row).unwrap_or(false) {
        let cells: Vec<String> = row.cells().map(|cell| visible(&encoding::text(cell)).trim().to_owned()).collect();
        if !row.is_blank() && !cells[0].starts_with('#') {
            rows.push(cells);
        }
    }
    let first = rows.first()?;
    let has_names = first.iter().any(|cell| is_name(cell)) && !first.iter().any(|cell| is_number(cell));
    let data = &rows[usize::from(has_names)..];
    let is_table = match first.len() {
        1 => has_names && data.first().is_some_and(|row| is_number(&row[0])),
        // A number that contains a comma is still one number.
        columns => !is_number(&first.join(",")) && rows.iter().filter(|row| row.len() == columns).count() * 2 > rows.len(),
    };
    if !is_table {
        return None;
    }
    let column = |at: usize| Column {
        name: if has_names { first[at].clone() } else { String::new() },
        example: data.iter().filter_map(|row| row.get(at)).find(|cell| !is_blank(cell)).cloned().unwrap_or_default(),
        numbers: data.iter().filter_map(|row| row.get(at)).filter(|cell| is_number(cell)).count(),
    };
    let columns: Vec<Column> = (0..first.len()).map(column).collect();
    Some(told(&columns))
}

/// Whether a cell is a column's name, and not a number with an addition that would be skipped silently.
pub(super) fn is_name(cell: &str) -> bool {
    cell.contains(char::is_alphabetic) && cell.chars().filter(char::is_ascii_digit).count() < 7
}

fn told(columns: &[Column]) -> String {
    let likely = columns.iter().enumerate().filter(|(_, column)| column.numbers > 0).max_by_key(|(at, column)| {
        let name = column.name.to_lowercase();
        let is_named = ["phone", "mobile", "msisdn", "number", "tel", "cell"].iter().any(|word| name.contains(word));
        (column.numbers, is_named, std::cmp::Reverse(*at))
    });
    let mut text = String::from("this is a CSV: pass --column with the name or the position of the column with the phone numbers");
    for (at, column) in columns.iter().enumerate().take(LISTED) {
        let name = if column.name.is_empty() { String::new() } else { format!("  {}", shortened(&plain(&column.name), 30)) };
        let example = if column.example.is_empty() { String::new() } else { format!("  ({})", shortened(&plain(&column.example), 30)) };
        let mark = if likely.is_some_and(|(likely, _)| likely == at) { "  ← looks like phone numbers" } else { "" };
        text.push_str(&format!("\n  {}{name}{example}{mark}", at + 1));
    }
    if columns.len() > LISTED {
        text.push_str(&format!("\n  and {} more", columns.len() - LISTED));
    }
    if let Some((at, column)) = likely {
        let is_unique = columns.iter().filter(|other| other.name.eq_ignore_ascii_case(&column.name)).count() == 1;
        let is_plain = !column.name.is_empty() && column.name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let by = if is_unique && is_plain && column.name.parse::<usize>().is_err() { column.name.clone() } else { (at + 1).to_string() };
        text.push_str(&format!("\nNothing was sent. Most likely: --column {by}"));
    } else {
        text.push_str("\nNothing was sent.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NumberReader;

    fn told_of(text: &str) -> Option<String> {
        let reader = NumberReader::default();
        listed(text.as_bytes(), |text| reader.read(text).is_ok_and(|read| read.doubtful.is_none()))
    }

    #[test]
    fn a_csv_is_told_with_its_columns_and_the_likeliest_one() {
        let told = told_of("name;phone;joined\nAnn;+447700900001;2024\nBob;+447700900002;2025\n").expect("a CSV");
        assert!(told.contains("\n  1  name  (Ann)\n  2  phone  (+447700900001)  ← looks like phone numbers\n  3  joined"), "{told}");
        assert!(told.ends_with("Most likely: --column phone"), "{told}");
        let without_names = told_of("Ann,+447700900001\nBob,+447700900002\n").expect("a CSV");
        assert!(
            without_names.contains("\n  1  (Ann)\n  2  (+447700900001)  ←") && without_names.ends_with("--column 2"),
            "{without_names}"
        );
        let one = told_of("phone\n+447700900001\n").expect("a CSV");
        assert!(one.ends_with("--column phone"), "{one}");
        let spaced = told_of("first name,mobile number\nAnn,+447700900001\n").expect("a CSV");
        assert!(spaced.ends_with("--column 2"), "{spaced}");
        let none = told_of("a,b\nx,y\n").expect("a CSV");
        assert!(!none.contains('←') && none.ends_with("Nothing was sent."), "{none}");
    }

    #[test]
    fn a_list_of_numbers_is_none_however_they_are_written() {
        for text in
            ["", "\n", "+447700900001\n+447700900002\n", "# mine\n+44 7700 900 001\n", "rubbish\nmore\n", "+44 (0)7700 900001\nmum\n"]
        {
            assert_eq!(told_of(text), None, "{text}");
        }
    }
}
