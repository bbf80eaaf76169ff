//! Reporting the daemon's condition to the service manager (systemd, `Type=notify`).

use std::net::SocketAddr;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

use crate::provider::Standing;
use crate::store::Store;

/// The default interval of reports.
const EVERY: Duration = Duration::from_secs(30);
/// The time allowed for stopping beyond `shutdown_timeout`: closing a large database may take this long.
const CLOSING: Duration = Duration::from_secs(60);

/// The service manager, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manager {
    /// The interval of reports; `None` if there is no service manager.
    every: Option<Duration>,
}

impl Manager {
    /// The service manager whose socket is in the environment, if there is one.
    pub fn of_this_process() -> Self {
        let listens = std::env::var_os("NOTIFY_SOCKET").is_some();
        // Twice per watchdog period.
        let patience = sd_notify::watchdog_enabled().map(|patience| patience / 2);
        Self { every: listens.then(|| patience.unwrap_or(EVERY).min(EVERY)) }
    }

    /// Sets the status line that `systemctl status` shows.
    pub fn status(self, text: &str) {
        self.tell(&[NotifyState::Status(text)]);
    }

    /// Reports that both listeners serve.
    pub(super) fn ready(self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// Reports that the daemon stops, which takes `patience` plus the time for closing.
    pub(super) fn stopping(self, patience: Duration) {
        let most = u32::try_from((patience + CLOSING).as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status("stopping: no new requests; finishing those in progress");
        self.tell(&[NotifyState::Stopping, status, NotifyState::ExtendTimeoutUsec(most)]);
    }

    /// Keeps reporting that the daemon is alive, and its condition. A restart does not fix a full disk, a lock of
    /// another process or an unreachable provider, so these are only reported. The watchdog restarts the daemon if the
    /// event loop no longer runs this task, or if the writer no longer answers.
    pub(super) async fn keep_told(self, store: Store, standing: Standing, public: SocketAddr, private: SocketAddr) {
        let Some(every) = self.every else { return };
        // A fixed interval, so that the writer's response time is not added to it.
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let written = store.ping().await;
            self.tell(&[NotifyState::Watchdog]);
            let condition = match (written, standing.troubles().first()) {
                (Err(why), _) => format!("receipts cannot be recorded: {why}"),
                (Ok(()), Some((_, why))) => format!("receipts are recorded; provider: {why}"),
                (Ok(()), None) => "receipts are recorded".to_owned(),
            };
            // A line break would end the message.
            self.status(&format!("{}; callbacks on {public}, API on {private}", condition.replace(['\n', '\r'], " ")));
        }
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self.every.is_some()
            && let Err(error) = sd_notify::notify(states)
        {
            log::debug!("cannot notify the service manager: {error}");
        }
    }
}
