//! `quarantine`: callbacks that were authentic but not understood.

use clap::{Args, Subcommand};

use super::confirm::confirm;
use super::output::{count, fields, number, plain, say, table, text};
use super::{Failure, Session};
use crate::api::{Acknowledgement, MAX_LIMIT, Quarantined};
use crate::client::{Client, QuarantineFilter};

/// `receiptd quarantine`
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// List them
    #[command(after_help = "Example:\n  receiptd quarantine list --state waiting")]
    List(ListArgs),
    /// Show one, with its body
    #[command(after_help = "Example:\n  receiptd quarantine show 17")]
    Show {
        /// Its id
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Read them once more, for instance after an update
    #[command(after_help = "Examples:\n  receiptd quarantine replay 17 18\n  receiptd quarantine replay --all")]
    Replay(ReplayArgs),
    /// Give them up
    #[command(after_help = "Examples:\n  receiptd quarantine drop 17 --yes\n  receiptd quarantine drop --all")]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = ["waiting", "replayed", "dropped"])]
    state: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    limit: u32,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<i64>,
    /// All that are waiting
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct DropArgs {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<i64>,
    /// All that are waiting
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `receiptd quarantine`
pub async fn run(session: &Session, args: QuarantineArgs) -> Result<(), Failure> {
    let client = session.client()?;
    match args.command {
        QuarantineCommand::List(args) => list(session, &client, args).await,
        QuarantineCommand::Show { id } => {
            let item = client.quarantined(id).await?;
            session.output.show(&item, || shown(&item))
        }
        QuarantineCommand::Replay(args) => replay(session, &client, args).await,
        QuarantineCommand::Drop(args) => {
            let ids = if args.all { waiting(&client).await? } else { args.ids };
            let what = count(ids.len() as u64, "callback", "callbacks");
            confirm(&format!("Give up {what}?"), args.yes)?;
            for id in &ids {
                client.drop_quarantined(*id).await?;
            }
            session.output.show(&serde_json::json!({ "dropped": ids }), || format!("{what} given up"))
        }
    }
}

async fn list(session: &Session, client: &Client, args: ListArgs) -> Result<(), Failure> {
    let limit = if args.all { MAX_LIMIT } else { args.limit };
    let mut filter = QuarantineFilter { state: args.state, limit: Some(limit), cursor: None };
    let mut page = client.quarantine(&filter).await?;
    while args.all
        && let Some(cursor) = page.next.take()
    {
        filter.cursor = Some(cursor);
        let more = client.quarantine(&filter).await?;
        page.items.extend(more.items);
        page.next = more.next;
    }
    session.output.show(&page, || {
        let mut rows = table(["id", "state", "received", "bytes", "batch", "reason"]);
        for item in &page.items {
            rows.add_row([
                text(&item.id.to_string()),
                text(&item.state),
                text(&item.received_at.to_string()),
                number(item.bytes),
                text(&item.batch.to_string()),
                text(&item.reason),
            ]);
        }
        rows.trim_fmt()
    })?;
    if page.items.is_empty() {
        say("there is none");
    } else if page.next.is_some() {
        say("there are more: --all shows them");
    }
    Ok(())
}

fn shown(item: &Quarantined) -> String {
    let rows = fields([
        ("id", item.id.to_string()),
        ("state", item.state.clone()),
        ("batch", item.batch.to_string()),
        ("received", item.received_at.to_string()),
        ("reason", item.reason.clone()),
        ("bytes", item.bytes.to_string()),
    ]);
    format!("{}\n\n{}", rows.trim_fmt(), plain(item.body.as_deref().unwrap_or("(no body)")))
}

async fn replay(session: &Session, client: &Client, args: ReplayArgs) -> Result<(), Failure> {
    let ids = if args.all { waiting(client).await? } else { args.ids };
    let (mut sum, mut refused) = (Acknowledgement::default(), 0);
    for id in &ids {
        match client.replay(*id).await {
            Ok(one) => {
                sum.recorded += one.recorded;
                sum.duplicates += one.duplicates;
                sum.quarantined.extend(one.quarantined);
            }
            // One that is still not understood does not keep the others from being read.
            Err(error) if error.problem(409).is_some() => {
                say(&format!("callback {id}: {}", plain(&error.to_string())));
                refused += 1;
            }
            Err(error) => return Err(Failure::from(error).with(&format!("(callback {id})"))),
        }
    }
    session.output.show(&sum, || {
        format!(
            "{} read once more: {}, {} known already",
            count(ids.len() as u64, "callback", "callbacks"),
            count(sum.recorded, "new receipt", "new receipts"),
            sum.duplicates
        )
    })?;
    match refused {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("{} not taken", count(refused, "callback was", "callbacks were")))),
    }
}

/// All ids are collected first: replaying changes the list.
async fn waiting(client: &Client) -> Result<Vec<i64>, Failure> {
    let mut filter = QuarantineFilter { state: Some("waiting".to_owned()), limit: Some(MAX_LIMIT), cursor: None };
    let mut ids = Vec::new();
    loop {
        let page = client.quarantine(&filter).await?;
        ids.extend(page.items.iter().map(|item| item.id));
        filter.cursor = page.next;
        if filter.cursor.is_none() {
            return Ok(ids);
        }
    }
}
