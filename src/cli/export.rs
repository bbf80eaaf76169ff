//! `export`: one row per destination, to standard output.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::escape;
use super::progress;
use super::subject::Subject;
use super::values::{IdArgs, destination_state};
use super::{Failure, Session};
use crate::api::{Batch, Counts, DestinationState};
use crate::client::{Client, ExportFormat};

/// `receiptd export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    subject: IdArgs,
    /// Output format [default: csv, with --json ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only destinations in this state
    #[arg(long, value_parser = destination_state())]
    state: Option<DestinationState>,
    /// Write a CSV that Excel opens correctly: with a byte order mark and CR LF line ends
    #[arg(long)]
    excel: bool,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated, with column names in the first line
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// `receiptd export`
pub async fn run(session: &Session, args: ExportArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let format = match args.format {
        Some(Format::Csv) => ExportFormat::Csv,
        Some(Format::Ndjson) => ExportFormat::Ndjson,
        None if session.output.is_json() => ExportFormat::Ndjson,
        None => ExportFormat::Csv,
    };
    if args.excel && format == ExportFormat::Ndjson {
        return Err(Failure::Usage("--excel writes a CSV: drop --format ndjson or --json".to_owned()));
    }
    let layout = match format {
        ExportFormat::Ndjson => Layout::Ndjson,
        ExportFormat::Csv if args.excel => Layout::Excel,
        ExportFormat::Csv => Layout::Csv,
    };
    let subject = Subject::find(&client, args.subject.id.find(&client).await?).await?;
    let bar = progress::exporting(expected(&subject.counts(), args.state));
    let escape = if format == ExportFormat::Csv { escape::plain } else { escape::json };
    let mut stdout = BufWriter::with_capacity(64 * 1024, session.output.stream(escape));
    for (index, batch) in subject.batches().iter().enumerate() {
        let mut rows = Rows::new(&mut stdout, layout, index > 0, &bar);
        client.export(batch.id, format, args.state, &mut rows).await?;
        let written = rows.written;
        stdout.flush()?;
        make_sure(&client, batch, args.state, written).await?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Checks that the export is complete by counting its rows, because a connection lost between two chunks looks like its
/// end.
async fn make_sure(client: &Client, before: &Batch, state: Option<DestinationState>, written: u64) -> Result<(), Failure> {
    let expected = |counts: &Counts| expected(counts, state);
    if written >= expected(&before.counts) {
        return Ok(());
    }
    // If there are fewer rows than before, destinations may have left the state meanwhile.
    let now = client.batch(before.id).await?;
    if written >= expected(&before.counts).min(expected(&now.counts)) {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the export of batch {} ended after {written} of {} rows: the output is incomplete",
        before.id,
        expected(&now.counts)
    )))
}

fn expected(counts: &Counts, state: Option<DestinationState>) -> u64 {
    state.map_or(counts.total, |state| counts.in_state(state))
}

/// The layout of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Csv,
    /// With a byte order mark, without which Excel does not recognise UTF-8, and with CR LF line ends.
    Excel,
    Ndjson,
}

/// Passes rows on and counts them; can drop the header row.
struct Rows<'a, W> {
    to: W,
    bar: &'a ProgressBar,
    layout: Layout,
    /// The number of complete rows, without the header row.
    written: u64,
    in_header: bool,
    hide_header: bool,
    /// Whether the byte order mark has been written.
    is_marked: bool,
    in_quotes: bool,
}

impl<'a, W: Write> Rows<'a, W> {
    fn new(to: W, layout: Layout, hide_header: bool, bar: &'a ProgressBar) -> Self {
        Self { to, bar, layout, written: 0, in_header: layout != Layout::Ndjson, hide_header, is_marked: false, in_quotes: false }
    }

    /// Passes bytes on. Returns the number of rows that end in them.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let (mut rows, mut from) = (0, 0);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                // JSON escapes line ends, so only a CSV can have them inside quotation marks. A doubled mark there
                // closes and opens again.
                b'"' if self.layout != Layout::Ndjson => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => {
                    rows += 1;
                    if self.layout == Layout::Excel {
                        self.to.write_all(&bytes[from..at])?;
                        self.to.write_all(b"\r\n")?;
                        from = at + 1;
                    }
                }
                _ => {}
            }
        }
        self.to.write_all(&bytes[from..])?;
        Ok(rows)
    }
}

impl<W: Write> Write for Rows<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rows = bytes;
        if self.in_header {
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            let header;
            (header, rows) = bytes.split_at(end);
            if !self.hide_header {
                if self.layout == Layout::Excel && !std::mem::replace(&mut self.is_marked, true) {
                    self.to.write_all("\u{feff}".as_bytes())?;
                }
                self.pass(header)?;
            }
            self.in_header = !header.ends_with(b"\n");
        }
        let ended = self.pass(rows)?;
        self.written += ended;
        self.bar.inc(ended);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, layout: Layout, hide_header: bool, chunk: usize) -> (u64, String) {
        let (mut out, bar) = (Vec::new(), ProgressBar::hidden());
        let mut rows = Rows::new(&mut out, layout, hide_header, &bar);
        for chunk in text.as_bytes().chunks(chunk) {
            rows.write_all(chunk).expect("written");
        }
        let written = rows.written;
        (written, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn rows_are_counted_however_they_are_cut() {
        let csv = "a,b\n1,\"two\nlines, \"\"quoted\"\"\"\n3,4\n";
        for chunk in 1..csv.len() {
            assert_eq!(through(csv, Layout::Csv, false, chunk), (2, csv.to_owned()), "{chunk}");
            assert_eq!(through(csv, Layout::Csv, true, chunk), (2, csv[4..].to_owned()), "{chunk}");
        }
    }

    #[test]
    fn json_has_no_column_names() {
        let ndjson = "{\"a\":\"x \\\"y\"}\n{\"a\":\"z\"}\n";
        assert_eq!(through(ndjson, Layout::Ndjson, false, 3), (2, ndjson.to_owned()));
    }

    #[test]
    fn for_excel_there_is_a_mark_and_lines_end_as_its_own_do() {
        let csv = "a,b\n1,\"two\nlines\"\n3,Numéro\n";
        for chunk in 1..csv.len() {
            let expected = "\u{feff}a,b\r\n1,\"two\nlines\"\r\n3,Numéro\r\n";
            assert_eq!(through(csv, Layout::Excel, false, chunk), (2, expected.to_owned()), "{chunk}");
            assert_eq!(through(csv, Layout::Excel, true, chunk), (2, expected["\u{feff}a,b\r\n".len()..].to_owned()), "{chunk}");
        }
    }
}
