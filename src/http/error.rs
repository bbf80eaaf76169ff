//! The errors of the API: the only place where an error becomes a status.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use crate::api::{FieldError, Problem};
use crate::domain::BatchId;
use crate::store::StoreError;
use crate::submit::Refusal;

/// The prefix of the `type` URIs of problems.
const KIND: &str = "tag:receiptd,2026:problem/";
/// The end of the `type` of problems about a refusal by the provider.
const REFUSED: &str = "provider-refused";
/// The `Retry-After` of 503 answers, in seconds: the queue is emptied in a fraction of that.
const RETRY_AFTER: &str = "1";

/// An error answer.
#[derive(Debug)]
pub enum ApiError {
    /// 400: the request is invalid, with an error for each wrong field.
    Invalid(String, Vec<FieldError>),
    /// 401: the token is missing or wrong.
    Unauthorized,
    /// 404: what the path names does not exist.
    NotFound(String),
    /// 404: the batch has been pruned.
    Gone(BatchId),
    /// 405, with the allowed methods.
    Method(&'static str),
    /// 408: the body did not arrive in time.
    TooSlow,
    /// 409: the request conflicts with the current state.
    Conflict(String),
    /// 409: the batch has been pruned, so it is not sent again.
    Pruned(BatchId),
    /// 411: the request does not give the length of its body.
    NoLength,
    /// 413, with the limit in bytes.
    TooLarge(u64),
    /// 415: an unsupported `Content-Encoding`.
    Encoding,
    /// 500: a copy of the database cannot be written, and why.
    Backup(String),
    /// 502: the provider gave no clear answer.
    Provider(String),
    /// 502, or 409 if it conflicts with the state there: the provider refused.
    Refused(StatusCode, String),
    /// 503: the store failed, with the batch that it may nevertheless have written.
    Store(StoreError, Option<BatchId>),
}

impl ApiError {
    /// An invalid request with one wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid("invalid request; nothing was changed".into(), vec![FieldError::new(pointer, detail)])
    }

    fn problem(&self) -> Problem {
        let (status, kind, title, detail) = match self {
            Self::Invalid(detail, _) => (StatusCode::BAD_REQUEST, "invalid", "Invalid request", detail.clone()),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "No valid token",
                "send `Authorization: Bearer <token>` with the content of api.token_file (by default receiptd.token)".into(),
            ),
            Self::NotFound(detail) => (StatusCode::NOT_FOUND, "not-found", "Not found", detail.clone()),
            Self::Gone(id) => (StatusCode::NOT_FOUND, "pruned", "The batch was pruned", format!("batch {id} has been pruned")),
            Self::Method(allowed) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", format!("allowed: {allowed}"))
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", "the body did not arrive in time".into()),
            Self::Conflict(detail) => (StatusCode::CONFLICT, "conflict", "Conflict", detail.clone()),
            Self::Pruned(id) => (
                StatusCode::CONFLICT,
                "pruned",
                "The batch was pruned",
                format!("batch {id} was accepted before and has been pruned since; it is not sent again. Use a new id for a new batch"),
            ),
            Self::TooLarge(most) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", format!("the limit is {most} bytes"))
            }
            Self::NoLength => (
                StatusCode::LENGTH_REQUIRED,
                "no-length",
                "Length required",
                "send `Content-Length`, or the body with `Transfer-Encoding: chunked`".into(),
            ),
            Self::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding",
                "Content encoding not supported",
                "send the body uncompressed, or with `Content-Encoding: gzip` or `deflate`".into(),
            ),
            Self::Backup(detail) => (StatusCode::INTERNAL_SERVER_ERROR, "backup", "Backup failed", detail.clone()),
            Self::Refused(status, detail) => (*status, REFUSED, "The provider refused", detail.clone()),
            Self::Provider(detail) => (StatusCode::BAD_GATEWAY, "provider", "No clear answer from the provider", detail.clone()),
            Self::Store(error, batch) => return store_problem(error, *batch),
        };
        Problem {
            kind: format!("{KIND}{kind}"),
            title: title.into(),
            status: status.as_u16(),
            detail,
            errors: if let Self::Invalid(_, errors) = self { errors.clone() } else { Vec::new() },
            batch: None,
        }
    }
}

/// The problem for an error of the store. Its text is fixed; the details are in the log.
fn store_problem(error: &StoreError, batch: Option<BatchId>) -> Problem {
    let repeat = if batch.is_some() { "; repeat the request with the `id` named in `batch`" } else { "" };
    let (kind, title, detail) = match error {
        StoreError::Busy => ("busy", "Busy", format!("too many requests are waiting, and nothing was changed; retry in a moment{repeat}")),
        StoreError::CommitUnknown => (
            "commit-unknown",
            "May have been written",
            format!("the storage failed during the commit, so the data may or may not have been stored{repeat}"),
        ),
        StoreError::Broken(_) => ("storage", "Storage failure", format!("the data could not be stored; `/readyz` says why{repeat}")),
        StoreError::QuarantineFull => (
            "quarantine-full",
            "The quarantine is full",
            "inspect it with `receiptd quarantine list`, then replay or drop its items".to_owned(),
        ),
        StoreError::Closing => ("closing", "The daemon is stopping", format!("retry when it is running again{repeat}")),
    };
    Problem { kind: format!("{KIND}{kind}"), title: title.into(), status: 503, detail, errors: Vec::new(), batch }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem().title)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let problem = self.problem();
        let mut response = HttpResponseBuilder::new(self.status_code());
        match self {
            Self::Method(allowed) => {
                response.insert_header((header::ALLOW, *allowed));
            }
            Self::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer")).force_close();
            }
            Self::Store(..) => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            Self::Encoding => {
                response.insert_header((header::ACCEPT_ENCODING, "gzip, deflate"));
            }
            Self::TooSlow | Self::NoLength => {
                response.force_close();
            }
            _ => {}
        }
        response.content_type("application/problem+json").body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error, None)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Invalid(refusal.detail, refusal.errors)
    }
}
