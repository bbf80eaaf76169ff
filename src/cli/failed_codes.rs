//! Why destinations failed: the receipt codes and their counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::{Batch, DestinationState, MAX_LIMIT};
use crate::client::{Client, ClientError, DestinationFilter, all_pages};

/// The failures with one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailuresOfCode {
    pub(super) code: Option<String>,
    pub(super) description: Option<String>,
    pub(super) count: u64,
}

/// Counts the failures of batches by code (compared as hexadecimal numbers), most frequent first.
pub(super) async fn failures_by_code(client: &Client, batches: &[Batch]) -> Result<Vec<FailuresOfCode>, ClientError> {
    let mut by_code: BTreeMap<Option<String>, FailuresOfCode> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.counts.failed > 0) {
        let filter = DestinationFilter { state: Some(DestinationState::Failed), limit: Some(MAX_LIMIT), ..Default::default() };
        let failed = all_pages(async |cursor| client.destinations(batch.id, &DestinationFilter { cursor, ..filter.clone() }).await);
        for destination in failed.await? {
            let of_code = by_code.entry(destination.code.as_ref().map(|code| code.key())).or_insert_with(|| FailuresOfCode {
                code: destination.code.map(|code| code.to_string()),
                description: destination.description,
                count: 0,
            });
            of_code.count += 1;
        }
    }
    let mut failures: Vec<_> = by_code.into_values().collect();
    failures.sort_by_key(|failure| Reverse(failure.count));
    Ok(failures)
}
