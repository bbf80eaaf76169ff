//! The access log: one line per request, with the pattern of the path, because paths contain tokens and numbers.
//!
//! API requests that change something are logged at `info`, everything else at `debug`: the metrics count tens of
//! thousands of receipts per second, and single lines are only needed for debugging
//! (`RUST_LOG=info,receiptd::http::access=debug`).

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody, None};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{Data, Payload};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use log::Level;

use super::error::ApiError;
use super::public::{self, PublicState};
use crate::domain::BatchId;

/// Logs the requests to the private listener.
///
/// # Errors
/// Those of the wrapped service.
pub async fn logged(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let level = if request.method().is_safe() { Level::Debug } else { Level::Info };
    if !log::log_enabled!(level) {
        return next.call(request).await;
    }
    let (started, method) = (Instant::now(), request.method().clone());
    let route = request.match_pattern();
    let in_path = |route: &str| Some(request.path().split('/').nth(3)?.to_owned()).filter(|_| route.starts_with("/v1/batches/{id}"));
    let batch = route.as_deref().and_then(in_path);
    let answer = next.call(request).await;
    let (status, location) = match &answer {
        Ok(answer) => {
            (answer.status(), answer.headers().get(header::LOCATION).and_then(|to| Some(to.to_str().ok()?.rsplit('/').next()?.to_owned())))
        }
        Err(error) => (error.as_response_error().status_code(), None),
    };
    let batch = batch.or(location).and_then(|id| id.parse().ok());
    line(level, batch, &method, route.as_deref(), status, started);
    answer
}

/// Answers `HEAD` like `GET`, but without a body: a stream is not even started.
pub async fn head(mut request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse, Error> {
    if request.method() != Method::HEAD {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    request.head_mut().method = Method::GET;
    let answer = next.call(request).await?;
    Ok(answer.map_body(|_, _| BoxBody::new(None::new())))
}

/// Logs the requests to the public listener; wraps [`public::callback`].
pub(super) async fn callback(request: HttpRequest, payload: Payload, state: Data<PublicState>) -> Result<HttpResponse, ApiError> {
    if !log::log_enabled!(Level::Debug) {
        return public::callback(request, payload, state).await;
    }
    let (started, method) = (Instant::now(), request.method().clone());
    let path = request.path();
    let mut parts = path.strip_suffix('/').unwrap_or(path).rsplit('/').skip(1);
    let batch: Option<BatchId> = parts.next().and_then(|id| id.parse().ok()).filter(|_| parts.next() == Some("callbacks"));
    let answer = public::callback(request, payload, state).await;
    let status = answer.as_ref().map_or_else(ResponseError::status_code, HttpResponse::status);
    line(Level::Debug, batch, &method, batch.map(|_| "/callbacks/{batch}/{token}"), status, started);
    answer
}

fn line(level: Level, batch: Option<BatchId>, method: &Method, route: Option<&str>, status: StatusCode, started: Instant) {
    let of = batch.map(|batch| format!("batch {batch}: ")).unwrap_or_default();
    // A request may have any word as its method.
    let method = [Method::GET, Method::POST, Method::DELETE, Method::HEAD, Method::PUT, Method::PATCH, Method::OPTIONS]
        .iter()
        .find(|known| *known == method)
        .map_or("(other method)", Method::as_str);
    let (route, took) = (route.unwrap_or("(no such path)"), started.elapsed().as_secs_f64() * 1e3);
    log::log!(level, "{of}{method} {route} {} in {took:.1} ms", status.as_u16());
}
