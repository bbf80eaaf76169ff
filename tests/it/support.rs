//! A whole daemon for a test: temporary folder, ports of its own, and a simulator as its provider.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt;
use receiptd::clock::Clock;
use receiptd::config::{Config, Sources};
use receiptd::domain::BatchId;
use receiptd::provider::{Provider, Settings, WireNames};
use receiptd::serve::{self, Listeners};
use receiptd::simulator::{self, Handle, Profile};
use receiptd::store::Store;
use serde_json::{Value, json};
use tokio::sync::oneshot;

pub use faults::Faults;
pub use home::{Home, accept_copied_file};

mod faults;
mod home;

/// A running daemon.
pub struct Daemon {
    pub public: String,
    pub private: String,
    pub token: String,
    pub store: Store,
    pub simulator: Handle,
    pub folder: Home,
    stop: Option<oneshot::Sender<()>>,
    running: Option<rt::task::JoinHandle<Result<(), serve::ServeError>>>,
}

/// What a daemon is started with.
pub struct Options {
    pub profile: Profile,
    pub clock: Clock,
    pub env: Vec<(String, String)>,
    pub folder: Home,
    /// In the place of the simulator.
    pub provider: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile { hold: true, ..Profile::calm() },
            clock: Clock::system(),
            env: Vec::new(),
            folder: Home::new(),
            provider: None,
        }
    }
}

impl Options {
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.env.push((variable.into(), value.into()));
        self
    }
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| unreachable!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The pointers of a problem's errors.
    pub fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A daemon whose provider posts receipts only when told to.
pub async fn spawn() -> Daemon {
    spawn_with(Options::default()).await
}

pub async fn spawn_with(options: Options) -> Daemon {
    let settings = simulator::Settings { key: KEY.into(), profile: options.profile, ..simulator::Settings::default() };
    let simulator = simulator::Bound::bind(settings, "127.0.0.1:0").and_then(simulator::Bound::start).expect("a simulator");
    let listener = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (public, private) = (listener(), listener());
    let public_url = format!("http://{}", public.local_addr().expect("an address"));
    let mut env = vec![
        ("RECEIPTD_PUBLIC_URL".into(), public_url.clone()),
        ("RECEIPTD_PROVIDER__BASE_URL".into(), options.provider.unwrap_or_else(|| simulator.url())),
        ("RECEIPTD_PROVIDER__KEY".into(), KEY.into()),
        ("RECEIPTD_PROVIDER__TIMEOUT".into(), "2s".into()),
    ];
    env.extend(options.env);
    let sources = Sources { env, cwd: options.folder.path().to_owned(), ..Sources::default() };
    let config = Config::load(&sources).and_then(|loaded| loaded.for_daemon()).expect("a configuration");
    let bound = serve::bind(config, options.clock, Listeners { public: Some(public), private: Some(private) }).expect("a daemon");
    let private = format!("http://{}", bound.private_address().expect("an address"));
    let (token, store) = (bound.token().expose().to_owned(), bound.store().clone());
    let (stop, stopped) = oneshot::channel();
    let running = rt::spawn(bound.run(async move {
        let _ = stopped.await;
    }));
    Daemon { public: public_url, private, token, store, simulator, folder: options.folder, stop: Some(stop), running: Some(running) }
}

/// Where nobody listens: no program takes a port this low by itself.
pub const NOBODY: &str = "127.0.0.1:1";

/// The account key of the simulator.
pub const KEY: &str = "key-that-must-not-show-1234567890";

impl Daemon {
    /// Stops it as SIGTERM does, and hands back its folder.
    pub async fn stop(mut self) -> Home {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(running) = self.running.take() {
            running.await.expect("no panic").expect("a clean end");
        }
        std::mem::replace(&mut self.folder, Home::new())
    }

    /// A request to the REST API with its token.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let text = body.map(|body| body.to_string()).unwrap_or_default();
        let token = format!("Bearer {}", self.token);
        request(
            method,
            &format!("{}{path}", self.private),
            &[("authorization", &token), ("content-type", "application/json")],
            text.into_bytes(),
        )
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.api("GET", path, None).await
    }

    /// Submits a batch of these numbers; returns its id once it was accepted here.
    pub async fn submit(&self, numbers: &[&str]) -> String {
        let answer = self.api("POST", "/v1/batches", Some(json!({"from": "mplus", "message": "hello", "destinations": numbers}))).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Submits a batch that the provider is to send in an hour; returns its id once the provider has it.
    pub async fn submit_later(&self, number: &str) -> String {
        let at = Clock::system().now().plus(Duration::from_secs(3600));
        let body = json!({"from": "mplus", "message": "hello", "destinations": [number], "send_at": at});
        let id = self.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
        self.until(&id, "scheduled").await;
        id
    }

    /// Waits until the batch is in a state.
    pub async fn until(&self, batch: &str, state: &str) -> Value {
        self.until_batch(batch, |batch| batch["state"] == state).await
    }

    pub async fn until_batch(&self, batch: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..1_000 {
            last = self.get(&format!("/v1/batches/{batch}")).await.json();
            if condition(&last) {
                return last;
            }
            rt::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("it never came to that: {last:#}")
    }

    /// The callback URL of a batch, as the provider gets it.
    pub fn callback(&self, batch: &str) -> String {
        let id: BatchId = batch.parse().expect("an id");
        let token = self.store.callback_secrets().expect("a secret").token(id);
        format!("{}/callbacks/{batch}/{}", self.public, token.expose())
    }

    /// Posts to the callback of a batch.
    pub async fn post(&self, batch: &str, body: impl Into<Vec<u8>>) -> Answer {
        request("POST", &self.callback(batch), &[], body.into()).await
    }

    /// Posts a receipt to the callback of a batch.
    pub async fn receipt(&self, batch: &str, number: &str, delivered: bool, code: &str) -> Answer {
        self.post(batch, receipt(number, delivered, code).to_string()).await
    }

    /// A client of the daemon's provider.
    pub fn provider(&self) -> Rc<Provider> {
        let settings =
            Settings { base_url: self.simulator.url(), key: KEY.into(), timeout: Duration::from_secs(2), wire_names: WireNames::Both };
        Rc::new(Provider::new(settings).expect("a URL"))
    }

    /// A copy of its database, made as people make one, in which another daemon can live.
    pub async fn copy(&self) -> Home {
        let home = Home::new();
        let made = self.api("POST", "/v1/backup", Some(json!({"file": home.database()}))).await;
        assert_eq!(made.status, 200, "{made:?}");
        home
    }

    /// What `POST /v1/check` finds: nothing, or the test fails.
    pub async fn assert_books_balance(&self) {
        let checked = self.api("POST", "/v1/check", None).await.json();
        assert_eq!(checked, json!({"ok": true, "problems": []}));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.simulator.stop();
    }
}

/// A receipt as the provider posts it.
pub fn receipt(number: &str, delivered: bool, code: &str) -> Value {
    json!({
        "destination": number, "delivered": delivered, "messageuuid": "6a96a54d-596f-403a-bcd6-6a07fd985f93",
        "receiptInfo": {"code": code, "description": format!("meaning of {code}")},
    })
}

/// One HTTP request, nothing followed, nothing repeated.
pub async fn request(method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let client = awc::Client::builder().disable_redirects().timeout(Duration::from_secs(30)).finish();
    let method = awc::http::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client.request(method, url).force_close();
    for header in headers {
        request = request.insert_header(*header);
    }
    let mut response = request.send_body(body).await.expect("an answer");
    let text = String::from_utf8(response.body().limit(64 << 20).await.expect("a body").to_vec()).expect("text");
    let headers =
        response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
    Answer { status: response.status().as_u16(), headers, text }
}
