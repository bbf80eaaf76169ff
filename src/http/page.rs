//! Rendering pages of lists.

use actix_web::HttpResponse;
use serde::Serialize;

use crate::api::Page;

/// The answer with a page.
pub(super) fn answer<T: Serialize>(items: Vec<T>, next: Option<i64>) -> HttpResponse {
    HttpResponse::Ok().json(Page::of(items, next))
}
