//! Copies of the database, and what their followers see of them.

use std::path::Path;

use receiptd::store::check_file;
use serde_json::json;

use crate::support::{Daemon, Options, spawn, spawn_with};

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[actix_web::test]
async fn of_several_copies_to_one_file_at_a_time_one_is_made_whole_and_the_others_find_it_there() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    for _ in 0..5 {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("copy.db");
        let copy = || daemon.api("POST", "/v1/backup", Some(json!({"file": file})));
        let answers = futures_util::future::join_all([copy(), copy(), copy(), copy()]).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409], "{answers:?}");
        assert_eq!(check_file(&file).expect("readable"), [] as [String; 0]);
        std::fs::remove_file(folder.path().join("copy.db.lock")).expect("left by the check");
        assert_eq!(names(folder.path()), ["copy.db", "copy.db.identity"]);
    }
}

#[actix_web::test]
async fn a_copy_that_fails_leaves_nothing_behind_and_takes_nothing_away() {
    let daemon = spawn().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("copy.db");
    // In the way of the identity's temporary name: the copy is whole by then.
    std::fs::create_dir(folder.path().join("copy.db.identity.new")).expect("made");
    let failed = daemon.api("POST", "/v1/backup", Some(json!({"file": file}))).await;
    assert_eq!(failed.status, 400, "{failed:?}");
    assert_eq!(names(folder.path()), ["copy.db.identity.new"]);
    // Another's file.
    std::fs::write(folder.path().join("copy.db.identity"), "mine").expect("written");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": file}))).await.status, 409);
    assert_eq!(names(folder.path()), ["copy.db.identity", "copy.db.identity.new"]);
}

/// Starts a daemon on a copy of another's database, as after a restore.
async fn restored(daemon: Daemon) -> Daemon {
    let copy = daemon.folder.path().join("copy.db");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": copy}))).await.status, 200);
    let (old, folder) = (daemon.stop().await, tempfile::tempdir().expect("a folder"));
    for (from, to) in [("copy.db", "receiptd.db"), ("copy.db.identity", "receiptd.db.identity")] {
        std::fs::copy(old.path().join(from), folder.path().join(to)).expect("copied");
    }
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
        for name in ["receiptd.db", "receiptd.db-wal", "receiptd.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(name)); // not all of them are there
        }
        daemon = spawn_with(Options { folder, ..Options::default() }).await;
    }
    daemon.assert_books_balance().await;
}
