//! `batches`, `show`, `cancel`, `resend`.

use std::collections::BTreeMap;

use clap::Args;

use super::output::{count, plain, say};
use super::subject::{Subject, say_what_holds_up};
use super::tables;
use super::values::{IdArgs, batch_state, destination_state, limit};
use super::{Failure, Session};
use crate::api::{Batch, BatchId, BatchState, DestinationState, MAX_LIMIT, Page};
use crate::client::{BatchFilter, ClientError, all_pages};

/// `receiptd batches`
#[derive(Debug, Args)]
pub struct BatchesArgs {
    /// Only those in this state
    #[arg(long, value_parser = batch_state())]
    state: Option<BatchState>,
    /// Only those of this group
    #[arg(long, value_name = "ID")]
    group: Option<BatchId>,
    /// Only those with exactly this reference
    #[arg(long, value_name = "WORD")]
    reference: Option<String>,
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = limit())]
    limit: u32,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// `receiptd resend`
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// The settled batch
    #[arg(value_name = "ID")]
    id: BatchId,
    /// To which of its destinations
    #[arg(long, value_parser = destination_state(), default_value = "failed")]
    state: DestinationState,
}

/// `receiptd batches`
pub async fn list(session: &Session, args: BatchesArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let filter = BatchFilter {
        state: args.state,
        group: args.group,
        reference: args.reference,
        limit: Some(if args.all { MAX_LIMIT } else { args.limit }),
        ..Default::default()
    };
    let page = if args.all {
        let items = all_pages(async |cursor| client.batches(&BatchFilter { cursor, ..filter.clone() }).await).await?;
        Page { items, next: None }
    } else {
        client.batches(&filter).await?
    };
    session.output.show(&page, || tables::batches(&page.items))?;
    if page.items.is_empty() {
        say("no such batch");
    } else if page.next.is_some() {
        say("there are more: --all shows them");
    }
    say_what_holds_up(&client, &page.items).await;
    Ok(())
}

/// `receiptd show`
pub async fn show(session: &Session, args: IdArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let subject = Subject::find(&client, args.id).await?;
    subject.show(session, &client).await?;
    say_what_holds_up(&client, subject.batches()).await;
    Ok(())
}

/// `receiptd cancel`
pub async fn cancel(session: &Session, IdArgs { id }: IdArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let group = match Subject::find(&client, id).await? {
        Subject::Batch(_) => {
            let batch = client.cancel(id).await?;
            return session.output.show(&batch, || format!("batch {} is {}", batch.id, batch.state));
        }
        Subject::Group(group) => group,
    };
    // The later batches first: they are the likeliest to be still in the outbox.
    let open: Vec<_> = group.batches.iter().rev().filter(|batch| !batch.state.is_settled()).collect();
    if open.is_empty() {
        return Err(Failure::Failed(format!("nothing of group {id} is left to be cancelled: {}", states(&group.batches))));
    }
    let (mut kept, mut refused) = (0, false);
    for batch in open {
        if let Err(error) = client.cancel(batch.id).await {
            say(&format!("batch {}: {}", batch.id, plain(&error.to_string())));
            let is_its_own = matches!(&error, ClientError::Problem(problem) if matches!(problem.status, 404 | 409 | 502));
            let failure = Failure::from(error);
            if !is_its_own {
                return Err(failure);
            }
            kept += 1;
            refused |= matches!(failure, Failure::Refused(_));
        }
    }
    let group = client.group(id).await?;
    session.output.show(&group, || tables::batches(&group.batches))?;
    let told = || format!("{} of the group could not be cancelled", count(kept, "batch", "batches"));
    match kept {
        0 => Ok(()),
        _ if refused => Err(Failure::Refused(told())),
        _ => Err(Failure::Failed(told())),
    }
}

/// How many batches are in which state, in a few words.
fn states(batches: &[Batch]) -> String {
    let mut counted = BTreeMap::<&str, u64>::new();
    batches.iter().for_each(|batch| *counted.entry(batch.state.as_str()).or_default() += 1);
    counted.iter().map(|(state, many)| format!("{many} {state}")).collect::<Vec<_>>().join(", ")
}

/// `receiptd resend`
pub async fn resend(session: &Session, args: ResendArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let (batch, created) = match client.resend(args.id, args.state).await {
        Err(error) if error.is_not_found() => {
            let Subject::Group(group) = Subject::find(&client, args.id).await? else { return Err(error.into()) };
            let advice = format!(
                "Name one of its {}: `receiptd show {}` lists them.",
                count(group.batches.len() as u64, "batch", "batches"),
                args.id
            );
            return Err(Failure::Usage(format!("{} is a group, and one batch at a time is sent again", args.id)).with(&advice));
        }
        outcome => outcome?,
    };
    session.output.show(&batch, || {
        let made = if created { "made" } else { "was made already" };
        format!("batch {} {made}: {}, {}", batch.id, count(batch.counts.total, "number", "numbers"), batch.state)
    })
}
