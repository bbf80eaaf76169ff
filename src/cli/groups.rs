//! Grouping the commands under headings on the first page of the help.

use clap::Command;
use clap::builder::StyledStr;

/// The headings with their commands.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Get started", &["demo", "init", "sandbox", "serve", "doctor"]),
    ("Send", &["send", "resend", "cancel", "pause", "resume"]),
    ("Inspect", &["batches", "show", "watch", "number", "export"]),
    ("Resolve problems", &["reconcile", "resolve", "quarantine"]),
    ("Maintain the data", &["backup", "restore", "check", "prune", "forget", "rotate-secret"]),
    ("For scripts and shells", &["healthcheck", "config", "completions", "man", "openapi"]),
];

/// The width of the column with the names.
const NAMES: usize = 15;

/// Adds the headings to the program's help; the help of each command stays as it is.
pub(super) fn headed(command: Command) -> Command {
    let style = command.get_styles();
    let (header, literal) = (*style.get_header(), *style.get_literal());
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (heading, names) in GROUPS {
        text.push_str(&format!("\n{header}{heading}:{header:#}\n"));
        for found in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let (name, about) = (found.get_name(), found.get_about().map(ToString::to_string).unwrap_or_default());
            text.push_str(&format!("  {literal}{name}{literal:#}{:1$}{about}\n", "", NAMES - name.len()));
        }
    }
    text.push_str(&format!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"));
    command.help_template(StyledStr::from(text))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_stands_under_one_heading_and_fits_80_columns() {
        let command = Cli::command();
        let mut named: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut there: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        named.sort_unstable();
        there.sort_unstable();
        assert_eq!(named, there);
        let help = headed(command).render_help().to_string();
        // clap wraps the options for the current terminal.
        for line in help.lines().take_while(|line| !line.starts_with("Options:")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(help.contains("Send:\n  send ") && help.contains("Options:\n"), "{help}");
    }
}
