//! `number` and `forget`: one number in all batches.

use std::collections::BTreeMap;

use clap::Args;

use super::confirm::Consent;
use super::output::{count, say};
use super::{Failure, Session};
use super::{session, tables};
use crate::api::{Batch, BatchId, NumberReport};
use crate::client::Client;

/// `receiptd number`
#[derive(Debug, Args)]
pub struct NumberArgs {
    /// The phone number
    #[arg(value_name = "NUMBER")]
    number: String,
}

/// `receiptd forget`
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The phone number
    #[arg(value_name = "NUMBER")]
    number: String,
    #[command(flatten)]
    consent: Consent,
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
        return Err(Failure::NotFound(format!("{number} is in no batch and in no receipt")));
    }
    let about = if session.output.is_json() { BTreeMap::new() } else { about(&client, &report).await };
    session.output.show(&report, |screen| tables::number_report(&report, &about, screen))
}

/// The batches in a report, for their references and texts; batches that cannot be read are skipped.
async fn about(client: &Client, report: &NumberReport) -> BTreeMap<BatchId, Batch> {
    let mut about = BTreeMap::new();
    for id in report.items.iter().map(|item| item.batch) {
        if let Ok(batch) = client.batch(id).await {
            about.insert(id, batch);
        }
    }
    about
}

/// `receiptd forget`
pub async fn forget(session: &Session, args: ForgetArgs) -> Result<(), Failure> {
    let (config, client) = session.connect()?;
    let number = session::number(&config, &args.number)?;
    args.consent.to(&format!("Erase {number} from every batch and receipt? This cannot be undone."), "nothing was erased")?;
    let forgotten = client.forget(number).await?;
    session.output.show(&forgotten, |_| {
        let (batches, receipts) = (count(forgotten.batches, "batch", "batches"), count(forgotten.receipts, "receipt", "receipts"));
        format!("Erased from {batches} and {receipts}.")
    })?;
    say("Earlier backups still contain it.");
    Ok(())
}
