//! Shared by the benchmarks: the real receiptd with batches that a simulated provider accepted, and a client cheap
//! enough not to affect the measurement.
#![allow(dead_code, missing_docs)] // each program uses only part of it

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use receiptd::domain::{BatchId, CallbackSecrets};
use receiptd::simulator::{self, Profile};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const PER_BATCH: usize = 50_000;

pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The result of a round of requests.
pub struct Measured {
    pub answered: usize,
    pub rate: f64,
    /// The 50th, 99th and 99.9th percentile, in milliseconds.
    pub latency: [f64; 3],
    pub times: Vec<Duration>,
}

/// Keeps `connections` connections busy until all requests are answered. Requests are rendered beforehand.
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
    let latency = [0.5, 0.99, 0.999].map(|share| at(&mut times, share));
    Measured { answered, rate: total as f64 / took, latency, times }
}

/// Reads one answer to its end and returns its status.
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
        "batchuuid": batch, "messageuuid": format!("{n:08x}-596f-403a-bcd6-6a07fd985f93"), "destination": format!("+{}", number(n)),
        "delivered": !n.is_multiple_of(20), "receiptInfo": {"code": if n.is_multiple_of(20) { "22" } else { "00" }, "description": "as the code says"},
    })
    .to_string()
}

/// The real binary, with batches that a simulated provider accepted.
pub struct Receiptd {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
    provider: simulator::Handle,
    /// The address of the public listener.
    pub address: SocketAddr,
    pub api: SocketAddr,
    /// The API token.
    pub token: String,
    secrets: CallbackSecrets,
    /// The batches, in order of their numbers.
    pub batches: Vec<Batch>,
    /// The number of destinations submitted so far.
    pub destinations: usize,
}

pub struct Batch {
    pub id: String,
    /// The path of its callback.
    pub path: String,
    /// The first of its destinations, and their number.
    first: usize,
    count: usize,
}

impl Receiptd {
    /// Starts with this many destinations, in batches of [`PER_BATCH`].
    pub fn start(folder: &Path, destinations: usize) -> Self {
        let mut receiptd = Self::empty(folder);
        receiptd.take_in(destinations, |_| {});
        receiptd
    }

    pub fn empty(folder: &Path) -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_receiptd")), folder)
    }

    /// Starts this program, which may be another version, with an empty database.
    pub fn of(program: &Path, folder: &Path) -> Self {
        let profile = Profile { hold: true, ..Profile::calm() };
        let settings = simulator::Settings { profile, keep_bodies: false, ..simulator::Settings::default() };
        let provider = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
        let (child, address, api) = launch(program, folder, &provider.url());
        let token = std::fs::read_to_string(folder.join("receiptd.token")).expect("a token").trim().to_owned();
        let identity: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("receiptd.db.identity")).expect("an identity")).expect("JSON");
        let secret = STANDARD_NO_PAD.decode(identity["secrets"][0].as_str().expect("a secret")).expect("base64");
        let secrets = CallbackSecrets::new([&*secret]).expect("a secret");
        Self {
            child,
            program: program.into(),
            folder: folder.into(),
            provider,
            address,
            api,
            token,
            secrets,
            batches: Vec::new(),
            destinations: 0,
        }
    }

    /// Stops it as a service manager would, and starts it again. Returns the time until it is ready.
    pub fn restart(&mut self) -> Duration {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child of ours");
        self.child.wait().expect("it ends");
        let started = Instant::now();
        (self.child, self.address, self.api) = launch(&self.program, &self.folder, &self.provider.url());
        while Client::new(self).get("/readyz").status != 200 {
            std::thread::sleep(Duration::from_millis(1));
        }
        started.elapsed()
    }

    /// Submits this many more destinations, unsorted as real lists are, and waits until the provider has them.
    /// `accepted` is called with the time that each batch took to be accepted.
    pub fn take_in(&mut self, more: usize, accepted: impl FnMut(Duration)) {
        let batches = self.submit(more, accepted);
        self.add(batches);
    }

    /// Includes these batches when receipts are posted.
    pub fn add(&mut self, batches: Vec<Batch>) {
        self.destinations += batches.iter().map(|batch| batch.count).sum::<usize>();
        self.batches.extend(batches);
    }

    /// Like [`Self::take_in`], while other threads post receipts.
    pub fn submit(&self, more: usize, mut accepted: impl FnMut(Duration)) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut client = Client::new(self);
        let until = self.destinations + more;
        for first in (self.destinations..until).step_by(PER_BATCH) {
            let count = PER_BATCH.min(until - first);
            let numbers: Vec<String> = (0..count).map(|n| number(first + n * 7_919 % count).to_string()).collect();
            let id = BatchId::random();
            let body = json!({"id": id, "from": "mplus", "message": "hello", "destinations": numbers}).to_string();
            let answer = client.send("POST", "/v1/batches", &body);
            assert_eq!(answer.status, 202, "{}", answer.body);
            accepted(answer.took);
            let token = self.secrets.token(id);
            batches.push(Batch { id: id.to_string(), path: format!("/callbacks/{id}/{}", token.expose()), first, count });
        }
        while self.provider.counts().batches < (self.batches.len() + batches.len()) as u64 {
            std::thread::sleep(Duration::from_millis(1));
        }
        batches
    }

    fn batch_of(&self, n: usize) -> &Batch {
        &self.batches[self.batches.partition_point(|batch| batch.first <= n) - 1]
    }

    pub fn post(&self, n: usize) -> Vec<u8> {
        let batch = self.batch_of(n);
        post(&batch.path, &receipt(n, &batch.id))
    }

    /// A hundred receipts of one batch, spread over it.
    pub fn post_hundred(&self, first: usize, scatter: impl Fn(usize) -> usize) -> Vec<u8> {
        let batch = self.batch_of(first);
        let list: Vec<String> =
            (0..100).map(|k| receipt(batch.first + scatter(first - batch.first + k) % batch.count, &batch.id)).collect();
        post(&batch.path, &format!("[{}]", list.join(",")))
    }

    pub fn status(&self, file: &str, field: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Processor time that it has taken since its start, in seconds.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<f64> =
            stat.rsplit(") ").next().unwrap_or_default().split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
        // User and system time, in hundredths of a second.
        (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
    }

    /// Resident memory in MB: now, and the maximum since [`Self::forget_the_most`].
    pub fn resident(&self) -> (f64, f64) {
        (self.status("status", "VmRSS") / 1024.0, self.status("status", "VmHWM") / 1024.0)
    }

    /// Resets the maximum of the resident memory (`VmHWM`).
    pub fn forget_the_most(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("a child of ours");
    }

    /// The number of receipts in its log, counted in the file itself.
    pub fn receipts(&self) -> i64 {
        let conn = Connection::open_with_flags(self.folder.join("receiptd.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
        conn.query_row("select count(*) from receipt", [], |row| row.get(0)).expect("counted")
    }

    /// The number of receipts in its log, without those of one batch.
    pub fn receipts_but_of(&self, batch: &str) -> i64 {
        let conn = Connection::open_with_flags(self.folder.join("receiptd.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opened");
        let sql = "select count(*) from receipt r join batch b on b.id = r.batch where b.uuid <> ?1";
        conn.query_row(sql, [batch], |row| row.get(0)).expect("counted")
    }

    /// The size in bytes of the database file, or of its WAL (`-wal`).
    pub fn bytes(&self, which: &str) -> u64 {
        std::fs::metadata(self.folder.join(format!("receiptd.db{which}"))).map_or(0, |found| found.len())
    }
}

fn launch(program: &Path, folder: &Path, provider: &str) -> (Child, SocketAddr, SocketAddr) {
    std::fs::write(folder.join("receiptd.toml"), "").expect("written"); // so that the machine's own file is not read
    let mut child = Command::new(program)
        .arg("serve")
        .current_dir(folder)
        .env("RECEIPTD_PUBLIC_URL", "http://127.0.0.1:1")
        .env("RECEIPTD_CALLBACK__LISTEN", "127.0.0.1:0")
        .env("RECEIPTD_API__LISTEN", "127.0.0.1:0")
        .env("RECEIPTD_PROVIDER__BASE_URL", provider)
        .env("RECEIPTD_PROVIDER__KEY", "sandbox-key")
        .env("RECEIPTD_PROVIDER__MAX_DESTINATIONS", PER_BATCH.to_string())
        .env("RECEIPTD_CALLBACK__MAX_CONNECTIONS", std::env::var("BENCH_CONNECTIONS").unwrap_or_else(|_| "2000".into()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    // The line with both addresses, however the version words it.
    let (public, private) = lines.by_ref().map_while(Result::ok).find_map(|line| two_addresses(&line)).expect("it listens");
    std::thread::spawn(move || lines.for_each(drop));
    (child, public, private)
}

fn two_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut addresses = line.split_whitespace().filter_map(|word| word.trim_end_matches([',', '.']).parse().ok());
    Some((addresses.next()?, addresses.next()?))
}

impl Drop for Receiptd {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails if it has ended already
        let _ = self.child.wait();
    }
}

/// A client of the API with one connection.
pub struct Client {
    stream: BufReader<std::net::TcpStream>,
    token: String,
}

pub struct Answer {
    pub status: u16,
    pub body: String,
    pub took: Duration,
}

impl Client {
    pub fn new(receiptd: &Receiptd) -> Self {
        let stream = std::net::TcpStream::connect(receiptd.api).expect("connected");
        stream.set_nodelay(true).expect("set");
        Self { stream: BufReader::new(stream), token: receiptd.token.clone() }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    pub fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let started = Instant::now();
        let mut text = Vec::new();
        let status = self.ask(method, path, body, |piece| text.extend_from_slice(piece));
        Answer { status, body: String::from_utf8(text).expect("text"), took: started.elapsed() }
    }

    /// Sends a request and passes the answer's body on in pieces. Returns the status.
    pub fn ask(&mut self, method: &str, path: &str, body: &str, mut piece: impl FnMut(&[u8])) -> u16 {
        let token = &self.token;
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n", body.len());
        self.stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("sent");
        let status = self.line()[9..12].parse().expect("a status");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("transfer-encoding", _)) => chunked = true,
                Some(_) => {}
                None => break,
            }
        }
        loop {
            if chunked {
                length = usize::from_str_radix(&self.line(), 16).expect("the size of a chunk");
            }
            let mut buffer = vec![0; length];
            self.stream.read_exact(&mut buffer).expect("read");
            piece(&buffer);
            if chunked {
                self.line();
            }
            if !chunked || length == 0 {
                return status;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("read");
        line.trim_end().to_owned()
    }
}

/// A percentile of the times, in milliseconds.
pub fn at(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
