//! One request and its answer, with all that awc leaves to its caller (pitfalls.md, "awc").

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

/// Connecting, name resolution included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer that is read into memory: a group of a thousand batches is a few MiB.
const LARGEST_BODY: usize = 256 * 1024 * 1024;
/// As much of an answer that is not ours is shown.
const SHOWN: usize = 200;

/// No query string.
pub(super) const NO_QUERY: &[(&str, &str)] = &[];

/// The way to one daemon. Its `Debug` shows the address alone.
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

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) date: Option<Timestamp>,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Exchange {
    /// `idle`: how long a stream may be silent.
    pub(super) fn new(base: &str, token: Secret, idle: Duration) -> Self {
        let http = awc::Client::builder()
            .connector(Connector::new().timeout(CONNECT_DEADLINE))
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .finish();
        Self { http, base: base.trim_end_matches('/').to_owned(), token, idle }
    }

    /// Sends a request and reads the whole answer, in all within `deadline`.
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
                        return Err(ClientError::Unreadable(format!("it is larger than {LARGEST_BODY} bytes")));
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

    /// Sends a `GET` and hands the body on as it comes, however long that takes.
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
            .map_err(|error| ClientError::Unreadable(format!("the request can't be written: {error}")))?;
        // awc leaves a bare `?` where the query is empty.
        let request = if request.get_uri().query() == Some("") { request.uri(&url) } else { request };
        // Health needs no token, and who asks for it may have none.
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
    /// How long to wait before asking again, where the daemon says that it is busy.
    pub(super) fn busy(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.status == StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The answer, if it is a yes.
    pub(super) fn accepted(self) -> Result<Self, ClientError> {
        if self.status.is_success() { Ok(self) } else { Err(refusal(self.status, &self.body)) }
    }

    /// What is in the answer, if it is a yes.
    pub(super) fn into_json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        read(&self.accepted()?.body)
    }
}

/// A request body.
pub(super) fn bytes(body: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::Unreadable(format!("the request can't be written: {error}")))
}

/// What is in a body.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unreadable(format!("{error}; is it receiptd that listens there?")))
}

/// A no as the daemon tells it, or as well as it can be told where it was not the daemon.
fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return ClientError::Problem(Box::new(problem));
    }
    if !status.is_client_error() && !status.is_server_error() {
        return ClientError::Unreadable(format!("status {status}; is it receiptd that listens there?"));
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

/// Hands every chunk on; refuses a body that ends before its announced length, and silence.
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
            Ok(Some(Err(error))) => return Err(ClientError::Unreadable(format!("it broke off: {error}"))),
            Ok(Some(Ok(chunk))) => {
                taken += chunk.len() as u64;
                take(&chunk)?;
            }
            Ok(None) => break,
        }
    }
    match announced {
        Some(announced) if announced != taken => Err(ClientError::Unreadable(format!("it broke off after {taken} of {announced} bytes"))),
        _ => Ok(()),
    }
}
