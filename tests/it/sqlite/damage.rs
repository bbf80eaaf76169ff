//! What `check` finds, what `forget` leaves, and what happens when the quarantine is full.

use std::path::{Path, PathBuf};

use receiptd::store::check_file;
use rusqlite::Connection;
use serde_json::json;

use crate::binary::{House, said};
use crate::support::{Options, spawn, spawn_with};

/// A database with a bit of everything, of which copies are damaged.
async fn database(folder: &Path) -> PathBuf {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002", "+447700900003"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    daemon.receipt(&id, "+447700900001", false, "22").await;
    daemon.receipt(&id, "+447700900002", false, "22").await;
    daemon.receipt(&id, "+447700900009", true, "00").await;
    daemon.post(&id, "what?").await;
    daemon.assert_books_balance().await;
    let kept = daemon.stop().await;
    let path = folder.join("whole.db");
    std::fs::copy(kept.path().join("receiptd.db"), &path).expect("copied");
    path
}

#[actix_web::test]
async fn check_finds_each_kind_of_damage_and_nothing_in_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = database(folder.path()).await;
    assert_eq!(check_file(&whole).expect("readable"), [] as [String; 0]);
    for (damage, finding) in [
        ("update batch_count set total = 4", "4 destinations by its counter, 3 in the table"),
        ("delete from destination where number = 447700900003", "destinations by its counter"),
        ("update batch_count set delivered = 2", "delivered and"),
        ("update batch_count set failed = 0", "failed by its counters"),
        ("update batch_count set receipts = 9", "receipts by its counter"),
        ("delete from receipt where outcome = 3", "receipts by its counter"),
        ("update batch_count set last_receipt = 2", "are not between the two"),
        ("delete from batch_count", "its counters are missing"),
        ("update batch set completed_at = 1", "completed_at does not say the same"),
        ("update batch_count set conflict = 0", "conflicts by its counter"),
        ("update batch_count set total = 2", "is submitted though every destination is final"),
        ("update destination set said = 1 where number = 447700900001", "in a state that its receipts do not say"),
        ("update destination set said = 2 where number = 447700900003", "in a state that its receipts do not say"),
        ("update destination set first_receipt = 4711 where number = 447700900002", "is missing or another's"),
        ("update destination set first_receipt = null where number = 447700900002", "is the first of a destination that does not know it"),
        ("update receipt set batch = 99", "belongs to no batch"),
        ("insert into destination (batch, number) values (99, 447700900001)", "destinations of key 99: belong to no batch"),
        ("insert into arriving select id from batch", "is still on its way in"),
        ("delete from receipt_info", "its code is missing"),
        ("update tally set delivered = 7", "totals of submitted batches"),
        ("update quarantine_tally set bytes = 0 where state = 'waiting'", "quarantined callbacks do not add up"),
    ] {
        let copy = folder.path().join("damaged.db");
        std::fs::copy(&whole, &copy).expect("copied");
        let conn = Connection::open(&copy).expect("opened");
        assert!(conn.execute(damage, []).expect(damage) > 0, "{damage} changes nothing");
        drop(conn);
        let found = check_file(&copy).expect("readable");
        assert!(found.iter().any(|line| line.contains(finding)), "{damage}: {found:?}");
        assert!(!found.iter().any(|line| line.contains("7009000")), "no number is shown: {found:?}");
    }
    // And what SQLite itself finds: a page of an index that is not what it was.
    let copy = folder.path().join("damaged.db");
    std::fs::copy(&whole, &copy).expect("copied");
    let conn = Connection::open(&copy).expect("opened");
    let page_size: u64 = conn.query_row("pragma page_size", [], |row| row.get::<_, i64>(0)).expect("a size").unsigned_abs();
    let page: u64 = conn
        .query_row("select rootpage from sqlite_schema where name = 'receipt_time'", [], |row| row.get::<_, i64>(0))
        .expect("an index")
        .unsigned_abs();
    drop(conn);
    let mut bytes = std::fs::read(&copy).expect("read");
    let start = usize::try_from((page - 1) * page_size).expect("small");
    bytes[start + 3..start + 5].fill(0); // no cells
    std::fs::write(&copy, bytes).expect("written");
    let found = check_file(&copy).expect("readable");
    assert!(found.iter().any(|line| line.starts_with("SQLite: ")), "{found:?}");
}

fn traces(path: &Path, number: u64) -> usize {
    let Ok(bytes) = std::fs::read(path) else { return 0 };
    let text = number.to_string().into_bytes();
    let binary = &number.to_be_bytes()[2..]; // SQLite keeps it in six bytes
    let count = |what: &[u8]| bytes.windows(what.len()).filter(|window| *window == what).count();
    count(&text) + count(binary)
}

#[actix_web::test]
async fn a_forgotten_number_leaves_no_trace_in_file_wal_or_copy() {
    const NUMBER: u64 = 447_711_223_344;
    let daemon = spawn().await;
    let number = format!("+{NUMBER}");
    let id = daemon.submit(&[&number, "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    // In every place where it can stand: a receipt, one with fields nobody knows, an unexpected one, the quarantine.
    daemon.receipt(&id, &number, true, "00").await;
    daemon.post(&id, format!(r#"{{"destination":"{NUMBER}","delivered":false,"extra":{{"to":"{NUMBER}"}}}}"#)).await;
    let other = daemon.submit(&["+447700900003"]).await;
    daemon.until(&other, "submitted").await;
    daemon.receipt(&other, &number, true, "00").await;
    daemon.post(&id, format!("what is {NUMBER}?")).await;
    let (file, wal) = (daemon.database(), daemon.folder.path().join("receiptd.db-wal"));
    assert!(traces(&file, NUMBER) + traces(&wal, NUMBER) > 3, "it is there before");

    let forgotten = daemon.api("DELETE", &format!("/v1/destinations/{number}"), None).await;
    assert_eq!((forgotten.status, forgotten.json()["batches"].as_u64()), (200, Some(2)), "{forgotten:?}");
    // A receipt that comes later counts, and does not bring it back.
    assert_eq!(daemon.receipt(&id, &number, true, "01").await.json()["recorded"], 1);
    let copy = daemon.folder.path().join("copy.db");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": copy}))).await.status, 200);
    for path in [&file, &wal, &copy, &daemon.folder.path().join("copy.db.identity")] {
        assert_eq!(traces(path, NUMBER), 0, "{}", path.display());
    }
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["counts"]["delivered"], 1);
    daemon.assert_books_balance().await;
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

    assert_eq!(daemon.api("DELETE", &format!("/v1/quarantine/{}", kept[1]), None).await.status, 204);
    assert_eq!(daemon.post(&id, "what now?").await.status, 202);
    let left = daemon.get("/v1/quarantine").await.json();
    let ids: Vec<i64> = left["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_i64()).collect();
    assert!(!ids.contains(&kept[1]) && ids.contains(&kept[0]) && ids.contains(&kept[2]), "{left}");
    // The bound in bytes: one that is larger than all of it.
    assert_eq!(daemon.post(&id, "x".repeat(2_500)).await.status, 503);
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
    std::fs::remove_file(house.path("receiptd.db.identity")).expect("lost");
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
