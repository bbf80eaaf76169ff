//! Telling the service manager (systemd, `Type=notify`) how the daemon is.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

use crate::provider::Standing;
use crate::store::{Store, StoreError};

/// How often the manager is told, where it does not want it more often.
const EVERY: Duration = Duration::from_secs(30);
/// After this the writer is asked again, where there was no room for the question.
const ASK_AGAIN: Duration = Duration::from_millis(100);
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
        let status = NotifyState::Status("stopping: nothing more is taken, what was taken is finished");
        self.tell(&[NotifyState::Stopping, status, NotifyState::ExtendTimeoutUsec(most)]);
    }

    /// Tells again and again that the daemon is alive, and how it is. A full disk, a lock of somebody else, a provider
    /// that is away: a restart mends none of them, so they are told and the watchdog stays calm. It bites when the event
    /// loop no longer comes by here, or the writer no longer answers at all.
    pub(super) async fn keep_told(self, store: Store, standing: Standing, public: SocketAddr, private: SocketAddr) {
        let Some(every) = self.every else { return };
        // Not "so long after the last time": what the writer takes to answer would be added to it.
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            // Where something is wrong already, this has the writer try to write, and that is its answer.
            let trouble = store.fault().await;
            if trouble.is_none() {
                // There is no item 0: nothing is changed, and the writer has come by.
                answered(|| store.drop_quarantined(0)).await;
            }
            self.tell(&[NotifyState::Watchdog]);
            let condition = match (trouble, standing.troubles().first()) {
                (Some(why), _) => format!("receipts can NOT be recorded: {why}"),
                (None, Some(why)) => format!("receipts are recorded; provider: {why}"),
                (None, None) => "receipts are recorded".to_owned(),
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

/// Completes once the writer has answered, whatever it said: "the disk is full" is an answer. To be refused at the
/// door because too many wait is none, and is told by coming at once.
async fn answered<F: Future<Output = Result<bool, StoreError>>>(ask: impl Fn() -> F) {
    loop {
        let mut answer = Box::pin(ask());
        match (&mut answer).now_or_never() {
            Some(Err(StoreError::Busy)) => tokio::time::sleep(ASK_AGAIN).await,
            Some(_) => return,
            None => {
                let _ = answer.await; // it answered
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    #[actix_web::test]
    async fn every_answer_of_the_writer_shows_that_it_lives_and_silence_does_not() {
        for answer in [Ok(false), Err(StoreError::Broken("the disk is full".into())), Err(StoreError::CommitUnknown)] {
            answered(|| ready(answer.clone())).await;
        }
        // The lock of another process: an answer, after a while.
        answered(|| async {
            tokio::task::yield_now().await;
            Err(StoreError::Busy)
        })
        .await;
        // No room to ask: that says nothing, and is asked again.
        let asked = Cell::new(0);
        answered(|| {
            asked.set(asked.get() + 1);
            ready(if asked.get() < 3 { Err(StoreError::Busy) } else { Ok(false) })
        })
        .await;
        assert_eq!(asked.get(), 3);
        assert!(answered(pending).now_or_never().is_none());
    }
}
