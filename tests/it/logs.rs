//! The log of the real binary: what the journal gets, and what strangers on the public port cannot do to it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use actix_web::rt;

use crate::binary::House;

/// The first bytes of a TLS handshake, as a browser sends them to a port that speaks plain HTTP.
const HANDSHAKE: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Starts the daemon with its log in a file, and `JOURNAL_STREAM` set to device and inode of a file.
fn start(house: &House, log: &str, journal: &str) -> Child {
    let path = house.path(log);
    let output = File::create(&path).expect("a file");
    let journal = File::options().create(true).append(true).open(house.path(journal)).expect("a file").metadata().expect("known");
    let stream = format!("{}:{}", journal.dev(), journal.ino());
    let mut command = house.command(&["serve"]);
    command.stdout(Stdio::null()).stderr(output).env("JOURNAL_STREAM", stream).spawn().expect("started")
}

/// Waits until a line of the log names both addresses, and kills the daemon.
async fn log_of_a_start(house: &House, log: &str, journal: &str) -> String {
    let mut child = start(house, log, journal);
    let mut text = String::new();
    for _ in 0..2_000 {
        text = std::fs::read_to_string(house.path(log)).expect("a log");
        if text.lines().any(|line| line.matches("127.0.0.1:").count() == 2) {
            break;
        }
        rt::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    text
}

#[actix_web::test]
async fn in_the_journal_each_line_begins_with_its_priority_and_bears_no_time_of_its_own() {
    let house = House::new().set("RUST_LOG", "debug");
    let first = log_of_a_start(&house, "first.log", "first.log").await;
    assert!(first.lines().any(|line| line.starts_with("<6>")), "{first}");
    // An error: without this file, callback URLs given out before are worth nothing.
    let daemon = house.serve().await;
    daemon.submit("hello", &["+447700900001"]).await;
    daemon.kill();
    house.folder.lose_identity();
    let second = log_of_a_start(&house, "second.log", "second.log").await;
    assert!(
        second.lines().any(|line| line.starts_with("<3>") && line.contains(&house.folder.identity().display().to_string())),
        "{second}"
    );
    for line in first.lines().chain(second.lines()) {
        let rest = ["<3>", "<4>", "<6>", "<7>"].iter().find_map(|priority| line.strip_prefix(priority));
        assert!(rest.is_some_and(|rest| !rest.starts_with("20") && !rest.starts_with("ERROR")), "{line}");
    }
    let json = House::new().set("RECEIPTD_LOG__FORMAT", "json");
    let log = log_of_a_start(&json, "a.log", "a.log").await;
    assert!(!log.is_empty() && log.lines().all(|line| line.starts_with("<6>{") || line.starts_with("<4>{")), "{log}");
}

#[actix_web::test]
async fn an_inherited_journal_stream_that_is_not_standard_error_changes_nothing() {
    let house = House::new();
    let log = log_of_a_start(&house, "a.log", "another.log").await;
    // A warning: whether the public URL reaches the daemon is tried before anything leads there.
    let as_usual = |line: &str| line.starts_with("20") && (line.contains(" INFO ") || line.contains(" WARN "));
    assert!(!log.is_empty() && log.lines().all(as_usual), "{log}");
}

#[actix_web::test]
async fn strangers_that_speak_no_http_are_counted_and_write_nothing_into_the_log() {
    let house = House::new();
    let mut daemon = house.serve().await;
    let listening = daemon.until_log("127.0.0.1:").await;
    let public: SocketAddr = listening.split(' ').find_map(|word| word.trim_end_matches(',').parse().ok()).expect("an address");
    for n in 0..100 {
        let mut stream = TcpStream::connect(public).expect("connected");
        let garbage = if n % 2 == 0 { HANDSHAKE } else { b"\0\xff\r\n\r\n" };
        stream.write_all(garbage).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // an answer or a reset
    }
    let mut shown = String::new();
    for _ in 0..2_000 {
        shown = daemon.api("GET", "/metrics", None).await.text;
        if shown.contains("receiptd_failed_connections_total{reason=\"malformed\"} 100\n") {
            break;
        }
        rt::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(shown.contains("receiptd_failed_connections_total{reason=\"malformed\"} 100\n"), "{shown}");
    let (_, log) = daemon.stop().await;
    assert!(!log.contains("ERROR") && !log.contains("stream error"), "{log}");
}
