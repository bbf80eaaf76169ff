//! The shared state of the private listener's handlers.

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

/// The shared state of the private listener's handlers. Each worker thread has its own, because awc is not `Send`.
pub struct ApiState {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Validates new batches.
    pub intake: Intake,
    /// The state of the connection to the provider.
    pub standing: Standing,
    /// The provider, for requests that need it.
    pub provider: Provider,
    /// How long a batch must be silent before the provider is asked about it.
    pub after: Duration,
    /// When pending destinations expire.
    pub deadline: Arc<Deadline>,
    /// `callback.max_body`, in bytes.
    pub max_body: u64,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Checks whether the public URL reaches this daemon.
    pub prober: Prober,
    /// The result of the last check.
    pub public_url: PublicUrl,
    /// The feed of new receipts.
    pub feed: Feed,
    /// The memory budget of request bodies.
    pub budget: BodyBudget,
    /// The API token.
    pub token: Secret,
    /// The secrets that the public listener checks tokens with.
    pub secrets: Arc<RwLock<CallbackSecrets>>,
}
