//! A database of an older version, opened by this one.

use std::collections::BTreeMap;

use receiptd::clock::Clock;
use receiptd::domain::{BatchId, BatchState, Resolution, Tracked, lifecycle};
use receiptd::store::{QuarantineBounds, Store};
use rusqlite::Connection;

use crate::support::Home;

/// What receiptd 0.1.0 left.
const VERSION_1: &str = include_str!("version_1.sql");
const IDENTITY_1: &str = r#"{"database": "4a81ef3f-c01b-4fe4-b99f-2954e56c3ffc", "submissions": 5, "receipts": 0,
    "secrets": ["LazcO+FryzJ4Jl3aaEZ7ZzB9DaSfnzobsviR9/XmLhI"], "number_key": "CaejnVF22iAi5ysJ+RobBMrv0uUE2PBdAJei43UC3PA"}"#;

const BOUNDS: QuarantineBounds = QuarantineBounds { max_count: 10, max_bytes: 1 << 20 };

fn made_by_version_1() -> Home {
    let home = Home::new();
    let file = Connection::open(home.database()).expect("a file");
    file.pragma_update(None, "page_size", 1_024).expect("set");
    file.execute_batch(VERSION_1).expect("a database of version 1");
    drop(file);
    std::fs::write(home.identity(), IDENTITY_1).expect("written");
    home
}

fn open(home: &Home) -> Store {
    let clock = Clock::stopped_at("2026-11-25T19:00:00Z".parse().expect("a time"));
    let (store, found) = home.open(&clock, BOUNDS).expect("opened");
    assert_eq!(found.held, None);
    store
}

fn id(n: u8) -> BatchId {
    format!("00000000-0000-4000-8000-00000000000{n}").parse().expect("an id")
}

/// The batch with all that the rules decide by.
async fn tracked(store: &Store, n: u8) -> Tracked {
    store.change(id(n), |batch, _| (None, batch.clone())).await.expect("read").expect("there").1
}

/// What the schema says: the text of each statement, without comments and blanks, and the columns of each table.
fn schema(home: &Home) -> BTreeMap<String, String> {
    let file = Connection::open(home.database()).expect("opened");
    let mut rows =
        file.prepare("select name, sql from sqlite_schema where sql is not null and name not like 'sqlite_%'").expect("a schema");
    let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("rows");
    let bare = |sql: String| {
        let code = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ").to_lowercase();
        code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",").replace(" )", ")")
    };
    rows.map(|row| row.map(|(name, sql)| (name, bare(sql)))).collect::<Result<_, _>>().expect("text")
}

#[actix_web::test]
async fn a_file_of_version_1_has_the_schema_of_a_new_one_after_it_was_opened_and_a_copy_of_it_is_there() {
    let (old, new) = (made_by_version_1(), Home::new());
    open(&old).close();
    open(&new).close();
    let (upgraded, fresh) = (schema(&old), schema(&new));
    for (name, sql) in &fresh {
        assert_eq!(upgraded.get(name), Some(sql), "{name}");
    }
    assert_eq!(upgraded.len(), fresh.len());
    assert_eq!(old.check(), [] as [String; 0]);
    let version = |path: &std::path::Path| -> i64 {
        Connection::open(path).expect("opened").pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version")
    };
    assert_eq!((version(&old.database()), version(&new.database())), (2, 2));
    // The copy is what an older receiptd goes on with.
    let copy = old.path().join(format!("{}.v1.backup", old.name()));
    assert_eq!(version(&copy), 1);
    let kept: i64 = Connection::open(copy).expect("opened").query_row("select count(*) from batch", [], |row| row.get(0)).expect("a count");
    assert_eq!(kept, 6);
}

#[actix_web::test]
async fn what_a_file_of_version_1_leaves_in_doubt_comes_out_doubtful_and_nothing_else_does() {
    let home = made_by_version_1();
    let store = open(&home);
    for (n, state, doubtful) in [
        (1, BatchState::Submitted, false),
        (2, BatchState::Unconfirmed, true),
        (3, BatchState::Queued, true),
        (4, BatchState::Queued, false),
        (5, BatchState::Scheduled, false),
        (6, BatchState::Scheduled, false),
    ] {
        let batch = tracked(&store, n).await;
        assert_eq!((batch.state, batch.doubtful), (state, doubtful), "{n}");
    }
    assert_eq!(tracked(&store, 1).await.counts.delivered, 1);
    let (batch, _) = store.change(id(3), lifecycle::cancel).await.expect("written").expect("there");
    assert_eq!(batch.state, BatchState::Unconfirmed);
    let (batch, _) = store.change(id(4), lifecycle::cancel).await.expect("written").expect("there");
    assert_eq!(batch.state, BatchState::Cancelled);
    store.change(id(2), |batch, now| lifecycle::resolve(batch, Resolution::Abandoned, now)).await.expect("written");
    assert_eq!(tracked(&store, 2).await.state, BatchState::Cancelled);
    store.close();
    assert_eq!(home.check(), [] as [String; 0]);
}

#[actix_web::test]
async fn a_name_in_a_file_of_version_1_that_a_receipt_may_have_brought_is_shown_and_cancels_nothing() {
    let home = made_by_version_1();
    let store = open(&home);
    let batch = tracked(&store, 6).await;
    assert_eq!((batch.provider_id.as_deref(), batch.names.answered.as_deref()), (Some("learned-6"), None));
    assert_eq!(tracked(&store, 1).await.names.answered, Some(id(1).to_string()));
    store.close();
}

/// What 0.1.0 wrote of a batch that is queued, and whether the provider may have it.
#[test]
fn a_batch_that_was_queued_again_is_doubtful_unless_what_went_wrong_last_proves_that_it_was_not_taken() {
    let error = |kind: &str, status: &str| format!(r#"{{"at":"2026-11-25T18:00:00Z","kind":"{kind}","status":{status},"detail":"x"}}"#);
    for (error, doubtful) in [
        (error("no_answer", "null"), true),
        (error("interrupted", "null"), true),
        (error("held", "null"), true),
        (error("timeout", "null"), true),
        (error("server_error", "502"), true),
        (error("conflict", "409"), true),
        (error("busy", "503"), true),
        ("what?".to_owned(), true),
        (error("busy", "429"), false),
        (error("connect", "null"), false),
        (error("unauthorized", "401"), false),
        (error("refused", "403"), false),
        (error("storage", "null"), false),
    ] {
        let home = made_by_version_1();
        let file = Connection::open(home.database()).expect("opened");
        file.execute("update batch set attempts = 1, last_error = ?1 where uuid = ?2", (&error, id(4).to_string())).expect("changed");
        drop(file);
        open(&home).close();
        let file = Connection::open(home.database()).expect("opened");
        let found: bool =
            file.query_row("select doubtful from batch where uuid = ?1", [id(4).to_string()], |row| row.get(0)).expect("a row");
        assert_eq!(found, doubtful, "{error}");
    }
}
