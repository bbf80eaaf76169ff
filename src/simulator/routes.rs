//! The routes of the provider's API and the regular answer to each call.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, TryIntoHeaderValue},
    rt,
    web::{self, Bytes, Data, ServiceConfig},
};
use serde_json::{Value, json};

use super::{
    Call, RequestSeen,
    batch::{Batch, Phase},
    codes,
    counts::Errand,
    details::Details,
    fate::Wave,
    ledger::Ledger,
    line,
    order::{Order, Refusal},
    reply::Reply,
};

/// The largest accepted body in bytes; the provider documents no limit.
const MAX_BODY: usize = 32 << 20;
/// The longest time that a `POST /batch` waits until its early receipts are answered.
const EARLY_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .service(
            web::resource("/batch")
                .post(|request, body, ledger| answer(Some(Call::Add), request, body, ledger))
                .get(|request, body, ledger| answer(Some(Call::List), request, body, ledger)),
        )
        .service(
            web::resource("/batch/{id}")
                .get(|request, body, ledger| answer(Some(Call::Details), request, body, ledger))
                .delete(|request, body, ledger| answer(Some(Call::Cancel), request, body, ledger)),
        )
        .service(web::resource("/dr-responses").get(|request, body, ledger| answer(Some(Call::Codes), request, body, ledger)))
        .default_service(web::to(|request, body, ledger| answer(None, request, body, ledger)));
}

async fn answer(call: Option<Call>, request: HttpRequest, body: Bytes, ledger: Data<Ledger>) -> HttpResponse {
    let ledger = ledger.into_inner();
    let mut response = work(call, request, body, ledger.clone()).await;
    let date = header::HttpDate::from(UNIX_EPOCH + Duration::from_millis(u64::try_from(ledger.now().as_millisecond()).unwrap_or(0)))
        .try_into_value();
    if let (Ok(date), false) = (date, response.headers().contains_key(header::DATE)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn work(call: Option<Call>, request: HttpRequest, body: Bytes, ledger: Arc<Ledger>) -> HttpResponse {
    let (query, key_right) = query(&request, &ledger.settings.key);
    ledger.note(seen(call, &request, &query, key_right, body.len(), &ledger));
    let Some(call) = call else {
        return Reply::from(Refusal::new(404, "no such path")).into();
    };
    let misbehaviour = ledger.misbehaviour(call);
    if let Some(script) = misbehaviour.as_ref().filter(|script| !script.works_first()) {
        return line::perform(&request, script.answer.clone(), None).await;
    }
    let honest = if key_right || call == Call::Codes {
        let identifier = request.match_info().get("id").unwrap_or_default();
        match call {
            Call::Add => add(&ledger, query, body).await,
            Call::List => Ok(Reply::json(200, &list(&ledger))),
            Call::Details => details(&ledger, identifier, &query),
            Call::Cancel => cancel(&ledger, identifier),
            Call::Codes => Ok(Reply::json(200, &codes::list())),
        }
    } else {
        Err(Refusal::new(ledger.settings.bad_key, "unknown key"))
    };
    let honest = honest.unwrap_or_else(Reply::from);
    match misbehaviour {
        Some(script) => line::perform(&request, script.answer, Some(honest)).await,
        None => honest.into(),
    }
}

/// The query parameters without the key, and whether the key is right.
fn query(request: &HttpRequest, key: &str) -> (Vec<(String, String)>, bool) {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map(web::Query::into_inner).unwrap_or_default();
    let key_right = pairs.iter().any(|(name, value)| name == "key" && value == key);
    let others = pairs.into_iter().filter(|(name, _)| name != "key").collect();
    (others, key_right)
}

fn seen(
    call: Option<Call>,
    request: &HttpRequest,
    query: &[(String, String)],
    key_right: bool,
    body_bytes: usize,
    ledger: &Ledger,
) -> RequestSeen {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_string(), value.replace(&ledger.settings.key, "***"))
    });
    RequestSeen {
        call,
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: query.to_vec(),
        headers: headers.collect(),
        key_right,
        body_bytes,
        at: ledger.now(),
    }
}

async fn add(ledger: &Arc<Ledger>, query: Vec<(String, String)>, body: Bytes) -> Result<Reply, Refusal> {
    let wire = &ledger.profile().wire;
    let taken = Order::read(query, body, &ledger.settings, wire).and_then(|order| ledger.take(order));
    let taken = taken.inspect_err(|_| ledger.counts.send_modify(|counts| counts.refused += 1))?;
    let batch = taken.batch;
    let identifier = batch.identifier.clone();
    if taken.fresh && batch.phase() == Phase::Taken {
        // Runs as a separate task, so that the batch is sent even if the client goes away.
        let sending = rt::spawn(send(Arc::clone(ledger), batch));
        let _ = sending.await;
    }
    Ok(Reply::json(200, &json!({"identifier": identifier})))
}

/// Posts the early receipts, waits for the latency, and starts posting the other receipts.
async fn send(ledger: Arc<Ledger>, batch: Arc<Batch>) {
    let errand = Errand::begin(&ledger.counts);
    let profile = &batch.profile;
    let begin = Instant::now();
    let mut wave = Wave::Whole;
    if profile.early > 0.0 && !profile.hold {
        wave = Wave::Late;
        let (done, mut all_done) = tokio::sync::mpsc::channel(1);
        ledger.dispatch(&batch, Wave::Early, &errand, Some(&done));
        drop(done);
        let _ = tokio::time::timeout(EARLY_PATIENCE, all_done.recv()).await;
    }
    let latency = super::chance::Chance::of(&[batch.chance, 7]).within(profile.latency);
    tokio::time::sleep(latency.saturating_sub(begin.elapsed())).await;
    if profile.hold {
        batch.advance(|phase| phase == Phase::Taken, Phase::Held);
    } else {
        batch.advance(|phase| phase == Phase::Taken, Phase::Sent(Instant::now()));
        ledger.dispatch(&batch, wave, &errand, None);
    }
}

/// The pending scheduled batches, in the different notations that the documentation uses.
fn list(ledger: &Ledger) -> Value {
    let (batches, now) = (ledger.batches(), ledger.now());
    let pending = batches.iter().filter_map(|batch| match batch.phase() {
        Phase::Scheduled(due) if due > now => Some((batch, due)),
        _ => None,
    });
    let rows: Vec<Value> = pending
        .enumerate()
        .map(|(index, (batch, due))| {
            let without_seconds = due.as_second() % 60 == 0;
            let form = match index % 3 {
                1 => "%Y-%m-%dT%H:%M:%S+00:00",
                2 if without_seconds => "%Y-%m-%dT%H:%MZ",
                _ => "%Y-%m-%dT%H:%M:%SZ",
            };
            let messages = batch.order.destinations.len();
            let units = messages * batch.order.parts;
            let mut row = json!({
                "identifier": batch.identifier,
                "at": due.strftime(form).to_string(),
                "from": batch.order.from,
                "messagecount": messages,
            });
            match index % 3 {
                0 => row["unitcount"] = json!(units),
                1 => row["unitcount"] = json!(units.to_string()),
                _ => {}
            }
            row
        })
        .collect();
    json!({"batches": rows})
}

/// The details of a batch. A cancelled batch is answered like an unknown one; the documentation does not say.
fn details(ledger: &Ledger, identifier: &str, query: &[(String, String)]) -> Result<Reply, Refusal> {
    let mut batches = ledger.find(identifier);
    batches.retain(|batch| batch.phase() != Phase::Cancelled);
    if batches.is_empty() {
        return Err(Refusal::new(404, "no such batch"));
    }
    let with_details = query.iter().any(|(name, value)| name == "details" && value == "true");
    let details = Details::of(batches.iter().map(Arc::as_ref), with_details);
    Ok(Reply::json(200, &details))
}

fn cancel(ledger: &Ledger, identifier: &str) -> Result<Reply, Refusal> {
    if ledger.cancel(identifier) {
        Ok(Reply::json(200, &json!({"identifier": identifier, "cancelled": true})))
    } else {
        Err(Refusal::new(404, "no such pending batch"))
    }
}
