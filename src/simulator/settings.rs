//! What a simulator is started with.

use std::time::Duration;

use super::Profile;

/// What a simulator is started with. `Settings::default()` is calm and repeatable.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account key that requests must carry as `?key=`. Default `sandbox-key`.
    pub key: String,
    /// The status that answers a request with another key, or with none. Default 401.
    pub bad_key: u16,
    /// The credits of the account: a batch takes one for each destination and part, and is refused with 402 where there are
    /// too few; one that is cancelled gives them back, a dry run takes none. Default `None`, no end of them.
    pub credits: Option<u64>,
    /// The sender IDs that the account owns; any other is refused with 400. Empty (default) = every sender is owned.
    pub senders: Vec<String>,
    /// Everything left to chance follows from this and from what is submitted, not from time or order. Default 1.
    pub seed: u64,
    /// How the provider behaves. Default [`Profile::calm`]; can be changed later with `Handle::set_profile`.
    pub profile: Profile,
    /// More destinations than this are refused with 400. Default 0 = no limit (the provider documents none).
    pub max_destinations: usize,
    /// A send time less than this ahead is sent at once. Default 5 minutes, as documented.
    pub schedule_ahead: Duration,
    /// Threads that post receipts, at least one. Default 1; a load test takes more.
    pub couriers: usize,
    /// Receipts on their way at the same time, for each courier. Default 32.
    pub concurrency: usize,
    /// How long a callback may take to answer. Default 30 s; the provider documents nothing.
    pub callback_timeout: Duration,
    /// Whether the body of each submission is kept for [`Submission::raw`](super::Submission::raw). Default yes.
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
    /// A seed from the operating system, for runs that need not repeat.
    pub fn random_seed() -> u64 {
        getrandom::u64().unwrap_or(1)
    }
}
