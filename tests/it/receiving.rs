//! What comes in at the callback.

use receiptd::domain::{Incoming, Item, Source};
use receiptd::simulator::{Answer, Script};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Options, receipt, request, spawn, spawn_with};

const ONE: &str = "+447700900001";
const TWO: &str = "+447700900002";

#[actix_web::test]
async fn a_failure_after_a_delivery_is_recorded_and_changes_nothing() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE, TWO]).await;
    daemon.until(&id, "submitted").await;
    assert_eq!(daemon.receipt(&id, ONE, false, "22").await.json(), json!({"recorded": 1, "duplicates": 0}));
    assert_eq!(daemon.receipt(&id, ONE, true, "00").await.json(), json!({"recorded": 1, "duplicates": 0}));
    assert_eq!(daemon.receipt(&id, ONE, true, "0").await.json(), json!({"recorded": 0, "duplicates": 1}));
    assert_eq!(daemon.receipt(&id, ONE, false, "1").await.json(), json!({"recorded": 1, "duplicates": 0}));
    let one = daemon.get(&format!("/v1/batches/{id}/destinations/447700900001")).await.json();
    assert_eq!(
        (&one["state"], &one["receipts"], &one["conflict"], &one["code"]),
        (&json!("delivered"), &json!(3), &json!(true), &json!("00"))
    );
    assert_eq!(one["history"].as_array().map(Vec::len), Some(3));
    let counts = daemon.get(&format!("/v1/batches/{id}")).await.json()["counts"].clone();
    assert_eq!(
        (&counts["delivered"], &counts["failed"], &counts["submitted"], &counts["conflict"]),
        (&json!(1), &json!(0), &json!(1), &json!(1))
    );
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn an_array_is_recorded_where_it_is_readable_and_the_rest_is_quarantined() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE, TWO]).await;
    let array = json!([receipt(ONE, true, "00"), {"strange": 1}, receipt("447700900002", false, "22")]);
    let answer = daemon.post(&id, array.to_string()).await;
    assert_eq!((answer.status, &answer.json()["recorded"]), (200, &json!(2)));
    let item = answer.json()["quarantined"][0].clone();
    assert_eq!(daemon.get(&format!("/v1/quarantine/{item}")).await.json()["body"], json!("{\"strange\":1}"));
    assert_eq!(daemon.post(&id, "hello").await.status, 202);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_wrong_token_a_wrong_method_and_a_large_body_are_refused_in_this_order() {
    let daemon = spawn_with(Options::default().set("RECEIPTD_CALLBACK__MAX_BODY", "1KiB")).await;
    let id = daemon.submit(&[ONE]).await;
    let (right, wrong) = (daemon.callback(&id), format!("{}/callbacks/{id}/{}", daemon.public, "A".repeat(32)));
    let large = vec![b'x'; 5_000];
    assert_eq!(request("POST", &wrong, &[], large.clone()).await.status, 404);
    assert_eq!(request("GET", &wrong, &[], Vec::new()).await.status, 404);
    let method = request("GET", &right, &[], Vec::new()).await;
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(request("POST", &right, &[], large).await.status, 413);
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 0);
}

#[actix_web::test]
async fn a_number_that_was_never_sent_to_is_logged_and_counts_nothing() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE]).await;
    assert_eq!(daemon.receipt(&id, TWO, true, "00").await.status, 200);
    let log = daemon.get("/v1/receipts").await.json();
    assert_eq!(log["items"][0]["outcome"], "unexpected_destination");
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["counts"]["delivered"], 0);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_batch_that_this_database_never_heard_of_is_quarantined() {
    let daemon = spawn().await;
    let answer = daemon.receipt("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", ONE, true, "00").await;
    assert_eq!(answer.status, 202);
}

#[actix_web::test]
async fn every_wrong_field_of_a_batch_is_named() {
    let daemon = spawn().await;
    let body = json!({"from": "m", "message": "hi", "destinations": [ONE, "x"], "chanel": "sms"});
    let answer = daemon.api("POST", "/v1/batches", Some(body)).await;
    assert_eq!((answer.status, answer.pointers()), (400, vec!["/chanel".to_owned(), "/destinations/1".to_owned()]));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

#[actix_web::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, ONE, true, "00").await;
    let folder = daemon.stop().await;
    let again = spawn_with(Options { folder, ..Options::default() }).await;
    assert_eq!(again.get(&format!("/v1/batches/{id}")).await.json()["state"], "complete");
    assert_eq!(again.simulator.submissions().len(), 0);
}

#[actix_web::test]
async fn many_large_bodies_at_a_time_are_told_to_come_back_while_receipts_get_through() {
    let daemon = spawn_with(Options::default().set("RECEIPTD_CALLBACK__MAX_BODY", "4MiB")).await;
    let id = daemon.submit(&[ONE]).await;
    let callback = daemon.callback(&id);
    let path = callback.strip_prefix(&daemon.public).expect("on the public listener");
    let address = daemon.public.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
    let slow = tokio::net::TcpSocket::new_v4().expect("a socket");
    slow.set_send_buffer_size(4 << 10).expect("what is written is read");
    let mut slow = slow.connect(address.parse().expect("an address")).await.expect("connected");
    let length = 3 << 20;
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    slow.write_all(head.as_bytes()).await.expect("sent");
    slow.write_all(&vec![b' '; length - 1]).await.expect("all but the last byte");
    for _ in 0..20 {
        assert_eq!(daemon.receipt(&id, ONE, true, "00").await.status, 200); // meanwhile the rest is read
    }
    let large = || request("POST", &callback, &[], vec![b' '; 2 << 20]);
    let refused = large().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text);
    assert_eq!(daemon.receipt(&id, ONE, true, "00").await.status, 200);
    slow.write_all(b" ").await.expect("the last byte");
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 202");
    while large().await.status == 503 {} // until the place of the other body is free again
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_is_quarantined_is_replayed_once_its_batch_has_appeared() {
    let daemon = spawn().await;
    let id = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
    let unknown = daemon.receipt(id, ONE, true, "00").await;
    let item = unknown.json()["quarantined"][0].clone();
    let replay = format!("/v1/quarantine/{item}/replay");
    let too_early = daemon.api("POST", &replay, None).await;
    assert_eq!(too_early.status, 409, "{}", too_early.text);
    assert_eq!(daemon.get(&format!("/v1/quarantine/{item}")).await.json()["state"], "waiting");
    let batch = json!({"id": id, "from": "mplus", "message": "hello", "destinations": [ONE]});
    assert_eq!(daemon.api("POST", "/v1/batches", Some(batch)).await.status, 202);
    daemon.until(id, "submitted").await;
    assert_eq!(daemon.api("POST", &replay, None).await.status, 200);
    let batch = daemon.until(id, "complete").await;
    assert_eq!(batch["counts"]["delivered"], 1);
    assert_eq!(daemon.get(&format!("/v1/quarantine/{item}")).await.json()["state"], "replayed");
    assert_eq!(daemon.get("/v1/receipts").await.json()["items"][0]["source"], "replay");
    assert_eq!(daemon.api("POST", &replay, None).await.json()["recorded"], 0, "once");
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_an_older_reader_did_not_understand_is_replayed_once_the_reader_was_taught() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE, TWO]).await;
    daemon.until(&id, "submitted").await;
    // As a version that knew of no lists would have kept it: whole.
    let body = json!([receipt(ONE, true, "00"), receipt(TWO, false, "22")]).to_string();
    let items = vec![Item::NotUnderstood { reason: "it is a list".into(), at: 0..body.len() }];
    let incoming = Incoming { batch: id.parse().expect("an id"), source: Source::Webhook, items, body: body.clone().into_bytes() };
    let kept = daemon.store.record(incoming).await.expect("kept").quarantined[0];
    let shown = daemon.get(&format!("/v1/quarantine/{kept}")).await.json();
    assert_eq!((&shown["body"], &shown["reason"]), (&json!(body), &json!("it is a list")));
    // One of the two comes by itself before.
    daemon.receipt(&id, ONE, true, "00").await;
    let replayed = daemon.api("POST", &format!("/v1/quarantine/{kept}/replay"), None).await;
    assert_eq!((replayed.status, replayed.json()), (200, json!({"recorded": 1, "duplicates": 1})));
    let batch = daemon.until(&id, "complete").await;
    assert_eq!((&batch["counts"]["delivered"], &batch["counts"]["failed"]), (&json!(1), &json!(1)));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_receipt_belongs_to_the_batch_of_its_callback_whatever_it_says_of_itself() {
    let daemon = spawn().await;
    let (first, second) = (daemon.submit(&[ONE]).await, daemon.submit(&[ONE, TWO]).await);
    daemon.until(&first, "submitted").await;
    daemon.until(&second, "submitted").await;
    let mut lie = receipt(ONE, true, "00");
    lie["batchuuid"] = json!(second);
    assert_eq!(daemon.post(&first, lie.to_string()).await.status, 200);
    daemon.until(&first, "complete").await;
    let second = daemon.get(&format!("/v1/batches/{second}")).await.json();
    assert_eq!((&second["counts"]["submitted"], &second["counts"]["delivered"]), (&json!(2), &json!(0)));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn two_batches_with_one_identifier_are_kept_apart_by_their_callbacks() {
    let daemon = spawn().await;
    let said = || Script::add(Answer::Status { status: 200, headers: Vec::new(), body: r#"{"identifier":"the-same"}"#.into() });
    daemon.simulator.script(said());
    let first = daemon.submit(&[ONE]).await;
    daemon.until(&first, "submitted").await;
    daemon.simulator.script(said());
    let second = daemon.submit(&[TWO]).await;
    daemon.until(&second, "submitted").await;
    assert_eq!(daemon.receipt(&second, TWO, false, "22").await.status, 200);
    let batch = daemon.until(&second, "complete").await;
    assert_eq!((&batch["provider_id"], &batch["counts"]["failed"]), (&json!("the-same"), &json!(1)));
    let first = daemon.get(&format!("/v1/batches/{first}")).await.json();
    assert_eq!((&first["state"], &first["counts"]["submitted"]), (&json!("submitted"), &json!(1)));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn absurd_times_and_codes_off_the_list_change_nothing_but_what_is_shown() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    for (n, time) in ["0000-00-00 00:00:00", "99999-01-01T00:00:00Z", "yesterday", "-1", "2199-12-31 23:59:59"].iter().enumerate() {
        let mut absurd = receipt(ONE, false, &format!("F{n}-no-such-code"));
        for field in ["timestamp", "time", "receivedAt"] {
            absurd[field] = json!(time);
        }
        assert_eq!(daemon.post(&id, absurd.to_string()).await.json(), json!({"recorded": 1, "duplicates": 0}), "{time}");
    }
    let batch = daemon.until(&id, "complete").await;
    assert_eq!(batch["counts"]["failed"], 1);
    assert_eq!(daemon.get("/v1/receipts").await.json()["items"].as_array().map(Vec::len), Some(5));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_callback_whose_path_was_percent_encoded_on_the_way_is_the_same_callback() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    let callback = daemon.callback(&id);
    let (base, path) = callback.split_at(callback.find("/callbacks/").expect("a path") + "/callbacks/".len());
    let encoded = format!("{base}{}", path.replace('-', "%2D").replace('_', "%5f"));
    let answer = request("POST", &encoded, &[], receipt(ONE, true, "00").to_string().into_bytes()).await;
    assert_eq!((answer.status, answer.json()["recorded"].as_u64()), (200, Some(1)), "{answer:?}");
    assert_eq!(request("POST", &format!("{encoded}%41"), &[], Vec::new()).await.status, 404);
}

#[actix_web::test]
async fn receipts_for_made_up_numbers_do_not_grow_the_log_without_end() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    let some = |from: u64, count: u64| {
        let list: Vec<_> = (from..from + count).map(|n| receipt(&format!("+44770100{n:06}"), true, "00")).collect();
        serde_json::Value::from(list).to_string()
    };
    for from in (0..10_000).step_by(1_000) {
        assert_eq!(daemon.post(&id, some(from, 1_000)).await.json()["recorded"], 1_000);
    }
    let more = daemon.post(&id, some(10_000, 3)).await.json();
    assert_eq!((&more["recorded"], more["quarantined"].as_array().map(Vec::len)), (&json!(1), Some(2)), "{more}");
    // Its own number is heard all the same.
    assert_eq!(daemon.receipt(&id, ONE, true, "00").await.json()["recorded"], 1);
    daemon.until(&id, "complete").await;
    daemon.assert_books_balance().await;
}
