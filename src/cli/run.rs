//! From the arguments to the command, and from its result to the exit code.

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;

use super::args::Command;
use super::output::{Output, say};
use super::screen::Screen;
use super::{
    Cli, Failure, Session, batches, demo, doctor, export, generate, health, init, numbers, operate, quarantine, reconcile, resolve,
    restore, sandbox, send, serve, tables, watch,
};

/// Runs a command. Errors are printed on standard error.
pub async fn run(cli: Cli) -> ExitCode {
    match dispatch(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match &failure {
                Failure::OutputClosed => {}
                Failure::Declined(text) | Failure::Interrupted(text) => say(text),
                failure => say(&format!("receiptd: {}", failure)),
            }
            failure.exit_code().into()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let screen = Screen::of_stdout(cli.global.color);
    let session = Session::new(cli.global.config, Output::new(cli.global.json, screen));
    match cli.command {
        Command::Demo(args) => demo::run(&session, args).await,
        Command::Serve(args) => serve::run(&session, args).await,
        Command::Send(args) => send::run(&session, *args).await,
        Command::Batches(args) => batches::list(&session, args).await,
        Command::Show(args) => batches::show(&session, args).await,
        Command::Watch(args) => watch::run(&session, args).await,
        Command::Cancel(args) => batches::cancel(&session, args).await,
        Command::Resend(args) => batches::resend(&session, args).await,
        Command::Number(args) => numbers::number(&session, args).await,
        Command::Forget(args) => numbers::forget(&session, args).await,
        Command::Export(args) => export::run(&session, args).await,
        Command::Quarantine(args) => quarantine::run(&session, args).await,
        Command::Reconcile(args) => reconcile::run(&session, args).await,
        Command::Resolve(args) => resolve::run(&session, args).await,
        Command::Pause => operate::pause(&session, true).await,
        Command::Resume => operate::pause(&session, false).await,
        Command::Backup(args) => operate::backup(&session, args).await,
        Command::Check => operate::check(&session).await,
        Command::Prune(args) => operate::prune(&session, args).await,
        Command::RotateSecret(args) => operate::rotate_secret(&session, args).await,
        Command::Init(args) => init::run(&session, args).await,
        Command::Restore(args) => restore::run(&session, args).await,
        Command::Doctor(args) => doctor::run(&session, args).await,
        Command::Sandbox(args) => sandbox::run(args, session.output.is_json()).await.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(error.to_string()),
        }),
        Command::Healthcheck(args) => health::run(&session, args).await,
        Command::Config => {
            let entries = session.load()?.entries;
            session.output.show(&entries, |screen| tables::config(&entries, screen))
        }
        Command::Completions(args) => generate::completions(&args),
        Command::Openapi => generate::openapi(),
        Command::Man(args) => generate::man(&args, Cli::command()),
    }
}
