//! Storage that fails, is taken away, or is held by others, under the real binary.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use actix_web::rt;
use receiptd::clock::Clock;
use receiptd::domain::{BatchId, BatchState, Content, ErrorKind, Handover, LastError, Msisdn, NewBatch};
use receiptd::simulator::Script;
use receiptd::store::QuarantineBounds;
use rusqlite::{Connection, OpenFlags};

use crate::binary::{Binary, House, said};
use crate::support::{Answer, Faults, Home, receipt, request};

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

/// A daemon with one submitted batch, and what it has acknowledged.
struct Taking {
    house: House,
    daemon: Binary,
    batch: String,
    callback: String,
    acknowledged: Vec<String>,
    next: u32,
}

fn number(n: u32) -> String {
    format!("+447700{n:06}")
}

impl Taking {
    async fn new(house: House) -> Self {
        let daemon = house.serve().await;
        let numbers: Vec<String> = (0..1_000).map(number).collect();
        let batch = daemon.submit("hello", &numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
        daemon.until(&batch, "submitted").await;
        let callback = house.callback(0);
        Self { house, daemon, batch, callback, acknowledged: Vec::new(), next: 0 }
    }

    /// Posts the next receipt; one that is not taken is posted again by the next call.
    async fn post(&mut self) -> Answer {
        let to = number(self.next);
        let answer = request("POST", &self.callback, &[], receipt(&to, true, "00").to_string().into_bytes()).await;
        if answer.status == 200 {
            self.acknowledged.push(to);
            self.next += 1;
        } else {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        answer
    }

    async fn taken(&mut self) {
        let answer = self.post().await;
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.daemon.log());
    }

    /// Not taken, and `/readyz` says why.
    async fn refused(&mut self, why: &str) {
        for _ in 0..3 {
            let answer = self.post().await;
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        self.not_ready(why).await;
    }

    async fn not_ready(&self, why: &str) {
        let ready = self.daemon.api("GET", "/readyz", None).await;
        assert_eq!((ready.status, ready.json()["ready"].as_bool()), (503, Some(false)), "{ready:?}");
        assert!(ready.json()["reasons"].to_string().contains(why), "{why}: {ready:?}");
        assert_eq!(ready.json()["reason_kinds"], serde_json::json!(["storage"]));
    }

    async fn recovers(&mut self) {
        for _ in 0..1_000 {
            if self.daemon.api("GET", "/readyz", None).await.status == 200 {
                self.taken().await;
                return;
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("it is never ready again: {}", self.daemon.log());
    }

    /// Kills it, starts it again, and looks for everything that was acknowledged.
    async fn nothing_is_lost(self) {
        let Self { house, daemon, batch, acknowledged, .. } = self;
        daemon.kill();
        let daemon = house.serve().await;
        for number in &acknowledged {
            let shown = daemon.api("GET", &format!("/v1/batches/{batch}/destinations/{number}"), None).await.json();
            assert_eq!((&shown["state"], &shown["receipts"]), (&"delivered".into(), &1.into()), "{number}");
        }
        let checked = daemon.api("POST", "/v1/check", None).await.json();
        assert_eq!(checked["problems"].to_string(), "[]");
        assert_eq!(house.posts(), 1, "handed over once");
    }
}

async fn while_it_fails(call: &str, error: i32, suffix: &str) {
    let (house, faults) = Faults::of(House::new());
    let mut it = Taking::new(house).await;
    for _ in 0..3 {
        it.taken().await;
        faults.fail(&format!("{call} {error} {suffix}"));
        it.refused("").await;
        // A transaction that changes nothing succeeds on any disk, and shows nothing.
        assert_eq!(it.daemon.api("DELETE", "/v1/quarantine/4711", None).await.status, 404);
        it.not_ready("").await;
        faults.mend();
        it.recovers().await;
    }
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn a_full_disk_is_answered_with_503_and_then_it_goes_on() {
    while_it_fails("write", NO_SPACE, "-wal").await;
}

#[actix_web::test]
async fn a_disk_that_takes_single_receipts_and_no_list_of_them_is_not_ready_until_it_takes_lists() {
    let (house, faults) = Faults::of(House::new());
    let mut it = Taking::new(house).await;
    let database = it.house.path("receiptd.db");
    let reader = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
    reader.execute_batch("begin; select count(*) from receipt").expect("a snapshot: the WAL does not begin anew");
    let wal = || std::fs::metadata(database.with_extension("db-wal")).map_or(0, |found| found.len());
    let mut grown = 0;
    while grown < 2 {
        let before = wal();
        it.taken().await;
        grown += u32::from(wal() > before);
    }
    // From here on the disk has room for a few commits of one receipt, and not for a list of receipts from all over the batch.
    faults.fail(&format!("write {NO_SPACE} -wal {}", wal() + (28 << 10)));
    let list: Vec<_> = (100..1_000).map(|n| receipt(&number(n * 7 % 900 + 100), true, "00")).collect();
    let list = serde_json::Value::from(list).to_string().into_bytes();
    for _ in 0..2 {
        let answer = request("POST", &it.callback, &[], list.clone()).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        it.not_ready("").await;
        it.taken().await;
        it.not_ready("").await;
    }
    faults.mend();
    it.recovers().await;
    let answer = request("POST", &it.callback, &[], list).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(reader);
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn an_error_of_the_disk_is_answered_with_503_and_then_it_goes_on() {
    while_it_fails("write", IO_ERROR, "-wal").await;
}

#[actix_web::test]
async fn a_failed_fsync_is_answered_with_503_and_then_it_goes_on() {
    while_it_fails("fsync", IO_ERROR, "-wal").await;
}

#[actix_web::test]
async fn a_handle_that_stays_broken_is_replaced_by_a_new_one() {
    const STALE: i32 = 116;
    let (house, faults) = Faults::of(House::new());
    let mut it = Taking::new(house).await;
    for _ in 0..3 {
        it.taken().await;
        faults.fail(&format!("stale {STALE} -wal"));
        it.refused("").await;
        // The disk is well again, and the handle is not.
        faults.mend();
        it.recovers().await;
    }
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn a_database_file_that_cannot_be_written_costs_nothing_while_the_wal_can() {
    while_checkpoints_fail("write").await;
}

#[actix_web::test]
async fn a_failed_fsync_of_the_database_file_costs_nothing_while_the_wal_can_be_written() {
    while_checkpoints_fail("fsync").await;
}

async fn while_checkpoints_fail(call: &str) {
    let (house, faults) = Faults::of(House::new());
    let mut it = Taking::new(house).await;
    faults.fail(&format!("{call} {IO_ERROR} .db"));
    for _ in 0..50 {
        it.taken().await;
    }
    // A quiet moment comes in which the WAL cannot be emptied; then more, and then a good disk.
    rt::time::sleep(Duration::from_millis(2_500)).await;
    it.taken().await;
    faults.mend();
    it.taken().await;
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn nothing_goes_out_while_the_identity_file_cannot_be_written() {
    let (house, faults) = Faults::of(House::new());
    let daemon = house.serve().await;
    faults.fail(&format!("write {IO_ERROR} .identity.*.new"));
    let id = daemon.submit("hello", &["+447700900001"]).await;
    for _ in 0..1_000 {
        let batch = daemon.api("GET", &format!("/v1/batches/{id}"), None).await.json();
        if batch["last_error"]["kind"] == "storage" {
            break;
        }
        rt::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.posts(), 0);
    faults.mend();
    daemon.until(&id, "submitted").await;
    assert_eq!(house.posts(), 1);
}

#[actix_web::test]
async fn what_could_not_leave_is_queued_again_once_that_can_be_written_down() {
    let (house, faults) = Faults::of(House::new());
    let daemon = house.serve().await;
    // The daemon is held where it writes the identity file: the batch is marked as submitting by then, and has not left.
    faults.fail("write 0 .identity.*.new");
    let id = daemon.submit("hello", &["+447700900001"]).await;
    daemon.until(&id, "submitting").await;
    // Then neither that file can be written, nor that the batch is queued again.
    faults.fail(&format!("write {IO_ERROR} .identity.*.new\nwrite {NO_SPACE} -wal"));
    while daemon.api("GET", "/readyz", None).await.status == 200 {
        rt::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.posts(), 0);
    faults.mend();
    daemon.until(&id, "submitted").await;
    assert_eq!(house.posts(), 1);
}

#[actix_web::test]
async fn a_file_that_was_moved_replaced_truncated_or_made_read_only_is_noticed_before_the_next_acknowledgement() {
    let mut it = Taking::new(House::new()).await;
    it.taken().await;
    let (database, aside) = (it.house.path("receiptd.db"), it.house.path("aside.db"));

    std::fs::rename(&database, &aside).expect("moved");
    it.not_ready("moved").await;
    it.refused("moved").await;
    std::fs::copy(&aside, &database).expect("replaced");
    it.refused("replaced").await;
    std::fs::rename(&aside, &database).expect("put back");
    it.recovers().await;

    let mut permissions = std::fs::metadata(&database).expect("there").permissions();
    let writable = permissions.clone();
    permissions.set_readonly(true);
    std::fs::set_permissions(&database, permissions).expect("made read-only");
    it.not_ready("read-only").await;
    it.refused("read-only").await;
    std::fs::set_permissions(&database, writable).expect("made writable");
    it.recovers().await;

    let whole = std::fs::metadata(&database).expect("there").len();
    assert!(whole > 8_192, "{whole}");
    let keep = it.house.path("keep.db");
    std::fs::copy(&database, &keep).expect("copied");
    std::fs::OpenOptions::new().write(true).open(&database).and_then(|file| file.set_len(8_192)).expect("truncated");
    it.not_ready("truncated").await;
    it.refused("truncated").await;
    let bytes = std::fs::read(&keep).expect("read");
    std::fs::write(&database, bytes).expect("written back into the same file");
    it.recovers().await;
    it.nothing_is_lost().await;
}

/// Others who open the database, read it and close it, each in a process of its own. The older SQLite of a system is
/// quicker to delete a WAL than ours: those that are there come too.
fn outside(database: &Path) {
    const COUNT: &str = "select count(*) from receipt";
    let name = "sqlite::storage::what_somebody_outside_does_who_opens_reads_and_closes";
    let mut ours = Command::new(std::env::current_exe().expect("these tests"));
    ours.args(["--exact", name]).env("OUTSIDE_DATABASE", database);
    let mut shell = Command::new("sqlite3");
    shell.arg(database).arg(COUNT);
    let mut python = Command::new("python3");
    let script = format!("import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('{COUNT}').fetchall(); c.close()");
    python.args(["-c", &script]).arg(database);
    for mut who in [ours, shell, python] {
        match who.output() {
            Ok(done) => assert!(done.status.success(), "{}", said(&done)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
        }
    }
}

#[test]
fn what_somebody_outside_does_who_opens_reads_and_closes() {
    let Ok(database) = std::env::var("OUTSIDE_DATABASE") else { return };
    let conn = Connection::open(database).expect("opened");
    let _: i64 = conn.query_row("select count(*) from receipt", [], |row| row.get(0)).expect("read");
}

#[actix_web::test]
async fn others_who_hold_the_lock_read_for_long_or_come_and_go_cost_no_receipt() {
    let mut it = Taking::new(House::new()).await;
    let database = it.house.path("receiptd.db");
    let reader = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
    reader.execute_batch("begin; select count(*) from receipt").expect("a snapshot that is kept");
    for _ in 0..20 {
        it.taken().await;
        drop(Connection::open(&database).expect("opened"));
    }
    let writer = Connection::open(&database).expect("opened");
    writer.execute_batch("begin immediate").expect("the lock");
    it.refused("lock").await;
    writer.execute_batch("rollback").expect("given back");
    drop(writer);
    it.recovers().await;
    let copy = it.house.path("copy.db");
    let made = it.daemon.api("POST", "/v1/backup", Some(serde_json::json!({"file": copy}))).await;
    assert_eq!(made.status, 200, "{made:?}");
    for _ in 0..20 {
        it.taken().await;
    }
    let seen: i64 = reader.query_row("select count(*) from receipt", [], |row| row.get(0)).expect("read");
    assert_eq!(seen, 0, "its snapshot is as old as it was");
    drop(reader);
    // Whoever is the last to close a database deletes its WAL: that must never be one of these, so the daemon must
    // still have its locks, after a backup too.
    for _ in 0..3 {
        outside(&database);
        it.taken().await;
    }
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn a_store_that_is_dropped_late_takes_no_lock_from_the_one_that_followed_it() {
    let home = Home::new();
    let bounds = QuarantineBounds { max_count: 1, max_bytes: 1_024 };
    let (first, _) = home.open(&Clock::system(), bounds).expect("opened");
    first.close();
    let (second, _) = home.open(&Clock::system(), bounds).expect("opened");
    drop(first);
    second.set_paused(true).await.expect("written");
    // Without its locks it would lose its WAL to whoever is the last to close the file.
    outside(&home.database());
    assert!(home.path().join("receiptd.db-wal").exists());
    second.close();
}

#[actix_web::test]
async fn an_answer_that_cannot_be_written_down_is_remembered_until_it_can() {
    let (house, faults) = Faults::of(House::new());
    let daemon = house.serve().await;
    house.simulator.script(Script::add(receiptd::simulator::Answer::Slow(Duration::from_millis(500))));
    let id = daemon.submit("hello", &["+447700900001"]).await;
    while house.posts() == 0 {
        rt::time::sleep(Duration::from_millis(5)).await;
    }
    faults.fail(&format!("write {NO_SPACE} -wal"));
    while house.simulator.submissions().is_empty() {
        rt::time::sleep(Duration::from_millis(5)).await;
    }
    rt::time::sleep(Duration::from_millis(700)).await;
    faults.mend();
    daemon.until(&id, "submitted").await;
    assert_eq!(house.posts(), 1);
}

#[actix_web::test]
async fn a_wal_that_was_taken_away_is_saved_before_the_daemon_ends_to_start_anew() {
    let mut it = Taking::new(House::new()).await;
    for _ in 0..20 {
        it.taken().await;
    }
    std::fs::remove_file(it.house.path("receiptd.db-wal")).expect("removed");
    let next = receipt(&number(it.next), true, "00").to_string().into_bytes();
    assert_ne!(crate::binary::posted(&it.callback, next).await, Some(200));
    let (status, log) = it.daemon.ended().await;
    assert!(status.code() == Some(1) && log.contains("the WAL was deleted or replaced"), "{log}");
    it.daemon = it.house.serve().await;
    it.taken().await;
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn what_waits_while_the_file_is_read_only_goes_out_once_when_it_is_writable_again() {
    let house = House::new();
    let mut daemon = house.serve().await;
    let away = Script::add(receiptd::simulator::Answer::status(503).header("Retry-After", "1")).lasting();
    house.simulator.script(away);
    let mut batches = Vec::new();
    for n in 0..8 {
        batches.push(daemon.submit("hello", &[&number(n)]).await);
    }
    let database = house.path("receiptd.db");
    let writable = std::fs::metadata(&database).expect("there").permissions();
    let mut permissions = writable.clone();
    permissions.set_readonly(true);
    std::fs::set_permissions(&database, permissions).expect("made read-only");
    // Nobody but the submitter writes.
    daemon.until_log("receipts cannot be recorded").await;
    rt::time::sleep(Duration::from_millis(1_500)).await;
    house.simulator.clear_scripts();
    std::fs::set_permissions(&database, writable).expect("made writable");
    for batch in &batches {
        daemon.until(batch, "submitted").await;
    }
    assert_eq!(house.simulator.submissions().len(), 8);
}

#[actix_web::test]
async fn what_is_still_to_be_settled_is_nobody_elses_to_take() {
    let home = Home::new();
    let path = home.database();
    let (store, _) = home.open(&Clock::system(), QuarantineBounds { max_count: 1, max_bytes: 1_024 }).expect("opened");
    let content = Content {
        from: "mplus".into(),
        message: "hello".into(),
        parts: 1,
        channel: None,
        fallback_channels: Vec::new(),
        send_at: None,
        allow_multi: false,
        dry_run: false,
    };
    let (id, destinations) = (BatchId::random(), vec![Msisdn::from_digits(447_700_900_001).expect("a number")]);
    let new = NewBatch { id, group: None, resend_of: None, reference: None, content, destinations, merged: 0 };
    store.enqueue(new).await.expect("written");
    let claim = || store.claim(|_| None);
    assert!(matches!(claim().await, Ok(Some(claimed)) if claimed.id == id));

    // It was not taken. That is written down, and called a failure, since the file is read-only by then.
    let writable = std::fs::metadata(&path).expect("there").permissions();
    let mut permissions = writable.clone();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("made read-only");
    let why = LastError { at: Clock::system().now(), kind: ErrorKind::Busy, status: Some(503), detail: String::new() };
    let settling = rt::spawn({
        let store = store.clone();
        async move { store.handed_over(id, Handover::NotTaken(why)).await }
    });
    while store.batch(id).await.expect("read").is_none_or(|batch| batch.state != BatchState::Queued) {
        rt::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::set_permissions(&path, writable).expect("made writable");
    // Whoever took it now would have it put back into the outbox while handing it over.
    assert!(matches!(claim().await, Ok(None)));
    settling.await.expect("no panic").expect("settled");
    assert!(matches!(claim().await, Ok(Some(claimed)) if claimed.id == id));
    store.close();
}

#[actix_web::test]
async fn a_database_that_was_moved_with_its_wal_may_come_back() {
    let mut it = Taking::new(House::new()).await;
    it.taken().await;
    let names = ["receiptd.db", "receiptd.db-wal", "receiptd.db-shm"];
    let away = it.house.path("away");
    std::fs::create_dir(&away).expect("a folder");
    names.iter().for_each(|name| std::fs::rename(it.house.path(name), away.join(name)).expect("moved"));
    it.refused("moved").await;
    names.iter().for_each(|name| std::fs::rename(away.join(name), it.house.path(name)).expect("put back"));
    it.recovers().await;
    it.nothing_is_lost().await;
}

#[actix_web::test]
async fn a_ping_is_written_to_the_disk_and_changes_nothing() {
    let home = Home::new();
    let path = home.database();
    let (store, _) = home.open(&Clock::system(), QuarantineBounds { max_count: 1, max_bytes: 1_024 }).expect("opened");
    store.ping().await.expect("written");
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
    reader.execute_batch("begin; select count(*) from receipt").expect("a snapshot: the WAL is kept");
    let wal = || std::fs::metadata(path.with_extension("db-wal")).expect("a WAL").len();
    let instance = || {
        let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
        conn.query_row("select database_id || submissions || paused from instance", [], |row| row.get::<_, String>(0)).expect("read")
    };
    let (before, mut length) = (instance(), wal());
    for _ in 0..3 {
        store.ping().await.expect("written");
        assert!(wal() > length);
        length = wal();
    }
    assert_eq!(instance(), before);
    store.close();
    assert!(store.ping().await.is_err());
}
