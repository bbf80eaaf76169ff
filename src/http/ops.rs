//! Operating the daemon: health, totals, pausing, checking.

use std::path::{Path, PathBuf};

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::accept;
use super::batches::decision;
use super::error::ApiError;
use super::state::ApiState;
use crate::api::{Backup, BatchState, Checked, Condition, Look, Paused, Probed, PruneRequest, Readiness, Rotated};
use crate::lock;
use crate::metrics::{self, Format, Process};
use crate::probe::Reached;
use crate::provider::Errand;
use crate::retention;
use crate::store::{BackupError, StoreError};

type Answer = Result<HttpResponse, ApiError>;

/// `GET /healthz`: the daemon is running.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"alive": true}))
}

/// `GET /readyz`: whether receipts can be recorded.
pub(super) async fn readyz(state: Data<ApiState>) -> HttpResponse {
    let reasons = state.store.fault().await.map(|why| (Condition::Storage, why)).into_iter().collect();
    let ready = Readiness::new(reasons, degraded(&state).await);
    if ready.ready { HttpResponse::Ok().json(ready) } else { HttpResponse::ServiceUnavailable().json(ready) }
}

/// What else is wrong while receipts are recorded.
async fn degraded(state: &ApiState) -> Vec<(Condition, String)> {
    let of_errand = |errand| if errand == Errand::Submitting { Condition::Submitting } else { Condition::Asking };
    let troubles = state.standing.troubles().into_iter();
    let mut degraded: Vec<_> = troubles.map(|(errand, why)| (of_errand(errand), format!("provider: {why}"))).collect();
    match state.store.stats().await {
        Ok(stats) => {
            if stats.paused {
                degraded.push((Condition::Paused, "paused: nothing is sent until `receiptd resume`".into()));
            }
            match stats.batches.get(&BatchState::Unconfirmed) {
                Some(&unconfirmed) if unconfirmed > 0 => degraded.push((Condition::Unconfirmed, format!(
                    "{unconfirmed} batches are unconfirmed: the provider may or may not have them (`receiptd batches --state unconfirmed`, then `receiptd resolve`)"
                ))),
                _ => {}
            }
        }
        Err(error) => degraded.push((Condition::Totals, format!("the totals cannot be read: {error}"))),
    }
    if let Ok(true) = state.store.quarantine_is_full().await {
        let what =
            "the quarantine is full: callbacks that cannot be understood are refused (`receiptd quarantine list`, then replay or drop)";
        degraded.push((Condition::QuarantineFull, what.into()));
    }
    if state.public_url.reached_us() == Some(false) {
        let what = "public_url does not reach this daemon, so receipts may not arrive (`receiptd doctor` says more)";
        degraded.push((Condition::PublicUrl, what.into()));
    }
    degraded
}

/// `GET /metrics`, in the format that the `Accept` header asks for.
pub(super) async fn metrics(request: HttpRequest, state: Data<ApiState>) -> Answer {
    let format = if accept::prefers_openmetrics(request.headers()) { Format::OpenMetrics } else { Format::Classic };
    let mut gauges = state.store.gauges(state.after).await?;
    gauges.public_url_reachable = state.public_url.reached_us();
    let process = actix_web::web::block(Process::read).await.map_err(|_| StoreError::Closing)?;
    let shown = metrics::render(state.metrics.clone(), gauges, process, format).map_err(|_| StoreError::Busy)?;
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(shown))
}

/// `GET /openapi.json`
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().json(crate::openapi::document())
}

/// `GET /`: a small page about the daemon and its state.
pub(super) async fn home(state: Data<ApiState>) -> HttpResponse {
    let condition = match state.store.fault().await {
        None => "Receipts are being recorded.",
        Some(_) => "Receipts cannot be recorded at the moment: see /readyz.",
    };
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>receiptd</title>\
         <h1>receiptd {}</h1><p>{condition}</p>\
         <p>The REST API is under <code>/v1</code>, with a bearer token; <a href=\"/readyz\">/readyz</a> tells the state.</p>\
         <p>Documentation: <code>man receiptd</code> and <code>receiptd --help</code>; the API as <code>/openapi.json</code>; pages in \
         <code>docs/</code> of the repository, or <code>/usr/share/doc/receiptd/docs</code>.</p></html>",
        env!("CARGO_PKG_VERSION")
    ))
}

/// `GET /v1/stats`
pub(super) async fn stats(state: Data<ApiState>) -> Answer {
    Ok(HttpResponse::Ok().json(state.store.stats().await?))
}

/// `POST /v1/pause`
pub(super) async fn pause(state: Data<ApiState>) -> Answer {
    set_paused(&state, true).await
}

/// `POST /v1/resume`
pub(super) async fn resume(state: Data<ApiState>) -> Answer {
    set_paused(&state, false).await
}

async fn set_paused(state: &ApiState, paused: bool) -> Answer {
    state.store.set_paused(paused).await?;
    log::info!("{}", if paused { "paused: nothing is sent" } else { "resumed: batches are being sent" });
    Ok(HttpResponse::Ok().json(Paused { paused }))
}

/// `POST /v1/check`
pub(super) async fn check(state: Data<ApiState>) -> Answer {
    let problems = state.store.check().await?;
    Ok(HttpResponse::Ok().json(Checked { ok: problems.is_empty(), problems }))
}

/// `POST /v1/backup`
pub(super) async fn backup(request: HttpRequest, payload: Payload, state: Data<ApiState>) -> Answer {
    let wish: Option<Backup> = decision(&request, payload, &state, r#"{"file":"/an/absolute/path"}"#).await?;
    let Some(wish) = wish else { return Err(ApiError::field("/file", "is missing: give the absolute path of the copy")) };
    let to = PathBuf::from(&wish.file);
    if !to.is_absolute() || to.file_name().is_none() {
        return Err(ApiError::field("/file", format!("`{}` is not the absolute path of a file", wish.file)));
    }
    match state.store.backup(to).await {
        Ok(()) => {
            log::info!("backed up the database to {}", wish.file);
            Ok(HttpResponse::Ok().json(wish))
        }
        Err(error @ BackupError::Exists(_)) => Err(ApiError::Conflict(error.to_string())),
        Err(BackupError::Closing) => Err(StoreError::Closing.into()),
        Err(error @ BackupError::Reserved(_)) => Err(ApiError::field("/file", error.to_string())),
        Err(error) => {
            let folder = state.store.path().parent().unwrap_or(Path::new("/")).display();
            let detail = format!("{error}; the daemon can write to {folder}, the folder of its database");
            log::error!("backup failed: {detail}");
            Err(ApiError::Backup(detail))
        }
    }
}

/// `POST /v1/prune`
pub(super) async fn prune(request: HttpRequest, payload: Payload, state: Data<ApiState>) -> Answer {
    let wish: Option<PruneRequest> = decision(&request, payload, &state, r#"{"older_than":"90d","dry_run":true}"#).await?;
    let Some(wish) = wish else { return Err(ApiError::field("/older_than", "is missing: give a duration such as 90d")) };
    let age = humantime::parse_duration(&wish.older_than)
        .map_err(|error| ApiError::field("/older_than", format!("`{}` is not a duration such as 90d: {error}", wish.older_than)))?;
    let now = retention::time_by_hand(&state.provider, &state.clock).await;
    let pruned = state.store.prune(now.minus(age), wish.dry_run).await?;
    if !wish.dry_run {
        log::info!("pruned {} batches with {} receipts", pruned.batches, pruned.receipts);
    }
    Ok(HttpResponse::Ok().json(pruned))
}

/// `POST /v1/rotate-secret`
pub(super) async fn rotate_secret(request: HttpRequest, payload: Payload, state: Data<ApiState>) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[serde(default)]
        revoke: bool,
    }
    let wish: Option<Wish> = decision(&request, payload, &state, r#"{"revoke":true}, or nothing"#).await?;
    let revoke = wish.is_some_and(|wish| wish.revoke);
    let accepted = state.store.rotate_secret(revoke).await?;
    if let Some(secrets) = state.store.callback_secrets() {
        *lock::write(&state.secrets) = secrets;
    }
    log::info!("new callback secret in use{}", if revoke { "; earlier callback URLs are refused" } else { "" });
    Ok(HttpResponse::Ok().json(Rotated { accepted }))
}

/// `POST /v1/probe`
pub(super) async fn probe(state: Data<ApiState>) -> Answer {
    let ((public_url, largest_body), time) = futures_util::join!(probe_public_url(&state), state.provider.time());
    let now = state.clock.now();
    let provider_clock_ahead = time.as_ref().ok().copied().flatten().map(|theirs| (theirs.as_millis() - now.as_millis()) / 1_000);
    let provider = match time {
        Ok(_) => Look { ok: true, detail: "it answers and accepts the key".into() },
        Err(error) => Look { ok: false, detail: error.to_string() },
    };
    let traffic = state.store.traffic().await?;
    Ok(HttpResponse::Ok().json(Probed {
        database: state.store.path().display().to_string(),
        public_url,
        largest_body,
        provider,
        provider_clock_ahead,
        traffic,
    }))
}

/// Checks whether the public URL reaches this daemon, and then whether the largest callback does.
async fn probe_public_url(state: &ApiState) -> (Look, Option<Look>) {
    if let Reached::No(detail) = state.prober.probe(0).await {
        return (Look { ok: false, detail }, None);
    }
    let size = bytesize::ByteSize(state.max_body);
    let largest = match state.prober.probe(usize::try_from(state.max_body).unwrap_or(usize::MAX)).await {
        Reached::Yes => Look { ok: true, detail: format!("callbacks of {size} arrive, as callback.max_body allows") },
        Reached::No(why) => {
            Look { ok: false, detail: format!("small callbacks arrive, but one of {size} (callback.max_body) does not: {why}") }
        }
    };
    (Look { ok: true, detail: "public_url reaches this daemon".into() }, Some(largest))
}
