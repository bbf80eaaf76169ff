//! Copies, retention, and what they leave behind.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::retention::{self, Terms};
use receiptd::store::check_file;
use serde_json::json;

use crate::support::{Options, spawn, spawn_with};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[actix_web::test]
async fn a_copy_made_while_receipts_come_in_is_whole_and_submits_nothing_that_waits_in_it() {
    let daemon = spawn().await;
    let done = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&done, "submitted").await;
    daemon.api("POST", "/v1/pause", None).await;
    let waiting = daemon.submit(&["+447700900003"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("receiptd.db");
    let wish = json!({"file": file});
    let (copied, ()) = futures_util::join!(daemon.api("POST", "/v1/backup", Some(wish.clone())), async {
        daemon.receipt(&done, "+447700900001", true, "00").await;
        daemon.receipt(&done, "+447700900002", true, "00").await;
    });
    assert_eq!((copied.status, copied.json()), (200, wish.clone()));
    for name in ["receiptd.db", "receiptd.db.identity"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(check_file(&file).expect("readable"), [] as [String; 0]);
    // A second one would be written over the first.
    let again = daemon.api("POST", "/v1/backup", Some(wish)).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": "here.db"}))).await.pointers(), ["/file"]);
    daemon.stop().await;

    let restored = spawn_with(Options { folder, ..Options::default() }).await;
    assert_eq!(restored.get(&format!("/v1/batches/{waiting}")).await.json()["state"], "unconfirmed");
    restored.api("POST", "/v1/resume", None).await;
    let next = restored.submit(&["+447700900009"]).await;
    restored.until(&next, "submitted").await;
    assert_eq!(restored.simulator.submissions().len(), 1, "only what is new");
    restored.assert_books_balance().await;
}

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
    let again = json!({"id": old, "from": "mplus", "message": "hello", "destinations": ["+447700900001"]});
    let again = daemon.api("POST", "/v1/batches", Some(again)).await;
    assert_eq!((again.status, again.json()["type"].as_str().expect("a type").ends_with("/pruned")), (409, true));
    let late = daemon.receipt(&old, "+447700900001", true, "00").await;
    assert_eq!((late.status, late.json()), (200, json!({"recorded": 0, "duplicates": 0})));
    daemon.assert_books_balance().await;
    for bad in [json!({"older_than": "soon"}), json!({"older_than": "90d", "dry": true}), json!({})] {
        assert_eq!(daemon.api("POST", "/v1/prune", Some(bad.clone())).await.status, 400, "{bad}");
    }
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
