//! What goes to many people, or cannot be undone, is asked about on the terminal; without one `--yes` is demanded.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::binary::{Binary, House, said};
use crate::support::request;

const MANY: usize = 101;

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("+447700{:06}", 900_000 + n)).collect()
}

/// Of this daemon, whatever the port it listens on.
fn run(mut command: Command, daemon: &Binary, typed: &str) -> Output {
    command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("typed");
    child.wait_with_output().expect("ended")
}

/// A batch of so many numbers that waits in the outbox, since sending is paused.
async fn waiting(daemon: &Binary, count: usize) -> String {
    let body = json!({"from": "mplus", "message": "hello", "destinations": numbers(count)});
    daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned()
}

/// A daemon, and lines that each need a yes, with the question and what is said after a no.
async fn stage(house: &House) -> (Binary, Vec<(String, &'static str, &'static str)>) {
    let daemon = house.serve().await;
    let sent = daemon.submit("hello", &["+447700999999"]).await;
    daemon.until(&sent, "submitted").await;
    assert_eq!(request("POST", &house.callback(0), &[], "what?".into()).await.status, 202, "for the quarantine");
    daemon.api("POST", "/v1/pause", Some(json!({}))).await;
    let cancelled = waiting(&daemon, MANY).await;
    daemon.api("DELETE", &format!("/v1/batches/{cancelled}"), None).await;
    let queued = waiting(&daemon, MANY).await;
    std::fs::write(house.path("list"), numbers(MANY).join("\n")).expect("written");
    let lines = vec![
        ("send --from mplus --message hello --to-file list".to_owned(), "Send 101 messages?", "nothing was sent"),
        ("send --from mplus --message hello --to-file - <list".to_owned(), "Send 101 messages?", "nothing was sent"),
        (format!("resend {cancelled} --state cancelled"), "Send 101 messages again?", "nothing was sent"),
        (format!("cancel {queued}"), "Cancel 101 messages?", "nothing was cancelled"),
        ("quarantine drop --all".to_owned(), "Discard 1 callback?", "nothing was discarded"),
        ("rotate-secret --revoke".to_owned(), "cannot be undone", "nothing was changed"),
        ("forget +447700999999".to_owned(), "cannot be undone", "nothing was erased"),
        ("prune --older-than 0s".to_owned(), "cannot be undone", "nothing was deleted"),
    ];
    (daemon, lines)
}

#[actix_web::test]
async fn each_command_that_needs_a_yes_does_nothing_after_a_no_and_without_a_terminal() {
    let house = House::new();
    let (daemon, lines) = stage(&house).await;
    let state = async || daemon.api("GET", "/v1/stats", None).await.json();
    let before = state().await;
    for (line, question, declined) in lines {
        let (words, list) = line.split_once(" <").map_or((&*line, String::new()), |(words, _)| (words, numbers(MANY).join("\n")));
        let refused = run(house.off_terminal(&words.split(' ').collect::<Vec<_>>()), &daemon, &list);
        let told = said(&refused);
        assert!(refused.status.code() == Some(2) && told.contains("pass --yes") && told.contains(declined), "{line}: {told}");
        let no = run(house.on_terminal(80, &format!("receiptd {line}")), &daemon, "n\n");
        let told = said(&no);
        assert!(no.status.code() == Some(1) && told.contains(question) && told.contains("[y/N]"), "{line}: {told}");
        assert!(told.contains(&format!("Cancelled; {declined}.")), "{line}: {told}");
        assert_eq!(state().await, before, "{line}");
    }
    let looked = run(house.off_terminal(&["prune", "--older-than", "0s", "--dry-run"]), &daemon, "");
    assert!(looked.status.success() && said(&looked).contains("would be deleted"), "{}", said(&looked));
}

#[actix_web::test]
async fn a_yes_on_the_terminal_or_beforehand_lets_each_command_go_on() {
    for beforehand in [false, true] {
        let house = House::new();
        let (daemon, lines) = stage(&house).await;
        for (line, _, _) in lines.iter().filter(|(line, ..)| !beforehand || !line.contains('<')) {
            let output = if beforehand {
                run(house.off_terminal(&format!("{line} --yes").split(' ').collect::<Vec<_>>()), &daemon, "")
            } else {
                run(house.on_terminal(80, &format!("receiptd {line}")), &daemon, "y\n")
            };
            assert!(output.status.success(), "{line}: {}", said(&output));
        }
        let stats = daemon.api("GET", "/v1/stats", None).await.json();
        assert_eq!(stats["quarantine"]["waiting"].as_u64().unwrap_or_default(), 0, "{stats}");
        assert!(stats["destinations"]["queued"].as_u64() > Some(MANY as u64), "sent, and sent again: {stats}");
    }
}

#[actix_web::test]
async fn up_to_a_hundred_messages_need_no_question() {
    let house = House::new();
    let daemon = house.serve().await;
    std::fs::write(house.path("list"), numbers(100).join("\n")).expect("written");
    let sent = run(house.off_terminal(&["send", "--from", "mplus", "--message", "hello", "--to-file", "list"]), &daemon, "");
    assert!(sent.status.success(), "{}", said(&sent));
    let checked = run(house.off_terminal(&["send", "--from", "m", "--message", "x", "--to-file", "list", "--dry-run"]), &daemon, "");
    assert!(checked.status.success(), "{}", said(&checked));
}
