//! What `check` finds in a damaged file, and what `forget` leaves in it.

use std::path::{Path, PathBuf};

use receiptd::store::check_file;
use rusqlite::Connection;
use serde_json::json;

use crate::support::spawn;

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
        ("update batch set completed_at = 1", "but completed_at contradicts that"),
        ("update batch_count set conflict = 0", "conflicts by its counter"),
        ("update batch_count set total = 2", "is submitted, but every destination is final"),
        ("update destination set said = 1 where number = 447700900001", "in a state that its receipts do not say"),
        ("update destination set said = 2 where number = 447700900003", "in a state that its receipts do not say"),
        ("update destination set first_receipt = 4711 where number = 447700900002", "is missing or another's"),
        (
            "update destination set first_receipt = null where number = 447700900002",
            "is the first of a destination that does not refer to it",
        ),
        ("update receipt set batch = 99", "belongs to no batch"),
        ("insert into destination (batch, number) values (99, 447700900001)", "destinations of key 99: belong to no batch"),
        ("insert into arriving select id from batch", "is still marked as arriving"),
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
    let (file, wal) = (daemon.folder.database(), daemon.folder.path().join("receiptd.db-wal"));
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
