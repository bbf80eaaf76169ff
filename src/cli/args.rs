//! All commands on one page. The arguments of each command are in the file that implements it.

use std::path::PathBuf;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::values::IdArgs;
use super::{
    batches, demo, doctor, export, generate, groups, health, init, numbers, operate, quarantine, resolve, restore, sandbox, send, serve,
    watch,
};

/// Sends SMS and RCS batches, and records the delivery receipt of every message.
#[derive(Debug, Parser)]
#[command(
    name = "receiptd",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:
  receiptd demo                                        see it work, without any setup
  receiptd serve                                       run the daemon
  receiptd send --from ME --message Hello --to +447700900123 --wait

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 daemon not reachable, 4 not found, 5 refused by the provider"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The arguments of this process. Help and usage errors are printed here and end the process; both obey `--color`.
    pub fn of_process() -> Self {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let after = words.iter().position(|word| word == "--color").and_then(|at| words.get(at + 1));
        let when = words.iter().find_map(|word| word.strip_prefix("--color=")).or(after.map(String::as_str));
        let color = when.and_then(|when| ColorChoice::from_str(when, true).ok()).unwrap_or_default();
        let matches = groups::headed(Self::command()).color(color).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file [default: receiptd.toml in this folder, otherwise /etc/receiptd/receiptd.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    pub color: ColorChoice,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show it at work: simulator, daemon and a batch in one process
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Write a configuration and a key file from a few answers
    #[command(after_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Run the daemon
    #[command(after_help = "Example:\n  receiptd serve --config /etc/receiptd/receiptd.toml")]
    Serve(serve::ServeArgs),
    /// Send a text to a list of numbers
    #[command(after_help = send::EXAMPLES)]
    Send(Box<send::SendArgs>),
    /// List batches, newest first
    #[command(after_help = "Examples:\n  receiptd batches --state unconfirmed\n  receiptd batches --reference spring-sale --all --json")]
    Batches(batches::BatchesArgs),
    /// Show a batch or a group, with counts and failures by code
    #[command(after_help = "Example:\n  receiptd show 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11")]
    Show(IdArgs),
    /// Follow a batch or a group until it is complete
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::WatchArgs),
    /// Cancel a batch or a group that has not been sent yet
    #[command(after_help = "Example:\n  receiptd cancel 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11")]
    Cancel(batches::CancelArgs),
    /// Send a settled batch again to its failed destinations
    #[command(after_help = "Example:\n  receiptd resend 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11 --state failed")]
    Resend(batches::ResendArgs),
    /// Show everything known about a number, in all batches
    #[command(after_help = "Example:\n  receiptd number +447700900123")]
    Number(numbers::NumberArgs),
    /// Erase a number everywhere; counts stay as they are
    #[command(after_help = "Example:\n  receiptd forget +447700900123 --yes")]
    Forget(numbers::ForgetArgs),
    /// Print one row per destination of a batch or group
    #[command(after_help = "Examples:\n  receiptd export ID > receipts.csv\n  receiptd export ID --format ndjson --state failed")]
    Export(export::ExportArgs),
    /// Inspect callbacks that could not be understood
    #[command(after_help = "Examples:\n  receiptd quarantine list\n  receiptd quarantine replay --all")]
    Quarantine(quarantine::QuarantineArgs),
    /// Ask the provider now for the receipts of a batch or group
    #[command(after_help = "Example:\n  receiptd reconcile 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11")]
    Reconcile(IdArgs),
    /// Decide an unconfirmed batch by hand
    #[command(after_help = resolve::EXAMPLES)]
    Resolve(resolve::ResolveArgs),
    /// Stop sending until resumed; receipts are still recorded
    #[command(after_help = "Example:\n  receiptd pause")]
    Pause,
    /// Start sending again after a pause
    #[command(after_help = "Example:\n  receiptd resume")]
    Resume,
    /// Copy the database, also while the daemon runs
    #[command(after_help = "Example:\n  receiptd backup /var/backups/receiptd-monday.db")]
    Backup(operate::BackupArgs),
    /// Check the integrity and the consistency of the database
    #[command(after_help = "Example:\n  receiptd check")]
    Check,
    /// Delete batches that were settled long ago
    #[command(after_help = "Examples:\n  receiptd prune --older-than 90d --dry-run\n  receiptd prune --older-than 90d")]
    Prune(operate::PruneArgs),
    /// Create a new secret for callback URLs
    #[command(
        after_help = "Examples:\n  receiptd rotate-secret            earlier URLs stay valid\n  receiptd rotate-secret --revoke   earlier URLs are refused"
    )]
    RotateSecret(operate::RotateArgs),
    /// Replace the database with a copy, while no daemon runs
    #[command(after_help = "Example:\n  receiptd restore /var/backups/receiptd/receiptd-monday.db")]
    Restore(restore::RestoreArgs),
    /// Check the setup, and say how to fix what is wrong
    #[command(after_help = "Example:\n  receiptd doctor")]
    Doctor(doctor::DoctorArgs),
    #[expect(missing_docs, reason = "its arguments bring their own help, which a comment here would replace")]
    Sandbox(sandbox::SandboxArgs),
    /// Exit with 0 if the daemon is ready, for containers and scripts
    #[command(after_help = "Example:\n  receiptd healthcheck || systemctl restart receiptd")]
    Healthcheck(health::HealthArgs),
    /// Show each value in use and its source; secrets are hidden
    #[command(after_help = "Examples:\n  receiptd config\n  receiptd config --json")]
    Config,
    /// Print the completion script for a shell
    #[command(after_help = "Example:\n  receiptd completions bash > ~/.local/share/bash-completion/completions/receiptd")]
    Completions(generate::CompletionsArgs),
    /// Print the OpenAPI document of the REST API
    #[command(after_help = "Example:\n  receiptd openapi > receiptd.openapi.json")]
    Openapi,
    /// Print the manual page, or write one for each command
    #[command(after_help = "Examples:\n  receiptd man | man -l -\n  receiptd man --out /usr/local/share/man/man1")]
    Man(generate::ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, look: &mut impl FnMut(&clap::Command)) {
        look(command);
        for subcommand in command.get_subcommands() {
            each(subcommand, look);
        }
    }

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_and_an_example() {
        each(&Cli::command(), &mut |command| {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no help");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example") && after.contains("receiptd"), "{name} has no example");
            for argument in command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())) {
                assert!(argument.get_help().is_some(), "{name} does not explain {}", argument.get_id());
            }
        });
    }

    #[test]
    fn what_every_command_prints_for_programs_is_documented() {
        let documented = include_str!("../../docs/api.md");
        for command in Cli::command().get_subcommands().map(|command| command.get_name().to_owned()) {
            let prints = !["serve", "completions", "man"].contains(&command.as_str());
            assert!(!prints || documented.contains(&format!("`{command}")), "docs/api.md does not say what {command} --json prints");
        }
    }

    #[test]
    fn every_example_is_one() {
        each(&Cli::command(), &mut |command| {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in after.lines().filter(|line| line.starts_with("  receiptd ")) {
                let words = line.split("  ").find(|part| !part.is_empty()).unwrap_or_default();
                let words = words.split([';', '|', '>']).next().unwrap_or_default();
                let words = words.replace("'", "").replace(" ID", " 6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11");
                let parsed = Cli::try_parse_from(words.split_whitespace());
                assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
            }
        });
    }

    #[test]
    fn config_and_json_may_stand_before_or_after_the_command() {
        for line in ["receiptd --config f.toml --json batches", "receiptd batches --json --config f.toml"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("parses");
            assert_eq!(cli.global.config, Some("f.toml".into()));
            assert!(cli.global.json);
        }
        let nested = Cli::try_parse_from(["receiptd", "quarantine", "list", "--config", "f.toml"]).expect("parses");
        assert_eq!(nested.global.config, Some("f.toml".into()));
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_command_that_was_meant() {
        let error = Cli::try_parse_from(["receiptd", "bathces"]).expect_err("no such command");
        assert!(error.to_string().contains("'batches'"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}
