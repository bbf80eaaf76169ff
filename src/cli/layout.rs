//! Fits a table into the width of a terminal: the least important content gives way first.
//!
//! The widest columns are shortened or wrapped, down to their minimum widths; if that is not enough, columns are
//! dropped. Without a width, as in a pipe, everything is shown completely.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::escape;
use super::screen::{Screen, Tone};

/// The gap between two columns.
const GAP: usize = 2;
/// The minimum number of characters of an id; more are shown if two ids would look the same.
const SHORTEST_ID: usize = 8;

/// How a column gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It keeps its width.
    Whole,
    /// It is shortened to the first characters that distinguish its ids, which every command accepts.
    Id,
    /// It is shortened to this many characters at least, with an ellipsis.
    Shorten(usize),
    /// It is wrapped at this many characters at least.
    Wrap(usize),
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    right: bool,
    fit: Fit,
    /// Columns with rank 0 stay; of the others, the one with the highest rank is dropped first.
    rank: u8,
}

impl Column {
    pub(super) fn new(head: &'static str, fit: Fit, rank: u8) -> Self {
        Self { head, right: false, fit, rank }
    }

    /// A column with numbers.
    pub(super) fn number(head: &'static str, rank: u8) -> Self {
        Self { head, right: true, fit: Fit::Whole, rank }
    }
}

/// The content of a cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Text from elsewhere, on one line.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: escape::line(text.as_ref()), tone: Tone::Plain }
    }

    /// Text that may have several lines.
    pub(super) fn lines(text: &str) -> Self {
        Self { text: escape::plain(text), tone: Tone::Plain }
    }

    pub(super) fn toned(text: impl AsRef<str>, tone: impl Into<Tone>) -> Self {
        Self::new(text).in_tone(tone.into())
    }

    pub(super) fn in_tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// The columns and rows of a table.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    has_head: bool,
}

impl Table {
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), has_head: true }
    }

    /// A table of names and values: the name in each row is its head.
    pub(super) fn of_fields() -> Self {
        let columns = vec![Column::new("", Fit::Whole, 0), Column::new("", Fit::Wrap(20), 0)];
        Self { columns, rows: Vec::new(), has_head: false }
    }

    pub(super) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// The table fitted to the screen, without a line end after the last line.
    pub(super) fn rendered(&self, screen: &Screen) -> String {
        let widths = self.widths(screen.width);
        let mut lines = Vec::new();
        if self.has_head {
            let heads: Vec<Cell> = self.columns.iter().map(|column| Cell::toned(column.head, Tone::Faint)).collect();
            self.lines(&heads, &widths, screen, &mut lines);
        }
        self.rows.iter().for_each(|row| self.lines(row, &widths, screen, &mut lines));
        lines.join("\n")
    }

    /// The width of each column; 0 if it is dropped.
    fn widths(&self, most: Option<usize>) -> Vec<usize> {
        let natural: Vec<usize> = (0..self.columns.len()).map(|at| self.natural(at)).collect();
        let Some(most) = most else { return natural };
        // On a terminal, a column without any value is dropped.
        let empty = |at: usize| self.has_head && !self.rows.is_empty() && self.rows.iter().all(|row| row[at].text.is_empty());
        let least: Vec<usize> = (0..natural.len()).map(|at| self.least(at, natural[at])).collect();
        let mut shown: Vec<usize> =
            (0..natural.len()).filter(|at| natural[*at] > 0 && !(empty(*at) && self.columns[*at].rank > 0)).collect();
        let total = |shown: &[usize], widths: &[usize]| shown.iter().map(|at| widths[*at] + GAP).sum::<usize>().saturating_sub(GAP);
        while total(&shown, &least) > most {
            let Some(last) = shown.iter().copied().filter(|at| self.columns[*at].rank > 0).max_by_key(|at| self.columns[*at].rank) else {
                break;
            };
            shown.retain(|at| *at != last);
        }
        let mut widths = natural;
        widths.iter_mut().enumerate().filter(|(at, _)| !shown.contains(at)).for_each(|(_, width)| *width = 0);
        // Ids give way first, because their beginning is as good; then always the widest column, and no more than
        // necessary.
        for at in shown.iter().copied().filter(|at| self.columns[*at].fit == Fit::Id) {
            if total(&shown, &widths) > most {
                widths[at] = least[at];
            }
        }
        while total(&shown, &widths) > most {
            let Some(widest) = shown.iter().copied().filter(|at| widths[*at] > least[*at]).max_by_key(|at| widths[*at]) else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn natural(&self, at: usize) -> usize {
        let cells = self.rows.iter().flat_map(|row| row[at].text.lines()).map(UnicodeWidthStr::width);
        cells.chain([self.columns[at].head.width()]).max().unwrap_or_default()
    }

    fn least(&self, at: usize, natural: usize) -> usize {
        let least = match self.columns[at].fit {
            Fit::Whole => natural,
            Fit::Id => self.telling(at),
            Fit::Shorten(least) | Fit::Wrap(least) => least,
        };
        least.max(self.columns[at].head.width()).min(natural)
    }

    /// The number of characters that distinguish the ids of a column.
    fn telling(&self, at: usize) -> usize {
        let mut ids: Vec<&str> = self.rows.iter().map(|row| &*row[at].text).collect();
        ids.sort_unstable();
        ids.dedup();
        let shared = |(one, other): (&str, &str)| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let most = ids.windows(2).map(|pair| shared((pair[0], pair[1])) + 1).max().unwrap_or_default();
        most.max(SHORTEST_ID)
    }

    /// Adds the lines of one row.
    fn lines(&self, row: &[Cell], widths: &[usize], screen: &Screen, lines: &mut Vec<String>) {
        let pieces: Vec<Vec<String>> =
            row.iter().zip(widths).zip(&self.columns).map(|((cell, width), column)| fitted(&cell.text, *width, column.fit)).collect();
        let height = pieces.iter().zip(widths).filter(|(_, width)| **width > 0).map(|(pieces, _)| pieces.len()).max().unwrap_or(1);
        for n in 0..height.max(1) {
            let (mut line, mut first) = (String::new(), true);
            for (at, width) in widths.iter().enumerate().filter(|(_, width)| **width > 0) {
                let piece = pieces[at].get(n).map_or("", |piece| piece);
                let space = " ".repeat(width.saturating_sub(piece.width()));
                let painted = screen.paint(piece, row[at].tone);
                if !std::mem::take(&mut first) {
                    line.push_str(&" ".repeat(GAP));
                }
                line.push_str(&if self.columns[at].right { space + &painted } else { painted + &space });
            }
            lines.push(line.trim_end().to_owned());
        }
    }
}

/// A text fitted to the width of its column.
fn fitted(text: &str, width: usize, fit: Fit) -> Vec<String> {
    match fit {
        Fit::Wrap(_) => wrapped(text, width),
        Fit::Id => vec![text.chars().take(width).collect()],
        Fit::Whole | Fit::Shorten(_) => vec![shortened(text, width)],
    }
}

/// The beginning of a text, with an ellipsis if something is missing.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        match left.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => left = rest,
            None => break,
        }
        short.push(c);
    }
    let kept = short.trim_end().len();
    short.truncate(kept);
    short.push('…');
    short
}

/// A text on lines of at most this width, broken between words if possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if line.width() + word.trim_end().width() <= width {
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            for c in word.chars() {
                if line.width() + c.width().unwrap_or(0) > width && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn screen(width: Option<usize>) -> Screen {
        Screen::of_width(width, Timestamp::from_millis(0))
    }

    fn table() -> Table {
        let mut table = Table::new([
            Column::new("id", Fit::Id, 0),
            Column::new("state", Fit::Whole, 0),
            Column::number("total", 1),
            Column::new("text", Fit::Shorten(8), 2),
            Column::new("remark", Fit::Whole, 3),
        ]);
        for (id, text) in
            [("6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "Hello, the shop opens at nine"), ("6f2c1d9e-9999-4a0e-9a53-0d6a2f1f7c11", "Hi")]
        {
            table.row([Cell::new(id), Cell::new("complete"), Cell::new("1,200"), Cell::new(text), Cell::new("noted")]);
        }
        table
    }

    #[test]
    fn what_matters_least_gives_way_first() {
        assert_eq!(
            table().rendered(&screen(None)).lines().next(),
            Some("id                                    state     total  text                           remark")
        );
        assert_eq!(
            table().rendered(&screen(Some(50))),
            "id          state     total  text           remark\n\
             6f2c1d9e-5  complete  1,200  Hello, the s…  noted\n\
             6f2c1d9e-9  complete  1,200  Hi             noted"
        );
        assert_eq!(table().rendered(&screen(Some(30))).lines().nth(1), Some("6f2c1d9e-5  complete  1,200"));
        assert_eq!(table().rendered(&screen(Some(22))).lines().nth(1), Some("6f2c1d9e-5  complete"));
    }

    #[test]
    fn a_column_without_values_is_not_shown_on_a_terminal() {
        let mut table = Table::new([Column::new("id", Fit::Whole, 0), Column::new("reference", Fit::Whole, 1)]);
        table.row([Cell::new("1"), Cell::new("")]);
        assert_eq!(table.rendered(&screen(Some(80))), "id\n1");
        assert_eq!(table.rendered(&screen(None)), "id  reference\n1");
    }

    #[test]
    fn values_are_wrapped_beside_their_names() {
        let mut table = Table::of_fields();
        table.row([Cell::new("message"), Cell::lines("The shop opens at nine.\nSee you 👋 there")]);
        assert_eq!(table.rendered(&screen(Some(30))), "message  The shop opens at\n         nine.\n         See you 👋 there");
        assert_eq!(wrapped("https://example.com/long", 10), ["https://ex", "ample.com/", "long"]);
        assert_eq!(wrapped("", 10), [""]);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(shortened("日本語日本語", 7), "日本語…");
        assert!(wrapped("日本語日本語", 5).iter().all(|line| line.width() <= 5));
    }
}
