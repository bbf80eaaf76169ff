//! What an id on the command line identifies: a batch or a group.

use serde::Serialize;

use super::failed_codes::{FailuresOfCode, failures_by_code};
use super::output::{grouped, say};
use super::tables;
use super::{Failure, Session};
use crate::api::{Batch, BatchId, BatchState, Condition, Counts, Group};
use crate::client::{Client, ClientError};

/// What an id identifies.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Subject {
    /// A batch.
    Batch(Box<Batch>),
    /// A group of batches.
    Group(Box<Group>),
}

impl Subject {
    /// Looks for a batch with this id, and otherwise for a group.
    pub(super) async fn find(client: &Client, id: BatchId) -> Result<Self, ClientError> {
        match client.batch(id).await {
            Ok(batch) => Ok(Self::Batch(Box::new(batch))),
            Err(ClientError::Problem(mut problem)) if problem.status == 404 => match client.group(id).await {
                Ok(group) if group.batches.is_empty() => {
                    problem.detail = format!("all batches of the group {id} were pruned");
                    Err(ClientError::Problem(problem))
                }
                Ok(group) => Ok(Self::Group(Box::new(group))),
                Err(error) if error.is_not_found() => {
                    if !problem.is_pruned() {
                        problem.detail = format!("there is no batch and no group {id}");
                    }
                    Err(ClientError::Problem(problem))
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Reads the batch or group again.
    pub(super) async fn again(&self, client: &Client) -> Result<Self, ClientError> {
        match self {
            Self::Batch(batch) => Ok(Self::Batch(Box::new(client.batch(batch.id).await?))),
            Self::Group(group) => Ok(Self::Group(Box::new(client.group(group.id).await?))),
        }
    }

    /// The id of the batch or group.
    pub(super) fn id(&self) -> BatchId {
        match self {
            Self::Batch(batch) => batch.id,
            Self::Group(group) => group.id,
        }
    }

    /// The batch, or the batches of the group.
    pub(super) fn batches(&self) -> &[Batch] {
        match self {
            Self::Batch(batch) => std::slice::from_ref(batch),
            Self::Group(group) => &group.batches,
        }
    }

    /// The sums of the counts.
    pub(super) fn counts(&self) -> Counts {
        match self {
            Self::Batch(batch) => batch.counts,
            Self::Group(group) => group.counts,
        }
    }
    /// Prints the batch or group with its counts and its failures by code: the result of `show`, `watch` and `send
    /// --wait`.
    pub(super) async fn show(&self, session: &Session, client: &Client) -> Result<(), Failure> {
        let failures = failures_by_code(client, self.batches()).await?;
        let shown = Shown { subject: self, failures_by_code: &failures };
        session.output.show(&shown, |screen| {
            let mut text = match self {
                Self::Batch(batch) => tables::batch(batch, screen),
                Self::Group(group) => {
                    let rows = [
                        ("group", Some(group.id.to_string())),
                        ("batches", Some(grouped(group.batches.len() as u64))),
                        ("pruned", (group.pruned > 0).then(|| grouped(group.pruned))),
                    ];
                    format!("{}\n\n{}", tables::fields(rows, screen), tables::batches(&group.batches, screen))
                }
            };
            text.push_str("\n\n");
            text.push_str(&tables::counts(&self.counts(), screen));
            if !failures.is_empty() {
                text.push_str("\n\n");
                text.push_str(&tables::failures(&failures, screen));
            }
            text
        })
    }
}

/// A batch or a group as printed for programs: the API's object with the failures by code.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    subject: &'a Subject,
    failures_by_code: &'a [FailuresOfCode],
}

/// If any of these batches waits, says why nothing is being sent. Returns whether something prevents sending. Errors
/// are ignored, because this is only additional information.
pub(super) async fn say_what_holds_up(client: &Client, batches: &[Batch]) -> bool {
    if !batches.iter().any(|batch| batch.state == BatchState::Queued) {
        return false;
    }
    let Ok(readiness) = client.ready().await else { return false };
    let why: Vec<&str> =
        readiness.degraded().filter(|(kind, _)| matches!(kind, Condition::Paused | Condition::Submitting)).map(|(_, why)| why).collect();
    why.iter().for_each(|why| say(&format!("Nothing is sent at the moment: {why}")));
    !why.is_empty()
}
