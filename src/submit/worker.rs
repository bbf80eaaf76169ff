//! Submitting batches to the provider, each of them once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::asking::{Asking, Said};
use crate::clock::Clock;
use crate::domain::{Batch, BatchId, ErrorKind, Handover, LastError, Timestamp};
use crate::pace::Pace;
use crate::provider::{CallError, Errand, Order, Provider, Standing, SubmissionOutcome, Trouble};
use crate::store::{Claimed, Store, StoreError};

/// The provider sends at once if `send_at` is less than this ahead (docs/provider.md).
const PROVIDERS_NOTICE: Duration = Duration::from_secs(5 * 60);
/// The first and the longest delay after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The first delay after a refused key or a lack of credit; it doubles. A person has to fix both, and an account may be
/// locked after too many wrong keys.
const REFUSED_WAIT: Duration = Duration::from_secs(5);
/// The longest of these delays.
const LONGEST_REFUSED_WAIT: Duration = Duration::from_secs(60);

/// What a step did, and when the next one makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch was submitted, whatever the result.
    Submitted(BatchId),
    /// There is nothing to do, or sending is paused: wait for a change of the outbox.
    Idle,
    /// The next step must not be made before this time has passed.
    Wait(Duration),
}

/// Takes batches out of the outbox and submits them. Several tasks may share one.
pub struct Submitter {
    store: Store,
    provider: Rc<Provider>,
    clock: Clock,
    /// `{public_url}/callbacks`
    callbacks: String,
    /// Destinations per second; `None`: no limit.
    rate: Option<u32>,
    standing: Standing,
    pace: Pace,
    /// Asks about the batches that an earlier run queued.
    earlier: Asking,
    /// Whether a question about one of these got no answer, so that the other batches get their turn first.
    others_turn: Cell<bool>,
    /// Whether `GET /batch` must be answered before the next batch is sent, and whether that request is under way.
    must_ask: Cell<bool>,
    asking: Cell<bool>,
    /// Whether the last batch was refused because of the key or for lack of credit: only the next batch shows whether
    /// that is over.
    refused: Cell<bool>,
    /// Whether the last attempt got no answer: an answer to any call shows that this is over.
    unanswered: Cell<bool>,
    /// The number of batches being submitted.
    under_way: Cell<u32>,
    /// When the rate allows the next batch.
    next_allowed: Cell<Duration>,
    randomness: RefCell<u64>,
}

impl Submitter {
    /// Creates a submitter. `callbacks` is `{public_url}/callbacks`; `rate` is in destinations per second.
    pub fn new(store: Store, provider: Rc<Provider>, clock: Clock, callbacks: String, rate: Option<u32>, standing: Standing) -> Self {
        let seed = u64::from(std::process::id()) ^ clock.now().as_millis().unsigned_abs();
        let pace = Pace::new(clock.clone());
        let earlier = Asking::new(store.clone(), provider.clone(), clock.clone());
        Self {
            store,
            provider,
            clock,
            callbacks,
            rate,
            standing,
            pace,
            earlier,
            others_turn: Cell::new(false),
            must_ask: Cell::new(false),
            asking: Cell::new(false),
            refused: Cell::new(false),
            unanswered: Cell::new(false),
            under_way: Cell::new(0),
            next_allowed: Cell::new(Duration::ZERO),
            randomness: RefCell::new(seed | 1),
        }
    }

    /// Submits one batch, if there is one and the time has come.
    ///
    /// # Errors
    /// If the store fails; trying again loses nothing.
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
        while !self.others_turn.replace(false) {
            match self.earlier.step().await? {
                Said::IsThere => {}
                Said::Nothing | Said::IsNotThere => break,
                Said::Unclear(error) => {
                    self.others_turn.set(true);
                    self.must_ask.set(true);
                    return Ok(self.not_answered(&error));
                }
            }
        }
        let check = move |batch: &Batch| too_late(batch, now);
        let Some(claimed) = self.store.claim(check).await? else {
            return Ok(match self.earlier.next() {
                Some(wait) => Step::Wait(wait),
                None => self.nothing_waits().await,
            });
        };
        if let Some(rate) = self.rate {
            let takes = Duration::from_millis(claimed.destinations.len() as u64 * 1000 / u64::from(rate.max(1)));
            self.next_allowed.set(self.next_allowed.get().max(elapsed) + takes);
        }
        let id = claimed.id;
        self.under_way.set(self.under_way.get() + 1);
        let how = self.hand_over(&claimed).await;
        self.under_way.set(self.under_way.get() - 1);
        log_handover(&claimed, &how);
        if let Err(error) = self.store.handed_over(id, how).await {
            log::error!("batch {id}: the result of its submission could not be stored; it will be unconfirmed: {error}");
            return Err(error);
        }
        Ok(Step::Submitted(id))
    }

    /// While there is nothing to send, nothing would show that a problem is over, so the provider is asked, or the next
    /// batch decides.
    async fn nothing_waits(&self) -> Step {
        if self.under_way.get() > 0 {
            return Step::Idle;
        }
        if self.refused.replace(false) {
            self.standing.answered(Errand::Submitting);
        }
        if self.unanswered.get() { self.ask().await } else { Step::Idle }
    }

    async fn hand_over(&self, claimed: &Claimed) -> Handover {
        let Some(secrets) = self.store.callback_secrets() else {
            return Handover::NotTaken(self.error(ErrorKind::Identity, None, "the identity file contains no secret"));
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
                self.back_off(trouble.retry_after, format!("a batch was not accepted ({})", trouble.kind));
                Handover::NotTaken(self.last_error(trouble))
            }
            SubmissionOutcome::Unauthorized(trouble) => {
                self.key_refused(&trouble);
                Handover::NotTaken(self.last_error(trouble))
            }
            SubmissionOutcome::NoCredit(trouble) => {
                self.no_credit(&trouble);
                Handover::NotTaken(self.last_error(trouble))
            }
            SubmissionOutcome::Questionable(trouble) => self.questionable(trouble).await,
            SubmissionOutcome::Rejected(trouble) => self.rejected(trouble),
            SubmissionOutcome::Unconfirmed(trouble) => {
                self.must_ask.set(true);
                self.back_off(
                    None,
                    format!("it is unknown whether a batch was accepted ({}); nothing is sent until the provider answers", trouble.kind),
                );
                Handover::Unconfirmed(self.last_error(trouble))
            }
        }
    }

    /// The provider certainly did not accept the batch, but is the batch wrong, or the key, or the address? `GET
    /// /batch` with the same key decides.
    async fn questionable(&self, trouble: Trouble) -> Handover {
        match self.provider.pending().await {
            Ok(_) => self.rejected(trouble),
            // Whatever this answer says, the key was accepted.
            Err(error) if error.trouble().status.is_some_and(|status| (200..300).contains(&status)) => self.rejected(trouble),
            Err(CallError::Unauthorized(_) | CallError::NotFound(_)) => {
                self.key_refused(&trouble);
                Handover::NotTaken(self.last_error(trouble))
            }
            Err(error) => {
                self.must_ask.set(true);
                let why = format!("a batch was refused ({}), and it is unclear whether the key is right: {error}", trouble.kind);
                self.back_off(error.trouble().retry_after, why);
                Handover::NotTaken(self.last_error(trouble))
            }
        }
    }

    fn rejected(&self, trouble: Trouble) -> Handover {
        self.all_is_well();
        Handover::Rejected(self.last_error(trouble))
    }

    /// After a problem, asks whether the provider answers at all. One task asks for all of them.
    async fn ask(&self) -> Step {
        if self.asking.replace(true) {
            return Step::Wait(FIRST_WAIT);
        }
        let answer = self.provider.pending().await;
        self.asking.set(false);
        match answer {
            Ok(_) => {
                self.must_ask.set(false);
                self.unanswered.set(false);
                if !self.refused.get() {
                    self.all_is_well();
                }
                Step::Wait(Duration::ZERO)
            }
            Err(error) => self.not_answered(&error),
        }
    }

    /// Records a question that was not answered, and returns how long to wait.
    fn not_answered(&self, error: &CallError) -> Step {
        match error {
            CallError::Unauthorized(trouble) | CallError::NotFound(trouble) => self.key_refused(trouble),
            error if error.trouble().status == Some(402) => self.no_credit(error.trouble()),
            error => self.back_off(error.trouble().retry_after, error.to_string()),
        }
        Step::Wait(self.pace.left())
    }

    fn all_is_well(&self) {
        self.pace.succeeded();
        self.refused.set(false);
        self.unanswered.set(false);
        if !self.must_ask.get() {
            self.standing.answered(Errand::Submitting);
        }
    }

    fn key_refused(&self, trouble: &Trouble) {
        self.must_ask.set(true);
        self.refuses(trouble, "requests are refused", "check provider.key_file and provider.base_url");
    }

    fn no_credit(&self, trouble: &Trouble) {
        self.refuses(trouble, "no credit: batches are refused", "top up the account");
    }

    fn refuses(&self, trouble: &Trouble, what: &str, advice: &str) {
        self.refused.set(true);
        self.pace.failed(self.pace.doubled(REFUSED_WAIT, LONGEST_REFUSED_WAIT));
        let status = trouble.status.map_or_else(String::new, |status| format!(" with status {status}"));
        self.standing.refused(Errand::Submitting, format!("{what}{status}; batches wait in the outbox: {advice}"));
    }

    /// Waits for `Retry-After`, or else for a delay of at most a second that doubles up to five minutes. A random part
    /// is subtracted, so that many clients do not return at the same moment.
    fn back_off(&self, asked: Option<Duration>, why: String) {
        let doubled = self.pace.doubled(FIRST_WAIT, LONGEST_WAIT);
        self.pace.failed(asked.unwrap_or_else(|| doubled.mul_f64(0.5 + self.random() / 2.0)));
        self.unanswered.set(true);
        self.standing.away(Errand::Submitting, why);
    }

    /// A number between 0 and 1, random enough to spread delays.
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

/// The error for a batch whose `send_at` came too close while it waited in the outbox: the provider would silently send
/// it at once.
fn too_late(batch: &Batch, now: Timestamp) -> Option<LastError> {
    let at = batch.send_at.filter(|at| *at < now.plus(PROVIDERS_NOTICE))?;
    Some(LastError {
        at: now,
        kind: ErrorKind::TooLate,
        status: None,
        detail: format!(
            "its send_at, {at}, was less than 5 minutes ahead when it left the outbox: the provider would have sent it at once"
        ),
    })
}

fn log_handover(claimed: &Claimed, how: &Handover) {
    let id = claimed.id;
    match how {
        Handover::Accepted(name) if name.to_string() == id.to_string() => log::info!("batch {id}: submitted"),
        Handover::Accepted(name) => log::info!("batch {id}: submitted; the provider calls it {name}"),
        Handover::NotTaken(error) if error.status.is_some() => log::warn!("batch {id}: refused ({}); stays queued", error.kind),
        Handover::NotTaken(error) => log::warn!("batch {id}: not sent ({}); stays queued", error.kind),
        Handover::Rejected(error) if claimed.doubtful => log::error!(
            "batch {id}: unconfirmed again: refused ({}, status {:?}), but an earlier attempt may have reached the provider",
            error.kind,
            error.status
        ),
        Handover::Rejected(error) => log::warn!("batch {id}: rejected ({}, status {:?})", error.kind, error.status),
        Handover::Unconfirmed(error) => log::error!(
            "batch {id}: unconfirmed ({}): the provider may or may not have it; decide with `receiptd resolve {id} --as …` once you know",
            error.kind
        ),
    }
}
