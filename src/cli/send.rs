//! `send`: from a list of numbers to batches in the daemon's outbox.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::json;

use super::confirm::{Consent, messages};
use super::hand_over::{HandedOver, hand_over};
use super::number_list::{Column, NumberList, read_file};
use super::output::{count, grouped, is_watched, say};
use super::plan::Plan;
use super::subject::{Subject, say_what_holds_up};
use super::values::channel;
use super::{Failure, Session, progress, tables, watch};
use crate::api::{BatchId, BatchRequest, Channel, Timestamp};
use crate::client::Client;
use crate::clock::Clock;
use crate::domain::{NumberReader, parts};

/// As much of the text is shown before it goes out.
const SHOWN: usize = 500;

/// Examples of `receiptd send`.
pub const EXAMPLES: &str = "Examples:
  receiptd send --from ME --message 'Hello' --to +447700900123 +447700900124
  receiptd send --from ME --message 'Hello' --to-file numbers.txt --wait
  receiptd send --from ME --message 'Hello' --to-file people.csv --column phone --yes
  receiptd send --from ME --message 'Hello' --to-file numbers.txt --dry-run

A list longer than provider.max_destinations becomes a group of batches. Its id is printed first: \
after a crash the same command with --id finishes the job and sends nothing twice.";

/// `receiptd send`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("list").required(true).args(["to", "to_file"]))]
pub struct SendArgs {
    /// Sender ID: a word, or a number of yours
    #[arg(long, value_name = "SENDER")]
    from: String,
    /// The text
    #[arg(long, value_name = "TEXT")]
    message: String,
    /// A number, or several
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    to: Vec<String>,
    /// A file with one number a line, or a CSV with --column; `-` is standard input
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
    /// The column of the CSV that holds the numbers: its name in the first row, or its position from 1
    #[arg(long, value_name = "COLUMN", requires = "to_file")]
    column: Option<String>,
    /// Leave out rows that hold no number, instead of refusing the list
    #[arg(long)]
    skip_invalid: bool,
    /// When the provider is to send, for instance 2026-12-24T09:00Z; at least 6 minutes ahead [default: at once]
    #[arg(long, value_name = "TIME")]
    send_at: Option<Timestamp>,
    /// First channel [default: the provider's choice]
    #[arg(long, value_parser = channel())]
    channel: Option<Channel>,
    /// Channel to try when the one before fails; may be given more than once
    #[arg(long, value_name = "CHANNEL", value_parser = channel(), value_delimiter = ',')]
    fallback: Vec<Channel>,
    /// Let a text take several SMS parts, each of which is charged
    #[arg(long)]
    allow_multi: bool,
    /// Let the provider check it and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Your own word for it
    #[arg(long, value_name = "WORD")]
    reference: Option<String>,
    /// Id of the batch or the group: the same command with the same id sends nothing twice [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<BatchId>,
    /// Wait until every number is final, and show what became of them
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd send`
pub async fn run(session: &Session, args: SendArgs) -> Result<(), Failure> {
    let (config, client) = session.connect()?;
    let parts = checked_parts(&args.message, args.allow_multi)?;
    let reader = NumberReader::new(config.provider.default_region);
    let list = read(&args, &reader)?;
    let invalid = list.invalid.count;
    let plan = Plan::new(args.id.unwrap_or_else(BatchId::random), list.numbers, config.provider.max_destinations);

    let preview = preview(&args, &plan, parts, invalid);
    if session.output.is_json() {
        if is_watched() {
            say(&preview);
        }
    } else {
        session.output.text(&preview)?;
    }
    if !args.dry_run {
        let total = plan.total as u64;
        args.consent.to_messages(total, &format!("Send {}?", messages(total)), "nothing was sent")?;
    }
    if session.output.is_json() {
        say(&format!("{} {}", plan.what(), plan.id));
    }

    let template = BatchRequest {
        from: args.from,
        message: args.message,
        send_at: args.send_at.map(|at| at.to_string()),
        channel: args.channel,
        fallback_channels: args.fallback,
        allow_multi: args.allow_multi,
        dry_run: args.dry_run,
        reference: args.reference,
        ..Default::default()
    };
    let bar = progress::bar(plan.total as u64);
    let resuming = args.id.map(|_| Clock::system().now());
    let handed = hand_over(&client, &plan, &template, resuming, &bar).await?;
    finish(session, &client, &plan, handed, args.wait).await
}

async fn finish(session: &Session, client: &Client, plan: &Plan, handed: HandedOver, wait: bool) -> Result<(), Failure> {
    let known = handed.batches.len() - handed.created;
    if known > 0 {
        say(&format!("{} handed over before", count(known as u64, "batch was", "batches were")));
    }
    if handed.pruned > 0 {
        say(&format!("{} sent before, and pruned since", count(handed.pruned as u64, "batch was", "batches were")));
    }
    let mut batches = handed.batches;
    let subject = match batches.pop() {
        None => return session.output.show(&json!({ "id": plan.id, "pruned": handed.pruned }), String::new),
        Some(batch) if plan.group().is_none() => Subject::Batch(Box::new(batch)),
        Some(_) => Subject::Group(Box::new(client.group(plan.id).await?)),
    };
    if wait {
        return watch::wait(session, client, subject).await;
    }
    say_what_holds_up(client, subject.batches()).await;
    match &subject {
        Subject::Batch(batch) => session.output.show(batch, || tables::batches(subject.batches()))?,
        Subject::Group(_) if session.output.is_json() => subject.show(session, client).await?,
        Subject::Group(group) => {
            let numbers = count(group.counts.total, "number", "numbers");
            session.output.text(&format!("{} with {numbers}", count(group.batches.len() as u64, "batch", "batches")))?;
        }
    }
    say(&format!("receiptd watch {} follows it", plan.id));
    Ok(())
}

fn checked_parts(message: &str, allow_multi: bool) -> Result<u32, Failure> {
    match parts(message) {
        0 => Err(Failure::Usage("the message is empty".to_owned())),
        parts if parts > 1 && !allow_multi => {
            Err(Failure::Usage(format!("the message takes {parts} SMS parts, each of which is charged. Shorten it, or say --allow-multi")))
        }
        parts => Ok(parts),
    }
}

/// Reads the list; refuses one with rows that hold no number, unless these are to be skipped.
fn read(args: &SendArgs, reader: &NumberReader) -> Result<NumberList, Failure> {
    let (list, place) = match &args.to_file {
        Some(file) => (read_file(file, args.column.as_deref().map(Column::from).as_ref(), reader)?, "line"),
        None => (NumberList::from_words(&args.to, reader), "--to number"),
    };
    if list.invalid.count > 0 {
        let listed = list.invalid.listed(place);
        if !args.skip_invalid {
            let csv = if args.column.is_none() && args.to_file.is_some() { "; for a CSV name the --column" } else { "" };
            return Err(Failure::Usage(format!("{listed}\nNothing was sent. Put them right, or leave them out with --skip-invalid{csv}")));
        }
        say(&format!("{listed}\nThey are left out."));
    }
    if list.numbers.is_empty() {
        return Err(Failure::Usage("there is no number to send to".to_owned()));
    }
    Ok(list)
}

fn preview(args: &SendArgs, plan: &Plan, parts: u32, invalid: u64) -> String {
    let total = plan.total as u64;
    let mut message: String = args.message.chars().take(SHOWN).collect();
    if message.len() < args.message.len() {
        message.push('…');
    }
    let some = |n: u64| (n > 0).then(|| grouped(n));
    tables::fields([
        // First of all: it is what finishes the job after a crash.
        (plan.what(), Some(plan.id.to_string())),
        ("from", Some(args.from.clone())),
        ("message", Some(message)),
        ("numbers", Some(grouped(total))),
        ("duplicates merged", some(plan.merged as u64)),
        ("invalid rows left out", some(invalid)),
        ("SMS parts", Some(format!("{parts} × {} = {}", grouped(total), grouped(total.saturating_mul(parts.into()))))),
        ("channels", tables::channels(args.channel, &args.fallback)),
        ("when", Some(args.send_at.map_or_else(|| "at once".to_owned(), |at| at.to_string()))),
        ("batches", plan.group().map(|_| format!("{} of one group", grouped(plan.batches() as u64)))),
        ("reference", args.reference.clone()),
        ("dry run", args.dry_run.then(|| "the provider checks it and sends nothing".to_owned())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_parts_must_be_meant() {
        assert_eq!(checked_parts("hello", false).ok(), Some(1));
        assert_eq!(checked_parts(&"a".repeat(161), true).ok(), Some(2));
        let refused = checked_parts(&"a".repeat(161), false).expect_err("refused");
        assert!(refused.exit_code() == 2 && refused.to_string().contains("2 SMS parts"), "{refused}");
        assert_eq!(checked_parts("", true).err().map(|failure| failure.exit_code()), Some(2));
    }
}
