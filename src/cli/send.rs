//! `send`: from a list of numbers to batches in the daemon's outbox.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use serde_json::{Value, json};

use super::confirm::{Consent, messages};
use super::hand_over::{HandedOver, hand_over};
use super::ids::complete_reference;
use super::number_list::{Column, NumberList, Reading, read_file};
use super::output::{count, is_watched, say};
use super::plan::Plan;
use super::preview::{Numbers, Sending, preview};
use super::subject::{Subject, say_what_holds_up};
use super::values::channel;
use super::{Failure, Session, progress, tables, watch};
use crate::api::{Batch, BatchId, BatchRequest, Channel, Timestamp};
use crate::client::Client;
use crate::clock::Clock;
use crate::domain::{NumberReader, parts, shortened_by};

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
    /// Refuse numbers that are too long or too short for their country, instead of only pointing them out
    #[arg(long)]
    strict: bool,
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
    /// Your own reference, for finding it later
    #[arg(long, value_name = "WORD", add = ArgValueCompleter::new(complete_reference))]
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
    let reading = Reading { reader: NumberReader::new(config.provider.default_region), strict: args.strict };
    let (mut list, place) = read(&args, &reading)?;
    let plan = Plan::new(args.id.unwrap_or_else(BatchId::random), std::mem::take(&mut list.numbers), config.provider.max_destinations);
    let numbers = Numbers::of(list, &plan, place);
    let sending = Sending {
        from: &args.from,
        message: &args.message,
        parts,
        channel: args.channel,
        fallback: &args.fallback,
        send_at: args.send_at,
        reference: args.reference.as_deref(),
        dry_run: args.dry_run,
    };
    match session.output.is_json() {
        false => session.output.text(&preview(&sending, &plan, &numbers, session.output.screen()))?,
        true if is_watched() => say(&preview(&sending, &plan, &numbers, &session.output.screen().without_colors())),
        true => numbers.doubtful().iter().for_each(|doubtful| say(doubtful)),
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
    finish(session, &client, &plan, &numbers, handed, args.wait).await
}

async fn finish(session: &Session, client: &Client, plan: &Plan, numbers: &Numbers, handed: HandedOver, wait: bool) -> Result<(), Failure> {
    let known = handed.batches.len() - handed.created;
    if known > 0 {
        say(&format!("{} handed over before", count(known as u64, "batch was", "batches were")));
    }
    if handed.pruned > 0 {
        say(&format!("{} sent before, and pruned since", count(handed.pruned as u64, "batch was", "batches were")));
    }
    let mut batches = handed.batches;
    let subject = match batches.pop() {
        None => return session.output.show(&json!({ "id": plan.id, "pruned": handed.pruned }), |_| String::new()),
        Some(batch) if plan.group().is_none() => Subject::Batch(Box::new(batch)),
        Some(_) => Subject::Group(Box::new(client.group(plan.id).await?)),
    };
    if wait {
        return watch::wait(session, client, subject).await;
    }
    say_what_holds_up(client, subject.batches()).await;
    match &subject {
        Subject::Batch(batch) => {
            let shown = SentBatch { batch, numbers: numbers.as_json() };
            session.output.show(&shown, |screen| tables::batches(subject.batches(), screen))?;
        }
        Subject::Group(_) if session.output.is_json() => subject.show(session, client).await?,
        Subject::Group(group) => {
            let numbers = count(group.counts.total, "number", "numbers");
            session.output.text(&format!("{} with {numbers}", count(group.batches.len() as u64, "batch", "batches")))?;
        }
    }
    say(&format!("receiptd watch {} follows it", plan.id));
    Ok(())
}

/// What `send --json` prints of one batch.
#[derive(Serialize)]
struct SentBatch<'a> {
    #[serde(flatten)]
    batch: &'a Batch,
    numbers: Value,
}

fn checked_parts(message: &str, allow_multi: bool) -> Result<u32, Failure> {
    match parts(message) {
        0 => Err(Failure::Usage("the message is empty".to_owned())),
        parts if parts > 1 && !allow_multi => {
            let takes = format!("the message takes {parts} SMS parts, each of which is charged.");
            Err(Failure::Usage(match shortened_by(message) {
                Some(why) => format!("{takes} {why}.\nReplace what forces it, shorten the text, or pass --allow-multi"),
                None => format!("{takes} Shorten it, or pass --allow-multi"),
            }))
        }
        parts => Ok(parts),
    }
}

/// Reads the list, and what the numbers of its rows count; refuses one with rows that hold no number, unless these are to
/// be skipped.
fn read(args: &SendArgs, reading: &Reading) -> Result<(NumberList, &'static str), Failure> {
    let (list, place) = match &args.to_file {
        Some(file) => (read_file(file, args.column.as_deref().map(Column::from).as_ref(), reading)?, "line"),
        None => (NumberList::from_words(&args.to, reading), "--to number"),
    };
    if list.invalid.count > 0 {
        let head = count(list.invalid.count, "row has no valid phone number:", "rows have no valid phone number:");
        let listed = format!("{head}\n{}", list.invalid.listed(place));
        if !args.skip_invalid {
            let csv = if args.column.is_none() && args.to_file.is_some() { "; for a CSV name the --column" } else { "" };
            return Err(Failure::Usage(format!("{listed}\nNothing was sent. Fix them, or skip them with --skip-invalid{csv}")));
        }
        say(&format!("{listed}\nSkipping them."));
    }
    if list.numbers.is_empty() {
        return Err(Failure::Usage("there is no number to send to".to_owned()));
    }
    Ok((list, place))
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
