//! docs/reference/configuration.md, from `deploy/receiptd.toml`, which names every key (tests/it/config.rs compares it with the
//! program).

use std::path::Path;

use super::agree;

const INTRODUCTION: &str = "\
# Configuration
Every key with its default. This page is generated from [receiptd.toml](../../deploy/receiptd.toml), which you can copy and edit.

receiptd reads `receiptd.toml` in the working folder, or the file named by `--config` or `RECEIPTD_CONFIG`; without one of these,
`/etc/receiptd/receiptd.toml`. Environment variables win over the file, and flags over both. An empty variable counts as not set. An
unknown key is an error. `receiptd config` shows each value in use and where it comes from; restart the daemon after a change.

Relative paths count from the folder of the file. Durations have a unit: `250ms`, `30s`, `15m`, `72h`, `90d`. So do sizes: `256KiB`, `64MiB`.

The provider's key itself is never in the file: it is in the file that [provider.key_file](#providerkey_file) names, or in the environment
variable `RECEIPTD_PROVIDER__KEY`.

";

/// A key, or the beginning of a section.
enum Entry {
    Section { name: String, about: String },
    Key { name: String, value: String, is_set: bool, about: String },
}

#[test]
fn the_reference_of_the_configuration_is_what_the_commented_file_says() {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/receiptd.toml")).expect("there");
    let mut text = INTRODUCTION.to_owned() + "## Top level\n";
    let mut keys = 0;
    for entry in entries(&file) {
        match entry {
            Entry::Section { name, about } => text += &format!("\n## [{name}]\n{about}\n"),
            Entry::Key { name, value, is_set, about } => {
                keys += 1;
                let variable = format!("RECEIPTD_{}", name.replace('.', "__").to_uppercase());
                let value = if is_set { format!("Default `{value}`") } else { format!("Not set by default; for example `{value}`") };
                text += &format!("\n### {name}\n{value} · environment `{variable}`\n\n{about}\n");
            }
        }
    }
    assert!(keys > 20, "{keys} keys were found");
    agree("configuration.md", &text);
}

/// What the file holds, in its order. Its first paragraph is about the file, not about a key.
fn entries(file: &str) -> Vec<Entry> {
    let (mut found, mut comment, mut section) = (Vec::new(), Vec::<&str>::new(), String::new());
    for line in file.split_once("\n\n").expect("a first paragraph").1.lines() {
        let example = line.strip_prefix("# ").filter(|rest| assignment(rest).is_some());
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            found.push(Entry::Section { name: name.to_owned(), about: comment.join("\n") });
            comment.clear();
        } else if let Some((key, value)) = assignment(example.unwrap_or(line)) {
            let about = comment.join("\n");
            found.push(Entry::Key { name: format!("{section}{key}"), value: value.to_owned(), is_set: example.is_none(), about });
            comment.clear();
        } else if let Some(words) = line.strip_prefix('#') {
            comment.push(words.strip_prefix(' ').unwrap_or(words));
        }
    }
    found
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    (!key.is_empty() && !value.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then_some((key, value))
}
