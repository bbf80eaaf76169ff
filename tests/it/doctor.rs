//! What `doctor` finds, from the daemon's side and from the command line.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use receiptd::simulator::{Answer, Profile, Script};
use serde_json::{Value, json};

use crate::binary::{House, Relay, said};
use crate::support::{Options, spawn_with};

/// A proxy that refuses bodies of more than so many bytes, as nginx does. What comes through it arrives here.
fn cutting(most: usize) -> (SocketAddr, Relay) {
    let inside = Relay::new();
    let (to, listener) = (inside.address(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || pass(client, to, most));
        }
    });
    (address, inside)
}

fn pass(mut client: TcpStream, to: SocketAddr, most: usize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if client.read_exact(&mut body).is_err() {
        return;
    }
    let mut answer = Vec::new();
    if length > most {
        answer.extend_from_slice(b"HTTP/1.1 413 Request Entity Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    } else if let Ok(mut server) = TcpStream::connect(to) {
        let passed = server.write_all(&head).and_then(|()| server.write_all(&body)).and_then(|()| server.read_to_end(&mut answer));
        if passed.is_err() {
            return;
        }
    }
    let _ = client.write_all(&answer); // gone already: then nobody is there to be told
}

#[actix_web::test]
async fn a_proxy_that_cuts_bodies_is_found_and_an_honest_one_is_not_blamed() {
    for (most, ok) in [(100 << 10, false), (256 << 10, true)] {
        let (address, inside) = cutting(most);
        let daemon = spawn_with(Options::default().set("RECEIPTD_PUBLIC_URL", &format!("http://{address}"))).await;
        inside.lead_to(daemon.public.trim_start_matches("http://").parse().expect("an address"));
        let probed = daemon.api("POST", "/v1/probe", None).await.json();
        assert_eq!((&probed["public_url"]["ok"], &probed["largest_body"]["ok"]), (&json!(true), &json!(ok)), "{probed}");
        let detail = probed["largest_body"]["detail"].as_str().expect("a detail");
        assert!(detail.contains("256.0 KiB") && (ok || detail.contains("413")), "{detail}");
    }
    let (address, _nowhere) = cutting(0);
    let daemon = spawn_with(Options::default().set("RECEIPTD_PUBLIC_URL", &format!("http://{address}"))).await;
    let probed = daemon.api("POST", "/v1/probe", None).await.json();
    assert_eq!((&probed["public_url"]["ok"], &probed["largest_body"]), (&json!(false), &Value::Null), "{probed}");
}

#[actix_web::test]
async fn traffic_teaches_the_habits_of_the_provider() {
    let profile = Profile { early: 1.0, ..Profile::calm() };
    let daemon = spawn_with(Options { profile, ..Options::default() }).await;
    let habits = async || daemon.api("POST", "/v1/probe", None).await.json()["traffic"].clone();
    assert_eq!(habits().await, json!({"batches": 0, "renamed": 0, "early": 0, "repeated": 0}));

    let early = daemon.submit(&["+447700900001"]).await;
    daemon.until(&early, "complete").await;
    assert_eq!(habits().await, json!({"batches": 1, "renamed": 0, "early": 1, "repeated": 0}));

    daemon.simulator.script(Script::add(Answer::status(200).body(r#"{"identifier":"its-own-name"}"#)));
    let renamed = daemon.submit(&["+447700900002"]).await;
    daemon.until(&renamed, "submitted").await;
    for _ in 0..3 {
        assert_eq!(daemon.receipt(&renamed, "+447700900002", true, "00").await.status, 200);
    }
    assert_eq!(habits().await, json!({"batches": 2, "renamed": 1, "early": 1, "repeated": 2}));
}

/// As under systemd, which hands the key to the daemon alone.
#[actix_web::test]
async fn a_key_that_only_the_daemon_has_is_no_fault_while_it_runs() {
    let house = House::new();
    let doctor = |listen: &str| {
        let mut command = house.command(&["doctor"]);
        command.env("RECEIPTD_API__LISTEN", listen).env_remove("RECEIPTD_PROVIDER__KEY");
        actix_web::rt::task::spawn_blocking(move || said(&command.output().expect("ran")))
    };
    let without = doctor("127.0.0.1:0").await.expect("no panic");
    assert!(without.contains("✗ daemon's configuration: the provider's API key is not set"), "{without}");
    let daemon = house.serve().await;
    let with = doctor(daemon.private.trim_start_matches("http://")).await.expect("no panic");
    assert!(with.contains("✓ daemon's configuration") && with.contains("✓ provider: it answers and accepts the key"), "{with}");
}

/// Without one of its own it met the one on the default port, and praised it.
#[actix_web::test]
async fn a_daemon_that_is_somebody_else_s_is_not_praised() {
    let (ours, theirs) = (House::new(), House::new());
    let stranger = theirs.serve().await;
    let doctor = async |folder: &House| {
        let mut command = folder.command(&["doctor"]);
        command.env("RECEIPTD_API__LISTEN", stranger.private.trim_start_matches("http://"));
        let run = actix_web::rt::task::spawn_blocking(move || command.output().expect("ran"));
        said(&run.await.expect("no panic"))
    };
    let never_run = doctor(&ours).await;
    assert!(never_run.contains("✗ daemon: another receiptd answers") && never_run.contains("has never run"), "{never_run}");
    std::fs::write(ours.path("receiptd.token"), "0123456789abcdef0123456789abcdef\n").expect("written");
    let refused = doctor(&ours).await;
    assert!(refused.contains("✗ daemon: another receiptd answers") && refused.contains("refuses the token"), "{refused}");
    for told in [&never_run, &refused] {
        assert!(!told.contains("✓ daemon:") && !told.contains("provider:") && told.contains("receiptd serve"), "{told}");
    }
    // The same token, as after copying a folder, and another database.
    std::fs::write(ours.path("receiptd.token"), &stranger.token).expect("written");
    let mut other = ours.command(&["doctor"]);
    std::fs::write(ours.path("other.db"), "").expect("written");
    other.env("RECEIPTD_API__LISTEN", stranger.private.trim_start_matches("http://")).env("RECEIPTD_DATABASE", "other.db");
    let told = said(&actix_web::rt::task::spawn_blocking(move || other.output().expect("ran")).await.expect("no panic"));
    assert!(told.contains("its database is") && told.contains("other.db"), "{told}");
    let own = doctor(&theirs).await;
    assert!(own.contains("✓ daemon: answers at"), "{own}");
}

#[actix_web::test]
async fn an_address_that_speaks_no_tls_is_told_so() {
    let daemon = spawn_with(Options::default()).await;
    let plain = daemon.public.trim_start_matches("http://").to_owned();
    let other = spawn_with(Options::default().set("RECEIPTD_PUBLIC_URL", &format!("https://{plain}"))).await;
    let probed = other.api("POST", "/v1/probe", None).await.json();
    assert!(probed["public_url"]["detail"].as_str().is_some_and(|why| why.contains("does not speak TLS")), "{probed}");
}
