//! The whole main job, from top to bottom, as one would tell it.

use receiptd::simulator::{Code, Profile, Span};
use serde_json::json;

use crate::support::{Options, spawn_with};

#[actix_web::test]
async fn a_batch_goes_out_its_receipts_come_in_and_every_number_has_a_state() {
    // A provider that fails a third of the messages with code 22, and posts receipts in any order.
    let profile = Profile {
        failing: 0.34,
        codes: vec![Code { code: "22".into(), weight: 1 }],
        early: 0.2,
        duplicate: 0.3,
        delay: Span::millis(0, 50),
        ..Profile::calm()
    };
    let daemon = spawn_with(Options { profile, ..Options::default() }).await;

    // Somebody sends a text to a list of numbers; one of them stands in it twice.
    let mut numbers: Vec<String> = (0..50).map(|n| format!("+4477009{n:05}")).collect();
    numbers.push("447700900000".into());
    let answer = daemon
        .api("POST", "/v1/batches", Some(json!({"from": "mplus", "message": "hello", "destinations": numbers, "reference": "story"})))
        .await;
    assert_eq!(answer.status, 202);
    let accepted = answer.json();
    let id = accepted["id"].as_str().expect("an id");
    assert_eq!(answer.header("location"), Some(format!("/v1/batches/{id}").as_str()));
    assert_eq!(accepted["counts"]["total"], 50);
    assert_eq!(accepted["counts"]["merged"], 1);

    // The provider gets it once, with numbers as it wants them and a callback that leads back here.
    let done = daemon.until(id, "complete").await;
    let submissions = daemon.simulator.submissions();
    assert_eq!(submissions.len(), 1);
    let callback = daemon.callback(id);
    let sent = String::from_utf8_lossy(&submissions[0].raw).into_owned();
    assert!(sent.contains(&callback) && sent.contains("\"447700900000\"") && !sent.contains("+447700900000"));

    // Every destination is final, and the counts are those of the rows.
    let (delivered, failed) = (done["counts"]["delivered"].as_u64().expect("a count"), done["counts"]["failed"].as_u64().expect("a count"));
    assert_eq!(delivered + failed, 50);
    assert!(failed > 0 && delivered > 0);
    let rows = daemon.get(&format!("/v1/batches/{id}/destinations?state=failed")).await.json();
    let rows = rows["items"].as_array().expect("a list");
    assert_eq!(rows.len() as u64, failed);
    assert!(rows.iter().all(|row| row["code"] == "22"));

    // The log tells what came, the export has a row for each number.
    let log = daemon.get(&format!("/v1/receipts?batch={id}&limit=1000")).await.json();
    assert_eq!(log["items"].as_array().map(Vec::len), Some(50));
    let export = daemon.get(&format!("/v1/batches/{id}/export?format=csv")).await;
    assert_eq!(export.text.lines().count(), 51);

    // One number tells what became of it in every batch, without a plus as well as with one.
    let number = daemon.get("/v1/destinations/447700900000").await.json();
    assert_eq!((&number["destination"], &number["items"][0]["batch"]), (&json!("+447700900000"), &json!(id)));
    assert_eq!(number["items"][0]["history"].as_array().map(Vec::len), number["items"][0]["receipts"].as_u64().map(|n| n as usize));

    // And the database says the same to somebody who has nothing but SQL.
    let in_view = daemon.folder.look().text(&format!("select state || ' ' || delivered from batch_summary where batch = '{id}'"));
    assert_eq!(in_view, format!("complete {delivered}"));
    daemon.assert_books_balance().await;
    daemon.stop().await;
}

#[actix_web::test]
async fn the_front_page_names_the_daemon_its_state_and_the_documentation() {
    let daemon = spawn_with(Options::default()).await;
    let page = daemon.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    for word in ["receiptd 0.", "Receipts are being recorded", "/openapi.json", "/usr/share/doc/receiptd/docs"] {
        assert!(page.text.contains(word), "{word}: {}", page.text);
    }
}
