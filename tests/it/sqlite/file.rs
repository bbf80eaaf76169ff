//! The SQLite file, as somebody sees it who has nothing but SQLite.

use std::os::unix::fs::PermissionsExt;

use receiptd::clock::Clock;
use receiptd::store::{OpenError, QuarantineBounds, Store, StoreSettings};
use rusqlite::{Connection, OpenFlags};

use crate::binary::{House, said};
use crate::support::{Home, KEY, Options, spawn, spawn_with};

#[actix_web::test]
async fn the_five_views_answer_while_the_daemon_runs_and_the_key_is_in_no_file() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001", "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, "+447700900001", false, "22").await;
    daemon.post(&id, "hello").await;
    let file = Connection::open_with_flags(daemon.folder.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file");
    let text = |sql: &str| file.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
    assert_eq!(text("select state from batch_summary"), "submitted");
    assert_eq!(text("select state from destination_status where destination = '+447700900001'"), "failed");
    assert_eq!(text("select state from destination_status where destination = '+447700900002'"), "submitted");
    assert_eq!(text("select outcome from receipt_log"), "applied");
    assert_eq!(text("select code || destinations from failures_by_code"), "221");
    assert_eq!(text("select body from quarantine_log where state = 'waiting'"), "hello");
    drop(file);
    // Only once the daemon has stopped: reading its files in this process would drop its locks.
    let folder = daemon.stop().await;
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", path.display());
    }
}

#[actix_web::test]
async fn the_obvious_questions_use_an_index() {
    let daemon = spawn().await;
    let file = Connection::open_with_flags(daemon.folder.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file");
    for question in [
        "select * from batch_summary where batch = 'x'",
        "select * from batch_summary where created_ms > 1",
        "select * from destination_status where batch = 'x'",
        "select * from destination_status where number = 447700900001",
        "select * from receipt_log where batch = 'x'",
        "select * from receipt_log where received_ms > 1",
        "select * from receipt_log where id > 7 order by id limit 5",
        "select * from failures_by_code where batch = 'x'",
    ] {
        let mut statement = file.prepare(&format!("explain query plan {question}")).expect("a plan");
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).expect("rows").collect::<Result<_, _>>().expect("text");
        // A number is one probe into each batch: that walks the batches, and no table that grows with the messages.
        let walks = plan.iter().find(|step| step.starts_with("SCAN") && !["SCAN b", "SCAN failures_by_code"].contains(&step.as_str()));
        assert_eq!(walks, None, "{question}: {plan:#?}");
    }
}

#[actix_web::test]
async fn in_a_quiet_moment_the_wal_is_moved_into_the_file_even_after_a_reader_kept_it_from_that() {
    let daemon = spawn().await;
    let file = Connection::open_with_flags(daemon.folder.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file");
    file.execute_batch("begin; select count(*) from batch_summary").expect("a reader");
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let mut wal = daemon.folder.database().into_os_string();
    wal.push("-wal");
    // Looked at by its name: opening it in this process would drop SQLite's locks.
    let size = || std::fs::metadata(&wal).map_or(0, |found| found.len());
    assert!(size() > 0);
    file.execute_batch("rollback").expect("the reader goes");
    for _ in 0..2_000 {
        if size() == 0 {
            return daemon.assert_books_balance().await;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    unreachable!("{} bytes stayed in the WAL", size());
}

#[actix_web::test]
async fn a_link_to_a_database_that_is_not_there_yet_has_one_lock_and_its_secrets_stay_with_it() {
    let folder = Home::new();
    std::fs::create_dir(folder.path().join("data")).expect("made");
    std::os::unix::fs::symlink("data/receiptd.db", folder.path().join("receiptd.db")).expect("made");
    let daemon = spawn_with(Options { folder, ..Options::default() }).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let given = daemon.callback(&id).replace(&daemon.public, "");
    let real = daemon.folder.path().join("data/receiptd.db");
    let quarantine = QuarantineBounds { max_count: 1, max_bytes: 1 };
    let second = Store::open(&StoreSettings { path: real, quarantine }, &Clock::system(), std::sync::Arc::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "a second daemon on the same file");
    let folder = daemon.stop().await;
    for (name, there) in [("data/receiptd.db.identity", true), ("receiptd.db.identity", false), ("receiptd.db.lock", false)] {
        assert_eq!(folder.path().join(name).exists(), there, "{name}");
    }
    let daemon = spawn_with(Options { folder, ..Options::default() }).await;
    assert_eq!(daemon.callback(&id).replace(&daemon.public, ""), given, "callback URLs given out stay good");
}

#[actix_web::test]
async fn a_second_daemon_is_refused_whatever_becomes_of_the_lock_file_and_whatever_names_the_file_has() {
    let house = House::new();
    let daemon = house.serve().await;
    let refused = |name: &str, words: &str| {
        let second = house.command(&["serve", "--database", name]).output().expect("ran");
        assert!(second.status.code() == Some(2) && said(&second).contains(words), "{}", said(&second));
    };
    std::fs::remove_file(house.path("receiptd.db.lock")).expect("there");
    refused("receiptd.db", "is in use by another receiptd");
    std::fs::hard_link(house.path("receiptd.db"), house.path("other.db")).expect("made");
    refused("other.db", "is in use by another receiptd");
    let (ended, log) = daemon.stop().await;
    assert!(ended.success(), "{log}");
    for name in ["receiptd.db", "other.db"] {
        refused(name, "has 2 hard links");
    }
    std::fs::remove_file(house.path("other.db")).expect("there");
    house.serve().await;
}

#[actix_web::test]
async fn a_new_database_is_for_its_owner_alone_and_for_the_group_where_the_umask_says_so() {
    for (umask, mode) in [("022", 0o600), ("000", 0o600), ("077", 0o600), ("027", 0o640)] {
        let house = House::new();
        let mut command = house.under_umask(umask);
        command.stdout(std::process::Stdio::null());
        let daemon = house.start(command).await;
        daemon.submit("hello", &["+447700900001"]).await;
        for name in ["receiptd.db", "receiptd.db-wal", "receiptd.db-shm"] {
            let found = std::fs::metadata(house.path(name)).expect("there").permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name} under {umask}");
        }
    }
}

#[actix_web::test]
async fn a_file_that_is_not_ours_or_newer_is_refused_and_left_as_it_is() {
    for (content, statements) in [
        (Some("this is a letter, not a database, and longer than a header of SQLite would be: one hundred bytes at least"), ""),
        (None, "create table other (a); insert into other values (1);"),
        (None, "pragma application_id = 0; pragma user_version = 999; create table batch (id);"),
    ] {
        let house = House::new();
        let path = house.path("receiptd.db");
        match content {
            Some(content) => std::fs::write(&path, content).expect("written"),
            None => Connection::open(&path).and_then(|file| file.execute_batch(statements)).expect("made"),
        }
        let before = std::fs::read(&path).expect("readable");
        let refused = house.command(&["serve"]).output().expect("ran");
        assert!(matches!(refused.status.code(), Some(1 | 2)), "{}", said(&refused));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("receiptd.db"), "{}", said(&refused));
        assert!(std::fs::read(&path).expect("readable") == before, "{statements}: {}", said(&refused));
    }
}
