//! `restore`: puts a copy in the place of the database while no daemon runs.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::output::{count, say};
use super::{Failure, Session, progress, start};
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::store::{Restored, restore_file};

/// `receiptd restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Copy made by `receiptd backup`; COPY.identity must be beside it
    #[arg(value_name = "COPY")]
    copy: PathBuf,
}

/// The result, for programs.
#[derive(Serialize)]
struct Told {
    database: String,
    kept: Option<String>,
    held_batches: u64,
    held_numbers: u64,
    newest_batch_at: Option<Timestamp>,
}

/// `receiptd restore`
pub async fn run(session: &Session, args: RestoreArgs) -> Result<(), Failure> {
    let loaded = session.load()?;
    let (database, copy) = (loaded.config.database.clone(), args.copy);
    let bar = progress::restoring();
    let work = actix_web::rt::task::spawn_blocking(move || restore_file(&copy, &database, Clock::system().now()));
    let restored = progress::beside(work, bar, async || None).await;
    let restored = restored.map_err(|error| Failure::Failed(error.to_string()))?;
    let restored = restored.map_err(|error| Failure::Failed(format!("{error}\nNothing was changed.")))?;
    let told = Told {
        database: restored.database.display().to_string(),
        kept: restored.kept.as_ref().map(|path| path.display().to_string()),
        held_batches: restored.held,
        held_numbers: restored.numbers,
        newest_batch_at: restored.newest,
    };
    session.output.show(&told, |screen| {
        let newest =
            restored.newest.map_or_else(|| "It has no batch.".to_owned(), |at| format!("Its newest batch is of {}.", screen.moment(at)));
        let kept = told.kept.as_ref().map(|kept| format!("\nThe previous database is now {kept}")).unwrap_or_default();
        format!("Restored {}. {newest}{kept}", told.database)
    })?;
    say(&held(&restored));
    say(&format!(
        "The copy does not know batches accepted after it was made: repeating one of those sends it again.\nStart the daemon: {}",
        start::command(&loaded)
    ));
    Ok(())
}

fn held(restored: &Restored) -> String {
    match restored.held {
        0 => "No batch waits in it, so nothing will be held.".to_owned(),
        held => format!(
            "{} with {} in it: the daemon will hold {} as unconfirmed, since the original may have sent {1} since. \
             It asks the provider; decide the rest with `receiptd resolve --held --as …`",
            count(held, "batch waits", "batches wait"),
            count(restored.numbers, "number", "numbers"),
            if held == 1 { "it" } else { "them" },
        ),
    }
}
