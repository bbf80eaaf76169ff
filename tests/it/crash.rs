//! Ends that nobody planned, with the real binary.

use std::os::unix::fs::PermissionsExt;

use receiptd::simulator::{Answer, Call, Script};
use serde_json::json;

use crate::binary::{House, said};
use crate::support::{receipt, request};

const ONE: &str = "+447700900001";

#[actix_web::test]
async fn killed_in_the_middle_of_a_submission_it_is_unconfirmed_and_never_sent_again() {
    let house = House::new();
    let daemon = house.serve().await;
    house.simulator.script(Script::add(Answer::Hang).after_taking());
    let id = daemon.submit("hello", &[ONE]).await;
    daemon.until(&id, "submitting").await;
    while house.posts() == 0 {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    daemon.kill();
    // Else it would tell at once that it has the batch.
    house.simulator.script(Script::on(Call::Details, Answer::status(500)).lasting());
    let daemon = house.serve().await;
    assert_ne!(daemon.until(&id, "unconfirmed").await["counts"]["queued"], 0);
    let next = daemon.submit("hello", &["+447700900002"]).await;
    daemon.until(&next, "submitted").await;
    assert_eq!(house.posts(), 2, "the first of them once");
    // A receipt proves that the provider has it.
    let answer = request("POST", &house.callback(0), &[], receipt(ONE, true, "00").to_string().into_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    daemon.until(&id, "complete").await;
}

#[actix_web::test]
async fn killed_after_an_early_receipt_it_is_submitted() {
    let house = House::new();
    let daemon = house.serve().await;
    house.simulator.script(Script::add(Answer::Hang).after_taking());
    let id = daemon.submit("hello", &[ONE, "+447700900002"]).await;
    daemon.until(&id, "submitting").await;
    while house.simulator.submissions().is_empty() {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let answer = request("POST", &house.callback(0), &[], receipt(ONE, true, "00").to_string().into_bytes()).await;
    assert_eq!(answer.json(), json!({"recorded": 1, "duplicates": 0}));
    daemon.kill();
    let daemon = house.serve().await;
    assert_eq!(daemon.until(&id, "submitted").await["counts"]["delivered"], 1);
    assert_eq!(house.posts(), 1);
}

#[actix_web::test]
async fn what_was_acknowledged_is_there_after_every_kill() {
    // `TRUST_KILLS=1000 cargo test --release --test it every_kill`
    let rounds: usize = std::env::var("TRUST_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let house = House::new().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "50000");
    let numbers: Vec<String> = (0..rounds * 40).map(|n| format!("+447700{n:06}")).collect();
    let mut daemon = house.serve().await;
    let id = daemon.submit("hello", &numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    let callback = house.callback(0);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        // Eight senders at once; the kill comes while they are at it, at another moment in each round.
        let mine: Vec<&String> = numbers[round * 40..][..40].iter().collect();
        let senders = mine.chunks(5).map(|mine| {
            let callback = &callback;
            async move {
                let mut taken = Vec::new();
                for number in mine {
                    let body = receipt(number, true, "00").to_string().into_bytes();
                    // A request that is cut off panics in `request`: so it is asked for in a task of its own.
                    let callback = callback.clone();
                    let answer = actix_web::rt::spawn(async move { crate::binary::posted(&callback, body).await }).await;
                    match answer {
                        Ok(Some(200)) => taken.push((*number).clone()),
                        _ => break,
                    }
                }
                taken
            }
        });
        let sending = futures_util::future::join_all(senders);
        let killing = async {
            actix_web::rt::time::sleep(std::time::Duration::from_millis(2 + 3 * (round % 10) as u64)).await;
            daemon.kill();
        };
        let (taken, ()) = futures_util::join!(sending, killing);
        acknowledged.extend(taken.into_iter().flatten());
        daemon = house.serve().await;
    }
    assert!(!acknowledged.is_empty());
    for number in &acknowledged {
        let found = daemon.api("GET", &format!("/v1/batches/{id}/destinations/{number}"), None).await.json();
        assert_eq!(found["state"], "delivered", "{number} was acknowledged");
    }
    assert_eq!(daemon.api("POST", "/v1/check", None).await.json(), json!({"ok": true, "problems": []}));
}

#[actix_web::test]
async fn a_second_daemon_on_one_database_is_refused_and_its_secrets_are_its_owners() {
    let house = House::new();
    let daemon = house.serve().await;
    let second = house.command(&["serve"]).output().expect("ran");
    assert!(matches!(second.status.code(), Some(1 | 2)), "{}", said(&second));
    assert!(String::from_utf8_lossy(&second.stderr).contains(house.folder.name()), "{}", said(&second));
    for path in [house.folder.identity(), house.path("receiptd.token")] {
        let mode = std::fs::metadata(&path).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
}
