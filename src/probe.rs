//! Does the public URL lead here? A request to ourselves through the public name, with a token that is
//! good for this one time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use awc::{Client, Connector};

use crate::domain::{BatchId, CallbackSecrets};
use crate::lock::{self, lock};

/// How long the way there and back may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Probes that are under way: what the public listener answers to them proves that they arrived.
#[derive(Clone, Default)]
pub struct Probes(Arc<Mutex<HashSet<BatchId>>>);

impl Probes {
    /// Whether this is one of ours. It counts once.
    pub fn arrived(&self, id: BatchId) -> bool {
        let mut expected = lock(&self.0);
        !expected.is_empty() && expected.remove(&id)
    }

    fn expect(&self) -> Expected {
        let id = BatchId::random();
        lock(&self.0).insert(id);
        Expected { id, probes: self.clone() }
    }
}

struct Expected {
    id: BatchId,
    probes: Probes,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.probes.arrived(self.id);
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The public URL leads to this daemon.
    Yes,
    /// It does not, and what was found instead.
    No(String),
}

/// What is known of the public URL. Clones share it.
#[derive(Clone, Default)]
pub struct PublicUrl(Arc<Mutex<Option<bool>>>);

impl PublicUrl {
    /// Whether it reached this daemon when it was tried last; `None`: it was not tried yet.
    pub fn reached_us(&self) -> Option<bool> {
        *lock(&self.0)
    }

    /// It was tried. What changes for the worse or the better is logged.
    pub fn note(&self, reached: &Reached) {
        let before = lock(&self.0).replace(*reached == Reached::Yes);
        match reached {
            Reached::No(why) if before != Some(false) => {
                log::warn!("public_url does not reach this daemon, so receipts may not arrive: {why} (`receiptd doctor` says more)");
            }
            Reached::Yes if before == Some(false) => log::info!("public_url reaches this daemon again"),
            _ => {}
        }
    }
}

/// Sends probes. Belongs to the thread that it was made on.
pub struct Prober {
    client: Client,
    callbacks: String,
    secrets: Arc<RwLock<CallbackSecrets>>,
    probes: Probes,
}

impl Prober {
    /// `callbacks`: `{public_url}/callbacks`.
    pub fn new(callbacks: String, secrets: Arc<RwLock<CallbackSecrets>>, probes: Probes) -> Self {
        let connector = Connector::new().timeout(PATIENCE / 2);
        let client = Client::builder()
            .connector(connector)
            .max_http_version(awc::http::Version::HTTP_11)
            .disable_redirects()
            .timeout(PATIENCE)
            .finish();
        Self { client, callbacks, secrets, probes }
    }

    /// Sends one with a body of so many bytes.
    pub async fn probe(&self, bytes: usize) -> Reached {
        let expected = self.probes.expect();
        let token = lock::read(&self.secrets).token(expected.id);
        let url = format!("{}/{}/{}", self.callbacks, expected.id, token.expose());
        let exchange = async {
            // awc's errors do not quote the URL.
            let mut response = self
                .client
                .post(url)
                .force_close()
                .send_body(vec![b' '; bytes])
                .await
                .map_err(|error| format!("it cannot be reached: {error}"))?;
            let status = response.status();
            let body = response.body().limit(4096).await.map_err(|error| format!("its answer is not readable: {error}"))?;
            if status.as_u16() == 200 && body == format!("{{\"probe\":\"{}\"}}", expected.id) {
                return Ok(());
            }
            Err(match status.as_u16() {
                301 | 302 | 303 | 307 | 308 => format!("something answers with a redirect ({status}); the provider may not follow it"),
                401 | 403 => format!("something in between asks for a login or refuses us ({status})"),
                404 => format!(
                    "something answers, but does not know the path ({status}): is a path prefix lost or added on the way, or is it another program?"
                ),
                413 => format!("something in between cuts bodies ({status})"),
                502..=504 => format!("a proxy answers, but cannot reach this daemon ({status}): does it forward to callback.listen?"),
                _ => format!("something else answers ({status}, {} bytes)", body.len()),
            })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(())) => Reached::Yes,
            Ok(Err(why)) => Reached::No(why),
            Err(_) => Reached::No(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }
}
