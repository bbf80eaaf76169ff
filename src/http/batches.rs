//! Batches and groups.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Deserialize;

use super::body::body;
use super::error::ApiError;
use super::page;
use super::query::Parameters;
use super::state::ApiState;
use crate::api::{Accepted, Group, Resolution};
use crate::domain::{BatchId, Counts, DestinationState, IdPrefix, Msisdn, lifecycle, quoted};
use crate::provider::CallError;
use crate::reconcile::{self, ReconcileError};
use crate::store::{BatchFilter, DestinationFilter, Enqueued};
use crate::submit::{self, CancelOutcome, Resend};

type Answer = Result<HttpResponse, ApiError>;

/// The largest body of a batch: ample for 50,000 numbers.
const LARGEST_BODY: u64 = 8 << 20;
/// The largest body of other requests.
const SMALL_BODY: u64 = 64 << 10;

/// `POST /v1/batches`
pub(super) async fn create(request: HttpRequest, payload: Payload, state: Data<ApiState>) -> Answer {
    let body = body(&request, payload, LARGEST_BODY, &state.budget, None).await?;
    let now = state.clock.now();
    let intake = state.intake;
    let asked = actix_web::web::block(move || intake.read(&body.bytes, now))
        .await
        .map_err(|_| ApiError::Store(crate::store::StoreError::Closing, None))??;
    let id = asked.batch.id;
    let failed = |error| ApiError::Store(error, Some(id));
    let outcome = match asked.unless_known {
        None => state.store.enqueue(asked.batch).await.map_err(failed)?,
        Some(refusal) => state.store.taken_before(asked.batch).await.map_err(failed)?.ok_or(refusal)?,
    };
    match outcome {
        Enqueued::New(batch) => Ok(accepted(id).json(Accepted { batch, numbers: asked.numbers })),
        Enqueued::Same(batch) => Ok(HttpResponse::Ok().json(Accepted { batch, numbers: asked.numbers })),
        Enqueued::Different => Err(ApiError::Conflict(format!(
            "{id} is the id of a batch with different content; nothing was changed. Use a new id for a new batch"
        ))),
        Enqueued::Pruned => Err(ApiError::Pruned(id)),
    }
}

fn accepted(id: BatchId) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, format!("/v1/batches/{id}")));
    answer
}

/// `GET /v1/batches`
pub(super) async fn list(request: HttpRequest, state: Data<ApiState>) -> Answer {
    let mut query = Parameters::of(&request)?;
    let filter = BatchFilter {
        state: query
            .parsed("state", "a state: queued, submitting, scheduled, submitted, complete, rejected, unconfirmed, cancelled or validated"),
        group: query.parsed("group", "a UUID"),
        reference: query.text("reference"),
        created_after: query.parsed("created_after", "a time such as 2026-12-24T09:00Z"),
        created_before: query.parsed("created_before", "a time such as 2026-12-24T09:00Z"),
    };
    let (limit, cursor) = (query.limit(), query.cursor("cursor"));
    query.finish()?;
    let (batches, next) = state.store.batches(filter, cursor, limit).await?;
    Ok(page::answer(batches, next))
}

/// `GET /v1/ids`
pub(super) async fn ids(request: HttpRequest, state: Data<ApiState>) -> Answer {
    let mut query = Parameters::of(&request)?;
    let prefix: IdPrefix = query.parsed("prefix", "the beginning of an id: 1 to 32 hexadecimal digits").unwrap_or_default();
    let limit = query.limit();
    query.finish()?;
    Ok(page::answer(state.store.ids(prefix, limit).await?, None))
}

/// `GET /v1/batches/{id}`
pub(super) async fn show(path: Path<String>, state: Data<ApiState>) -> Answer {
    let id = batch_id(&path)?;
    match state.store.batch(id).await? {
        Some(batch) => Ok(HttpResponse::Ok().json(batch)),
        None if state.store.is_pruned(id).await? => Err(ApiError::Gone(id)),
        None => Err(unknown(id)),
    }
}

/// `GET /v1/groups/{id}`
pub(super) async fn group(path: Path<String>, state: Data<ApiState>) -> Answer {
    let id = batch_id(&path)?;
    let (batches, pruned) = state.store.group(id).await?;
    if batches.is_empty() && pruned == 0 {
        return Err(ApiError::NotFound(format!("group {id} does not exist")));
    }
    let mut counts = Counts::default();
    batches.iter().for_each(|batch| counts.add(&batch.counts));
    Ok(HttpResponse::Ok().json(Group { id, counts, batches, pruned }))
}

/// `DELETE /v1/batches/{id}`
pub(super) async fn cancel(path: Path<String>, state: Data<ApiState>) -> Answer {
    let id = batch_id(&path)?;
    match submit::cancel(&state.store, &state.provider, id, state.clock.now()).await? {
        CancelOutcome::Done(batch) => Ok(HttpResponse::Ok().json(batch)),
        CancelOutcome::TooLate(why) => Err(ApiError::Conflict(format!("batch {id} cannot be cancelled: {why}"))),
        CancelOutcome::Refused(why) => {
            let told = format!("batch {id} cannot be cancelled: the provider refused: {why}");
            Err(ApiError::Refused(StatusCode::CONFLICT, told))
        }
        CancelOutcome::Unclear(why) => {
            Err(ApiError::Provider(format!("the batch is unchanged, and the provider may have cancelled it; try again. {why}")))
        }
        CancelOutcome::Unknown => Err(unknown(id)),
    }
}

/// `POST /v1/batches/{id}/resend`
pub(super) async fn resend(request: HttpRequest, path: Path<String>, payload: Payload, state: Data<ApiState>) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[serde(default)]
        state: Option<DestinationState>,
    }
    let id = batch_id(&path)?;
    let wish: Option<Wish> = decision(&request, payload, &state, r#"{"state":"failed"}"#).await?;
    let wanted = wish.and_then(|wish| wish.state).unwrap_or(DestinationState::Failed);
    match submit::resend(&state.store, id, wanted).await.map_err(|error| ApiError::Store(error, None))? {
        Resend::New(batch) => Ok(accepted(batch.id).json(batch)),
        Resend::Same(batch) => Ok(HttpResponse::Ok().json(batch)),
        Resend::Refused(why) => Err(ApiError::Conflict(why)),
        Resend::Unknown => Err(unknown(id)),
    }
}

/// `POST /v1/batches/{id}/resolve`
pub(super) async fn resolve(request: HttpRequest, path: Path<String>, payload: Payload, state: Data<ApiState>) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[serde(rename = "as")]
        resolution: Resolution,
    }
    let id = batch_id(&path)?;
    let expected = r#"{"as":"accepted"}, {"as":"resubmit"} or {"as":"abandoned"}"#;
    let wish: Option<Wish> = decision(&request, payload, &state, expected).await?;
    let wish = wish.ok_or_else(|| ApiError::field("/as", format!("is missing: send {expected}")))?;
    match state.store.change(id, move |batch, now| lifecycle::resolve(batch, wish.resolution, now)).await? {
        Some((batch, Ok(()))) => Ok(HttpResponse::Ok().json(batch)),
        Some((_, Err(now))) => {
            Err(ApiError::Conflict(format!("batch {id} is {now}: only unconfirmed batches can be decided by hand; nothing was changed")))
        }
        None => Err(unknown(id)),
    }
}

/// `POST /v1/batches/{id}/reconcile`
pub(super) async fn reconcile(path: Path<String>, state: Data<ApiState>) -> Answer {
    let id = batch_id(&path)?;
    match reconcile::pull(&state.store, &state.provider, id, state.deadline.due()).await {
        Ok(Some(found)) => Ok(HttpResponse::Ok().json(found)),
        Ok(None) => Err(unknown(id)),
        Err(ReconcileError::Store(error)) => Err(error.into()),
        Err(ReconcileError::Provider(error)) => {
            let told = format!("{error}: {}", error.trouble().detail);
            Err(match error {
                CallError::Unauthorized(_) => ApiError::Refused(StatusCode::BAD_GATEWAY, told),
                _ => ApiError::Provider(told),
            })
        }
    }
}

/// `GET /v1/batches/{id}/destinations`
pub(super) async fn destinations(request: HttpRequest, path: Path<String>, state: Data<ApiState>) -> Answer {
    let id = batch_id(&path)?;
    let mut query = Parameters::of(&request)?;
    let filter = DestinationFilter {
        state: destination_state(&mut query),
        code: query.text("code").map(crate::domain::ReceiptCode::new),
        conflict: query.parsed("conflict", "true or false"),
    };
    let (limit, cursor) = (query.limit(), query.cursor("cursor"));
    query.finish()?;
    // Erased numbers are negative, so the first page starts below them.
    let after = cursor.unwrap_or(i64::MIN);
    let (_, found, next) = state.store.destinations(id, filter, after, limit).await?.ok_or_else(|| unknown(id))?;
    Ok(page::answer(found, next))
}

/// `GET /v1/batches/{id}/destinations/{number}`
pub(super) async fn destination(path: Path<(String, String)>, state: Data<ApiState>) -> Answer {
    let (id, number) = path.into_inner();
    let id = batch_id(&id)?;
    let number = read_number(&state, &number)?;
    let found = state.store.destination(id, number).await?;
    let missing = || ApiError::NotFound(format!("batch {id} does not exist or does not contain this number"));
    Ok(HttpResponse::Ok().json(found.ok_or_else(missing)?))
}

pub(super) fn destination_state(query: &mut Parameters) -> Option<DestinationState> {
    query.parsed("state", "a state: queued, submitted, delivered, failed, expired, cancelled, rejected or validated")
}

/// An id in a path. An invalid one is answered like an unknown one.
pub(super) fn batch_id(text: &str) -> Result<BatchId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("the id in the path is not a UUID".into()))
}

pub(super) fn unknown(id: BatchId) -> ApiError {
    ApiError::NotFound(format!("batch {id} does not exist"))
}

/// A number in a path, with or without a plus.
pub(super) fn read_number(state: &ApiState, text: &str) -> Result<Msisdn, ApiError> {
    let read = state.intake.numbers.read(text).map(|read| read.number);
    read.map_err(|error| ApiError::field("number", format!("the number in the path, {}, {error}", quoted(text))))
}

/// The small body of a request; `None` if it is empty.
pub(super) async fn decision<T: serde::de::DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    state: &ApiState,
    expected: &str,
) -> Result<Option<T>, ApiError> {
    let body = body(request, payload, SMALL_BODY, &state.budget, None).await?.bytes;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| (pointer(&error), error.into_inner()));
    read.and_then(|decision| reader.end().map(|()| Some(decision)).map_err(|error| (String::new(), error)))
        .map_err(|(pointer, error)| ApiError::field(pointer, format!("the body must be {expected}: {error}")))
}

/// The field that is wrong, missing or given twice.
fn pointer(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let said = error.inner().to_string();
    let named = said.strip_prefix("missing field `").or_else(|| said.strip_prefix("duplicate field `"));
    let missing = named.and_then(|rest| rest.split('`').next());
    let path = error.path().iter().filter_map(|segment| match segment {
        serde_path_to_error::Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    path.chain(missing).map(|name| format!("/{name}")).collect()
}
