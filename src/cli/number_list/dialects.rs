//! Thousands of generated tables, as Python's `csv`, LibreOffice and Excel write them: as many rows go in as numbers
//! and remarks come out. `just fuzz-lists` generates a million.

use proptest::prelude::*;

use super::*;

/// The dialect of a table.
#[derive(Debug, Clone)]
struct Dialect {
    separator: char,
    end: &'static str,
    encoding: Encoding,
    quotes: Quotes,
    /// Whether the first line names the separator.
    names_separator: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16Be,
    Windows,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Quotes {
    /// Around cells that need them, like Excel and `csv.QUOTE_MINIMAL`.
    WhereNeeded,
    /// Around all cells, like `csv.QUOTE_ALL`.
    Always,
    /// Around all cells that are not numbers, like LibreOffice's "quote all text cells".
    Texts,
}

fn dialect() -> impl Strategy<Value = Dialect> {
    use Encoding::{Utf8, Utf8WithMark, Utf16Be, Utf16Le, Windows};
    (
        prop::sample::select(vec![',', ';', '\t', '|']),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        prop::sample::select(vec![Utf8, Utf8, Utf8WithMark, Utf16Le, Utf16Be, Windows]),
        prop::sample::select(vec![Quotes::WhereNeeded, Quotes::Always, Quotes::Texts]),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(separator, end, encoding, quotes, names_separator)| Dialect { separator, end, encoding, quotes, names_separator })
}

impl Dialect {
    fn cell(&self, text: &str) -> String {
        let is_needed = text.contains([self.separator, '"', '\r', '\n']);
        let is_quoted = match self.quotes {
            Quotes::WhereNeeded => is_needed,
            Quotes::Always => true,
            Quotes::Texts => is_needed || text.parse::<f64>().is_err() && !text.is_empty(),
        };
        if is_quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    }

    fn row(&self, cells: &[String]) -> String {
        cells.iter().map(|cell| self.cell(cell)).collect::<Vec<_>>().join(&self.separator.to_string()) + self.end
    }

    fn encoded(&self, text: &str) -> Vec<u8> {
        let units = || "\u{feff}".encode_utf16().chain(text.encode_utf16());
        match self.encoding {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Utf8WithMark => format!("\u{feff}{text}").into_bytes(),
            Encoding::Utf16Le => units().flat_map(u16::to_le_bytes).collect(),
            Encoding::Utf16Be => units().flat_map(u16::to_be_bytes).collect(),
            Encoding::Windows => encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
        }
    }
}

/// A cell of the column with the numbers, and the number that it means.
fn number_cell() -> impl Strategy<Value = (String, Option<u64>)> {
    let number = 447_700_900_000u64..447_700_901_000;
    prop_oneof![
        6 => (number, 0usize..8).prop_map(|(number, form)| {
            let local = number % 10_000_000_000;
            let text = match form {
                0 => format!("+{number}"),
                1 => format!("{number}"),
                2 => format!("0{local}"),
                3 => format!("{local}"),
                4 => format!("+44 {} {}", local / 1_000_000, local % 1_000_000),
                5 => format!("=\"{number}\""),
                6 => format!("'+{number}"),
                _ => format!("\u{a0}+{number} "),
            };
            (text, Some(number))
        }),
        1 => Just((String::new(), None)),
        1 => prop::sample::select(vec!["n/a", "Anna", "12", "4.477E+11", "2026-11-25", "447700900123, 447700900124", "447700900123\n447700900124", "\"447700900123", "#"])
            .prop_map(|text| (text.to_owned(), None)),
    ]
}

/// A cell of another column.
fn other_cell() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z ]{0,8}",
        1 => Just(String::new()),
        1 => "[A-Za-z,;|\t\"'#é=0-9]{0,12}",
        1 => "[A-Za-z, \"]{0,6}\n[A-Za-z, \"]{0,6}",
        1 => "#[0-9]{1,5}",
        1 => "[0-9]{7,12}",
    ]
}

/// The cells of a row, and the number that it means.
type Cells = (Vec<String>, Option<u64>);

#[derive(Debug, Clone)]
struct Made {
    dialect: Dialect,
    names: Vec<String>,
    position: usize,
    /// The rows; an error is a blank row of the n-th kind.
    rows: Vec<Result<Cells, usize>>,
    blank_lines: usize,
}

fn made() -> impl Strategy<Value = Made> {
    (1usize..5).prop_flat_map(|columns| {
        let row = (prop::collection::vec(other_cell(), columns), number_cell());
        let names = prop::collection::vec("x[A-Za-z é]{0,8}", columns);
        let rows = prop::collection::vec(prop_oneof![6 => row.prop_map(Ok), 1 => (0usize..4).prop_map(Err)], 0..12);
        (dialect(), names, 0..columns, rows, 0usize..3).prop_map(|(dialect, mut names, position, rows, blank_lines)| {
            names[position] = "Téléphone".to_owned();
            if dialect.names_separator {
                // Otherwise the separator is found by its frequency in this line.
                let at = (position + 1) % names.len();
                if at != position {
                    names[at] = "a, b; c, d".to_owned();
                }
            }
            let rows = rows.into_iter().map(|row| {
                row.map(|(mut cells, (text, number))| {
                    cells[position] = text;
                    (cells, number)
                })
            });
            Made { dialect, names, position, rows: rows.collect(), blank_lines }
        })
    })
}

impl Made {
    fn written(&self) -> String {
        let dialect = &self.dialect;
        let mut text = dialect.end.repeat(self.blank_lines);
        if dialect.names_separator {
            text.push_str(&format!("sep={}{}", dialect.separator, dialect.end));
        }
        text.push_str(&dialect.row(&self.names));
        let separators = dialect.separator.to_string().repeat(self.names.len() - 1);
        for row in &self.rows {
            match row {
                Ok((cells, _)) => text.push_str(&dialect.row(cells)),
                Err(0) => text.push_str(dialect.end),
                Err(1) => text.push_str(&format!("{separators}{}", dialect.end)),
                Err(2) => text.push_str(&dialect.row(&vec![" ".to_owned(); self.names.len()])),
                Err(_) => text.push_str(&format!("{separators}{}{}", separators, dialect.end)),
            }
        }
        text
    }

    /// The rows that are not blank.
    fn rows(&self) -> impl Iterator<Item = &Cells> {
        self.rows.iter().flatten().filter(|(cells, _)| cells.iter().any(|cell| !is_blank(cell)))
    }
}

fn reading() -> Reading {
    Reading { reader: NumberReader::new("GB".parse().ok()), strict: false, ..Reading::default() }
}

fn read(bytes: &[u8], column: &Column) -> Result<NumberList, Failure> {
    // Small pieces, so that every boundary is tried.
    read_csv(BufReader::with_capacity(13, bytes), column, &reading())
}

fn cases() -> u32 {
    std::env::var("TRUST_LISTS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn as_many_rows_go_in_as_numbers_and_remarks_come_out(made in made(), by_name in any::<bool>()) {
        let text = made.written();
        let column = if by_name { Column::Name("TÉLÉPHONE".to_owned()) } else { Column::Position(made.position) };
        let list = read(&made.dialect.encoded(&text), &column).map_err(|error| TestCaseError::fail(format!("{error}: {text:?}")))?;
        let rows = made.rows().count() as u64;
        prop_assert_eq!(list.numbers.len() as u64 + list.invalid.count, rows, "{:?}", text);
        let meant: Vec<u64> = made.rows().filter_map(|(_, number)| *number).collect();
        let read: Vec<u64> = list.numbers.iter().map(|number| number.digits()).collect();
        let has_line_breaks = made.rows().any(|(cells, _)| cells.iter().any(|cell| cell.contains('\n')));
        // A cell with line breaks may look as if it contained other rows; then its row is reported.
        let is_kept = read == meant || has_line_breaks && read.iter().all(|number| meant.contains(number));
        prop_assert!(is_kept, "{text:?}: {read:?}, and meant are {meant:?}");
    }

    #[test]
    fn stray_quotation_marks_lose_no_number_in_silence(
        names in prop::collection::vec("[A-Z][a-z]{1,5}", 2..10), number_first in any::<bool>(), strays in prop::collection::vec(any::<prop::sample::Index>(), 1..4), end in prop::sample::select(vec!["\n", "\r\n", "\r"])
    ) {
        let rows = names.iter().enumerate().map(|(at, name)| {
            let number = format!("4477009001{at:02}");
            if number_first { format!("{number};{name};x{end}") } else { format!("{name};{number};x{end}") }
        });
        let mut text = format!("{}{end}{}", if number_first { "phone;name;x" } else { "name;phone;x" }, rows.collect::<String>());
        for stray in strays {
            text.insert(stray.index(text.len()), '"');
        }
        let Ok(list) = read(text.as_bytes(), &Column::Name("phone".to_owned())) else { return Ok(()) };
        prop_assert!(list.numbers.len() == names.len() || list.invalid.count > 0, "{text:?}: {:?}", list.numbers.len());
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(0), Just(0xff), Just(0xfe), any::<u8>()], 0..80)) {
        let _ = read(&bytes, &Column::Position(0));
        let _ = read(&bytes, &Column::Name("a".to_owned()));
        let list = read_lines(BufReader::with_capacity(13, &*bytes), &reading());
        prop_assert!(list.is_ok() || bytes.len() >= 4);
    }

    #[test]
    fn lists_give_a_number_or_a_remark_for_every_line_that_is_neither_blank_nor_a_comment(
        lines in prop::collection::vec(prop_oneof!["\\+4477009[0-9]{5}", "07700 9[0-9]{5}", Just(String::new()), "# [a-z]{0,5}", "[a-zé]{1,8}", "[ \t]{0,3}"], 0..20),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        encoding in prop::sample::select(vec![Encoding::Utf8, Encoding::Utf8WithMark, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Windows]),
    ) {
        let dialect = Dialect { separator: ',', end, encoding, quotes: Quotes::Always, names_separator: false };
        let bytes = dialect.encoded(&lines.iter().map(|line| format!("{line}{end}")).collect::<String>());
        let list = read_lines(BufReader::with_capacity(13, &*bytes), &reading()).expect("read");
        let told = lines.iter().filter(|line| !line.trim().is_empty()).count() as u64;
        prop_assert_eq!(list.numbers.len() as u64 + list.invalid.count + list.comments, told);
    }
}
