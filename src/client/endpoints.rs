//! A client of our own REST API (docs/api.md), with one method per endpoint.
//!
//! A `GET` is sent once. [`Client::submit`] retries with the same id while the daemon is busy, which the id makes safe.
//! No error contains the token.

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

/// The time limit of calls that are answered at once.
const DEADLINE: Duration = Duration::from_secs(60);
/// The time limit of calls that work on the whole database or ask the provider.
const LONG_DEADLINE: Duration = Duration::from_secs(3600);
/// The number of attempts at a submission while the daemon is busy, including the first.
const SUBMIT_ATTEMPTS: u32 = 8;
/// The bounds of the pause between attempts, whatever `Retry-After` says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A client of one daemon. It must run on an actix system.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) exchange: Exchange,
}

impl Client {
    /// A client of the private listener at `base`, such as `http://127.0.0.1:8081`.
    pub fn new(base: &str, token: &str) -> Self {
        Self { exchange: Exchange::new(base, Secret::from(token), DEADLINE) }
    }

    /// `POST /v1/batches`. Returns the batch, and whether it is new (`202`) or existed already (`200`).
    ///
    /// # Errors
    /// If the call fails. While the daemon is busy (`503` with `Retry-After`), a request with an id is retried a few
    /// times; a request without an id is not.
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

    /// One page of `GET /v1/batches`.
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

    /// One page of `GET /v1/batches/{id}/destinations`.
    pub async fn destinations(&self, id: BatchId, filter: &DestinationFilter) -> Result<Page<api::Destination>, ClientError> {
        self.get(&format!("/v1/batches/{id}/destinations"), filter).await
    }

    /// `GET /v1/batches/{id}/destinations/{number}`: a destination with its receipts.
    pub async fn destination(&self, id: BatchId, number: Msisdn) -> Result<api::Destination, ClientError> {
        self.get(&format!("/v1/batches/{id}/destinations/{}", number.digits()), NO_QUERY).await
    }

    /// `GET /v1/batches/{id}/export`, written to `sink` as it arrives.
    ///
    /// # Errors
    /// If the call or writing fails. A connection that ends between two chunks looks like the end of the export (a
    /// limitation of awc), so count the rows if they must be complete.
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

    /// `POST /v1/batches/{id}/resend`. Returns the new batch, and whether it is new or existed already.
    pub async fn resend(&self, id: BatchId, state: DestinationState) -> Result<(Batch, bool), ClientError> {
        let body = bytes(&json!({ "state": state }))?;
        let path = format!("/v1/batches/{id}/resend");
        let answer = self.exchange.ask(Method::POST, &path, NO_QUERY, Some(body), DEADLINE).await?;
        let created = answer.status == StatusCode::ACCEPTED;
        Ok((answer.into_json()?, created))
    }

    /// One page of `GET /v1/destinations/{number}`.
    pub async fn number(&self, number: Msisdn, cursor: Option<&str>) -> Result<api::NumberReport, ClientError> {
        let query: Vec<_> = cursor.map(|cursor| ("cursor", cursor)).into_iter().collect();
        self.get(&format!("/v1/destinations/{}", number.digits()), &query).await
    }

    /// `DELETE /v1/destinations/{number}`.
    pub async fn forget(&self, number: Msisdn) -> Result<api::Forgotten, ClientError> {
        self.delete(&format!("/v1/destinations/{}", number.digits())).await?.into_json()
    }

    /// One page of `GET /v1/receipts`.
    pub async fn receipts(&self, filter: &ReceiptFilter) -> Result<Page<api::Receipt>, ClientError> {
        self.get("/v1/receipts", filter).await
    }

    /// One page of `GET /v1/quarantine`.
    pub async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Page<api::Quarantined>, ClientError> {
        self.get("/v1/quarantine", filter).await
    }

    /// `GET /v1/quarantine/{id}`: an item with its body.
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

    /// `POST /v1/backup`. `file` is an absolute path on the daemon's machine.
    pub async fn backup(&self, file: &str) -> Result<api::Backup, ClientError> {
        self.post("/v1/backup", Some(&api::Backup { file: file.to_owned() }), LONG_DEADLINE).await
    }

    /// `POST /v1/prune`.
    pub async fn prune(&self, request: &api::PruneRequest) -> Result<api::Pruned, ClientError> {
        self.post("/v1/prune", Some(request), LONG_DEADLINE).await
    }

    /// `POST /v1/rotate-secret`. With `revoke`, earlier callback URLs become invalid.
    pub async fn rotate_secret(&self, revoke: bool) -> Result<api::Rotated, ClientError> {
        self.post("/v1/rotate-secret", Some(&json!({ "revoke": revoke })), DEADLINE).await
    }

    /// `POST /v1/probe`.
    pub async fn probe(&self) -> Result<api::Probed, ClientError> {
        self.post("/v1/probe", None::<&()>, DEADLINE).await
    }

    /// `GET /readyz`. Both 200 and 503 are regular answers here.
    pub async fn ready(&self) -> Result<api::Readiness, ClientError> {
        let answer = self.exchange.ask(Method::GET, "/readyz", NO_QUERY, None, DEADLINE).await?;
        match answer.status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => read(&answer.body),
            _ => answer.into_json(),
        }
    }

    /// The daemon's time (the `Date` of an answer), to the second.
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
