//! The simulator's state, shared by its server, its couriers and its handles.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};

use super::{
    Call, Counts, Profile, Repeated, Script, Settings,
    batch::{Batch, Phase},
    chance::{Chance, digest},
    counts::Errand,
    fate::Wave,
    job::Job,
    order::{Order, Refusal},
};
use crate::lock::{self, lock};

/// The number of newest requests kept.
const REQUESTS_KEPT: usize = 100_000;

/// A request as it came in, without the value of the key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestSeen {
    /// The call, if the path is a known one.
    pub call: Option<Call>,
    /// The method, such as `GET`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// All query parameters except the key.
    pub query: Vec<(String, String)>,
    /// Names (in lower case) and values.
    pub headers: Vec<(String, String)>,
    /// Whether the key was right.
    pub key_right: bool,
    /// Length of the body in bytes.
    pub body_bytes: usize,
    /// When it arrived, by the simulator's clock.
    pub at: Timestamp,
}

pub(super) struct Ledger {
    pub settings: Settings,
    /// Wakes the task that waits for scheduled batches.
    pub rescheduled: Notify,
    /// The counters; waiting tasks subscribe to them.
    pub counts: watch::Sender<Counts>,
    pub stop: watch::Sender<bool>,
    couriers: Vec<UnboundedSender<Job>>,
    profile: RwLock<Arc<Profile>>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    batches: Vec<Arc<Batch>>,
    /// By the identifier in the answer and by the provider's own UUID, in lower case; without dry runs.
    by_identifier: HashMap<String, Vec<Arc<Batch>>>,
    /// How often the same content was accepted before.
    contents: HashMap<u64, u64>,
    requests: VecDeque<RequestSeen>,
    scripts: VecDeque<Script>,
    faults_drawn: u64,
    clock_ahead: SignedDuration,
    /// The remaining credits of the account; `None`: unlimited.
    credits: Option<u64>,
}

/// A batch that was accepted, or recognised as a repetition.
pub(super) struct Taken {
    pub batch: Arc<Batch>,
    pub fresh: bool,
}

impl Ledger {
    pub(super) fn new(settings: Settings, couriers: Vec<UnboundedSender<Job>>) -> Self {
        let profile = RwLock::new(Arc::new(settings.profile.clone()));
        let book = Mutex::new(Book { credits: settings.credits, ..Book::default() });
        Self {
            settings,
            rescheduled: Notify::new(),
            counts: watch::Sender::default(),
            stop: watch::Sender::new(false),
            couriers,
            profile,
            book,
        }
    }

    /// The time of the simulator's clock, which tests can set.
    pub(super) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.book().clock_ahead).unwrap_or(now)
    }

    pub(super) fn set_now(&self, now: Timestamp) {
        self.book().clock_ahead = now.duration_since(Timestamp::now());
        self.rescheduled.notify_one();
    }

    pub(super) fn profile(&self) -> Arc<Profile> {
        Arc::clone(&lock::read(&self.profile))
    }

    pub(super) fn set_profile(&self, profile: Profile) {
        *lock::write(&self.profile) = Arc::new(profile);
    }

    pub(super) fn note(&self, request: RequestSeen) {
        let mut book = self.book();
        if book.requests.len() == REQUESTS_KEPT {
            book.requests.pop_front();
        }
        book.requests.push_back(request);
        drop(book);
        self.counts.send_modify(|counts| counts.requests += 1);
    }

    pub(super) fn requests(&self) -> Vec<RequestSeen> {
        self.book().requests.iter().cloned().collect()
    }

    pub(super) fn script(&self, script: Script) {
        self.book().scripts.push_back(script);
    }

    pub(super) fn clear_scripts(&self) {
        self.book().scripts.clear();
    }

    /// How this call misbehaves: as scripted, otherwise at random, otherwise not at all.
    pub(super) fn misbehaviour(&self, call: Call) -> Option<Script> {
        let profile = self.profile();
        let mut book = self.book();
        let script = match book.scripts.iter().position(|script| script.matches(call)) {
            Some(index) if book.scripts[index].lasting => book.scripts.get(index).cloned(),
            Some(index) => book.scripts.remove(index),
            None if call == Call::Add && !profile.faults.is_empty() => {
                book.faults_drawn += 1;
                let mut left = Chance::of(&[self.settings.seed, 4, book.faults_drawn]).unit();
                let hit = profile.faults.iter().find(|fault| {
                    left -= fault.share;
                    left < 0.0
                });
                hit.map(super::Fault::script)
            }
            None => None,
        };
        drop(book);
        if script.is_some() {
            self.counts.send_modify(|counts| counts.faults += 1);
        }
        script
    }

    /// Accepts a batch, unless its UUID was used before and the profile refuses or recognises that.
    pub(super) fn take(&self, order: Order) -> Result<Taken, Refusal> {
        let (now, profile) = (self.now(), self.profile());
        let mut book = self.book();
        if let Some(uuid) = order.client_uuid.filter(|_| !order.dry_run)
            && let Some(first) = book.by_identifier.get(&uuid.to_string()).and_then(|batches| batches.first())
        {
            match profile.wire.repeated {
                Repeated::Second => {}
                Repeated::Conflict => return Err(Refusal::new(409, "uuid has been used before")),
                Repeated::Same => {
                    return Ok(Taken { batch: Arc::clone(first), fresh: false });
                }
            }
        }
        let phase = if order.dry_run {
            Phase::DryRun
        } else {
            let ahead = SignedDuration::try_from(self.settings.schedule_ahead).unwrap_or_default();
            match order.due {
                Some(due) if due.duration_since(now) >= ahead => Phase::Scheduled(due),
                _ => Phase::Taken,
            }
        };
        if phase != Phase::DryRun
            && let Some(credits) = &mut book.credits
        {
            *credits = credits.checked_sub(units(&order)).ok_or_else(|| Refusal::new(402, "not enough credits"))?;
        }
        let content = content(&order);
        let times = book.contents.entry(content).or_default();
        let chance = Chance::of(&[self.settings.seed, content, *times]).next();
        *times += 1;
        let own = Chance::of(&[chance, 5]).uuid();
        let destinations = order.destinations.len() as u64;
        let batch = Arc::new(Batch::new(order, now, chance, own, profile, phase));
        if phase != Phase::DryRun {
            let own = own.to_string();
            let identifier = batch.identifier.to_lowercase();
            let mut names = vec![identifier, own];
            names.dedup();
            for name in names {
                book.by_identifier.entry(name).or_default().push(Arc::clone(&batch));
            }
        }
        book.batches.push(Arc::clone(&batch));
        drop(book);
        self.rescheduled.notify_one();
        self.counts.send_modify(|counts| match phase {
            Phase::DryRun => counts.dry_runs += 1,
            _ => {
                counts.batches += 1;
                counts.destinations += destinations;
            }
        });
        Ok(Taken { batch, fresh: true })
    }

    pub(super) fn batches(&self) -> Vec<Arc<Batch>> {
        self.book().batches.clone()
    }

    /// All batches with this identifier, in upper or lower case.
    pub(super) fn find(&self, identifier: &str) -> Vec<Arc<Batch>> {
        self.book().by_identifier.get(&identifier.to_lowercase()).cloned().unwrap_or_default()
    }

    /// Cancels the scheduled batches with this identifier. Returns whether there were any.
    pub(super) fn cancel(&self, identifier: &str) -> bool {
        // A batch that is due counts as sent, even if no courier has picked it up yet.
        let now = self.now();
        let scheduled = |phase| matches!(phase, Phase::Scheduled(due) if due > now);
        let mut cancelled = self.find(identifier);
        cancelled.retain(|batch| batch.advance(scheduled, Phase::Cancelled));
        self.add_credits(cancelled.iter().map(|batch| units(&batch.order)).sum());
        self.counts.send_modify(|counts| counts.cancelled += cancelled.len() as u64);
        !cancelled.is_empty()
    }

    /// Adds credits to the account; has no effect if they are unlimited.
    pub(super) fn add_credits(&self, more: u64) {
        if let Some(credits) = &mut self.book().credits {
            *credits += more;
        }
    }

    /// Starts posting a wave of a batch's receipts.
    pub(super) fn dispatch(&self, batch: &Arc<Batch>, wave: Wave, errand: &Arc<Errand>, done: Option<&tokio::sync::mpsc::Sender<()>>) {
        for courier in &self.couriers {
            // Fails only if the simulator was stopped.
            let _ = courier.send(Job::Wave { batch: Arc::clone(batch), wave, errand: Arc::clone(errand), done: done.cloned() });
        }
    }

    /// Sends a whole batch if it is still waiting. Returns whether it was.
    pub(super) fn send(self: &Arc<Self>, batch: &Arc<Batch>, waits: impl Fn(Phase) -> bool) -> bool {
        let sent = batch.advance(waits, Phase::Sent(Instant::now()));
        if sent {
            self.dispatch(batch, Wave::Whole, &Errand::begin(&self.counts), None);
        }
        sent
    }

    /// Sends the scheduled batches that are due. Returns the time until the next one is due.
    pub(super) fn send_due(self: &Arc<Self>) -> Option<Duration> {
        let now = self.now();
        let mut next = None;
        for batch in self.batches() {
            let Phase::Scheduled(due) = batch.phase() else {
                continue;
            };
            let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
            if !left.is_zero() {
                next = Some(next.map_or(left, |next: Duration| next.min(left)));
            } else if batch.profile.hold {
                batch.advance(|phase| phase == Phase::Scheduled(due), Phase::Held);
            } else {
                self.send(&batch, |phase| phase == Phase::Scheduled(due));
            }
        }
        next
    }

    /// Gives a courier a job other than a batch's receipts.
    pub(super) fn ask_courier(&self, job: Job) {
        if let Some(courier) = self.couriers.first() {
            let _ = courier.send(job);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

/// The credits that a batch costs.
fn units(order: &Order) -> u64 {
    (order.destinations.len() * order.parts) as u64
}

/// A digest of the content, which decides all outcomes, unlike the UUID and the order of arrival.
fn content(order: &Order) -> u64 {
    let mut bytes = Vec::with_capacity(order.destinations.len() * 8 + 200);
    bytes.extend_from_slice(order.from.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(order.message.as_bytes());
    bytes.push(0);
    bytes.extend(order.destinations.iter().flat_map(|number| number.to_le_bytes()));
    digest(&bytes)
}
