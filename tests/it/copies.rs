//! Copies of the database: what waits in them is held, and those who follow their log miss nothing.

use serde_json::json;

use crate::binary::{House, said};
use crate::support::{Daemon, Options, spawn, spawn_with};

/// Starts a daemon on a copy of another's database, as after a restore.
async fn restored(daemon: Daemon) -> Daemon {
    let folder = daemon.copy().await;
    daemon.stop().await;
    spawn_with(Options { folder, ..Options::default() }).await
}

/// All that a reader of the log finds who follows `next`, and in how many pages.
async fn read_log(daemon: &Daemon, filter: &str) -> (Vec<i64>, usize) {
    let (mut ids, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = daemon.get(&format!("/v1/receipts?{filter}{after}")).await.json();
        ids.extend(page["items"].as_array().expect("items").iter().filter_map(|receipt| receipt["id"].as_i64()));
        pages += 1;
        assert!(pages < 10, "{filter}: so many pages of {} receipts", ids.len());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (ids, pages),
        }
    }
}

#[actix_web::test]
async fn a_filtered_page_goes_by_the_rows_it_looks_at_and_a_restore_is_no_desert() {
    let daemon = spawn_with(Options::default().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "50000")).await;
    let numbers: Vec<String> = (0..21_000).map(|n| format!("+4477009{n:05}")).collect();
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, &numbers[0], false, "22").await;
    for lot in numbers[1..].chunks(1_000) {
        let receipts: Vec<_> = lot.iter().map(|number| json!({"destination": number, "delivered": true})).collect();
        assert_eq!(daemon.post(&id, json!(receipts).to_string()).await.status, 200);
    }
    daemon.receipt(&id, &numbers[0], false, "23").await;
    let last = daemon.get("/v1/receipts?after=20999").await.json()["items"][1]["id"].as_i64().expect("an id");
    assert_eq!(read_log(&daemon, "delivered=false").await, (vec![1, last], 2));
    let first = daemon.get("/v1/receipts?delivered=false").await.json();
    assert_eq!((&first["items"].as_array().map(Vec::len), &first["next"]), (&Some(1), &json!("20000")));

    let daemon = restored(daemon).await;
    daemon.receipt(&id, &numbers[0], false, "24").await;
    let (ids, pages) = read_log(&daemon, "delivered=false").await;
    assert_eq!((ids.len(), pages), (3, 2), "{ids:?}");
    assert_eq!(read_log(&daemon, &format!("batch={id}&delivered=false")).await, (ids.clone(), 2));
    // Whoever follows the stream gets there as fast.
    let live = crate::stream::follow(&daemon, "?after=0&delivered=false", "", 3);
    assert_eq!(live.await, ids);
}

#[actix_web::test]
async fn a_database_that_was_lost_is_followed_by_one_with_ids_that_it_never_gave() {
    let mut daemon = spawn().await;
    let mut seen = 0;
    for _ in 0..3 {
        let id = daemon.submit(&["+447700900001", "+447700900002"]).await;
        daemon.until(&id, "submitted").await;
        daemon.receipt(&id, "+447700900001", true, "00").await;
        daemon.receipt(&id, "+447700900002", true, "00").await;
        let page = daemon.get(&format!("/v1/receipts?after={seen}")).await.json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "after {seen}: {page:#}");
        seen = page["items"][1]["id"].as_i64().expect("an id");
        // The next one is made beside the identity of this one, which may have come from a copy itself.
        let folder = restored(daemon).await.stop().await;
        folder.lose_database();
        daemon = spawn_with(Options { folder, ..Options::default() }).await;
    }
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_restored_copy_gives_its_receipts_ids_that_its_original_never_gave() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002", "+447700900003"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    let copy = daemon.copy().await;
    // The original goes on, and somebody follows its log.
    daemon.receipt(&id, "+447700900002", true, "00").await;
    let seen = daemon.get("/v1/receipts").await.json()["items"][1]["id"].as_i64().expect("an id");
    daemon.stop().await;
    let daemon = spawn_with(Options { folder: copy, ..Options::default() }).await;
    daemon.receipt(&id, "+447700900003", true, "00").await;
    let next = daemon.get(&format!("/v1/receipts?after={seen}")).await.json();
    assert_eq!(next["items"].as_array().map(Vec::len), Some(1), "{next:#}");
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_a_restored_copy_holds_is_decided_at_once_by_hand() {
    let house = House::new();
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/pause", None).await;
    let group = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    for n in 0..3 {
        let body = json!({"from": "mplus", "message": "hello", "destinations": [format!("+44770090000{n}")], "group": group});
        assert_eq!(daemon.api("POST", "/v1/batches", Some(body)).await.status, 202);
    }
    let other = daemon.submit("hello", &["+447700900009"]).await;
    let (ended, log) = daemon.stop().await;
    assert!(ended.success(), "{log}");
    house.folder.lose_identity();
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/resume", None).await;
    daemon.until(&other, "unconfirmed").await;
    let resolve = |words: &[&str]| {
        let mut command = house.command(&["resolve", "--as", "resubmit", "--yes", "--json"]);
        command.args(words).env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
        let output = command.output().expect("run");
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON").as_array().map_or(1, Vec::len)
    };
    assert_eq!(resolve(&[group]), 3);
    assert_eq!(resolve(&[group]), 0, "nothing is left to decide");
    assert_eq!(resolve(&["--held"]), 1);
    daemon.until(&other, "submitted").await;
    while house.simulator.submissions().len() < 4 {
        actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(house.posts(), 4);
}
