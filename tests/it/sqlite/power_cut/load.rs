//! What the daemon does while it is recorded, and what it said to others at each moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use receiptd::simulator::{Answer, Call, Script};
use serde_json::{Value, json};

use super::disk::{Record, read};
use crate::binary::{Binary, House, preloaded};
use crate::support::receipt;

/// Number, delivered, code.
pub type Receipt = (String, bool, &'static str);

/// What was asked of the daemon, and is promised by a good answer.
#[derive(Debug, Clone)]
pub enum Request {
    /// Nothing is.
    Look,
    Submit {
        batch: String,
        numbers: i64,
    },
    Receipts {
        batch: String,
        receipts: Vec<Receipt>,
    },
    Unreadable,
    Rotate,
    Pause,
    Resume,
    Prune,
    Forget,
    Backup {
        name: &'static str,
    },
}

/// By the run of the daemon and the port of the client, in order.
type Asked = Arc<Mutex<HashMap<(usize, u16), Vec<Request>>>>;

/// A recording, with all that is needed to judge what a disk holds at any moment of it.
pub struct Recorded {
    pub records: Vec<(u64, Record)>,
    /// The files as they were in the end.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Each thing that was said, with the record before which it was.
    pub said: Vec<(usize, Said)>,
    /// Never asked for again: their receipts may be gone.
    pub forgotten: BTreeSet<String>,
}

/// Something that others may rely on.
#[derive(Debug, Clone)]
pub enum Said {
    /// The daemon was started.
    Started,
    /// This was answered well.
    Done(Request),
    /// A batch may have reached the provider, with this token in its callback.
    HandedOver { batch: String, token: String },
}

/// A kept-alive connection to the daemon.
struct Line {
    stream: TcpStream,
    key: (usize, u16),
    asked: Asked,
}

impl Line {
    fn new(to: SocketAddr, run: usize, asked: &Asked) -> Self {
        let stream = TcpStream::connect(to).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let key = (run, stream.local_addr().expect("an address").port());
        Self { stream, key, asked: asked.clone() }
    }

    /// The status and the body; `None` where the daemon ended before it answered.
    fn ask(&mut self, request: Request, head: &str, body: &str) -> Option<(u16, String)> {
        self.asked.lock().expect("no panic").entry(self.key).or_default().push(request);
        let whole = format!("{head}\r\nHost: receiptd\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(whole.as_bytes()).ok()?;
        let (mut answer, mut piece) = (Vec::new(), [0; 16 << 10]);
        loop {
            match self.stream.read(&mut piece) {
                Ok(read @ 1..) => answer.extend_from_slice(&piece[..read]),
                _ => return None,
            }
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head[9..12].parse().expect("a status"), body.to_owned()));
            }
        }
    }
}

/// One run of the daemon, and those who talk to it.
#[derive(Clone)]
struct Run {
    index: usize,
    public: SocketAddr,
    private: SocketAddr,
    token: String,
    asked: Asked,
}

impl Run {
    fn new(index: usize, daemon: &Binary, asked: &Asked) -> Self {
        let private = daemon.private.trim_start_matches("http://").parse().expect("an address");
        Self { index, public: daemon.public, private, token: daemon.token.clone(), asked: asked.clone() }
    }

    /// One request to the API.
    fn api(&self, request: Request, line: &str, body: &Value) -> Option<(u16, Value)> {
        let mut connection = Line::new(self.private, self.index, &self.asked);
        let head = format!("{line} HTTP/1.1\r\nAuthorization: Bearer {}", self.token);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = connection.ask(request, &head, &body)?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    fn submit(&self, numbers: &[String]) -> Batch {
        let batch = receiptd::domain::BatchId::random().to_string();
        let body = json!({"id": batch, "from": "mplus", "message": "hello", "destinations": numbers});
        let asked = Request::Submit { batch: batch.clone(), numbers: numbers.len() as i64 };
        let answer = self.api(asked, "POST /v1/batches", &body).expect("an answer");
        assert_eq!(answer.0, 202, "{answer:?}");
        Batch { id: batch, numbers: numbers.to_vec() }
    }

    fn until(&self, batch: &Batch, state: &str) {
        for _ in 0..4_000 {
            let (_, shown) = self.api(Request::Look, &format!("GET /v1/batches/{}", batch.id), &Value::Null).expect("an answer");
            if shown["state"] == state {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        unreachable!("{} never became {state}", batch.id)
    }

    /// Posts receipts for all numbers of a batch, in some requests over one connection, until told to stop or cut off.
    fn post(&self, house: &House, batch: &Batch) {
        let submissions = house.simulator.submissions();
        let submission = submissions.iter().find(|submission| submission.uuid.as_ref() == Some(&batch.id)).expect("handed over");
        let callback = submission.callback.as_deref().expect("a callback");
        let path = &callback[callback.find("/callbacks").expect("a path")..];
        let mut line = Line::new(self.public, self.index, &self.asked);
        for (index, numbers) in batch.numbers.chunks(1 + batch.numbers.len() % 3).enumerate() {
            let code = ["00", "22", "1b"][index % 3];
            let receipts: Vec<Receipt> = numbers.iter().map(|number| (number.clone(), code == "00", code)).collect();
            let bodies: Vec<Value> = receipts.iter().map(|(to, delivered, code)| receipt(to, *delivered, code)).collect();
            let body = if bodies.len() == 1 { bodies[0].clone() } else { json!(bodies) };
            let asked = Request::Receipts { batch: batch.id.clone(), receipts };
            let Some((status, _)) = line.ask(asked, &format!("POST {path} HTTP/1.1"), &body.to_string()) else { return };
            assert_eq!(status, 200);
            if index % 16 == 15 && line.ask(Request::Unreadable, &format!("POST {path} HTTP/1.1"), "what?").is_none() {
                return;
            }
        }
    }

    /// Requests so far, of all runs.
    fn requests(&self) -> usize {
        self.asked.lock().expect("no panic").values().map(Vec::len).sum()
    }

    fn done(&self, request: Request, line: &str, body: &Value) -> Value {
        let answer = self.api(request, line, body).expect("an answer");
        assert!(matches!(answer.0, 200 | 202), "{line}: {answer:?}");
        answer.1
    }
}

/// A batch that was accepted.
#[derive(Clone)]
struct Batch {
    id: String,
    numbers: Vec<String>,
}

fn numbers(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|n| format!("+447700{n:06}")).collect()
}

/// Three runs of the daemon, of which the second is killed, with everything that writes.
pub async fn record() -> Recorded {
    let recording = tempfile::tempdir().expect("a folder");
    let (to, kill) = (recording.path().join("recording"), recording.path().join("recording.kill"));
    let house = House::new();
    let folder = house.folder.path().canonicalize().expect("there");
    let house = house
        .set("LD_PRELOAD", &preloaded("sqlite/power_cut/recorder.c"))
        .set("RECORD_FOLDER", &folder.display().to_string())
        .set("RECORD_TO", &to.display().to_string());
    let (house, asked) = (Arc::new(house), Asked::default());

    let daemon = house.serve().await;
    let (run, at) = (Run::new(0, &daemon, &asked), house.clone());
    let first = aside(move || first_run(&run, &at)).await;
    assert!(daemon.stop().await.0.success());

    let mut daemon = house.serve().await;
    let (run, at) = (Run::new(1, &daemon, &asked), house.clone());
    let late = aside(move || second_run(&run, &at, &first, &kill)).await;
    daemon.ended().await;
    std::fs::remove_file(recording.path().join("recording.kill")).expect("there");

    let daemon = house.serve().await;
    let (run, at) = (Run::new(2, &daemon, &asked), house.clone());
    aside(move || third_run(&run, &at, &late)).await;
    assert!(daemon.stop().await.0.success());

    let records = read(&std::fs::read(&to).expect("a recording"));
    let files = std::fs::read_dir(&folder).expect("a folder").map(|entry| {
        let entry = entry.expect("an entry");
        (entry.file_name().into_string().expect("a name"), std::fs::read(entry.path()).expect("a file"))
    });
    let asked = asked.lock().expect("no panic").clone();
    let said = said(&records, &asked, house.simulator.address().port());
    Recorded {
        files: files.filter(|(name, _)| name != "receiptd.toml" && !name.ends_with("-shm")).collect(),
        said,
        records,
        forgotten: numbers(0, 1).into_iter().collect(),
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    actix_web::rt::task::spawn_blocking(work).await.expect("no panic")
}

fn first_run(run: &Run, house: &House) -> Vec<Batch> {
    let large = run.submit(&numbers(0, 121));
    let another = run.submit(&numbers(1_000, 80));
    let small: Vec<Batch> = (0..4).map(|n| run.submit(&numbers(2_000 + 10 * n, 4))).collect();
    [&large, &another].iter().for_each(|batch| run.until(batch, "submitted"));
    thread::scope(|scope| {
        for batch in [&large, &another] {
            scope.spawn(|| run.post(house, batch));
        }
        run.done(Request::Rotate, "POST /v1/rotate-secret", &Value::Null);
        run.submit(&numbers(3_000, 3));
        run.done(Request::Forget, &format!("DELETE /v1/destinations/{}", &large.numbers[0][1..]), &Value::Null);
        let copy = json!({"file": house.path("first.db")});
        run.done(Request::Backup { name: "first.db" }, "POST /v1/backup", &copy);
    });
    small.iter().for_each(|batch| run.until(batch, "submitted"));
    small
}

fn second_run(run: &Run, house: &House, first: &[Batch], kill: &std::path::Path) -> Batch {
    // All their receipts come, so that they are complete and can be pruned.
    thread::scope(|scope| first.iter().for_each(|batch| drop(scope.spawn(|| run.post(house, batch)))));
    // The provider tells its time in whole seconds.
    while run.done(Request::Prune, "POST /v1/prune", &json!({"older_than": "0s"}))["batches"] == 0 {
        thread::sleep(Duration::from_millis(50));
    }
    // Else it would say soon that it has what is unconfirmed.
    house.simulator.script(Script::on(Call::Details, Answer::status(500)).lasting());
    house.simulator.script(Script::add(Answer::status(500)).after_taking());
    let unknown = run.submit(&numbers(4_000, 5));
    run.until(&unknown, "unconfirmed");
    let late = run.submit(&numbers(5_000, 2_500));
    run.until(&late, "submitted");
    house.simulator.script(Script::add(Answer::Hang).after_taking());
    let hanging = run.submit(&numbers(8_000, 5));
    run.until(&hanging, "submitting");
    run.done(Request::Pause, "POST /v1/pause", &Value::Null);
    run.submit(&numbers(9_000, 5));
    thread::scope(|scope| {
        for from in [0, 1_000] {
            let batch = Batch { numbers: late.numbers[from..from + 1_000].to_vec(), ..late.clone() };
            scope.spawn(move || run.post(house, &batch));
        }
        let before = run.requests();
        while run.requests() < before + 100 {
            thread::sleep(Duration::from_millis(1));
        }
        std::fs::write(kill, "").expect("written");
    });
    Batch { numbers: late.numbers[2_000..].to_vec(), ..late }
}

fn third_run(run: &Run, house: &House, late: &Batch) {
    run.done(Request::Resume, "POST /v1/resume", &Value::Null);
    let last = run.submit(&numbers(9_500, 30));
    run.until(&last, "submitted");
    thread::scope(|scope| {
        for batch in [late, &last] {
            scope.spawn(|| run.post(house, batch));
        }
        let copy = json!({"file": house.path("second.db")});
        run.done(Request::Backup { name: "second.db" }, "POST /v1/backup", &copy);
    });
}

/// What others were told, from what was sent to them: answers to requests, and batches to the provider.
fn said(records: &[(u64, Record)], asked: &HashMap<(usize, u16), Vec<Request>>, provider: u16) -> Vec<(usize, Said)> {
    let (mut said, mut run, mut answered) = (Vec::new(), None, HashMap::<(usize, u16), usize>::new());
    for (index, (_, record)) in records.iter().enumerate() {
        match record {
            Record::Start => {
                run = Some(run.map_or(0, |run: usize| run + 1));
                said.push((index, Said::Started));
            }
            Record::Sent { port, data } if *port == provider => {
                let text = String::from_utf8_lossy(data);
                let Some((_, callback)) = text.split_once("/callbacks/") else { continue };
                let (batch, rest) = callback.split_once('/').expect("batch and token");
                let (token, _) = rest.split_once('"').expect("the end of the callback");
                said.push((index, Said::HandedOver { batch: batch.to_owned(), token: token.to_owned() }));
            }
            Record::Sent { port, data } if data.starts_with(b"HTTP/1.1 ") => {
                let key = (run.expect("started"), *port);
                let Some(requests) = asked.get(&key) else { continue };
                let nth = answered.entry(key).or_default();
                if data[9] == b'2' {
                    said.push((index, Said::Done(requests[*nth].clone())));
                }
                *nth += 1;
            }
            _ => {}
        }
    }
    said
}
