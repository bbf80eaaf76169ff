//! What receipt codes mean.

use std::time::Duration;

use receiptd::clock::Clock;
use receiptd::codes;
use receiptd::simulator::{Answer, Call, Script};
use serde_json::json;

use crate::binary::House;
use crate::support::{Daemon, Options, spawn, spawn_with};

/// Waits until the daemon has fetched the provider's list by itself.
async fn listed(daemon: &Daemon) {
    while daemon.get("/v1/codes").await.json()["items"].as_array().is_some_and(Vec::is_empty) {}
}

#[actix_web::test]
async fn the_list_is_fetched_and_refreshed_once_a_day_and_an_outage_leaves_it_as_it_is() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let daemon = spawn_with(Options { clock: clock.clone(), ..Options::default() }).await;
    listed(&daemon).await;
    let (first, provider) = (daemon.get("/v1/codes").await.text, daemon.provider());
    let fetches = || daemon.simulator.requests().iter().filter(|request| request.path == "/dr-responses").count();
    let step = async || codes::step(&daemon.store, &provider, &clock).await.expect("a step");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);

    clock.step(hours(23));
    assert_eq!((step().await.since(clock.now()), fetches()), (hours(1), 1));
    daemon.simulator.script(Script::on(Call::Codes, Answer::status(500)));
    daemon.simulator.script(Script::on(Call::Codes, Answer::status(200).body(r#"[{"code":"7","description":"New"}]"#)));
    clock.step(hours(1));
    assert_eq!((step().await.since(clock.now()), fetches()), (Duration::from_secs(600), 2));
    assert_eq!(daemon.get("/v1/codes").await.text, first);
    assert_eq!((step().await.since(clock.now()), fetches()), (hours(24), 3));
    assert_eq!(daemon.get("/v1/codes").await.json()["items"], json!([{"code": "7", "description": "New"}]));
}

/// What a receipt's own words lack comes from the provider's list, compared as hexadecimal numbers.
#[actix_web::test]
async fn codes_have_their_meaning_everywhere() {
    let codes = json!([{"code": "b", "description": "Number barred"}, {"code": "0022", "description": "Switched off"}]);
    let daemon = spawn().await;
    listed(&daemon).await;
    daemon.store.set_codes(serde_json::from_value(codes.clone()).expect("codes")).await.expect("stored");
    assert_eq!(daemon.get("/v1/codes").await.json()["items"], codes);
    let id = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    let bare = json!({"destination": "+447700900001", "delivered": false, "receiptInfo": {"code": "0B"}});
    assert_eq!(daemon.post(&id, bare.to_string()).await.status, 200);
    assert_eq!(daemon.receipt(&id, "+447700900002", false, "22").await.status, 200);
    let shown = [
        daemon.get(&format!("/v1/batches/{id}/destinations?code=00b")).await.json()["items"][0].clone(),
        daemon.get(&format!("/v1/batches/{id}/destinations/447700900001")).await.json()["history"][0].clone(),
        daemon.get("/v1/destinations/447700900001").await.json()["items"][0].clone(),
        daemon.get("/v1/receipts").await.json()["items"][0].clone(),
    ];
    for one in shown {
        assert_eq!((&one["code"], &one["description"]), (&json!("0B"), &json!("Number barred")), "{one}");
    }
    let export = daemon.get(&format!("/v1/batches/{id}/export")).await.text;
    assert!(export.contains("failed,0B,Number barred,") && export.contains("failed,22,meaning of 22,"), "{export}");

    let house = House::new();
    let command = |words: &[&str]| {
        let mut command = house.command(words);
        command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
        command.env("RECEIPTD_API__TOKEN_FILE", daemon.folder.path().join("receiptd.token"));
        actix_web::rt::task::spawn_blocking(move || command.output().expect("ran"))
    };
    for words in [vec!["show", &id], vec!["number", "+447700900001"], vec!["export", &id]] {
        let output = command(&words).await.expect("no panic");
        assert!(String::from_utf8_lossy(&output.stdout).contains("Number barred"), "{words:?}: {}", crate::binary::said(&output));
    }
}
