//! A running simulator, a client of it, and an inbox for receipts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use crate::simulator::{Bound, Handle, Profile, Settings, Span};

/// Awaits a future with the time limit that all tests use.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}

/// A calm profile without delays.
pub(super) fn prompt() -> Profile {
    Profile { delay: Span::ZERO, ..Profile::calm() }
}

pub(super) struct Rig {
    pub handle: Handle,
    pub inbox: Inbox,
    client: awc::Client,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

impl Rig {
    pub(super) fn new(profile: Profile) -> Self {
        Self::with(Settings { profile, ..Settings::default() })
    }

    pub(super) fn with(settings: Settings) -> Self {
        let bound = Bound::bind(settings, "127.0.0.1:0").expect("a free port");
        Self {
            handle: bound.start().expect("a thread"),
            inbox: Inbox::start(),
            client: awc::Client::builder().timeout(Duration::from_secs(10)).disable_redirects().finish(),
        }
    }

    /// A body with this many destinations and the inbox as callback; `extra` adds and overwrites fields.
    pub(super) fn body(&self, destinations: u64, extra: &Value) -> Value {
        let numbers: Vec<_> = (0..destinations).map(|index| (441_000_000_000 + index).to_string()).collect();
        let mut body = json!({
            "from": "mplus-test",
            "message": "hi",
            "destinations": numbers,
            "callback": self.inbox.url,
        });
        for (name, value) in extra.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }

    /// `POST /batch` with the right key.
    pub(super) async fn add(&self, body: &Value) -> (u16, Value) {
        self.post("/batch?key=sandbox-key", body.to_string()).await
    }

    /// Submits a batch that must be accepted. Returns its identifier.
    pub(super) async fn taken(&self, body: &Value) -> String {
        let (status, answer) = self.add(body).await;
        assert_eq!(status, 200, "{answer}");
        answer["identifier"].as_str().expect("an identifier").into()
    }

    pub(super) async fn post(&self, path: &str, body: String) -> (u16, Value) {
        self.try_post(path, body).await.expect("an answer")
    }

    pub(super) async fn try_post(&self, path: &str, body: String) -> Result<(u16, Value), String> {
        let url = self.handle.url() + path;
        let request = self.client.post(url).force_close();
        let mut response = request.send_body(body).await.map_err(|error| error.to_string())?;
        let bytes = response.body().await.map_err(|error| error.to_string())?;
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok((response.status().as_u16(), value))
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(self.client.get(self.handle.url() + path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(self.client.delete(self.handle.url() + path)).await
    }

    async fn call(&self, request: awc::ClientRequest) -> (u16, Value) {
        let mut response = request.send().await.expect("an answer");
        let bytes = response.body().limit(1 << 24).await.expect("a body");
        (response.status().as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

/// A callback that keeps what it receives.
pub(super) struct Inbox {
    pub url: String,
    letters: Arc<Mutex<Vec<Letter>>>,
    status: Arc<Mutex<u16>>,
}

#[derive(Clone)]
pub(super) struct Letter {
    pub content_type: String,
    pub body: Value,
}

impl Inbox {
    fn start() -> Self {
        let letters = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(Mutex::new(200));
        let (kept, answered) = (Arc::clone(&letters), Arc::clone(&status));
        let server = HttpServer::new(move || {
            let (kept, answered) = (Arc::clone(&kept), Arc::clone(&answered));
            App::new().default_service(web::to(move |request: actix_web::HttpRequest, body: web::Bytes| {
                let content_type = request.headers().get("content-type");
                let content_type = content_type.and_then(|value| value.to_str().ok());
                kept.lock().expect("no panic").push(Letter {
                    content_type: content_type.unwrap_or_default().into(),
                    body: serde_json::from_slice(&body).expect("JSON"),
                });
                let status = *answered.lock().expect("no panic");
                let status = status.try_into().unwrap_or(actix_web::http::StatusCode::OK);
                async move { HttpResponse::build(status).finish() }
            }))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a free port");
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { url: format!("http://{address}/callbacks/b/t"), letters, status }
    }

    pub(super) fn answer(&self, status: u16) {
        *self.status.lock().expect("no panic") = status;
    }

    pub(super) fn letters(&self) -> Vec<Letter> {
        self.letters.lock().expect("no panic").clone()
    }

    /// The bodies received.
    pub(super) fn bodies(&self) -> Vec<Value> {
        self.letters().into_iter().map(|letter| letter.body).collect()
    }

    /// The bodies received, in an order that does not depend on time.
    pub(super) fn sorted(&self) -> Vec<String> {
        let mut all: Vec<_> = self.bodies().iter().map(Value::to_string).collect();
        all.sort();
        all
    }
}
