//! Batches that come in slices: all of one or nothing of it, whatever happens on the way.

use std::time::Duration;

use actix_web::rt;
use receiptd::clock::Clock;
use serde_json::{Value, json};

use crate::binary::House;
use crate::support::{Answer, Home, Options, request, spawn_with};

const ID: &str = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
const LARGEST: usize = 50_000;

fn body(destinations: usize) -> Value {
    let numbers: Vec<String> = (0..destinations).map(|n| format!("+4477{n:08}")).collect();
    json!({"id": ID, "from": "mplus", "message": "hello", "destinations": numbers})
}

fn posting(private: &str, token: &str, body: &Value) -> impl Future<Output = Answer> + use<> {
    let (url, token, body) = (format!("{private}/v1/batches"), format!("Bearer {token}"), body.to_string().into_bytes());
    async move { request("POST", &url, &[("authorization", &token)], body).await }
}

/// Waits until a part of a batch is there, and all of it is not.
async fn until_some_of_it_has_arrived(home: &Home) {
    let look = home.look();
    for _ in 0..10_000 {
        if look.count("arriving") == 1 {
            return;
        }
        rt::time::sleep(Duration::from_micros(500)).await;
    }
    unreachable!("it never began")
}

#[actix_web::test]
async fn killed_while_a_large_batch_comes_in_it_was_never_there_and_comes_whole_the_next_time() {
    let house = House::new().set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "50000");
    let body = body(LARGEST);
    let mut daemon = house.serve().await;
    for _ in 0..3 {
        // A request that is cut off panics: in a task of its own that is its own business.
        let posted = rt::spawn(posting(&daemon.private, &daemon.token, &body));
        until_some_of_it_has_arrived(&house.folder).await;
        daemon.kill();
        assert!(posted.await.is_err(), "it was answered, and this test proves nothing");
        {
            let look = house.folder.look();
            assert!(look.count("destination") > 0 && look.count("batch") == 0);
        }
        daemon = house.serve().await;
        assert_eq!(daemon.api("GET", &format!("/v1/batches/{ID}"), None).await.status, 404);
        let look = house.folder.look();
        assert_eq!((look.count("destination"), look.count("arriving")), (0, 0));
    }
    assert_eq!(posting(&daemon.private, &daemon.token, &body).await.status, 202);
    let batch = daemon.until(ID, "submitted").await;
    assert_eq!((&batch["counts"]["total"], house.posts()), (&json!(LARGEST), 1));
    assert_eq!(house.simulator.submissions()[0].destinations.len(), LARGEST);
    assert_eq!(daemon.api("POST", "/v1/check", None).await.json(), json!({"ok": true, "problems": []}));
}

async fn spacious() -> crate::support::Daemon {
    let env = vec![("RECEIPTD_PROVIDER__MAX_DESTINATIONS".into(), "50000".into())];
    spawn_with(Options { env, ..Options::default() }).await
}

#[actix_web::test]
async fn a_large_batch_that_comes_twice_at_once_is_one() {
    let daemon = spacious().await;
    let body = body(20_000);
    let post = || posting(&daemon.private, &daemon.token, &body);
    let (first, second, third) = futures_util::join!(post(), post(), post());
    let mut statuses = [first.status, second.status, third.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 202]);
    let batch = daemon.until(ID, "submitted").await;
    assert_eq!((&batch["counts"]["total"], daemon.simulator.submissions().len()), (&json!(20_000), 1));
    let look = daemon.folder.look();
    assert_eq!((look.count("destination"), look.count("arriving"), look.count("batch")), (20_000, 0, 1));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_large_batch_comes_in_though_whoever_sent_it_has_gone() {
    let daemon = spacious().await;
    let posted = rt::spawn(posting(&daemon.private, &daemon.token, &body(LARGEST)));
    until_some_of_it_has_arrived(&daemon.folder).await;
    posted.abort();
    daemon.until_batch(ID, |batch| batch["counts"]["total"] == LARGEST && batch["state"] == "submitted").await;
    assert_eq!(daemon.simulator.submissions().len(), 1);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn small_batches_that_come_while_a_large_one_does_get_keys_of_their_own() {
    let daemon = spacious().await;
    let posted = rt::spawn(posting(&daemon.private, &daemon.token, &body(LARGEST)));
    until_some_of_it_has_arrived(&daemon.folder).await;
    let small = daemon.submit(&["+447700900001", "+447700900002"]).await;
    // A copy of this moment is whole.
    assert_eq!(daemon.copy().await.check(), [] as [String; 0]);
    assert_eq!(posted.await.expect("answered").status, 202);
    assert_eq!(daemon.until(ID, "submitted").await["counts"]["total"], LARGEST);
    assert_eq!(daemon.until(&small, "submitted").await["counts"]["total"], 2);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn who_repeats_a_batch_learns_that_it_is_in_also_when_its_time_has_come_near_or_a_batch_may_be_smaller_now() {
    let now = Clock::system().now();
    let clock = Clock::stopped_at(now);
    let daemon = spawn_with(Options { clock: clock.clone(), ..Options::default() }).await;
    daemon.api("POST", "/v1/pause", None).await;
    let send_at = now.plus(Duration::from_secs(363)).to_string();
    let body = |id: &str, message: &str| json!({"id": id, "from": "mplus", "message": message, "destinations": ["+447700900001", "+447700900002"], "send_at": send_at});
    let other = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8e";
    assert_eq!(daemon.api("POST", "/v1/batches", Some(body(ID, "hello"))).await.status, 202);
    // Less than the notice, then in the past.
    for step in [5, 600] {
        clock.step(Duration::from_secs(step));
        let again = daemon.api("POST", "/v1/batches", Some(body(ID, "hello"))).await;
        assert_eq!((again.status, again.json()["id"].as_str()), (200, Some(ID)), "{again:?}");
        assert_eq!(daemon.api("POST", "/v1/batches", Some(body(ID, "good bye"))).await.status, 409);
        let new = daemon.api("POST", "/v1/batches", Some(body(other, "hello"))).await;
        assert_eq!((new.status, new.pointers()), (400, vec!["/send_at".to_owned()]));
    }
    let folder = daemon.stop().await;
    let small = Options { clock, folder, ..Options::default() }.set("RECEIPTD_PROVIDER__MAX_DESTINATIONS", "1");
    let daemon = spawn_with(small).await;
    assert_eq!(daemon.api("POST", "/v1/batches", Some(body(ID, "hello"))).await.status, 200);
    assert_eq!(daemon.api("POST", "/v1/batches", Some(body(ID, "good bye"))).await.status, 409);
    let new = daemon.api("POST", "/v1/batches", Some(body(other, "hello"))).await;
    assert_eq!((new.status, new.pointers()), (400, vec!["/send_at".to_owned(), "/destinations".to_owned()]));
    // Pruned, it is told as ever.
    let cancelled = daemon.api("DELETE", &format!("/v1/batches/{ID}"), None).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(daemon.store.prune(now.plus(Duration::from_secs(7200)), false).await.expect("pruned").batches, 1);
    let kind = |answer: Answer| (answer.status, answer.json()["type"].as_str().and_then(|kind| kind.rsplit('/').next()).map(str::to_owned));
    let pruned = daemon.api("POST", "/v1/batches", Some(body(ID, "hello"))).await;
    assert_eq!(kind(pruned), (409, Some("pruned".to_owned())));
    let different = daemon.api("POST", "/v1/batches", Some(body(ID, "good bye"))).await;
    assert_eq!(kind(different), (409, Some("conflict".to_owned())));
}

#[actix_web::test]
async fn who_repeats_a_large_batch_too_late_while_it_still_comes_in_is_told_to_ask_again() {
    let now = Clock::system().now();
    let clock = Clock::stopped_at(now);
    let env = vec![("RECEIPTD_PROVIDER__MAX_DESTINATIONS".into(), "50000".into())];
    let daemon = spawn_with(Options { clock: clock.clone(), env, ..Options::default() }).await;
    daemon.api("POST", "/v1/pause", None).await;
    let mut body = body(LARGEST);
    body["send_at"] = json!(now.plus(Duration::from_secs(363)));
    let posted = rt::spawn(posting(&daemon.private, &daemon.token, &body));
    until_some_of_it_has_arrived(&daemon.folder).await;
    clock.step(Duration::from_secs(5));
    // Whether it is still on its way or just in: never that it is refused.
    let mut last = posting(&daemon.private, &daemon.token, &body).await;
    assert!([200, 503].contains(&last.status), "{last:?}");
    assert_eq!(posted.await.expect("answered").status, 202);
    if last.status == 503 {
        last = posting(&daemon.private, &daemon.token, &body).await;
    }
    assert_eq!(last.status, 200, "{last:?}");
}
