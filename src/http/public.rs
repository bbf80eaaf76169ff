//! The public listener, which serves only callbacks.

use std::sync::{Arc, RwLock};
use std::time::Instant;

use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::body::{Body, BodyBudget, body, has_length, packing};
use super::connections::{Connections, Current};
use super::error::ApiError;
use crate::api::Acknowledgement;
use crate::domain::{BatchId, CallbackSecrets};
use crate::lock;
use crate::metrics::Metrics;
use crate::probe::Probes;
use crate::receive::{self, Packing};
use crate::reconcile::Missed;
use crate::secret::Echo;
use crate::store::{Store, StoreError};

/// Shared by all handlers of the public listener.
pub struct PublicState {
    /// The store.
    pub store: Store,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The path prefix of `public_url`. A proxy may remove it or not.
    pub prefix: String,
    /// The secrets that tokens are checked with.
    pub secrets: Arc<RwLock<CallbackSecrets>>,
    /// `callback.max_body`, in bytes.
    pub max_body: u64,
    /// The memory budget for bodies larger than a single receipt.
    pub budget: BodyBudget,
    /// Secrets that a callback may echo and that must not be stored.
    pub echo: Echo,
    /// The probes of the public URL that are under way.
    pub probes: Probes,
    /// Callbacks that were refused (413, 503), so that the provider is soon asked about them.
    pub missed: Missed,
}

/// `POST {public_url}/callbacks/{batch}/{token}`. The path is checked before the method.
pub(super) async fn callback(request: HttpRequest, payload: Payload, state: Data<PublicState>) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    let answer = answer(request, payload, &state).await;
    let status = answer.as_ref().map_or_else(|error| error.status_code().as_u16(), |answer| answer.status().as_u16());
    state.metrics.callback(status, started.elapsed());
    answer
}

async fn answer(request: HttpRequest, payload: Payload, state: &PublicState) -> Result<HttpResponse, ApiError> {
    // Decoded, because some clients encode `-` or `_`.
    let path = request.match_info().as_str();
    let (batch, token) = authentic(path, state).ok_or_else(|| ApiError::NotFound("not found".into()))?;
    if request.method() != Method::POST {
        return Err(ApiError::Method("POST"));
    }
    if !has_length(request.headers()) {
        return Err(ApiError::NoLength);
    }
    let packing = packing(request.headers())?;
    // While its body is awaited, a connection counts as idle, so that nobody can keep honest senders out by holding
    // bodies back.
    let connection = Connections::of(&request);
    if let Some(connection) = &connection {
        connection.is_for(batch);
    }
    let body = match unpacked(&request, payload, packing, state, connection.as_ref()).await {
        Err(error @ (ApiError::TooLarge(_) | ApiError::Store(..))) => {
            state.missed.of(batch);
            if matches!(error, ApiError::TooLarge(_)) {
                log::warn!("batch {batch}: a callback larger than callback.max_body was refused");
            }
            return Err(error);
        }
        other => other?,
    };
    let _busy = connection.map(Current::busy);
    if state.probes.arrived(batch) {
        return Ok(HttpResponse::Ok().content_type("application/json").body(format!("{{\"probe\":\"{batch}\"}}")));
    }
    match receive::callback(&state.store, batch, state.echo.hide(body.bytes, token)).await {
        Ok(done) => {
            let unknown = done.recorded + done.duplicates == 0 && !done.quarantined.is_empty();
            let quarantined = serde_json::json!({"quarantined": done.quarantined});
            Ok(if unknown {
                HttpResponse::Accepted().json(quarantined)
            } else if done.quarantined.is_empty() && done.recorded == 1 && done.duplicates == 0 {
                HttpResponse::Ok().content_type("application/json").body(r#"{"recorded":1,"duplicates":0}"#)
            } else {
                HttpResponse::Ok().json(Acknowledgement {
                    recorded: done.recorded,
                    duplicates: done.duplicates,
                    quarantined: done.quarantined,
                })
            })
        }
        Err(error) => {
            if state.store.is_failing() {
                state.missed.of_any();
            } else {
                state.missed.of(batch);
            }
            if !matches!(error, StoreError::Busy) {
                log::debug!("batch {batch}: a callback was not recorded: {error}");
            }
            Err(error.into())
        }
    }
}

async fn unpacked(
    request: &HttpRequest,
    payload: Payload,
    packing: Option<Packing>,
    state: &PublicState,
    connection: Option<&Current>,
) -> Result<Body, ApiError> {
    let mut body = body(request, payload, state.max_body, &state.budget, connection).await?;
    if let Some(packing) = packing {
        body.unpack(packing, state.max_body, &state.budget)?;
    }
    Ok(body)
}

fn authentic<'a>(path: &'a str, state: &PublicState) -> Option<(BatchId, &'a str)> {
    let (batch, token) = named(path, &state.prefix)?;
    lock::read(&state.secrets).verify(batch, token).then_some((batch, token))
}

/// The batch and the token in a path, without the prefix of `public_url` (if a proxy removes it) or with it. Trying
/// without it first matters: a short prefix may also be the beginning of `/callbacks`. One additional slash at the end
/// is accepted.
fn named<'a>(path: &'a str, prefix: &str) -> Option<(BatchId, &'a str)> {
    let read = |path: &'a str| {
        let (batch, token) = path.strip_prefix("/callbacks/")?.split_once('/')?;
        Some((batch.parse().ok()?, token.strip_suffix('/').unwrap_or(token)))
    };
    read(path).or_else(|| read(path.strip_prefix(prefix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_found_with_the_prefix_and_without_it_whatever_the_prefix_is() {
        let id = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
        for prefix in ["", "/c", "/call", "/callbacks", "/receipts", "/a/b"] {
            for path in [format!("/callbacks/{id}/token"), format!("{prefix}/callbacks/{id}/token")] {
                for path in [path.clone(), format!("{path}/")] {
                    let (batch, token) = named(&path, prefix).unwrap_or_else(|| unreachable!("{prefix}: {path}"));
                    assert_eq!((batch.to_string().as_str(), token), (id, "token"));
                }
                assert_eq!(named(&format!("{path}//"), prefix).map(|(_, token)| token), Some("token/"));
            }
            for path in ["/", "/callbacks", "/callbacks/x/y", &format!("/other/callbacks/{id}/token"), &format!("/callbacks/{id}")] {
                assert_eq!(named(path, prefix).map(|(_, token)| token.len()), None, "{prefix}: {path}");
            }
        }
    }
}
