//! docs/reference/cli.md, from the commands as clap knows them.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};
use receiptd::cli::Cli;

use super::{agree, row, table};

const INTRODUCTION: &str = "\
# Command line
Every command with its arguments, as `--help` shows them. This page is generated from the program.
Examples that send messages are in [getting-started.md](../getting-started.md); what commands print with `--json` is in
[api.md](../api.md).

";

#[test]
fn the_reference_of_the_command_line_is_what_the_program_accepts() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut text = INTRODUCTION.to_owned();
    text += "## Options of every command\n";
    text += &arguments(root.get_arguments().filter(|argument| argument.is_global_set()));
    text += &footer(&root);
    let mut all = Vec::new();
    collect(&root, &mut all);
    text += "\n## Commands\n";
    text += &table(&["command", "what it does"]);
    for command in &all {
        let link = format!("[{}](#{})", name(command), name(command).replace(' ', "-"));
        text += &row(&[&link, &plain(command.get_about())]);
    }
    for command in &all {
        text += &described(command);
    }
    agree("cli.md", &text);
}

/// Commands that do something, in the order of the help.
fn collect<'a>(command: &'a Command, found: &mut Vec<&'a Command>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        match sub.get_subcommands().any(|deeper| deeper.get_name() != "help") {
            true => collect(sub, found),
            false => found.push(sub),
        }
    }
}

fn described(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let mut text = format!("\n### {}\n", name(command));
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    text += &format!("{}\n\n", sentence(about.trim()));
    text += &format!("```text\n{}\n```\n", usage.trim().trim_start_matches("Usage: "));
    let own: Vec<&Arg> = command.get_arguments().filter(|argument| !argument.is_global_set()).collect();
    text += &arguments(own.into_iter());
    text + &footer(command)
}

fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: String = arguments
        .filter(|argument| !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str()))
        .map(|argument| {
            let mut meaning = sentence(&plain(argument.get_long_help().or(argument.get_help())));
            let values: Vec<String> = argument
                .get_possible_values()
                .iter()
                .filter(|value| !value.is_hide_set())
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            if argument.get_action().takes_values() && !values.is_empty() {
                meaning += &format!(" One of {}.", values.join(", "));
            }
            let defaults: Vec<String> =
                argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
            if argument.get_action().takes_values() && !defaults.is_empty() && !argument.is_hide_default_value_set() {
                meaning += &format!(" Default: {}.", defaults.join(", "));
            }
            row(&[&format!("`{argument}`"), meaning.trim()])
        })
        .collect();
    if rows.is_empty() { rows } else { format!("\n{}{rows}", table(&["argument", "meaning"])) }
}

/// The examples.
fn footer(command: &Command) -> String {
    match command.get_after_long_help().or(command.get_after_help()) {
        Some(text) => format!("\n```text\n{}\n```\n", text.to_string().trim_end()),
        None => String::new(),
    }
}

/// `receiptd quarantine list` is `quarantine list`.
fn name(command: &Command) -> &str {
    let whole = command.get_bin_name().unwrap_or_default();
    whole.strip_prefix("receiptd ").unwrap_or(whole)
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', '?', '!', ':']) { text.to_owned() } else { format!("{text}.") }
}
