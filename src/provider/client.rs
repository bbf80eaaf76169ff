//! One method per call of the provider's API.
//!
//! awc is set up so that one call is one request at most: no redirects, no connection that was used
//! before, no HTTP/2. It repeats nothing by itself (pitfalls.md, "awc"). The key is in every URL, so
//! nothing here logs, and errors carry no URL.

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

/// The most of a list: pending batches, codes.
const LIST: usize = 16 << 20;

/// The most of the details of one batch; 50,000 take about 12 MiB. They are read as they come: only pieces are kept.
const DETAILS: usize = 64 << 20;

/// Pieces of an answer that may wait for their reader.
const PIECES: usize = 8;

/// How many times longer than other answers the details of a batch may take.
const DETAILS_TAKE: u32 = 4;

/// The longest that one phase of connecting may take, however patient the configuration is.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// What a [`Provider`] needs to know.
pub struct Settings {
    /// Such as `https://mplus.instagiv.com`; a path prefix is allowed.
    pub base_url: String,
    /// The account's API key.
    pub key: Secret,
    /// The deadline of one call, answer included.
    pub timeout: Duration,
    /// Which spellings are sent.
    pub wire_names: WireNames,
}

/// A base URL that no request can be made with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL with a host and without a query, such as https://mplus.instagiv.com")]
pub struct BadBaseUrl;

/// A batch to be submitted.
pub struct Order<'a> {
    /// Our uuid of it.
    pub batch: BatchId,
    /// What is sent.
    pub content: &'a Content,
    /// To whom.
    pub destinations: &'a [Msisdn],
    /// Where receipts are to be posted: the whole URL, token included.
    pub callback: &'a str,
}

/// The provider's HTTP API. Belongs to the thread that it was made on.
pub struct Provider {
    client: Client,
    base_url: String,
    key: Secret,
    timeout: Duration,
    wire_names: WireNames,
    metrics: Option<Arc<Metrics>>,
    /// The key, where an answer repeats it in a place that is kept.
    echo: Echo,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("wire_names", &self.wire_names).finish_non_exhaustive()
    }
}

impl Provider {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// The base URL is none.
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

    /// Counts its calls there.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// `POST /batch`: hands a batch over, once.
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

    /// `GET /batch`: the batches that the provider has yet to send. Also the way to find out whether
    /// it answers at all, and takes the key.
    ///
    /// # Errors
    /// There is no list.
    pub async fn pending(&self) -> Result<Vec<PendingBatch>, CallError> {
        let body = self.ask(Call::List, &self.url("/batch", ""), LIST, self.timeout).await.map_err(CallError::of_the_key_alone)?;
        wire::pending(&body).map_err(|error| self.unreadable(&error, &body))
    }

    /// The provider's time, from the `Date` of its answer to `GET /batch`, to the second; `None` where it sends no date.
    /// Also shows whether the provider answers and accepts the key.
    ///
    /// # Errors
    /// It does not answer, or refuses the key.
    pub async fn time(&self) -> Result<Option<Timestamp>, CallError> {
        let exchange =
            self.exchange(Call::List, self.client.get(self.url("/batch", "")), Vec::new(), Kept::whole(LIST), self.timeout).await;
        let date = if let Exchange::Answered(answer) = &exchange { answer.date } else { None };
        exchange.into_body(|detail| Hidden::key(&self.key).show(detail)).map_err(CallError::of_the_key_alone)?;
        Ok(date.map(Timestamp::from))
    }

    /// `GET /batch/{id}?details=true`: what the provider knows of each message of a batch. Its receipts are handed on
    /// while the answer arrives; `Ok` is an answered poll.
    ///
    /// # Errors
    /// There are no details, or not all of them; what was handed on is true all the same. Or nobody takes them.
    pub async fn receipts(&self, id: &Identifier, to: mpsc::Sender<Vec<Receipt>>) -> Result<Polled, CallError> {
        let request = self.client.get(self.url(&self.batch_path(id)?, "&details=true"));
        let (pieces, arriving) = mpsc::channel(PIECES);
        // Megabytes of JSON take a while, and this thread has requests to answer.
        let echo = self.echo.clone();
        let reading = tokio::task::spawn_blocking(move || super::details::details(arriving, to, echo));
        let kept = Kept { most: DETAILS, pieces: Some(pieces) };
        let exchange = self.exchange(Call::Details, request, Vec::new(), kept, self.timeout * DETAILS_TAKE).await;
        let answered_at = if let Exchange::Answered(answer) = &exchange { answer.date.map(Timestamp::from) } else { None };
        let beginning = exchange.into_body(|detail| Hidden::key(&self.key).show(detail))?;
        match reading.await {
            Ok(Ok(polled)) => Ok(Polled { answered_at, ..polled }),
            Ok(Err(error)) => Err(self.unreadable(&error, &beginning)),
            Err(_) => Err(self.unreadable(&"reading it failed", &[])),
        }
    }

    /// `DELETE /batch/{id}`: cancels a batch that is yet to be sent. Asked again it may well say no
    /// because it was cancelled the first time.
    ///
    /// # Errors
    /// The provider gave no clear answer.
    pub async fn cancel(&self, id: &Identifier) -> Result<Cancelled, CallError> {
        let request = self.client.delete(self.url(&self.batch_path(id)?, ""));
        let exchange = self.exchange(Call::Cancel, request, Vec::new(), Kept::whole(SMALL), self.timeout).await;
        exchange.into_cancelled(|detail| Hidden::key(&self.key).show(detail))
    }

    /// `GET /dr-responses`: the receipt codes and what they mean.
    ///
    /// # Errors
    /// There is no list.
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

    /// The path of one batch. A name that would lead to another path is one that no batch has.
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

    /// Sends one request and reads its whole answer, under one deadline.
    async fn exchange(&self, call: Call, request: ClientRequest, body: Vec<u8>, kept: Kept, timeout: Duration) -> Exchange {
        let mut status = None;
        let sent = async {
            // Not only the answer's end: a request must not take a connection that another one left
            // behind either, since the provider may be closing it. So all of them close theirs.
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
            Err(_) => Exchange::lost(ErrorKind::Timeout, status, format!("no whole answer within {timeout:?}")),
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

/// An awc that does what it is told, once.
fn client(timeout: Duration) -> Client {
    // Connecting (names included) and the TLS handshake together end before the deadline of the call:
    // so a call that ends by the deadline has been sent, and one that was not says so.
    let connect = (timeout / 3).min(LONGEST_CONNECT);
    let connector = Connector::new()
        .rustls_0_23(tls::client())
        .timeout(connect)
        .handshake_timeout(connect)
        // Nobody waits for a connection of somebody else, which would look like a slow answer.
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

/// A text as it may stand anywhere in a URL: all but letters, digits and `-._~` is encoded.
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
