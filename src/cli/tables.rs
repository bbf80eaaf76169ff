//! Every table that people see. Text from elsewhere is made harmless for a terminal here, and nowhere else.

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::failed_codes::FailuresOfCode;
use super::output::{grouped, plain};
use crate::api::{Batch, BatchId, Channel, Counts, DestinationState, NumberReport, Quarantined, Receipt};
use crate::config::Entry;
use crate::domain::Timestamp;

/// Batches, a line each.
pub(super) fn batches(batches: &[Batch]) -> String {
    let mut table = table(["id", "state", "from", "total", "delivered", "failed", "pending", "created"]);
    for batch in batches {
        table.add_row([
            text(&batch.id.to_string()),
            text(batch.state.as_str()),
            text(&batch.from),
            number(batch.counts.total),
            number(batch.counts.delivered),
            number(batch.counts.failed),
            number(batch.counts.pending()),
            text(&batch.created_at.to_string()),
        ]);
    }
    table.trim_fmt()
}

/// Everything about one batch but its counts.
pub(super) fn batch(batch: &Batch) -> String {
    let id = |id: Option<BatchId>| id.map(|id| id.to_string());
    let yes = |yes: bool| yes.then(|| "yes".to_owned());
    let error = batch.last_error.as_ref().map(|error| {
        let status = error.status.map(|status| format!(" {status}")).unwrap_or_default();
        format!("{} {}{status}: {}", error.at, error.kind, error.detail)
    });
    fields([
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
        ("send at", batch.send_at.map(|at| at.to_string())),
        ("dry run", yes(batch.dry_run)),
        ("attempts", Some(batch.attempts.to_string())),
        ("created", Some(batch.created_at.to_string())),
        ("submitted", Some(time(batch.submitted_at))),
        ("completed", Some(time(batch.completed_at))),
        ("last error", error),
    ])
}

/// Channels in the order in which they are tried; none where the choice is the provider's.
pub(super) fn channels(first: Option<Channel>, fallback: &[Channel]) -> Option<String> {
    let names: Vec<_> = first.iter().chain(fallback).map(|channel| channel.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", then "))
}

/// How many destinations are in which state.
pub(super) fn counts(counts: &Counts) -> String {
    let states = DestinationState::ALL.map(|state| (state.as_str(), counts.in_state(state)));
    let remarks = [("(delivered, then reported failed)", counts.conflict), ("(duplicates merged)", counts.merged)];
    let some = |rows: &[(&'static str, u64)]| rows.iter().copied().filter(|(_, number)| *number > 0).collect::<Vec<_>>();
    counted(["destinations", "count"], some(&states).into_iter().chain([("total", counts.total)]).chain(some(&remarks)))
}

/// Names, and how many there are of each.
pub(super) fn counted<'a>(header: [&str; 2], rows: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    let mut table = table(header);
    for (name, count) in rows {
        table.add_row([text(name), number(count)]);
    }
    table.trim_fmt()
}

/// Failures by code, in the order given.
pub(super) fn failures(failures: &[FailuresOfCode]) -> String {
    let mut table = table(["failed with code", "meaning", "count"]);
    for failure in failures {
        let or_dash = |value: &Option<String>| text(value.as_deref().unwrap_or("-"));
        table.add_row([or_dash(&failure.code), or_dash(&failure.description), number(failure.count)]);
    }
    table.trim_fmt()
}

/// One number in every batch, with the history of its receipts.
pub(super) fn number_report(report: &NumberReport) -> String {
    let mut rows = table(["batch", "state", "code", "meaning", "receipts", "first receipt", "last receipt"]);
    for item in &report.items {
        let destination = &item.destination;
        rows.add_row([
            text(&item.batch.to_string()),
            text(&format!("{}{}", destination.state, if destination.conflict { " (conflict)" } else { "" })),
            text(destination.code.as_ref().map_or("-", |code| code.as_str())),
            text(destination.description.as_deref().unwrap_or("-")),
            number(destination.receipts),
            text(&time(destination.first_receipt_at)),
            text(&time(destination.last_receipt_at)),
        ]);
        for receipt in destination.history.iter().flatten() {
            rows.add_row(history_line(receipt, ""));
        }
    }
    for receipt in &report.unexpected {
        rows.add_row(history_line(receipt, &receipt.batch.to_string()));
    }
    rows.trim_fmt()
}

/// A receipt, indented below its destination; an unexpected one names its batch.
fn history_line(receipt: &Receipt, batch: &str) -> [Cell; 7] {
    let said = if receipt.delivered { "delivered" } else { "failed" };
    let unexpected = if batch.is_empty() { "" } else { " (not in this batch)" };
    let (text, empty) = (|value: &str| text(value), text(""));
    [
        text(batch),
        text(&format!("└ {said}{unexpected}")),
        text(receipt.code.as_ref().map_or("-", |code| code.as_str())),
        text(receipt.description.as_deref().unwrap_or("-")),
        empty.clone(),
        text(&receipt.received_at.to_string()),
        empty,
    ]
}

/// Quarantined callbacks, a line each.
pub(super) fn quarantine(items: &[Quarantined]) -> String {
    let mut rows = table(["id", "state", "received", "bytes", "batch", "reason"]);
    for item in items {
        rows.add_row([
            text(&item.id.to_string()),
            text(item.state.as_str()),
            text(&item.received_at.to_string()),
            number(item.bytes),
            text(&item.batch.to_string()),
            text(&item.reason),
        ]);
    }
    rows.trim_fmt()
}

/// One quarantined callback, with its body.
pub(super) fn quarantined(item: &Quarantined) -> String {
    let rows = fields([
        ("id", Some(item.id.to_string())),
        ("state", Some(item.state.to_string())),
        ("batch", Some(item.batch.to_string())),
        ("received", Some(item.received_at.to_string())),
        ("reason", Some(item.reason.clone())),
        ("bytes", Some(item.bytes.to_string())),
    ]);
    format!("{rows}\n\n{}", plain(item.body.as_deref().unwrap_or("(no body)")))
}

/// The configuration, each value with its origin. It is as wide as it must be: a path cut in two is of no use.
pub fn config(entries: &[Entry]) -> String {
    let mut table = table(["key", "value", "from"]);
    for entry in entries {
        table.add_row([entry.key.to_owned(), entry.shown(), entry.origin.to_string()]);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// A table with these columns. On a terminal it is no wider than that.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = bare();
    table.set_header(header.map(Cell::new));
    table
}

/// Names and their values, a line each; what has no value is left out.
pub(super) fn fields(rows: impl IntoIterator<Item = (&'static str, Option<String>)>) -> String {
    let mut table = bare();
    for (name, value) in rows {
        if let Some(value) = value {
            table.add_row([Cell::new(name), text(&value)]);
        }
    }
    table.trim_fmt()
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// A cell with text from elsewhere.
fn text(text: &str) -> Cell {
    Cell::new(plain(text))
}

/// A cell with a number.
fn number(number: u64) -> Cell {
    Cell::new(grouped(number)).set_alignment(CellAlignment::Right)
}

/// A time, or a dash.
fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}
