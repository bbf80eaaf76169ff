//! The daemon under a service manager: sockets that outlive it, and what the manager is told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::rt;

use crate::binary::{House, said};
use crate::support::{Faults, receipt, request};

const NUMBER: &str = "+447700900001";

/// Two listeners, and a house whose configuration names their addresses.
fn house_with_sockets() -> (House, TcpListener, TcpListener) {
    let socket = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let (public, private) = (socket(), socket());
    let address = |socket: &TcpListener| socket.local_addr().expect("an address").to_string();
    let house = House::new().set("RECEIPTD_CALLBACK__LISTEN", &address(&public)).set("RECEIPTD_API__LISTEN", &address(&private));
    (house, public, private)
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..12_000 {
        if condition() {
            return;
        }
        rt::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("it never came to that");
}

#[actix_web::test]
async fn under_load_a_restart_costs_no_receipt_where_the_socket_outlives_the_daemon() {
    let (house, public, private) = house_with_sockets();
    // In another order than the daemon might expect: their addresses say what they are for.
    let mut daemon = house.start(house.socket_activated([&private, &public])).await;
    assert!(daemon.log().contains("callback.listen: using the socket on"), "{}", daemon.log());
    assert!(daemon.log().contains("api.listen: using the socket on"), "{}", daemon.log());
    let id = daemon.submit("hello", &[NUMBER]).await;
    daemon.until(&id, "submitted").await;
    let path = house.callback(0).replace(&house.door.url(), "");
    let url = format!("http://{}{path}", public.local_addr().expect("an address"));

    let outcomes = RefCell::new(BTreeMap::<String, u64>::new());
    let (answers, done) = (Cell::new(0), Cell::new(false));
    let sender = async |kept_alive: bool| {
        let client = awc::Client::builder().timeout(Duration::from_secs(60)).finish();
        while !done.get() {
            let post = if kept_alive { client.post(&url) } else { client.post(&url).force_close() };
            let outcome = match post.send_body(receipt(NUMBER, true, "00").to_string()).await {
                Ok(answer) => answer.status().as_u16().to_string(),
                Err(error) => format!("{error:?}, kept alive: {kept_alive}"),
            };
            *outcomes.borrow_mut().entry(outcome).or_default() += 1;
            answers.set(answers.get() + 1);
        }
    };
    let sending = futures_util::future::join_all((0..16).map(|n| sender(n % 2 == 0)));
    let restarting = async {
        for _ in 0..4 {
            let before = answers.get();
            until(|| answers.get() > before + 100).await;
            let (status, log) = daemon.stop().await;
            assert!(status.success(), "{log}");
            assert!(!log.contains("not everything was finished"), "{log}");
            daemon = house.start(house.socket_activated([&private, &public])).await;
        }
        let before = answers.get();
        until(|| answers.get() > before + 100).await;
        done.set(true);
        daemon
    };
    let (_, daemon) = futures_util::join!(sending, restarting);
    let outcomes = outcomes.into_inner();
    assert_eq!(outcomes.keys().collect::<Vec<_>>(), ["200"], "{outcomes:#?}");
    daemon.until(&id, "complete").await;
}

#[actix_web::test]
async fn a_socket_that_is_for_neither_listener_is_named_and_nothing_starts() {
    let (house, public, private) = house_with_sockets();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    for (sockets, words) in [
        ([&public, &other], vec![other.local_addr().expect("an address").to_string(), "ListenStream=".into()]),
        ([&public, &public], vec!["second socket for callback.listen".into()]),
    ] {
        let refused = house.socket_activated(sockets).output().expect("ran");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        for word in words {
            assert!(String::from_utf8_lossy(&refused.stderr).contains(&word), "{word}: {}", said(&refused));
        }
        assert!(!house.folder.has_database());
    }
    drop(private);
}

/// What a service manager was told so far.
#[derive(Clone)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// The manager of the daemons that will run in this house.
    fn by(house: House) -> (House, Self) {
        let socket = UnixDatagram::bind(house.path("notify")).expect("a socket");
        let told = Self(Arc::default());
        let to = told.0.clone();
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = socket.recv(&mut message) {
                to.lock().expect("no panic").push(String::from_utf8_lossy(&message[..length]).into_owned());
            }
        });
        let notify = house.path("notify").display().to_string();
        (house.set("NOTIFY_SOCKET", &notify).set("WATCHDOG_USEC", "400000"), told)
    }

    fn count(&self, words: &str) -> usize {
        self.0.lock().expect("no panic").iter().filter(|message| message.contains(words)).count()
    }

    /// Waits until it is told each of these `times` more.
    async fn more(&self, times: usize, words: &[&str]) {
        let before: Vec<usize> = words.iter().map(|words| self.count(words)).collect();
        until(|| words.iter().zip(&before).all(|(words, before)| self.count(words) >= before + times)).await;
    }
}

#[actix_web::test]
async fn the_service_manager_is_told_the_truth_and_a_lock_of_somebody_else_is_no_reason_to_be_killed() {
    let (house, told) = Told::by(House::new());
    let daemon = house.serve().await;
    until(|| told.count("READY=1") == 1).await;
    assert_eq!(request("GET", &format!("{}/readyz", daemon.private), &[], Vec::new()).await.status, 200);
    told.more(3, &["WATCHDOG=1", "STATUS=receipts are recorded; callbacks on 127.0.0.1:"]).await;

    let other = house.folder.lock();
    told.more(2, &["WATCHDOG=1", "STATUS=receipts cannot be recorded: "]).await;
    drop(other);
    told.more(1, &["STATUS=receipts are recorded; "]).await;

    assert_eq!(told.count("STOPPING=1"), 0);
    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    until(|| told.count("STOPPING=1") == 1).await;
    assert_eq!(told.count("READY=1"), 1);
}

#[actix_web::test]
async fn a_full_disk_is_told_for_as_long_as_it_is_full_and_is_no_reason_to_be_killed() {
    let (house, faults) = Faults::of(House::new());
    let (house, told) = Told::by(house);
    let daemon = house.serve().await;
    faults.full_disk();
    let body = serde_json::json!({"from": "mplus", "message": "hello", "destinations": [NUMBER]});
    // The submitter's look into an empty outbox passes for a commit that succeeded, every 30 s: if it comes in between,
    // once more. Were the watchdog's own question to pass for one, no time would be enough.
    let mut told_so_throughout = false;
    for _ in 0..10 {
        assert_eq!(daemon.api("POST", "/v1/batches", Some(body.clone())).await.status, 503);
        let before = told.count("STATUS=receipts");
        told.more(5, &["STATUS=receipts", "WATCHDOG=1"]).await;
        let states: Vec<String> = told.0.lock().expect("no panic").iter().filter(|it| it.contains("STATUS=receipts")).cloned().collect();
        told_so_throughout = states[before + 1..].iter().all(|state| state.contains("cannot be recorded"));
        if told_so_throughout {
            break;
        }
    }
    assert!(told_so_throughout);
    faults.mend();
    told.more(1, &["STATUS=receipts are recorded; "]).await;
}

#[actix_web::test]
async fn a_token_that_the_group_may_read_is_taken_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    std::fs::write(house.path("receiptd.token"), "made-by-the-package\n").expect("written");
    std::fs::set_permissions(house.path("receiptd.token"), PermissionsExt::from_mode(0o640)).expect("0640");
    let daemon = house.serve().await;
    assert_eq!(daemon.token, "made-by-the-package");
    let listed = house.command(&["batches"]).env("RECEIPTD_API__LISTEN", daemon.private.replace("http://", "")).output();
    let listed = listed.expect("ran");
    assert!(listed.status.success(), "{}", said(&listed));
    let mode = std::fs::metadata(house.path("receiptd.token")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
