//! The house keeps its order: a room uses only rooms of a lower rank, and foreign crates stay where they belong.

use std::fs;
use std::path::{Path, PathBuf};

/// The rank table of `src/lib.rs`. Modules of rank 0 use no other module.
const RANKS: &[(&str, u8)] = &[
    ("domain", 0),
    ("secret", 0),
    ("headers", 0),
    ("lock", 0),
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

/// Crates that only these rooms may use.
const KEPT: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("r2d2", &["store"]),
    ("r2d2_sqlite", &["store"]),
    ("awc", &["provider", "client", "probe", "simulator"]),
    ("rustls", &["provider", "client", "probe", "simulator"]),
    ("prometheus_client", &["metrics"]),
    ("listenfd", &["serve"]),
    ("sd_notify", &["serve"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("comfy_table", &["cli"]),
    ("figment", &["config"]),
];

#[test]
fn a_room_uses_only_rooms_of_a_lower_rank() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(room) = room(&file) else { continue };
        let Some(rank) = rank(&room) else {
            wrong.push(format!("{}: the room `{room}` is not in the rank table", file.display()));
            continue;
        };
        for used in used_rooms(&file) {
            if used != room && rank_of(&used) >= rank {
                wrong.push(format!("{}: `{room}` ({rank}) uses `{used}` ({})", file.display(), rank_of(&used)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(room) = room(&file) else { continue };
        let text = code(&file);
        for (name, rooms) in KEPT {
            let uses = text.lines().any(|line| {
                line.match_indices(&format!("{name}::"))
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
            });
            if uses && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: `{name}` belongs in {rooms:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_knows_neither_the_clock_nor_any_io() {
    for file in sources().into_iter().filter(|file| room(file).as_deref() == Some("domain")) {
        let text = code(&file);
        for forbidden in ["std::fs", "std::net", "std::io", "SystemTime", "Instant", "tokio", "actix", "now()"] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
}

fn rank(room: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank)
}

fn rank_of(room: &str) -> u8 {
    rank(room).unwrap_or(u8::MAX)
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// `src/store/db.rs` is in the room `store`, `src/receive.rs` in `receive`; `lib.rs` and `main.rs` are the door.
fn room(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// The text without comments and without the tests at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source");
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn used_rooms(file: &Path) -> Vec<String> {
    let text = code(file);
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            used.extend(list.split('}').next().unwrap_or_default().split(',').filter_map(|path| first_word(path.trim())));
        } else {
            used.extend(first_word(rest));
        }
    }
    used
}

fn first_word(path: &str) -> Option<String> {
    let word: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}
