//! The settings of a simulator.

use std::time::Duration;

use super::Profile;

/// The settings of a simulator. `Settings::default()` is calm and repeatable.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account key that requests must carry as `?key=`. Default `sandbox-key`.
    pub key: String,
    /// The status of the answer to a request with a wrong key or without one. Default 401.
    pub bad_key: u16,
    /// The credits of the account. A batch costs one per destination and part, and is refused with 402 if there are too
    /// few. Cancelling returns them, and a dry run costs nothing. Default `None`, unlimited.
    pub credits: Option<u64>,
    /// The sender IDs that the account owns; others are refused with 400. Empty (the default) means that every sender
    /// is owned.
    pub senders: Vec<String>,
    /// The seed. All random decisions depend on it and on the submitted content, not on time or order. Default 1.
    pub seed: u64,
    /// The provider's behaviour. Default [`Profile::calm`]; `Handle::set_profile` changes it later.
    pub profile: Profile,
    /// The largest number of destinations; larger batches are refused with 400. Default 0, no limit (the provider
    /// documents none).
    pub max_destinations: usize,
    /// A batch whose send time is less than this ahead is sent at once. Default 5 minutes, as documented.
    pub schedule_ahead: Duration,
    /// The number of threads that post receipts, at least one. Default 1; load tests use more.
    pub couriers: usize,
    /// The number of receipts posted concurrently by each courier. Default 32.
    pub concurrency: usize,
    /// The time limit for the answer of a callback. Default 30 s; the provider documents nothing.
    pub callback_timeout: Duration,
    /// Whether to keep the body of each submission for [`Submission::raw`](super::Submission::raw). Default yes.
    pub keep_bodies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key: "sandbox-key".into(),
            bad_key: 401,
            credits: None,
            senders: Vec::new(),
            seed: 1,
            profile: Profile::calm(),
            max_destinations: 0,
            schedule_ahead: Duration::from_secs(300),
            couriers: 1,
            concurrency: 32,
            callback_timeout: Duration::from_secs(30),
            keep_bodies: true,
        }
    }
}

impl Settings {
    /// A seed from the operating system, for runs that need not be repeatable.
    pub fn random_seed() -> u64 {
        getrandom::u64().unwrap_or(1)
    }
}
