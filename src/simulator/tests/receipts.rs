//! Which receipts are posted, in which form, and how often.

use std::collections::HashSet;

use serde_json::json;

use super::support::{Rig, prompt, soon};
use crate::simulator::{Oddity, Profile, Settings, Span, Spelling, Wire, receipt_json};

#[actix_web::test]
async fn the_same_seed_tells_the_same_story() {
    let story = async |seed| {
        let rig = Rig::with(Settings {
            seed,
            profile: Profile {
                delay: Span::millis(0, 5),
                late_by: Span::millis(1, 5),
                latency: Span::ZERO,
                wire: Wire { uuid: Spelling::Neither, ..Wire::default() },
                ..Profile::stormy()
            },
            couriers: 2,
            ..Settings::default()
        });
        let body = rig.body(300, &json!({"fallback_channels": ["sms"]}));
        rig.taken(&body).await;
        rig.taken(&body).await;
        soon(rig.handle.idle()).await;
        rig.inbox.sorted()
    };
    let first = story(7).await;
    assert_eq!(first, story(7).await);
    assert_ne!(first, story(8).await);
}

#[actix_web::test]
async fn early_receipts_arrive_before_the_answer() {
    let rig = Rig::new(Profile { early: 1.0, hold: false, ..prompt() });
    rig.taken(&rig.body(20, &json!({}))).await;
    assert_eq!(rig.inbox.bodies().len(), 20, "already here");
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.early, counts.receipts), (20, 20));
}

#[actix_web::test]
async fn duplicates_are_equal_and_lost_ones_never_come() {
    let rig = Rig::new(Profile { duplicate: 0.25, lost: 0.25, ..prompt() });
    rig.taken(&rig.body(1_000, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert!((200..300).contains(&counts.lost), "{counts:?}");
    assert!((140..240).contains(&counts.duplicates), "{counts:?}");
    assert_eq!(counts.receipts, 1_000 - counts.lost + counts.duplicates);
    let received = rig.inbox.sorted();
    let distinct: HashSet<_> = received.iter().collect();
    assert_eq!(received.len() as u64, counts.receipts);
    assert_eq!(distinct.len() as u64, 1_000 - counts.lost);
}

#[actix_web::test]
async fn the_order_is_shuffled() {
    let rig = Rig::with(Settings { profile: prompt(), concurrency: 1, ..Settings::default() });
    rig.taken(&rig.body(100, &json!({}))).await;
    soon(rig.handle.idle()).await;
    let came: Vec<_> = rig.inbox.bodies().iter().map(|body| body["destination"].to_string()).collect();
    assert!(!came.is_sorted());
}

#[actix_web::test]
async fn a_fallback_gives_a_failure_first_and_a_delivery_then() {
    let rig = Rig::with(Settings {
        profile: Profile { fallback: 1.0, delay: Span::millis(1, 20), ..Profile::calm() },
        concurrency: 1,
        ..Settings::default()
    });
    rig.taken(&rig.body(10, &json!({"message": "no fallback"}))).await;
    assert_eq!(soon(rig.handle.idle()).await.receipts, 10);
    rig.taken(&rig.body(10, &json!({"channel": "rcs", "fallback_channels": ["sms"]}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.fallbacks, counts.receipts), (10, 30));
    let receipts = rig.inbox.bodies();
    let of_first: Vec<_> = receipts[10..]
        .iter()
        .filter(|receipt| receipt["destination"] == "+441000000000")
        .map(|receipt| receipt["delivered"].clone())
        .collect();
    assert_eq!(of_first, [json!(false), json!(true)]);
}

#[actix_web::test]
async fn odd_forms_are_as_odd_as_they_say() {
    for oddity in Oddity::ALL {
        let rig = Rig::new(Profile { odd: 1.0, oddities: vec![oddity], failing: 1.0, ..prompt() });
        rig.taken(&rig.body(1, &json!({"uuid": "b2693dfe-0813-427a-bc2f-62b0e9292403"}))).await;
        assert_eq!(soon(rig.handle.idle()).await.odd, 1);
        let letter = &rig.inbox.letters()[0];
        let receipt = &letter.body;
        let odd = match oddity {
            Oddity::Number => receipt["destination"] == json!(441_000_000_000_u64),
            Oddity::NoPlus => receipt["destination"] == "441000000000",
            Oddity::ExtraFields => receipt["cost"]["units"] == 1,
            Oddity::UpperCase => receipt["batchuuid"] == "B2693DFE-0813-427A-BC2F-62B0E9292403",
            Oddity::PlainText => letter.content_type.starts_with("text/plain"),
            Oddity::ArrayOfOne => receipt[0]["delivered"] == false,
            Oddity::PaddedCode => receipt["receiptInfo"]["code"].as_str().is_some_and(|code| code.len() == 4),
            Oddity::NoInfo => receipt.get("receiptInfo").is_none(),
            Oddity::NoUuids => receipt.get("batchuuid").is_none() && receipt.get("messageuuid").is_none(),
        };
        assert!(odd, "{oddity:?}: {receipt}");
    }
}

#[actix_web::test]
async fn arrays_unexpected_and_unreadable_ones_come_as_told() {
    let rig = Rig::new(Profile { per_post: 10, unexpected: 1.0, unreadable: 0.2, ..prompt() });
    rig.taken(&rig.body(50, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.unexpected), (100, 50));
    assert!(counts.unreadable > 0);
    assert_eq!(counts.answers.get(&200), Some(&10));
    assert!(rig.inbox.bodies().iter().all(|body| body.as_array().is_some_and(|all| all.len() == 10)));
}

#[actix_web::test]
async fn receipts_may_name_the_batch_by_the_providers_own_uuid() {
    let rig = Rig::new(Profile { wire: Wire { receipts_under_own: true, ..Wire::default() }, ..prompt() });
    let ours = "b2693dfe-0813-427a-bc2f-62b0e9292403";
    assert_eq!(rig.taken(&rig.body(1, &json!({"uuid": ours}))).await, ours);
    soon(rig.handle.idle()).await;
    let named = rig.inbox.bodies()[0]["batchuuid"].as_str().expect("a uuid").to_owned();
    assert_ne!(named, ours);
    assert_eq!(rig.get(&format!("/batch/{named}?key=sandbox-key")).await.0, 200);
}

#[actix_web::test]
async fn what_is_not_answered_2xx_is_repeated_only_when_told_so() {
    let rig = Rig::new(prompt());
    rig.inbox.answer(503);
    rig.taken(&rig.body(3, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.retries), (3, 0));
    rig.handle.set_profile(Profile { retries: 2, retry_after: Span::millis(1, 2), ..prompt() });
    rig.taken(&rig.body(3, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.retries), (12, 6));
    assert_eq!(counts.answers.get(&503), Some(&12));
}

#[actix_web::test]
async fn the_deaf_and_the_pending_post_nothing() {
    let rig = Rig::new(Profile::deaf());
    rig.taken(&rig.body(10, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.lost), (0, 10));
    rig.handle.set_profile(Profile { never: 1.0, ..prompt() });
    let identifier = rig.taken(&rig.body(11, &json!({}))).await;
    let counts = soon(rig.handle.idle()).await;
    assert_eq!((counts.receipts, counts.lost), (0, 10));
    let (_, answer) = rig.get(&format!("/batch/{identifier}?key=sandbox-key")).await;
    assert_eq!(answer["counts"], json!({"total": 11, "delivered": 0, "failed": 0}));
}

#[actix_web::test]
async fn a_test_may_post_receipts_of_its_own() {
    let rig = Rig::new(prompt());
    rig.inbox.answer(202);
    let receipt = receipt_json("b", "m", "+441111111111", false, "22");
    let answered = soon(rig.handle.send_receipt(&rig.inbox.url, &receipt)).await;
    assert_eq!(answered.expect("an answer").0, 202);
    assert_eq!(rig.inbox.bodies(), [receipt]);
    assert!(soon(rig.handle.send_receipt("http://127.0.0.1:1/", &json!({}))).await.is_err());
}
