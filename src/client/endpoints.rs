//! Our own REST API from the caller's side (contract §4): one method an endpoint.
//!
//! A `GET` is sent once. [`Client::submit`] is sent again with the same id where the daemon says
//! that it is busy: the id makes that harmless. No error shows the token.

use std::io::Write;
use std::time::Duration;

use awc::http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::error::ClientError;
use super::exchange::{Answer, Exchange, NO_QUERY, bytes, read};
use super::filters::{BatchFilter, DestinationFilter, ExportFormat, QuarantineFilter, ReceiptFilter};
use crate::api::{self, Batch, BatchId, BatchRequest, DestinationState, Group, Msisdn, Page, Timestamp};
use crate::domain::IdPrefix;
use crate::secret::Secret;

/// For answers that come at once.
const DEADLINE: Duration = Duration::from_secs(60);
/// For work on the whole file, and for asking the provider.
const LONG_DEADLINE: Duration = Duration::from_secs(3600);
/// How often a submission is made in all while the daemon is busy.
const SUBMIT_ATTEMPTS: u32 = 8;
/// The pauses between them, whatever `Retry-After` says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Talks to one daemon. Needs to run on an actix system.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) exchange: Exchange,
}

impl Client {
    /// `base` is the address of the private listener, such as `http://127.0.0.1:8081`.
    pub fn new(base: &str, token: &str) -> Self {
        Self { exchange: Exchange::new(base, Secret::from(token), DEADLINE) }
    }

    /// `POST /v1/batches`: the batch, and whether it is new (`202`) or known already (`200`).
    ///
    /// # Errors
    /// A busy daemon (`503` with `Retry-After`) is asked again a few times, with the same id;
    /// a request without an id is not.
    pub async fn submit(&self, request: &BatchRequest) -> Result<(Batch, bool), ClientError> {
        let body = bytes(request)?;
        for attempt in 1.. {
            let answer = self.exchange.ask(Method::POST, "/v1/batches", NO_QUERY, Some(body.clone()), DEADLINE).await?;
            if let Some(pause) = answer.busy()
                && attempt < SUBMIT_ATTEMPTS
                && request.id.is_some()
            {
                tokio::time::sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
                continue;
            }
            let created = answer.status == StatusCode::ACCEPTED;
            return Ok((answer.into_json()?, created));
        }
        unreachable!("the last attempt returns")
    }

    /// `GET /v1/batches`, a page of it.
    pub async fn batches(&self, filter: &BatchFilter) -> Result<Page<Batch>, ClientError> {
        self.get("/v1/batches", filter).await
    }

    /// `GET /v1/batches/{id}`.
    pub async fn batch(&self, id: BatchId) -> Result<Batch, ClientError> {
        self.get(&format!("/v1/batches/{id}"), NO_QUERY).await
    }

    /// `GET /v1/groups/{id}`.
    pub async fn group(&self, id: BatchId) -> Result<Group, ClientError> {
        self.get(&format!("/v1/groups/{id}"), NO_QUERY).await
    }

    /// `GET /v1/ids`: batches and groups whose id begins so.
    pub async fn ids(&self, prefix: &IdPrefix, limit: u32) -> Result<Page<api::KnownId>, ClientError> {
        self.get("/v1/ids", &[("prefix", prefix.to_string()), ("limit", limit.to_string())]).await
    }

    /// `DELETE /v1/batches/{id}`.
    pub async fn cancel(&self, id: BatchId) -> Result<Batch, ClientError> {
        self.delete(&format!("/v1/batches/{id}")).await?.into_json()
    }

    /// `GET /v1/batches/{id}/destinations`, a page of it.
    pub async fn destinations(&self, id: BatchId, filter: &DestinationFilter) -> Result<Page<api::Destination>, ClientError> {
        self.get(&format!("/v1/batches/{id}/destinations"), filter).await
    }

    /// `GET /v1/batches/{id}/destinations/{number}`, with its receipts.
    pub async fn destination(&self, id: BatchId, number: Msisdn) -> Result<api::Destination, ClientError> {
        self.get(&format!("/v1/batches/{id}/destinations/{}", number.digits()), NO_QUERY).await
    }

    /// `GET /v1/batches/{id}/export`, written to `sink` as it comes.
    ///
    /// # Errors
    /// A connection that ends between two chunks cannot be told from the end (pitfalls.md,
    /// "awc"): who must be sure counts the rows.
    pub async fn export(
        &self,
        id: BatchId,
        format: ExportFormat,
        state: Option<DestinationState>,
        sink: &mut impl Write,
    ) -> Result<(), ClientError> {
        #[derive(Serialize)]
        struct Query {
            format: ExportFormat,
            state: Option<DestinationState>,
        }
        let to = |chunk: &[u8]| sink.write_all(chunk).map_err(ClientError::Write);
        self.exchange.stream(&format!("/v1/batches/{id}/export"), &Query { format, state }, &[], to).await
    }

    /// `POST /v1/batches/{id}/reconcile`.
    pub async fn reconcile(&self, id: BatchId) -> Result<api::Reconciled, ClientError> {
        self.post(&format!("/v1/batches/{id}/reconcile"), None::<&()>, LONG_DEADLINE).await
    }

    /// `POST /v1/batches/{id}/resolve`.
    pub async fn resolve(&self, id: BatchId, resolution: api::Resolution) -> Result<Batch, ClientError> {
        self.post(&format!("/v1/batches/{id}/resolve"), Some(&json!({ "as": resolution })), DEADLINE).await
    }

    /// `POST /v1/batches/{id}/resend`: the new batch, and whether it is new or known already.
    pub async fn resend(&self, id: BatchId, state: DestinationState) -> Result<(Batch, bool), ClientError> {
        let body = bytes(&json!({ "state": state }))?;
        let path = format!("/v1/batches/{id}/resend");
        let answer = self.exchange.ask(Method::POST, &path, NO_QUERY, Some(body), DEADLINE).await?;
        let created = answer.status == StatusCode::ACCEPTED;
        Ok((answer.into_json()?, created))
    }

    /// `GET /v1/destinations/{number}`, a page of it.
    pub async fn number(&self, number: Msisdn, cursor: Option<&str>) -> Result<api::NumberReport, ClientError> {
        let query: Vec<_> = cursor.map(|cursor| ("cursor", cursor)).into_iter().collect();
        self.get(&format!("/v1/destinations/{}", number.digits()), &query).await
    }

    /// `DELETE /v1/destinations/{number}`.
    pub async fn forget(&self, number: Msisdn) -> Result<api::Forgotten, ClientError> {
        self.delete(&format!("/v1/destinations/{}", number.digits())).await?.into_json()
    }

    /// `GET /v1/receipts`, a page of it.
    pub async fn receipts(&self, filter: &ReceiptFilter) -> Result<Page<api::Receipt>, ClientError> {
        self.get("/v1/receipts", filter).await
    }

    /// `GET /v1/quarantine`, a page of it.
    pub async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Page<api::Quarantined>, ClientError> {
        self.get("/v1/quarantine", filter).await
    }

    /// `GET /v1/quarantine/{id}`, with its body.
    pub async fn quarantined(&self, id: i64) -> Result<api::Quarantined, ClientError> {
        self.get(&format!("/v1/quarantine/{id}"), NO_QUERY).await
    }

    /// `POST /v1/quarantine/{id}/replay`.
    pub async fn replay(&self, id: i64) -> Result<api::Acknowledgement, ClientError> {
        self.post(&format!("/v1/quarantine/{id}/replay"), None::<&()>, DEADLINE).await
    }

    /// `DELETE /v1/quarantine/{id}`.
    pub async fn drop_quarantined(&self, id: i64) -> Result<(), ClientError> {
        self.delete(&format!("/v1/quarantine/{id}")).await?.accepted().map(|_| ())
    }

    /// `GET /v1/stats`.
    pub async fn stats(&self) -> Result<api::Stats, ClientError> {
        self.get("/v1/stats", NO_QUERY).await
    }

    /// `GET /v1/codes`.
    pub async fn codes(&self) -> Result<Page<api::Code>, ClientError> {
        self.get("/v1/codes", NO_QUERY).await
    }

    /// `POST /v1/pause`.
    pub async fn pause(&self) -> Result<api::Paused, ClientError> {
        self.post("/v1/pause", None::<&()>, DEADLINE).await
    }

    /// `POST /v1/resume`.
    pub async fn resume(&self) -> Result<api::Paused, ClientError> {
        self.post("/v1/resume", None::<&()>, DEADLINE).await
    }

    /// `POST /v1/check`.
    pub async fn check(&self) -> Result<api::Checked, ClientError> {
        self.post("/v1/check", None::<&()>, LONG_DEADLINE).await
    }

    /// `POST /v1/backup`: a whole path on the daemon's machine.
    pub async fn backup(&self, file: &str) -> Result<api::Backup, ClientError> {
        self.post("/v1/backup", Some(&api::Backup { file: file.to_owned() }), LONG_DEADLINE).await
    }

    /// `POST /v1/prune`.
    pub async fn prune(&self, request: &api::PruneRequest) -> Result<api::Pruned, ClientError> {
        self.post("/v1/prune", Some(request), LONG_DEADLINE).await
    }

    /// `POST /v1/rotate-secret`; with `revoke` the old callback tokens end.
    pub async fn rotate_secret(&self, revoke: bool) -> Result<api::Rotated, ClientError> {
        self.post("/v1/rotate-secret", Some(&json!({ "revoke": revoke })), DEADLINE).await
    }

    /// `POST /v1/probe`.
    pub async fn probe(&self) -> Result<api::Probed, ClientError> {
        self.post("/v1/probe", None::<&()>, DEADLINE).await
    }

    /// `GET /readyz`: both its answers, 200 and 503, are an answer here.
    pub async fn ready(&self) -> Result<api::Readiness, ClientError> {
        let answer = self.exchange.ask(Method::GET, "/readyz", NO_QUERY, None, DEADLINE).await?;
        match answer.status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => read(&answer.body),
            _ => answer.into_json(),
        }
    }

    /// What the daemon's clock says (the `Date` of an answer), to the second.
    pub async fn clock(&self) -> Result<Option<Timestamp>, ClientError> {
        let answer = self.exchange.ask(Method::GET, "/healthz", NO_QUERY, None, DEADLINE).await?;
        Ok(answer.date)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str, query: &(impl Serialize + ?Sized)) -> Result<T, ClientError> {
        self.exchange.ask(Method::GET, path, query, None, DEADLINE).await?.into_json()
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        deadline: Duration,
    ) -> Result<T, ClientError> {
        let body = body.map(bytes).transpose()?;
        self.exchange.ask(Method::POST, path, NO_QUERY, body, deadline).await?.into_json()
    }

    async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.exchange.ask(Method::DELETE, path, NO_QUERY, None, DEADLINE).await
    }
}
