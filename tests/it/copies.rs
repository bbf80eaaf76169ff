//! Copies of the database, and what their followers see of them.

use std::path::Path;

use receiptd::store::check_file;
use serde_json::json;

use crate::support::spawn;

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
