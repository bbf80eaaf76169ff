//! What real senders, proxies and libraries do to a callback on its way.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use receiptd::clock::Clock;
use receiptd::domain::{Incoming, Item, Source};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Daemon, Options, receipt, request, spawn, spawn_with};

const ONE: &str = "+447700900001";

/// A connection on which requests are written by hand.
struct Wire(TcpStream);

impl Wire {
    async fn to(url: &str) -> Self {
        Self(TcpStream::connect(url.trim_start_matches("http://")).await.expect("connected"))
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("sent");
    }

    /// One answer: its head in small letters, and its body. `None`: the connection ended.
    async fn answer(&mut self) -> Option<(String, String)> {
        let mut read = Vec::new();
        let once = async {
            loop {
                let text = String::from_utf8_lossy(&read).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
                    if body.len() >= length.unwrap_or(0) {
                        return Some((head, body.to_owned()));
                    }
                }
                match self.0.read_buf(&mut read).await {
                    Ok(1..) => {}
                    _ => return None,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), once).await.expect("in time")
    }

    /// What comes until the other side closes.
    async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read_to_end(&mut text)).await;
        assert!(read.is_ok(), "never closed");
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A daemon whose provider has a batch of one number, and the path of its callback.
async fn with_batch(options: Options) -> (Daemon, String, String) {
    let daemon = spawn_with(options).await;
    let id = daemon.submit(&[ONE]).await;
    daemon.until(&id, "submitted").await;
    let path = daemon.callback(&id).replace(&daemon.public, "");
    (daemon, id, path)
}

/// After one request with these header lines, another one is answered on the same connection, or the first answer said
/// that there is none to come.
async fn lives_or_says_that_it_ends(url: &str, first: &str, body: &str, headers: &str) {
    let mut wire = Wire::to(url).await;
    for headers in [headers, ""] {
        wire.write(&format!("{first}Host: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        let (head, _) = wire.answer().await.unwrap_or_else(|| unreachable!("cut without a word before {headers:?}"));
        assert!(head.contains(" 200 "), "{headers:?}: {head}");
        // HTTP/1.0 ends it unless it says otherwise.
        if head.contains("connection: close") || (head.starts_with("http/1.0") && !head.contains("connection: keep-alive")) {
            assert_eq!(wire.rest().await, "", "{headers:?}");
            return;
        }
        assert!(!head.contains("upgrade"), "{headers:?}: {head}");
    }
}

#[actix_web::test]
async fn a_proxy_that_always_asks_to_upgrade_loses_no_receipt_on_a_connection_that_ends_without_a_word() {
    let (daemon, _, path) = with_batch(Options::default()).await;
    let body = receipt(ONE, true, "00").to_string();
    let token = format!("Authorization: Bearer {}\r\n", daemon.token);
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for headers in [
            "Connection: upgrade\r\n",
            "Connection: Upgrade\r\nUpgrade: \r\n",
            "connection: UPGRADE\r\n",
            "Connection: keep-alive, Upgrade\r\n",
            "Connection: keep-alive\r\nConnection: upgrade\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            "Upgrade: websocket\r\n",
            "Connection: upgrade, close\r\n",
        ] {
            lives_or_says_that_it_ends(&daemon.public, &format!("POST {path} {version}\r\n"), &body, headers).await;
            for path in ["/v1/stats", "/readyz"] {
                lives_or_says_that_it_ends(&daemon.private, &format!("GET {path} {version}\r\n{token}"), "", headers).await;
            }
        }
    }
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 1);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn whoever_does_not_say_how_long_a_body_is_is_told_to() {
    let (daemon, _, path) = with_batch(Options::default()).await;
    let body = receipt(ONE, true, "00").to_string();
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for headers in ["Connection: close\r\n", "Connection: keep-alive\r\n", ""] {
            for body in [&body, "", &" ".repeat(20_000)] {
                let mut wire = Wire::to(&daemon.public).await;
                wire.write(&format!("POST {path} {version}\r\nHost: x\r\n{headers}\r\n{body}")).await;
                let _ = wire.0.shutdown().await;
                let text = wire.rest().await;
                assert!(text.starts_with(&format!("{version} 411 ")), "{version} {headers:?}: {text}");
                assert_eq!(text.matches("HTTP/1.").count(), 1, "what follows is no request: {text}");
            }
        }
        let mut wire = Wire::to(&daemon.public).await;
        wire.write(&format!("POST {path}x {version}\r\nHost: x\r\n\r\n{body}")).await;
        assert!(wire.rest().await.contains(" 404 "), "the path comes first");
    }
    // A later request of the connection.
    let mut wire = Wire::to(&daemon.public).await;
    wire.write(&format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    assert!(wire.answer().await.expect("an answer").0.contains(" 200 "));
    wire.write(&format!("POST {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 411 "));
    // What says where it ends is read.
    let mut wire = Wire::to(&daemon.public).await;
    wire.write(&format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        .await;
    assert!(wire.answer().await.expect("an answer").1.contains("\"duplicates\":1"));
    assert_eq!(daemon.post(&path[11..47], "").await.status, 202, "nothing, and it says so");
    // The API has requests without a body, and curl sends them without a length.
    let mut wire = Wire::to(&daemon.private).await;
    wire.write(&format!("POST /v1/check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", daemon.token)).await;
    assert!(wire.answer().await.expect("an answer").0.contains(" 200 "));
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 1);
}

#[actix_web::test]
async fn a_slash_too_many_at_the_end_of_a_callback_is_forgiven_and_nothing_else_is() {
    let (daemon, _, path) = with_batch(Options::default()).await;
    let post = async |path: String| {
        request("POST", &format!("{}{path}", daemon.public), &[], receipt(ONE, true, "00").to_string().into_bytes()).await.status
    };
    assert_eq!(post(format!("{path}/")).await, 200);
    for wrong in [format!("{path}//"), format!("/{path}"), path.replace('-', "%252D"), format!("{path}/."), format!("{path}%2F")] {
        assert_eq!(post(wrong.clone()).await, 404, "{wrong}");
    }
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 1);
}

#[actix_web::test]
async fn compressed_callbacks_are_unpacked_within_the_bound_of_bodies() {
    let (daemon, id, _) = with_batch(Options::default().set("RECEIPTD_CALLBACK__MAX_BODY", "16KiB")).await;
    let mut code = 0x10;
    let mut next = || {
        code += 1;
        receipt(ONE, false, &format!("{code:x}")).to_string().into_bytes()
    };
    let post = async |coding: &str, body: Vec<u8>| request("POST", &daemon.callback(&id), &[("content-encoding", coding)], body).await;
    for (coding, pack) in
        [("gzip", gzip as fn(&[u8]) -> _), ("x-gzip", gzip), ("GZIP", gzip), ("deflate", zlib), ("Deflate", raw), ("identity, gzip", gzip)]
    {
        let answer = post(coding, pack(&next())).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"recorded":1,"duplicates":0}"#), "{coding}");
    }
    assert_eq!(post("identity", next()).await.status, 200);
    assert_eq!(post("gzip", next()).await.status, 200, "some proxies unpack and leave the header");
    for coding in ["br", "zstd", "compress", "gzip, gzip", "utf-8"] {
        let answer = post(coding, gzip(&next())).await;
        assert_eq!((answer.status, answer.header("accept-encoding")), (415, Some("gzip, deflate")), "{coding}");
    }
    for (coding, bomb) in [("gzip", gzip(&[b' '; 1 << 20])), ("deflate", zlib(&[b' '; 1 << 20])), ("deflate", raw(&[b' '; 1 << 20]))] {
        assert!(bomb.len() < 8 << 10);
        assert_eq!(post(coding, bomb).await.status, 413);
    }
    // What is cut short is kept as it came.
    let whole = gzip(&next());
    let answer = post("gzip", whole[..whole.len() - 3].to_vec()).await;
    assert_eq!(answer.status, 202);
    let kept = daemon.get(&format!("/v1/quarantine/{}", answer.json()["quarantined"][0])).await.json();
    assert_eq!(kept["bytes"], json!(whole.len() - 3));
    assert_eq!(daemon.get("/v1/stats").await.json()["receipts"], 8);
    daemon.assert_books_balance().await;
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).and_then(|()| packer.finish()).expect("packed")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).and_then(|()| packer.finish()).expect("packed")
}

fn raw(text: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).and_then(|()| packer.finish()).expect("packed")
}

/// As a version kept it that could not unpack.
#[actix_web::test]
async fn what_is_in_the_quarantine_compressed_can_be_replayed() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    for (pack, code) in [(gzip as fn(&[u8]) -> _, "22"), (zlib, "23")] {
        let body = pack(receipt(ONE, false, code).to_string().as_bytes());
        let answer = daemon.post(&id, body).await;
        assert_eq!(answer.status, 202, "nothing says that it is compressed");
        let replayed = daemon.api("POST", &format!("/v1/quarantine/{}/replay", answer.json()["quarantined"][0]), None).await;
        assert_eq!((replayed.status, replayed.json()["recorded"].as_u64()), (200, Some(1)), "{replayed:?}");
    }
    daemon.assert_books_balance().await;
}

/// A receipt of a failure whose description is these bytes.
fn described(number: &str, code: &str, description: &[u8]) -> Vec<u8> {
    let start = format!(r#"{{"destination":"{number}","delivered":false,"receiptInfo":{{"code":"{code}","description":""#);
    [start.as_bytes(), description, b"\"}}"].concat()
}

/// What hand-made JSON and mixed-up encodings put into a text.
const BAD_TEXTS: [&[u8]; 8] =
    [b"Num\xe9ro", b"refus\xc3", b"\xed\xa0\xbd\xed\xb8\x80", b"two\nlines", b"a\ttab", b"\x1b[31mred", b"a\0b", br"C:\q"];

#[actix_web::test]
async fn a_bad_byte_in_a_text_costs_no_receipt_and_is_kept_as_it_came() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    for (n, bad) in BAD_TEXTS.into_iter().enumerate() {
        let body = described(ONE, &format!("2{n}"), bad);
        let answer = daemon.post(&id, body).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"recorded":1,"duplicates":0}"#), "{bad:?}");
    }
    let one = daemon.get(&format!("/v1/batches/{id}/destinations/447700900001")).await.json();
    assert_eq!((&one["state"], &one["receipts"]), (&json!("failed"), &json!(BAD_TEXTS.len())));
    let said: Vec<String> =
        one["history"].as_array().expect("receipts").iter().filter_map(|of| Some(of["description"].as_str()?.to_owned())).collect();
    assert!(said.contains(&"Num\u{fffd}ro".to_owned()) && said.contains(&"two\nlines".to_owned()), "{said:?}");
    // In the number or in the decision itself it makes a receipt unreadable.
    assert_eq!(daemon.post(&id, described("+44770090\u{0}0001", "22", b"")).await.status, 202);
    assert_eq!(daemon.post(&id, described("+447700900001\t", "22", b"")).await.status, 202);
    assert_eq!(daemon.post(&id, b"{\"destination\":\"+4477009\xff00001\",\"delivered\":true}".to_vec()).await.status, 202);
    assert_eq!(daemon.post(&id, b"{\"destination\":\"+447700900001\",\"delivered\":tr\xffue}".to_vec()).await.status, 202);
    daemon.assert_books_balance().await;
    let kept = daemon.folder.look().receipt_bodies();
    let sent: Vec<Vec<u8>> = BAD_TEXTS.into_iter().enumerate().map(|(n, bad)| described(ONE, &format!("2{n}"), bad)).collect();
    assert_eq!(kept, sent);
}

#[actix_web::test]
async fn one_bad_receipt_in_a_list_costs_the_others_nothing() {
    let numbers: Vec<String> = (0..20).map(|n| format!("+4477009001{n:02}")).collect();
    let daemon = spawn().await;
    let id = daemon.submit(&numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    daemon.until(&id, "submitted").await;
    let mut next = numbers.iter();
    for bad in BAD_TEXTS {
        let (before, after) = (next.next().expect("one"), next.next().expect("one"));
        let list =
            [b"[", &*described(before, "21", b"fine"), b",", &described(before, "22", bad), b",", &described(after, "23", b""), b"]"];
        assert_eq!(daemon.post(&id, list.concat()).await.json(), json!({"recorded": 3, "duplicates": 0}), "{bad:?}");
    }
    // One that cannot be read at all, and a list that was cut off.
    let (before, after) = (next.next().expect("one"), next.next().expect("one"));
    let list = [b"[", &*described(before, "21", b""), b",{\"destination\":\xff},", &described(after, "22", b""), b"]"].concat();
    let answer = daemon.post(&id, list.clone()).await.json();
    assert_eq!((&answer["recorded"], answer["quarantined"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{answer}");
    let answer = daemon.post(&id, &list[..list.len() - 5]).await.json();
    assert_eq!((&answer["duplicates"], answer["quarantined"].as_array().map(Vec::len)), (&json!(1), Some(2)), "{answer}");
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn what_was_quarantined_for_a_bad_byte_can_be_replayed() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    let whole = described(ONE, "2f", b"Num\xe9ro");
    let list = [b"[", &*whole, b",", &described(ONE, "30", b"a\tb"), b"]"].concat();
    for (body, recorded) in [(whole, 1), (list, 1)] {
        // As a version that took it for no text would have kept it.
        let items = vec![Item::NotUnderstood { reason: "it is not UTF-8".into(), at: 0..body.len() }];
        let incoming = Incoming { batch: id.parse().expect("an id"), source: Source::Webhook, items, body };
        let kept = daemon.store.record(incoming).await.expect("kept").quarantined[0];
        let replayed = daemon.api("POST", &format!("/v1/quarantine/{kept}/replay"), None).await;
        assert_eq!((replayed.status, &replayed.json()["recorded"]), (200, &json!(recorded)), "{replayed:?}");
    }
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_number_is_forgotten_in_what_is_no_text_too() {
    let daemon = spawn().await;
    let id = daemon.submit(&[ONE, "+447700900002"]).await;
    daemon.until(&id, "submitted").await;
    // The receipt of one number mentions the other.
    assert_eq!(daemon.post(&id, described(ONE, "22", b"see +447700900002 \xe9")).await.status, 200);
    assert_eq!(daemon.post(&id, b"{\"destination\":\"+447700900002\xff\"}".to_vec()).await.status, 202);
    assert_eq!(daemon.api("DELETE", "/v1/destinations/447700900002", None).await.status, 200);
    daemon.assert_books_balance().await;
    let file = daemon.stop().await.bytes();
    assert!(memchr::memmem::find(&file, b"7700900002").is_none());
    assert!(memchr::memmem::find(&file, b"xxxxxxxxxxxx \xe9").is_some(), "the rest of it stays as it came");
}

#[actix_web::test]
async fn numbers_that_became_decimal_ones_on_the_way_are_read() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    for (n, (destination, code)) in
        [("447700900001", "22.0"), ("447700900001.0", r#""22.0""#), ("4.47700900001e11", "2.2e1")].into_iter().enumerate()
    {
        let body = format!(r#"{{"destination":{destination},"delivered":false,"messageuuid":"m{n}","receiptInfo":{{"code":{code}}}}}"#);
        assert_eq!(daemon.post(&id, body).await.json(), json!({"recorded": 1, "duplicates": 0}));
    }
    let items = daemon.get("/v1/receipts").await.json()["items"].as_array().cloned().expect("receipts");
    assert!(items.iter().all(|receipt| receipt["code"] == "22" && receipt["destination"] == ONE), "{items:?}");
    // Half a number is none.
    assert_eq!(daemon.post(&id, r#"{"destination":447700900001.5,"delivered":true}"#).await.status, 202);
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn a_receipt_with_an_endless_field_is_set_aside() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    let with = |code: usize, description: usize, message: usize, more: usize| {
        let text = |length: usize| "x".repeat(length);
        json!({
            "destination": ONE, "delivered": true, "messageuuid": text(message), "more": text(more),
            "receiptInfo": {"code": text(code), "description": text(description)},
        })
        .to_string()
    };
    assert_eq!(daemon.post(&id, with(64, 1_024, 200, 2_500)).await.status, 200);
    for long in [with(65, 0, 0, 0), with(0, 1_025, 0, 0), with(0, 0, 201, 0), with(0, 0, 0, 4_096)] {
        assert_eq!(daemon.post(&id, long).await.status, 202);
    }
    // Each item of a list is kept by itself up to a hundred; then all of the list is one.
    let list = |bad: usize| format!("[{}{}]", receipt(ONE, false, &format!("{bad:x}")), ",7".repeat(bad));
    for (bad, kept) in [(100, 100), (101, 1)] {
        let answer = daemon.post(&id, list(bad)).await.json();
        assert_eq!((&answer["recorded"], answer["quarantined"].as_array().map(Vec::len)), (&json!(1), Some(kept)));
    }
    let newest = daemon.get("/v1/quarantine?limit=1").await.json()["items"][0].clone();
    assert_eq!((&newest["bytes"], &newest["reason"]), (&json!(list(101).len()), &json!("101 of its items cannot be understood")));
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn one_receipt_in_ever_other_words_is_one_receipt_and_stores_none_of_them() {
    let clock = Clock::stopped_at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let (daemon, id, _) = with_batch(Options { clock: clock.clone(), ..Options::default() }).await;
    for n in 0..200 {
        let answer = daemon.post(&id, described(ONE, "22", format!("words {n} {}", "x".repeat(1_000)).as_bytes())).await;
        assert_eq!(answer.json(), json!({"recorded": u64::from(n == 0), "duplicates": u64::from(n > 0)}));
    }
    let stored = || daemon.folder.look().count("receipt_info");
    assert_eq!(stored(), 1);
    // What is pruned takes its words with it, and no others'.
    let other = daemon.submit(&["+447700900002"]).await;
    daemon.until(&other, "submitted").await;
    for number in ["+447700900003", "+447700900004"] {
        assert_eq!(daemon.post(&other, described(number, "22", number.as_bytes())).await.status, 200);
    }
    daemon.until(&id, "complete").await;
    assert_eq!(stored(), 3);
    clock.step(Duration::from_secs(3_600));
    daemon.simulator.set_now(jiff::Timestamp::from_millisecond(clock.now().as_millis()).expect("a time"));
    let pruned = daemon.api("POST", "/v1/prune", Some(json!({"older_than": "1m"}))).await.json();
    assert_eq!((&pruned["batches"], stored()), (&json!(1), 2), "{pruned}");
    assert_eq!(daemon.post(&other, described("+447700900005", "22", b"+447700900003")).await.status, 200);
    assert_eq!(
        daemon.post(&other, described("+447700900006", "22", format!("words 0 {}", "x".repeat(1_000)).as_bytes())).await.status,
        200
    );
    assert_eq!(stored(), 3, "one of them is there already");
    let log = daemon.get("/v1/receipts").await.json();
    assert_eq!(log["items"][2]["description"], "+447700900003");
    daemon.assert_books_balance().await;
}

/// Each of its items is compared with all receipts of its destination: the list gives way to others meanwhile.
#[actix_web::test]
async fn a_long_list_for_one_number_is_recorded_whole_and_its_excess_set_aside_as_one() {
    let (daemon, id, _) = with_batch(Options::default()).await;
    let list = |codes: std::ops::Range<usize>| {
        let all: Vec<_> =
            codes.map(|code| json!({"destination": ONE, "delivered": false, "receiptInfo": {"code": format!("{code:x}")}})).collect();
        json!(all).to_string()
    };
    let answer = daemon.post(&id, list(0..2_000)).await.json();
    assert_eq!((&answer["recorded"], &answer["duplicates"]), (&json!(1_000), &json!(0)), "{answer}");
    assert_eq!(answer["quarantined"].as_array().map(Vec::len), Some(1), "{answer}");
    let kept = daemon.get(&format!("/v1/quarantine/{}", answer["quarantined"][0])).await.json();
    assert_eq!(kept["reason"], "1000 receipts: the destination already has 1,000 distinct receipts");
    let kept: Vec<serde_json::Value> = serde_json::from_str(kept["body"].as_str().expect("a body")).expect("a list");
    assert_eq!((kept.len(), &kept[999]["receiptInfo"]["code"]), (1_000, &json!("7cf")));
    assert_eq!(daemon.post(&id, list(0..1_000)).await.json(), json!({"recorded": 0, "duplicates": 1_000}));
    // The same number in other digits, and a first receipt, are known as well; another decision is not.
    assert_eq!(daemon.receipt(&id, ONE, false, "3e7").await.status, 202, "it has a message id");
    for code in ["0", "00", "3E7", "03e7"] {
        let body = json!({"destination": ONE, "delivered": false, "receiptInfo": {"code": code, "description": "in other words"}});
        assert_eq!(daemon.post(&id, body.to_string()).await.json(), json!({"recorded": 0, "duplicates": 1}), "{code}");
    }
    let body = json!({"destination": ONE, "delivered": true, "receiptInfo": {"code": "3e7"}});
    assert_eq!(daemon.post(&id, body.to_string()).await.status, 202, "more than a thousand");
    daemon.assert_books_balance().await;
}

#[actix_web::test]
async fn only_who_prefers_a_stream_gets_one() {
    let daemon = spawn().await;
    let token = format!("Bearer {}", daemon.token);
    let asked = async |accept: &str, last: Option<&str>| {
        let mut wire = Wire::to(&daemon.private).await;
        let last = last.map(|id| format!("Last-Event-ID:{id}\r\n")).unwrap_or_default();
        wire.write(&format!("GET /v1/receipts HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nAccept: {accept}\r\n{last}\r\n")).await;
        let (head, _) = wire.answer().await.expect("an answer");
        let media = head.split("content-type: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default();
        (head[9..12].to_owned(), media.to_owned())
    };
    let answer = |status: &str, media: &str| (status.to_owned(), media.to_owned());
    for accept in ["text/event-stream", "text/event-stream;q=0.9, */*;q=0.1", "TEXT/EVENT-STREAM; charset=utf-8"] {
        assert_eq!(asked(accept, None).await, answer("200", "text/event-stream"), "{accept}");
    }
    for accept in [
        "text/event-stream;q=0, application/json",
        "application/json, text/event-stream;q=0.1",
        "text/event-streams",
        "text/event-stream;q=0.0",
        "*/*",
    ] {
        assert_eq!(asked(accept, None).await, answer("200", "application/json"), "{accept}");
    }
    for id in ["", " ", " 0"] {
        assert_eq!(asked("text/event-stream", Some(id)).await, answer("200", "text/event-stream"), "{id:?}");
    }
    for id in [" undefined", " -1", " null"] {
        assert_eq!(asked("text/event-stream", Some(id)).await, answer("400", "application/problem+json"), "{id:?}");
    }
}
