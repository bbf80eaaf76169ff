//! Telling the service manager (systemd, `Type=notify`) how the daemon is.

use std::net::SocketAddr;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

use crate::provider::Standing;
use crate::store::Store;

/// How often the manager is told, where it does not want it more often.
const EVERY: Duration = Duration::from_secs(30);
/// What a stop may take beyond `shutdown_timeout`: closing a large database.
const CLOSING: Duration = Duration::from_secs(60);

/// Whoever started the daemon and wants to know how it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manager {
    /// How often it must be told.
    every: Option<Duration>,
}

impl Manager {
    /// The one whose socket is in the environment; nobody, where there is none.
    pub fn of_this_process() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some();
        // Twice in the time after which it would lose patience.
        let patience = sd_notify::watchdog_enabled().map(|patience| patience / 2);
        Self { every: listens.then(|| patience.unwrap_or(EVERY).min(EVERY)) }
    }

    /// What the daemon is doing, in a line that `systemctl status` shows.
    pub fn status(self, text: &str) {
        self.tell(&[NotifyState::Status(text)]);
    }

    /// Both listeners serve.
    pub(super) fn ready(self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The daemon stops, which takes `patience` and what closing takes.
    pub(super) fn stopping(self, patience: Duration) {
        let most = u32::try_from((patience + CLOSING).as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status("stopping: no new requests; finishing those in progress");
        self.tell(&[NotifyState::Stopping, status, NotifyState::ExtendTimeoutUsec(most)]);
    }

    /// Tells again and again that the daemon is alive, and how it is. A full disk, a lock of another process, a provider
    /// that is away: a restart fixes none of them, so they are told and the watchdog stays calm. It restarts the daemon
    /// when the event loop no longer runs this, or the writer no longer answers at all.
    pub(super) async fn keep_told(self, store: Store, standing: Standing, public: SocketAddr, private: SocketAddr) {
        let Some(every) = self.every else { return };
        // Not "so long after the last time": what the writer takes to answer would be added to it.
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let written = store.ping().await;
            self.tell(&[NotifyState::Watchdog]);
            let condition = match (written, standing.troubles().first()) {
                (Err(why), _) => format!("receipts can NOT be recorded: {why}"),
                (Ok(()), Some((_, why))) => format!("receipts are recorded; provider: {why}"),
                (Ok(()), None) => "receipts are recorded".to_owned(),
            };
            // A line of its own in the message would be another message.
            self.status(&format!("{}; callbacks on {public}, API on {private}", condition.replace(['\n', '\r'], " ")));
        }
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self.every.is_some()
            && let Err(error) = sd_notify::notify(states)
        {
            log::debug!("the service manager cannot be told: {error}");
        }
    }
}
