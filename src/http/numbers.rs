//! The endpoints for one number in all batches.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::batches::read_number;
use super::error::ApiError;
use super::query::Parameters;
use super::state::ApiState;
use crate::store::Forget;

/// `GET /v1/destinations/{number}`
pub(super) async fn show(request: HttpRequest, path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let number = read_number(&state, &path)?;
    let mut query = Parameters::of(&request)?;
    let (limit, cursor) = (query.limit(), query.cursor("cursor"));
    query.finish()?;
    let found = state.store.number(number, cursor, limit).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(nothing_known)?))
}

/// `DELETE /v1/destinations/{number}`
pub(super) async fn forget(path: Path<String>, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    match state.store.forget(read_number(&state, &path)?).await? {
        Forget::Done(forgotten) => Ok(HttpResponse::Ok().json(forgotten)),
        Forget::StillQueued(batch) => Err(ApiError::Conflict(format!(
            "batch {batch} with this number is still queued: cancel it first, or wait until it is submitted; nothing was changed"
        ))),
        Forget::Unknown => Err(nothing_known()),
    }
}

fn nothing_known() -> ApiError {
    ApiError::NotFound("nothing is known about this number".into())
}
