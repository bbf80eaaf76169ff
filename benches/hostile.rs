//! Do honest receipts go on while others attack the public listener? Two thousand clients of each kind, one kind after the
//! other, against the real receiptd; meanwhile 16 honest connections post receipts, and connect again where they are cut.
//!
//!     cargo bench --bench hostile
//!
//! Ends with exit code 1 when an honest receipt is not taken, its p99 is over 250 ms, or memory over 150 MB.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use common::{Receiptd, answer, setting};

mod common;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Nobody,
    Silent,
    SlowHead,
    SlowBody,
    HugeHead,
    HugeBody,
    DeepJson,
    BrokenText,
    BrokenChunks,
    GuessedToken,
}

const KINDS: [Kind; 10] = [
    Kind::Nobody,
    Kind::Silent,
    Kind::SlowHead,
    Kind::SlowBody,
    Kind::HugeHead,
    Kind::HugeBody,
    Kind::DeepJson,
    Kind::BrokenText,
    Kind::BrokenChunks,
    Kind::GuessedToken,
];

/// One attack: connects, does its harm, and reads until it is cut.
async fn attack(kind: Kind, address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = |length: usize| format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    let whole = match kind {
        Kind::Nobody | Kind::Silent => Vec::new(),
        Kind::SlowHead | Kind::SlowBody => {
            let start = if matches!(kind, Kind::SlowHead) { format!("POST {path} HTTP/1.1\r\nX: ").into_bytes() } else { head(1_000) };
            stream.write_all(&start).await?;
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"x").await?;
            }
        }
        Kind::HugeHead => [format!("POST {path} HTTP/1.1\r\nX: ").into_bytes(), vec![b'x'; 1 << 20]].concat(),
        Kind::HugeBody => [head(64 << 20), vec![b' '; 64 << 10]].concat(),
        Kind::DeepJson => [head(200_000), vec![b'['; 200_000]].concat(),
        Kind::BrokenText => [head(6), vec![b'"', 0xff, 0xfe, 0xc0, 0x80, b'"']].concat(),
        Kind::BrokenChunks => {
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nwhat\r\n-1\r\n").into_bytes()
        }
        Kind::GuessedToken => {
            let guessed = &path[..path.len() - 4];
            format!("POST {guessed}AAAA HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes()
        }
    };
    stream.write_all(&whole).await?;
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {
        if !matches!(kind, Kind::Silent) {
            break; // answered: once more, on a new connection
        }
    }
    Ok(())
}

/// Posts until it is taken; how long that was, and how often it had to connect again.
async fn honest(address: SocketAddr, stream: &mut Option<TcpStream>, request: &[u8]) -> (Duration, usize) {
    let started = Instant::now();
    let mut again = 0;
    loop {
        let once = async {
            if stream.is_none() {
                *stream = Some(TcpStream::connect(address).await?);
            }
            let Some(open) = stream.as_mut() else { return Ok(0) };
            open.write_all(request).await?;
            let mut buffer = [0; 4096];
            let read = open.peek(&mut buffer).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            Ok::<u16, std::io::Error>(answer(open, &mut buffer).await)
        };
        match once.await {
            Ok(200) => return (started.elapsed(), again),
            _ => *stream = None,
        }
        again += 1;
        assert!(again < 1_000, "an honest receipt is never taken");
    }
}

fn main() {
    let (attackers, posts) = (setting("BENCH_ATTACKERS", 2_000), setting("BENCH_POSTS", 4_000));
    let folder = tempfile::tempdir().expect("a folder");
    let receiptd = Receiptd::start(folder.path(), 100_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut good = true;
    println!("{attackers} attackers of each kind, 16 honest connections, {posts} receipts each time");
    println!("{:<14} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9}", "attack", "attacks", "p50 ms", "p99 ms", "max ms", "reconnects", "RSS MB");
    let mut next = 0;
    for kind in KINDS {
        let requests: Vec<Vec<u8>> = (next..next + posts).map(|n| receiptd.post(n)).collect();
        next += posts;
        let (address, path) = (receiptd.address, receiptd.callbacks[0].0.clone());
        let local = tokio::task::LocalSet::new();
        let (mut times, reconnects, attacks) = local.block_on(&runtime, async move {
            let attacks = Rc::new(Cell::new(0usize));
            let crowd = if matches!(kind, Kind::Nobody) { 0 } else { attackers };
            for _ in 0..crowd {
                let (path, attacks) = (path.clone(), attacks.clone());
                tokio::task::spawn_local(async move {
                    loop {
                        let _ = attack(kind, address, &path).await; // cut off: as it should be
                        attacks.set(attacks.get() + 1);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                });
            }
            tokio::time::sleep(Duration::from_secs(2)).await; // all of them are at it
            let tasks: Vec<_> = requests
                .chunks(posts.div_ceil(16))
                .map(|share| {
                    let share = share.to_vec();
                    tokio::task::spawn_local(async move {
                        let (mut stream, mut times, mut reconnects) = (None, Vec::new(), 0);
                        for request in share {
                            let (took, again) = honest(address, &mut stream, &request).await;
                            times.push(took);
                            reconnects += again;
                        }
                        (times, reconnects)
                    })
                })
                .collect();
            let (mut times, mut reconnects) = (Vec::new(), 0);
            for task in tasks {
                let (some, again) = task.await.expect("no panic");
                times.extend(some);
                reconnects += again;
            }
            (times, reconnects, attacks.get())
        });
        drop(local); // and all attackers with it
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let resident = receiptd.status("status", "VmRSS") / 1024.0;
        println!(
            "{:<14} {attacks:>9} {:>9.2} {:>9.2} {:>9.2} {reconnects:>11} {resident:>9.1}",
            format!("{kind:?}"),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        good &= at(0.99) < 250.0 && resident < 150.0;
    }
    let rows = receiptd.receipts();
    println!("honest receipts: {next}, in the log: {rows}");
    if !good || rows != next as i64 {
        println!("NOT GOOD ENOUGH");
        std::process::exit(1);
    }
}
