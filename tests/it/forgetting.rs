//! What is left of a number that was forgotten.

use serde_json::json;

use crate::support::{Home, receipt, spawn};

const NUMBER: &str = "+447711223344";
const DIGITS: &[u8] = b"447711223344";

/// How often the number stands in what the database holds, whatever its digits are parted by.
fn traces(home: &Home) -> usize {
    let dense: Vec<u8> = home.bytes().into_iter().filter(|byte| !b" -.()".contains(byte)).collect();
    dense.windows(DIGITS.len()).filter(|window| *window == DIGITS).count()
}

#[actix_web::test]
async fn a_forgotten_number_is_in_no_text_that_somebody_wrote_and_what_was_said_of_others_stays() {
    let daemon = spawn().await;
    let other = "+447700900002";
    let id = daemon.submit(&[NUMBER, other]).await;
    daemon.until(&id, "submitted").await;
    let telling = |code: &str| {
        let info = json!({"code": code, "description": "no route to +44 (77) 11-223344"});
        json!({"destination": NUMBER, "delivered": false, "messageuuid": "msg-447711223344", "batchuuid": "to 447711223344", "receiptInfo": info})
    };
    assert_eq!(daemon.post(&id, telling("E-447711223344").to_string()).await.json()["recorded"], 1);
    let mut of_other = receipt(other, true, "00");
    of_other["extra"] = json!({"instead_of": 447_711_223_344_u64, "that_is": "+44 7711 223344"});
    assert_eq!(daemon.post(&id, of_other.to_string()).await.json()["recorded"], 1);
    let list = json!([{"destination": 447_711_223_344_u64, "delivered": true}, receipt(other, true, "00")]).to_string();
    let kept = daemon.post("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", list.clone()).await.json()["quarantined"][0].clone();
    // As an older receiptd kept it.
    let error = json!({"at": "2026-11-24T09:00:00.000Z", "kind": "held", "status": null, "detail": "no way to +44 7711 223344 (44771)"});
    assert_eq!(daemon.folder.change(&format!("update batch set last_error = '{error}'")), 1);

    assert_eq!(daemon.api("DELETE", &format!("/v1/destinations/{NUMBER}"), None).await.status, 200);
    // The same again is still the same, and what is new does not bring the number back.
    assert_eq!(daemon.post(&id, telling("E-447711223344").to_string()).await.json(), json!({"recorded": 0, "duplicates": 1}));
    assert_eq!(daemon.post(&id, telling("F-447711223344").to_string()).await.json(), json!({"recorded": 1, "duplicates": 0}));

    let batch = daemon.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!(batch["last_error"]["detail"], "no way to +xx xxxx xxxxxx (44771)");
    assert_eq!(batch["last_error"]["at"], error["at"]);
    assert_eq!((&batch["counts"]["delivered"], &batch["counts"]["failed"]), (&json!(1), &json!(1)));
    let log = daemon.get("/v1/receipts").await.json();
    assert_eq!((&log["items"][0]["message_id"], &log["items"][0]["code"]), (&json!("msg-xxxxxxxxxxxx"), &json!("E-xxxxxxxxxxxx")));
    assert_eq!((&log["items"][1]["destination"], &log["items"][1]["code"]), (&json!(other), &json!("00")));
    let body = daemon.get(&format!("/v1/quarantine/{kept}")).await.json()["body"].as_str().expect("kept").to_owned();
    let left: serde_json::Value = serde_json::from_str(&body).expect("still JSON");
    assert_eq!((&left[1], body.len()), (&receipt(other, true, "00"), list.len()));
    daemon.assert_books_balance().await;
    let bodies = daemon.folder.look().receipt_bodies();
    let left: serde_json::Value = serde_json::from_slice(&bodies[0]).expect("still JSON");
    assert_eq!(left["extra"], json!({"instead_of": "xxxxxxxxxx", "that_is": "+xx xxxx xxxxxx"}));
    assert_eq!(traces(&daemon.stop().await), 0);
}

#[actix_web::test]
async fn forgetting_a_number_leaves_what_was_acknowledged_of_others_in_the_quarantine() {
    const NUMBER: u64 = 447_711_223;
    let daemon = spawn().await;
    let id = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
    // A longer number begins with the same digits, another one ends with them, and a list has both.
    let of = |number: &str| json!({"destination": number, "delivered": true});
    for body in [of("+447711223344"), of("+1447711223"), json!([of("+447711223"), of("+447700900002")]), of("00447711223")] {
        assert_eq!(daemon.post(id, body.to_string()).await.status, 202);
    }
    let bodies = || async {
        let mut bodies = Vec::new();
        for item in 1..=4 {
            bodies.push(daemon.get(&format!("/v1/quarantine/{item}")).await.json()["body"].as_str().map(str::to_owned));
        }
        bodies
    };
    let before = bodies().await;
    assert_eq!(daemon.api("DELETE", &format!("/v1/destinations/+{NUMBER}"), None).await.status, 200);
    let after = bodies().await;
    assert_eq!(after[..2], before[..2], "they are others'");
    let list = after[2].as_deref().expect("kept");
    assert!(list.contains("+447700900002") && !list.contains("447711223"), "{list}");
    assert!(after[3].as_deref().is_some_and(|body| body.contains("00xxxxxxxxx")), "{after:?}");
    daemon.assert_books_balance().await;
}
