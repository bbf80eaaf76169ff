//! `reconcile`: asks the provider now.

use super::output::{count, grouped, plain, say};
use super::subject::Subject;
use super::values::IdArgs;
use super::{Failure, Session};
use crate::api::{Batch, BatchState, Reconciled};
use crate::client::ClientError;

/// `receiptd reconcile`
pub async fn run(session: &Session, args: IdArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let id = args.id.find(&client).await?;
    let group = match client.reconcile(id).await {
        Err(error) if error.is_not_found() => match Subject::find(&client, id).await? {
            Subject::Group(group) => group,
            Subject::Batch(_) => return Err(error.into()),
        },
        outcome => return show(session, &outcome?),
    };
    let (mut all, mut failed) = (Reconciled { recorded: 0, duplicates: 0, pending: 0 }, None);
    for batch in group.batches.iter().filter(|batch| may_be_there(batch)) {
        match client.reconcile(batch.id).await {
            Ok(found) => {
                all.recorded += found.recorded;
                all.duplicates += found.duplicates;
                all.pending += found.pending;
            }
            // The other batches may have more to report.
            Err(error @ ClientError::Problem(_)) if error.problem(502).is_some() => {
                say(&format!("batch {}: {}", batch.id, plain(&error.to_string())));
                failed = Some(Failure::from(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    show(session, &all)?;
    failed.map_or(Ok(()), Err)
}

/// Whether the provider may have the batch: one that was never submitted, or was refused, has no receipts.
fn may_be_there(batch: &Batch) -> bool {
    use BatchState::{Complete, Scheduled, Submitted, Unconfirmed};
    matches!(batch.state, Submitted | Scheduled | Complete | Unconfirmed)
}

fn show(session: &Session, found: &Reconciled) -> Result<(), Failure> {
    session.output.show(found, |_| {
        format!(
            "{}, {} already known, {} still pending at the provider",
            count(found.recorded, "new receipt", "new receipts"),
            grouped(found.duplicates),
            grouped(found.pending)
        )
    })
}
