//! Retention and what it leaves behind, secrets, and decisions.

use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::retention::{self, Terms};
use receiptd::simulator::{Answer, Call, Script};
use serde_json::json;

use crate::support::{Daemon, Options, receipt, request, spawn, spawn_with};

const ONE: &str = "+447700900001";
const TWO: &str = "+447700900002";
const DAY: Duration = Duration::from_secs(24 * 3600);

#[actix_web::test]
async fn what_was_settled_long_ago_is_pruned_and_its_id_stays_known() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let daemon = spawn_with(Options { clock: clock.clone(), ..Options::default() }).await;
    let old = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&old, "submitted").await;
    for number in ["+447700900001", "+447700900002", "+447700900009"] {
        daemon.receipt(&old, number, true, "00").await;
    }
    daemon.until(&old, "complete").await;
    let open = daemon.submit(&["+447700900003"]).await;
    daemon.until(&open, "submitted").await;
    clock.step(DAY * 90 + DAY);
    daemon.simulator.set_now(jiff::Timestamp::from_millisecond(clock.now().as_millis()).expect("a time"));
    let prune = |dry: bool| {
        let body = json!({"older_than": "90d", "dry_run": dry});
        let daemon = &daemon;
        async move { daemon.api("POST", "/v1/prune", Some(body)).await.json() }
    };
    let expected = json!({"batches": 1, "destinations": 2, "receipts": 3});
    assert_eq!(prune(true).await, expected);
    assert_eq!(daemon.get(&format!("/v1/batches/{old}")).await.status, 200, "a dry run changes nothing");
    assert_eq!(prune(false).await, expected);
    assert_eq!(prune(false).await, json!({"batches": 0, "destinations": 0, "receipts": 0}));
    assert_eq!(daemon.get(&format!("/v1/batches/{old}")).await.status, 404);
    assert_eq!(daemon.get(&format!("/v1/batches/{open}")).await.status, 200, "what is open stays, however old");
    for (numbers, kind) in [(&["+447700900001", "+447700900002"][..], "/pruned"), (&["+447700900001"], "/conflict")] {
        let again = json!({"id": old, "from": "mplus", "message": "hello", "destinations": numbers});
        let again = daemon.api("POST", "/v1/batches", Some(again)).await;
        assert_eq!((again.status, again.json()["type"].as_str().expect("a type").ends_with(kind)), (409, true), "{again:?}");
    }
    let late = daemon.receipt(&old, "+447700900001", true, "00").await;
    assert_eq!((late.status, late.json()), (200, json!({"recorded": 0, "duplicates": 0})));
    daemon.assert_books_balance().await;
    for bad in [json!({"older_than": "soon"}), json!({"older_than": "90d", "dry": true}), json!({})] {
        assert_eq!(daemon.api("POST", "/v1/prune", Some(bad.clone())).await.status, 400, "{bad}");
    }
}

#[actix_web::test]
async fn ids_of_receipts_that_were_pruned_are_not_given_again_after_a_restart() {
    let mut daemon = spawn().await;
    let mut newest = 0;
    // The newest receipts are pruned: those of its destinations, and those for a number that it does not have.
    for numbers in [&[ONE, TWO] as &[&str], &[ONE, "+447700900999"]] {
        let id = daemon.submit(&[ONE, TWO]).await;
        daemon.until(&id, "submitted").await;
        let mut recorded = 0;
        for number in [&[TWO], numbers].concat() {
            recorded += daemon.receipt(&id, number, true, "00").await.json()["recorded"].as_u64().expect("a count");
        }
        let page = daemon.get(&format!("/v1/receipts?after={newest}")).await.json();
        let ids: Vec<i64> = page["items"].as_array().expect("items").iter().filter_map(|receipt| receipt["id"].as_i64()).collect();
        assert_eq!(ids.len() as u64, recorded, "a follower misses those whose ids it has seen: {page}");
        newest = *ids.last().expect("one");
        // The provider tells its time in whole seconds.
        while daemon.api("POST", "/v1/prune", Some(json!({"older_than": "0s"}))).await.json()["batches"] == 0 {
            actix_web::rt::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(daemon.get("/v1/receipts?after=0").await.json()["items"], json!([]));
        let folder = daemon.stop().await;
        daemon = spawn_with(Options { folder, ..Options::default() }).await;
    }
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn texts_go_on_their_own_term_and_receipts_on_theirs() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let daemon = spawn_with(Options { clock: clock.clone(), ..Options::default() }).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    daemon.until(&id, "complete").await;
    let terms = Terms { receipts: Some(DAY * 30), messages: Some(DAY * 7) };
    let provider = daemon.provider();
    let text = |clock: &Clock| jiff::Timestamp::from_millisecond(clock.now().as_millis()).expect("a time");
    let step = |by: Duration| {
        clock.step(by);
        daemon.simulator.set_now(text(&clock));
    };
    let right = clock.now();
    step(Duration::ZERO);
    clock.step(DAY * 365);
    retention::step(&daemon.store, &provider, &clock, terms).await.expect("looked");
    let batch = daemon.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!(batch["message"], "hello", "our clock is a year ahead of the provider's");
    clock.set(right);
    step(DAY * 7);
    retention::step(&daemon.store, &provider, &clock, terms).await.expect("looked");
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["message"], "hello", "not a moment too soon");
    step(Duration::from_secs(1));
    retention::step(&daemon.store, &provider, &clock, terms).await.expect("erased");
    let batch = daemon.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!((&batch["message"], &batch["counts"]["delivered"]), (&json!(null), &json!(1)));
    step(DAY * 30);
    retention::step(&daemon.store, &provider, &clock, terms).await.expect("pruned");
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.status, 404);
    daemon.assert_books_balance().await;
}

/// How many transactions the writer has committed.
async fn commits(daemon: &Daemon) -> u64 {
    let shown = daemon.get("/metrics").await.text;
    let line = shown.lines().find_map(|line| line.strip_prefix("receiptd_commit_duration_seconds_count "));
    line.and_then(|count| count.trim().parse().ok()).expect("a count")
}

/// A settled batch of 1,200 destinations with receipts, failures, conflicts and strangers among them.
async fn large(daemon: &Daemon) -> String {
    let numbers: Vec<String> = (0..1_200).map(|n| format!("+447700{n:06}")).collect();
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    let mut said: Vec<_> = numbers.iter().enumerate().map(|(n, number)| receipt(number, n % 3 > 0, "00")).collect();
    said.extend(numbers.iter().step_by(7).map(|number| receipt(number, false, "22")));
    said.extend((0..600).map(|n| receipt(&format!("+447800{n:06}"), true, "00")));
    assert_eq!(daemon.post(&id, json!(said).to_string()).await.status, 200);
    daemon.until(&id, "complete").await;
    id
}

#[actix_web::test]
async fn a_large_batch_is_pruned_in_small_transactions_with_balanced_books_and_an_interrupted_prune_is_finished() {
    let room = || Options::default().set("RECEIPTD_CALLBACK__MAX_BODY", "2MiB");
    let daemon = spawn_with(room()).await;
    let (first, second) = (large(&daemon).await, large(&daemon).await);
    let now = Clock::system().now().plus(DAY);
    let before = commits(&daemon).await;
    let pruned =
        daemon.store.prune(daemon.store.batch(second.parse().expect("an id")).await.expect("read").expect("there").created_at, true);
    assert_eq!(pruned.await.expect("counted").batches, 1, "the first alone is that old");
    // A prune that ends in the middle, as a kill would end it.
    let half = async {
        loop {
            let id = first.parse().expect("an id");
            let left = daemon.store.batch(id).await.expect("read").map(|batch| batch.counts.total);
            match left {
                Some(1_200) => actix_web::rt::task::yield_now().await,
                left => return left,
            }
        }
    };
    let left = {
        let (prune, half) = (std::pin::pin!(daemon.store.prune(now, false)), std::pin::pin!(half));
        match futures_util::future::select(prune, half).await {
            futures_util::future::Either::Left(_) => unreachable!("it was all done at once"),
            futures_util::future::Either::Right((left, _)) => left,
        }
    };
    assert!(left.is_some_and(|left| left < 1_200), "{left:?}");
    assert!(commits(&daemon).await - before >= 3);
    daemon.assert_books_balance().await;
    let folder = daemon.stop().await;
    let daemon = spawn_with(Options { folder, ..room() }).await;
    assert_eq!(daemon.get(&format!("/v1/batches/{first}")).await.status, 404, "it is not shown by halves");
    let kept = daemon.get(&format!("/v1/batches/{second}")).await.json();
    assert_eq!((&kept["counts"]["total"], &kept["counts"]["delivered"]), (&json!(1_200), &json!(800)));
    daemon.assert_books_balance().await;
    assert_eq!(daemon.store.prune(now, false).await.expect("pruned").batches, 1);
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 0);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn raw_bodies_of_receipts_that_come_after_the_texts_were_erased_go_too() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let daemon = spawn_with(Options { clock: clock.clone(), ..Options::default() }).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    daemon.until(&id, "complete").await;
    clock.step(DAY);
    assert_eq!(daemon.store.erase_messages(clock.now()).await.expect("erased"), 1);
    let late = r#"{"destination":"+447700900001","delivered":true,"receiptInfo":{"code":"07"},"text":"of the message"}"#;
    assert_eq!(daemon.post(&id, late).await.json()["recorded"], 1);
    let bodies = || daemon.folder.look().count("receipt_body");
    assert_eq!(bodies(), 1);
    assert_eq!(daemon.store.erase_messages(clock.now()).await.expect("erased"), 0);
    assert_eq!(bodies(), 0);
    assert_eq!(daemon.get(&format!("/v1/batches/{id}/destinations/447700900001")).await.json()["receipts"], 2);
}

#[actix_web::test]
async fn callback_urls_given_out_before_outlive_a_new_secret_and_not_a_revocation() {
    let daemon = spawn().await;
    let old = daemon.submit(&["+447700900001", "+447700900002", "+447700900003"]).await;
    daemon.until(&old, "submitted").await;
    let given = daemon.simulator.submissions()[0].callback.clone().expect("a callback");
    let post = |url: String, number: &'static str| async move {
        request("POST", &url, &[], receipt(number, true, "00").to_string().into_bytes()).await.status
    };
    assert_eq!(daemon.api("POST", "/v1/rotate-secret", None).await.json(), json!({"accepted": 2}));
    assert_ne!(daemon.callback(&old), given, "new ones are made under the new secret");
    assert_eq!(post(given.clone(), "+447700900001").await, 200);
    let new = daemon.submit(&["+447700900009"]).await;
    daemon.until(&new, "submitted").await;
    assert_eq!(daemon.simulator.submissions()[1].callback.as_deref(), Some(&*daemon.callback(&new)));
    // After a restart too.
    let path = given.strip_prefix(&daemon.public).expect("it is ours").to_owned();
    let folder = daemon.stop().await;
    let daemon = spawn_with(Options { folder, ..Options::default() }).await;
    let given = format!("{}{path}", daemon.public);
    assert_eq!(post(given.clone(), "+447700900002").await, 200);
    assert_eq!(daemon.api("POST", "/v1/rotate-secret", Some(json!({"revoke": true}))).await.json(), json!({"accepted": 1}));
    assert_eq!(post(given, "+447700900003").await, 404);
    assert_eq!(post(daemon.callback(&old), "+447700900003").await, 200, "who knows the new one is let in");
}

#[actix_web::test]
async fn a_wrong_field_of_a_decision_is_named() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001"]).await;
    let of_batch = |what: &str| format!("/v1/batches/{id}/{what}");
    for (path, body, pointer) in [
        ("/v1/prune".to_owned(), json!({}), "/older_than"),
        ("/v1/prune".to_owned(), json!({"older_than": 5}), "/older_than"),
        ("/v1/backup".to_owned(), json!({}), "/file"),
        ("/v1/rotate-secret".to_owned(), json!({"revoke": "x"}), "/revoke"),
        (of_batch("resolve"), json!({"as": "x"}), "/as"),
        (of_batch("resend"), json!({"state": 7}), "/state"),
    ] {
        let answer = daemon.api("POST", &path, Some(body)).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec![pointer.to_owned()]), "{path}: {answer:?}");
    }
}

#[actix_web::test]
async fn a_person_prunes_by_the_earlier_clock_and_by_ours_alone_where_the_provider_does_not_tell_the_time() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let options = Options { clock: clock.clone(), ..Options::default() };
    let daemon = spawn_with(options.set("RECEIPTD_PROVIDER__TIMEOUT", "5m")).await;
    let [first, second] = [daemon.submit(&["+447700900001"]).await, daemon.submit(&["+447700900002"]).await];
    for (id, number) in [(&first, "+447700900001"), (&second, "+447700900002")] {
        daemon.until(id, "submitted").await;
        daemon.receipt(id, number, true, "00").await;
        daemon.until(id, "complete").await;
    }
    let there = |clock: &Clock| jiff::Timestamp::from_millisecond(clock.now().as_millis()).expect("a time");
    daemon.simulator.set_now(there(&clock));
    clock.step(DAY * 365);
    let prune = |dry: bool| {
        let body = json!({"older_than": "90d", "dry_run": dry});
        let daemon = &daemon;
        async move { daemon.api("POST", "/v1/prune", Some(body)).await.json()["batches"].clone() }
    };
    for dry in [true, false] {
        assert_eq!(prune(dry).await, 0, "our clock is a year ahead of the provider's");
    }
    // A person who wants it waits for nobody: neither for one who refuses nor for one who says nothing at all.
    daemon.simulator.script(Script::on(Call::List, Answer::Close).lasting());
    assert_eq!(prune(true).await, 2);
    daemon.simulator.clear_scripts();
    daemon.simulator.script(Script::on(Call::List, Answer::Hang).lasting());
    assert_eq!(prune(false).await, 2);
}
