//! The documentation does what it says. Blocks marked `sh` run from top to bottom in one shell, against the real daemon
//! and the real sandbox; blocks marked `sql` run too, and must find something; so do blocks marked `python` and `js`, where
//! the interpreter is there; blocks marked `json` are compared with what came. `CONTRIBUTING.md` has the words that may follow; `docs/stage.sh` is what stands around a page.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use clap::Parser;
use receiptd::cli::Cli;
use serde_json::Value;

use crate::binary::said;

/// Why a block may be left out, and what tries it instead.
const SKIPS: &[(&str, &str)] = &[
    ("package", "installs or removes packages: deploy/try-getting-started and deploy/try-package do, in a Debian of their own"),
    ("systemd", "changes units of a running systemd"),
    ("editor", "opens an editor"),
    ("build", "compiles the program or runs the whole of the tests: .ci/run does"),
    ("example", "reaches machines or programs that are not here"),
];

/// What the `type` of every error of the API begins with.
const PROBLEM: &str = "tag:receiptd,2026:problem/";

/// A fenced block.
struct Block {
    page: String,
    line: usize,
    /// What stands behind the fence: the language, then words of ours.
    info: Vec<String>,
    text: String,
}

impl Block {
    fn is(&self, word: &str) -> bool {
        self.info.iter().any(|it| it == word)
    }

    fn skip(&self) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix("skip="))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path in the repository.
fn pages() -> Vec<String> {
    pages_of(repository())
}

/// Every page of the documentation in a folder, by its path there.
pub fn pages_of(root: &Path) -> Vec<String> {
    let mut pages: Vec<String> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned).to_vec();
    pages.retain(|page| root.join(page).exists());
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in root.join(&folder).read_dir().expect("docs") {
            let entry = entry.expect("an entry");
            let path = format!("{folder}/{}", entry.file_name().into_string().expect("a name"));
            match entry.file_type().expect("known").is_dir() {
                true => folders.push(path),
                false if path.ends_with(".md") => pages.push(path),
                false => {}
            }
        }
    }
    pages.sort();
    pages
}

/// The fenced blocks of a page, and what stands around them.
fn read(root: &Path, page: &str) -> (Vec<Block>, Vec<(usize, String)>) {
    let (mut blocks, mut prose) = (Vec::<Block>::new(), Vec::new());
    let mut within = false;
    for (index, line) in std::fs::read_to_string(root.join(page)).expect(page).lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            within = !within;
            if within {
                let info = info.split_whitespace().map(str::to_owned).collect();
                blocks.push(Block { page: page.into(), line: index + 1, info, text: String::new() });
            }
        } else if within {
            let block = blocks.last_mut().expect("a block");
            block.text.push_str(line);
            block.text.push('\n');
        } else {
            prose.push((index + 1, line.to_owned()));
        }
    }
    assert!(!within, "{page}: a block without an end");
    (blocks, prose)
}

#[test]
fn every_command_in_the_docs_works() {
    if let Some(missing) = ["curl", "sqlite3", "python3"].iter().find(|tool| Command::new(tool).arg("--version").output().is_err()) {
        assert!(std::env::var_os("CI").is_none(), ".ci/run installs {missing}");
        eprintln!("SKIPPED: there is no {missing} here");
        return;
    }
    let mut acts: Vec<Vec<Block>> = Vec::new();
    for page in pages() {
        let mut first = true;
        for block in read(repository(), &page).0 {
            if let Some(reason) = block.skip() {
                let known = SKIPS.iter().find(|(word, _)| *word == reason);
                let (_, why) = known.unwrap_or_else(|| unreachable!("{}: skip={reason} is not a known reason", block.place()));
                eprintln!("skipped {}: {why}", block.place());
                continue;
            }
            if first || block.is("fresh") {
                acts.push(Vec::new());
                first = false;
            }
            acts.last_mut().expect("an act").push(block);
        }
    }
    acts.retain(|act| act.iter().any(|block| block.is("sh") || block.is("sql")));
    assert!(!acts.is_empty(), "the docs were not found");
    let failures: Vec<String> = thread::scope(|scope| {
        let playing: Vec<_> = acts.iter().map(|act| scope.spawn(|| play(act))).collect();
        playing.into_iter().filter_map(|act| act.join().expect("no panic").err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs the blocks of one page, or of a part of it that begins in a new shell.
fn play(act: &[Block]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = folder.path().join("stage");
    std::fs::create_dir(&stage).expect("a folder");
    let mut script = format!("source {:?}\n", repository().join("tests/it/docs/stage.sh"));
    // Where the page starts no provider itself, it finds all of it running.
    let own = act.iter().any(|block| block.is("background") && block.text.contains("receiptd sandbox"));
    script.push_str(if own { "stage_empty\n" } else { "stage_running\n" });
    for (number, block) in act.iter().enumerate() {
        std::fs::write(stage.join(format!("{number}.block")), &block.text).expect("written");
        let how = match block.info.first().map(String::as_str) {
            Some("sh") if block.is("background") => "background",
            Some("sh") => "foreground",
            Some("sql") => "query",
            Some("python") => "program python3",
            Some("js") => match node() {
                Some(_) => "program node",
                None => continue,
            },
            _ => continue,
        };
        script.push_str(&format!("{how} {number} {} {}\n", block.place(), block.info[1..].join(" ")));
    }
    script.push_str("curtain\n");
    std::fs::write(stage.join("play.sh"), script).expect("written");

    // The daemon gets its sockets handed over: ports that nobody else has, over restarts too. They wait as 8 and 9.
    let sockets = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [public, private] = sockets.each_ref().map(|socket| socket.local_addr().expect("an address").port().to_string());
    let [first, second] = sockets.map(OwnedFd::from);
    let binary = Path::new(env!("CARGO_BIN_EXE_receiptd"));
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", binary.parent().expect("a folder").display());
    let played = Command::new("bash")
        .args(["-c", "exec 8<&0 9<&1 </dev/null >&2; exec timeout -k 10 120 bash \"$0\""])
        .arg(stage.join("play.sh"))
        .current_dir(folder.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("PUBLIC", &public), ("PRIVATE", &private), ("USER", "alice"), ("LANG", "C.UTF-8")])
        .env("REPOSITORY", repository())
        .env("NODE", node().unwrap_or_default())
        .env("ROOT", folder.path())
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path()) // where `demo` leaves what it made
        .stdin(first)
        .stdout(second)
        .output()
        .expect("bash");
    if !played.status.success() {
        return Err(said(&played));
    }
    let shown = |number: usize| std::fs::read_to_string(stage.join(format!("{number}.out"))).unwrap_or_default();
    for (number, block) in act.iter().enumerate() {
        // curl is content with any answer: an error must be one that the page shows.
        let announced = act.get(number + 1).is_some_and(|next| next.is("json") && next.text.contains(PROBLEM));
        if shown(number).contains(PROBLEM) && !announced {
            return Err(format!("{}: {}", block.place(), shown(number)));
        }
        if !block.is("json") {
            continue;
        }
        let real = shown(number.checked_sub(1).expect("a command before its answer"));
        agree(&block.text, &real).map_err(|difference| format!("{}: {difference}\nit is {real}", block.place()))?;
    }
    Ok(())
}

/// Node with `fetch`. Whoever has none does not need its example.
fn node() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join("node")).find(|program| {
        let has_fetch = Command::new(program).args(["-e", "fetch"]).output();
        has_fetch.is_ok_and(|ran| ran.status.success())
    })
}

/// Is what a page shows what came? It may leave fields out, and ids and times stand for others of their kind, and `…` for the rest.
fn agree(shown: &str, real: &str) -> Result<(), String> {
    let shown: Value = serde_json::from_str(shown).map_err(|error| format!("the page shows what is not JSON: {error}"))?;
    let real: Value = serde_json::from_str(real).map_err(|error| format!("what came is not JSON: {error}"))?;
    compare("", &shown, &real)
}

fn compare(path: &str, shown: &Value, real: &Value) -> Result<(), String> {
    let stands_for = |shown: &str, real: &str| {
        let alike = |a: &str, b: &str| {
            a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| a.is_ascii_alphanumeric() == b.is_ascii_alphanumeric())
        };
        let made_up = (shown.len() == 36 && shown.matches('-').count() == 4) || (shown.len() == 24 && shown.ends_with('Z'));
        shown == real || shown.split_once('…').is_some_and(|(start, _)| real.starts_with(start)) || (made_up && alike(shown, real))
    };
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => shown.iter().try_for_each(|(key, value)| {
            let real = real.get(key).ok_or_else(|| format!("there is no {path}/{key}"))?;
            compare(&format!("{path}/{key}"), value, real)
        }),
        (Value::Array(shown), Value::Array(real)) if shown.len() <= real.len() => {
            shown.iter().zip(real).enumerate().try_for_each(|(n, (shown, real))| compare(&format!("{path}/{n}"), shown, real))
        }
        (Value::String(shown), Value::String(real)) if stands_for(shown, real) => Ok(()),
        _ if shown == real => Ok(()),
        _ => Err(format!("{path} is {real}, the page shows {shown}")),
    }
}

#[test]
fn every_receiptd_command_that_the_docs_name_is_one() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (line, prose) in read(repository(), &page).1 {
            let indented = prose.strip_prefix("    ").map(str::trim_start).unwrap_or_default();
            if ["receiptd ", "sudo ", "curl ", "cargo ", "sqlite3 "].iter().any(|command| indented.starts_with(command)) {
                wrong.push(format!("{page}:{line}: commands stand in blocks with a fence, so that they are run: {indented}"));
            }
            for span in prose.split('`').skip(1).step_by(2).filter(|span| span.starts_with("receiptd ")) {
                if let Err(error) = understood(span) {
                    wrong.push(format!("{page}:{line}: `{span}`: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Would the program understand it? Words in capitals stand for values, `a|b` for either, `…` for anything.
fn understood(span: &str) -> Result<(), String> {
    let open = span.contains('…');
    let command = span.split([';', '>', '<']).next().unwrap_or(span).split("||").next().unwrap_or(span);
    let words = command.split_whitespace().map(|word| {
        let word = word.trim_matches(|quote| quote == '"' || quote == '\'').replace("\\|", "|");
        let word = word.split('|').next().unwrap_or_default().to_owned();
        match word.as_str() {
            "ID" => "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11".into(),
            "TIME" => "90d".into(),
            _ => word,
        }
    });
    match Cli::try_parse_from(words) {
        Ok(_) => Ok(()),
        Err(error) => {
            use clap::error::ErrorKind as Kind;
            let shows = matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion);
            // `receiptd send` names the command, and does not show how to call it.
            let named = matches!(error.kind(), Kind::MissingRequiredArgument | Kind::MissingSubcommand)
                || error.kind() == Kind::DisplayHelpOnMissingArgumentOrSubcommand;
            if shows || named || (open && error.kind() == Kind::InvalidValue) { Ok(()) } else { Err(error.to_string()) }
        }
    }
}

#[test]
fn every_link_in_the_docs_leads_somewhere() {
    let wrong: Vec<String> = pages().iter().flat_map(|page| broken_links(repository(), page)).collect();
    assert!(wrong.is_empty(), "they lead nowhere:\n{}", wrong.join("\n"));
}

/// The links of a page, which is named by its path in `root`, that lead nowhere.
pub fn broken_links(root: &Path, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let base = root.join(page).parent().expect("a folder").to_owned();
    for (line, prose) in read(root, page).1 {
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let path: PathBuf = if file.is_empty() { root.join(page) } else { base.join(file) };
            let found = path.exists() && (anchor.is_empty() || anchors(&path).contains(&anchor.to_owned()));
            if !found {
                wrong.push(format!("{page}:{line}: {target}"));
            }
        }
    }
    wrong
}

/// What GitHub makes of the headings of a page.
fn anchors(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let slug = |heading: &str| {
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#'))).collect()
}
