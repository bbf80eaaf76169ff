//! `batches`, `show`, `cancel`, `resend`.

use std::collections::BTreeMap;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::confirm::{Consent, messages};
use super::ids::{IdArg, complete_id, complete_reference};
use super::output::{count, plain, say};
use super::subject::{Subject, say_what_holds_up};
use super::tables;
use super::values::{IdArgs, batch_state, destination_state, limit};
use super::{Failure, Session};
use crate::api::{Batch, BatchState, DestinationState, MAX_LIMIT, Page};
use crate::client::{BatchFilter, ClientError, all_pages};

/// `receiptd batches`
#[derive(Debug, Args)]
pub struct BatchesArgs {
    /// Only batches in this state
    #[arg(long, value_parser = batch_state())]
    state: Option<BatchState>,
    /// Only batches of this group
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete_id))]
    group: Option<IdArg>,
    /// Only batches with exactly this reference
    #[arg(long, value_name = "WORD", add = ArgValueCompleter::new(complete_reference))]
    reference: Option<String>,
    /// Show at most N, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = limit())]
    limit: u32,
    /// Show all, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// `receiptd cancel`
#[derive(Debug, Args)]
pub struct CancelArgs {
    #[command(flatten)]
    subject: IdArgs,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd resend`
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// Id of a settled batch, its first characters, or `last` for the newest batch
    #[arg(value_name = "ID", add = ArgValueCompleter::new(complete_id))]
    id: IdArg,
    /// Resend to destinations in this state
    #[arg(long, value_parser = destination_state(), default_value = "failed")]
    state: DestinationState,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd batches`
pub async fn list(session: &Session, args: BatchesArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let group = match &args.group {
        Some(group) => Some(group.find_group(&client).await?),
        None => None,
    };
    let filter = BatchFilter {
        state: args.state,
        group,
        reference: args.reference,
        limit: Some(if args.all { MAX_LIMIT } else { args.limit }),
        ..Default::default()
    };
    let page = if args.all {
        let items = all_pages(async |cursor| client.batches(&BatchFilter { cursor, ..filter.clone() }).await).await?;
        Page::of(items, None)
    } else {
        client.batches(&filter).await?
    };
    session.output.show(&page, |screen| tables::batches(&page.items, screen))?;
    if page.items.is_empty() {
        say("No such batch.");
    } else if page.next.is_some() {
        say("There are more; --all shows them.");
    }
    say_what_holds_up(&client, &page.items).await;
    Ok(())
}

/// `receiptd show`
pub async fn show(session: &Session, args: IdArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let subject = Subject::find(&client, args.id.find(&client).await?).await?;
    subject.show(session, &client).await?;
    say_what_holds_up(&client, subject.batches()).await;
    Ok(())
}

/// `receiptd cancel`
pub async fn cancel(session: &Session, CancelArgs { subject, consent }: CancelArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let id = subject.id.find(&client).await?;
    let subject = Subject::find(&client, id).await?;
    let waiting = subject.batches().iter().filter(|batch| !batch.state.is_settled()).map(|batch| batch.counts.total).sum();
    consent.to_messages(waiting, &format!("Cancel {}?", messages(waiting)), "nothing was cancelled")?;
    let group = match subject {
        Subject::Batch(_) => {
            let batch = client.cancel(id).await?;
            return session.output.show(&batch, |_| format!("batch {} is {}", batch.id, batch.state));
        }
        Subject::Group(group) => group,
    };
    // The later batches first, because they are the most likely to be still in the outbox.
    let open: Vec<_> = group.batches.iter().rev().filter(|batch| !batch.state.is_settled()).collect();
    if open.is_empty() {
        return Err(Failure::Failed(format!("nothing in group {id} can be cancelled any more: {}", states(&group.batches))));
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
    session.output.show(&group, |screen| tables::batches(&group.batches, screen))?;
    let told = || format!("{} of the group could not be cancelled", count(kept, "batch", "batches"));
    match kept {
        0 => Ok(()),
        _ if refused => Err(Failure::Refused(told())),
        _ => Err(Failure::Failed(told())),
    }
}

/// The number of batches in each state, in a few words.
fn states(batches: &[Batch]) -> String {
    let mut counted = BTreeMap::<&str, u64>::new();
    batches.iter().for_each(|batch| *counted.entry(batch.state.as_str()).or_default() += 1);
    counted.iter().map(|(state, many)| format!("{many} {state}")).collect::<Vec<_>>().join(", ")
}

/// `receiptd resend`
pub async fn resend(session: &Session, args: ResendArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let id = args.id.find(&client).await?;
    let settled = match Subject::find(&client, id).await? {
        Subject::Batch(batch) => batch,
        Subject::Group(group) => {
            let advice = format!(
                "Pass the id of one of its {}: `receiptd show {}` lists them.",
                count(group.batches.len() as u64, "batch", "batches"),
                id
            );
            return Err(Failure::Usage(format!("{id} is a group; only a single batch can be sent again")).with(&advice));
        }
    };
    let again = settled.counts.in_state(args.state);
    if !settled.dry_run {
        args.consent.to_messages(again, &format!("Send {} again?", messages(again)), "nothing was sent")?;
    }
    let (batch, created) = client.resend(id, args.state).await?;
    session.output.show(&batch, |_| {
        let (created, exists) = if created { ("created ", "") } else { ("", " already exists") };
        format!("{created}batch {}{exists}: {}, {}", batch.id, count(batch.counts.total, "number", "numbers"), batch.state)
    })
}
