//! `receiptd send` with the real binary, and a daemon that is cut off in the middle.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::Duration;

use receiptd::clock::Clock;
use serde_json::{Value, json};

use crate::binary::{House, Relay, said};
use crate::support::{Daemon, Options, receipt, spawn_with};

const ID: &str = "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11";

/// Runs on a thread of its own, since the daemon's provider lives on ours.
async fn send(house: &House, relay: &Relay, list: &str) -> Output {
    std::fs::write(house.path("list.txt"), list).expect("written");
    let mut command = house.command(&["send", "--from", "mplus", "--message", "hello", "--to-file", "list.txt", "--id", ID]);
    command.env("RECEIPTD_API__LISTEN", relay.address().to_string());
    actix_web::rt::task::spawn_blocking(move || command.output().expect("ran")).await.expect("no panic")
}

#[actix_web::test]
async fn a_list_that_was_cut_off_in_the_middle_is_finished_by_the_same_command_and_sends_nothing_twice() {
    let house = House::new().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "10");
    let daemon = house.serve().await;
    let relay = Relay::new();
    relay.lead_to(daemon.private.trim_start_matches("http://").parse().expect("an address"));
    let list: Vec<String> = (0..35).map(|n| format!("+4477009001{n:02}\n")).collect();

    relay.break_at_post(2);
    let cut = send(&house, &relay, &list.concat()).await;
    assert_eq!(cut.status.code(), Some(3), "{}", said(&cut));
    assert!(String::from_utf8_lossy(&cut.stderr).contains(ID), "{}", said(&cut));
    relay.mend();

    // With another list it stops before anything new goes out.
    let batches = || async { daemon.api("GET", "/v1/batches", None).await.json()["items"].as_array().expect("a list").len() };
    let had = batches().await;
    assert!((1..4).contains(&had), "{had}");
    let edited = send(&house, &relay, &list[1..].concat()).await;
    assert_eq!(edited.status.code(), Some(1), "{}", said(&edited));
    assert!(said(&edited).contains("Nothing new was sent"), "{}", said(&edited));
    assert_eq!(batches().await, had);

    for _ in 0..2 {
        let whole = send(&house, &relay, &list.concat()).await;
        assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
        assert_eq!(batches().await, 4);
    }
    let group = daemon.api("GET", &format!("/v1/groups/{ID}"), None).await.json();
    for batch in group["batches"].as_array().expect("batches") {
        daemon.until(batch["id"].as_str().expect("an id"), "submitted").await;
    }
    let sent: Vec<String> = house.simulator.submissions().iter().flat_map(|batch| batch.destinations.clone()).collect();
    assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (35, 35), "each of them once");
}

/// `send` from a folder of its own to a daemon of ours, which takes batches of 50.
async fn send_to(daemon: &Daemon, address: &str, numbers: &[String], words: &[&str], most: &str) -> Output {
    let house = House::new().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", most);
    let mut command = house.command(&["send", "--from", "mplus", "--message", "hello"]);
    command.args(words).arg("--to").args(numbers);
    command.env("RECEIPTD_API__LISTEN", address.trim_start_matches("http://"));
    command.env("RECEIPTD_API__TOKEN_FILE", daemon.folder.path().join("receiptd.token"));
    actix_web::rt::task::spawn_blocking(move || command.output().expect("ran")).await.expect("no panic")
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("+4477009001{n:02}")).collect()
}

fn roomy(clock: Clock) -> Options {
    Options { clock, ..Options::default() }.set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "50")
}

/// Has everything delivered that was submitted from the n-th batch on, and prunes it.
async fn deliver_and_prune(daemon: &Daemon, from: usize, batches: usize) {
    for index in from..from + batches {
        for _ in 0..1_000 {
            if daemon.simulator.submissions().len() > index {
                break;
            }
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
        let sent = daemon.simulator.submissions()[index].clone();
        let receipts: Vec<Value> = sent.destinations.iter().map(|number| receipt(number, true, "00")).collect();
        let id = sent.callback.expect("a callback").rsplit('/').nth(1).expect("an id").to_owned();
        daemon.until(&id, "submitted").await;
        assert_eq!(daemon.post(&id, json!(receipts).to_string()).await.status, 200);
        daemon.until(&id, "complete").await;
    }
    let later = Clock::system().now().plus(Duration::from_secs(3600));
    assert_eq!(daemon.store.prune(later, false).await.expect("pruned").batches, batches as u64);
}

#[actix_web::test]
async fn a_group_that_was_sent_and_pruned_goes_to_nobody_twice_however_it_is_cut_the_next_time() {
    let daemon = spawn_with(roomy(Clock::system())).await;
    let send = |count: usize, most: &'static str| {
        let daemon = &daemon;
        async move { send_to(daemon, &daemon.private, &numbers(count), &["--id", ID], most).await }
    };
    let sent = send(25, "10").await;
    assert_eq!(sent.status.code(), Some(0), "{}", said(&sent));
    deliver_and_prune(&daemon, 0, 3).await;
    let group = daemon.get(&format!("/v1/groups/{ID}")).await;
    assert_eq!((group.status, &group.json()["batches"], &group.json()["pruned"]), (200, &json!([]), &json!(3)));

    // The whole in one, more and smaller ones, as many with other numbers, one more at the end, and a part of it.
    for (count, most) in [(25, "50"), (25, "5"), (24, "10"), (31, "10"), (20, "10"), (5, "10")] {
        let refused = send(count, most).await;
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains("Nothing new was sent"), "{}", said(&refused));
    }
    let again = send(25, "10").await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("3 batches were sent before, and pruned since"), "{}", said(&again));
    assert_eq!(daemon.get("/v1/batches").await.json()["items"], json!([]));
    assert_eq!(daemon.simulator.submissions().len(), 3);
}

#[actix_web::test]
async fn a_batch_that_was_sent_and_pruned_goes_to_nobody_twice_as_a_group() {
    let daemon = spawn_with(roomy(Clock::system())).await;
    let send = |most: &'static str| {
        let daemon = &daemon;
        async move { send_to(daemon, &daemon.private, &numbers(25), &["--id", ID], most).await }
    };
    assert_eq!(send("50").await.status.code(), Some(0));
    deliver_and_prune(&daemon, 0, 1).await;
    let gone = daemon.get(&format!("/v1/batches/{ID}")).await;
    assert_eq!((gone.status, gone.json()["type"].as_str().expect("a type").ends_with("/pruned")), (404, true));
    let refused = send("10").await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let again = send("50").await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!((daemon.get("/v1/batches").await.json()["items"].clone(), daemon.simulator.submissions().len()), (json!([]), 1));
}

#[actix_web::test]
async fn a_group_that_was_begun_in_time_is_finished_though_its_time_has_come_near() {
    let now = Clock::system().now();
    // Soon by every other clock; by the daemon's it is an hour away, at first.
    let clock = Clock::stopped_at(now.minus(Duration::from_secs(3600)));
    let daemon = spawn_with(roomy(clock.clone())).await;
    daemon.api("POST", "/v1/pause", None).await;
    let (soon, later) = (now.plus(Duration::from_secs(60)).to_string(), now.plus(Duration::from_secs(7200)).to_string());
    let send = |address: String, at: String| {
        let daemon = &daemon;
        async move { send_to(daemon, &address, &numbers(25), &["--id", ID, "--send-at", &at], "10").await }
    };
    let relay = Relay::new();
    relay.lead_to(daemon.private.trim_start_matches("http://").parse().expect("an address"));
    relay.break_at_post(2);
    let cut = send(relay.url(), soon.clone()).await;
    assert_eq!(cut.status.code(), Some(3), "{}", said(&cut));
    let batches = || async { daemon.get(&format!("/v1/groups/{ID}")).await.json()["batches"].as_array().expect("a list").clone() };
    // The command ended with its connection; the daemon may be a moment behind.
    for _ in 0..1_000 {
        if batches().await.len() == 2 {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    clock.step(Duration::from_secs(3600));

    let late = send(daemon.private.clone(), soon.clone()).await;
    assert_eq!(late.status.code(), Some(2), "{}", said(&late));
    assert!(said(&late).contains("2 of 3 batches") && said(&late).contains("a later --send-at"), "{}", said(&late));
    assert_eq!(batches().await.len(), 2);
    let rest = send(daemon.private.clone(), later.clone()).await;
    assert_eq!(rest.status.code(), Some(0), "{}", said(&rest));
    let times: Vec<Value> = batches().await.iter().map(|batch| batch["send_at"].clone()).collect();
    assert_eq!(times, [json!(soon), json!(soon), json!(later)]);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn with_a_number_forgotten_in_each_batch_another_cut_still_goes_to_nobody_twice() {
    let daemon = spawn_with(roomy(Clock::system())).await;
    let send = |most: &'static str| {
        let daemon = &daemon;
        async move { send_to(daemon, &daemon.private, &numbers(25), &["--id", ID], most).await }
    };
    assert_eq!(send("10").await.status.code(), Some(0));
    for batch in daemon.get(&format!("/v1/groups/{ID}")).await.json()["batches"].as_array().expect("a list") {
        daemon.until(batch["id"].as_str().expect("an id"), "submitted").await;
    }
    for place in [0, 10, 20] {
        let forgotten = daemon.api("DELETE", &format!("/v1/destinations/{}", numbers(25)[place]), None).await;
        assert_eq!(forgotten.status, 200, "{forgotten:?}");
    }
    let refused = send("5").await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("Nothing new was sent"), "{}", said(&refused));
    let again = send("10").await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(daemon.simulator.submissions().len(), 3);
}
