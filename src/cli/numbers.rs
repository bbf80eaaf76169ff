//! `number` and `forget`: one number over all batches.

use clap::Args;

use super::confirm::confirm;
use super::output::{count, say};
use super::{Failure, Session};
use super::{session, tables};

/// `receiptd number`
#[derive(Debug, Args)]
pub struct NumberArgs {
    /// The number
    #[arg(value_name = "NUMBER")]
    number: String,
}

/// `receiptd forget`
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The number
    #[arg(value_name = "NUMBER")]
    number: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `receiptd number`
pub async fn number(session: &Session, args: NumberArgs) -> Result<(), Failure> {
    let (config, client) = session.connect()?;
    let number = session::number(&config, &args.number)?;
    let mut report = client.number(number, None).await?;
    while let Some(cursor) = report.next.take() {
        let more = client.number(number, Some(&cursor)).await?;
        report.items.extend(more.items);
        report.next = more.next;
    }
    if report.items.is_empty() && report.unexpected.is_empty() {
        return Err(Failure::NotFound(format!("nothing is known of {number}")));
    }
    session.output.show(&report, || tables::number_report(&report))
}

/// `receiptd forget`
pub async fn forget(session: &Session, args: ForgetArgs) -> Result<(), Failure> {
    let (config, client) = session.connect()?;
    let number = session::number(&config, &args.number)?;
    confirm(&format!("Make {number} unreadable in every batch? This cannot be undone."), args.yes)?;
    let forgotten = client.forget(number).await?;
    session.output.show(&forgotten, || {
        format!(
            "forgotten: it stood in {}, with {}",
            count(forgotten.batches, "batch", "batches"),
            count(forgotten.receipts, "receipt", "receipts")
        )
    })?;
    say("Backups made before still hold it.");
    Ok(())
}
