//! A client of the provider's API, with one method per call.
//!
//! awc is configured so that each call is at most one request: no redirects, no reused connection, no HTTP/2. awc does
//! not retry by itself. The key is in every URL, so nothing here logs, and errors contain no URL.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use awc::http::Uri;
use awc::http::header;
use awc::{Client, ClientRequest, Connector};
use tokio::sync::mpsc;

use super::details::Polled;
use super::masked::Hidden;
use super::outcome::{CallError, Cancelled, Exchange, SubmissionOutcome, Trouble};
use super::reading::{Kept, SMALL, read};
use super::wire::{self, PendingBatch, Submission, WireNames};
use crate::domain::{BatchId, Content, ErrorKind, Identifier, Msisdn, Receipt, ReceiptCode, Timestamp};
use crate::metrics::{Call, Ending, Metrics};
use crate::secret::{Echo, Secret};
use crate::tls;

/// The largest answer with a list (pending batches, codes), in bytes.
const LIST: usize = 16 << 20;

/// The largest answer with the details of a batch, in bytes; 50,000 details take about 12 MiB. They are read as they
/// arrive, so only pieces are in memory.
const DETAILS: usize = 64 << 20;

/// The number of pieces of an answer that may wait for their reader.
const PIECES: usize = 8;

/// The factor by which the details of a batch may take longer than other answers.
const DETAILS_TAKE: u32 = 4;

/// The upper limit of each phase of connecting, however long the configured time-out is.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// The settings of a [`Provider`].
pub struct Settings {
    /// The base URL, such as `https://mplus.instagiv.com`; it may have a path prefix.
    pub base_url: String,
    /// The account's API key.
    pub key: Secret,
    /// The time limit of a call, including the answer.
    pub timeout: Duration,
    /// Which field names are sent.
    pub wire_names: WireNames,
}

/// The error for a base URL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL with a host and without a query, such as https://mplus.instagiv.com")]
pub struct BadBaseUrl;

/// A batch to submit.
pub struct Order<'a> {
    /// The id of the batch.
    pub batch: BatchId,
    /// What to send.
    pub content: &'a Content,
    /// The recipients.
    pub destinations: &'a [Msisdn],
    /// The URL that receipts are posted to, including the token.
    pub callback: &'a str,
}

/// A client of the provider's HTTP API. It must stay on the thread that created it.
pub struct Provider {
    client: Client,
    base_url: String,
    key: Secret,
    timeout: Duration,
    wire_names: WireNames,
    metrics: Option<Arc<Metrics>>,
    /// The key, to be removed from answers that are stored.
    echo: Echo,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("wire_names", &self.wire_names).finish_non_exhaustive()
    }
}

impl Provider {
    /// Creates a client without connecting.
    ///
    /// # Errors
    /// If the base URL is invalid.
    pub fn new(settings: Settings) -> Result<Self, BadBaseUrl> {
        let Settings { base_url, key, timeout, wire_names } = settings;
        let base_url = base_url.trim_end_matches('/').to_owned();
        let url: Uri = base_url.parse().map_err(|_| BadBaseUrl)?;
        let web = matches!(url.scheme_str(), Some("http" | "https"));
        if !web || url.host().is_none_or(str::is_empty) || url.query().is_some() || base_url.contains('#') {
            return Err(BadBaseUrl);
        }
        Ok(Self { client: client(timeout), base_url, echo: Echo::of([key.clone()]), key, timeout, wire_names, metrics: None })
    }

    /// Counts its calls in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// `POST /batch`: submits a batch once.
    pub async fn submit(&self, order: Order<'_>) -> SubmissionOutcome {
        let Order { batch, content, destinations, callback } = order;
        let hidden = Hidden::order(&self.key, callback, content);
        let exchange = match serde_json::to_vec(&Submission::new(self.wire_names, batch, content, destinations, callback)) {
            Ok(body) => {
                let request = self.client.post(self.url("/batch", &self.wire_names.query(content)));
                self.exchange(Call::Submit, request.content_type("application/json"), body, Kept::whole(SMALL), self.timeout).await
            }
            Err(error) => Exchange::NotSent { kind: ErrorKind::Unwritable, detail: error.to_string() },
        };
        match exchange.into_outcome(|detail| hidden.show(detail)) {
            SubmissionOutcome::Accepted { identifier } => {
                SubmissionOutcome::Accepted { identifier: Identifier::from(&*self.echo.hide_in(&identifier.to_string())) }
            }
            outcome => outcome,
        }
    }

    /// `GET /batch`: the batches that the provider has not sent yet. Also shows whether the provider answers and
    /// accepts the key.
    ///
    /// # Errors
    /// If there is no complete list.
    pub async fn pending(&self) -> Result<Vec<PendingBatch>, CallError> {
        let body = self.ask(Call::List, &self.url("/batch", ""), LIST, self.timeout).await.map_err(CallError::of_the_key_alone)?;
        wire::pending(&body).map_err(|error| self.unreadable(&error, &body))
    }

    /// The provider's time, to the second, from the `Date` of its answer to `GET /batch`; `None` if it has no date.
    /// Also shows whether the provider answers and accepts the key.
    ///
    /// # Errors
    /// If the provider does not answer or refuses the key.
    pub async fn time(&self) -> Result<Option<Timestamp>, CallError> {
        let exchange =
            self.exchange(Call::List, self.client.get(self.url("/batch", "")), Vec::new(), Kept::whole(LIST), self.timeout).await;
        let date = if let Exchange::Answered(answer) = &exchange { answer.date } else { None };
        exchange.into_body(|detail| Hidden::key(&self.key).show(detail)).map_err(CallError::of_the_key_alone)?;
        Ok(date.map(Timestamp::from))
    }

    /// `GET /batch/{id}?details=true`: what the provider knows about each message of a batch. Receipts are passed to
    /// `to` as the answer arrives. `Ok` means that the answer was complete.
    ///
    /// # Errors
    /// If the details are missing or incomplete (the receipts passed on are valid nevertheless), or if the receiver is
    /// gone.
    pub async fn receipts(&self, id: &Identifier, to: mpsc::Sender<Vec<Receipt>>) -> Result<Polled, CallError> {
        let request = self.client.get(self.url(&self.batch_path(id)?, "&details=true"));
        let (pieces, arriving) = mpsc::channel(PIECES);
        // Parsing megabytes of JSON takes a while, and this thread has requests to serve.
        let echo = self.echo.clone();
        let reading = tokio::task::spawn_blocking(move || super::details::details(arriving, to, echo));
        let kept = Kept { most: DETAILS, pieces: Some(pieces) };
        let exchange = self.exchange(Call::Details, request, Vec::new(), kept, self.timeout * DETAILS_TAKE).await;
        let answered_at = if let Exchange::Answered(answer) = &exchange { answer.date.map(Timestamp::from) } else { None };
        let beginning = exchange.into_body(|detail| Hidden::key(&self.key).show(detail))?;
        match reading.await {
            Ok(Ok(polled)) => Ok(Polled { answered_at, ..polled }),
            Ok(Err(error)) => Err(self.unreadable(&error, &beginning)),
            Err(_) => Err(self.unreadable(&"parsing failed", &[])),
        }
    }

    /// `DELETE /batch/{id}`: cancels a batch that has not been sent. A repeated call may be refused because the first
    /// one succeeded.
    ///
    /// # Errors
    /// If the provider gives no clear answer.
    pub async fn cancel(&self, id: &Identifier) -> Result<Cancelled, CallError> {
        let request = self.client.delete(self.url(&self.batch_path(id)?, ""));
        let exchange = self.exchange(Call::Cancel, request, Vec::new(), Kept::whole(SMALL), self.timeout).await;
        exchange.into_cancelled(|detail| Hidden::key(&self.key).show(detail))
    }

    /// `GET /dr-responses`: the receipt codes and their meanings.
    ///
    /// # Errors
    /// If there is no complete list.
    pub async fn codes(&self) -> Result<Vec<(ReceiptCode, String)>, CallError> {
        let body = self.ask(Call::Codes, &self.url("/dr-responses", ""), LIST, self.timeout).await?;
        wire::codes(&body).map_err(|error| self.unreadable(&error, &body))
    }

    async fn ask(&self, call: Call, url: &str, most: usize, timeout: Duration) -> Result<Vec<u8>, CallError> {
        let exchange = self.exchange(call, self.client.get(url), Vec::new(), Kept::whole(most), timeout).await;
        exchange.into_body(|detail| Hidden::key(&self.key).show(detail))
    }

    fn url(&self, path: &str, query: &str) -> String {
        format!("{}{path}?key={}{query}", self.base_url, percent_encoded(self.key.expose()))
    }

    /// The path of a batch. An identifier that would change the path cannot belong to a batch.
    fn batch_path(&self, id: &Identifier) -> Result<String, CallError> {
        let id = id.to_string();
        if !wire::usable(&id) {
            let detail = "an identifier that no batch can have".to_owned();
            return Err(CallError::NotFound(Trouble { kind: ErrorKind::NotFound, status: None, detail, retry_after: None }));
        }
        Ok(format!("/batch/{}", percent_encoded(&id)))
    }

    fn unreadable(&self, error: &dyn fmt::Display, body: &[u8]) -> CallError {
        let mut detail = format!("{error}: ").into_bytes();
        detail.extend_from_slice(&body[..body.len().min(SMALL)]);
        let detail = Hidden::key(&self.key).show(&detail);
        CallError::Unclear(Trouble { kind: ErrorKind::Unreadable, status: Some(200), detail, retry_after: None })
    }

    /// Sends a request and reads the complete answer, within one time limit.
    async fn exchange(&self, call: Call, request: ClientRequest, body: Vec<u8>, kept: Kept, timeout: Duration) -> Exchange {
        let mut status = None;
        let sent = async {
            // Closes the connection after each request. No request may use a connection left by an earlier one, because
            // the provider may be closing it.
            let request = request.force_close();
            let response = if body.is_empty() { request.send().await } else { request.send_body(body).await };
            match response {
                Ok(response) => {
                    status = Some(response.status().as_u16());
                    read(response, kept).await
                }
                Err(error) => error.into(),
            }
        };
        let started = Instant::now();
        let exchange = match tokio::time::timeout(timeout, sent).await {
            Ok(exchange) => exchange,
            Err(_) => Exchange::lost(ErrorKind::Timeout, status, format!("no complete answer within {timeout:?}")),
        };
        if let Some(metrics) = &self.metrics {
            let ending = match &exchange {
                Exchange::NotSent { .. } => Ending::NotSent,
                Exchange::Lost { .. } => Ending::Lost,
                Exchange::Answered(answer) => Ending::Answered(answer.status),
            };
            metrics.provider(call, ending, started.elapsed());
        }
        exchange
    }
}

/// An awc client that sends each request once and as given.
fn client(timeout: Duration) -> Client {
    // Connecting (including name resolution) and the TLS handshake end before the call's time limit. So a call that
    // reaches the limit has been sent, and a call that was not sent says so.
    let connect = (timeout / 3).min(LONGEST_CONNECT);
    let connector = Connector::new()
        .rustls_0_23(tls::client())
        .timeout(connect)
        .handshake_timeout(connect)
        // No request waits for another one's connection, which would look like a slow answer.
        .limit(1 << 16)
        .conn_keep_alive(Duration::ZERO);
    Client::builder()
        .connector(connector)
        .disable_redirects()
        .disable_timeout()
        .add_default_header((header::USER_AGENT, concat!("receiptd/", env!("CARGO_PKG_VERSION"))))
        .add_default_header((header::ACCEPT, "application/json"))
        .finish()
}

/// Encodes everything except letters, digits and `-._~`, so that the text can be used anywhere in a URL.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    encoded.push(char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    encoded
}
