//! Inspecting and controlling a running simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{Counts, Profile, RequestSeen, Script, Submission, batch::Phase, job::Job, ledger::Ledger};

/// Inspects and controls a simulator from any thread.
#[derive(Clone)]
pub struct Handle {
    address: SocketAddr,
    ledger: Arc<Ledger>,
}

impl Handle {
    pub(super) fn new(address: SocketAddr, ledger: Arc<Ledger>) -> Self {
        Self { address, ledger }
    }

    /// The address that the simulator listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for the daemon's `provider.base_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every accepted `POST /batch`, oldest first, including dry runs and whatever the answer was.
    pub fn submissions(&self) -> Vec<Submission> {
        let batches = self.ledger.batches();
        batches.iter().map(|batch| Submission::from(&**batch)).collect()
    }

    /// The newest 100,000 requests, oldest first, without the value of the key.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.ledger.requests()
    }

    /// The counters so far.
    pub fn counts(&self) -> Counts {
        self.ledger.counts.borrow().clone()
    }

    /// Waits until the counters meet the condition. Set a time limit in the caller.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.ledger.counts.subscribe();
        // Cannot fail: the ledger owns the sender.
        counts.wait_for(condition).await.map_or_else(|_| self.counts(), |counts| counts.clone())
    }

    /// Waits until no receipt is being posted or planned. Held and scheduled batches do not count.
    pub async fn idle(&self) -> Counts {
        self.until(|counts| counts.busy == 0).await
    }

    /// Answers the next matching call as scripted. Scripts are used in order.
    pub fn script(&self, script: Script) {
        self.ledger.script(script);
    }

    /// Removes all scripts, including lasting ones.
    pub fn clear_scripts(&self) {
        self.ledger.clear_scripts();
    }

    /// Adds credits to the account, if it has limited [`credits`](super::Settings::credits).
    pub fn add_credits(&self, more: u64) {
        self.ledger.add_credits(more);
    }

    /// Changes the behaviour from now on. Batches accepted earlier keep their profile.
    pub fn set_profile(&self, profile: Profile) {
        self.ledger.set_profile(profile);
    }

    /// The current behaviour.
    pub fn profile(&self) -> Profile {
        (*self.ledger.profile()).clone()
    }

    /// Sets the simulator's clock, which continues from there. Scheduled batches that are now due are sent.
    pub fn set_now(&self, now: Timestamp) {
        self.ledger.set_now(now);
    }

    /// Sends the held (`Profile::hold`) and scheduled batches with this identifier now, and posts their receipts as
    /// their profile says. Returns the number of batches.
    pub fn deliver(&self, identifier: &str) -> usize {
        let waits = |phase| matches!(phase, Phase::Held | Phase::Scheduled(_));
        let batches = self.ledger.find(identifier);
        batches.iter().filter(|batch| self.ledger.send(batch, waits)).count()
    }

    /// Sends all held batches. Returns their number.
    pub fn release(&self) -> usize {
        let batches = self.ledger.batches();
        batches.iter().filter(|batch| self.ledger.send(batch, |phase| phase == Phase::Held)).count()
    }

    /// Posts a JSON receipt to a callback; no counter includes it. Returns the status and the body of the answer.
    pub async fn send_receipt(&self, callback: &str, receipt: &Value) -> io::Result<(u16, String)> {
        let body = receipt.to_string().into_bytes();
        self.send_bytes(callback, "application/json", body).await
    }

    /// Posts raw bytes to a callback; no counter includes them. Returns the status and the body of the answer.
    pub async fn send_bytes(&self, callback: &str, content_type: &str, body: Vec<u8>) -> io::Result<(u16, String)> {
        let (answer, answered) = oneshot::channel();
        self.ledger.ask_courier(Job::Letter { url: callback.into(), content_type: content_type.into(), body, answer });
        answered.await.unwrap_or_else(|_| Err(io::Error::other("the simulator is stopped")))
    }

    /// Stops the simulator: closes its connections and discards receipts that were not posted yet.
    pub fn stop(&self) {
        self.ledger.stop.send_replace(true);
    }
}
