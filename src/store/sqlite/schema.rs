//! The schema and its versions. `schema.sql` in the repository's root is the only definition.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, named_params};
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::durable::{Draft, delete_drafts};
use crate::store::error::OpenError;
use crate::store::identity::beside;

/// The content of `schema.sql`.
const SCHEMA: &str = include_str!("../../../schema.sql");

/// The page size of new files, in bytes.
pub(super) const PAGE: i32 = 1_024;

/// "rcpt": identifies our files, both to `file` and to us.
const APPLICATION_ID: i32 = 0x7263_7074;

/// The upgrades from each version to the next; the first leads from 1 to 2. Each changes tables, indexes, triggers and
/// their content; the views are created again from `schema.sql`. A test compares the result with a new file.
const UPGRADES: &[&str] = &[include_str!("upgrades/2.sql")];

/// Upgrades the file to the newest schema, in one transaction. A file with an older schema is first copied to
/// `<database>.v<version>.backup`. Returns whether the file is new.
pub(super) fn migrate(conn: &mut Connection, path: &Path, now: Timestamp) -> Result<bool, OpenError> {
    migrate_by(conn, path, now, UPGRADES)
}

fn migrate_by(conn: &mut Connection, path: &Path, now: Timestamp, upgrades: &[&str]) -> Result<bool, OpenError> {
    let (is_new, version, newest) = examine_by(conn, path, upgrades)?;
    if is_new {
        create(conn, now, newest)?;
        return Ok(true);
    }
    if version < newest {
        let copy = copy_name(path, version);
        log::info!("upgrading the schema of {} from version {version} to {newest}; the copy is {}", path.display(), copy.display());
        copy_first(conn, &copy).map_err(|reason| OpenError::NoBackup { path: copy, reason })?;
        let due = usize::try_from(version - 1).ok().and_then(|done| upgrades.get(done..)).unwrap_or(upgrades);
        upgrade(conn, due, newest).map_err(|source| OpenError::Migration(source.to_string()))?;
    } else if let Err(error) = upgrade(conn, &[], newest) {
        log::warn!("cannot update the views of {}: {error}", path.display());
    }
    Ok(false)
}

/// Applies these upgrades, and updates our views to `schema.sql`, in one transaction.
fn upgrade(conn: &mut Connection, due: &[&str], newest: i64) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    due.iter().try_for_each(|upgrade| transaction.execute_batch(upgrade))?;
    renew_views(&transaction)?;
    if !due.is_empty() {
        transaction.pragma_update(None, "user_version", newest)?;
    }
    transaction.commit()
}

/// Creates everything that identifies a database of ours in one transaction: a process that ends meanwhile leaves an
/// empty file.
fn create(conn: &mut Connection, now: Timestamp, newest: i64) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.execute(
        "insert into instance (id, database_id, created_at) values (1, :id, :now)",
        named_params! {":id": Uuid::new_v4().to_string(), ":now": now.as_millis()},
    )?;
    transaction.commit()
}

/// Copies the database through SQLite: copying it in another way would drop our own process's locks.
fn copy_first(conn: &Connection, to: &Path) -> Result<(), String> {
    delete_drafts(to);
    let draft = Draft::of(to).map_err(|error| error.to_string())?;
    conn.execute("vacuum into ?1", [draft.path().to_string_lossy()]).map_err(|error| error.to_string())?;
    draft.create().map_err(|error| error.to_string())
}

/// Creates our views again if they differ from `schema.sql`. They hold no data, so this does not change the version.
fn renew_views(conn: &Connection) -> rusqlite::Result<()> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    let (wanted, found) = (views(&fresh)?, views(conn)?);
    for (name, sql) in wanted.iter().filter(|(name, sql)| found.get(*name) != Some(sql)) {
        conn.execute_batch(&format!("drop view if exists {name}; {sql}"))?;
    }
    Ok(())
}

/// The name and the definition of each view.
fn views(conn: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut views = conn.prepare("select name, sql from sqlite_schema where type = 'view'")?;
    views.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Checks that the file is one for this program. The file is only read: one that is not ours is not changed at all.
///
/// # Errors
/// If it belongs to another program, or to a newer receiptd.
pub(super) fn examine(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    examine_by(conn, path, UPGRADES).map(|_| ())
}

/// Whether the file is new, its version, and the newest version.
fn examine_by(conn: &Connection, path: &Path, upgrades: &[&str]) -> Result<(bool, i64, i64), OpenError> {
    let newest = i64::try_from(upgrades.len() + 1).unwrap_or(i64::MAX);
    let version: i64 =
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NoDatabase(path.to_owned()),
            _ => error.into(),
        })?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    let is_new = tables == 0 && version == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if version > newest {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, known: newest });
    }
    Ok((is_new, version, newest))
}

/// A name that does not exist yet: an upgrade that was killed leaves its copy, and the next one makes its own.
fn copy_name(path: &Path, version: i64) -> PathBuf {
    let first = beside(path, &format!(".v{version}.backup"));
    let more = (2..).map(|n: u64| beside(path, &format!(".v{version}.{n}.backup")));
    std::iter::once(first.clone()).chain(more).find(|name| name.symlink_metadata().is_err()).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(0)
    }

    #[test]
    fn an_older_file_is_copied_and_then_upgraded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db");
        let mut conn = Connection::open(&path).expect("a database");
        assert!(migrate(&mut conn, &path, now()).expect("new"));
        let next = [UPGRADES[0], "create table extra (id integer primary key)"];
        assert!(!migrate_by(&mut conn, &path, now(), &next).expect("upgraded"));
        let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("version");
        assert_eq!(version, 3);
        let copy = Connection::open(folder.path().join("r.db.v2.backup")).expect("the copy");
        let version: i64 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).expect("version");
        assert_eq!(version, 2);
        // A file that is newer than the program is not changed.
        assert!(matches!(migrate(&mut conn, &path, now()), Err(OpenError::Newer { found: 3, known: 2, .. })));
    }

    #[test]
    fn an_upgrade_that_was_killed_does_not_stand_in_the_way_of_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db");
        let mut conn = Connection::open(&path).expect("a database");
        migrate(&mut conn, &path, now()).expect("new");
        // One upgrade was killed after it had made its copy, another before.
        for name in ["r.db.v2.backup", "r.db.v2.2.backup.0123456789abcdef.new"] {
            std::fs::write(folder.path().join(name), "what was there").expect("written");
        }
        let next = [UPGRADES[0], "create table extra (id integer primary key)"];
        assert!(!migrate_by(&mut conn, &path, now(), &next).expect("upgraded"));
        assert_eq!(std::fs::read(folder.path().join("r.db.v2.backup")).expect("there"), b"what was there");
        let copy = Connection::open(folder.path().join("r.db.v2.2.backup")).expect("the copy");
        assert_eq!(copy.pragma_query_value(None, "user_version", |row| row.get(0)), Ok(2));
        assert!(!folder.path().join("r.db.v2.2.backup.0123456789abcdef.new").exists());
    }

    #[test]
    fn views_that_an_older_program_made_are_made_anew_and_those_of_others_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db");
        let mut conn = Connection::open(&path).expect("a database");
        migrate(&mut conn, &path, now()).expect("new");
        let wanted = views(&conn).expect("views");
        conn.execute_batch(
            "drop view batch_summary; create view batch_summary as select 1 as old; drop view quarantine_log; create view mine as select 2 as theirs",
        )
        .expect("changed");
        assert!(!migrate(&mut conn, &path, now()).expect("opened"));
        let mut found = views(&conn).expect("views");
        assert!(found.remove("mine").is_some());
        assert_eq!(found, wanted);
        let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("version");
        assert_eq!(version, 2);
    }

    #[test]
    fn every_column_of_the_views_has_a_type() {
        let conn = Connection::open_in_memory().expect("a database");
        conn.execute_batch(SCHEMA).expect("made");
        let mut untyped = Vec::new();
        for view in views(&conn).expect("views").keys() {
            let mut columns = conn.prepare(&format!("select name, type from pragma_table_info('{view}')")).expect("columns");
            let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("columns");
            for (name, kind) in columns.map(|column| column.expect("a column")) {
                if !["TEXT", "INTEGER", "INT", "BIGINT"].contains(&kind.as_str()) {
                    untyped.push(format!("{view}.{name}: {kind:?}"));
                }
            }
        }
        assert!(untyped.is_empty(), "{}", untyped.join("\n"));
    }

    /// DuckDB 1.5.5 fails on these: on the first while parsing, on the second in the query that it builds.
    #[test]
    fn the_views_say_nothing_that_duckdb_does_not_understand() {
        let conn = Connection::open_in_memory().expect("a database");
        conn.execute_batch(SCHEMA).expect("made");
        for (view, sql) in views(&conn).expect("views") {
            assert!(!sql.contains("count(*)"), "{view}");
            let joins = sql.split("cross join ").skip(1).map(|rest| rest.lines().next().unwrap_or_default());
            assert!(joins.into_iter().all(|join| !join.contains(" on ")), "{view}");
        }
    }

    #[test]
    fn a_failed_upgrade_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db");
        let mut conn = Connection::open(&path).expect("a database");
        migrate(&mut conn, &path, now()).expect("new");
        let broken = [UPGRADES[0], "create table extra (id); insert into nowhere values (1)"];
        assert!(matches!(migrate_by(&mut conn, &path, now(), &broken), Err(OpenError::Migration(_))));
        let extra: i64 = conn.query_row("select count(*) from sqlite_schema where name = 'extra'", [], |r| r.get(0)).expect("count");
        assert_eq!(extra, 0);
    }

    #[test]
    fn somebody_elses_database_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.db");
        let mut conn = Connection::open(&path).expect("a database");
        conn.execute_batch("create table theirs (id)").expect("created");
        assert!(matches!(migrate(&mut conn, &path, now()), Err(OpenError::Foreign(_))));
    }
}
