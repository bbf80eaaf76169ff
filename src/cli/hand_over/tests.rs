//! Tests of submitting a plan, with a minimal daemon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::*;
use crate::domain::Msisdn;

/// A minimal daemon for submitting batches.
#[derive(Default)]
struct Daemon {
    batches: BTreeMap<BatchId, Value>,
    pruned: BTreeMap<BatchId, Value>,
    posted: Vec<BatchId>,
    /// Refuses everything after this many batches.
    breaks_after: Option<usize>,
}

fn problem(status: u16, kind: &str) -> HttpResponse {
    let status_code = actix_web::http::StatusCode::from_u16(status).expect("a status");
    HttpResponse::build(status_code).json(json!({"type": kind, "title": "No", "status": status, "detail": kind}))
}

fn batch(asked: &Value) -> Value {
    json!({
        "id": asked["id"], "provider_id": null, "group": asked["group"], "resend_of": null, "reference": null, "state": "queued",
        "from": asked["from"], "message": asked["message"], "parts": 1, "channel": null, "fallback_channels": [],
        "send_at": asked["send_at"], "allow_multi": false, "dry_run": false, "attempts": 0, "last_error": null,
        "counts": {"total": asked["destinations"].as_array().map_or(0, Vec::len)},
        "created_at": "2026-01-01T09:00:00.000Z", "submitted_at": null, "completed_at": null
    })
}

impl Daemon {
    fn prune(&mut self, id: BatchId) {
        let gone = self.batches.remove(&id).expect("it has it");
        self.pruned.insert(id, gone);
    }

    fn answer(&mut self, path: &str, body: &str) -> HttpResponse {
        let id = || path.rsplit('/').next().and_then(|id| id.parse::<BatchId>().ok());
        if path == "/v1/batches" {
            let asked: Value = serde_json::from_str(body).expect("JSON");
            let id: BatchId = serde_json::from_value(asked["id"].clone()).expect("an id");
            self.posted.push(id);
            if let Some(known) = self.pruned.get(&id) {
                return problem(409, if *known == asked { "/problems/pruned" } else { "/problems/other-content" });
            }
            return match self.batches.get(&id) {
                Some(known) if *known == asked => HttpResponse::Ok().json(batch(&asked)),
                Some(_) => problem(409, "/problems/other-content"),
                None if self.breaks_after.is_some_and(|most| self.batches.len() >= most) => problem(500, "/problems/broken"),
                None => {
                    self.batches.insert(id, asked.clone());
                    HttpResponse::Accepted().json(batch(&asked))
                }
            };
        }
        let Some(id) = id() else { return problem(404, "/problems/unknown") };
        if path.starts_with("/v1/groups/") {
            let of = |batches: &BTreeMap<BatchId, Value>| {
                batches.values().filter(|asked| asked["group"] == json!(id)).map(batch).collect::<Vec<_>>()
            };
            let (of_group, pruned) = (of(&self.batches), of(&self.pruned).len());
            return match of_group.is_empty() && pruned == 0 {
                true => problem(404, "/problems/unknown"),
                false => HttpResponse::Ok().json(json!({"id": id, "counts": {}, "batches": of_group, "pruned": pruned})),
            };
        }
        if self.pruned.contains_key(&id) {
            return problem(404, "/problems/pruned");
        }
        self.batches.get(&id).map_or_else(|| problem(404, "/problems/unknown"), |asked| HttpResponse::Ok().json(batch(asked)))
    }
}

async fn daemon() -> (Client, Arc<Mutex<Daemon>>, ServerHandle) {
    let daemon = Arc::new(Mutex::new(Daemon::default()));
    let shared = web::Data::from(daemon.clone());
    let server = HttpServer::new(move || {
        App::new().app_data(shared.clone()).default_service(web::to(
            |request: HttpRequest, body: String, daemon: web::Data<Mutex<Daemon>>| async move {
                daemon.lock().expect("not poisoned").answer(request.path(), &body)
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
    (Client::new(&format!("http://{address}"), "token"), daemon, handle)
}

fn id() -> BatchId {
    "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11".parse().expect("a uuid")
}

fn plan(numbers: impl IntoIterator<Item = u64>, most: usize) -> Plan {
    let number = |n| Msisdn::from_digits(447_700_900_000 + n).expect("a number");
    Plan::new(id(), numbers.into_iter().map(number).collect(), most)
}

async fn run_at(client: &Client, plan: &Plan, send_at: Option<&str>) -> Result<HandedOver, Failure> {
    let send_at = send_at.map(str::to_owned);
    let template = BatchRequest { from: "me".into(), message: "hello".into(), send_at, ..Default::default() };
    let now = "2026-01-01T09:00:00Z".parse().expect("a time");
    hand_over(client, plan, &template, Some(now), &ProgressBar::hidden()).await
}

async fn run(client: &Client, plan: &Plan) -> Result<HandedOver, Failure> {
    run_at(client, plan, None).await
}

#[actix_web::test]
async fn a_group_is_handed_over_in_order_and_a_second_time_nothing_is_new() {
    let (client, daemon, server) = daemon().await;
    let plan = plan(0..10, 4);
    let first = run(&client, &plan).await.expect("handed over");
    assert_eq!((first.created, first.batches.len()), (3, 3));
    let ids: Vec<_> = (0..3).map(|index| plan.batch(index)).collect();
    assert_eq!(daemon.lock().expect("not poisoned").posted, ids);
    let second = run(&client, &plan).await.expect("known");
    assert_eq!((second.created, second.batches.len()), (0, 3));
    server.stop(false).await;
}

#[actix_web::test]
async fn after_a_break_the_same_command_finishes_the_job() {
    let (client, daemon, server) = daemon().await;
    let plan = plan(0..10, 3);
    daemon.lock().expect("not poisoned").breaks_after = Some(2);
    let broken = run(&client, &plan).await.err().expect("broken");
    assert!(broken.to_string().contains("2 of 4 batches") && broken.to_string().contains("--id 6f2c1d9e"), "{broken}");
    daemon.lock().expect("not poisoned").breaks_after = None;
    let finished = run(&client, &plan).await.expect("finished");
    assert_eq!((finished.created, finished.batches.len()), (2, 4));
    server.stop(false).await;
}

#[actix_web::test]
async fn an_edited_list_stops_before_anything_new_goes_out() {
    let (client, daemon, server) = daemon().await;
    daemon.lock().expect("not poisoned").breaks_after = Some(2);
    assert!(run(&client, &plan(10..20, 3)).await.is_err());
    daemon.lock().expect("not poisoned").breaks_after = None;
    // One more number at the front changes every batch, including those that do not exist yet.
    let edited = run(&client, &plan(9..20, 3)).await.err().expect("differs");
    assert_eq!(edited.exit_code(), 1);
    assert!(edited.to_string().contains("Nothing new was sent"), "{edited}");
    // One more number at the end: the first batches stay the same, and only the list is longer.
    assert_eq!(daemon.lock().expect("not poisoned").batches.len(), 2);
    // A difference only in the second batch is found before the third and the fourth are sent.
    assert!(run(&client, &plan((10..20).filter(|n| *n != 14), 3)).await.is_err());
    assert_eq!(daemon.lock().expect("not poisoned").batches.len(), 2);
    server.stop(false).await;
}

#[actix_web::test]
async fn another_cut_under_the_same_id_is_refused_before_any_post() {
    let (client, daemon, server) = daemon().await;
    run(&client, &plan(0..10, 3)).await.expect("four batches");
    let posted = daemon.lock().expect("not poisoned").posted.len();
    for (shorter, most) in [(0..6, 3), (0..3, 3), (0..10, 10)] {
        let refused = run(&client, &plan(shorter, most)).await.err().expect("another list");
        assert!(refused.to_string().contains("Nothing new was sent"), "{refused}");
    }
    assert_eq!(daemon.lock().expect("not poisoned").posted.len(), posted);
    server.stop(false).await;
}

#[actix_web::test]
async fn a_batch_does_not_become_a_group_under_its_id() {
    let (client, daemon, server) = daemon().await;
    run(&client, &plan(0..3, 3)).await.expect("one batch");
    assert!(run(&client, &plan(0..4, 3)).await.err().expect("longer now").to_string().contains("is one batch"));
    assert_eq!(daemon.lock().expect("not poisoned").batches.len(), 1);
    server.stop(false).await;
}

#[actix_web::test]
async fn what_was_sent_and_pruned_is_done() {
    let (client, daemon, server) = daemon().await;
    let plan = plan(0..10, 4);
    run(&client, &plan).await.expect("three batches");
    for (index, pruned) in [(0, 1), (2, 2), (1, 3)] {
        daemon.lock().expect("not poisoned").prune(plan.batch(index));
        let handed = run(&client, &plan).await.expect("known");
        assert_eq!((handed.created, handed.pruned, handed.batches.len()), (0, pruned, 3 - pruned));
    }
    server.stop(false).await;
}

#[actix_web::test]
async fn where_a_part_was_pruned_nothing_new_goes_out_under_its_id() {
    let (client, daemon, server) = daemon().await;
    let sent = plan(0..25, 10);
    run(&client, &sent).await.expect("three batches");
    let mut pruned = Vec::new();
    for index in 0..3 {
        daemon.lock().expect("not poisoned").prune(sent.batch(index));
        pruned.push(sent.batch(index));
        let posted = daemon.lock().expect("not poisoned").posted.len();
        // Another division into batches, a longer list, a shorter one.
        for other in [plan(0..25, 50), plan(0..25, 5), plan(0..25, 20), plan(0..35, 10), plan(0..20, 10)] {
            let refused = run(&client, &other).await.err().expect("another plan").to_string();
            assert!(refused.contains("Nothing new was sent"), "{refused}");
        }
        let mut daemon = daemon.lock().expect("not poisoned");
        assert_eq!(daemon.posted.len(), posted, "nothing of another plan is even tried");
        daemon.posted.clear();
    }
    // The same number of batches with other numbers: the daemon notices, and has none of them.
    let edited = run(&client, &plan(1..26, 10)).await.err().expect("other numbers").to_string();
    assert!(edited.contains("Nothing new was sent") && edited.contains("was used before"), "{edited}");
    assert!(daemon.lock().expect("not poisoned").batches.is_empty());
    server.stop(false).await;
}

#[actix_web::test]
async fn a_batch_that_was_pruned_does_not_become_a_group_under_its_id() {
    let (client, daemon, server) = daemon().await;
    run(&client, &plan(0..25, 50)).await.expect("one batch");
    daemon.lock().expect("not poisoned").prune(id());
    let refused = run(&client, &plan(0..25, 10)).await.err().expect("a group now").to_string();
    assert!(refused.contains("was sent before, and 1 batch was pruned"), "{refused}");
    assert!(daemon.lock().expect("not poisoned").batches.is_empty());
    server.stop(false).await;
}

#[actix_web::test]
async fn a_list_that_was_begun_in_time_is_finished_at_a_later_one() {
    let (client, daemon, server) = daemon().await;
    let plan = plan(0..10, 3);
    let (first, later) = (Some("2026-01-01T09:01:00.000Z"), Some("2026-01-02T09:00:00.000Z"));
    daemon.lock().expect("not poisoned").breaks_after = Some(2);
    assert!(run_at(&client, &plan, first).await.is_err());
    daemon.lock().expect("not poisoned").breaks_after = None;
    let finished = run_at(&client, &plan, later).await.expect("finished");
    assert_eq!((finished.created, finished.batches.len()), (2, 4));
    let times: Vec<Value> = finished.batches.iter().map(|batch| json!(batch.send_at)).collect();
    assert_eq!(times, [json!(first), json!(first), json!(later), json!(later)]);
    // With nothing left to submit, another time is a different request.
    assert!(run_at(&client, &plan, first).await.is_err());
    server.stop(false).await;
}

#[actix_web::test]
async fn a_time_that_is_still_to_come_is_not_changed_by_the_way() {
    let (client, daemon, server) = daemon().await;
    let plan = plan(0..10, 3);
    daemon.lock().expect("not poisoned").breaks_after = Some(2);
    assert!(run_at(&client, &plan, Some("2026-01-01T12:00:00.000Z")).await.is_err());
    daemon.lock().expect("not poisoned").breaks_after = None;
    assert!(run_at(&client, &plan, Some("2026-01-02T09:00:00.000Z")).await.is_err());
    assert_eq!(daemon.lock().expect("not poisoned").batches.len(), 2);
    server.stop(false).await;
}
