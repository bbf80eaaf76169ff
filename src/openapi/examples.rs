//! An example of each schema, all from one short story: a batch to two numbers, one of which was switched off.

use serde_json::{Value, json};

pub(super) const BATCH: &str = "c4ae0c8a-bbb2-4ce3-8ebc-5d8df1751d8d";
const GROUP: &str = "0b8ef3f0-6b1c-4f0e-9a53-0d6a2f1f7c11";
const MESSAGE: &str = "6a96a54d-596f-403a-bcd6-6a07fd985f93";

/// An example of a schema used in answers.
pub(super) fn of(shape: &str) -> Option<Value> {
    let page = |item: Value| json!({"items": [item], "next": null});
    Some(match shape {
        "Batch" => batch(),
        "Accepted" => {
            let mut accepted = batch();
            accepted["numbers"] = json!({"national": 0, "countries": {"GB": 2}, "doubtful": []});
            accepted
        }
        "BatchPage" => page(batch()),
        "Group" => json!({"id": GROUP, "counts": counts(), "batches": [batch()], "pruned": 0}),
        "KnownId" => known_id(),
        "KnownIdPage" => page(known_id()),
        "Destination" => {
            let mut destination = destination();
            destination["history"] = json!([receipt()]);
            destination
        }
        "DestinationPage" => page(destination()),
        "ReceiptPage" => json!({"items": [receipt()], "next": "2"}),
        "NumberReport" => {
            let mut item = destination();
            item["batch"] = json!(BATCH);
            item["history"] = json!([receipt()]);
            json!({"destination": "+447700900002", "items": [item], "unexpected": [], "next": null})
        }
        "Forgotten" => json!({"batches": 1, "receipts": 1}),
        "Acknowledgement" => json!({"recorded": 1, "duplicates": 0}),
        "QuarantinedCallback" => json!({"quarantined": [17]}),
        "Health" => json!({"alive": true}),
        "Quarantined" => {
            let mut item = quarantined();
            item["body"] = json!(r#"{"destination":"447700900002"}"#);
            item
        }
        "QuarantinedPage" => page(quarantined()),
        "CodePage" => json!({"items": [
            {"code": "00", "description": "Successful"},
            {"code": "22", "description": "No response from the SME (e.g. phone switched off)"},
        ], "next": null}),
        "Stats" => json!({
            "batches": {"queued": 0, "submitting": 0, "scheduled": 0, "submitted": 0, "complete": 1, "rejected": 0, "unconfirmed": 0,
                "cancelled": 0, "validated": 0},
            "destinations": counts(), "receipts": 2, "quarantine": {"waiting": 1, "replayed": 0, "dropped": 0}, "paused": false,
        }),
        "Paused" => json!({"paused": true}),
        "Checked" => json!({"ok": true, "problems": []}),
        "Rotated" => json!({"accepted": 2}),
        "Backup" => json!({"file": "/var/backups/receiptd/monday.db"}),
        "Pruned" => json!({"batches": 12, "destinations": 34000, "receipts": 33990}),
        "Reconciled" => json!({"recorded": 1, "duplicates": 1, "pending": 0}),
        "Probed" => json!({
            "database": "/var/lib/receiptd/receiptd.db",
            "public_url": {"ok": true, "detail": "public_url reaches this daemon"},
            "largest_body": {"ok": true, "detail": "callbacks of 256.0 KiB arrive, as callback.max_body allows"},
            "provider": {"ok": true, "detail": "it answers and accepts the key"},
            "provider_clock_ahead": 0, "traffic": {"batches": 12, "renamed": 0, "early": 1, "repeated": 3},
        }),
        "Readiness" => json!({"ready": true, "degraded": []}),
        _ => return None,
    })
}

/// An example of a problem with this status.
pub(super) fn problem(status: u16, what: &str) -> Value {
    let kind = match status {
        400 => "invalid",
        401 => "unauthorized",
        404 => "not-found",
        408 => "too-slow",
        409 => "conflict",
        411 => "no-length",
        413 => "too-large",
        415 => "encoding",
        502 => "provider",
        _ => "busy",
    };
    let mut problem = json!({"type": format!("tag:receiptd,2026:problem/{kind}"), "title": what, "status": status, "detail": what});
    if status == 400 {
        problem["errors"] = json!([{"pointer": "/destinations/3", "detail": "`12345` is too short for a number"}]);
    }
    problem
}

/// The beginning of a live stream.
pub(super) fn stream() -> String {
    format!(": receipts of this daemon, oldest first\n\nid: 2\nevent: receipt\ndata: {}\n\n", receipt())
}

pub(super) fn csv() -> String {
    format!(
        "batch,provider_batch,destination,state,code,description,message_id,receipts,conflict,first_receipt_at,last_receipt_at\n\
         {BATCH},{BATCH},+447700900002,failed,22,No response from the SME (e.g. phone switched off),{MESSAGE},1,false,\
         2026-12-24T09:00:03.250Z,2026-12-24T09:00:03.250Z\n"
    )
}

pub(super) fn ndjson() -> String {
    let mut row = destination();
    row["batch"] = json!(BATCH);
    row["provider_batch"] = json!(BATCH);
    format!("{row}\n")
}

fn counts() -> Value {
    json!({"total": 2, "merged": 0, "queued": 0, "submitted": 0, "delivered": 1, "failed": 1, "expired": 0, "cancelled": 0, "rejected": 0,
        "validated": 0, "conflict": 0})
}

fn known_id() -> Value {
    json!({"id": BATCH, "kind": "batch", "reference": "spring-sale", "created_at": "2026-11-25T09:00:00.000Z"})
}

fn batch() -> Value {
    json!({
        "id": BATCH, "provider_id": BATCH, "group": GROUP, "resend_of": null, "reference": "spring-sale", "state": "complete",
        "from": "mplus", "message": "Your parcel is here", "parts": 1, "channel": "rcs", "fallback_channels": ["sms"], "send_at": null,
        "allow_multi": false, "dry_run": false, "counts": counts(), "attempts": 1, "last_error": null,
        "created_at": "2026-12-24T09:00:00.000Z", "submitted_at": "2026-12-24T09:00:00.120Z", "completed_at": "2026-12-24T09:00:03.250Z",
    })
}

fn destination() -> Value {
    json!({
        "destination": "+447700900002", "state": "failed", "code": "22", "description": "No response from the SME (e.g. phone switched off)",
        "message_id": MESSAGE, "receipts": 1, "first_receipt_at": "2026-12-24T09:00:03.250Z", "last_receipt_at": "2026-12-24T09:00:03.250Z",
        "conflict": false,
    })
}

fn receipt() -> Value {
    json!({
        "id": 2, "batch": BATCH, "destination": "+447700900002", "delivered": false, "code": "22",
        "description": "No response from the SME (e.g. phone switched off)", "message_id": MESSAGE, "source": "webhook",
        "outcome": "applied", "received_at": "2026-12-24T09:00:03.250Z",
    })
}

fn quarantined() -> Value {
    json!({"id": 17, "batch": BATCH, "received_at": "2026-12-24T09:00:04.000Z", "reason": "it has no `delivered`", "state": "waiting",
        "bytes": 30})
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{api, domain};

    /// Checks that reading an example and writing it again changes nothing: no field is missing, misspelt or
    /// superfluous.
    fn holds<T: Serialize + DeserializeOwned>(shape: &str) {
        let example = of(shape).expect(shape);
        let read: T = serde_json::from_value(example.clone()).expect(shape);
        assert_eq!(serde_json::to_value(read).expect(shape), example, "{shape}");
    }

    #[test]
    fn the_examples_are_of_the_shapes_that_are_sent() {
        holds::<domain::Batch>("Batch");
        holds::<api::Page<domain::Batch>>("BatchPage");
        holds::<api::Group>("Group");
        holds::<api::Destination>("Destination");
        holds::<api::Page<api::Destination>>("DestinationPage");
        holds::<api::Page<api::Receipt>>("ReceiptPage");
        holds::<api::NumberReport>("NumberReport");
        holds::<api::Forgotten>("Forgotten");
        holds::<api::Acknowledgement>("Acknowledgement");
        holds::<api::Quarantined>("Quarantined");
        holds::<api::Page<api::KnownId>>("KnownIdPage");
        holds::<api::Page<api::Quarantined>>("QuarantinedPage");
        holds::<api::Page<api::Code>>("CodePage");
        holds::<api::Stats>("Stats");
        holds::<api::Paused>("Paused");
        holds::<api::Checked>("Checked");
        holds::<api::Rotated>("Rotated");
        holds::<api::Backup>("Backup");
        holds::<api::Pruned>("Pruned");
        holds::<api::Reconciled>("Reconciled");
        holds::<api::Probed>("Probed");
        holds::<api::Readiness>("Readiness");
        let problem = problem(400, "no");
        let read: api::Problem = serde_json::from_value(problem.clone()).expect("a problem");
        assert_eq!(serde_json::to_value(read).expect("JSON"), problem);
    }
}
