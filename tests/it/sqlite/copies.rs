//! Copies of the file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use receiptd::store::check_file;
use serde_json::json;

use crate::binary::said;
use crate::deploy::path;
use crate::support::{Home, Options, spawn, spawn_with};

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

#[actix_web::test]
async fn a_copy_made_while_receipts_come_in_is_whole_and_submits_nothing_that_waits_in_it() {
    let daemon = spawn().await;
    let done = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&done, "submitted").await;
    daemon.api("POST", "/v1/pause", None).await;
    let waiting = daemon.submit(&["+447700900003"]).await;
    let folder = Home::new();
    let file = folder.path().join("receiptd.db");
    let wish = json!({"file": file});
    let (copied, ()) = futures_util::join!(daemon.api("POST", "/v1/backup", Some(wish.clone())), async {
        daemon.receipt(&done, "+447700900001", true, "00").await;
        daemon.receipt(&done, "+447700900002", true, "00").await;
    });
    assert_eq!((copied.status, copied.json()), (200, wish.clone()));
    for name in ["receiptd.db", "receiptd.db.identity"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(check_file(&file).expect("readable"), [] as [String; 0]);
    // A second one would be written over the first.
    let again = daemon.api("POST", "/v1/backup", Some(wish)).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_eq!(daemon.api("POST", "/v1/backup", Some(json!({"file": "here.db"}))).await.pointers(), ["/file"]);
    daemon.stop().await;

    let restored = spawn_with(Options { folder, ..Options::default() }).await;
    assert_eq!(restored.get(&format!("/v1/batches/{waiting}")).await.json()["state"], "unconfirmed");
    restored.api("POST", "/v1/resume", None).await;
    let next = restored.submit(&["+447700900009"]).await;
    restored.until(&next, "submitted").await;
    assert_eq!(restored.simulator.submissions().len(), 1, "only what is new");
    restored.assert_books_balance().await;
}

#[test]
fn of_copies_the_newest_are_kept_and_nothing_else_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("receiptd");
    // In the place of the program: a copy is two files.
    std::fs::write(&program, "#!/bin/sh\n[ \"$1\" = backup ] && echo new >\"$2\" && echo new >\"$2.identity\"\n").expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("executable");
    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    let old = |day: u32| format!("receiptd-202401{day:02}T000000Z.db");
    for day in 1..=4 {
        std::fs::write(copies.join(old(day)), "").expect("written");
        std::fs::write(copies.join(old(day) + ".identity"), "").expect("written");
    }
    for other in ["receiptd-before-the-move.db", "receiptd-20240101T000000Z.db.gz"] {
        std::fs::write(copies.join(other), "").expect("written");
    }
    let run = |keep: &str| {
        let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        Command::new(path("backup")).arg(&copies).env("PATH", search).env("KEEP", keep).output().expect("ran")
    };
    assert!(!run("none").status.success());
    let done = run("3");
    assert!(done.status.success(), "{}", said(&done));
    let mut names: Vec<String> = std::fs::read_dir(&copies)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("receiptd-2024") || name.starts_with("receiptd-before"))
        .collect();
    names.sort();
    let (third, fourth) = (old(3), old(4));
    assert_eq!(
        names,
        [
            "receiptd-20240101T000000Z.db.gz",
            &third,
            &format!("{third}.identity"),
            &fourth,
            &format!("{fourth}.identity"),
            "receiptd-before-the-move.db",
        ]
    );
    assert_eq!(std::fs::read_dir(&copies).expect("a folder").count(), 8, "and the new one");
}
