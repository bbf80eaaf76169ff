//! `receiptd config`: the effective configuration, each value with its origin, secrets hidden.

use comfy_table::{Table, presets};

use crate::config::Entry;

/// The table for people. It is as wide as it must be: a path cut in two is of no use.
pub fn render(entries: &[Entry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["key", "value", "from"]);
    for entry in entries {
        table.add_row([entry.key.to_owned(), entry.shown(), entry.origin.to_string()]);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt()
}

/// The same for programs: an array of `{"key", "value", "origin"}`, numbers and switches as such,
/// `null` where nothing is set.
///
/// # Errors
/// None that can be met: entries hold nothing that JSON can't.
pub fn render_json(entries: &[Entry]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(entries)
}
