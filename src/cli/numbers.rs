//! `number` and `forget`: one number over all batches.

use clap::Args;

use super::confirm::confirm;
use super::output::{count, number as cell, say, table, text, time};
use super::session;
use super::{Failure, Session};
use crate::api::{NumberReport, Receipt};

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
    session.output.show(&report, || rendered(&report))
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

fn rendered(report: &NumberReport) -> String {
    let mut rows = table(["batch", "state", "code", "meaning", "receipts", "first receipt", "last receipt"]);
    for item in &report.items {
        let destination = &item.destination;
        rows.add_row([
            text(&item.batch.to_string()),
            text(&format!("{}{}", destination.state, if destination.conflict { " (conflict)" } else { "" })),
            text(destination.code.as_ref().map_or("-", |code| code.as_str())),
            text(destination.description.as_deref().unwrap_or("-")),
            cell(destination.receipts),
            text(&time(destination.first_receipt_at)),
            text(&time(destination.last_receipt_at)),
        ]);
        for receipt in destination.history.iter().flatten() {
            rows.add_row(history_line(receipt, ""));
        }
    }
    for receipt in &report.unexpected {
        rows.add_row(history_line(receipt, &receipt.batch.to_string()));
    }
    rows.trim_fmt()
}

/// A receipt, indented below its destination; an unexpected one names its batch.
fn history_line(receipt: &Receipt, batch: &str) -> [comfy_table::Cell; 7] {
    let said = if receipt.delivered { "delivered" } else { "failed" };
    let unexpected = if batch.is_empty() { "" } else { " (not in this batch)" };
    let (text, empty) = (|value: &str| text(value), text(""));
    [
        text(batch),
        text(&format!("└ {said}{unexpected}")),
        text(receipt.code.as_ref().map_or("-", |code| code.as_str())),
        text(receipt.description.as_deref().unwrap_or("-")),
        empty.clone(),
        text(&receipt.received_at.to_string()),
        empty,
    ]
}
