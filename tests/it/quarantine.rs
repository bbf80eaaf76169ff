//! The quarantine, when it is full.

use serde_json::json;

use crate::support::{Options, spawn_with};

#[actix_web::test]
async fn a_full_quarantine_refuses_until_somebody_decides_and_then_the_oldest_that_is_done_with_goes() {
    let options = Options::default().set("RECEIPTD_QUARANTINE__MAX_COUNT", "3").set("RECEIPTD_QUARANTINE__MAX_BYTES", "2000B");
    let daemon = spawn_with(options).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let mut kept = Vec::new();
    for n in 0..3 {
        let answer = daemon.post(&id, format!("what {n}?")).await;
        assert_eq!(answer.status, 202);
        kept.push(answer.json()["quarantined"][0].as_i64().expect("an id"));
    }
    let full = daemon.post(&id, "what now?").await;
    assert_eq!((full.status, full.header("retry-after").is_some()), (503, true));
    // Receipts that are understood go on all the while, and a list with one that is not is not taken by halves.
    assert_eq!(daemon.receipt(&id, "+447700900001", true, "00").await.status, 200);
    let mixed = json!([{"destination": "447700900001", "delivered": true, "receiptInfo": {"code": "07"}}, {"what": 1}]);
    assert_eq!(daemon.post(&id, mixed.to_string()).await.status, 503);
    assert_eq!(daemon.get(&format!("/v1/batches/{id}/destinations/447700900001")).await.json()["receipts"], 1);
    let ready = daemon.get("/readyz").await;
    assert_eq!(ready.status, 200, "a full quarantine stops nobody else");
    assert!(ready.json()["degraded"].to_string().contains("the quarantine is full"), "{ready:?}");
    assert_eq!(ready.json()["degraded_kinds"], json!(["quarantine_full"]));

    assert_eq!(daemon.api("DELETE", &format!("/v1/quarantine/{}", kept[1]), None).await.status, 204);
    assert_eq!(daemon.post(&id, "what now?").await.status, 202);
    let left = daemon.get("/v1/quarantine").await.json();
    let ids: Vec<i64> = left["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_i64()).collect();
    assert!(!ids.contains(&kept[1]) && ids.contains(&kept[0]) && ids.contains(&kept[2]), "{left}");
    // The bound in bytes: one that is larger than all of it.
    assert_eq!(daemon.post(&id, "x".repeat(2_500)).await.status, 503);
    daemon.assert_books_balance().await;
}
