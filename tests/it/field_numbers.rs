//! Numbers and texts as they stand in real requests, through the API of a running daemon.

use serde_json::{Value, json};

use crate::support::{Answer, Daemon, Options, spawn, spawn_with};

async fn in_region(region: &str) -> Daemon {
    let daemon = spawn_with(Options::default().set("RECEIPTD_PROVIDER__DEFAULT_REGION", region)).await;
    daemon.api("POST", "/v1/pause", None).await;
    daemon
}

/// A batch with these fields beside sender and text.
async fn post(daemon: &Daemon, fields: Value) -> Answer {
    let mut body = json!({"from": "ME", "message": "hi"});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    daemon.api("POST", "/v1/batches", Some(body)).await
}

/// Where one number of a request leads; an empty text where it is refused.
async fn led(daemon: &Daemon, number: impl Into<Value>) -> String {
    let answer = post(daemon, json!({"destinations": [number.into()]})).await;
    if answer.status == 400 {
        return String::new();
    }
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let items = daemon.get(&format!("/v1/batches/{id}/destinations")).await.json()["items"].clone();
    items[0]["destination"].as_str().expect("a number").to_owned()
}

#[actix_web::test]
async fn the_region_wins_over_other_countries_and_the_answer_tells_how_the_numbers_were_read() {
    let daemon = in_region("GB").await;
    for number in ["7700900123", "(7700) 900 123", "07700 900123", "447700900123", "+44 07700 900123", "0044 07700 900123", "4407700900123"]
    {
        assert_eq!(led(&daemon, number).await, "+447700900123", "{number}");
    }
    assert_eq!(led(&daemon, 7_700_900_123_u64).await, "+447700900123");
    assert_eq!(led(&daemon, 441_111_111_111_u64).await, "+441111111111");

    let body = json!({"id": "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "destinations":
        ["7700 900123", "+447700900124", "+447700900124", "12025550123", "+4477009001234", "+7 700 900 123", "+999 1234567"]});
    for status in [202, 200] {
        let answer = post(&daemon, body.clone()).await;
        assert_eq!(answer.status, status);
        let numbers = &answer.json()["numbers"];
        assert_eq!(numbers["national"], 1);
        assert_eq!(numbers["national_example"], json!({"written": "7700 900123", "number": "+447700900123"}));
        assert_eq!(numbers["countries"], json!({"GB": 3, "US": 1, "KZ": 1, "ZZ": 1}));
        let doubtful: Vec<&str> =
            numbers["doubtful"].as_array().expect("a list").iter().map(|one| one["pointer"].as_str().expect("text")).collect();
        assert_eq!(doubtful, ["/destinations/4", "/destinations/5", "/destinations/6"]);
        assert_eq!(numbers["doubtful"][0]["number"], "+4477009001234");
        let detail = numbers["doubtful"][0]["detail"].as_str().expect("text");
        assert!(detail.starts_with("`+4477009001234` is too long for GB: 11 digits"), "{detail}");
        assert_eq!(answer.json()["counts"]["total"], 6);
    }
    // A batch that is only looked at says nothing of it.
    assert!(daemon.get("/v1/batches/6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11").await.json()["numbers"].is_null());

    let strict = post(&daemon, json!({"destinations": ["+447700900123", "+4477009001234"], "strict": true})).await;
    assert_eq!((strict.status, strict.pointers()), (400, vec!["/destinations/1".to_owned()]));
    assert_eq!(post(&daemon, json!({"destinations": ["+447700900123", "441111111111"], "strict": true})).await.status, 202);
}

#[actix_web::test]
async fn of_very_many_doubtful_numbers_a_hundred_are_named_and_the_rest_is_counted() {
    let daemon = in_region("GB").await;
    let numbers: Vec<String> = (0..130).map(|n| format!("+4477009001{n:03}0")).collect();
    let told = post(&daemon, json!({"destinations": numbers})).await.json()["numbers"].clone();
    assert_eq!((told["doubtful"].as_array().map(Vec::len), &told["more_doubtful"]), (Some(100), &json!(30)));
}

#[actix_web::test]
async fn american_numbers_are_american_in_america_and_paths_are_read_alike() {
    let daemon = in_region("US").await;
    for number in ["2025550123", "(202) 555-0123", "202-555-0123", "202.555.0123", "1 202 555 0123", "+1 (202) 555-0123"] {
        assert_eq!(led(&daemon, number).await, "+12025550123", "{number}");
    }
    for path in ["2025550123", "12025550123", "+12025550123", "%2B12025550123", "%28202%29%20555-0123", "%E2%80%AA%2B12025550123%E2%80%AC"]
    {
        let answer = daemon.get(&format!("/v1/destinations/{path}")).await;
        assert_eq!((answer.status, &answer.json()["destination"]), (200, &json!("+12025550123")), "{path}");
    }
    let refused = daemon.get("/v1/destinations/2026-11-25").await;
    assert!(refused.status == 400 && refused.json()["errors"][0]["detail"].as_str().expect("text").contains("is a date"));
}

#[actix_web::test]
async fn without_a_region_a_number_keeps_its_digits_and_strange_ones_are_told() {
    let daemon = spawn().await;
    for (number, doubtful) in [("447700900123", 0), ("2025550123", 1), ("612345678", 1), ("100234567", 1), ("1.234.567", 1)] {
        let answer = post(&daemon, json!({"destinations": [number], "dry_run": true})).await;
        assert_eq!(answer.status, 202, "{number}");
        assert_eq!(answer.json()["numbers"]["doubtful"].as_array().map(Vec::len), Some(doubtful), "{number}");
    }
}

#[actix_web::test]
async fn what_is_no_number_is_refused_with_its_reason_and_invisible_characters_are_no_matter() {
    let daemon = in_region("GB").await;
    for number in ["\u{202a}+447700900123\u{202c}", "+44 7700\u{ad}900123", "=\"447700900123\"", "'+447700900123", "\u{2019}447700900123"] {
        assert_eq!(led(&daemon, number).await, "+447700900123", "{number}");
    }
    for (number, why) in [
        ("2026-11-25", "is a date"),
        ("25.11.2026", "is a date"),
        ("192.168.100.12", "is an IP address"),
        ("4.47701E+11", "its last digits are lost"),
        ("4,47701E+11", "its last digits are lost"),
        ("447700900123\u{2800}", "(U+2800) at position 13"),
        ("447700900l23", "`l` (U+006C) at position 10"),
    ] {
        let answer = post(&daemon, json!({"destinations": ["+447700900123", number]})).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec!["/destinations/1".to_owned()]), "{number}");
        let told = answer.json()["errors"][0]["detail"].as_str().expect("text").to_owned();
        assert!(told.contains(why), "{number}: {told}");
    }
}

#[actix_web::test]
async fn a_key_that_is_given_twice_is_refused_by_name() {
    let daemon = spawn().await;
    let raw = async |path: &str, body: &str| {
        let authorization = format!("Bearer {}", daemon.token);
        let headers = [("Authorization", &*authorization), ("Content-Type", "application/json")];
        crate::support::request("POST", &format!("{}{path}", daemon.private), &headers, body.into()).await
    };
    for (body, pointer) in [
        (r#"{"from":"ME","message":"hi","destinations":["+447700900123"],"destinations":["+447700900124"]}"#, "/destinations"),
        (r#"{"from":"ME","message":"hi","destinations":["+447700900123"],"\u0066rom":"ME"}"#, "/from"),
        (r#"{"from":"ME","message":"hi","destinations":["+447700900123"],"dry_run":true,"dry_run":true}"#, "/dry_run"),
    ] {
        let answer = raw("/v1/batches", body).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec![pointer.to_owned()]), "{body}");
        assert!(answer.json()["errors"][0]["detail"].as_str().expect("text").contains("more than once"), "{body}");
    }
    assert_eq!(daemon.get("/v1/batches").await.json()["items"], json!([]));
    let answer = raw("/v1/prune", r#"{"older_than":"90d","dry_run":true,"dry_run":false}"#).await;
    assert_eq!((answer.status, answer.pointers()), (400, vec!["/dry_run".to_owned()]));
}

#[actix_web::test]
async fn characters_that_cost_are_named_and_those_that_no_sender_has_are_refused() {
    let daemon = spawn().await;
    for (character, name) in
        [("’", "`’` (U+2019) at position 101"), ("\u{a0}", "(U+00A0) at position 101"), ("\u{200c}", "(U+200C)"), ("ç", "`ç` (U+00E7)")]
    {
        let body = json!({"message": format!("{}{character}", "a".repeat(100)), "destinations": ["+447700900123"]});
        let answer = post(&daemon, body).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec!["/message".to_owned()]), "{character}");
        let told = answer.json()["errors"][0]["detail"].as_str().expect("text").to_owned();
        assert!(told.contains(name) && told.contains("without it the text takes 1 part"), "{told}");
    }
    for from in ["A\nB", "A\tB", "ME\r", "A\0B", "A\u{7f}B", "A\u{85}", "A\u{2028}B"] {
        let answer = post(&daemon, json!({"from": from, "destinations": ["+447700900123"]})).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec!["/from".to_owned()]), "{}", from.escape_unicode());
    }
    for from in ["A B", "Œuvre", "a sender of more than eleven"] {
        let answer = post(&daemon, json!({"from": from, "destinations": ["+447700900123"]})).await;
        assert_eq!(answer.status, 202, "{from}");
    }
}

#[actix_web::test]
async fn an_offset_that_contradicts_its_zone_is_refused() {
    let daemon = spawn().await;
    let at = async |at: &str| post(&daemon, json!({"destinations": ["+447700900123"], "send_at": at, "dry_run": true})).await;
    let refused = at("2096-11-26T10:00:00+01:00[Europe/London]").await;
    assert_eq!((refused.status, refused.pointers()), (400, vec!["/send_at".to_owned()]));
    let taken = at("2096-11-26T10:00:00+00:00[Europe/London]").await;
    assert_eq!((taken.status, &taken.json()["send_at"]), (202, &json!("2096-11-26T10:00:00.000Z")));
}
