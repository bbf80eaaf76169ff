//! `completions` and `man`, generated from the arguments.

use std::path::PathBuf;
use std::{fs, io};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};

use super::Failure;
use super::output::{raw, say};

/// `receiptd completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for
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
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    raw(&script(args.shell)?)
}

/// `receiptd openapi`
pub fn openapi() -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(&crate::openapi::document()).unwrap_or_default();
    text.push(b'\n');
    raw(&text)
}

/// The environment variable that makes the program complete a line instead of running it.
const COMPLETE: &str = "_RECEIPTD_COMPLETE";

/// If a shell's script asks for it, completes a line and ends the process.
pub fn complete(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(COMPLETE).bin("receiptd").completer("receiptd").complete();
}

/// The script calls the program, so that ids and references come from the daemon.
fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(&shell.to_string()) {
        completer.write_registration(COMPLETE, "receiptd", "receiptd", "receiptd", &mut script)?;
    }
    Ok(script)
}

/// `receiptd man`
pub fn man(args: &ManArgs, command: Command) -> Result<(), Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return raw(&page);
    };
    let failed = |error| Failure::Failed(format!("cannot write to {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    say(&format!("Written to {}.", folder.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_shell_gets_a_script_that_asks_the_program() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell).expect("written")).expect("text");
            assert!(script.contains(COMPLETE) && script.contains("receiptd"), "{shell}: {script}");
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
