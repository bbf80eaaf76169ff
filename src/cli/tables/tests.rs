use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::domain::Timestamp;

const WIDTHS: [usize; 3] = [60, 80, 120];

fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().expect("a time")
}

fn on(width: Option<usize>) -> Screen {
    Screen::of_width(width, now())
}

/// A batch with the longest possible values.
fn a_batch(state: &str, id: &str) -> Batch {
    let batch = json!({
        "id": id, "provider_id": "0199aaaa-58c1-4a0e-9a53-0d6a2f1f7c11", "group": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "resend_of": id, "reference": "spring-sale-of-the-northern-branches", "state": state, "from": "ELEVENCHARS",
        "message": "Hello \u{1b}[31m\nyour order is ready: https://example.com/orders/6f2c1d9e58c14a0e9a530d6a2f1f7c11 👋", "parts": 2,
        "channel": "rcs", "fallback_channels": ["sms"], "send_at": "2026-07-01T18:00:00Z", "allow_multi": true, "dry_run": true,
        "counts": {"total": 50_000, "delivered": 31_234, "failed": 12_345, "conflict": 7, "merged": 3, "expired": 6_421}, "attempts": 3,
        "last_error": {"at": "2026-07-01T11:00:00Z", "kind": "rejected", "status": 400, "detail": "the sender is not one of yours"},
        "created_at": "2026-03-04T09:05:00Z", "submitted_at": "2026-07-01T11:59:00Z", "completed_at": null
    });
    serde_json::from_value(batch).expect("a batch")
}

fn many() -> Vec<Batch> {
    let ids = ["6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "6f2c1d9e-9999-4a0e-9a53-0d6a2f1f7c11", "0d6a2f1f-58c1-4a0e-9a53-6f2c1d9e7c11"];
    ["complete", "unconfirmed", "submitting"].into_iter().zip(ids).map(|(state, id)| a_batch(state, id)).collect()
}

fn a_report() -> NumberReport {
    let id = "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11";
    let receipt = json!({
        "id": 1, "batch": id, "destination": "+447700900123", "delivered": false, "code": "22", "description": "Absent subscriber: the phone is off",
        "message_id": null, "source": "webhook", "outcome": "applied", "received_at": "2026-07-01T11:00:00Z"
    });
    let report = json!({
        "destination": "+447700900123", "next": null, "unexpected": [receipt],
        "items": [{
            "batch": id, "destination": "+447700900123", "state": "delivered", "code": "0000", "description": "Delivered\u{202e} to the handset",
            "message_id": null, "receipts": 2, "first_receipt_at": "2026-03-04T09:05:00Z", "last_receipt_at": "2026-03-04T09:05:00Z",
            "conflict": true, "history": [receipt]
        }]
    });
    serde_json::from_value(report).expect("a report")
}

fn quarantined_ones() -> Vec<Quarantined> {
    let item = json!({
        "id": 1_234_567, "batch": "6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "received_at": "2026-03-04T09:05:00Z", "state": "replayed",
        "reason": "`delivered` is the word \"perhaps\", and neither true nor false; it can be replayed after an update", "bytes": 262_144,
        "body": "{\"delivered\": \"perhaps\u{7}\"}"
    });
    vec![serde_json::from_value(item).expect("an item")]
}

/// Each table with its name, and whether its rows are always one line.
fn each(screen: &Screen) -> Vec<(&'static str, String, Option<usize>)> {
    let about = many().into_iter().map(|batch| (batch.id, batch)).collect();
    let failure = |code: Option<&str>, meaning: Option<&str>| FailuresOfCode {
        code: code.map(str::to_owned),
        description: meaning.map(str::to_owned),
        count: 12_345,
    };
    let failed = [failure(Some("22"), Some(&"Absent subscriber, and more than that ".repeat(4))), failure(None, None)];
    vec![
        ("batches", batches(&many(), screen), Some(4)),
        ("batch", batch(&many()[0], screen), None),
        ("counts", counts(&many()[0].counts, screen), None),
        ("failures", failures(&failed, screen), None),
        ("number", number_report(&a_report(), &about, screen), Some(4)),
        ("quarantine", quarantine(&quarantined_ones(), screen), None),
        ("quarantined", quarantined(&quarantined_ones()[0], screen), None),
    ]
}

#[test]
fn every_table_fits_terminals_of_60_80_and_120_columns() {
    for width in WIDTHS {
        for (name, table, lines) in each(&on(Some(width))) {
            for line in table.lines() {
                assert!(line.width() <= width, "{name} at {width}: {} columns\n{table}", line.width());
                assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name}: {line:?}");
            }
            assert!(lines.is_none_or(|lines| table.lines().count() == lines), "{name} at {width} has broken rows\n{table}");
        }
    }
}

#[test]
fn what_matters_most_is_there_at_every_width() {
    for (width, heads) in [
        (60, "id state total delivered failed"),
        (80, "id state total delivered failed created reference"),
        (120, "id state from total delivered failed pending created reference text"),
    ] {
        let table = batches(&many(), &on(Some(width)));
        let head = table.lines().next().unwrap_or_default();
        assert_eq!(head.split_whitespace().collect::<Vec<_>>().join(" "), heads, "{width}\n{table}");
    }
    assert!(batches(&many(), &on(Some(120))).contains("spring-sale-of"));
    let number = number_report(&a_report(), &many().into_iter().map(|batch| (batch.id, batch)).collect(), &on(Some(80)));
    assert!(number.contains("delivered (conflict)") && number.contains("└ failed"), "{number}");
}

#[test]
fn a_pipe_gets_whole_ids_and_exact_times() {
    let table = batches(&many(), &on(None));
    for whole in
        ["6f2c1d9e-58c1-4a0e-9a53-0d6a2f1f7c11", "2026-03-04T09:05:00.000Z", "spring-sale-of-the-northern-branches", "Hello \\u{1b}[31m"]
    {
        assert!(table.contains(whole), "{whole}\n{table}");
    }
}

#[test]
fn states_have_their_colours() {
    let mut screen = on(Some(80));
    screen.color = true;
    let table = batches(&many(), &screen);
    assert!(table.contains("\u{1b}[32mcomplete\u{1b}[0m") && table.contains("\u{1b}[33munconfirmed\u{1b}[0m"), "{table}");
    assert!(batches(&many(), &on(Some(80))).lines().all(|line| !line.contains('\u{1b}')));
}
