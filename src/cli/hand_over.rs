//! Submits the batches of a plan to the daemon, in such a way that repeating it sends nothing twice.

use std::collections::{HashMap, HashSet};

use indicatif::ProgressBar;

use super::Failure;
use super::output::count;
use super::plan::Plan;
use crate::api::{Batch, BatchId, BatchRequest, Timestamp};
use crate::client::{Client, ClientError};
use crate::submit::SHORTEST_NOTICE;

/// The result of submitting a plan.
#[derive(Default)]
pub(super) struct HandedOver {
    /// The batches that the daemon has now, in the order of the plan.
    pub(super) batches: Vec<Batch>,
    /// The number of new batches.
    pub(super) created: usize,
    /// The number of batches that were sent once and have been pruned since.
    pub(super) pruned: usize,
}

/// The batches of the plan that the daemon has or had, with their send times.
type Known = HashMap<BatchId, Option<Timestamp>>;

/// Submits the batches that the daemon does not have yet.
///
/// `resuming` is the current time if the id was given, so that an earlier run may have started. Then everything that
/// the daemon has or had under this id must be part of this very plan, which is checked before anything new is sent.
pub(super) async fn hand_over(
    client: &Client,
    plan: &Plan,
    template: &BatchRequest,
    resuming: Option<Timestamp>,
    bar: &ProgressBar,
) -> Result<HandedOver, Failure> {
    let existing = if resuming.is_some() { existing(client, plan).await? } else { Known::new() };
    // Existing batches first, in their order, so that a difference is found before anything new is sent.
    let (known, new): (Vec<usize>, Vec<usize>) = (0..plan.batches()).partition(|index| existing.contains_key(&plan.batch(*index)));
    let is_begun = !known.is_empty() && !new.is_empty();
    let mut handed = HandedOver::default();
    for (done, index) in known.into_iter().chain(new).enumerate() {
        let id = plan.batch(index);
        let mut request = BatchRequest {
            destinations: plan.numbers(index).iter().map(ToString::to_string).collect(),
            id: Some(id),
            group: plan.group(),
            ..template.clone()
        };
        // The rest of a list can no longer be sent at the time that was given first; batches that have it keep it.
        if let (Some(now), Some(Some(at))) = (resuming, existing.get(&id))
            && is_begun
            && *at < now.plus(SHORTEST_NOTICE)
        {
            request.send_at = Some(at.to_string());
        }
        match client.submit(&request).await {
            Ok((batch, created)) => {
                handed.created += usize::from(created);
                handed.batches.push(batch);
            }
            Err(error) if error.problem(409).is_some_and(|problem| problem.is_pruned()) => handed.pruned += 1,
            Err(error) => return Err(told(error, plan, &request, done, handed.created)),
        }
        bar.inc(request.destinations.len() as u64);
    }
    bar.finish_and_clear();
    Ok(handed)
}

/// The batches of this plan that the daemon has. Anything else under its id belongs to another list.
async fn existing(client: &Client, plan: &Plan) -> Result<Known, Failure> {
    let id = plan.id;
    let (batches, pruned) = match client.group(id).await {
        Ok(group) => (group.batches, group.pruned),
        Err(error) if error.is_not_found() => (Vec::new(), 0),
        Err(error) => return Err(error.into()),
    };
    if plan.group().is_none() {
        return match batches.len() {
            0 if pruned == 0 => Ok(Known::new()), // the single POST shows whether it is the same
            0 => Err(sent_and_pruned(plan, pruned)),
            of => Err(other(&format!("{id} is a group of {of} batches, and this list makes one batch"))),
        };
    }
    match client.batch(id).await {
        Ok(_) => return Err(other(&format!("{id} is one batch, and this list makes a group of {}", plan.batches()))),
        Err(error) if was_pruned(&error) => return Err(sent_and_pruned(plan, 1)),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let ours: HashSet<BatchId> = (0..plan.batches()).map(|index| plan.batch(index)).collect();
    let mut theirs: Known = batches.into_iter().map(|batch| (batch.id, batch.send_at)).collect();
    if theirs.keys().any(|id| !ours.contains(id)) {
        return Err(other(&format!("the group {id} has batches that this list does not make")));
    }
    if pruned > 0 {
        let had = theirs.len() as u64;
        for id in ours.iter().filter(|id| !theirs.contains_key(*id)).copied().collect::<Vec<_>>() {
            match client.batch(id).await {
                Err(error) if was_pruned(&error) => theirs.insert(id, None),
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => None,
            };
        }
        // The numbers of a pruned batch are unknown. If the plan consists exactly of the batches that exist or existed,
        // the daemon compares each of them. If one is missing or superfluous, the remaining numbers may have received
        // the message already.
        if theirs.len() != plan.batches() || had + pruned != plan.batches() as u64 {
            return Err(sent_and_pruned(plan, pruned));
        }
    }
    Ok(theirs)
}

fn was_pruned(error: &ClientError) -> bool {
    error.problem(404).is_some_and(|problem| problem.is_pruned())
}

fn sent_and_pruned(plan: &Plan, pruned: u64) -> Failure {
    Failure::Failed(format!(
        "{} was sent before, and {} pruned since: what is left is not this list as provider.max_destinations cuts it now, \
         so it is unknown who had the message. Nothing new was sent. To send to all of them, pass another --id",
        plan.id,
        count(pruned, "batch was", "batches were")
    ))
}

fn other(difference: &str) -> Failure {
    Failure::Failed(format!(
        "{difference}: the list, or provider.max_destinations, has changed. Nothing new was sent. \
         Repeat with what was used then, or pass another --id for another list"
    ))
}

fn told(error: ClientError, plan: &Plan, request: &BatchRequest, done: usize, created: usize) -> Failure {
    let of = plan.batches();
    let differs = error.problem(409).is_some();
    let refused = error.problem(400).or(error.problem(422));
    let is_late = refused.is_some_and(|problem| problem.errors.iter().any(|error| error.pointer == "/send_at"));
    let is_refused = refused.is_some();
    let nothing_new = if created == 0 { " Nothing new was sent." } else { "" };
    let failure = Failure::from(with_flags(error));
    if differs {
        return failure.with(&format!(
            "The id {} was used before, with another list, text or option.{nothing_new} \
             Repeat with what was used then, or pass another --id for another list",
            plan.id
        ));
    }
    if is_late && done > 0 {
        return failure.with(&format!(
            "{done} of {of} batches were accepted in time. To send the rest, and nothing twice: the same command with --id {} and a \
             later --send-at, or without one",
            plan.id
        ));
    }
    if is_refused && created == 0 {
        return failure;
    }
    // A relative time such as +2h would be different by then.
    let send_at = request.send_at.as_ref().map(|at| format!(" --send-at {at}")).unwrap_or_default();
    let so_far = match done {
        0 => "Nothing was sent. To retry safely".to_owned(),
        done => format!("{done} of {of} batches were accepted. To send the rest, and nothing twice"),
    };
    failure.with(&format!("{so_far}: the same command with --id {}{send_at}", plan.id))
}

/// Names the flags of the command line instead of the fields of the request.
fn with_flags(error: ClientError) -> ClientError {
    let ClientError::Problem(mut problem) = error else { return error };
    for error in &mut problem.errors {
        let flag = match error.pointer.split('/').nth(1) {
            Some("from") => "--from",
            Some("message") => "--message",
            Some("send_at") => "--send-at",
            Some("channel") => "--channel",
            Some("fallback_channels") => "--fallback",
            Some("reference") => "--reference",
            Some("allow_multi") => "--allow-multi",
            _ => continue,
        };
        error.pointer = flag.to_owned();
    }
    ClientError::Problem(problem)
}

#[cfg(test)]
mod tests;
