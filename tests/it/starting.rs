//! The first minutes: `init`, and `demo`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::binary::{House, said};

/// A command in a folder without a configuration.
fn fresh() -> House {
    let house = House::new();
    std::fs::remove_file(house.path("receiptd.toml")).expect("there");
    house
}

fn typed(mut command: Command, text: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("typed");
    child.wait_with_output().expect("ended")
}

#[actix_web::test]
async fn init_asks_on_a_terminal_and_never_shows_the_key() {
    let house = fresh();
    let answers = "n\nhttps://receipts.example.com\nvery-secret-key\nGB\n";
    let output = typed(house.on_terminal(80, "sleep 0.2; receiptd init"), answers);
    let told = said(&output);
    assert!(output.status.success() && told.contains("receiptd serve") && told.contains("receiptd doctor"), "{told}");
    // What was typed before the question came is echoed by the terminal itself; the program shows nothing of it.
    let after = told.split("add it later").nth(1).expect("asked");
    assert!(!after.contains("very-secret-key"), "{told}");
    let config = std::fs::read_to_string(house.path("receiptd.toml")).expect("written");
    assert!(
        config.contains("\npublic_url = \"https://receipts.example.com\"\n") && config.contains("\ndefault_region = \"GB\"\n"),
        "{config}"
    );
    assert!(config.contains("\nkey_file = \"provider.key\"\n") && !config.contains("very-secret-key"), "{config}");
    let key = house.path("provider.key");
    assert_eq!(std::fs::read_to_string(&key).expect("written"), "very-secret-key\n");
    assert_eq!(key.metadata().expect("there").permissions().mode() & 0o777, 0o600);
}

#[actix_web::test]
async fn init_needs_no_terminal_and_writes_nothing_over() {
    let house = fresh();
    let nobody = house.off_terminal(&["init"]).output().expect("run");
    assert!(nobody.status.code() == Some(2) && said(&nobody).contains("--public-url"), "{}", said(&nobody));
    let wrong = house.off_terminal(&["init", "--public-url", "receipts.example.com"]).output().expect("run");
    assert!(wrong.status.code() == Some(2) && !house.path("receiptd.toml").exists(), "{}", said(&wrong));
    let mut command = house.off_terminal(&["init", "--public-url", "https://receipts.example.com", "--key-from", "-", "--json"]);
    command.env_remove("RECEIPTD_PROVIDER__KEY");
    let written = typed(command, "piped-key\n");
    let json: serde_json::Value = serde_json::from_slice(&written.stdout).unwrap_or_else(|_| unreachable!("{}", said(&written)));
    assert_eq!((&json["has_key"], &json["sandbox"]), (&true.into(), &false.into()));
    let before = std::fs::read_to_string(house.path("receiptd.toml")).expect("written");
    let again = house.off_terminal(&["init", "--sandbox"]).output().expect("run");
    assert!(again.status.code() == Some(1) && said(&again).contains("exists already"), "{}", said(&again));
    assert_eq!(std::fs::read_to_string(house.path("receiptd.toml")).expect("there"), before);
    std::fs::remove_file(house.path("receiptd.toml")).expect("there");
    let key = house.off_terminal(&["init", "--sandbox"]).output().expect("run");
    assert!(key.status.code() == Some(1) && said(&key).contains("provider.key exists already"), "{}", said(&key));
    assert!(!house.path("receiptd.toml").exists(), "both files or none");
    assert_eq!(std::fs::read_to_string(house.path("provider.key")).expect("there"), "piped-key\n");
}

#[actix_web::test]
async fn a_demo_that_is_kept_answers_other_commands_and_says_what_it_leaves() {
    let house = fresh();
    let mut command = house.command(&["demo", "--keep"]);
    let mut child = command.env("TMPDIR", house.folder.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut shown = Vec::new();
    let config = loop {
        let line = lines.next().unwrap_or_else(|| unreachable!("{shown:#?}"));
        if let Some((_, rest)) = line.split_once("--config ") {
            break rest.split(' ').next().expect("a path").to_owned();
        }
        shown.push(line);
    };
    let table = shown.join("\n");
    assert!(table.contains("all counters agree") && table.contains("failed with code 22, No response"), "{table}");
    let counts: Vec<u64> =
        shown.iter().filter(|line| line.starts_with("failed with")).filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b) && !table.contains("Unknown"), "{table}");
    let mut other = Command::new(env!("CARGO_BIN_EXE_receiptd"));
    let batches = other.args(["--config", &config, "batches"]).env_clear().output().expect("run");
    assert!(batches.status.success() && said(&batches).contains("complete"), "{}", said(&batches));
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("interrupted");
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().expect("ended").success() && rest.iter().any(|line| line.contains("delete it with: rm -r ")), "{rest:#?}");
}
