//! Hands the batches of a plan to the daemon, so that doing it again sends nothing twice.

use std::collections::HashSet;

use indicatif::ProgressBar;

use super::Failure;
use super::plan::Plan;
use crate::api::{Batch, BatchId, BatchRequest};
use crate::client::{Client, ClientError};

/// How a 409 ends that means: it was sent, and pruned since.
const PRUNED: &str = "/pruned";

/// What became of a plan.
#[derive(Default)]
pub(super) struct HandedOver {
    /// Batches the daemon has now, in the order in which they were asked for.
    pub(super) batches: Vec<Batch>,
    /// How many of them are new.
    pub(super) created: usize,
    /// Batches that were sent once and have been pruned since.
    pub(super) pruned: usize,
}

/// Hands over what the daemon does not have yet.
///
/// With `resuming` (the id was given, so an earlier run may have begun) it first makes sure that
/// all the daemon has under this id is part of this very plan: before anything new goes out.
pub(super) async fn hand_over(
    client: &Client,
    plan: &Plan,
    template: &BatchRequest,
    resuming: bool,
    bar: &ProgressBar,
) -> Result<HandedOver, Failure> {
    let existing = if resuming { existing(client, plan).await? } else { HashSet::new() };
    // Those that exist come first, in their order: a difference shows while nothing new has gone out.
    let (known, new): (Vec<usize>, Vec<usize>) = (0..plan.batches()).partition(|index| existing.contains(&plan.batch(*index)));
    let mut handed = HandedOver::default();
    for (done, index) in known.into_iter().chain(new).enumerate() {
        let request = BatchRequest {
            destinations: plan.numbers(index).iter().map(ToString::to_string).collect(),
            id: Some(plan.batch(index)),
            group: plan.group(),
            ..template.clone()
        };
        match client.submit(&request).await {
            Ok((batch, created)) => {
                handed.created += usize::from(created);
                handed.batches.push(batch);
            }
            Err(ClientError::Problem(problem)) if problem.status == 409 && problem.kind.ends_with(PRUNED) => handed.pruned += 1,
            Err(error) => return Err(told(error, plan, done, handed.created)),
        }
        bar.inc(request.destinations.len() as u64);
    }
    bar.finish_and_clear();
    Ok(handed)
}

/// The batches of this plan that the daemon has. Anything else under its id is another list.
async fn existing(client: &Client, plan: &Plan) -> Result<HashSet<BatchId>, Failure> {
    let id = plan.id;
    let group = match client.group(id).await {
        Ok(group) => group.batches,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let ours: HashSet<BatchId> = (0..plan.batches()).map(|index| plan.batch(index)).collect();
    if plan.group().is_none() {
        return if group.is_empty() {
            Ok(HashSet::new()) // the one POST there is tells by itself whether it is the same
        } else {
            Err(other(&format!("{id} is a group of {} batches, and this list makes one batch", group.len())))
        };
    }
    match client.batch(id).await {
        Ok(_) => return Err(other(&format!("{id} is one batch, and this list makes a group of {}", plan.batches()))),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let theirs: HashSet<BatchId> = group.iter().map(|batch| batch.id).collect();
    if theirs.is_subset(&ours) { Ok(theirs) } else { Err(other(&format!("the group {id} has batches that this list does not make"))) }
}

fn other(difference: &str) -> Failure {
    Failure::Failed(format!(
        "{difference}: the list, or provider.max_destinations, is not what it was. Nothing new was sent. \
         Repeat with what was used then, or take another --id for another list"
    ))
}

fn told(error: ClientError, plan: &Plan, done: usize, created: usize) -> Failure {
    let of = plan.batches();
    let differs = error.problem(409).is_some();
    let refused = error.problem(400).is_some() || error.problem(422).is_some();
    let nothing_new = if created == 0 { " Nothing new was sent." } else { "" };
    let failure = Failure::from(error);
    if differs {
        return failure.with(&format!(
            "The id {} was used before, with another list, text or option.{nothing_new} \
             Repeat with what was used then, or take another --id for another list",
            plan.id
        ));
    }
    if refused && created == 0 {
        return failure;
    }
    failure.with(&format!(
        "{done} of {of} batches were handed over. The same command with `--id {}` finishes the job and sends nothing twice",
        plan.id
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use actix_web::dev::ServerHandle;
    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Msisdn;

    /// As much of a daemon as handing over needs.
    #[derive(Default)]
    struct Daemon {
        batches: BTreeMap<BatchId, Value>,
        pruned: HashSet<BatchId>,
        posted: Vec<BatchId>,
        /// Refuses everything after so many batches.
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
            "send_at": null, "allow_multi": false, "dry_run": false, "counts": {}, "attempts": 0, "last_error": null,
            "created_at": "2026-01-01T09:00:00.000Z", "submitted_at": null, "completed_at": null
        })
    }

    impl Daemon {
        fn answer(&mut self, path: &str, body: &str) -> HttpResponse {
            let id = || path.rsplit('/').next().and_then(|id| id.parse::<BatchId>().ok());
            if path == "/v1/batches" {
                let asked: Value = serde_json::from_str(body).expect("JSON");
                let id: BatchId = serde_json::from_value(asked["id"].clone()).expect("an id");
                self.posted.push(id);
                return match self.batches.get(&id) {
                    _ if self.pruned.contains(&id) => problem(409, "/problems/pruned"),
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
                let of_group: Vec<Value> = self.batches.values().filter(|asked| asked["group"] == json!(id)).map(batch).collect();
                return match of_group.is_empty() {
                    true => problem(404, "/problems/unknown"),
                    false => HttpResponse::Ok().json(json!({"id": id, "counts": {}, "batches": of_group})),
                };
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

    async fn run(client: &Client, plan: &Plan) -> Result<HandedOver, Failure> {
        let template = BatchRequest { from: "me".into(), message: "hello".into(), ..Default::default() };
        hand_over(client, plan, &template, true, &ProgressBar::hidden()).await
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
        // One more number at the front: every batch differs, also those that are not there yet.
        let edited = run(&client, &plan(9..20, 3)).await.err().expect("differs");
        assert_eq!(edited.exit_code(), 1);
        assert!(edited.to_string().contains("Nothing new was sent"), "{edited}");
        // One more at the end: the first batches are the same, and the job is only longer.
        assert_eq!(daemon.lock().expect("not poisoned").batches.len(), 2);
        // A difference in the second batch alone is found before the third and the fourth go out.
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
        daemon.lock().expect("not poisoned").pruned.insert(plan.batch(0));
        let handed = run(&client, &plan).await.expect("handed over");
        assert_eq!((handed.created, handed.pruned), (2, 1));
        server.stop(false).await;
    }
}
