//! Asking the provider for what did not come. Time is stepped.

use std::rc::Rc;
use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::domain::BatchId;
use receiptd::provider::Provider;
use receiptd::reconcile::{Missed, Patience, Reconciler, Step};
use receiptd::simulator::{Answer, Call, Profile, Script, Span};

use crate::support::{Daemon, KEY, Options, spawn_with};

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Patience = Patience { after: Duration::from_secs(15 * 60), deadline: Duration::from_secs(72 * 3600) };

/// A daemon that asks nothing by itself, and one who asks when it is told to.
struct Asking {
    daemon: Daemon,
    clock: Clock,
    missed: Missed,
    reconciler: Reconciler,
    provider: Rc<Provider>,
}

async fn asking(profile: Profile) -> Asking {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let options = Options { profile, clock: clock.clone(), ..Options::default() };
    let daemon = spawn_with(options.set("RECEIPTD_RECONCILE__AFTER", "1000d").set("RECEIPTD_RECONCILE__DEADLINE", "1000d")).await;
    // It has started by its own clock before that goes on: else its own reconciler takes what comes for what came before.
    assert_eq!(daemon.get("/healthz").await.status, 200);
    let missed = Missed::default();
    let provider = daemon.provider();
    let reconciler = Reconciler::new(daemon.store.clone(), provider.clone(), clock.clone(), PATIENCE, missed.clone());
    let it = Asking { daemon, clock, missed, reconciler, provider };
    it.step(Duration::from_secs(1));
    it
}

/// A provider that posts no receipt by itself, but knows them all.
fn deaf() -> Profile {
    Profile { deaf: true, delay: Span::ZERO, ..Profile::calm() }
}

impl Asking {
    async fn submitted(&self, number: &str) -> String {
        let id = self.daemon.submit(&[number]).await;
        self.daemon.until(&id, "submitted").await;
        id
    }

    /// Time goes by, here and at the provider.
    fn step(&self, by: Duration) {
        self.clock.step(by);
        let now = jiff::Timestamp::from_millisecond(self.clock.now().as_millis()).expect("a time");
        self.daemon.simulator.set_now(now);
    }

    /// Asks until nothing is due at this time; how often that was.
    async fn asked(&self) -> usize {
        let before = self.questions();
        loop {
            match self.reconciler.step().await.expect("stepped") {
                Step::Again => {}
                // Spacing: a second later it may go on.
                Step::Wait(wait) if wait <= Duration::from_secs(1) => {
                    self.step(Duration::from_secs(1));
                }
                Step::Wait(_) => return self.questions() - before,
            }
        }
    }

    fn questions(&self) -> usize {
        self.asked_about().len()
    }

    /// The paths of the questions.
    fn asked_about(&self) -> Vec<String> {
        let requests = self.daemon.simulator.requests().into_iter();
        requests.filter(|request| request.method == "GET" && request.path.starts_with("/batch/")).map(|request| request.path).collect()
    }
}

#[actix_web::test]
async fn a_silent_batch_is_asked_about_to_the_second_and_what_was_lost_is_found() {
    let it = asking(deaf()).await;
    let id = it.submitted("+447700900001").await;
    it.step(PATIENCE.after - Duration::from_secs(1));
    assert!(matches!(it.reconciler.step().await, Ok(Step::Wait(_))));
    assert_eq!(it.questions(), 0);
    it.step(Duration::from_secs(1));
    assert!(matches!(it.reconciler.step().await, Ok(Step::Again)));
    it.daemon.until(&id, "complete").await;
    let receipts = it.daemon.get("/v1/receipts").await.json();
    assert_eq!(receipts["items"][0]["source"], "poll");
    it.step(PATIENCE.after * 10);
    assert_eq!(it.asked().await, 0, "what is complete is not asked about");
    it.daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_silence_that_lasts_is_asked_about_at_growing_intervals() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    it.submitted("+447700900001").await;
    let mut asked = Vec::new();
    for minute in 1..=240 {
        it.step(MINUTE);
        if it.asked().await > 0 {
            asked.push(minute);
        }
    }
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(asked[0], 15);
    assert!(asked.windows(3).all(|of| of[2] - of[1] > of[1] - of[0]), "{asked:?}");
}

#[actix_web::test]
async fn the_provider_is_not_hammered_however_many_batches_are_silent() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    for n in 0..20 {
        it.submitted(&format!("+4477009000{n:02}")).await;
    }
    it.step(PATIENCE.after);
    let start = it.clock.now();
    assert_eq!(it.asked().await, 20);
    assert!(it.clock.now().since(start) >= Duration::from_secs(19), "one a second");
    // And while it does not answer, less and less often.
    it.step(PATIENCE.after * 2);
    it.daemon.simulator.script(Script::on(Call::Details, Answer::status(500)).lasting());
    let before = it.questions();
    for _ in 0..120 {
        it.step(Duration::from_secs(1));
        let _ = it.reconciler.step().await.expect("stepped");
    }
    assert!(it.questions() - before <= 8, "{}", it.questions() - before);
}

#[actix_web::test]
async fn what_is_pending_expires_past_the_deadline_and_only_after_an_answer_and_a_late_receipt_lifts_it() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    let id = it.submitted("+447700900001").await;
    it.daemon.simulator.script(Script::on(Call::Details, Answer::status(500)).lasting());
    it.step(PATIENCE.deadline + MINUTE);
    it.asked().await;
    assert_eq!(it.daemon.until(&id, "submitted").await["counts"]["expired"], 0, "no answer, no expiry");
    it.daemon.simulator.clear_scripts();
    it.step(MINUTE * 10);
    it.asked().await;
    let batch = it.daemon.until(&id, "complete").await;
    assert_eq!((&batch["counts"]["expired"], &batch["counts"]["submitted"]), (&1.into(), &0.into()));
    it.daemon.assert_books_balance().await;
    it.daemon.receipt(&id, "+447700900001", true, "00").await;
    let batch = it.daemon.until(&id, "complete").await;
    assert_eq!((&batch["counts"]["expired"], &batch["counts"]["delivered"]), (&0.into(), &1.into()));
    it.daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn an_unconfirmed_batch_that_the_provider_has_is_submitted_and_one_it_does_not_know_is_not_sent_again() {
    let it = asking(deaf()).await;
    it.daemon.simulator.script(Script::add(Answer::Close).after_taking());
    let taken = it.daemon.submit(&["+447700900001"]).await;
    it.daemon.until(&taken, "unconfirmed").await;
    it.step(Duration::from_secs(2)); // the submitter takes a breath, and asks whether the provider answers
    it.daemon.simulator.script(Script::add(Answer::Close));
    let lost = it.daemon.submit(&["+447700900002"]).await;
    it.daemon.until(&lost, "unconfirmed").await;
    it.step(MINUTE);
    assert_eq!(it.asked().await, 2);
    it.daemon.until(&taken, "complete").await;
    it.daemon.until(&lost, "unconfirmed").await;
    it.step(PATIENCE.deadline * 2);
    it.asked().await;
    it.daemon.until(&lost, "unconfirmed").await;
    assert_eq!(it.daemon.simulator.requests().iter().filter(|request| request.method == "POST").count(), 2);
}

#[actix_web::test]
async fn after_a_time_in_which_receipts_could_not_be_taken_all_open_batches_are_asked_about_once() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    it.submitted("+447700900001").await;
    it.submitted("+447700900002").await;
    it.step(MINUTE);
    assert_eq!(it.asked().await, 0);
    it.missed.of_any();
    it.step(MINUTE);
    assert_eq!(it.asked().await, 2);
    it.step(MINUTE);
    assert_eq!(it.asked().await, 0);
}

#[actix_web::test]
async fn where_a_callback_of_one_batch_could_not_be_taken_that_one_is_asked_about_and_not_again_and_again() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    it.submitted("+447700900001").await;
    let second: BatchId = it.submitted("+447700900002").await.parse().expect("an id");
    it.step(MINUTE);
    assert_eq!(it.asked().await, 0);
    it.missed.of(second);
    it.missed.of(BatchId::random());
    let asked = it.questions();
    assert_eq!(it.asked().await, 1);
    assert!(it.asked_about()[asked].contains(&second.to_string()));
    // Somebody knows the callback URL of the batch, and posts what is too large all the time.
    let before = it.questions();
    for _ in 0..180 {
        it.missed.of(second);
        it.step(Duration::from_secs(1));
        let _ = it.reconciler.step().await.expect("stepped");
    }
    assert!((2..=4).contains(&(it.questions() - before)), "{}", it.questions() - before);
}

#[actix_web::test]
async fn a_callback_that_is_too_large_has_the_provider_asked_about_its_batch_alone() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    it.submitted("+447700900001").await;
    it.submitted("+447700900002").await;
    let id = it.submitted("+447700900003").await;
    assert_eq!(it.daemon.post(&id, vec![b' '; 300 << 10]).await.status, 413);
    // The daemon itself asks, one question a second.
    while it.questions() == 0 {
        it.step(Duration::from_secs(1));
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(it.asked_about()[0].contains(&id), "{:?}", it.asked_about());
}

#[actix_web::test]
async fn while_nothing_can_be_written_down_the_provider_is_not_asked_and_right_after_that_it_is() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    let id = it.submitted("+447700900001").await;
    it.step(MINUTE);
    let held = it.daemon.folder.lock();
    assert_eq!(it.daemon.receipt(&id, "+447700900001", true, "00").await.status, 503);
    for _ in 0..5 {
        it.step(MINUTE);
        assert!(matches!(it.reconciler.step().await, Ok(Step::Wait(_))));
    }
    assert_eq!(it.questions(), 0);
    drop(held);
    it.daemon.store.ping().await.expect("written");
    while it.questions() == 0 {
        it.step(Duration::from_secs(1));
        let _ = it.reconciler.step().await.expect("stepped");
    }
}

#[actix_web::test]
async fn a_batch_that_is_to_be_sent_later_is_not_asked_about_before() {
    let it = asking(deaf()).await;
    let body =
        serde_json::json!({"from": "mplus", "message": "hello", "destinations": ["+447700900001"], "send_at": "2026-11-26T09:00:00Z"});
    let id = it.daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    it.daemon.until(&id, "scheduled").await;
    it.step(Duration::from_secs(47 * 3600));
    it.missed.of_any();
    assert_eq!(it.asked().await, 0);
    it.step(Duration::from_secs(3600) + PATIENCE.after);
    assert_eq!(it.asked().await, 1);
}

#[actix_web::test]
async fn a_clock_that_is_set_ahead_expires_nothing_before_the_whole_time_has_gone_by() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    let id = it.submitted("+447700900001").await;
    let right = it.clock.now();
    it.clock.set(right.plus(PATIENCE.deadline * 4));
    it.asked().await;
    assert_eq!(it.daemon.until(&id, "submitted").await["counts"]["expired"], 0, "no time has gone by");
    it.daemon.simulator.set_now(jiff::Timestamp::from_millisecond(right.as_millis()).expect("a time"));
    // A daemon that was started under the wrong clock has only the provider's to compare with.
    let again = Reconciler::new(it.daemon.store.clone(), it.provider.clone(), it.clock.clone(), PATIENCE, it.missed.clone());
    assert!(matches!(again.step().await, Ok(Step::Again)));
    assert_eq!(it.daemon.until(&id, "submitted").await["counts"]["expired"], 0, "the provider's clock says otherwise");
    it.clock.set(right);
    it.asked().await;
    it.step(PATIENCE.deadline - MINUTE);
    it.asked().await;
    assert_eq!(it.daemon.until(&id, "submitted").await["counts"]["expired"], 0);
    it.step(MINUTE * 10);
    it.asked().await;
    assert_eq!(it.daemon.until(&id, "complete").await["counts"]["expired"], 1);
}

#[actix_web::test]
async fn the_first_answer_past_the_deadline_ends_it_though_the_providers_clock_is_a_second_behind() {
    let it = asking(Profile { never: 1.0, ..deaf() }).await;
    let id = it.submitted("+447700900001").await;
    it.clock.step(PATIENCE.deadline + Duration::from_millis(1));
    let behind = it.clock.now().minus(Duration::from_millis(1_500));
    it.daemon.simulator.set_now(jiff::Timestamp::from_millisecond(behind.as_millis()).expect("a time"));
    assert!(matches!(it.reconciler.step().await, Ok(Step::Again)));
    assert_eq!(it.daemon.until(&id, "complete").await["counts"]["expired"], 1);
}

#[actix_web::test]
async fn a_person_who_asks_under_a_clock_that_was_set_expires_nothing_either() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let options = Options { profile: Profile { never: 1.0, ..deaf() }, clock: clock.clone(), ..Options::default() };
    let daemon = spawn_with(options).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let asked = || async {
        let answer = daemon.api("POST", &format!("/v1/batches/{id}/reconcile"), None).await;
        assert_eq!((answer.status, answer.json()["pending"].as_u64()), (200, Some(1)), "{answer:?}");
        daemon.get(&format!("/v1/batches/{id}")).await.json()["counts"]["expired"].clone()
    };
    // A provider that does not tell the time: only the clock here can be asked.
    let pending = r#"{"counts": {"total": 1}, "details": [{"destination": "+447700900001", "delivered": false, "failed": false}]}"#;
    daemon.simulator.script(
        Script::on(
            Call::Details,
            Answer::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{pending}", pending.len()).into_bytes()),
        )
        .lasting(),
    );
    clock.set(clock.now().plus(Duration::from_secs(100 * 24 * 3600)));
    assert_eq!(asked().await, 0, "no time has gone by");
    clock.step(PATIENCE.deadline - MINUTE);
    assert_eq!(asked().await, 0, "it has its whole time again");
    clock.step(MINUTE * 2);
    assert_eq!(asked().await, 1);
}

#[actix_web::test]
async fn a_scheduled_batch_that_the_provider_no_longer_lists_is_shown() {
    let it = asking(deaf()).await;
    let body =
        serde_json::json!({"from": "mplus", "message": "hello", "destinations": ["+447700900001"], "send_at": "2026-11-26T09:00:00Z"});
    let scheduled = |body: serde_json::Value| async { it.daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].clone() };
    let (kept, lost) = (scheduled(body.clone()).await, scheduled(body).await);
    let (kept, lost) = (kept.as_str().expect("an id"), lost.as_str().expect("an id"));
    it.daemon.until(kept, "scheduled").await;
    it.daemon.until(lost, "scheduled").await;
    it.step(PATIENCE.after);
    it.asked().await;
    assert!(it.daemon.until(lost, "scheduled").await["last_error"].is_null());
    // Somebody cancels it there, past us.
    let url = format!("{}/batch/{lost}?key={KEY}", it.daemon.simulator.url());
    assert_eq!(crate::support::request("DELETE", &url, &[], Vec::new()).await.status, 200);
    it.step(PATIENCE.after);
    it.asked().await;
    let shown = it.daemon.until(lost, "scheduled").await;
    assert_eq!(shown["last_error"]["kind"], "not_scheduled");
    assert!(it.daemon.until(kept, "scheduled").await["last_error"].is_null());
}

#[actix_web::test]
async fn an_answer_that_tells_of_no_message_does_not_prove_that_the_provider_has_the_batch() {
    let it = asking(deaf()).await;
    it.daemon.simulator.script(Script::add(Answer::Close));
    let lost = it.daemon.submit(&["+447700900001"]).await;
    it.daemon.until(&lost, "unconfirmed").await;
    for nothing_of_ours in [
        r#"{"counts": {"total": 1, "delivered": 1, "failed": 0}, "details": []}"#,
        r#"{"details": [{}]}"#,
        r#"{"details": [{"destination": "+447700900077", "delivered": false, "failed": false}]}"#,
        r#"{"details": [{"destination": "+447700900077", "delivered": true, "failed": false}]}"#,
    ] {
        it.daemon.simulator.clear_scripts(); // else the first of them lasts
        it.daemon.simulator.script(Script::on(Call::Details, Answer::status(200).body(nothing_of_ours)).lasting());
        it.step(PATIENCE.deadline * 2);
        assert!(it.asked().await > 0);
    }
    let batch = it.daemon.until(&lost, "unconfirmed").await;
    assert_eq!((&batch["counts"]["delivered"], &batch["counts"]["queued"]), (&0.into(), &1.into()));
}

#[actix_web::test]
async fn what_is_found_of_a_large_batch_is_recorded_in_pieces_and_only_what_is_new() {
    let it = asking(Profile { failing: 0.0, never: 0.0, ..deaf() }).await;
    let numbers: Vec<String> = (0..1_200).map(|n| format!("+447700{n:06}")).collect();
    let id = it.daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    it.daemon.until(&id, "submitted").await;
    assert_eq!(it.daemon.receipt(&id, &numbers[700], true, "00").await.status, 200);
    it.step(MINUTE);
    let largest = || async {
        let shown = it.daemon.get("/metrics").await.text;
        let bucket = |line: &str| line.strip_prefix("receiptd_commit_rows_sum ").and_then(|sum| sum.trim().parse::<f64>().ok());
        let count = |line: &str| line.strip_prefix("receiptd_commit_rows_count ").and_then(|sum| sum.trim().parse::<u64>().ok());
        (shown.lines().find_map(bucket).expect("a sum"), shown.lines().find_map(count).expect("a count"))
    };
    let before = largest().await;
    let asked = it.daemon.api("POST", &format!("/v1/batches/{id}/reconcile"), None).await;
    assert_eq!((asked.status, asked.json()), (200, serde_json::json!({"recorded": 1_199, "duplicates": 1, "pending": 0})));
    let after = largest().await;
    assert!(after.0 - before.0 >= 1_200.0 && after.1 - before.1 >= 4, "in one transaction: {before:?} {after:?}");
    let again = it.daemon.api("POST", &format!("/v1/batches/{id}/reconcile"), None).await.json();
    assert_eq!((&again["recorded"], &again["duplicates"]), (&0.into(), &1_200.into()));
    it.daemon.until(&id, "complete").await;
    it.daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_batch_that_went_out_at_its_time_is_not_shown_as_cancelled() {
    let it = asking(deaf()).await;
    let body =
        serde_json::json!({"from": "mplus", "message": "hello", "destinations": ["+447700900001"], "send_at": "2026-11-24T10:00:00Z"});
    let id = it.daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    it.daemon.until(&id, "scheduled").await;
    // Its clock is a little ahead of ours: it has sent it, and knows nothing to cancel any more.
    it.step(MINUTE * 59);
    it.daemon.simulator.set_now("2026-11-24T10:00:05Z".parse().expect("a time"));
    it.daemon.simulator.script(Script::on(Call::Cancel, Answer::status(404)));
    let cancelled = it.daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await;
    assert_eq!(cancelled.status, 502, "{cancelled:?}");
    assert_eq!(it.daemon.until(&id, "scheduled").await["counts"]["cancelled"], 0);
}

#[actix_web::test]
async fn a_name_that_a_receipt_brought_keeps_nobody_from_asking_by_ours() {
    let stranger = r#"{"details": [{"destination": "+447700900077", "delivered": false, "failed": false}]}"#;
    // The provider does not know it, or it is another batch's.
    for answer in [None, Some(Answer::status(200).body(stranger))] {
        let it = asking(deaf()).await;
        it.daemon.simulator.script(Script::add(Answer::Close).after_taking());
        let id = it.daemon.submit(&["+447700900001", "+447700900002"]).await;
        it.daemon.until(&id, "unconfirmed").await;
        let named = serde_json::json!({"destination": "+447700900099", "delivered": true, "batchuuid": "campaign-7"});
        assert_eq!(it.daemon.post(&id, named.to_string()).await.status, 200);
        assert_eq!(it.daemon.until(&id, "submitted").await["provider_id"], "campaign-7");
        if let Some(answer) = answer {
            it.daemon.simulator.script(Script::on(Call::Details, answer));
        }
        let found = it.daemon.api("POST", &format!("/v1/batches/{id}/reconcile"), None).await;
        assert_eq!((found.status, &found.json()["recorded"]), (200, &2.into()), "{found:?}");
        it.daemon.until(&id, "complete").await;
    }
}

#[actix_web::test]
async fn a_provider_that_takes_batches_and_refuses_questions_is_told_as_degraded() {
    refused_questions_are_told(&[Script::on(Call::Details, Answer::status(401)).lasting()]).await;
    let refused = |call| Script::on(call, Answer::status(400)).lasting();
    refused_questions_are_told(&[refused(Call::Details), refused(Call::List)]).await;
}

async fn refused_questions_are_told(refusals: &[Script]) {
    let daemon = spawn_with(Options { profile: deaf(), ..Options::default() }.set("RECEIPTD_RECONCILE__AFTER", "1s")).await;
    refusals.iter().for_each(|refusal| daemon.simulator.script(refusal.clone()));
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let degraded = || async { daemon.get("/readyz").await.json()["degraded"].to_string() };
    while !degraded().await.contains("requests for receipts are refused") {
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(daemon.get("/readyz").await.json()["degraded_kinds"], serde_json::json!(["asking"]));
    daemon.simulator.clear_scripts();
    daemon.until(&id, "complete").await;
    // What was found is recorded a moment before the question has ended.
    while degraded().await != "[]" {
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
}
