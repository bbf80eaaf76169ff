//! When a batch goes out: waits, refusals, the rate and the notice. Time is stepped.

use std::rc::Rc;
use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::domain::{Batch, BatchId, BatchState, Content, Msisdn, NewBatch, Timestamp};
use receiptd::provider::{Provider, Settings, Standing, WireNames};
use receiptd::simulator::{self, Answer, Call, Handle, Profile, Script};
use receiptd::store::{QuarantineBounds, Store};
use receiptd::submit::{self, Step, Submitter};

use crate::support::{Home, KEY, NOBODY};

struct Sending {
    _home: Home,
    clock: Clock,
    simulator: Handle,
    store: Store,
    standing: Standing,
    submitter: Submitter,
}

fn sending(rate: Option<u32>) -> Sending {
    let settings = simulator::Settings { key: KEY.into(), profile: Profile { hold: true, ..Profile::calm() }, ..Default::default() };
    let simulator = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
    to(simulator.url(), simulator, rate)
}

fn provider(base_url: String) -> Provider {
    let settings = Settings { base_url, key: KEY.into(), timeout: Duration::from_secs(5), wire_names: WireNames::Both };
    Provider::new(settings).expect("a URL")
}

fn to(base_url: String, simulator: Handle, rate: Option<u32>) -> Sending {
    let home = Home::new();
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let quarantine = QuarantineBounds { max_count: 10, max_bytes: 1 << 20 };
    let (store, _) = home.open(&clock, quarantine).expect("a store");
    let provider = Rc::new(provider(base_url));
    let standing = Standing::default();
    let callbacks = "http://127.0.0.1:1/callbacks".to_owned();
    let submitter = Submitter::new(store.clone(), provider, clock.clone(), callbacks, rate, standing.clone());
    Sending { _home: home, clock, simulator, store, standing, submitter }
}

impl Sending {
    async fn batch(&self, numbers: u64, send_at: Option<Timestamp>) -> BatchId {
        let id = BatchId::random();
        let content = Content {
            from: "mplus".into(),
            message: "hello".into(),
            parts: 1,
            channel: None,
            fallback_channels: Vec::new(),
            send_at,
            allow_multi: false,
            dry_run: false,
        };
        let destinations = (0..numbers).filter_map(|n| Msisdn::from_digits(447_700_900_000 + n)).collect();
        let new = NewBatch { id, group: None, resend_of: None, reference: None, content, destinations, merged: 0 };
        self.store.enqueue(new).await.expect("taken");
        id
    }

    async fn step(&self) -> Step {
        self.submitter.step().await.expect("written")
    }

    /// How long it wants to wait.
    async fn wait(&self) -> Duration {
        match self.step().await {
            Step::Wait(wait) => wait,
            other => unreachable!("{other:?}"),
        }
    }

    async fn shown(&self, id: BatchId) -> Batch {
        self.store.batch(id).await.expect("read").expect("there")
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.simulator.stop();
        self.store.close();
    }
}

#[actix_web::test]
async fn a_refused_key_is_tried_again_at_doubling_intervals_and_once_it_is_mended_the_batch_goes_out_once() {
    let it = sending(None);
    let id = it.batch(1, None).await;
    it.simulator.script(Script::any(Answer::status(401)).lasting());
    assert_eq!(it.step().await, Step::Submitted(id));
    for seconds in [5, 10, 20, 40, 60, 60] {
        assert_eq!(it.wait().await, Duration::from_secs(seconds));
        assert!(it.standing.troubles()[0].1.contains("provider.key_file"));
        assert_eq!(it.shown(id).await.state, BatchState::Queued);
        it.clock.step(Duration::from_secs(seconds));
        assert!(matches!(it.step().await, Step::Wait(_)));
    }
    it.simulator.clear_scripts();
    it.clock.step(Duration::from_secs(60));
    assert_eq!(it.wait().await, Duration::ZERO, "it has asked, and was answered");
    assert_eq!(it.step().await, Step::Submitted(id));
    let batch = it.shown(id).await;
    assert_eq!((batch.state, batch.attempts, it.simulator.submissions().len()), (BatchState::Submitted, 2, 1));
    assert_eq!(it.standing.troubles(), []);
}

#[actix_web::test]
async fn a_refusal_is_not_final_while_nobody_says_whether_the_key_is_right() {
    for unclear in [Answer::status(500), Answer::Close, Answer::status(429)] {
        let it = sending(None);
        let id = it.batch(1, None).await;
        it.simulator.script(Script::add(Answer::status(403)));
        it.simulator.script(Script::on(Call::List, unclear));
        it.step().await;
        assert_eq!(it.shown(id).await.state, BatchState::Queued);
        it.clock.step(Duration::from_secs(60));
        it.step().await;
        it.step().await;
        assert_eq!((it.shown(id).await.state, it.simulator.submissions().len()), (BatchState::Submitted, 1));
    }
}

#[actix_web::test]
async fn a_questionable_refusal_is_final_only_where_the_key_works_elsewhere() {
    for status in [400, 403, 404, 405] {
        let it = sending(None);
        let id = it.batch(1, None).await;
        it.simulator.script(Script::add(Answer::status(status)));
        it.step().await;
        assert_eq!(it.shown(id).await.state, BatchState::Rejected, "{status}: the key works, so it is the batch");

        for answer in ["{}", "[]", "<html>"] {
            let id = it.batch(1, None).await;
            it.simulator.script(Script::add(Answer::status(status)));
            it.simulator.script(Script::on(Call::List, Answer::status(200).body(answer)));
            it.step().await;
            assert_eq!(it.shown(id).await.state, BatchState::Rejected, "{status}, {answer}: the key works, whatever it says");
        }

        let id = it.batch(1, None).await;
        it.simulator.script(Script::any(Answer::status(status)).lasting());
        it.step().await;
        let batch = it.shown(id).await;
        assert_eq!(batch.state, BatchState::Queued, "{status}: nothing works, so it is the key or the address");
        assert_eq!(batch.last_error.and_then(|error| error.status), Some(status));
        it.simulator.clear_scripts();
        it.clock.step(Duration::from_secs(60));
        it.step().await;
        it.step().await;
        assert_eq!((it.shown(id).await.state, it.simulator.submissions().len()), (BatchState::Submitted, 1), "{status}");
    }
}

#[actix_web::test]
async fn without_credit_everything_waits_says_so_and_goes_out_once_there_is_some() {
    let settings = simulator::Settings { key: KEY.into(), credits: Some(1), ..Default::default() };
    let simulator = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
    let it = to(simulator.url(), simulator, None);
    let (first, second) = (it.batch(2, None).await, it.batch(3, None).await);
    for seconds in [5, 10, 20, 40, 60, 60] {
        assert_eq!(it.step().await, Step::Submitted(first));
        assert_eq!(it.wait().await, Duration::from_secs(seconds));
        assert!(it.standing.troubles()[0].1.contains("no credit"), "{:?}", it.standing.troubles());
        assert_eq!([it.shown(first).await.state, it.shown(second).await.state], [BatchState::Queued; 2]);
        it.clock.step(Duration::from_secs(seconds));
    }
    it.simulator.add_credits(4);
    assert_eq!([it.step().await, it.step().await], [Step::Submitted(first), Step::Submitted(second)]);
    assert_eq!([it.shown(first).await.state, it.shown(second).await.state], [BatchState::Submitted; 2]);
    assert_eq!((it.standing.troubles(), it.simulator.submissions().len()), (Vec::new(), 2));
}

#[actix_web::test]
async fn trouble_is_told_until_the_provider_answers_again_though_nothing_waits_any_more() {
    for trouble in [Answer::status(503).header("Retry-After", "7"), Answer::status(402), Answer::status(401)] {
        let it = sending(None);
        let id = it.batch(1, None).await;
        it.simulator.script(Script::any(trouble).lasting());
        assert_eq!(it.step().await, Step::Submitted(id));
        assert_eq!(it.standing.troubles().len(), 1);
        submit::cancel(&it.store, &provider(it.simulator.url()), id, it.clock.now()).await.expect("cancelled here");
        for _ in 0..3 {
            it.clock.step(Duration::from_secs(60));
            it.step().await;
        }
        it.simulator.clear_scripts();
        it.clock.step(Duration::from_secs(600));
        it.step().await;
        assert_eq!(it.step().await, Step::Idle);
        assert_eq!(it.standing.troubles(), []);
    }
}

#[actix_web::test]
async fn a_batch_whose_time_came_too_close_while_it_waited_is_rejected_and_says_so() {
    let it = sending(None);
    let now = it.clock.now();
    let (close, far) =
        (it.batch(1, Some(now.plus(Duration::from_secs(360)))).await, it.batch(1, Some(now.plus(Duration::from_secs(3600)))).await);
    it.clock.step(Duration::from_secs(61));
    assert_eq!(it.step().await, Step::Submitted(far), "the next one is looked at in the same step");
    let batch = it.shown(close).await;
    assert_eq!((batch.state, batch.counts.rejected), (BatchState::Rejected, 1));
    let error = batch.last_error.expect("a reason");
    assert_eq!((error.kind.to_string(), error.detail.contains("closer than 5 minutes")), ("too_late".to_owned(), true), "{error:?}");
    assert_eq!(it.shown(far).await.state, BatchState::Scheduled);
    assert_eq!(it.simulator.submissions().len(), 1);
}

#[actix_web::test]
async fn the_rate_spreads_batches_over_time() {
    let it = sending(Some(10));
    let (first, second) = (it.batch(25, None).await, it.batch(5, None).await);
    assert_eq!(it.step().await, Step::Submitted(first));
    assert_eq!(it.wait().await, Duration::from_millis(2_500), "25 destinations at 10 a second");
    it.clock.step(Duration::from_millis(2_499));
    assert_eq!(it.wait().await, Duration::from_millis(1));
    it.clock.step(Duration::from_millis(1));
    assert_eq!(it.step().await, Step::Submitted(second));
}

#[actix_web::test]
async fn a_provider_that_is_not_there_is_tried_at_doubling_intervals_of_five_minutes_at_most() {
    let simulator = sending(None).simulator.clone();
    let it = to(format!("http://{NOBODY}"), simulator, None);
    let id = it.batch(1, None).await;
    for failure in 0..14u32 {
        assert_eq!(it.step().await, Step::Submitted(id));
        let most = Duration::from_secs(1).saturating_mul(1 << failure).min(Duration::from_secs(300));
        let wait = it.wait().await;
        assert!(wait <= most && wait >= most / 2, "{failure}: {wait:?}, at most {most:?}");
        it.clock.step(wait);
    }
    let batch = it.shown(id).await;
    assert_eq!((batch.state, batch.attempts), (BatchState::Queued, 14));
}

#[actix_web::test]
async fn retry_after_is_honoured_to_the_second() {
    let it = sending(None);
    it.batch(1, None).await;
    it.simulator.script(Script::add(Answer::status(503).header("Retry-After", "77")));
    it.step().await;
    assert_eq!(it.wait().await, Duration::from_secs(77));
}

#[actix_web::test]
async fn a_batch_that_came_after_the_pause_is_not_taken_out_by_a_step_that_began_before_it() {
    let it = sending(None);
    it.store.set_paused(true).await.expect("paused");
    let id = it.batch(1, None).await;
    assert!(it.store.claim(|_| None).await.expect("a store that works").is_none());
    it.store.set_paused(false).await.expect("resumed");
    assert_eq!(it.step().await, Step::Submitted(id));
}

#[actix_web::test]
async fn what_is_paused_stays_paused_over_a_restart() {
    let daemon = crate::support::spawn().await;
    daemon.api("POST", "/v1/pause", None).await;
    let id = daemon.submit(&["+447700900001"]).await;
    let folder = daemon.stop().await;
    let again = crate::support::spawn_with(crate::support::Options { folder, ..Default::default() }).await;
    let degraded = again.get("/readyz").await.json()["degraded"].to_string();
    assert!(degraded.contains("paused"), "{degraded}");
    assert_eq!(again.get(&format!("/v1/batches/{id}")).await.json()["state"], "queued");
    assert_eq!(again.simulator.submissions().len(), 0);
    again.api("POST", "/v1/resume", None).await;
    again.until(&id, "submitted").await;
}
