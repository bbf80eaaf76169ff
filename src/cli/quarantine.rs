//! `quarantine`: callbacks that could not be understood.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use super::confirm::Consent;
use super::ids::{QuarantineId, complete_quarantined};
use super::output::{count, plain, say};
use super::tables;
use super::values::{limit, quarantine_state};
use super::{Failure, Session};
use crate::api::{Acknowledgement, MAX_LIMIT, Page, QuarantineState, Quarantined};
use crate::client::{Client, ClientError, QuarantineFilter, all_pages};

/// `receiptd quarantine`
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// List quarantined callbacks
    #[command(after_help = "Example:\n  receiptd quarantine list --state waiting")]
    List(ListArgs),
    /// Show one quarantined callback, with its body
    #[command(after_help = "Example:\n  receiptd quarantine show 17")]
    Show {
        /// Id of a quarantined callback, or `last` for the newest one
        #[arg(value_name = "ID", add = ArgValueCompleter::new(complete_quarantined))]
        id: QuarantineId,
    },
    /// Read quarantined callbacks again, for instance after an update
    #[command(after_help = "Examples:\n  receiptd quarantine replay 17 18\n  receiptd quarantine replay --all")]
    Replay(ReplayArgs),
    /// Discard quarantined callbacks
    #[command(after_help = "Examples:\n  receiptd quarantine drop 17 --yes\n  receiptd quarantine drop --all")]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only callbacks in this state
    #[arg(long, value_parser = quarantine_state())]
    state: Option<QuarantineState>,
    /// Show at most N
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = limit())]
    limit: u32,
    /// Show all, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Ids of quarantined callbacks
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete_quarantined), required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<QuarantineId>,
    /// All callbacks that are waiting
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct DropArgs {
    /// Ids of quarantined callbacks
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete_quarantined), required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<QuarantineId>,
    /// All callbacks that are waiting
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd quarantine`
pub async fn run(session: &Session, args: QuarantineArgs) -> Result<(), Failure> {
    let client = session.client()?;
    match args.command {
        QuarantineCommand::List(args) => list(session, &client, args).await,
        QuarantineCommand::Show { id } => {
            let item = client.quarantined(id.find(&client).await?).await?;
            session.output.show(&item, |screen| tables::quarantined(&item, screen))
        }
        QuarantineCommand::Replay(args) => replay(session, &client, args).await,
        QuarantineCommand::Drop(args) => {
            let ids = if args.all { waiting(&client).await? } else { found(&client, &args.ids).await? };
            let what = count(ids.len() as u64, "callback", "callbacks");
            args.consent.to(&format!("Discard {what}? This cannot be undone."), "nothing was discarded")?;
            for id in &ids {
                client.drop_quarantined(*id).await?;
            }
            session.output.show(&serde_json::json!({ "dropped": ids }), |_| format!("Discarded {what}."))
        }
    }
}

async fn list(session: &Session, client: &Client, args: ListArgs) -> Result<(), Failure> {
    let page = if args.all {
        Page::of(all(client, args.state).await?, None)
    } else {
        client.quarantine(&QuarantineFilter { state: args.state, limit: Some(args.limit), cursor: None }).await?
    };
    session.output.show(&page, |screen| tables::quarantine(&page.items, screen))?;
    if page.items.is_empty() {
        say("The quarantine is empty.");
    } else if page.next.is_some() {
        say("There are more; --all shows them.");
    }
    Ok(())
}

async fn replay(session: &Session, client: &Client, args: ReplayArgs) -> Result<(), Failure> {
    let ids = if args.all { waiting(client).await? } else { found(client, &args.ids).await? };
    let (mut sum, mut refused) = (Acknowledgement::default(), 0);
    for id in &ids {
        match client.replay(*id).await {
            Ok(one) => {
                sum.recorded += one.recorded;
                sum.duplicates += one.duplicates;
                sum.quarantined.extend(one.quarantined);
            }
            // One that still cannot be understood does not prevent the others from being replayed.
            Err(error) if error.problem(409).is_some() => {
                say(&format!("callback {id}: {}", plain(&error.to_string())));
                refused += 1;
            }
            Err(error) => return Err(Failure::from(error).with(&format!("(callback {id})"))),
        }
    }
    session.output.show(&sum, |_| {
        format!(
            "Read {} again: {}, {} already known.",
            count(ids.len() as u64, "callback", "callbacks"),
            count(sum.recorded, "new receipt", "new receipts"),
            sum.duplicates
        )
    })?;
    match refused {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("{} not understood this time either", count(refused, "callback was", "callbacks were")))),
    }
}

async fn found(client: &Client, ids: &[QuarantineId]) -> Result<Vec<i64>, Failure> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(id.find(client).await?);
    }
    Ok(found)
}

/// All ids are collected first, because replaying changes the list.
async fn waiting(client: &Client) -> Result<Vec<i64>, ClientError> {
    Ok(all(client, Some(QuarantineState::Waiting)).await?.iter().map(|item| item.id).collect())
}

async fn all(client: &Client, state: Option<QuarantineState>) -> Result<Vec<Quarantined>, ClientError> {
    let filter = QuarantineFilter { state, limit: Some(MAX_LIMIT), cursor: None };
    all_pages(async |cursor| client.quarantine(&QuarantineFilter { cursor, ..filter.clone() }).await).await
}
