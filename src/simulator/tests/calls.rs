//! The documented calls, refusals and contradictions.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Rig, prompt, soon};
use crate::simulator::{Profile, Repeated, Settings, Spelling, Wire};

const OURS: &str = "b2693dfe-0813-427a-bc2f-62b0e9292403";

fn wired(wire: Wire) -> Rig {
    Rig::new(Profile { wire, ..prompt() })
}

#[actix_web::test]
async fn a_batch_is_taken_and_every_destination_gets_its_receipt() {
    let rig = Rig::new(prompt());
    let identifier = rig.taken(&rig.body(50, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.batches, counts.receipts), (1, 50));
    assert_eq!(counts.answers.get(&200), Some(&50));
    let receipts = rig.inbox.bodies();
    assert_eq!(receipts.len(), 50);
    assert_eq!(receipts[0]["batchuuid"], json!(identifier));
    assert_eq!(receipts[0]["receiptInfo"], json!({"code": "00", "description": "Successful"}));
    assert!(receipts[0]["destination"].as_str().is_some_and(|number| number.starts_with("+441")));

    let submission = &rig.handle.submissions()[0];
    assert_eq!(submission.identifier, identifier);
    assert_eq!(submission.destinations.len(), 50);
    assert_eq!(submission.body()["from"], "mplus-test");
    assert!(!submission.dry_run);
}

#[actix_web::test]
async fn a_wrong_key_is_refused_and_never_kept() {
    let rig = Rig::new(prompt());
    let body = rig.body(1, &json!({})).to_string();
    assert_eq!(rig.post("/batch?key=hunter2", body.clone()).await.0, 401);
    assert_eq!(rig.post("/batch", body).await.0, 401);
    assert_eq!(rig.get("/batch?key=hunter2").await.0, 401);
    assert_eq!(rig.get(&format!("/batch/{OURS}?key=hunter2&details=true")).await.0, 401);
    assert_eq!(rig.delete(&format!("/batch/{OURS}?key=hunter2")).await.0, 401);
    assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 200);
    assert_eq!(rig.get("/dr-responses").await.0, 200);
    let requests = rig.handle.requests();
    assert_eq!(requests.len(), 7);
    assert_eq!(requests.iter().filter(|request| request.key_right).count(), 1);
    let shown = format!("{requests:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("sandbox-key"), "{shown}");
    assert!(rig.handle.submissions().is_empty());
}

#[actix_web::test]
async fn a_wrong_key_is_answered_as_the_account_is_told_to() {
    let rig = Rig::with(Settings { bad_key: 400, profile: prompt(), ..Settings::default() });
    assert_eq!(rig.get("/batch?key=hunter2").await.0, 400);
    assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 200);
}

#[actix_web::test]
async fn credits_are_spent_by_number_and_part_and_held_by_what_is_scheduled() {
    let rig = Rig::with(Settings { credits: Some(5), profile: prompt(), ..Settings::default() });
    assert_eq!(rig.add(&rig.body(6, &json!({}))).await.0, 402);
    let later = (Timestamp::now() + SignedDuration::from_hours(1)).to_string();
    let scheduled = rig.taken(&rig.body(3, &json!({"send_at": later, "at": later}))).await;
    assert_eq!(rig.add(&rig.body(3, &json!({}))).await.0, 402);
    assert_eq!(rig.delete(&format!("/batch/{scheduled}?key=sandbox-key")).await.0, 200);
    let two_parts = rig.body(2, &json!({"message": "x".repeat(200)})).to_string();
    assert_eq!(rig.post("/batch?key=sandbox-key&allowMulti=true", two_parts).await.0, 200);
    assert_eq!(rig.post("/batch?key=sandbox-key&isDryrun=true", rig.body(9, &json!({})).to_string()).await.0, 200);
    assert_eq!(rig.add(&rig.body(2, &json!({}))).await.0, 402);
    rig.handle.add_credits(1);
    assert_eq!(rig.add(&rig.body(2, &json!({}))).await.0, 200);
}

#[actix_web::test]
async fn only_owned_senders_may_send() {
    let rig = Rig::with(Settings { senders: vec!["mplus-test".into()], profile: prompt(), ..Settings::default() });
    let (status, answer) = rig.add(&rig.body(1, &json!({"from": "stranger"}))).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().is_some_and(|text| text.contains("sender")));
    rig.taken(&rig.body(1, &json!({}))).await;
    assert_eq!(rig.handle.counts().refused, 1);
}

#[actix_web::test]
async fn an_unreadable_body_is_refused() {
    let rig = Rig::new(prompt());
    for body in ["", "{", "[]", "from=me", "{}"] {
        let (status, _) = rig.post("/batch?key=sandbox-key", body.into()).await;
        assert_eq!(status, 400, "{body}");
    }
    assert!(rig.handle.submissions().is_empty());
}

#[actix_web::test]
async fn a_dry_run_sends_nothing_in_the_spelling_that_counts() {
    let rig = wired(Wire { dry_run: Spelling::Example, ..Wire::default() });
    let body = rig.body(2, &json!({})).to_string();
    for query in ["dryRun=true", "isDryrun=true&dryRun=true"] {
        let path = format!("/batch?key=sandbox-key&{query}");
        assert_eq!(rig.post(&path, body.clone()).await.0, 200);
    }
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.dry_runs, counts.batches, counts.receipts), (2, 0, 0));
    rig.post("/batch?key=sandbox-key&isDryrun=true", body).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.batches, counts.receipts), (1, 2), "it went out to real people");
}

#[actix_web::test]
async fn our_uuid_counts_in_the_spelling_that_the_wire_knows() {
    for (spelling, body, honoured) in [
        (Spelling::Either, json!({"id": OURS}), true),
        (Spelling::Either, json!({"uuid": OURS}), true),
        (Spelling::Table, json!({"id": OURS}), false),
        (Spelling::Example, json!({"id": OURS}), true),
        (Spelling::Neither, json!({"id": OURS, "uuid": OURS}), false),
    ] {
        let rig = wired(Wire { uuid: spelling, ..Wire::default() });
        let identifier = rig.taken(&rig.body(1, &body)).await;
        assert_eq!(identifier == OURS, honoured, "{spelling:?} {body}");
        Uuid::parse_str(&identifier).expect("a UUID");
        let known = rig.get(&format!("/batch/{OURS}?key=sandbox-key")).await.0;
        assert_eq!(known, if honoured { 200 } else { 404 });
    }
}

#[actix_web::test]
async fn the_same_uuid_twice_is_what_the_wire_says() {
    for (repeated, status, batches) in [(Repeated::Second, 200, 2), (Repeated::Conflict, 409, 1), (Repeated::Same, 200, 1)] {
        let rig = wired(Wire { repeated, ..Wire::default() });
        let body = rig.body(3, &json!({"uuid": OURS}));
        rig.taken(&body).await;
        assert_eq!(rig.add(&body).await.0, status, "{repeated:?}");
        let counts = soon(rig.handle.idle()).await;
        assert_eq!((counts.batches, counts.receipts), (batches, batches * 3));
    }
}

#[actix_web::test]
async fn a_scheduled_batch_is_listed_sent_in_time_and_can_be_cancelled() {
    let rig = Rig::new(prompt());
    let now: Timestamp = "2026-01-01T08:00:00Z".parse().expect("a time");
    rig.handle.set_now(now);
    let mut identifiers = Vec::new();
    for _ in 0..4 {
        let body = rig.body(2, &json!({"at": "2026-01-01T09:00Z", "send_at": "2026-01-01T09:00Z"}));
        identifiers.push(rig.taken(&body).await);
    }
    let (_, list) = rig.get("/batch?key=sandbox-key").await;
    let column = |name: &str| -> Vec<Value> {
        let rows = list["batches"].as_array().expect("an array");
        rows.iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(column("at")[..3], ["2026-01-01T09:00:00Z", "2026-01-01T09:00:00+00:00", "2026-01-01T09:00Z"]);
    assert_eq!(column("unitcount")[..3], [json!(2), json!("2"), Value::Null]);
    assert_eq!(column("messagecount"), [2, 2, 2, 2]);

    let path = |index: usize| format!("/batch/{}?key=sandbox-key", identifiers[index]);
    assert_eq!(rig.delete(&path(0)).await.0, 200);
    assert_eq!(rig.delete(&path(0)).await.0, 404, "already cancelled");
    assert_eq!(rig.get(&path(0)).await.0, 404);
    assert_eq!(rig.delete(&format!("/batch/{OURS}?key=sandbox-key")).await.0, 404);
    assert_eq!(rig.get(&path(1)).await.1["counts"], json!({"total": 2, "delivered": 0, "failed": 0}));

    assert_eq!(rig.handle.deliver(&identifiers[1]), 1);
    soon(rig.handle.until(|counts| counts.receipts == 2)).await;
    assert_eq!(rig.delete(&path(1)).await.0, 404, "already sent");

    rig.handle.set_now(now + SignedDuration::from_hours(2));
    let counts = soon(rig.handle.until(|counts| counts.receipts == 6)).await;
    assert_eq!(counts.cancelled, 1);
    assert!(rig.handle.submissions()[0].cancelled);
}

#[actix_web::test]
async fn a_time_less_than_five_minutes_ahead_is_sent_at_once() {
    let rig = Rig::new(prompt());
    rig.handle.set_now("2026-01-01T08:56:00Z".parse().expect("a time"));
    rig.taken(&rig.body(1, &json!({"at": "2026-01-01T09:00:00Z"}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!(counts.receipts, 1);
}

#[actix_web::test]
async fn details_know_everything_and_contradict_themselves() {
    let rig = Rig::new(Profile { failing: 0.5, lost: 1.0, null_info: 0.5, counts_disagree: true, shared_message_uuids: true, ..prompt() });
    let identifier = rig.taken(&rig.body(60, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.lost), (0, 60));
    let (_, without) = rig.get(&format!("/batch/{identifier}?key=sandbox-key")).await;
    assert_eq!(without["details"], Value::Null);
    let (_, answer) = rig.get(&format!("/batch/{identifier}?key=sandbox-key&details=true")).await;
    let details = answer["details"].as_array().expect("an array");
    let number = |name: &str| details.iter().filter(|detail| detail[name] == json!(true)).count();
    assert_eq!(details.len(), 60);
    assert_eq!(number("delivered") + number("failed"), 60);
    assert!(number("failed") > 10);
    assert_ne!(answer["counts"]["failed"], json!(number("failed")));
    assert_eq!(details[0]["messageuuid"], details[1]["messageuuid"]);
    assert!(details.iter().any(|detail| detail["info"].is_null()));
    assert!(details.iter().any(|detail| detail["info"]["code"] == "22"));
}

#[actix_web::test]
async fn held_batches_wait_and_are_pending_in_the_details() {
    let rig = Rig::new(Profile { hold: true, ..prompt() });
    let identifier = rig.taken(&rig.body(5, &json!({}))).await;
    rig.taken(&rig.body(6, &json!({}))).await;
    soon(rig.handle.idle()).await;
    let (_, answer) = rig.get(&format!("/batch/{identifier}?key=sandbox-key")).await;
    assert_eq!(answer["counts"], json!({"total": 5, "delivered": 0, "failed": 0}));
    assert_eq!(rig.handle.deliver(&identifier), 1);
    assert_eq!(soon(rig.handle.idle()).await.receipts, 5);
    assert_eq!(rig.handle.release(), 1);
    assert_eq!(soon(rig.handle.idle()).await.receipts, 11);
}

#[actix_web::test]
async fn a_body_of_the_largest_batch_is_read() {
    let rig = Rig::new(Profile { hold: true, ..prompt() });
    rig.taken(&rig.body(50_000, &json!({}))).await;
    assert_eq!(rig.handle.counts().destinations, 50_000);
}
