//! A provider that does exactly what a test tells it to, on raw TCP: also what no HTTP server would do.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What it does with one connection.
#[derive(Clone)]
pub enum Act {
    /// Reads the request, answers with these bytes and closes.
    Say(Vec<u8>),
    /// Reads the request, answers, and leaves the connection open: a next request on it is read and
    /// never answered, as when it is closed at the moment it is used again.
    SayAndKeep(Vec<u8>),
    /// Reads the request and closes.
    Close,
    /// Closes without reading a byte.
    CloseUnread,
    /// Reads the request and says nothing until the client has gone.
    Hang,
    /// Reads the request, says this, and then one more byte now and then until the client has gone.
    Drip(Vec<u8>),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: String,
}

#[derive(Default)]
struct Record {
    requests: Vec<Seen>,
    connections: usize,
}

pub struct Scripted {
    pub address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Scripted {
    /// Plays the acts, one a connection; the last one again and again.
    pub fn new(acts: impl Into<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let acts = acts.into();
        let record = Arc::new(Mutex::new(Record::default()));
        let to = Arc::clone(&record);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                to.lock().expect("no panic").connections += 1;
                let act = acts[index.min(acts.len() - 1)].clone();
                let to = Arc::clone(&to);
                thread::spawn(move || play(stream, &act, &to));
            }
        });
        Self { address, record }
    }

    /// One that answers everything so.
    pub fn says(status: &str, headers: &str, body: &str) -> Self {
        Self::new([Act::Say(answer(status, headers, body))])
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.record.lock().expect("no panic").requests.clone()
    }

    pub fn posts(&self) -> usize {
        self.seen().iter().filter(|seen| seen.method == "POST").count()
    }

    pub fn connections(&self) -> usize {
        self.record.lock().expect("no panic").connections
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A whole answer with its length. `headers` end in CRLF each.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// With gzip.
pub fn packed(text: &str) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::best());
    packing.write_all(text.as_bytes()).and_then(|()| packing.finish()).expect("packed")
}

/// The same, its body packed with gzip and its head saying so.
pub fn gzipped(status: &str, body: &str) -> Vec<u8> {
    let packed = packed(body);
    let head = format!("HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    [head.into_bytes(), packed].concat()
}

fn play(mut stream: TcpStream, act: &Act, record: &Mutex<Record>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut read = || {
        let seen = request(&mut reader)?;
        record.lock().expect("no panic").requests.push(seen);
        Some(())
    };
    if !matches!(act, Act::CloseUnread) && read().is_some() {
        match act {
            Act::Say(bytes) => _ = stream.write_all(bytes),
            Act::SayAndKeep(bytes) => {
                _ = stream.write_all(bytes);
                read();
            }
            Act::Hang => _ = read(),
            Act::Drip(bytes) => {
                _ = stream.write_all(bytes);
                while stream.write_all(b" ").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            Act::Close | Act::CloseUnread => {}
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Reads one request, up to its Content-Length.
fn request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Seen { method, target, body: String::from_utf8(body).expect("UTF-8"), head })
}
