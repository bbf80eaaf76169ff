//! `receiptd watch` and the log, with the real binary.

use std::process::Output;

use crate::binary::{House, Relay, said};
use crate::support::{KEY, receipt, request};

const NUMBERS: [&str; 3] = ["+447700900451", "+447700900452", "+447700900453"];

/// Runs on a thread of its own, since the daemon's provider lives on ours.
fn watch(house: &House, relay: &Relay, id: &str) -> actix_web::rt::task::JoinHandle<Output> {
    let mut command = house.command(&["watch", id, "--json"]);
    command.env("RECEIPTD_API__LISTEN", relay.address().to_string());
    actix_web::rt::task::spawn_blocking(move || command.output().expect("ran"))
}

#[actix_web::test]
async fn watch_follows_the_stream_and_goes_on_after_a_restart_of_the_daemon() {
    let house = House::new().set("RUST_LOG", "debug");
    let relay = Relay::new();
    let lead_to = |private: &str| relay.lead_to(private.trim_start_matches("http://").parse().expect("an address"));
    let mut daemon = house.serve().await;
    lead_to(&daemon.private);
    let id = daemon.submit("hello", &NUMBERS).await;
    daemon.until(&id, "submitted").await;
    let watching = watch(&house, &relay, &id);
    daemon.until_log("GET /v1/receipts 200").await;
    let callback = house.callback(0);
    let tell = async |number: &str, code| {
        let answer = request("POST", &callback, &[], receipt(number, code == "00", code).to_string().into_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    tell(NUMBERS[0], "00").await;
    daemon.stop().await;

    let mut daemon = house.serve().await;
    lead_to(&daemon.private);
    daemon.until_log("GET /v1/receipts 200").await;
    tell(NUMBERS[1], "00").await;
    tell(NUMBERS[2], "22").await;
    let output = watching.await.expect("no panic");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let ended: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON value, and nothing else");
    assert_eq!((&ended["state"], &ended["counts"]["delivered"]), (&"complete".into(), &2.into()));
    assert_eq!(ended["failures_by_code"][0]["code"], "22");
}

#[actix_web::test]
async fn watch_ends_at_what_brings_no_receipt() {
    let house = House::new();
    let relay = Relay::new();
    let daemon = house.serve().await;
    relay.lead_to(daemon.private.trim_start_matches("http://").parse().expect("an address"));
    daemon.api("POST", "/v1/pause", None).await;
    let id = daemon.submit("hello", &NUMBERS).await;
    let watching = watch(&house, &relay, &id);
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.status, 200);
    let output = watching.await.expect("no panic");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("was cancelled"), "{}", said(&output));
}

#[actix_web::test]
async fn a_log_for_collectors_names_batch_and_route_and_what_receipts_do_only_at_debug() {
    let log_of = async |level: &str| {
        let house = House::new().set("RECEIPTD_LOG__FORMAT", "json").set("RECEIPTD_LOG__LEVEL", level);
        let daemon = house.serve().await;
        let id = daemon.submit("hello", &NUMBERS).await;
        daemon.until(&id, "submitted").await;
        let callback = house.callback(0);
        for url in [callback.as_str(), &format!("{callback}x")] {
            request("POST", url, &[], receipt(NUMBERS[0], true, "00").to_string().into_bytes()).await;
        }
        daemon.api("GET", &format!("/v1/batches/{id}/destinations/{}", NUMBERS[0]), None).await;
        daemon.api("GET", &format!("/v1/batches?{KEY}"), None).await;
        daemon.api(KEY, "/v1/secret-place", None).await;
        let (_, log) = daemon.stop().await;
        for secret in [KEY, &callback[callback.len() - 20..], "7700900451", "secret-place"] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let told = lines.map(|line| {
            assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')) && line["target"].is_string(), "{line}");
            let message = line["message"].as_str().expect("a message").split(" in ").next().expect("its beginning").to_owned();
            (line["level"].as_str().expect("a level").to_owned(), message, line["batch"].as_str() == Some(&id))
        });
        told.collect::<Vec<_>>()
    };
    let line = |level: &str, message: &str, about_batch| (level.to_owned(), message.to_owned(), about_batch);
    let writes = [line("info", "POST /v1/batches 202", true), line("info", "submitted", true)];
    let all_else = [
        line("debug", "POST /callbacks/{batch}/{token} 200", true),
        line("debug", "POST /callbacks/{batch}/{token} 404", true),
        line("debug", "GET /v1/batches/{id}/destinations/{number} 200", true),
        line("debug", "GET /v1/batches 400", false),
    ];
    let (quiet, chatty) = (log_of("info").await, log_of("debug").await);
    for expected in &writes {
        assert!(quiet.contains(expected) && chatty.contains(expected), "{expected:?}: {quiet:?}");
    }
    for expected in &all_else {
        assert!(!quiet.contains(expected) && chatty.contains(expected), "{expected:?}: {chatty:?}");
    }
}
