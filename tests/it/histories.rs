//! Random histories of the real store, submitter, receiver and reconciler against the simulator, with crashes at any
//! step, compared afterwards with what must be true whatever happened.
//!
//! `TRUST_HISTORIES=100000 cargo test --release --test it histories` runs more of them; a failure is shrunk, and
//! printed as the list of steps that leads to it, with the `TRUST_SEED` that makes the same histories again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use receiptd::api::{Destination, Receipt, Resolution};
use receiptd::clock::Clock;
use receiptd::domain::{Batch, BatchId, BatchState, Content, DestinationState, Msisdn, NewBatch, Outcome, Source, Timestamp, lifecycle};
use receiptd::provider::{Provider, Settings, Standing, WireNames};
use receiptd::receive;
use receiptd::reconcile::{self, Missed, Patience, Reconciler};
use receiptd::simulator::{self, Answer, Call, Handle, Profile, Script, Span};
use receiptd::store::{DestinationFilter, Enqueued, Forget, QuarantineBounds, ReceiptFilter, Store};
use receiptd::submit::{self, CancelOutcome, Resend, Step, Submitter};
use serde_json::json;

use crate::support::{Home, KEY};

const PATIENCE: Patience = Patience { after: Duration::from_secs(15 * 60), deadline: Duration::from_secs(72 * 3600) };
const CODES: [&str; 3] = ["00", "22", "1b"];
const MESSAGES: [&str; 2] = ["6a96a54d-596f-403a-bcd6-6a07fd985f93", "0c1d2e3f-0000-4000-8000-000000000001"];

/// A step of a history.
#[derive(Clone, Debug)]
enum Do {
    Submit {
        numbers: u8,
        scheduled: bool,
        dry_run: bool,
        /// Also to somebody whom an earlier batch went to.
        again: Option<Index>,
    },
    HandOver(Fate),
    /// The first number of a batch wants to be forgotten.
    Forget {
        batch: Index,
    },
    Receipt {
        batch: Index,
        number: u8,
        delivered: bool,
        code: u8,
        message: u8,
    },
    ReceiptAgain,
    Garbage {
        batch: Index,
    },
    Cancel {
        batch: Index,
        clear: bool,
    },
    Resolve {
        batch: Index,
        as_what: u8,
    },
    Resend {
        batch: Index,
    },
    Ask {
        answered: bool,
    },
    /// The same of a provider that does not tell the truth.
    AskALiar(Lie),
    Wait {
        minutes: u32,
    },
    /// Somebody sets the clock here, and then it is right again.
    SetClock {
        days: i64,
    },
    Pause(bool),
    /// What is settled is deleted.
    Prune,
    Crash,
}

/// What is told of any batch that is asked about.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// All is delivered, and nothing is told of any message.
    EmptyDetails,
    NothingKnown,
    Nonsense,
    CutShort,
}

/// How a submission goes.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fine,
    Status { status: u16, retry_after: bool, taken: bool },
    Closed { taken: bool },
    Reset { taken: bool },
    CutShort,
    Nonsense,
    WithoutIdentifier,
    CrashedBefore,
    CrashedAfter,
}

fn fates() -> impl Strategy<Value = Fate> {
    let status = |status, retry_after| Just(Fate::Status { status, retry_after, taken: false });
    prop_oneof![
        8 => Just(Fate::Fine),
        1 => status(429, false),
        1 => status(503, true),
        1 => status(401, false),
        1 => status(403, false),
        1 => status(422, false),
        2 => (prop::sample::select(vec![409, 500, 502, 503, 307]), any::<bool>())
            .prop_map(|(status, taken)| Fate::Status { status, retry_after: false, taken }),
        2 => any::<bool>().prop_map(|taken| Fate::Closed { taken }),
        1 => any::<bool>().prop_map(|taken| Fate::Reset { taken }),
        1 => Just(Fate::CutShort),
        1 => Just(Fate::Nonsense),
        1 => Just(Fate::WithoutIdentifier),
        1 => Just(Fate::CrashedBefore),
        1 => Just(Fate::CrashedAfter),
    ]
}

fn steps() -> impl Strategy<Value = Do> {
    let batch = any::<Index>;
    prop_oneof![
        4 => (1..4u8, prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::option::weighted(0.3, batch()))
            .prop_map(|(numbers, scheduled, dry_run, again)| Do::Submit { numbers, scheduled, dry_run, again }),
        1 => batch().prop_map(|batch| Do::Forget { batch }),
        6 => fates().prop_map(Do::HandOver),
        6 => (batch(), 0..4u8, any::<bool>(), 0..3u8, 0..2u8)
            .prop_map(|(batch, number, delivered, code, message)| Do::Receipt { batch, number, delivered, code, message }),
        1 => Just(Do::ReceiptAgain),
        1 => batch().prop_map(|batch| Do::Garbage { batch }),
        1 => (batch(), any::<bool>()).prop_map(|(batch, clear)| Do::Cancel { batch, clear }),
        1 => (batch(), 0..3u8).prop_map(|(batch, as_what)| Do::Resolve { batch, as_what }),
        1 => batch().prop_map(|batch| Do::Resend { batch }),
        2 => prop::bool::weighted(0.7).prop_map(|answered| Do::Ask { answered }),
        1 => prop::sample::select(vec![Lie::EmptyDetails, Lie::NothingKnown, Lie::Nonsense, Lie::CutShort]).prop_map(Do::AskALiar),
        2 => prop::sample::select(vec![1u32, 6, 20, 61, 24 * 60, 4 * 24 * 60]).prop_map(|minutes| Do::Wait { minutes }),
        1 => prop::sample::select(vec![10i64, -10]).prop_map(|days| Do::SetClock { days }),
        1 => any::<bool>().prop_map(Do::Pause),
        1 => Just(Do::Prune),
        2 => Just(Do::Crash),
    ]
}

/// A receipt that was acknowledged: number, delivered, code, message.
type Acknowledged = (String, bool, String, String);

/// What must be remembered to judge a batch.
struct Known {
    id: BatchId,
    numbers: Vec<Msisdn>,
    dry_run: bool,
    acknowledged: BTreeSet<Acknowledged>,
    /// A receipt was acknowledged.
    proved: bool,
    /// How often a person said: hand it over again.
    resubmitted: usize,
    /// A person said that the provider has it; that it is given up; that it is to be cancelled.
    accepted: bool,
    given_up: bool,
    cancelled: bool,
    /// Its first number is not to be read any more.
    is_first_forgotten: bool,
    /// By the right clock, it cannot have been sent before.
    since: Timestamp,
}

impl Known {
    fn new(id: BatchId, numbers: Vec<Msisdn>, dry_run: bool, since: Timestamp) -> Self {
        let (proved, accepted, given_up, cancelled, is_first_forgotten) = (false, false, false, false, false);
        let acknowledged = BTreeSet::new();
        Self { id, numbers, dry_run, acknowledged, proved, resubmitted: 0, accepted, given_up, cancelled, is_first_forgotten, since }
    }

    /// What was acknowledged, as it may still be shown.
    fn shown(&self) -> BTreeSet<Acknowledged> {
        let forgotten = self.is_first_forgotten.then(|| self.numbers[0].to_string());
        let shown = |to: &String| if Some(to) == forgotten.as_ref() { "forgotten".to_owned() } else { to.clone() };
        self.acknowledged.iter().map(|(to, delivered, code, message)| (shown(to), *delivered, code.clone(), message.clone())).collect()
    }
}

struct World {
    home: Home,
    clock: Clock,
    simulator: Handle,
    store: Store,
    submitter: Submitter,
    reconciler: Reconciler,
    provider: Rc<Provider>,
    batches: Vec<Known>,
    /// What was pruned of them.
    pruned: Vec<Known>,
    last: Option<(usize, serde_json::Value)>,
    given_out: u64,
    /// The highest id that a receipt ever had.
    newest: i64,
}

fn open(home: &Home, clock: &Clock) -> Store {
    let (store, found) = home.open(clock, QuarantineBounds { max_count: 1_000, max_bytes: 1 << 20 }).expect("opened");
    assert_eq!((&found.held, found.secrets_lost), (&None, false), "{found:?}");
    store
}

impl World {
    fn new() -> Self {
        let (home, clock) = (Home::in_memory(), Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time")));
        let profile = Profile { deaf: true, delay: Span::ZERO, failing: 0.3, never: 0.2, ..Profile::calm() };
        let settings = simulator::Settings { key: KEY.into(), profile, ..simulator::Settings::default() };
        let simulator = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
        let settings =
            Settings { base_url: simulator.url(), key: KEY.into(), timeout: Duration::from_secs(5), wire_names: WireNames::Both };
        let provider = Rc::new(Provider::new(settings).expect("a URL"));
        let store = open(&home, &clock);
        let (submitter, reconciler) = workers(&store, &provider, &clock);
        Self {
            home,
            clock,
            simulator,
            store,
            submitter,
            reconciler,
            provider,
            batches: Vec::new(),
            pruned: Vec::new(),
            last: None,
            given_out: 0,
            newest: 0,
        }
    }

    /// What is in the database at this moment is all that the next one has: that is what a kill leaves.
    fn crash(&mut self) {
        let after = self.home.after_a_kill();
        let old = std::mem::replace(&mut self.store, open(&after, &self.clock));
        old.close();
        self.home = after;
        (self.submitter, self.reconciler) = workers(&self.store, &self.provider, &self.clock);
    }

    fn wait(&self, by: Duration) {
        self.clock.step(by);
        self.tell_the_simulator();
    }

    fn tell_the_simulator(&self) {
        let now = jiff::Timestamp::from_millisecond(self.clock.now().as_millis()).expect("a time");
        self.simulator.set_now(now);
    }

    fn pick(&self, index: Index) -> Option<usize> {
        (!self.batches.is_empty()).then(|| index.index(self.batches.len()))
    }

    async fn perform(&mut self, step: Do) {
        match step {
            Do::Submit { numbers, scheduled, dry_run, again } => self.submit(numbers, scheduled, dry_run, again).await,
            Do::Forget { batch } => {
                let Some(batch) = self.pick(batch) else { return };
                let number = self.batches[batch].numbers[0];
                // One forgotten number a batch: two could not be told apart.
                if self.batches.iter().any(|known| known.numbers[1..].contains(&number)) {
                    return;
                }
                if let Forget::Done(_) = self.store.forget(number).await.expect("written") {
                    self.batches.iter_mut().filter(|known| known.numbers[0] == number).for_each(|known| known.is_first_forgotten = true);
                }
            }
            Do::HandOver(fate) => self.hand_over(fate).await,
            Do::Receipt { batch, number, delivered, code, message } => {
                let Some(batch) = self.pick(batch) else { return };
                let known = &self.batches[batch];
                let to = known.numbers.get(usize::from(number)).map_or_else(|| "+447700999999".to_owned(), ToString::to_string);
                let receipt = json!({
                    "destination": to, "delivered": delivered, "messageuuid": MESSAGES[usize::from(message)],
                    "receiptInfo": {"code": CODES[usize::from(code)], "description": "as the code says"},
                });
                self.receive(batch, receipt).await;
            }
            Do::ReceiptAgain => {
                if let Some((batch, receipt)) = self.last.clone() {
                    self.receive(batch, receipt).await;
                }
            }
            Do::Garbage { batch } => {
                let Some(batch) = self.pick(batch) else { return };
                let done = receive::callback(&self.store, self.batches[batch].id, b"{\"what\": 1}".to_vec()).await.expect("kept");
                assert_eq!((done.recorded, done.quarantined.len()), (0, 1));
            }
            Do::Cancel { batch, clear } => {
                let Some(batch) = self.pick(batch) else { return };
                if !clear {
                    self.simulator.script(Script::on(Call::Cancel, Answer::Close).after_taking());
                }
                let id = self.batches[batch].id;
                let before = self.store.batch(id).await.expect("read").expect("there").state;
                let outcome = submit::cancel(&self.store, &self.provider, id, self.clock.now()).await.expect("written");
                // What was taken, and waits since somebody said that it was not, is nobody's to call cancelled.
                let is_taken = self.taken().contains_key(&id.to_string());
                assert!(!(before == BatchState::Queued && is_taken && matches!(outcome, CancelOutcome::Done(_))), "cancelled after all");
                self.batches[batch].cancelled |= matches!(outcome, CancelOutcome::Done(_) | CancelOutcome::Unclear(_));
                self.simulator.clear_scripts();
            }
            Do::Resolve { batch, as_what } => {
                let Some(batch) = self.pick(batch) else { return };
                let how = [Resolution::Accepted, Resolution::Resubmit, Resolution::Abandoned][usize::from(as_what)];
                if let Some((_, Ok(()))) =
                    self.store.change(self.batches[batch].id, move |batch, now| lifecycle::resolve(batch, how, now)).await.expect("written")
                {
                    let known = &mut self.batches[batch];
                    match how {
                        Resolution::Accepted => known.accepted = true,
                        Resolution::Resubmit => known.resubmitted += 1,
                        Resolution::Abandoned => known.given_up = true,
                    }
                }
            }
            Do::Ask { answered } => {
                if !answered {
                    self.simulator.script(Script::on(Call::Details, Answer::status(502)).lasting());
                    self.simulator.script(Script::on(Call::List, Answer::status(502)).lasting());
                }
                self.ask().await;
                self.simulator.clear_scripts();
            }
            Do::AskALiar(lie) => {
                let empty = r#"{"counts": {"total": 9, "delivered": 9, "failed": 0}, "details": []}"#;
                let answer = match lie {
                    Lie::EmptyDetails => Answer::status(200).body(empty),
                    Lie::NothingKnown => Answer::status(404),
                    Lie::Nonsense => Answer::status(200).body("<html>"),
                    Lie::CutShort => Answer::CutShort,
                };
                self.simulator.script(Script::on(Call::Details, answer).lasting());
                self.ask().await;
                self.simulator.clear_scripts();
            }
            Do::Resend { batch } => {
                let Some(batch) = self.pick(batch) else { return };
                self.resend(batch).await;
            }
            Do::Wait { minutes } => self.wait(Duration::from_secs(u64::from(minutes) * 60)),
            Do::SetClock { days } => {
                let (right, by) = (self.clock.now(), Duration::from_secs(days.unsigned_abs() * 24 * 3600));
                self.clock.set(if days > 0 { right.plus(by) } else { right.minus(by) });
                self.ask().await;
                self.hand_over(Fate::Fine).await;
                let wrong = self.clock.now();
                self.clock.set(if days > 0 { wrong.minus(by) } else { wrong.plus(by) });
                self.tell_the_simulator();
            }
            Do::Pause(paused) => self.store.set_paused(paused).await.expect("written"),
            Do::Prune => self.prune().await,
            Do::Crash => self.crash(),
        }
        self.newest = self.newest.max(*self.store.newest_receipt().borrow());
    }

    /// What is settled goes, and its id stays known.
    async fn prune(&mut self) {
        self.store.prune(self.clock.now(), false).await.expect("written");
        self.last = None;
        for known in std::mem::take(&mut self.batches) {
            if self.store.batch(known.id).await.expect("read").is_some() {
                self.batches.push(known);
            } else {
                self.pruned.push(known);
            }
        }
    }

    async fn submit(&mut self, numbers: u8, scheduled: bool, dry_run: bool, again: Option<Index>) {
        let first = 447_700_900_000 + self.given_out;
        self.given_out += u64::from(numbers);
        // Numbers that were given out before are smaller: the first number of a batch may be that of another, too.
        let again = again.and_then(|index| self.pick(index)).map(|batch| self.batches[batch].numbers[0]);
        let new = (first..first + u64::from(numbers)).filter_map(Msisdn::from_digits);
        let numbers: Vec<Msisdn> = again.into_iter().chain(new).collect();
        let content = Content {
            from: "mplus".into(),
            message: "hello".into(),
            parts: 1,
            channel: None,
            fallback_channels: Vec::new(),
            send_at: scheduled.then(|| self.clock.now().plus(Duration::from_secs(3600))),
            allow_multi: false,
            dry_run,
        };
        let new = NewBatch {
            id: BatchId::random(),
            group: None,
            resend_of: None,
            reference: None,
            content,
            destinations: numbers.clone(),
            merged: 0,
        };
        assert!(matches!(self.store.enqueue(new.clone()).await, Ok(Enqueued::New(_))));
        assert!(matches!(self.store.enqueue(new.clone()).await, Ok(Enqueued::Same(_))));
        let since = new.content.send_at.unwrap_or(self.clock.now());
        self.batches.push(Known::new(new.id, numbers, dry_run, since));
    }

    /// To those it failed for; asked twice it makes one.
    async fn resend(&mut self, batch: usize) {
        let id = self.batches[batch].id;
        let ask = || submit::resend(&self.store, id, DestinationState::Failed);
        let made = match ask().await.expect("written") {
            Resend::New(made) => made,
            Resend::Same(_) | Resend::Refused(_) => return,
            Resend::Unknown => unreachable!("it is there"),
        };
        assert!(matches!(ask().await, Ok(Resend::Same(again)) if again.id == made.id));
        assert_eq!(made.resend_of, Some(id));
        let (_, rows, _) = self.store.destinations(id, DestinationFilter::default(), i64::MIN, 1_000).await.expect("read").expect("there");
        let failed = rows.iter().filter(|row| row.state == DestinationState::Failed);
        let numbers: Vec<Msisdn> = failed.filter_map(|row| Msisdn::from_wire(&row.destination)).collect();
        assert_eq!(made.counts.total, numbers.len() as u64);
        self.batches.push(Known::new(made.id, numbers, made.dry_run, self.clock.now()));
    }

    async fn hand_over(&mut self, fate: Fate) {
        let script = |answer: Answer, taken: bool| if taken { Script::add(answer).after_taking() } else { Script::add(answer) };
        let (script, crash) = match fate {
            Fate::Fine => (None, false),
            Fate::Status { status, retry_after, taken } => {
                let answer = Answer::status(status);
                (Some(script(if retry_after { answer.header("Retry-After", "7") } else { answer }, taken)), false)
            }
            Fate::Closed { taken } => (Some(script(Answer::Close, taken)), false),
            Fate::Reset { taken } => (Some(script(Answer::Reset, taken)), false),
            Fate::CutShort => (Some(Script::add(Answer::CutShort)), false),
            Fate::Nonsense => (Some(script(Answer::Raw(b"what?\r\n\r\n".to_vec()), true)), false),
            Fate::WithoutIdentifier => (Some(script(Answer::WithoutIdentifier, true)), false),
            Fate::CrashedBefore => (Some(script(Answer::Hang, false)), true),
            Fate::CrashedAfter => (Some(script(Answer::Hang, true)), true),
        };
        if let Some(script) = script {
            self.simulator.script(script);
        }
        let before = (self.posts(), self.simulator.submissions().len());
        let mut crashed = false;
        for _ in 0..6 {
            let step = {
                let posted = async {
                    let arrived = || match fate {
                        Fate::CrashedAfter => self.simulator.submissions().len() > before.1,
                        _ => self.posts() > before.0,
                    };
                    while !(crash && arrived()) {
                        actix_web::rt::task::yield_now().await;
                    }
                };
                let never = std::future::pending::<()>();
                let (step, posted, never) = (pin!(self.submitter.step()), pin!(posted), pin!(never));
                let crash_or_not = if crash { Either::Left(posted) } else { Either::Right(never) };
                match select(step, pin!(crash_or_not)).await {
                    Either::Left((step, _)) => step.expect("written"),
                    Either::Right(_) => {
                        crashed = true;
                        Step::Idle
                    }
                }
            };
            match step {
                Step::Wait(wait) => self.wait(wait),
                Step::Submitted(_) | Step::Idle => break,
            }
        }
        self.simulator.clear_scripts();
        if crashed {
            self.crash();
        }
    }

    fn posts(&self) -> usize {
        self.simulator.requests().iter().filter(|request| request.method == "POST").count()
    }

    async fn receive(&mut self, batch: usize, receipt: serde_json::Value) {
        let id = self.batches[batch].id;
        let done = receive::callback(&self.store, id, receipt.to_string().into_bytes()).await.expect("recorded");
        assert_eq!(done.recorded + done.duplicates, 1);
        let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let known = &mut self.batches[batch];
        let to = word(&receipt["destination"]);
        known.proved = true; // whoever knows the callback URL was given it with the batch, whatever the receipt says
        let acknowledged = (to, receipt["delivered"] == true, word(&receipt["receiptInfo"]["code"]), word(&receipt["messageuuid"]));
        let new = known.acknowledged.insert(acknowledged);
        assert!(done.recorded != 1 || new, "the same receipt was recorded twice");
        let newest = *self.store.newest_receipt().borrow();
        assert!(done.recorded != 1 || newest > self.newest, "{newest} was the id of another receipt: {} was given", self.newest);
        self.last = Some((batch, receipt));
    }

    async fn ask(&self) {
        for _ in 0..40 {
            match self.reconciler.step().await.expect("written") {
                reconcile::Step::Again => {}
                reconcile::Step::Wait(wait) if wait <= Duration::from_secs(1) => self.wait(Duration::from_secs(1)),
                reconcile::Step::Wait(_) => return,
            }
        }
    }

    /// How often the provider has taken each batch.
    fn taken(&self) -> BTreeMap<String, usize> {
        let mut taken = BTreeMap::new();
        for submission in self.simulator.submissions() {
            *taken.entry(submission.uuid.expect("our uuid")).or_insert(0) += 1;
        }
        taken
    }

    /// What must be true at any time.
    async fn assert_true(&self) {
        assert_eq!(self.store.check().await.expect("checked"), Vec::<String>::new());
        let taken = self.taken();
        for known in &self.pruned {
            let taken = taken.get(&known.id.to_string()).copied().unwrap_or(0);
            assert!(self.store.is_pruned(known.id).await.expect("read"), "its id is forgotten");
            assert!(taken <= 1 + known.resubmitted, "handed over {taken} times, and pruned");
        }
        for known in &self.batches {
            let taken = taken.get(&known.id.to_string()).copied().unwrap_or(0);
            let batch = self.store.batch(known.id).await.expect("read").expect("there");
            let (log, _) = self.store.receipts(0, ReceiptFilter { batch: Some(known.id), delivered: None }, 1_000).await.expect("read");
            let filter = DestinationFilter::default();
            let (_, rows, _) = self.store.destinations(known.id, filter, i64::MIN, 1_000).await.expect("read").expect("there");
            assert!(taken <= 1 + known.resubmitted, "handed over {taken} times: {}", batch.state);
            assert_log_has_what_was_acknowledged(known, &log);
            assert_rows_are_the_fold(known, &batch, &rows, &log);
            self.assert_tells_the_truth(known, &batch, taken);
        }
    }

    fn assert_tells_the_truth(&self, known: &Known, batch: &Batch, taken: usize) {
        use BatchState as S;
        let state = batch.state;
        let said = format!("{state}, though taken {taken} times, {} receipts acknowledged", known.acknowledged.len());
        assert_ne!(state, S::Submitting, "{said}");
        if taken > 0 {
            assert!(state != S::Queued || known.resubmitted > 0, "{said}");
            // However often it was handed over since: somebody may have got it.
            assert_ne!(state, S::Rejected, "{said}");
            assert!(state != S::Cancelled || known.given_up || known.cancelled, "{said}");
        }
        let any_found = batch.counts.delivered + batch.counts.failed > 0;
        if taken == 0 && !known.proved && !known.accepted {
            assert!(!matches!(state, S::Submitted | S::Scheduled | S::Complete | S::Validated), "{said}");
            assert!(!any_found, "{said}");
        }
        if known.proved {
            assert!(!matches!(state, S::Queued | S::Unconfirmed | S::Rejected), "{said}");
        }
        if batch.counts.expired > 0 {
            // What was written down under a clock that was ahead is later than it was.
            let sent = batch.submitted_at.max(batch.send_at).unwrap_or(batch.created_at).min(known.since);
            assert!(self.clock.now() > sent.plus(PATIENCE.deadline), "expired too early");
        }
        assert_eq!(known.dry_run, batch.dry_run);
    }

    /// Everything is well again, and time goes by: what can be known is known in the end.
    async fn come_to_an_end(&mut self) {
        self.store.set_paused(false).await.expect("written");
        for _ in 0..4 * self.batches.len() + 4 {
            self.hand_over(Fate::Fine).await;
        }
        // A batch that went out under a clock ten days ahead has its deadline that much later.
        for _ in 0..5 {
            self.wait(Duration::from_secs(4 * 24 * 3600));
            self.ask().await;
        }
        self.assert_true().await;
        let taken = self.taken();
        for known in &self.batches {
            let batch = self.store.batch(known.id).await.expect("read").expect("there");
            let taken = taken.get(&known.id.to_string()).copied().unwrap_or(0);
            assert_ne!(batch.state, BatchState::Queued, "it is never handed over");
            if taken > 0 && !known.dry_run {
                assert!(matches!(batch.state, BatchState::Complete | BatchState::Cancelled), "{} in the end", batch.state);
            }
        }
    }
}

fn workers(store: &Store, provider: &Rc<Provider>, clock: &Clock) -> (Submitter, Reconciler) {
    let callbacks = "http://127.0.0.1:1/callbacks".to_owned();
    let submitter = Submitter::new(store.clone(), provider.clone(), clock.clone(), callbacks, None, Standing::default());
    let reconciler = Reconciler::new(store.clone(), provider.clone(), clock.clone(), PATIENCE, Missed::default());
    (submitter, reconciler)
}

fn key(receipt: &Receipt) -> Acknowledged {
    let code = receipt.code.as_ref().map(ToString::to_string).unwrap_or_default();
    let message = receipt.message_id.as_ref().map(ToString::to_string).unwrap_or_default();
    (receipt.destination.clone(), receipt.delivered, code, message)
}

fn assert_log_has_what_was_acknowledged(known: &Known, log: &[Receipt]) {
    let posted: Vec<Acknowledged> = log.iter().filter(|receipt| receipt.source == Source::Webhook).map(key).collect();
    let different: HashSet<&Acknowledged> = posted.iter().collect();
    assert_eq!(different.len(), posted.len(), "a receipt is in the log twice");
    let all: BTreeSet<Acknowledged> = log.iter().map(key).collect();
    let shown = known.shown();
    let missing: Vec<_> = shown.difference(&all).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    assert!(log.windows(2).all(|pair| pair[0].id < pair[1].id));
}

/// Told again, independently and slowly, from the log alone.
fn assert_rows_are_the_fold(known: &Known, batch: &Batch, rows: &[Destination], log: &[Receipt]) {
    let mut counted: HashMap<DestinationState, u64> = HashMap::new();
    assert_eq!(rows.len(), known.numbers.len());
    for row in rows {
        let own: Vec<&Receipt> = log.iter().filter(|receipt| receipt.destination == row.destination).collect();
        let delivered = own.iter().any(|receipt| receipt.delivered);
        let state = match (delivered, own.is_empty()) {
            (true, _) => DestinationState::Delivered,
            (false, false) => DestinationState::Failed,
            (false, true) => match batch.state {
                BatchState::Queued | BatchState::Submitting | BatchState::Unconfirmed => DestinationState::Queued,
                BatchState::Submitted | BatchState::Scheduled => DestinationState::Submitted,
                BatchState::Complete => DestinationState::Expired,
                BatchState::Rejected => DestinationState::Rejected,
                BatchState::Cancelled => DestinationState::Cancelled,
                BatchState::Validated => DestinationState::Validated,
            },
        };
        assert_eq!((row.state, row.receipts), (state, own.len() as u64), "{own:?}");
        let deciding = own.iter().rfind(|receipt| receipt.delivered == delivered);
        assert_eq!(row.code, deciding.and_then(|receipt| receipt.code.clone()), "{own:?}");
        let first_delivery = own.iter().position(|receipt| receipt.delivered);
        let conflict = first_delivery.is_some_and(|at| own[at..].iter().any(|receipt| !receipt.delivered));
        assert_eq!(row.conflict, conflict, "{own:?}");
        *counted.entry(state).or_default() += 1;
    }
    let strangers = log.iter().filter(|receipt| !rows.iter().any(|row| row.destination == receipt.destination));
    assert!(strangers.into_iter().all(|receipt| receipt.outcome == Outcome::UnexpectedDestination));
    let counts = batch.counts;
    let shown = [
        (DestinationState::Queued, counts.queued),
        (DestinationState::Submitted, counts.submitted),
        (DestinationState::Delivered, counts.delivered),
        (DestinationState::Failed, counts.failed),
        (DestinationState::Expired, counts.expired),
        (DestinationState::Cancelled, counts.cancelled),
        (DestinationState::Rejected, counts.rejected),
        (DestinationState::Validated, counts.validated),
    ];
    for (state, count) in shown {
        assert_eq!(count, counted.get(&state).copied().unwrap_or(0), "{state}: {counts:?}");
    }
}

async fn history(steps: Vec<Do>) {
    let mut world = World::new();
    for step in steps {
        world.perform(step).await;
        world.wait(Duration::from_secs(1));
    }
    world.assert_true().await;
    world.come_to_an_end().await;
    world.simulator.stop();
    world.store.close();
}

/// Half of the histories of this run: two tests use two cores.
fn run_half(half: u64) {
    let cases = number("TRUST_HISTORIES").and_then(|count| u32::try_from(count).ok()).unwrap_or(2_000) / 2;
    let seed = number("TRUST_SEED").unwrap_or_else(|| BatchId::random().as_uuid().as_u64_pair().0);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&half.to_le_bytes());
    let system = actix_web::rt::System::new();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&prop::collection::vec(steps(), 1..24), |steps| {
        system.block_on(history(steps));
        Ok(())
    });
    if let Err(error) = result {
        unreachable!("TRUST_SEED={seed}: {error}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn whatever_happens_nothing_is_lost_nobody_gets_it_twice_and_the_state_is_right() {
    run_half(1);
}

#[test]
fn whatever_happens_nothing_is_lost_nobody_gets_it_twice_and_the_state_is_right_again() {
    run_half(2);
}
