//! Shared state of listeners and workers.

use std::sync::{Arc, RwLock};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{DaemonConfig, WireNames};
use crate::domain::CallbackSecrets;
use crate::metrics::Metrics;
use crate::probe::{Prober, Probes, PublicUrl};
use crate::provider::{self, BadBaseUrl, Provider, Standing};
use crate::reconcile::{Deadline, Missed};
use crate::secret::Secret;
use crate::store::Store;

/// What listeners and workers are built from. Each of them gets only what it needs.
pub(super) struct Shared {
    pub config: DaemonConfig,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub store: Store,
    /// The API token.
    pub token: Secret,
    /// The secrets of callback tokens.
    pub secrets: Arc<RwLock<CallbackSecrets>>,
    pub standing: Standing,
    pub deadline: Arc<Deadline>,
    pub missed: Missed,
    pub probes: Probes,
    pub public_url: PublicUrl,
    /// Becomes true when the daemon stops.
    pub stopping: watch::Sender<bool>,
}

impl Shared {
    pub fn new(config: DaemonConfig, clock: Clock, metrics: Arc<Metrics>, store: Store, token: Secret, secrets: CallbackSecrets) -> Self {
        let deadline = Arc::new(Deadline::new(clock.clone(), config.config.reconcile.deadline));
        Self {
            config,
            clock,
            metrics,
            store,
            token,
            secrets: Arc::new(RwLock::new(secrets)),
            standing: Standing::default(),
            deadline,
            missed: Missed::default(),
            probes: Probes::default(),
            public_url: PublicUrl::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// `{public_url}/callbacks`
    pub fn callbacks(&self) -> String {
        self.config.public_url.join("callbacks")
    }

    /// A client of the provider, for this thread.
    #[expect(clippy::expect_used, reason = "bind made one of the same settings already, and would have refused them")]
    pub fn provider(&self) -> Provider {
        provider(&self.config).expect("checked by bind").with_metrics(self.metrics.clone())
    }

    /// A prober of the public URL, for this thread.
    pub fn prober(&self) -> Prober {
        Prober::new(self.callbacks(), self.secrets.clone(), self.probes.clone())
    }
}

/// A client of the configured provider.
pub(super) fn provider(config: &DaemonConfig) -> Result<Provider, BadBaseUrl> {
    let settings = &config.config.provider;
    Provider::new(provider::Settings {
        base_url: settings.base_url.as_str().to_owned(),
        key: config.key.clone(),
        timeout: settings.timeout,
        wire_names: match settings.wire_names {
            WireNames::Both => provider::WireNames::Both,
            WireNames::Table => provider::WireNames::Table,
            WireNames::Example => provider::WireNames::Example,
        },
    })
}
