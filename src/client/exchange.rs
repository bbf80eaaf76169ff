//! A single request and its answer, with the checks that awc leaves to its caller.

use std::time::Duration;

use awc::http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use awc::http::{Method, StatusCode};
use awc::{ClientResponse, Connector};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ClientError;
use crate::api::{Problem, Timestamp};
use crate::headers;
use crate::secret::Secret;

/// The time limit for connecting, including name resolution.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer in bytes that is read into memory. A group of a thousand batches is a few MiB.
const LARGEST_BODY: usize = 256 * 1024 * 1024;
/// The number of characters shown of an answer that is not receiptd's.
const SHOWN: usize = 200;

/// An empty query.
pub(super) const NO_QUERY: &[(&str, &str)] = &[];

/// The connection parameters of one daemon. Its `Debug` output shows only the address.
#[derive(Clone)]
pub(super) struct Exchange {
    http: awc::Client,
    base: String,
    token: Secret,
    idle: Duration,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("base", &self.base).finish_non_exhaustive()
    }
}

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) date: Option<Timestamp>,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Exchange {
    /// Creates the parameters. `idle` is the longest silence accepted on a stream.
    pub(super) fn new(base: &str, token: Secret, idle: Duration) -> Self {
        let http = awc::Client::builder()
            .connector(Connector::new().timeout(CONNECT_DEADLINE))
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .finish();
        Self { http, base: base.trim_end_matches('/').to_owned(), token, idle }
    }

    /// Sends a request and reads the whole answer, all within `deadline`.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &(impl Serialize + ?Sized),
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<Answer, ClientError> {
        let work = async {
            let mut response = self.send(method, path, query, &[], body).await?;
            let mut whole = Vec::new();
            read_body(
                &mut response,
                |chunk| {
                    if whole.len() + chunk.len() > LARGEST_BODY {
                        return Err(ClientError::Unreadable(format!("larger than {LARGEST_BODY} bytes")));
                    }
                    whole.extend_from_slice(chunk);
                    Ok(())
                },
                deadline,
            )
            .await?;
            let headers = response.headers();
            let (date, retry_after) = (headers::date(headers).map(Timestamp::from), headers::retry_after(headers));
            Ok(Answer { status: response.status(), date, retry_after, body: whole })
        };
        tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(silent(deadline)))
    }

    /// Sends a `GET` and passes the body on as it arrives, without a time limit for the whole.
    pub(super) async fn stream(
        &self,
        path: &str,
        query: &impl Serialize,
        headers: &[(HeaderName, String)],
        take: impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let sent = tokio::time::timeout(self.idle, self.send(Method::GET, path, query, headers, None)).await;
        let mut response = sent.unwrap_or_else(|_| Err(silent(self.idle)))?;
        if response.status() == StatusCode::OK {
            return read_body(&mut response, take, self.idle).await;
        }
        let mut body = Vec::new();
        read_body(
            &mut response,
            |chunk| {
                body.extend_from_slice(&chunk[..chunk.len().min(LARGEST_BODY - body.len())]);
                Ok(())
            },
            self.idle,
        )
        .await?;
        Err(refusal(response.status(), &body))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &(impl Serialize + ?Sized),
        headers: &[(HeaderName, String)],
        body: Option<Vec<u8>>,
    ) -> Result<ClientResponse, ClientError> {
        let url = format!("{}{path}", self.base);
        let request = self
            .http
            .request(method, &url)
            .insert_header((ACCEPT, "*/*"))
            .no_decompress()
            .query(&query)
            .map_err(|error| ClientError::Unreadable(format!("cannot serialize the request: {error}")))?;
        // awc leaves a bare `?` if the query is empty.
        let request = if request.get_uri().query() == Some("") { request.uri(&url) } else { request };
        // The health endpoints need no token, and their callers may not have one.
        let request = if self.token.is_empty() { request } else { request.bearer_auth(self.token.expose()) };
        let request = headers.iter().fold(request, |request, (name, value)| request.insert_header((name.clone(), value.as_str())));
        let sending = match body {
            Some(body) => request.insert_header((CONTENT_TYPE, "application/json")).send_body(body),
            None => request.send(),
        };
        sending.await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &awc::error::SendRequestError) -> ClientError {
        use actix_web::error::ParseError;
        use awc::error::{ConnectError, SendRequestError};
        let address = &self.base;
        match error {
            SendRequestError::Connect(ConnectError::Disconnected) => {
                ClientError::Unreachable(format!("{address} closed the connection without an answer"))
            }
            SendRequestError::Connect(error) => ClientError::Unreachable(format!("{address}: {error}")),
            SendRequestError::Response(ParseError::Io(error)) => ClientError::Unreachable(format!("{address}: {error}")),
            SendRequestError::Response(error) => ClientError::Unreadable(format!("{address} does not speak HTTP: {error}")),
            error => ClientError::Unreachable(format!("{address}: {error}")),
        }
    }
}

impl Answer {
    /// The delay before another attempt, if the daemon says that it is busy.
    pub(super) fn busy(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.status == StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The answer, if it is a success.
    pub(super) fn accepted(self) -> Result<Self, ClientError> {
        if self.status.is_success() { Ok(self) } else { Err(refusal(self.status, &self.body)) }
    }

    /// The body of the answer, if it is a success.
    pub(super) fn into_json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        read(&self.accepted()?.body)
    }
}

/// Serializes a request body.
pub(super) fn bytes(body: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::Unreadable(format!("cannot serialize the request: {error}")))
}

/// Deserializes a body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unreadable(format!("{error}; is this receiptd's API?")))
}

/// The error for a refusal, as the daemon worded it, or the best description if the daemon did not answer.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return ClientError::Problem(Box::new(problem));
    }
    if !status.is_client_error() && !status.is_server_error() {
        return ClientError::Unreadable(format!("status {status}; is this receiptd's API?"));
    }
    let text = String::from_utf8_lossy(body);
    let shown: String = text.trim().chars().take(SHOWN).collect();
    ClientError::Problem(Box::new(Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Unknown").to_owned(),
        status: status.as_u16(),
        detail: if shown.is_empty() { format!("the answer was {status}") } else { format!("the answer was {status}: {shown}") },
        errors: Vec::new(),
        batch: None,
    }))
}

fn silent(deadline: Duration) -> ClientError {
    ClientError::Unreachable(format!("no answer within {}", humantime::format_duration(deadline)))
}

/// Passes every chunk on. Fails if the body ends before its announced length, or after too long a silence.
async fn read_body(
    response: &mut ClientResponse,
    mut take: impl FnMut(&[u8]) -> Result<(), ClientError>,
    idle: Duration,
) -> Result<(), ClientError> {
    let announced = headers::content_length(response.headers());
    let mut taken = 0u64;
    loop {
        match tokio::time::timeout(idle, response.next()).await {
            Err(_) => return Err(silent(idle)),
            Ok(Some(Err(error))) => return Err(ClientError::Unreadable(format!("the connection broke: {error}"))),
            Ok(Some(Ok(chunk))) => {
                taken += chunk.len() as u64;
                take(&chunk)?;
            }
            Ok(None) => break,
        }
    }
    match announced {
        Some(announced) if announced != taken => {
            Err(ClientError::Unreadable(format!("the connection broke after {taken} of {announced} bytes")))
        }
        _ => Ok(()),
    }
}
