//! What goes out, and what never goes out twice.

use receiptd::simulator::{Answer, Call, Profile, Script};
use serde_json::{Value, json};

use crate::support::{Daemon, Options, spawn, spawn_with};

const ONE: &str = "+447700900001";

async fn paused() -> Daemon {
    let daemon = spawn().await;
    assert_eq!(daemon.api("POST", "/v1/pause", None).await.json(), json!({"paused": true}));
    daemon
}

/// Submits one batch to a provider that answers so, and returns what became of it.
async fn answered(answer: Script, state: &str) -> (Daemon, Value) {
    let daemon = spawn().await;
    daemon.simulator.script(answer);
    let id = daemon.submit(&[ONE]).await;
    let batch = daemon.until(&id, state).await;
    (daemon, batch)
}

#[actix_web::test]
async fn whatever_may_have_reached_the_provider_is_unconfirmed_and_posted_once() {
    let taken = |answer| Script::add(answer).after_taking();
    for script in [
        taken(Answer::Close),
        taken(Answer::Reset),
        taken(Answer::Raw(b"nonsense\r\n\r\n".to_vec())),
        taken(Answer::CutShort),
        taken(Answer::WithoutIdentifier),
        taken(Answer::status(500)),
        taken(Answer::status(502)),
        taken(Answer::status(503)),
        taken(Answer::status(409)),
        taken(Answer::status(307).header("Location", "/batch")),
        taken(Answer::Hang),
    ] {
        let shown = format!("{script:?}");
        let (daemon, batch) = answered(script, "unconfirmed").await;
        assert!(batch["last_error"]["kind"].is_string(), "{shown}");
        assert_eq!(batch["counts"]["queued"], 1, "{shown}");
        // The next batch goes out once the provider has answered a question, and the first one does not.
        let next = daemon.submit(&["+447700900002"]).await;
        daemon.until(&next, "submitted").await;
        let posts = daemon.simulator.requests().iter().filter(|request| request.method == "POST").count();
        assert_eq!(posts, 2, "{shown}");
        // A receipt proves that the provider has it.
        let id = batch["id"].as_str().expect("an id");
        daemon.receipt(id, ONE, true, "00").await;
        daemon.until(id, "complete").await;
        daemon.assert_books_balance().await;
    }
}

#[actix_web::test]
async fn a_refusal_is_final_and_shown() {
    let (daemon, batch) = answered(Script::add(Answer::status(422).body("the sender is not yours")), "rejected").await;
    assert_eq!((&batch["last_error"]["status"], &batch["last_error"]["detail"]), (&json!(422), &json!("the sender is not yours")));
    assert_eq!(batch["counts"]["rejected"], 1);
    assert_eq!(daemon.simulator.submissions().len(), 0);
    // However much is said of it.
    let (_, batch) = answered(Script::add(Answer::status(400).body("x".repeat(3 << 20))), "rejected").await;
    assert!(batch["last_error"]["detail"].as_str().is_some_and(|detail| (100..10_000).contains(&detail.len())), "{batch:#}");
}

#[actix_web::test]
async fn what_was_provably_not_taken_is_sent_again_and_arrives_once() {
    for status in [429, 503] {
        let (daemon, batch) = answered(Script::add(Answer::status(status).header("Retry-After", "1")), "submitted").await;
        assert_eq!((&batch["attempts"], daemon.simulator.submissions().len()), (&json!(2), 1), "{status}");
    }
}

#[actix_web::test]
async fn a_refused_key_keeps_the_batch_queued_and_is_shown_as_degraded() {
    let daemon = spawn().await;
    daemon.simulator.script(Script::on(Call::Add, Answer::status(401)).lasting());
    let id = daemon.submit(&[ONE]).await;
    daemon.until_batch(&id, |batch| batch["state"] == "queued" && batch["last_error"]["kind"] == "unauthorized").await;
    let ready = daemon.get("/readyz").await.json();
    assert_eq!(ready["ready"], true);
    assert!(ready["degraded"][0].as_str().is_some_and(|why| why.contains("provider")), "{ready}");
    assert_eq!(ready["degraded_kinds"], json!(["submitting"]));
}

#[actix_web::test]
async fn the_same_id_is_the_same_batch_and_goes_out_once() {
    let daemon = spawn().await;
    let body = json!({"id": "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", "from": "m", "message": "hi", "destinations": [ONE]});
    assert_eq!(daemon.api("POST", "/v1/batches", Some(body.clone())).await.status, 202);
    daemon.until("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", "submitted").await;
    assert_eq!(daemon.api("POST", "/v1/batches", Some(body.clone())).await.status, 200);
    let mut other = body;
    other["message"] = json!("something else");
    assert_eq!(daemon.api("POST", "/v1/batches", Some(other)).await.status, 409);
    assert_eq!(daemon.simulator.submissions().len(), 1);
}

#[actix_web::test]
async fn a_dry_run_is_validated_and_says_so_in_both_spellings() {
    let daemon = spawn().await;
    let body = json!({"from": "m", "message": "hi", "destinations": [ONE], "dry_run": true});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(daemon.until(&id, "validated").await["counts"]["validated"], 1);
    let post = daemon.simulator.requests().into_iter().find(|request| request.method == "POST").expect("a submission");
    let seen = format!("{post:?}");
    assert!(seen.contains("isDryrun") && seen.contains("dryRun"), "{seen}");
}

#[actix_web::test]
async fn a_queued_batch_is_cancelled_here_and_a_submitted_one_no_more() {
    let daemon = paused().await;
    let id = daemon.submit(&[ONE]).await;
    let cancelled = daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await;
    assert_eq!((cancelled.status, &cancelled.json()["counts"]["cancelled"]), (200, &json!(1)));
    daemon.api("POST", "/v1/resume", None).await;
    let next = daemon.submit(&["+447700900002"]).await;
    daemon.until(&next, "submitted").await;
    assert_eq!(daemon.simulator.submissions().len(), 1);
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{next}"), None).await.status, 409);
    assert_eq!(daemon.api("DELETE", "/v1/batches/c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d", None).await.status, 404);
}

#[actix_web::test]
async fn a_scheduled_batch_is_cancelled_through_the_provider() {
    let daemon = spawn().await;
    let id = daemon.submit_later(ONE).await;
    daemon.simulator.script(Script::on(Call::Cancel, Answer::status(500)));
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.status, 502);
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["state"], "scheduled");
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.json()["state"], "cancelled");
}

#[actix_web::test]
async fn sending_again_to_those_it_failed_for_makes_one_batch() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE, "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    let again = format!("/v1/batches/{id}/resend");
    assert_eq!(daemon.api("POST", &again, None).await.status, 409);
    daemon.receipt(&id, ONE, false, "22").await;
    daemon.receipt(&id, "+447700900002", true, "00").await;
    let first = daemon.api("POST", &again, Some(json!({"state": "failed"}))).await;
    let second = daemon.api("POST", &again, None).await;
    assert_eq!((first.status, second.status), (202, 200));
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!((&first.json()["resend_of"], &first.json()["counts"]["total"]), (&json!(id), &json!(1)));
}

#[actix_web::test]
async fn without_its_identity_file_what_is_queued_is_held() {
    let daemon = paused().await;
    let id = daemon.submit(&[ONE]).await;
    let folder = daemon.stop().await;
    folder.lose_identity();
    let again = spawn_with(Options { folder, ..Options::default() }).await;
    again.api("POST", "/v1/resume", None).await;
    let held = again.until(&id, "unconfirmed").await;
    assert_eq!((&held["last_error"]["kind"], again.simulator.submissions().len()), (&json!("held"), 0));
    let resolved = again.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": "resubmit"}))).await;
    assert_eq!(resolved.status, 200);
    again.until(&id, "submitted").await;
    assert_eq!(again.simulator.submissions().len(), 1);
}

#[actix_web::test]
async fn an_older_copy_of_the_database_submits_nothing_again() {
    let daemon = paused().await;
    let id = daemon.submit(&[ONE]).await;
    let folder = daemon.stop().await;
    let copy = folder.snapshot();
    let original = spawn_with(Options { folder, ..Options::default() }).await;
    original.api("POST", "/v1/resume", None).await;
    original.until(&id, "submitted").await;
    assert_eq!(original.simulator.submissions().len(), 1);
    let folder = original.stop().await;
    folder.put_back(copy);
    let restored = spawn_with(Options { folder, ..Options::default() }).await;
    restored.api("POST", "/v1/resume", None).await;
    let held = restored.until(&id, "unconfirmed").await;
    assert_eq!((&held["last_error"]["kind"], restored.simulator.submissions().len()), (&json!("held"), 0));
}

#[actix_web::test]
async fn a_copy_that_somebody_made_in_the_middle_of_a_run_submits_nothing_that_the_same_run_submitted_after_it() {
    let daemon = paused().await;
    let id = daemon.submit(&[ONE]).await;
    // Not by `receiptd backup`: nothing in it says that it is a copy.
    let copy = daemon.folder.snapshot();
    daemon.api("POST", "/v1/resume", None).await;
    daemon.until(&id, "submitted").await;
    assert_eq!(daemon.simulator.submissions().len(), 1);
    let folder = daemon.stop().await;
    folder.put_back(copy);
    let restored = spawn_with(Options { folder, ..Options::default() }).await;
    restored.api("POST", "/v1/resume", None).await;
    let held = restored.until(&id, "unconfirmed").await;
    assert_eq!((&held["last_error"]["kind"], restored.simulator.submissions().len()), (&json!("held"), 0));
    // A receipt of the original's submission settles it.
    restored.receipt(&id, ONE, true, "00").await;
    restored.until(&id, "complete").await;
}

#[actix_web::test]
async fn a_dry_run_that_a_person_says_was_accepted_is_validated() {
    let daemon = spawn().await;
    daemon.simulator.script(Script::add(Answer::Close).after_taking());
    let body = json!({"from": "m", "message": "hi", "destinations": [ONE], "dry_run": true});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    daemon.until(&id, "unconfirmed").await;
    let resolved = daemon.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": "accepted"}))).await.json();
    assert_eq!((&resolved["state"], &resolved["counts"]["validated"]), (&json!("validated"), &json!(1)));
    assert!(resolved["completed_at"].is_string(), "no receipt is awaited: {resolved}");
    assert_eq!(resolved["submitted_at"], resolved["completed_at"], "the provider had it: {resolved}");
}

#[actix_web::test]
async fn many_batches_at_once_go_out_once_each() {
    let daemon = spawn().await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(daemon.submit(&[&format!("+4477009{n:05}")]).await);
    }
    for id in &ids {
        daemon.until(id, "submitted").await;
    }
    let mut sent: Vec<String> = daemon.simulator.submissions().into_iter().flat_map(|submission| submission.destinations).collect();
    sent.sort();
    sent.dedup();
    assert_eq!((sent.len(), daemon.simulator.submissions().len()), (20, 20));
}

#[actix_web::test]
async fn a_receipt_opens_again_what_was_refused_or_given_up_and_then_it_is_neither_pruned_nor_sent_again() {
    const TWO: &str = "+447700900002";
    for given_up in [false, true] {
        let daemon = spawn().await;
        let status = if given_up { 500 } else { 400 };
        daemon.simulator.script(Script::add(Answer::status(status)));
        let id = daemon.submit(&[ONE, TWO]).await;
        if given_up {
            daemon.until(&id, "unconfirmed").await;
            assert_eq!(daemon.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": "abandoned"}))).await.status, 200);
        }
        daemon.until(&id, if given_up { "cancelled" } else { "rejected" }).await;
        // The provider had it all the same.
        assert_eq!(daemon.receipt(&id, ONE, true, "00").await.json()["recorded"], 1);
        let open = daemon.until(&id, "submitted").await;
        assert_eq!((&open["counts"]["submitted"], &open["completed_at"]), (&json!(1), &json!(null)));
        for state in ["rejected", "cancelled"] {
            let again = daemon.api("POST", &format!("/v1/batches/{id}/resend"), Some(json!({"state": state}))).await;
            assert_ne!(again.status, 202, "{again:?}");
        }
        let pruned = daemon.api("POST", "/v1/prune", Some(json!({"older_than": "0s"}))).await;
        assert!(pruned.status == 400 || pruned.json()["batches"] == 0, "{pruned:?}");
        assert_eq!(daemon.receipt(&id, TWO, true, "00").await.json()["recorded"], 1);
        let done = daemon.until(&id, "complete").await;
        assert!(done["completed_at"].as_str() >= done["submitted_at"].as_str(), "{done:#}");
        daemon.assert_books_balance().await;
    }
}

#[actix_web::test]
async fn a_number_that_is_sent_to_again_after_it_was_forgotten_is_a_destination_like_any_other() {
    let daemon = spawn().await;
    let first = daemon.submit(&[ONE]).await;
    daemon.until(&first, "submitted").await;
    daemon.receipt(&first, ONE, false, "22").await;
    daemon.until(&first, "complete").await;
    assert_eq!(daemon.api("DELETE", &format!("/v1/destinations/{ONE}"), None).await.status, 200);

    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    let recorded = json!({"recorded": 1, "duplicates": 0});
    assert_eq!(daemon.receipt(&id, ONE, false, "22").await.json(), recorded);
    assert_eq!(daemon.receipt(&id, ONE, false, "22").await.json(), json!({"recorded": 0, "duplicates": 1}));
    assert_eq!(daemon.receipt(&id, ONE, true, "00").await.json(), recorded);
    let shown = daemon.get(&format!("/v1/batches/{id}/destinations/{ONE}")).await.json();
    assert_eq!((&shown["state"], &shown["receipts"]), (&json!("delivered"), &json!(2)), "{shown}");
    assert_eq!(daemon.api("POST", &format!("/v1/batches/{id}/resend"), Some(json!({"state": "failed"}))).await.status, 409);
    // The forgotten one takes its receipts as well, and stays unreadable.
    assert_eq!(daemon.receipt(&first, ONE, true, "00").await.json(), recorded);
    assert_eq!(daemon.get(&format!("/v1/batches/{first}")).await.json()["counts"]["delivered"], 1);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_comes_again_opens_no_batch_that_was_cancelled_since() {
    let daemon = spawn().await;
    let id = daemon.submit_later(ONE).await;
    let stranger = || daemon.receipt(&id, "+447700900099", true, "00");
    assert_eq!(stranger().await.json(), json!({"recorded": 1, "duplicates": 0}));
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.json()["state"], "cancelled");
    assert_eq!(stranger().await.json(), json!({"recorded": 0, "duplicates": 1}));
    let batch = daemon.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!(batch["state"], "cancelled", "{batch}");
}

#[actix_web::test]
async fn a_scheduled_batch_that_the_provider_sent_at_once_is_not_shown_as_cancelled() {
    let daemon = spawn_with(Options { profile: Profile { deaf: true, ..Profile::calm() }, ..Options::default() }).await;
    let id = daemon.submit_later(ONE).await;
    assert_eq!(daemon.simulator.deliver(&id), 1);
    let refused = daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(daemon.get(&format!("/v1/batches/{id}")).await.json()["state"], "scheduled");
}

#[actix_web::test]
async fn what_the_provider_is_found_to_have_does_not_go_out_again_though_a_person_said_so() {
    let (daemon, batch) = answered(Script::add(Answer::Close).after_taking(), "unconfirmed").await;
    let id = batch["id"].as_str().expect("an id");
    daemon.api("POST", "/v1/pause", None).await;
    daemon.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": "resubmit"}))).await;
    daemon.until(id, "queued").await;
    daemon.api("POST", &format!("/v1/batches/{id}/reconcile"), None).await;
    daemon.until(id, "submitted").await;
    daemon.api("POST", "/v1/resume", None).await;
    let next = daemon.submit(&["+447700900002"]).await;
    daemon.until(&next, "submitted").await;
    assert_eq!(daemon.simulator.requests().iter().filter(|request| request.method == "POST").count(), 2);
}

#[actix_web::test]
async fn a_batch_whose_numbers_were_all_forgotten_is_not_handed_over_empty() {
    let (daemon, batch) = answered(Script::add(Answer::Close), "unconfirmed").await;
    let id = batch["id"].as_str().expect("an id");
    assert_eq!(daemon.api("DELETE", &format!("/v1/destinations/{ONE}"), None).await.status, 200);
    daemon.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": "resubmit"}))).await;
    // The first attempt may have reached the provider: nobody can say that it was rejected.
    let batch = daemon.until_batch(id, |batch| batch["last_error"]["kind"] == "no_destinations").await;
    assert_eq!(batch["state"], "unconfirmed");
    assert_eq!(daemon.simulator.requests().iter().filter(|request| request.method == "POST").count(), 1);
}

#[actix_web::test]
async fn an_id_whose_batch_lost_a_number_is_still_told_from_another_list() {
    let daemon = spawn().await;
    let numbers = ["+447700900101", "+447700900102", "+447700900103"];
    let id = daemon.submit(&numbers).await;
    daemon.until(&id, "submitted").await;
    assert_eq!(daemon.api("DELETE", &format!("/v1/destinations/{}", numbers[0]), None).await.status, 200);
    let again = |numbers: Vec<&str>| {
        let body = json!({"id": id, "from": "mplus", "message": "hello", "destinations": numbers});
        let daemon = &daemon;
        async move { daemon.api("POST", "/v1/batches", Some(body)).await.status }
    };
    assert_eq!(again(numbers.to_vec()).await, 200);
    assert_eq!(again(vec!["+447700900100", numbers[0], numbers[1]]).await, 409, "as many, and others");
    assert_eq!(again(vec!["+447700900100", numbers[1], numbers[2]]).await, 409);
    assert_eq!(again(numbers[..2].to_vec()).await, 409);
    assert_eq!(daemon.simulator.submissions().len(), 1);
}

/// One that may have gone out and that a person has put back into the outbox of a paused daemon.
async fn queued_again() -> (Daemon, String) {
    let (daemon, batch) = answered(Script::add(Answer::Close).after_taking(), "unconfirmed").await;
    let id = batch["id"].as_str().expect("an id").to_owned();
    daemon.api("POST", "/v1/pause", None).await;
    assert_eq!(resolve(&daemon, &id, "resubmit").await["state"], "queued");
    (daemon, id)
}

async fn resolve(daemon: &Daemon, id: &str, how: &str) -> Value {
    daemon.api("POST", &format!("/v1/batches/{id}/resolve"), Some(json!({"as": how}))).await.json()
}

async fn resend(daemon: &Daemon, id: &str, state: &str) -> u16 {
    daemon.api("POST", &format!("/v1/batches/{id}/resend"), Some(json!({"state": state}))).await.status
}

#[actix_web::test]
async fn what_may_have_gone_out_at_an_earlier_attempt_is_not_cancelled_but_unconfirmed_and_sent_to_nobody_again() {
    let (daemon, id) = queued_again().await;
    let answer = daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text.contains("earlier attempt"), "{answer:?}");
    daemon.until(&id, "unconfirmed").await;
    for state in ["cancelled", "failed", "rejected"] {
        assert_eq!(resend(&daemon, &id, state).await, 409, "{state}");
    }
    // It is out of the outbox, also over a restart.
    daemon.api("POST", "/v1/resume", None).await;
    let next = daemon.submit(&["+447700900002"]).await;
    daemon.until(&next, "submitted").await;
    let posts = |daemon: &Daemon| daemon.simulator.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts(&daemon), 2);
    // Only a person gives it up.
    assert_eq!(resolve(&daemon, &id, "abandoned").await["state"], "cancelled");
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_may_have_gone_out_at_an_earlier_attempt_is_not_rejected_by_what_is_said_of_a_later_one() {
    for refusal in [422, 413] {
        let (daemon, id) = queued_again().await;
        daemon.simulator.script(Script::add(Answer::status(refusal).body("no such sender")));
        daemon.api("POST", "/v1/resume", None).await;
        let batch = daemon.until_batch(&id, |batch| batch["last_error"]["status"] == refusal).await;
        assert_eq!((&batch["state"], &batch["counts"]["rejected"], &batch["attempts"]), (&json!("unconfirmed"), &json!(0), &json!(2)));
        assert_eq!(resend(&daemon, &id, "rejected").await, 409);
        // The doubt outlives a restart, and ends with what proves that the provider has it.
        let folder = daemon.stop().await;
        let again = spawn_with(Options { folder, ..Options::default() }).await;
        again.api("POST", "/v1/pause", None).await;
        assert_eq!(resolve(&again, &id, "resubmit").await["state"], "queued");
        assert_eq!(again.api("DELETE", &format!("/v1/batches/{id}"), None).await.status, 409);
        again.receipt(&id, ONE, false, "22").await;
        again.until(&id, "complete").await;
        assert_eq!(resend(&again, &id, "failed").await, 202);
    }
}

#[actix_web::test]
async fn a_batch_that_is_being_submitted_cannot_be_cancelled() {
    let daemon = spawn().await;
    daemon.simulator.script(Script::add(Answer::Hang).after_taking());
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitting").await;
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.status, 409);
    daemon.until(&id, "unconfirmed").await;
}

/// What was asked to be cancelled at the provider, by its name.
fn deleted(daemon: &Daemon) -> Vec<String> {
    let deletes = daemon.simulator.requests().into_iter().filter(|request| request.method == "DELETE");
    deletes.map(|request| request.path.trim_start_matches("/batch/").to_owned()).collect()
}

#[actix_web::test]
async fn a_name_that_a_receipt_brought_cancels_nothing_at_the_provider() {
    let daemon = spawn().await;
    let other = daemon.submit_later(ONE).await;
    daemon.simulator.script(Script::add(Answer::Close).after_taking());
    let at = receiptd::clock::Clock::system().now().plus(std::time::Duration::from_secs(3600));
    let body = json!({"from": "mplus", "message": "hello", "destinations": ["+447700900002"], "send_at": at});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    daemon.until(&id, "unconfirmed").await;
    let named = json!({"destination": "+447700900099", "delivered": true, "batchuuid": other});
    assert_eq!(daemon.post(&id, named.to_string()).await.status, 200);
    assert_eq!(daemon.until(&id, "scheduled").await["provider_id"], json!(other), "learned, and shown");
    let cancelled = daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.json();
    assert_eq!((&cancelled["state"], deleted(&daemon)), (&json!("cancelled"), vec![id]));
    assert_eq!(daemon.provider().pending().await.expect("a list").len(), 1, "the other one goes out");
    assert_eq!(daemon.get(&format!("/v1/batches/{other}")).await.json()["state"], "scheduled");
}

#[actix_web::test]
async fn a_provider_that_knows_a_batch_by_another_name_alone_is_not_believed_to_have_cancelled_it() {
    let daemon = spawn().await;
    daemon.simulator.script(Script::add(Answer::Close));
    let at = receiptd::clock::Clock::system().now().plus(std::time::Duration::from_secs(3600));
    let body = json!({"from": "mplus", "message": "hello", "destinations": [ONE], "send_at": at});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    daemon.until(&id, "unconfirmed").await;
    assert_eq!(resolve(&daemon, &id, "accepted").await["state"], "scheduled");
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.status, 502);
    daemon.until(&id, "scheduled").await;
}

#[actix_web::test]
async fn a_provider_that_calls_a_batch_by_the_id_of_another_has_not_the_other_cancelled() {
    let daemon = spawn().await;
    let other = daemon.submit_later(ONE).await;
    daemon.simulator.script(Script::add(Answer::status(200).body(json!({"identifier": other}).to_string())).after_taking());
    let id = daemon.submit_later("+447700900002").await;
    assert_eq!(daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await.json()["state"], "cancelled");
    assert_eq!(deleted(&daemon), [id]);
    daemon.until(&other, "scheduled").await;
}
