//! What is left of a number that was forgotten.

use rusqlite::Connection;
use serde_json::json;

use crate::support::{receipt, spawn};

const NUMBER: &str = "+447711223344";
const DIGITS: &[u8] = b"447711223344";

/// How often the number stands in the files of a folder, whatever its digits are parted by.
fn traces(folder: &std::path::Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_one = |path: std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        let dense: Vec<u8> = bytes.into_iter().filter(|byte| !b" -.()".contains(byte)).collect();
        dense.windows(DIGITS.len()).filter(|window| *window == DIGITS).count()
    };
    files.map(of_one).sum()
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
    let file = Connection::open(daemon.database()).expect("opened");
    assert_eq!(file.execute("update batch set last_error = ?1", [error.to_string()]).expect("written"), 1);
    drop(file);

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
    let file = Connection::open(daemon.database()).expect("opened");
    let body: String = file.query_row("select body from receipt_body", [], |row| row.get(0)).expect("one is kept");
    drop(file);
    let left: serde_json::Value = serde_json::from_str(&body).expect("still JSON");
    assert_eq!(left["extra"], json!({"instead_of": "xxxxxxxxxx", "that_is": "+xx xxxx xxxxxx"}));
    let folder = daemon.stop().await;
    assert_eq!(traces(folder.path()), 0);
}
