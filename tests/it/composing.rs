//! What `send` tells and refuses before anything goes out, and while it waits.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use receiptd::simulator::{Answer, Script};

use crate::binary::{Binary, House, said};

fn send(house: &House, daemon: &Binary, words: &[&str]) -> Output {
    let mut command = house.command(&["send", "--from", "mplus", "--message", "hello"]);
    command.args(words).env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://")).output().expect("run")
}

#[actix_web::test]
async fn a_csv_without_a_column_is_told_with_its_columns() {
    let house = House::new();
    let daemon = house.serve().await;
    std::fs::write(house.path("people.csv"), "name,phone\nAnn,+447700900001\nBob,+447700900002\n").expect("written");
    let refused = send(&house, &daemon, &["--to-file", "people.csv"]);
    let told = said(&refused);
    assert!(refused.status.code() == Some(2) && told.contains("2  phone  (+447700900001)  ← looks like phone numbers"), "{told}");
    assert!(told.contains("Most likely: --column phone"), "{told}");
    assert!(send(&house, &daemon, &["--to-file", "people.csv", "--column", "phone"]).status.success());
}

#[actix_web::test]
async fn every_bad_row_is_written_to_the_file_of_rejects() {
    let house = House::new();
    let daemon = house.serve().await;
    let rows: String = (0..30).map(|n| format!("Person {n},x{n}\n")).collect();
    std::fs::write(house.path("people.csv"), format!("name,phone\nAnn,+447700900001\n{rows}")).expect("written");
    let refused = send(&house, &daemon, &["--to-file", "people.csv", "--column", "phone", "--rejects", "bad.csv"]);
    let told = said(&refused);
    assert!(refused.status.code() == Some(2) && told.contains("line 3: `x0`") && told.contains("and 20 more"), "{told}");
    assert!(told.contains("All of them are in bad.csv"), "{told}");
    let rejects = std::fs::read_to_string(house.path("bad.csv")).expect("written");
    assert_eq!(rejects.lines().count(), 31, "{rejects}");
    assert!(
        rejects.starts_with("line,row,reason\n3,x0,") && rejects.lines().last().is_some_and(|line| line.starts_with("32,x29,")),
        "{rejects}"
    );
}

#[actix_web::test]
async fn a_dry_run_waits_for_the_verdict_of_the_provider() {
    let house = House::new();
    let daemon = house.serve().await;
    let valid = send(&house, &daemon, &["--to", "+447700900001", "--dry-run"]);
    assert!(valid.status.success() && said(&valid).contains("validated"), "{}", said(&valid));
    house.simulator.script(Script::add(Answer::status(422).body(r#"{"error":"this sender is not yours"}"#)));
    let refused = send(&house, &daemon, &["--to", "+447700900001", "--dry-run"]);
    assert!(refused.status.code() == Some(5) && said(&refused).contains("this sender is not yours"), "{}", said(&refused));
}

#[actix_web::test]
async fn times_are_read_with_their_zone_and_shown_as_both() {
    let house = House::new();
    let daemon = house.serve().await;
    let sent = send(&house, &daemon, &["--to", "+447700900001", "--send-at", "2099-07-01 10:00 Europe/London"]);
    assert!(sent.status.success() && said(&sent).contains("Wed 1 Jul 2099 10:00 BST (2099-07-01T09:00:00.000Z)"), "{}", said(&sent));
    let ahead = send(&house, &daemon, &["--to", "+447700900002", "--send-at", "+2h"]);
    assert!(ahead.status.success(), "{}", said(&ahead));
    let late = send(&house, &daemon, &["--to", "+447700900003", "--send-at", "+1m"]);
    assert!(late.status.code() == Some(2) && said(&late).contains("--send-at") && !said(&late).contains("/send_at"), "{}", said(&late));
    let zoneless = send(&house, &daemon, &["--to", "+447700900003", "--send-at", "2099-07-01T10:00"]);
    assert!(zoneless.status.code() == Some(2) && said(&zoneless).contains("has no time zone"), "{}", said(&zoneless));
}

#[actix_web::test]
async fn who_stops_waiting_is_told_that_sending_goes_on() {
    let house = House::new();
    let daemon = house.serve().await;
    let mut command = house.command(&["send", "--from", "mplus", "--message", "hello", "--to", "+447700900001", "--wait"]);
    command.env("RECEIPTD_API__LISTEN", daemon.private.trim_start_matches("http://"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("submitted")), "it waits");
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("interrupted");
    let told: Vec<String> = lines.collect();
    assert!(told.iter().any(|line| line.contains("Sending goes on") && line.contains("receiptd watch ")), "{told:?}");
    assert_eq!(child.wait().expect("ended").code(), Some(130));
}
