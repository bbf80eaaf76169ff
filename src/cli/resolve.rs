//! `resolve`: decisions about unconfirmed batches.

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::confirm::{Consent, messages};
use super::ids::{IdArg, complete_id};
use super::subject::Subject;
use super::{Failure, Session};
use crate::api::{Batch, BatchState, MAX_LIMIT, Resolution};
use crate::client::{BatchFilter, Client, ClientError, all_pages};
use crate::domain::ErrorKind;

/// Examples of `receiptd resolve`.
pub const EXAMPLES: &str = "Examples:
  receiptd resolve ID --as accepted      the provider has it: wait for its receipts
  receiptd resolve ID --as resubmit      the provider does not have it: send it again
  receiptd resolve ID --as abandoned     abandon it
  receiptd resolve --held --as resubmit  every batch held because the database may be an older copy";

/// `receiptd resolve`
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// Id of an unconfirmed batch, or of a group: then every unconfirmed batch in it. Also its first characters, or `last`
    #[arg(value_name = "ID", required_unless_present = "held", add = ArgValueCompleter::new(complete_id))]
    id: Option<IdArg>,
    /// Every batch that was held at a start because the database may be an older copy
    #[arg(long, conflicts_with = "id")]
    held: bool,
    /// The decision
    #[arg(long = "as", value_enum)]
    resolution: Decision,
    #[command(flatten)]
    consent: Consent,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// The provider has it
    Accepted,
    /// The provider does not have it: send it again
    Resubmit,
    /// Abandon it
    Abandoned,
}

impl From<Decision> for Resolution {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accepted => Self::Accepted,
            Decision::Resubmit => Self::Resubmit,
            Decision::Abandoned => Self::Abandoned,
        }
    }
}

/// `receiptd resolve`
pub async fn run(session: &Session, args: ResolveArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let id = match &args.id {
        Some(id) => Some(id.find(&client).await?),
        None => None,
    };
    let batches = match id {
        Some(id) => match Subject::find(&client, id).await? {
            Subject::Batch(batch) => vec![*batch],
            Subject::Group(group) => unconfirmed(group.batches),
        },
        None => {
            let held = |batch: &Batch| batch.last_error.as_ref().is_some_and(|error| error.kind == ErrorKind::Held);
            all_unconfirmed(&client).await?.into_iter().filter(held).collect()
        }
    };
    if args.resolution == Decision::Resubmit && !batches.is_empty() {
        let all = messages(batches.iter().map(|batch| batch.counts.total).sum());
        let these = if batches.len() == 1 { "this batch".to_owned() } else { format!("these {} batches", batches.len()) };
        let question = format!("Send {all} again? If the provider already has {these}, people get the message twice.");
        args.consent.to(&question, "nothing was sent")?;
    }
    // One after the other: if this is interrupted, the same command continues with the rest.
    let mut resolved = Vec::with_capacity(batches.len());
    for batch in batches {
        resolved.push(client.resolve(batch.id, args.resolution.into()).await?);
    }
    match (&*resolved, id) {
        ([batch], Some(id)) if batch.id == id => session.output.show(batch, |_| format!("batch {} is {}", batch.id, batch.state)),
        ([], _) => session.output.show(&resolved, |_| "no unconfirmed batches".to_owned()),
        _ => session.output.show(&resolved, |_| {
            resolved.iter().map(|batch| format!("batch {} is {}", batch.id, batch.state)).collect::<Vec<_>>().join("\n")
        }),
    }
}

fn unconfirmed(mut batches: Vec<Batch>) -> Vec<Batch> {
    batches.retain(|batch| batch.state == BatchState::Unconfirmed);
    batches
}

async fn all_unconfirmed(client: &Client) -> Result<Vec<Batch>, ClientError> {
    let filter = BatchFilter { state: Some(BatchState::Unconfirmed), limit: Some(MAX_LIMIT), ..BatchFilter::default() };
    all_pages(async |cursor| client.batches(&BatchFilter { cursor, ..filter.clone() }).await).await
}
