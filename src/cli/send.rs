//! `send`: from a list of numbers to batches in the daemon's outbox.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use serde_json::{Value, json};

use super::confirm::{Consent, messages};
use super::hand_over::{HandedOver, hand_over};
use super::ids::complete_reference;
use super::number_list::{Column, NumberList, Reading, Reject, read_file};
use super::output::{count, is_watched, say};
use super::plan::Plan;
use super::preview::{Numbers, Sending, preview};
use super::send_at::SendAt;
use super::subject::{Subject, say_what_holds_up};
use super::values::channel;
use super::{Failure, Session, progress, tables, watch};
use crate::api::{Batch, BatchId, BatchRequest, Channel};
use crate::client::Client;
use crate::clock::Clock;
use crate::domain::{NumberReader, parts, shortened_by};
use crate::durable;

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
    /// Sender ID: a name, or a number you own
    #[arg(long, value_name = "SENDER")]
    from: String,
    /// Text of the message
    #[arg(long, value_name = "TEXT")]
    message: String,
    /// One or more numbers
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    to: Vec<String>,
    /// File with one number per line, or a CSV with --column; `-` is standard input
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
    /// Column of the CSV with the numbers: its name in the first row, or its position, counted from 1
    #[arg(long, value_name = "COLUMN", requires = "to_file")]
    column: Option<String>,
    /// Skip rows without a valid number instead of refusing the list
    #[arg(long)]
    skip_invalid: bool,
    /// Refuse numbers that are too long or too short for their country, instead of only pointing them out
    #[arg(long)]
    strict: bool,
    /// Write every row without a valid number to this file, as a CSV with line, row and reason
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// When to send: 2026-12-24T09:00Z, '2026-12-24 09:00 Europe/London', or +2h; at least 6 minutes ahead [default: at once]
    #[arg(long, value_name = "TIME")]
    send_at: Option<SendAt>,
    /// Channel to try first [default: the provider's choice]
    #[arg(long, value_parser = channel())]
    channel: Option<Channel>,
    /// Channel to try if the previous one fails; repeatable
    #[arg(long, value_name = "CHANNEL", value_parser = channel(), value_delimiter = ',')]
    fallback: Vec<Channel>,
    /// Allow a text of several SMS parts, each of which is charged
    #[arg(long)]
    allow_multi: bool,
    /// Have the provider validate the batch without sending it, and wait for its answer
    #[arg(long)]
    dry_run: bool,
    /// Your own reference, for finding it later
    #[arg(long, value_name = "WORD", add = ArgValueCompleter::new(complete_reference))]
    reference: Option<String>,
    /// Id of the batch or the group: the same command with the same id sends nothing twice [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<BatchId>,
    /// Wait until every number has a final state, and show the results
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    consent: Consent,
}

/// `receiptd send`
pub async fn run(session: &Session, args: SendArgs) -> Result<(), Failure> {
    let (config, client) = session.connect()?;
    let parts = checked_parts(&args.message, args.allow_multi)?;
    let reading =
        Reading { reader: NumberReader::new(config.provider.default_region), strict: args.strict, keeps_rejects: args.rejects.is_some() };
    let (mut list, place) = read(&args, &reading)?;
    let plan = Plan::new(args.id.unwrap_or_else(BatchId::random), std::mem::take(&mut list.numbers), config.provider.max_destinations);
    let numbers = Numbers::of(list, &plan, place);
    let sending = Sending {
        from: &args.from,
        message: &args.message,
        parts,
        channel: args.channel,
        fallback: &args.fallback,
        send_at: args.send_at.as_ref(),
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
        send_at: args.send_at.map(|send_at| send_at.at.to_string()),
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
    finish(session, &client, &plan, &numbers, handed, args.wait || args.dry_run).await
}

async fn finish(session: &Session, client: &Client, plan: &Plan, numbers: &Numbers, handed: HandedOver, wait: bool) -> Result<(), Failure> {
    let known = handed.batches.len() - handed.created;
    if known > 0 {
        say(&format!("{} already accepted earlier", count(known as u64, "batch was", "batches were")));
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
    // A delay may last for days.
    let is_held_up = say_what_holds_up(client, subject.batches()).await;
    if wait && !is_held_up {
        return watch::wait(session, client, subject).await;
    }
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
    say(&format!("Follow it with: receiptd watch {}", plan.id));
    Ok(())
}

/// What `send --json` prints for one batch.
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

/// Reads the list. Returns it with the word for what its line numbers count. Refuses a list with invalid rows, unless
/// they are to be skipped.
fn read(args: &SendArgs, reading: &Reading) -> Result<(NumberList, &'static str), Failure> {
    let (list, place) = match &args.to_file {
        Some(file) => (read_file(file, args.column.as_deref().map(Column::from).as_ref(), reading)?, "line"),
        None => (NumberList::from_words(&args.to, reading), "--to number"),
    };
    if let Some(file) = &args.rejects {
        write_rejects(file, &list.rejects)?;
    }
    if list.invalid.count > 0 {
        let head = count(list.invalid.count, "row has no valid phone number:", "rows have no valid phone number:");
        let all = args.rejects.as_ref().map(|file| format!("\nAll of them are in {}", file.display())).unwrap_or_default();
        let listed = format!("{head}\n{}{all}", list.invalid.listed(place));
        if !args.skip_invalid {
            return Err(Failure::Usage(format!("{listed}\nNothing was sent. Fix them, or skip them with --skip-invalid")));
        }
        say(&format!("{listed}\nSkipping them."));
    }
    if list.numbers.is_empty() {
        return Err(Failure::Usage("the list has no number".to_owned()));
    }
    Ok((list, place))
}

/// Writes all refused rows, replacing an existing file. Only the owner may read it, because it contains numbers.
fn write_rejects(file: &Path, rejects: &[Reject]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let line = |reject: &Reject| [reject.line.to_string(), reject.row.clone(), reject.reason.clone()];
    let written = writer
        .write_record(["line", "row", "reason"])
        .and_then(|()| rejects.iter().try_for_each(|reject| writer.write_record(line(reject))));
    let text = written.map_err(|error| error.to_string()).and_then(|()| writer.into_inner().map_err(|error| error.to_string()));
    let text = text.map_err(Failure::Failed)?;
    durable::replace(file, &text).map_err(|error| Failure::Failed(format!("cannot write {}: {error}; nothing was sent", file.display())))
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
