//! The cost of sending, and its effect on receipts that arrive meanwhile. 1,000,000 destinations are submitted and
//! handed to a simulated provider, compared with raw SQLite writing the same rows sorted. Then API requests, and
//! followers of the live stream, run while receipts arrive at full rate.
//!
//!     cargo bench --bench sending
//!     BENCH_DESTINATIONS=200000 BENCH_ROUNDS=2 cargo bench --bench sending

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use common::{Client, Measured, PER_BATCH, Receiptd, at, drive, median, number, setting};

mod common;

/// The number of single receipts per measurement.
const REQUESTS: usize = 40_000;
const FOLLOWERS: usize = 1_000;

/// The same rows in the same table, sorted and with nothing else, 50,000 per transaction.
fn raw_sqlite(rows: usize) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let conn = Connection::open(folder.path().join("raw.db")).expect("opened");
    conn.execute_batch(
        "pragma page_size = 1024; pragma journal_mode = wal; pragma synchronous = full;
         create table destination (batch integer not null, number integer not null, said integer not null default 0,
             first_receipt integer, primary key (batch, number)) strict, without rowid;",
    )
    .expect("a table");
    let started = Instant::now();
    for first in (0..rows).step_by(PER_BATCH) {
        conn.execute_batch("begin immediate").expect("begun");
        let mut insert = conn.prepare_cached("insert into destination (batch, number) values (?1, ?2)").expect("prepared");
        for n in first..(first + PER_BATCH).min(rows) {
            insert.execute((first as i64, number(n) as i64)).expect("written");
        }
        conn.execute_batch("commit").expect("committed");
    }
    started.elapsed()
}

/// Receipts for destinations that have none yet, in a scattered order.
struct Fresh {
    posted: usize,
    /// The first of these destinations, and their number.
    first: usize,
    destinations: usize,
    next: usize,
}

impl Fresh {
    fn drive(&mut self, receiptd: &Receiptd, requests: usize) -> Measured {
        let posts = (self.next..self.next + requests).map(|n| receiptd.post(self.first + n * 7_919 % self.destinations)).collect();
        (self.next, self.posted) = (self.next + requests, self.posted + requests);
        assert!(self.next <= self.destinations, "more receipts than destinations");
        let measured = drive(receiptd.address, posts, 64);
        assert_eq!(measured.answered, requests);
        measured
    }
}

/// Measures receipts while another thread runs, until that thread ends.
fn meanwhile<T: Send>(
    fresh: &mut Fresh,
    receiptd: &Receiptd,
    other: impl FnOnce(&AtomicBool) -> T + Send,
    mut rounds: usize,
) -> (Vec<Measured>, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| other(&stop));
        let mut measured = Vec::new();
        while rounds > 0 && !other.is_finished() {
            measured.push(fresh.drive(receiptd, REQUESTS));
            rounds -= 1;
        }
        stop.store(true, Ordering::Relaxed);
        (measured, other.join().expect("no panic"))
    })
}

fn all_times(measured: Vec<Measured>) -> Vec<Duration> {
    measured.into_iter().flat_map(|measured| measured.times).collect()
}

/// Lowers the priority of this thread: readers and followers normally run on another machine, and must not take the
/// time that is measured.
fn lower_priority() {
    rustix::process::setpriority_process(None, 19).expect("lowering it is allowed");
}

/// Sends fifty requests per second and one export after the other. Returns the number of requests, the rows of exports,
/// and the p99 of requests.
fn read(receiptd: &Receiptd, stop: &AtomicBool) -> (usize, usize, f64) {
    std::thread::scope(|scope| {
        let exports = scope.spawn(|| {
            lower_priority();
            let (mut client, mut rows) = (Client::new(receiptd), 0);
            for batch in receiptd.batches.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                client.ask("GET", &format!("/v1/batches/{}/export", batch.id), "", |piece| {
                    rows += piece.iter().filter(|byte| **byte == b'\n').count();
                });
            }
            rows
        });
        let (mut client, mut times) = (Client::new(receiptd), Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let n = times.len();
            let batch = &receiptd.batches[n % receiptd.batches.len()].id;
            let question = match n % 5 {
                0 => "/v1/batches?limit=100".to_owned(),
                1 => format!("/v1/batches/{batch}/destinations?limit=100"),
                2 => format!("/v1/destinations/{}", number(n * 7_919 % receiptd.destinations)),
                3 => format!("/v1/batches/{batch}"),
                _ => "/v1/stats".to_owned(),
            };
            let answer = client.get(&question);
            assert_eq!(answer.status, 200, "{}", answer.body);
            times.push(answer.took);
            std::thread::sleep(Duration::from_millis(20));
        }
        (times.len(), exports.join().expect("no panic"), at(&mut times, 0.99))
    })
}

/// Opens followers of the live stream; every other one never reads.
fn follow(receiptd: &Receiptd, stop: &AtomicBool) -> usize {
    lower_priority();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let local = tokio::task::LocalSet::new();
        let request = format!(
            "GET /v1/receipts HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\r\n",
            receiptd.token
        );
        let read = std::rc::Rc::new(std::cell::Cell::new(0usize));
        for n in 0..FOLLOWERS {
            let (request, address, read) = (request.clone(), receiptd.api, read.clone());
            local.spawn_local(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
                stream.write_all(request.as_bytes()).await.expect("sent");
                let mut buffer = vec![0; 16 << 10];
                while n.is_multiple_of(2) {
                    match stream.read(&mut buffer).await {
                        Ok(some) if some > 0 => read.set(read.get() + some),
                        _ => break,
                    }
                }
                std::future::pending::<()>().await;
            });
        }
        local
            .run_until(async {
                while !stop.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            })
            .await;
        read.get()
    })
}

fn main() {
    let (destinations, rounds) = (setting("BENCH_DESTINATIONS", 1_000_000), setting("BENCH_ROUNDS", 3));
    let folder = tempfile::tempdir().expect("a folder");
    let mut receiptd = Receiptd::empty(folder.path());
    let (mut raw, mut ours, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        raw.push(raw_sqlite(destinations).as_secs_f64());
        let started = Instant::now();
        receiptd.take_in(destinations, |took| accepted.push(took));
        ours.push(started.elapsed().as_secs_f64());
    }
    let (raw, ours) = (median(raw), median(ours));
    println!("{destinations} destinations read, checked, written and handed to the provider: {ours:.2} s");
    println!("raw SQLite, the same rows sorted: {raw:.2} s; ratio {:.1}", ours / raw);
    println!("a batch of {PER_BATCH} is accepted in {:.0} ms (p50), {:.0} ms (longest)", at(&mut accepted, 0.5), at(&mut accepted, 1.0));

    let mut fresh = Fresh { posted: 0, first: 0, destinations: receiptd.destinations, next: 0 };
    fresh.drive(&receiptd, REQUESTS);
    let mut rest = all_times((0..3).map(|_| fresh.drive(&receiptd, REQUESTS)).collect());
    let started = Instant::now();
    let (busy, (batches, took)) =
        meanwhile(&mut fresh, &receiptd, |_| (receiptd.submit(destinations, |_| {}), started.elapsed()), usize::MAX);
    receiptd.add(batches);
    let mut busy = all_times(busy);
    println!(
        "p99 of acknowledging a receipt: {:.1} ms at rest, {:.1} ms while {destinations} destinations are submitted ({:.1} s)",
        at(&mut rest, 0.99),
        at(&mut busy, 0.99),
        took.as_secs_f64()
    );

    let mut fresh = Fresh { first: fresh.destinations, destinations: receiptd.destinations - fresh.destinations, next: 0, ..fresh };
    let (mut alone, mut with_readers, mut with_followers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut questions, mut rows, mut streamed, mut longest) = (0, 0, 0, 0f64);
    let (mut most_alone, mut most_followed, mut most_wal) = (0f64, 0f64, 0);
    let mut seconds = 0.0;
    for _ in 0..rounds {
        receiptd.forget_the_most();
        alone.push(fresh.drive(&receiptd, REQUESTS * 2).rate);
        most_alone = most_alone.max(receiptd.resident().1);
        let started = Instant::now();
        let (measured, (asked, exported, p99)) = meanwhile(&mut fresh, &receiptd, |stop| read(&receiptd, stop), 2);
        seconds += started.elapsed().as_secs_f64();
        with_readers.extend(measured.into_iter().map(|measured| measured.rate));
        (questions, rows, longest) = (questions + asked, rows + exported, longest.max(p99));
        most_wal = most_wal.max(receiptd.bytes("-wal"));
        receiptd.forget_the_most();
        let (measured, bytes) = meanwhile(&mut fresh, &receiptd, |stop| follow(&receiptd, stop), 3);
        with_followers.extend(measured.into_iter().skip(1).map(|measured| measured.rate)); // not the first: they connect during it
        most_followed = most_followed.max(receiptd.resident().1);
        streamed += bytes;
    }
    let alone = median(alone);
    println!("receipts/s: {alone:.0} alone");
    println!(
        "{:.0} ({:.2}) with {:.0} questions/s (p99 {longest:.1} ms) and exports of {:.0} rows/s; the WAL has {:.0} MB at most",
        median(with_readers.clone()),
        median(with_readers) / alone,
        questions as f64 / seconds,
        rows as f64 / seconds,
        most_wal as f64 / 1e6
    );
    println!(
        "{:.0} ({:.2}) with {FOLLOWERS} followers, half of them not reading; the others read {:.0} MB; memory {most_followed:.0} MB, without them {most_alone:.0} MB",
        median(with_followers.clone()),
        median(with_followers) / alone,
        streamed as f64 / 1e6
    );
    let (recorded, posted) = (receiptd.receipts(), fresh.posted);
    println!("answered with 200: {posted}, in the log: {recorded}");
    if recorded != posted as i64 {
        println!("FAILED: a receipt was lost or recorded twice");
        std::process::exit(1);
    }
}
