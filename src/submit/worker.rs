//! Handing batches to the provider, each of them once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{Batch, BatchId, ErrorKind, Handover, LastError, Timestamp};
use crate::pace::Pace;
use crate::provider::{CallError, Errand, Order, Provider, Standing, SubmissionOutcome, Trouble};
use crate::store::{Claimed, Store, StoreError};

/// The provider sends at once what is less than this ahead (provider.md, "Add Batch").
const PROVIDERS_NOTICE: Duration = Duration::from_secs(5 * 60);
/// The first wait after trouble, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The first wait after the key was refused, which doubles: a key is put right by a person, and an account may be locked
/// for too many wrong ones.
const KEY_WAIT: Duration = Duration::from_secs(5);
/// And the longest.
const LONGEST_KEY_WAIT: Duration = Duration::from_secs(60);

/// What a step did, and when the next makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch was handed over, whatever came of it.
    Submitted(BatchId),
    /// Nothing waits, or everything is paused: wait for a change of the outbox.
    Idle,
    /// Not before so much time has gone by.
    Wait(Duration),
}

/// Takes batches out of the outbox and hands them over. Several tasks may share one.
pub struct Submitter {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    /// `{public_url}/callbacks`
    callbacks: String,
    /// Destinations a second; `None`: no limit.
    rate: Option<u32>,
    standing: Standing,
    pace: Pace,
    /// `GET /batch` must answer before the next batch goes out, and whether it is being asked.
    must_ask: Cell<bool>,
    asking: Cell<bool>,
    /// When the rate allows the next batch.
    next_allowed: Cell<Duration>,
    randomness: RefCell<u64>,
}

impl Submitter {
    /// `callbacks`: `{public_url}/callbacks`; `rate`: destinations a second.
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock, callbacks: String, rate: Option<u32>, standing: Standing) -> Self {
        let seed = u64::from(std::process::id()) ^ clock.now().as_millis().unsigned_abs();
        let pace = Pace::new(clock.clone());
        Self {
            store,
            provider,
            clock,
            callbacks,
            rate,
            standing,
            pace,
            must_ask: Cell::new(false),
            asking: Cell::new(false),
            next_allowed: Cell::new(Duration::ZERO),
            randomness: RefCell::new(seed | 1),
        }
    }

    /// Hands over one batch, if there is one and the time has come.
    ///
    /// # Errors
    /// When the store fails; nothing is lost by trying again.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let wait = self.pace.left().max(self.next_allowed.get().saturating_sub(elapsed));
        if !wait.is_zero() {
            return Ok(Step::Wait(wait));
        }
        if self.store.is_paused().await? {
            return Ok(Step::Idle);
        }
        if self.must_ask.get() {
            return Ok(self.ask().await);
        }
        let check = move |batch: &Batch| too_late(batch, now);
        let Some(claimed) = self.store.claim(check).await? else { return Ok(Step::Idle) };
        if let Some(rate) = self.rate {
            let takes = Duration::from_millis(claimed.destinations.len() as u64 * 1000 / u64::from(rate.max(1)));
            self.next_allowed.set(self.next_allowed.get().max(elapsed) + takes);
        }
        let id = claimed.id;
        let how = self.hand_over(&claimed).await;
        log_handover(id, &how);
        if let Err(error) = self.store.handed_over(id, how).await {
            log::error!("batch {id}: the outcome of its submission could not be written; it will be unconfirmed: {error}");
            return Err(error);
        }
        Ok(Step::Submitted(id))
    }

    async fn hand_over(&self, claimed: &Claimed) -> Handover {
        let Some(secrets) = self.store.callback_secrets() else {
            return Handover::NotTaken(self.error(ErrorKind::Identity, None, "the identity file holds no secret"));
        };
        let token = secrets.token(claimed.id);
        let callback = format!("{}/{}/{}", self.callbacks, claimed.id, token.expose());
        let order = Order { batch: claimed.id, content: &claimed.content, destinations: &claimed.destinations, callback: &callback };
        match self.provider.submit(order).await {
            SubmissionOutcome::Accepted { identifier } => {
                self.all_is_well();
                Handover::Accepted(identifier)
            }
            SubmissionOutcome::NotTaken(trouble) => {
                self.back_off(trouble.retry_after, format!("a batch was not taken ({})", trouble.kind));
                Handover::NotTaken(self.last_error(trouble))
            }
            SubmissionOutcome::Unauthorized(trouble) => {
                self.key_refused(&trouble);
                Handover::NotTaken(self.last_error(trouble))
            }
            // Refused, and certainly not taken. Is it the batch, or the key, or the address?
            SubmissionOutcome::Questionable(trouble) => match self.provider.pending().await {
                Ok(_) => Handover::Rejected(self.last_error(trouble)),
                // Whatever it says, it takes the key.
                Err(error) if error.trouble().status.is_some_and(|status| (200..300).contains(&status)) => {
                    Handover::Rejected(self.last_error(trouble))
                }
                Err(CallError::Unauthorized(_) | CallError::NotFound(_)) => {
                    self.key_refused(&trouble);
                    Handover::NotTaken(self.last_error(trouble))
                }
                Err(error) => {
                    self.must_ask.set(true);
                    let why = format!("it refused a batch ({}), and does not say whether the key is right: {error}", trouble.kind);
                    self.back_off(error.trouble().retry_after, why);
                    Handover::NotTaken(self.last_error(trouble))
                }
            },
            SubmissionOutcome::Rejected(trouble) => Handover::Rejected(self.last_error(trouble)),
            SubmissionOutcome::Unconfirmed(trouble) => {
                self.must_ask.set(true);
                self.back_off(
                    None,
                    format!("nobody knows whether a batch was taken ({}); nothing goes out until it answers", trouble.kind),
                );
                Handover::Unconfirmed(self.last_error(trouble))
            }
        }
    }

    /// After trouble: does the provider answer at all? One task asks for all.
    async fn ask(&self) -> Step {
        if self.asking.replace(true) {
            return Step::Wait(FIRST_WAIT);
        }
        let answer = self.provider.pending().await;
        self.asking.set(false);
        match answer {
            Ok(_) => {
                self.must_ask.set(false);
                self.all_is_well();
                Step::Wait(Duration::ZERO)
            }
            Err(CallError::Unauthorized(trouble)) => {
                self.key_refused(&trouble);
                Step::Wait(self.pace.left())
            }
            Err(error) => {
                self.back_off(error.trouble().retry_after, error.to_string());
                Step::Wait(self.pace.left())
            }
        }
    }

    fn all_is_well(&self) {
        self.pace.succeeded();
        if !self.must_ask.get() {
            self.standing.note(Errand::Submitting, None);
        }
    }

    fn key_refused(&self, trouble: &Trouble) {
        self.must_ask.set(true);
        self.pace.failed(self.pace.doubled(KEY_WAIT, LONGEST_KEY_WAIT));
        let status = trouble.status.map_or_else(String::new, |status| format!(" with status {status}"));
        self.standing.note(
            Errand::Submitting,
            Some(format!("it refuses our requests{status}: check provider.key_file and provider.base_url; batches wait in the outbox")),
        );
    }

    /// `Retry-After`, else from at most a second doubling to five minutes; a random share of it is left out, so
    /// that many who wait do not come back at the same moment.
    fn back_off(&self, asked: Option<Duration>, why: String) {
        let doubled = self.pace.doubled(FIRST_WAIT, LONGEST_WAIT);
        self.pace.failed(asked.unwrap_or_else(|| doubled.mul_f64(0.5 + self.random() / 2.0)));
        self.standing.note(Errand::Submitting, Some(why));
    }

    /// Between 0 and 1, good enough to spread waits.
    fn random(&self) -> f64 {
        let mut state = self.randomness.borrow_mut();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1u64 << 53) as f64
    }

    fn last_error(&self, trouble: Trouble) -> LastError {
        self.error(trouble.kind, trouble.status, &trouble.detail)
    }

    fn error(&self, kind: ErrorKind, status: Option<u16>, detail: &str) -> LastError {
        LastError { at: self.clock.now(), kind, status, detail: detail.to_owned() }
    }
}

/// A batch that waited in the outbox until its time had come too close would be sent at once, in silence.
fn too_late(batch: &Batch, now: Timestamp) -> Option<LastError> {
    let at = batch.send_at.filter(|at| *at < now.plus(PROVIDERS_NOTICE))?;
    Some(LastError {
        at: now,
        kind: ErrorKind::TooLate,
        status: None,
        detail: format!(
            "its send_at, {at}, came closer than 5 minutes while it waited in the outbox: the provider would have sent it at once"
        ),
    })
}

fn log_handover(id: BatchId, how: &Handover) {
    match how {
        Handover::Accepted(name) if name.to_string() == id.to_string() => log::info!("batch {id}: submitted"),
        Handover::Accepted(name) => log::info!("batch {id}: submitted; the provider calls it {name}"),
        Handover::NotTaken(error) => log::warn!("batch {id}: not taken ({}), stays queued", error.kind),
        Handover::Rejected(error) => log::warn!("batch {id}: rejected ({}, status {:?})", error.kind, error.status),
        Handover::Unconfirmed(error) => log::error!(
            "batch {id}: unconfirmed ({}): the provider may or may not have it; decide with `receiptd resolve {id} --as …` once you know",
            error.kind
        ),
    }
}
