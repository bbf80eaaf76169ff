//! The program as a newcomer meets it: in a fresh folder, with slips of the pen, in pipes.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use crate::binary::{House, said};
use crate::support::request;

fn run(house: &House, line: &str) -> Output {
    house.command(&line.split(' ').collect::<Vec<_>>()).output().expect("run")
}

#[actix_web::test]
async fn every_mistake_has_its_exit_code_and_says_what_to_do() {
    let house = House::new();
    for (line, code, advice) in [
        ("batches", 3, "start `receiptd serve`"),
        ("healthcheck", 3, "Is `receiptd serve` running"),
        ("check", 1, "with --config"),
        ("backup copy", 1, "with --config"),
        ("doctor", 1, "→ start it: receiptd serve"),
        ("show x", 2, "as `receiptd batches` lists them"),
        ("send --from m --message x --to 07700900123", 3, "start `receiptd serve`"),
        ("bathces", 2, "'batches'"),
        ("send --mesage x --from m --to +447700900123", 2, "'--message'"),
        ("batches --state complet", 2, "'complete'"),
        ("quarantine lst", 2, "'list'"),
        ("completions bsh", 2, "'bash'"),
        ("sandbox --profile stromy", 2, "'stormy'"),
    ] {
        let output = run(&house, line);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", said(&output));
        assert!(said(&output).contains(advice), "{line}: {}", said(&output));
    }
    let house = house.set("RECEIPTD_RECONCILE__AFTR", "1m");
    let output = run(&house, "batches");
    assert!(output.status.code() == Some(2) && said(&output).contains("RECEIPTD_RECONCILE__AFTER"), "{}", said(&output));
}

#[actix_web::test]
async fn a_daemon_that_is_there_without_its_token_is_a_mistake_of_the_configuration() {
    let house = House::new();
    let daemon = house.serve().await;
    let mut command = house.command(&["batches"]);
    command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://")).env("RECEIPTD_API__TOKEN_FILE", "elsewhere");
    let output = command.output().expect("run");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let second = run(&house, "serve");
    assert!(second.status.code() == Some(2) && said(&second).contains("another receiptd"), "{}", said(&second));
}

#[actix_web::test]
async fn an_address_that_is_taken_is_told_with_the_way_out() {
    let house = House::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let house = house.set("RECEIPTD_CALLBACK__LISTEN", &taken.local_addr().expect("an address").to_string());
    let output = run(&house, "serve");
    assert!(output.status.code() == Some(2) && said(&output).contains("Set callback.listen to another address"), "{}", said(&output));
}

#[actix_web::test]
async fn a_closed_pipe_is_met_without_a_word() {
    let house = House::new();
    for line in ["config", "config --json", "openapi", "man", "completions bash", "doctor", "--help", "sandbox --listen 127.0.0.1:0"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = house.command(&line.split(' ').collect::<Vec<_>>());
        let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("run");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{line}: {}", said(&output));
        assert!(output.stderr.is_empty(), "{line}: {}", said(&output));
    }
}

#[actix_web::test]
async fn the_sandbox_tells_programs_where_it_is_and_what_it_did() {
    let house = House::new();
    let mut command = house.command(&["sandbox", "--listen", "127.0.0.1:0", "--seed", "7", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut line = || serde_json::from_str::<serde_json::Value>(&lines.next().expect("a line").expect("text")).expect("JSON");
    let begun = line();
    assert!(begun["url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")) && begun["seed"] == 7, "{begun}");
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("asked to stop");
    assert_eq!(line()["batches"], 0);
    assert!(child.wait().expect("ended").success());
}

#[actix_web::test]
async fn what_waits_is_shown_with_what_holds_it_up_and_a_full_quarantine_is_emptied_at_once() {
    let house = House::new();
    let daemon = house.serve().await;
    let command = |line: &str| {
        let mut command = house.command(&line.split(' ').collect::<Vec<_>>());
        command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://")).output().expect("run")
    };
    let gone = daemon.submit("hello", &["+447700900001"]).await;
    daemon.until(&gone, "submitted").await;
    assert!(!said(&command(&format!("show {gone}"))).contains("Nothing is sent"));
    assert!(command("pause").status.success());
    let waiting = daemon.submit("hello", &["+447700900002"]).await;
    for line in ["batches".to_owned(), format!("show {waiting} --json"), "send --from m --message x --to +447700900003".to_owned()] {
        let output = command(&line);
        assert!(String::from_utf8_lossy(&output.stderr).contains("Nothing is sent at the moment: paused"), "{line}: {}", said(&output));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("Nothing is sent"), "{line}");
    }
    for text in ["what?", "and what?"] {
        assert_eq!(request("POST", &house.callback(0), &[], text.into()).await.status, 202);
    }
    let dropped = command("quarantine drop --all --yes --json");
    let shown: serde_json::Value = serde_json::from_slice(&dropped.stdout).expect("JSON");
    assert_eq!(shown["dropped"].as_array().map(Vec::len), Some(2), "{}", said(&dropped));
}

#[actix_web::test]
async fn a_group_is_asked_about_as_a_whole_and_not_sent_again_as_one() {
    let house = House::new();
    let daemon = house.serve().await;
    let command = |line: &str| {
        let mut command = house.command(&line.split(' ').collect::<Vec<_>>());
        command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://")).output().expect("run")
    };
    let group = "7d444840-9dc0-11d1-b245-5ffdce74fad2";
    let mut batches = Vec::new();
    for n in 0..3 {
        if n == 2 {
            assert!(command("pause").status.success());
        }
        let body = serde_json::json!({"from": "mplus", "message": "hello", "destinations": [format!("+44770090000{n}")], "group": group});
        batches.push(daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned());
        daemon.until(&batches[n], if n == 2 { "queued" } else { "submitted" }).await;
    }
    // Of the two that went out nothing is known there yet, and the third was never there.
    let asked = command(&format!("reconcile {group} --json"));
    let shown: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap_or_else(|_| unreachable!("{}", said(&asked)));
    assert_eq!(shown, serde_json::json!({"recorded": 0, "duplicates": 0, "pending": 2}), "{}", said(&asked));
    let again = command(&format!("resend {group}"));
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(said(&again).contains("is a group") && said(&again).contains(&format!("receiptd show {group}")), "{}", said(&again));
    for line in ["reconcile", "resend"] {
        let nothing = command(&format!("{line} 7d444840-9dc0-11d1-b245-5ffdce74fad3"));
        assert!(nothing.status.code() == Some(4) && said(&nothing).contains("no batch and no group"), "{}", said(&nothing));
    }
    // Programs that ask for JSON get a line for each destination.
    let exported = command(&format!("export {group} --json"));
    let lines: Vec<serde_json::Value> =
        String::from_utf8_lossy(&exported.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|line| &line["batch"]).collect::<Vec<_>>(), batches.iter().collect::<Vec<_>>());
}
