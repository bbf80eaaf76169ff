//! A batch that the simulator accepted, in compact form, and the view of it for tests.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Profile, order::Order};
use crate::lock::lock;

/// A batch that the simulator accepted.
#[derive(Debug)]
pub(super) struct Batch {
    /// The identifier in the answer.
    pub identifier: String,
    /// The provider's own UUID for the batch, even if no answer shows it.
    pub own: Uuid,
    pub order: Order,
    pub taken_at: Timestamp,
    /// The seed of all random decisions about the batch.
    pub chance: u64,
    pub profile: Arc<Profile>,
    phase: Mutex<Phase>,
}

/// The progress of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its `POST /batch` has not been answered yet.
    Taken,
    /// A dry run: nothing will be sent.
    DryRun,
    Scheduled(Timestamp),
    Cancelled,
    /// It is held back until `Handle::deliver` or `Handle::release`.
    Held,
    /// It was sent at this time, from which the receipts' delays count.
    Sent(Instant),
}

impl Batch {
    pub(super) fn new(order: Order, taken_at: Timestamp, chance: u64, own: Uuid, profile: Arc<Profile>, phase: Phase) -> Self {
        let mut identifier = order.client_uuid.unwrap_or(own).to_string();
        if profile.wire.upper_case {
            identifier.make_ascii_uppercase();
        }
        Self { identifier, own, order, taken_at, chance, profile, phase: Mutex::new(phase) }
    }

    /// The name of the batch in receipts.
    pub(super) fn name_in_receipts(&self) -> String {
        match (self.profile.wire.receipts_under_own, self.profile.wire.upper_case) {
            (false, _) => self.identifier.clone(),
            (true, false) => self.own.to_string(),
            (true, true) => self.own.to_string().to_uppercase(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    /// Changes the phase to `next` if `from` allows it. Returns whether it did.
    pub(super) fn advance(&self, from: impl Fn(Phase) -> bool, next: Phase) -> bool {
        let mut phase = lock(&self.phase);
        let allowed = from(*phase);
        if allowed {
            *phase = next;
        }
        allowed
    }

    /// The time since the batch was sent; `None` if it was not sent.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.phase() {
            Phase::Sent(since) => Some(since.elapsed()),
            _ => None,
        }
    }
}

/// A `POST /batch` that the simulator accepted, for tests to inspect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Submission {
    /// The identifier in the answer, or what it would have been.
    pub identifier: String,
    /// The body's `uuid`.
    pub uuid: Option<String>,
    /// The body's `id`.
    pub id: Option<String>,
    /// The body's `at`.
    pub at: Option<String>,
    /// The body's `send_at`.
    pub send_at: Option<String>,
    /// The sender ID.
    pub from: String,
    /// The message text.
    pub message: String,
    /// The numbers as they were sent, without a plus.
    pub destinations: Vec<String>,
    /// The URL that receipts are posted to.
    pub callback: Option<String>,
    /// The channel to try first.
    pub channel: Option<String>,
    /// The channels to try after it.
    pub fallback_channels: Vec<String>,
    /// Whether texts of several parts were allowed.
    pub allow_multi: bool,
    /// Whether the provider treated it as a dry run: it sends nothing and does not find the batch later.
    pub dry_run: bool,
    /// Whether it is scheduled, or was cancelled while it was.
    pub scheduled: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// The query parameters, without the key.
    pub query: Vec<(String, String)>,
    /// The raw body; empty unless `Settings::keep_bodies` is set.
    pub raw: Bytes,
    /// When it was accepted, by the simulator's clock.
    pub taken_at: Timestamp,
}

impl Submission {
    /// The body as JSON; null if it was not kept.
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap_or_default()
    }
}

impl From<&Batch> for Submission {
    fn from(batch: &Batch) -> Self {
        let (order, phase) = (&batch.order, batch.phase());
        Self {
            identifier: batch.identifier.clone(),
            uuid: order.uuid.clone(),
            id: order.id.clone(),
            at: order.at.clone(),
            send_at: order.send_at.clone(),
            from: order.from.clone(),
            message: order.message.clone(),
            destinations: order.destinations.iter().map(u64::to_string).collect(),
            callback: order.callback.clone(),
            channel: order.channel.clone(),
            fallback_channels: order.fallback_channels.clone(),
            allow_multi: order.allow_multi,
            dry_run: phase == Phase::DryRun,
            scheduled: matches!(phase, Phase::Scheduled(_) | Phase::Cancelled),
            cancelled: phase == Phase::Cancelled,
            query: order.query.clone(),
            raw: order.raw.clone(),
            taken_at: batch.taken_at,
        }
    }
}
