//! An ID on the command line is a batch's or a group's.

use crate::api::{Batch, BatchId, Counts, Group};
use crate::client::{Client, ClientError};

/// What an ID stands for.
#[derive(Clone)]
pub(super) enum Found {
    /// A batch.
    Batch(Box<Batch>),
    /// A group of batches.
    Group(Box<Group>),
}

impl Found {
    /// Asks for a batch, and where there is none, for a group.
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

    /// The same, as it is now.
    pub(super) async fn again(&self, client: &Client) -> Result<Self, ClientError> {
        match self {
            Self::Batch(batch) => Ok(Self::Batch(Box::new(client.batch(batch.id).await?))),
            Self::Group(group) => Ok(Self::Group(Box::new(client.group(group.id).await?))),
        }
    }

    /// The batch, or the batches of the group.
    pub(super) fn batches(&self) -> &[Batch] {
        match self {
            Self::Batch(batch) => std::slice::from_ref(batch),
            Self::Group(group) => &group.batches,
        }
    }

    /// All counts together.
    pub(super) fn counts(&self) -> Counts {
        match self {
            Self::Batch(batch) => batch.counts,
            Self::Group(group) => group.counts,
        }
    }
}
