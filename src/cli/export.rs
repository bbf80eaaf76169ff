//! `export`: one row per destination, to standard output.

use std::io::{self, BufWriter, Write};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::progress;
use super::subject::Subject;
use super::values::destination_state;
use super::{Failure, Session};
use crate::api::{Batch, BatchId, Counts, DestinationState};
use crate::client::{Client, ExportFormat};

/// `receiptd export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The batch or the group
    #[arg(value_name = "ID")]
    id: BatchId,
    /// How it is written [default: csv, with --json ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only destinations in this state
    #[arg(long, value_parser = destination_state())]
    state: Option<DestinationState>,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated, with a line of column names
    Csv,
    /// One JSON object a line
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
    let subject = Subject::find(&client, args.id).await?;
    let bar = progress::exporting(expected(&subject.counts(), args.state));
    let mut stdout = BufWriter::with_capacity(64 * 1024, io::stdout());
    for (index, batch) in subject.batches().iter().enumerate() {
        let mut rows = Rows::new(&mut stdout, format == ExportFormat::Csv, index > 0, &bar);
        client.export(batch.id, format, args.state, &mut rows).await?;
        let written = rows.written;
        stdout.flush()?;
        make_sure(&client, batch, args.state, written).await?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// A connection that is lost between two chunks looks like the end: the rows are counted.
async fn make_sure(client: &Client, before: &Batch, state: Option<DestinationState>, written: u64) -> Result<(), Failure> {
    let expected = |counts: &Counts| expected(counts, state);
    if written >= expected(&before.counts) {
        return Ok(());
    }
    // Fewer than there were: destinations may have left the state meanwhile.
    let now = client.batch(before.id).await?;
    if written >= expected(&before.counts).min(expected(&now.counts)) {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the export of batch {} broke off after {written} of {} rows: what was written is not whole",
        before.id,
        expected(&now.counts)
    )))
}

fn expected(counts: &Counts, state: Option<DestinationState>) -> u64 {
    state.map_or(counts.total, |state| counts.in_state(state))
}

/// Passes rows on and counts them; can leave out the line of column names.
struct Rows<'a, W> {
    to: W,
    bar: &'a ProgressBar,
    /// Rows that were ended, the column names not among them.
    written: u64,
    in_header: bool,
    hide_header: bool,
    is_csv: bool,
    in_quotes: bool,
}

impl<'a, W: Write> Rows<'a, W> {
    fn new(to: W, is_csv: bool, hide_header: bool, bar: &'a ProgressBar) -> Self {
        Self { to, bar, written: 0, in_header: is_csv, hide_header, is_csv, in_quotes: false }
    }
}

impl<W: Write> Write for Rows<'_, W> {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len();
        if self.in_header {
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(length, |at| at + 1);
            self.in_header = !bytes[..end].ends_with(b"\n");
            if !self.hide_header {
                self.to.write_all(&bytes[..end])?;
            }
            bytes = &bytes[end..];
        }
        let before = self.written;
        for byte in bytes {
            match byte {
                // JSON escapes line ends, so only a CSV has them within quotation marks; there a
                // doubled mark opens and closes again.
                b'"' if self.is_csv => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => self.written += 1,
                _ => {}
            }
        }
        self.bar.inc(self.written - before);
        self.to.write_all(bytes)?;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str, is_csv: bool, hide_header: bool, chunk: usize) -> (u64, String) {
        let (mut out, bar) = (Vec::new(), ProgressBar::hidden());
        let mut rows = Rows::new(&mut out, is_csv, hide_header, &bar);
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
            assert_eq!(through(csv, true, false, chunk), (2, csv.to_owned()), "{chunk}");
            assert_eq!(through(csv, true, true, chunk), (2, csv[4..].to_owned()), "{chunk}");
        }
    }

    #[test]
    fn json_has_no_column_names() {
        let ndjson = "{\"a\":\"x \\\"y\"}\n{\"a\":\"z\"}\n";
        assert_eq!(through(ndjson, false, false, 3), (2, ndjson.to_owned()));
    }
}
