//! What the benchmarks share: the real receiptd with batches that a simulated provider has taken, and a client that is
//! cheap enough not to be what is measured.
#![allow(dead_code, missing_docs)] // each program uses its part

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use receiptd::simulator::{self, Profile};
use rusqlite::Connection;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const PER_BATCH: usize = 50_000;

pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// What a round of requests came to.
pub struct Measured {
    pub answered: usize,
    pub rate: f64,
    /// Of 50, 99 and 99.9 in a hundred, in milliseconds.
    pub latency: [f64; 3],
}

/// Keeps `connections` connections busy until all requests are answered; each is rendered beforehand.
pub fn drive(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let total = requests.len();
    let mut shares: Vec<Vec<Vec<u8>>> = (0..connections).map(|_| Vec::new()).collect();
    for (n, request) in requests.into_iter().enumerate() {
        shares[n % connections].push(request);
    }
    let local = tokio::task::LocalSet::new();
    let (started, results) = local.block_on(&runtime, async move {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.expect("connected");
            stream.set_nodelay(true).expect("set");
            streams.push(stream);
        }
        let started = Instant::now();
        let tasks: Vec<_> = streams
            .into_iter()
            .zip(shares)
            .map(|(mut stream, share)| {
                tokio::task::spawn_local(async move {
                    let (mut times, mut good) = (Vec::with_capacity(share.len()), 0usize);
                    let mut buffer = vec![0u8; 4096];
                    for request in share {
                        let sent = Instant::now();
                        stream.write_all(&request).await.expect("sent");
                        good += usize::from(answer(&mut stream, &mut buffer).await.expect("an answer") == 200);
                        times.push(sent.elapsed());
                    }
                    (times, good)
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.expect("no panic"));
        }
        (started, results)
    });
    let took = started.elapsed().as_secs_f64();
    let answered = results.iter().map(|(_, good)| good).sum();
    let mut times: Vec<Duration> = results.into_iter().flat_map(|(times, _)| times).collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Measured { answered, rate: total as f64 / took, latency: [at(0.5), at(0.99), at(0.999)] }
}

/// Reads one answer to its end: its status.
pub async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<u16> {
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await?;
        if more == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read += more;
        let Some(end) = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).expect("text").to_ascii_lowercase();
        let length: usize = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok()).unwrap_or(0);
        if read >= end + 4 + length {
            return Ok(head[9..12].parse().unwrap_or(0));
        }
    }
}

pub fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

pub fn number(n: usize) -> u64 {
    447_000_000_000 + n as u64
}

pub fn receipt(n: usize, batch: &str) -> String {
    json!({
        "batchuuid": batch, "messageuuid": format!("{n:08x}-596f-403a-bcd6-6a07fd985f93"), "destination": number(n).to_string(),
        "delivered": !n.is_multiple_of(20), "receiptInfo": {"code": if n.is_multiple_of(20) { "22" } else { "00" }, "description": "as the code says"},
    })
    .to_string()
}

/// The real binary, with batches that a simulated provider has taken.
pub struct Receiptd {
    child: Child,
    /// Of the public listener.
    pub address: SocketAddr,
    pub api: SocketAddr,
    /// Of the API.
    pub token: String,
    /// Path and id of each batch's callback.
    pub callbacks: Vec<(String, String)>,
    database: std::path::PathBuf,
}

impl Receiptd {
    pub fn start(folder: &Path, destinations: usize) -> Self {
        let profile = Profile { hold: true, ..Profile::calm() };
        let settings = simulator::Settings { profile, keep_bodies: false, ..simulator::Settings::default() };
        let provider = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
        std::fs::write(folder.join("receiptd.toml"), "").expect("written"); // keeps that of the machine out
        let mut child = Command::new(env!("CARGO_BIN_EXE_receiptd"))
            .arg("serve")
            .current_dir(folder)
            .env("RECEIPTD_PUBLIC_URL", "http://127.0.0.1:1")
            .env("RECEIPTD_CALLBACK__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_API__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_PROVIDER__BASE_URL", provider.url())
            .env("RECEIPTD_PROVIDER__KEY", "sandbox-key")
            .env("RECEIPTD_PROVIDER__MAX_DESTINATIONS", PER_BATCH.to_string())
            // As in deploy/receiptd.service.
            .envs([("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "1048576")])
            .env("RECEIPTD_CALLBACK__MAX_CONNECTIONS", std::env::var("BENCH_CONNECTIONS").unwrap_or_else(|_| "2000".into()))
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("takes callbacks on")).expect("it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let mut addresses = line.split_whitespace().filter_map(|word| word.parse::<SocketAddr>().ok());
        let (address, api) = (addresses.next().expect("public"), addresses.next().expect("private"));
        let token = std::fs::read_to_string(folder.join("receiptd.token")).expect("a token").trim().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for first in (0..destinations).step_by(PER_BATCH) {
            let numbers: Vec<String> = (first..(first + PER_BATCH).min(destinations)).map(|n| number(n).to_string()).collect();
            let body = json!({"from": "mplus", "message": "hello", "destinations": numbers}).to_string();
            let request = format!(
                "POST /v1/batches HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                token,
                body.len()
            );
            runtime.block_on(async {
                let mut stream = TcpStream::connect(api).await.expect("connected");
                stream.write_all(request.as_bytes()).await.expect("sent");
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.expect("read");
                assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer));
            });
        }
        while provider.counts().batches < destinations.div_ceil(PER_BATCH) as u64 {
            std::thread::sleep(Duration::from_millis(50));
        }
        // In order of their numbers, since they were submitted so and the first number tells.
        let mut submissions = provider.submissions();
        submissions.sort_by_key(|submission| submission.destinations.first().cloned());
        let callbacks = submissions
            .iter()
            .map(|submission| {
                let callback = submission.callback.clone().expect("a callback");
                (callback.replace("http://127.0.0.1:1", ""), submission.identifier.clone())
            })
            .collect();
        Self { child, address, api, token, callbacks, database: folder.join("receiptd.db") }
    }

    pub fn post(&self, n: usize) -> Vec<u8> {
        let (path, batch) = &self.callbacks[n / PER_BATCH];
        post(path, &receipt(n, batch))
    }

    /// A hundred receipts of one batch, scattered over it.
    pub fn post_hundred(&self, first: usize, scatter: impl Fn(usize) -> usize) -> Vec<u8> {
        let (path, batch) = &self.callbacks[first / PER_BATCH];
        let list: Vec<String> = (0..100).map(|k| receipt(first / PER_BATCH * PER_BATCH + scatter(first + k) % PER_BATCH, batch)).collect();
        post(path, &format!("[{}]", list.join(",")))
    }

    pub fn status(&self, file: &str, field: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Begins to measure the most resident memory (`VmHWM`) anew.
    pub fn forget_the_most(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("a child of ours");
    }

    pub fn receipts(&self) -> i64 {
        let conn = Connection::open(&self.database).expect("opened");
        conn.query_row("select count(*) from receipt", [], |row| row.get(0)).expect("counted")
    }
}

impl Drop for Receiptd {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already: then it is as wished
        let _ = self.child.wait();
    }
}
