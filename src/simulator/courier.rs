//! Couriers, which post receipts to callbacks, each on its own thread.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, num::NonZeroUsize};

use actix_web::{http::header, rt, web::Bytes};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{self, UnboundedReceiver},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    batch::Batch,
    chance::Chance,
    counts::Errand,
    fate::{self, Kind, Posting, Wave},
    job::Job,
    ledger::Ledger,
    receipt::Parcel,
};
use crate::tls;

/// Starts a courier, which runs until the simulator is stopped.
pub(super) fn start(ledger: Arc<Ledger>, index: usize, jobs: UnboundedReceiver<Job>) -> io::Result<JoinHandle<()>> {
    let runtime = move |ledger, jobs| match rt::Runtime::new() {
        Ok(runtime) => runtime.block_on(work(ledger, index, jobs)),
        Err(error) => log::error!("simulator: cannot start the runtime of a courier: {error}"),
    };
    thread::Builder::new().name(format!("courier-{index}")).spawn(move || runtime(ledger, jobs))
}

async fn work(ledger: Arc<Ledger>, index: usize, mut jobs: UnboundedReceiver<Job>) {
    let mut stopped = ledger.stop.subscribe();
    let courier = Rc::new(Courier::new(Arc::clone(&ledger), index));
    if index == 0 {
        rt::spawn(watch_schedule(Arc::clone(&ledger)));
    }
    loop {
        let job = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            job = jobs.recv() => job,
        };
        let courier = Rc::clone(&courier);
        match job {
            None => return,
            Some(Job::Wave { batch, wave, errand, done }) => drop(rt::spawn(courier.wave(batch, wave, errand, done))),
            Some(Job::Letter { url, content_type, body, answer }) => drop(rt::spawn(async move {
                let answered = courier.post(&url, &content_type, body.into()).await;
                // The caller may be gone.
                let _ = answer.send(answered);
            })),
        }
    }
}

/// Sends scheduled batches when they are due.
async fn watch_schedule(ledger: Arc<Ledger>) {
    loop {
        let next = ledger.send_due().unwrap_or(Duration::from_secs(3_600));
        tokio::select! {
            () = sleep(next) => {}
            () = ledger.rescheduled.notified() => {}
        }
    }
}

struct Courier {
    ledger: Arc<Ledger>,
    index: usize,
    couriers: usize,
    client: awc::Client,
    hands: Arc<Semaphore>,
}

impl Courier {
    fn new(ledger: Arc<Ledger>, index: usize) -> Self {
        let settings = &ledger.settings;
        let concurrency = NonZeroUsize::new(settings.concurrency).map_or(1, NonZeroUsize::get);
        let client = awc::Client::builder()
            .connector(awc::Connector::new().rustls_0_23(tls::client()).limit(concurrency))
            .timeout(settings.callback_timeout)
            .disable_redirects()
            .add_default_header((header::USER_AGENT, "Messaging Plus simulator"))
            .finish();
        Self { index, couriers: settings.couriers.max(1), client, hands: Arc::new(Semaphore::new(concurrency)), ledger }
    }

    /// Posts this courier's share of a wave, each receipt when it is due.
    async fn wave(self: Rc<Self>, batch: Arc<Batch>, wave: Wave, errand: Arc<Errand>, done: Option<mpsc::Sender<()>>) {
        let (plan, withheld) = fate::plan(&batch, wave, self.index, self.couriers);
        self.ledger.counts.send_modify(|counts| counts.lost += withheld);
        let begin = Instant::now();
        for postings in plan.chunks(batch.profile.per_post.max(1)) {
            let due = postings.last().map_or(0, |posting| posting.due);
            let due = begin + Duration::from_millis(due.into());
            if due > Instant::now() {
                sleep_until(due).await;
            }
            let Ok(hand) = Arc::clone(&self.hands).acquire_owned().await else {
                return;
            };
            let errand = Parcelled {
                batch: Arc::clone(&batch),
                postings: postings.to_vec(),
                early: wave == Wave::Early,
                _errand: Arc::clone(&errand),
                _done: done.clone(),
            };
            rt::spawn(Rc::clone(&self).carry(errand, hand));
        }
    }

    async fn carry(self: Rc<Self>, errand: Parcelled, hand: OwnedSemaphorePermit) {
        let Parcelled { batch, postings, .. } = &errand;
        let Some(url) = &batch.order.callback else {
            return;
        };
        let profile = &batch.profile;
        let parcel = Parcel::pack(batch, postings);
        let (odd, unreadable) = (parcel.odd, parcel.unreadable);
        let body = Bytes::from(parcel.body);
        let of_kind = |kind| postings.iter().filter(|posting| posting.kind == kind).count() as u64;
        let receipts = postings.len() as u64;
        let mut hand = Some(hand);
        for attempt in 0..=profile.retries {
            if hand.is_none() {
                let seed = [batch.chance, u64::from(postings[0].index), 6, attempt.into()];
                sleep(Chance::of(&seed).within(profile.retry_after)).await;
                hand = Arc::clone(&self.hands).acquire_owned().await.ok();
            }
            let answered = self.post(url, parcel.content_type, body.clone()).await;
            drop(hand.take());
            self.ledger.counts.send_modify(|counts| {
                counts.receipts += receipts;
                counts.duplicates += of_kind(Kind::Duplicate);
                counts.fallbacks += of_kind(Kind::FirstChannel);
                counts.unexpected += of_kind(Kind::Unexpected);
                counts.early += if errand.early { receipts } else { 0 };
                counts.retries += if attempt > 0 { receipts } else { 0 };
                counts.odd += odd;
                counts.unreadable += unreadable;
                match &answered {
                    Ok((status, _)) => *counts.answers.entry(*status).or_default() += 1,
                    Err(_) => counts.unanswered += 1,
                }
            });
            if matches!(answered, Ok((200..=299, _))) {
                return;
            }
        }
    }

    /// Posts one request to a callback. Nothing is logged, because the URL contains a token.
    async fn post(&self, url: &str, content_type: &str, body: Bytes) -> io::Result<(u16, String)> {
        let exchange = async {
            let mut response = self
                .client
                .post(url)
                .insert_header((header::CONTENT_TYPE, content_type))
                .send_body(body)
                .await
                .map_err(|error| io::Error::other(error.to_string()))?;
            let body = response.body().limit(1 << 20).await.map_err(io::Error::other)?;
            let text = String::from_utf8_lossy(&body).into_owned();
            Ok((response.status().as_u16(), text))
        };
        timeout(self.ledger.settings.callback_timeout, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Receipts being posted. Dropping it marks them as done.
struct Parcelled {
    batch: Arc<Batch>,
    postings: Vec<Posting>,
    early: bool,
    _errand: Arc<Errand>,
    _done: Option<mpsc::Sender<()>>,
}
