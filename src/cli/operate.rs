//! `pause`, `resume`, `backup`, `check`, `prune`, `rotate-secret`.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::confirm::Consent;
use super::output::{count, plain, say};
use super::progress;
use super::{Failure, Session};
use crate::api::{Backup, Checked, PruneRequest};
use crate::client::{Client, ClientError};
use crate::durable::drafts;

/// `receiptd backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Path of the copy; FILE.identity is written beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// `receiptd prune`
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Delete batches settled longer ago than this, for instance 90d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    older_than: String,
    /// Show what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd rotate-secret`
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Refuse URLs given out before: receipts of open batches are then missed until the provider is asked for them
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Checks that the text is a duration; the text itself is sent to the daemon.
fn duration(text: &str) -> Result<String, humantime::DurationError> {
    humantime::parse_duration(text).map(|_| text.to_owned())
}

/// `receiptd pause` and `resume`
pub async fn pause(session: &Session, pause: bool) -> Result<(), Failure> {
    let client = session.client()?;
    let state = if pause { client.pause().await } else { client.resume().await }?;
    session.output.show(&state, |_| {
        match state.paused {
            true => "Paused. Nothing is sent until `receiptd resume`; receipts are still recorded.",
            false => "Resumed: batches are being sent.",
        }
        .to_owned()
    })
}

/// `receiptd backup`
pub async fn backup(session: &Session, args: BackupArgs) -> Result<(), Failure> {
    let file = std::path::absolute(&args.file)
        .map_err(|error| Failure::Usage(format!("{} is not a path for a copy: {error}", args.file.display())))?;
    let Some(name) = file.to_str() else { return Err(Failure::Usage("the path of the copy is not UTF-8".to_owned())) };
    let database = session.load()?.config.database;
    let bar = progress::copying(size(&database));
    let work = async {
        match daemon(session).await? {
            Some(client) => Ok(client.backup(name).await?),
            None => {
                say(&format!("No daemon answers; copying {} without one.", database.display()));
                let (database, file) = (database.clone(), file.clone());
                aside(move || offline_backup(&database, &file)).await
            }
        }
    };
    let done = progress::beside(work, bar, async || Some(written(&file))).await?;
    session.output.show(&done, |_| format!("Copied to {0} and {0}.identity.", done.file))
}

/// `receiptd check`
pub async fn check(session: &Session) -> Result<(), Failure> {
    let database = session.load()?.config.database;
    let bar = progress::checking(size(&database));
    let work = async {
        match daemon(session).await? {
            Some(client) => Ok(client.check().await?),
            None => {
                say(&format!("No daemon answers; checking {} without one.", database.display()));
                aside(move || offline_check(&database)).await
            }
        }
    };
    let checked = progress::beside(work, bar, async || None).await?;
    session.output.show(&checked, |_| match checked.ok {
        true => "OK: no problems found".to_owned(),
        false => checked.problems.iter().map(|problem| format!("- {}", plain(problem))).collect::<Vec<_>>().join("\n"),
    })?;
    if checked.ok {
        return Ok(());
    }
    Err(Failure::Failed(count(checked.problems.len() as u64, "problem was found", "problems were found")))
}

/// The size of a file, if it can be determined. The file is never opened, which would drop SQLite's locks.
fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}

/// The size of what has been written of a copy, which gets its name only when it is complete.
fn written(copy: &Path) -> u64 {
    drafts(copy).iter().map(|draft| size(draft)).max().unwrap_or(0)
}

/// Runs blocking work while a progress bar is shown.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    actix_web::rt::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::Failed(error.to_string())))
}

/// The daemon, if one answers. This is decided before the work: if the connection to a daemon breaks during the work,
/// the daemon may continue, and its file must not be opened.
async fn daemon(session: &Session) -> Result<Option<Client>, Failure> {
    match session.client_without_token()?.ready().await {
        Err(ClientError::Unreachable(_)) => Ok(None),
        _ => session.client().map(Some),
    }
}

fn offline(error: &dyn std::fmt::Display, database: &Path) -> Failure {
    let failure = Failure::Failed(error.to_string());
    if database.exists() {
        failure
    } else {
        failure.with("There is no database yet, or it is elsewhere: pass the daemon's configuration with --config")
    }
}

/// Checks a database that no daemon has open.
pub fn offline_check(database: &Path) -> Result<Checked, Failure> {
    let problems = crate::store::check_file(database).map_err(|error| offline(&error, database))?;
    Ok(Checked { ok: problems.is_empty(), problems })
}

/// Copies a database that no daemon has open.
pub fn offline_backup(database: &Path, to: &Path) -> Result<Backup, Failure> {
    crate::store::backup_file(database, to).map_err(|error| offline(&error, database))?;
    Ok(Backup { file: to.display().to_string() })
}

/// `receiptd prune`
pub async fn prune(session: &Session, args: PruneArgs) -> Result<(), Failure> {
    let request = PruneRequest { older_than: args.older_than, dry_run: args.dry_run };
    let client = session.client()?;
    let mut bar = ProgressBar::hidden();
    let mut before = 0;
    if !request.dry_run {
        let old = client.prune(&PruneRequest { dry_run: true, ..request.clone() }).await?;
        let numbers = count(old.destinations, "destination", "destinations");
        let question = format!("Delete {} with {numbers}? This cannot be undone.", count(old.batches, "batch", "batches"));
        args.consent.to(&question, "nothing was deleted")?;
        bar = progress::deleting(old.destinations);
        before = client.stats().await?.destinations.total;
    }
    let gone = async || Some(before.saturating_sub(client.stats().await.ok()?.destinations.total));
    let pruned = progress::beside(client.prune(&request), bar, gone).await?;
    session.output.show(&pruned, |_| {
        format!(
            "{}, {}, {} {}",
            count(pruned.batches, "batch", "batches"),
            count(pruned.destinations, "destination", "destinations"),
            count(pruned.receipts, "receipt", "receipts"),
            if request.dry_run { "would be deleted" } else { "deleted" }
        )
    })
}

/// `receiptd rotate-secret`
pub async fn rotate_secret(session: &Session, args: RotateArgs) -> Result<(), Failure> {
    if args.revoke {
        args.consent.to("Refuse every callback URL given out so far? This cannot be undone.", "nothing was changed")?;
    }
    let rotated = session.client()?.rotate_secret(args.revoke).await?;
    session.output.show(&rotated, |_| match rotated.accepted {
        0 | 1 => "New callback secret in use; URLs made with earlier ones are refused.".to_owned(),
        all => format!("New callback secret in use; URLs made with earlier ones are still accepted ({all} secrets in all)."),
    })
}
