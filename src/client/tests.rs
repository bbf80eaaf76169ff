use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::api::{BatchId, BatchRequest, BatchState, DestinationState, Problem};

const TOKEN: &str = "t0ken-that-never-shows";

fn batch(id: BatchId) -> serde_json::Value {
    json!({
        "id": id, "provider_id": null, "group": null, "resend_of": null, "reference": null, "state": "queued",
        "from": "me", "message": "hello", "parts": 1, "channel": null, "fallback_channels": [], "send_at": null,
        "allow_multi": false, "dry_run": false, "counts": {"total": 1, "queued": 1}, "attempts": 0, "last_error": null,
        "created_at": "2026-01-01T09:00:00.000Z", "submitted_at": null, "completed_at": null
    })
}

fn request(id: Option<BatchId>) -> BatchRequest {
    BatchRequest { from: "me".into(), message: "hello".into(), destinations: vec!["+447700900123".into()], id, ..Default::default() }
}

/// The requests that the server received: method, path with query, authorization, body, last event.
type Asked = Arc<Mutex<Vec<(String, String, String, String, String)>>>;

/// A server whose `n`th answer is `answers(n)`.
async fn server(answers: fn(usize) -> HttpResponse) -> (Client, Asked, ServerHandle) {
    let asked = Asked::default();
    let seen = web::Data::from(Arc::new(asked.clone()));
    let server = HttpServer::new(move || {
        App::new().app_data(seen.clone()).default_service(web::to(
            move |request: HttpRequest, body: String, seen: web::Data<Asked>| async move {
                let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
                let mut seen = seen.lock().expect("not poisoned");
                seen.push((
                    request.method().to_string(),
                    request.uri().to_string(),
                    header("authorization"),
                    body,
                    header("last-event-id"),
                ));
                answers(seen.len() - 1)
            },
        ))
    })
    .workers(1)
    .disable_signals()
    .bind("127.0.0.1:0")
    .expect("a free port");
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (Client::new(&format!("http://{address}/"), TOKEN), asked, handle)
}

/// A server that answers one connection with exactly these bytes and closes it.
async fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    actix_web::rt::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(answer).await;
    });
    address
}

async fn raw_client(answer: &'static [u8]) -> Client {
    Client::new(&format!("http://{}", raw(answer).await), TOKEN)
}

#[actix_web::test]
async fn a_new_batch_is_told_from_a_known_one() {
    let (client, asked, server) = server(|n| match n {
        0 => HttpResponse::Accepted().json(batch(BatchId::random())),
        _ => HttpResponse::Ok().json(batch(BatchId::random())),
    })
    .await;
    let request = request(Some(BatchId::random()));
    assert!(client.submit(&request).await.expect("accepted").1);
    assert!(!client.submit(&request).await.expect("known").1);
    let asked = asked.lock().expect("not poisoned").clone();
    assert_eq!((asked[0].0.as_str(), asked[0].1.as_str()), ("POST", "/v1/batches"));
    assert_eq!(asked[0].2, format!("Bearer {TOKEN}"));
    server.stop(false).await;
}

#[actix_web::test]
async fn a_problem_keeps_status_detail_and_fields() {
    let (client, _, server) = server(|_| {
        HttpResponse::BadRequest().content_type("application/problem+json").json(json!({
            "type": "/problems/invalid", "title": "Invalid request", "status": 400, "detail": "invalid request",
            "errors": [{"pointer": "/destinations/0", "detail": "has 3 digits"}]
        }))
    })
    .await;
    let error = client.submit(&request(None)).await.err().expect("a problem");
    assert_eq!(error.problem(400).map(|problem| problem.kind.as_str()), Some("/problems/invalid"));
    assert_eq!(error.to_string(), "invalid request\n- /destinations/0: has 3 digits");
    assert!(!error.is_not_found());
    server.stop(false).await;
}

#[actix_web::test]
async fn a_no_that_is_not_ours_is_told_all_the_same() {
    let (client, _, server) = server(|_| HttpResponse::BadGateway().body("no upstream")).await;
    let error = client.pause().await.expect_err("a refusal");
    assert!(error.problem(502).is_some_and(|Problem { detail, .. }| detail.contains("no upstream")), "{error}");
    server.stop(false).await;
}

#[actix_web::test]
async fn a_busy_daemon_is_asked_again_with_the_same_id() {
    let (client, asked, server) = server(|n| match n {
        0 | 1 => HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "0")).finish(),
        _ => HttpResponse::Accepted().json(batch(BatchId::random())),
    })
    .await;
    let id = BatchId::random();
    assert!(client.submit(&request(Some(id))).await.expect("accepted in the end").1);
    let bodies: Vec<String> = asked.lock().expect("not poisoned").iter().map(|asked| asked.3.clone()).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0] && body.contains(&id.to_string())));
    server.stop(false).await;
}

#[actix_web::test]
async fn without_an_id_or_without_retry_after_nothing_is_sent_twice() {
    let (client, asked, server) = server(|n| match n {
        0 => HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "0")).finish(),
        _ => HttpResponse::ServiceUnavailable().finish(),
    })
    .await;
    assert!(client.submit(&request(None)).await.err().expect("busy").problem(503).is_some());
    assert!(client.submit(&request(Some(BatchId::random()))).await.err().expect("busy").problem(503).is_some());
    assert_eq!(asked.lock().expect("not poisoned").len(), 2);
    server.stop(false).await;
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let (client, asked, server) = server(|_| HttpResponse::TemporaryRedirect().insert_header(("Location", "/elsewhere")).finish()).await;
    let error = client.submit(&request(Some(BatchId::random()))).await.err().expect("no answer of ours");
    assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    assert_eq!(asked.lock().expect("not poisoned").len(), 1);
    server.stop(false).await;
}

#[actix_web::test]
async fn filters_are_written_into_the_query() {
    let (client, asked, server) = server(|_| HttpResponse::Ok().json(json!({"items": [], "next": null}))).await;
    let filter =
        BatchFilter { state: Some(BatchState::Unconfirmed), reference: Some("a&b=c d".into()), limit: Some(7), ..Default::default() };
    client.batches(&filter).await.expect("an empty page");
    assert_eq!(asked.lock().expect("not poisoned")[0].1, "/v1/batches?state=unconfirmed&reference=a%26b%3Dc+d&limit=7");
    server.stop(false).await;
}

#[actix_web::test]
async fn both_answers_of_readyz_are_understood() {
    let (client, _, server) = server(|n| match n {
        0 => HttpResponse::Ok().json(
            json!({"ready": true, "degraded": ["paused", "of a later version", "of an older one"], "degraded_kinds": ["paused", "tired"]}),
        ),
        1 => HttpResponse::ServiceUnavailable().json(json!({"ready": false, "reasons": ["disk full"]})),
        _ => HttpResponse::Ok().finish(),
    })
    .await;
    let ready = client.ready().await.expect("ready");
    let degraded: Vec<_> = ready.degraded().collect();
    use crate::api::Condition::{Other, Paused};
    assert_eq!(degraded, [(Paused, "paused"), (Other, "of a later version"), (Other, "of an older one")]);
    assert_eq!(client.ready().await.expect("not ready").reasons, ["disk full"]);
    assert!(client.clock().await.expect("an answer").is_some(), "actix sends a Date");
    server.stop(false).await;
}

#[actix_web::test]
async fn nobody_listening_is_unreachable_and_no_error_shows_the_token() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let client = Client::new(&format!("http://{free}"), TOKEN);
    let error = client.ready().await.expect_err("nothing listens");
    assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?} {client:?}").contains(TOKEN));
}

#[actix_web::test]
async fn a_connection_closed_without_an_answer_is_unreachable() {
    let error = raw_client(b"").await.ready().await.expect_err("no answer");
    assert!(matches!(error, ClientError::Unreachable(_)), "{error}");
}

#[actix_web::test]
async fn an_answer_cut_short_is_not_taken_for_whole() {
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbatch,destination\n1,2\n";
    let error = raw_client(CUT).await.batches(&BatchFilter::default()).await.err().expect("cut short");
    assert!(matches!(&error, ClientError::Unreadable(text) if text.contains("of 100 bytes")), "{error}");

    let mut sink = Vec::new();
    let exported = raw_client(CUT).await.export(BatchId::random(), ExportFormat::Csv, None, &mut sink).await;
    assert!(matches!(exported, Err(ClientError::Unreadable(_))));
    assert_eq!(sink, b"batch,destination\n1,2\n");
}

#[actix_web::test]
async fn an_export_is_written_as_it_comes_or_refused() {
    let (client, asked, server) = server(|n| match n {
        0 => HttpResponse::Ok().body("a,b\n1,2\n"),
        _ => HttpResponse::NotFound().json(json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such batch"})),
    })
    .await;
    let mut sink = Vec::new();
    client.export(BatchId::random(), ExportFormat::Ndjson, Some(DestinationState::Failed), &mut sink).await.expect("exported");
    assert_eq!(sink, b"a,b\n1,2\n");
    assert!(asked.lock().expect("not poisoned")[0].1.ends_with("/export?format=ndjson&state=failed"));
    let error = client.export(BatchId::random(), ExportFormat::Csv, None, &mut sink).await.expect_err("refused");
    assert!(error.is_not_found());
    server.stop(false).await;
}

#[actix_web::test]
async fn what_is_not_http_is_unreadable() {
    let error = raw_client(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await.ready().await.expect_err("not HTTP");
    assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
}

#[actix_web::test]
async fn the_live_stream_is_read_however_it_is_cut_and_taken_up_where_it_was() {
    const RECEIPT: &str = r#"{"id":7,"batch":"6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11","destination":"+447700900123","delivered":true,
        "code":null,"description":null,"message_id":null,"source":"webhook","outcome":"applied","received_at":"2026-01-01T09:00:00.000Z"}"#;
    let (client, asked, server) = server(|_| {
        let receipt = RECEIPT.replace('\n', "");
        let text = format!(": receipts\n\nid: 7\nevent: receipt\ndata: {receipt}\n\n: heartbeat\n\n");
        let pieces = text.into_bytes().into_iter().map(|byte| Ok::<_, std::io::Error>(web::Bytes::from(vec![byte])));
        HttpResponse::Ok().content_type("text/event-stream").streaming(futures_util::stream::iter(pieces))
    })
    .await;
    let mut told = Vec::new();
    client.follow(None, None, |receipt| told.push(receipt.map(|receipt| receipt.id))).await.expect("ended");
    assert_eq!(told, [None, Some(7), None]);
    client.follow(Some(BatchId::random()), Some(7), |_| ()).await.expect("ended");
    let asked = asked.lock().expect("not poisoned").clone();
    assert!(asked[0].1 == "/v1/receipts" && asked[1].1.starts_with("/v1/receipts?batch="), "{asked:?}");
    assert_eq!((&*asked[0].4, &*asked[1].4), ("-", "7"));
    server.stop(false).await;
}
