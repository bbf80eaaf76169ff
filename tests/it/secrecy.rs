//! What must never show, looked for in everything that a whole story leaves behind.

use std::time::Duration;

use receiptd::simulator::{Answer, Call, Script};
use serde_json::json;

use crate::binary::House;
use crate::support::{KEY, receipt, request};

const NUMBERS: [&str; 2] = ["+447700900456", "+447700900457"];
const MESSAGE: &str = "the quiet text that nobody else may read";

#[actix_web::test]
async fn a_whole_story_at_trace_shows_no_key_no_token_no_number_and_no_text() {
    let house = House::new().set("RUST_LOG", "trace").set("RECEIPTD_PROVIDER__TIMEOUT", "2s");
    let daemon = house.serve().await;
    let mut answers = Vec::new();
    let mut secrets = vec![KEY.to_owned(), daemon.token.clone()];

    // A batch goes out, its receipts come in, and some of them cannot be read.
    let good = daemon.submit(MESSAGE, &NUMBERS).await;
    daemon.until(&good, "submitted").await;
    let callback = house.callback(0);
    let callback_token = callback.rsplit('/').next().expect("a token").to_owned();
    secrets.push(callback_token.clone());
    for body in [receipt(NUMBERS[0], true, "00"), json!({"destination": NUMBERS[1], "text": MESSAGE}), json!([MESSAGE, KEY.len()])] {
        let answer = request("POST", &callback, &[], body.to_string().into_bytes()).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        answers.push(answer.text);
    }

    // They repeat what they were told, in a place that is kept, and in one that is not understood.
    let repeating = format!("GET {callback} and /batch?key={KEY} with {}", daemon.token);
    let mut known = receipt(NUMBERS[1], false, "22");
    known["receiptInfo"]["description"] = json!(repeating);
    known["callback"] = json!(callback);
    for body in [known, json!([repeating])] {
        let answer = request("POST", &callback, &[], body.to_string().into_bytes()).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
    }
    answers.push(daemon.api("GET", "/v1/receipts", None).await.text.replace(NUMBERS[0], "").replace(NUMBERS[1], ""));
    assert!(answers.last().is_some_and(|receipts| receipts.contains("GET [hidden]") || receipts.contains("[hidden] and")), "{answers:?}");
    // A name that is the key, and details that tell it.
    house.simulator.script(Script::add(Answer::status(200).body(json!({"identifier": KEY}).to_string())));
    let named = daemon.submit(MESSAGE, &NUMBERS).await;
    answers.push(daemon.until(&named, "submitted").await["provider_id"].to_string());
    let told = json!({"details": [
        {"destination": NUMBERS[0], "delivered": false, "failed": true, "info": {"code": "22", "description": format!("see {KEY}")}},
    ]});
    house.simulator.script(Script::on(Call::Details, Answer::status(200).body(told.to_string())));
    assert_eq!(daemon.api("POST", &format!("/v1/batches/{named}/reconcile"), None).await.json()["recorded"], 1);
    // An error that tells the bare token of a batch.
    house.simulator.script(Script::on(Call::Details, Answer::status(500).body(format!("{callback_token} {}", daemon.token))).lasting());
    answers.push(daemon.api("POST", &format!("/v1/batches/{named}/reconcile"), None).await.text);
    house.simulator.clear_scripts();

    // The provider refuses others, and repeats all that it was sent, in the body and in a header.
    let echo = format!(
        "{{\"error\":\"POST /batch?key={KEY} {} {} {MESSAGE}\",\"others\":[{{\"callback\":\"{callback}\"}}]}}",
        NUMBERS[0],
        &NUMBERS[1][1..],
    );
    let echoing = |status| Answer::status(status).body(echo.clone()).header("Location", &format!("/batch?key={KEY}"));
    for (status, state) in [(422, "rejected"), (500, "unconfirmed"), (307, "unconfirmed"), (409, "unconfirmed")] {
        house.simulator.script(Script::add(echoing(status)));
        let id = daemon.submit(MESSAGE, &NUMBERS).await;
        answers.push(daemon.until(&id, state).await["last_error"].to_string());
    }
    let garbage = format!("HTTP/1.1 key={KEY} {MESSAGE}\r\n{callback}\r\n\r\n");
    house.simulator.script(Script::add(Answer::Raw(garbage.into_bytes())));
    let id = daemon.submit(MESSAGE, &NUMBERS).await;
    answers.push(daemon.until(&id, "unconfirmed").await["last_error"].to_string());

    let at = receiptd::clock::Clock::system().now().plus(Duration::from_secs(3600));
    let body = json!({"from": "m", "message": MESSAGE, "destinations": NUMBERS, "send_at": at});
    let id = daemon.api("POST", "/v1/batches", Some(body)).await.json()["id"].as_str().expect("an id").to_owned();
    daemon.until(&id, "scheduled").await;
    let echo = echo.replace(MESSAGE, "");
    for status in [500, 401, 422, 302] {
        house.simulator.script(Script::on(Call::Cancel, Answer::status(status).body(echo.clone())));
        let answer = daemon.api("DELETE", &format!("/v1/batches/{id}"), None).await;
        assert!(matches!(answer.status, 409 | 502), "{answer:?}");
        answers.push(answer.text);
    }

    // Strangers knock, with wrong tokens and half-right ones.
    let wrong_callback = format!("{}{}", &callback[..callback.len() - 4], "AAAA");
    let wrong_api = format!("Bearer {}x", daemon.token);
    for (method, url, header, body) in [
        ("POST", wrong_callback.clone(), "", receipt(NUMBERS[0], true, "00").to_string()),
        ("GET", wrong_callback, "", String::new()),
        ("GET", callback.clone(), "", String::new()),
        ("POST", format!("{callback}/more"), "", receipt(NUMBERS[0], true, "00").to_string()),
        ("GET", format!("{}/v1/batches", daemon.private), "Bearer wrong", String::new()),
        ("GET", format!("{}/v1/batches?token={}", daemon.private, daemon.token), "", String::new()),
        ("GET", format!("{}/v1/destinations/{}", daemon.private, &NUMBERS[0][1..]), &wrong_api, String::new()),
        ("GET", format!("{}/v1/{callback_token}/{KEY}", daemon.private), &wrong_api, String::new()),
    ] {
        let answer = request(method, &url, &[("authorization", header)], body.into_bytes()).await;
        assert!(matches!(answer.status, 401 | 404 | 405), "{method} {url}: {answer:?}");
        answers.push(answer.text);
    }
    // Whoever may ask makes mistakes too.
    for body in [
        json!({"from": "m", "message": MESSAGE, "destinations": NUMBERS, "surprise": KEY}),
        json!({"from": "m", "message": [MESSAGE], "destinations": {"a": NUMBERS}}),
        json!({"from": "m", "message": MESSAGE, "destinations": [NUMBERS[0], "mum"], "send_at": "soon"}),
        json!([MESSAGE]),
    ] {
        let answer = daemon.api("POST", "/v1/batches", Some(body)).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        answers.push(answer.text);
    }
    answers.push(daemon.api("GET", "/readyz", None).await.text);
    answers.push(daemon.api("GET", "/v1/stats", None).await.text);
    let sentence = daemon.api("GET", &format!("/v1/batches/{good}/destinations/{}", &NUMBERS[0][1..]), None).await;
    assert_eq!(sentence.status, 200);

    let (status, log) = daemon.stop().await;
    assert!(status.success(), "{log}");
    assert!(log.contains(&good) && log.lines().count() > 10, "the log tells nothing: {log}");
    for secret in secrets.iter().map(String::as_str).chain([&NUMBERS[0][1..], &NUMBERS[1][1..], "7700900456", "7700900457", MESSAGE]) {
        let shown = log.lines().find(|line| line.contains(secret));
        assert_eq!(shown, None, "{secret} in the log");
        let shown = answers.iter().find(|answer| answer.contains(secret));
        assert_eq!(shown, None, "{secret} in an answer");
    }

    // Nothing that lies in the folder holds the key, and what is not for others is for its owner alone.
    for entry in std::fs::read_dir(house.folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let holds = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds(KEY), "the key in {name}");
        assert!(!holds(&callback_token), "a callback token in {name}");
        assert_eq!(holds(&secrets[1]), name == "receiptd.token", "the API token in {name}");
    }
}

#[actix_web::test]
async fn neither_the_configuration_nor_the_doctor_shows_a_secret() {
    let house = House::new().set("RUST_LOG", "trace");
    let daemon = house.serve().await;
    let listening = daemon.private.trim_start_matches("http://").to_owned();
    for words in [&["config"][..], &["config", "--json"], &["doctor"], &["doctor", "--json"], &["batches"]] {
        let output = house.command(words).env("RECEIPTD_API__LISTEN", &listening).output().expect("run");
        let said = crate::binary::said(&output);
        assert!(said.len() > 20, "{words:?} said nothing");
        for secret in [KEY, &daemon.token] {
            assert!(!said.contains(secret), "{words:?}: {said}");
        }
    }
}
