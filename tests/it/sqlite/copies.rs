//! Copies of the file.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use receiptd::simulator::{Answer, Call, Script};
use receiptd::store::check_file;
use serde_json::json;

use crate::binary::{House, said};
use crate::deploy::path;
use crate::support::{Faults, Home, Options, spawn, spawn_with};

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
    let (house, faults) = Faults::of(House::new());
    let daemon = house.serve().await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| daemon.api("POST", "/v1/backup", Some(json!({"file": folder.path().join(name)})));
    for (fault, words) in
        [("write 5 copy.db.*.new", "the copy cannot be written"), ("write 28 copy.db.identity.*.new", "copy.db.identity cannot be written")]
    {
        faults.fail(fault);
        let failed = copy("copy.db").await;
        let detail = failed.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(failed.status == 500 && detail.contains(words), "{fault}: {failed:?}");
        assert!(detail.contains(&format!("the daemon can write to {}", house.folder.path().display())), "{detail}");
        assert_eq!(names(folder.path()), [""; 0], "{fault}");
    }
    faults.mend();
    let lost = copy("sub/copy.db").await;
    let words = format!("folder {}/sub does not exist", folder.path().display());
    assert!(lost.status == 500 && lost.text.contains(&words), "{lost:?}");
    // Another's file.
    std::fs::write(folder.path().join("copy.db.identity"), "mine").expect("written");
    assert_eq!(copy("copy.db").await.status, 409);
    assert_eq!(names(folder.path()), ["copy.db.identity"]);
}

#[actix_web::test]
async fn a_copy_is_written_through_no_link_and_over_nothing_that_was_there() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", true, "00").await;
    let folder = tempfile::tempdir().expect("a folder");
    let link = |target: &Path, name: &str| symlink(target, folder.path().join(name)).expect("made");
    // Under these names the copy and its identity were written until they were whole.
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "mine").expect("written");
    link(&daemon.folder.database(), "copy.db.partial");
    link(&precious, "copy.db.identity.new");
    symlink(&precious, daemon.folder.path().join("receiptd.db.identity.new")).expect("made");
    let copy = |name: &str| daemon.api("POST", "/v1/backup", Some(json!({"file": folder.path().join(name)})));
    assert_eq!(copy("copy.db").await.status, 200);
    assert_eq!(daemon.api("POST", "/v1/rotate-secret", None).await.status, 200);
    daemon.receipt(&id, "+447700900002", true, "00").await;
    assert_eq!(std::fs::read(&precious).expect("there"), b"mine");
    link(&precious, "leads.db");
    link(&folder.path().join("nowhere"), "nowhere.db");
    for there in ["leads.db", "nowhere.db", "copy.db"] {
        assert_eq!(copy(there).await.status, 409, "{there}");
    }
    assert_eq!(
        names(folder.path()),
        ["copy.db", "copy.db.identity", "copy.db.identity.new", "copy.db.partial", "leads.db", "nowhere.db", "precious"]
    );
    for name in ["copy.db", "copy.db.identity"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    daemon.assert_books_balance().await;
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["counts"]["delivered"], 2);
}

/// The database and its identity, as a copy of the folder has them.
fn whole(folder: &Path) -> [(std::path::PathBuf, Vec<u8>); 2] {
    ["receiptd.db", "receiptd.db.identity"].map(|name| (folder.join(name), std::fs::read(folder.join(name)).expect("there")))
}

#[actix_web::test]
async fn a_folder_that_was_put_back_whole_submits_nothing_that_was_submitted_since() {
    let house = House::new();
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/pause", None).await;
    let id = daemon.submit("hello", &["+447700900001"]).await;
    assert!(daemon.stop().await.0.success());
    let copy = whole(house.folder.path());
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/resume", None).await;
    daemon.until(&id, "submitted").await;
    assert!(daemon.stop().await.0.success());
    for (path, content) in copy {
        std::fs::remove_file(&path).expect("there");
        std::fs::write(&path, content).expect("put back");
    }
    // Else it would tell at once that it has the batch.
    house.simulator.script(Script::on(Call::Details, Answer::status(500)).lasting());
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/resume", None).await;
    let held = daemon.until(&id, "unconfirmed").await;
    assert_eq!((&held["last_error"]["kind"], house.posts()), (&json!("held"), 1));
    let next = daemon.submit("hello", &["+447700900002"]).await;
    daemon.until(&next, "submitted").await;
}

#[actix_web::test]
async fn a_database_that_was_moved_with_its_identity_is_the_same() {
    let house = House::new();
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/pause", None).await;
    let id = daemon.submit("hello", &["+447700900001"]).await;
    assert!(daemon.stop().await.0.success());
    std::fs::create_dir(house.path("elsewhere")).expect("made");
    for name in ["receiptd.db", "receiptd.db.identity"] {
        std::fs::rename(house.path(name), house.path("elsewhere").join(name)).expect("moved");
    }
    let house = house.set("RECEIPTD_DATABASE", "elsewhere/receiptd.db");
    let daemon = house.serve().await;
    daemon.api("POST", "/v1/resume", None).await;
    daemon.until(&id, "submitted").await;
}

#[actix_web::test]
async fn a_copy_is_not_taken_for_a_file_of_the_database() {
    let daemon = spawn().await;
    let before = names(daemon.folder.path());
    for name in ["receiptd.db", "receiptd.db-journal", "receiptd.db-wal", "receiptd.db-shm", "receiptd.db.identity", "receiptd.db.monday"] {
        // However it is named.
        let file = daemon.folder.path().join("..").join(daemon.folder.path().file_name().expect("a name")).join(name);
        let refused = daemon.api("POST", "/v1/backup", Some(json!({"file": file}))).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec!["/file".to_owned()]), "{refused:?}");
    }
    assert_eq!(names(daemon.folder.path()), before);
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
