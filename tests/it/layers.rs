//! The modules keep their layers: a module uses only modules of a lower rank, no files use each other in a circle, and
//! other crates stay where they belong.

use std::fs;
use std::path::Path;

use imports::{Sources, is_within};

mod imports;

/// The rank table of `src/lib.rs`. Modules of rank 0 use no other module.
const RANKS: &[(&str, u8)] = &[
    ("domain", 0),
    ("secret", 0),
    ("headers", 0),
    ("durable", 0),
    ("lock", 0),
    ("tls", 0),
    ("loose", 0),
    ("clock", 1),
    ("metrics", 1),
    ("config", 1),
    ("api", 1),
    ("pace", 2),
    ("store", 2),
    ("provider", 2),
    ("simulator", 2),
    ("client", 2),
    ("probe", 2),
    ("openapi", 2),
    ("receive", 3),
    ("submit", 4),
    ("reconcile", 4),
    ("retention", 4),
    ("codes", 4),
    ("http", 5),
    ("serve", 6),
    ("cli", 7),
];

/// Crates that only these modules may use.
const KEPT: &[(&str, &[&str])] = &[
    ("rusqlite", &["store::sqlite"]),
    ("r2d2", &["store::sqlite"]),
    ("r2d2_sqlite", &["store::sqlite"]),
    ("awc", &["provider", "client", "probe", "simulator", "tls"]),
    ("rustls", &["provider", "tls"]),
    ("prometheus_client", &["metrics"]),
    ("listenfd", &["serve"]),
    ("sd_notify", &["serve"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("unicode_width", &["cli"]),
    ("figment", &["config"]),
];

#[test]
fn a_module_uses_only_modules_of_a_lower_rank() {
    let sources = sources();
    assert_eq!(upward(&sources), Vec::<String>::new());
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    assert_eq!(sources().circles(), Vec::<Vec<String>>::new());
}

#[test]
fn other_crates_stay_in_their_modules() {
    assert_eq!(strayed(&sources()), Vec::<String>::new());
}

#[test]
fn one_statement_in_an_engine_says_how_far_a_batch_has_come() {
    let mut found = Vec::new();
    for (path, text) in files("src").into_iter().filter(|(path, _)| path.starts_with("store/")) {
        for statement in text.split("update batch set").skip(1) {
            let columns = statement.split("where").next().unwrap_or_default();
            if ["state =", "attempts =", "submitted_at =", "completed_at =", "asked_at ="].iter().any(|column| columns.contains(column)) {
                found.push(path.clone());
            }
        }
    }
    assert_eq!(found, ["store/sqlite/progress.rs"]);
}

#[test]
fn the_domain_knows_neither_the_clock_nor_any_io() {
    for (path, text) in files("src") {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for forbidden in ["std::fs", "std::net", "std::io", "SystemTime", "Instant", "tokio", "actix", "now()"] {
            let is_there = path.starts_with("domain/") && code.iter().any(|line| line.contains(forbidden));
            assert!(!is_there, "{path} uses {forbidden}");
        }
    }
}

/// What may speak of SQLite among the tests; the harness does, and `config.rs`, since the setting `database` names a file.
const OF_SQLITE: &[&str] = &["sqlite.rs", "sqlite/", "support.rs", "support/", "config.rs", "layers.rs"];

#[test]
fn the_other_tests_name_no_engine_and_reach_a_database_through_home() {
    for (path, text) in files("tests/it") {
        if OF_SQLITE.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        for word in ["rusqlite", "receiptd.db", "-wal", "check_file", "backup_file", "Store::open", ".database()"] {
            assert!(!text.contains(word), "{path} names `{word}`: see tests/it/support/home.rs");
        }
    }
}

/// A tree of files, as a test plants it.
const PLANTED: &[(&str, &str)] = &[
    ("lib.rs", "pub mod domain; pub mod store; pub mod http;"),
    ("domain/mod.rs", "//! use crate::http::state;\nmod batch; mod number;\npub use batch::Batch;\npub use number::Number;"),
    ("domain/batch.rs", "use super::Number;\n#[cfg(test)]\nmod tests { use super::super::batch::Batch; use crate::http::State; }"),
    ("domain/number.rs", "/* use super::Batch; */ const TEXT: &str = \"use super::Batch; \\\" \"; const RAW: &str = r#\"super::Batch\"#;"),
    ("store/mod.rs", "mod handle; mod sqlite; pub use handle::Store; pub use crate::domain::Batch;"),
    ("store/handle.rs", "use super::sqlite::Engine; pub struct Store(Engine);"),
    ("store/sqlite/mod.rs", "mod engine; pub(super) use engine::Engine; use crate::domain::Number as Digits; fn level() {}"),
    (
        "store/sqlite/engine.rs",
        "use rusqlite::{Connection, named_params}; fn open(place: &'static str) -> super::Digits { super::level() }",
    ),
    ("http.rs", "mod state; pub use state::State; use crate::store::{self, Store}; fn all() -> store::Batch { state::new() }"),
    ("http/state.rs", "#[cfg(test)]\nmod tests;\nuse crate::{domain::Batch, store::Store}; pub struct State;"),
    ("http/state/tests.rs", "use super::State; use crate::http; use rusqlite::Connection;"),
];

/// The planted tree, with a line more at the end of one of its files.
fn planted_with(file: &str, line: &str) -> Sources {
    let grown: Vec<(&str, String)> =
        PLANTED.iter().map(|(path, text)| (*path, if *path == file { format!("{text}\n{line}") } else { (*text).to_owned() })).collect();
    assert!(file.is_empty() || PLANTED.iter().any(|(path, _)| *path == file));
    Sources::read(grown.iter().map(|(path, text)| (*path, text.as_str())))
}

#[test]
fn a_tree_in_order_is_found_in_order() {
    let sources = planted_with("", "");
    assert_eq!(sources.circles(), Vec::<Vec<String>>::new());
    assert_eq!(upward(&sources), Vec::<String>::new());
    assert_eq!(strayed(&sources), Vec::<String>::new());
    let uses = |module| sources.uses(module).into_iter().collect::<Vec<_>>();
    assert_eq!(uses("domain::batch"), ["domain::number"]);
    assert_eq!(uses("store::sqlite::engine"), ["domain::number", "store::sqlite"]);
    assert_eq!(uses("http::state"), ["domain::batch", "store::handle"]);
    assert_eq!(uses("http"), ["domain::batch", "http::state", "store", "store::handle"]);
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let two: &[&str] = &["domain::batch", "domain::number"];
    let through_another: &[&str] = &["store::handle", "store::sqlite::engine"];
    for (file, line, circle) in [
        ("domain/number.rs", "use super::batch::Batch;", two),
        ("domain/number.rs", "use super::Batch;", two),
        ("domain/number.rs", "use super::{\n    self,\n    Batch,\n};", two),
        ("domain/number.rs", "fn f() { crate::domain::Batch::new() }", two),
        ("domain/number.rs", "use crate::{domain::{Batch as B}};", two),
        ("domain/number.rs", "use crate::store::Batch;", two),
        ("domain/number.rs", "use crate::store; fn f(_: store::Batch) {}", &["domain::batch", "domain::number", "store"]),
        ("store/sqlite/engine.rs", "use crate::store::Store;", through_another),
        ("store/sqlite/engine.rs", "use super::super::Store;", through_another),
        ("store/sqlite/mod.rs", "fn f() { Engine::new() }", &["store::sqlite", "store::sqlite::engine"]),
        ("http/state.rs", "use super::all;", &["http", "http::state"]),
    ] {
        assert_eq!(planted_with(file, line).circles(), [circle], "{file}: {line}");
    }
}

#[test]
fn an_upward_import_and_a_strayed_crate_are_found() {
    for line in ["use crate::http::State;", "fn f(_: crate::http::State) {}", "use super::super::http;", "use crate::{http::State as S};"] {
        assert_eq!(upward(&planted_with("store/handle.rs", line)), ["`store::handle` uses `http`"], "{line}");
    }
    for line in ["use rusqlite::Connection;", "fn f() -> rusqlite::Result<()> {}", "use rusqlite;", "pub use rusqlite as sql;"] {
        assert_eq!(strayed(&planted_with("store/handle.rs", line)), ["`store::handle` uses the crate `rusqlite`"], "{line}");
    }
}

/// What is against the rank table.
fn upward(sources: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    for module in sources.modules() {
        let own = module.split("::").next().unwrap_or_default();
        let Some(rank) = rank(own) else {
            wrong.push(format!("`{own}` is not in the rank table"));
            continue;
        };
        for used in sources.modules_used(module) {
            if used != own && self::rank(&used).is_none_or(|used| used >= rank) {
                wrong.push(format!("`{module}` uses `{used}`"));
            }
        }
    }
    wrong
}

/// The crates that are used where they do not belong.
fn strayed(sources: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    for module in sources.modules() {
        for name in sources.crates_used(module) {
            let kept = KEPT.iter().find(|(kept, _)| *kept == name);
            if kept.is_some_and(|(_, modules)| !modules.iter().any(|kept| is_within(module, kept))) {
                wrong.push(format!("`{module}` uses the crate `{name}`"));
            }
        }
    }
    wrong
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// This crate's.
fn sources() -> Sources {
    let files = files("src");
    Sources::read(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
}

/// The source files below a folder of the repository: path and text.
fn files(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below it").to_str().expect("a text").to_owned();
                found.push((name, fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), Vec::new());
    walk(&root, &root, &mut found);
    found
}
