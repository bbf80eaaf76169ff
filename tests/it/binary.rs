//! The real binary in a folder of its own: what only a whole process can show, as a log, an exit code, a kill.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actix_web::rt;
use receiptd::simulator::{self, Handle, Profile};
use serde_json::{Value, json};

use crate::support::{Answer, Home, KEY, request};

/// A folder with a database, a simulator as the provider, and a name under which the provider reaches whichever
/// daemon runs there.
pub struct House {
    pub folder: Home,
    pub simulator: Handle,
    pub env: Vec<(String, String)>,
    /// In the place of `public_url`: it leads to the daemon that runs now.
    pub door: Relay,
}

/// A daemon that runs in a house.
pub struct Binary {
    pub public: SocketAddr,
    pub private: String,
    pub token: String,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl House {
    /// One whose provider posts receipts only when told to.
    pub fn new() -> Self {
        let profile = Profile { hold: true, ..Profile::calm() };
        let settings = simulator::Settings { key: KEY.into(), profile, ..simulator::Settings::default() };
        let simulator = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
        let folder = Home::new();
        // One of its own, even empty, keeps that of the machine out.
        std::fs::write(folder.path().join("receiptd.toml"), "").expect("written");
        Self { folder, simulator, env: Vec::new(), door: Relay::new() }
    }

    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.env.push((variable.into(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder, with nothing of the environment of the tests.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_receiptd"));
        command.args(words);
        command
    }

    /// A command that has no terminal, even where the tests have one.
    pub fn off_terminal(&self, words: &[&str]) -> Command {
        let mut command = self.program("setsid");
        command.arg(env!("CARGO_BIN_EXE_receiptd")).args(words);
        command
    }

    /// A line of shell on a terminal of its own, of so many columns, with `receiptd` to call; what is written to its
    /// standard input is typed there.
    pub fn on_terminal(&self, columns: u16, line: &str) -> Command {
        let mut command = self.program("script");
        let function = concat!("receiptd() { '", env!("CARGO_BIN_EXE_receiptd"), "' \"$@\"; }");
        let line = format!("{function}; stty rows 50 cols {columns}; {line}");
        command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color");
        command
    }

    /// The daemon, started as systemd does it: with these sockets as file descriptors 3 and 4.
    pub fn socket_activated(&self, sockets: [&TcpListener; 2]) -> Command {
        // LISTEN_PID is the daemon's own id, which only the shell that becomes the daemon knows.
        let script = r#"exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec "$0" serve"#;
        let [first, second] = sockets.map(|socket| OwnedFd::from(socket.try_clone().expect("a socket")));
        let mut command = self.program("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_receiptd")]).stdin(first).stdout(second);
        command
    }

    /// The daemon under a umask.
    pub fn under_umask(&self, umask: &str) -> Command {
        let mut command = self.program("/bin/sh");
        command.args(["-c", &format!(r#"umask {umask}; exec "$0" serve"#), env!("CARGO_BIN_EXE_receiptd")]);
        command
    }

    /// Another program in the folder, in the same environment.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("RECEIPTD_PUBLIC_URL", self.door.url())
            .env("RECEIPTD_CALLBACK__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_API__LISTEN", "127.0.0.1:0")
            .env("RECEIPTD_PROVIDER__BASE_URL", self.simulator.url())
            .env("RECEIPTD_PROVIDER__KEY", KEY)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the daemon, and has the door lead to it.
    pub async fn serve(&self) -> Binary {
        let mut command = self.command(&["serve"]);
        command.stdout(Stdio::null());
        self.start(command).await
    }

    /// Starts a daemon by this command, and has the door lead to it.
    pub async fn start(&self, mut command: Command) -> Binary {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("started");
        let log = Arc::new(Mutex::new(String::new()));
        let (to, stderr) = (log.clone(), child.stderr.take().expect("a pipe"));
        thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                to.lock().expect("no panic").push_str(&std::mem::take(&mut line));
            }
        });
        let public = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut binary = Binary { public, private: String::new(), token: String::new(), child, log };
        let listening = binary.until_log("listening for callbacks on ").await;
        let mut addresses = listening.split([' ', ',', '"']).filter_map(|word| word.parse::<SocketAddr>().ok());
        binary.public = addresses.next().expect("the public address");
        self.door.lead_to(binary.public);
        binary.private = format!("http://{}", addresses.next().expect("the private address"));
        binary.token = std::fs::read_to_string(self.path("receiptd.token")).expect("a token").trim().to_owned();
        binary
    }

    /// The callback that the provider was given with its n-th submission.
    pub fn callback(&self, index: usize) -> String {
        self.simulator.submissions()[index].callback.clone().expect("a callback")
    }

    /// How often the provider was handed a batch.
    pub fn posts(&self) -> usize {
        self.simulator.requests().iter().filter(|request| request.method == "POST").count()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.simulator.stop();
    }
}

impl Binary {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits for a line of the log with these words.
    pub async fn until_log(&mut self, words: &str) -> String {
        for _ in 0..2_000 {
            if let Some(line) = self.log().lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("it never said {words:?}: {}", self.log())
    }

    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = format!("Bearer {}", self.token);
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        request(method, &format!("{}{path}", self.private), &[("authorization", &token)], text.into_bytes()).await
    }

    /// Submits a batch; returns its id.
    pub async fn submit(&self, message: &str, numbers: &[&str]) -> String {
        let body = json!({"from": "mplus", "message": message, "destinations": numbers});
        let answer = self.api("POST", "/v1/batches", Some(body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the batch is in a state.
    pub async fn until(&self, batch: &str, state: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..2_000 {
            last = self.api("GET", &format!("/v1/batches/{batch}"), None).await.json();
            if last["state"] == state {
                return last;
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("it never became {state}: {last:#}")
    }

    /// `kill -9`
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// SIGTERM; returns how it ended, and its whole log.
    pub async fn stop(mut self) -> (ExitStatus, String) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("asked to stop");
        self.ended().await
    }

    /// Waits for its end; returns how it ended, and its whole log.
    pub async fn ended(&mut self) -> (ExitStatus, String) {
        for _ in 0..2_000 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, self.log());
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("it did not stop: {}", self.log())
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already: then it is as wished
        let _ = self.child.wait();
    }
}

/// A library to be preloaded into the daemon (`LD_PRELOAD`), from C source below `tests/it`: built once, by the compiler that
/// also builds SQLite.
pub fn preloaded(source: &str) -> String {
    static BUILT: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().expect("no panic");
    let library = built.entry(source.to_owned()).or_insert_with(|| {
        let name = format!("{}-{}.so", source.replace(['/', '.'], "-"), std::process::id());
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(source);
        let status = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        assert!(status.expect("cc, which builds SQLite too").success());
        library.display().to_string()
    });
    library.clone()
}

/// Both outputs of a command, for a message.
pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Passes connections on to whatever it leads to at the moment, and can be told to fail.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Mutex<Leading>>,
}

#[derive(Default)]
struct Leading {
    to: Option<SocketAddr>,
    /// The answer to the n-th POST from now is swallowed, and with it the connection and all to come.
    breaks_at_post: Option<usize>,
    broken: bool,
}

impl Relay {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Leading::default()));
        let leading = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let leading = leading.clone();
                thread::spawn(move || pass(client, &leading));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn lead_to(&self, to: SocketAddr) {
        self.shared.lock().expect("no panic").to = Some(to);
    }

    /// Passes the n-th POST on, swallows its answer, and takes no more connections until mended.
    pub fn break_at_post(&self, n: usize) {
        self.shared.lock().expect("no panic").breaks_at_post = Some(n);
    }

    pub fn mend(&self) {
        let mut leading = self.shared.lock().expect("no panic");
        (leading.breaks_at_post, leading.broken) = (None, false);
    }
}

fn pass(client: TcpStream, leading: &Arc<Mutex<Leading>>) {
    let to = {
        let leading = leading.lock().expect("no panic");
        leading.to.filter(|_| !leading.broken)
    };
    let Some(server) = to.and_then(|to| TcpStream::connect(to).ok()) else { return };
    let (back_from, back_to) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
    let watched = leading.clone();
    thread::spawn(move || copy(client, server, |bytes| watch(bytes, &watched)));
    copy(back_from, back_to, |_| !leading.lock().expect("no panic").broken);
}

/// Counts POSTs, by the heads that begin a piece. Always passes them on.
fn watch(bytes: &[u8], leading: &Mutex<Leading>) -> bool {
    let mut leading = leading.lock().expect("no panic");
    if bytes.starts_with(b"POST ")
        && let Some(left) = leading.breaks_at_post
    {
        leading.breaks_at_post = left.checked_sub(1).filter(|left| *left > 0);
        leading.broken |= leading.breaks_at_post.is_none();
    }
    true
}

fn copy(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
    let mut piece = [0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if !may_pass(&piece[..read]) || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)); // closed already: then it is as wished
}

/// Posts to a callback; the status, or nothing where the connection ended before it came.
pub async fn posted(url: &str, body: Vec<u8>) -> Option<u16> {
    let client = awc::Client::new();
    client.post(url).send_body(body).await.ok().map(|answer| answer.status().as_u16())
}
