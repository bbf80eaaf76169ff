//! The workers beside the listeners, and the pauses between their steps.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use tokio::sync::watch;

use super::shared::Shared;
use crate::clock::Clock;
use crate::probe::{Prober, PublicUrl, Reached};
use crate::provider::Provider;
use crate::reconcile::{self, Patience, Reconciler};
use crate::retention::{self, Terms};
use crate::store::Store;
use crate::submit::{Step, Submitter};

/// The longest pause between two steps of a worker.
const NAP: Duration = Duration::from_secs(30);

/// How often to check that the public URL reaches this daemon: normally, and while it does not.
const PROBE_EVERY: Duration = Duration::from_secs(5 * 60);
const PROBE_AGAIN: Duration = Duration::from_secs(60);

/// The running workers.
pub(super) struct Workers {
    submitting: Vec<JoinHandle<()>>,
    /// The workers that may be interrupted at any time.
    others: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts all workers on this thread.
    pub fn start(shared: &Shared) -> Self {
        let settings = &shared.config.config;
        let (store, clock, provider) = (&shared.store, &shared.clock, Rc::new(shared.provider()));
        let rate = settings.provider.rate.map(NonZeroU32::get);
        let submitter =
            Rc::new(Submitter::new(store.clone(), provider.clone(), clock.clone(), shared.callbacks(), rate, shared.standing.clone()));
        let patience = Patience { after: settings.reconcile.after, deadline: settings.reconcile.deadline };
        let reconciler = Reconciler::new(store.clone(), provider.clone(), clock.clone(), patience, shared.missed.clone())
            .with_deadline(shared.deadline.clone())
            .reporting_to(shared.standing.clone());
        let terms = Terms { receipts: settings.retention.receipts, messages: settings.retention.messages };
        Self {
            submitting: (0..settings.provider.concurrency)
                .map(|_| rt::spawn(submit(submitter.clone(), store.clone(), shared.stopping.subscribe())))
                .collect(),
            others: vec![
                rt::spawn(reconcile(reconciler)),
                rt::spawn(probe(shared.prober(), shared.public_url.clone())),
                rt::spawn(retain(store.clone(), provider.clone(), clock.clone(), terms)),
                rt::spawn(keep_codes(store.clone(), provider, clock.clone())),
            ],
        }
    }

    /// Returns once the submissions that were in progress when the daemon stopped have ended.
    pub async fn submitted(&mut self) {
        for worker in self.submitting.drain(..) {
            let _ = worker.await; // a panic has been logged
        }
    }

    /// Stops all other workers.
    pub fn stop(&self) {
        self.others.iter().for_each(JoinHandle::abort);
    }
}

/// Submits batches. Stops between two batches.
async fn submit(submitter: Rc<Submitter>, store: Store, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let changed = store.outbox_changed();
        let nap = match submitter.step().await {
            Ok(Step::Submitted(_)) => continue,
            Ok(Step::Idle) => NAP,
            Ok(Step::Wait(wait)) => wait.clamp(Duration::from_millis(10), NAP),
            Err(error) => {
                log::warn!("cannot process the outbox: {error}");
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

/// Asks the provider for missing receipts while the daemon runs. An interrupted request is repeated after the next
/// start.
async fn reconcile(reconciler: Reconciler) {
    loop {
        let nap = match reconciler.step().await {
            Ok(reconcile::Step::Again) => continue,
            Ok(reconcile::Step::Wait(wait)) => wait.clamp(Duration::from_millis(10), NAP),
            Err(error) => {
                log::warn!("cannot ask the provider for receipts: {error}");
                Duration::from_secs(1)
            }
        };
        tokio::time::sleep(nap).await;
    }
}

/// Checks every few minutes that the public URL reaches this daemon, and more often while it does not.
async fn probe(prober: Prober, public_url: PublicUrl) {
    loop {
        let reached = prober.probe(0).await;
        public_url.note(&reached);
        tokio::time::sleep(if reached == Reached::Yes { PROBE_EVERY } else { PROBE_AGAIN }).await;
    }
}

/// Deletes once an hour what is past its retention.
async fn retain(store: Store, provider: Rc<Provider>, clock: Clock, terms: Terms) {
    loop {
        if let Err(error) = retention::step(&store, &provider, &clock, terms).await {
            log::warn!("retention failed: {error}");
        }
        tokio::time::sleep(terms.pause()).await;
    }
}

async fn keep_codes(store: Store, provider: Rc<Provider>, clock: Clock) {
    loop {
        let next = match crate::codes::step(&store, &provider, &clock).await {
            Ok(next) => next.since(clock.now()),
            Err(error) => {
                log::debug!("cannot refresh the receipt codes: {error}");
                NAP
            }
        };
        tokio::time::sleep(next.max(Duration::from_secs(1))).await;
    }
}
