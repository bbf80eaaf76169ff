//! Whether receiptd stays fast as the file grows. Measures at 10⁴, 10⁵, 10⁶ and 10⁷ destinations, each with its receipt
//! in the file: receiving, the start, pages of lists, one number, totals, an export, and the bytes per destination.
//!
//!     cargo bench --bench growth
//!     BENCH_MOST=1000000 cargo bench --bench growth
//!
//! Each size has its own daemon, and they take turns. Receiving is measured with a fresh batch of 50,000 destinations
//! each time, so that only the rest of the file differs.

use std::time::Instant;

use common::{Client, PER_BATCH, Receiptd, at, drive, median, number, setting};

mod common;

const ROUNDS: usize = 5;
const ASKED: usize = 300;

/// Single receipts per second on 64 connections, each for a destination of a fresh batch.
fn receiving(receiptd: &mut Receiptd) -> f64 {
    let first = receiptd.destinations;
    receiptd.take_in(PER_BATCH, |_| {});
    let requests = (0..PER_BATCH).map(|n| receiptd.post(first + n * 7_919 % PER_BATCH)).collect();
    let measured = drive(receiptd.address, requests, 64);
    assert_eq!(measured.answered, PER_BATCH);
    measured.rate
}

/// Adds destinations with their receipts until there are this many.
fn fill(receiptd: &mut Receiptd, until: usize) {
    while receiptd.destinations < until {
        let first = receiptd.destinations;
        let more = (until - first).min(20 * PER_BATCH);
        receiptd.take_in(more, |_| {});
        let requests: Vec<_> = (first..first + more).step_by(100).map(|n| receiptd.post_hundred(n, |k| k)).collect();
        let count = requests.len();
        assert_eq!(drive(receiptd.address, requests, 16).answered, count);
    }
}

/// The p99 in milliseconds of a request that is repeated.
fn asking(client: &mut Client, question: impl Fn(usize) -> String) -> f64 {
    let mut times: Vec<_> = (0..ASKED)
        .map(|n| {
            let answer = client.get(&question(n));
            assert_eq!(answer.status, 200, "{}", answer.body);
            answer.took
        })
        .collect();
    at(&mut times, 0.99)
}

fn main() {
    let most = setting("BENCH_MOST", 10_000_000);
    let mut all: Vec<_> = [0, 10_000, 100_000, 1_000_000, 10_000_000]
        .into_iter()
        .filter(|size| *size <= most)
        .map(|size| {
            let folder = tempfile::tempdir().expect("a folder");
            let mut receiptd = Receiptd::empty(folder.path());
            fill(&mut receiptd, size);
            (size, receiptd, Vec::new(), folder)
        })
        .collect();
    for _ in 0..ROUNDS {
        for (_, receiptd, rates, _) in &mut all {
            rates.push(receiving(receiptd));
        }
    }
    println!(
        "{:>12} {:>10} {:>6} {:>8} | p99 ms: {:>7} {:>7} {:>7} {:>7} {:>7} | {:>11} {:>9} {:>12}",
        "destinations", "receipts/s", "ratio", "start ms", "batches", "numbers", "log", "one", "stats", "export/s", "most MB", "bytes each"
    );
    let empty = median(all[0].2.clone());
    let mut good = true;
    for (size, receiptd, rates, _) in &mut all {
        let rate = median(rates.clone());
        let start = receiptd.restart(); // the WAL is empty: everything is in the file
        let bytes = receiptd.bytes("") as f64 / receiptd.destinations as f64;
        let mut client = Client::new(receiptd);
        let batch = |n: usize| &receiptd.batches[n * 31 % receiptd.batches.len()].id;
        let spread = |n: usize| n * 7_919 % receiptd.destinations;
        let pages = asking(&mut client, |n| format!("/v1/batches?limit=100&state={}", ["complete", "submitted"][n % 2]));
        let numbers = asking(&mut client, |n| format!("/v1/batches/{}/destinations?limit=100&state=failed", batch(n)));
        let log = asking(&mut client, |n| format!("/v1/receipts?limit=100&after={}", spread(n)));
        let one = asking(&mut client, |n| format!("/v1/destinations/{}", number(spread(n))));
        let stats = asking(&mut client, |_| "/v1/stats".into());
        receiptd.forget_the_most();
        let (started, mut rows) = (Instant::now(), 0usize);
        for batch in receiptd.batches.iter().take(20) {
            let status = client.ask("GET", &format!("/v1/batches/{}/export", batch.id), "", |piece| {
                rows += piece.iter().filter(|byte| **byte == b'\n').count();
            });
            assert_eq!(status, 200);
        }
        let exported = rows as f64 / started.elapsed().as_secs_f64();
        let (_, memory) = receiptd.resident();
        println!(
            "{size:>12} {rate:>10.0} {:>6.2} {:>8.0} | {:>7} {pages:>7.1} {numbers:>7.1} {log:>7.1} {one:>7.1} {stats:>7.1} | {exported:>11.0} {memory:>9.1} {bytes:>12.0}",
            rate / empty,
            start.as_secs_f64() * 1e3,
            ""
        );
        good &= receiptd.receipts() == receiptd.destinations as i64;
    }
    if !good {
        println!("FAILED: a receipt was lost or recorded twice");
        std::process::exit(1);
    }
}
