//! The only place where an error becomes a status.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};

use crate::api::{FieldError, Problem};
use crate::domain::BatchId;
use crate::store::StoreError;
use crate::submit::Refusal;

/// What `type` URIs of problems begin with.
const KIND: &str = "tag:receiptd,2026:problem/";
/// The end of the `type` of what the provider refused.
const REFUSED: &str = "provider-refused";
/// Seconds after which it is worth asking again: the queue is emptied in a fraction of that.
const RETRY_AFTER: &str = "1";

/// An answer that is no success.
#[derive(Debug)]
pub enum ApiError {
    /// 400: the request is wrong, field by field.
    Invalid(String, Vec<FieldError>),
    /// 401.
    Unauthorized,
    /// 404.
    NotFound(String),
    /// 404: it was there once, and has been pruned.
    Gone(BatchId),
    /// 405, with the methods that there are.
    Method(&'static str),
    /// 408: the body did not come in time.
    TooSlow,
    /// 409: it contradicts what is.
    Conflict(String),
    /// 409: the batch was pruned.
    Pruned(BatchId),
    /// 411: the request does not say how long its body is.
    NoLength,
    /// 413, with the bound.
    TooLarge(u64),
    /// 415: a `Content-Encoding` that is not read here.
    Encoding,
    /// 500: a copy of the database cannot be written, and why.
    Backup(String),
    /// 502: the provider gave no clear answer.
    Provider(String),
    /// 502, or 409 where it contradicts what is: the provider refused.
    Refused(StatusCode, String),
    /// 503 or 500: the store, and the batch it may have written all the same.
    Store(StoreError, Option<BatchId>),
}

impl ApiError {
    /// One bad field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid("the request is wrong; nothing was changed".into(), vec![FieldError::new(pointer, detail)])
    }

    fn problem(&self) -> Problem {
        let (status, kind, title, detail) = match self {
            Self::Invalid(detail, _) => (StatusCode::BAD_REQUEST, "invalid", "The request is wrong", detail.clone()),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "No valid token",
                "send `Authorization: Bearer <token>` with the content of api.token_file".into(),
            ),
            Self::NotFound(detail) => (StatusCode::NOT_FOUND, "not-found", "Not found", detail.clone()),
            Self::Gone(id) => (StatusCode::NOT_FOUND, "pruned", "The batch was pruned", format!("batch {id} was pruned")),
            Self::Method(allowed) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", format!("here one can use {allowed}"))
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", "the body did not arrive in time".into()),
            Self::Conflict(detail) => (StatusCode::CONFLICT, "conflict", "It contradicts what is", detail.clone()),
            Self::Pruned(id) => (
                StatusCode::CONFLICT,
                "pruned",
                "The batch was pruned",
                format!("batch {id} was accepted before and has been pruned since; it is not sent again. Use a new id for a new batch"),
            ),
            Self::TooLarge(most) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", format!("the body may have {most} bytes"))
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
                "send the body as it is, or with `Content-Encoding: gzip` or `deflate`".into(),
            ),
            Self::Backup(detail) => (StatusCode::INTERNAL_SERVER_ERROR, "backup", "No copy was made", detail.clone()),
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

/// 5xx answers carry fixed text; what happened is in the log.
fn store_problem(error: &StoreError, batch: Option<BatchId>) -> Problem {
    let repeat = if batch.is_some() { "; repeat the request with the `id` named in `batch`" } else { "" };
    let (kind, title, detail) = match error {
        StoreError::Busy => ("busy", "Too much is waiting", format!("nothing was changed; ask again in a moment{repeat}")),
        StoreError::CommitUnknown => (
            "commit-unknown",
            "Perhaps it was written",
            format!("the storage failed at the last moment, and it may have been written{repeat}"),
        ),
        StoreError::Broken(_) => ("storage", "The storage fails", format!("it could not be written; `/readyz` says why{repeat}")),
        StoreError::QuarantineFull => (
            "quarantine-full",
            "The quarantine is full",
            "look at it with `receiptd quarantine list`, then replay or drop what is there".to_owned(),
        ),
        StoreError::Closing => ("closing", "The daemon is stopping", format!("ask again once it is back{repeat}")),
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
