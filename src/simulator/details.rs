//! `GET /batch/{batch-uuid}`: the provider's report on a batch, contradictions included.

use std::time::Duration;

use serde::Serialize;

use super::{
    batch::Batch,
    codes,
    fate::{Fate, Outcome},
};

/// The answer; without `details=true` it contains only the counts.
#[derive(Default, Serialize)]
pub(super) struct Details {
    counts: Tally,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Detail>>,
}

#[derive(Default, Serialize)]
struct Tally {
    total: u64,
    delivered: u64,
    failed: u64,
}

#[derive(Serialize)]
struct Detail {
    destination: String,
    delivered: bool,
    failed: bool,
    batchuuid: String,
    messageuuid: String,
    info: Option<Info>,
}

#[derive(Serialize)]
struct Info {
    code: String,
    description: &'static str,
}

impl Details {
    /// What is known so far about the batches with the same identifier.
    pub(super) fn of<'b>(batches: impl IntoIterator<Item = &'b Batch>, with_details: bool) -> Self {
        let mut all = Self { details: with_details.then(Vec::new), ..Self::default() };
        for batch in batches {
            let name = batch.name_in_receipts();
            let age = batch.age();
            for (index, number) in batch.order.destinations.iter().enumerate() {
                let fate = batch.fate(index);
                let outcome = age.and_then(|age| known(&fate, age));
                all.counts.total += 1;
                all.counts.delivered += u64::from(outcome == Some(Outcome::Delivered));
                all.counts.failed += u64::from(matches!(outcome, Some(Outcome::Failed(_))));
                if let Some(details) = &mut all.details {
                    details.push(detail(&name, *number, &fate, outcome));
                }
            }
            if batch.profile.counts_disagree {
                all.counts.total += 1;
                all.counts.delivered = all.counts.delivered.saturating_sub(1);
                all.counts.failed += 2;
            }
        }
        all
    }
}

/// What is known about a destination at this age of its batch.
fn known<'p>(fate: &Fate<'p>, age: Duration) -> Option<Outcome<'p>> {
    match fate.fallback_after {
        _ if age < fate.due => None,
        Some(code) if age < fate.due_again => Some(Outcome::Failed(code)),
        _ => fate.outcome,
    }
}

fn detail(batch: &str, number: u64, fate: &Fate<'_>, outcome: Option<Outcome<'_>>) -> Detail {
    let code = match outcome {
        Some(Outcome::Delivered) => Some("00"),
        Some(Outcome::Failed(code)) => Some(code),
        None => None,
    };
    Detail {
        destination: format!("+{number}"),
        delivered: outcome == Some(Outcome::Delivered),
        failed: matches!(outcome, Some(Outcome::Failed(_))),
        batchuuid: batch.into(),
        messageuuid: fate.message.to_string(),
        info: code.filter(|_| !fate.null_info).map(|code| Info { code: code.into(), description: codes::description(code) }),
    }
}
