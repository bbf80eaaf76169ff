//! All tables. Their cells make text from elsewhere harmless for a terminal.

use std::collections::BTreeMap;

use super::failed_codes::FailuresOfCode;
use super::layout::{Cell, Column, Fit, Table};
use super::output::grouped;
use super::screen::{Screen, Tone};
use crate::api::{Batch, BatchId, Channel, Counts, DestinationState, NumberReport, QuarantineState, Quarantined, Receipt};
use crate::config::Entry;

/// The number of characters of a text that a table shows at most.
const BEGINNING: usize = 40;

/// Batches, one per line.
pub(super) fn batches(batches: &[Batch], screen: &Screen) -> String {
    let mut table = Table::new([
        Column::new("id", Fit::Id, 0),
        Column::new("state", Fit::Whole, 0),
        Column::new("from", Fit::Shorten(6), 8),
        Column::number("total", 0),
        Column::number("delivered", 0),
        Column::number("failed", 0),
        Column::number("pending", 7),
        Column::new("created", Fit::Whole, 3),
        Column::new("reference", Fit::Shorten(10), 4),
        Column::new("text", Fit::Shorten(10), 5),
    ]);
    for batch in batches {
        table.row([
            Cell::new(batch.id.to_string()),
            Cell::toned(batch.state.as_str(), batch.state),
            Cell::new(&batch.from),
            number(batch.counts.total),
            number(batch.counts.delivered),
            some(batch.counts.failed, Tone::Bad),
            number(batch.counts.pending()),
            Cell::new(screen.time(batch.created_at)),
            Cell::new(batch.reference.as_deref().unwrap_or_default()),
            beginning(batch),
        ]);
    }
    table.rendered(screen)
}

/// The beginning of the batch's text.
fn beginning(batch: &Batch) -> Cell {
    let text = batch.message.as_deref().map_or_else(|| "(erased)".to_owned(), super::escape::line);
    Cell::new(super::layout::shortened(&text, BEGINNING))
}

/// Everything about one batch except its counts.
pub(super) fn batch(batch: &Batch, screen: &Screen) -> String {
    let id = |id: Option<BatchId>| id.map(|id| id.to_string());
    let yes = |yes: bool| yes.then(|| "yes".to_owned());
    let error = batch.last_error.as_ref().map(|error| {
        let status = error.status.map(|status| format!(" {status}")).unwrap_or_default();
        format!("{} {}{status}: {}", screen.moment(error.at), error.kind, error.detail)
    });
    let rows = [
        ("id", Some(batch.id.to_string())),
        ("state", Some(batch.state.to_string())),
        ("from", Some(batch.from.clone())),
        ("message", Some(batch.message.clone().unwrap_or_else(|| "(erased)".to_owned()))),
        ("parts", Some(batch.parts.to_string())),
        ("channels", channels(batch.channel, &batch.fallback_channels)),
        ("reference", batch.reference.clone()),
        ("group", id(batch.group)),
        ("resend of", id(batch.resend_of)),
        ("provider's id", batch.provider_id.clone()),
        ("send at", batch.send_at.map(|at| screen.moment(at))),
        ("dry run", yes(batch.dry_run)),
        ("attempts", Some(batch.attempts.to_string())),
        ("created", Some(screen.moment(batch.created_at))),
        ("submitted", Some(screen.moment_or_dash(batch.submitted_at))),
        ("completed", Some(screen.moment_or_dash(batch.completed_at))),
        ("last error", error),
    ];
    let tone = |name| if name == "state" { batch.state.into() } else { Tone::Plain };
    toned_fields(rows.map(|(name, value)| (name, value, tone(name))), screen)
}

/// The channels in the order in which they are tried; `None` if the provider chooses.
pub(super) fn channels(first: Option<Channel>, fallback: &[Channel]) -> Option<String> {
    let names: Vec<_> = first.iter().chain(fallback).map(|channel| channel.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", then "))
}

/// The number of destinations in each state.
pub(super) fn counts(counts: &Counts, screen: &Screen) -> String {
    let states = DestinationState::ALL.map(|state| (state.as_str(), counts.in_state(state), state.into()));
    let remarks =
        [("(delivered, then reported failed)", counts.conflict, Tone::Doubtful), ("(duplicates merged)", counts.merged, Tone::Plain)];
    let some = |rows: &[(&'static str, u64, Tone)]| rows.iter().copied().filter(|(_, number, _)| *number > 0).collect::<Vec<_>>();
    let rows = some(&states).into_iter().chain([("total", counts.total, Tone::Plain)]).chain(some(&remarks));
    counted(["destinations", "count"], rows, screen)
}

/// Names, with the number of each.
pub(super) fn counted<'a>(
    [name, count]: [&'static str; 2],
    rows: impl IntoIterator<Item = (&'a str, u64, Tone)>,
    screen: &Screen,
) -> String {
    let mut table = Table::new([Column::new(name, Fit::Wrap(20), 0), Column::number(count, 0)]);
    for (name, count, tone) in rows {
        table.row([Cell::toned(name, tone), number(count)]);
    }
    table.rendered(screen)
}

/// The failures by code, in the given order.
pub(super) fn failures(failures: &[FailuresOfCode], screen: &Screen) -> String {
    let mut table = Table::new([
        Column::new("failed with code", Fit::Shorten(16), 0),
        Column::new("meaning", Fit::Wrap(20), 0),
        Column::number("count", 0),
    ]);
    for failure in failures {
        table.row([or_dash(failure.code.as_deref()), or_dash(failure.description.as_deref()), number(failure.count)]);
    }
    table.rendered(screen)
}

/// One number in every batch, with the history of its receipts. `about` contains the known batches.
pub(super) fn number_report(report: &NumberReport, about: &BTreeMap<BatchId, Batch>, screen: &Screen) -> String {
    let mut table = Table::new([
        Column::new("batch", Fit::Id, 0),
        Column::new("state", Fit::Whole, 0),
        Column::new("code", Fit::Shorten(6), 1),
        Column::new("meaning", Fit::Shorten(12), 2),
        Column::number("receipts", 6),
        Column::new("first receipt", Fit::Whole, 7),
        Column::new("last receipt", Fit::Whole, 3),
        Column::new("reference", Fit::Shorten(10), 4),
        Column::new("text", Fit::Shorten(10), 5),
    ]);
    for item in &report.items {
        let destination = &item.destination;
        let (reference, text) = about
            .get(&item.batch)
            .map_or_else(Default::default, |batch| (Cell::new(batch.reference.as_deref().unwrap_or_default()), beginning(batch)));
        table.row([
            Cell::new(item.batch.to_string()),
            Cell::toned(format!("{}{}", destination.state, if destination.conflict { " (conflict)" } else { "" }), destination.state),
            or_dash(destination.code.as_ref().map(|code| code.as_str())),
            or_dash(destination.description.as_deref()),
            number(destination.receipts),
            Cell::new(destination.first_receipt_at.map_or_else(|| "-".to_owned(), |at| screen.time(at))),
            Cell::new(destination.last_receipt_at.map_or_else(|| "-".to_owned(), |at| screen.time(at))),
            reference,
            text,
        ]);
        destination.history.iter().flatten().for_each(|receipt| table.row(history_line(receipt, "", screen)));
    }
    report.unexpected.iter().for_each(|receipt| table.row(history_line(receipt, &receipt.batch.to_string(), screen)));
    table.rendered(screen)
}

/// A receipt, indented below its destination; an unexpected one names its batch.
fn history_line(receipt: &Receipt, batch: &str, screen: &Screen) -> [Cell; 9] {
    let (said, tone) = if receipt.delivered { ("delivered", Tone::Good) } else { ("failed", Tone::Bad) };
    let unexpected = if batch.is_empty() { "" } else { " (not in this batch)" };
    let empty = Cell::default;
    [
        Cell::new(batch),
        Cell::toned(format!("└ {said}{unexpected}"), tone),
        or_dash(receipt.code.as_ref().map(|code| code.as_str())),
        or_dash(receipt.description.as_deref()),
        empty(),
        empty(),
        Cell::new(screen.time(receipt.received_at)),
        empty(),
        empty(),
    ]
}

/// Quarantined callbacks, one per line.
pub(super) fn quarantine(items: &[Quarantined], screen: &Screen) -> String {
    let mut table = Table::new([
        Column::number("id", 0),
        Column::new("state", Fit::Whole, 0),
        Column::new("received", Fit::Whole, 2),
        Column::number("bytes", 3),
        Column::new("batch", Fit::Id, 1),
        Column::new("reason", Fit::Wrap(20), 0),
    ]);
    for item in items {
        let tone = if item.state == QuarantineState::Waiting { Tone::Doubtful } else { Tone::Faint };
        table.row([
            Cell::new(item.id.to_string()),
            Cell::toned(item.state.to_string(), tone),
            Cell::new(screen.time(item.received_at)),
            number(item.bytes),
            Cell::new(item.batch.to_string()),
            Cell::new(&item.reason),
        ]);
    }
    table.rendered(screen)
}

/// One quarantined callback, with its body.
pub(super) fn quarantined(item: &Quarantined, screen: &Screen) -> String {
    let rows = fields(
        [
            ("id", Some(item.id.to_string())),
            ("state", Some(item.state.to_string())),
            ("batch", Some(item.batch.to_string())),
            ("received", Some(screen.moment(item.received_at))),
            ("reason", Some(item.reason.clone())),
            ("bytes", Some(grouped(item.bytes))),
        ],
        screen,
    );
    format!("{rows}\n\n{}", super::escape::plain(item.body.as_deref().unwrap_or("(no body)")))
}

/// The configuration, each value with its origin.
pub fn config(entries: &[Entry], screen: &Screen) -> String {
    let mut table =
        Table::new([Column::new("key", Fit::Whole, 0), Column::new("value", Fit::Wrap(20), 0), Column::new("from", Fit::Wrap(7), 1)]);
    for entry in entries {
        table.row([Cell::new(entry.key), Cell::new(entry.shown()), Cell::new(entry.origin.to_string())]);
    }
    table.rendered(screen)
}

/// Names and values, one per line; names without a value are skipped.
pub(super) fn fields(rows: impl IntoIterator<Item = (&'static str, Option<String>)>, screen: &Screen) -> String {
    toned_fields(rows.into_iter().map(|(name, value)| (name, value, Tone::Plain)), screen)
}

fn toned_fields(rows: impl IntoIterator<Item = (&'static str, Option<String>, Tone)>, screen: &Screen) -> String {
    let mut table = Table::of_fields();
    for (name, value, tone) in rows {
        if let Some(value) = value {
            table.row([Cell::toned(name, Tone::Faint), Cell::lines(&value).in_tone(tone)]);
        }
    }
    table.rendered(screen)
}

/// A cell with a number.
fn number(number: u64) -> Cell {
    Cell::new(grouped(number))
}

/// A number, with a colour if it is not 0.
fn some(number: u64, tone: Tone) -> Cell {
    Cell::toned(grouped(number), if number > 0 { tone } else { Tone::Plain })
}

/// A text, or a dash.
fn or_dash(text: Option<&str>) -> Cell {
    Cell::new(text.unwrap_or("-"))
}

#[cfg(test)]
mod tests;
