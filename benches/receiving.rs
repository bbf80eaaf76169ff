//! How fast receipts are recorded: the real receiptd through its public listener, compared with an actix server that
//! only reads the body and one that runs a transaction for each request. They take turns, so that noise on the machine
//! affects all of them.
//!
//!     cargo bench --bench receiving                 # 1,000,000 destinations, 5 rounds
//!     BENCH_DESTINATIONS=50000 BENCH_ROUNDS=2 cargo bench --bench receiving
//!
//! Exits with code 1 if the recorded rows are not the receipts that were answered with 200.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use actix_web::{App, HttpResponse, HttpServer, web};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use common::{Measured, Receiptd, drive, median, number, post, receipt, setting};

mod common;

/// The number of requests per measurement.
const REQUESTS: usize = 60_000;

/// Runs a server on its own thread until the process ends.
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

/// The straightforward implementation: a pool, and one transaction per request.
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

/// One-row transactions per second with the same statements and nothing else.
fn raw_sqlite(folder: &Path, round: usize, each: usize, rows: usize) -> f64 {
    let conn = Connection::open(folder.join(format!("raw{round}-{each}.db"))).expect("opened");
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

fn main() {
    let (destinations, rounds) = (setting("BENCH_DESTINATIONS", 1_000_000), setting("BENCH_ROUNDS", 5));
    let folder = tempfile::tempdir().expect("a folder");
    let no_op = no_op();
    let plain = plain(folder.path());
    let intake = Instant::now();
    let receiptd = Receiptd::start(folder.path(), destinations);
    println!("{destinations} destinations in {:.1} s, submission to the simulator included", intake.elapsed().as_secs_f64());
    println!("resident before: {:.1} MB", receiptd.resident().0);

    // Each destination is used once, in a scattered order, so that no receipt is a repetition.
    let mut next = 0usize;
    let stride = 7_919_usize; // a prime, so that every destination is reached
    let scatter = |n: usize| n * stride % destinations;
    // By name: requests per second, and p50, p99 and p99.9, of each round.
    let mut rates: Vec<(String, [Vec<f64>; 4])> = Vec::new();
    let mut note = |name: &str, measured: &Measured| {
        let place = rates.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            rates.push((name.to_owned(), Default::default()));
            rates.len() - 1
        });
        let [p50, p99, p999] = measured.latency;
        rates[place].1.iter_mut().zip([measured.rate, p50, p99, p999]).for_each(|(all, one)| all.push(one));
    };
    let mut raw: [Vec<f64>; 2] = Default::default();
    let (mut written, mut recorded) = (0.0, 0usize);
    let per_round = REQUESTS.min(destinations / (rounds * 2 + 1));
    for round in 0..rounds {
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
        raw[0].push(raw_sqlite(folder.path(), round, 1, 2_000));
        raw[1].push(raw_sqlite(folder.path(), round, 64, 64_000));
    }
    let single = recorded;
    println!("resident at full rate: {:.1} MB (most: {:.1} MB)", receiptd.resident().0, receiptd.resident().1);
    std::thread::sleep(std::time::Duration::from_secs(5));
    println!("resident at rest after it: {:.1} MB; WAL: {} bytes", receiptd.resident().0, receiptd.bytes("-wal"));
    println!("written to disk: {:.0} bytes per receipt", written / single as f64);
    let rows = receiptd.receipts();
    println!("answered with 200: {single}, in the log: {rows}");
    let arrays: Vec<Vec<u8>> = (0..1_000).map(|n| receiptd.post_hundred(n * 100 % destinations, |k| k * 31)).collect();
    let hundred = drive(receiptd.address, arrays, 16);
    println!("arrays of 100, 16 connections: {:.0} receipts/s, some of them repetitions", hundred.rate * 100.0);
    let [raw1, raw64] = raw.map(median);
    println!("raw SQLite, median of rounds: {raw1:.0} one-row transactions/s, {raw64:.0} rows/s at 64 per transaction");

    let rate = |begins: &str, connections: &str| {
        let found = rates.iter().find(|(name, _)| name.starts_with(begins) && name.contains(connections));
        found.map_or(f64::NAN, |(_, [rates, ..])| median(rates.clone()))
    };
    println!("receiptd on 1 connection is {:.2} of raw SQLite's one-row transactions", rate("receiptd, 1 ", "1 connection") / raw1);
    println!("\n{:<28} {:>10} {:>7} {:>8} {:>8} {:>8}", "median of rounds", "requests/s", "ratio", "p50 ms", "p99 ms", "p99.9 ms");
    for (name, measured) in &rates {
        let [of_it, p50, p99, p999] = measured.clone().map(median);
        let base = rate("no-op", if name.contains("1000") { "1000" } else { "64" });
        println!("{name:<28} {of_it:>10.0} {:>7.2} {p50:>8.2} {p99:>8.2} {p999:>8.2}", of_it / base);
    }
    if rows != single as i64 {
        println!("FAILED: a receipt was lost or recorded twice");
        std::process::exit(1);
    }
}
