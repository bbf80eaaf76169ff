//! What the handlers of the private listener share.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::body::BodyBudget;
use super::feed::Feed;
use crate::clock::Clock;
use crate::domain::CallbackSecrets;
use crate::metrics::Metrics;
use crate::probe::{Prober, PublicUrl};
use crate::provider::{Provider, Standing};
use crate::reconcile::Deadline;
use crate::secret::Secret;
use crate::store::Store;
use crate::submit::Intake;

/// Shared by all handlers of the private listener; one a worker thread, since awc stays on its thread.
pub struct ApiState {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Checks what is handed in.
    pub intake: Intake,
    /// How it goes with the provider.
    pub standing: Standing,
    /// The provider, for what people ask of it.
    pub provider: Provider,
    /// Silence on a batch before the provider is asked about it.
    pub after: Duration,
    /// When what is pending expires.
    pub deadline: Arc<Deadline>,
    /// `callback.max_body`, in bytes.
    pub max_body: u64,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Asks whether the public URL reaches this daemon.
    pub prober: Prober,
    /// What it found.
    pub public_url: PublicUrl,
    /// The receipts as they come.
    pub feed: Feed,
    /// The memory that the bodies of requests share.
    pub budget: BodyBudget,
    /// Who may use the API.
    pub token: Secret,
    /// The secrets that the public listener checks tokens with.
    pub secrets: Arc<RwLock<CallbackSecrets>>,
}
