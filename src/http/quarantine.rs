//! The endpoints for callbacks that could not be understood.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::page;
use super::query::Parameters;
use super::state::ApiState;
use crate::api::Acknowledgement;
use crate::receive::{self, Replayed};

/// `GET /v1/quarantine`
pub(super) async fn list(request: HttpRequest, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let mut query = Parameters::of(&request)?;
    let wanted = query.parsed("state", "a state: waiting, replayed or dropped");
    let (limit, cursor) = (query.limit(), query.cursor("cursor"));
    query.finish()?;
    let (items, next) = state.store.quarantine(wanted, cursor, limit).await?;
    Ok(page::answer(items, next))
}

/// `GET /v1/quarantine/{id}`
pub(super) async fn show(path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let (mut item, body) = state.store.quarantined(item_id(&path)?).await?.ok_or_else(unknown)?;
    item.body = Some(String::from_utf8_lossy(&body).into_owned());
    Ok(HttpResponse::Ok().json(item))
}

/// `DELETE /v1/quarantine/{id}`
pub(super) async fn discard(path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let id = item_id(&path)?;
    if state.store.drop_quarantined(id).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    let (item, _) = state.store.quarantined(id).await?.ok_or_else(unknown)?;
    Err(ApiError::Conflict(format!("it has already been {}", item.state)))
}

/// `POST /v1/quarantine/{id}/replay`
pub(super) async fn replay(path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    match receive::replay(&state.store, item_id(&path)?).await? {
        Replayed::Done(done) => Ok(HttpResponse::Ok().json(Acknowledgement {
            recorded: done.recorded,
            duplicates: done.duplicates,
            quarantined: done.quarantined,
        })),
        Replayed::StillNotUnderstood(why) => Err(ApiError::Conflict(format!("it stays in the quarantine: {why}"))),
        Replayed::Unknown => Err(unknown()),
    }
}

fn item_id(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| unknown())
}

fn unknown() -> ApiError {
    ApiError::NotFound("this item is not in the quarantine".into())
}
