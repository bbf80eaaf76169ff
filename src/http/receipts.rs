//! The receipt log and the meanings of codes.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::accept;
use super::error::ApiError;
use super::page;
use super::query::Parameters;
use super::state::ApiState;
use crate::store::ReceiptFilter;

/// `GET /v1/receipts`: a page, or a live stream if the client asks for one.
pub(super) async fn list(request: HttpRequest, state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    if accept::prefers_stream(request.headers()) {
        return super::stream::stream(&request, state).await;
    }
    let mut query = Parameters::of(&request)?;
    let after = query.cursor("after").unwrap_or(0);
    let filter = ReceiptFilter { batch: query.parsed("batch", "a UUID"), delivered: query.parsed("delivered", "true or false") };
    let limit = query.limit();
    query.finish()?;
    let (receipts, next) = state.store.receipts(after, filter, limit).await?;
    Ok(page::answer(receipts, next))
}

/// `GET /v1/codes`
pub(super) async fn codes(state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    Ok(page::answer(state.store.codes().await?, None))
}
