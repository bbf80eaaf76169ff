//! Scripted answers, compared byte by byte where it matters.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;
use serde_json::{Value, json};

use super::support::{Rig, prompt, soon};
use crate::simulator::{Answer, Call, Fault, Profile, RawServer, RawStep, Script};

/// Sends a POST over a bare socket. Returns everything received until the connection ends, and how it ended.
async fn bare(address: SocketAddr, body: Value) -> (String, Option<ErrorKind>) {
    let exchange = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let body = body.to_string();
        let head = "POST /batch?key=sandbox-key HTTP/1.1\r\nhost: x\r\nconnection: close";
        // The server may close before it has read the request.
        let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return (answer, None),
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
                Err(error) => return (answer, Some(error.kind())),
            }
        }
    });
    let (answer, end) = soon(exchange).await.expect("no panic");
    (String::from_utf8_lossy(&answer).into_owned(), end)
}

#[actix_web::test]
async fn a_scripted_status_comes_once_with_its_headers() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::status(503).header("Retry-After", "7").body("busy")));
    let (answer, _) = bare(rig.handle.address(), rig.body(1, &json!({}))).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 7"));
    assert!(answer.ends_with("\r\n\r\nbusy"));
    assert!(rig.handle.submissions().is_empty());
    rig.taken(&rig.body(1, &json!({}))).await;
    assert_eq!(rig.handle.counts().faults, 1);
}

#[actix_web::test]
async fn scripts_are_for_their_call_and_lasting_ones_last() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::on(Call::List, Answer::status(500)));
    rig.taken(&rig.body(1, &json!({}))).await;
    assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 500);
    assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 200);
    rig.handle.script(Script::any(Answer::status(502)).lasting());
    for _ in 0..3 {
        assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 502);
        assert_eq!(rig.get("/dr-responses").await.0, 502);
    }
    rig.handle.clear_scripts();
    assert_eq!(rig.get("/dr-responses").await.0, 200);
}

#[actix_web::test]
async fn a_batch_may_be_taken_and_the_connection_closed_without_an_answer() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::Close).after_taking());
    let (answer, end) = bare(rig.handle.address(), rig.body(3, &json!({}))).await;
    assert_eq!((answer.as_str(), end), ("", None));
    assert_eq!(soon(rig.handle.idle()).await.receipts, 3);

    rig.handle.script(Script::add(Answer::Close));
    let body = rig.body(3, &json!({})).to_string();
    assert!(rig.try_post("/batch?key=sandbox-key", body).await.is_err());
    assert_eq!(rig.handle.submissions().len(), 1);
}

#[actix_web::test]
async fn a_connection_may_be_reset() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::Reset));
    let (answer, end) = bare(rig.handle.address(), rig.body(1, &json!({}))).await;
    assert_eq!((answer.as_str(), end), ("", Some(ErrorKind::ConnectionReset)));
    assert!(rig.handle.submissions().is_empty());
}

#[actix_web::test]
async fn an_answer_may_be_cut_short_or_garbage() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::CutShort));
    rig.handle.script(Script::add(Answer::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())));
    let (answer, end) = bare(rig.handle.address(), rig.body(1, &json!({}))).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "));
    assert!(head.contains("content-length: 53"), "{head}");
    assert_eq!((body.len(), end), (26, None));
    let (answer, _) = bare(rig.handle.address(), rig.body(1, &json!({}))).await;
    assert_eq!(answer, "SSH-2.0-OpenSSH_9.9\r\n");
    assert_eq!(rig.handle.submissions().len(), 1);
}

#[actix_web::test]
async fn answers_may_be_interim_dripping_or_without_identifier() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::Interim(103)));
    let (answer, _) = bare(rig.handle.address(), rig.body(1, &json!({}))).await;
    assert!(answer.starts_with("HTTP/1.1 103 Simulated\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    rig.handle.script(Script::add(Answer::Drip(Duration::from_millis(1))));
    rig.taken(&rig.body(1, &json!({}))).await;
    rig.handle.script(Script::add(Answer::Slow(Duration::from_millis(1))));
    rig.taken(&rig.body(1, &json!({}))).await;
    rig.handle.script(Script::add(Answer::WithoutIdentifier).after_taking());
    let (status, answer) = rig.add(&rig.body(1, &json!({}))).await;
    assert_eq!((status, &answer["identifier"]), (200, &Value::Null));
    assert_eq!(rig.handle.counts().batches, 4);
}

#[actix_web::test]
async fn a_hanging_call_answers_nobody_and_stops_with_the_simulator() {
    let rig = Rig::new(prompt());
    rig.handle.script(Script::add(Answer::Hang).after_taking());
    let hanging = bare(rig.handle.address(), rig.body(2, &json!({})));
    let stop = async {
        soon(rig.handle.until(|counts| counts.receipts == 2)).await;
        rig.handle.stop();
    };
    let ((answer, _), ()) = tokio::join!(hanging, stop);
    assert_eq!(answer, "");
}

#[actix_web::test]
async fn faults_come_in_their_share() {
    let fault = |share, status| Fault { share, taken: false, answer: Answer::status(status) };
    let rig = Rig::new(Profile { faults: vec![fault(0.3, 503), fault(0.3, 429)], hold: true, ..prompt() });
    let mut statuses = Vec::new();
    for _ in 0..100 {
        statuses.push(rig.add(&rig.body(1, &json!({}))).await.0);
    }
    for (status, from, to) in [(503, 15, 45), (429, 15, 45), (200, 25, 55)] {
        let number = statuses.iter().filter(|seen| **seen == status).count();
        assert!((from..to).contains(&number), "{status}: {number}");
    }
    assert_eq!(rig.get("/batch?key=sandbox-key").await.0, 200);
}

#[actix_web::test]
async fn a_raw_server_does_what_its_steps_say() {
    let server = RawServer::start([
        RawStep::CloseAtOnce,
        RawStep::ReadThenClose,
        RawStep::ReadThenReset,
        RawStep::AnswerThenClose(b"HTTP/1.1 204 Odd\r\n\r\n".to_vec()),
        RawStep::Drip { bytes: b"slow".to_vec(), every: Duration::from_millis(1) },
    ])
    .expect("a server");
    let mut answers = Vec::new();
    for number in 0..5 {
        answers.push(bare(server.address(), json!({ "number": number })).await);
    }
    assert_eq!(answers[0].0, "");
    assert_eq!(answers[1], (String::new(), None));
    assert_eq!(answers[2], (String::new(), Some(ErrorKind::ConnectionReset)));
    assert_eq!(answers[3].0, "HTTP/1.1 204 Odd\r\n\r\n");
    assert_eq!(answers[4].0, "slow");
    let requests = soon(server.until_requests(4)).await;
    assert_eq!(requests[0].body, br#"{"number":1}"#);
    assert!(requests[0].head.starts_with("POST /batch?key=*** HTTP/1.1\r\n"));
    server.push(RawStep::AnswerEarly(b"HTTP/1.1 413 Early\r\n\r\n".to_vec()));
    let early = spawn_blocking(move || {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        write!(stream, "POST / HTTP/1.1\r\ncontent-length: 1000\r\n\r\nthe begin").expect("a connection");
        let mut answer = [0; 22];
        stream.read_exact(&mut answer).expect("an answer before the body");
        (server.requests().len(), answer)
    });
    assert_eq!(soon(early).await.expect("no panic"), (5, *b"HTTP/1.1 413 Early\r\n\r\n"));
    let server = RawServer::start([RawStep::json(200, "{}"), RawStep::json(201, "[]")]).expect("a server");
    let client = awc::Client::default();
    for status in [200, 201] {
        let answer = soon(client.get(server.url()).send()).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
    }
}
