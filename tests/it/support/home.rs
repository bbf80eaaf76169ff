//! Where a daemon lives: a folder for its configuration and token, and a database.
//!
//! The tests open, kill, copy and look into a database only through this. One engine stands behind it today; the tests
//! of a second one implement the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use receiptd::clock::Clock;
use receiptd::store::{AtOpening, OpenError, QuarantineBounds, Store, StoreSettings, check_file};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

const DATABASE: &str = "receiptd.db";

/// A folder and a database. Both go with it.
pub struct Home(TempDir);

/// Another process that reads the database, or writes into it behind the daemon's back, in SQL that every engine speaks.
pub struct Look(Connection);

/// The database at one moment, without the identity that stands beside it.
pub struct Snapshot(Vec<u8>);

/// Has the identity in a folder accept the file beside it as the one that it knows: a test can only copy files where a machine
/// would go on with its own.
pub fn accept_copied_file(folder: &Path) {
    let path = folder.join(format!("{DATABASE}.identity"));
    let Ok(text) = std::fs::read(&path) else { return };
    let Ok(mut identity) = serde_json::from_slice::<serde_json::Value>(&text) else { return };
    if let Some(fields) = identity.as_object_mut() {
        fields.remove("file");
        std::fs::write(path, identity.to_string()).expect("written");
    }
}

impl Home {
    /// One without a database yet.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// One of thousands: in memory where there is such a place, for tests that pull no plug.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder"))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Opens the database as a daemon does, or makes it.
    pub fn open(&self, clock: &Clock, quarantine: QuarantineBounds) -> Result<(Store, AtOpening), OpenError> {
        Store::open(&StoreSettings { path: self.database(), quarantine }, clock, Arc::default())
    }

    /// What a kill at this moment leaves, for another store to open.
    pub fn after_a_kill(&self) -> Self {
        let after = if self.path().starts_with("/dev/shm") { Self::in_memory() } else { Self::new() };
        let files = [DATABASE.to_owned(), format!("{DATABASE}-wal"), format!("{DATABASE}.identity")];
        let stamps = || files.clone().map(|name| std::fs::metadata(self.path().join(name)).ok().map(|it| (it.len(), it.modified().ok())));
        loop {
            let before = stamps();
            for name in &files {
                let from = self.path().join(name);
                if from.exists() {
                    std::fs::copy(&from, after.path().join(name)).expect("copied");
                }
            }
            // In a quiet moment the WAL goes into the file: what was copied of one and the other must be of one moment.
            if stamps() == before {
                accept_copied_file(after.path());
                return after;
            }
        }
    }

    /// The database as it is, by somebody who does not ask the daemon: nothing in it says that it is a copy.
    pub fn snapshot(&self) -> Snapshot {
        let copy = self.path().join("snapshot");
        let file = Connection::open(self.database()).expect("opened");
        file.execute("vacuum into ?1", [copy.to_str()]).expect("copied");
        drop(file);
        let bytes = std::fs::read(&copy).expect("read");
        std::fs::remove_file(copy).expect("removed");
        Snapshot(bytes)
    }

    /// Puts a snapshot in the place of the database, whose daemon has stopped. The identity stays.
    pub fn put_back(&self, snapshot: Snapshot) {
        std::fs::write(self.database(), snapshot.0).expect("written");
    }

    /// Loses the database, whose daemon has stopped, and keeps the identity.
    pub fn lose_database(&self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path().join(format!("{DATABASE}{end}"))); // not all of them are there
        }
    }

    /// Loses the identity, whose daemon has stopped, and keeps the database.
    pub fn lose_identity(&self) {
        std::fs::remove_file(self.identity()).expect("there was one");
    }

    /// The file with the secrets and counters that are never in the database.
    pub fn identity(&self) -> PathBuf {
        self.path().join(format!("{DATABASE}.identity"))
    }

    /// Whether a database was made.
    pub fn has_database(&self) -> bool {
        self.database().exists()
    }

    /// How a message names the database.
    pub fn name(&self) -> &str {
        DATABASE
    }

    /// What `receiptd check` finds wrong with the database of a stopped daemon, or with a copy.
    pub fn check(&self) -> Vec<String> {
        check_file(&self.database()).expect("readable")
    }

    /// All that the database of a stopped daemon and its identity hold, as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let files = ["", "-wal", ".identity"].map(|end| self.path().join(format!("{DATABASE}{end}")));
        files.iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect()
    }

    /// Looks into it, also while a daemon runs.
    pub fn look(&self) -> Look {
        Look(Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database"))
    }

    /// Changes it behind the daemon's back.
    pub fn change(&self, sql: &str) -> usize {
        Connection::open(self.database()).and_then(|file| file.execute(sql, [])).expect(sql)
    }

    /// Keeps every other writer out for as long as this is held.
    pub fn lock(&self) -> Look {
        let file = Connection::open(self.database()).expect("opened");
        file.execute_batch("begin immediate").expect("the lock");
        Look(file)
    }

    /// The database file, for tests of SQLite alone.
    pub fn database(&self) -> PathBuf {
        self.path().join(DATABASE)
    }
}

impl Look {
    /// How many rows a table or a view has.
    pub fn count(&self, table: &str) -> i64 {
        self.0.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).expect("counted")
    }

    /// The text that a query answers with.
    pub fn text(&self, sql: &str) -> String {
        self.0.query_row(sql, [], |row| row.get(0)).expect("a row")
    }

    /// The bodies that are kept of receipts, byte by byte, in the order in which they came.
    pub fn receipt_bodies(&self) -> Vec<Vec<u8>> {
        let mut rows = self.0.prepare("select cast(body as blob) from receipt_body order by receipt").expect("a table");
        rows.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("bodies")
    }
}
