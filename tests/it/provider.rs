//! The client of the provider's API against providers that misbehave in every way known.
//!
//! What counts in each: the outcome, and that one submission is one POST, whatever happens.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use receiptd::domain::{BatchId, Channel, Content, ErrorKind, Identifier, Msisdn};
use receiptd::provider::{Order, Provider, Settings, SubmissionOutcome, Trouble, WireNames};
use receiptd::secret::Secret;

use self::scripted::{Act, Scripted, answer, gzipped, packed};
use crate::support::NOBODY;

mod asking;
mod scripted;

const KEY: &str = "aaaabbbbcccc111222333";
const BATCH: &str = "b2693dfe-0813-427a-bc2f-62b0e9292403";
const TOKEN: &str = "Zm9vYmFyYmF6cXV4cXV1eGNvcmdl";
const CALLBACK: &str = "https://receipts.example.com/p/callbacks/b2693dfe-0813-427a-bc2f-62b0e9292403/Zm9vYmFyYmF6cXV4cXV1eGNvcmdl";
const ACCEPTED: &str = r#"{"identifier":"c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d"}"#;

/// Long enough for an answer of this machine, short enough to be waited for.
const PATIENCE: Duration = Duration::from_millis(600);

fn provider_with(base_url: &str, timeout: Duration, wire_names: WireNames) -> Provider {
    let settings = Settings { base_url: base_url.to_owned(), key: Secret::from(KEY), timeout, wire_names };
    Provider::new(settings).expect("a base URL")
}

fn provider(server: &Scripted) -> Provider {
    provider_with(&server.url(), Duration::from_secs(10), WireNames::Both)
}

fn impatient(server: &Scripted) -> Provider {
    provider_with(&server.url(), PATIENCE, WireNames::Both)
}

fn content() -> Content {
    Content {
        from: "mplus-test".to_owned(),
        message: "mplus test message!".to_owned(),
        parts: 1,
        channel: None,
        fallback_channels: Vec::new(),
        send_at: None,
        allow_multi: false,
        dry_run: false,
    }
}

async fn submit_content(provider: &Provider, content: &Content) -> SubmissionOutcome {
    let destinations = [441_111_111_111, 442_222_222_222].map(|digits| Msisdn::from_digits(digits).expect("a number"));
    let batch: BatchId = BATCH.parse().expect("a uuid");
    provider.submit(Order { batch, content, destinations: &destinations, callback: CALLBACK }).await
}

async fn submit(provider: &Provider) -> SubmissionOutcome {
    submit_content(provider, &content()).await
}

/// Submits to a provider that does this, and makes sure that it saw one POST.
async fn after(act: Act) -> SubmissionOutcome {
    let server = Scripted::new([act]);
    let outcome = submit(&provider(&server)).await;
    assert_eq!((server.posts(), server.connections()), (1, 1), "{outcome:?}");
    outcome
}

async fn after_saying(status: &str, headers: &str, body: &str) -> SubmissionOutcome {
    after(Act::Say(answer(status, headers, body))).await
}

#[track_caller]
fn unconfirmed(outcome: SubmissionOutcome) -> (ErrorKind, Option<u16>) {
    let SubmissionOutcome::Unconfirmed(Trouble { kind, status, .. }) = outcome else { unreachable!("{outcome:?}") };
    (kind, status)
}

#[track_caller]
fn not_taken(outcome: SubmissionOutcome) -> Trouble {
    let SubmissionOutcome::NotTaken(trouble) = outcome else { unreachable!("{outcome:?}") };
    trouble
}

#[actix_web::test]
async fn an_identifier_means_accepted() {
    for status in ["200 OK", "201 Created", "202 Accepted"] {
        let identifier = Identifier::from("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d");
        assert_eq!(after_saying(status, "", ACCEPTED).await, SubmissionOutcome::Accepted { identifier });
    }
    let identifier = Identifier::Text("batch/7 ä".to_owned());
    assert_eq!(after_saying("200 OK", "", r#"{"identifier":"batch/7 ä","x":[1]}"#).await, SubmissionOutcome::Accepted { identifier });
}

#[actix_web::test]
async fn a_chunked_answer_and_one_that_ends_with_the_connection_are_read() {
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{ACCEPTED}\r\n0\r\n\r\n", ACCEPTED.len());
    let until_closed = format!("HTTP/1.0 200 OK\r\n\r\n{ACCEPTED}");
    for bytes in [chunked, until_closed] {
        assert!(matches!(after(Act::Say(bytes.into_bytes())).await, SubmissionOutcome::Accepted { .. }));
    }
}

#[actix_web::test]
async fn a_body_that_awc_does_not_read_is_unconfirmed() {
    // HTTP/1.1 without a length: it ends with the connection, and awc takes it for empty.
    let bytes = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{ACCEPTED}");
    assert_eq!(unconfirmed(after(Act::Say(bytes.into_bytes())).await), ("no_identifier".into(), Some(200)));
}

#[actix_web::test]
async fn success_without_a_readable_identifier_is_unconfirmed() {
    for body in ["", "{}", "OK", r#"{"identifier":null}"#, r#"{"identifier":""}"#, r#"{"identifier":" "}"#, r#"{"identifier":".."}"#] {
        assert_eq!(unconfirmed(after_saying("200 OK", "", body).await), ("no_identifier".into(), Some(200)), "{body}");
    }
    assert_eq!(unconfirmed(after(Act::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).await), ("no_identifier".into(), Some(204)));
    let long = format!(r#"{{"identifier":"{}"}}"#, "x".repeat(2000));
    assert_eq!(unconfirmed(after_saying("200 OK", "", &long).await), ("no_identifier".into(), Some(200)));
}

#[actix_web::test]
async fn a_provider_that_took_everything_and_closed_is_unconfirmed() {
    assert_eq!(unconfirmed(after(Act::Close).await), ("no_answer".into(), None));
}

#[actix_web::test]
async fn a_provider_that_closed_without_reading_is_unconfirmed() {
    let server = Scripted::new([Act::CloseUnread]);
    let (_, status) = unconfirmed(submit(&provider(&server)).await);
    assert_eq!((status, server.connections()), (None, 1));
}

#[actix_web::test]
async fn a_provider_that_hangs_is_unconfirmed_at_the_deadline() {
    let server = Scripted::new([Act::Hang]);
    let begun = Instant::now();
    assert_eq!(unconfirmed(submit(&impatient(&server)).await), ("timeout".into(), None));
    assert!((PATIENCE..PATIENCE * 10).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(server.posts(), 1);
}

#[actix_web::test]
async fn an_answer_that_drips_is_unconfirmed_at_the_deadline() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{", "HTTP/1.0 200 OK\r\n\r\n{", "HTTP/1.0 429 No\r\n\r\n", "HTTP/1.1 200"]
    {
        let server = Scripted::new([Act::Drip(head.into())]);
        assert_eq!(unconfirmed(submit(&impatient(&server)).await).0, "timeout".into(), "{head}");
        assert_eq!((server.posts(), server.connections()), (1, 1));
    }
}

#[actix_web::test]
async fn an_answer_cut_short_is_unconfirmed_whatever_its_status() {
    for (status, number) in [("200 OK", 200), ("400 Bad Request", 400), ("429 Too Many Requests", 429)] {
        // What came reads as a whole JSON answer.
        let bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{ACCEPTED}", ACCEPTED.len() + 30);
        assert_eq!(unconfirmed(after(Act::Say(bytes.into_bytes())).await), ("cut_short".into(), Some(number)));
    }
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}", &ACCEPTED[..20]);
    assert_eq!(unconfirmed(after(Act::Say(chunked.into_bytes())).await).1, Some(200));
}

#[actix_web::test]
async fn a_huge_answer_is_unconfirmed() {
    let huge = format!("{ACCEPTED}{}", " ".repeat(65 << 10));
    let without_length = format!("HTTP/1.0 200 OK\r\n\r\n{huge}");
    for bytes in [answer("200 OK", "", &huge), without_length.into_bytes()] {
        assert_eq!(unconfirmed(after(Act::Say(bytes)).await), ("too_long".into(), Some(200)));
    }
}

#[actix_web::test]
async fn an_interim_answer_is_unconfirmed_though_a_final_one_follows() {
    for (interim, number) in [("100 Continue", 100), ("102 Processing", 102), ("103 Early Hints", 103)] {
        let mut bytes = format!("HTTP/1.1 {interim}\r\n\r\n").into_bytes();
        bytes.extend(answer("200 OK", "", ACCEPTED));
        assert_eq!(unconfirmed(after(Act::Say(bytes)).await), ("interim".into(), Some(number)));
    }
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    for (status, number) in [("301 Moved", 301), ("302 Found", 302), ("303 See Other", 303), ("307 Temporary", 307), ("308 Permanent", 308)]
    {
        // Back to itself: following it would be seen as a second POST or GET.
        let outcome = after_saying(status, "Location: /batch?key=again\r\n", "").await;
        assert_eq!(unconfirmed(outcome), ("redirect".into(), Some(number)));
    }
}

#[actix_web::test]
async fn what_is_not_http_is_unconfirmed() {
    for garbage in ["\0\x01\x02garbage\r\n\r\n", "220 mail.example.com ESMTP\r\n", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"] {
        assert_eq!(unconfirmed(after(Act::Say(garbage.into())).await).1, None, "{garbage}");
    }
}

#[actix_web::test]
async fn failures_of_the_server_and_conflicts_are_unconfirmed() {
    for (status, kind) in [("500 A", "server_error"), ("502 A", "server_error"), ("504 A", "server_error"), ("409 A", "conflict")] {
        // Retry-After means something on 429 and 503 alone.
        assert_eq!(unconfirmed(after_saying(status, "Retry-After: 1\r\n", "no").await).0, kind.into(), "{status}");
    }
}

#[actix_web::test]
async fn a_503_is_not_taken_only_with_a_retry_after_that_can_be_read() {
    for headers in ["", "Retry-After: soon\r\n", "Retry-After: \r\n", "Retry-After: -5\r\n"] {
        assert_eq!(unconfirmed(after_saying("503 A", headers, "no").await), ("busy".into(), Some(503)), "{headers}");
    }
    let trouble = not_taken(after_saying("503 A", "Retry-After: 7\r\n", "later").await);
    let expected =
        Trouble { kind: ErrorKind::Busy, status: Some(503), detail: "later".to_owned(), retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(trouble, expected);
}

#[actix_web::test]
async fn retry_after_is_read_as_seconds_and_as_a_date_by_the_providers_clock_and_bounded() {
    let date = "Date: Thu, 01 Jan 2026 09:00:00 GMT\r\nRetry-After: ";
    for (headers, seconds) in [
        ("", None),
        ("Retry-After: 30\r\n", Some(30)),
        ("Retry-After: 0\r\n", Some(1)),
        ("Retry-After: 99999999999999999999999\r\n", Some(3600)),
        (&*format!("{date}Thu, 01 Jan 2026 09:02:00 GMT\r\n"), Some(120)),
        (&*format!("{date}Thu, 01 Jan 2026 08:00:00 GMT\r\n"), Some(1)),
        ("Retry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\n", Some(3600)),
        ("Retry-After: when I say so\r\n", None),
    ] {
        let trouble = not_taken(after_saying("429 Too Many", headers, "").await);
        assert_eq!(trouble.retry_after, seconds.map(Duration::from_secs), "{headers}");
    }
}

#[actix_web::test]
async fn an_answer_that_is_packed_with_gzip_and_says_so_is_read() {
    let identifier = Identifier::from("c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d");
    let accepted = SubmissionOutcome::Accepted { identifier };
    assert_eq!(after(Act::Say(gzipped("200 OK", ACCEPTED))).await, accepted);
    let text = format!("{ACCEPTED}{}", " ".repeat(60_000));
    assert_eq!(after(Act::Say(gzipped("200 OK", &text))).await, accepted);

    let refused = after(Act::Say(gzipped("422 A", "the sender is not yours"))).await;
    assert!(matches!(&refused, SubmissionOutcome::Rejected(trouble) if trouble.detail == "the sender is not yours"), "{refused:?}");

    let bomb = gzipped("200 OK", &"x".repeat(64 << 20));
    assert!(bomb.len() < 100_000);
    assert_eq!(unconfirmed(after(Act::Say(bomb)).await), (ErrorKind::TooLong, Some(200)));
    for (bytes, kind) in [
        (&packed(ACCEPTED)[3..], ErrorKind::Unreadable),
        (&packed(ACCEPTED)[..40], ErrorKind::CutShort),
        (ACCEPTED.as_bytes(), ErrorKind::Unreadable),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bytes.len());
        assert_eq!(unconfirmed(after(Act::Say([head.as_bytes(), bytes].concat())).await), (kind, Some(200)));
    }
    // Nothing is packed in nothing.
    assert_eq!(unconfirmed(after_saying("200 OK", "Content-Encoding: gzip\r\n", "").await), (ErrorKind::NoIdentifier, Some(200)));
}

#[actix_web::test]
async fn refusals_are_told_apart() {
    let refused = |kind: &str, status| Trouble { kind: kind.into(), status: Some(status), detail: "no".to_owned(), retry_after: None };
    assert_eq!(after_saying("401 A", "", "no").await, SubmissionOutcome::Unauthorized(refused("unauthorized", 401)));
    assert_eq!(after_saying("402 A", "", "no").await, SubmissionOutcome::NoCredit(refused("no_credit", 402)));
    for status in [400, 403, 404, 405] {
        let outcome = after_saying(&format!("{status} A"), "", "no").await;
        assert_eq!(outcome, SubmissionOutcome::Questionable(refused("refused", status)));
    }
    for status in [406, 408, 413, 422, 425, 499] {
        assert_eq!(after_saying(&format!("{status} A"), "", "no").await, SubmissionOutcome::Rejected(refused("refused", status)));
    }
}

#[actix_web::test]
async fn a_provider_that_cannot_be_reached_has_not_taken_it() {
    for (url, kind) in [(format!("http://{NOBODY}"), "connect"), ("http://nonexistent.invalid".to_owned(), "dns")] {
        let provider = provider_with(&url, Duration::from_secs(10), WireNames::Both);
        assert_eq!(not_taken(submit(&provider).await).kind.to_string(), kind, "{url}");
    }
}

/// An https URL whose server says this instead of shaking hands, or closes where there is nothing to say,
/// or hangs. Gives back all that it heard.
fn not_tls(says: Option<&'static [u8]>, hangs: bool) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut heard = vec![0; 64];
        stream.read_exact(&mut heard).expect("the beginning of a handshake");
        if let Some(says) = says {
            stream.write_all(says).expect("written");
        }
        if says.is_some() || hangs {
            let _ = stream.read_to_end(&mut heard);
        }
        heard
    });
    (url, heard)
}

#[actix_web::test]
async fn a_tls_handshake_that_fails_has_sent_nothing() {
    for (says, hangs, kind) in
        [(Some(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]), false, "tls"), (None, false, "connect"), (None, true, "connect_timeout")]
    {
        let (url, heard) = not_tls(says, hangs);
        let provider = provider_with(&url, PATIENCE * 3, WireNames::Both);
        assert_eq!(not_taken(submit(&provider).await).kind.to_string(), kind);
        let heard = heard.join().expect("no panic");
        assert!(!heard.windows(4).any(|bytes| bytes == b"POST"));
    }
}

#[actix_web::test]
async fn a_submission_never_takes_a_connection_that_an_earlier_call_left_behind() {
    // Each connection would be good for one more request, and then says nothing.
    let keep = |body| Act::SayAndKeep(answer("200 OK", "Connection: keep-alive\r\n", body));
    let server = Scripted::new([keep(r#"{"batches":[]}"#), keep(ACCEPTED), keep(ACCEPTED)]);
    let provider = provider(&server);
    assert_eq!(provider.pending().await, Ok(Vec::new()));
    for _ in 0..2 {
        assert!(matches!(submit(&provider).await, SubmissionOutcome::Accepted { .. }));
    }
    assert_eq!((server.posts(), server.connections()), (2, 3));
    assert!(server.seen().iter().all(|seen| seen.head.to_lowercase().contains("\r\nconnection: close\r\n")));
}

#[actix_web::test]
async fn what_the_answer_echoes_is_masked_and_bounded() {
    let echo = format!(
        r#"{{"error":"no","url":"/batch?key={KEY}","body":{{"destinations":["441111111111"],"message":"mplus test message!",
        "callback":"{}"}},"again":"{CALLBACK} {TOKEN}"}}{}"#,
        CALLBACK.replace('/', "\\/"),
        "x".repeat(3000),
    );
    let outcome = after_saying("422 Unprocessable", "", &echo).await;
    let SubmissionOutcome::Rejected(Trouble { detail, .. }) = outcome else { unreachable!("{outcome:?}") };
    for secret in [KEY, TOKEN, "callbacks", "1111", "mplus test"] {
        assert!(!detail.contains(secret), "{secret} in {detail}");
    }
    assert!(detail.contains("…111") && detail.len() <= 1024, "{detail}");
}

#[actix_web::test]
async fn the_key_is_masked_in_an_answer_that_was_cut_in_the_middle_of_it() {
    let bytes = format!("HTTP/1.1 500 A\r\nContent-Length: 500\r\n\r\nno page /batch?key={}", &KEY[..15]);
    let outcome = after(Act::Say(bytes.into_bytes())).await;
    let SubmissionOutcome::Unconfirmed(Trouble { detail, .. }) = outcome else { unreachable!("{outcome:?}") };
    assert!(detail.ends_with("/batch?key=[hidden]"), "{detail}");
}

#[actix_web::test]
async fn nothing_that_prints_a_client_shows_the_key() {
    let settings =
        |base_url: &str| Settings { base_url: base_url.to_owned(), key: Secret::from(KEY), timeout: PATIENCE, wire_names: WireNames::Both };
    assert!(!format!("{:?}", Provider::new(settings("http://localhost"))).contains(KEY));
    for url in ["", "localhost", "ftp://localhost", "http://", "https://x/?a=b", "https://x/#a", "http://x y"] {
        assert!(Provider::new(settings(url)).is_err(), "{url}");
    }
}

/// The one request that a submission makes, its body read.
async fn request_for(content: &Content, names: WireNames) -> (String, serde_json::Value) {
    let server = Scripted::says("200 OK", "", ACCEPTED);
    let provider = provider_with(&format!("{}/prefix/", server.url()), Duration::from_secs(10), names);
    assert!(matches!(submit_content(&provider, content).await, SubmissionOutcome::Accepted { .. }));
    let [seen] = server.seen().try_into().expect("one request");
    let head = seen.head.to_lowercase();
    for header in ["content-type: application/json", "user-agent: receiptd/"] {
        assert_eq!(head.matches(header).count(), 1, "{head}");
    }
    assert!(head.contains("accept-encoding: identity") && !head.contains("awc"), "{head}");
    (seen.target, serde_json::from_str(&seen.body).expect("JSON"))
}

#[actix_web::test]
async fn the_least_that_is_sent() {
    let (target, body) = request_for(&content(), WireNames::Both).await;
    assert_eq!(target, format!("/prefix/batch?key={KEY}"));
    let expected = serde_json::json!({
        "from": "mplus-test", "message": "mplus test message!", "destinations": ["441111111111", "442222222222"],
        "callback": CALLBACK, "uuid": BATCH, "id": BATCH,
    });
    assert_eq!(body, expected);
}

#[actix_web::test]
async fn contradictory_names_are_sent_as_the_setting_says() {
    let content = Content {
        send_at: "2026-01-01T10:00:00.750+01:00".parse().ok(),
        channel: Some(Channel::Rcs),
        fallback_channels: vec![Channel::Sms],
        allow_multi: true,
        dry_run: true,
        ..content()
    };
    let at = serde_json::json!("2026-01-01T09:00:00Z");
    for (names, query, table, example) in [
        ("both", "isDryrun=true&dryRun=true", true, true),
        ("table", "isDryrun=true", true, false),
        ("example", "dryRun=true", false, true),
    ] {
        let (target, body) = request_for(&content, names.parse().expect("a name")).await;
        assert_eq!(target, format!("/prefix/batch?key={KEY}&{query}&allowMulti=true"));
        for (name, value, sent) in
            [("uuid", &BATCH.into(), table), ("id", &BATCH.into(), example), ("at", &at, table), ("send_at", &at, example)]
        {
            assert_eq!(body.get(name), sent.then_some(value), "{name} with {names}");
        }
        assert_eq!((&body["channel"], &body["fallback_channels"]), (&"rcs".into(), &serde_json::json!(["sms"])));
    }
}
