//! A check that the public URL reaches this daemon: it sends itself a request through the public URL, with a single-use
//! token.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use awc::{Client, Connector};

use crate::domain::{BatchId, CallbackSecrets};
use crate::lock::{self, lock};
use crate::tls;

/// The time limit for a probe, there and back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The probes under way: the public listener's answer to one of them proves that it arrived.
#[derive(Clone, Default)]
pub struct Probes(Arc<Mutex<HashSet<BatchId>>>);

impl Probes {
    /// Whether this is a probe of ours that has not arrived yet. Each probe counts once.
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

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The public URL reaches this daemon.
    Yes,
    /// It does not, and this is what was found instead.
    No(String),
}

/// The latest result for the public URL, shared by all clones.
#[derive(Clone, Default)]
pub struct PublicUrl(Arc<Mutex<Option<bool>>>);

impl PublicUrl {
    /// Whether the public URL reached this daemon at the last attempt; `None` if it was not tried yet.
    pub fn reached_us(&self) -> Option<bool> {
        *lock(&self.0)
    }

    /// Stores a result, and logs it if it differs from the previous one.
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

/// Sends probes. It must stay on the thread that created it.
pub struct Prober {
    client: Client,
    callbacks: String,
    secrets: Arc<RwLock<CallbackSecrets>>,
    probes: Probes,
}

impl Prober {
    /// `callbacks`: `{public_url}/callbacks`.
    pub fn new(callbacks: String, secrets: Arc<RwLock<CallbackSecrets>>, probes: Probes) -> Self {
        let connector = Connector::new().rustls_0_23(tls::client()).timeout(PATIENCE / 2);
        let client = Client::builder().connector(connector).disable_redirects().timeout(PATIENCE).finish();
        Self { client, callbacks, secrets, probes }
    }

    /// Sends a probe with a body of this many bytes.
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
                .map_err(|error| format!("cannot connect: {}", tls::words(&error)))?;
            let status = response.status();
            let body = response.body().limit(4096).await.map_err(|error| format!("the answer cannot be read: {error}"))?;
            if status.as_u16() == 200 && body == format!("{{\"probe\":\"{}\"}}", expected.id) {
                return Ok(());
            }
            Err(match status.as_u16() {
                301 | 302 | 303 | 307 | 308 => format!("the answer is a redirect ({status}); the provider may not follow it"),
                401 | 403 => format!("something in between requires a login or refuses access ({status})"),
                404 => {
                    format!("the path is unknown there ({status}): is a path prefix lost or added on the way, or is it another program?")
                }
                413 => format!("something in between refuses bodies of this size ({status})"),
                502..=504 => format!("the proxy cannot reach this daemon ({status}): does it forward to callback.listen?"),
                _ => format!("something other than this daemon answers ({status}, {} bytes)", body.len()),
            })
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(())) => Reached::Yes,
            Ok(Err(why)) => Reached::No(why),
            Err(_) => Reached::No(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }
}
