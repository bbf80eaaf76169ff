//! How fast receipts are taken: the real receiptd through its public listener, against an actix server that only reads
//! the body, and one that makes a transaction for each request; interleaved, so that a noisy machine is noisy for all.
//!
//!     cargo bench --bench receiving                 # 1,000,000 destinations, 5 rounds
//!     BENCH_DESTINATIONS=50000 BENCH_ROUNDS=2 cargo bench --bench receiving
//!
//! Ends with exit code 1 when the rows that were recorded are not the receipts that were answered with 200.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use r2d2_sqlite::SqliteConnectionManager;
use receiptd::simulator::{self, Profile};
use rusqlite::Connection;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests of one measurement.
const REQUESTS: usize = 60_000;
const PER_BATCH: usize = 50_000;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// What a round of requests came to.
struct Measured {
    answered: usize,
    rate: f64,
    /// Of 50, 99 and 99.9 in a hundred, in milliseconds.
    latency: [f64; 3],
}

/// Keeps `connections` connections busy until all requests are answered; each is rendered beforehand.
fn drive(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> Measured {
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
                        good += usize::from(answer(&mut stream, &mut buffer).await == 200);
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

/// Reads one answer to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> u16 {
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await.expect("read");
        assert!(more > 0, "the connection was closed");
        read += more;
        let Some(end) = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).expect("text").to_ascii_lowercase();
        let length: usize = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok()).unwrap_or(0);
        if read >= end + 4 + length {
            return head[9..12].parse().unwrap_or(0);
        }
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn number(n: usize) -> u64 {
    447_000_000_000 + n as u64
}

fn receipt(n: usize, batch: &str) -> String {
    json!({
        "batchuuid": batch, "messageuuid": format!("{n:08x}-596f-403a-bcd6-6a07fd985f93"), "destination": number(n).to_string(),
        "delivered": !n.is_multiple_of(20), "receiptInfo": {"code": if n.is_multiple_of(20) { "22" } else { "00" }, "description": "as the code says"},
    })
    .to_string()
}

/// Serves on a thread of its own until the process ends.
fn serve<F>(app: F) -> SocketAddr
where
    F: Fn(&mut web::ServiceConfig) + Send + Clone + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || App::new().configure(app.clone())).workers(2).max_connections(20_000);
            server.disable_signals().listen(listener).expect("listening").run().await.expect("served");
        });
    });
    address
}

fn no_op() -> SocketAddr {
    serve(|config| {
        config.default_service(web::to(|body: web::Bytes| async move {
            HttpResponse::Ok().content_type("application/json").body(if body.is_empty() { "{}" } else { r#"{"recorded":1}"# })
        }));
    })
}

/// What one writes in an afternoon: a pool, and a transaction for each request.
fn plain(folder: &Path) -> SocketAddr {
    let manager = SqliteConnectionManager::file(folder.join("plain.db"))
        .with_init(|conn| conn.execute_batch("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000;"));
    let pool = r2d2::Pool::builder().max_size(8).build(manager).expect("a pool");
    pool.get()
        .expect("a connection")
        .execute_batch(
            "create table receipt (id integer primary key, batch text, number integer, delivered integer, code text, message text, at integer);
             create table destination (batch text, number integer, state integer, primary key (batch, number)) without rowid;",
        )
        .expect("tables");
    serve(move |config| {
        let pool = pool.clone();
        config.default_service(web::to(move |body: web::Bytes| {
            let pool = pool.clone();
            async move {
                let done = web::block(move || {
                    let read: serde_json::Value = serde_json::from_slice(&body).ok()?;
                    let mut conn = pool.get().ok()?;
                    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).ok()?;
                    let number: i64 = read["destination"].as_str()?.parse().ok()?;
                    let (batch, delivered) = (read["batchuuid"].as_str()?, read["delivered"].as_bool()?);
                    transaction
                        .prepare_cached("insert into receipt (batch, number, delivered, code, message, at) values (?, ?, ?, ?, ?, 0)")
                        .ok()?
                        .execute((batch, number, delivered, read["receiptInfo"]["code"].as_str(), read["messageuuid"].as_str()))
                        .ok()?;
                    transaction
                        .prepare_cached(
                            "insert into destination values (?, ?, ?) on conflict do update set state = max(state, excluded.state)",
                        )
                        .ok()?
                        .execute((batch, number, delivered))
                        .ok()?;
                    transaction.commit().ok()
                });
                match done.await {
                    Ok(Some(())) => HttpResponse::Ok().finish(),
                    _ => HttpResponse::ServiceUnavailable().finish(),
                }
            }
        }));
    })
}

/// The real binary, with batches that a simulated provider has taken.
struct Receiptd {
    child: Child,
    address: SocketAddr,
    /// Path and id of each batch's callback.
    callbacks: Vec<(String, String)>,
    database: std::path::PathBuf,
}

impl Receiptd {
    fn start(folder: &Path, destinations: usize) -> Self {
        let profile = Profile { hold: true, ..Profile::calm() };
        let settings = simulator::Settings { profile, keep_bodies: false, ..simulator::Settings::default() };
        let provider = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
        let mut child = Command::new(env!("CARGO_BIN_EXE_receiptd"))
            .arg("serve")
            .current_dir(folder)
            .env("RECEIPTD_PUBLIC_URL", "http://127.0.0.1:1")
            .env("RECEIPTD_CALLBACK__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_API__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_PROVIDER__BASE_URL", provider.url())
            .env("RECEIPTD_PROVIDER__KEY", "sandbox-key")
            .env("RECEIPTD_PROVIDER__MAX_DESTINATIONS", PER_BATCH.to_string())
            .env("RECEIPTD_CALLBACK__MAX_CONNECTIONS", "5000")
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("takes callbacks on")).expect("it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let mut addresses = line.split_whitespace().filter_map(|word| word.parse::<SocketAddr>().ok());
        let (address, api) = (addresses.next().expect("public"), addresses.next().expect("private"));
        let token = std::fs::read_to_string(folder.join("receiptd.token")).expect("a token");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for first in (0..destinations).step_by(PER_BATCH) {
            let numbers: Vec<String> = (first..(first + PER_BATCH).min(destinations)).map(|n| number(n).to_string()).collect();
            let body = json!({"from": "mplus", "message": "hello", "destinations": numbers}).to_string();
            let request = format!(
                "POST /v1/batches HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                token.trim(),
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
        Self { child, address, callbacks, database: folder.join("receiptd.db") }
    }

    fn post(&self, n: usize) -> Vec<u8> {
        let (path, batch) = &self.callbacks[n / PER_BATCH];
        post(path, &receipt(n, batch))
    }

    /// A hundred receipts of one batch, scattered over it.
    fn post_hundred(&self, first: usize, scatter: impl Fn(usize) -> usize) -> Vec<u8> {
        let (path, batch) = &self.callbacks[first / PER_BATCH];
        let list: Vec<String> = (0..100).map(|k| receipt(first / PER_BATCH * PER_BATCH + scatter(first + k) % PER_BATCH, batch)).collect();
        post(path, &format!("[{}]", list.join(",")))
    }

    fn status(&self, file: &str, field: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    }

    fn receipts(&self) -> i64 {
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

/// One-row transactions a second with the same statements and nothing around them.
fn raw_sqlite(folder: &Path, each: usize, rows: usize) -> f64 {
    let conn = Connection::open(folder.join(format!("raw{each}.db"))).expect("opened");
    conn.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full;
         create table receipt (id integer primary key, batch integer, number integer, at integer, delivered integer, message blob);
         create table destination (batch integer, number integer, said integer, primary key (batch, number)) without rowid;",
    )
    .expect("tables");
    let started = Instant::now();
    for first in (0..rows).step_by(each) {
        conn.execute_batch("begin immediate").expect("begun");
        for n in first..first + each {
            let number = number(n * 7_919 % 1_000_000) as i64;
            conn.prepare_cached("insert into receipt (batch, number, at, delivered, message) values (1, ?, 0, 1, zeroblob(16))")
                .and_then(|mut statement| statement.execute([number]))
                .expect("written");
            conn.prepare_cached("insert into destination values (1, ?, 2) on conflict do update set said = 2")
                .and_then(|mut statement| statement.execute([number]))
                .expect("written");
        }
        conn.execute_batch("commit").expect("committed");
    }
    rows as f64 / started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let (destinations, rounds) = (setting("BENCH_DESTINATIONS", 1_000_000), setting("BENCH_ROUNDS", 5));
    let folder = tempfile::tempdir().expect("a folder");
    let no_op = no_op();
    let plain = plain(folder.path());
    let intake = Instant::now();
    let receiptd = Receiptd::start(folder.path(), destinations);
    println!("{destinations} destinations in {:.1} s, submission to the simulator included", intake.elapsed().as_secs_f64());
    println!("resident before: {:.1} MB", receiptd.status("status", "VmRSS") / 1024.0);

    // Every destination once, in an order that jumps about; no receipt is a repetition.
    let mut next = 0usize;
    let stride = 7_919_usize; // a prime, so that all are met
    let scatter = |n: usize| n * stride % destinations;
    let mut rates: Vec<(String, Vec<f64>, [f64; 3], usize)> = Vec::new();
    let mut note = |name: &str, measured: &Measured| match rates.iter_mut().find(|(known, ..)| known == name) {
        Some((_, rates, latency, good)) => {
            rates.push(measured.rate);
            for (worst, new) in latency.iter_mut().zip(measured.latency) {
                *worst = worst.min(new);
            }
            *good += measured.answered;
        }
        None => rates.push((name.to_owned(), vec![measured.rate], measured.latency, measured.answered)),
    };
    let (mut written, mut recorded) = (0.0, 0usize);
    let per_round = REQUESTS.min(destinations / (rounds * 2 + 1));
    for _ in 0..rounds {
        for connections in [64, 1_000] {
            let bodies = || (0..per_round).map(|n| post("/callbacks/x/y", &receipt(n, "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d"))).collect();
            note(&format!("no-op, {connections} connections"), &drive(no_op, bodies(), connections));
            let fewer = (0..per_round / 20).map(|n| post("/", &receipt(scatter(n), "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d"))).collect();
            if connections == 64 {
                note("plain, 64 connections", &drive(plain, fewer, connections));
            }
            let requests = (next..next + per_round).map(|n| receiptd.post(scatter(n))).collect();
            next += per_round;
            let before = receiptd.status("io", "write_bytes");
            let measured = drive(receiptd.address, requests, connections);
            written += receiptd.status("io", "write_bytes") - before;
            recorded += measured.answered;
            note(&format!("receiptd, {connections} connections"), &measured);
        }
        let one: Vec<_> = (next..next + 2_000).map(|n| receiptd.post(scatter(n))).collect();
        next += 2_000;
        let measured = drive(receiptd.address, one, 1);
        recorded += measured.answered;
        note("receiptd, 1 connection", &measured);
    }
    let single = recorded;
    println!(
        "resident at full rate: {:.1} MB (most: {:.1} MB)",
        receiptd.status("status", "VmRSS") / 1024.0,
        receiptd.status("status", "VmHWM") / 1024.0
    );
    println!("written to disk: {:.0} bytes a receipt", written / single as f64);
    let rows = receiptd.receipts();
    println!("answered with 200: {single}, in the log: {rows}");
    let arrays: Vec<Vec<u8>> = (0..1_000).map(|n| receiptd.post_hundred(n * 100 % destinations, |k| k * 31)).collect();
    let hundred = drive(receiptd.address, arrays, 16);
    println!("arrays of 100, 16 connections: {:.0} receipts/s, some of them repetitions", hundred.rate * 100.0);
    let (raw1, raw64) = (raw_sqlite(folder.path(), 1, 5_000), raw_sqlite(folder.path(), 64, 64_000));
    println!("raw SQLite: {raw1:.0} one-row transactions/s, {raw64:.0} rows/s at 64 a transaction");

    let base = |connections: &str| {
        rates.iter().find(|(name, ..)| name.starts_with("no-op") && name.contains(connections)).map(|(_, rates, ..)| median(rates.clone()))
    };
    println!("\n{:<28} {:>10} {:>7} {:>8} {:>8} {:>8}", "median of rounds", "requests/s", "ratio", "p50 ms", "p99 ms", "p99.9 ms");
    for (name, rates, [p50, p99, p999], _) in &rates {
        let rate = median(rates.clone());
        let base = base(if name.contains("1000") { "1000" } else { "64" }).unwrap_or(rate);
        println!("{name:<28} {rate:>10.0} {:>7.2} {p50:>8.2} {p99:>8.2} {p999:>8.2}", rate / base);
    }
    if rows != single as i64 {
        println!("NOT EQUAL: a receipt was lost or recorded twice");
        std::process::exit(1);
    }
}
