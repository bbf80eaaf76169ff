//! When a batch goes out: waits, refusals, the rate and the notice. Time is stepped.

use std::rc::Rc;
use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::domain::{Batch, BatchId, BatchState, Content, ErrorKind, Msisdn, NewBatch, Resolution, Timestamp, lifecycle};
use receiptd::provider::{Provider, Settings, Standing, WireNames};
use receiptd::simulator::{self, Answer, Call, Handle, Profile, Script};
use receiptd::store::{QuarantineBounds, Store};
use receiptd::submit::{self, Step, Submitter};

use crate::support::{Home, KEY, NOBODY};

struct Sending {
    home: Home,
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
    on(Home::new(), base_url, simulator, rate)
}

fn on(home: Home, base_url: String, simulator: Handle, rate: Option<u32>) -> Sending {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let quarantine = QuarantineBounds { max_count: 10, max_bytes: 1 << 20 };
    let (store, _) = home.open(&clock, quarantine).expect("a store");
    let provider = Rc::new(provider(base_url));
    let standing = Standing::default();
    let callbacks = "http://127.0.0.1:1/callbacks".to_owned();
    let submitter = Submitter::new(store.clone(), provider, clock.clone(), callbacks, rate, standing.clone());
    Sending { home, clock, simulator, store, standing, submitter }
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

    /// The next run on the same database.
    fn restarted(&mut self) -> Sending {
        self.store.close();
        let home = std::mem::replace(&mut self.home, Home::new());
        on(home, self.simulator.url(), self.simulator.clone(), None)
    }

    /// How often the provider was asked by an id, and how often something was posted to it.
    fn calls(&self) -> [usize; 2] {
        let requests = self.simulator.requests();
        [Call::Details, Call::Add].map(|call| requests.iter().filter(|request| request.call == Some(call)).count())
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
    assert_eq!((error.kind.to_string(), error.detail.contains("less than 5 minutes ahead")), ("too_late".to_owned(), true), "{error:?}");
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

#[actix_web::test]
async fn what_an_earlier_run_queued_is_asked_about_once_before_it_goes_out() {
    let mut it = sending(None);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(it.batch(1, None).await);
    }
    let it = it.restarted();
    it.store.set_paused(true).await.expect("paused");
    assert_eq!(it.step().await, Step::Idle);
    assert_eq!(it.calls(), [0, 0], "nobody asks for what must not go out");
    it.store.set_paused(false).await.expect("resumed");
    let new = it.batch(1, None).await;
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(it.step().await, Step::Submitted(*id), "in the order in which they came");
        assert_eq!(it.calls(), [n + 1, n + 1]);
    }
    assert_eq!(it.step().await, Step::Submitted(new));
    assert_eq!(it.step().await, Step::Idle);
    assert_eq!(it.calls(), [5, 6], "one of this run needs no question");
}

#[actix_web::test]
async fn what_the_provider_has_of_an_earlier_run_is_submitted_and_not_sent_again() {
    let it = sending(None);
    let (gone_out, waiting) = (it.batch(2, None).await, it.batch(1, None).await);
    let before = it.home.after_a_kill();
    assert_eq!(it.step().await, Step::Submitted(gone_out));
    it.simulator.release();
    it.store.close();
    // The folder is put back as a whole: its counters agree.
    let it = on(before, it.simulator.url(), it.simulator.clone(), None);
    assert_eq!(it.shown(gone_out).await.state, BatchState::Queued);
    assert_eq!(it.step().await, Step::Submitted(waiting));
    assert_ne!(it.shown(gone_out).await.state, BatchState::Queued);
    assert!(it.shown(gone_out).await.submitted_at.is_some());
    assert_eq!(it.step().await, Step::Idle);
    assert_eq!((it.calls(), it.simulator.submissions().len()), ([2, 2], 2));
}

#[actix_web::test]
async fn what_an_earlier_run_queued_waits_while_the_provider_gives_no_clear_answer_and_others_go_out() {
    let unclear = [
        Answer::status(500),
        Answer::status(429),
        Answer::Close,
        Answer::CutShort,
        Answer::status(200).body("<html>"),
        Answer::status(200).body(r#"{"counts": {"total": 1}, "details": []}"#),
        Answer::status(200).body(r#"{"counts": {"total": 1}, "details": [{"destination": "+447700900999", "delivered": true}]}"#),
    ];
    for answer in unclear {
        let mut it = sending(None);
        let old = it.batch(1, None).await;
        let it = it.restarted();
        it.simulator.script(Script::on(Call::Details, answer.clone()).lasting());
        let new = it.batch(1, None).await;
        let mut submitted = Vec::new();
        for _ in 0..12 {
            match it.step().await {
                Step::Submitted(id) => submitted.push(id),
                Step::Wait(wait) => it.clock.step(wait),
                Step::Idle => unreachable!("one of them waits"),
            }
        }
        assert_eq!((submitted, it.simulator.submissions().len()), (vec![new], 1), "{answer:?}");
        let batch = it.shown(old).await;
        assert_eq!(batch.state, BatchState::Queued);
        assert!(batch.last_error.is_some_and(|error| error.detail.contains("no clear answer")), "{answer:?}");
        assert!(it.calls()[0] < 8, "at growing intervals: {:?}", it.calls());
        it.simulator.clear_scripts();
        it.clock.step(Duration::from_secs(300));
        let mut last = it.step().await;
        while let Step::Wait(wait) = last {
            it.clock.step(wait);
            last = it.step().await;
        }
        assert_eq!(last, Step::Submitted(old), "{answer:?}");
    }
}

#[actix_web::test]
async fn a_provider_that_says_it_has_no_such_batch_in_other_words_gets_it() {
    for answer in [
        Answer::status(404),
        Answer::status(400),
        Answer::status(410),
        Answer::status(200).body(r#"{"counts": {"total": 0, "delivered": 0, "failed": 0}, "details": []}"#),
    ] {
        let mut it = sending(None);
        let id = it.batch(1, None).await;
        let it = it.restarted();
        it.simulator.script(Script::on(Call::Details, answer.clone()));
        assert_eq!(it.step().await, Step::Submitted(id), "{answer:?}");
        assert_eq!(it.shown(id).await.state, BatchState::Submitted);
    }
}

#[actix_web::test]
async fn an_outage_makes_a_handful_unconfirmed_and_not_the_whole_queue() {
    let it = sending(None);
    for _ in 0..50 {
        it.batch(1, None).await;
    }
    it.simulator.script(Script::any(Answer::status(502)).lasting());
    for _ in 0..40 {
        // As many at a time as the daemon has tasks.
        let steps = futures_util::future::join_all((0..4).map(|_| it.step())).await;
        let waits = steps.iter().filter_map(|step| if let Step::Wait(wait) = step { Some(*wait) } else { None });
        it.clock.step(waits.min().unwrap_or_default());
    }
    let posts = it.calls()[1];
    assert!((1..=4).contains(&posts), "{posts}");
    it.simulator.clear_scripts();
    for _ in 0..120 {
        if let Step::Wait(wait) = it.step().await {
            it.clock.step(wait);
        }
    }
    assert_eq!(it.simulator.submissions().len(), 50 - posts);
}

#[actix_web::test]
async fn a_doubtful_batch_whose_time_came_too_close_is_unconfirmed_again_and_not_rejected() {
    let it = sending(None);
    let id = it.batch(1, Some(it.clock.now().plus(Duration::from_secs(3600)))).await;
    it.simulator.script(Script::add(Answer::Close).after_taking());
    it.step().await;
    assert_eq!(it.shown(id).await.state, BatchState::Unconfirmed);
    it.store.change(id, |batch, now| lifecycle::resolve(batch, Resolution::Resubmit, now)).await.expect("written");
    it.clock.step(Duration::from_secs(3500));
    while let Step::Wait(wait) = it.step().await {
        it.clock.step(wait.max(Duration::from_millis(1)));
    }
    let batch = it.shown(id).await;
    assert_eq!((batch.state, batch.last_error.expect("a reason").kind), (BatchState::Unconfirmed, ErrorKind::TooLate));
    assert_eq!(it.calls()[1], 1);
}
