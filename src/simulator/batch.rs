//! A batch that was taken, in compact form, and what tests see of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Profile, order::Order};
use crate::lock::lock;

/// A batch that was taken.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the answer said.
    pub identifier: String,
    /// The provider's own uuid for it, whether or not it shows it.
    pub own: Uuid,
    pub order: Order,
    pub taken_at: Timestamp,
    /// Seed of everything that is left to chance in it.
    pub chance: u64,
    pub profile: Arc<Profile>,
    phase: Mutex<Phase>,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its `POST /batch` is not answered yet.
    Taken,
    /// A rehearsal: nothing will be sent.
    DryRun,
    Scheduled(Timestamp),
    Cancelled,
    /// It waits for `Handle::deliver`.
    Held,
    /// Sent; receipts are due from then on.
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

    /// How receipts name the batch.
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

    /// Goes on to `next` where `from` allows it; says whether it did.
    pub(super) fn advance(&self, from: impl Fn(Phase) -> bool, next: Phase) -> bool {
        let mut phase = lock(&self.phase);
        let allowed = from(*phase);
        if allowed {
            *phase = next;
        }
        allowed
    }

    /// Time since it was sent.
    pub(super) fn age(&self) -> Option<Duration> {
        match self.phase() {
            Phase::Sent(since) => Some(since.elapsed()),
            _ => None,
        }
    }
}

/// A `POST /batch` that was taken, as tests and people look at it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Submission {
    /// What the answer said, or would have said.
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
    /// The text.
    pub message: String,
    /// Numbers as they came, without plus.
    pub destinations: Vec<String>,
    /// Where receipts go.
    pub callback: Option<String>,
    /// First channel.
    pub channel: Option<String>,
    /// Channels tried after it.
    pub fallback_channels: Vec<String>,
    /// Whether texts of several parts were allowed.
    pub allow_multi: bool,
    /// Whether the provider understood it as a dry run: nothing is sent, and nobody asks for it later.
    pub dry_run: bool,
    /// Whether it is, or was, kept for a later time and not yet sent.
    pub scheduled: bool,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Query parameters, without the key.
    pub query: Vec<(String, String)>,
    /// The body as it came; empty unless `Settings::keep_bodies`.
    pub raw: Bytes,
    /// When it was taken, by the simulator's clock.
    pub taken_at: Timestamp,
}

impl Submission {
    /// The body as JSON; null where it was not kept.
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
