//! `completions` and `man`, made out of the arguments themselves.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::Failure;
use super::output::{raw, say};

/// `receiptd completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `receiptd man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write receiptd.1 and a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// `receiptd completions`
pub fn completions(args: &CompletionsArgs, command: Command) -> Result<(), Failure> {
    raw(&script(args.shell, command))
}

/// `receiptd openapi`
pub fn openapi() -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(&crate::openapi::document()).unwrap_or_default();
    text.push(b'\n');
    raw(&text)
}

/// Made in memory: the generator panics where it cannot write.
fn script(shell: Shell, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "receiptd", &mut script);
    script
}

/// `receiptd man`
pub fn man(args: &ManArgs, command: Command) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return raw(&page);
    };
    let failed = |error| Failure::Failed(format!("can't write into {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    say(&format!("written to {}", folder.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_shell_gets_a_script_with_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell, Cli::command())).expect("text");
            for command in ["send", "quarantine", "rotate-secret"] {
                assert!(script.contains(command), "{shell} lacks {command}");
            }
        }
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let args = ManArgs { out: Some(folder.path().to_owned()) };
        man(&args, Cli::command()).expect("written");
        for page in ["receiptd.1", "receiptd-send.1", "receiptd-quarantine-replay.1"] {
            let text = fs::read_to_string(folder.path().join(page)).expect(page);
            assert!(text.contains("Example"), "{page}");
        }
    }
}
