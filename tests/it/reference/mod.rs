//! The pages in docs/reference are written by these tests: each compares a page with what the program says of itself, and
//! `RECEIPTD_BLESS=1 cargo test --test it reference` writes the page anew.

mod cli;
mod configuration;
mod messages;
mod metrics;
mod sandbox;

use std::path::Path;

/// Compares a page, or writes it.
fn agree(name: &str, text: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
    if std::env::var_os("RECEIPTD_BLESS").is_some() {
        std::fs::create_dir_all(page.parent().expect("a folder")).expect("made");
        return std::fs::write(&page, text).expect("written");
    }
    let there = std::fs::read_to_string(&page).unwrap_or_default();
    let lines = || there.lines().map(Some).chain([None]).zip(text.lines().map(Some).chain([None]));
    let Some((number, (old, new))) = lines().enumerate().find(|(_, (old, new))| old != new) else { return };
    unreachable!(
        "docs/reference/{name}:{} is out of date; RECEIPTD_BLESS=1 cargo test --test it reference writes it anew.\nit says:    {}\nit should:  {}",
        number + 1,
        old.unwrap_or_default(),
        new.unwrap_or_default()
    );
}

/// A row of a Markdown table.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn table(head: &[&str]) -> String {
    row(head) + &format!("|{}\n", " --- |".repeat(head.len()))
}
