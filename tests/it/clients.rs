//! Clients that are slow, idle or many.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Daemon, Options, receipt, spawn, spawn_with};

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.expect("connected")
}

/// What comes until the other side closes, and how long that took.
async fn rest(mut stream: TcpStream) -> (String, Duration) {
    let (started, mut text) = (Instant::now(), Vec::new());
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await;
    assert!(read.is_ok(), "never cut");
    (String::from_utf8_lossy(&text).into_owned(), started.elapsed())
}

async fn whoever_is_slow_is_cut(daemon: &Daemon, url: &str, path: &str) {
    let mut head = connect(url).await;
    head.write_all(format!("POST {path} HTTP/1.1\r\nHost: x\r\n").as_bytes()).await.expect("sent");
    let mut body = connect(url).await;
    let token = &daemon.token;
    let text = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 500\r\n\r\n{{");
    body.write_all(text.as_bytes()).await.expect("sent");
    let mut silent = connect(url).await;
    silent.write_all(b"P").await.expect("sent");
    let (head, body, silent) = tokio::join!(rest(head), rest(body), rest(silent));
    for (what, time) in [("head", head.1), ("body", body.1), ("first byte", silent.1)] {
        assert!(time < Duration::from_secs(13), "{what}: cut only after {time:?}");
    }
    assert!(body.0.starts_with("HTTP/1.1 408"), "{}", body.0);
}

#[actix_web::test]
async fn slow_heads_and_bodies_are_cut_on_both_listeners() {
    let daemon = spawn().await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let callback = daemon.callback(&id).replace(&daemon.public, "");
    let private = daemon.private.clone();
    tokio::join!(whoever_is_slow_is_cut(&daemon, &daemon.public, &callback), whoever_is_slow_is_cut(&daemon, &private, "/v1/batches"));
    assert_eq!(daemon.receipt(&id, "+447700900001", true, "00").await.status, 200);
}

#[actix_web::test]
async fn when_connections_run_short_idle_ones_go_and_honest_ones_are_served() {
    let daemon = spawn_with(Options::default().set("RECEIPTD_CALLBACK__MAX_CONNECTIONS", "10")).await;
    let id = daemon.submit(&["+447700900001"]).await;
    daemon.until(&id, "submitted").await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(connect(&daemon.public).await);
    }
    for n in 0..20 {
        let answer = daemon.receipt(&id, "+447700900001", n % 2 == 0, &format!("{n:02}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ended = futures_util::future::join_all(idle.into_iter().map(rest)).await;
    let cut = ended.iter().filter(|(text, _)| text.is_empty()).count();
    assert!((1..10).contains(&cut), "cut without a word for those who work: {cut}; the others had their 10 seconds");
}

/// Whoever knows one callback URL opens more connections than there are, with a head each, and sends no body.
#[actix_web::test]
async fn whoever_holds_back_bodies_at_one_callback_keeps_nobody_else_out() {
    let daemon = spawn_with(Options::default().set("RECEIPTD_CALLBACK__MAX_CONNECTIONS", "50")).await;
    let (leaked, honest) = (daemon.submit(&["+447700900001"]).await, daemon.submit(&["+447700900002"]).await);
    daemon.until(&honest, "submitted").await;
    let path = daemon.callback(&leaked).replace(&daemon.public, "");
    // An honest sender that was there before, and keeps its connection.
    let mut kept = connect(&daemon.public).await;
    let post = |code: String| {
        let body = receipt("+447700900002", false, &code).to_string();
        let path = daemon.callback(&honest).replace(&daemon.public, "");
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut answer = [0; 1024];
    kept.write_all(post("fff".into()).as_bytes()).await.expect("sent");
    assert!(kept.read(&mut answer).await.is_ok_and(|length| answer[..length].starts_with(b"HTTP/1.1 200")));
    let mut held: Vec<Option<TcpStream>> = (0..60).map(|_| None).collect();
    for n in 0..120 {
        // Sixty of them, and whoever was cut comes again.
        for place in &mut held {
            if !place.as_ref().is_some_and(is_open) {
                let mut stream = connect(&daemon.public).await;
                let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await; // cut already: once more, next time
                *place = Some(stream);
            }
        }
        let code = format!("{n:x}");
        assert_eq!(daemon.receipt(&honest, "+447700900002", false, &code).await.status, 200, "receipt {n} on a connection of its own");
        kept.write_all(post(format!("{:x}", 0x100 + n)).as_bytes()).await.expect("sent");
        let length = kept.read(&mut answer).await.unwrap_or(0);
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"), "receipt {n} on a connection that was kept");
    }
    assert_eq!(daemon.get(&format!("/v1/batches/{honest}/destinations/447700900002")).await.json()["receipts"], 241);
}

/// Whether the other side has not closed it, as far as one can see.
fn is_open(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0; 64]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
