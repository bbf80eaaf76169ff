//! `receiptd send` with the real binary, and a daemon that is cut off in the middle.

use std::collections::BTreeSet;
use std::process::Output;

use crate::binary::{House, Relay, said};

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
