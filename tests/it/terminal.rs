//! What people see on a terminal, and programs in a pipe.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::binary::{Binary, House, said};
use crate::support::request;

fn run(mut command: Command, daemon: &Binary) -> Output {
    command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
    command.stdin(Stdio::null()).output().expect("run")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).expect("text").replace("\r\n", "\n")
}

const HOSTILE: &str = "=1+1\u{1b}[2J\u{202e}\u{9b}x";

/// A house with a daemon, a batch with a reference, and a receipt whose words are hostile; and the batch.
async fn stage(house: &House) -> (Binary, String) {
    let daemon = house.serve().await;
    let body = json!({
        "from": "mplus", "message": "Hello, your order is ready", "reference": "spring-sale",
        "destinations": ["+447700900001", "+447700900002"]
    });
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    daemon.until(&id, "submitted").await;
    let receipt = json!({"destination": "+447700900001", "delivered": false, "messageuuid": "-x", "receiptInfo": {"code": "22", "description": HOSTILE}});
    assert_eq!(request("POST", &house.callback(0), &[], receipt.to_string().into()).await.status, 200);
    (daemon, id)
}

#[actix_web::test]
async fn tables_fit_a_terminal_and_a_pipe_gets_everything() {
    let house = House::new();
    let (daemon, id) = stage(&house).await;
    for (columns, shown) in
        [(60, &["submitted"][..]), (80, &["submitted", "spring-sale", "Hello"]), (140, &[&id, "spring-sale", "Hello, your order"])]
    {
        let table = stdout(&run(house.on_terminal(columns, "receiptd batches --color never"), &daemon));
        assert!(table.lines().all(|line| line.chars().count() <= usize::from(columns)), "{columns}: {table}");
        assert!(shown.iter().all(|word| table.contains(word)) && table.contains(&id[..8]), "{columns}: {table}");
        assert!(!table.contains('\u{1b}'), "{columns}: {table}");
    }
    let piped = stdout(&run(house.command(&["batches"]), &daemon));
    assert!(piped.contains(&id) && piped.contains("Hello, your order is ready") && piped.lines().count() == 2, "{piped}");
    let created = daemon.api("GET", &format!("/v1/batches/{id}"), None).await.json()["created_at"].as_str().expect("a time").to_owned();
    assert!(piped.contains(&created), "{piped}");
    let number = stdout(&run(house.on_terminal(100, "receiptd number +447700900001 --color never"), &daemon));
    assert!(number.contains("spring-sale") && number.contains("Hello"), "{number}");
}

#[actix_web::test]
async fn colours_are_for_terminals_and_for_who_asks_for_them() {
    let house = House::new();
    let (daemon, _) = stage(&house).await;
    let coloured = |line: &str| stdout(&run(house.on_terminal(80, line), &daemon)).contains("\u{1b}[36msubmitted");
    assert!(coloured("receiptd batches"));
    assert!(!coloured("NO_COLOR=1 receiptd batches") && !coloured("receiptd --color never batches") && !coloured("receiptd batches | cat"));
    assert!(coloured("NO_COLOR=1 receiptd batches --color always | cat"));
    let help = |line: &str| stdout(&run(house.on_terminal(80, line), &daemon)).contains('\u{1b}');
    assert!(help("receiptd --help") && !help("receiptd --help --color never") && !help("NO_COLOR=1 receiptd --help"));
}

#[actix_web::test]
async fn nothing_that_the_provider_says_steers_the_terminal() {
    let house = House::new();
    let (daemon, id) = stage(&house).await;
    for line in [
        "show {id}",
        "show {id} --json",
        "number +447700900001",
        "number +447700900001 --json",
        "export {id}",
        "export {id} --format ndjson",
    ] {
        let shown = stdout(&run(house.on_terminal(120, &format!("receiptd {} --color never", line.replace("{id}", &id))), &daemon));
        assert!(shown.contains("=1+1") && !shown.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{line}: {shown:?}");
    }
    // Programs get what came.
    let piped = stdout(&run(house.command(&["export", &id, "--json"]), &daemon));
    let first: serde_json::Value = serde_json::from_str(piped.lines().next().expect("a line")).expect("JSON");
    assert!(first["description"].as_str().is_some_and(|text| text.starts_with("=1+1\u{1b}") || text.starts_with("=1+1")), "{first}");
}

#[actix_web::test]
async fn a_spreadsheet_takes_no_text_of_the_provider_for_a_formula() {
    let house = House::new();
    let (daemon, id) = stage(&house).await;
    let csv = stdout(&run(house.command(&["export", &id]), &daemon));
    let row = csv.lines().find(|line| line.contains("failed")).expect("a row");
    assert!(row.contains(",+447700900001,") && row.contains("'=1+1") && row.contains(",'-x,"), "{row}");
}

#[actix_web::test]
async fn a_closed_pipe_leaves_no_progress_behind() {
    let house = House::new();
    let daemon = house.serve().await;
    let numbers: Vec<String> = (0..5_000).map(|n| format!("+4477{:08}", 900_000 + n)).collect();
    let body = json!({"from": "mplus", "message": "hello", "destinations": numbers});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    for columns in [40, 80] {
        let shown = run(house.on_terminal(columns, &format!("receiptd export {id} --json | head -1")), &daemon);
        let text = String::from_utf8(shown.stdout).expect("text");
        // What a bar left on the line is cleared: the last that was drawn is nothing.
        let last = text.rsplit(['\r', '\n']).find(|line| line.contains("rows,"));
        let cleared = last.is_none() || text.rfind("\u{1b}[2K").is_some_and(|clear| text.rfind("rows,").is_none_or(|bar| clear > bar));
        assert!(cleared, "{columns}: {text:?}");
    }
}

#[actix_web::test]
async fn an_id_may_be_its_first_characters_or_the_last_one() {
    let house = House::new();
    let daemon = house.serve().await;
    let submit = async |id: &str, group: Option<&str>, number: &str| {
        let body = json!({"from": "mplus", "message": "hello", "destinations": [number], "id": id, "group": group, "reference": "sale"});
        assert_eq!(daemon.api("POST", "/v1/batches", Some(body)).await.status, 202);
        daemon.until(id, "submitted").await;
    };
    let group = "aa444840-9dc0-11d1-b245-5ffdce74fad2";
    let ids = ["6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "6f2c1d9e-9999-4a0e-9a53-0d6a2f1f7c11", "0d6a2f1f-58c1-4a0e-9a53-6f2c1d9e7c11"];
    submit(ids[0], None, "+447700900001").await;
    submit(ids[1], Some(group), "+447700900002").await;
    submit(ids[2], Some(group), "+447700900003").await;
    let command = |line: &str| run(house.command(&line.split(' ').collect::<Vec<_>>()), &daemon);
    for (typed, meant) in [("6f2c1d9e-5", ids[0]), ("6F2C1D9E9", ids[1]), ("0", ids[2]), ("last", ids[2]), ("aa4", group)] {
        let shown = command(&format!("show {typed} --json"));
        let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| unreachable!("{}", said(&shown)));
        assert_eq!(json["id"], meant, "{typed}");
        for line in ["export", "reconcile", "watch --help", "resolve --as accepted", "cancel"] {
            let output = command(&format!("{line} {typed}"));
            assert!(
                matches!(output.status.code(), Some(0 | 1)) && !said(&output).contains("not an id"),
                "{line} {typed}: {}",
                said(&output)
            );
        }
    }
    let ambiguous = command("show 6f2c");
    let told = said(&ambiguous);
    assert!(ambiguous.status.code() == Some(2) && told.contains(ids[0]) && told.contains(ids[1]) && !told.contains(ids[2]), "{told}");
    assert_eq!(command("show f").status.code(), Some(4));
    assert!(said(&command("batches --group aa --json")).contains(ids[1]));
    assert!(said(&command("batches --group last --json")).contains(ids[2]));
    assert_eq!(command("quarantine show last").status.code(), Some(4), "there is none");
    assert_eq!(request("POST", &house.callback(0), &[], "what?".into()).await.status, 202);
    assert!(said(&command("quarantine show last")).contains("what?"));

    // The API behind it.
    let found = daemon.api("GET", "/v1/ids?prefix=aa4448409d", None).await.json();
    assert_eq!(
        (&found["items"][0]["id"], &found["items"][0]["kind"], &found["items"][0]["reference"]),
        (&json!(group), &json!("group"), &json!("sale"))
    );
    assert_eq!(daemon.api("GET", "/v1/ids?prefix=x", None).await.status, 400);
}

#[actix_web::test]
async fn a_shell_completes_commands_ids_and_references() {
    let house = House::new();
    let (daemon, id) = stage(&house).await;
    // As bash calls it, by the script that it was given.
    let script = "source <(receiptd completions bash)
        receiptd_asked() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; _clap_complete_receiptd receiptd; printf '%s\\n' \"${COMPREPLY[@]}\"; }
        receiptd_asked receiptd sho; receiptd_asked receiptd show ''; receiptd_asked receiptd batches --reference sp";
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_receiptd")).parent().expect("a folder").display().to_string();
    let mut command = house.program("bash");
    command.args(["-c", script]).env("PATH", format!("{bin}:/usr/bin:/bin"));
    let output = run(command, &daemon);
    let offered = stdout(&output);
    for word in ["show", "last", &id, "spring-sale"] {
        assert!(offered.lines().any(|line| line == word), "{word}: {}", said(&output));
    }
    // Without a daemon nothing is said, and nothing is in the way.
    let mut command = house.program("bash");
    command.args(["-c", script]).env("PATH", format!("{bin}:/usr/bin:/bin")).env("RECEIPTD_API__TOKEN_FILE", "/nowhere");
    let output = command.output().expect("run");
    assert!(output.status.success() && output.stderr.is_empty() && stdout(&output).contains("last"), "{}", said(&output));
}
