//! What goes on beside the listeners for as long as the daemon runs: each worker's steps, and the naps between them.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::http::{Connections, IDLE};
use crate::probe::{Prober, PublicUrl, Reached};
use crate::provider::Provider;
use crate::reconcile::{self, Reconciler};
use crate::retention::{self, Terms};
use crate::store::Store;
use crate::submit::{Step, Submitter};

/// The longest that a worker sleeps without looking.
const NAP: Duration = Duration::from_secs(30);

/// How often it is tried whether the public URL reaches this daemon, and while it does not.
const PROBE_EVERY: Duration = Duration::from_secs(5 * 60);
const PROBE_AGAIN: Duration = Duration::from_secs(60);

pub(super) async fn sweep(connections: [Connections; 2]) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for open in &connections {
            open.sweep(IDLE);
        }
    }
}

/// One of those who hand batches over. Stops between two batches.
pub(super) async fn submit(submitter: Rc<Submitter>, store: Store, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let changed = store.outbox_changed();
        let nap = match submitter.step().await {
            Ok(Step::Submitted(_)) => continue,
            Ok(Step::Idle) => NAP,
            Ok(Step::Wait(wait)) => wait.clamp(Duration::from_millis(10), NAP),
            Err(error) => {
                log::warn!("the outbox cannot be worked on: {error}");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(nap) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Asks the provider for what did not come, for as long as the daemon runs. What a stop interrupts is asked again.
pub(super) async fn reconcile(reconciler: Reconciler) {
    loop {
        let nap = match reconciler.step().await {
            Ok(reconcile::Step::Again) => continue,
            Ok(reconcile::Step::Wait(wait)) => wait.clamp(Duration::from_millis(10), NAP),
            Err(error) => {
                log::warn!("the provider cannot be asked for receipts: {error}");
                Duration::from_secs(1)
            }
        };
        tokio::time::sleep(nap).await;
    }
}

/// Tries every few minutes whether the public URL reaches this daemon; sooner while it does not.
pub(super) async fn probe(prober: Prober, public_url: PublicUrl) {
    loop {
        let reached = prober.probe(0).await;
        public_url.note(&reached);
        tokio::time::sleep(if reached == Reached::Yes { PROBE_EVERY } else { PROBE_AGAIN }).await;
    }
}

/// Deletes once an hour what need not be kept.
pub(super) async fn retain(store: Store, provider: Rc<Provider>, clock: Clock, terms: Terms) {
    loop {
        if let Err(error) = retention::step(&store, &provider, &clock, terms).await {
            log::warn!("what is older than its retention could not be deleted: {error}");
        }
        tokio::time::sleep(terms.pause()).await;
    }
}

pub(super) async fn keep_codes(store: Store, provider: Rc<Provider>, clock: Clock) {
    loop {
        let next = match crate::codes::step(&store, &provider, &clock).await {
            Ok(next) => next.since(clock.now()),
            Err(error) => {
                log::debug!("receipt codes: {error}");
                NAP
            }
        };
        tokio::time::sleep(next.max(Duration::from_secs(1))).await;
    }
}
