//! What happens when more receipts arrive than can be written. Posts arrays of a hundred receipts to the real receiptd
//! on more and more connections, and measures how many were accepted and how many refused, the latency of the accepted
//! ones, and the maximum memory.
//!
//!     cargo bench --bench overload
//!
//! Exits with code 1 if the log does not contain exactly the acknowledged receipts, or if memory grows with the load.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use common::{PER_BATCH, Receiptd, answer, at, setting};

mod common;

const DESTINATIONS: usize = 1_000_000;

fn main() {
    let seconds = setting("BENCH_SECONDS", 10);
    let folder = tempfile::tempdir().expect("a folder");
    let receiptd = Receiptd::start(folder.path(), DESTINATIONS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("arrays of 100 receipts, {seconds} s each time");
    println!(
        "{:>11} {:>9} {:>9} {:>14} {:>9} {:>9} {:>9} {:>9}",
        "connections", "200", "503", "receipts/s", "p50 ms", "p99 ms", "max ms", "most MB"
    );
    let (mut acknowledged, mut most) = (0, Vec::new());
    let mut next = 0; // every destination is used once; then the rounds end
    for connections in [16, 64, 256, 1_024] {
        receiptd.forget_the_most();
        let share = DESTINATIONS / 4 / 100 / connections;
        let requests: Vec<Vec<Vec<u8>>> = (0..connections)
            .map(|_| {
                (0..share.max(1))
                    .map(|_| {
                        next += 100;
                        let first = (next - 100) % DESTINATIONS;
                        receiptd.post_hundred(first, |k| k % PER_BATCH)
                    })
                    .collect()
            })
            .collect();
        let address = receiptd.address;
        let until = Instant::now() + Duration::from_secs(seconds as u64);
        let started = Instant::now();
        let local = tokio::task::LocalSet::new();
        let (mut taken, refused) = local.block_on(&runtime, async move {
            let tasks: Vec<_> = requests
                .into_iter()
                .map(|share| {
                    tokio::task::spawn_local(async move {
                        let (mut taken, mut refused, mut buffer) = (Vec::new(), 0usize, [0; 4096]);
                        let mut stream = None;
                        for request in share {
                            while Instant::now() < until {
                                let sent = Instant::now();
                                let mut open = match stream.take() {
                                    Some(open) => open,
                                    None => TcpStream::connect(address).await.expect("connected"),
                                };
                                let once = async {
                                    open.write_all(&request).await?;
                                    answer(&mut open, &mut buffer).await
                                };
                                match once.await {
                                    Ok(200) => {
                                        taken.push(sent.elapsed());
                                        stream = Some(open);
                                        break;
                                    }
                                    Ok(503) => refused += 1, // it retries at once, more aggressively than any provider
                                    other => assert!(other.is_err(), "{other:?}"),
                                }
                            }
                        }
                        (taken, refused)
                    })
                })
                .collect();
            let (mut taken, mut refused) = (Vec::new(), 0);
            for task in tasks {
                let (some, told) = task.await.expect("no panic");
                taken.extend(some);
                refused += told;
            }
            (taken, refused)
        });
        let took = started.elapsed().as_secs_f64();
        acknowledged += taken.len() * 100;
        let (_, memory) = receiptd.resident();
        most.push(memory);
        println!(
            "{connections:>11} {:>9} {refused:>9} {:>14.0} {:>9.1} {:>9.1} {:>9.1} {memory:>9.1}",
            taken.len(),
            taken.len() as f64 * 100.0 / took,
            at(&mut taken, 0.5),
            at(&mut taken, 0.99),
            at(&mut taken, 1.0)
        );
    }
    let rows = receiptd.receipts();
    println!("acknowledged: {acknowledged} receipts, in the log: {rows}");
    if rows != acknowledged as i64 || most.iter().any(|memory| *memory > 150.0) {
        println!("FAILED: outside the limits");
        std::process::exit(1);
    }
}
