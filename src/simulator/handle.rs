//! Looks into a running simulator and steers it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{Counts, Profile, RequestSeen, Script, Submission, batch::Phase, job::Job, ledger::Ledger};

/// Looks into a simulator and steers it, from any thread.
#[derive(Clone)]
pub struct Handle {
    address: SocketAddr,
    ledger: Arc<Ledger>,
}

impl Handle {
    pub(super) fn new(address: SocketAddr, ledger: Arc<Ledger>) -> Self {
        Self { address, ledger }
    }

    /// Where the simulator listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to set as the daemon's `provider.base_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every `POST /batch` that was taken, oldest first, dry runs included, whatever was answered.
    pub fn submissions(&self) -> Vec<Submission> {
        let batches = self.ledger.batches();
        batches.iter().map(|batch| Submission::from(&**batch)).collect()
    }

    /// Every request, oldest first (the newest 100,000), without the key's value.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.ledger.requests()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.ledger.counts.borrow().clone()
    }

    /// Waits until what is counted meets the condition. The time limit is the caller's.
    pub async fn until(&self, condition: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.ledger.counts.subscribe();
        // The ledger is the sender, and it is here.
        counts.wait_for(condition).await.map_or_else(|_| self.counts(), |counts| counts.clone())
    }

    /// Waits until no receipt is on its way or planned. Held and scheduled batches don't count.
    pub async fn idle(&self) -> Counts {
        self.until(|counts| counts.busy == 0).await
    }

    /// Has the next matching call answered as scripted. Scripts queue up.
    pub fn script(&self, script: Script) {
        self.ledger.script(script);
    }

    /// Forgets all scripts, lasting ones too.
    pub fn clear_scripts(&self) {
        self.ledger.clear_scripts();
    }

    /// Tops up the account, where it has [`credits`](super::Settings::credits).
    pub fn add_credits(&self, more: u64) {
        self.ledger.add_credits(more);
    }

    /// Behaves otherwise from now on. Batches taken before keep their profile.
    pub fn set_profile(&self, profile: Profile) {
        self.ledger.set_profile(profile);
    }

    /// How it behaves now.
    pub fn profile(&self) -> Profile {
        (*self.ledger.profile()).clone()
    }

    /// Sets the simulator's clock, which runs on from there. Scheduled batches whose time has come are sent.
    pub fn set_now(&self, now: Timestamp) {
        self.ledger.set_now(now);
    }

    /// Sends what is held (`Profile::hold`) or scheduled under this identifier now: its receipts are posted as its
    /// profile says. Returns how many batches that were.
    pub fn deliver(&self, identifier: &str) -> usize {
        let waits = |phase| matches!(phase, Phase::Held | Phase::Scheduled(_));
        let batches = self.ledger.find(identifier);
        batches.iter().filter(|batch| self.ledger.send(batch, waits)).count()
    }

    /// Sends all batches that are held. Returns how many that were.
    pub fn release(&self) -> usize {
        let batches = self.ledger.batches();
        batches.iter().filter(|batch| self.ledger.send(batch, |phase| phase == Phase::Held)).count()
    }

    /// Posts this as JSON to a callback, outside of any plan and count. Returns status and body of the answer.
    pub async fn send_receipt(&self, callback: &str, receipt: &Value) -> io::Result<(u16, String)> {
        let body = receipt.to_string().into_bytes();
        self.send_bytes(callback, "application/json", body).await
    }

    /// Posts any bytes to a callback, outside of any plan and count. Returns status and body of the answer.
    pub async fn send_bytes(&self, callback: &str, content_type: &str, body: Vec<u8>) -> io::Result<(u16, String)> {
        let (answer, answered) = oneshot::channel();
        self.ledger.ask_courier(Job::Letter { url: callback.into(), content_type: content_type.into(), body, answer });
        answered.await.unwrap_or_else(|_| Err(io::Error::other("the simulator was stopped")))
    }

    /// Stops the simulator: connections are cut, receipts not yet posted are forgotten.
    pub fn stop(&self) {
        self.ledger.stop.send_replace(true);
    }
}
