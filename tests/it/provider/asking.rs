//! The calls that ask and cancel.

use std::time::Duration;

use receiptd::domain::{ErrorKind, Identifier, Receipt, ReceiptCode};
use receiptd::provider::{CallError, Cancelled, PendingBatch, Polled, Provider, WireNames};

use super::scripted::{Act, Scripted, answer, gzipped};
use super::{KEY, impatient, provider, provider_with};

fn id() -> Identifier {
    Identifier::from("EA5B64D8-4267-4FFA-937D-2BA0C4F031F3")
}

/// Asks, and takes what is handed on.
async fn ask(provider: &Provider, id: &Identifier) -> Result<(Polled, Vec<Receipt>), CallError> {
    let (to, mut found) = tokio::sync::mpsc::channel(1);
    let (polled, receipts) = futures_util::join!(provider.receipts(id, to), async move {
        let mut receipts = Vec::new();
        while let Some(some) = found.recv().await {
            receipts.extend(some);
        }
        receipts
    });
    Ok((polled?, receipts))
}

async fn poll(body: &str) -> Result<(Polled, Vec<Receipt>), CallError> {
    let server = Scripted::says("200 OK", "", body);
    let polled = ask(&provider(&server), &id()).await;
    let [seen] = server.seen().try_into().expect("one request");
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.target, format!("/batch/ea5b64d8-4267-4ffa-937d-2ba0c4f031f3?key={KEY}&details=true"));
    polled
}

#[actix_web::test]
async fn details_are_believed_and_counts_are_not() {
    let (polled, receipts) = poll(
        r#"{"counts": {"total": "many", "delivered": 2, "failed": 1},
            "details": [
              {"destination": "+441111111111", "delivered": true, "failed": false, "batchuuid": "ea5b64d8-4267-4ffa-937d-2ba0c4f031f3",
               "messageuuid": "m1", "info": null},
              {"destination": "442222222222", "delivered": false, "failed": true, "messageuuid": "m1",
               "info": {"code": "22", "description": "No response from the SME"}},
              {"destination": 443333333333, "delivered": null, "failed": true, "info": {"code": 22}},
              {"destination": "444444444444", "failed": false},
              {"destination": "445555555555", "delivered": true, "failed": true, "info": "odd"},
              {"destination": "446666666666", "delivered": "true", "failed": 0}
            ]}"#,
    )
    .await
    .expect("an answered poll");
    assert_eq!((polled.pending, polled.unreadable), (1, 0));
    let said: Vec<_> = receipts
        .iter()
        .map(|receipt| (receipt.destination.digits(), receipt.delivered, receipt.code.as_ref().map(ReceiptCode::as_str)))
        .collect();
    let expected = [
        (441_111_111_111, true, None),
        (442_222_222_222, false, Some("22")),
        (443_333_333_333, false, Some("22")),
        (445_555_555_555, true, None),
        (446_666_666_666, true, None),
    ];
    assert_eq!(said, expected);
    let [first, second, ..] = &receipts[..] else { unreachable!("there are five") };
    assert_eq!((&first.batchuuid, &second.batchuuid), (&Some(id()), &None));
    assert_eq!(first.message_id, second.message_id);
    assert_eq!(second.description.as_deref(), Some("No response from the SME"));
}

#[actix_web::test]
async fn details_that_are_packed_with_gzip_are_read_as_they_come() {
    let one = |n: u64| format!(r#"{{"destination":"+4477009{n:05}","delivered":true}}"#);
    let details: Vec<String> = (0..20_000).map(one).collect();
    let body = format!(r#"{{"details":[{}]}}"#, details.join(","));
    let server = Scripted::new([Act::Say(gzipped("200 OK", &body))]);
    let (polled, receipts) = ask(&provider(&server), &id()).await.expect("an answered poll");
    assert_eq!((receipts.len(), polled.pending, polled.unreadable), (20_000, 0, 0));
}

#[actix_web::test]
async fn details_that_cannot_be_read_are_counted_and_spoil_nothing() {
    let (polled, receipts) = poll(
        r#"{"details": [null, 7, "x", [], {}, {"destination": "07700900123", "delivered": true}, {"destination": -1},
            {"destination": "441111111111", "delivered": "perhaps"}, {"destination": "441111111111", "destination": "1"},
            {"destination": "441111111111", "delivered": true, "info": {"description": "\ud800"}},
            {"destination": "442222222222", "delivered": true}]}"#,
    )
    .await
    .expect("an answered poll");
    // The one with half a surrogate pair in its description is a receipt none the less.
    assert_eq!((receipts.len(), polled.pending, polled.unreadable), (2, 0, 9));
}

#[actix_web::test]
async fn an_answer_without_details_is_no_answered_poll() {
    for body in ["", "{}", "[]", r#"{"details":null}"#, r#"{"counts":{}}"#, r#"{"details":[{}"#, "<html>"] {
        let Err(CallError::Unclear(trouble)) = poll(body).await else { unreachable!("{body}") };
        assert_eq!((trouble.kind, trouble.status), (ErrorKind::Unreadable, Some(200)), "{body}");
    }
    assert_eq!(poll(r#"{"details":[]}"#).await, Ok((Polled::default(), Vec::new())));
}

#[actix_web::test]
async fn the_details_of_the_largest_batch_are_read() {
    let details: Vec<String> = (0..50_000u64)
        .map(|i| {
            let number = 447_700_000_000 + i;
            format!(
                r#"{{"destination":"+{number}","delivered":{},"failed":false,"batchuuid":"ea5b64d8-4267-4ffa-937d-2ba0c4f031f3","messageuuid":"6a96a54d-596f-403a-bcd6-{i:012}","info":{{"code":"00","description":"Successful"}}}}"#,
                i % 2 == 0
            )
        })
        .collect();
    let (polled, receipts) = poll(&format!(r#"{{"counts":{{}},"details":[{}]}}"#, details.join(","))).await.expect("an answered poll");
    assert_eq!((receipts.len(), polled.pending, polled.unreadable), (25_000, 25_000, 0));
}

#[actix_web::test]
async fn details_cut_short_are_no_answered_poll() {
    let server = Scripted::new([Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"details\":[]}".to_vec())]);
    let Err(CallError::Unclear(trouble)) = ask(&provider(&server), &id()).await else { unreachable!("it was cut") };
    assert_eq!(trouble.kind, ErrorKind::CutShort);
}

#[actix_web::test]
async fn pending_batches_are_read_in_whatever_form() {
    let server = Scripted::says(
        "200 OK",
        "",
        r#"{"batches":[
            {"identifier":"a","at":"2026-01-01T09:00:00Z","from":"x","messagecount":4,"unitcount":"8"},
            {"identifier":"b","at":"2026-01-01T09:00:00+00:00","messagecount":"4","unitcount":8},
            {"identifier":"c","at":"2026-01-01T09:00Z"},
            {"identifier":"d","at":"2026-01-01T09:00:00"},
            {"identifier":5,"at":"soon"},
            {"at":"2026-01-01T09:00Z"}, null]}"#,
    );
    let pending = provider(&server).pending().await.expect("a list");
    assert_eq!(server.seen()[0].target, format!("/batch?key={KEY}"));
    let nine = "2026-01-01T09:00Z".parse().ok();
    let entry = |name: &str, at| PendingBatch { identifier: name.into(), at, from: None, messages: None, units: None };
    let expected = [
        PendingBatch { from: Some("x".to_owned()), messages: Some(4), units: Some(8), ..entry("a", nine) },
        PendingBatch { messages: Some(4), units: Some(8), ..entry("b", nine) },
        entry("c", nine),
        entry("d", nine),
        entry("5", None),
    ];
    assert_eq!(pending, expected);
}

#[actix_web::test]
async fn codes_are_kept_as_they_come() {
    let server = Scripted::says("200 OK", "", r#"[{"code":"00","description":"Successful"},{"code":1},{"description":"?"},null]"#);
    let expected = vec![(ReceiptCode::new("00"), "Successful".to_owned()), (ReceiptCode::new("1"), String::new())];
    assert_eq!(provider(&server).codes().await, Ok(expected));
    assert_eq!(server.seen()[0].target, format!("/dr-responses?key={KEY}"));
}

#[actix_web::test]
async fn a_call_that_fails_says_how() {
    for (status, expected) in [
        ("401 A", "the provider refuses the key (unauthorized)"),
        ("403 A", "the provider refuses the key (unauthorized)"),
        ("404 A", "the provider does not know it (not_found)"),
        ("405 A", "the provider does not know it (not_found)"),
        ("400 A", "the provider refuses the key (refused)"),
        ("402 A", "no clear answer from the provider (no_credit)"),
        ("429 A", "no clear answer from the provider (busy)"),
        ("500 A", "no clear answer from the provider (server_error)"),
        ("204 A", "no clear answer from the provider (unexpected)"),
        ("307 A", "no clear answer from the provider (redirect)"),
    ] {
        let server = Scripted::says(status, "Location: /batch\r\nRetry-After: 9\r\n", &format!("no {KEY}"));
        let error = provider(&server).pending().await.expect_err("no list");
        assert_eq!(error.to_string(), expected, "{status}");
        assert!(!error.trouble().detail.contains(KEY));
        assert_eq!(error.trouble().retry_after, Some(Duration::from_secs(9)));
        assert_eq!(server.connections(), 1);
    }
    let server = Scripted::new([Act::Hang]);
    assert!(matches!(impatient(&server).pending().await, Err(CallError::Unclear(trouble)) if trouble.kind == ErrorKind::Timeout));
    let nobody = provider_with("http://nonexistent.invalid", Duration::from_secs(10), WireNames::Both);
    assert!(matches!(nobody.pending().await, Err(CallError::Unreachable(trouble)) if trouble.kind == ErrorKind::Dns));
}

#[actix_web::test]
async fn a_cancellation_is_yes_no_or_unclear() {
    let cancel = async |act: Act| {
        let server = Scripted::new([act]);
        let cancelled = impatient(&server).cancel(&id()).await;
        let [seen] = server.seen().try_into().expect("one request");
        assert_eq!((&*seen.method, seen.target), ("DELETE", format!("/batch/ea5b64d8-4267-4ffa-937d-2ba0c4f031f3?key={KEY}")));
        cancelled
    };
    for bytes in
        [answer("200 OK", "", "{}"), b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()]
    {
        assert_eq!(cancel(Act::Say(bytes)).await, Ok(Cancelled::Yes));
    }
    for status in ["400 A", "404 A", "405 A", "409 A", "410 A", "422 A"] {
        assert!(
            matches!(cancel(Act::Say(answer(status, "", "too late"))).await, Ok(Cancelled::No(trouble)) if trouble.detail == "too late")
        );
    }
    for status in ["202 A", "307 A", "402 A", "408 A", "429 A", "500 A", "503 A"] {
        assert!(matches!(cancel(Act::Say(answer(status, "", ""))).await, Err(CallError::Unclear(_))), "{status}");
    }
    for act in [Act::Close, Act::Hang] {
        assert!(matches!(cancel(act).await, Err(CallError::Unclear(_))));
    }
    assert!(matches!(cancel(Act::Say(answer("401 A", "", ""))).await, Err(CallError::Unauthorized(_))));
}

#[actix_web::test]
async fn an_identifier_leads_to_its_own_path_and_nowhere_else() {
    let server = Scripted::says("200 OK", "", r#"{"details":[]}"#);
    let provider = provider(&server);
    let odd = Identifier::from("a/../b?x=1&key=ü#%");
    assert_eq!(ask(&provider, &odd).await, Ok((Polled::default(), Vec::new())));
    let encoded = "a%2F..%2Fb%3Fx%3D1%26key%3D%C3%BC%23%25";
    assert_eq!(server.seen()[0].target, format!("/batch/{encoded}?key={KEY}&details=true"));
    for nowhere in ["", " ", ".", ".."] {
        assert!(matches!(provider.cancel(&nowhere.into()).await, Err(CallError::NotFound(_))));
    }
    assert_eq!(server.connections(), 1);
}
