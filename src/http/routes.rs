//! All routes of both listeners.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, Resource, Route};

use super::connections::Connections;
use super::error::ApiError;
use super::state::ApiState;
use super::{access, batches, export, numbers, ops, quarantine, receipts};
use crate::headers;

/// The public listener: `/callbacks/{batch}/{token}`. The handler parses this single path itself, because the router
/// would match a regular expression for each receipt.
pub fn public_routes(config: &mut ServiceConfig) {
    config.default_service(web::to(access::callback));
}

/// The private listener.
pub fn private_routes(config: &mut ServiceConfig) {
    let get = || web::get();
    let api = web::scope("/v1")
        .wrap(from_fn(authorized))
        .service(at("/batches", "GET, POST").route(get().to(batches::list)).route(web::post().to(batches::create)))
        .service(at("/batches/{id}", "GET, DELETE").route(get().to(batches::show)).route(web::delete().to(batches::cancel)))
        .service(at("/batches/{id}/destinations", "GET").route(get().to(batches::destinations)))
        .service(at("/batches/{id}/destinations/{number}", "GET").route(get().to(batches::destination)))
        .service(at("/batches/{id}/export", "GET").route(get().to(export::export)))
        .service(at("/batches/{id}/reconcile", "POST").route(web::post().to(batches::reconcile)))
        .service(at("/batches/{id}/resolve", "POST").route(web::post().to(batches::resolve)))
        .service(at("/batches/{id}/resend", "POST").route(web::post().to(batches::resend)))
        .service(at("/groups/{id}", "GET").route(get().to(batches::group)))
        .service(at("/ids", "GET").route(get().to(batches::ids)))
        .service(at("/receipts", "GET").route(get().to(receipts::list)))
        .service(at("/destinations/{number}", "GET, DELETE").route(get().to(numbers::show)).route(web::delete().to(numbers::forget)))
        .service(at("/quarantine", "GET").route(get().to(quarantine::list)))
        .service(at("/quarantine/{id}", "GET, DELETE").route(get().to(quarantine::show)).route(web::delete().to(quarantine::discard)))
        .service(at("/quarantine/{id}/replay", "POST").route(web::post().to(quarantine::replay)))
        .service(at("/stats", "GET").route(get().to(ops::stats)))
        .service(at("/codes", "GET").route(get().to(receipts::codes)))
        .service(at("/pause", "POST").route(web::post().to(ops::pause)))
        .service(at("/resume", "POST").route(web::post().to(ops::resume)))
        .service(at("/check", "POST").route(web::post().to(ops::check)))
        .service(at("/rotate-secret", "POST").route(web::post().to(ops::rotate_secret)))
        .service(at("/backup", "POST").route(web::post().to(ops::backup)))
        .service(at("/prune", "POST").route(web::post().to(ops::prune)))
        .service(at("/probe", "POST").route(web::post().to(ops::probe)))
        .default_service(web::to(nothing));
    config
        .service(at("/healthz", "GET").route(get().to(ops::healthz)))
        .service(at("/readyz", "GET").route(get().to(ops::readyz)))
        .service(at("/metrics", "GET").wrap(from_fn(authorized)).route(get().to(ops::metrics)))
        .service(at("/openapi.json", "GET").wrap(from_fn(authorized)).route(get().to(ops::openapi)))
        .service(at("/", "GET").route(get().to(ops::home)))
        .service(api)
        .default_service(web::to(nothing));
}

/// A path, and the answer to methods that it does not support.
fn at(path: &str, methods: &'static str) -> Resource {
    let other = move || async move { Err::<actix_web::HttpResponse, _>(ApiError::Method(methods)) };
    web::resource(path).default_service(Route::new().to(other))
}

async fn nothing() -> Result<actix_web::HttpResponse, ApiError> {
    Err(ApiError::NotFound("not found; the API is under /v1".into()))
}

/// Passes on requests that carry the token.
async fn authorized(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let _busy = Connections::busy(request.request());
    let token = headers::text(request.headers(), header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let known = request.app_data::<Data<ApiState>>().is_some_and(|state| token.is_some_and(|token| state.token.matches(token)));
    if known { next.call(request).await } else { Err(ApiError::Unauthorized.into()) }
}
