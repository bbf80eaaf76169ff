//! `batches`, `show`, `cancel`, `resend`, `resolve`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use comfy_table::Table;
use serde::Serialize;

use super::args::{batch_state, destination_state};
use super::confirm::confirm;
use super::output::{count, fields, grouped, number, plain, say, table, text, time};
use super::subject::Found;
use super::{Failure, Session};
use crate::api::{Batch, BatchId, BatchState, Counts, DestinationState, Group, MAX_LIMIT, Resolution};
use crate::client::{BatchFilter, Client, ClientError, DestinationFilter};

/// A command about one batch or group.
#[derive(Debug, Args)]
pub struct IdArgs {
    /// Its id
    #[arg(value_name = "ID")]
    pub id: BatchId,
}

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
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
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

/// Examples of `receiptd resolve`.
pub const RESOLVE_EXAMPLES: &str = "Examples:
  receiptd resolve ID --as accepted      the provider has it: receipts are awaited
  receiptd resolve ID --as resubmit      the provider does not have it: it goes out again
  receiptd resolve ID --as abandoned     give it up
  receiptd resolve --held --as resubmit  all that were held since the database may be an older copy";

/// `receiptd resolve`
#[derive(Debug, Args)]
pub struct ResolveArgs {
    /// The unconfirmed batch, or a group: then all of it that is unconfirmed
    #[arg(value_name = "ID", required_unless_present = "held")]
    id: Option<BatchId>,
    /// All batches that were held at a start, since the database may be an older copy
    #[arg(long, conflicts_with = "id")]
    held: bool,
    /// What is the case
    #[arg(long = "as", value_enum)]
    resolution: Decision,
    /// Do not ask before `--as resubmit`
    #[arg(long)]
    yes: bool,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decision {
    /// The provider has it
    Accepted,
    /// The provider does not have it: hand it over again
    Resubmit,
    /// Give it up
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

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailuresOfCode {
    code: Option<String>,
    description: Option<String>,
    count: u64,
}

/// A batch or a group as `show` prints it for programs: the API's, and the failures by code.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    what: Subject<'a>,
    failures_by_code: &'a [FailuresOfCode],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Batch(&'a Batch),
    Group(&'a Group),
}

/// `receiptd batches`
pub async fn list(session: &Session, args: BatchesArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let mut filter = BatchFilter {
        state: args.state,
        group: args.group,
        reference: args.reference,
        limit: Some(if args.all { MAX_LIMIT } else { args.limit }),
        ..Default::default()
    };
    let mut page = client.batches(&filter).await?;
    let mut batches = std::mem::take(&mut page.items);
    while args.all
        && let Some(cursor) = page.next.take()
    {
        filter.cursor = Some(cursor);
        page = client.batches(&filter).await?;
        batches.append(&mut page.items);
    }
    page.items = batches;
    session.output.show(&page, || batch_table(&page.items).trim_fmt())?;
    if page.items.is_empty() {
        say("no such batch");
    } else if page.next.is_some() {
        say("there are more: --all shows them");
    }
    tell_what_holds_up(&client, &page.items).await;
    Ok(())
}

/// Where batches wait: why nothing goes out at the moment. Told beside what was asked for, and never instead of it.
pub(super) async fn tell_what_holds_up(client: &Client, batches: &[Batch]) {
    if !batches.iter().any(|batch| batch.state == BatchState::Queued) {
        return;
    }
    let Ok(readiness) = client.ready().await else { return };
    for why in readiness.degraded.iter().filter(|why| why.starts_with("paused") || why.starts_with("provider")) {
        say(&format!("nothing goes out: {}", plain(why)));
    }
}

/// `receiptd show`
pub async fn show(session: &Session, id: BatchId) -> Result<(), Failure> {
    let client = session.client()?;
    let found = Found::find(&client, id).await?;
    show_found(session, &client, &found).await?;
    tell_what_holds_up(&client, found.batches()).await;
    Ok(())
}

/// The end of `show`, `watch` and `send --wait`.
pub(super) async fn show_found(session: &Session, client: &Client, found: &Found) -> Result<(), Failure> {
    let failures = failures_by_code(client, found.batches()).await?;
    let what = match found {
        Found::Batch(batch) => Subject::Batch(batch),
        Found::Group(group) => Subject::Group(group),
    };
    let shown = Shown { what, failures_by_code: &failures };
    session.output.show(&shown, || {
        let mut text = match found {
            Found::Batch(batch) => batch_fields(batch).trim_fmt(),
            Found::Group(group) => {
                let pruned = (group.pruned > 0).then(|| ("pruned", grouped(group.pruned)));
                let head =
                    fields([("group", group.id.to_string()), ("batches", grouped(group.batches.len() as u64))].into_iter().chain(pruned));
                format!("{}\n\n{}", head.trim_fmt(), batch_table(&group.batches).trim_fmt())
            }
        };
        text.push_str("\n\n");
        text.push_str(&count_table(&found.counts()).trim_fmt());
        if !failures.is_empty() {
            text.push_str("\n\n");
            text.push_str(&failure_table(&failures).trim_fmt());
        }
        text
    })
}

/// `receiptd cancel`
pub async fn cancel(session: &Session, id: BatchId) -> Result<(), Failure> {
    let client = session.client()?;
    let group = match Found::find(&client, id).await? {
        Found::Batch(_) => {
            let batch = client.cancel(id).await?;
            return session.output.show(&batch, || format!("batch {} is {}", batch.id, batch.state));
        }
        Found::Group(group) => group,
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
    session.output.show(&group, || batch_table(&group.batches).trim_fmt())?;
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
            let Found::Group(group) = Found::find(&client, args.id).await? else { return Err(error.into()) };
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

/// `receiptd resolve`
pub async fn resolve(session: &Session, args: ResolveArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let batches = match args.id {
        Some(id) => match Found::find(&client, id).await? {
            Found::Batch(batch) => vec![*batch],
            Found::Group(group) => unconfirmed(group.batches),
        },
        None => {
            let held = |batch: &Batch| batch.last_error.as_ref().is_some_and(|error| error.kind == "held");
            all_unconfirmed(&client).await?.into_iter().filter(held).collect()
        }
    };
    if args.resolution == Decision::Resubmit && !batches.is_empty() {
        let numbers = count(batches.iter().map(|batch| batch.counts.total).sum(), "number", "numbers");
        let these = if batches.len() == 1 { "this batch".to_owned() } else { format!("these {} batches", batches.len()) };
        confirm(&format!("If the provider has {these} after all, {numbers} will get the message twice. Hand over again?"), args.yes)?;
    }
    // One after the other: cut off in the middle, the same command goes on with the rest.
    let mut resolved = Vec::with_capacity(batches.len());
    for batch in batches {
        resolved.push(client.resolve(batch.id, args.resolution.into()).await?);
    }
    match (&*resolved, args.id) {
        ([batch], Some(id)) if batch.id == id => session.output.show(batch, || format!("batch {} is {}", batch.id, batch.state)),
        ([], _) => session.output.show(&resolved, || "nothing to decide: no batch there is unconfirmed".to_owned()),
        _ => session.output.show(&resolved, || {
            resolved.iter().map(|batch| format!("batch {} is {}", batch.id, batch.state)).collect::<Vec<_>>().join("\n")
        }),
    }
}

fn unconfirmed(mut batches: Vec<Batch>) -> Vec<Batch> {
    batches.retain(|batch| batch.state == BatchState::Unconfirmed);
    batches
}

async fn all_unconfirmed(client: &Client) -> Result<Vec<Batch>, Failure> {
    let mut filter = BatchFilter { state: Some(BatchState::Unconfirmed), limit: Some(MAX_LIMIT), ..BatchFilter::default() };
    let mut all = Vec::new();
    loop {
        let page = client.batches(&filter).await?;
        all.extend(page.items);
        if page.next.is_none() {
            return Ok(all);
        }
        filter.cursor = page.next;
    }
}

/// Batches, a line each.
pub(super) fn batch_table(batches: &[Batch]) -> Table {
    let mut table = table(["id", "state", "from", "total", "delivered", "failed", "pending", "created"]);
    for batch in batches {
        table.add_row([
            text(&batch.id.to_string()),
            text(batch.state.as_str()),
            text(&batch.from),
            number(batch.counts.total),
            number(batch.counts.delivered),
            number(batch.counts.failed),
            number(batch.counts.pending()),
            text(&batch.created_at.to_string()),
        ]);
    }
    table
}

fn batch_fields(batch: &Batch) -> Table {
    let id = |id: Option<BatchId>| id.map(|id| id.to_string());
    let yes = |yes: bool| yes.then(|| "yes".to_owned());
    let channels = batch.channel.iter().chain(&batch.fallback_channels).map(|channel| channel.as_str()).collect::<Vec<_>>().join(", then ");
    let error = batch.last_error.as_ref().map(|error| {
        let status = error.status.map(|status| format!(" {status}")).unwrap_or_default();
        format!("{} {}{status}: {}", error.at, error.kind, error.detail)
    });
    let rows = [
        ("id", Some(batch.id.to_string())),
        ("state", Some(batch.state.to_string())),
        ("from", Some(batch.from.clone())),
        ("message", Some(batch.message.clone().unwrap_or_else(|| "(erased)".to_owned()))),
        ("parts", Some(batch.parts.to_string())),
        ("channels", Some(channels).filter(|channels| !channels.is_empty())),
        ("reference", batch.reference.clone()),
        ("group", id(batch.group)),
        ("resend of", id(batch.resend_of)),
        ("provider's id", batch.provider_id.clone()),
        ("send at", batch.send_at.map(|at| at.to_string())),
        ("dry run", yes(batch.dry_run)),
        ("attempts", Some(batch.attempts.to_string())),
        ("created", Some(batch.created_at.to_string())),
        ("submitted", Some(time(batch.submitted_at))),
        ("completed", Some(time(batch.completed_at))),
        ("last error", error),
    ];
    fields(rows.into_iter().filter_map(|(name, value)| Some((name, value?))))
}

fn count_table(counts: &Counts) -> Table {
    let mut table = table(["destinations", "count"]);
    let rows = [
        ("queued", counts.queued),
        ("submitted", counts.submitted),
        ("delivered", counts.delivered),
        ("failed", counts.failed),
        ("expired", counts.expired),
        ("cancelled", counts.cancelled),
        ("rejected", counts.rejected),
        ("validated", counts.validated),
    ];
    for (name, of_it) in rows.into_iter().filter(|(_, of_it)| *of_it > 0) {
        table.add_row([text(name), number(of_it)]);
    }
    table.add_row([text("total"), number(counts.total)]);
    if counts.conflict > 0 {
        table.add_row([text("(delivered, then reported failed)"), number(counts.conflict)]);
    }
    if counts.merged > 0 {
        table.add_row([text("(duplicates merged)"), number(counts.merged)]);
    }
    table
}

fn failure_table(failures: &[FailuresOfCode]) -> Table {
    let mut table = table(["failed with code", "meaning", "count"]);
    for failure in failures {
        let or_dash = |value: &Option<String>| text(value.as_deref().unwrap_or("-"));
        table.add_row([or_dash(&failure.code), or_dash(&failure.description), number(failure.count)]);
    }
    table
}

/// Counts the failures of batches by code (compared as hexadecimal numbers), the most frequent first.
async fn failures_by_code(client: &Client, batches: &[Batch]) -> Result<Vec<FailuresOfCode>, Failure> {
    let mut by_code: BTreeMap<Option<String>, FailuresOfCode> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.counts.failed > 0) {
        let mut filter = DestinationFilter { state: Some(DestinationState::Failed), limit: Some(MAX_LIMIT), ..Default::default() };
        loop {
            let page = client.destinations(batch.id, &filter).await?;
            for destination in page.items {
                let of_code = by_code.entry(destination.code.as_ref().map(|code| code.key())).or_insert_with(|| FailuresOfCode {
                    code: destination.code.map(|code| code.to_string()),
                    description: destination.description,
                    count: 0,
                });
                of_code.count += 1;
            }
            filter.cursor = page.next;
            if filter.cursor.is_none() {
                break;
            }
        }
    }
    let mut failures: Vec<_> = by_code.into_values().collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    Ok(failures)
}
