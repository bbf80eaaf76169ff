//! Whether honest receipts still get through while clients attack the public listener, and then the API. Two thousand
//! clients of each kind attack the real receiptd, one kind after the other; all except those that guess tokens know the
//! right one. Meanwhile, 16 honest connections post receipts, and reconnect when they are cut.
//!
//!     cargo bench --bench hostile
//!
//! Exits with code 1 if an honest receipt is not accepted, if their p99 is above 250 ms, or if memory exceeds 150 MB.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use common::{PER_BATCH, Receiptd, answer, at, drive, number, post, setting};

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
    HeldBody,
    JunkList,
    LongList,
    OtherWords,
    Bomb,
}

const KINDS: [Kind; 15] = [
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
    Kind::HeldBody,
    Kind::JunkList,
    Kind::LongList,
    Kind::OtherWords,
    Kind::Bomb,
];

/// The placeholder for what differs each time.
const EACH_TIME: &[u8] = b"################";

impl Kind {
    /// Whether this attack only applies to callbacks.
    fn is_for_callbacks(self) -> bool {
        matches!(self, Self::HeldBody | Self::JunkList | Self::LongList | Self::OtherWords | Self::Bomb)
    }
}

/// The target of the attacks.
struct Target {
    name: &'static str,
    address: SocketAddr,
    path: String,
    guessed_path: String,
    /// The header lines with the token.
    token: String,
    guessed_token: String,
    /// A number of the batch that has the maximum number of receipts.
    worn: String,
}

/// A receipt for a number, with the given code.
fn coded(number: &str, code: usize, more: &str) -> String {
    format!(r#"{{"destination":"{number}","delivered":false,"receiptInfo":{{"code":"{code:x}"{more}}}}}"#)
}

/// What an attacker of this kind writes at once. Slow ones continue with one byte per second.
fn opening(kind: Kind, target: &Target) -> Vec<u8> {
    let Target { path, token, worn, .. } = target;
    let head = |length: usize| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{token}Content-Length: {length}\r\n\r\n").into_bytes();
    match kind {
        Kind::Nobody | Kind::Silent => Vec::new(),
        Kind::SlowHead => format!("POST {path} HTTP/1.1\r\nX: ").into_bytes(),
        Kind::SlowBody => head(1_000),
        Kind::HugeHead => [format!("POST {path} HTTP/1.1\r\nX: ").into_bytes(), vec![b'x'; 1 << 20]].concat(),
        Kind::HugeBody => [head(64 << 20), vec![b' '; 64 << 10]].concat(),
        Kind::DeepJson => [head(200_000), vec![b'['; 200_000]].concat(),
        Kind::BrokenText => [head(6), vec![b'"', 0xff, 0xfe, 0xc0, 0x80, b'"']].concat(),
        Kind::BrokenChunks => {
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nwhat\r\n-1\r\n").into_bytes()
        }
        Kind::GuessedToken => {
            let Target { guessed_path, guessed_token, .. } = target;
            format!("POST {guessed_path} HTTP/1.1\r\nHost: x\r\n{guessed_token}Content-Length: 2\r\n\r\n{{}}").into_bytes()
        }
        Kind::HeldBody => head(1_000),
        Kind::JunkList => {
            let list = format!("[{}7]", "7,".repeat((256 << 10) / 2 - 2));
            [head(list.len()), list.into_bytes()].concat()
        }
        // Each of its receipts is known, and is compared with a thousand others.
        Kind::LongList => {
            let list = format!("[{}]", vec![coded(worn, 999, ""); 3_000].join(","));
            [head(list.len()), list.into_bytes()].concat()
        }
        Kind::OtherWords => {
            let words = format!(r#","description":"{}{}""#, String::from_utf8_lossy(EACH_TIME), "x".repeat(1_000));
            let receipt = coded(worn, 999, &words);
            [head(receipt.len()), receipt.into_bytes()].concat()
        }
        Kind::Bomb => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(&vec![b' '; 64 << 20]).expect("packed");
            let packed = packed.finish().expect("packed");
            let length = packed.len();
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
            [head.into_bytes(), packed].concat()
        }
    }
}

/// One attack: connects, attacks, and reads until it is answered or cut.
async fn attack(kind: Kind, address: SocketAddr, opening: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(opening).await?;
    if matches!(kind, Kind::SlowHead | Kind::SlowBody) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stream.write_all(b"x").await?;
        }
    }
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {
        if !matches!(kind, Kind::Silent | Kind::HeldBody) {
            break; // answered: the next one uses a new connection
        }
    }
    Ok(())
}

/// Starts `attackers` attackers on their own thread. Each attacks once per second or, if it is a slow kind, until it is
/// cut. They stop when the sender is dropped; the thread then returns the number of attacks.
fn crowd(kind: Kind, attackers: usize, target: &Target) -> (oneshot::Sender<()>, JoinHandle<usize>) {
    let (opening, address) = (opening(kind, target), target.address);
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (attacks, opening) = (Rc::new(Cell::new(0usize)), Rc::<[u8]>::from(opening));
        let local = tokio::task::LocalSet::new();
        for _ in 0..attackers {
            let (attacks, opening) = (attacks.clone(), opening.clone());
            local.spawn_local(async move {
                loop {
                    let again = Instant::now() + Duration::from_secs(1);
                    attacks.set(attacks.get() + 1);
                    let mut opening = Cow::Borrowed(&*opening);
                    if let Some(place) = memchr::memmem::find(&opening, EACH_TIME) {
                        let this_time = format!("{:>width$}", attacks.get(), width = EACH_TIME.len());
                        opening.to_mut()[place..place + EACH_TIME.len()].copy_from_slice(this_time.as_bytes());
                    }
                    let _ = attack(kind, address, &opening).await; // an error means that it was cut, as it should be
                    tokio::time::sleep_until(again.into()).await;
                }
            });
        }
        let _ = local.block_on(&runtime, stopped); // an error means that the sender was dropped
        attacks.get()
    });
    (stop, thread)
}

/// Posts until the receipt is accepted. Returns how long that took, and how often it had to reconnect.
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
            answer(open, &mut buffer).await
        };
        match once.await {
            Ok(200) => return (started.elapsed(), again),
            _ => *stream = None,
        }
        again += 1;
        assert!(again < 1_000, "an honest receipt is never accepted");
    }
}

fn main() {
    let (attackers, posts) = (setting("BENCH_ATTACKERS", 2_000), setting("BENCH_POSTS", 4_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut good = true;
    println!("{attackers} attackers of each kind, 16 honest connections, {posts} receipts each time");
    println!("{:<20} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9}", "attack", "attacks", "p50 ms", "p99 ms", "max ms", "reconnects", "most MB");
    let (mut next, mut recorded) = (0, 0);
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    // Each listener is attacked on its own daemon, which was not attacked before.
    for (folder, is_public) in [(tempfile::tempdir(), true), (tempfile::tempdir(), false)] {
        let folder = folder.expect("a folder");
        // The honest receipts belong to other batches than the one whose callback the attackers know.
        let receiptd = Receiptd::start(folder.path(), 4 * PER_BATCH);
        let leaked = &receiptd.batches[3];
        let (path, worn) = (leaked.path.clone(), format!("+{}", number(3 * PER_BATCH)));
        let guessed_path = format!("{}AAAA", &path[..path.len() - 4]);
        let target = if is_public {
            Target {
                name: "public",
                address: receiptd.address,
                path,
                guessed_path,
                token: String::new(),
                guessed_token: String::new(),
                worn,
            }
        } else {
            Target {
                name: "API",
                address: receiptd.api,
                path: "/v1/batches".into(),
                guessed_path: "/v1/batches".into(),
                token: bearer(&receiptd.token),
                guessed_token: bearer("guessed"),
                worn,
            }
        };
        let all: Vec<String> = (0..1_000).map(|code| coded(&target.worn, code, "")).collect();
        let worn_out = drive(receiptd.address, vec![post(&leaked.path, &format!("[{}]", all.join(",")))], 1);
        assert_eq!(worn_out.answered, 1);
        let is_meant = |kind: &Kind| (is_public || !kind.is_for_callbacks()) && (only.is_empty() || only == format!("{kind:?}"));
        let mut first = 0;
        for kind in KINDS.into_iter().filter(is_meant) {
            let requests: Vec<Vec<u8>> = (first..first + posts).map(|n| receiptd.post(n)).collect();
            (first, next) = (first + posts, next + posts);
            let address = receiptd.address;
            receiptd.forget_the_most();
            let local = tokio::task::LocalSet::new();
            let (stop, crowd) = crowd(kind, if matches!(kind, Kind::Nobody) { 0 } else { attackers }, &target);
            let (mut times, reconnects) = local.block_on(&runtime, async move {
                tokio::time::sleep(Duration::from_secs(2)).await; // until all attackers are active
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
                (times, reconnects)
            });
            let mut at = |share: f64| at(&mut times, share);
            drop(stop);
            let attacks = crowd.join().expect("the attackers do not panic");
            let (_, resident) = receiptd.resident();
            println!(
                "{:<20} {attacks:>9} {:>9.2} {:>9.2} {:>9.2} {reconnects:>11} {resident:>9.1}",
                format!("{} {kind:?}", target.name),
                at(0.5),
                at(0.99),
                at(1.0)
            );
            good &= at(0.99) < 250.0 && resident < 150.0;
        }
        recorded += receiptd.receipts_but_of(&leaked.id);
    }
    println!("honest receipts: {next}, in the log: {recorded}");
    if !good || recorded != next as i64 {
        println!("FAILED: outside the limits");
        std::process::exit(1);
    }
}
