//! The live stream of receipts.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;

use crate::support::{Daemon, Options, spawn, spawn_with};

/// A stream that has begun: only then does "from now on" have a meaning.
fn begin(daemon: &Daemon, query: &str, headers: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(daemon.private.trim_start_matches("http://")).expect("connected");
    let _ = socket2::SockRef::from(&stream).set_recv_buffer_size(16 << 10); // what is not taken waits at the daemon
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let token = &daemon.token;
    write!(
        stream,
        "GET /v1/receipts{query} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\naccept: text/event-stream\r\n{headers}\r\n"
    )
    .expect("asked");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with(": receipts") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).expect("a head"), 0);
    }
    reader
}

/// Reads events of a stream on a thread of its own, until it has so many, or the stream ends.
pub fn follow(daemon: &Daemon, query: &str, headers: &str, events: usize) -> impl Future<Output = Vec<i64>> + use<> {
    let reader = begin(daemon, query, headers);
    let read = spawn_blocking(move || {
        let mut ids = Vec::new();
        for line in reader.lines().map_while(Result::ok) {
            ids.extend(line.strip_prefix("id: ").and_then(|id| id.trim().parse::<i64>().ok()));
            if ids.len() == events {
                break;
            }
        }
        ids
    });
    async { read.await.expect("no panic") }
}

#[actix_web::test]
async fn a_follower_gets_what_comes_and_resumes_where_it_was() {
    let daemon = spawn().await;
    let numbers: Vec<String> = (0..6).map(|n| format!("+44770090000{n}")).collect();
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    daemon.receipt(&id, &numbers[0], true, "00").await;
    let live = follow(&daemon, "", "", 2);
    let failures = follow(&daemon, &format!("?after=0&delivered=false&batch={id}"), "", 1);
    daemon.receipt(&id, &numbers[1], true, "00").await;
    daemon.receipt(&id, &numbers[2], false, "22").await;
    assert_eq!(live.await, [2, 3], "from now on");
    assert_eq!(failures.await, [3]);
    for number in &numbers[3..] {
        daemon.receipt(&id, number, true, "00").await;
    }
    assert_eq!(follow(&daemon, "", "last-event-id: 2\r\n", 4).await, [3, 4, 5, 6], "nothing twice, nothing missing");
    let lost = daemon.api("GET", "/v1/receipts?after=6", None).await;
    assert_eq!(lost.json()["items"], serde_json::json!([]));
}

#[actix_web::test]
async fn followers_do_not_hold_up_the_end() {
    let daemon = spawn().await;
    daemon.submit(&["+447700900001"]).await; // it serves
    let follower = follow(&daemon, "", "", usize::MAX);
    let before = std::time::Instant::now();
    daemon.stop().await;
    assert_eq!(follower.await, [] as [i64; 0]);
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
}

#[actix_web::test]
async fn whoever_wants_nothing_of_a_busy_log_hears_all_the_same_that_the_stream_lives() {
    let daemon = spawn().await;
    let (quiet, busy) = (daemon.submit(&["+447700900001"]).await, daemon.submit(&["+447700900002"]).await);
    daemon.until(&busy, "submitted").await;
    let reader = begin(&daemon, &format!("?batch={quiet}"), "");
    let heard = spawn_blocking(move || reader.lines().map_while(Result::ok).find(|line| line.starts_with(": heartbeat")));
    let mut code = 1;
    while !heard.is_finished() {
        assert!(code < 900, "busy for long enough");
        daemon.receipt(&busy, "+447700900002", true, &format!("{code:x}")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        code += 1;
    }
    assert!(heard.await.expect("no panic").is_some());
}

/// What a follower does not take waits in the database, not in memory, and nobody waits for it.
#[actix_web::test]
async fn a_slow_follower_misses_nothing_and_holds_up_nobody() {
    const ALL: usize = 20_000;
    let daemon = spawn_with(Options::default().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "50000")).await;
    let numbers: Vec<String> = (0..ALL).map(|n| format!("+4477009{n:05}")).collect();
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    let reader = begin(&daemon, "", "");
    for lot in numbers.chunks(1_000) {
        let receipts: Vec<_> = lot.iter().map(|number| serde_json::json!({"destination": number, "delivered": true})).collect();
        assert_eq!(daemon.post(&id, serde_json::json!(receipts).to_string()).await.status, 200);
    }
    let read = spawn_blocking(move || {
        let ids = reader.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("id: ")?.trim().parse::<usize>().ok());
        ids.take(ALL).collect::<Vec<_>>()
    });
    assert!(read.await.expect("no panic").into_iter().eq(1..=ALL), "each once, in order");
}
